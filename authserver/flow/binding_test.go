package flow_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/authorize"
	"github.com/caddy-gatehouse/gatehouse/authserver/flow"
	"github.com/caddy-gatehouse/gatehouse/authserver/flow/flowtest"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// cookie is the browser's ST.
func cookie(g *flowtest.Rig, b *flowtest.Browser) string { return b.Cookies[[2]string{g.Env.ID, "ST"}] }

// TestFlowBelongsToItsBrowser: in every status another browser finds nothing.
func TestFlowBelongsToItsBrowser(t *testing.T) {
	g := flowtest.New(t)
	for _, st := range statuses {
		t.Run(string(st.status), func(t *testing.T) {
			b := g.Browser()
			f := st.reach(g, b)
			stranger := g.Browser()
			g.MustStart(stranger, g.Request(flowtest.Web), flow.UsernamePasswordRequired)
			signedOn := g.Browser()
			g.SignOn(signedOn, flowtest.Alice, flowtest.AlicePassword)
			for name, other := range map[string]*flowtest.Browser{
				"without a cookie": g.Browser(), "with another cookie": stranger, "with another session of Alice": signedOn,
			} {
				if _, err := g.Read(other, f.ID); !gone(err) {
					t.Errorf("read %s: %v, want 404", name, err)
				}
				if _, err := g.Act(other, f.ID, flow.Cancel, flow.Input{}); !gone(err) {
					t.Errorf("cancel %s: %v, want 404", name, err)
				}
				if _, err := g.Answer(other, f); !gone(err) {
					t.Errorf("answer %s: %v, want 404", name, err)
				}
			}
			if again, err := g.Read(b, f.ID); err != nil || again.Status != st.status {
				t.Errorf("in its own browser: %+v, %v, want it as it was", again, err)
			}
		})
	}
}

