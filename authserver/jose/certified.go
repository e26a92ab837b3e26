package jose

import (
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
)

// noCertificate is the hash of no certificate.
const noCertificate = "?"

// Certified is the key of the set that a certificate is for: one with its public key, whose x5c, where it has one, begins with this
// very certificate (RFC 8705 §2.2.2). nil: there is none. That whoever shows the certificate has its private key is for the caller to know,
// and so is what the certificate itself is worth.
func (s *KeySet) Certified(c *x509.Certificate) *Key {
	hash := hashOf(c.Raw)
	for _, k := range s.keys {
		if pub, ok := k.raw.(interface{ Equal(crypto.PublicKey) bool }); !ok || !pub.Equal(c.PublicKey) {
			continue
		}
		if k.certificate == "" || k.certificate == hash {
			return k
		}
	}
	return nil
}

// firstCertificate is the hash of the first certificate of x5c (RFC 7517 §4.7); text has passed the scanner.
func firstCertificate(text string) string {
	if text[0] != '[' {
		return noCertificate
	}
	first := ""
	_ = rescan(text).elements(func(text string) error { // cannot fail: it was scanned before
		if first != "" {
			return nil
		}
		first = noCertificate
		if s, ok := textString(text); ok {
			if der, err := base64.StdEncoding.DecodeString(s); err == nil && len(der) > 0 {
				first = hashOf(der)
			}
		}
		return nil
	})
	if first == "" {
		return noCertificate
	}
	return first
}

func hashOf(der []byte) string {
	sum := sha256.Sum256(der)
	return string(sum[:])
}
