package token

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Revoker ends tokens before their time. Safe for concurrent use.
type Revoker struct {
	Verifier *Verifier
	Store    store.Revocations
	Set      *Revocations
	Now      func() time.Time
	// Revoked is told the kind of each revocation.
	Revoked func(kind string)
}

// Revoke ends one access token of client. When it returns nil the revocation is
// durable and every check in this process sees it. A text that is no token that
// works is a success (RFC 7009 §2.2). Another client's token is refused with
// unauthorized_client and stays alive (§2.1); one that cannot be revoked is
// unsupported_token_type (§2.2.1).
func (v *Revoker) Revoke(ctx context.Context, env *store.Environment, client *store.Client, raw string) error {
	t, err := v.Verifier.Read(ctx, env, raw)
	switch {
	case errors.Is(err, ErrInactive):
		return nil
	case err != nil:
		return err
	case t.Client != client.ID:
		return oauth.UnauthorizedClient("The token was not issued to this client")
	case slices.Contains(t.Audience, env.APIAudience):
		// The management API verifies its tokens alone, so to say "revoked" would
		// be a lie.
		return oauth.UnsupportedTokenType("Tokens for the PingOne API cannot be revoked")
	case !t.Personal && env.Compat.UnrevocableClientCredentials:
		return oauth.UnsupportedTokenType("Tokens without a session cannot be revoked")
	}
	r := store.Revocation{
		Environment: env.ID, Kind: store.RevokedToken, Value: t.ID(),
		At: v.Now().UTC().Truncate(time.Second), ExpiresAt: t.ExpiresAt.Add(clockSlack).UTC().Truncate(time.Second),
	}
	if err := v.Store.PutRevocation(ctx, r); err != nil {
		return unavailable(fmt.Errorf("store revocation: %w", err))
	}
	v.Set.Add(r) // the store has told the set already; this makes sure of it
	v.Revoked(string(r.Kind))
	return nil
}
