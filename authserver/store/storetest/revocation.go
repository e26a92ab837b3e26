package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

var revocationTests = []namedTest{
	{"a watcher first gets what is needed, then is alive", watchExisting},
	{"a put has reached every watcher when it returns", watchDelivered},
	{"the later At and ExpiresAt stay", revocationMerge},
	{"concurrent puts of one value keep the latest", revocationContention},
	{"a watcher that has ended holds nobody up", watchEnded},
	{"a slow watcher holds a put up for no longer than its context", watchSlow},
	{"values up to 512 bytes of any text", revocationText},
}

func revocation(value string) store.Revocation {
	return store.Revocation{Environment: env1, Kind: store.RevokedToken, Value: value, At: Now, ExpiresAt: Now.Add(time.Hour)}
}

// Watch is a running WatchRevocations and what it has delivered.
type Watch struct {
	mu      sync.Mutex
	seen    map[string]store.Revocation // by environment, kind and value: the latest At and ExpiresAt
	count   int
	alive   []bool
	changed chan struct{} // closed at the next change
	stop    context.CancelFunc
	done    chan error
}

// StartWatch watches s until the test ends, or Stop. It does not wait for the
// watcher to be alive.
func StartWatch(t testing.TB, s store.Store, now time.Time) *Watch {
	ctx, cancel := context.WithCancel(context.Background())
	w := &Watch{seen: make(map[string]store.Revocation), changed: make(chan struct{}), stop: cancel, done: make(chan error, 1)}
	go func() {
		w.done <- s.WatchRevocations(ctx, now, store.RevocationWatcher{
			Deliver: func(r store.Revocation) {
				w.change(func() {
					k := fmt.Sprint(r.Environment, r.Kind, r.Value)
					if old, ok := w.seen[k]; ok {
						r.At, r.ExpiresAt = later(r.At, old.At), later(r.ExpiresAt, old.ExpiresAt)
					}
					w.seen[k] = r
					w.count++
				})
			},
			Alive: func(ok bool) { w.change(func() { w.alive = append(w.alive, ok) }) },
		})
	}()
	t.Cleanup(w.Stop)
	return w
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func (w *Watch) change(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
	close(w.changed)
	w.changed = make(chan struct{})
}

// Stop ends the watch and waits for it.
func (w *Watch) Stop() {
	w.stop()
	err := <-w.done
	w.done <- err
}

// Has returns what was delivered for the identity of r.
func (w *Watch) Has(r store.Revocation) (store.Revocation, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	got, ok := w.seen[fmt.Sprint(r.Environment, r.Kind, r.Value)]
	return got, ok
}

// Alive returns the calls of Alive so far.
func (w *Watch) Alive() []bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]bool(nil), w.alive...)
}

// Until waits until condition holds, and fails the test if it does not within
// limit.
func (w *Watch) Until(t testing.TB, what string, limit time.Duration, condition func() bool) {
	t.Helper()
	timeout := time.After(limit)
	for {
		w.mu.Lock()
		changed := w.changed
		w.mu.Unlock()
		if condition() {
			return
		}
		select {
		case <-changed:
		case <-timeout:
			t.Fatalf("not within %v: %s (alive %v, %d delivered)", limit, what, w.Alive(), w.count)
		}
	}
}

// UntilAlive waits until the last call of Alive was with ok.
func (w *Watch) UntilAlive(t testing.TB, ok bool) {
	t.Helper()
	w.Until(t, fmt.Sprintf("alive is %v", ok), 20*time.Second, func() bool {
		calls := w.Alive()
		return len(calls) > 0 && calls[len(calls)-1] == ok
	})
}

func watchExisting(t *testing.T, s store.Store) {
	ctx := testContext(t)
	needed := []store.Revocation{
		revocation("a"),
		{Environment: env2, Kind: store.RevokedToken, Value: "a", At: Now.Add(-time.Minute), ExpiresAt: Now.Add(time.Minute)},
		{Environment: env1, Kind: store.RevokedSubject, Value: "a", At: Now, ExpiresAt: Now.Add(time.Second)},
		{Environment: env1, Kind: store.RevokedClient, Value: "a", At: Now, ExpiresAt: Now.Add(30 * 24 * time.Hour)},
		{Environment: env1, Kind: store.RevokedSession, Value: "a", At: Now, ExpiresAt: Now.Add(time.Hour)},
		{Environment: env1, Kind: store.RevokedGrant, Value: "a", At: Now, ExpiresAt: Now.Add(2 * time.Hour)},
	}
	over := revocation("over")
	over.ExpiresAt = Now
	for _, r := range append([]store.Revocation{over}, needed...) {
		if err := s.PutRevocation(ctx, r); err != nil {
			t.Fatal(err)
		}
	}
	w := StartWatch(t, s, Now)
	w.UntilAlive(t, true)
	for _, want := range needed {
		got, ok := w.Has(want)
		if diff := cmp.Diff(want, got); !ok || diff != "" {
			t.Errorf("delivered %v (-want +got):\n%s", ok, diff)
		}
	}
	if _, ok := w.Has(over); ok {
		t.Error("a revocation that is over was delivered, want none")
	}
	if diff := cmp.Diff([]bool{true}, w.Alive()); diff != "" {
		t.Errorf("calls of Alive (-want +got):\n%s", diff)
	}
	w.Stop()
	if err := <-w.done; !errors.Is(err, context.Canceled) {
		t.Errorf("WatchRevocations = %v, want context.Canceled", err)
	}
	w.done <- nil
}

