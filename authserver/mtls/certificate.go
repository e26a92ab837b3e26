package mtls

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"time"
)

// Certificate is what a client presented: its own certificate and those that lead to an authority.
type Certificate struct {
	Leaf          *x509.Certificate
	Intermediates []*x509.Certificate
}

// FromTLS gives the certificate of a connection, nil where the client presented none. That the client has its key is what the
// handshake has shown; whether anybody vouches for it is Verify's question.
func FromTLS(state *tls.ConnectionState) *Certificate {
	if state == nil || len(state.PeerCertificates) == 0 {
		return nil
	}
	return &Certificate{Leaf: state.PeerCertificates[0], Intermediates: state.PeerCertificates[1:]}
}

// Thumbprint is x5t#S256 of a certificate: base64url of the SHA-256 of its DER (RFC 8705 §3.1).
func Thumbprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// Verify checks that c is a client's certificate which leads to one of roots, at now. The chain starts with the client's own
// certificate and ends in a root: that others of it could be verified is worth nothing.
func (c *Certificate) Verify(roots *x509.CertPool, now time.Time) error {
	if c == nil || c.Leaf == nil || roots == nil { // x509 would take the system's roots
		return errors.New("mtls: there is nothing to verify the certificate with")
	}
	between := x509.NewCertPool()
	for _, i := range c.Intermediates {
		between.AddCert(i)
	}
	_, err := c.Leaf.Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: between, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return fmt.Errorf("mtls: %w", err)
	}
	return nil
}
