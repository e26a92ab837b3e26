package outbox

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Lease is how long a delivery belongs to the process that attempts it. Who
// queues one that it hands over sets NextAt so far ahead; Send must take less.
const Lease = 30 * time.Second

// ErrGiveUp is wrapped by errors of Send after which there is nothing to try again.
var ErrGiveUp = errors.New("given up")

// The outcomes that Delivered is told.
const (
	OutcomeOK      = "ok"
	OutcomeRetry   = "retry"
	OutcomeGivenUp = "given_up"
)

// Outbox delivers one kind of deliveries. Safe for concurrent use. Fields are
// required where they name no default.
type Outbox struct {
	Kind  string
	Store store.Deliveries
	// Send makes one attempt, in less than Lease. An error that wraps ErrGiveUp is not tried again.
	Send func(ctx context.Context, d *store.Delivery) error
	Now  func() time.Time
	Log  *slog.Logger
	// Delivered is told "ok", "retry" or "given_up".
	Delivered func(outcome string)
	// What is what log lines call a delivery ("back-channel logout"), and Receiver what they call its Client.
	// Defaults: Kind and "client".
	What, Receiver string
	// RetryMax is the longest pause between two attempts; default 5 minutes.
	RetryMax time.Duration

	once  sync.Once
	fresh chan store.Delivery // from HandOver to Run
	room  chan struct{}       // holds a signal when a receiver that had too many has none waiting any more
	soon  chan struct{}       // holds a signal of Expect
	// lastFailure is when an attempt failed here, in Unix nanoseconds; 0 for never.
	lastFailure atomic.Int64

	mu    sync.Mutex // guards lines
	lines map[string]*line
}

func (o *Outbox) init() {
	o.once.Do(func() {
		o.fresh, o.room, o.lines = make(chan store.Delivery, backlog), make(chan struct{}, 1), map[string]*line{}
		o.soon = make(chan struct{}, 1)
		if o.What == "" {
			o.What = o.Kind
		}
		if o.Receiver == "" {
			o.Receiver = "client"
		}
		if o.RetryMax == 0 {
			o.RetryMax = retryMax
		}
	})
}

// HandOver gives what was queued just now, with a NextAt that is Lease ahead, to
// Run, which attempts it at once. What Run does not take is attempted when its
// lease has passed, here or elsewhere.
func (o *Outbox) HandOver(queued []store.Delivery) {
	o.init()
	for _, d := range queued {
		select {
		case o.fresh <- d:
		default:
			return
		}
	}
}

// Expect tells Run that something due at once is being queued by a transaction that has not ended
// yet: it looks soon. It costs nothing, and need not come true.
func (o *Outbox) Expect() {
	o.init()
	select {
	case o.soon <- struct{}{}:
	default:
	}
}

// line is one receiver's: how many attempts are under way, and what waits for one of them to end.
type line struct {
	busy    int
	waiting []store.Delivery
}

// receiver is who a delivery goes to: its Client, or its Target where it has none.
func receiver(d *store.Delivery) string {
	if d.Client == "" {
		return d.Environment + " " + d.Target
	}
	return d.Environment + " " + d.Client
}

// enter counts an attempt for the delivery's receiver: now is true. Where that has
// enough of them, the delivery waits here for one of them to end, or comes back when its lease
// has passed. crowded: so many wait that the queue need not be read for more.
func (o *Outbox) enter(d *store.Delivery) (now, crowded bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	to := receiver(d)
	l := o.lines[to]
	switch {
	case l == nil:
		o.lines[to] = &line{busy: 1}
		return true, false
	case l.busy < perReceiver:
		l.busy++
		return true, false
	case len(l.waiting) < mostWaiting:
		l.waiting = append(l.waiting, *d)
	}
	return false, len(l.waiting) >= manyWaiting
}

// leave ends an attempt. ok is true where another delivery waited for that: next, for
// which the attempt is counted already.
func (o *Outbox) leave(d *store.Delivery) (next store.Delivery, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	to := receiver(d)
	l := o.lines[to]
	if len(l.waiting) > 0 {
		next, l.waiting = l.waiting[0], l.waiting[1:]
		if len(l.waiting) == 0 {
			l.waiting = nil
			select {
			case o.room <- struct{}{}:
			default:
			}
		}
		return next, true
	}
	if l.busy--; l.busy == 0 {
		delete(o.lines, to)
	}
	return next, false
}