func watchDelivered(t *testing.T, s store.Store) {
	ctx := testContext(t)
	early := StartWatch(t, s, Now)
	watches := []*Watch{StartWatch(t, s, Now), StartWatch(t, s, Now)}
	watches[0].UntilAlive(t, true)
	watches[1].UntilAlive(t, true)
	errs := race(100, func(i int) error {
		r := revocation(fmt.Sprint(i))
		if err := s.PutRevocation(ctx, r); err != nil {
			return err
		}
		for n, w := range watches {
			if _, ok := w.Has(r); !ok {
				return fmt.Errorf("revocation %d had not reached watcher %d when PutRevocation returned", i, n)
			}
		}
		return nil
	})
	for _, err := range errs {
		if err != nil {
			t.Error(err)
		}
	}
	early.Until(t, "the watcher that was starting has all", 10*time.Second, func() bool {
		for i := range 100 {
			if _, ok := early.Has(revocation(fmt.Sprint(i))); !ok {
				return false
			}
		}
		return true
	})
}

func revocationMerge(t *testing.T, s store.Store) {
	ctx := testContext(t)
	running := StartWatch(t, s, Now)
	running.UntilAlive(t, true)
	at := func(at, expires time.Duration) store.Revocation {
		r := revocation("v")
		r.At, r.ExpiresAt = Now.Add(at), Now.Add(expires)
		return r
	}
	steps := []struct{ put, want store.Revocation }{
		{at(10*time.Second, time.Hour), at(10*time.Second, time.Hour)},
		{at(5*time.Second, time.Minute), at(10*time.Second, time.Hour)},
		{at(20*time.Second, time.Minute), at(20*time.Second, time.Hour)},
		{at(15*time.Second, 2*time.Hour), at(20*time.Second, 2*time.Hour)},
	}
	for i, st := range steps {
		if err := s.PutRevocation(ctx, st.put); err != nil {
			t.Fatal(err)
		}
		fresh := StartWatch(t, s, Now)
		fresh.UntilAlive(t, true)
		for name, w := range map[string]*Watch{"running": running, "fresh": fresh} {
			got, _ := w.Has(st.want)
			if diff := cmp.Diff(st.want, got); diff != "" {
				t.Errorf("step %d, %s watcher (-want +got):\n%s", i, name, diff)
			}
		}
	}
}

func revocationContention(t *testing.T, s store.Store) {
	ctx := testContext(t)
	for i, err := range race(50, func(i int) error {
		r := revocation("v")
		r.At = Now.Add(time.Duration(i) * time.Second)
		return s.PutRevocation(ctx, r)
	}) {
		if err != nil {
			t.Errorf("PutRevocation %d = %v", i, err)
		}
	}
	w := StartWatch(t, s, Now)
	w.UntilAlive(t, true)
	got, _ := w.Has(revocation("v"))
	if want := Now.Add(49 * time.Second); !got.At.Equal(want) {
		t.Errorf("At = %v, want %v", got.At, want)
	}
}

func watchEnded(t *testing.T, s store.Store) {
	ctx := testContext(t)
	for i := range 20 {
		w := StartWatch(t, s, Now)
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := s.PutRevocation(ctx, revocation(fmt.Sprint(i))); err != nil {
				t.Errorf("PutRevocation = %v", err)
			}
		})
		w.Stop()
		wg.Wait()
	}
}

func watchSlow(t *testing.T, s store.Store) {
	release, entered := make(chan struct{}), make(chan struct{}, 100)
	watch, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	alive := make(chan bool, 10)
	go func() {
		defer close(ended)
		_ = s.WatchRevocations(watch, Now, store.RevocationWatcher{
			Deliver: func(store.Revocation) { entered <- struct{}{}; <-release },
			Alive:   func(ok bool) { alive <- ok },
		})
	}()
	defer func() { stop(); <-ended }()
	defer close(release)
	<-alive

	short, cancel := context.WithCancel(testContext(t))
	go func() { <-entered; cancel() }()
	if err := s.PutRevocation(short, revocation("a")); !errors.Is(err, context.Canceled) {
		t.Errorf("PutRevocation = %v, want context.Canceled", err)
	}
	// Other writes do not wait for the watcher.
	put(t, s, token(1))
}

func revocationText(t *testing.T, s store.Store) {
	ctx := testContext(t)
	w := StartWatch(t, s, Now)
	w.UntilAlive(t, true)
	tests := []struct {
		name, value string
		ok          bool
	}{
		{"plain", "a", true},
		{"quotes and backslashes", `"'\"; DROP TABLE revocations; --`, true},
		{"512 bytes", strings.Repeat("v", 512), true},
		{"512 bytes that JSON escapes", strings.Repeat("\x01", 512), true},
		{"513 bytes", strings.Repeat("v", 513), false},
		{"NUL", "a\x00", false},
		{"not UTF-8", "\xff", false},
	}
	for _, tt := range tests {
		r := revocation(tt.value)
		r.Environment = strings.Repeat("\x02", 512)
		err := s.PutRevocation(ctx, r)
		if ok := err == nil; ok != tt.ok || errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s: PutRevocation = %v, want success %v", tt.name, err, tt.ok)
		}
		if _, ok := w.Has(r); ok != tt.ok {
			t.Errorf("%s: delivered %v, want %v", tt.name, ok, tt.ok)
		}
	}
}
