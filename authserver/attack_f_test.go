package authserver_test

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/declared"
)

// TestAttackF has the rows of the attack catalogue's section F, by number, sent
// through the whole server. All inputs of a row are tested beside the rule; here
// is what a browser, or a client, gets to see.
func TestAttackF(t *testing.T) {
	t.Run("case_92", func(t *testing.T) { // host near miss
		refusedURIs(t, "first", "https://app.example.net.evil/cb", "https://evilapp.example.net/cb", "https://app.example.net:8443/cb", "https://app.example.net./cb", "https://app.example.net@evil/cb")
	})
	t.Run("case_94", func(t *testing.T) { // path walk
		refusedURIs(t, "first", appCallback+"/../x", appCallback+"/%2e%2e/x", appCallback+"/%252e%252e", appCallback+"/..;/x", appCallback+"/", appCallback+"?x=1")
	})
	t.Run("case_95", func(t *testing.T) { // case, scheme, loopback
		refusedURIs(t, "first", "HTTPS://APP.EXAMPLE.NET/CB", "http://app.example.net/cb")
		refusedURIs(t, "loopback", "http://127.0.0.1:9/x", "http://127.0.0.1.evil/cb", "http://localhost:8080/cb")
		acceptedURI(t, "loopback", "http://127.0.0.1:9/cb")
	})
	t.Run("case_96", func(t *testing.T) { // pattern leak
		refusedURIs(t, "wildcard", "https://appXexample.net/pr-1/cb", "https://app.example.net/pr-1/2/cb", "https://app.example.net/pr-1.2/cb", "https://app.example.net/pr-/cb")
		refusedURIs(t, "first", "https://app.example.net/pr-1/cb")
		acceptedURI(t, "wildcard", "https://app.example.net/pr-1/cb")
	})
	t.Run("case_97", dangerousURIs)
	t.Run("case_99", disabledFlow)
	t.Run("case_100", pkceDowngrade)
	t.Run("case_102", mixUp)
	t.Run("case_103", scriptInjection)
	t.Run("case_104", consentForgery)
	t.Run("case_105", sessionFixation)
	t.Run("case_106", stepUpBypass)
	t.Run("case_107", requestObjects)
	t.Run("case_108", crossingOfPeople)
	t.Run("case_109", openRedirect)
}

const (
	atB          = "https://auth.example.com/" + envB + "/as"
	attackSecret = "a-secret-of-32-bytes-for-attacks!"
	challenge256 = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM" // RFC 7636 Appendix B, of verifierOf
)

// attacked declares two environments with the same people and clients, some of
// which are there for one row only.
func attacked() declared.Config {
	application := func(id string, change func(*declared.Application)) declared.Application {
		a := declared.Application{
			ClientID: id, Type: "custom_app", Secret: attackSecret, Grants: []string{"authorization_code", "implicit", "refresh_token"},
			RedirectURIs: []string{appCallback}, Allow: []string{"openid", "profile", "email", "offline_access", "orders:read", "orders:write"},
			SignIn: declared.SignIn{PostLogoutRedirectURIs: []string{appBye}},
		}
		if change != nil {
			change(&a)
		}
		return a
	}
	environment := func(name, id, issuer string) declared.Environment {
		return declared.Environment{
			Name: name, ID: id, Issuer: issuer, SigningAlgorithm: "ES256", SignOn: declared.SignOn{Argon2Memory: 8192, Argon2Passes: 1},
			Resources: []declared.Resource{{Name: "orders", Audience: orders, Scopes: []string{"orders:read", "orders:write"}, Secret: "orders-secret"}},
			Users: []declared.User{
				{Username: "alice", Password: "alice-demo-pass", Claims: map[string]any{"name": "Alice", "email": "alice@example.com"}},
				{Username: "bob", Password: "bob-demo-pass"},
			},
			Applications: []declared.Application{
				application("first", nil),
				application("second", func(a *declared.Application) { a.PostLogoutRedirectURIs = []string{appBye + "2"} }),
				application("loopback", func(a *declared.Application) { a.RedirectURIs = []string{"http://127.0.0.1:8080/cb"} }),
				application("wildcard", func(a *declared.Application) {
					a.RedirectURIs, a.WildcardRedirectURIs = []string{"https://app.example.net/pr-*/cb"}, true
				}),
				application("several", func(a *declared.Application) { a.RedirectURIs = []string{appCallback, appCallback + "2"} }),
				application("code-only", func(a *declared.Application) { a.Grants = []string{"authorization_code"} }),
				application("s256", func(a *declared.Application) { a.PKCE = "s256_required" }),
				application("pushing", func(a *declared.Application) { a.PARRequired = true }),
				application("asking", func(a *declared.Application) { a.Consent = "once" }),
				application("<b>markup</b>", func(a *declared.Application) { a.Consent = "always" }),
				application("lenient", func(a *declared.Application) { a.RefreshTokenGrace = declared.Duration(time.Minute) }),
				application("native", func(a *declared.Application) {
					a.Secret, a.AuthMethod, a.Consent, a.RedirectURIs = "", "none", "once", []string{"com.example.app:/cb"}
				}),
			},
		}
	}
	return declared.Config{Environments: []declared.Environment{environment("a", envA, issuerA), environment("b", envB, atB)}}
}

