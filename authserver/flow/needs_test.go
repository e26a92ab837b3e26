package flow_test

import (
	"errors"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/authorize"
	"github.com/caddy-gatehouse/gatehouse/authserver/flow"
	"github.com/caddy-gatehouse/gatehouse/authserver/flow/flowtest"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

func hint(subject string) func(*authorize.Request) {
	return func(r *authorize.Request) { r.HintSubject = subject }
}

func claims(c oauth.ClaimsRequest) func(*authorize.Request) {
	return func(r *authorize.Request) { r.Claims = c }
}

func idClaim(name string, c oauth.ClaimRequest) func(*authorize.Request) {
	return claims(oauth.ClaimsRequest{IDToken: map[string]oauth.ClaimRequest{name: c}})
}

// TestWhatIsNeededFirst is the matrix of session, prompt, max_age and hint: the
// status that a flow begins with, and what prompt=none gets instead.
func TestWhatIsNeededFirst(t *testing.T) {
	const noSession, fresh, disabled, deleted = "no session", "session", "session of a disabled user", "session of nobody"
	type edits = []func(*authorize.Request)
	tests := []struct {
		name    string
		session string
		age     time.Duration
		client  string
		edits   edits
		want    flow.Status
		silent  string // the error of prompt=none; "" for success
	}{
		{"nobody is signed on", noSession, 0, flowtest.Web, nil, flow.UsernamePasswordRequired, "login_required"},
		{"somebody is", fresh, 0, flowtest.Web, nil, flow.Completed, ""},
		{"somebody is, since long", fresh, 20 * 24 * time.Hour, flowtest.Web, nil, flow.Completed, ""},
		{"session idle for too long", fresh, 31 * 24 * time.Hour, flowtest.Web, nil, flow.UsernamePasswordRequired, "login_required"},
		{"session's person disabled", disabled, 0, flowtest.Web, nil, flow.UsernamePasswordRequired, "login_required"},
		{"session's person gone", deleted, 0, flowtest.Web, nil, flow.UsernamePasswordRequired, "login_required"},

		{"prompt=login", fresh, 0, flowtest.Web, edits{prompt("login")}, flow.PasswordRequired, "-"},
		{"prompt=login without a session", noSession, 0, flowtest.Web, edits{prompt("login")}, flow.UsernamePasswordRequired, "-"},
		{"prompt=login for a disabled user", disabled, 0, flowtest.Web, edits{prompt("login")}, flow.UsernamePasswordRequired, "-"},
		{"prompt=select_account", fresh, 0, flowtest.Web, edits{prompt("select_account")}, flow.AccountSelectionRequired, "-"},
		{"prompt=select_account without a session", noSession, 0, flowtest.Web, edits{prompt("select_account")}, flow.UsernamePasswordRequired, "-"},
		{"prompt=login select_account", fresh, 0, flowtest.Web, edits{prompt("login", "select_account")}, flow.PasswordRequired, "-"},
		{"prompt=consent", fresh, 0, flowtest.Web, edits{prompt("consent")}, flow.ConsentRequired, "-"},
		{"prompt=login consent", fresh, 0, flowtest.Web, edits{prompt("login", "consent")}, flow.PasswordRequired, "-"},

		{"max_age=0", fresh, 0, flowtest.Web, edits{maxAge(0)}, flow.PasswordRequired, "login_required"},
		{"max_age=1 at once", fresh, 0, flowtest.Web, edits{maxAge(1)}, flow.Completed, ""},
		{"max_age=1 after a second", fresh, time.Second, flowtest.Web, edits{maxAge(1)}, flow.Completed, ""},
		{"max_age=1 after a little more", fresh, 1100 * time.Millisecond, flowtest.Web, edits{maxAge(1)}, flow.PasswordRequired, "login_required"},
		{"max_age=10000 after an hour", fresh, time.Hour, flowtest.Web, edits{maxAge(10000)}, flow.Completed, ""},
		{"max_age=3600 after two", fresh, 2 * time.Hour, flowtest.Web, edits{maxAge(3600)}, flow.PasswordRequired, "login_required"},
		{"max_age beyond counting", fresh, time.Hour, flowtest.Web, edits{maxAge(1<<63 - 1)}, flow.Completed, ""},
		{"max_age below zero is zero", fresh, 0, flowtest.Web, edits{maxAge(-5)}, flow.PasswordRequired, "login_required"},
		{"the client's default_max_age", fresh, 2 * time.Hour, "aged", nil, flow.PasswordRequired, "login_required"},
		{"the client's default_max_age, in time", fresh, 30 * time.Minute, "aged", nil, flow.Completed, ""},
		{"max_age instead of the default", fresh, 2 * time.Hour, "aged", edits{maxAge(10000)}, flow.Completed, ""},

		{"hint at the session's person", fresh, 0, flowtest.Web, edits{hint(flowtest.AliceID)}, flow.Completed, ""},
		{"hint at another person", fresh, 0, flowtest.Web, edits{hint(flowtest.BobID)}, flow.UsernamePasswordRequired, "login_required"},
		{"hint at another person and prompt=login", fresh, 0, flowtest.Web, edits{hint(flowtest.BobID), prompt("login")}, flow.UsernamePasswordRequired, "-"},
		{"sub asked for is another one", fresh, 0, flowtest.Web, edits{idClaim("sub", oauth.ClaimRequest{Value: flowtest.BobID})}, flow.UsernamePasswordRequired, "login_required"},
		{"sub asked for is the person's", fresh, 0, flowtest.Web, edits{idClaim("sub", oauth.ClaimRequest{Value: flowtest.AliceID})}, flow.Completed, ""},
		{"sub of UserInfo is another one", fresh, 0, flowtest.Web, edits{claims(oauth.ClaimsRequest{UserInfo: map[string]oauth.ClaimRequest{"sub": {Values: []string{flowtest.BobID}}}})}, flow.UsernamePasswordRequired, "login_required"},

		{"essential acr that is reached", fresh, 0, flowtest.Web, edits{idClaim("acr", oauth.ClaimRequest{Essential: true, Value: "Single_Factor"})}, flow.Completed, ""},
		{"essential acr that is not", fresh, 0, flowtest.Web, edits{idClaim("acr", oauth.ClaimRequest{Essential: true, Values: []string{"Multi_Factor"}})}, "unmet_authentication_requirements", "unmet_authentication_requirements"},
		{"voluntary acr that is not", fresh, 0, flowtest.Web, edits{idClaim("acr", oauth.ClaimRequest{Values: []string{"Multi_Factor"}})}, flow.Completed, ""},

		{"consent never given", fresh, 0, flowtest.Once, nil, flow.ConsentRequired, "consent_required"},
		{"consent always asked", fresh, 0, flowtest.Always, nil, flow.ConsentRequired, "consent_required"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := flowtest.New(t)
			g.AddClient(store.Client{ID: "aged", DefaultMaxAge: time.Hour})
			b := g.Browser()
			if tt.session != noSession {
				g.SignOn(b, flowtest.Alice, flowtest.AlicePassword)
			}
			switch tt.session {
			case disabled:
				g.Directory.EditUser(g.Env.ID, flowtest.AliceID, func(u *store.User) { u.Disabled = true })
			case deleted:
				g.Directory.DropUser(g.Env.ID, flowtest.AliceID)
			}
			g.Clock.Advance(tt.age)

			f, err := g.Start(b, g.Request(tt.client, tt.edits...))
			if got := begun(f, err); got != string(tt.want) {
				t.Errorf("the flow begins with %s (%v), want %s", got, err, tt.want)
			}
			if tt.silent == "-" { // none goes with no other member of prompt
				return
			}
			f, err = g.Start(b, g.Request(tt.client, append(tt.edits, prompt(oauth.PromptNone))...))
			got := begun(f, err)
			if want := tt.silent; want == "" && got != string(flow.Completed) || want != "" && got != want {
				t.Errorf("prompt=none: %s (%v), want %s", got, err, want)
			}
			failure, ok := errors.AsType[*authorize.Failure](err)
			if tt.silent != "" && (!ok || failure.ReplyTo == nil || failure.ReplyTo.State != "the-state" || failure.Client == nil) {
				t.Errorf("prompt=none: %#v, want a failure that may travel to the client", err)
			}
		})
	}
}

