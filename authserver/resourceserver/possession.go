package resourceserver

import (
	"net/http"

	"github.com/caddy-gatehouse/gatehouse/authserver/dpop"
	"github.com/caddy-gatehouse/gatehouse/authserver/mtls"
)

// Binding is to what a token must be bound (RFC 7800).
type Binding string

// The bindings.
const (
	BoundAtWill  Binding = ""     // as the token says
	BoundSomehow Binding = "any"  // to a key or a certificate
	BoundDPoP    Binding = "dpop" // RFC 9449
	BoundMTLS    Binding = "mtls" // RFC 8705
)

// Possession is how a gate has possession proved.
type Possession struct {
	// DPoP judges proofs. nil: tokens that are bound to a key are refused.
	DPoP *dpop.Verifier
	// URL is what clients call a request, without query and fragment: from configuration. Required with DPoP.
	URL func(*http.Request) string
	// Certificate is what the client presented; nil for none. nil: tokens that are bound to a certificate are refused.
	Certificate func(*http.Request) (*mtls.Certificate, error)
}
