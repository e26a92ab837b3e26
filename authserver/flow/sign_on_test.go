package flow_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/authorize"
	"github.com/caddy-gatehouse/gatehouse/authserver/flow"
	"github.com/caddy-gatehouse/gatehouse/authserver/flow/flowtest"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

func wait() { time.Sleep(10 * time.Millisecond) }

// authorization is what the code of an answer stands for.
func authorization(g *flowtest.Rig, params map[string]string) token.Authorization {
	g.T.Helper()
	a, err := g.Codes.Look(context.Background(), g.Env, secret.Of(params["code"]))
	if err != nil {
		g.T.Fatalf("code: %v", err)
	}
	return a
}

// TestSignOn is the plain way: a password, a session, a code that says so.
func TestSignOn(t *testing.T) {
	g := flowtest.New(t)
	b := g.Browser()
	f := g.MustStart(b, g.Request(flowtest.Web, func(r *authorize.Request) { r.LoginHint = "alice@example.com" }), flow.UsernamePasswordRequired)
	if f.Username != "alice@example.com" || f.User != nil || f.Session != "" {
		t.Errorf("before: username %q, user %v, session %q, want the hint and nobody", f.Username, f.User, f.Session)
	}
	g.Clock.Advance(time.Minute)
	f = g.MustAct(b, f.ID, flow.CheckPassword, alice(), flow.Completed)
	s := b.Session()
	if s == nil || s.Subject != flowtest.AliceID || f.Session != s.ID || f.User.ID != flowtest.AliceID {
		t.Fatalf("session = %+v, flow's %q, want one of Alice", s, f.Session)
	}
	a := authorization(g, g.MustAnswer(b, f))
	if a.On.Subject != flowtest.AliceID || a.On.Session != s.ID || a.On.ACR != "Single_Factor" || !slices.Equal(a.On.AMR, []string{"pwd"}) ||
		!a.On.AuthTime.Equal(flowtest.Noon.Add(time.Minute)) {
		t.Errorf("the code stands for %+v, want Alice's sign-on a minute past noon", a.On)
	}
	if got := g.Outcomes(); !slices.Equal(got, []string{"ok"}) {
		t.Errorf("outcomes = %q, want one ok", got)
	}
}

// TestWrongPassword: the flow stays where it was, remembers the name, and knows
// nobody; there is no session and no telling of names.
func TestWrongPassword(t *testing.T) {
	g := flowtest.New(t)
	b := g.Browser()
	f := g.MustStart(b, g.Request(flowtest.Web), flow.UsernamePasswordRequired)
	before := b.Copy()
	for _, name := range []string{flowtest.Alice, "nobody"} {
		_, err := g.Act(b, f.ID, flow.CheckPassword, flow.Input{Username: name, Password: "wrong-password"})
		if got := detail(err); got != "INVALID_CREDENTIALS " {
			t.Errorf("%s: %v, want INVALID_CREDENTIALS", name, err)
		}
		f, err = g.Read(b, f.ID)
		if err != nil || f.Status != flow.UsernamePasswordRequired || f.User != nil || f.Username != name || b.Session() != nil {
			t.Errorf("%s: afterwards %+v, %v, want the first status, the name, nobody", name, f, err)
		}
	}
	if before.Cookies[[2]string{g.Env.ID, "ST"}] != b.Cookies[[2]string{g.Env.ID, "ST"}] {
		t.Error("the cookie changed")
	}
	for member, in := range map[string]flow.Input{
		"username": {Password: "x"}, "password": {Username: flowtest.Alice},
	} {
		if _, err := g.Act(b, f.ID, flow.CheckPassword, in); detail(err) != "REQUIRED_VALUE "+member {
			t.Errorf("without %s: %v, want REQUIRED_VALUE", member, err)
		}
	}
	g.MustAct(b, f.ID, flow.CheckPassword, alice(), flow.Completed)
}

