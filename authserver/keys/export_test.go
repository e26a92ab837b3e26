package keys

import (
	"crypto"
	"crypto/x509"
	"time"
)

// ReadImported opens a file.
func ReadImported(i Imported, now time.Time) (crypto.Signer, []*x509.Certificate, error) {
	return i.read(now)
}
