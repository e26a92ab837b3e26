package authserver_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

const appBye = "https://app.example.net/bye"

// signOffAt is the address of a request to sign off.
func signOffAt(params ...string) string {
	q := url.Values{}
	for i := 0; i < len(params); i += 2 {
		q.Set(params[i], params[i+1])
	}
	return issuerA + "/signoff?" + q.Encode()
}

// The logout plans in the whole server: what is alive before is dead after. The
// single rows are tested beside the endpoint.
func TestConformanceRPInitiatedLogout(t *testing.T) {
	s := newSuite(t)
	c := s.register("post_logout_redirect_uris", []string{appBye})
	alive := func(t *testing.T, a *agent, tokens answer, want bool) {
		t.Helper()
		back := a.open(c.request("prompt", "none")).header.Get("Location")
		if got := strings.Contains(back, "code="); got != want {
			t.Errorf("prompt=none: %q, want a code: %v", back, want)
		}
		if !want && !strings.Contains(back, "error=login_required") {
			t.Errorf("prompt=none: %q, want login_required", back)
		}
		if got := s.userinfo(text(tokens, "access_token")).status == http.StatusOK; got != want {
			t.Errorf("the access token works = %v, want %v", got, want)
		}
	}
	dead := func(t *testing.T, a *agent, tokens answer) {
		t.Helper()
		alive(t, a, tokens, false)
		if got := c.token("grant_type", "refresh_token", "refresh_token", text(tokens, "refresh_token")).outcome(); got != "400 invalid_grant" {
			t.Errorf("case_121: the refresh token: %s, want 400 invalid_grant", got)
		}
	}

	t.Run("oidcc-rp-initiated-logout", func(t *testing.T) {
		a := newAgent(t, s.rig)
		tokens := c.signOn(a)
		alive(t, a, tokens, true)
		state := strings.Repeat("aZ9-._~x", 16)
		got := a.open(signOffAt("id_token_hint", text(tokens, "id_token"), "post_logout_redirect_uri", appBye, "state", state))
		if to := got.header.Get("Location"); to != appBye+"?state="+state {
			t.Errorf("Location = %q, want the client with state alone", to)
		}
		dead(t, a, tokens)
	})
	t.Run("oidcc-rp-initiated-logout-no-params", func(t *testing.T) {
		a := newAgent(t, s.rig)
		tokens := c.signOn(a)
		page := a.open(signOffAt())
		if !strings.Contains(page.body, "Sign Off") {
			t.Error("the confirmation page does not say Sign Off")
		}
		alive(t, a, tokens, true) // looking at the page has done nothing
		a.open(signOffAt())
		got := a.press(page, "logout-confirm")
		if got.status != http.StatusOK || !strings.Contains(strings.ToLower(got.body), "signed off") {
			t.Errorf("status = %d, want the signed-off page", got.status)
		}
		dead(t, a, tokens)
	})
	t.Run("oidcc-rp-initiated-logout-no-id-token-hint", func(t *testing.T) {
		a := newAgent(t, s.rig)
		tokens := c.signOn(a)
		got := a.press(a.open(signOffAt("post_logout_redirect_uri", appBye, "state", "s")), "logout-confirm")
		if got.header.Get("Location") != "" || !strings.Contains(got.body, appBye+"?state=s") {
			t.Errorf("status = %d, Location = %q, want a page that leads on", got.status, got.header.Get("Location"))
		}
		dead(t, a, tokens)
	})
	t.Run("oidcc-rp-initiated-logout-bad-post-logout-redirect-uri", func(t *testing.T) {
		a := newAgent(t, s.rig)
		tokens := c.signOn(a)
		page(t, a.open(signOffAt("id_token_hint", text(tokens, "id_token"), "post_logout_redirect_uri", "https://evil.example/")))
		alive(t, a, tokens, true)
	})
}

