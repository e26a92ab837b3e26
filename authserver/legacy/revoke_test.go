package legacy_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/legacy"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/declared"
)

// TestRevoke: the rules of section 8, with the row of section 10, for tokens of both formats.
func TestRevoke(t *testing.T) {
	k := newKit(t)
	const missing = `{"error_description":"Missing parameter: token","error":"invalid_request"}`
	path := below("alpha", "token/revoke")
	form := func(raw string, more ...string) url.Values {
		f := url.Values{"token": {raw}}
		for i := 0; i+1 < len(more); i += 2 {
			f.Set(more[i], more[i+1])
		}
		return f
	}
	for name, env := range forms {
		tests := []struct {
			name            string
			do              func(k *kit, g granted) *answer
			status          int
			code            string
			body            string // "" is not looked at
			access, refresh bool   // active afterwards
		}{
			{"8/access token", func(k *kit, g granted) *answer { return k.form(path, form(g.Access), app("web")...) }, 200, "", "{}", false, true},
			{"8/refresh token", func(k *kit, g granted) *answer { return k.form(path, form(g.Refresh), app("web")...) }, 200, "", "{}", false, false},
			{"8/wrong hint", func(k *kit, g granted) *answer {
				return k.form(path, form(g.Refresh, "token_type_hint", "access_token"), app("web")...)
			}, 200, "", "{}", false, false},
			{"8/the path of one page", func(k *kit, g granted) *answer {
				return k.form(below("alpha", "revoke"), form(g.Access), app("web")...)
			}, 200, "", "{}", false, true},
			{"8/short form", func(k *kit, g granted) *answer {
				return k.form("/oauth2/alpha/token/revoke", form(g.Access), app("web")...)
			}, 200, "", "{}", false, true},
			{"8/Basic and the same client_id", func(k *kit, g granted) *answer {
				return k.form(path, form(g.Access, "client_id", "web"), app("web")...)
			}, 200, "", "{}", false, true},
			{"8/Basic and another client_id", func(k *kit, g granted) *answer {
				return k.form(path, form(g.Access, "client_id", "worker"), app("web")...)
			}, 401, "invalid_client", "", true, true},
			{"8/secret in the form", func(k *kit, g granted) *answer {
				return k.form(path, form(g.Access, "client_id", "web", "client_secret", "web-secret"))
			}, 401, "invalid_client", "", true, true}, // its method is Basic
			{"8/unknown token", func(k *kit, _ granted) *answer { return k.form(path, form("abc"), app("web")...) }, 200, "", "{}", true, true},
			{"8/twice", func(k *kit, g granted) *answer {
				k.form(path, form(g.Access), app("web")...).is(200)
				return k.form(path, form(g.Access), app("web")...)
			}, 200, "", "{}", false, true},
			{"8/no token, before client authentication", func(k *kit, _ granted) *answer { return k.form(path, url.Values{}) }, 400, "invalid_request", missing, true, true},
			{"8/empty token", func(k *kit, _ granted) *answer { return k.form(path, form(""), app("web")...) }, 400, "invalid_request", missing, true, true},
			{"8/no client authentication", func(k *kit, g granted) *answer { return k.form(path, form(g.Access)) }, 401, "invalid_client", "", true, true},
			{"8/wrong secret", func(k *kit, g granted) *answer {
				return k.form(path, form(g.Access), basic("web", "wrong")...)
			}, 401, "invalid_client", "", true, true},
			{"8/client_id alone, of a client with a secret", func(k *kit, g granted) *answer {
				return k.form(path, form(g.Access, "client_id", "web"))
			}, 401, "invalid_client", "", true, true},
			{"8/another client's access token", func(k *kit, g granted) *answer {
				return k.form(path, form(g.Access), app("worker")...)
			}, 400, "invalid_grant", `{"error_description":"The token was not issued to the client","error":"invalid_grant"}`, true, true},
			{"8/another client's refresh token", func(k *kit, g granted) *answer {
				return k.form(path, form(g.Refresh), app("worker")...)
			}, 400, "invalid_grant", `{"error_description":"The token was not issued to the client","error":"invalid_grant"}`, true, true},
			{"8/access token of another realm", func(k *kit, g granted) *answer {
				return k.form(below("bravo", "token/revoke"), form(g.Access), app("web")...)
			}, 200, "", "{}", true, true},
			{"8/refresh token of another realm", func(k *kit, g granted) *answer {
				return k.form(below("bravo", "token/revoke"), form(g.Refresh), app("web")...)
			}, 200, "", "{}", true, true},
			{"10/GET", func(k *kit, g granted) *answer { return k.get(path, app("web")...) }, 405, "invalid_request", "", true, true},
			{"10/token in the query", func(k *kit, g granted) *answer {
				return k.form(path+"?token="+g.Access, url.Values{}, app("web")...)
			}, 400, "invalid_request", "", true, true},
		}
		for _, tt := range tests {
			t.Run(name+"/"+tt.name, func(t *testing.T) {
				k := k.in(t)
				g := k.personalAt(env(at(k.Alpha)), "alice", "web", everyScope)
				bystander := k.personalAt(env(at(k.Alpha)), "alice", "web", everyScope)
				a := tt.do(k, g).is(tt.status)
				if tt.code != "" {
					a.refusedOAuth(tt.status, tt.code)
				}
				if tt.body != "" && string(a.Body) != tt.body {
					t.Errorf("body = %s, want %s", a.Body, tt.body)
				}
				if got := a.Header.Get("Content-Type"); got != "application/json;charset=UTF-8" {
					t.Errorf("Content-Type = %q", got)
				}
				if strings.Contains(string(a.Body), g.Access) || strings.Contains(string(a.Body), g.Refresh) {
					t.Error("the token is in the answer")
				}
				for _, is := range []struct {
					kind, raw string
					want      bool
				}{{"access token", g.Access, tt.access}, {"refresh token", g.Refresh, tt.refresh}, {"another grant's", bystander.Access, true}, {"another grant's", bystander.Refresh, true}} {
					if got := k.active("alpha", "web", is.raw); got != is.want {
						t.Errorf("%s: active = %v, want %v", is.kind, got, is.want)
					}
				}
			})
		}
	}
	t.Run("8/a public client", func(t *testing.T) {
		k := k.in(t)
		g := k.personalAt(at(k.Alpha), "alice", "public", everyScope)
		k.form(path, form(g.Refresh, "client_id", "public")).is(200)
		if got := k.form(below("alpha", "introspect"), form(g.Access, "client_id", "public")).is(200).member("active"); got != false {
			t.Errorf("active = %v, want false", got)
		}
	})
	t.Run("who called", func(t *testing.T) {
		called := k.Seen.Called()
		if !slices.Contains(called, [2]string{"am_revoke", "web"}) || slices.Contains(called, [2]string{"am_revoke", "worker"}) {
			t.Errorf("called = %v, want am_revoke of web, and no refused one", called)
		}
	})
}

