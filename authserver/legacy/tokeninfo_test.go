package legacy_test

import (
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/legacy"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/declared"
)

// oldWords is AM's description of a token that is no good.
const oldWords = "The access token provided is expired, revoked, malformed, or invalid for other reasons."

// everyScope are scopes of each kind.
var everyScope = []string{"openid", "profile", "email", "orders:read"}

// TestTokenInfoGolden: the members of section 6.
func TestTokenInfoGolden(t *testing.T) {
	k := newKit(t)
	for name, env := range forms {
		g := k.personalAt(env(at(k.Alpha)), "alice", "web", everyScope)
		a := k.get(below("alpha", "tokeninfo"), bearing(g.Access)...).is(200)
		testkit.Golden(t, "tokeninfo_"+name+".json", neutral(t, a.Body, g))
		m := k.credentialsAt(env(at(k.Alpha)), "worker", "orders:read", "orders:write")
		a = k.get(below("alpha", "tokeninfo"), bearing(m.Access)...).is(200)
		testkit.Golden(t, "tokeninfo_client_credentials_"+name+".json", neutral(t, a.Body, m))
	}
}

func TestTokenInfoHeaders(t *testing.T) { // section 6
	k := newKit(t)
	g := k.personal("alpha", "alice", "web", everyScope)
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		a := k.do(method, below("alpha", "tokeninfo"), nil, bearing(g.Access)...).is(200)
		for name, want := range map[string]string{
			"Content-Type": "application/json;charset=UTF-8", "Cache-Control": "no-cache, no-store", "Pragma": "no-cache",
			"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Credentials": "",
		} {
			if got := a.Header.Get(name); got != want {
				t.Errorf("%s: %s = %q, want %q", method, name, got, want)
			}
		}
	}
	if got := k.Seen.Called(); !slices.Equal(got[len(got)-1:], [][2]string{{"am_tokeninfo", "web"}}) {
		t.Errorf("called = %v, want am_tokeninfo of web last", got)
	}
}

