package resourceserver

import (
	"net/http"
	"time"
)

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
