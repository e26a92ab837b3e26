package endpoint_test

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/endpoint"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

// ask makes a request of the UserInfo endpoint.
func ask(method, target, authorization, body string) *http.Request {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return r
}

// TestUserInfoRequest: conformance 2.25 to 2.27: the ways to send a token.
func TestUserInfoRequest(t *testing.T) { bothFormats(t, userInfoRequest) }

func userInfoRequest(t *testing.T, opaque bool) {
	g := newTokenRig(t)
	g.Env.OpaqueTokens = opaque
	got, s := g.signIn(t, "web", "openid", "profile")
	raw := got.Access
	const (
		bare    = `Bearer realm="userinfo"`
		invalid = `Bearer realm="userinfo", error="invalid_token", error_description="The access token is invalid or expired"`
		request = `Bearer realm="userinfo", error="invalid_request"`
	)
	twice := ask("GET", "/userinfo", "Bearer "+raw, "")
	twice.Header.Add("Authorization", "Bearer "+raw)
	tests := []struct {
		name      string
		r         *http.Request
		status    int
		challenge string // the WWW-Authenticate header, or its beginning
	}{
		{"oidcc-userinfo-get", ask("GET", "/userinfo", "Bearer "+raw, ""), 200, ""},
		{"oidcc-userinfo-post-header", ask("POST", "/userinfo", "Bearer "+raw, ""), 200, ""},
		{"oidcc-userinfo-post-body", ask("POST", "/userinfo", "", "access_token="+raw), 200, ""},
		{"header and a form without a token", ask("POST", "/userinfo", "Bearer "+raw, "x=y"), 200, ""},
		{"scheme in another case", ask("GET", "/userinfo", "bEaReR "+raw, ""), 200, ""},
		{"an unknown parameter", ask("GET", "/userinfo?schema=openid", "Bearer "+raw, ""), 200, ""},
		{"no token", ask("GET", "/userinfo", "", ""), 401, bare},
		{"no token in the form", ask("POST", "/userinfo", "", "x=y"), 401, bare},
		{"another scheme", ask("GET", "/userinfo", "Basic d2ViOnNlY3JldA==", ""), 401, bare},
		{"a scheme that begins alike", ask("GET", "/userinfo", "Bearers "+raw, ""), 401, bare},
		{"nothing behind the scheme", ask("GET", "/userinfo", "Bearer", ""), 400, request},
		{"two words behind the scheme", ask("GET", "/userinfo", "Bearer "+raw+" x", ""), 400, request},
		{"header and body", ask("POST", "/userinfo", "Bearer "+raw, "access_token="+raw), 400, request},
		{"two headers", twice, 400, request},
		{"in the query", ask("GET", "/userinfo?access_token="+raw, "", ""), 400, request},
		{"in the query, and good in the header", ask("GET", "/userinfo?access_token="+raw, "Bearer "+raw, ""), 400, request},
		{"in the query, in another case", ask("GET", "/userinfo?Access_Token="+raw, "", ""), 400, request},
		{"in the query, escaped", ask("POST", "/userinfo?access%5Ftoken="+raw, "", "access_token="+raw), 400, request},
		{"twice in the form", ask("POST", "/userinfo", "", "access_token="+raw+"&access_token="+raw), 400, ""},
		{"in the body of a GET", ask("GET", "/userinfo", "", "access_token="+raw), 401, bare},
		{"garbage", ask("GET", "/userinfo", "Bearer garbage", ""), 401, invalid},
		{"cut short", ask("GET", "/userinfo", "Bearer "+raw[:len(raw)-3], ""), 401, invalid},
		{"an ID token", ask("GET", "/userinfo", "Bearer "+got.ID, ""), 401, invalid},
		{"a refresh token", ask("GET", "/userinfo", "Bearer "+got.Refresh, ""), 401, invalid},
		{"another method", ask("PUT", "/userinfo", "Bearer "+raw, ""), 405, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := g.do(tt.r)
			if w.Code != tt.status || !strings.HasPrefix(w.Header().Get("WWW-Authenticate"), tt.challenge) {
				t.Errorf("answer = %d, %q, want %d, %q", w.Code, w.Header().Get("WWW-Authenticate"), tt.status, tt.challenge)
			}
			if tt.challenge == bare && w.Header().Get("WWW-Authenticate") != bare {
				t.Errorf("challenge = %q, want no error where nothing was presented (RFC 6750 §3.1)", w.Header().Get("WWW-Authenticate"))
			}
			if cc := w.Header().Get("Cache-Control"); cc != "no-cache, no-store" {
				t.Errorf("Cache-Control = %q", cc)
			}
			if tt.status == 200 && (bodyOf(t, w)["sub"] != s.Subject || w.Header().Get("Content-Type") != "application/json") {
				t.Errorf("answer = %s %s, want sub %s", w.Header().Get("Content-Type"), w.Body, s.Subject)
			}
			if strings.Contains(w.Body.String(), raw) {
				t.Error("the token is in the answer")
			}
		})
	}
}

