package flow_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/authorize"
	"github.com/caddy-gatehouse/gatehouse/authserver/flow"
	"github.com/caddy-gatehouse/gatehouse/authserver/flow/flowtest"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

func to(uri string) func(*authorize.Request) {
	return func(r *authorize.Request) { r.ReplyTo.URI = uri }
}

// agreed is what is stored of a person's consent to a client.
func agreed(g *flowtest.Rig, client string) []string {
	g.T.Helper()
	record, err := g.Store.ConsentTo(context.Background(), g.Env.ID, flowtest.AliceID, client)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		g.T.Fatal(err)
	}
	return record.Scopes
}

// TestWhenConsentIsAsked: for each kind of client, before and after the person
// agreed to openid and profile.
func TestWhenConsentIsAsked(t *testing.T) {
	tests := []struct {
		name   string
		client string
		edits  []func(*authorize.Request)
		// before and after: whether it is asked without, and with, an earlier consent.
		before, after bool
	}{
		{"never", flowtest.Web, nil, false, false},
		{"never, but prompt=consent", flowtest.Web, []func(*authorize.Request){prompt("consent")}, true, true},
		{"once, the same scopes", flowtest.Once, nil, true, false},
		{"once, fewer scopes", flowtest.Once, []func(*authorize.Request){scope("openid")}, true, false},
		{"once, another scope", flowtest.Once, []func(*authorize.Request){scope("openid", "email")}, true, true},
		{"once, prompt=consent", flowtest.Once, []func(*authorize.Request){prompt("consent")}, true, true},
		{"always", flowtest.Always, nil, true, true},
		{"public client at an https address", flowtest.Native, nil, true, false},
		{"public client at a custom scheme (RFC 8252 §8.6)", flowtest.Native, []func(*authorize.Request){to(flowtest.Scheme)}, true, true},
		{"public client with pi.flow", flowtest.Native, []func(*authorize.Request){to("")}, true, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := flowtest.New(t)
			b := g.Browser()
			g.SignOn(b, flowtest.Alice, flowtest.AlicePassword)
			asks := func() bool {
				f, err := g.Start(b, g.Request(tt.client, tt.edits...))
				if err != nil {
					t.Fatal(err)
				}
				return f.Status == flow.ConsentRequired
			}
			if got := asks(); got != tt.before {
				t.Errorf("asked before: %v, want %v", got, tt.before)
			}
			f := g.MustStart(b, g.Request(tt.client, prompt("consent")), flow.ConsentRequired)
			g.MustAct(b, f.ID, flow.Consent, flow.Input{Accept: true}, flow.Completed)
			if got := asks(); got != tt.after {
				t.Errorf("asked after consent to openid and profile: %v, want %v", got, tt.after)
			}
			if err := g.Store.DeleteConsent(context.Background(), g.Env.ID, flowtest.AliceID, tt.client); err != nil {
				t.Fatal(err)
			}
			if got := asks(); got != tt.before {
				t.Errorf("asked after consent was withdrawn: %v, want %v", got, tt.before)
			}
		})
	}
}

// TestConsentIsKept: what was agreed to is added to what was before; a refusal
// changes nothing and fails the flow.
func TestConsentIsKept(t *testing.T) {
	g := flowtest.New(t)
	b := g.Browser()
	g.SignOn(b, flowtest.Alice, flowtest.AlicePassword)

	f := g.MustStart(b, g.Request(flowtest.Once, scope("openid", "email")), flow.ConsentRequired)
	if diff := cmp.Diff([]flow.Scope{{Name: "openid"}, {Name: "email"}}, f.Consent); diff != "" {
		t.Errorf("scopes to agree to (-want +got):\n%s", diff)
	}
	g.MustAct(b, f.ID, flow.Consent, flow.Input{Accept: true}, flow.Completed)
	f = g.MustStart(b, g.Request(flowtest.Once, scope("profile", "openid")), flow.ConsentRequired)
	g.MustAct(b, f.ID, flow.Consent, flow.Input{Accept: true}, flow.Completed)
	if diff := cmp.Diff([]string{"email", "openid", "profile"}, agreed(g, flowtest.Once)); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}

	f = g.MustStart(b, g.Request(flowtest.Once, scope("openid", "phone")), flow.ConsentRequired)
	f = g.MustAct(b, f.ID, flow.Consent, flow.Input{}, flow.Failed)
	if f.Err == nil || f.Err.Code != oauth.CodeAccessDenied {
		t.Errorf("after a refusal the error is %v, want access_denied", f.Err)
	}
	if got := agreed(g, flowtest.Once); slices.Contains(got, "phone") {
		t.Errorf("stored after a refusal: %q, want no phone", got)
	}
	if got := g.MustAnswer(b, f); got["error"] != "access_denied" || got["code"] != "" || got["state"] != "the-state" {
		t.Errorf("answer to a refusal = %v, want access_denied with the state and no code", got)
	}
}