// TestSessionsPersonAgain: where a session has to be renewed, only its person can go
// on, and proving it moves auth_time in the same session under a new cookie.
func TestSessionsPersonAgain(t *testing.T) {
	g := flowtest.New(t)
	b := g.Browser()
	first := g.SignOn(b, flowtest.Alice, flowtest.AlicePassword)
	cookie := b.Cookies[[2]string{g.Env.ID, "ST"}]
	g.Clock.Advance(time.Hour)

	f := g.MustStart(b, g.Request(flowtest.Web, prompt("login")), flow.PasswordRequired)
	if f.Username != flowtest.Alice || f.User == nil || f.User.ID != flowtest.AliceID {
		t.Errorf("asked: %q, %+v, want Alice", f.Username, f.User)
	}
	if _, err := g.Act(b, f.ID, flow.CheckPassword, bob()); detail(err) != "INVALID_VALUE username" {
		t.Errorf("Bob's right password: %v, want INVALID_VALUE on username", err)
	}
	if _, err := g.Act(b, f.ID, flow.Forgot, flow.Input{Username: flowtest.Bob}); detail(err) != "INVALID_VALUE username" {
		t.Errorf("Bob's forgotten password: %v, want INVALID_VALUE on username", err)
	}
	g.MustAct(b, f.ID, flow.CheckPassword, flow.Input{Password: flowtest.AlicePassword}, flow.Completed)
	second := b.Session()
	if second == nil || second.ID != first.ID || !second.AuthTime.Equal(first.AuthTime.Add(time.Hour)) {
		t.Errorf("session = %+v, want %s with an auth_time an hour later", second, first.ID)
	}
	if b.Cookies[[2]string{g.Env.ID, "ST"}] == cookie {
		t.Error("the cookie is the same after a new sign-on")
	}
}

// TestAnotherPersonReplacesTheSession: "not you?", then somebody else; the old
// session and all that hangs on it ends.
func TestAnotherPersonReplacesTheSession(t *testing.T) {
	for _, p := range []string{"login", "select_account"} {
		t.Run(p, func(t *testing.T) {
			g := flowtest.New(t)
			b := g.Browser()
			first := g.SignOn(b, flowtest.Alice, flowtest.AlicePassword)
			f, err := g.Start(b, g.Request(flowtest.Web, prompt(p)))
			if err != nil {
				t.Fatal(err)
			}
			f = g.MustAct(b, f.ID, flow.ResetSession, flow.Input{}, flow.UsernamePasswordRequired)
			if f.User != nil || f.Username != "" || b.Session() == nil {
				t.Errorf("after session.reset: %+v, session %v, want nobody in the flow and the session as it was", f, b.Session())
			}
			g.MustAct(b, f.ID, flow.CheckPassword, bob(), flow.Completed)
			if s := b.Session(); s == nil || s.Subject != flowtest.BobID || s.ID == first.ID {
				t.Errorf("session = %+v, want a new one of Bob", s)
			}
			if _, err := g.Sessions.ByID(context.Background(), g.Env, first.ID); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("Alice's session: %v, want it ended", err)
			}
			if got := g.Revoked(); got != 1 {
				t.Errorf("%d sessions' tokens were revoked, want Alice's", got)
			}
			if a := authorization(g, g.MustAnswer(b, f)); a.On.Subject != flowtest.BobID {
				t.Errorf("the code stands for %s, want Bob", a.On.Subject)
			}
		})
	}
}

// TestHintedPersonOnly: who proves to be somebody else than the request names
// gets no session and fails the flow (OIDC Core §3.1.2.1).
func TestHintedPersonOnly(t *testing.T) {
	g := flowtest.New(t)
	b := g.Browser()
	f := g.MustStart(b, g.Request(flowtest.Web, hint(flowtest.AliceID)), flow.UsernamePasswordRequired)
	f = g.MustAct(b, f.ID, flow.CheckPassword, bob(), flow.Failed)
	if f.Err.Code != oauth.CodeLoginRequired || b.Session() != nil || f.User != nil {
		t.Errorf("error %v, session %v, user %v, want login_required and nobody", f.Err, b.Session(), f.User)
	}
	f = g.MustStart(b, g.Request(flowtest.Web, hint(flowtest.AliceID)), flow.UsernamePasswordRequired)
	g.MustAct(b, f.ID, flow.CheckPassword, alice(), flow.Completed)
}

