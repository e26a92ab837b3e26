package token

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// opaqueClaims are those of an opaque or encrypted token of the environment, which has not expired at now, and what has signed it:
// store.ErrNotFound for what is none. All of raw is compared, in constant time: who learned a jti has nothing.
func opaqueClaims(ctx context.Context, tokens store.AccessTokens, environment, raw string, now func(expires time.Time) time.Time) (c *jose.Claims, kid string, err error) {
	id, expires, ok := parseOpaque(raw)
	if !ok {
		id, expires, ok = parseEncrypted(raw)
	}
	if !ok {
		return nil, "", store.ErrNotFound
	}
	t, err := tokens.AccessTokenByID(ctx, environment, id, expires, now(expires))
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, "", store.ErrNotFound
	case err != nil:
		return nil, "", unavailable(fmt.Errorf("find access token: %w", err))
	}
	r, err := readRecord(t)
	if err != nil {
		return nil, "", err
	}
	hash := sha256.Sum256([]byte(raw))
	if r.Opaque == nil || subtle.ConstantTimeCompare(hash[:], r.Opaque.Hash) != 1 {
		return nil, "", store.ErrNotFound // the jti of a JWT, or a guess
	}
	c, err = jose.ParseClaims(r.Opaque.Claims, jose.Limits{})
	if err != nil || c.ID != t.ID || !c.Expiry.Equal(t.ExpiresAt) || !complete(c) {
		return nil, "", errRecord
	}
	return c, r.Opaque.Key, nil
}

// readOpaque is read for an opaque token.
func (v *Verifier) readOpaque(ctx context.Context, env *store.Environment, raw string, now time.Time) (*Active, error) {
	c, _, err := opaqueClaims(ctx, v.Store, env.ID, raw, func(time.Time) time.Time { return now })
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, inactive("unknown, or expired")
	case err != nil:
		return nil, err
	case !speaksFor(env, c.Issuer):
		return nil, inactive("of another issuer")
	}
	return active(env, c)
}

// EnvironmentOf is the ID of the environment of which an opaque token says it is; Verify then finds out whether
// that is so. ErrInactive: of none.
func (v *Verifier) EnvironmentOf(ctx context.Context, raw string) (string, error) {
	id, expires, ok := parseOpaque(raw)
	if !ok {
		return "", inactive("not an opaque token")
	}
	environment, err := v.Store.AccessTokenEnvironment(ctx, id, expires, v.Now())
	switch {
	case errors.Is(err, store.ErrNotFound):
		return "", inactive("unknown, or expired")
	case err != nil:
		return "", unavailable(fmt.Errorf("find the environment of an access token: %w", err))
	}
	return environment, nil
}

// Opaque gives the claims of an opaque token of the environment, for a gate in the same process
// (resourceserver.Local): nil, nil for what is none of ours. Whether it has expired or was revoked is not looked at here.
// Just after a start it waits like Keys.
func (l *Local) Opaque(ctx context.Context, raw string) (*jose.Claims, error) {
	if !IsOpaque(raw) {
		return nil, nil
	}
	if err := l.Set.Wait(ctx); err != nil {
		return nil, err
	}
	// A record that has expired is as good as another here: the caller has a clock, and this has none.
	before := func(expires time.Time) time.Time { return expires.Add(-time.Second) }
	c, _, err := opaqueClaims(ctx, l.Store, l.Environment.ID, raw, before)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return c, err
}
