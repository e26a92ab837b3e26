package grant

import (
	"context"
	"errors"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

// AuthorizationCode is the grant of clients that a person has signed on for
// (RFC 6749 §4.1.3).
//
// Everything is judged before the code is spent, so that a mistake does not cost
// it. A code that comes a second time, from whomever, ends all that it bought
// (§4.1.2, §10.5). When the store fails just after the code was spent, nothing
// was handed out, and the person has to sign on once more.
type AuthorizationCode struct {
	Personal
	Codes *token.Codes
}

var _ Grant = (*AuthorizationCode)(nil)

// Type is authorization_code.
func (g *AuthorizationCode) Type() string { return oauth.GrantAuthorizationCode }

// Name is authorization_code.
func (g *AuthorizationCode) Name() string { return oauth.GrantAuthorizationCode }

// Token redeems a code.
func (g *AuthorizationCode) Token(ctx context.Context, r Request) (*Response, error) {
	code, err := credential(r, "code")
	if err != nil {
		return nil, err
	}
	env := r.Environment
	a, err := g.Codes.Look(ctx, env, code)
	if err != nil {
		return nil, g.lost(ctx, env, a, err)
	}
	if err := belongs(&a, r); err != nil {
		return nil, err
	}
	user, err := g.person(ctx, r, &a)
	if err != nil {
		return nil, err
	}
	narrowed, err := g.narrow(ctx, r, a, nil)
	if err != nil {
		return nil, err
	}
	if err := g.Tokens.Check(ctx, env, narrowed.Access(r.Client, user)); err != nil {
		return nil, err
	}
	if a, err = g.Codes.Take(ctx, env, code); err != nil {
		return nil, g.lost(ctx, env, a, err)
	}
	r.Environment = a.In(env)
	return g.redeem(ctx, r, user, a, narrowed)
}

// belongs judges whether a request may redeem the code for a.
func belongs(a *token.Authorization, r Request) error {
	if !a.MayBe(r.Client) {
		return refused("the code is another client's, or the client authenticated when it was given out")
	}
	// Where the authorization request named no redirect_uri there is nothing to
	// repeat (RFC 6749 §4.1.3).
	if a.RedirectURI != "" && r.Form.Get("redirect_uri") != a.RedirectURI {
		return refused("redirect_uri is not that of the authorization request")
	}
	if !a.Bound.MetBy(r.Proved) {
		return refused("the code is bound to a key that was not proved")
	}
	if err := oauth.VerifyPKCE(a.Method, a.Challenge, r.Form.Get("code_verifier")); err != nil {
		return refused(err.Error())
	}
	return nil
}

// lost is the answer where the code cannot be had; a is what it stood for if it
// has been spent.
func (g *AuthorizationCode) lost(ctx context.Context, env *store.Environment, a token.Authorization, err error) error {
	switch {
	case errors.Is(err, store.ErrSpent):
		if err := g.Revoker.EndGrant(ctx, env, a); err != nil {
			return err
		}
		return refused("the code was used before")
	case errors.Is(err, store.ErrNotFound):
		return refused("the code is unknown or expired")
	}
	return err
}

// redeem makes what a promises, as far as it still may: narrowed.
func (g *AuthorizationCode) redeem(ctx context.Context, r Request, user *store.User, a, narrowed token.Authorization) (*Response, error) {
	env, client := r.Environment, r.Client
	response, err := g.make(ctx, r, g.Type(), user, narrowed)
	if err != nil {
		return nil, err
	}
	if offline(client, a.Scope) {
		a.Bound = kept(r)
		var refresh secret.Value
		refresh, err = g.Refresh.Begin(ctx, env, client, a)
		switch {
		case errors.Is(err, store.ErrExists):
			// The code was used again meanwhile, and all of this has ended before it was
			// handed out. The one winner is answered nevertheless, as it would have been a
			// moment earlier.
		case err != nil:
			return nil, err
		default:
			response.RefreshToken = refresh.Reveal()
		}
	}
	_, err = g.Sessions.ByID(ctx, env, a.On.Session)
	if err := g.settle(ctx, r, a, err); err != nil {
		return nil, err
	}
	return response, nil
}