// TestAttack105 is session fixation and mixed identities.
func TestAttack105(t *testing.T) {
	t.Run("planted cookie", func(t *testing.T) {
		// The attacker begins a flow and plants the cookie in the victim's browser,
		// who signs on in the attacker's flow, or in one of their own.
		for _, own := range []bool{false, true} {
			g := flowtest.New(t)
			attacker := g.Browser()
			theirs := g.MustStart(attacker, g.Request(flowtest.Web), flow.UsernamePasswordRequired)
			victim := attacker.Copy()
			f := theirs
			if own {
				f = g.MustStart(victim, g.Request(flowtest.Web), flow.UsernamePasswordRequired)
			}
			f = g.MustAct(victim, f.ID, flow.CheckPassword, alice(), flow.Completed)
			if cookie(g, victim) == cookie(g, attacker) {
				t.Fatal("the cookie is the same after sign-on")
			}
			if attacker.Session() != nil {
				t.Fatal("the planted cookie stands for the victim's session")
			}
			if _, err := g.Answer(attacker, f); !gone(err) {
				t.Errorf("answer to the attacker: %v, want 404", err)
			}
			if _, err := g.Read(attacker, f.ID); !gone(err) {
				t.Errorf("read by the attacker: %v, want 404", err)
			}
			if got := g.MustAnswer(victim, f); got["code"] == "" {
				t.Errorf("answer to the victim = %v, want a code", got)
			}
		}
	})
	t.Run("planted cookie and a flow that asks again", func(t *testing.T) {
		// A flow that a planted cookie began is taken over by the session as soon as
		// somebody goes on in it.
		g := flowtest.New(t)
		attacker := g.Browser()
		theirs := g.MustStart(attacker, g.Request(flowtest.Always), flow.UsernamePasswordRequired)
		victim := attacker.Copy()
		g.SignOn(victim, flowtest.Alice, flowtest.AlicePassword)
		f := g.MustAct(victim, theirs.ID, flow.CheckPassword, alice(), flow.ConsentRequired)
		if _, err := g.Act(attacker, f.ID, flow.Consent, flow.Input{Accept: true}); !gone(err) {
			t.Errorf("consent by the attacker: %v, want 404", err)
		}
	})
	t.Run("two tabs as two users", func(t *testing.T) {
		g := flowtest.New(t)
		b := g.Browser()
		one := g.MustStart(b, g.Request(flowtest.Web), flow.UsernamePasswordRequired)
		two := g.MustStart(b, g.Request(flowtest.Web), flow.UsernamePasswordRequired)
		one = g.MustAct(b, one.ID, flow.CheckPassword, alice(), flow.Completed)
		two = g.MustAct(b, two.ID, flow.CheckPassword, bob(), flow.Completed)
		// The first tab's answer would be for Alice, who is gone.
		if r, err := g.Answer(b, one); !refused(err, oauth.PingOneInvalidRequest) {
			t.Errorf("answer for Alice in Bob's browser: %v, %v, want 400", r, err)
		}
		if a := authorization(g, g.MustAnswer(b, two)); a.On.Subject != flowtest.BobID {
			t.Errorf("the code stands for %s, want Bob", a.On.Subject)
		}
	})
	t.Run("two tabs as one user", func(t *testing.T) {
		g := flowtest.New(t)
		b := g.Browser()
		one := g.MustStart(b, g.Request(flowtest.Web), flow.UsernamePasswordRequired)
		two := g.MustStart(b, g.Request(flowtest.Web), flow.UsernamePasswordRequired)
		one = g.MustAct(b, one.ID, flow.CheckPassword, alice(), flow.Completed)
		two = g.MustAct(b, two.ID, flow.CheckPassword, alice(), flow.Completed)
		a, c := authorization(g, g.MustAnswer(b, one)), authorization(g, g.MustAnswer(b, two))
		if a.On.Session != c.On.Session {
			t.Errorf("sessions %s and %s, want one", a.On.Session, c.On.Session)
		}
	})
	t.Run("cancelled re-authentication", func(t *testing.T) {
		// Cancelled, or abandoned: the session is what it was, and the request is not
		// answered for it.
		g := flowtest.New(t)
		b := g.Browser()
		before := g.SignOn(b, flowtest.Alice, flowtest.AlicePassword)
		g.Clock.Advance(time.Hour)
		f := g.MustStart(b, g.Request(flowtest.Web, prompt("login")), flow.PasswordRequired)
		if _, err := g.Answer(b, f); !refused(err, oauth.PingOneInvalidRequest) {
			t.Errorf("answer before: %v, want 400", err)
		}
		f = g.MustAct(b, f.ID, flow.Cancel, flow.Input{}, flow.Failed)
		if got := g.MustAnswer(b, f); got["error"] != "access_denied" || got["code"] != "" {
			t.Errorf("answer = %v, want access_denied", got)
		}
		after := b.Session()
		if after == nil || after.ID != before.ID || !after.AuthTime.Equal(before.AuthTime) {
			t.Errorf("session = %+v, want it as it was: %+v", after, before)
		}
	})
	t.Run("cancelled after somebody else proved who they are", func(t *testing.T) {
		g := flowtest.New(t)
		u := g.Account("carol", "first-password")
		g.EditCredential(u.ID, func(c *store.Credential) { c.MustChange = true })
		b := g.Browser()
		before := g.SignOn(b, flowtest.Alice, flowtest.AlicePassword)
		f := g.MustStart(b, g.Request(flowtest.Web, prompt("login")), flow.PasswordRequired)
		g.MustAct(b, f.ID, flow.ResetSession, flow.Input{}, flow.UsernamePasswordRequired)
		g.MustAct(b, f.ID, flow.CheckPassword, flow.Input{Username: "carol", Password: "first-password"}, flow.MustChangePassword)
		f = g.MustAct(b, f.ID, flow.Cancel, flow.Input{}, flow.Failed)
		if s := b.Session(); s == nil || s.ID != before.ID || f.User != nil {
			t.Errorf("session %+v, flow's user %+v, want Alice's session and nobody", s, f.User)
		}
	})
}