// TestTokenInfo: the rules of section 6, with the row of section 10, for tokens of both formats.
func TestTokenInfo(t *testing.T) {
	k := newKit(t)
	invalid := func(a *answer) *answer {
		a.t.Helper()
		a.refusedOAuth(http.StatusUnauthorized, "invalid_token")
		want := `Bearer realm="/alpha", error="invalid_token", error_description="` + oldWords + `"`
		if a.text("error_description") != oldWords || a.Header.Get("WWW-Authenticate") != want {
			a.t.Errorf("answer = %s, %s, want AM's words and the challenge %s", a.Body, a.Header.Get("WWW-Authenticate"), want)
		}
		return a
	}
	none := func(a *answer) *answer {
		a.t.Helper()
		a.refusedOAuth(http.StatusUnauthorized, "invalid_token")
		if got := a.Header.Get("WWW-Authenticate"); got != `Bearer realm="/alpha"` {
			a.t.Errorf("challenge = %s, want one without an error: nothing was presented (RFC 6750 §3.1)", got)
		}
		return a
	}
	twice := func(a *answer) *answer { a.t.Helper(); return a.refusedOAuth(http.StatusBadRequest, "invalid_request") }
	good := func(a *answer) *answer { a.t.Helper(); return a.is(200) }

	path := below("alpha", "tokeninfo")
	for form, env := range forms {
		alpha, bravo := env(at(k.Alpha)), env(at(k.Bravo))
		get := func(header ...string) func(k *kit, g granted) *answer {
			return func(k *kit, _ granted) *answer { return k.get(path, header...) }
		}
		tests := []struct {
			name string
			do   func(k *kit, g granted) *answer
			want func(*answer) *answer
		}{
			{"6/good", func(k *kit, g granted) *answer { return k.get(path, bearing(g.Access)...) }, good},
			{"6/good: scheme in another case", func(k *kit, g granted) *answer { return k.get(path, "Authorization", "bEARER "+g.Access) }, good},
			{"6/good: short form of the realm", func(k *kit, g granted) *answer { return k.get("/oauth2/alpha/tokeninfo", bearing(g.Access)...) }, good},
			{"6/good: realm in the query", func(k *kit, g granted) *answer { return k.get("/oauth2/tokeninfo?realm=/alpha", bearing(g.Access)...) }, good},
			{"6/good: obtained at the environment's own issuer", func(k *kit, _ granted) *answer {
				return k.get(path, bearing(k.personalAt(env(k.Alpha), "alice", "web", everyScope).Access)...)
			}, good},
			{"6/no token", get(), none},
			{"6/another scheme", get(app("web")...), none},
			{"6/malformed header", get("Authorization", "Bearer a b"), twice},
			{"6/malformed token", get(bearing("abc")...), invalid},
			{"6/malformed JWT", get(bearing("a.b.c")...), invalid},
			{"6/altered", func(k *kit, g granted) *answer { return k.get(path, bearing(g.Access[:len(g.Access)-5]+"AAAAA")...) }, invalid},
			{"6/refresh token", func(k *kit, g granted) *answer { return k.get(path, bearing(g.Refresh)...) }, invalid},
			{"6/code", func(k *kit, _ granted) *answer {
				return k.get(path, bearing(k.as("alpha", "alice").code("alpha", "web", "openid"))...)
			}, invalid},
			{"6/another realm's token", func(k *kit, _ granted) *answer {
				return k.get(path, bearing(k.personalAt(bravo, "alice", "web", everyScope).Access)...)
			}, invalid},
			{"6/the token at another realm", func(k *kit, g granted) *answer {
				a := k.get(below("bravo", "tokeninfo"), bearing(g.Access)...)
				a.refusedOAuth(http.StatusUnauthorized, "invalid_token")
				return k.get(path, bearing("abc")...)
			}, invalid},
			{"6/revoked", func(k *kit, g granted) *answer {
				k.form(below("alpha", "token/revoke"), url.Values{"token": {g.Access}}, app("web")...).is(200)
				return k.get(path, bearing(g.Access)...)
			}, invalid},
			{"6/revoked at the server's own endpoint", func(k *kit, g granted) *answer {
				k.home("alpha", "POST", "/revoke", url.Values{"token": {g.Access}}, app("web")...).is(200)
				return k.get(path, bearing(g.Access)...)
			}, invalid},
			{"6/its session has ended", func(k *kit, g granted) *answer {
				if _, err := k.Sessions.End(k.t.Context(), k.Alpha, g.Session.ID, nil); err != nil {
					k.t.Fatal(err)
				}
				return k.get(path, bearing(g.Access)...)
			}, invalid},
			{"6/in the query", func(k *kit, g granted) *answer { return k.get(path + "?access_token=" + g.Access) }, twice},
			{"6/in the query, in another case", func(k *kit, g granted) *answer { return k.get(path + "?ACCESS_token=" + g.Access) }, twice},
			{"6/in the query and the header", func(k *kit, g granted) *answer {
				return k.get(path+"?access_token="+g.Access, bearing(g.Access)...)
			}, twice},
			{"6/two headers", func(k *kit, g granted) *answer {
				return k.get(path, slices.Concat(bearing(g.Access), bearing(g.Access))...)
			}, twice},
			{"6/the SSO token in its place", func(k *kit, _ granted) *answer { return k.as("alpha", "alice").get(path) }, none},
			{"10/POST", func(k *kit, g granted) *answer { return k.post(path, nil, bearing(g.Access)...) }, func(a *answer) *answer {
				return a.refusedOAuth(http.StatusMethodNotAllowed, "invalid_request")
			}},
		}
		for _, tt := range tests {
			t.Run(form+"/"+tt.name, func(t *testing.T) {
				k := k.in(t)
				tt.want(tt.do(k, k.personalAt(alpha, "alice", "web", everyScope)))
			})
		}
		t.Run(form+"/6/expired", func(t *testing.T) {
			k := newKit(t)
			g := k.personalAt(env(at(k.Alpha)), "alice", "web", everyScope)
			k.Clock.Advance(time.Hour - time.Second)
			if got := good(k.get(path, bearing(g.Access)...)).member("expires_in"); got != 1.0 {
				t.Errorf("expires_in = %v, want 1", got)
			}
			k.Clock.Advance(time.Second)
			invalid(k.get(path, bearing(g.Access)...))
		})
	}
}