// TestRealmsOfOneEnvironment: two realms that are the same environment do not see each other's tokens either; what
// was obtained at the environment's own issuer is both's.
func TestRealmsOfOneEnvironment(t *testing.T) {
	k := newKit(t, options{
		Declared: func(c *declared.Config) {
			c.Environments[0].Issuers = append(c.Environments[0].Issuers, issuer("second"))
		},
		Legacy: func(c *legacy.Config) {
			c.Realms = append(c.Realms, legacy.Realm{Path: "/second", Environment: alphaID})
		},
	})
	for name, env := range forms {
		t.Run(name, func(t *testing.T) {
			k := k.in(t)
			g := k.personalAt(env(at(k.Alpha)), "alice", "web", everyScope)
			both := k.personalAt(env(k.Alpha), "alice", "web", everyScope)
			k.get(below("alpha", "tokeninfo"), bearing(g.Access)...).is(200)
			k.get(below("second", "tokeninfo"), bearing(g.Access)...).refusedOAuth(401, "invalid_token")
			k.get(below("second", "tokeninfo"), bearing(both.Access)...).is(200)
			for _, raw := range []string{g.Access, g.Refresh} {
				if k.ask("alpha", "web", raw).member("active") != true || k.ask("second", "web", raw).member("active") != false {
					t.Error("introspection: want active in its own realm alone")
				}
				k.form(below("second", "token/revoke"), url.Values{"token": {raw}}, app("web")...).is(200)
				if k.ask("alpha", "web", raw).member("active") != true {
					t.Error("revoked from another realm")
				}
			}
			if got := k.ask("second", "web", both.Access).text("realm"); got != "/second" {
				t.Errorf("realm = %q, want the one that was asked", got)
			}
		})
	}
}

func TestRevokeUnavailable(t *testing.T) { // attack row 89: a revocation that failed is not said to have been one
	f := &failing{}
	k := newKit(t, options{Store: f.around(testkit.Store(t))})
	g := k.personalAt(opaque(at(k.Alpha)), "alice", "web", everyScope)
	f.tokens.Store(true)
	for _, raw := range []string{g.Access, g.Refresh} {
		k.form(below("alpha", "token/revoke"), url.Values{"token": {raw}}, app("web")...).refusedOAuth(http.StatusServiceUnavailable, "temporarily_unavailable")
	}
	f.tokens.Store(false)
	if !k.active("alpha", "web", g.Access) || !k.active("alpha", "web", g.Refresh) {
		t.Error("revoked all the same")
	}
}
