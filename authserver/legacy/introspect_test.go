package legacy_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/declared"
)

// TestIntrospectGolden: the members of section 7.
func TestIntrospectGolden(t *testing.T) {
	k := newKit(t)
	for name, env := range forms {
		g := k.personalAt(env(at(k.Alpha)), "alice", "web", everyScope)
		testkit.Golden(t, "introspect_"+name+".json", neutral(t, k.ask("alpha", "web", g.Access).is(200).Body, g))
		testkit.Golden(t, "introspect_refresh_token.json", neutral(t, k.ask("alpha", "web", g.Refresh).is(200).Body, g))
		m := k.credentialsAt(env(at(k.Alpha)), "worker", "orders:read")
		testkit.Golden(t, "introspect_client_credentials_"+name+".json", neutral(t, k.ask("alpha", "worker", m.Access).is(200).Body, m))
	}
}

// observers are applications of both realms that may see other applications' tokens.
func observers(c *declared.Config) {
	for i := range c.Environments {
		e := &c.Environments[i]
		e.Resources = append(e.Resources, declared.Resource{
			Name: "am", Audience: "https://am.example.com/" + e.Name, Scopes: []string{"am-introspect-all-tokens", "am-introspect-all-tokens-any-realm"},
		})
		e.Applications = append(e.Applications,
			declared.Application{ClientID: "realm", Type: "worker", Secret: "realm-secret", Allow: []string{"am-introspect-all-tokens"}},
			declared.Application{ClientID: "anywhere", Type: "worker", Secret: "anywhere-secret", Allow: []string{"am-introspect-all-tokens-any-realm"}},
			declared.Application{
				ClientID: "open", Type: "native_app", Grants: []string{"authorization_code"}, RedirectURIs: []string{"com.example.open:/cb"},
				Allow: []string{"openid", "am-introspect-all-tokens-any-realm"},
			},
		)
	}
}

