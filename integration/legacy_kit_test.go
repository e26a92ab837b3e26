package integration_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// legacyNode is a node with the paths below /am: realm alpha is the main environment, bravo the other one.
type legacyNode struct {
	*node
	web, bravo *party   // an application of each realm, under the same client_id
	ended      []string // tokens that drained has still to look at
}

const (
	adminName     = "amadmin"
	adminPassword = "amadmin-Kx71-opens-all"
	// Alice of the realm bravo is another person than alice of alpha.
	bravoPassword = "alice-of-bravo-Z3kq"

	legacyWebSecret   = "legacy-web-secret-8sWq2ZpL"
	legacyOtherSecret = "legacy-other-secret-Xc51RtKm"

	ssoName = "iPlanetDirectoryPro" // of cookie and header
)

// legacyOption is the option of the standard node.
const legacyOption = `
		legacy {
			url $AM
			realm alpha main
			realm bravo other
			administrator ` + adminName + ` {env.AMADMIN_PASSWORD}
			$COMPAT
		}`

const legacyMain = `
			sign_on {
				argon2 8MiB 1
			}
			user bob {
				password {env.BOB_PASSWORD}
				claim email bob@example.com
			}
			application legacy-web {
				name "Legacy web"
				type web_app
				secret {env.LEGACY_WEB_SECRET}
				auth_method client_secret_basic
				grant authorization_code refresh_token
				redirect_uri $WEB/callback
				allow openid profile email offline_access orders:read
			}
			application legacy-opaque {
				type web_app
				secret {env.LEGACY_WEB_SECRET}
				auth_method client_secret_basic
				grant authorization_code refresh_token
				redirect_uri $WEB/callback
				access_token_format opaque
				allow openid profile email offline_access orders:read
			}
			application legacy-other {
				type web_app
				secret {env.LEGACY_OTHER_SECRET}
				auth_method client_secret_post
				grant authorization_code refresh_token
				redirect_uri $WEB/callback
				allow openid orders:read
			}`

const legacyBravo = `
			sign_on {
				argon2 8MiB 1
			}
			user alice {
				password {env.BRAVO_PASSWORD}
				claim email alice@bravo.example.com
			}
			application legacy-web {
				type web_app
				secret {env.LEGACY_OTHER_SECRET}
				auth_method client_secret_basic
				grant authorization_code refresh_token
				redirect_uri $BRAVO/callback
				allow openid profile email offline_access orders:read
			}`

// Resource servers that take tokens of both issuers, the environment's and its realm's: one checks them in process, and
// one asks about each over HTTP, the realm's endpoint about the realm's.
const legacySites = `
http://:$DOOR {
	log
	bearer_auth {
		issuer $ISSUER
		issuer $REALM
		audience ` + orders + `
		scope orders:read
		forward_claim sub X-User-Id
	}
	reverse_proxy $UPSTREAM
}

http://:$REMOTE {
	log
	bearer_auth {
		issuer $ISSUER {
			verify introspect
			introspection {
				basic orders {env.ORDERS_SECRET}
				ttl 1s
			}
			insecure_loopback_http
		}
		issuer $REALM {
			verify introspect
			introspection {
				basic orders {env.ORDERS_SECRET}
				ttl 1s
			}
			insecure_loopback_http
		}
		audience ` + orders + `
		scope orders:read
	}
	reverse_proxy $UPSTREAM
}
`

// startLegacy runs one.
func startLegacy(t testing.TB, b backend) *legacyNode {
	t.Helper()
	n := prepareLegacy(t, legacyConfig(b))
	n.run(t)
	return n
}

// legacyConfig is what one runs with. more is added to its main environment.
func legacyConfig(b backend, more ...string) config {
	return config{
		storage: b,
		global:  "insecure_unlimited 127.0.0.0/8" + legacyOption,
		env:     strings.Join(append([]string{legacyMain}, more...), "\n"),
		other:   legacyBravo,
		sites:   legacySites,
		ports:   []string{"door", "remote"},
		vars:    map[string]string{"AM": "http://127.0.0.1:$AS/am", "REALM": "$AM/oauth2/realms/root/realms/alpha", "COMPAT": ""},
	}
}

// prepareLegacy is prepare, with the applications and what is secret about them.
func prepareLegacy(t testing.TB, c config) *legacyNode {
	t.Helper()
	n := &legacyNode{
		web:   newParty(t, "legacy-web", legacyWebSecret, "127.0.0.1"),
		bravo: newParty(t, "legacy-web", legacyOtherSecret, "127.0.0.1"),
	}
	if c.vars["WEB"] == "" {
		c.vars["WEB"], c.vars["BRAVO"] = n.web.base, n.bravo.base
	}
	n.web.base, n.bravo.base = c.vars["WEB"], c.vars["BRAVO"]
	n.node = prepare(t, c)
	for name, value := range map[string]string{
		"AMADMIN_PASSWORD": adminPassword, "BOB_PASSWORD": bobPassword, "BRAVO_PASSWORD": bravoPassword,
		"LEGACY_WEB_SECRET": legacyWebSecret, "LEGACY_OTHER_SECRET": legacyOtherSecret,
	} {
		n.env = append(n.env, name+"="+value)
		n.secret(name, value)
	}
	n.secret("alice's password", alicePassword)
	return n
}

