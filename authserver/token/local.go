package token

import (
	"context"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/keys"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Local is one environment as a gate in the same process sees it
// (resourceserver.Local). Safe for concurrent use.
type Local struct {
	Environment *store.Environment
	Rings       *keys.Rings
	Set         *Revocations
	// Store has the records of opaque tokens.
	Store store.AccessTokens
}

// Keys is the current set of published keys; kid is looked for in the store where it is not
// among them. Just after a start it waits, not long, until the store can be read.
func (l *Local) Keys(ctx context.Context, kid string) (*jose.KeySet, error) {
	if err := l.Set.Wait(ctx); err != nil {
		return nil, err
	}
	ring, err := l.Rings.RingFor(ctx, l.Environment, kid)
	if err != nil {
		return nil, err
	}
	return ring.Set, nil
}

// Epoch changes whenever any token may have been revoked.
func (l *Local) Epoch() uint64 { return l.Set.Epoch() }

// Revoked reports whether the token with these claims has been revoked.
func (l *Local) Revoked(c *jose.Claims) (bool, error) {
	return l.Set.Revoked(l.Environment.ID, holder(c))
}
