package authserver_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"html"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/declared"
)

// plan is a run of a certification plan: one server and its static clients, with
// one response type and response mode. What it gets from the server passes through
// the rules that hold in every module (section 2 of the conformance notes, by
// number in the messages), whatever the module is about.
type plan struct {
	*suite
	types, mode string // mode "" is the default of the response type
	static      bool   // declared clients, otherwise registered ones
	verifier    *oidc.IDTokenVerifier
	claims      map[string]any // of alice

	first, second, posting *party
}

// party is a client of a plan.
type party struct {
	id   string
	auth credential
}

const allScopes = "openid profile email address phone offline_access"

// newServerOfPlans is a server for any number of plans, one after the other.
func newServerOfPlans(t testing.TB) *suite {
	t.Helper()
	application := func(id, method string) declared.Application {
		return declared.Application{
			ClientID: id, Type: "custom_app", Secret: id + "-secret", AuthMethod: method,
			Grants: []string{"authorization_code", "implicit", "refresh_token"}, RedirectURIs: []string{appCallback},
			Allow: strings.Fields(allScopes), SignIn: declared.SignIn{PostLogoutRedirectURIs: []string{appBye}},
		}
	}
	config := declared.Config{Environments: []declared.Environment{{
		Name: "a", ID: envA, Issuer: issuerA, Registration: declared.Registration{Mode: "open"},
		SignOn: declared.SignOn{Argon2Memory: 8192, Argon2Passes: 1},
		Users: []declared.User{
			{Username: "alice", Password: "alice-demo-pass", Claims: testkit.Alice(envA).Claims},
			{Username: "bob", Password: "bob-demo-pass", Claims: map[string]any{"name": "Bob"}},
		},
		Applications: []declared.Application{
			application("first", "client_secret_basic"), application("second", "client_secret_basic"), application("posting", "client_secret_post"),
		},
	}}}
	s := &suite{t: t}
	s.rig = newRig(t, rigOptions{config: &config, noLimit: true})
	return s
}

func (s *suite) plan(t testing.TB, types, mode string, static bool) *plan {
	t.Helper()
	keys := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(s.get(issuerA + "/jwks").body))
	}))
	t.Cleanup(keys.Close)
	p := &plan{suite: s, types: types, mode: mode, static: static, claims: testkit.Alice(envA).Claims}
	p.verifier = oidc.NewVerifier(issuerA, oidc.NewRemoteKeySet(t.Context(), keys.URL), &oidc.Config{SkipClientIDCheck: true, Now: s.clock.Now})
	if static {
		p.first, p.second = &party{"first", basic("first", "first-secret")}, &party{"second", basic("second", "second-secret")}
		p.posting = &party{"posting", post("posting", "posting-secret")}
		return p
	}
	register := func(method string, auth func(id, secret string) credential) *party {
		c := s.register("token_endpoint_auth_method", method, "scope", allScopes,
			"grant_types", []string{"authorization_code", "implicit", "refresh_token"},
			"response_types", []string{"code", "token", "id_token", "id_token token", "code id_token", "code token", "code id_token token"})
		secret, _ := c.metadata["client_secret"].(string)
		return &party{c.id, auth(c.id, secret)}
	}
	p.first, p.second = register("client_secret_basic", basic), register("client_secret_basic", basic)
	p.posting = register("client_secret_post", post)
	return p
}

func (p *plan) has(part string) bool { return slices.Contains(strings.Fields(p.types), part) }

// tokens reports whether an access token is issued at all.
func (p *plan) access() bool { return p.has("code") || p.has("token") }

// trial is one run of one module: a test, and a browser with an empty jar.
type trial struct {
	*plan
	t *testing.T
	*agent
	client   *party
	signOns  int // sign-on pages that were shown
	consents int
}

// Helper: both embedded values have one.
func (m *trial) fatalf(format string, args ...any) { m.t.Helper(); m.t.Fatalf(format, args...) }

func (p *plan) begin(t *testing.T) *trial {
	t.Helper()
	m := &trial{plan: p, t: t, agent: newAgent(t, p.rig), client: p.first}
	m.checkStart()
	return m
}