// am is an address below /am.
func (n *legacyNode) am(path string) string { return n.expand("$AM") + path }

// The paths of a realm; "" is the top one.
func realmJSON(realm, rest string) string {
	if realm == "" {
		return "/json/realms/root/" + rest
	}
	return "/json/realms/root/realms/" + realm + "/" + rest
}

func realmOAuth(realm, rest string) string { return "/oauth2/realms/root/realms/" + realm + "/" + rest }

// issuerOf is the iss of tokens that come from a realm's own paths.
func (n *legacyNode) issuerOf(realm string) string {
	return strings.TrimSuffix(n.am(realmOAuth(realm, "")), "/")
}

// ask sends a request below /am; header are names and values in turn.
func (n *legacyNode) ask(t testing.TB, method, path, body string, header ...string) answer {
	t.Helper()
	return n.do(t, n.request(method, path, body, header...))
}

func (n *legacyNode) request(method, path, body string, header ...string) *http.Request {
	req, err := http.NewRequest(method, n.am(path), strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		if strings.EqualFold(header[i], "Cookie") {
			req.Header.Add("Cookie", header[i+1])
			continue
		}
		req.Header.Set(header[i], header[i+1])
	}
	return req
}

// authenticate signs on with the two headers of one step and gives the SSO token.
func (n *legacyNode) authenticate(t testing.TB, realm, name, password string) string {
	t.Helper()
	a := n.ask(t, "POST", realmJSON(realm, "authenticate"), "{}", "Content-Type", "application/json",
		"Accept-API-Version", "resource=2.0, protocol=1.0", "X-OpenAM-Username", name, "X-OpenAM-Password", password)
	if a.status != http.StatusOK {
		t.Fatalf("%s signs on: %d %s, want 200", name, a.status, a.body)
	}
	sso, _ := a.object(t)["tokenId"].(string)
	if sso == "" {
		t.Fatalf("the answer to %s has no tokenId: %s", name, a.body)
	}
	n.secret("an SSO token", sso)
	n.secret("the secret of an SSO token", strings.Split(sso, "*")[0])
	return sso
}

func (n *legacyNode) administrator(t testing.TB) string {
	t.Helper()
	return n.authenticate(t, "", adminName, adminPassword)
}

// authorize has an application ask for a code with a session, and redeems it: all below /am.
func (n *legacyNode) authorize(t testing.TB, realm string, p *party, sso, scope string) signedIn {
	t.Helper()
	verifier := random() + random()
	q := url.Values{
		"client_id": {p.id}, "response_type": {"code"}, "redirect_uri": {p.base + "/callback"}, "scope": {scope}, "state": {random()},
		"nonce": {random()}, "code_challenge": {challengeOf(verifier)}, "code_challenge_method": {"S256"}, "prompt": {"none"},
	}
	a := n.ask(t, "GET", realmOAuth(realm, "authorize?"+q.Encode()), "", "Cookie", ssoName+"="+sso)
	to, err := url.Parse(a.header.Get("Location"))
	if err != nil || to.Query().Get("code") == "" {
		t.Fatalf("authorize: %d to %q: %.300s, want a code", a.status, a.header.Get("Location"), a.body)
	}
	if iss := to.Query().Get("iss"); iss != n.issuerOf(realm) {
		t.Errorf("iss of the answer = %q, want the realm's (RFC 9207 §2)", iss)
	}
	n.secret("a code", to.Query().Get("code"))
	return n.tokens(t, n.formAt(t, n.am(realmOAuth(realm, "access_token")), basic(p.id, p.secret), "grant_type", "authorization_code",
		"code", to.Query().Get("code"), "redirect_uri", p.base+"/callback", "code_verifier", verifier))
}

func challengeOf(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return b64(sum[:])
}

// frrest calls the token endpoint of /frrest; rest is "" or begins with a token or a question mark.
func (n *legacyNode) frrest(t testing.TB, method, rest, sso string) answer {
	t.Helper()
	return n.ask(t, method, "/frrest/oauth2/token/"+rest, "", ssoName, sso)
}

