package caddymodule

import (
	"context"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
)

// lastRequests is how long requests may still need what no configuration has any more, at least. Caddy cleans up while a replaced configuration's servers
// are ending; net/http then closes connections that have sent nothing for 5 s, and another server is asked for 5 s by default.
const lastRequests = 10 * time.Second

// retirement closes what only requests of replaced configurations still use.
type retirement struct {
	mu     sync.Mutex
	ctx    context.Context // of those that wait; nil while none ever did
	cancel context.CancelFunc
	all    sync.WaitGroup
}

var retired retirement

// close calls end in a while: after lastRequests, and then when drain, unless it is nil, returns. When Caddy exits its servers have ended, and it is done at once.
func (r *retirement) close(drain func(context.Context) error, end func() error) error {
	if caddy.Exiting() {
		r.now()
		return end()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ctx == nil || r.ctx.Err() != nil {
		r.ctx, r.cancel = context.WithCancel(context.Background())
	}
	ctx := r.ctx
	r.all.Go(func() {
		select {
		case <-ctx.Done():
		case <-time.After(lastRequests):
			if drain != nil {
				_ = drain(ctx) // an exchange that never ends by itself ends with its token
			}
		}
		if err := end(); err != nil {
			processLog().Error("closing what a replaced configuration had", "error", err)
		}
	})
	return nil
}

// now closes everything that waits.
func (r *retirement) now() {
	r.mu.Lock()
	if r.cancel != nil {
		r.cancel()
	}
	r.mu.Unlock()
	r.all.Wait()
}
