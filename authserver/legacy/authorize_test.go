package legacy_test

import (
	"encoding/json"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/declared"
)

// location is where an answer sends a browser.
func (a *answer) location() *url.URL {
	a.t.Helper()
	u, err := url.Parse(a.Header.Get("Location"))
	if err != nil {
		a.t.Fatalf("%s: Location = %q", a.what, a.Header.Get("Location"))
	}
	return u
}

// claimsOf are those of a JWT, unverified.
func claimsOf(t testing.TB, raw string) *jose.Claims {
	t.Helper()
	jws, err := jose.Parse(raw, jose.Limits{})
	if err != nil {
		t.Fatalf("JWT %q: %v", raw, err)
	}
	c, err := jws.Claims()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestAuthorizeBySSOToken: who is signed on by /json/authenticate gets a code, and tokens of the realm's issuer, without
// another sign-on.
func TestAuthorizeBySSOToken(t *testing.T) {
	k := newKit(t)
	header := k.as("alpha", "alice")
	for name, alice := range map[string]caller{"header": header, "cookie": header.inCookie()} {
		t.Run(name, func(t *testing.T) {
			k := k.in(t)
			alice.k = k
			a := alice.get(authorizeURL("alpha", "web", "openid email offline_access", "nonce", "n1")).is(http.StatusFound)
			to := a.location()
			if to.Host != "web.example.com" || to.Query().Get("state") != "s1" || to.Query().Get("iss") != issuer("alpha") {
				t.Fatalf("Location = %s, want the client's, with state and the realm's iss", to)
			}
			if set := a.Header.Values("Set-Cookie"); slices.ContainsFunc(set, func(c string) bool {
				return strings.HasPrefix(c, "ST=") || strings.HasPrefix(c, cookie)
			}) {
				t.Errorf("Set-Cookie = %q, want neither cookie of the session", set)
			}
			tokens := k.redeem("alpha", "web", to.Query().Get("code"))
			access, id := claimsOf(t, tokens.text("access_token")), claimsOf(t, tokens.text("id_token"))
			if access.Issuer != issuer("alpha") || id.Issuer != issuer("alpha") || id.Subject != people[alphaID]["alice"] {
				t.Errorf("iss = %q and %q, sub = %q, want the realm's, and alice", access.Issuer, id.Issuer, id.Subject)
			}
			if !k.active("alpha", "web", tokens.text("access_token")) {
				t.Error("not active at the environment's own endpoint")
			}
			info := k.get(below("alpha", "userinfo"), bearing(tokens.text("access_token"))...).is(200)
			own := k.home("alpha", "GET", "/userinfo", nil, bearing(tokens.text("access_token"))...).is(200)
			if string(info.Body) != string(own.Body) || info.text("email") != "alice@example.com" {
				t.Errorf("UserInfo = %s and %s", info.Body, own.Body)
			}
			again := k.form(below("alpha", "access_token"), url.Values{
				"grant_type": {"refresh_token"}, "refresh_token": {tokens.text("refresh_token")},
			}, app("web")...).is(200)
			if got := claimsOf(t, again.text("access_token")).Issuer; got != issuer("alpha") {
				t.Errorf("iss after a refresh = %q", got)
			}
			home := k.home("alpha", "POST", "/token", url.Values{
				"grant_type": {"refresh_token"}, "refresh_token": {again.text("refresh_token")},
			}, app("web")...).is(200)
			if got := claimsOf(t, home.text("access_token")).Issuer; got != issuer("alpha") {
				t.Errorf("iss after a refresh at the environment's own endpoint = %q (OIDC Core §12.2)", got)
			}
		})
	}
	t.Run("POST", func(t *testing.T) { // as headless clients of AM do
		alice := k.in(t).as("alpha", "alice")
		q := alice.k.request("GET", authorizeURL("alpha", "web", "openid"), nil).URL.Query()
		q.Set("decision", "allow")
		q.Set("csrf", alice.Token)
		to := alice.do("POST", below("alpha", "authorize"), q).is(http.StatusSeeOther).location()
		if to.Host != "web.example.com" || to.Query().Get("code") == "" {
			t.Errorf("Location = %s, want a code", to)
		}
	})
	t.Run("who called", func(t *testing.T) {
		called := k.Seen.Called()
		for _, want := range [][2]string{{"am_authorize", "web"}, {"am_token", "web"}, {"am_userinfo", "web"}} {
			if !slices.Contains(called, want) {
				t.Errorf("called = %v, want %v", called, want)
			}
		}
	})
}

// TestAuthorizeGoesHome: whoever is not signed on here, and whatever needs a page, goes on at the environment's own endpoint
// with everything that was sent.
func TestAuthorizeGoesHome(t *testing.T) {
	k := newKit(t)
	alice := k.as("alpha", "alice")
	over := k.as("alpha", "bob")
	over.k = k
	over.post("/json/realms/root/realms/alpha/sessions?_action=logout", nil, "Accept-API-Version", "resource=4.0").is(200)
	for _, tt := range []struct {
		name string
		from func(k *kit, path string) *answer
	}{
		{"no SSO token", func(k *kit, path string) *answer { return k.get(path) }},
		{"a bad one", func(k *kit, path string) *answer { return k.with("abc").get(path) }},
		{"one that has ended", func(k *kit, path string) *answer { return over.get(path) }},
		{"one of another realm", func(k *kit, path string) *answer { return k.as("bravo", "alice").get(path) }},
		{"an administrator's", func(k *kit, path string) *answer { return k.admin().get(path) }},
		{"the cookie of the hosted pages, planted", func(k *kit, path string) *answer {
			secret, _, _ := strings.Cut(alice.Token, "*")
			return k.get(path, "Cookie", "ST="+secret)
		}},
		{"a bearer token in the cookie", func(k *kit, path string) *answer {
			return k.get(path, "Cookie", cookie+"="+k.personal("alpha", "alice", "web", everyScope).Access)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := k.in(t)
			a := tt.from(k, authorizeURL("alpha", "web", "openid", "nonce", "n1", "iss", "https://evil.example.com", "realm", "/alpha")).is(http.StatusFound)
			to := a.location()
			if got := to.Scheme + "://" + to.Host + to.Path; got != k.Alpha.Issuer+"/authorize" {
				t.Fatalf("Location = %s, want the environment's own endpoint", to)
			}
			want := url.Values{
				"response_type": {"code"}, "client_id": {"web"}, "redirect_uri": {"https://web.example.com/cb"}, "scope": {"openid"},
				"state": {"s1"}, "nonce": {"n1"}, "iss": {issuer("alpha")},
			}
			if got := to.Query(); got.Encode() != want.Encode() {
				t.Errorf("query = %v, want %v", got, want)
			}
			if set := a.Header.Values("Set-Cookie"); len(set) > 0 {
				t.Errorf("Set-Cookie = %q, want none", set)
			}
		})
	}
	t.Run("a form is posted once more", func(t *testing.T) {
		q := k.request("GET", authorizeURL("alpha", "web", "openid"), nil).URL.Query()
		a := k.in(t).form(below("alpha", "authorize"), q).is(http.StatusTemporaryRedirect)
		if got, want := a.Header.Get("Location"), k.Alpha.Issuer+"/authorize?iss="+url.QueryEscape(issuer("alpha")); got != want {
			t.Errorf("Location = %s, want %s", got, want)
		}
	})
	t.Run("nobody is counted", func(t *testing.T) {
		for _, call := range k.Seen.Called() {
			if call[0] == "am_authorize" && call[1] != "" {
				t.Errorf("called = %v: nothing was judged yet", call)
			}
		}
	})
}

// TestAuthorizeNeedsAPage: a person who is signed on and has to be asked goes on at the hosted pages: for a consent as who they
// are, for a sign-on without touching the session that the SSO token stands for.
func TestAuthorizeNeedsAPage(t *testing.T) {
	k := newKit(t, options{Declared: func(c *declared.Config) {
		for i := range c.Environments[0].Applications {
			if a := &c.Environments[0].Applications[i]; a.ClientID == "web" {
				a.SignIn.Consent = "once"
			}
		}
	}})
	alice := k.as("alpha", "alice")
	for _, tt := range []struct {
		name, prompt string
		handedOver   bool
	}{
		{"consent", "consent", true},
		{"select_account", "select_account", true},
		{"login", "login", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := k.in(t)
			alice := caller{k, alice.Token, alice.header}
			a := alice.get(authorizeURL("alpha", "web", "openid", "prompt", tt.prompt)).is(http.StatusFound)
			to := a.location()
			if got := to.Scheme + "://" + to.Host + to.Path; got != k.Alpha.Issuer+"/authorize" || to.Query().Get("iss") != issuer("alpha") {
				t.Fatalf("Location = %s, want the environment's own endpoint in the name of the realm's issuer", to)
			}
			if got := to.Query().Get("request_uri"); !strings.HasPrefix(got, "urn:ietf:params:oauth:request_uri:") || len(to.Query()) != 3 {
				t.Errorf("query = %v, want client_id, request_uri and iss", to.Query())
			}
			st := a.cookie("ST")
			if (st != nil) != tt.handedOver {
				t.Fatalf("Set-Cookie = %q, want ST %v", a.Header.Values("Set-Cookie"), tt.handedOver)
			}
			if st == nil {
				return
			}
			secret, _, _ := strings.Cut(alice.Token, "*")
			if st.Value != secret || st.Path != "/"+alphaID || !st.HttpOnly || !st.Secure || st.SameSite != http.SameSiteNoneMode {
				t.Errorf("ST = %s, want the session's, for the environment's path, HttpOnly, Secure, SameSite=None", st.Raw)
			}
		})
	}
	t.Run("prompt=none", func(t *testing.T) {
		to := caller{k.in(t), alice.Token, alice.header}.get(authorizeURL("alpha", "web", "openid", "prompt", "none")).is(http.StatusFound).location()
		if to.Host != "web.example.com" || to.Query().Get("error") != "consent_required" || to.Query().Get("iss") != issuer("alpha") {
			t.Errorf("Location = %s, want consent_required of the realm's issuer", to)
		}
	})
	t.Run("the session is as it was", func(t *testing.T) {
		a := caller{k.in(t), alice.Token, alice.header}.post("/json/realms/root/realms/alpha/sessions?_action=validate", map[string]string{"tokenId": alice.Token}, "Accept-API-Version", "resource=4.0").is(200)
		if a.member("valid") != true {
			t.Errorf("validate = %s", a.Body)
		}
	})
}