// TestAttack106 is a step-up that nobody took: what the request demands has to
// be proven in this very flow.
func TestAttack106(t *testing.T) {
	demands := map[string]func(*authorize.Request){"prompt=login": prompt("login"), "max_age=0": maxAge(0)}
	for name, demand := range demands {
		t.Run(name+" with a session of this moment", func(t *testing.T) {
			g := flowtest.New(t)
			b := g.Browser()
			g.SignOn(b, flowtest.Alice, flowtest.AlicePassword)
			g.MustStart(b, g.Request(flowtest.Web, demand), flow.PasswordRequired)
		})
		t.Run(name+" and a sign-on in another tab", func(t *testing.T) {
			g := flowtest.New(t)
			b := g.Browser()
			g.SignOn(b, flowtest.Alice, flowtest.AlicePassword)
			f := g.MustStart(b, g.Request(flowtest.Web, demand), flow.PasswordRequired)
			g.SignOn(b, flowtest.Alice, flowtest.AlicePassword)
			if again, err := g.Read(b, f.ID); err != nil || again.Status != flow.PasswordRequired {
				t.Errorf("the flow: %+v, %v, want it to ask still", again, err)
			}
			if _, err := g.Answer(b, f); !refused(err, oauth.PingOneInvalidRequest) {
				t.Errorf("answer: %v, want 400", err)
			}
		})
		t.Run(name+" around the password by another action", func(t *testing.T) {
			g := flowtest.New(t)
			b := g.Browser()
			g.SignOn(b, flowtest.Alice, flowtest.AlicePassword)
			f := g.MustStart(b, g.Request(flowtest.Web, demand), flow.PasswordRequired)
			for _, do := range []flow.Action{flow.SelectAccount, flow.Consent, flow.Verify, flow.ChangePassword, flow.Recover} {
				if _, err := g.Act(b, f.ID, do, flow.Input{Accept: true, VerificationCode: "x", CurrentPassword: "x", NewPassword: "x", RecoveryCode: "x"}); !refused(err, oauth.PingOneInvalidRequest) {
					t.Errorf("%s: %v, want 400 INVALID_REQUEST", do, err)
				}
			}
			g.MustAct(b, f.ID, flow.ResetSession, flow.Input{}, flow.UsernamePasswordRequired)
			if _, err := g.Answer(b, f); !refused(err, oauth.PingOneInvalidRequest) {
				t.Errorf("answer after session.reset: %v, want 400", err)
			}
			g.MustAct(b, f.ID, flow.CheckPassword, alice(), flow.Completed)
		})
		t.Run(name+" with consent and another session in between", func(t *testing.T) {
			// Proven as Alice in this flow; then Bob takes over the browser: his session was
			// not proven here.
			g := flowtest.New(t)
			b := g.Browser()
			f := g.MustStart(b, g.Request(flowtest.Always, demand), flow.UsernamePasswordRequired)
			f = g.MustAct(b, f.ID, flow.CheckPassword, alice(), flow.ConsentRequired)
			g.SignOn(b, flowtest.Bob, flowtest.BobPassword)
			f = g.MustAct(b, f.ID, flow.Consent, flow.Input{Accept: true}, flow.PasswordRequired)
			if f.User.ID != flowtest.BobID {
				t.Errorf("asked: %+v, want Bob", f.User)
			}
		})
	}
	t.Run("a code by mail is no sign-on", func(t *testing.T) {
		// The session of somebody whose address has to be verified again keeps its auth_time.
		g := flowtest.New(t)
		u := g.Account("carol", "first-password")
		b := g.Browser()
		before := g.SignOn(b, "carol", "first-password")
		g.Clock.Advance(time.Hour)
		ctx := context.Background()
		stored, err := g.Store.StoredUserByID(ctx, g.Env.ID, u.ID)
		if err == nil {
			stored.Verified = false
			err = g.Store.ReplaceUser(ctx, stored)
		}
		if err != nil {
			t.Fatal(err)
		}
		f := g.MustStart(b, g.Request(flowtest.Web), flow.VerificationCodeRequired)
		g.MustAct(b, f.ID, flow.SendVerification, flow.Input{}, flow.VerificationCodeRequired)
		for g.Outbox.Count("carol@example.com") < 2 {
			wait()
		}
		g.MustAct(b, f.ID, flow.Verify, flow.Input{VerificationCode: g.Outbox.Code("carol@example.com")}, flow.Completed)
		if s := b.Session(); !s.AuthTime.Equal(before.AuthTime) {
			t.Errorf("auth_time = %v, want %v still", s.AuthTime, before.AuthTime)
		}
	})
}

