package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/outbox"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// queue is store.Deliveries in memory: what the stores promise is storetest's business.
type queue struct {
	mu     sync.Mutex
	list   map[string]store.Delivery
	claims int
	err    error
}

func (q *queue) PutDelivery(_ context.Context, d store.Delivery) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.list == nil {
		q.list = map[string]store.Delivery{}
	}
	q.list[d.ID] = d
	return nil
}

func (q *queue) ClaimDeliveries(_ context.Context, kind string, now, until time.Time, limit int) ([]store.Delivery, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.claims++; q.err != nil {
		return nil, q.err
	}
	var due []store.Delivery
	for id, d := range q.list {
		if d.Kind == kind && !d.NextAt.After(now) && d.ExpiresAt.After(now) && len(due) < limit {
			due = append(due, d)
			d.NextAt = until
			q.list[id] = d
		}
	}
	return due, nil
}

func (q *queue) RetryDelivery(_ context.Context, d store.Delivery) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if kept, ok := q.list[d.ID]; ok {
		kept.Attempts, kept.NextAt = d.Attempts, d.NextAt
		q.list[d.ID] = kept
	}
	return nil
}

func (q *queue) FinishDelivery(_ context.Context, _, id string) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.list, id)
	return nil
}

func (q *queue) left() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.list)
}

// box is an outbox whose Send is answer, and counts what it was told.
type box struct {
	*outbox.Outbox
	queue *queue
	log   *testkit.Buffer
	mu    sync.Mutex
	told  map[string]int
	sent  map[string]int // by Client
	busy  map[string]int
	most  map[string]int // attempts at once by Client
}

func newBox(now func() time.Time, answer func(ctx context.Context, d *store.Delivery) error) *box {
	b := &box{queue: &queue{}, log: &testkit.Buffer{}, told: map[string]int{}, sent: map[string]int{}, busy: map[string]int{}, most: map[string]int{}}
	b.Outbox = &outbox.Outbox{
		Kind: "test", Store: b.queue, Now: now, Log: slog.New(slog.NewTextHandler(b.log, nil)),
		Send: func(ctx context.Context, d *store.Delivery) error {
			b.count(d.Client, 1)
			defer b.count(d.Client, -1)
			return answer(ctx, d)
		},
		Delivered: func(outcome string) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.told[outcome]++
		},
	}
	return b
}

func (b *box) count(client string, n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.busy[client] += n
	if n > 0 {
		b.sent[client]++
	}
	b.most[client] = max(b.most[client], b.busy[client])
}

func (b *box) outcomes() map[string]int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.told)
}

// put queues n deliveries to a client, due at at.
func (b *box) put(t testing.TB, client string, n int, at time.Time) (list []store.Delivery) {
	t.Helper()
	for i := range n {
		d := store.Delivery{
			Environment: "env", ID: fmt.Sprintf("%s-%d", client, i), Kind: "test", Target: "https://" + client, Client: client,
			NextAt: at, ExpiresAt: at.Add(time.Hour),
		}
		if err := b.queue.PutDelivery(t.Context(), d); err != nil {
			t.Fatal(err)
		}
		list = append(list, d)
	}
	return list
}

func TestOutcomes(t *testing.T) {
	failed := errors.New("connection refused")
	tests := []struct {
		name string
		err  error
		left int
		want map[string]int
	}{
		{"taken", nil, 0, map[string]int{"ok": 1}},
		{"failed", failed, 1, map[string]int{"retry": 1}},
		{"given up", fmt.Errorf("%w: %w", outbox.ErrGiveUp, failed), 0, map[string]int{"given_up": 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			clock := testkit.NewClock(time.Unix(1_800_000_000, 0))
			b := newBox(clock.Now, func(context.Context, *store.Delivery) error { return tt.err })
			b.put(t, "a", 1, clock.Now())
			if n := b.DeliverDue(t.Context()); n != 1 {
				t.Fatalf("%d deliveries, want 1", n)
			}
			if diff := cmp.Diff(tt.want, b.outcomes()); diff != "" {
				t.Errorf("outcomes (-want +got):\n%s", diff)
			}
			if got := b.queue.left(); got != tt.left {
				t.Errorf("%d are left, want %d", got, tt.left)
			}
			if tt.err != nil && !strings.Contains(b.log.String(), "connection refused") {
				t.Errorf("log = %s, want the error", b.log)
			}
		})
	}
}

// Pauses grow to RetryMax, and a delivery whose next attempt would come just before its end is given up aloud.
func TestPausesGrow(t *testing.T) {
	clock := testkit.NewClock(time.Unix(1_800_000_000, 0))
	b := newBox(clock.Now, func(context.Context, *store.Delivery) error { return errors.New("no") })
	b.RetryMax = 10 * time.Minute
	b.put(t, "a", 1, clock.Now())
	var pauses []time.Duration
	last := clock.Now()
	for range 7200 {
		if b.DeliverDue(t.Context()) > 0 {
			pauses = append(pauses, clock.Now().Sub(last))
			last = clock.Now()
		}
		clock.Advance(time.Second)
	}
	for i, p := range pauses {
		want := min(time.Second<<max(i-1, 0), b.RetryMax)
		if i > 0 && (p < want*3/4-time.Second || p > want*5/4+2*time.Second) {
			t.Errorf("pause %d = %v, want %v give or take a quarter", i, p, want)
		}
	}
	if diff := cmp.Diff(map[string]int{"retry": len(pauses) - 1, "given_up": 1}, b.outcomes()); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
	if took := last.Sub(time.Unix(1_800_000_000, 0)); took < 45*time.Minute || took >= time.Hour {
		t.Errorf("given up after %v, want within the last quarter of an hour", took)
	}
}

