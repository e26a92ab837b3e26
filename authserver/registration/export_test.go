package registration

import (
	"context"
	"net/url"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// JudgeDocument is judgeDocument for the fuzzer.
func (r *Registrar) JudgeDocument(ctx context.Context, env *store.Environment, u *url.URL, text []byte) (*store.Client, error) {
	return r.judgeDocument(ctx, env, u, text)
}

// Kept is how many documents are in the cache.
func (c *DocumentCache) Kept() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.slots)
}

// FlightsOf is for how many addresses documents are being fetched.
func (c *DocumentCache) FlightsOf() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.flightsOf)
}

// MaxDocuments is how many there may be.
const MaxDocuments = maxDocuments
