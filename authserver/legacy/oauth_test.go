package legacy_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/legacy"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/declared"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

// issuer is that of a realm's own paths.
func issuer(realm string) string { return amURL + "/oauth2/realms/root/realms/" + realm }

// below is the path of an endpoint of a realm, behind /am.
func below(realm, endpoint string) string {
	return strings.TrimPrefix(issuer(realm), amURL) + "/" + endpoint
}

// app are the headers of an application whose secret is its name with -secret behind.
func app(client string) []string { return basic(client, client+"-secret") }

// bearing is the Authorization header of an access token.
func bearing(raw string) []string { return []string{"Authorization", "Bearer " + raw} }

// ask is introspection of AM, by an application of the realm.
func (k *kit) ask(realm, client, raw string) *answer {
	k.t.Helper()
	return k.form(below(realm, "introspect"), url.Values{"token": {raw}}, app(client)...)
}

// active reports whether the server's own introspection finds a token of a realm good.
func (k *kit) active(realm, client, raw string) bool {
	k.t.Helper()
	return k.home(realm, http.MethodPost, "/introspect", url.Values{"token": {raw}}, app(client)...).is(http.StatusOK).member("active") == true
}

// home sends a request to the environment's own endpoint behind its issuer.
func (k *kit) home(realm, method, path string, form url.Values, header ...string) *answer {
	k.t.Helper()
	r, err := http.NewRequestWithContext(k.t.Context(), method, k.env(realm).Issuer+path, strings.NewReader(form.Encode()))
	if err != nil {
		k.t.Fatal(err)
	}
	r.RemoteAddr = "192.0.2.1:4711"
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return k.serve(r)
}

// forms are the two formats of access tokens: what makes them of an environment.
var forms = map[string]func(*store.Environment) *store.Environment{
	"JWT": func(env *store.Environment) *store.Environment { return env }, "opaque": opaque,
}

// credentialsAt is credentials with an issuer and a format.
func (k *kit) credentialsAt(env *store.Environment, client string, scope ...string) granted {
	k.t.Helper()
	m, err := k.Minter.Mint(k.t.Context(), env, token.Access{
		Client: client, Scope: scope, Audience: []string{orders}, TTL: time.Hour, For: k.client(env, client),
	})
	if err != nil {
		k.t.Fatalf("mint: %v", err)
	}
	return granted{Access: m.Raw, ID: m.ID}
}

// neutral takes out of a body what differs from run to run.
func neutral(t testing.TB, body []byte, g granted) []byte {
	t.Helper()
	pairs := []string{g.Access, "<access token>", g.ID, "<jti>"}
	if g.Refresh != "" {
		pairs = append(pairs, g.Refresh, "<refresh token>", g.Grant, "<grant>", g.Session.ID, "<session>")
	}
	return append([]byte(strings.NewReplacer(pairs...).Replace(string(body))), '\n')
}

