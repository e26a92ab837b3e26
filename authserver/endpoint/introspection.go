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
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

// Introspection is the introspection endpoint (RFC 7662), for tokens of every
// kind: an application learns about its own, a resource about access tokens that
// are for it. What is encrypted to a resource is kept from the application. A refresh or ID token is active for as long as its person is there
// and signed on; token_type keeps either from being taken for an access token.
type Introspection struct {
	Clients  *clientauth.Authenticator
	Tokens   Verifier
	Refresh  Finder
	Users    grant.Users
	Sessions grant.Sessions
	// Answers signs answers (RFC 9701) for who asks for that. nil: all answers are plain.
	Answers *token.IDTokens
}

// Verifier reads a token that works now, or says token.ErrInactive.
type Verifier interface {
	Verify(ctx context.Context, env *store.Environment, raw string) (*token.Active, error)
	VerifyIDToken(ctx context.Context, env *store.Environment, raw string) (*token.ActiveIDToken, error)
	// JWT is an access token that works as a JWT.
	JWT(ctx context.Context, env *store.Environment, raw string) (string, error)
}

// Finder looks refresh tokens up, or says store.ErrNotFound.
type Finder interface {
	Find(ctx context.Context, env *store.Environment, raw secret.Value) (token.Held, error)
}

var inactive = []byte(`{"active":false}`)

// Serve tells a caller about one token. Whatever the caller must not know is
// "not active", and nothing else is said (RFC 7662 §2.2). token_type_hint is not
// needed, so a wrong one does no harm (§2.1).
//
// A caller may have the answer signed (RFC 9701), or, of an access token, the JWT that it stands for (see jwt): the Accept
// header says so. A signed one is for callers that authenticate (RFC 9701 §5); as PingOne does, others get JSON.
func (e *Introspection) Serve(w http.ResponseWriter, r *http.Request, env *store.Environment) error {
	w.Header().Add("Vary", "Accept")

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
	kind := introspectionType(r.Header)
	if kind == typeIntrospectionJWT && caller.Public() {
		return oauth.InvalidRequest("A signed answer is for a caller that authenticates")
	}

	// act: who may see the token is judged every time, whatever was cached
	verdict, err := e.Judge(r.Context(), env, caller, false, raw)
	if err != nil {
		return err
	}

	// respond
	switch {
	case kind == typeIntrospectionJWT && e.Answers != nil:
		return e.signed(w, r, env, caller, &verdict)
	case kind == typeJWT:
		return e.jwt(w, r, env, raw, &verdict)
	}
	web.WriteJSON(w, http.StatusOK, verdict.JSON(env))
	return nil
}

// Verdict is what may be told of a token: one of the first three fields is set, or none where that is nothing.
type Verdict struct {
	Access  *token.Active
	Refresh *token.Held
	ID      *token.ActiveIDToken
	// Outside: of Access no more than token.Active.Outside, since it is encrypted, and its client asks.
	Outside bool
}

// JSON is the answer of RFC 7662 §2.2.
func (v *Verdict) JSON(env *store.Environment) []byte {
	switch {
	case v.Access != nil && v.Outside:
		return v.Access.Outside
	case v.Access != nil:
		return v.Access.Introspection
	case v.Refresh != nil:
		return v.Refresh.Introspection(env)
	case v.ID != nil:
		return v.ID.Introspection
	}
	return inactive
}

// Judge finds out what an authenticated caller may know of a token. With all, that
// is what the token's own client may know. The error is temporarily_unavailable: it cannot be told now.
func (e *Introspection) Judge(ctx context.Context, env *store.Environment, caller clientauth.Caller, all bool, raw string) (Verdict, error) {
	if !strings.Contains(raw, ".") && !token.IsOpaque(raw) { // the others are access tokens and JWTs
		if caller.Client == nil {
			return Verdict{}, nil
		}
		return e.refreshToken(ctx, env, caller.Client, all, raw)
	}
	active, err := e.Tokens.Verify(ctx, env, raw)
	switch {
	case err == nil && (all || concerns(active, caller)):
		return Verdict{Access: active, Outside: active.Outside != nil && caller.Resource == nil && !all}, nil
	case err == nil || caller.Client == nil && errors.Is(err, token.ErrInactive):
		return Verdict{}, nil
	case !errors.Is(err, token.ErrInactive):
		return Verdict{}, err
	}
	return e.idToken(ctx, env, caller.Client, all, raw)
}

// concerns reports whether the caller is the client that obtained the token, or
// a resource that it is for.
func concerns(t *token.Active, caller clientauth.Caller) bool {
	if caller.Resource != nil {
		return slices.Contains(t.Audience, caller.Resource.Audience)
	}
	return caller.Client != nil && caller.Client.ID == t.Client
}

func (e *Introspection) refreshToken(ctx context.Context, env *store.Environment, client *store.Client, all bool, raw string) (Verdict, error) {
	held, err := e.Refresh.Find(ctx, env, secret.Of(raw))
	switch {
	case errors.Is(err, store.ErrNotFound):
		return Verdict{}, nil
	case err != nil:
		return Verdict{}, err
	case held.Spent || held.Ended || held.Authorization.Client != client.ID && !all:
		return Verdict{}, nil
	}
	on := held.Authorization.On
	if user, _, err := grant.Present(ctx, env, e.Users, e.Sessions, on.Subject, on.Session); err != nil || user == nil {
		return Verdict{}, err
	}
	return Verdict{Refresh: &held}, nil
}

func (e *Introspection) idToken(ctx context.Context, env *store.Environment, client *store.Client, all bool, raw string) (Verdict, error) {
	id, err := e.Tokens.VerifyIDToken(ctx, env, raw)
	switch {
	case errors.Is(err, token.ErrInactive):
		return Verdict{}, nil
	case err != nil:
		return Verdict{}, err
	case id.Client != client.ID && !all:
		return Verdict{}, nil
	}
	if user, _, err := grant.Present(ctx, env, e.Users, e.Sessions, id.Subject, id.Session); err != nil || user == nil {
		return Verdict{}, err
	}
	return Verdict{ID: id}, nil
}
