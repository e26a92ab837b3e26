package resourceserver

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// watchTick is how often it is looked whether anything was revoked in this process.
	watchTick = 25 * time.Millisecond
	// watchRound is how often each exchange is looked at, whatever happens.
	watchRound = 500 * time.Millisecond
	// unsureGrace is for how long exchanges go on while nothing is known of their tokens.
	unsureGrace = 10 * time.Second
	// maxChecks is how many tokens are verified anew at a time, where others have to be asked.
	maxChecks = 32

	watchShards = 32
)

// watcher looks after the exchanges of one verifier. It has one goroutine, which is there while anything is being watched. Exchanges come and go at
// the pace of requests, so they are kept in lists that all of them do not share.
type watcher struct {
	v      *Verifier
	shards [watchShards]watchShard
	// missed: an exchange began with a token that was verified before the last revocation.
	missed  atomic.Bool
	running atomic.Bool

	mu     sync.Mutex // orders start, leave and close
	closed bool
	ctx    context.Context // the lifetime of what it does
	cancel context.CancelFunc
	wg     sync.WaitGroup
	checks chan struct{} // a slot for each verification under way
	warned sync.Once
}

type watchShard struct {
	mu   sync.Mutex
	head *Watched
	_    [112]byte // two cache lines each: their locks are taken by different processors
}

// watchRef is an exchange as it was seen in a list.
type watchRef struct {
	x     *Watched
	turn  uint64
	entry *entry
}

// round is when exchanges are looked at.
type round struct {
	clock time.Time // by the verifier's clock
	sure  time.Time // when no Local had revoked anything yet
	last  time.Time // when all were looked at before
}

func newWatcher(v *Verifier) *watcher {
	w := &watcher{v: v, checks: make(chan struct{}, maxChecks)}
	w.ctx, w.cancel = context.WithCancel(context.Background())
	return w
}

func (w *watcher) shard(x *Watched) *watchShard { return &w.shards[x.slot%watchShards] }

func (w *watcher) add(x *Watched) {
	e, s := x.entry, w.shard(x)
	s.mu.Lock()
	x.next = s.head
	if s.head != nil {
		s.head.prev = x
	}
	s.head = x
	s.mu.Unlock()
	// After it is in the list: a revocation that this does not see is found by the next tick.
	if local := e.token.issuer.config.Local; local != nil && local.Epoch() != e.epoch.Load() {
		w.missed.Store(true)
	}
	if !w.running.Load() {
		w.start(x, e)
	}
}

func (w *watcher) remove(x *Watched) {
	s := w.shard(x)
	s.mu.Lock()
	if x.prev != nil {
		x.prev.next = x.next
	} else {
		s.head = x.next
	}
	if x.next != nil {
		x.next.prev = x.prev
	}
	x.prev, x.next = nil, nil
	s.mu.Unlock()
}

// start has the goroutine run. When the verifier is closed, nobody could end x later.
func (w *watcher) start(x *Watched, e *entry) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		turn := x.turn // the caller's
		x.end(turn, e.unknown())
		x.release(turn)
		return
	}
	if !w.running.Load() {
		w.running.Store(true)
		w.wg.Go(w.run)
	}
}

// leave ends the goroutine, unless an exchange has come meanwhile.
func (w *watcher) leave() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running.Store(false) // before the lists are read: see add
	if w.watching() > 0 {
		w.running.Store(true)
		return false
	}
	return true
}

// watching counts the exchanges.
func (w *watcher) watching() (n int) {
	for i := range w.shards {
		s := &w.shards[i]
		s.mu.Lock()
		for x := s.head; x != nil; x = x.next {
			n++
		}
		s.mu.Unlock()
	}
	return n
}

// drained is how often Drain looks.
const drained = 50 * time.Millisecond

// Drain waits until no exchange is being watched any more, or ctx is over. A host calls it before Close when exchanges may outlive what made
// the Verifier.
func (v *Verifier) Drain(ctx context.Context) error {
	for v.watch.watching() > 0 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(drained):
		}
	}
	return nil
}

// close ends the goroutine, and the exchanges that are left: nobody would notice what becomes of their tokens.
func (w *watcher) close() {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.cancel()
	w.wg.Wait()
	refs, _ := w.collect(nil, func(*entry) bool { return true })
	ends := endings{w: w}
	defer ends.release()
	for _, ref := range refs {
		ends.add(ref, ref.entry.unknown(), ref.entry.token.index(), 0)
	}
}

func (w *watcher) run() {
	ticker := time.NewTicker(watchTick)
	defer ticker.Stop()
	epochs := make([]uint64, len(w.v.locals))
	w.changed(epochs)
	var refs []watchRef
	sure := time.Now() // when nothing had been revoked
	last := sure       // when the round before was
	first := true
	for {
		select {
		case <-w.ctx.Done():
			return
		case <-ticker.C:
		}
		now := time.Now() // for durations
		if changed := w.changed(epochs); !changed && !first && now.Sub(last) < watchRound {
			sure = now
			continue
		}
		first = false
		n := 0
		clock := w.v.config.Now()
		refs, n = w.collect(refs[:0], func(e *entry) bool { return w.due(e, clock) })
		w.check(refs, round{clock: clock, sure: sure, last: last})
		clear(refs)
		sure, last = now, now
		if n == 0 && w.leave() {
			return
		}
	}
}

// changed reports whether anything may have been revoked since the last time, for some exchange at least.
func (w *watcher) changed(epochs []uint64) bool {
	changed := w.missed.Swap(false)
	for i, is := range w.v.locals {
		if epoch := is.config.Local.Epoch(); epoch != epochs[i] {
			epochs[i], changed = epoch, true
		}
	}
	return changed
}

// collect appends those exchanges to refs whose token is to be judged, and counts all.
func (w *watcher) collect(refs []watchRef, due func(*entry) bool) (_ []watchRef, n int) {
	for i := range w.shards {
		s := &w.shards[i]
		s.mu.Lock()
		for x := s.head; x != nil; x = x.next {
			n++
			if due(x.entry) {
				refs = append(refs, watchRef{x, x.turn, x.entry})
			}
		}
		s.mu.Unlock()
	}
	return refs, n
}

// due reports whether what was found out about a token is to be judged anew. It must be quick.
func (w *watcher) due(e *entry, now time.Time) bool {
	n, is := now.UnixNano(), e.token.issuer
	if !e.usable(n) || n >= e.fresh {
		return true
	}
	if is.source != nil && !e.opaque {
		if keys, ok := is.source.Current(now); !ok || keys != e.keys {
			return true
		}
	}
	return is.config.Local != nil && is.config.Local.Epoch() != e.epoch.Load()
}
