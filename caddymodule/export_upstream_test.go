package caddymodule

import (
	"context"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
)

// AssertionKeys are the keys of a gate's assertions in a storage, at a time that now tells.
type AssertionKeys struct{ *assertionKeys }

// NewAssertionKeys makes them as a gate does.
func NewAssertionKeys(storage certmagic.Storage, now func() time.Time) AssertionKeys {
	k := &assertionKeys{storage: storage, name: "gatehouse/assertion/test.json", now: now}
	k.ctx, k.cancel = context.WithCancel(context.Background())
	return AssertionKeys{k}
}

// Close ends background work.
func (k AssertionKeys) Close() { k.close() }

// Signing is the key to sign with, and Published the JWK Set.
func (k AssertionKeys) Signing(ctx context.Context) (*jose.SigningKey, error) { return k.signing(ctx) }

// Published is the JWK Set.
func (k AssertionKeys) Published(ctx context.Context) ([]byte, error) {
	ring, err := k.ring(ctx)
	if err != nil {
		return nil, err
	}
	return ring.document()
}

// Settle has the storage looked at again if that is due, and waits for it.
func (k AssertionKeys) Settle(ctx context.Context) error {
	if _, err := k.ring(ctx); err != nil {
		return err
	}
	k.mu.Lock() // the background has it while it reads
	defer k.mu.Unlock()
	return nil
}
