package token

import (
	"context"
	"fmt"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// typeIntrospection is the typ of a signed introspection answer, which keeps it from being taken for a token (RFC 9701 §5).
const typeIntrospection = "token-introspection+jwt"

// Introspection signs an answer of RFC 7662 §2.2 for one caller (RFC 9701 §5), with the key of a key rotation policy, "" for the
// environment's own. It has no exp and no sub, so that nothing takes it for the token that it is about.
func (t *IDTokens) Introspection(ctx context.Context, env *store.Environment, audience, policy string, answer []byte) (string, error) {
	signer, err := t.Keys.SignerFor(ctx, env, policy)
	if err != nil {
		return "", unavailable(err)
	}
	b := append(make([]byte, 0, len(answer)+256), '{')
	b = member(b, "iss", env.Issuer)
	b = member(b, "aud", audience)
	b = seconds(b, "iat", t.Now().UTC().Truncate(time.Second))
	b = append(append(key(b, "token_introspection"), answer...), '}')
	raw, err := signer.Sign(typeIntrospection, b)
	if err != nil {
		return "", fmt.Errorf("sign introspection answer: %w", err)
	}
	return raw, nil
}
