package endpoint_test

import (
	"encoding/json"
	"html"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/authorize"
	"github.com/caddy-gatehouse/gatehouse/authserver/clientauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/endpoint"
	"github.com/caddy-gatehouse/gatehouse/authserver/flow/flowtest"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

const (
	authSecret    = "a client secret that is long enough for HS256"
	authChallenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
)

// authRig serves the authorization endpoint and the one that requests are pushed
// to, with a whole sign-on behind them.
type authRig struct {
	*flowtest.Rig
	reader *authorize.Reader
	routes map[string]tokenRoute
	log    *testkit.Buffer
}

func newAuthRig(t testing.TB) *authRig {
	t.Helper()
	g := &authRig{Rig: flowtest.New(t), log: &testkit.Buffer{}}
	g.Directory.EditClient(g.Env.ID, flowtest.Web, func(c *store.Client) {
		c.Grants = map[string][]string{store.ResourceOpenID: {"openid", "profile", "email", "offline_access"}}
		c.Secrets = []store.ClientSecret{{Value: []byte(authSecret)}}
		c.CORS = []string{"https://app.example.com"}
	})
	g.reader = &authorize.Reader{
		Directory: g.Directory, Tickets: g.Store, Scopes: &token.Scopes{Directory: g.Directory}, Keys: g.Engine.Issuer.IDTokens.Keys,
		Clients: &clientauth.KeySources{Now: g.Clock.Now}, NewSecret: secret.New, Now: g.Clock.Now,
	}
	both, post := []string{http.MethodGet, http.MethodPost}, []string{http.MethodPost}
	g.routes = map[string]tokenRoute{
		"/authorize": {
			web.Route{Name: "authorize", Methods: both, Render: web.PingOne},
			(&endpoint.Authorization{Reader: g.reader, Sessions: g.Sessions, Flows: g.Engine, Pages: signOffPages{}}).Serve,
		},
		"/par": {
			web.Route{Name: "par", Methods: post},
			(&endpoint.PushedAuthorizationRequest{
				Clients: &clientauth.Authenticator{Directory: g.Directory, Spent: g.Store, Keys: g.reader.Clients, Now: g.Clock.Now}, Reader: g.reader,
			}).Serve,
		},
	}
	return g
}

// authParams is a good request of the client web with changes, as those of form in
// the tests of authorize: an empty value takes a parameter away.
func authParams(changes ...string) url.Values {
	q := url.Values{
		"client_id": {flowtest.Web}, "response_type": {"code"}, "redirect_uri": {flowtest.Callback}, "scope": {"openid profile"}, "state": {"s-1"}, "nonce": {"n-1"},
	}
	for i := 0; i < len(changes); i += 2 {
		if q.Set(changes[i], changes[i+1]); changes[i+1] == "" {
			q.Del(changes[i])
		}
	}
	return q
}

func (g *authRig) serve(b *flowtest.Browser, r *http.Request) *httptest.ResponseRecorder {
	g.T.Helper()
	host := web.Host{
		Log: slog.New(slog.NewTextHandler(g.log, nil)), NewID: secret.NewID, Served: func(string, string, time.Duration) {}, Now: g.Clock.Now,
	}
	if b != nil {
		b.Dress(r, g.Env)
	}
	w := httptest.NewRecorder()
	rt := g.routes[r.URL.Path]
	web.Handle(&host, &rt.Route, w, r, func(w http.ResponseWriter, r *http.Request) error { return rt.serve(w, r, g.Env) })
	if b != nil {
		b.Keep(g.Env, w.Result())
	}
	return w
}

func (g *authRig) get(b *flowtest.Browser, changes ...string) *httptest.ResponseRecorder {
	g.T.Helper()
	return g.serve(b, httptest.NewRequest(http.MethodGet, "/authorize?"+authParams(changes...).Encode(), nil))
}

func (g *authRig) post(b *flowtest.Browser, path string, form url.Values, dress ...func(*http.Request)) *httptest.ResponseRecorder {
	g.T.Helper()
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for _, f := range dress {
		f(r)
	}
	return g.serve(b, r)
}

func authBasic(r *http.Request) { r.SetBasicAuth(flowtest.Web, url.QueryEscape(authSecret)) }

// signedOn is a browser in which alice is signed on.
func (g *authRig) signedOn() *flowtest.Browser {
	b := g.Browser()
	g.SignOn(b, flowtest.Alice, flowtest.AlicePassword)
	return b
}

// authReply is what came back: where from ("query", "fragment", "form_post", "page",
// "json", "signon") and what.
func authReply(t testing.TB, w *httptest.ResponseRecorder) (from string, got url.Values) {
	t.Helper()
	location := w.Header().Get("Location")
	switch {
	case w.Header().Get("X-Page") == "error":
		return "page", url.Values{"error": {w.Header().Get("X-Error")}}
	case strings.Contains(location, "/signon/?flowId="):
		return "signon", nil
	case location != "":
		u, err := url.Parse(location)
		if err != nil || !strings.HasPrefix(location, flowtest.Callback) {
			t.Fatalf("it goes to %s, %v", location, err)
		}
		from, sent := "query", u.RawQuery
		if u.Fragment != "" {
			if u.RawQuery != "" {
				t.Errorf("%s has both a query and a fragment", location)
			}
			from, sent = "fragment", u.EscapedFragment()
		}
		if got, err = url.ParseQuery(sent); err != nil {
			t.Fatal(err)
		}
		return from, got
	case strings.HasPrefix(w.Header().Get("Content-Type"), "text/html"):
		got = url.Values{}
		for _, in := range regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`).FindAllStringSubmatch(w.Body.String(), -1) {
			got.Add(in[1], html.UnescapeString(in[2]))
		}
		if !strings.Contains(w.Body.String(), `action="`+flowtest.Callback+`"`) {
			t.Errorf("the form goes elsewhere: %s", w.Body)
		}
		return "form_post", got
	}
	var body map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
		t.Fatalf("%d %s: %v", w.Code, w.Body, err)
	}
	code, _ := body["code"].(string)
	return "json", url.Values{"code": {code}}
}

// TestConformanceAuthorization has the rows of the certification plans that an
// authorization request decides, by the names of their modules.
func TestConformanceAuthorization(t *testing.T) {
	g := newAuthRig(t)
	stranger, alice := g.Browser(), g.signedOn()
	object := func(changes map[string]any) string {
		c := map[string]any{"iss": flowtest.Web, "aud": g.Env.Issuer, "client_id": flowtest.Web, "response_type": "code", "redirect_uri": flowtest.Callback, "scope": "openid", "state": "inside"}
		for name, v := range changes {
			c[name] = v
		}
		b, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := jose.SignSecret(jose.HS256, []byte(authSecret), "", b)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	long := strings.Repeat("-._~0123456789AZ", 8)
	const unsigned = "eyJhbGciOiJub25lIn0.eyJzdGF0ZSI6Imluc2lkZSJ9."
	for _, tt := range []struct {
		module  string
		browser *flowtest.Browser
		request []string
		from    string
		want    string // the error; "" for a good answer
	}{
		{"response-type-missing", alice, []string{"response_type", ""}, "query", "invalid_request"},
		{"ensure-request-without-nonce-succeeds-for-code-flow", alice, []string{"nonce", ""}, "query", ""},
		{"alternate-happy-flow", alice, []string{"scope", "profile openid"}, "query", ""},
		{"display-page", alice, []string{"display", "page"}, "query", ""},
		{"display-popup", alice, []string{"display", "popup"}, "query", ""},
		{"prompt-login", alice, []string{"prompt", "login"}, "signon", ""},
		{"prompt-none-not-logged-in", stranger, []string{"prompt", "none", "state", long}, "query", "login_required"},
		{"prompt-none-logged-in", alice, []string{"prompt", "none"}, "query", ""},
		{"max-age-10000", alice, []string{"max_age", "10000"}, "query", ""},
		{"ensure-request-with-unknown-parameter-succeeds", alice, []string{"extra", "foobar"}, "query", ""},
		{"login-hint", alice, []string{"login_hint", "bob@example.com"}, "query", ""},
		{"ui-locales", alice, []string{"ui_locales", "se"}, "query", ""},
		{"claims-locales", alice, []string{"claims_locales", "se"}, "query", ""},
		{"ensure-request-with-acr-values-succeeds", alice, []string{"acr_values", "Single_Factor"}, "query", ""},
		{"ensure-request-with-acr-values-succeeds: unknown ones", alice, []string{"acr_values", "1 2"}, "query", ""},
		{"ensure-registered-redirect-uri", alice, []string{"redirect_uri", flowtest.Callback + "/x"}, "page", "invalid_request"},
		{"request-uri-unsigned-supported-correctly-or-rejected-as-unsupported", alice, []string{"request_uri", "https://app.example.com/r"}, "query", "request_uri_not_supported"},
		{"unsigned-request-object-supported-correctly-or-rejected-as-unsupported", alice, []string{"request", unsigned}, "query", "invalid_request_object"},
		{"claims-essential", alice, []string{"claims", `{"userinfo":{"name":{"essential":true}}}`}, "query", ""},
		{"ensure-request-object-with-redirect-uri", alice, []string{"redirect_uri", "https://evil.example.com/", "request", object(nil), "nonce", ""}, "query", ""},
		{"ensure-request-with-valid-pkce-succeeds", alice, []string{"code_challenge", authChallenge, "code_challenge_method", "S256"}, "query", ""},

		{"hybrid: response-type-missing", alice, []string{"response_type", ""}, "query", "invalid_request"},
		{"implicit: ensure-request-without-nonce-fails", alice, []string{"response_type", "id_token", "nonce", ""}, "fragment", "invalid_request"},
		{"implicit: ensure-request-without-nonce-fails, with token", alice, []string{"response_type", "id_token token", "nonce", ""}, "fragment", "invalid_request"},
		{"hybrid: ensure-request-without-nonce-fails", alice, []string{"response_type", "code id_token", "nonce", ""}, "fragment", "invalid_request"},
		{"hybrid: ensure-request-without-nonce-fails, with token", alice, []string{"response_type", "code id_token token", "nonce", ""}, "fragment", "invalid_request"},
		{"hybrid: ensure-request-without-nonce-succeeds-for-code-token", alice, []string{"response_type", "code token", "nonce", ""}, "fragment", ""},
		{"implicit: prompt-none-not-logged-in", stranger, []string{"response_type", "id_token token", "prompt", "none"}, "fragment", "login_required"},
		{"hybrid: prompt-none-not-logged-in", stranger, []string{"response_type", "code id_token", "prompt", "none"}, "fragment", "login_required"},
		{"implicit: server", alice, []string{"response_type", "id_token token"}, "fragment", ""},
		{"hybrid: server", alice, []string{"response_type", "code id_token token"}, "fragment", ""},
		{"implicit: ensure-registered-redirect-uri", alice, []string{"response_type", "id_token", "redirect_uri", flowtest.Callback + "/x"}, "page", "invalid_request"},

		{"formpost: server", alice, []string{"response_mode", "form_post"}, "form_post", ""},
		{"formpost-implicit: server", alice, []string{"response_mode", "form_post", "response_type", "id_token token"}, "form_post", ""},
		{"formpost-hybrid: server", alice, []string{"response_mode", "form_post", "response_type", "code id_token token"}, "form_post", ""},
		{"formpost: prompt-none-not-logged-in", stranger, []string{"response_mode", "form_post", "prompt", "none"}, "form_post", "login_required"},
		{"formpost-implicit: ensure-request-without-nonce-fails", alice, []string{"response_mode", "form_post", "response_type", "id_token", "nonce", ""}, "form_post", "invalid_request"},
		{"formpost: response-type-missing", alice, []string{"response_mode", "form_post", "response_type", ""}, "form_post", "invalid_request"},
	} {
		for _, method := range []string{"GET", "POST"} { // ensure-post-request-succeeds
			t.Run(tt.module+" by "+method, func(t *testing.T) {
				w := g.get(tt.browser.Copy(), tt.request...)
				if method == "POST" {
					w = g.post(tt.browser.Copy(), "/authorize", authParams(tt.request...))
				}
				from, got := authReply(t, w)
				if from != tt.from || got.Get("error") != tt.want {
					t.Fatalf("got %s %v, want %s %q", from, got, tt.from, tt.want)
				}
				if status := map[string]int{"GET": 302, "POST": 303}[method]; w.Code != status && from != "form_post" && from != "page" {
					t.Errorf("status = %d, want %d", w.Code, status)
				}
				if cache := w.Header().Get("Cache-Control"); !strings.Contains(cache, "no-store") {
					t.Errorf("Cache-Control = %q", cache)
				}
				if from == "page" || from == "signon" {
					return
				}
				state := authParams(tt.request...).Get("state")
				if strings.Contains(tt.module, "request-object-with-redirect") {
					state = "inside"
				}
				if got.Get("state") != state || got.Get("iss") != g.Env.Issuer {
					t.Errorf("got %v, want the state and iss", got)
				}
				known := "code access_token token_type expires_in scope id_token state iss"
				if tt.want != "" {
					known = "error error_description state iss"
				}
				for name, v := range got {
					if !strings.Contains(" "+known+" ", " "+name+" ") || len(v) != 1 {
						t.Errorf("parameter %s = %q, want only %s", name, v, known)
					}
				}
			})
		}
	}
}

// The rows that depend on an earlier sign-on.
func TestConformanceAuthorizationAgain(t *testing.T) {
	g := newAuthRig(t)
	alice := g.signedOn()
	_, first := authReply(t, g.get(alice, "response_type", "id_token"))
	hint := first.Get("id_token")
	if hint == "" {
		t.Fatalf("got %v, want an ID token", first)
	}
	t.Run("id-token-hint", func(t *testing.T) {
		g.Clock.Advance(2 * time.Hour) // it has expired
		if from, got := authReply(t, g.get(alice, "prompt", "none", "id_token_hint", hint)); from != "query" || got.Get("code") == "" {
			t.Errorf("got %s %v, want a code", from, got)
		}
	})
	t.Run("id-token-hint of another person", func(t *testing.T) {
		bob := g.Browser()
		g.SignOn(bob, flowtest.Bob, flowtest.BobPassword)
		if from, got := authReply(t, g.get(bob, "prompt", "none", "id_token_hint", hint)); from != "query" || got.Get("error") != "login_required" {
			t.Errorf("got %s %v, want login_required", from, got)
		}
	})
	t.Run("id-token-hint that is damaged", func(t *testing.T) {
		if from, got := authReply(t, g.get(alice, "prompt", "none", "id_token_hint", hint[:len(hint)-4]+"AAAA")); from != "query" || got.Get("error") != "invalid_request" {
			t.Errorf("got %s %v, want invalid_request", from, got)
		}
	})
	t.Run("max-age-1", func(t *testing.T) {
		if from, _ := authReply(t, g.get(alice, "max_age", "1")); from != "signon" {
			t.Errorf("got %s, want the sign-on page", from)
		}
		if from, got := authReply(t, g.get(alice, "max_age", "1", "prompt", "none")); from != "query" || got.Get("error") != "login_required" {
			t.Errorf("silently: got %s %v, want login_required", from, got)
		}
		if from, got := authReply(t, g.get(alice, "max_age", "10000")); from != "query" || got.Get("code") == "" {
			t.Errorf("with a greater one: got %s %v, want a code", from, got)
		}
	})
	t.Run("default_max_age", func(t *testing.T) {
		g.Directory.EditClient(g.Env.ID, flowtest.Web, func(c *store.Client) { c.DefaultMaxAge = time.Second })
		defer g.Directory.EditClient(g.Env.ID, flowtest.Web, func(c *store.Client) { c.DefaultMaxAge = 0 })
		if from, _ := authReply(t, g.get(alice)); from != "signon" {
			t.Errorf("got %s, want the sign-on page", from)
		}
	})
	t.Run("a session that has ended", func(t *testing.T) {
		if _, err := g.Sessions.End(t.Context(), g.Env, alice.Session().ID, nil); err != nil {
			t.Fatal(err)
		}
		if from, got := authReply(t, g.get(alice, "prompt", "none")); from != "query" || got.Get("error") != "login_required" {
			t.Errorf("got %s %v, want login_required", from, got)
		}
	})
}

// A request that cannot be answered yet leads to the page where it can.
func TestAuthorizationStartsFlow(t *testing.T) {
	g := newAuthRig(t)
	b := g.Browser()
	w := g.get(b)
	location := w.Header().Get("Location")
	base := strings.TrimSuffix(g.Env.Issuer, "/as")
	if w.Code != http.StatusFound || !strings.HasPrefix(location, base+"/signon/?flowId=") || len(w.Result().Cookies()) == 0 || w.Header().Get("Referrer-Policy") != "no-referrer" {
		t.Fatalf("got %d %v", w.Code, w.Header())
	}
	u, err := url.Parse(location)
	if err != nil {
		t.Fatal(err)
	}
	if f, err := g.Read(b, u.Query().Get("flowId")); err != nil || f.Request.ReplyTo.State != "s-1" {
		t.Errorf("flow = %+v, %v", f, err)
	}

	t.Run("on the client's own page", func(t *testing.T) {
		g.Directory.EditClient(g.Env.ID, flowtest.Web, func(c *store.Client) { c.LoginPageURL = "https://login.example.com/x?a=1" })
		defer g.Directory.EditClient(g.Env.ID, flowtest.Web, func(c *store.Client) { c.LoginPageURL = "" })
		u, err := url.Parse(g.get(g.Browser()).Header().Get("Location"))
		if err != nil || u.Host != "login.example.com" || u.Query().Get("environmentId") != g.Env.ID || u.Query().Get("flowId") == "" || u.Query().Get("a") != "1" {
			t.Errorf("location = %v, %v", u, err)
		}
	})
	t.Run("not for HEAD", func(t *testing.T) {
		w := g.serve(g.signedOn(), httptest.NewRequest(http.MethodHead, "/authorize?"+authParams().Encode(), nil))
		if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Location") != "" {
			t.Errorf("got %d %s", w.Code, w.Header().Get("Location"))
		}
	})
}

// TestPingFlow: response_mode=pi.flow answers the caller, in JSON, good or bad.
func TestPingFlow(t *testing.T) {
	g := newAuthRig(t)
	flows := []string{"response_mode", "pi.flow", "redirect_uri", ""}
	read := func(t *testing.T, w *httptest.ResponseRecorder, status int) map[string]any {
		t.Helper()
		var body map[string]any
		if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || w.Code != status || w.Header().Get("Location") != "" {
			t.Fatalf("got %d %s, %v, want %d in JSON", w.Code, w.Body, err, status)
		}
		return body
	}
	t.Run("a flow", func(t *testing.T) {
		body := read(t, g.get(g.Browser(), flows...), 200)
		if body["status"] != "USERNAME_PASSWORD_REQUIRED" || body["id"] == nil || body["authorizeResponse"] != nil {
			t.Errorf("body = %v", body)
		}
	})
	t.Run("a session", func(t *testing.T) {
		body := read(t, g.get(g.signedOn(), append(flows, "response_type", "code token")...), 200)
		r, _ := body["authorizeResponse"].(map[string]any)
		if body["status"] != "COMPLETED" || r["code"] == nil || r["access_token"] == nil || r["state"] != "s-1" || r["expires_in"] != 3600.0 {
			t.Errorf("body = %v", body)
		}
	})
	t.Run("prompt=none and no session", func(t *testing.T) {
		body := read(t, g.get(g.Browser(), append(flows, "prompt", "none")...), 400)
		details, _ := body["details"].([]any)
		if body["code"] != "REQUEST_FAILED" || len(details) != 1 || details[0].(map[string]any)["code"] != "LOGIN_REQUIRED" {
			t.Errorf("body = %v", body)
		}
	})
	t.Run("a bad scope", func(t *testing.T) {
		body := read(t, g.get(g.Browser(), append(flows, "scope", "admin")...), 400)
		details, _ := body["details"].([]any)
		if body["code"] != "INVALID_REQUEST" || len(details) != 1 || details[0].(map[string]any)["code"] != "INVALID_SCOPE" {
			t.Errorf("body = %v", body)
		}
	})
	t.Run("an unknown client", func(t *testing.T) {
		if body := read(t, g.get(g.Browser(), append(flows, "client_id", "nobody")...), 400); body["code"] != "INVALID_REQUEST" {
			t.Errorf("body = %v", body)
		}
	})
	for _, tt := range []struct {
		name, origin string
		request      []string
		want         string
	}{
		{"an origin of the client", "https://app.example.com", flows, "https://app.example.com"},
		{"an origin of the client, and an error", "https://app.example.com", append(flows, "scope", "admin"), "https://app.example.com"},
		{"an origin of the client that redirects", "https://app.example.com", nil, ""},
		{"another origin", "https://evil.example.com", flows, ""},
		{"another origin, and an error", "https://evil.example.com", append(flows, "prompt", "none"), ""},
		{"null", "null", flows, ""},
		{"a look-alike", "https://app.example.com.evil", flows, ""},
		{"an unknown client", "https://app.example.com", append(flows, "client_id", "nobody"), ""},
	} {
		t.Run("for scripts of "+tt.name, func(t *testing.T) { // attack case 134
			r := httptest.NewRequest(http.MethodGet, "/authorize?"+authParams(tt.request...).Encode(), nil)
			r.Header.Set("Origin", tt.origin)
			w := g.serve(g.Browser(), r)
			credentials := map[bool]string{true: "true"}[tt.want != ""]
			if got := w.Header().Get("Access-Control-Allow-Origin"); got != tt.want || w.Header().Get("Access-Control-Allow-Credentials") != credentials {
				t.Errorf("allowed origin = %q, credentials %q, want %q", got, w.Header().Get("Access-Control-Allow-Credentials"), tt.want)
			}
		})
	}
}

// What must not travel is a page, or PingOne's JSON for who asks for that.
func TestAuthorizationPage(t *testing.T) {
	g := newAuthRig(t)
	w := g.get(g.Browser(), "client_id", "nobody")
	if from, got := authReply(t, w); from != "page" || got.Get("error") != "invalid_request" || w.Code != 400 {
		t.Errorf("got %d %s %v", w.Code, from, got)
	}
	if lines := strings.Count(g.log.String(), "\n"); lines != 1 || !strings.Contains(g.log.String(), "endpoint=authorize") {
		t.Errorf("log = %s, want one line", g.log.String())
	}
	r := httptest.NewRequest(http.MethodGet, "/authorize?"+authParams("client_id", "nobody").Encode(), nil)
	r.Header.Set("Accept", "application/json")
	w = g.serve(g.Browser(), r)
	var body map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || w.Code != 400 || body["code"] != "INVALID_REQUEST" || body["id"] == nil {
		t.Errorf("got %d %s, %v", w.Code, w.Body, err)
	}
	for name, w := range map[string]*httptest.ResponseRecorder{
		"a parameter twice": g.serve(nil, httptest.NewRequest("GET", "/authorize?"+authParams().Encode()+"&client_id=web", nil)),
		"bad escapes":       g.serve(nil, httptest.NewRequest("GET", "/authorize?client_id=%25zz&x=%"+"zz", nil)),
		"a body of JSON": g.post(nil, "/authorize", authParams(), func(r *http.Request) {
			r.Header.Set("Content-Type", "application/json")
		}),
	} {
		if from, _ := authReply(t, w); from != "page" {
			t.Errorf("%s: got %s, want a page", name, from)
		}
	}
	t.Run("an error that travels is logged once, without what was sent", func(t *testing.T) {
		before := len(g.log.String())
		g.get(g.Browser(), "prompt", "none", "state", "the-state-is-nobodys-business", "login_hint", "alice@example.com")
		line := g.log.String()[before:]
		if strings.Count(line, "\n") != 1 || !strings.Contains(line, "error=login_required") || strings.Contains(line, "business") || strings.Contains(line, "alice") {
			t.Errorf("log = %s", line)
		}
	})
}

func TestPushedAuthorizationRequest(t *testing.T) {
	g := newAuthRig(t)
	alice := g.signedOn()
	push := func(t *testing.T, changes ...string) string {
		t.Helper()
		w := g.post(nil, "/par", authParams(changes...), authBasic)
		var body struct {
			URI     string `json:"request_uri"`
			Expires int    `json:"expires_in"`
		}
		if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || w.Code != http.StatusCreated || body.Expires != 60 ||
			!strings.HasPrefix(body.URI, "urn:ietf:params:oauth:request_uri:") || !strings.Contains(w.Header().Get("Cache-Control"), "no-store") {
			t.Fatalf("got %d %s, %v", w.Code, w.Body, err)
		}
		return body.URI
	}
	use := func(t *testing.T, uri string) (string, url.Values) {
		t.Helper()
		q := url.Values{"client_id": {flowtest.Web}, "request_uri": {uri}}
		return authReply(t, g.serve(alice.Copy(), httptest.NewRequest(http.MethodGet, "/authorize?"+q.Encode(), nil)))
	}
	uri := push(t, "response_mode", "form_post")
	if from, got := use(t, uri); from != "form_post" || got.Get("code") == "" || got.Get("state") != "s-1" {
		t.Errorf("first use: %s %v", from, got)
	}
	if from, got := use(t, uri); from != "page" || got.Get("error") != "invalid_request_uri" {
		t.Errorf("second use: %s %v, want a page", from, got)
	}
	if from, got := use(t, push(t, "client_id", "")); from != "query" || got.Get("code") == "" {
		t.Errorf("the client named by its authentication alone: %s %v", from, got)
	}

	for name, tt := range map[string]struct {
		w      *httptest.ResponseRecorder
		status int
		code   string
	}{
		"no authentication":                     {g.post(nil, "/par", authParams()), 401, "invalid_client"},
		"a wrong secret":                        {g.post(nil, "/par", authParams(), func(r *http.Request) { r.SetBasicAuth(flowtest.Web, "wrong") }), 401, "invalid_client"},
		"another client":                        {g.post(nil, "/par", authParams("client_id", flowtest.Once), authBasic), 401, "invalid_client"},
		"a redirect_uri that is not registered": {g.post(nil, "/par", authParams("redirect_uri", "https://evil.example.com/"), authBasic), 400, "invalid_request"},
		"a request_uri":                         {g.post(nil, "/par", authParams("request_uri", uri), authBasic), 400, "invalid_request"},
		"a scope that is not granted":           {g.post(nil, "/par", authParams("scope", "admin"), authBasic), 400, "invalid_scope"},
		"too much":                              {g.post(nil, "/par", authParams("x", strings.Repeat("x", web.MaxForm)), authBasic), 413, "invalid_request"},
		"as JSON": {g.post(nil, "/par", authParams(), authBasic, func(r *http.Request) {
			r.Header.Set("Content-Type", "application/json")
		}), 415, "invalid_request"},
	} {
		var body map[string]string
		if err := json.Unmarshal(tt.w.Body.Bytes(), &body); err != nil || tt.w.Code != tt.status || body["error"] != tt.code {
			t.Errorf("%s: got %d %s, %v, want %d %s", name, tt.w.Code, tt.w.Body, err, tt.status, tt.code)
		}
	}
	t.Run("a flood of a public client (attack case 124)", func(t *testing.T) {
		g.Directory.EditClient(g.Env.ID, flowtest.Native, func(c *store.Client) {
			c.Grants = map[string][]string{store.ResourceOpenID: {"openid"}}
		})
		flood := func(address string) *httptest.ResponseRecorder {
			form := authParams("client_id", flowtest.Native, "code_challenge", authChallenge, "code_challenge_method", "S256")
			return g.post(nil, "/par", form, func(r *http.Request) { r.RemoteAddr = address + ":50000" })
		}
		n := 0
		for n < 300 && flood("192.0.2.7").Code == http.StatusCreated {
			n++
		}
		w := flood("192.0.2.7")
		if n != 200 || w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") == "" {
			t.Errorf("after %d: %d %s, want 429 after 200", n, w.Code, w.Body)
		}
		if w := flood("192.0.2.8"); w.Code != http.StatusCreated {
			t.Errorf("another address: %d, want it unaffected", w.Code)
		}
		push(t) // a client that proves who it is
		g.Clock.Advance(time.Second)
		if w := flood("192.0.2.7"); w.Code != http.StatusCreated {
			t.Errorf("a second later: %d, want it good", w.Code)
		}
	})
	if w := g.serve(nil, httptest.NewRequest(http.MethodGet, "/par?"+authParams().Encode(), nil)); w.Code != http.StatusMethodNotAllowed {
		t.Errorf("by GET: %d, want 405", w.Code)
	}
}