// TestDeprecation: RFC 9745 and RFC 8594 on every answer, errors included, and the way to the successor.
func TestDeprecation(t *testing.T) {
	k := newKit(t, options{Legacy: func(c *legacy.Config) {
		c.Deprecated = time.Date(2026, time.November, 22, 0, 0, 0, 0, time.UTC)
		c.Sunset = time.Date(2027, time.December, 31, 0, 0, 0, 0, time.UTC)
		c.DeprecationLink = "https://docs.example.com/legacy"
	}})
	page := `<https://docs.example.com/legacy>; rel="deprecation"; type="text/html"`
	tests := []struct {
		name, method, path string
		status             int
		successor          string // behind the environment's issuer
	}{
		{"an answer", "GET", below("alpha", ".well-known/openid-configuration"), 200, "/.well-known/openid-configuration"},
		{"another realm", "GET", below("bravo", "connect/jwk_uri"), 200, "/jwks"},
		{"the realm in the query", "GET", "/oauth2/connect/jwk_uri?realm=/alpha", 200, "/jwks"},
		{"a refusal", "GET", below("alpha", "tokeninfo"), 401, "/introspect"},
		{"a method", "GET", below("alpha", "introspect"), 405, "/introspect"},
		{"a preflight", "OPTIONS", below("alpha", "token/revoke"), 204, "/revoke"},
		{"no such realm", "GET", below("charlie", "tokeninfo"), 404, ""},
		{"no such endpoint", "GET", below("alpha", "nothing"), 404, ""},
		{"outside of the trees", "GET", "/nothing", 404, ""},
		{"CREST", "GET", "/json/serverinfo/*", 200, ""},
		{"CREST, refused", "GET", "/frrest/oauth2/token/abc", 401, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := k.in(t)
			a := k.do(tt.method, tt.path, nil).is(tt.status)
			links := []string{page}
			if tt.successor != "" {
				env := k.Alpha
				if strings.Contains(tt.path, "bravo") {
					env = k.Bravo
				}
				links = append(links, "<"+env.Issuer+tt.successor+`>; rel="successor-version"`)
			}
			for name, want := range map[string][]string{
				"Deprecation": {"@1795305600"}, "Sunset": {"Fri, 31 Dec 2027 00:00:00 GMT"}, "Link": links, "Referrer-Policy": {"no-referrer"},
			} {
				if got := a.Header.Values(name); !slices.Equal(got, want) {
					t.Errorf("%s = %q, want %q", name, got, want)
				}
			}
		})
	}
	t.Run("what nobody knows is not said", func(t *testing.T) {
		a := newKit(t).get(below("alpha", "tokeninfo"))
		if a.Header.Get("Sunset") != "" || strings.Contains(strings.Join(a.Header.Values("Link"), ","), `rel="deprecation"`) {
			t.Errorf("header = %v, want neither Sunset nor a page", a.Header)
		}
		if a.Header.Get("Deprecation") == "" {
			t.Error("no Deprecation header")
		}
	})
}

// TestOAuthPaths: section 2, and the answers to what is no place below /am/oauth2.
func TestOAuthPaths(t *testing.T) {
	k := newKit(t)
	want := map[string]string{"alpha": issuer("alpha"), "bravo": issuer("bravo")}
	for _, tt := range []struct{ name, path, realm string }{
		{"2/full form", "/oauth2/realms/root/realms/alpha/.well-known/openid-configuration", "alpha"},
		{"2/short form", "/oauth2/bravo/.well-known/openid-configuration", "bravo"},
		{"2/query", "/oauth2/.well-known/openid-configuration?realm=/alpha", "alpha"},
		{"2/query without a slash", "/oauth2/.well-known/openid-configuration?realm=alpha", "alpha"},
		{"2/the query wins", "/oauth2/alpha/.well-known/openid-configuration?realm=/bravo", "bravo"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := k.in(t).get(tt.path).is(200).text("issuer"); got != want[tt.realm] {
				t.Errorf("issuer = %q, want %q", got, want[tt.realm])
			}
		})
	}
	for _, tt := range []struct{ name, path string }{
		{"2/no such realm", "/oauth2/realms/root/realms/charlie/tokeninfo"},
		{"2/the top realm has no environment", "/oauth2/tokeninfo"},
		{"2/two dots", "/oauth2/realms/root/realms/alpha/../bravo/tokeninfo"},
		{"2/escaped dots", "/oauth2/realms/root/realms/%2e%2e/tokeninfo"},
		{"2/an escaped slash", "/oauth2/realms%2froot/realms/alpha/tokeninfo"},
		{"2/an empty segment", "/oauth2/realms/root/realms//alpha/tokeninfo"},
		{"2/two realms in the query", "/oauth2/alpha/tokeninfo?realm=/alpha&realm=/bravo"},
		{"2/a path in the query", "/oauth2/alpha/tokeninfo?realm=/../alpha"},
		{"no endpoint", "/oauth2/alpha/nothing"},
		{"an endpoint in another case", "/oauth2/alpha/TokenInfo"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := k.in(t).get(tt.path).refusedOAuth(http.StatusNotFound, "not_found")
			if strings.Contains(string(a.Body), "code\"") || a.Header.Get("Content-Type") != "application/json;charset=UTF-8" {
				t.Errorf("answer = %s %s, want an error of OAuth", a.Header.Get("Content-Type"), a.Body)
			}
		})
	}
}