// victim is a server that is attacked, as one of its clients sees it.
func victim(t testing.TB, change ...func(*rigOptions)) *rig {
	t.Helper()
	config := attacked()
	o := rigOptions{config: &config, noLimit: true}
	for _, f := range change {
		f(&o)
	}
	return newRig(t, o)
}

func secretOf(id string) credential { return basic(id, attackSecret) }

// ask is the address of an authorization request; "" leaves a parameter out.
func ask(issuer, client string, params ...string) string {
	q := url.Values{"client_id": {client}, "response_type": {"code"}, "scope": {"openid"}, "redirect_uri": {appCallback}, "state": {"st"}, "nonce": {"no"}}
	for i := 0; i < len(params); i += 2 {
		if q.Set(params[i], params[i+1]); params[i+1] == "" {
			q.Del(params[i])
		}
	}
	return issuer + "/authorize?" + q.Encode()
}

// paged wants an error page that leads nowhere, whatever the browser has.
func paged(t *testing.T, a *agent, address string) {
	t.Helper()
	page(t, a.open(address))
}

// back wants an error at the client, with everything that belongs to it.
func back(t *testing.T, got answer, want string) {
	t.Helper()
	to, err := url.Parse(got.header.Get("Location"))
	if err != nil || !strings.HasPrefix(to.String(), appCallback) {
		t.Errorf("status %d, Location %q, want %s at the client", got.status, got.header.Get("Location"), want)
		return
	}
	q := to.Query()
	if to.RawFragment != "" || to.Fragment != "" {
		if q, err = url.ParseQuery(to.EscapedFragment()); err != nil {
			t.Fatal(err)
		}
	}
	if q.Get("error") != want || q.Get("iss") != issuerA || q.Get("state") == "" || q.Has("code") || q.Has("access_token") || q.Has("id_token") {
		t.Errorf("came back with %v, want %s, iss and state", q, want)
	}
}

// signedOnAt is a browser where alice is signed on, by a request of first.
func signedOnAt(t *testing.T, g *rig, issuer string) (*agent, url.Values) {
	t.Helper()
	a := newAgent(t, g)
	return a, a.signOn(ask(issuer, "first"))
}

func refusedURIs(t *testing.T, client string, uris ...string) {
	t.Helper()
	g := victim(t)
	a, _ := signedOnAt(t, g, issuerA)
	for _, uri := range uris {
		t.Run(client+" "+uri, func(t *testing.T) {
			a.t = t
			paged(t, a, ask(issuerA, client, "redirect_uri", uri))
			paged(t, a, ask(issuerA, client, "redirect_uri", uri, "prompt", "none"))
			push := g.form(envA, "par", secretOf(client), "response_type=code", "scope=openid", "redirect_uri="+uri)
			if push.outcome() != "400 invalid_request" {
				t.Errorf("pushed: %s, want 400 invalid_request", push.outcome())
			}
		})
	}
}

func acceptedURI(t *testing.T, client, uri string) {
	t.Helper()
	a := newAgent(t, victim(t))
	got := a.open(ask(issuerA, client, "redirect_uri", uri, "prompt", "none"))
	if to := got.header.Get("Location"); !strings.HasPrefix(to, uri+"?error=login_required") {
		t.Errorf("good: %s: status %d, Location %q", uri, got.status, to)
	}
}

