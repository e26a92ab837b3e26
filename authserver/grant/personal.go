package grant

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/session"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

// Personal makes tokens that speak for a person, for the grants that prolong
// what the person once granted. Safe for concurrent use.
type Personal struct {
	Scopes   *token.Scopes
	Tokens   *token.Minter
	IDTokens *token.IDTokens
	Refresh  *token.Refresher
	Revoker  *token.Revoker
	Users    Users
	Sessions Sessions
	Consents Consents
}

// Users finds people (identity.Users).
type Users interface {
	ByID(ctx context.Context, env *store.Environment, id string) (*store.User, error)
}

// Sessions finds the sessions that tokens hang on (session.Sessions).
type Sessions interface {
	ByID(ctx context.Context, env *store.Environment, id string) (*session.Session, error)
	Touch(ctx context.Context, env *store.Environment, id string) error
}

// Consents finds what people agreed to (store.Consents).
type Consents interface {
	ConsentTo(ctx context.Context, environment, subject, client string) (store.ConsentRecord, error)
}

// refused is the one answer to a code or refresh token that cannot be redeemed,
// whatever is wrong with it: who guesses learns nothing. The log has the cause.
func refused(cause string) error {
	return oauth.InvalidGrant("The code or token is invalid, expired, used or not for this client").WithCause(errors.New(cause))
}

// person finds who granted a, and refuses if they may not any more, have signed
// off, or are not whom the client admits.
func (p *Personal) person(ctx context.Context, r Request, a *token.Authorization) (*store.User, error) {
	user, absent, err := Present(ctx, r.Environment, p.Users, p.Sessions, a.On.Subject, a.On.Session)
	if err != nil {
		return nil, err
	}
	if user == nil {
		return nil, refused(absent)
	}
	switch admitted, err := store.Admits(ctx, p.Scopes.Directory, r.Client, user); {
	case err != nil:
		return nil, oauth.CannotTell("find out whom the application admits", err)
	case !admitted:
		return nil, refused("the application does not admit the user any more")
	}
	// The client takes another sub for another person (OIDC Core §12.2).
	known := cmp.Or(a.MappedSubject, a.On.Subject)
	if slices.Contains(a.Scope, oauth.ScopeOpenID) && token.SubjectFor(r.Client, user) != known {
		return nil, refused("the application would know the user by another sub")
	}
	return user, nil
}

// narrow is a with the scopes that the new access token has: those asked for, or
// all, as far as they are still granted to the client, and those of the resources that the request names (RFC 8707 §2.2), which must
// be of those that the first token was for; no token is for others. The family keeps its own.
func (p *Personal) narrow(ctx context.Context, r Request, a token.Authorization, requested []string) (token.Authorization, error) {
	named, err := oauth.ParseResources(r.Form.All("resource"))
	if err != nil {
		return a, err
	}
	for _, name := range named {
		if !slices.Contains(a.Audience, name) {
			return a, oauth.InvalidTarget("The resource exceeds what was granted")
		}
	}
	for _, name := range requested {
		if !slices.Contains(a.Scope, name) {
			return a, oauth.InvalidScope("The scope exceeds what was granted")
		}
	}
	return p.Scopes.Narrow(ctx, r.Environment, r.Client, a, requested, named)
}

// settle is asked last, with what looking at the session has said after
// everything was made. Whoever ends a session or withdraws a consent does that first
// and ends what hangs on it then, so that tokens made meanwhile are either seen by them or the end is seen
// here.
func (p *Personal) settle(ctx context.Context, r Request, a token.Authorization, err error) error {
	switch {
	case errors.Is(err, store.ErrNotFound):
		if err := p.Revoker.EndGrant(ctx, r.Environment, a); err != nil {
			return err
		}
		return refused("the session ended meanwhile")
	case err != nil:
		return oauth.CannotTell("find session", err)
	}
	return p.agreed(ctx, r, a)
}

// agreed refuses, and ends the grant, where the client is one that people are
// asked about and the person has withdrawn their consent to any of the scopes
// since. To agree again later revives nothing.
func (p *Personal) agreed(ctx context.Context, r Request, a token.Authorization) error {
	if r.Client.Consent == store.ConsentNever {
		return nil
	}
	record, err := p.Consents.ConsentTo(ctx, r.Environment.ID, a.On.Subject, a.Client)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return oauth.CannotTell("find consent", err)
	}
	if err == nil && record.Covers(r.Client.Agreements(a.Scope, a.Resources)) {
		return nil
	}
	if err := p.Revoker.EndGrant(ctx, r.Environment, a); err != nil {
		return err
	}
	return refused("the person does not consent any more")
}

// make mints the access token for a, and the ID token where openid is granted
// (OIDC Core §3.1.3.3). The claims of the scopes are UserInfo's (§5.4); the ID token
// has those that were asked for it one by one, and both have what is mapped for
// the client. The access token is bound to what the client has proved. by is the grant_type.
func (p *Personal) make(ctx context.Context, req Request, by string, user *store.User, a token.Authorization) (*Response, error) {
	env, client := req.Environment, req.Client
	access := a.Access(client, user)
	access.GrantType, access.Bound = by, req.Proved
	minted, err := p.Tokens.Mint(ctx, env, access)
	if err != nil {
		return nil, err
	}
	r := &Response{Access: minted, Scope: a.Scope, Bound: req.Proved}
	if !slices.Contains(a.Scope, oauth.ScopeOpenID) {
		return r, nil
	}
	r.IDToken, err = p.IDTokens.Mint(ctx, env, token.IDToken{
		Client: client, On: a.On, Nonce: a.Nonce, AccessToken: minted.Raw, User: user,
		Scope: a.Scope, Asked: a.Claims.IDToken,
	})
	return r, err
}

// offline reports whether an authorization comes with a refresh token. The
// client needs the grant type, and, where it may ask for offline_access, must
// have done so; a client that may not gets one always (PingOne).
func offline(client *store.Client, scope []string) bool {
	if !slices.Contains(client.GrantTypes, oauth.GrantRefreshToken) {
		return false
	}
	return slices.Contains(scope, oauth.ScopeOfflineAccess) ||
		!slices.Contains(client.Grants[store.ResourceOpenID], oauth.ScopeOfflineAccess)
}

// kept is what the refresh tokens of a new authorization are bound to: those of a client without authentication, to what it has
// proved (RFC 9449 §5, RFC 8705 §4). Others are bound to their client by its authentication, and may change their key.
func kept(r Request) token.Confirmation {
	if r.Client.AuthMethod == oauth.AuthNone {
		return r.Proved
	}
	return token.Confirmation{}
}

// credential takes a code or token out of the form, where nothing prints it.
func credential(r Request, name string) (secret.Value, error) {
	raw, err := r.Form.Require(name)
	return secret.Of(raw), err
}
