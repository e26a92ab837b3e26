package endpoint

import (
	"net/http"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/keys"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// JWKS publishes the environment's keys (RFC 7517 §5): every slot's, because a
// key must be known before it signs and for as long as what it signed lives.
type JWKS struct {
	Keys *keys.Rings
}

// Serve answers with the rendered set.
func (e *JWKS) Serve(w http.ResponseWriter, r *http.Request, env *store.Environment) error {
	ring, err := e.Keys.Ring(r.Context(), env)
	if err != nil {
		return oauth.TemporarilyUnavailable(err)
	}
	web.WriteJSON(w, http.StatusOK, ring.JWKS)
	return nil
}
