package flow_test

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/authorize"
	"github.com/caddy-gatehouse/gatehouse/authserver/flow"
	"github.com/caddy-gatehouse/gatehouse/authserver/flow/flowtest"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// broken is a store that fails while it is told to.
type broken struct {
	store.Store
	down atomic.Bool
	// replaced counts down to the replacement of a flow that fails once; 0 for none.
	replaced atomic.Int64
}

func (b *broken) fault() error {
	if b.down.Load() {
		return store.ErrUnavailable
	}
	return nil
}

func (b *broken) PutFlow(ctx context.Context, f store.Flow) error {
	return errors.Join(b.fault(), b.Store.PutFlow(ctx, f))
}

func (b *broken) FlowByID(ctx context.Context, env, id string, now time.Time) (store.Flow, error) {
	if err := b.fault(); err != nil {
		return store.Flow{}, err
	}
	return b.Store.FlowByID(ctx, env, id, now)
}

func (b *broken) ReplaceFlow(ctx context.Context, f store.Flow, now time.Time) error {
	if b.replaced.Load() > 0 && b.replaced.Add(-1) == 0 {
		return store.ErrUnavailable
	}
	return b.Store.ReplaceFlow(ctx, f, now)
}

func (b *broken) ConsentTo(ctx context.Context, env, subject, client string) (store.ConsentRecord, error) {
	if err := b.fault(); err != nil {
		return store.ConsentRecord{}, err
	}
	return b.Store.ConsentTo(ctx, env, subject, client)
}

func (b *broken) PutRevocation(ctx context.Context, r store.Revocation) error {
	if err := b.fault(); err != nil {
		return err
	}
	return b.Store.PutRevocation(ctx, r)
}

// unavailable reports whether err is 503.
func unavailable(err error) bool {
	e, ok := errors.AsType[*oauth.Error](err)
	return ok && e.Status == http.StatusServiceUnavailable && e.RetryAfter > 0
}

// TestWithoutTheStore: what cannot be known or kept is 503, at the client where
// a request is judged, and never taken for an answer.
func TestWithoutTheStore(t *testing.T) {
	g := flowtest.New(t)
	st := &broken{Store: g.Store}
	g.Engine.Flows, g.Engine.Consents = st, st
	b := g.Browser()
	f := g.MustStart(b, g.Request(flowtest.Web), flow.UsernamePasswordRequired)
	st.down.Store(true)
	_, err := g.Start(b, g.Request(flowtest.Web))
	failure, ok := errors.AsType[*authorize.Failure](err)
	if !ok || !unavailable(failure.Err) || failure.ReplyTo == nil || failure.Client == nil {
		t.Errorf("start: %v, want 503 that may travel", err)
	}
	if _, err := g.Read(b, f.ID); !unavailable(err) {
		t.Errorf("read: %v, want 503", err)
	}
	if _, err := g.Act(b, f.ID, flow.CheckPassword, alice()); !unavailable(err) || b.Session() != nil {
		t.Errorf("step: %v, session %v, want 503 and none", err, b.Session())
	}
	st.down.Store(false)
	f = g.MustAct(b, f.ID, flow.CheckPassword, alice(), flow.Completed)
	st.down.Store(true)
	if _, err := g.Answer(b, f); !unavailable(err) {
		t.Errorf("answer: %v, want 503", err)
	}
	// Consent that cannot be looked up is not consent.
	if got, err := g.Start(b, g.Request(flowtest.Once)); err == nil {
		t.Errorf("start of a client that asks once: %s, want an error", got.Status)
	}
	st.down.Store(false)
	if got := g.MustAnswer(b, f); got["code"] == "" {
		t.Errorf("answer afterwards = %v, want a code", got)
	}
}

