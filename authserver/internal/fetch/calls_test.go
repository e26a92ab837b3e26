package fetch_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/fetch"
)

// TestCallsBounded: so many calls at once and no more; the others wait for their turn.
func TestCallsBounded(t *testing.T) {
	c := fetch.NewCalls(5*time.Second, time.Now)
	defer c.Close()
	var now, most atomic.Int64
	entered, leave := make(chan struct{}, 200), make(chan struct{})
	var wg sync.WaitGroup
	for range 2 * fetch.MaxCalls {
		wg.Go(func() {
			r := c.Do(func(context.Context) (fetch.Health, error) {
				n := now.Add(1)
				for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
				}
				entered <- struct{}{}
				<-leave
				now.Add(-1)
				return fetch.Up(), nil
			})
			if r.Err != nil {
				t.Error(r.Err)
			}
		})
	}
	for range fetch.MaxCalls {
		<-entered
	}
	close(leave)
	wg.Wait()
	if got := most.Load(); got != fetch.MaxCalls {
		t.Errorf("%d calls at once, want %d", got, fetch.MaxCalls)
	}
}

// TestCallsLeaveAlone: an endpoint that is down is left alone, one that fails for a reason of the caller's is not.
func TestCallsLeaveAlone(t *testing.T) {
	failed := errors.New("failed")
	var ns atomic.Int64
	ns.Store(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).UnixNano())
	c := fetch.NewCalls(time.Second, func() time.Time { return time.Unix(0, ns.Load()) })
	defer c.Close()
	calls := 0
	do := func(h fetch.Health, err error) fetch.Result {
		return c.Do(func(context.Context) (fetch.Health, error) {
			calls++
			return h, err
		})
	}
	for range 20 {
		if r := do(fetch.Unknown(), failed); !errors.Is(r.Err, failed) || r.Opened {
			t.Fatalf("result = %+v, want the call's error", r)
		}
	}
	for i := range 4 {
		if r := do(fetch.Down(0), failed); r.Opened {
			t.Fatalf("left alone after %d failures", i+1)
		}
	}
	if r := do(fetch.Down(0), failed); !r.Opened {
		t.Error("not left alone after five failures")
	}
	before := calls
	if r := do(fetch.Up(), nil); !errors.Is(r.Err, fetch.ErrDown) || r.Wait <= 0 || calls != before {
		t.Errorf("while it is left alone: %+v, %d calls", r, calls-before)
	}
	ns.Add(int64(2 * time.Second))
	if r := do(fetch.Up(), nil); r.Err != nil {
		t.Errorf("afterwards: %+v", r)
	}
	if r := do(fetch.Down(20*time.Second), failed); !r.Opened || r.Wait != 20*time.Second {
		t.Errorf("told to wait: %+v, want 20 s at once", r)
	}
}

// TestCallsPanic: a call that panics leaves no slot taken, and nobody locked out.
func TestCallsPanic(t *testing.T) {
	c := fetch.NewCalls(time.Second, time.Now)
	for range fetch.MaxCalls + 1 {
		func() {
			defer func() { _ = recover() }()
			c.Do(func(context.Context) (fetch.Health, error) { panic("x") })
		}()
	}
	if r := c.Do(func(context.Context) (fetch.Health, error) { return fetch.Up(), nil }); r.Err != nil {
		t.Error(r.Err)
	}
	c.Close() // waits for calls
	if r := c.Do(nil); !errors.Is(r.Err, fetch.ErrClosed) {
		t.Errorf("after Close: %v, want %v", r.Err, fetch.ErrClosed)
	}
}