// browser follows redirects as one does, with cookies and by https.
type browser struct {
	k   *kit
	jar http.CookieJar
}

func (k *kit) browser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		k.t.Fatal(err)
	}
	return &browser{k, jar}
}

// do sends one request, and follows redirects for as long as they stay here.
func (b *browser) do(method, address string, body, kind string) *answer {
	b.k.t.Helper()
	for range 10 {
		r := httptest.NewRequestWithContext(b.k.t.Context(), method, address, strings.NewReader(body))
		if kind != "" {
			r.Header.Set("Content-Type", kind)
		}
		for _, c := range b.jar.Cookies(r.URL) {
			r.AddCookie(c)
		}
		a := b.k.serve(r)
		b.jar.SetCookies(r.URL, a.response.Cookies())
		next := a.Header.Get("Location")
		if next == "" || !strings.HasPrefix(next, host) {
			return a
		}
		if a.Status != http.StatusTemporaryRedirect {
			method, body, kind = "GET", "", ""
		}
		address = next
	}
	b.k.t.Fatal("too many redirects")
	return nil
}

// TestAuthorizeOnHostedPages: the whole way of a person who signs on, or consents, at the hosted pages: codes, ID tokens and
// the answer itself are the realm's, and both sign-offs end what they began.
func TestAuthorizeOnHostedPages(t *testing.T) {
	k := newKit(t)
	b := k.browser()
	a := b.do("GET", amURL+authorizeURL("alpha", "web", "openid"), "", "").is(200)
	if !strings.HasPrefix(a.what, "GET /"+alphaID+"/signon/") {
		t.Fatalf("at %s, want the sign-on page", a.what)
	}
	r, err := url.Parse(strings.Fields(a.what)[1])
	if err != nil {
		t.Fatal(err)
	}
	flow := host + "/" + alphaID + "/flows/" + r.Query().Get("flowId")
	body, _ := json.Marshal(map[string]string{"username": "alice", "password": "alice-demo-pass"})
	b.do("POST", flow, string(body), "application/vnd.pingidentity.usernamePassword.check+json").is(200)
	to := b.do("GET", k.Alpha.Issuer+"/resume?flowId="+r.Query().Get("flowId"), "", "").is(http.StatusFound).location()
	if to.Host != "web.example.com" || to.Query().Get("iss") != issuer("alpha") || to.Query().Get("code") == "" {
		t.Fatalf("Location = %s, want a code of the realm's issuer", to)
	}
	tokens := k.redeem("alpha", "web", to.Query().Get("code"))
	if got := claimsOf(t, tokens.text("id_token")).Issuer; got != issuer("alpha") {
		t.Errorf("iss = %q, want the realm's", got)
	}
	// Signed on there, the next request needs no page.
	again := b.do("GET", amURL+authorizeURL("alpha", "web", "openid"), "", "").is(http.StatusFound).location()
	if again.Query().Get("code") == "" || again.Query().Get("iss") != issuer("alpha") {
		t.Errorf("Location = %s, want a code of the realm's issuer", again)
	}
	// And the environment's own endpoint speaks for itself.
	q := k.request("GET", authorizeURL("alpha", "web", "openid"), nil).URL.RawQuery
	own := b.do("GET", k.Alpha.Issuer+"/authorize?"+q, "", "").is(http.StatusFound).location()
	if own.Query().Get("iss") != k.Alpha.Issuer {
		t.Errorf("Location = %s, want the environment's iss", own)
	}
	foreign := b.do("GET", k.Alpha.Issuer+"/authorize?"+q+"&iss="+url.QueryEscape(issuer("bravo")), "", "").is(http.StatusFound).location()
	if foreign.Query().Get("iss") != k.Alpha.Issuer {
		t.Errorf("Location = %s: iss of another environment was taken", foreign)
	}
	// The realm's end-session endpoint ends that session too.
	b.do("GET", amURL+below("alpha", "connect/endSession")+"?id_token_hint="+tokens.text("id_token"), "", "").is(200)
	if k.active("alpha", "web", tokens.text("access_token")) {
		t.Error("the token is active after the sign-off")
	}
	if got := b.do("GET", amURL+authorizeURL("alpha", "web", "openid", "prompt", "none"), "", "").is(http.StatusFound).location(); got.Query().Get("error") != "login_required" {
		t.Errorf("Location = %s, want login_required", got)
	}
}
