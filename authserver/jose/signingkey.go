package jose

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/lestrrat-go/jwx/v2/jwk"
)

// SigningKey is a private key bound to one algorithm. Sign is safe for
// concurrent use.
type SigningKey struct {
	algorithm *algorithm
	private   crypto.Signer // *rsa.PrivateKey, *ecdsa.PrivateKey or ed25519.PrivateKey
	public    *Key
	x5t       string // of the certificate; "" for none
	headers   headerCache
}

// GenerateSigningKey draws a key for alg (RSA: bits, 2048 when 0; up to 16384).
// The other algorithms have one size and take bits 0 alone.
func GenerateSigningKey(alg string, bits int) (*SigningKey, error) {
	a := algorithms[alg]
	if a == nil || a.secret > 0 {
		return nil, errors.New("no key can be generated for this algorithm")
	}
	if a.kty != ktyRSA && bits != 0 {
		return nil, errors.New("only RSA keys have a size")
	}
	var private crypto.Signer
	var err error
	switch a.crv {
	case curveP256:
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case curveP384:
		private, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case curveP521:
		private, err = ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case curveEd25519:
		_, private, err = ed25519.GenerateKey(rand.Reader)
	default:
		if bits == 0 {
			bits = minRSABits
		}
		if bits < minRSABits || bits > maxRSABits {
			return nil, fmt.Errorf("an RSA key has %d to %d bits", minRSABits, maxRSABits)
		}
		private, err = rsa.GenerateKey(rand.Reader, bits)
	}
	if err != nil {
		return nil, fmt.Errorf("generate %s key: %w", alg, err)
	}
	return newSigningKey(private, alg, "")
}

// Named is k under another key ID, of at most 256 bytes.
func (k *SigningKey) Named(kid string) (*SigningKey, error) {
	return newSigningKey(k.private, k.algorithm.name, kid)
}

// newSigningKey binds a private key. alg "" is the natural one, kid "" the
// thumbprint.
func newSigningKey(private crypto.Signer, alg, kid string) (*SigningKey, error) {
	if alg == "" {
		alg = naturalAlgorithm(private)
	}
	a := algorithms[alg]
	if a == nil || a.secret > 0 {
		return nil, errors.New("the private key has no use for this algorithm")
	}
	var raw any
	switch k := private.(type) {
	case *rsa.PrivateKey:
		if err := checkRSA(&k.PublicKey); err != nil {
			return nil, err
		}
		if len(k.Primes) != 2 {
			return nil, errors.New("the RSA key does not have two primes")
		}
		if err := k.Validate(); err != nil {
			return nil, errors.New("the RSA key is inconsistent") // the cause may describe the primes
		}
		k.Precompute()
		raw = &k.PublicKey
	case *ecdsa.PrivateKey:
		pub, err := ecdsa.ParseRawPrivateKey(k.Curve, paddedScalar(k))
		if err != nil || !pub.PublicKey.Equal(&k.PublicKey) {
			return nil, errors.New("the EC key is inconsistent")
		}
		raw = &k.PublicKey
	case ed25519.PrivateKey:
		if len(k) != ed25519.PrivateKeySize || !bytes.Equal(ed25519.NewKeyFromSeed(k.Seed()), k) {
			return nil, errors.New("the Ed25519 key is inconsistent")
		}
		raw = k.Public()
	default:
		return nil, errors.New("the type of the private key is not supported")
	}
	if len(kid) > maxName {
		return nil, fmt.Errorf("the key ID is longer than %d bytes", maxName)
	}
	if kid == "" {
		var err error
		if kid, err = thumbprint(raw); err != nil {
			return nil, err
		}
	}
	public, err := newPublicKey(kid, alg, raw)
	if err != nil {
		return nil, err
	}
	return &SigningKey{algorithm: a, private: private, public: public}, nil
}

func paddedScalar(k *ecdsa.PrivateKey) []byte {
	if k.D == nil || k.D.Sign() <= 0 || k.D.BitLen() > k.Curve.Params().BitSize {
		return nil
	}
	return k.D.FillBytes(make([]byte, (k.Curve.Params().BitSize+7)/8))
}

// naturalAlgorithm is what a key is used for when nobody says; "" where there
// is nothing.
func naturalAlgorithm(private crypto.Signer) string {
	switch k := private.(type) {
	case *rsa.PrivateKey:
		return RS256
	case ed25519.PrivateKey:
		return EdDSA
	case *ecdsa.PrivateKey:
		switch k.Curve {
		case elliptic.P256():
			return ES256
		case elliptic.P384():
			return ES384
		case elliptic.P521():
			return ES512
		}
	}
	return ""
}