// checkStart is what every module begins with: rules 1 to 3.
func (m *trial) checkStart() {
	m.t.Helper()
	doc, set := m.get(issuerA+"/.well-known/openid-configuration"), m.get(issuerA+"/jwks")
	if doc.status != http.StatusOK || doc.member("issuer") != issuerA || doc.member("jwks_uri") != issuerA+"/jwks" {
		m.t.Errorf("rules 1, 2: discovery = %d, issuer %v", doc.status, doc.member("issuer"))
	}
	for _, a := range []answer{doc, set} {
		if a.status != http.StatusOK || !strings.HasPrefix(a.header.Get("Content-Type"), "application/json") {
			m.t.Errorf("rule 1: %d %s", a.status, a.header.Get("Content-Type"))
		}
	}
	var keys struct{ Keys []map[string]any }
	if err := json.Unmarshal([]byte(set.body), &keys); err != nil || len(keys.Keys) == 0 {
		m.t.Fatalf("rule 3: %v in the key set", err)
	}
	seen := map[any]bool{}
	for _, k := range keys.Keys {
		if k["kid"] == nil || k["kid"] == "" || seen[k["kid"]] || seen[k["n"]] {
			m.t.Errorf("rule 3: kid %v is missing or twice, or its key is", k["kid"])
		}
		seen[k["kid"]], seen[k["n"]] = true, true
		for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "k"} {
			if k[private] != nil {
				m.t.Errorf("rule 3: the key set has the member %s", private)
			}
		}
		if k["use"] != "sig" || k["kty"] == "oct" {
			m.t.Errorf("rule 3: use %v, kty %v", k["use"], k["kty"])
		}
	}
}

// request is the address of an authorization request: the usual one of the plan
// with parameters put over it, in their order; "" leaves one out.
func (m *trial) request(params ...string) string {
	return issuerA + "/authorize?" + m.parameters(params...)
}

func (m *trial) parameters(params ...string) string {
	list := [][2]string{
		{"client_id", m.client.id}, {"response_type", m.types}, {"scope", "openid"}, {"redirect_uri", appCallback},
		{"state", "state-._~1"}, {"nonce", "nonce-1"},
	}
	if m.mode != "" {
		list = append(list, [2]string{"response_mode", m.mode})
	}
	for i := 0; i < len(params); i += 2 {
		at := slices.IndexFunc(list, func(p [2]string) bool { return p[0] == params[i] })
		if at < 0 {
			list = append(list, [2]string{params[i], params[i+1]})
		} else {
			list[at][1] = params[i+1]
		}
	}
	var b strings.Builder
	for _, p := range list {
		if p[1] != "" {
			b.WriteString("&" + p[0] + "=" + url.QueryEscape(p[1]))
		}
	}
	return strings.TrimPrefix(b.String(), "&")
}

// reply is what a client receives, or the page that a person sees instead.
type reply struct {
	url.Values
	mode string // query, fragment, form_post; "" for a page
	page answer
}

// authorize opens an authorization request, does what the pages ask and checks
// what comes of it.
func (m *trial) authorize(params ...string) reply {
	m.t.Helper()
	return m.drive(m.open(m.request(params...)), params...)
}

var formPost = regexp.MustCompile(`(?s)<form method="post" action="([^"]*)">(.*?)</form>`)

func (m *trial) drive(got answer, params ...string) reply {
	m.t.Helper()
	for range 4 {
		switch {
		case got.header.Get("Location") != "":
			return m.redirected(got, params)
		case strings.Contains(got.body, `id="username"`), strings.Contains(got.body, `id="password"`):
			m.signOns++
			m.checkPage(got, "Sign On")
			fill := []string{"password", "alice-demo-pass"}
			if strings.Contains(got.body, `id="username"`) {
				fill = append(fill, "username", "alice")
			}
			got = m.press(got, "submit", fill...)
		case strings.Contains(got.body, `id="allow"`):
			m.consents++
			got = m.press(got, "allow")
		case strings.Contains(got.body, `id="error"`):
			if got.status < 400 || !strings.Contains(got.body, "Error") {
				m.t.Errorf("page contract 4: status %d", got.status)
			}
			return reply{page: got}
		default:
			return m.posted(got, params)
		}
	}
	m.fatalf("the sign-on does not end")
	return reply{}
}

func (m *trial) checkPage(got answer, words string) {
	m.t.Helper()
	if got.status != http.StatusOK || !strings.Contains(got.body, words) || !strings.Contains(got.header.Get("Cache-Control"), "no-store") ||
		got.header.Get("Content-Security-Policy") == "" {
		m.t.Errorf("page contract 2: status %d, headers %v, want %q in it", got.status, got.header, words)
	}
}