// TestAttackUserInfo is case 130 of the attack catalogue.
func TestAttackUserInfo(t *testing.T) { bothFormats(t, attackUserInfo) }

func attackUserInfo(t *testing.T, opaque bool) {
	t.Run("case_130", func(t *testing.T) {
		tests := []struct {
			name    string
			client  string // default web
			scope   []string
			prepare func(*testing.T, *tokenRig, token.Authorization)
			raw     func(*testing.T, *tokenRig) string // in place of alice's token
			status  int
			code    string // of the challenge
		}{
			{name: "good", scope: []string{"openid"}, status: 200},
			{name: "good: for a resource too", scope: []string{"openid", "orders:read"}, status: 200},
			{name: "without openid", scope: []string{"orders:read"}, status: 403, code: "insufficient_scope"},
			{name: "profile without openid", scope: []string{"profile"}, status: 403, code: "insufficient_scope"},
			{name: "client credentials", status: 403, code: "insufficient_scope", raw: func(t *testing.T, g *tokenRig) string {
				m, err := g.Tokens.Mint(t.Context(), g.Env, token.Access{Client: "web", For: g.Clients["web"], Scope: []string{"openid"}, Audience: []string{g.Env.APIAudience}, TTL: time.Hour})
				if err != nil {
					t.Fatal(err)
				}
				return m.Raw
			}},
			{name: "of another issuer", status: 401, code: "invalid_token", raw: func(t *testing.T, g *tokenRig) string {
				env := *g.Env
				env.Issuer = "https://evil.example.com/as"
				m, err := g.Tokens.Mint(t.Context(), &env, token.Access{
					Client: "web", For: g.Clients["web"], Subject: testkit.Alice(env.ID).ID, Session: g.SignOn(t).ID, Scope: []string{"openid"}, Audience: []string{env.APIAudience}, TTL: time.Hour,
				})
				if err != nil {
					t.Fatal(err)
				}
				return m.Raw
			}},
			{name: "without a session", status: 401, code: "invalid_token", raw: func(t *testing.T, g *tokenRig) string {
				m, err := g.Tokens.Mint(t.Context(), g.Env, token.Access{
					Client: "web", For: g.Clients["web"], Subject: testkit.Alice(g.Env.ID).ID, Scope: []string{"openid"}, Audience: []string{g.Env.APIAudience}, TTL: time.Hour,
				})
				if err != nil {
					t.Fatal(err)
				}
				return m.Raw
			}},
			{name: "in another's session", status: 401, code: "invalid_token", raw: func(t *testing.T, g *tokenRig) string {
				bob := testkit.Alice(g.Env.ID)
				bob.ID = "b0b00000-0000-4000-8000-000000000002"
				g.People.Put(bob)
				m, err := g.Tokens.Mint(t.Context(), g.Env, token.Access{
					Client: "web", For: g.Clients["web"], Subject: bob.ID, Session: g.SignOn(t).ID, Scope: []string{"openid"}, Audience: []string{g.Env.APIAudience}, TTL: time.Hour,
				})
				if err != nil {
					t.Fatal(err)
				}
				return m.Raw
			}},
			{name: "expired", scope: []string{"openid"}, status: 401, code: "invalid_token", prepare: func(_ *testing.T, g *tokenRig, _ token.Authorization) {
				g.Clock.Advance(time.Hour)
			}},
			{name: "its grant was ended", scope: []string{"openid"}, status: 401, code: "invalid_token", prepare: func(t *testing.T, g *tokenRig, a token.Authorization) {
				if err := g.Revoker.EndGrant(t.Context(), g.Env, a); err != nil {
					t.Fatal(err)
				}
			}},
			{name: "the session has ended", scope: []string{"openid"}, status: 401, code: "invalid_token", prepare: func(t *testing.T, g *tokenRig, a token.Authorization) {
				if _, err := g.Sessions.End(t.Context(), g.Env, a.On.Session, nil); err != nil {
					t.Fatal(err)
				}
			}},
			{name: "the user is disabled", scope: []string{"openid"}, status: 401, code: "invalid_token", prepare: func(_ *testing.T, g *tokenRig, _ token.Authorization) {
				u := testkit.Alice(g.Env.ID)
				u.Disabled = true
				g.People.Put(u)
			}},
			{name: "the user is gone", scope: []string{"openid"}, status: 401, code: "invalid_token", prepare: func(_ *testing.T, g *tokenRig, a token.Authorization) {
				g.People.Remove(a.On.Subject)
			}},
			{name: "the client is disabled", scope: []string{"openid"}, status: 401, code: "invalid_token", prepare: func(_ *testing.T, g *tokenRig, _ token.Authorization) {
				g.Clients["web"].Enabled = false
			}},
			{name: "the client is gone", scope: []string{"openid"}, status: 401, code: "invalid_token", prepare: func(_ *testing.T, g *tokenRig, _ token.Authorization) {
				delete(g.Clients, "web")
			}},
		}
		st := testkit.Store(t)
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				g := tokenRigOn(t, st)
				g.Env.OpaqueTokens = opaque
				var raw string
				if tt.raw != nil {
					raw = tt.raw(t, g)
				} else {
					a := g.Authorize(t, "web", g.SignOn(t), tt.scope...)
					raw = g.redeem(t, a).Access
					if tt.prepare != nil {
						tt.prepare(t, g, a)
					}
				}
				w := g.do(ask("GET", "/userinfo", "Bearer "+raw, ""))
				if w.Code != tt.status {
					t.Errorf("status = %d, want %d (%s)", w.Code, tt.status, w.Body)
				}
				if got := w.Header().Get("WWW-Authenticate"); tt.code != "" && !strings.Contains(got, `error="`+tt.code+`"`) {
					t.Errorf("challenge = %s, want %s", got, tt.code)
				}
				if code := bodyOf(t, w)["code"]; tt.status == 403 && code != "ACCESS_FAILED" || tt.status == 401 && code != "INVALID_TOKEN" {
					t.Errorf("code = %v", code)
				}
			})
		}
	})
}