// TestAttack99 is a client's way that was switched off while a person signed on.
func TestAttack99(t *testing.T) {
	challenged := func(method string) func(*authorize.Request) {
		return func(r *authorize.Request) {
			r.Challenge, r.Method = oauth.S256("the-verifier-of-this-request-is-long-enough"), method
		}
	}
	plain, s256 := challenged(oauth.ChallengePlain), challenged(oauth.ChallengeS256)
	token := func(r *authorize.Request) {
		r.ResponseType, r.ReplyTo.Mode = []string{oauth.ResponseToken}, oauth.ModeFragment
	}
	const resource = "https://orders.example.com"
	at := func(r *authorize.Request) { token(r); r.Named = []string{resource} }
	public := func(c *store.Client) { c.AuthMethod = oauth.AuthNone }
	tests := []struct {
		name    string
		request func(*authorize.Request) // nil: a code without a challenge
		edit    func(*store.Client)
		want    string // error of the answer; "" for a refusal that does not travel, "-" for success
	}{
		{"nothing", nil, func(c *store.Client) { c.Name = "New name" }, "-"},
		{"response type", nil, func(c *store.Client) { c.ResponseTypes = []string{"id_token"} }, "unauthorized_client"},
		{"grant type", nil, func(c *store.Client) { c.GrantTypes = []string{oauth.GrantImplicit} }, "unauthorized_client"},
		{"redirect URI", nil, func(c *store.Client) { c.RedirectURIs = []string{"https://app.example.com/other"} }, ""},
		{"client", nil, func(c *store.Client) { c.Enabled = false }, ""},
		{"authentication, of a request without PKCE", nil, public, "invalid_request"},
		{"authentication", s256, public, "-"},
		{"codes without PKCE", nil, func(c *store.Client) { c.PKCE = store.PKCERequired }, "invalid_request"},
		{"plain challenges", plain, func(c *store.Client) { c.PKCE = store.PKCES256Required }, "invalid_request"},
		{"plain challenges, of a request without", s256, func(c *store.Client) { c.PKCE = store.PKCES256Required }, "-"},
		{"bearer tokens", token, func(c *store.Client) { c.DPoPBound = true }, "unauthorized_client"},
		{"a resource that the request names", at, func(*store.Client) {}, "invalid_target"},
	}
	g := flowtest.New(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g.AddClient(store.Client{ID: tt.name})
			b := g.Browser()
			req := g.Request(tt.name)
			if tt.request != nil {
				tt.request(req)
			}
			f := g.MustStart(b, req, flow.UsernamePasswordRequired)
			f = g.MustAct(b, f.ID, flow.CheckPassword, alice(), flow.Completed)
			g.Directory.EditClient(g.Env.ID, tt.name, tt.edit)
			r, err := g.Answer(b, f)
			switch {
			case tt.want == "":
				if err == nil {
					t.Errorf("answer = %v, want none", r)
				}
			case err != nil:
				t.Errorf("answer: %v, want one", err)
			case tt.want == "-":
				if flowtest.Params(r)["code"] == "" {
					t.Errorf("answer = %v, want a code", r.Params)
				}
			default:
				if p := flowtest.Params(r); p["error"] != tt.want || p["code"] != "" || p["state"] != "the-state" {
					t.Errorf("answer = %v, want %s with the state", p, tt.want)
				}
			}
		})
	}
	t.Run("client, in the middle", func(t *testing.T) {
		g := flowtest.New(t)
		b := g.Browser()
		f := g.MustStart(b, g.Request(flowtest.Web), flow.UsernamePasswordRequired)
		g.Directory.DropClient(g.Env.ID, flowtest.Web)
		if _, err := g.Act(b, f.ID, flow.CheckPassword, alice()); !gone(err) {
			t.Errorf("error = %v, want 404", err)
		}
	})
}