// TestSelectAccount: going on as the session's person needs no password, and only that person goes on.
func TestSelectAccount(t *testing.T) {
	g := flowtest.New(t)
	b := g.Browser()
	g.SignOn(b, flowtest.Alice, flowtest.AlicePassword)
	f := g.MustStart(b, g.Request(flowtest.Web, prompt("select_account")), flow.AccountSelectionRequired)
	other := g.MustStart(b, g.Request(flowtest.Web, prompt("select_account")), flow.AccountSelectionRequired)
	if f.User == nil || f.User.ID != flowtest.AliceID {
		t.Errorf("to choose from: %+v, want Alice", f.User)
	}
	g.MustAct(b, f.ID, flow.SelectAccount, flow.Input{}, flow.Completed)

	// In another tab somebody else has signed on meanwhile: they choose anew.
	g.SignOn(b, flowtest.Bob, flowtest.BobPassword)
	other = g.MustAct(b, other.ID, flow.SelectAccount, flow.Input{}, flow.AccountSelectionRequired)
	if other.User.ID != flowtest.BobID {
		t.Errorf("to choose from now: %+v, want Bob", other.User)
	}
}

// TestNoSessionBeforeThePasswordIsChanged: a temporary password proves who
// somebody is, and signs nobody on.
func TestNoSessionBeforeThePasswordIsChanged(t *testing.T) {
	g := flowtest.New(t)
	u := g.Account("carol", "first-password")
	g.EditCredential(u.ID, func(c *store.Credential) { c.MustChange = true })
	b := g.Browser()
	f := g.MustStart(b, g.Request(flowtest.Web), flow.UsernamePasswordRequired)
	f = g.MustAct(b, f.ID, flow.CheckPassword, flow.Input{Username: "carol", Password: "first-password"}, flow.MustChangePassword)
	if b.Session() != nil || f.Session != "" || f.User == nil || f.User.ID != u.ID {
		t.Fatalf("session %v, user %+v, want Carol without a session", b.Session(), f.User)
	}
	if _, err := g.Answer(b, f); !refused(err, oauth.PingOneInvalidRequest) {
		t.Errorf("answer: %v, want 400 INVALID_REQUEST", err)
	}
	if _, err := g.Act(b, f.ID, flow.ChangePassword, flow.Input{CurrentPassword: "wrong-password", NewPassword: "second-password"}); detail(err) != "INVALID_VALUE currentPassword" {
		t.Errorf("wrong current password: %v, want INVALID_VALUE", err)
	}
	g.MustAct(b, f.ID, flow.ChangePassword, flow.Input{CurrentPassword: "first-password", NewPassword: "second-password"}, flow.Completed)
	if s := b.Session(); s == nil || s.Subject != u.ID {
		t.Errorf("session = %+v, want one of Carol", s)
	}

	// A session that is there when the operator demands a new password does not pass either.
	g.EditCredential(u.ID, func(c *store.Credential) { c.MustChange = true })
	if _, err := g.Start(b, g.Request(flowtest.Web, prompt("none"))); begun(nil, err) != "interaction_required" {
		t.Errorf("prompt=none: %v, want interaction_required", err)
	}
	f = g.MustStart(b, g.Request(flowtest.Web), flow.MustChangePassword)
	g.MustAct(b, f.ID, flow.ChangePassword, flow.Input{CurrentPassword: "second-password", NewPassword: "third-password"}, flow.Completed)
}

// TestRegistration: an account, a code by mail, and only then a session.
func TestRegistration(t *testing.T) {
	g := flowtest.New(t)
	b := g.Browser()
	f := g.MustStart(b, g.Request(flowtest.Web), flow.UsernamePasswordRequired)
	in := flow.Input{
		Username: "dora", Email: "dora@example.com", Password: "first-password",
		Name: map[string]any{"given": "Dora", "family": "Day", "admin": true},
	}
	for _, taken := range []string{flowtest.Alice, "ALICE"} {
		again := in
		again.Username = taken
		if _, err := g.Act(b, f.ID, flow.Register, again); detail(err) != "UNIQUENESS_VIOLATION username" {
			t.Errorf("registering %s: %v, want UNIQUENESS_VIOLATION", taken, err)
		}
	}
	f = g.MustAct(b, f.ID, flow.Register, in, flow.VerificationCodeRequired)
	if b.Session() != nil {
		t.Fatal("there is a session before the address is verified")
	}
	if f.User.Claims["given_name"] != "Dora" || f.User.Claims["family_name"] != "Day" || f.User.Claims["admin"] != nil {
		t.Errorf("claims = %v, want the name and nothing else", f.User.Claims)
	}
	if _, err := g.Act(b, f.ID, flow.Verify, flow.Input{VerificationCode: "WRNG2345"}); detail(err) != "INVALID_VALUE verificationCode" {
		t.Errorf("wrong code: %v, want INVALID_VALUE", err)
	}
	g.MustAct(b, f.ID, flow.Verify, flow.Input{VerificationCode: g.Outbox.Code("dora@example.com")}, flow.Completed)
	if s := b.Session(); s == nil || s.Subject != f.User.ID {
		t.Errorf("session = %+v, want one of Dora", s)
	}
}

