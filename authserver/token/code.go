package token

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Codes are authorization codes (RFC 6749 §4.1.2). Safe for concurrent use.
type Codes struct {
	Tickets   store.Tickets
	NewSecret func() secret.Value
	Now       func() time.Time
}

// Issue makes a code for a. It lives for ten minutes, or for one where the
// environment is strict. A spent code is remembered for as long as an access
// token that it bought, so that a second use is seen.
func (c *Codes) Issue(ctx context.Context, env *store.Environment, a Authorization) (secret.Value, error) {
	a.Issuer = env.Issuer
	data, err := json.Marshal(a)
	if err != nil {
		return secret.Value{}, fmt.Errorf("encode authorization: %w", err)
	}
	life := store.CodeTTL
	if env.Strict {
		life = store.StrictCodeTTL
	}
	code, expires := c.NewSecret(), c.Now().UTC().Add(life)
	err = c.Tickets.PutTicket(ctx, store.Ticket{
		Environment: env.ID, Kind: store.TicketCode, Hash: code.Hash(), Client: a.Client, Grant: a.Grant,
		Data: data, ExpiresAt: expires, KeptUntil: expires.Add(max(a.TTL, store.DefaultAccessTokenTTL)),
	})
	if err != nil {
		return secret.Value{}, unavailable(fmt.Errorf("store code: %w", err))
	}
	return code, nil
}

// Look reads what a code stands for without spending it. store.ErrSpent comes
// with the authorization that it began; store.ErrNotFound is unknown or expired.
func (c *Codes) Look(ctx context.Context, env *store.Environment, code secret.Value) (Authorization, error) {
	t, err := c.Tickets.TicketByHash(ctx, env.ID, store.TicketCode, code.Hash(), c.Now())
	return authorizationOf(t, err)
}

// Take spends the code: exactly one call succeeds. Errors are those of Look.
func (c *Codes) Take(ctx context.Context, env *store.Environment, code secret.Value) (Authorization, error) {
	t, err := c.Tickets.TakeTicket(ctx, env.ID, store.TicketCode, code.Hash(), c.Now())
	return authorizationOf(t, err)
}

func authorizationOf(t store.Ticket, err error) (Authorization, error) {
	switch {
	case errors.Is(err, store.ErrNotFound):
		return Authorization{}, err
	case err != nil && !errors.Is(err, store.ErrSpent):
		return Authorization{}, unavailable(fmt.Errorf("read code: %w", err))
	}
	var a Authorization
	if bad := json.Unmarshal(t.Data, &a); bad != nil {
		return Authorization{}, fmt.Errorf("decode authorization: %w", bad)
	}
	return a, err
}