// begun is the status of a flow, or the error code of its failure.
func begun(f *flow.Flow, err error) string {
	if failure, ok := errors.AsType[*authorize.Failure](err); ok {
		return failure.Err.Code
	}
	if err != nil {
		return err.Error()
	}
	return string(f.Status)
}

// TestSilenceStoresNothing: prompt=none and what needs nobody leave no flow
// behind, and no cookie.
func TestSilenceStoresNothing(t *testing.T) {
	g := flowtest.New(t)
	g.Limited, g.Engine.Burst = true, 1
	b := g.Browser()
	for range 20 {
		if _, err := g.Start(b, g.Request(flowtest.Web, prompt(oauth.PromptNone))); begun(nil, err) != "login_required" {
			t.Fatalf("prompt=none: %v, want login_required", err)
		}
	}
	if len(b.Cookies) != 0 {
		t.Errorf("prompt=none set the cookies %v, want none", b.Cookies)
	}
	g.SignOn(b, flowtest.Alice, flowtest.AlicePassword)
	f := g.MustStart(b, g.Request(flowtest.Web), flow.Completed)
	if _, err := g.Read(b, f.ID); !gone(err) {
		t.Errorf("a flow that needed nobody can be read: %v, want 404", err)
	}
	if got := g.MustAnswer(b, f); got["code"] == "" || got["state"] != "the-state" {
		t.Errorf("its answer = %v, want a code and the state", got)
	}
	if _, err := g.Answer(b, f); !refused(err, oauth.PingOneInvalidRequest) {
		t.Errorf("its second answer: %v, want 400 INVALID_REQUEST", err)
	}
}