// TestSessionThatCannotBeEnded: where the session of the person before cannot be
// ended with all that hangs on it, nobody else is signed on, and the step can be
// taken again.
func TestSessionThatCannotBeEnded(t *testing.T) {
	g := flowtest.New(t)
	st := &broken{Store: g.Store}
	g.Logout.Store = st
	b := g.Browser()
	before := g.SignOn(b, flowtest.Alice, flowtest.AlicePassword)
	f := g.MustStart(b, g.Request(flowtest.Web, prompt("select_account")), flow.AccountSelectionRequired)
	g.MustAct(b, f.ID, flow.ResetSession, flow.Input{}, flow.UsernamePasswordRequired)
	st.down.Store(true)
	if _, err := g.Act(b, f.ID, flow.CheckPassword, bob()); !unavailable(err) {
		t.Errorf("step: %v, want 503", err)
	}
	if s := b.Session(); s == nil || s.ID != before.ID {
		t.Errorf("session = %+v, want Alice's still", s)
	}
	if again, err := g.Read(b, f.ID); err != nil || again.Status != flow.UsernamePasswordRequired || again.User != nil {
		t.Errorf("the flow: %+v, %v, want it as it was before Bob's password", again, err)
	}
	st.down.Store(false)
	g.MustAct(b, f.ID, flow.CheckPassword, bob(), flow.Completed)
	if g.Revoked() != 1 {
		t.Errorf("%d sessions' tokens were revoked, want Alice's", g.Revoked())
	}
}

// TestStepThatCannotBeKept: a step whose outcome is lost has not happened for
// the browser.
func TestStepThatCannotBeKept(t *testing.T) {
	g := flowtest.New(t)
	st := &broken{Store: g.Store}
	g.Engine.Flows = st
	b := g.Browser()
	f := g.MustStart(b, g.Request(flowtest.Web), flow.UsernamePasswordRequired)
	st.replaced.Store(2) // the first claims the flow, the second keeps the outcome
	if _, err := g.Act(b, f.ID, flow.CheckPassword, alice()); !unavailable(err) || b.Session() != nil {
		t.Errorf("step: %v, session %v, want 503 and none", err, b.Session())
	}
	g.Clock.Advance(31 * time.Second) // by then it counts as abandoned
	g.MustAct(b, f.ID, flow.CheckPassword, alice(), flow.Completed)
}

// TestAbandonedStep: a step that was never finished, because its node died, holds
// the others up for a while and no longer.
func TestAbandonedStep(t *testing.T) {
	g := flowtest.New(t)
	b := g.Browser()
	f := g.MustStart(b, g.Request(flowtest.Web), flow.UsernamePasswordRequired)
	edit(g, f.ID, map[string]any{"busy": g.Clock.Now().Add(30 * time.Second)})
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if _, err := g.Engine.Act(ctx, g.Env, f.ID, b.Request(g.Env), flow.CheckPassword, alice()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("while it is being taken: %v, want to wait until the caller gives up", err)
	}
	if again, err := g.Read(b, f.ID); err != nil || again.Status != flow.UsernamePasswordRequired {
		t.Errorf("read meanwhile: %+v, %v, want the flow", again, err)
	}
	g.Clock.Advance(30 * time.Second)
	g.MustAct(b, f.ID, flow.CheckPassword, alice(), flow.Completed)
}

// TestDamagedRecord is a fault, not a flow.
func TestDamagedRecord(t *testing.T) {
	for _, members := range []map[string]any{{"status": ""}, {"request": nil}, {"created_at": 7}} {
		g := flowtest.New(t)
		b := g.Browser()
		f := g.MustStart(b, g.Request(flowtest.Web), flow.UsernamePasswordRequired)
		edit(g, f.ID, members)
		if got, err := g.Read(b, f.ID); err == nil || oauth.From(err).Status != http.StatusInternalServerError {
			t.Errorf("%v: %+v, %v, want 500", members, got, err)
		}
	}
	// A status that nobody knows offers nothing.
	g := flowtest.New(t)
	b := g.Browser()
	f := g.MustStart(b, g.Request(flowtest.Web), flow.UsernamePasswordRequired)
	edit(g, f.ID, map[string]any{"status": "OTP_REQUIRED"})
	if _, err := g.Act(b, f.ID, flow.CheckPassword, alice()); !refused(err, oauth.PingOneInvalidRequest) {
		t.Errorf("a step in an unknown status: %v, want 400", err)
	}
	if _, err := g.Answer(b, f); !refused(err, oauth.PingOneInvalidRequest) {
		t.Errorf("the answer in an unknown status: %v, want 400", err)
	}
}
