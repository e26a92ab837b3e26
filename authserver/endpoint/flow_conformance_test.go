package endpoint_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/flow"
	"github.com/caddy-gatehouse/gatehouse/authserver/flow/flowtest"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

// page sends an authorization request that must lead to the sign-on page, and
// returns the flow.
func (g *flowRig) page(b *flowtest.Browser, pairs ...string) string {
	g.T.Helper()
	a := g.authorize(b, pairs...)
	id := flowOf(a)
	if a.status != http.StatusFound || id == "" {
		g.T.Fatalf("authorization request: %d %s, want the sign-on page", a.status, a.header.Get("Location"))
	}
	return id
}

// signOn goes through a sign-on page as Alice and gives what the code stands for.
func (g *flowRig) signOn(b *flowtest.Browser, id string) token.Authorization {
	g.T.Helper()
	if a := g.act(b, id, flow.CheckPassword, alicePassword); a.at("status") != "COMPLETED" {
		g.T.Fatalf("sign-on: %s", a.body)
	}
	return g.granted(g.resume(b, id))
}

// granted is what the code of an answer stands for.
func (g *flowRig) granted(a reply) token.Authorization {
	g.T.Helper()
	u, q := a.location()
	if !strings.HasPrefix(u.String(), flowtest.Callback) || q.Get("code") == "" || q.Get("state") != "the-state" {
		g.T.Fatalf("answer: %d %s, want a code", a.status, a.header.Get("Location"))
	}
	authorization, err := g.Codes.Look(g.T.Context(), g.Env, secret.Of(q.Get("code")))
	if err != nil {
		g.T.Fatal(err)
	}
	return authorization
}

// refusal is the error of an answer that went back to the client.
func (g *flowRig) refusal(a reply) string {
	g.T.Helper()
	u, q := a.location()
	if !strings.HasPrefix(u.String(), flowtest.Callback) || q.Get("code") != "" || q.Get("state") == "" {
		g.T.Fatalf("answer: %d %s %s, want an error at the client", a.status, a.header.Get("Location"), a.body)
	}
	return q.Get("error")
}