// A receiver that does not answer has at most eight attempts at once, and keeps no other one waiting.
func TestSlowReceiver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck := make(chan struct{})
		b := newBox(time.Now, func(ctx context.Context, d *store.Delivery) error {
			if d.Client == "slow" {
				select {
				case <-stuck:
				case <-ctx.Done():
				}
			}
			return nil
		})
		b.put(t, "slow", 500, time.Now())
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { b.Run(ctx); close(done) }()
		time.Sleep(20 * time.Second)
		b.put(t, "quick", 3, time.Now())
		time.Sleep(20 * time.Second)
		b.mu.Lock()
		if b.sent["quick"] != 3 {
			t.Errorf("%d of 3 reached the quick receiver within 20 s", b.sent["quick"])
		}
		if b.most["slow"] != 8 {
			t.Errorf("%d attempts at once to one receiver, want 8", b.most["slow"])
		}
		b.mu.Unlock()
		if b.queue.mu.Lock(); b.queue.claims > 200 {
			t.Errorf("the queue was read %d times in 40 s, want about once a second at most", b.queue.claims)
		}
		b.queue.mu.Unlock()
		close(stuck)
		time.Sleep(2 * time.Minute)
		if left := b.queue.left(); left != 0 {
			t.Errorf("%d are left two minutes after the receiver answers again, want 0", left)
		}
		cancel()
		<-done
	})
}

// A receiver that answers gets a backlog without waiting for the next look at the queue.
func TestBacklogGoesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(time.Now, func(context.Context, *store.Delivery) error {
			time.Sleep(10 * time.Millisecond)
			return nil
		})
		b.put(t, "one", 2000, time.Now())
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { b.Run(ctx); close(done) }()
		time.Sleep(40 * time.Second) // what was left to a lease comes back after 30 s
		if left := b.queue.left(); left != 0 {
			t.Errorf("%d of 2000 are left, want 0", left)
		}
		cancel()
		<-done
	})
}

func TestHandOverAndExpect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(time.Now, func(context.Context, *store.Delivery) error { return nil })
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { b.Run(ctx); close(done) }()
		time.Sleep(500 * time.Millisecond) // the first look is over
		fresh := b.put(t, "fresh", 1, time.Now().Add(outbox.Lease))
		b.HandOver(fresh)
		synctest.Wait()
		if b.queue.left() != 0 {
			t.Error("what was handed over is not attempted at once")
		}
		b.Expect()
		time.Sleep(10 * time.Millisecond)
		b.put(t, "expected", 1, time.Now()) // the transaction ends
		time.Sleep(100 * time.Millisecond)
		if b.queue.left() != 0 {
			t.Error("what was expected is not attempted within 100 ms")
		}
		b.Expect()
		time.Sleep(200 * time.Millisecond)
		b.put(t, "late", 1, time.Now()) // it took longer than expected
		time.Sleep(1500 * time.Millisecond)
		if b.queue.left() != 0 {
			t.Error("what was expected and came late is not attempted within 1.5 s")
		}
		cancel()
		<-done
	})
}

// What waited for too long may have been claimed by another process.
func TestLeaseThatPassed(t *testing.T) {
	clock := testkit.NewClock(time.Unix(1_800_000_000, 0))
	b := newBox(clock.Now, func(context.Context, *store.Delivery) error { return nil })
	b.HandOver(b.put(t, "a", 1, clock.Now().Add(outbox.Lease)))
	clock.Advance(outbox.Lease)
	b.queue.mu.Lock()
	b.queue.list["a-0"] = store.Delivery{} // another process has it
	b.queue.mu.Unlock()
	b.DeliverDue(t.Context())
	if len(b.outcomes()) != 0 {
		t.Errorf("outcomes = %v, want none", b.outcomes())
	}
}

// A queue that cannot be read is said, and read again.
func TestQueueThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBox(time.Now, func(context.Context, *store.Delivery) error { return nil })
		b.queue.err = store.ErrUnavailable
		b.put(t, "a", 1, time.Now())
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { b.Run(ctx); close(done) }()
		time.Sleep(time.Second)
		if !strings.Contains(b.log.String(), "cannot be read") {
			t.Errorf("log = %s, want a line about it", b.log)
		}
		b.queue.mu.Lock()
		b.queue.err = nil
		b.queue.mu.Unlock()
		time.Sleep(10 * time.Second)
		if b.queue.left() != 0 {
			t.Error("not delivered after the queue could be read again")
		}
		cancel()
		<-done
	})
}