// TestOAuthErrors: the body is AM's: its members in its order, without our correlation id.
func TestOAuthErrors(t *testing.T) {
	k := newKit(t)
	for _, tt := range []struct {
		name string
		a    *answer
		want string
	}{
		{"token: client", k.form(below("alpha", "access_token"), url.Values{"grant_type": {"client_credentials"}}, app("nobody")...),
			`{"error_description":"Client authentication failed","error":"invalid_client"}`},
		{"token: grant type", k.form(below("alpha", "access_token"), url.Values{"grant_type": {"magic"}}, app("worker")...),
			`{"error_description":"The grant type is not supported","error":"unsupported_grant_type"}`},
		{"revoke: method", k.get(below("alpha", "token/revoke")),
			`{"error_description":"The request method is not allowed","error":"invalid_request"}`},
		{"userinfo: token", k.get(below("alpha", "userinfo"), bearing("abc")...),
			`{"error_description":"The access token is invalid or expired","error":"invalid_token"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := string(tt.a.Body); got != tt.want {
				t.Errorf("body = %s, want %s", got, tt.want)
			}
		})
	}
}

// TestOAuthMetadata: the document of a realm: AM's names behind the realm's issuer.
func TestOAuthMetadata(t *testing.T) {
	k := newKit(t, options{Declared: func(c *declared.Config) {
		c.Environments[0].Registration = declared.Registration{Mode: "open", Scopes: []string{"openid"}}
	}})
	a := k.get(below("alpha", ".well-known/openid-configuration")).is(200)
	var sorted map[string]any
	if err := json.Unmarshal(a.Body, &sorted); err != nil {
		t.Fatal(err)
	}
	pretty, err := json.MarshalIndent(sorted, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	testkit.Golden(t, "oauth_metadata.json", append(pretty, '\n'))
	if got := a.Header.Get("Cache-Control"); got != "public, max-age=300" {
		t.Errorf("Cache-Control = %q", got)
	}
	if got := a.Header.Get("Access-Control-Allow-Origin"); got != "*" {
		t.Errorf("Access-Control-Allow-Origin = %q, want *", got)
	}
	for name, v := range sorted {
		if u, ok := v.(string); ok && strings.HasPrefix(u, amURL) && name != "issuer" { // every address leads somewhere
			if got := k.do(http.MethodPatch, strings.TrimPrefix(u, amURL), nil); got.Status != http.StatusMethodNotAllowed {
				t.Errorf("%s: PATCH %s = %d, want 405", name, u, got.Status)
			}
		}
	}
	keys := k.get(below("alpha", "connect/jwk_uri")).is(200)
	own := k.home("alpha", http.MethodGet, "/jwks", nil).is(200)
	if string(keys.Body) != string(own.Body) {
		t.Errorf("keys = %s, want those of the environment: %s", keys.Body, own.Body)
	}
}

// authorizeURL is an authorization request of an application of the kit.
func authorizeURL(realm, client, scope string, more ...string) string {
	q := url.Values{
		"response_type": {"code"}, "client_id": {client}, "redirect_uri": {"https://web.example.com/cb"}, "scope": {scope}, "state": {"s1"},
	}
	for i := 0; i+1 < len(more); i += 2 {
		q.Set(more[i], more[i+1])
	}
	return below(realm, "authorize") + "?" + q.Encode()
}

// code is a code that a person who is signed on gets for an application of the realm.
func (c caller) code(realm, client, scope string) string {
	c.k.t.Helper()
	a := c.get(authorizeURL(realm, client, scope)).is(http.StatusFound)
	to, err := url.Parse(a.Header.Get("Location"))
	if err != nil || to.Query().Get("code") == "" {
		c.k.t.Fatalf("Location = %s, want a code", a.Header.Get("Location"))
	}
	return to.Query().Get("code")
}

// redeem exchanges a code.
func (k *kit) redeem(realm, client, code string) *answer {
	k.t.Helper()
	return k.form(below(realm, "access_token"), url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {"https://web.example.com/cb"},
	}, app(client)...).is(200)
}