// TestConformanceSignOn has one case for each module of the basic certification
// plan that is about signing on; the modules' names are without "oidcc-".
func TestConformanceSignOn(t *testing.T) {
	modules := map[string]func(*testing.T, *flowRig, *flowtest.Browser){
		"prompt-login": func(t *testing.T, g *flowRig, b *flowtest.Browser) {
			first := g.signOn(b, g.page(b))
			g.Clock.Advance(2 * time.Second)
			second := g.signOn(b, g.page(b, "prompt", "login"))
			if !second.On.AuthTime.After(first.On.AuthTime) || second.On.Subject != first.On.Subject {
				t.Errorf("auth_time %v, then %v, want a later one", first.On.AuthTime, second.On.AuthTime)
			}
		},
		"prompt-none-not-logged-in": func(t *testing.T, g *flowRig, b *flowtest.Browser) {
			state := strings.Repeat("-._~abcd", 16)
			a := g.authorize(b, "prompt", "none", "state", state)
			if got := g.refusal(a); got != "login_required" {
				t.Errorf("error = %s, want login_required", got)
			}
			if _, q := a.location(); q.Get("state") != state {
				t.Errorf("state = %q, want it as sent", q.Get("state"))
			}
		},
		"prompt-none-logged-in": func(t *testing.T, g *flowRig, b *flowtest.Browser) {
			first := g.signOn(b, g.page(b))
			g.Clock.Advance(2 * time.Second)
			second := g.granted(g.authorize(b, "prompt", "none"))
			if second.On.Subject != first.On.Subject || !second.On.AuthTime.Equal(first.On.AuthTime) {
				t.Errorf("signed on %+v, then %+v, want the same", first.On, second.On)
			}
		},
		"max-age-1": func(t *testing.T, g *flowRig, b *flowtest.Browser) {
			first := g.signOn(b, g.page(b))
			g.Clock.Advance(2 * time.Second)
			second := g.signOn(b, g.page(b, "max_age", "1"))
			if !second.On.AuthTime.After(first.On.AuthTime) {
				t.Errorf("auth_time %v, then %v, want a later one", first.On.AuthTime, second.On.AuthTime)
			}
		},
		"max-age-10000": func(t *testing.T, g *flowRig, b *flowtest.Browser) {
			first := g.signOn(b, g.page(b, "max_age", "15000"))
			g.Clock.Advance(2 * time.Second)
			second := g.granted(g.authorize(b, "max_age", "10000"))
			if !second.On.AuthTime.Equal(first.On.AuthTime) || second.On.AuthTime.IsZero() {
				t.Errorf("auth_time %v, then %v, want the same", first.On.AuthTime, second.On.AuthTime)
			}
		},
		"id-token-hint": func(t *testing.T, g *flowRig, b *flowtest.Browser) {
			first := g.signOn(b, g.page(b))
			client, err := g.Directory.ClientByID(t.Context(), g.Env.ID, flowtest.Web)
			if err != nil {
				t.Fatal(err)
			}
			hint, err := g.IDTokens.Mint(t.Context(), g.Env, token.IDToken{Client: client, On: first.On})
			if err != nil {
				t.Fatal(err)
			}
			g.Clock.Advance(2 * time.Hour) // it has expired by now
			if second := g.granted(g.authorize(b, "prompt", "none", "id_token_hint", hint)); second.On.Subject != first.On.Subject {
				t.Errorf("subject = %s, want %s", second.On.Subject, first.On.Subject)
			}
			// The same hint in the browser of somebody else.
			other := g.Browser()
			g.SignOn(other, flowtest.Bob, flowtest.BobPassword)
			if got := g.refusal(g.authorize(other, "prompt", "none", "id_token_hint", hint)); got != "login_required" {
				t.Errorf("with Bob signed on: %s, want login_required", got)
			}
		},
		"login-hint": func(t *testing.T, g *flowRig, b *flowtest.Browser) {
			g.signOn(b, g.page(b, "login_hint", "buffy@example.com"))
		},
		"ui-locales": func(t *testing.T, g *flowRig, b *flowtest.Browser) {
			g.signOn(b, g.page(b, "ui_locales", "se"))
		},
		"ensure-request-with-acr-values-succeeds": func(t *testing.T, g *flowRig, b *flowtest.Browser) {
			if a := g.signOn(b, g.page(b, "acr_values", "1 2")); a.On.ACR != "Single_Factor" {
				t.Errorf("acr = %q, want Single_Factor", a.On.ACR)
			}
		},
		"ensure-post-request-succeeds": func(t *testing.T, g *flowRig, b *flowtest.Browser) {
			q := values("client_id", flowtest.Web, "response_type", "code", "scope", "openid", "redirect_uri", flowtest.Callback, "state", "the-state")
			a := g.send(b, http.MethodPost, "as/authorize", q.Encode(), "Content-Type", "application/x-www-form-urlencoded")
			if a.status != http.StatusSeeOther || flowOf(a) == "" {
				t.Fatalf("got %d %s, want the sign-on page", a.status, a.header.Get("Location"))
			}
			g.signOn(b, flowOf(a))
		},
		// A refused consent, and one that is remembered.
		"user rejects": func(t *testing.T, g *flowRig, b *flowtest.Browser) {
			id := g.page(b, "client_id", flowtest.Once)
			g.act(b, id, flow.CheckPassword, alicePassword)
			g.act(b, id, flow.Consent, `{"accept":false}`)
			if got := g.refusal(g.resume(b, id)); got != "access_denied" {
				t.Errorf("error = %s, want access_denied", got)
			}
			if got := g.refusal(g.authorize(b, "client_id", flowtest.Once, "prompt", "none")); got != "consent_required" {
				t.Errorf("prompt=none = %s, want consent_required", got)
			}
			id = g.page(b, "client_id", flowtest.Once)
			g.act(b, id, flow.Consent, `{"accept":true}`)
			g.granted(g.resume(b, id))
			g.granted(g.authorize(b, "client_id", flowtest.Once, "prompt", "none"))
			g.page(b, "client_id", flowtest.Once, "prompt", "consent")
		},
	}
	for name, module := range modules {
		t.Run(name, func(t *testing.T) {
			g := newFlowRig(t)
			module(t, g, g.Browser())
		})
	}
}

// TestSilentFailuresOfPingFlow: the caller gets PingOne's body, with the OAuth code as a
// detail, and no redirect.
func TestSilentFailuresOfPingFlow(t *testing.T) {
	g := newFlowRig(t)
	b := g.Browser()
	a := g.authorize(b, "response_mode", "pi.flow", "prompt", "none")
	if a.status != http.StatusBadRequest || a.at("details", "code") != "LOGIN_REQUIRED" || a.header.Get("Location") != "" {
		t.Errorf("got %d %s, want 400 with LOGIN_REQUIRED", a.status, a.body)
	}
	g.signOn(b, g.page(b))
	a = g.authorize(b, "response_mode", "pi.flow", "prompt", "none")
	if a.status != http.StatusOK || a.at("status") != "COMPLETED" || a.at("authorizeResponse", "code") == nil {
		t.Errorf("with a session: %d %s, want COMPLETED with a code", a.status, a.body)
	}
	// The flow that the body names needed nobody; its answer has been given.
	id, _ := a.at("id").(string)
	if a := g.resume(b, id, "Accept", "application/json"); a.status != http.StatusNotFound {
		t.Errorf("resume: %d %s, want 404", a.status, a.body)
	}
}

// TestFloodAtTheAuthorizationEndpoint is attack 124 over HTTP: 429 with a time to wait, and
// nobody else is kept out.
func TestFloodAtTheAuthorizationEndpoint(t *testing.T) {
	g := newFlowRig(t)
	g.Limited, g.Engine.Burst = true, 3
	for range 3 {
		g.page(g.Browser())
	}
	a := g.authorize(g.Browser())
	if a.status != http.StatusTooManyRequests || a.header.Get("Location") != "" {
		t.Errorf("one more: %d %s, want 429", a.status, a.header.Get("Location"))
	}
	other := g.Browser()
	other.Address = "198.51.100.7"
	g.signOn(other, g.page(other))
	g.granted(g.authorize(other, "prompt", "none"))
}