// list gives the result of a query, each by its token or handle's name.
func (n *legacyNode) list(t testing.TB, query, sso string) []map[string]any {
	t.Helper()
	a := n.frrest(t, "GET", "?_queryId="+url.QueryEscape(query), sso)
	var page struct {
		Result []map[string]any `json:"result"`
		Count  int              `json:"resultCount"`
	}
	if a.status != http.StatusOK || json.Unmarshal([]byte(a.body), &page) != nil || page.Count != len(page.Result) {
		t.Fatalf("query %s: %d %s, want 200 and a page", query, a.status, a.body)
	}
	return page.Result
}

// info asks tokeninfo.
func (n *legacyNode) info(t testing.TB, realm, token string) answer {
	t.Helper()
	return n.ask(t, "GET", realmOAuth(realm, "tokeninfo"), "", "Authorization", "Bearer "+token)
}

// introspectAt asks a realm's introspection endpoint.
func (n *legacyNode) introspectAt(t testing.TB, realm string, auth func(*http.Request), token string) map[string]any {
	t.Helper()
	a := n.formAt(t, n.am(realmOAuth(realm, "introspect")), auth, "token", token)
	if a.status != http.StatusOK {
		t.Fatalf("introspection = %d %s, want 200", a.status, a.body)
	}
	return a.object(t)
}

// userID is the person's ID, as the session says.
func (n *legacyNode) userID(t testing.TB, realm, sso string) string {
	t.Helper()
	a := n.ask(t, "POST", realmJSON(realm, "sessions?_action=getSessionInfo"), "", ssoName, sso, "Accept-API-Version", "resource=4.0, protocol=1.0")
	id, _ := a.object(t)["universalId"].(string)
	id, _, _ = strings.Cut(strings.TrimPrefix(id, "id="), ",")
	if a.status != http.StatusOK || id == "" {
		t.Fatalf("getSessionInfo = %d %s, want 200 and a universalId", a.status, a.body)
	}
	return id
}

// valid asks whether an SSO token is good, as the one who holds it.
func (n *legacyNode) valid(t testing.TB, realm, sso string) bool {
	t.Helper()
	a := n.ask(t, "POST", realmJSON(realm, "sessions?_action=validate"), "", ssoName, sso, "Accept-API-Version", "resource=4.0, protocol=1.0")
	if a.status == http.StatusUnauthorized {
		return false
	}
	valid, ok := a.object(t)["valid"].(bool)
	if !ok {
		t.Fatalf("validate = %d %s, want an answer", a.status, a.body)
	}
	return valid
}

// crest insists on an error of the CREST dialect.
func (a answer) crest(t testing.TB, status int, message string) {
	t.Helper()
	var e struct {
		Code    int    `json:"code"`
		Reason  string `json:"reason"`
		Message string `json:"message"`
	}
	if err := json.Unmarshal([]byte(a.body), &e); err != nil || a.status != status || e.Code != status || e.Reason != http.StatusText(status) || message != "" && e.Message != message {
		t.Errorf("answer = %d %.300s, want %d with code, reason and message %q", a.status, a.body, status, message)
	}
	a.uncached(t)
}

// is insists on a body and 200.
func (a answer) is(t testing.TB, body string) {
	t.Helper()
	if a.status != http.StatusOK || a.body != body {
		t.Errorf("answer = %d %.300s, want 200 %s", a.status, a.body, body)
	}
}

// oauth insists on an error of the OAuth dialect.
func (a answer) oauth(t testing.TB, status int, code string) {
	t.Helper()
	var e map[string]any
	if err := json.Unmarshal([]byte(a.body), &e); err != nil || a.status != status || e["error"] != code || e["message"] != nil {
		t.Errorf("answer = %d %.300s, want %d %s", a.status, a.body, status, code)
	}
	a.uncached(t)
}

// uncached checks what every answer below /am with something of somebody in it has.
func (a answer) uncached(t testing.TB) {
	t.Helper()
	if cc := a.header.Get("Cache-Control"); !strings.Contains(cc, "no-store") {
		t.Errorf("Cache-Control = %q, want no-store", cc)
	}
	if a.header.Get("Referrer-Policy") != "no-referrer" {
		t.Errorf("Referrer-Policy = %q, want no-referrer", a.header.Get("Referrer-Policy"))
	}
	if d := a.header.Get("Deprecation"); !strings.HasPrefix(d, "@") {
		t.Errorf("Deprecation = %q, want a date (RFC 9745 §2.1)", d)
	}
}

// gates gives the statuses of a token at the gate in process and at the one that asks over HTTP.
func (n *legacyNode) gates(t testing.TB, token string) string {
	t.Helper()
	return fmt.Sprint(n.call(t, "door", "/", token).status, " ", n.call(t, "remote", "/", token).status)
}

func padded64(text string) string { return base64.URLEncoding.EncodeToString([]byte(text)) }
