package token

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// endTimeout bounds the writes of EndGrant.
const endTimeout = 10 * time.Second

// Revoker ends tokens before their time. Safe for concurrent use.
type Revoker struct {
	Verifier *Verifier
	Refresh  *Refresher
	Store    store.Revocations
	Set      *Revocations
	Now      func() time.Time
	// Revoked is told the kind of each revocation.
	Revoked func(kind string)
}

// Revoke ends one access or refresh token of client. When it returns nil the
// revocation is durable and every check in this process sees it. A text that is
// no token that works is a success (RFC 7009 §2.2). Another client's token is
// refused with unauthorized_client and stays alive (§2.1); one that cannot be
// revoked is unsupported_token_type (§2.2.1).
//
// A refresh token, exchanged or not, takes its family and the access tokens of
// its grant along (§2.1).
func (v *Revoker) Revoke(ctx context.Context, env *store.Environment, client *store.Client, raw string) error {
	if !strings.Contains(raw, ".") && !IsOpaque(raw) {
		return v.revokeRefresh(ctx, env, client, raw)
	}
	t, err := v.Verifier.Read(ctx, env, raw)
	switch {
	case errors.Is(err, ErrInactive):
		return nil
	case err != nil:
		return err
	case t.Client != client.ID:
		return notYours()
	case slices.Contains(t.Audience, env.APIAudience) && !forUserInfo(t):
		// As PingOne. Disabling the client or the person, or taking its roles, ends
		// what such a token is good for.
		return oauth.UnsupportedTokenType("Tokens for the PingOne API cannot be revoked")
	case !t.Personal && env.Compat.UnrevocableClientCredentials:
		return oauth.UnsupportedTokenType("Tokens without a session cannot be revoked")
	}
	return v.endToken(ctx, env, t.ID(), t.ExpiresAt)
}

// End ends one access token for whoever may: its person, or an administrator. Other than Revoke it does not ask for the client,
// and knows no token that cannot be revoked.
func (v *Revoker) End(ctx context.Context, env *store.Environment, r *Record) error {
	return v.endToken(ctx, env, r.ID, r.ExpiresAt)
}

// EndGrantOf ends the whole authorization that a record came of, refresh tokens included; of a record without one, or with that of
// another client, whose token it was exchanged for, the token.
func (v *Revoker) EndGrantOf(ctx context.Context, env *store.Environment, r *Record) error {
	if r.Grant == "" || r.exchanged() {
		return v.End(ctx, env, r)
	}
	// How long the others live is not in the record: no token lives longer than this.
	return v.EndGrant(ctx, env, Authorization{
		Grant: r.Grant, Client: r.Client, On: SignedOn{Subject: r.Subject, Session: r.Session}, TTL: store.MaxAccessTokenTTL,
	})
}

func (v *Revoker) endToken(ctx context.Context, env *store.Environment, id string, expires time.Time) error {
	return v.put(ctx, store.Revocation{
		Environment: env.ID, Kind: store.RevokedToken, Value: id,
		At: v.Now().UTC().Truncate(time.Second), ExpiresAt: expires.Add(clockSlack).UTC().Truncate(time.Second),
	})
}

// forUserInfo reports whether a token for the PingOne API has scopes of OpenID
// Connect alone: it is then good for UserInfo, which does look at revocations.
func forUserInfo(t *Active) bool {
	return t.Person != nil && len(t.Person.Scope) > 0 && !slices.ContainsFunc(t.Person.Scope, oauth.PingOneScope)
}

func (v *Revoker) revokeRefresh(ctx context.Context, env *store.Environment, client *store.Client, raw string) error {
	held, err := v.Refresh.Find(ctx, env, secret.Of(raw))
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil
	case err != nil:
		return err
	case held.Authorization.Client != client.ID:
		return notYours()
	}
	return v.EndGrant(ctx, env, held.Authorization)
}

func notYours() error { return oauth.UnauthorizedClient("The token was not issued to this client") }

// EndGrant ends all that came of an authorization and all that is about to: its
// access tokens whenever issued, and its refresh tokens. What of it is done
// already is not done again.
func (v *Revoker) EndGrant(ctx context.Context, env *store.Environment, a Authorization) error {
	// Who shows a stolen code or token may hang up; what it leads to is done all the same.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	// No access token outlives this: none lives longer than a.TTL, and none can be
	// made once the family is ended and the code spent, except by requests under way.
	end := v.Now().Add(a.TTL + clockSlack).UTC().Truncate(time.Second)
	if _, known := v.Set.find(env.ID, store.RevokedGrant, a.Grant); !known {
		r := store.Revocation{Environment: env.ID, Kind: store.RevokedGrant, Value: a.Grant, At: end, ExpiresAt: end}
		if err := v.put(ctx, r); err != nil {
			return err
		}
	}
	return v.Refresh.End(ctx, env, a)
}

// put stores r; when it returns nil every check sees it.
func (v *Revoker) put(ctx context.Context, r store.Revocation) error {
	if err := v.Store.PutRevocation(ctx, r); err != nil {
		return unavailable(fmt.Errorf("store revocation: %w", err))
	}
	v.Set.Add(r) // the store has told the set already; this makes sure of it
	v.Revoked(string(r.Kind))
	return nil
}