func dangerousURIs(t *testing.T) {
	g := victim(t)
	a, _ := signedOnAt(t, g, issuerA)
	for _, uri := range []string{
		"javascript:alert(1)", "data:text/html,x", appCallback + "#x", appCallback + "\x00", appCallback + "\r\nX: y", "https:\t//app.example.net/cb", "//evil.example", `/\evil.example`,
	} {
		paged(t, a, ask(issuerA, "first", "redirect_uri", uri))
	}
	for _, more := range [][]string{
		{"prompt", "none"}, {"prompt", "none login"}, {"scope", "admin"}, {"response_mode", "form_post"}, {"response_mode", "form_post.jwt"}, {"response_mode", "fragment"},
		{"response_type", ""}, {"response_type", "x"}, {"response_type", "token"}, {"request", "x"}, {"request_uri", "https://evil.example/"}, {"claims", "{"}, {"max_age", "x"},
	} {
		paged(t, a, ask(issuerA, "first", append([]string{"redirect_uri", "https://evil.example/"}, more...)...))
	}
	paged(t, a, ask(issuerA, "several", "redirect_uri", ""))
	paged(t, a, ask(issuerA, "nobody"))
	paged(t, a, ask(issuerA, "first", "redirect_uri", "https://evil.example/")+"&redirect_uri="+url.QueryEscape(appCallback))
	if got := a.open(ask(issuerA, "first")).header.Get("Location"); !strings.HasPrefix(got, appCallback+"?code=") {
		t.Errorf("good: Location %q", got)
	}
}

func disabledFlow(t *testing.T) {
	g := victim(t)
	a, _ := signedOnAt(t, g, issuerA)
	for _, types := range []string{"token", "id_token", "code token", "code id_token token"} {
		back(t, a.open(ask(issuerA, "code-only", "response_type", types)), "unauthorized_client")
		if got := g.form(envA, "par", secretOf("code-only"), "response_type="+types, "scope=openid", "nonce=n", "redirect_uri="+appCallback).outcome(); got != "400 unauthorized_client" {
			t.Errorf("pushed %s: %s, want 400 unauthorized_client", types, got)
		}
	}
	// A form field of the sign-on page cannot bring it back either.
	b := newAgent(t, g)
	got := b.press(b.open(ask(issuerA, "code-only")), "submit", "username", "alice", "password", "alice-demo-pass", "response_type", "token", "redirect_uri", "https://evil.example/")
	if to := got.header.Get("Location"); !strings.HasPrefix(to, appCallback+"?code=") {
		t.Errorf("tampered form: Location %q, want a code at the client", to)
	}
}

func pkceDowngrade(t *testing.T) {
	g := victim(t)
	a, _ := signedOnAt(t, g, issuerA)
	for _, params := range [][]string{
		nil, {"code_challenge", challenge256}, {"code_challenge", verifierOf, "code_challenge_method", "plain"}, {"code_challenge_method", "S256"},
	} {
		back(t, a.open(ask(issuerA, "s256", params...)), "invalid_request")
	}
	push := g.form(envA, "par", secretOf("s256"), "response_type=code", "scope=openid", "redirect_uri="+appCallback, "state=st", "code_challenge="+challenge256, "code_challenge_method=S256")
	to := a.open(issuerA + "/authorize?client_id=s256&code_challenge=" + verifierOf + "&code_challenge_method=plain&request_uri=" + url.QueryEscape(text(push, "request_uri"))).header.Get("Location")
	u, err := url.Parse(to)
	if err != nil || u.Query().Get("code") == "" {
		t.Fatalf("good: Location %q", to)
	}
	// The challenge that was pushed counts, and not the one beside it.
	redeem := func(fields ...string) string {
		return g.form(envA, "token", secretOf("s256"), append(fields, "grant_type=authorization_code", "code="+u.Query().Get("code"), "redirect_uri="+appCallback)...).outcome()
	}
	for _, fields := range [][]string{nil, {"code_verifier=" + challenge256}, {"code_verifier=" + verifierOf[:42]}} {
		if got := redeem(fields...); got != "400 invalid_grant" && got != "400 invalid_request" {
			t.Errorf("redeemed with %v: %s", fields, got)
		}
	}
	a2 := a.open(ask(issuerA, "s256", "code_challenge", challenge256, "code_challenge_method", "S256")).header.Get("Location")
	u, _ = url.Parse(a2)
	if got := redeem("code_verifier=" + verifierOf); got != "200" {
		t.Errorf("good: %s", got)
	}
}