// TestTokenInfoOfTheGone: section 6: who is gone or disabled since takes what a token was good for along.
func TestTokenInfoOfTheGone(t *testing.T) {
	for name, change := range map[string]func(*declared.Environment){
		"good: nothing": func(*declared.Environment) {},
		"client gone": func(e *declared.Environment) {
			e.Applications = slices.DeleteFunc(e.Applications, func(a declared.Application) bool { return a.ClientID == "web" })
		},
		"client disabled": func(e *declared.Environment) {
			i := slices.IndexFunc(e.Applications, func(a declared.Application) bool { return a.ClientID == "web" })
			e.Applications[i].Disabled = true
		},
		"person gone":     func(e *declared.Environment) { e.Users = e.Users[1:] },
		"person disabled": func(e *declared.Environment) { e.Users[0].Disabled = true },
	} {
		for form, env := range forms {
			t.Run(form+"/"+name, func(t *testing.T) {
				before := newKit(t)
				g := before.personalAt(env(at(before.Alpha)), "alice", "web", everyScope)
				k := newKit(t, options{Store: before.Store, Clock: before.Clock, Declared: func(c *declared.Config) { change(&c.Environments[0]) }})
				a := k.get(below("alpha", "tokeninfo"), bearing(g.Access)...)
				if name == "good: nothing" {
					a.is(200)
				} else {
					a.refusedOAuth(http.StatusUnauthorized, "invalid_token")
				}
			})
		}
	}
}

func TestTokenInfoCompatQuery(t *testing.T) { // section 6: AM's behaviour, behind an option
	k := newKit(t, options{Legacy: func(c *legacy.Config) { c.Compat.QueryAccessToken = true }})
	g := k.personal("alpha", "alice", "web", everyScope)
	path := below("alpha", "tokeninfo")
	k.get(path + "?access_token=" + g.Access).is(200)
	k.get(path, bearing(g.Access)...).is(200)
	k.get(path+"?access_token=abc").refusedOAuth(http.StatusUnauthorized, "invalid_token")
	k.get(path+"?access_token=").refusedOAuth(http.StatusUnauthorized, "invalid_token")
	k.get(path+"?access_token="+g.Access, bearing(g.Access)...).refusedOAuth(http.StatusBadRequest, "invalid_request")
	k.get(path+"?access_token=abc", bearing(g.Access)...).refusedOAuth(http.StatusBadRequest, "invalid_request")
	k.get(path+"?access_token="+g.Access+"&access_token="+g.Access).refusedOAuth(http.StatusBadRequest, "invalid_request")
	k.get(path+"?access_token="+g.Access+"&Access_Token="+g.Access).refusedOAuth(http.StatusBadRequest, "invalid_request")
}