// TestIntrospect: the rules of section 7, with the row of section 10, for tokens of both formats.
func TestIntrospect(t *testing.T) {
	const inactive = `{"active":false}`
	k := newKit(t, options{Declared: observers})
	for form, env := range forms {
		tests := []struct {
			name   string
			raw    func(k *kit, g granted) string // default: the access token
			caller string                         // default: its application
			realm  string                         // default: alpha
			want   bool
		}{
			{name: "7/good", want: true},
			{name: "7/good: refresh token", raw: func(_ *kit, g granted) string { return g.Refresh }, want: true},
			{name: "7/good: its resource", caller: "orders", want: true},
			{name: "7/good: obtained at the environment's own issuer", want: true, raw: func(k *kit, _ granted) string {
				return k.personalAt(env(k.Alpha), "alice", "web", everyScope).Access
			}},
			{name: "7/unknown", raw: func(*kit, granted) string { return "abc" }},
			{name: "7/malformed JWT", raw: func(*kit, granted) string { return "a.b.c" }},
			{name: "7/altered", raw: func(_ *kit, g granted) string { return g.Access[:len(g.Access)-5] + "AAAAA" }},
			{name: "7/a code", raw: func(k *kit, _ granted) string { return k.as("alpha", "alice").code("alpha", "web", "openid") }},
			{name: "7/an ID token", raw: func(k *kit, _ granted) string {
				return k.redeem("alpha", "web", k.as("alpha", "alice").code("alpha", "web", "openid")).text("id_token")
			}},
			{name: "7/revoked", raw: func(k *kit, g granted) string {
				k.form(below("alpha", "token/revoke"), url.Values{"token": {g.Access}}, app("web")...).is(200)
				return g.Access
			}},
			{name: "7/refresh token after sign-off", raw: func(k *kit, g granted) string {
				if _, err := k.Sessions.End(k.t.Context(), k.Alpha, g.Session.ID, nil); err != nil {
					k.t.Fatal(err)
				}
				return g.Refresh
			}},
			{name: "7/another client's", caller: "worker"},
			{name: "7/another client's refresh token", caller: "worker", raw: func(_ *kit, g granted) string { return g.Refresh }},
			{name: "7/a refresh token, to its resource", caller: "orders", raw: func(_ *kit, g granted) string { return g.Refresh }},
			{name: "7/another client's, with am-introspect-all-tokens", caller: "realm", want: true},
			{name: "7/another client's refresh token, with am-introspect-all-tokens", caller: "realm", want: true, raw: func(_ *kit, g granted) string { return g.Refresh }},
			{name: "7/another client's, with am-introspect-all-tokens-any-realm", caller: "anywhere", want: true},
			{name: "7/a stranger's who has the scope and no secret", caller: "open"},
			{name: "7/another realm's token", realm: "bravo"},
			{name: "7/another realm's refresh token", realm: "bravo", raw: func(_ *kit, g granted) string { return g.Refresh }},
			{name: "7/another realm's, with am-introspect-all-tokens", realm: "bravo", caller: "realm"},
			{name: "7/another realm's, with am-introspect-all-tokens-any-realm", realm: "bravo", caller: "anywhere", want: true},
			{name: "7/another realm's refresh token, with am-introspect-all-tokens-any-realm", realm: "bravo", caller: "anywhere", want: true,
				raw: func(_ *kit, g granted) string { return g.Refresh }},
		}
		for _, tt := range tests {
			t.Run(form+"/"+tt.name, func(t *testing.T) {
				k := k.in(t)
				g := k.personalAt(env(at(k.Alpha)), "alice", "web", everyScope)
				raw, caller, realm := g.Access, "web", "alpha"
				if tt.raw != nil {
					raw = tt.raw(k, g)
				}
				if tt.caller != "" {
					caller = tt.caller
				}
				if tt.realm != "" {
					realm = tt.realm
				}
				for _, hint := range []string{"", "access_token", "refresh_token", "requesting_party_token", "nonsense"} { // 7: a wrong one widens
					fields := url.Values{"token": {raw}, "token_type_hint": {hint}}
					header := app(caller)
					if caller == "open" {
						fields.Set("client_id", caller)
						header = nil
					}
					a := k.form(below(realm, "introspect"), fields, header...).is(200)
					if got := a.member("active") == true; got != tt.want || !tt.want && string(a.Body) != inactive {
						t.Errorf("hint %q: answer = %s, want active %v and nothing else where it is not", hint, a.Body, tt.want)
					}
					if tt.want && a.text("realm") != "/alpha" {
						t.Errorf("hint %q: realm = %q, want /alpha", hint, a.text("realm"))
					}
				}
			})
		}
		t.Run(form+"/7/expired", func(t *testing.T) {
			k := newKit(t)
			g := k.personalAt(env(at(k.Alpha)), "alice", "web", everyScope)
			k.Clock.Advance(time.Hour - time.Second)
			if got := k.ask("alpha", "web", g.Access).member("expires_in"); got != 1.0 {
				t.Errorf("expires_in = %v, want 1", got)
			}
			k.Clock.Advance(time.Second)
			if got := string(k.ask("alpha", "web", g.Access).is(200).Body); got != inactive {
				t.Errorf("answer = %s, want %s", got, inactive)
			}
		})
		t.Run(form+"/at both sides", func(t *testing.T) { // what one side says is true, the other does too
			k := k.in(t)
			for _, at := range []func() granted{
				func() granted { return k.personalAt(env(at(k.Alpha)), "alice", "web", everyScope) },
				func() granted { return k.personalAt(env(k.Alpha), "alice", "web", everyScope) },
			} {
				g := at()
				for _, raw := range []string{g.Access, g.Refresh} {
					if !k.active("alpha", "web", raw) || k.ask("alpha", "web", raw).member("active") != true {
						t.Error("not active at both")
					}
				}
				k.home("alpha", "POST", "/revoke", url.Values{"token": {g.Access}}, app("web")...).is(200)
				if k.active("alpha", "web", g.Access) || k.ask("alpha", "web", g.Access).member("active") != false {
					t.Error("active after revocation")
				}
			}
		})
	}
}

