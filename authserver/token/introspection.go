package token

import (
	"context"
	"fmt"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// typeIntrospection is the typ of a signed introspection answer, which keeps it from being taken for a token (RFC 9701 §5).
const typeIntrospection = "token-introspection+jwt"

// Answer is an answer of introspection that is to be signed.
type Answer struct {
	JSON     []byte // of RFC 7662 §2.2
	Audience string // who asked
	// KeyRotationPolicy is the ID of the policy whose key signs; "" is the environment's own key.
	KeyRotationPolicy string
	// Encryption is the key of who asked; nil: it is not encrypted.
	Encryption *jose.EncryptionKey
}

// Introspection signs an answer for one caller (RFC 9701 §5), and then encrypts it where the caller has a key. It has no exp and no sub, so that
// nothing takes it for the token that it is about.
func (t *IDTokens) Introspection(ctx context.Context, env *store.Environment, a Answer) (string, error) {
	signer, err := t.Keys.SignerFor(ctx, env, a.KeyRotationPolicy)
	if err != nil {
		return "", unavailable(err)
	}
	b := append(make([]byte, 0, len(a.JSON)+256), '{')
	b = member(b, "iss", env.Issuer)
	b = member(b, "aud", a.Audience)
	b = seconds(b, "iat", t.Now().UTC().Truncate(time.Second))
	b = append(append(key(b, "token_introspection"), a.JSON...), '}')
	raw, err := signer.Sign(typeIntrospection, b)
	if err != nil {
		return "", fmt.Errorf("sign introspection answer: %w", err)
	}
	if a.Encryption == nil {
		return raw, nil
	}
	return a.Encryption.Encrypt(raw, jose.Envelope{Type: typeIntrospection})
}