// redirected reads a redirect to the client: rules 6 and 8.
func (m *trial) redirected(got answer, params []string) reply {
	m.t.Helper()
	to, err := url.Parse(got.header.Get("Location"))
	if err != nil || !strings.HasPrefix(to.String(), appCallback) {
		m.fatalf("Location = %q, want the client", got.header.Get("Location"))
	}
	fragment, err := url.ParseQuery(to.EscapedFragment())
	if err != nil {
		m.fatalf("fragment: %v", err)
	}
	r := reply{to.Query(), "query", got}
	if len(fragment) > 0 {
		if r.Has("code") || r.Has("error") {
			m.t.Errorf("rule 6: query and fragment carry parameters: %q", to)
		}
		r = reply{fragment, "fragment", got}
	}
	m.checkReply(r, params)
	return r
}

// posted reads the page that posts to the client: section 5.
func (m *trial) posted(got answer, params []string) reply {
	m.t.Helper()
	form := formPost.FindStringSubmatch(got.body)
	if form == nil || got.status != http.StatusOK || !strings.HasPrefix(got.header.Get("Content-Type"), "text/html") {
		m.fatalf("status %d, neither sign-on nor an answer:\n%s", got.status, got.body)
	}
	if to := html.UnescapeString(form[1]); to != appCallback {
		m.t.Errorf("form post 1: action = %q, want the redirect URI and nothing in its query", to)
	}
	if !strings.Contains(form[2], "<button") || strings.Contains(got.header.Get("Content-Security-Policy"), "form-action") {
		m.t.Errorf("form post 1, 5: no button, or the policy %q", got.header.Get("Content-Security-Policy"))
	}
	r := reply{url.Values{}, "form_post", got}
	for _, h := range hidden.FindAllStringSubmatch(form[2], -1) {
		r.Add(html.UnescapeString(h[1]), html.UnescapeString(h[2]))
	}
	m.checkReply(r, params)
	return r
}

// sent gives a parameter of a request as it was made.
func (m *trial) sent(name string, params []string) string {
	q, err := url.ParseQuery(m.parameters(params...))
	if err != nil {
		m.fatalf("%v", err)
	}
	return q.Get(name)
}

var describable = regexp.MustCompile(`^[\x20\x21\x23-\x5B\x5D-\x7E]+$`)

// checkReply holds rules 5 to 12.
func (m *trial) checkReply(r reply, params []string) {
	m.t.Helper()
	types := strings.Fields(m.sent("response_type", params))
	want := "query"
	if slices.Contains(types, "token") || slices.Contains(types, "id_token") {
		want = "fragment"
	}
	if mode := m.sent("response_mode", params); mode != "" {
		want = mode
	}
	if r.mode != want {
		m.t.Errorf("rule 6: answered by %s, want %s", r.mode, want)
	}
	if state := m.sent("state", params); r.Get("state") != state || r.Has("state") != (state != "") {
		m.t.Errorf("rule 5: state = %q, want %q", r.Get("state"), state)
	}
	if r.Get("iss") != issuerA {
		m.t.Errorf("rule 7: iss = %q", r.Get("iss"))
	}
	allowed := []string{"state", "iss", "session_state", "code", "access_token", "token_type", "expires_in", "scope", "id_token"}
	if r.Has("error") {
		allowed = []string{"state", "iss", "session_state", "error", "error_description", "error_uri"}
		if !describable.MatchString(r.Get("error_description")) {
			m.t.Errorf("rule 10: error_description = %q", r.Get("error_description"))
		}
	} else {
		m.checkIssued(r, types)
	}
	for name, values := range r.Values {
		if !slices.Contains(allowed, name) || len(values) != 1 {
			m.t.Errorf("rules 9, 10: parameter %s, %d times", name, len(values))
		}
	}
	if cc, rp := r.page.header.Get("Cache-Control"), r.page.header.Get("Referrer-Policy"); !strings.Contains(cc, "no-store") || rp != "no-referrer" {
		m.t.Errorf("case_135: Cache-Control %q, Referrer-Policy %q", cc, rp)
	}
	for _, c := range (&http.Response{Header: r.page.header}).Cookies() {
		if !c.Secure || c.SameSite != http.SameSiteNoneMode || c.Path != "/"+envA || c.HttpOnly != (c.Name == "ST") {
			m.t.Errorf("page contract 9: cookie %s: secure %v, site %v, path %q, HttpOnly %v", c.Name, c.Secure, c.SameSite, c.Path, c.HttpOnly)
		}
	}
}