func mixUp(t *testing.T) {
	g := victim(t)
	a, good := signedOnAt(t, g, issuerA)
	if good.Get("iss") != issuerA {
		t.Errorf("good: iss = %q", good.Get("iss"))
	}
	for _, types := range []string{"token", "id_token", "code token"} {
		back(t, a.open(ask(issuerA, "first", "response_type", types, "response_mode", "query")), "invalid_request")
	}
	back(t, a.open(ask(issuerA, "first", "response_mode", "carrier_pigeon")), "invalid_request")
	other := newAgent(t, g)
	if got := other.signOn(ask(atB, "first")); got.Get("iss") != atB {
		t.Errorf("B answers as %q", got.Get("iss"))
	}
}

func scriptInjection(t *testing.T) {
	g := victim(t)
	const evil = `"><script>alert(1)</script><img src=x onerror=alert(1)>`
	clean := func(name string, got answer) {
		t.Helper()
		if strings.Contains(got.body, "<script>alert") || strings.Contains(got.body, "<img src=x") || strings.Contains(got.body, "<b>markup") {
			t.Errorf("%s: markup of a stranger is markup of the page", name)
		}
		if csp := got.header.Get("Content-Security-Policy"); csp == "" || strings.Contains(csp, "unsafe") {
			t.Errorf("%s: Content-Security-Policy = %q", name, csp)
		}
	}
	a := newAgent(t, g)
	sign := a.open(ask(issuerA, "<b>markup</b>", "state", evil, "login_hint", evil, "ui_locales", evil, "response_mode", "form_post"))
	clean("sign-on", sign)
	wrong := a.press(sign, "submit", "username", evil, "password", evil)
	clean("wrong password", wrong)
	consent := a.press(wrong, "submit", "username", "alice", "password", "alice-demo-pass")
	if !strings.Contains(consent.body, "&lt;b&gt;markup") {
		t.Errorf("the consent page does not show the client's name as text: %d", consent.status)
	}
	clean("consent", consent)
	answer := a.press(consent, "allow")
	if !strings.Contains(answer.body, `name="state"`) {
		t.Errorf("no answer by form_post: %d", answer.status)
	}
	clean("form_post", answer)
	clean("error", a.open(ask(issuerA, evil, "redirect_uri", evil, "scope", evil)))
	clean("sign-off", a.open(signOffAt("state", evil, "client_id", evil)))
}

func consentForgery(t *testing.T) {
	g := victim(t)
	a := newAgent(t, g)
	shown := a.press(a.open(ask(issuerA, "asking")), "submit", "username", "alice", "password", "alice-demo-pass")
	if !strings.Contains(shown.body, `id="allow"`) || shown.header.Get("X-Frame-Options") != "DENY" && !strings.Contains(shown.header.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
		t.Fatalf("status %d, headers %v, want the consent page, not to be framed", shown.status, shown.header)
	}
	address := a.at.String()
	// Without the page's own token, with a made-up one, from another browser, and from a page of somebody else's.
	whole := fieldsOf(t, shown, "allow")
	with := func(name string, values ...string) url.Values {
		form := maps.Clone(whole)
		form[name] = values
		return form
	}
	if whole.Get("form") == "" {
		t.Fatal("the page has no token of its own")
	}
	refused := func(name string, r *http.Request) {
		t.Helper()
		g.do(r)
		if to := a.open(ask(issuerA, "asking", "prompt", "none")).header.Get("Location"); !strings.Contains(to, "error=consent_required") {
			t.Errorf("%s: consent was taken: %q", name, to)
		}
	}
	refused("no token", a.postTo(address, with("form")))
	refused("a made-up token", a.postTo(address, with("form", strings.Repeat("A", 43))))
	refused("another browser", newAgent(t, g).postTo(address, whole))
	mallory := newAgent(t, g)
	theirs := mallory.press(mallory.open(ask(issuerA, "asking")), "submit", "username", "bob", "password", "bob-demo-pass")
	refused("the token of another person's page", a.postTo(address, fieldsOf(t, theirs, "allow")))
	crossSite := a.postTo(address, whole)
	crossSite.Header.Set("Origin", "https://evil.example")
	crossSite.Header.Set("Sec-Fetch-Site", "cross-site")
	refused("a page of somebody else's", crossSite)
	a.at, _ = url.Parse(address)
	got := a.press(a.open(address), "allow")
	if !strings.HasPrefix(got.header.Get("Location"), appCallback+"?code=") {
		t.Fatalf("good: status %d, Location %q", got.status, got.header.Get("Location"))
	}
	// Remembered for what was shown, and for nothing else.
	if to := a.open(ask(issuerA, "asking", "prompt", "none")).header.Get("Location"); !strings.Contains(to, "code=") {
		t.Errorf("good: the same again: %q", to)
	}
	back(t, a.open(ask(issuerA, "asking", "prompt", "none", "scope", "openid orders:write")), "consent_required")
	// A public client with an address that any program can have is asked about always.
	native := func(params ...string) string {
		return ask(issuerA, "native", append([]string{"redirect_uri", "com.example.app:/cb", "code_challenge", challenge256, "code_challenge_method", "S256"}, params...)...)
	}
	a.press(a.open(native()), "allow")
	if to := a.open(native("prompt", "none")).header.Get("Location"); !strings.Contains(to, "error=consent_required") {
		t.Errorf("public client on a custom scheme: %q, want consent_required", to)
	}
}

