package flow_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/authorize"
	"github.com/caddy-gatehouse/gatehouse/authserver/flow"
	"github.com/caddy-gatehouse/gatehouse/authserver/flow/flowtest"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// statuses are all there are, with a way into each.
var statuses = []struct {
	status flow.Status
	reach  func(*flowtest.Rig, *flowtest.Browser) *flow.Flow
	// allowed are the actions that are possible there, and where they lead with good input.
	allowed map[flow.Action]flow.Status
}{
	{flow.UsernamePasswordRequired, func(g *flowtest.Rig, b *flowtest.Browser) *flow.Flow {
		return g.MustStart(b, g.Request(flowtest.Web), flow.UsernamePasswordRequired)
	}, map[flow.Action]flow.Status{
		flow.CheckPassword: flow.Completed, flow.Forgot: flow.RecoveryCodeRequired, flow.Register: flow.VerificationCodeRequired,
		flow.Cancel: flow.Failed,
	}},
	{flow.PasswordRequired, func(g *flowtest.Rig, b *flowtest.Browser) *flow.Flow {
		g.SignOn(b, flowtest.Alice, flowtest.AlicePassword)
		return g.MustStart(b, g.Request(flowtest.Web, prompt(oauth.PromptLogin)), flow.PasswordRequired)
	}, map[flow.Action]flow.Status{
		flow.CheckPassword: flow.Completed, flow.Forgot: flow.RecoveryCodeRequired, flow.ResetSession: flow.UsernamePasswordRequired,
		flow.Cancel: flow.Failed,
	}},
	{flow.MustChangePassword, func(g *flowtest.Rig, b *flowtest.Browser) *flow.Flow {
		g.EditCredential(g.Account(newName(), "first-password").ID, func(c *store.Credential) { c.MustChange = true })
		f := g.MustStart(b, g.Request(flowtest.Web), flow.UsernamePasswordRequired)
		return g.MustAct(b, f.ID, flow.CheckPassword, flow.Input{Username: lastName, Password: "first-password"}, flow.MustChangePassword)
	}, map[flow.Action]flow.Status{
		flow.ChangePassword: flow.Completed, flow.ResetSession: flow.UsernamePasswordRequired, flow.Cancel: flow.Failed,
	}},
	{flow.PasswordExpired, func(g *flowtest.Rig, b *flowtest.Browser) *flow.Flow {
		g.EditCredential(g.Account(newName(), "first-password").ID, func(c *store.Credential) { c.MustChange = true })
		f := g.MustStart(b, g.Request(flowtest.Web), flow.UsernamePasswordRequired)
		f = g.MustAct(b, f.ID, flow.CheckPassword, flow.Input{Username: lastName, Password: "first-password"}, flow.MustChangePassword)
		edit(g, f.ID, map[string]any{"status": flow.PasswordExpired}) // nothing makes passwords expire yet
		f, err := g.Read(b, f.ID)
		if err != nil {
			g.T.Fatal(err)
		}
		return f
	}, map[flow.Action]flow.Status{
		flow.ChangePassword: flow.Completed, flow.ResetSession: flow.UsernamePasswordRequired, flow.Cancel: flow.Failed,
	}},
	{flow.RecoveryCodeRequired, func(g *flowtest.Rig, b *flowtest.Browser) *flow.Flow {
		g.Account(newName(), "first-password")
		f := g.MustStart(b, g.Request(flowtest.Web), flow.UsernamePasswordRequired)
		return g.MustAct(b, f.ID, flow.Forgot, flow.Input{Username: lastName}, flow.RecoveryCodeRequired)
	}, map[flow.Action]flow.Status{
		flow.Recover: flow.Completed, flow.SendRecoveryCode: flow.RecoveryCodeRequired,
		flow.ResetSession: flow.UsernamePasswordRequired, flow.Cancel: flow.Failed,
	}},
	{flow.VerificationCodeRequired, func(g *flowtest.Rig, b *flowtest.Browser) *flow.Flow {
		f := g.MustStart(b, g.Request(flowtest.Web), flow.UsernamePasswordRequired)
		in := flow.Input{Username: newName(), Email: lastName + "@example.com", Password: "first-password"}
		return g.MustAct(b, f.ID, flow.Register, in, flow.VerificationCodeRequired)
	}, map[flow.Action]flow.Status{
		flow.Verify: flow.Completed, flow.SendVerification: flow.VerificationCodeRequired,
		flow.ResetSession: flow.UsernamePasswordRequired, flow.Cancel: flow.Failed,
	}},
	{flow.AccountSelectionRequired, func(g *flowtest.Rig, b *flowtest.Browser) *flow.Flow {
		g.SignOn(b, flowtest.Alice, flowtest.AlicePassword)
		return g.MustStart(b, g.Request(flowtest.Web, prompt(oauth.PromptSelectAccount)), flow.AccountSelectionRequired)
	}, map[flow.Action]flow.Status{
		flow.SelectAccount: flow.Completed, flow.ResetSession: flow.UsernamePasswordRequired, flow.Cancel: flow.Failed,
	}},
	{flow.ConsentRequired, func(g *flowtest.Rig, b *flowtest.Browser) *flow.Flow {
		g.SignOn(b, flowtest.Alice, flowtest.AlicePassword)
		return g.MustStart(b, g.Request(flowtest.Always), flow.ConsentRequired)
	}, map[flow.Action]flow.Status{
		flow.Consent: flow.Completed, flow.ResetSession: flow.UsernamePasswordRequired, flow.Cancel: flow.Failed,
	}},
	{flow.Completed, func(g *flowtest.Rig, b *flowtest.Browser) *flow.Flow {
		f := g.MustStart(b, g.Request(flowtest.Web), flow.UsernamePasswordRequired)
		return g.MustAct(b, f.ID, flow.CheckPassword, alice(), flow.Completed)
	}, nil},
	{flow.Failed, func(g *flowtest.Rig, b *flowtest.Browser) *flow.Flow {
		f := g.MustStart(b, g.Request(flowtest.Web), flow.UsernamePasswordRequired)
		return g.MustAct(b, f.ID, flow.Cancel, flow.Input{}, flow.Failed)
	}, nil},
}

