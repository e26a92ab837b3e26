package fetch

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// refresher keeps one remote document. Nothing is loaded before it is asked
// for; loads never overlap and never start more often than minInterval; the last good
// document is used until maxStale while loading fails. Reading a fresh document
// is one atomic load. Safe for concurrent use.
type refresher[T any] struct {
	// load gets the document; maxAge, where positive, shortens the configured one.
	load                          func(ctx context.Context) (v T, maxAge time.Duration, err error)
	now                           func() time.Time
	minInterval, maxAge, maxStale time.Duration

	good    atomic.Pointer[snapshot[T]]
	nextTry atomic.Int64 // no load may start before (Unix nanoseconds)
	failing atomic.Bool  // the last load failed

	mu      sync.Mutex
	flight  *flight // the running load
	lastErr error   // of the last load
	closed  bool

	ctx    context.Context // the lifetime of background loads, ended by close
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

// snapshot is one good document and its times (Unix nanoseconds).
type snapshot[T any] struct {
	value   T
	at      int64 // when its load started
	refresh int64 // a background load is due
	idle    int64 // nobody asked for so long that a request waits for a load
	stale   int64 // not used any more
}

// flight is one load; err may be read once done is closed.
type flight struct {
	done chan struct{}
	err  error
}

var errClosed = errors.New("closed")

func (r *refresher[T]) init() {
	r.ctx, r.cancel = context.WithCancel(context.Background())
}

func (r *refresher[T]) close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.cancel()
	r.wg.Wait()
}

// current gives the document where it can be used without waiting, and has a
// load started in the background when one is due.
func (r *refresher[T]) current(now time.Time) (*snapshot[T], bool) {
	s := r.good.Load()
	if s == nil {
		return nil, false
	}
	if n := now.UnixNano(); n < s.at || n >= s.refresh {
		return r.aged(s, n)
	}
	return s, true
}

func (r *refresher[T]) aged(s *snapshot[T], n int64) (*snapshot[T], bool) {
	// After an idle time the next request waits, so that what was withdrawn long
	// ago does not get one more pass. During an outage nobody waits.
	if n >= s.stale || n >= s.idle && !r.failing.Load() {
		return nil, false
	}
	if !r.throttled(n) {
		_, _ = r.start(n) // nobody waits for it
	}
	return s, true
}

// get gives the document, waiting for a load, bounded by ctx, where there is
// none that can be used.
func (r *refresher[T]) get(ctx context.Context, now time.Time) (*snapshot[T], error) {
	if s, ok := r.current(now); ok {
		return s, nil
	}
	n := now.UnixNano()
	err := r.wait(ctx, n)
	if s := r.good.Load(); s != nil && n < s.stale {
		return s, nil
	}
	if err == nil {
		err = errors.New("no document")
	}
	return nil, err
}

// wait joins the running load, or starts one unless it is too early; then it
// gives the last load's error.
func (r *refresher[T]) wait(ctx context.Context, n int64) error {
	f, err := r.start(n)
	if f == nil {
		return err
	}
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// throttled reports whether it is too early for another load. A clock that was
// set back must not silence loads for long, hence the upper bound.
func (r *refresher[T]) throttled(n int64) bool {
	ahead := r.nextTry.Load() - n
	return ahead > 0 && ahead <= 2*int64(r.minInterval)
}

// start gives the running load or a new one; nil and the last error when it is too early.
func (r *refresher[T]) start(n int64) (*flight, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.flight != nil:
		return r.flight, nil
	case r.closed:
		return nil, errClosed
	case r.throttled(n):
		return nil, r.lastErr
	}
	f := &flight{done: make(chan struct{})}
	r.flight = f
	r.nextTry.Store(n + int64(r.minInterval))
	r.wg.Go(func() { r.run(f, n) })
	return f, nil
}

func (r *refresher[T]) run(f *flight, began int64) {
	v, maxAge, err := r.load(r.ctx)

	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil {
		if maxAge <= 0 || maxAge > r.maxAge {
			maxAge = r.maxAge
		}
		maxAge = max(maxAge, r.minInterval)
		r.good.Store(&snapshot[T]{
			value: v, at: began,
			refresh: began + int64(maxAge),
			idle:    began + 2*int64(maxAge),
			stale:   began + int64(max(r.maxStale, maxAge)),
		})
	} else {
		// Counted from the end: a load that timed out is not followed by the next at once.
		r.nextTry.Store(r.now().UnixNano() + int64(r.minInterval))
	}
	r.failing.Store(err != nil)
	r.lastErr, f.err = err, err
	r.flight = nil
	close(f.done)
}

// expire makes the next get load again, as soon as the throttle allows.
func (r *refresher[T]) expire() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.good.Load(); s != nil {
		old := *s
		old.refresh, old.idle = old.at, old.at
		r.good.Store(&old)
	}
}

// loading reports whether a load is running.
func (r *refresher[T]) loading() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.flight != nil
}