// checkIssued: each response type brings what it names, and nothing else.
func (m *trial) checkIssued(r reply, types []string) {
	m.t.Helper()
	for part, name := range map[string]string{"code": "code", "token": "access_token", "id_token": "id_token"} {
		if asked := slices.Contains(types, part); asked != r.Has(name) {
			m.t.Errorf("response_type %q: %s there: %v", types, name, r.Has(name))
		}
	}
	for _, name := range []string{"code", "access_token"} {
		if r.Has(name) {
			m.checkSecret(name, r.Get(name))
		}
	}
	if r.Has("access_token") && (r.Get("token_type") != "Bearer" || r.Get("expires_in") != "3600") {
		m.t.Errorf("section 4.4: token_type %q, expires_in %q", r.Get("token_type"), r.Get("expires_in"))
	}
}

var visible = regexp.MustCompile(`^[\x21-\x7E]+$`)

// checkSecret holds rules 11 and 12.
func (m *trial) checkSecret(name, value string) {
	m.t.Helper()
	count := map[rune]float64{}
	for _, c := range value {
		count[c]++
	}
	n, bits := float64(len(value)), 0.0
	for _, c := range count {
		bits -= c * math.Log2(c/n)
	}
	if bits < 128 || !visible.MatchString(value) {
		m.t.Errorf("rules 11, 12: %s has %.0f bits", name, bits)
	}
}

// granted is all that a client has after an authorization.
type granted struct {
	reply
	access, refresh string
	front, back     map[string]any // claims of the two ID tokens
	idToken         string         // the last one
	token           answer         // of the token endpoint
}

// claims are those of the ID token.
func (g granted) id() map[string]any {
	if g.back != nil {
		return g.back
	}
	return g.front
}

// signOn authorizes, redeems the code if there is one, checks all tokens, and
// asks UserInfo if there is a token for it.
func (m *trial) signOn(params ...string) granted {
	m.t.Helper()
	return m.take(m.authorize(params...), params...)
}

func (m *trial) take(r reply, params ...string) granted {
	m.t.Helper()
	if r.mode == "" || r.Has("error") {
		m.fatalf("%d %v, want success", r.page.status, r.Values)
	}
	g := granted{reply: r, access: r.Get("access_token"), idToken: r.Get("id_token")}
	if g.idToken != "" {
		g.front = m.checkIDToken(g.idToken, g.access, r.Get("code"), m.sent("nonce", params), params)
		m.requireHashes(g.front, g.access, r.Get("code"))
	}
	if code := r.Get("code"); code != "" {
		g.token = m.redeem(m.client, code, params...)
		if g.token.status != http.StatusOK {
			m.fatalf("token: %s", g.token.outcome())
		}
		m.checkTokens(g.token)
		g.access, g.refresh, g.idToken = text(g.token, "access_token"), text(g.token, "refresh_token"), text(g.token, "id_token")
		g.back = m.checkIDToken(g.idToken, g.access, "", m.sent("nonce", params), params)
		if g.front != nil && (g.front["iss"] != g.back["iss"] || g.front["sub"] != g.back["sub"] || g.front["auth_time"] != g.back["auth_time"] || g.front["sid"] != g.back["sid"]) {
			m.t.Errorf("rule 24: %v and %v contradict each other", g.front, g.back)
		}
	}
	if g.access != "" {
		info := m.userinfo(g.access)
		if id := g.id(); info.status != http.StatusOK || id != nil && info.member("sub") != id["sub"] {
			m.t.Errorf("rule 25: UserInfo = %s %v", info.outcome(), info.member("sub"))
		}
	}
	return g
}

// verifierOf is the code_verifier of every request that has a challenge.
const verifierOf = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"

func (m *trial) redeem(as *party, code string, params ...string) answer {
	m.t.Helper()
	fields := []string{"grant_type=authorization_code", "code=" + code, "redirect_uri=" + appCallback}
	if m.sent("code_challenge", params) != "" {
		fields = append(fields, "code_verifier="+verifierOf)
	}
	return m.checked(m.form(envA, "token", as.auth, fields...))
}

func (m *trial) renew(as *party, refresh string, fields ...string) answer {
	m.t.Helper()
	return m.checked(m.form(envA, "token", as.auth, append(fields, "grant_type=refresh_token", "refresh_token="+refresh)...))
}

