package token

import (
	"context"
	"errors"
	"fmt"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/keys"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// phantom is an access token as a JWT (RFC 9068) for a resource that needs one where the client has an opaque one: the same claims, jti and
// exp included, signed with the environment's current key. It is as good as the token: what revokes that revokes it.
func phantom(ctx context.Context, rings *keys.Rings, env *store.Environment, c *jose.Claims) (string, error) {
	if !complete(c) {
		return "", errors.New("token: these are not the claims of an access token")
	}
	signer, err := rings.SignerFor(ctx, env, "")
	if err != nil {
		return "", unavailable(err)
	}
	b := append(make([]byte, 0, 1024), '{')
	for _, name := range c.Names() {
		value, _ := c.Raw(name)
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(append(text(b, name), ':'), value...)
	}
	raw, err := signer.Sign(oauth.TypeAccessToken, append(b, '}'))
	if err != nil {
		return "", fmt.Errorf("sign access token: %w", err)
	}
	return raw, nil
}

// Phantom is a JWT with these claims, signed with the environment's key. c are the claims of an access token of the environment that
// works; nothing of that is looked at here. It signs at each call: who needs it often keeps it.
func (l *Local) Phantom(ctx context.Context, c *jose.Claims) (string, error) {
	return phantom(ctx, l.Rings, l.Environment, c)
}
