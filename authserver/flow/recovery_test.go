package flow_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/flow"
	"github.com/caddy-gatehouse/gatehouse/authserver/flow/flowtest"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// impatient hangs up as soon as a password was replaced, where it is told to.
type impatient struct {
	store.Store
	hangUp atomic.Pointer[context.CancelFunc]
}

func (i *impatient) PutCredential(ctx context.Context, c store.Credential) error {
	err := i.Store.PutCredential(ctx, c)
	if cancel := i.hangUp.Load(); cancel != nil && c.Password != "" {
		(*cancel)()
	}
	return err
}

// TestRecoveryEndsSessionsAllTheSame: once the password is another one, the sessions
// of whoever knew the old one end, though the person does not wait for it: the
// code is spent, and the step cannot be taken again.
func TestRecoveryEndsSessionsAllTheSame(t *testing.T) {
	g := flowtest.New(t)
	st := &impatient{Store: g.Store}
	g.Users.Store = st
	thief := g.Browser()
	g.SignOn(thief, flowtest.Alice, flowtest.AlicePassword)
	stolen := thief.Session().ID

	b := g.Browser()
	f := g.MustStart(b, g.Request(flowtest.Web), flow.UsernamePasswordRequired)
	g.MustAct(b, f.ID, flow.Forgot, flow.Input{Username: flowtest.Alice}, flow.RecoveryCodeRequired)
	code := g.Outbox.Code("alice@example.com")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	st.hangUp.Store(&cancel)
	_, err := g.Engine.Act(ctx, g.Env, f.ID, b.Request(g.Env), flow.Recover, flow.Input{RecoveryCode: code, NewPassword: "another-password"})
	if ctx.Err() == nil {
		t.Fatalf("the password was not replaced: %v", err)
	}
	list, err := g.Sessions.List(context.Background(), g.Env, flowtest.AliceID)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range list {
		if s.ID == stolen {
			t.Error("the session of who knew the old password lives on")
		}
	}
}
