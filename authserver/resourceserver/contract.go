package resourceserver

import (
	"net/http"
	"time"
)

// Metadata is the metadata document of a protected resource (RFC 9728 §2).
type Metadata struct {
	Resource                                    string   // an https URL (http on a loopback host) without fragment
	AuthorizationServers                        []string // issuers
	Scopes                                      []string
	Name, Documentation, Policy, TermsOfService string
	// DPoPAlgorithms are what proofs may be signed with; nil where DPoP is not accepted. DPoPRequired and CertificateBound
	// say that tokens must be bound.
	DPoPAlgorithms                 []string
	DPoPRequired, CertificateBound bool
}

// Check refuses a document that clients could not use.
func (m *Metadata) Check() error { panic("contract") }

// URL is where the document is: the well-known place of Resource (RFC 9728 §3.1).
func (m *Metadata) URL() string { panic("contract") }

// Path is the path of URL, compared byte for byte.
func (m *Metadata) Path() string { panic("contract") }

// JSON is the document.
func (m *Metadata) JSON() []byte { panic("contract") }

// Watched is an exchange that ends when its token does.
type Watched struct{}

// Watch has the exchange of r end when its token t ends or is revoked, whatever is still to be sent: WebSockets, event
// streams, gRPC, long downloads. The request that it gives takes the place of r. Done must be called when the handler has returned. It costs
// an exchange that is soon over next to nothing.
func (v *Verifier) Watch(w http.ResponseWriter, r *http.Request, t *Token) (*http.Request, *Watched) {
	panic("contract")
}

// Done forgets the exchange. ended says why it was ended before, Allowed if it was not.
func (x *Watched) Done() (ended Reason) { panic("contract") }

// StreamObserver is an Observer that is told of exchanges which were ended: why, and how long after it was to be.
type StreamObserver interface {
	StreamEnded(issuer int, why Reason, lag time.Duration)
}
