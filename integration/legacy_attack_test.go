package integration_test

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// TestLegacyAttacks: the attack cases of the paths below /am. What stands for everybody, silence above all, is looked
// at when the node ends.
func TestLegacyAttacks(t *testing.T) {
	onEach(t, func(t *testing.T, store backend) {
		c := legacyConfig(store, legacyConsole)
		// A site that has other surfaces, and something of its own behind them.
		c.ports = append(c.ports, "partly")
		c.sites += `
http://:$PARTLY {
	log
	authorization_server oidc
	respond "behind" 418
}
`
		n := prepareLegacy(t, c)
		n.run(t)
		admin := n.administrator(t)
		alice := n.authenticate(t, "alpha", "alice", alicePassword)
		bob := n.authenticate(t, "alpha", "bob", bobPassword)
		stranger := n.authenticate(t, "bravo", "alice", bravoPassword)
		hers := n.authorize(t, "alpha", n.web, alice, "openid email offline_access orders:read")
		machine := n.token(t, worker, "orders:read")
		good := func(t testing.TB) {
			t.Helper()
			if g := n.gates(t, hers.access); g != "200 200" {
				t.Errorf("the token at the gates: %s, want it untouched", g)
			}
			if a := n.frrest(t, "GET", hers.access, alice); a.status != http.StatusOK {
				t.Errorf("the owner reads: %d %s, want 200", a.status, a.body)
			}
			if m := n.introspect(t, basic(n.web.id, n.web.secret), hers.refresh); m["active"] != true {
				t.Errorf("the refresh token: %v, want it untouched", m)
			}
		}

		t.Run("case_129 tokens of others", func(t *testing.T) {
			callers := map[string]struct {
				sso     string
				message string
			}{
				"another person": {bob, "Unauthorized"}, "the same name in another realm": {stranger, "Unauthorized"},
				"nobody": {"", "Access Denied"}, "a bearer token as session": {hers.access, "Unauthorized"}, "a refresh token as session": {hers.refresh, "Unauthorized"},
				"an altered session": {alice[:20] + otherThan(alice[20]) + alice[21:], "Unauthorized"}, "her session in the other realm": {n.inRealm(alice, "/bravo"), "Unauthorized"},
				"her session as an administrator's": {n.inRealm(alice, "/"), "Unauthorized"}, "her session without a realm": {strings.Split(alice, "*")[0], "Unauthorized"},
			}
			for _, name := range slices.Sorted(maps.Keys(callers)) {
				c := callers[name]
				t.Run(name, func(t *testing.T) {
					for _, token := range []string{hers.access, hers.refresh} {
						n.frrest(t, "GET", token, c.sso).crest(t, 401, c.message)
						n.frrest(t, "DELETE", token, c.sso).crest(t, 401, c.message)
						n.frrest(t, "POST", token+"?_action=revoke", c.sso).crest(t, 401, c.message)
						// And where the session comes in the cookie.
						if c.sso != "" {
							n.ask(t, "DELETE", "/frrest/oauth2/token/"+token, "", "Cookie", ssoName+"="+c.sso, "X-Requested-With", "script").crest(t, 401, c.message)
						}
					}
				})
			}
			// The handle of a token is no way around.
			handle := n.handle(t, admin, n.userID(t, "alpha", alice))
			for _, sso := range []string{bob, stranger} {
				for _, method := range []string{"GET", "DELETE"} {
					if a := n.frrest(t, method, handle, sso); a.status != 401 && a.status != 404 {
						t.Errorf("%s by handle: %d %s, want 401 or 404", method, a.status, a.body)
					}
				}
			}
			// A bearer token is none of the ways to be somebody.
			n.ask(t, "GET", "/frrest/oauth2/token/"+hers.access, "", "Authorization", "Bearer "+hers.access).crest(t, 401, "Access Denied")
			n.ask(t, "DELETE", "/frrest/oauth2/token/"+hers.access, "", "Authorization", "Bearer "+hers.access).crest(t, 401, "Access Denied")
			// The header wins over the cookie: her own session in the cookie does not help who sends a bad header.
			n.ask(t, "GET", "/frrest/oauth2/token/"+hers.access, "", "Cookie", ssoName+"="+alice, ssoName, bob).crest(t, 401, "Unauthorized")
			// Tokens that belong to no person are the administrators'.
			for _, method := range []string{"GET", "DELETE"} {
				n.frrest(t, method, machine, alice).crest(t, 401, "Unauthorized")
			}
			if a := n.call(t, "door", "/", machine); a.status != http.StatusOK {
				t.Errorf("the worker's token: %d, want it untouched", a.status)
			}
			good(t)
		})

		t.Run("case_129 queries", func(t *testing.T) {
			id := n.userID(t, "alpha", alice)
			all := len(n.list(t, "userName="+id+",realm=/alpha", admin))
			if all < 2 {
				t.Fatalf("the administrator sees %d tokens of hers, want two at least", all)
			}
			// Patterns and quotes are refused; what else is no name is nobody's.
			for _, name := range []string{"*", `"`, "a*", `alice"`, "*)(uid*", `" OR "1"--`} {
				n.frrest(t, "GET", "?_queryId="+url.QueryEscape("userName="+name+",realm=/alpha"), admin).crest(t, 400, "")
			}
			for _, name := range []string{"%", "_", "'", "' OR '1'--", "alice' --", id[:len(id)-1], strings.ToUpper(id) + "x", "alice;", "alice(1)"} {
				if got := n.list(t, "userName="+name+",realm=/alpha", admin); len(got) != 0 {
					t.Errorf("userName=%s lists %d tokens, want none", name, len(got))
				}
			}
			if got := n.list(t, "userName="+id+",realm=/charlie", admin); len(got) != 0 {
				t.Errorf("a realm that there is not has %d tokens", len(got))
			}
			bad := map[string]string{
				"a second realm": "userName=" + id + ",realm=/alpha,realm=/bravo", "a second person": "userName=" + id + ",userName=bob",
				"a realm with dots": "userName=" + id + ",realm=/../", "a realm with dots below": "userName=" + id + ",realm=/alpha/../bravo",
				"a realm with an empty name": "userName=" + id + ",realm=//alpha", "a field that there is not": "userName=" + id + ",password=x", "an SQL field": "userName=" + id + ",1=1", "no field at all": "access_token,x", "empty pieces": ",",
			}
			for _, name := range slices.Sorted(maps.Keys(bad)) {
				t.Run(name, func(t *testing.T) {
					a := n.frrest(t, "GET", "?_queryId="+url.QueryEscape(bad[name]), admin)
					a.crest(t, 400, "")
					if strings.Contains(a.body, id) {
						t.Errorf("the answer repeats the query: %s", a.body)
					}
				})
			}
			for _, raw := range []string{
				"", "?_queryId=", "?_queryFilter=true&_queryId=access_token", "?_queryId=access_token&_queryId=access_token", "?_queryId=%zz", "?_queryId=%00",
				"?_queryId=access_token&_pageSize=-1", "?_queryId=access_token&_pageSize=x", "?_queryId=access_token&_pagedResultsCookie=%27", "?_queryId=access_token&_unknown=1",
			} {
				n.frrest(t, "GET", raw, alice).crest(t, 400, "")
			}
			// A person's own tokens, whoever else is named, and in no other realm.
			for _, query := range []string{"userName=" + id, "userName=bob", "access_token,userName=bob", "userName=*,realm=/alpha"} {
				n.frrest(t, "GET", "?_queryId="+url.QueryEscape(query), alice).crest(t, 400, "")
			}
			for _, sso := range []string{bob, stranger} {
				for _, query := range []string{"access_token", "realm=/alpha", "tokenName=refresh_token", "clientID=legacy-web"} {
					if got := n.list(t, query, sso); len(got) != 0 {
						t.Errorf("%s lists %d tokens to who has none", query, len(got))
					}
				}
			}
			good(t)
		})

		t.Run("case_129 realms in paths", func(t *testing.T) {
			for _, path := range []string{
				"/json/realms/root/realms/../realms/alpha/sessions", "/json/realms/root/realms/%2e%2e/sessions", "/json/realms/root/realms/alpha%2Fbravo/sessions",
				"/json/realms/root/realms//sessions", "/json/realms/root/realms/charlie/sessions", "/json/charlie/sessions", "/json/sessions?realm=/../", "/json/sessions?realm=/alpha&realm=/bravo",
				"/json/sessions?realm=//alpha", "/json/sessions?realm=/alpha/../bravo", "/json/sessions?realm=%00",
			} {
				a := n.raw(t, "as", "POST /am"+path+query(path)+"_action=validate HTTP/1.1\r\nHost: "+n.addr("as")+"\r\nConnection: close\r\nContent-Length: 0\r\nAccept-API-Version: resource=4.0\r\n"+ssoName+": "+alice+"\r\n\r\n")
				if a.status != 400 && a.status != 404 {
					t.Errorf("%s: %d %s, want 400 or 404", path, a.status, a.body)
				}
			}
			for _, path := range []string{"/oauth2/realms/root/realms/charlie/tokeninfo", "/oauth2/tokeninfo?realm=/../alpha", "/oauth2/realms/root/realms/%2e%2e/realms/alpha/tokeninfo"} {
				a := n.rawGet(t, "as", "/am"+path, "Authorization: Bearer "+hers.access)
				a.oauth(t, 404, "not_found")
			}
			// The nearest good forms.
			for _, path := range []string{"/json/realms/root/realms/alpha/sessions", "/json/realms/root/realms/alpha/sessions/", "/json/alpha/sessions", "/json/sessions?realm=/alpha", "/json/sessions?realm=alpha"} {
				a := n.ask(t, "POST", path+query(path)+"_action=validate", "", ssoName, alice, "Accept-API-Version", "resource=4.0")
				if a.status != http.StatusOK || a.object(t)["valid"] != true {
					t.Errorf("%s: %d %s, want 200 and valid", path, a.status, a.body)
				}
			}
			for _, path := range []string{"/oauth2/realms/root/realms/alpha/tokeninfo", "/oauth2/alpha/tokeninfo", "/oauth2/tokeninfo?realm=/alpha"} {
				if a := n.ask(t, "GET", path, "", "Authorization", "Bearer "+hers.access); a.status != http.StatusOK {
					t.Errorf("%s: %d %s, want 200", path, a.status, a.body)
				}
			}
		})

		t.Run("case_130 token info", func(t *testing.T) {
			dead := n.authorize(t, "alpha", n.web, alice, "openid").access
			n.revokeAt(t, "alpha", basic(n.web.id, n.web.secret), dead)
			for name, token := range map[string]string{
				"revoked": dead, "a refresh token": hers.refresh, "an ID token": hers.id, "altered": hers.access[:len(hers.access)-6] + "AAAAAA",
				"an SSO token's secret": strings.Split(alice, "*")[0], "a handle": n.handle(t, admin, n.userID(t, "alpha", alice)),
			} {
				t.Run(name, func(t *testing.T) { n.info(t, "alpha", token).oauth(t, 401, "invalid_token") })
			}
			n.info(t, "alpha", alice).oauth(t, 400, "invalid_request") // no bearer token has stars (RFC 6750 §2.1)
			n.info(t, "bravo", hers.access).oauth(t, 401, "invalid_token")
			n.ask(t, "GET", realmOAuth("alpha", "tokeninfo"), "").oauth(t, 401, "invalid_token")
			in := "tokeninfo?access_token=" + hers.access
			n.ask(t, "GET", realmOAuth("alpha", in), "").oauth(t, 400, "invalid_request")
			n.ask(t, "GET", realmOAuth("alpha", in), "", "Authorization", "Bearer "+hers.access).oauth(t, 400, "invalid_request")
			a := n.ask(t, "POST", realmOAuth("alpha", "tokeninfo"), "access_token="+hers.access, "Content-Type", "application/x-www-form-urlencoded")
			if a.status != http.StatusMethodNotAllowed {
				t.Errorf("POST: %d %s, want 405", a.status, a.body)
			}
		})

		t.Run("case_129 other clients", func(t *testing.T) {
			// A client sees and ends its own tokens only, as at the standard endpoints.
			other := func(r *http.Request) {}
			a := n.formAt(t, n.am(realmOAuth("alpha", "introspect")), other, "client_id", "legacy-other", "client_secret", legacyOtherSecret, "token", hers.access)
			std := n.formAt(t, n.vars["ISSUER"]+"/introspect", other, "client_id", "legacy-other", "client_secret", legacyOtherSecret, "token", hers.access)
			if a.object(t)["active"] != std.object(t)["active"] || a.object(t)["active"] != false {
				t.Errorf("introspection by another client: %s here, %s at the standard endpoint, want inactive", a.body, std.body)
			}
			n.formAt(t, n.am(realmOAuth("alpha", "token/revoke")), other, "client_id", "legacy-other", "client_secret", legacyOtherSecret, "token", hers.access).oauth(t, 400, "invalid_grant")
			n.formAt(t, n.am(realmOAuth("alpha", "token/revoke")), other, "client_id", "legacy-other", "client_secret", "wrong", "token", hers.access).oauth(t, 401, "invalid_client")
			n.formAt(t, n.am(realmOAuth("alpha", "introspect")), nil, "token", hers.access).oauth(t, 401, "invalid_client")
			good(t)
		})

		t.Run("3.5 other sites' pages", func(t *testing.T) {
			fresh := n.authenticate(t, "alpha", "alice", alicePassword)
			cookie := ssoName + "=" + fresh
			forged := func(method, path string, header ...string) answer {
				return n.ask(t, method, path, "", append([]string{"Cookie", cookie, "Origin", "https://evil.example.com"}, header...)...)
			}
			logout := realmJSON("alpha", "sessions?_action=logout")
			forged("POST", logout).crest(t, 403, "")
			forged("POST", logout, "Content-Type", "text/plain").crest(t, 403, "")
			id := n.userID(t, "alpha", fresh)
			forged("DELETE", realmJSON("alpha", "users/"+id+"/oauth2/applications/legacy-web")).crest(t, 403, "")
			for _, request := range []string{"DELETE /frrest/oauth2/token/" + hers.access, "POST /frrest/oauth2/token/" + hers.access + "?_action=revoke"} {
				method, path, _ := strings.Cut(request, " ")
				n.ask(t, method, path, "", "Cookie", cookie).crest(t, 403, "")
				// These paths have no realm, so pages of other origins are let in as nobody there, whatever they send along.
				forged(method, path).crest(t, 401, "Access Denied")
				forged(method, path, "X-Requested-With", "script").crest(t, 401, "Access Denied")
			}
			// Nor can a page of the realm's own application use an administrator's cookie.
			n.ask(t, "POST", realmJSON("alpha", "sessions?_action=validate"), "", "Cookie", ssoName+"="+admin, "Origin", "https://console.example.com", "Accept-API-Version", "resource=4.0").is(t, `{"valid":false}`)
			good(t)
			if !n.valid(t, "alpha", fresh) {
				t.Error("the session has ended")
			}
			if a := n.ask(t, "POST", logout, "", "Cookie", cookie, "X-Requested-With", "script"); a.status != http.StatusOK {
				t.Errorf("logout with the header: %d %s, want 200", a.status, a.body)
			}
		})

		t.Run("case_134 cross-origin reads", func(t *testing.T) {
			for _, origin := range []string{"null", "https://console.example.com.evil.example.com", "https://evil-console.example.com", "http://console.example.com", "https://console.example.com:8443"} {
				for _, path := range []string{realmJSON("alpha", "authenticate"), realmJSON("alpha", "sessions"), realmJSON("alpha", "users/x/oauth2/applications"), realmOAuth("alpha", "authorize"), "/frrest/oauth2/token/x"} {
					a := n.ask(t, "OPTIONS", path, "", "Origin", origin, "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "accept-api-version,content-type")
					if a.header.Get("Access-Control-Allow-Origin") != "" || a.header.Get("Access-Control-Allow-Credentials") != "" {
						t.Errorf("%s is open to %s: %v", path, origin, a.header)
					}
				}
				for path, token := range map[string]string{realmOAuth("alpha", "tokeninfo"): hers.access, realmOAuth("alpha", "userinfo"): hers.access, realmJSON("alpha", "serverinfo/*"): ""} {
					a := n.ask(t, "GET", path, "", "Origin", origin, "Authorization", "Bearer "+token, "Cookie", ssoName+"="+alice)
					if a.header.Get("Access-Control-Allow-Credentials") != "" || a.header.Get("Access-Control-Allow-Origin") == origin {
						t.Errorf("%s is open to %s with cookies: %v", path, origin, a.header)
					}
				}
			}
			// The application's own origin may.
			const own = "https://console.example.com"
			a := n.ask(t, "OPTIONS", realmJSON("alpha", "sessions"), "", "Origin", own, "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "accept-api-version")
			b := n.ask(t, "POST", realmJSON("alpha", "sessions?_action=validate"), "", "Origin", own, "Cookie", ssoName+"="+alice, "Accept-API-Version", "resource=4.0")
			for what, a := range map[string]answer{"preflight": a, "answer": b} {
				if a.header.Get("Access-Control-Allow-Origin") != own || a.header.Get("Access-Control-Allow-Credentials") != "true" || !strings.Contains(strings.Join(a.header.Values("Vary"), ","), "Origin") {
					t.Errorf("%s for the application's origin: %d %v, want it open", what, a.status, a.header)
				}
			}
			// Not in the realm of whose applications none trusts it.
			c := n.ask(t, "OPTIONS", realmJSON("bravo", "sessions"), "", "Origin", own, "Access-Control-Request-Method", "POST")
			if c.header.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("realm bravo is open to an origin of alpha's: %v", c.header)
			}
		})

		t.Run("case_135 cacheable secrets", func(t *testing.T) {
			id := n.userID(t, "alpha", alice)
			for name, a := range map[string]answer{
				"authenticate, a step": n.ask(t, "POST", realmJSON("alpha", "authenticate"), "{}", "Content-Type", "application/json"),
				"sessions":             n.ask(t, "POST", realmJSON("alpha", "sessions?_action=getSessionInfo"), "", ssoName, alice),
				"serverinfo":           n.ask(t, "GET", realmJSON("alpha", "serverinfo/*"), ""),
				"read":                 n.frrest(t, "GET", hers.access, alice),
				"list":                 n.frrest(t, "GET", "?_queryId=access_token", alice),
				"applications":         n.ask(t, "GET", realmJSON("alpha", "users/"+id+"/oauth2/applications?_queryFilter=true"), "", ssoName, alice),
				"tokeninfo":            n.info(t, "alpha", hers.access),
				"introspection":        n.formAt(t, n.am(realmOAuth("alpha", "introspect")), basic(n.web.id, n.web.secret), "token", hers.access),
				"userinfo":             n.ask(t, "GET", realmOAuth("alpha", "userinfo"), "", "Authorization", "Bearer "+hers.access),
				"revocation":           n.formAt(t, n.am(realmOAuth("alpha", "token/revoke")), basic(n.web.id, n.web.secret), "token", "none"),
				"token error":          n.formAt(t, n.am(realmOAuth("alpha", "access_token")), basic(n.web.id, n.web.secret), "grant_type", "authorization_code", "code", "none"),
				"authorize error":      n.ask(t, "GET", realmOAuth("alpha", "authorize?client_id=none"), ""),
				"nowhere":              n.ask(t, "GET", "/json/realms/root/realms/alpha/nowhere", ""),
				"nowhere below oauth2": n.ask(t, "GET", realmOAuth("alpha", "nowhere"), ""),
				"below nothing":        n.ask(t, "GET", "/nowhere", ""),
			} {
				t.Run(name, func(t *testing.T) {
					if name != "authorize error" && a.status/100 != 2 && a.status/100 != 4 {
						t.Errorf("status = %d %s", a.status, a.body)
					}
					a.uncached(t)
				})
			}
		})

		t.Run("case_123 weak randomness", func(t *testing.T) {
			seen := map[string]bool{}
			const many = 24
			for range many {
				sso := n.authenticate(t, "", adminName, adminPassword)
				secret := strings.Split(sso, "*")[0]
				if len(secret) < 43 || seen[secret] { // 256 bits in base64url
					t.Fatalf("an SSO token has a secret of %d characters, seen before: %t", len(secret), seen[secret])
				}
				seen[secret] = true
			}
			for i := range 43 { // no place in the text is a constant
				at := map[byte]bool{}
				for s := range seen {
					at[s[i]] = true
				}
				if len(at) < 6 && i < 42 {
					t.Errorf("place %d of %d SSO tokens has %d different characters", i, many, len(at))
				}
			}
		})

		t.Run("case_126 secrets in logs", func(t *testing.T) { n.sendEverywhere(t, hers, alice, admin) })
	})
}

// legacyConsole is an application whose page may call with cookies.
const legacyConsole = `
			application console {
				type single_page_app
				auth_method none
				grant authorization_code
				redirect_uri https://console.example.com/callback
				cors_origin https://console.example.com
				allow openid
			}`

func query(path string) string {
	if strings.Contains(path, "?") {
		return "&"
	}
	return "?"
}

// handle names an access token of the person in lists.
func (n *legacyNode) handle(t testing.TB, admin, person string) string {
	t.Helper()
	list := n.list(t, "userName="+person+",realm=/alpha,tokenName=access_token", admin)
	if len(list) == 0 {
		t.Fatal("the person has no access token")
	}
	handle, _ := list[0]["_id"].(string)
	if len(handle) < 36 || strings.Count(handle, ".") != 0 {
		t.Fatalf("_id of a list = %q, want a handle", handle)
	}
	return handle
}

// inRealm is an SSO token whose realm was exchanged.
func (n *legacyNode) inRealm(sso, realm string) string {
	pairs := fmt.Sprintf("\x00\x02SR\x00%c%s", len(realm), realm)
	text := strings.Split(sso, "*")[0] + "*" + strings.ReplaceAll(padded64(pairs), "=", ".") + "*"
	n.secret("an altered SSO token", text)
	return text
}

// revokeAt ends a token at a realm's endpoint and insists on success.
func (n *legacyNode) revokeAt(t testing.TB, realm string, auth func(*http.Request), token string) {
	t.Helper()
	if a := n.formAt(t, n.am(realmOAuth(realm, "token/revoke")), auth, "token", token); a.status != http.StatusOK {
		t.Fatalf("token/revoke = %d %s, want 200", a.status, a.body)
	}
}

// sendEverywhere puts tokens wherever a client may put them by mistake, on every site, and looks for them at once in
// what is scraped and dumped; logs and files are searched when the node ends.
func (n *legacyNode) sendEverywhere(t *testing.T, hers signedIn, alice, admin string) {
	var wire []string
	for _, token := range []string{hers.access, hers.refresh, alice} {
		escaped := url.PathEscape(token)
		wire = append(wire,
			"GET /am/frrest/oauth2/token/"+escaped, "DELETE /am/frrest/oauth2/token/"+escaped+"/", "PUT /am/frrest/oauth2/token/"+escaped,
			"GET /am/frrest/oauth2/token//"+escaped, "GET //am/frrest/oauth2/token/"+escaped, "GET /am//frrest/oauth2/token/"+escaped, "GET /AM/FRREST/oauth2/Token/"+escaped,
			"GET /am/./frrest/oauth2/token/"+escaped, "GET /am/x/../frrest/oauth2/token/"+escaped, "GET /am/frrest/oauth2/token/x/"+escaped, "GET /am/frrest/oauth2/token/"+escaped+"/x",
			"GET /am/frrest/oauth2/tokens/"+escaped, "GET /am/frrest/oauth2/"+escaped, "GET /am/frrest/"+escaped, "GET /am/frrest/realms/root/realms/alpha/oauth2/token/"+escaped,
			"GET /am/%66rrest/oauth2/token/"+escaped, "GET /am/frrest%2Foauth2%2Ftoken%2F"+escaped, "GET /am/frrest/oauth2/token/"+strings.ReplaceAll(escaped, "a", "%61"),
			"GET /am/frrest/oauth2/token;x=1/"+escaped, "GET /am/frrest/oauth2/token/"+escaped+";x=1", "GET /openam/frrest/oauth2/token/"+escaped, "GET /frrest/oauth2/token/"+escaped,
			"POST /am/frrest/oauth2/token/"+escaped+"?_action=revokeTokens", "BREW /am/frrest/oauth2/token/"+escaped,
			"GET /am/frrest/oauth2/token/?_queryId=id%3D"+escaped, "GET /am/frrest/oauth2/token/?_queryId=userName%3Dalice%2CssoTokenId%3D"+escaped,
			"GET /am/oauth2/realms/root/realms/alpha/tokeninfo?access_token="+escaped, "GET /am/oauth2/tokeninfo?Access_Token="+escaped,
			"GET /am/oauth2/realms/root/realms/alpha/introspect?token="+escaped, "POST /am/oauth2/realms/root/realms/alpha/token/revoke?token="+escaped,
			"POST /am/json/realms/root/realms/alpha/sessions?_action=validate&tokenId="+escaped, "POST /am/json/sessions/"+escaped+"?_action=validate",
			"POST /am/json/sessions?tokenId="+escaped+"&_action=logout", "POST /am/json/sessions?TokenID="+escaped, "POST /am/json/realms/root/realms/alpha/authenticate?sessionUpgradeSSOTokenId="+escaped,
			"GET /am/json/realms/root/realms/alpha/users/"+escaped+"/oauth2/applications?_queryFilter=true", "GET /am/json/realms/root/realms/"+escaped+"/serverinfo/*",
			"GET /am/oauth2/realms/root/realms/"+escaped+"/tokeninfo", "GET /am/json/"+escaped+"/sessions",
		)
	}
	for _, port := range []string{"as", "partly"} {
		for _, line := range wire {
			method, target, _ := strings.Cut(line, " ")
			n.raw(t, port, method+" "+target+" HTTP/1.1\r\nHost: "+n.addr(port)+"\r\nConnection: close\r\nContent-Length: 0\r\n"+
				"Referer: http://"+n.addr("as")+target+"\r\n"+ssoName+": "+alice+"x\r\nCookie: "+ssoName+"="+alice+"y\r\n\r\n")
		}
	}
	for _, body := range []string{`{"tokenId":"` + alice + `"}`, `{"tokenId":["` + alice + `"]}`, `{"tokenId":` + alice, `{"authId":"` + hers.access + `"}`, alice} {
		n.ask(t, "POST", realmJSON("alpha", "sessions?_action=getSessionInfo"), body, "Content-Type", "application/json", ssoName, admin, "Accept-API-Version", "resource=4.0")
		n.ask(t, "POST", realmJSON("alpha", "authenticate"), body, "Content-Type", "application/json")
	}
	n.ask(t, "POST", realmJSON("alpha", "authenticate"), "{}", "Content-Type", "application/json", "X-OpenAM-Username", alicePassword, "X-OpenAM-Password", alicePassword)
	n.ask(t, "POST", realmJSON("alpha", "authenticate"), "{}", "Content-Type", "application/json", "X-OpenAM-Username", "alice", "X-OpenAM-Password", bobPassword+"x")

	for _, path := range []string{"/metrics", "/config/"} {
		r, err := n.client.Get(n.url("admin") + path)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil || r.StatusCode != http.StatusOK {
			t.Fatalf("%s = %d, %v", path, r.StatusCode, err)
		}
		n.mu.Lock()
		for text, what := range n.secrets {
			// The Caddyfile of these tests has alice's password in it; the dump shows what is configured.
			if text != alicePassword && strings.Contains(string(b), text) {
				t.Errorf("%s has %s in it", path, what)
			}
		}
		n.mu.Unlock()
	}
}

// otherThan is one character that is not c.
func otherThan(c byte) string {
	if c == 'x' {
		return "y"
	}
	return "x"
}
