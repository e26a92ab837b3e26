package flow_test

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/flow"
	"github.com/caddy-gatehouse/gatehouse/authserver/flow/flowtest"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// counting counts what is asked of a store for flows.
type counting struct {
	store.Store
	calls atomic.Int64
}

func (c *counting) FlowByID(ctx context.Context, env, id string, now time.Time) (store.Flow, error) {
	c.calls.Add(1)
	return c.Store.FlowByID(ctx, env, id, now)
}

func (c *counting) ReplaceFlow(ctx context.Context, f store.Flow, now time.Time) error {
	c.calls.Add(1)
	return c.Store.ReplaceFlow(ctx, f, now)
}

// TestCrowd: a thousand steps of one flow at once do not keep the store from
// everybody else, and the flow goes on afterwards.
func TestCrowd(t *testing.T) {
	g := flowtest.New(t)
	st := &counting{Store: g.Store}
	g.Engine.Flows = st
	b := g.Browser()
	f := g.MustStart(b, g.Request(flowtest.Web), flow.UsernamePasswordRequired)
	st.calls.Store(0)
	const crowd = 1000
	var wg sync.WaitGroup
	for range crowd {
		wg.Go(func() {
			_, err := g.Engine.Act(context.Background(), g.Env, f.ID, b.Copy().Request(g.Env), flow.CheckPassword, flow.Input{Username: "alice"})
			if e := oauth.From(err); e.Status != http.StatusBadRequest && !unavailable(err) {
				t.Errorf("a step without a password: %v, want 400 or 503", err)
			}
		})
	}
	wg.Wait()
	if got := st.calls.Load(); got > 3*crowd {
		t.Errorf("%d steps ask the store %d times, want three times each at the most", crowd, got)
	}
	g.MustAct(b, f.ID, flow.CheckPassword, alice(), flow.Completed)
}

// TestStepsAreBounded: each step is written down, so one address may take so
// many at once; another one, and the same one a moment later, may take more.
func TestStepsAreBounded(t *testing.T) {
	g := flowtest.New(t)
	g.Limited, g.Engine.Burst = true, 2
	b := g.Browser()
	f := g.MustStart(b, g.Request(flowtest.Web), flow.UsernamePasswordRequired)
	step := func() int {
		_, err := g.Act(b, f.ID, flow.CheckPassword, flow.Input{Username: "alice"})
		return oauth.From(err).Status
	}
	for i := range 10 {
		if got := step(); got != http.StatusBadRequest {
			t.Fatalf("step %d: %d, want 400 for the missing password", i+1, got)
		}
	}
	if got := step(); got != http.StatusTooManyRequests {
		t.Errorf("step 11: %d, want 429", got)
	}
	g.Clock.Advance(time.Second)
	if got := step(); got != http.StatusBadRequest {
		t.Errorf("a second later: %d, want 400", got)
	}
}