func sessionFixation(t *testing.T) {
	g := victim(t)
	planted := strings.Repeat("A", 43)
	a := newAgent(t, g)
	a.jar["ST"] = planted
	a.signOn(ask(issuerA, "first"))
	first := a.jar["ST"]
	if first == planted || first == "" {
		t.Error("the planted cookie became the session's")
	}
	g.clock.Advance(time.Second)
	a.signOn(ask(issuerA, "first", "prompt", "login"))
	if a.jar["ST"] == first {
		t.Error("the cookie is the same after signing on again")
	}
	old := newAgent(t, g)
	old.jar["ST"] = first
	back(t, old.open(ask(issuerA, "first", "prompt", "none")), "login_required")
	// A cancelled re-authentication answers this request with nobody.
	shown := a.open(ask(issuerA, "first", "prompt", "login"))
	back(t, a.press(shown, "cancel"), "access_denied")
	if to := a.open(ask(issuerA, "first", "prompt", "none")).header.Get("Location"); !strings.Contains(to, "code=") {
		t.Errorf("the session before it: %q, want it alive", to)
	}
	// Two tabs as two people: the one that was shown first does not become the other's.
	b := newAgent(t, g)
	one := b.open(ask(issuerA, "first", "state", "one"))
	oneAt := b.at
	two := b.open(ask(issuerA, "first", "state", "two"))
	b.press(two, "submit", "username", "bob", "password", "bob-demo-pass")
	b.at = oneAt
	got := b.press(one, "submit", "username", "alice", "password", "alice-demo-pass")
	if got.status != http.StatusConflict {
		t.Errorf("a form of the time before: %d, want 409 and the page again", got.status)
	}
	got = b.press(got, "submit", "username", "alice", "password", "alice-demo-pass")
	subject := func(back url.Values) any {
		tokens := g.form(envA, "token", secretOf("first"), "grant_type=authorization_code", "code="+back.Get("code"), "redirect_uri="+appCallback)
		return part(t, text(tokens, "id_token"), 1)["sub"]
	}
	to, err := url.Parse(got.header.Get("Location"))
	if err != nil || !to.Query().Has("code") {
		t.Fatalf("the first tab: status %d, Location %q, want a code", got.status, to)
	}
	if is, want := subject(to.Query()), subject(newAgent(t, g).signOn(ask(issuerA, "first"))); is != want {
		t.Errorf("the first tab's code is for %v, want Alice, %v", is, want)
	}
}

func stepUpBypass(t *testing.T) {
	g := victim(t)
	a, _ := signedOnAt(t, g, issuerA)
	for _, params := range [][]string{{"prompt", "login"}, {"max_age", "0"}} {
		t.Run(strings.Join(params, " "), func(t *testing.T) {
			a.t = t
			got := a.open(ask(issuerA, "first", params...))
			if !strings.Contains(got.body, `id="password"`) {
				t.Fatalf("status %d, Location %q, want the sign-on page", got.status, got.header.Get("Location"))
			}
			// The next page's address is no way around it.
			flow := a.at.Query().Get("flowId")
			if to := a.open(issuerA + "/resume?flowId=" + flow).header.Get("Location"); strings.Contains(to, "code=") {
				t.Errorf("resume: %q", to)
			}
		})
	}
	back(t, a.open(ask(issuerA, "first", "prompt", "none", "max_age", "0")), "login_required")
	back(t, a.open(ask(issuerA, "first", "claims", `{"id_token":{"acr":{"essential":true,"value":"Multi_Factor"}}}`)), "unmet_authentication_requirements")
	if to := a.open(ask(issuerA, "first", "max_age", "100")).header.Get("Location"); !strings.Contains(to, "code=") {
		t.Errorf("good: %q", to)
	}
}