// TestConformanceRPInitiatedLogoutRows are the rows that end without a look at
// anything but the answer and the session. Each begins with a person signed on.
func TestConformanceRPInitiatedLogoutRows(t *testing.T) {
	s := newServerOfPlans(t)
	p := s.plan(t, "code", "", true)
	foreign := hs256(t, hmacSecret, map[string]any{"iss": issuerA, "aud": "first", "sub": "x", "iat": noon.Unix(), "exp": noon.Unix()})
	const (
		there     = "to the client"
		errorPage = "error page"
		asked     = "confirmation page"
		over      = "signed-off page"
	)
	tests := []struct {
		module, want string
		signedOff    bool // at once
		params       func(hint string) []string
	}{
		{"no-state", there, true, func(hint string) []string { return []string{"id_token_hint", hint, "post_logout_redirect_uri", appBye} }},
		{"bad-post-logout-redirect-uri", errorPage, false, func(hint string) []string {
			return []string{"id_token_hint", hint, "post_logout_redirect_uri", "https://evil.example/", "state", "s"}
		}},
		{"query-added-to-post-logout-redirect-uri", errorPage, false, func(hint string) []string {
			return []string{"id_token_hint", hint, "post_logout_redirect_uri", appBye + "?foo=bar", "state", "s"}
		}},
		{"modified-id-token-hint", errorPage, false, func(hint string) []string {
			return []string{"id_token_hint", unsigned(hint), "post_logout_redirect_uri", appBye, "state", "s"}
		}},
		{"bad-id-token-hint", errorPage, false, func(string) []string {
			return []string{"id_token_hint", foreign, "post_logout_redirect_uri", appBye, "state", "s"}
		}},
		{"no-id-token-hint", asked, false, func(string) []string { return []string{"post_logout_redirect_uri", appBye, "state", "s"} }},
		{"no-params", asked, false, func(string) []string { return nil }},
		{"no-post-logout-redirect-uri", over, true, func(hint string) []string { return []string{"id_token_hint", hint} }},
		{"only-state", asked, false, func(string) []string { return []string{"state", "s"} }},
	}
	for _, tt := range tests {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			t.Run("oidcc-rp-initiated-logout-"+tt.module+" by "+method, func(t *testing.T) {
				m := p.begin(t)
				hint := m.signOn().idToken
				s.clock.Advance(2 * time.Hour) // an expired hint is as good
				q, err := url.ParseQuery(strings.TrimPrefix(signOffAt(tt.params(hint)...), issuerA+"/signoff?"))
				if err != nil {
					t.Fatal(err)
				}
				var got answer
				if method == http.MethodGet {
					got = m.open(issuerA + "/signoff?" + q.Encode())
				} else {
					got = m.send(method, issuerA+"/signoff", q)
				}
				to, is := got.header.Get("Location"), ""
				switch {
				case to == appBye:
					is = there
				case to != "":
					is = to
				case strings.Contains(got.body, `id="error"`) && got.status == http.StatusBadRequest:
					is = errorPage
				case strings.Contains(got.body, `id="logout-confirm"`) && strings.Contains(got.body, "Sign Off"):
					is = asked
				case strings.Contains(got.body, "You have been signed off"):
					is = over
				}
				if is != tt.want {
					t.Errorf("came %d to %q, want the %s", got.status, is, tt.want)
				}
				if is == asked {
					if after := m.press(got, "logout-confirm"); !strings.Contains(after.body, "You have been signed off") {
						t.Errorf("after confirming: %d, want the signed-off page", after.status)
					}
				}
				r := m.authorize("prompt", "none")
				if gone := r.Get("error") == "login_required"; gone != (tt.signedOff || tt.want == asked) {
					t.Errorf("afterwards prompt=none gives %v", r.Values)
				}
			})
		}
	}
}

