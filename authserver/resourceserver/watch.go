package resourceserver

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Watched is an exchange that ends when its token does. A nil Watched is one that nothing is watched of.
type Watched struct {
	slot       uint32   // tells its shard; its own for good, so that a processor uses few shards
	prev, next *Watched // in the shard's list, under the shard's lock

	entry *entry // what was found out about the token last; under the shard's lock, while in the list

	owner *Verifier
	w     http.ResponseWriter

	// mu is held while the exchange is ended, so that Done waits for that: when the handler has returned, w belongs to somebody else.
	mu sync.Mutex
	// turn counts the exchanges that this has stood for: what was found out about one of them must not
	// meet the next. It changes after the exchange has left the list, under mu.
	turn   uint64
	cancel context.CancelFunc
	ended  Reason
	// unsure is since when it cannot be told whether the token is good, from origin; 0 when it can.
	unsure atomic.Int64
}

var (
	watchedPool = sync.Pool{New: func() any { return &Watched{slot: slots.Add(1)} }}
	slots       atomic.Uint32
)

// Watch has the exchange of r end when a request with its token t, which Authorize gave, would be refused: when the token expires, is revoked, or the
// key that signed it is withdrawn, whatever is still to be sent. WebSockets, event streams, gRPC and long downloads end with it. The request
// that Watch gives takes the place of r. Done must be called once, when the handler has returned or panics, and before w is
// given up. It costs an exchange that is soon over next to nothing. A nil t, an anonymous request's, is not watched.
//
// For tokens of a Local issuer this takes up to 50 ms from the change of its Epoch; else up to half a second from expiry, or from the time when the next
// request with the token would be refused. Tokens that are introspected are asked about again for the exchange's sake. While it cannot be told whether
// the token is still good, the exchange goes on for no longer than 10 s.
//
// An exchange ends by what its ResponseWriter lets http.ResponseController do: its reads and writes fail, and its context is cancelled by
// net/http on account of that. Where that would not do (protocol switches, CONNECT, HTTP/3), the request that is returned has a
// context that is cancelled.
func (v *Verifier) Watch(w http.ResponseWriter, r *http.Request, t *Token) (*http.Request, *Watched) {
	if t == nil || t.entry == nil {
		return r, nil
	}
	x := watchedPool.Get().(*Watched)
	x.owner, x.w, x.entry = v, w, t.entry
	if r.ProtoMajor != 2 && len(r.Header["Upgrade"]) > 0 || r.ProtoMajor > 2 || r.Method == http.MethodConnect {
		ctx, cancel := context.WithCancel(r.Context())
		r, x.cancel = r.WithContext(ctx), cancel
	}
	v.watch.add(x)
	return r, x
}

// Done forgets the exchange, which must not be used any more. ended says why it was ended before, Allowed if it was not. What was sent of an
// answer that was ended is not all of it: a handler that could go on should panic with http.ErrAbortHandler then, so that the client learns of it.
func (x *Watched) Done() (ended Reason) {
	if x == nil {
		return Allowed
	}
	x.owner.watch.remove(x)
	x.mu.Lock()
	x.turn++
	ended = x.ended
	if x.cancel != nil {
		x.cancel()
		x.cancel = nil
	}
	x.owner, x.w, x.entry, x.ended = nil, nil, nil, Allowed
	if x.unsure.Load() != 0 {
		x.unsure.Store(0)
	}
	x.mu.Unlock()
	watchedPool.Put(x)
	return ended
}

// past is a deadline that is over.
var past = time.Unix(1, 0)

// end has nothing more be sent in the exchange of that turn, unless it is over already; release must follow. reached is false
// where its ResponseWriter does not let that be done.
func (x *Watched) end(turn uint64, why Reason) (ended, reached bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.turn != turn || x.ended != Allowed {
		return false, false
	}
	x.ended = why
	// Writes first: a handler that sees its reads fail must not be able to say a last word.
	return true, http.NewResponseController(x.w).SetWriteDeadline(past) == nil
}

// release has the handler of an exchange that end has been called for learn of it, and the client be heard no more. reached is false where
// neither can be done.
func (x *Watched) release(turn uint64) (reached bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.turn != turn {
		return true // the handler has returned meanwhile
	}
	if x.cancel != nil {
		x.cancel()
		reached = true
	}
	return http.NewResponseController(x.w).SetReadDeadline(past) == nil || reached
}

// StreamObserver is an Observer that is told of exchanges which were ended: why, and how long after it was to be, at most.
type StreamObserver interface {
	StreamEnded(issuer int, why Reason, lag time.Duration)
}
