package token

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// An encrypted access token is a signed one, encrypted to the key of its one resource (store.Resource.Encryption): whoever has the private key
// reads and verifies it like any other. This server has not. What a client shows to it is looked up as an opaque token is: the header
// names the record, by its handle, and the record has the hash of the whole text. So a header that somebody has made up, or taken from another
// token, finds nothing.

// maxEncrypted is how long one may be: as long as gates read by default.
const maxEncrypted = 16384

// encryptedApart refuses a token for a resource whose tokens are encrypted and for another one. Encrypted to the key of one, the others could
// not read it; not encrypted, they and the client would read what that one's configuration says that they must not.
func encryptedApart() error {
	return oauth.InvalidTarget("Tokens for one of the resources are encrypted, and for it alone: name one resource")
}

// encrypted makes the text of a token of the signed one, and completes its record.
func encrypted(env *store.Environment, t *store.AccessToken, a *Access, claims []byte, signed, kid string, to *jose.EncryptionKey) (string, error) {
	r := Record{AccessToken: *t}
	raw, err := to.Encrypt(signed, jose.Envelope{Type: env.AccessTokenType, Reference: r.Handle()})
	if err != nil {
		return "", err
	}
	if len(raw) > maxEncrypted || len(claims) > maxOpaqueClaims {
		return "", fmt.Errorf("%d bytes of claims are too many for an encrypted access token, which would have %d bytes, at most %d", len(claims), len(raw), maxEncrypted)
	}
	hash := sha256.Sum256([]byte(raw))
	t.Data, err = details(env, a, &OpaqueDetails{Hash: hash[:], Claims: claims, Key: kid}).encode()
	return raw, err
}

// parseEncrypted reads what an encrypted token says without its record, of which nothing is proven.
func parseEncrypted(raw string) (id string, expires time.Time, ok bool) {
	handle, ok := jose.Reference(raw, jose.Limits{})
	if !ok {
		return "", time.Time{}, false
	}
	return ParseHandle(handle)
}

// readEncrypted is read for an encrypted token. It ends with the key that has signed what is inside, as for whoever opens it.
func (v *Verifier) readEncrypted(ctx context.Context, env *store.Environment, raw string, now time.Time) (*Active, error) {
	c, kid, err := opaqueClaims(ctx, v.Store, env.ID, raw, func(time.Time) time.Time { return now })
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, inactive("unknown, or expired")
	case err != nil:
		return nil, err
	case kid == "":
		return nil, errRecord
	case !speaksFor(env, c.Issuer):
		return nil, inactive("of another issuer")
	}
	ring, err := v.Keys.RingFor(ctx, env, kid)
	switch {
	case err != nil:
		return nil, unavailable(err)
	case !ring.Set.HasID(kid):
		return nil, inactive("its key is withdrawn")
	}
	a, err := active(env, c)
	if err != nil {
		return nil, err
	}
	a.kid, a.Outside = kid, outside(c, a.Bound)
	a.ring.Store(ring)
	return a, nil
}

// outside renders the introspection response for the client of an encrypted token: what it has asked for, and was told with the token.
func outside(c *jose.Claims, bound Confirmation) []byte {
	b := append(make([]byte, 0, 256), `{"active":true`...)
	if len(c.Scope) > 0 {
		b = member(b, "scope", join(c.Scope))
	}
	b = member(b, "client_id", c.ClientID)
	b = member(b, "token_type", bound.Type())
	b = member(b, "iss", c.Issuer)
	b = array(b, "aud", c.Audience)
	b = seconds(b, "iat", c.IssuedAt)
	b = seconds(b, "exp", c.Expiry)
	return append(b, '}')
}
