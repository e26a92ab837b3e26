package endpoint

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/clientauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/grant"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

// Introspection is the introspection endpoint (RFC 7662), for tokens of every
// kind: an application learns about its own, a resource about access tokens that
// are for it. A refresh or ID token is active for as long as its person is there
// and signed on; token_type keeps either from being taken for an access token.
type Introspection struct {
	Clients  *clientauth.Authenticator
	Tokens   Verifier
	Refresh  Finder
	Users    grant.Users
	Sessions grant.Sessions
}

// Verifier reads a token that works now, or says token.ErrInactive.
type Verifier interface {
	Verify(ctx context.Context, env *store.Environment, raw string) (*token.Active, error)
	VerifyIDToken(ctx context.Context, env *store.Environment, raw string) (*token.ActiveIDToken, error)
}

// Finder looks refresh tokens up, or says store.ErrNotFound.
type Finder interface {
	Find(ctx context.Context, env *store.Environment, raw secret.Value) (token.Held, error)
}

var inactive = []byte(`{"active":false}`)

// Serve tells a caller about one token. Whatever the caller must not know is
// "not active", and nothing else is said (RFC 7662 §2.2). token_type_hint is not
// needed, so a wrong one does no harm (§2.1).
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

	// act: who may see the token is judged every time, whatever was cached
	body, err := e.answer(r.Context(), env, caller, raw)
	if err != nil {
		return err
	}
	if body == nil {
		body = inactive
	}

	// respond
	web.WriteJSON(w, http.StatusOK, body)
	return nil
}

// answer is what the caller may know of the token; nil for nothing.
func (e *Introspection) answer(ctx context.Context, env *store.Environment, caller clientauth.Caller, raw string) ([]byte, error) {
	if !strings.Contains(raw, ".") { // the others are JWTs
		if caller.Client == nil {
			return nil, nil
		}
		return e.refreshToken(ctx, env, caller.Client, raw)
	}
	active, err := e.Tokens.Verify(ctx, env, raw)
	switch {
	case err == nil && concerns(active, caller):
		return active.Introspection, nil
	case err == nil || caller.Client == nil && errors.Is(err, token.ErrInactive):
		return nil, nil
	case !errors.Is(err, token.ErrInactive):
		return nil, err
	}
	return e.idToken(ctx, env, caller.Client, raw)
}

// concerns reports whether the caller is the client that obtained the token, or
// a resource that it is for.
func concerns(t *token.Active, caller clientauth.Caller) bool {
	if caller.Resource != nil {
		return slices.Contains(t.Audience, caller.Resource.Audience)
	}
	return caller.Client != nil && caller.Client.ID == t.Client
}

func (e *Introspection) refreshToken(ctx context.Context, env *store.Environment, client *store.Client, raw string) ([]byte, error) {
	held, err := e.Refresh.Find(ctx, env, secret.Of(raw))
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, err
	case held.Spent || held.Ended || held.Authorization.Client != client.ID:
		return nil, nil
	}
	on := held.Authorization.On
	if user, _, err := grant.Present(ctx, env, e.Users, e.Sessions, on.Subject, on.Session); err != nil || user == nil {
		return nil, err
	}
	return held.Introspection(env), nil
}

func (e *Introspection) idToken(ctx context.Context, env *store.Environment, client *store.Client, raw string) ([]byte, error) {
	id, err := e.Tokens.VerifyIDToken(ctx, env, raw)
	switch {
	case errors.Is(err, token.ErrInactive):
		return nil, nil
	case err != nil:
		return nil, err
	case id.Client != client.ID:
		return nil, nil
	}
	if user, _, err := grant.Present(ctx, env, e.Users, e.Sessions, id.Subject, id.Session); err != nil || user == nil {
		return nil, err
	}
	return id.Introspection, nil
}
