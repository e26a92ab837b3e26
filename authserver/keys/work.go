package keys

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

const (
	// maxWaiting is how much work of one environment is under way or waits for its turn: the others' comes up, too.
	maxWaiting = 16
	// waitSeconds is when to ask again beyond that.
	waitSeconds = 10
)

// work is what takes a processor for a while: drawing a key, or reading one that somebody brings.
type work struct {
	busy    chan struct{} // held by what is being done
	mu      sync.Mutex    // guards waiting
	waiting map[string]int
}

func newWork() work { return work{busy: make(chan struct{}, 1), waiting: map[string]int{}} }

// alone runs work that takes a while: one at a time, so that a few requests cannot take every
// processor, and so much for one environment, so that none keeps the others waiting for ever. A panic is an
// error: there is nobody else to catch it.
func (r *Rings) alone(ctx context.Context, env *store.Environment, do func() error) error {
	w := &r.work
	if !w.enter(env.ID) {
		return oauth.Unavailable(waitSeconds, "Too many keys of the environment are being made or read")
	}
	select {
	case w.busy <- struct{}{}:
	case <-ctx.Done():
		w.leave(env.ID)
		return ctx.Err()
	}
	done := make(chan error, 1)
	go func() {
		defer w.leave(env.ID)
		defer func() { <-w.busy }()
		defer func() {
			if p := recover(); p != nil {
				done <- fmt.Errorf("panic: %v\n%s", p, debug.Stack())
			}
		}()
		done <- do()
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done(): // it goes on until it is done, and then there is room for the next one
		return ctx.Err()
	}
}

func (w *work) enter(env string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waiting[env] >= maxWaiting {
		return false
	}
	w.waiting[env]++
	return true
}

func (w *work) leave(env string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waiting[env]--; w.waiting[env] == 0 {
		delete(w.waiting, env)
	}
}
