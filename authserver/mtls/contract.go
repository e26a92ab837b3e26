package mtls

import (
	"crypto/tls"
	"crypto/x509"
	"time"
)

// Certificate is what a client presented: its own certificate and those that lead to an authority.
type Certificate struct {
	Leaf          *x509.Certificate
	Intermediates []*x509.Certificate
}

// FromTLS gives the certificate of a connection, nil where the client presented none.
func FromTLS(state *tls.ConnectionState) *Certificate { panic("contract") }

// Format is how a proxy writes a certificate into a header.
type Format string

// The formats.
const (
	ClientCert Format = "client_cert" // RFC 9440 Client-Cert: ":base64 of DER:"
	PEM        Format = "pem"         // PEM, URL-encoded or with spaces for line ends: nginx $ssl_client_escaped_cert, HAProxy, Traefik
	Envoy      Format = "xfcc"        // Envoy's x-forwarded-client-cert with Cert="…"; the last element
)

// Parse reads the values of such a header. Absent values are nil, nil; anything but one certificate is an error, without the
// text of the header.
func Parse(format Format, values []string) (*Certificate, error) { panic("contract") }

// Thumbprint is x5t#S256 of a certificate: base64url of the SHA-256 of its DER (RFC 8705 §3.1).
func Thumbprint(c *x509.Certificate) string { panic("contract") }

// Subject is whom a certificate must name (RFC 8705 §2.1.2): exactly one field is set.
type Subject struct {
	DN    string // RFC 4514
	DNS   string
	URI   string
	IP    string
	Email string
}

// Check refuses a Subject that can match nothing, or has more or less than one field.
func (s Subject) Check() error { panic("contract") }

// Matches reports whether the certificate names s. An empty Subject matches nothing.
func (s Subject) Matches(c *x509.Certificate) bool { panic("contract") }

// Verify checks that c is a client's certificate which leads to one of roots, at now.
func (c *Certificate) Verify(roots *x509.CertPool, now time.Time) error { panic("contract") }
