package outbox

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

const (
	retryMin = time.Second
	retryMax = 5 * time.Minute

	// senders is how many deliveries are on their way at once: a receiver that is
	// slow to answer must not keep the others waiting.
	senders = 32
	// perReceiver bounds those to one receiver, and mostWaiting those that wait here for one of them to end. From
	// manyWaiting on the queue is read at the pace of pollBusy, for the others' sake.
	perReceiver = 8
	manyWaiting = 128
	mostWaiting = 512
	// backlog is how many fresh deliveries wait for a sender; what does not fit
	// waits in the store.
	backlog = 256

	pollBusy = time.Second     // while something failed lately
	pollIdle = 5 * time.Second // for what other nodes left behind
	// expectAfter is how long transactions are given that Expect spoke of, and expectFor how long more of
	// them are looked for at the pace of pollBusy.
	expectAfter = 50 * time.Millisecond
	expectFor   = 5 * time.Second
	// troubleLasts is how long after a failure something may be due soon.
	troubleLasts = 10 * time.Minute
)

// Run delivers what is queued, until ctx ends: fresh ones at once, those that
// failed with growing pauses (1 s to RetryMax, give or take a quarter), given up when they expire. It returns
// when every attempt under way has ended.
func (o *Outbox) Run(ctx context.Context) {
	o.init()
	work := make(chan store.Delivery)
	var wg sync.WaitGroup
	for range senders {
		wg.Go(func() {
			for d := range work {
				o.serve(ctx, d)
			}
		})
	}
	defer wg.Wait()
	defer close(work)
	hand := func(d store.Delivery) (crowded bool) {
		now, crowded := o.enter(&d)
		if now {
			select {
			case work <- d:
			case <-ctx.Done():
			}
		}
		return crowded
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	var next, expected time.Time // when timer fires, and until when something is expected; by the real clock
	wake := func(after time.Duration) {
		timer.Reset(after)
		next = time.Now().Add(after)
	}
	for {
		select {
		case <-ctx.Done():
			return
		case d := <-o.fresh:
			hand(d)
		case <-o.room:
			wake(0)
		case <-o.soon:
			expected = time.Now().Add(expectFor)
			if time.Until(next) > expectAfter {
				wake(expectAfter)
			}
		case <-timer.C:
			due, crowded := o.claim(ctx, senders), false
			for _, d := range due {
				crowded = hand(d) || crowded
			}
			switch {
			case len(due) == senders && !crowded:
				wake(0)
			case crowded || o.troubled() || time.Now().Before(expected):
				wake(jitter(pollBusy))
			default:
				wake(jitter(pollIdle))
			}
		}
	}
}

// DeliverDue attempts what is due now, once, and says how much that was.
func (o *Outbox) DeliverDue(ctx context.Context) int {
	o.init()
	var wg sync.WaitGroup
	n := 0
	start := func(d store.Delivery) {
		n++
		if now, _ := o.enter(&d); now {
			wg.Go(func() { o.serve(ctx, d) })
		}
	}
	for more := true; more; {
		select {
		case d := <-o.fresh:
			start(d)
		default:
			more = false
		}
	}
	for _, d := range o.claim(ctx, senders) {
		start(d)
	}
	wg.Wait()
	return n
}

// claim takes deliveries out of the queue.
func (o *Outbox) claim(ctx context.Context, limit int) []store.Delivery {
	now := o.Now().UTC()
	due, err := o.Store.ClaimDeliveries(ctx, o.Kind, now, now.Add(Lease), limit)
	if err != nil && ctx.Err() == nil {
		o.Log.LogAttrs(ctx, slog.LevelError, "the queue cannot be read",
			slog.String("queue", o.What), slog.String("error", err.Error()))
	}
	for i := range due {
		due[i].NextAt = now.Add(Lease)
	}
	return due
}

// serve attempts a delivery that has entered, and then those that have waited for that.
func (o *Outbox) serve(ctx context.Context, d store.Delivery) {
	for more := true; more; {
		o.attempt(ctx, &d)
		d, more = o.leave(&d)
	}
}

// attempt sends one delivery and writes down what came of it. Where that cannot
// be written down, the delivery comes back when its lease has passed.
func (o *Outbox) attempt(ctx context.Context, d *store.Delivery) {
	if ctx.Err() != nil || !o.Now().Before(d.NextAt) {
		return // it waited here for too long, and belongs to whoever claims it
	}
	err := o.Send(ctx, d)
	if ctx.Err() != nil {
		return // shutting down; nobody knows whether it arrived
	}
	now := o.Now().UTC()
	d.Attempts++
	outcome, level := OutcomeOK, slog.LevelDebug
	switch pause := o.backoff(d.Attempts); {
	case err == nil:
		o.written(ctx, d, o.Store.FinishDelivery(ctx, d.Environment, d.ID))
	case errors.Is(err, ErrGiveUp), !now.Add(pause + Lease).Before(d.ExpiresAt): // with time left for somebody to look
		outcome, level = OutcomeGivenUp, slog.LevelError
		o.written(ctx, d, o.Store.FinishDelivery(ctx, d.Environment, d.ID))
	default:
		outcome, level = OutcomeRetry, slog.LevelWarn
		d.NextAt = now.Add(pause)
		o.lastFailure.Store(now.UnixNano())
		o.written(ctx, d, o.Store.RetryDelivery(ctx, *d))
	}
	attrs := []slog.Attr{
		slog.String("environment", d.Environment), slog.String(o.Receiver, d.Client), slog.Int("attempt", d.Attempts),
		slog.String("outcome", outcome),
	}
	if err != nil {
		attrs = append(attrs, slog.String("error", err.Error()))
	}
	o.Log.LogAttrs(ctx, level, o.What, attrs...)
	o.Delivered(outcome)
}

// written logs that the queue could not be changed.
func (o *Outbox) written(ctx context.Context, d *store.Delivery, err error) {
	if err != nil {
		o.Log.LogAttrs(ctx, slog.LevelError, "the queue cannot be written", slog.String("queue", o.What),
			slog.String("environment", d.Environment), slog.String(o.Receiver, d.Client), slog.String("error", err.Error()))
	}
}

// troubled reports whether something that failed here may be due soon.
func (o *Outbox) troubled() bool {
	last := o.lastFailure.Load()
	return last != 0 && o.Now().UnixNano()-last < int64(troubleLasts)
}

// backoff is the pause after so many failed attempts.
func (o *Outbox) backoff(attempts int) time.Duration {
	d := o.RetryMax
	if shift := attempts - 1; shift < 20 { // 1 s << 20 is 12 days
		d = min(retryMin<<shift, o.RetryMax)
	}
	return jitter(d)
}

// jitter is d give or take a quarter, so that nodes do not act in step.
func jitter(d time.Duration) time.Duration { return d*3/4 + rand.N(d/2) }