// ParseSigningKey reads a private key as PEM (PKCS #1, PKCS #8, SEC 1) or as a JWK.
// alg "" means the key's natural one (RSA: RS256, P-256: ES256, Ed25519: EdDSA, ...). kid "" means the JWK's own
// or else the thumbprint. A JWK's own alg must agree with alg. Errors never
// repeat the input.
func ParseSigningKey(b []byte, alg, kid string) (*SigningKey, error) {
	if len(b) > 1<<20 {
		return nil, errors.New("the private key is too long")
	}
	if trimmed := bytes.TrimSpace(b); len(trimmed) > 0 && trimmed[0] == '{' {
		return parsePrivateJWK(string(trimmed), alg, kid)
	}
	private, err := parsePrivatePEM(b)
	if err != nil {
		return nil, err
	}
	return newSigningKey(private, alg, kid)
}

func parsePrivateJWK(text, alg, kid string) (*SigningKey, error) {
	if err := scanObject(text, keySetJSON, func(string, string) error { return nil }); err != nil {
		return nil, err
	}
	p, err := readJWK(text)
	if err != nil {
		return nil, err
	}
	if !p.private {
		return nil, errors.New("the JWK has no private key")
	}
	if alg == "" {
		alg = p.alg
	}
	if p.alg != "" && p.alg != alg {
		return nil, errors.New("the JWK is for another alg")
	}
	if kid == "" {
		kid = p.kid
	}
	raw, err := p.raw()
	if err != nil {
		return nil, err
	}
	private, ok := raw.(crypto.Signer)
	if !ok {
		return nil, errors.New("the JWK has no private key")
	}
	return newSigningKey(private, alg, kid)
}

// parsePrivatePEM takes the first private key, so that the parameters block
// which openssl writes before an EC key does no harm.
func parsePrivatePEM(b []byte) (crypto.Signer, error) {
	for {
		var block *pem.Block
		if block, b = pem.Decode(b); block == nil {
			return nil, errors.New("no private key found: PEM or a JWK is expected")
		}
		var key any
		var err error
		switch block.Type {
		case "PRIVATE KEY":
			key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
		case "RSA PRIVATE KEY":
			if block.Headers["DEK-Info"] != "" {
				return nil, errors.New("the private key is encrypted, which is not supported")
			}
			key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
		case "EC PRIVATE KEY":
			if block.Headers["DEK-Info"] != "" {
				return nil, errors.New("the private key is encrypted, which is not supported")
			}
			key, err = x509.ParseECPrivateKey(block.Bytes)
		case "ENCRYPTED PRIVATE KEY":
			return nil, errors.New("the private key is encrypted, which is not supported")
		default:
			continue
		}
		if err != nil {
			return nil, errors.New("the private key cannot be read")
		}
		private, ok := key.(crypto.Signer)
		if !ok {
			return nil, errors.New("the type of the private key is not supported")
		}
		return private, nil
	}
}

// ID is the kid: the RFC 7638 thumbprint unless one was given.
func (k *SigningKey) ID() string { return k.public.ID }

// Algorithm is the one alg this key signs with.
func (k *SigningKey) Algorithm() string { return k.algorithm.name }

// Public is the verification half. It verifies Algorithm alone.
func (k *SigningKey) Public() *Key { return k.public }

// PublicJWK is the public half as JWK JSON with kid, use, alg.
func (k *SigningKey) PublicJWK() (json.RawMessage, error) { return k.marshal(k.public.raw) }

// MarshalPrivate is the private JWK, for sealing; ParseSigningKey reads it back.
func (k *SigningKey) MarshalPrivate() ([]byte, error) { return k.marshal(k.private) }

func (k *SigningKey) marshal(raw any) ([]byte, error) {
	j, err := jwk.FromRaw(raw)
	if err != nil {
		return nil, fmt.Errorf("marshal key: %w", err)
	}
	for name, value := range map[string]string{
		jwk.KeyIDKey: k.ID(), jwk.AlgorithmKey: k.Algorithm(), jwk.KeyUsageKey: "sig",
	} {
		if err := j.Set(name, value); err != nil {
			return nil, fmt.Errorf("marshal key: %w", err)
		}
	}
	b, err := json.Marshal(j)
	if err != nil {
		return nil, fmt.Errorf("marshal key: %w", err)
	}
	return b, nil
}

// String says which key this is, never what it is.
func (k *SigningKey) String() string { return "signing key " + k.ID() + " (" + k.Algorithm() + ")" }

// GoString is String, so that %#v shows no more.
func (k *SigningKey) GoString() string { return k.String() }