// lastName is the username that newName made last.
var lastName string

func newName() string {
	lastName = "user-" + secret.NewID()
	return lastName
}

func alice() flow.Input {
	return flow.Input{Username: flowtest.Alice, Password: flowtest.AlicePassword}
}
func bob() flow.Input { return flow.Input{Username: flowtest.Bob, Password: flowtest.BobPassword} }

func prompt(members ...string) func(*authorize.Request) {
	return func(r *authorize.Request) { r.Prompt = members }
}

func maxAge(seconds int64) func(*authorize.Request) {
	return func(r *authorize.Request) { r.MaxAge = &seconds }
}

func scope(scopes ...string) func(*authorize.Request) {
	return func(r *authorize.Request) { r.Scope = scopes }
}

// edit changes members of a stored flow, which nobody outside can.
func edit(g *flowtest.Rig, id string, members map[string]any) {
	g.T.Helper()
	ctx := context.Background()
	record, err := g.Store.FlowByID(ctx, g.Env.ID, id, g.Clock.Now())
	if err != nil {
		g.T.Fatal(err)
	}
	var state map[string]any
	if err := json.Unmarshal(record.Data, &state); err != nil {
		g.T.Fatal(err)
	}
	for name, value := range members {
		state[name] = value
	}
	if record.Data, err = json.Marshal(state); err == nil {
		err = g.Store.ReplaceFlow(ctx, record, g.Clock.Now())
	}
	if err != nil {
		g.T.Fatal(err)
	}
}

// input is good input for an action in the state that reach left.
func input(g *flowtest.Rig, f *flow.Flow, do flow.Action) flow.Input {
	switch do {
	case flow.CheckPassword:
		return alice()
	case flow.Forgot:
		return flow.Input{Username: flowtest.Alice}
	case flow.Register:
		return flow.Input{Username: newName(), Email: lastName + "@example.com", Password: "first-password"}
	case flow.Verify:
		if f.Status != flow.VerificationCodeRequired {
			return flow.Input{VerificationCode: "CDEF2345"}
		}
		return flow.Input{VerificationCode: g.Outbox.Code(lastName + "@example.com")}
	case flow.Recover:
		if f.Status != flow.RecoveryCodeRequired {
			return flow.Input{RecoveryCode: "CDEF2345", NewPassword: "second-password"}
		}
		// The account had a verification code before; the recovery code comes second.
		for range 200 {
			if g.Outbox.Count(lastName+"@example.com") > 1 {
				break
			}
			wait()
		}
		return flow.Input{RecoveryCode: g.Outbox.Code(lastName + "@example.com"), NewPassword: "second-password"}
	case flow.ChangePassword:
		return flow.Input{CurrentPassword: "first-password", NewPassword: "second-password"}
	case flow.Consent:
		return flow.Input{Accept: true}
	}
	return flow.Input{}
}