func TestIntrospectRefusals(t *testing.T) { // section 7, second table, and section 10
	k := newKit(t)
	g := k.personal("alpha", "alice", "web", everyScope)
	path := below("alpha", "introspect")
	tests := []struct {
		name   string
		a      func(k *kit) *answer
		status int
		code   string
	}{
		{"7/no token", func(k *kit) *answer { return k.form(path, url.Values{}, app("web")...) }, 400, "invalid_request"},
		{"7/an empty token", func(k *kit) *answer { return k.form(path, url.Values{"token": {""}}, app("web")...) }, 400, "invalid_request"},
		{"7/two tokens", func(k *kit) *answer {
			return k.form(path, url.Values{"token": {g.Access, g.Access}}, app("web")...)
		}, 400, "invalid_request"},
		{"7/no client authentication", func(k *kit) *answer { return k.form(path, url.Values{"token": {g.Access}}) }, 401, "invalid_client"},
		{"7/a wrong secret", func(k *kit) *answer {
			return k.form(path, url.Values{"token": {g.Access}}, basic("web", "wrong")...)
		}, 401, "invalid_client"},
		{"7/a wrong secret in the form", func(k *kit) *answer {
			return k.form(path, url.Values{"token": {g.Access}, "client_id": {"web"}, "client_secret": {"wrong"}})
		}, 401, "invalid_client"},
		{"7/an unknown client", func(k *kit) *answer { return k.form(path, url.Values{"token": {g.Access}}, app("nobody")...) }, 401, "invalid_client"},
		{"7/a client of another realm", func(k *kit) *answer {
			return k.form("/oauth2/charlie/introspect", url.Values{"token": {g.Access}}, app("web")...)
		}, 404, "not_found"},
		{"7/two ways at once", func(k *kit) *answer {
			return k.form(path, url.Values{"token": {g.Access}, "client_secret": {"web-secret"}, "client_id": {"web"}}, app("web")...)
		}, 400, "invalid_request"},
		{"7/a bearer token in place of a client", func(k *kit) *answer {
			return k.form(path, url.Values{"token": {g.Access}}, bearing(g.Access)...)
		}, 401, "invalid_client"},
		{"7/an SSO token in place of a client", func(k *kit) *answer {
			return k.as("alpha", "alice").do("POST", path, url.Values{"token": {g.Access}})
		}, 401, "invalid_client"},
		{"7/GET", func(k *kit) *answer { return k.get(path+"?token="+g.Access, app("web")...) }, 405, "invalid_request"},
		{"7/token in the query", func(k *kit) *answer {
			return k.form(path+"?token="+g.Access, url.Values{}, app("web")...)
		}, 400, "invalid_request"},
		{"7/JSON", func(k *kit) *answer {
			return k.do("POST", path, `{"token":"x"}`, app("web")...)
		}, 415, "invalid_request"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := tt.a(k.in(t)).refusedOAuth(tt.status, tt.code)
			challenge := ""
			if tt.code == "invalid_client" {
				challenge = `Basic realm="/alpha"`
				if got := a.text("error_description"); got != "Client authentication failed" {
					t.Errorf("error_description = %q", got)
				}
			}
			if got := a.Header.Get("WWW-Authenticate"); got != challenge {
				t.Errorf("WWW-Authenticate = %q, want %q", got, challenge)
			}
			if strings.Contains(string(a.Body), g.Access) {
				t.Error("the token is in the answer")
			}
		})
	}
	for _, call := range k.Seen.Called() {
		if call[0] == "am_introspect" {
			t.Errorf("called = %v, want none: nobody was authenticated", call)
		}
	}
	k.ask("alpha", "web", g.Access)
	if got := k.Seen.Called(); !slices.Contains(got, [2]string{"am_introspect", "web"}) {
		t.Errorf("called = %v, want am_introspect of web", got)
	}
}

// TestIntrospectScopeThatIsGone: a scope counts that the resource has, and not a name alone.
func TestIntrospectScopeThatIsGone(t *testing.T) {
	k := newKit(t, options{Declared: observers})
	g := k.personal("alpha", "alice", "web", everyScope)
	if k.ask("alpha", "realm", g.Access).member("active") != true {
		t.Fatal("not active with the scope")
	}
	without := newKit(t, options{Store: k.Store, Clock: k.Clock, Declared: func(c *declared.Config) {
		observers(c)
		for i := range c.Environments {
			for j := range c.Environments[i].Applications {
				if a := &c.Environments[i].Applications[j]; a.ClientID == "realm" {
					a.Allow = []string{"orders:read"}
				}
			}
		}
	}})
	if without.ask("alpha", "realm", g.Access).member("active") != false {
		t.Error("active without the scope")
	}
}

func TestIntrospectUnavailable(t *testing.T) { // section 10: it cannot be told now, and nothing else is said
	f := &failing{}
	k := newKit(t, options{Store: f.around(testkit.Store(t))})
	g := k.personalAt(opaque(at(k.Alpha)), "alice", "web", everyScope)
	f.tokens.Store(true)
	for _, raw := range []string{g.Access, g.Refresh} {
		k.ask("alpha", "web", raw).refusedOAuth(http.StatusServiceUnavailable, "temporarily_unavailable")
	}
}

// TestIntrospectEverywhere: only applications of the configuration see the tokens of every realm. Others are made by those who
// manage one environment, or by themselves, and see the tokens of their realm.
func TestIntrospectEverywhere(t *testing.T) {
	k := newKit(t, options{Declared: func(c *declared.Config) {
		observers(c)
		c.Environments[0].Registration = declared.Registration{Mode: "open", Scopes: []string{"openid", "am-introspect-all-tokens-any-realm"}}
	}})
	a := k.post(below("alpha", "register"), map[string]any{
		"redirect_uris": []string{"https://new.example.com/cb"}, "scope": "openid am-introspect-all-tokens-any-realm",
	}).is(http.StatusCreated)
	registered := basic(a.text("client_id"), a.text("client_secret"))
	for _, tt := range []struct {
		name, realm string
		caller      []string
		want        bool
	}{
		{"declared, of its realm", "alpha", app("anywhere"), true},
		{"declared, of another realm", "bravo", app("anywhere"), true},
		{"registered, of its realm", "alpha", registered, true},
		{"registered, of another realm", "bravo", registered, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := k.in(t).personal(tt.realm, "alice", "web", everyScope)
			for _, raw := range []string{g.Access, g.Refresh} {
				a := k.in(t).form(below("alpha", "introspect"), url.Values{"token": {raw}}, tt.caller...).is(http.StatusOK)
				if got := a.member("active"); got != tt.want {
					t.Errorf("active = %v, want %v", got, tt.want)
				}
			}
		})
	}
}