// object is a request object of first, signed with its secret.
func object(t *testing.T, g *rig, change map[string]any) string {
	t.Helper()
	now := g.clock.Now()
	members := map[string]any{
		"iss": "first", "aud": issuerA, "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(), "client_id": "first", "response_type": "code",
		"redirect_uri": appCallback, "scope": "openid", "state": "inside",
	}
	for name, value := range change {
		if members[name] = value; value == nil {
			delete(members, name)
		}
	}
	return hs256(t, attackSecret, members)
}

func requestObjects(t *testing.T) {
	g := victim(t)
	a, _ := signedOnAt(t, g, issuerA)
	good := object(t, g, nil)
	if to := a.open(ask(issuerA, "first", "request", good)).header.Get("Location"); !strings.Contains(to, "code=") || !strings.Contains(to, "state=inside") {
		t.Errorf("good: %q, want the state that was inside", to)
	}
	foreign, err := testkit.SigningKey(t, testkit.ECKey, "ES256", "x").Sign("", []byte(`{"iss":"first","client_id":"first"}`))
	if err != nil {
		t.Fatal(err)
	}
	for name, raw := range map[string]string{
		"none": unsignedObject(t, map[string]any{"iss": "first", "client_id": "first", "redirect_uri": appCallback}), "another key": foreign,
		"wrong aud": object(t, g, map[string]any{"aud": atB}), "expired": object(t, g, map[string]any{"exp": g.clock.Now().Add(-time.Hour).Unix()}),
		"another client's": object(t, g, map[string]any{"iss": "second", "client_id": "second"}),
	} {
		t.Run(name, func(t *testing.T) {
			a.t = t
			back(t, a.open(ask(issuerA, "first", "request", raw)), "invalid_request_object")
		})
	}
	back(t, a.open(ask(issuerA, "first", "request_uri", "http://169.254.169.254/latest/meta-data/")), "request_uri_not_supported")
	push := func() string {
		return text(g.form(envA, "par", secretOf("first"), "response_type=code", "scope=openid", "redirect_uri="+appCallback, "state=st"), "request_uri")
	}
	use := func(client, uri string) answer {
		return a.open(issuerA + "/authorize?client_id=" + client + "&request_uri=" + url.QueryEscape(uri))
	}
	uri := push()
	page(t, use("second", uri))
	if to := use("first", uri).header.Get("Location"); !strings.Contains(to, "code=") {
		t.Errorf("good: pushed: %q", to)
	}
	page(t, use("first", uri)) // used
	uri = push()
	g.clock.Advance(61 * time.Second)
	page(t, use("first", uri)) // expired
	page(t, use("first", "urn:ietf:params:oauth:request_uri:guess"))
	back(t, a.open(ask(issuerA, "pushing")), "invalid_request")
	if got := g.form(envA, "par", secretOf("first"), "response_type=code", "redirect_uri="+appCallback, "request_uri="+push()).outcome(); got != "400 invalid_request" {
		t.Errorf("request_uri inside a push: %s", got)
	}
}