// TestConsentFollowsSignOn: it is the person who has just signed on that is asked.
func TestConsentFollowsSignOn(t *testing.T) {
	g := flowtest.New(t)
	b := g.Browser()
	f := g.MustStart(b, g.Request(flowtest.Once), flow.UsernamePasswordRequired)
	f = g.MustAct(b, f.ID, flow.CheckPassword, alice(), flow.ConsentRequired)
	if f.User == nil || f.User.ID != flowtest.AliceID || len(f.Consent) != 2 {
		t.Errorf("asked: %+v for %q, want Alice for two scopes", f.User, f.Consent)
	}
	f = g.MustAct(b, f.ID, flow.Consent, flow.Input{Accept: true}, flow.Completed)
	if got := g.MustAnswer(b, f); got["code"] == "" {
		t.Errorf("answer = %v, want a code", got)
	}
}

// TestAttack104 is consent that nobody gave: by another person, another browser, for
// another request, or twice.
func TestAttack104(t *testing.T) {
	t.Run("withdrawn before the answer", func(t *testing.T) {
		// Tokens by the browser are judged by nobody later on. Whoever withdraws a consent ends those that there are.
		tokens := func(types ...string) func(*authorize.Request) {
			return func(r *authorize.Request) {
				r.ResponseType, r.ReplyTo.Mode, r.Nonce = types, oauth.ModeFragment, "n"
				r.Challenge, r.Method = oauth.S256("the-verifier-of-this-request-is-long-enough"), oauth.ChallengeS256
			}
		}
		g := flowtest.New(t)
		b := g.Browser()
		g.SignOn(b, flowtest.Alice, flowtest.AlicePassword)
		for _, client := range []string{flowtest.Web, flowtest.Once, flowtest.Always} {
			for _, withdrawn := range []bool{false, true} {
				for _, types := range [][]string{{oauth.ResponseToken}, {oauth.ResponseIDToken}, {oauth.ResponseCode, oauth.ResponseToken}} {
					f, err := g.Start(b, g.Request(client, tokens(types...)))
					if err == nil && f.Status == flow.ConsentRequired {
						f, err = g.Act(b, f.ID, flow.Consent, flow.Input{Accept: true})
					}
					if err != nil || f.Status != flow.Completed {
						t.Fatalf("%s: %+v, %v, want it completed", client, f, err)
					}
					if withdrawn {
						if err := g.Store.DeleteConsent(context.Background(), g.Env.ID, flowtest.AliceID, client); err != nil && !errors.Is(err, store.ErrNotFound) {
							t.Fatal(err)
						}
					}
					got := g.MustAnswer(b, f)
					refused := withdrawn && client != flowtest.Web
					if refused != (got["error"] == oauth.CodeAccessDenied) || refused == (got["access_token"]+got["id_token"] != "") || refused && got["code"] != "" {
						t.Errorf("%s, %q, withdrawn %t: answer = %v", client, types, withdrawn, got)
					}
				}
			}
		}
	})
	accept := flow.Input{Accept: true}
	t.Run("from a browser without the session", func(t *testing.T) {
		g := flowtest.New(t)
		b := g.Browser()
		g.SignOn(b, flowtest.Alice, flowtest.AlicePassword)
		f := g.MustStart(b, g.Request(flowtest.Once), flow.ConsentRequired)
		if _, err := g.Act(g.Browser(), f.ID, flow.Consent, accept); !gone(err) {
			t.Errorf("error = %v, want 404", err)
		}
		if got := agreed(g, flowtest.Once); got != nil {
			t.Errorf("stored %q, want nothing", got)
		}
	})
	t.Run("by the person who signed on in the meantime", func(t *testing.T) {
		g := flowtest.New(t)
		b := g.Browser()
		g.SignOn(b, flowtest.Alice, flowtest.AlicePassword)
		f := g.MustStart(b, g.Request(flowtest.Once), flow.ConsentRequired)
		g.SignOn(b, flowtest.Bob, flowtest.BobPassword)
		f = g.MustAct(b, f.ID, flow.Consent, accept, flow.ConsentRequired)
		if f.User == nil || f.User.ID != flowtest.BobID {
			t.Errorf("asked now: %+v, want Bob", f.User)
		}
		for _, subject := range []string{flowtest.AliceID, flowtest.BobID} {
			if _, err := g.Store.ConsentTo(context.Background(), g.Env.ID, subject, flowtest.Once); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("consent of %s: %v, want none", subject, err)
			}
		}
	})
	t.Run("after signing off", func(t *testing.T) {
		g := flowtest.New(t)
		b := g.Browser()
		s := g.SignOn(b, flowtest.Alice, flowtest.AlicePassword)
		f := g.MustStart(b, g.Request(flowtest.Once), flow.ConsentRequired)
		if _, err := g.Logout.End(context.Background(), g.Env, s.ID, nil); err != nil {
			t.Fatal(err)
		}
		f = g.MustAct(b, f.ID, flow.Consent, accept, flow.UsernamePasswordRequired)
		if f.User != nil || agreed(g, flowtest.Once) != nil {
			t.Errorf("user = %+v, stored %q, want neither", f.User, agreed(g, flowtest.Once))
		}
	})
	t.Run("for other scopes than shown", func(t *testing.T) {
		// What was shown is what the flow holds; a second flow is another question.
		g := flowtest.New(t)
		b := g.Browser()
		g.SignOn(b, flowtest.Alice, flowtest.AlicePassword)
		small := g.MustStart(b, g.Request(flowtest.Once, scope("openid")), flow.ConsentRequired)
		large := g.MustStart(b, g.Request(flowtest.Once, scope("openid", "email", "orders:write")), flow.ConsentRequired)
		g.MustAct(b, small.ID, flow.Consent, accept, flow.Completed)
		if diff := cmp.Diff([]string{"openid"}, agreed(g, flowtest.Once)); diff != "" {
			t.Errorf("stored (-want +got):\n%s", diff)
		}
		if f, err := g.Read(b, large.ID); err != nil || f.Status != flow.ConsentRequired {
			t.Errorf("the other flow: %+v, %v, want it to ask still", f, err)
		}
	})
	t.Run("replayed", func(t *testing.T) {
		g := flowtest.New(t)
		b := g.Browser()
		g.SignOn(b, flowtest.Alice, flowtest.AlicePassword)
		f := g.MustStart(b, g.Request(flowtest.Always), flow.ConsentRequired)
		g.MustAct(b, f.ID, flow.Consent, accept, flow.Completed)
		if _, err := g.Act(b, f.ID, flow.Consent, accept); !refused(err, oauth.PingOneInvalidRequest) {
			t.Errorf("second consent: %v, want 400 INVALID_REQUEST", err)
		}
		// Another authorization asks again.
		g.MustStart(b, g.Request(flowtest.Always), flow.ConsentRequired)
	})
	t.Run("before signing on", func(t *testing.T) {
		g := flowtest.New(t)
		b := g.Browser()
		f := g.MustStart(b, g.Request(flowtest.Always), flow.UsernamePasswordRequired)
		if _, err := g.Act(b, f.ID, flow.Consent, accept); !refused(err, oauth.PingOneInvalidRequest) {
			t.Errorf("error = %v, want 400 INVALID_REQUEST", err)
		}
	})
}