// TestUnverifiedSignOn: a right password of an unverified account leads to the
// code, not to a session.
func TestUnverifiedSignOn(t *testing.T) {
	g := flowtest.New(t)
	b := g.Browser()
	f := g.MustStart(b, g.Request(flowtest.Web), flow.UsernamePasswordRequired)
	in := flow.Input{Username: "dora", Email: "dora@example.com", Password: "first-password"}
	g.MustAct(b, f.ID, flow.Register, in, flow.VerificationCodeRequired)

	b = g.Browser()
	f = g.MustStart(b, g.Request(flowtest.Web), flow.UsernamePasswordRequired)
	f = g.MustAct(b, f.ID, flow.CheckPassword, in, flow.VerificationCodeRequired)
	if b.Session() != nil {
		t.Fatal("there is a session before the address is verified")
	}
	sent := g.Outbox.Count("dora@example.com")
	g.MustAct(b, f.ID, flow.SendVerification, flow.Input{}, flow.VerificationCodeRequired)
	for range 200 {
		if g.Outbox.Count("dora@example.com") > sent {
			break
		}
		wait()
	}
	g.MustAct(b, f.ID, flow.Verify, flow.Input{VerificationCode: g.Outbox.Code("dora@example.com")}, flow.Completed)
}

// TestRecovery: whoever it is, the flow goes the same way; the code and a new
// password sign on with amr pwd.
func TestRecovery(t *testing.T) {
	g := flowtest.New(t)
	u := g.Account("carol", "first-password")
	elsewhere := g.Browser()
	g.SignOn(elsewhere, "carol", "first-password")
	for _, name := range []string{"nobody", "carol"} {
		b := g.Browser()
		f := g.MustStart(b, g.Request(flowtest.Web), flow.UsernamePasswordRequired)
		f = g.MustAct(b, f.ID, flow.Forgot, flow.Input{Username: name}, flow.RecoveryCodeRequired)
		if f.User != nil || f.Username != name {
			t.Errorf("%s: user %v, username %q, want nobody and the name", name, f.User, f.Username)
		}
		in := flow.Input{RecoveryCode: "WRNG2345", NewPassword: "second-password"}
		if _, err := g.Act(b, f.ID, flow.Recover, in); detail(err) != "INVALID_VALUE recoveryCode" {
			t.Errorf("%s: wrong code: %v, want INVALID_VALUE", name, err)
		}
		if name == "nobody" {
			continue
		}
		for g.Outbox.Count("carol@example.com") < 2 {
			wait()
		}
		in.RecoveryCode = g.Outbox.Code("carol@example.com")
		f = g.MustAct(b, f.ID, flow.Recover, in, flow.Completed)
		a := authorization(g, g.MustAnswer(b, f))
		if a.On.Subject != u.ID || !slices.Equal(a.On.AMR, []string{"pwd"}) {
			t.Errorf("signed on: %+v, want Carol with pwd", a.On)
		}
		if s := elsewhere.Session(); s != nil || g.Revoked() != 1 {
			t.Errorf("her other session: %+v, %d revoked, want it ended with its tokens", s, g.Revoked())
		}
	}
}

// TestRecoveryOfTheSessionsPerson: where only the session's person can go on, the
// recovery is theirs too, and is a new sign-on.
func TestRecoveryOfTheSessionsPerson(t *testing.T) {
	g := flowtest.New(t)
	u := g.Account("carol", "first-password")
	b := g.Browser()
	g.SignOn(b, "carol", "first-password")
	f := g.MustStart(b, g.Request(flowtest.Web, prompt("login")), flow.PasswordRequired)
	if f = g.MustAct(b, f.ID, flow.Forgot, flow.Input{}, flow.RecoveryCodeRequired); f.User != nil {
		t.Errorf("user = %+v before the code, want nobody", f.User)
	}
	for g.Outbox.Count("carol@example.com") < 2 {
		wait()
	}
	in := flow.Input{RecoveryCode: g.Outbox.Code("carol@example.com"), NewPassword: "second-password"}
	g.MustAct(b, f.ID, flow.Recover, in, flow.Completed)
	if s := b.Session(); s == nil || s.Subject != u.ID {
		t.Errorf("session = %+v, want Carol's", s)
	}
}