func crossingOfPeople(t *testing.T) {
	g := victim(t)
	a, got := signedOnAt(t, g, issuerA)
	tokens := g.form(envA, "token", secretOf("first"), "grant_type=authorization_code", "code="+got.Get("code"), "redirect_uri="+appCallback)
	second := a.signOn(ask(issuerA, "first", "scope", "openid offline_access"))
	if text(tokens, "access_token") == "" || text(tokens, "id_token") == "" {
		t.Fatalf("good: %s", tokens.outcome())
	}
	b := newAgent(t, g)
	if b.jar["ST"] = a.jar["ST"]; true {
		if to := b.open(ask(atB, "first", "prompt", "none")).header.Get("Location"); !strings.Contains(to, "error=login_required") {
			t.Errorf("the session of A at B: %q", to)
		}
	}
	if got := g.form(envB, "token", secretOf("first"), "grant_type=authorization_code", "code="+second.Get("code"), "redirect_uri="+appCallback).outcome(); got != "400 invalid_grant" {
		t.Errorf("the code of A at B: %s", got)
	}
	mine := g.form(envA, "token", secretOf("first"), "grant_type=authorization_code", "code="+second.Get("code"), "redirect_uri="+appCallback)
	if got := g.form(envB, "token", secretOf("first"), "grant_type=refresh_token", "refresh_token="+text(mine, "refresh_token")).outcome(); got != "400 invalid_grant" {
		t.Errorf("the refresh token of A at B: %s", got)
	}
	if got := g.form(envA, "token", secretOf("first"), "grant_type=refresh_token", "refresh_token="+text(mine, "refresh_token")).outcome(); got != "200" {
		t.Errorf("good: the refresh token of A at A: %s", got)
	}
	r := httptest.NewRequest(http.MethodGet, atB+"/userinfo", nil)
	r.Header.Set("Authorization", "Bearer "+text(mine, "access_token"))
	if got := g.do(r).status; got != http.StatusUnauthorized {
		t.Errorf("the access token of A at B: %d, want 401", got)
	}
	uri := text(g.form(envA, "par", secretOf("first"), "response_type=code", "scope=openid", "redirect_uri="+appCallback), "request_uri")
	page(t, b.open(atB+"/authorize?client_id=first&request_uri="+url.QueryEscape(uri)))
	if to := b.open(ask(atB, "first", "prompt", "none", "id_token_hint", text(tokens, "id_token"))).header.Get("Location"); !strings.Contains(to, "error=invalid_request") && !strings.Contains(to, "error=login_required") {
		t.Errorf("the hint of A at B: %q", to)
	}
	page(t, b.open(atB+"/signoff?id_token_hint="+text(tokens, "id_token")))
	if to := a.open(ask(issuerA, "first", "prompt", "none")).header.Get("Location"); !strings.Contains(to, "code=") {
		t.Errorf("the session of A after all that: %q", to)
	}
	flow := newAgent(t, g)
	flow.open(ask(issuerA, "first"))
	id := flow.at.Query().Get("flowId")
	if got := g.get("/" + envB + "/flows/" + id); got.status != http.StatusNotFound {
		t.Errorf("the flow of A at B: %d, want 404", got.status)
	}
}

func openRedirect(t *testing.T) {
	g := victim(t)
	tokensOf := func(a *agent, client string) string {
		back := a.signOn(ask(issuerA, client))
		return text(g.form(envA, "token", secretOf(client), "grant_type=authorization_code", "code="+back.Get("code"), "redirect_uri="+appCallback), "id_token")
	}
	a := newAgent(t, g)
	hint := tokensOf(a, "first")
	for _, uri := range []string{
		"https://evil.example/", "//evil.example", `/\evil.example`, "/%09/evil.example", "https:evil.example", appBye + "/", appBye + "?x=1", appBye + "2", strings.ToUpper(appBye), "javascript:alert(1)",
	} {
		t.Run(uri, func(t *testing.T) {
			a.t = t
			page(t, a.open(signOffAt("id_token_hint", hint, "post_logout_redirect_uri", uri)))
		})
	}
	page(t, a.open(signOffAt("id_token_hint", hint, "client_id", "second", "post_logout_redirect_uri", appBye)))
	page(t, a.open(signOffAt("id_token_hint", unsigned(hint), "post_logout_redirect_uri", appBye)))
	// By GET from another site, without proof: the person is asked.
	if got := a.open(signOffAt("post_logout_redirect_uri", appBye)); got.header.Get("Location") != "" || !strings.Contains(got.body, `id="logout-confirm"`) {
		t.Errorf("without a hint: status %d, Location %q, want a question", got.status, got.header.Get("Location"))
	}
	if to := a.open(ask(issuerA, "first", "prompt", "none")).header.Get("Location"); !strings.Contains(to, "code=") {
		t.Errorf("the session after all that: %q", to)
	}
	g.clock.Advance(2 * time.Hour)
	if to := a.open(signOffAt("id_token_hint", hint, "post_logout_redirect_uri", appBye, "state", "s")).header.Get("Location"); to != appBye+"?state=s" {
		t.Errorf("good: an expired hint: %q", to)
	}
}
