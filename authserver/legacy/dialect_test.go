package legacy_test

import (
	"context"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// dialect ends the test unless the answer is an error in the one of its tree and in no other.
func (a *answer) dialect(tree string, status int) {
	a.t.Helper()
	a.is(status)
	if got := a.Header.Get("Content-Type"); got != "application/json;charset=UTF-8" {
		a.t.Errorf("%s: Content-Type = %q", a.what, got)
	}
	want := []string{"code", "message", "reason"}
	if tree == "oauth2" {
		want = []string{"error", "error_description"}
	}
	names := []string{}
	for name := range a.object() {
		if name != "failureUrl" && name != "detail" { // authenticate has more
			names = append(names, name)
		}
	}
	if got := a.Header.Get("WWW-Authenticate") != ""; got != (tree == "oauth2" && status == http.StatusUnauthorized) {
		a.t.Errorf("%s: %d: WWW-Authenticate = %q", a.what, status, a.Header.Get("WWW-Authenticate"))
	}
	if slices.Sort(names); !slices.Equal(names, want) {
		a.t.Errorf("%s: %d: members = %v, want %v", a.what, status, names, want)
	}
}

// TestDialects: whatever is wrong, below /json and /frrest it is said in CREST, below /oauth2 in OAuth (sections 10, 11).
func TestDialects(t *testing.T) {
	failing := &failing{}
	k := newKit(t, options{Store: failing.around(testkit.Store(t))})
	g := k.personal("alpha", "alice", "web", everyScope)
	alice := k.as("alpha", "alice")
	large := strings.Repeat("x", 70_000)
	tests := []struct {
		name, tree, method, path string
		body                     any
		header                   []string
		status                   int
	}{
		{"404/no tree", "json", "GET", "/nothing", nil, nil, 404},
		{"404/the root", "json", "GET", "/", nil, nil, 404},
		{"404/json", "json", "GET", "/json/realms/root/realms/alpha/nothing", nil, nil, 404},
		{"404/json, any method", "json", "DELETE", "/json/realms/root/realms/alpha/nothing", nil, nil, 404},
		{"404/frrest", "frrest", "GET", "/frrest/oauth2/nothing", nil, nil, 404},
		{"404/frrest has no realms in the path", "frrest", "GET", "/frrest/realms/root/realms/alpha/oauth2/token", nil, nil, 404},
		{"404/oauth2", "oauth2", "GET", below("alpha", "nothing"), nil, nil, 404},
		{"404/oauth2, device flow", "oauth2", "POST", below("alpha", "device/code"), url.Values{}, nil, 404},
		{"404/oauth2 alone", "oauth2", "GET", "/oauth2", nil, nil, 404},
		{"a realm that there is not/json", "json", "POST", "/json/realms/root/realms/charlie/authenticate", nil, nil, 400},
		{"a realm that there is not/frrest", "frrest", "GET", "/frrest/oauth2/token?_queryId=access_token&realm=/charlie", nil, nil, 400},
		{"a realm that there is not/oauth2", "oauth2", "GET", below("charlie", "tokeninfo"), nil, nil, 404},
		{"a malformed query/json", "json", "GET", "/json/serverinfo/*?a=%zz", nil, nil, 400},
		{"a malformed query/frrest", "frrest", "GET", "/frrest/oauth2/token?a=%zz", nil, nil, 400},
		{"a malformed query/oauth2", "oauth2", "GET", below("alpha", "tokeninfo") + "?a=%zz", nil, nil, 400},
		{"a query that is too long/json", "json", "GET", "/json/serverinfo/*?x=" + large, nil, nil, 400},
		{"a query that is too long/oauth2", "oauth2", "GET", below("alpha", "tokeninfo") + "?x=" + large, nil, nil, 400},
		{"405/json", "json", "GET", authenticate, nil, nil, 405},
		{"405/json, TRACE", "json", "TRACE", sessions, nil, nil, 405},
		{"405/frrest", "frrest", "TRACE", "/frrest/oauth2/token", nil, nil, 405},
		{"501/frrest", "frrest", "PATCH", "/frrest/oauth2/token", nil, nil, 501},
		{"405/oauth2", "oauth2", "GET", below("alpha", "introspect"), nil, nil, 405},
		{"405/oauth2, the token endpoint", "oauth2", "GET", below("alpha", "access_token"), nil, nil, 405},
		{"405/oauth2, jwk_uri", "oauth2", "POST", below("alpha", "connect/jwk_uri"), nil, nil, 405},
		{"413/json", "json", "POST", authenticate, `{"a":"` + large + `"}`, nil, 413},
		{"413/oauth2, ours", "oauth2", "POST", below("alpha", "introspect"), url.Values{"token": {large}}, nil, 413},
		{"413/oauth2, the token endpoint", "oauth2", "POST", below("alpha", "access_token"), url.Values{"code": {large}}, nil, 413},
		{"415/json", "json", "POST", authenticate, "x", []string{"Content-Type", "text/plain"}, 415},
		{"415/oauth2, ours", "oauth2", "POST", below("alpha", "token/revoke"), "{}", nil, 415},
		{"415/oauth2, the token endpoint", "oauth2", "POST", below("alpha", "access_token"), "{}", nil, 415},
		{"415/oauth2, pushed requests", "oauth2", "POST", below("alpha", "par"), "{}", nil, 415},
		{"401/json", "json", "POST", action("getSessionInfo"), nil, nil, 401},
		{"401/frrest", "frrest", "GET", one(g.Access), nil, nil, 401},
		{"401/oauth2, tokeninfo", "oauth2", "GET", below("alpha", "tokeninfo"), nil, nil, 401},
		{"401/oauth2, userinfo", "oauth2", "GET", below("alpha", "userinfo"), nil, nil, 401},
		{"401/oauth2, a client", "oauth2", "POST", below("alpha", "access_token"), url.Values{"grant_type": {"client_credentials"}}, app("nobody"), 401},
		{"400/oauth2, pushed requests", "oauth2", "POST", below("alpha", "par"), url.Values{}, app("web"), 400},
		{"404/oauth2, registration that is off", "oauth2", "POST", below("alpha", "register"), "{}", nil, 404},
	}
	for _, tt := range tests {
		t.Run("11/"+tt.name, func(t *testing.T) {
			k.in(t).do(tt.method, tt.path, tt.body, tt.header...).dialect(tt.tree, tt.status)
		})
	}
	k.form(below("alpha", "register"), nil).refusedOAuth(404, "not_found") // as where there is nothing
	failing.tokens.Store(true)
	alice.get(one(g.Access)).dialect("frrest", 503)
	alice.get(applications("alpha", k.id("alpha", "alice"))+"?_queryFilter=true").dialect("json", 503)
	k.get(below("alpha", "tokeninfo"), bearing(g.Access)...).dialect("oauth2", 503)
	k.ask("alpha", "web", g.Refresh).dialect("oauth2", 503)
}

// TestMethods: HEAD is what GET is, and OPTIONS says what there is, to anybody and without a look at what was sent.
func TestMethods(t *testing.T) {
	k := newKit(t)
	g := k.personal("alpha", "alice", "web", everyScope)
	for _, tt := range []struct {
		path   string
		header []string
		status int // of GET and HEAD; 0 is neither
		allow  string
	}{
		{"/json/serverinfo/*", nil, 200, "GET, HEAD, OPTIONS"},
		{authenticate, nil, 0, "POST, OPTIONS"},
		{sessions, nil, 401, "GET, POST, HEAD, OPTIONS"},
		{sessions + "/x", nil, 0, "POST, OPTIONS"},
		{one(g.Access), k.as("alpha", "alice").header, 200, "GET, POST, PUT, PATCH, DELETE, HEAD, OPTIONS"},
		{list("access_token"), k.as("alpha", "alice").header, 200, "GET, POST, PUT, PATCH, DELETE, HEAD, OPTIONS"},
		{applications("alpha", k.id("alpha", "alice")) + "?_queryFilter=true", k.as("alpha", "alice").header, 200, "GET, POST, PUT, PATCH, DELETE, HEAD, OPTIONS"},
		{below("alpha", "tokeninfo"), bearing(g.Access), 200, "GET, HEAD, OPTIONS"},
		{below("alpha", "userinfo"), bearing(g.Access), 200, "GET, POST, HEAD, OPTIONS"},
		{below("alpha", "connect/jwk_uri"), nil, 200, "GET, HEAD, OPTIONS"},
		{below("alpha", ".well-known/openid-configuration"), nil, 200, "GET, HEAD, OPTIONS"},
		{below("alpha", "introspect"), app("web"), 0, "POST, OPTIONS"},
		{below("alpha", "token/revoke"), app("web"), 0, "POST, OPTIONS"},
		{below("alpha", "access_token"), app("web"), 0, "POST, OPTIONS"},
	} {
		t.Run(strings.ReplaceAll(tt.path, g.Access, "{token}"), func(t *testing.T) {
			k := k.in(t)
			for _, method := range []string{http.MethodGet, http.MethodHead} {
				a := k.do(method, tt.path, nil, tt.header...)
				if want := tt.status; want != 0 && a.Status != want || want == 0 && (a.Status != 405 || a.Header.Get("Allow") != tt.allow) {
					t.Errorf("%s: status = %d, Allow = %q, want %d: %s", method, a.Status, a.Header.Get("Allow"), want, a.Body)
				}
			}
			if a := k.do(http.MethodOptions, tt.path, nil).is(204); a.Header.Get("Allow") != tt.allow || len(a.Body) > 0 {
				t.Errorf("OPTIONS: Allow = %q, want %q; body = %q", a.Header.Get("Allow"), tt.allow, a.Body)
			}
		})
	}
}

// TestMediaTypes: a type may come with a character set, or, where nothing is sent, not at all.
func TestMediaTypes(t *testing.T) {
	k := newKit(t)
	token := url.Values{"token": {k.personal("alpha", "alice", "web", everyScope).Access}}.Encode()
	for _, tt := range []struct {
		name, path, body, kind string
		status                 int
	}{
		{"3.3/JSON", authenticate, "{}", "application/json", 200},
		{"3.3/JSON with a character set", authenticate, "{}", "application/json;charset=UTF-8", 200},
		{"3.3/JSON in another case", authenticate, "{}", "Application/JSON; Charset=utf-8", 200},
		{"3.3/a form", authenticate, "a=b", "application/x-www-form-urlencoded", 415},
		{"3.4/JSON with a character set", action("validate"), `{"tokenId":"x"}`, "application/json;charset=UTF-8", 200},
		{"7/a form", below("alpha", "introspect"), token, "application/x-www-form-urlencoded", 200},
		{"7/a form with a character set", below("alpha", "introspect"), token, "application/x-www-form-urlencoded;charset=UTF-8", 200},
		{"7/nothing said", below("alpha", "introspect"), token, "", 415},
		{"8/a form with a character set", below("alpha", "token/revoke"), token, "application/x-www-form-urlencoded; charset=UTF-8", 200},
		{"8/JSON", below("alpha", "token/revoke"), "{}", "application/json", 415},
	} {
		t.Run(tt.name, func(t *testing.T) {
			header := app("web")
			if strings.HasPrefix(tt.path, "/json") {
				header = nil
			}
			k.in(t).do(http.MethodPost, tt.path, tt.body, append(header, "Content-Type", tt.kind)...).is(tt.status)
		})
	}
}

// broken is a store that has a fault of its own: it panics where tokens are looked for.
type broken struct{ store.Store }

func (broken) AccessTokenByID(context.Context, string, string, time.Time, time.Time) (store.AccessToken, error) {
	panic("the store is broken")
}

// TestPanic: what nobody has thought of ends the connection, and what the host logs of it has no token (126).
func TestPanic(t *testing.T) {
	k := newKit(t, options{Store: broken{testkit.Store(t)}})
	g, alice := k.personal("alpha", "alice", "web", everyScope), k.as("alpha", "alice")
	var logged testkit.Buffer
	server := httptest.NewUnstartedServer(k.Server)
	server.Config.ErrorLog = log.New(&logged, "", 0)
	server.Start()
	defer server.Close()
	for _, path := range []string{one(g.Access), below("alpha", "tokeninfo")} {
		r := k.request(http.MethodGet, path, nil, append(alice.header, bearing(g.Access)...)...)
		r.URL.Scheme, r.URL.Host, r.RequestURI = "http", strings.TrimPrefix(server.URL, "http://"), ""
		if res, err := server.Client().Do(r); err == nil {
			res.Body.Close()
			t.Errorf("%s: status = %d, want no answer", path, res.StatusCode)
		}
	}
	server.Close()
	text := logged.String() + k.Log.String()
	if !strings.Contains(text, "the store is broken") {
		t.Fatalf("log = %s, want the panic", text)
	}
	for what, secret := range map[string]string{"access token": g.Access[len(g.Access)-40:], "SSO token": alice.Token[:40]} {
		if strings.Contains(text, secret) {
			t.Errorf("the log has the %s", what)
		}
	}
}