// TestDisabledMeanwhile: a person who is disabled in the middle does not get
// further.
func TestDisabledMeanwhile(t *testing.T) {
	g := flowtest.New(t)
	disable := func() { g.Directory.EditUser(g.Env.ID, flowtest.AliceID, func(u *store.User) { u.Disabled = true }) }
	b := g.Browser()
	g.SignOn(b, flowtest.Alice, flowtest.AlicePassword)
	consent := g.MustStart(b, g.Request(flowtest.Always), flow.ConsentRequired)
	renew := g.MustStart(b, g.Request(flowtest.Web, prompt("login")), flow.PasswordRequired)
	done := g.MustStart(b, g.Request(flowtest.Web, prompt("select_account")), flow.AccountSelectionRequired)
	done = g.MustAct(b, done.ID, flow.SelectAccount, flow.Input{}, flow.Completed)
	disable()
	g.MustAct(b, consent.ID, flow.Consent, flow.Input{Accept: true}, flow.UsernamePasswordRequired)
	if _, err := g.Act(b, renew.ID, flow.CheckPassword, alice()); !refused(err, oauth.PingOneInvalidRequest) {
		t.Errorf("renewing: %v, want 400 INVALID_REQUEST", err)
	}
	if got := g.MustAnswer(b, done); got["error"] != "access_denied" || got["code"] != "" {
		t.Errorf("answer = %v, want access_denied", got)
	}
}

// An account that an administrator has locked signs on to nothing: not by its password, which gets
// the answer of a wrong one, not by the session that it has, and not by finishing what it began.
func TestLockedByAnAdministrator(t *testing.T) {
	lock := func(locked bool) func(*store.Credential) {
		return func(c *store.Credential) { c.Locked = locked }
	}
	t.Run("by its password", func(t *testing.T) {
		g := flowtest.New(t)
		b := g.Browser()
		g.EditCredential(g.Account("carol", "first-password").ID, lock(true))
		f := g.MustStart(b, g.Request(flowtest.Web), flow.UsernamePasswordRequired)
		for _, password := range []string{"first-password", "wrong-password"} {
			_, err := g.Act(b, f.ID, flow.CheckPassword, flow.Input{Username: "carol", Password: password})
			if got := detail(err); got != "INVALID_CREDENTIALS " || b.Session() != nil {
				t.Errorf("%s: %v, session %v, want INVALID_CREDENTIALS and none", password, err, b.Session())
			}
		}
	})
	t.Run("by its session", func(t *testing.T) {
		g := flowtest.New(t)
		b := g.Browser()
		u := g.Account("carol", "first-password")
		f := g.MustStart(b, g.Request(flowtest.Web), flow.UsernamePasswordRequired)
		g.MustAct(b, f.ID, flow.CheckPassword, flow.Input{Username: "carol", Password: "first-password"}, flow.Completed)
		g.MustStart(b, g.Request(flowtest.Web), flow.Completed)
		g.EditCredential(u.ID, lock(true))
		f = g.MustStart(b, g.Request(flowtest.Web), flow.UsernamePasswordRequired)
		if f.User != nil {
			t.Errorf("the flow is about %v, want nobody", f.User)
		}
		g.EditCredential(u.ID, lock(false))
		g.MustStart(b, g.Request(flowtest.Web), flow.Completed)
	})
	t.Run("in the middle", func(t *testing.T) {
		g := flowtest.New(t)
		b := g.Browser()
		u := g.Account("carol", "first-password")
		g.EditCredential(u.ID, func(c *store.Credential) { c.MustChange = true })
		f := g.MustStart(b, g.Request(flowtest.Web), flow.UsernamePasswordRequired)
		g.MustAct(b, f.ID, flow.CheckPassword, flow.Input{Username: "carol", Password: "first-password"}, flow.MustChangePassword)
		g.EditCredential(u.ID, lock(true))
		_, err := g.Act(b, f.ID, flow.ChangePassword, flow.Input{CurrentPassword: "first-password", NewPassword: "second-password"})
		if err == nil || b.Session() != nil {
			t.Errorf("error %v, session %v, want it refused", err, b.Session())
		}
	})
}
