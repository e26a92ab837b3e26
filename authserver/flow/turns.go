package flow

import (
	"context"
	"sync"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
)

// maxTurns is how many steps of one flow may be wanted at once in one process:
// more than any person's fingers, and fewer than would keep others from the store.
const maxTurns = 64

// turns lets callers of one process take the steps of a flow one after the other,
// without asking the store whose turn it is. The zero value is ready. Safe for concurrent use.
type turns struct {
	mu     sync.Mutex
	byFlow map[string]*turn // of steps that are wanted now
}

type turn struct {
	free   chan struct{} // holds one value while nobody takes a step
	wanted int
}

// take waits for the turn of a flow; done ends it. It is temporarily_unavailable
// where too many wait already, or the wait is too long.
func (t *turns) take(ctx context.Context, flow string) (done func(), err error) {
	t.mu.Lock()
	one := t.byFlow[flow]
	if one == nil {
		one = &turn{free: make(chan struct{}, 1)}
		one.free <- struct{}{}
		if t.byFlow == nil {
			t.byFlow = map[string]*turn{}
		}
		t.byFlow[flow] = one
	}
	crowded := one.wanted >= maxTurns
	if !crowded {
		one.wanted++
	}
	t.mu.Unlock()
	if crowded {
		return nil, crowd()
	}
	timer := time.NewTimer(waitTime)
	defer timer.Stop()
	select {
	case <-one.free:
		return func() {
			one.free <- struct{}{}
			t.leave(flow, one)
		}, nil
	case <-timer.C:
		err = crowd()
	case <-ctx.Done():
		err = ctx.Err()
	}
	t.leave(flow, one)
	return nil, err
}

// leave forgets a flow that nobody wants a step of.
func (t *turns) leave(flow string, one *turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if one.wanted--; one.wanted == 0 {
		delete(t.byFlow, flow)
	}
}

func crowd() error { return oauth.Unavailable(1, "Another step of the flow is being taken") }