// checked holds rules 13 and 14 as far as they are about all answers.
func (m *trial) checked(a answer) answer {
	m.t.Helper()
	if !strings.HasPrefix(a.header.Get("Content-Type"), "application/json") || !strings.Contains(a.header.Get("Cache-Control"), "no-store") || a.header.Get("Pragma") != "no-cache" {
		m.t.Errorf("rules 13, 14: headers %v", a.header)
	}
	if a.status != http.StatusOK {
		if description := text(a, "error_description"); text(a, "error") == "" || !describable.MatchString(description) {
			m.t.Errorf("rule 14: %s %q", a.outcome(), description)
		}
		if a.status != http.StatusBadRequest && a.outcome() != "401 invalid_client" {
			m.t.Errorf("rule 14: %s", a.outcome())
		}
	}
	return a
}

// checkTokens holds rules 11 to 13.
func (m *trial) checkTokens(a answer) {
	m.t.Helper()
	life, _ := a.member("expires_in").(float64)
	if text(a, "token_type") != "Bearer" || life <= 0 {
		m.t.Errorf("rule 13: token_type %q, expires_in %v", text(a, "token_type"), a.member("expires_in"))
	}
	m.checkSecret("access_token", text(a, "access_token"))
	if refresh := text(a, "refresh_token"); refresh != "" {
		m.checkSecret("refresh_token", refresh)
	}
}

// ownClaims may be in any ID token: rule 22.
var ownClaims = []string{"iss", "sub", "aud", "exp", "iat", "nonce", "auth_time", "acr", "amr", "sid", "azp", "jti", "at_hash", "c_hash"}

// checkIDToken holds rules 16 to 23. The signature, iss and exp are judged by an
// independent client library.
func (m *trial) checkIDToken(raw, access, code, nonce string, params []string) map[string]any {
	m.t.Helper()
	token, err := m.verifier.Verify(m.t.Context(), raw)
	if err != nil {
		m.fatalf("rules 16, 17: an independent client refuses the ID token: %v", err)
	}
	head, c := part(m.t, raw, 0), part(m.t, raw, 1)
	if head["alg"] != "RS256" || head["kid"] == nil {
		m.t.Errorf("rule 16: header %v", head)
	}
	now := m.clock.Now()
	if c["aud"] != m.client.id || token.Subject == "" || len(token.Subject) > 255 || now.Sub(token.IssuedAt).Abs() > 5*time.Minute {
		m.t.Errorf("rule 17: aud %v, sub %q, iat %v", c["aud"], token.Subject, token.IssuedAt)
	}
	if _, has := c["nonce"]; token.Nonce != nonce || has != (nonce != "") {
		m.t.Errorf("rule 17: nonce = %q, want %q", token.Nonce, nonce)
	}
	for name, value := range map[string]string{"at_hash": access, "c_hash": code} {
		if c[name] != nil && c[name] != leftHash(value) {
			m.t.Errorf("rule 18: %s is not that of what came with it", name)
		}
	}
	at, ok := c["auth_time"].(float64)
	if !ok || time.Unix(int64(at), 0).After(now) {
		m.t.Errorf("rule 19: auth_time = %v", c["auth_time"])
	}
	if acr, _ := c["acr"].(string); acr == "" {
		m.t.Errorf("rule 20: acr = %v", c["acr"])
	}
	for name, value := range c {
		if slices.Contains(ownClaims, name) {
			continue
		}
		if m.access() && !strings.Contains(m.sent("claims", params), `"id_token"`) || value == nil || value == "" {
			m.t.Errorf("rules 21 to 23: the ID token has %s = %v", name, value)
		}
	}
	return c
}

// requireHashes: what a front-channel ID token must have (rule 18).
func (m *trial) requireHashes(c map[string]any, access, code string) {
	m.t.Helper()
	for name, value := range map[string]string{"at_hash": access, "c_hash": code} {
		if (c[name] != nil) != (value != "") {
			m.t.Errorf("rule 18: %s = %v beside %q", name, c[name], m.types)
		}
	}
}

// leftHash is the left half of the hash that RS256 uses (OIDC Core §3.1.3.6).
func leftHash(value string) string {
	sum := sha256.Sum256([]byte(value))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// refused wants an error at the client, one of codes, or a page where that is
// allowed.
func (m *trial) refused(r reply, orPage bool, codes ...string) {
	m.t.Helper()
	if r.mode == "" && orPage || r.mode != "" && !r.Has("code") && !r.Has("access_token") && slices.Contains(codes, r.Get("error")) {
		return
	}
	m.t.Errorf("answer = %d %v by %q, want an error of %v", r.page.status, r.Values, r.mode, codes)
}

// unsignedObject is a request object with alg none.
func unsignedObject(t testing.TB, members map[string]any) string {
	t.Helper()
	b, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + base64.RawURLEncoding.EncodeToString(b) + "."
}
