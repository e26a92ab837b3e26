package endpoint

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/caddy-gatehouse/gatehouse/authserver/clientauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

// Introspection is the introspection endpoint (RFC 7662).
type Introspection struct {
	Clients *clientauth.Authenticator
	Tokens  Verifier
}

// Verifier reads a token that works now, or says token.ErrInactive.
type Verifier interface {
	Verify(ctx context.Context, env *store.Environment, raw string) (*token.Active, error)
}

var inactive = []byte(`{"active":false}`)

// Serve tells a caller about one token. Whatever the caller must not know is
// "not active", and nothing else is said (RFC 7662 §2.2).
func (e *Introspection) Serve(w http.ResponseWriter, r *http.Request, env *store.Environment) error {
	// parse
	form, err := web.ReadForm(r)
	if err != nil {
		return err
	}

	// authenticate the application or the resource
	caller, err := e.Clients.ClientOrResource(r, form, env, "introspect")
	if err != nil {
		return err
	}

	// validate
	raw, err := form.Require("token")
	if err != nil {
		return err
	}

	// act
	active, err := e.Tokens.Verify(r.Context(), env, raw)
	if err != nil && !errors.Is(err, token.ErrInactive) {
		return err
	}

	// respond: who may see the token is judged every time, whatever was cached
	body := inactive
	if err == nil && concerns(active, caller) {
		body = active.Introspection
	}
	web.WriteJSON(w, http.StatusOK, body)
	return nil
}

// concerns reports whether the caller is the client that obtained the token, or
// a resource that it is for.
func concerns(t *token.Active, caller clientauth.Caller) bool {
	if caller.Resource != nil {
		return slices.Contains(t.Audience, caller.Resource.Audience)
	}
	return caller.Client != nil && caller.Client.ID == t.Client
}
