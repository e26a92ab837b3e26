package endpoint

import (
	"context"
	"net/http"

	"github.com/caddy-gatehouse/gatehouse/authserver/clientauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Revocation is the revocation endpoint (RFC 7009).
type Revocation struct {
	Clients *clientauth.Authenticator
	Tokens  Revoker
}

// Revoker ends a token of a client: durably, before it returns nil.
type Revoker interface {
	Revoke(ctx context.Context, env *store.Environment, client *store.Client, raw string) error
}

// Serve revokes one token. A token that was never valid is a success too: what
// the client wants, a token that no longer works, already holds (RFC 7009 §2.2).
// token_type_hint is not needed, so a wrong one does no harm (§2.1).
func (e *Revocation) Serve(w http.ResponseWriter, r *http.Request, env *store.Environment) error {
	// parse
	form, err := web.ReadForm(r)
	if err != nil {
		return err
	}

	// authenticate the client
	client, err := e.Clients.Client(r, form, env, "revoke")
	if err != nil {
		return err
	}

	// validate
	raw, err := form.Require("token")
	if err != nil {
		return err
	}

	// act
	if err := e.Tokens.Revoke(r.Context(), env, client, raw); err != nil {
		return err
	}

	// respond
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(http.StatusOK)
	return nil
}