// TestAttack108 is the flow, or the session, of one environment in another.
func TestAttack108(t *testing.T) {
	g := flowtest.New(t)
	b := g.Browser()
	f := g.MustStart(b, g.Request(flowtest.Web), flow.UsernamePasswordRequired)
	thief := g.Browser()
	thief.Cookies[[2]string{g.Other.ID, "ST"}] = cookie(g, b)
	ctx := context.Background()
	if _, err := g.Engine.Read(ctx, g.Other, f.ID, thief.Request(g.Other)); !gone(err) {
		t.Errorf("read in the other environment: %v, want 404", err)
	}
	if _, err := g.Engine.Act(ctx, g.Other, f.ID, thief.Request(g.Other), flow.CheckPassword, alice()); !gone(err) {
		t.Errorf("step in the other environment: %v, want 404", err)
	}
	f = g.MustAct(b, f.ID, flow.CheckPassword, alice(), flow.Completed)
	thief.Cookies[[2]string{g.Other.ID, "ST"}] = cookie(g, b)
	if s := thief.Request(g.Other).Session; s != nil {
		t.Errorf("session in the other environment: %+v, want none", s)
	}
	if _, err := g.Engine.Answer(ctx, g.Other, f, thief.Request(g.Other), "id"); !gone(err) {
		t.Errorf("answer in the other environment: %v, want 404", err)
	}
}

// TestAttack124 is a flood of flows that nobody finishes: bounded for each
// address, however they end, and nobody else is kept out.
func TestAttack124(t *testing.T) {
	g := flowtest.New(t)
	g.Limited = true
	g.Engine.Burst = 10
	start := func(address string) (*flowtest.Browser, *flow.Flow, error) {
		b := g.Browser()
		b.Address = address
		f, err := g.Start(b, g.Request(flowtest.Web))
		return b, f, err
	}
	limited := func(err error) bool {
		e := oauth.From(err)
		_, travels := errors.AsType[*authorize.Failure](err)
		return err != nil && e.Status == 429 && e.PingOne == oauth.PingOneRequestLimited && e.RetryAfter > 0 && !travels
	}
	var first *flow.Flow
	var browser *flowtest.Browser
	for i := range 10 {
		b, f, err := start("192.0.2.66")
		if err != nil {
			t.Fatalf("start %d: %v", i+1, err)
		}
		if first == nil {
			first, browser = f, b
		}
	}
	if _, _, err := start("192.0.2.66"); !limited(err) {
		t.Errorf("one more: %v, want 429", err)
	}
	if _, _, err := start("192.0.2.67"); err != nil {
		t.Errorf("another address: %v, want a flow", err)
	}
	if _, err := g.Act(browser, first.ID, flow.Cancel, flow.Input{}); err != nil {
		t.Errorf("a flow that was begun: %v, want it to go on", err)
	}
	if _, _, err := start("192.0.2.66"); !limited(err) {
		t.Errorf("after one was cancelled, which is still stored: %v, want 429", err)
	}
	g.Clock.Advance(time.Minute)
	if _, _, err := start("192.0.2.66"); err != nil {
		t.Errorf("a minute later: %v, want a flow", err)
	}
	for i := range 10 {
		if _, _, err := start(fmt.Sprintf("[2001:db8::%x]", i+1)); err != nil {
			t.Fatalf("IPv6 start %d: %v", i+1, err)
		}
	}
	if _, _, err := start("[2001:db8::ffff]"); !limited(err) {
		t.Errorf("another address of one IPv6 network: %v, want 429", err)
	}
	if _, _, err := start("[2001:db8:0:1::1]"); err != nil {
		t.Errorf("another IPv6 network: %v, want a flow", err)
	}
}
