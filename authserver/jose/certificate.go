package jose

import (
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"time"
)

// Certificate is a self-signed certificate (DER) of the key, for clients that
// read a JWK Set by its x5c member (RFC 7517 §4.7). It vouches for nothing: its
// subject is the kid, and it has no end (RFC 5280 §4.1.2.5), because a JWK Set
// says which keys are good. The same key and time always give the same bytes, on
// every node.
func (k *SigningKey) Certificate(from time.Time) ([]byte, error) {
	serial := sha256.Sum256([]byte(k.ID()))
	serial[0] &= 0x7f // positive
	template := &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(serial[:16]),
		Subject:      pkix.Name{CommonName: k.ID()},
		NotBefore:    from.UTC().Truncate(time.Second),
		NotAfter:     time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
		KeyUsage:     x509.KeyUsageDigitalSignature,
	}
	// Without randomness ECDSA signs deterministically (RFC 6979); RSA (PKCS #1
	// v1.5) and Ed25519 always do.
	der, err := x509.CreateCertificate(nil, template, template, k.private.Public(), k.private)
	if err != nil {
		return nil, fmt.Errorf("certificate of key %s: %w", k.ID(), err)
	}
	return der, nil
}

// SelfSigned is Certificate with what the key's owner wants in it: template is
// read for the serial number, the subject, the times and the key usage.
func (k *SigningKey) SelfSigned(template *x509.Certificate) ([]byte, error) {
	der, err := x509.CreateCertificate(nil, template, template, k.private.Public(), k.private)
	if err != nil {
		return nil, fmt.Errorf("certificate of key %s: %w", k.ID(), err)
	}
	return der, nil
}

// Certified is k together with its certificate (DER), for SignTraced.
func (k *SigningKey) Certified(certificate []byte) *SigningKey {
	return &SigningKey{algorithm: k.algorithm, private: k.private, public: k.public, x5t: X5T(certificate)}
}

// X5T is the SHA-1 thumbprint of a certificate (RFC 7515 §4.1.7). It names the
// certificate and proves nothing.
func X5T(certificate []byte) string {
	sum := sha1.Sum(certificate)
	return b64.EncodeToString(sum[:])
}