// TestEveryActionInEveryStatus: what the table allows works and leads where it
// should; everything else is refused and changes nothing.
func TestEveryActionInEveryStatus(t *testing.T) {
	for _, st := range statuses {
		t.Run(string(st.status), func(t *testing.T) {
			g := flowtest.New(t)
			for _, do := range flow.Actions() {
				b := g.Browser()
				f := st.reach(g, b)
				if f.Status != st.status {
					t.Fatalf("reached %s, want %s", f.Status, st.status)
				}
				want, allowed := st.allowed[do]
				if got := slices.Contains(f.Actions, do); got != allowed {
					t.Errorf("%s is offered: %v, want %v", do, got, allowed)
				}
				after, err := g.Act(b, f.ID, do, input(g, f, do))
				switch {
				case allowed && err != nil:
					t.Errorf("%s: %v, want status %s", do, err, want)
				case allowed && after.Status != want:
					t.Errorf("%s led to %s, want %s", do, after.Status, want)
				case !allowed && !refused(err, oauth.PingOneInvalidRequest):
					t.Errorf("%s: %v, want 400 INVALID_REQUEST", do, err)
				case !allowed:
					again, err := g.Read(b, f.ID)
					if err != nil || again.Status != st.status || again.Username != f.Username {
						t.Errorf("after the refused %s: %+v, %v, want the flow as it was", do, again, err)
					}
				}
			}
		})
	}
}

// TestUnknownActionIsRefused: an action of no name is none.
func TestUnknownActionIsRefused(t *testing.T) {
	g := flowtest.New(t)
	b := g.Browser()
	f := g.MustStart(b, g.Request(flowtest.Web), flow.UsernamePasswordRequired)
	for _, do := range []flow.Action{"", "otp.check", "USERNAMEPASSWORD.CHECK"} {
		if _, err := g.Act(b, f.ID, do, alice()); !refused(err, oauth.PingOneInvalidRequest) {
			t.Errorf("%q: %v, want 400 INVALID_REQUEST", do, err)
		}
	}
}

// TestSwitchedOffActions: what the environment does not offer is neither listed
// nor done.
func TestSwitchedOffActions(t *testing.T) {
	g := flowtest.New(t)
	g.Env.SignOn.PasswordRecovery, g.Env.SignOn.SelfRegistration = false, false
	b := g.Browser()
	f := g.MustStart(b, g.Request(flowtest.Web), flow.UsernamePasswordRequired)
	for _, do := range []flow.Action{flow.Forgot, flow.Register} {
		if slices.Contains(f.Actions, do) {
			t.Errorf("%s is offered", do)
		}
		if _, err := g.Act(b, f.ID, do, input(g, f, do)); !refused(err, oauth.PingOneInvalidRequest) {
			t.Errorf("%s: %v, want 400 INVALID_REQUEST", do, err)
		}
	}
}

// refused reports whether err is a 400 with this PingOne code.
func refused(err error, code string) bool {
	e, ok := errors.AsType[*oauth.Error](err)
	return ok && e.Status == http.StatusBadRequest && e.PingOne == code
}

// gone reports whether err is 404.
func gone(err error) bool {
	e, ok := errors.AsType[*oauth.Error](err)
	return ok && e.Status == http.StatusNotFound
}

// detail is the code and target of the first detail of err.
func detail(err error) string {
	e, ok := errors.AsType[*oauth.Error](err)
	if !ok || len(e.Details) == 0 {
		return ""
	}
	return e.Details[0].Code + " " + e.Details[0].Target
}
