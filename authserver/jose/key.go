package jose

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/lestrrat-go/jwx/v2/jwk"
)

// Key is one key that verifies signatures, bound to a key type: a public key or
// a shared secret. It is immutable.
type Key struct {
	ID string // kid; "" when it has none

	raw any    // *rsa.PublicKey, *ecdsa.PublicKey, ed25519.PublicKey or []byte
	kty string // RSA, EC, OKP, oct
	crv string
	alg string // the one alg it is published for; "": any that its type allows
	// certificate is the SHA-256 of the first certificate of x5c; "" without x5c, and noCertificate for one that cannot be read.
	certificate string
}

// Fits reports whether the key may verify alg: the right type and curve, and
// the key's own alg, use and key_ops allow it. A key without those last two
// allows it; one whose use or key_ops forbid verifying is never made.
func (k *Key) Fits(alg string) bool {
	a := algorithms[alg]
	if a == nil || a.kty != k.kty || a.crv != k.crv || k.alg != "" && k.alg != alg {
		return false
	}
	if a.secret > 0 {
		secret, ok := k.raw.([]byte)
		return ok && len(secret) >= a.secret
	}
	return true
}

// NewSecretKey makes a shared-secret key for the HMAC algorithms. A secret
// shorter than 32 bytes, or blank, is refused (RFC 7518 §3.2); HS384 and HS512
// need 48 and 64 bytes, and a shorter key does not fit them.
func NewSecretKey(id string, secret []byte) (*Key, error) {
	if len(secret) < algorithms[HS256].secret {
		return nil, fmt.Errorf("the shared secret has %d bytes, at least %d are required (RFC 7518 §3.2)", len(secret), algorithms[HS256].secret)
	}
	blank := true
	for _, c := range secret {
		blank = blank && c <= ' '
	}
	if blank {
		return nil, errors.New("the shared secret is blank")
	}
	return &Key{ID: id, raw: bytes.Clone(secret), kty: ktyOct}, nil
}

// newPublicKey checks the numbers of a public key and binds it to its type.
func newPublicKey(id, alg string, raw any) (*Key, error) {
	k := &Key{ID: id, raw: raw, alg: alg}
	switch pub := raw.(type) {
	case *rsa.PublicKey:
		if err := checkRSA(pub); err != nil {
			return nil, err
		}
		k.kty = ktyRSA
	case *ecdsa.PublicKey:
		crv, err := checkEC(pub)
		if err != nil {
			return nil, err
		}
		k.kty, k.crv = ktyEC, crv
	case ed25519.PublicKey:
		if err := checkEd25519(pub); err != nil {
			return nil, err
		}
		k.kty, k.crv = ktyOKP, curveEd25519
	default:
		return nil, errors.New("the key type is not supported")
	}
	if alg != "" && !k.Fits(alg) {
		return nil, errors.New("the key does not fit its own alg")
	}
	return k, nil
}

// Thumbprint is the key's RFC 7638 SHA-256 thumbprint, base64url. A shared
// secret has none: its thumbprint would be a hash to guess it by.
func (k *Key) Thumbprint() (string, error) {
	if k.kty == ktyOct {
		return "", errors.New("a shared secret has no thumbprint")
	}
	return thumbprint(k.raw)
}

func thumbprint(raw any) (string, error) {
	j, err := jwk.FromRaw(raw)
	if err != nil {
		return "", fmt.Errorf("thumbprint: %w", err)
	}
	sum, err := j.Thumbprint(crypto.SHA256)
	if err != nil {
		return "", fmt.Errorf("thumbprint: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(sum), nil
}
