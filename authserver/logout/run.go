package logout

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

const (
	retryMin = time.Second
	retryMax = 5 * time.Minute

	// senders is how many logout tokens are on their way at once: a client
	// that is slow to answer must not keep the others waiting.
	senders = 32
	// perClient bounds those of one client.
	perClient = 8
	// backlog is how many fresh deliveries wait for a sender; what does not fit
	// waits in the store.
	backlog = 256

	pollBusy = time.Second     // while something failed lately
	pollIdle = 5 * time.Second // for what other nodes left behind
)

func (e *Ender) init() {
	e.once.Do(func() { e.fresh, e.busy = make(chan store.Delivery, backlog), map[string]int{} })
}

// handOver gives what was queued just now to Run, which attempts it at once. What
// Run does not take is attempted when its lease has passed, here or elsewhere.
func (e *Ender) handOver(queued []store.Delivery) {
	e.init()
	for _, d := range queued {
		select {
		case e.fresh <- d:
		default:
			return
		}
	}
}

// Run delivers what is queued, until ctx ends: fresh ones at once, those that
// failed with growing pauses (1 s to 5 min, give or take a quarter), given up after an hour. It returns
// when every attempt under way has ended.
func (e *Ender) Run(ctx context.Context) {
	e.init()
	work := make(chan store.Delivery)
	var wg sync.WaitGroup
	for range senders {
		wg.Go(func() {
			for d := range work {
				e.attempt(ctx, &d)
			}
		})
	}
	defer wg.Wait()
	defer close(work)
	hand := func(d store.Delivery) bool {
		select {
		case work <- d:
			return true
		case <-ctx.Done():
			return false
		}
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case d := <-e.fresh:
			if !hand(d) {
				return
			}
		case <-timer.C:
			due := e.claim(ctx, senders)
			for _, d := range due {
				if !hand(d) {
					return
				}
			}
			switch {
			case len(due) == senders:
				timer.Reset(0)
			case e.troubled():
				timer.Reset(jitter(pollBusy))
			default:
				timer.Reset(jitter(pollIdle))
			}
		}
	}
}

// DeliverDue attempts what is due now, once, and says how much that was.
func (e *Ender) DeliverDue(ctx context.Context) int {
	e.init()
	var wg sync.WaitGroup
	n := 0
	start := func(d store.Delivery) {
		n++
		wg.Go(func() { e.attempt(ctx, &d) })
	}
	for more := true; more; {
		select {
		case d := <-e.fresh:
			start(d)
		default:
			more = false
		}
	}
	for _, d := range e.claim(ctx, senders) {
		start(d)
	}
	wg.Wait()
	return n
}

// claim takes deliveries out of the queue.
func (e *Ender) claim(ctx context.Context, limit int) []store.Delivery {
	now := e.Now().UTC()
	due, err := e.Store.ClaimDeliveries(ctx, kindBackchannel, now, now.Add(lease), limit)
	if err != nil && ctx.Err() == nil {
		e.Log.LogAttrs(ctx, slog.LevelError, "queued back-channel logouts cannot be read", slog.String("error", err.Error()))
	}
	for i := range due {
		due[i].NextAt = now.Add(lease)
	}
	return due
}

// attempt sends one delivery and writes down what came of it. Where that cannot
// be written down, the delivery comes back when its lease has passed.
func (e *Ender) attempt(ctx context.Context, d *store.Delivery) {
	if d.Kind != kindBackchannel {
		return // of a later version: left to a node that knows it
	}
	if !e.Now().Before(d.NextAt) {
		return // it waited here for too long, and belongs to whoever claims it
	}
	if !e.enter(d.Client) {
		now := e.Now().UTC()
		d.NextAt = now.Add(jitter(retryMin))
		e.lastFailure.Store(now.UnixNano())
		e.written(ctx, d, e.Store.RetryDelivery(ctx, *d))
		return
	}
	err := e.send(ctx, d)
	e.leave(d.Client)
	if ctx.Err() != nil {
		return // shutting down; nobody knows whether it arrived
	}
	now := e.Now().UTC()
	d.Attempts++
	outcome, level := "ok", slog.LevelDebug
	switch pause := backoff(d.Attempts); {
	case err == nil:
		e.written(ctx, d, e.Store.FinishDelivery(ctx, d.Environment, d.ID))
	case !now.Add(pause + lease).Before(d.ExpiresAt): // with time left for somebody to look
		outcome, level = "given_up", slog.LevelError
		e.written(ctx, d, e.Store.FinishDelivery(ctx, d.Environment, d.ID))
	default:
		outcome, level = "retry", slog.LevelWarn
		d.NextAt = now.Add(pause)
		e.lastFailure.Store(now.UnixNano())
		e.written(ctx, d, e.Store.RetryDelivery(ctx, *d))
	}
	attrs := []slog.Attr{
		slog.String("environment", d.Environment), slog.String("client", d.Client), slog.Int("attempt", d.Attempts),
		slog.String("outcome", outcome),
	}
	if err != nil {
		attrs = append(attrs, slog.String("error", err.Error()))
	}
	e.Log.LogAttrs(ctx, level, "back-channel logout", attrs...)
	e.Delivered(outcome)
}

// enter counts an attempt for a client, unless it has enough of them.
func (e *Ender) enter(client string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.busy[client] >= perClient {
		return false
	}
	e.busy[client]++
	return true
}

func (e *Ender) leave(client string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.busy[client]--; e.busy[client] == 0 {
		delete(e.busy, client)
	}
}

// written logs that the queue could not be changed.
func (e *Ender) written(ctx context.Context, d *store.Delivery, err error) {
	if err != nil {
		e.Log.LogAttrs(ctx, slog.LevelError, "the back-channel logout queue cannot be written",
			slog.String("environment", d.Environment), slog.String("client", d.Client), slog.String("error", err.Error()))
	}
}

// troubled reports whether something that failed here may be due soon.
func (e *Ender) troubled() bool {
	last := e.lastFailure.Load()
	return last != 0 && e.Now().UnixNano()-last < int64(2*retryMax)
}

// backoff is the pause after so many failed attempts.
func backoff(attempts int) time.Duration {
	d := retryMax
	if shift := attempts - 1; shift < 9 { // 1 s << 9 is more than retryMax
		d = min(retryMin<<shift, retryMax)
	}
	return jitter(d)
}

// jitter is d give or take a quarter, so that nodes do not act in step.
func jitter(d time.Duration) time.Duration { return d*3/4 + rand.N(d/2) }