func TestConformanceFrontchannelLogout(t *testing.T) {
	s := newSuite(t)
	discovery := s.get(issuerA + "/.well-known/openid-configuration")
	for _, name := range []string{"frontchannel_logout_supported", "frontchannel_logout_session_supported"} {
		if discovery.member(name) != true {
			t.Errorf("%s = %v, want true", name, discovery.member(name))
		}
	}
	c := s.register("post_logout_redirect_uris", []string{appBye}, "frontchannel_logout_uri", "https://app.example.net/fc", "frontchannel_logout_session_required", true)
	a := newAgent(t, s.rig)
	tokens := c.signOn(a)
	sid, _ := part(t, text(tokens, "id_token"), 1)["sid"].(string)
	got := a.open(signOffAt("id_token_hint", text(tokens, "id_token"), "post_logout_redirect_uri", appBye))
	frame := `src="https://app.example.net/fc?iss=` + url.QueryEscape(issuerA) + `&amp;sid=` + sid + `"`
	if sid == "" || !strings.Contains(got.body, "<iframe") || !strings.Contains(got.body, frame) {
		t.Errorf("status = %d, want an iframe with %s", got.status, frame)
	}
	if csp := got.header.Get("Content-Security-Policy"); !strings.Contains(csp, "https://app.example.net") {
		t.Errorf("Content-Security-Policy = %q does not let the frame load", csp)
	}
}

func TestConformanceBackchannelLogout(t *testing.T) {
	s := newSuite(t)
	discovery := s.get(issuerA + "/.well-known/openid-configuration")
	for _, name := range []string{"backchannel_logout_supported", "backchannel_logout_session_supported"} {
		if discovery.member(name) != true {
			t.Errorf("%s = %v, want true", name, discovery.member(name))
		}
	}
	c := s.register("post_logout_redirect_uris", []string{appBye}, "backchannel_logout_uri", s.web.URL+"/backchannel", "backchannel_logout_session_required", true)
	a := newAgent(t, s.rig)
	tokens := c.signOn(a)
	a.open(signOffAt("id_token_hint", text(tokens, "id_token"), "post_logout_redirect_uri", appBye))
	var form url.Values
	for deadline := time.Now().Add(5 * time.Second); form == nil && time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		s.mu.Lock()
		if len(s.logout) > 0 {
			form = s.logout[0]
		}
		s.mu.Unlock()
	}
	if len(form) != 1 || len(form["logout_token"]) != 1 {
		t.Fatalf("got a form with %d members, want logout_token alone", len(form))
	}
	jwks := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(s.get(issuerA + "/jwks").body))
	}))
	defer jwks.Close()
	v := oidc.NewVerifier(issuerA, oidc.NewRemoteKeySet(context.Background(), jwks.URL), &oidc.Config{ClientID: c.id, Now: s.clock.Now})
	got, err := v.VerifyLogout(t.Context(), form.Get("logout_token"))
	if err != nil {
		t.Fatalf("an independent client refuses it: %v", err)
	}
	id := part(t, text(tokens, "id_token"), 1)
	if logout := part(t, form.Get("logout_token"), 1); got.Subject != id["sub"] || logout["sid"] != id["sid"] {
		t.Errorf("sub and sid = %v %v, want those of the ID token", got.Subject, logout["sid"])
	}
}

func TestConformanceSessionManagement(t *testing.T) {
	s := newSuite(t)
	if got := text(s.get(issuerA+"/.well-known/openid-configuration"), "check_session_iframe"); got != issuerA+"/checksession" {
		t.Errorf("check_session_iframe = %q", got)
	}
	back := newAgent(t, s.rig).signOn(s.register().request())
	state := back.Get("session_state")
	if hash, salt, ok := strings.Cut(state, "."); !ok || hash == "" || salt == "" || strings.Contains(state, " ") {
		t.Errorf("session_state = %q, want hash.salt without spaces", state)
	}
	got := s.get(issuerA + "/checksession")
	if got.status != http.StatusOK || got.header.Get("X-Frame-Options") != "" || !strings.Contains(got.header.Get("Cache-Control"), "max-age") {
		t.Errorf("status = %d, headers = %v, want a page to be framed and kept", got.status, got.header)
	}
}
