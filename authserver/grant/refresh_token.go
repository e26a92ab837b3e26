package grant

import (
	"context"
	"errors"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

// RefreshToken is the grant of clients whose person is not there (RFC 6749 §6).
//
// Everything is judged, and the new tokens are made, before the refresh token is
// exchanged, so that neither a mistake nor a store that fails meanwhile costs
// it. An exchange that was written is durable; where its answer is lost on the
// way, the client can repeat the request within its grace period and gets the
// same successor. Without a grace period the repetition is a replay, which ends
// the family and all access tokens of the grant.
type RefreshToken struct{ Personal }

var _ Grant = (*RefreshToken)(nil)

// Type is refresh_token.
func (g *RefreshToken) Type() string { return oauth.GrantRefreshToken }

// Name is refresh_token.
func (g *RefreshToken) Name() string { return oauth.GrantRefreshToken }

// Token exchanges a refresh token. auth_time, sid, acr and amr stay those of the
// sign-on (OIDC Core §12.2).
func (g *RefreshToken) Token(ctx context.Context, r Request) (*Response, error) {
	raw, err := credential(r, "refresh_token")
	if err != nil {
		return nil, err
	}
	requested, err := oauth.ParseScope(r.Form.Get("scope"))
	if err != nil {
		return nil, err
	}
	env := r.Environment
	held, err := g.Refresh.Find(ctx, env, raw)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, refused("the refresh token is unknown or expired")
	case err != nil:
		return nil, err
	case !held.Authorization.MayBe(r.Client):
		return nil, refused("the refresh token is another client's, or the client authenticated when it was given out")
	case !held.Authorization.Bound.MetBy(r.Proved):
		return nil, g.unproved(ctx, r, held)
	case held.Ended:
		return nil, g.replayed(ctx, r, held, errors.New("the refresh token has ended"))
	}
	a, err := g.narrow(ctx, r, held.Authorization, requested)
	if err != nil {
		return nil, err
	}
	user, err := g.person(ctx, r, &a)
	if err != nil {
		return nil, err
	}
	if err := g.agreed(ctx, r, held.Authorization); err != nil {
		return nil, err
	}
	at := r
	at.Environment = a.In(env)
	response, err := g.make(ctx, at, g.Type(), user, a)
	if err != nil {
		return nil, err
	}
	if bound := kept(r); !bound.IsZero() && bound != held.Authorization.Bound {
		held.Bind(bound) // a public client that proves more than it did before (RFC 9449 §5, RFC 8705 §4)
	}
	next, err := g.Refresh.Exchange(ctx, env, r.Client, held)
	switch {
	case errors.Is(err, store.ErrSpent):
		held.Spent = true
		return nil, g.replayed(ctx, r, held, errors.New("the refresh token was used before"))
	case errors.Is(err, store.ErrNotFound):
		return nil, refused("the refresh token has ended")
	case err != nil:
		return nil, err
	}
	// A use of the session, and the last look at whether it still lives.
	if err := g.settle(ctx, r, held.Authorization, g.Sessions.Touch(ctx, env, a.On.Session)); err != nil {
		return nil, err
	}
	response.RefreshToken = next.Reveal()
	return response, nil
}

// unproved refuses a token that is bound to what was not proved. Where the family was not bound from the beginning, one that was used before may
// have been anybody's: then it is a replay like any other. Otherwise whoever stole such a token, and was the first to use it with a key of
// their own, would never be found out by its owner's next attempt.
func (g *RefreshToken) unproved(ctx context.Context, r Request, held token.Held) error {
	cause := errors.New("the refresh token is bound to a key or certificate that was not proved")
	if !held.Authorization.BoundLater || !held.Spent {
		return refused(cause.Error())
	}
	// It was exchanged, and will not be again: this tells whether the grace period has passed.
	switch _, err := g.Refresh.Exchange(ctx, r.Environment, r.Client, held); {
	case errors.Is(err, store.ErrSpent):
		return g.replayed(ctx, r, held, cause)
	case err == nil, errors.Is(err, store.ErrNotFound):
		return refused(cause.Error())
	default:
		return err
	}
}

// replayed refuses a token, and ends its grant if it was used before: also when
// the family has ended already, because whoever ended it may not have come so
// far as to end the rest.
func (g *RefreshToken) replayed(ctx context.Context, r Request, held token.Held, cause error) error {
	if held.Spent && token.Protected(r.Environment, r.Client) {
		if err := g.Revoker.EndGrant(ctx, r.Environment, held.Authorization); err != nil {
			return err
		}
	}
	return refused(cause.Error())
}
