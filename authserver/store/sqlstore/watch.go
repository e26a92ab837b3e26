package sqlstore

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// hub passes the revocations made in this process to its watchers. The zero
// value is ready.
type hub struct {
	mu       sync.Mutex
	watchers map[*watcher]struct{}
}

// watcher is one call of WatchRevocations: an unbounded queue, so that a writer
// never waits for it, and a bell that rings when something is in the queue.
type watcher struct {
	mu    sync.Mutex
	queue []delivery
	left  bool
	bell  chan struct{}
}

// delivery is a revocation and the receipt to sign.
type delivery struct {
	revocation store.Revocation
	receipt    *receipt
}

// receipt is signed off when every watcher has taken delivery.
type receipt struct {
	open atomic.Int64
	done chan struct{}
}

func newReceipt() *receipt {
	r := &receipt{done: make(chan struct{})}
	r.open.Store(1) // publish's own share: it is not done before all are asked
	return r
}

func (r *receipt) sign() {
	if r.open.Add(-1) == 0 {
		close(r.done)
	}
}

func (r *receipt) wait(ctx context.Context) error {
	select {
	case <-r.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (h *hub) join() *watcher {
	w := &watcher{bell: make(chan struct{}, 1)}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.watchers == nil {
		h.watchers = make(map[*watcher]struct{})
	}
	h.watchers[w] = struct{}{}
	return w
}

// leave ends w and signs what it has not taken: nobody must wait for a watcher
// that is gone.
func (h *hub) leave(w *watcher) {
	h.mu.Lock()
	delete(h.watchers, w)
	h.mu.Unlock()

	w.mu.Lock()
	defer w.mu.Unlock()
	w.left = true
	for _, d := range w.queue {
		d.receipt.sign()
	}
	w.queue = nil
}

// publish queues r for every watcher. It does not wait for them.
func (h *hub) publish(r store.Revocation, receipt *receipt) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for w := range h.watchers {
		receipt.open.Add(1)
		w.mu.Lock()
		if w.left {
			receipt.sign()
		} else {
			w.queue = append(w.queue, delivery{r, receipt})
		}
		w.mu.Unlock()
		select {
		case w.bell <- struct{}{}:
		default: // it has been rung
		}
	}
	receipt.sign()
}

// take empties the queue.
func (w *watcher) take() []delivery {
	w.mu.Lock()
	defer w.mu.Unlock()
	queue := w.queue
	w.queue = nil
	return queue
}

// news is one step of the feed from the database: a revocation, or a change of
// liveness.
type news struct {
	revocation store.Revocation
	liveness   bool // alive is meant
	alive      bool
}

// WatchRevocations implements store.Revocations. The functions of rw run in the
// caller's goroutine, which is never busy with the database: a revocation of
// this process is delivered even while the feed from the others is down.
func (db *DB) WatchRevocations(ctx context.Context, now time.Time, rw store.RevocationWatcher) error {
	ctx, cancel := context.WithCancel(ctx)
	w := db.hub.join()
	var feeder sync.WaitGroup
	feed := make(chan news)
	feeder.Go(func() { db.feed(ctx, now, feed) })
	defer func() {
		cancel()
		db.hub.leave(w)
		feeder.Wait()
	}()

	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-db.ctx.Done():
			return unavailable(errClosed)
		case n := <-feed:
			switch {
			case !n.liveness:
				rw.Deliver(n.revocation)
			case rw.Alive != nil:
				rw.Alive(n.alive)
			}
		case <-w.bell:
			for _, d := range w.take() {
				rw.Deliver(d.revocation)
				d.receipt.sign()
			}
		}
	}
}

// errReload ends a session with the database, to begin the next at once.
var errReload = errors.New("revocations were missed")

// feed sends what the database knows to the watcher until ctx ends. Every time
// the connection was lost, everything is read again: nothing then depends on how
// long the interruption was, nor on clocks.
func (db *DB) feed(ctx context.Context, now time.Time, feed chan<- news) {
	send := func(n news) error {
		select {
		case feed <- n:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	alive, pause, logged := false, minBackoff, false
	load := func() error {
		err := db.revocations(ctx, now, func(r store.Revocation) error { return send(news{revocation: r}) })
		if err != nil {
			return err
		}
		alive, pause = true, minBackoff
		if logged {
			logged = false
			db.config.Log.Info("revocation feed has caught up", "database", db.config.Name)
		}
		return send(news{liveness: true, alive: true})
	}
	for ctx.Err() == nil {
		err := db.session(ctx, load, func(n Notice) error {
			if n.Reload {
				return errReload
			}
			return send(news{revocation: n.Revocation})
		})
		if ctx.Err() != nil || db.ctx.Err() != nil {
			return
		}
		// The watcher hears that it may be missing something, at once and once.
		if alive {
			alive = false
			if send(news{liveness: true}) != nil {
				return
			}
		}
		if errors.Is(err, errReload) {
			continue
		}
		if !logged {
			logged = true
			db.config.Log.Warn("revocation feed is interrupted", "database", db.config.Name, "error", err)
		}
		if !sleep(ctx, pause) {
			return
		}
		pause = min(2*pause, maxBackoff)
	}
}

// session loads, then follows the other nodes until the connection is lost. A
// database that this process has to itself has nothing to follow.
func (db *DB) session(ctx context.Context, load func() error, received func(Notice) error) error {
	backend, err := db.ready(ctx)
	if err != nil {
		return err
	}
	if f, ok := backend.(Feed); ok {
		return f.Listen(ctx, load, received)
	}
	if err := load(); err != nil {
		return err
	}
	<-ctx.Done()
	return ctx.Err()
}