// TestTokenInfoClaims: attack row 130, and the note of section 6 on scopes that are called like members: no claims beyond
// the granted scopes, and none in the place of a member.
func TestTokenInfoClaims(t *testing.T) {
	k := newKit(t)
	tests := []struct {
		name  string
		scope []string
		want  map[string]any // members beside the fixed ones
	}{
		{"none", []string{"orders:read"}, map[string]any{"orders:read": ""}},
		{"a claim of its own scope", []string{"openid", "email"}, map[string]any{"openid": "", "email": "alice@example.com"}},
		{"a scope that is no claim", []string{"openid", "profile"}, map[string]any{"openid": "", "profile": ""}},
		{"without openid, as UserInfo", []string{"email"}, map[string]any{"email": ""}},
		{"a claim that another scope gives", []string{"openid", "profile", "given_name"}, map[string]any{"openid": "", "profile": "", "given_name": "Alice"}},
		{"a claim that no granted scope gives", []string{"openid", "given_name"}, map[string]any{"openid": "", "given_name": ""}},
		{"an attribute that is no claim", []string{"openid", "profile", "password"}, map[string]any{"openid": "", "profile": "", "password": ""}},
		{"called like members", []string{"openid", "client_id", "realm", "expires_in", "sub", "active", "cnf"}, map[string]any{"openid": ""}},
	}
	fixed := []string{"access_token", "token_type", "expires_in", "scope", "client_id", "grant_type", "realm", "auth_level", "auditTrackingId",
		"authGrantId", "sub", "subname", "cts", "iss", "tokenName", "aud", "nbf", "auth_time", "exp", "iat", "jti"}
	for form, env := range forms {
		for _, tt := range tests {
			t.Run(form+"/"+tt.name, func(t *testing.T) {
				k := k.in(t)
				g := k.personalAt(env(at(k.Alpha)), "alice", "web", tt.scope)
				got := k.get(below("alpha", "tokeninfo"), bearing(g.Access)...).is(200).object()
				if got["client_id"] != "web" || got["realm"] != "/alpha" || got["expires_in"] != 3600.0 {
					t.Errorf("members = %v, want the fixed ones as they are", got)
				}
				for name, want := range tt.want {
					if v, ok := got[name]; !ok || v != want {
						t.Errorf("%s = %v, want %q", name, v, want)
					}
				}
				for name := range got {
					if _, ok := tt.want[name]; !ok && !slices.Contains(fixed, name) {
						t.Errorf("there is a member %s", name)
					}
				}
			})
		}
	}
}

// TestTokenInfoGrantTypes: section 6: grant_type is the one that made the token, through the endpoints themselves.
func TestTokenInfoGrantTypes(t *testing.T) {
	for form := range forms {
		t.Run(form, func(t *testing.T) {
			k := newKit(t, options{Declared: func(c *declared.Config) {
				if form == "opaque" {
					c.Environments[0].AccessTokenFormat = "opaque"
				}
			}})
			grantType := func(raw string) string {
				return k.get(below("alpha", "tokeninfo"), bearing(raw)...).is(200).text("grant_type")
			}
			endpoint := below("alpha", "access_token")
			a := k.form(endpoint, url.Values{"grant_type": {"client_credentials"}, "scope": {"orders:read"}}, app("worker")...).is(200)
			if got := grantType(a.text("access_token")); got != "client_credentials" {
				t.Errorf("grant_type = %q, want client_credentials", got)
			}
			a = k.redeem("alpha", "web", k.as("alpha", "alice").code("alpha", "web", "openid offline_access"))
			if got := grantType(a.text("access_token")); got != "authorization_code" {
				t.Errorf("grant_type = %q, want authorization_code", got)
			}
			a = k.form(endpoint, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {a.text("refresh_token")}}, app("web")...).is(200)
			if got := grantType(a.text("access_token")); got != "refresh_token" {
				t.Errorf("grant_type = %q, want refresh_token", got)
			}
		})
	}
}

func TestTokenInfoUnavailable(t *testing.T) { // section 6: store down
	f := &failing{}
	k := newKit(t, options{Store: f.around(testkit.Store(t))})
	g := k.personal("alpha", "alice", "web", everyScope)
	f.tokens.Store(true)
	a := k.get(below("alpha", "tokeninfo"), bearing(g.Access)...).refusedOAuth(http.StatusServiceUnavailable, "temporarily_unavailable")
	if a.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	f.tokens.Store(false)
	k.get(below("alpha", "tokeninfo"), bearing(g.Access)...).is(200)
}