// TestUserInfoClaims: what is said of the person, and that it is no more than
// was granted.
func TestUserInfoClaims(t *testing.T) {
	profile := []string{
		"birthdate", "family_name", "gender", "given_name", "locale", "middle_name", "name", "nickname", "picture",
		"preferred_username", "profile", "updated_at", "website", "zoneinfo",
	}
	with := func(lists ...[]string) []string { return slices.Sorted(slices.Values(slices.Concat(lists...))) }
	sub := []string{"sub"}
	tests := []struct {
		name  string
		scope []string
		asked []string // by the claims parameter
		grant []string // what the client may ask for; nil: everything
		want  []string
	}{
		{"openid", []string{"openid"}, nil, nil, sub},
		{"oidcc-scope-profile", []string{"openid", "profile"}, nil, nil, with(sub, profile)},
		{"oidcc-scope-email", []string{"openid", "email"}, nil, nil, with(sub, []string{"email", "email_verified"})},
		{"oidcc-scope-address", []string{"openid", "address"}, nil, nil, with(sub, []string{"address"})},
		{"oidcc-scope-phone", []string{"openid", "phone"}, nil, nil, with(sub, []string{"phone_number", "phone_number_verified"})},
		{
			"oidcc-scope-all", []string{"openid", "profile", "email", "address", "phone"}, nil, nil,
			with(sub, profile, []string{"email", "email_verified", "address", "phone_number", "phone_number_verified"}),
		},
		{"oidcc-claims-essential", []string{"openid"}, []string{"name"}, nil, with(sub, []string{"name"})},
		{"what a scope gives and what was asked", []string{"openid", "email"}, []string{"name", "email"}, nil, with(sub, []string{"name", "email", "email_verified"})},
		{"asked for what nobody has", []string{"openid"}, []string{"shoe_size"}, nil, sub},
		{"asked for what is the token's own", []string{"openid"}, []string{"sid", "auth_time", "iss"}, nil, sub},
		{"asked for what is not granted to the client", []string{"openid"}, []string{"name", "email"}, []string{"openid", "profile"}, with(sub, []string{"name"})},
	}
	st := testkit.Store(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := tokenRigOn(t, st)
			if tt.grant != nil {
				g.Clients["web"].Grants[store.ResourceOpenID] = tt.grant
			}
			a := g.Authorize(t, "web", g.SignOn(t), tt.scope...)
			a.Claims.UserInfo = map[string]oauth.ClaimRequest{}
			for _, name := range tt.asked {
				a.Claims.UserInfo[name] = oauth.ClaimRequest{Essential: true}
			}
			first := g.redeem(t, a)
			again := g.form("/token", "web", "grant_type=refresh_token", "refresh_token="+first.Refresh)
			second, _ := bodyOf(t, again)["access_token"].(string)
			for when, raw := range map[string]string{"first": first.Access, "refreshed": second} {
				got := slices.Sorted(maps.Keys(bodyOf(t, g.do(ask("GET", "/userinfo", "Bearer "+raw, "")))))
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("%s: claims (-want +got):\n%s", when, diff)
				}
			}
			// Conformance 2.23 and 3.28: with an access token none of them is in the ID token.
			for _, name := range g.verified(t, first.ID).Names() {
				if slices.Contains(token.StandardClaims(), name) {
					t.Errorf("the ID token has %s", name)
				}
			}
		})
	}
	t.Run("a scope that the client has lost since", func(t *testing.T) {
		g := newTokenRig(t)
		got, _ := g.signIn(t, "web", "openid", "email")
		g.Clients["web"].Grants[store.ResourceOpenID] = []string{"openid"}
		if body := bodyOf(t, g.do(ask("GET", "/userinfo", "Bearer "+got.Access, ""))); body["email"] != nil {
			t.Errorf("answer = %v, want no email", body)
		}
	})
	t.Run("what has changed since", func(t *testing.T) {
		g := newTokenRig(t)
		got, _ := g.signIn(t, "web", "openid", "email")
		u := testkit.Alice(g.Env.ID)
		u.Claims["email"] = "new@example.com"
		g.People.Put(u)
		if body := bodyOf(t, g.do(ask("GET", "/userinfo", "Bearer "+got.Access, ""))); body["email"] != "new@example.com" {
			t.Errorf("answer = %v, want the new address", body)
		}
	})
	t.Run("signed", func(t *testing.T) {
		g := newTokenRig(t)
		g.Clients["web"].UserInfoSigned = true
		got, s := g.signIn(t, "web", "openid", "email")
		w := g.do(ask("GET", "/userinfo", "Bearer "+got.Access, ""))
		if ct := w.Header().Get("Content-Type"); w.Code != 200 || ct != "application/jwt" {
			t.Fatalf("answer = %d %s", w.Code, ct)
		}
		c := g.verified(t, w.Body.String())
		if diff := cmp.Diff([]string{"iss", "aud", "sub", "email", "email_verified"}, c.Names()); diff != "" {
			t.Errorf("claims (-want +got):\n%s", diff)
		}
		if c.Issuer != g.Env.Issuer || !slices.Equal(c.Audience, []string{"web"}) || c.Subject != s.Subject {
			t.Errorf("iss = %s, aud = %v, sub = %s", c.Issuer, c.Audience, c.Subject)
		}
		if body := g.form("/introspect", "web", "token="+w.Body.String()).Body.String(); body != `{"active":false}` {
			t.Errorf("introspection takes it for a token: %s", body)
		}
	})
}

// FuzzUserInfoRequest: no request makes it panic, and only the one good token is
// answered.
func FuzzUserInfoRequest(f *testing.F) {
	g := newTokenRig(f)
	got, _ := g.signIn(f, "web", "openid")
	f.Add("GET", "", "Bearer x", "")
	f.Add("POST", "access_token=x", "", "access_token=x")
	f.Add("POST", "%zz=1;", "bearer  a=b", "%zz")
	f.Fuzz(func(t *testing.T, method, query, authorization, body string) {
		if method != "GET" {
			method = "POST"
		}
		r := ask(method, "/userinfo", authorization, body)
		r.URL.RawQuery = query
		w := g.do(r)
		sent := strings.Contains(authorization, got.Access) || strings.Contains(body, got.Access)
		if w.Code == http.StatusOK && !sent {
			t.Errorf("answered %s without the token", w.Body)
		}
		if w.Code >= 500 {
			t.Errorf("status = %d", w.Code)
		}
	})
}

var _ endpoint.Verifier = (*token.Verifier)(nil)
