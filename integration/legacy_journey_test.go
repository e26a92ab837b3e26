package integration_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestLegacyJourney is what the README shows, and what scripts of the legacy endpoints do, from one call to the next:
// what one endpoint ends, all others know at once, and the gate too.
func TestLegacyJourney(t *testing.T) {
	onEach(t, func(t *testing.T, store backend) {
		n := startLegacy(t, store)
		admin := n.administrator(t)
		alice := n.authenticate(t, "alpha", "alice", alicePassword)
		id := n.userID(t, "alpha", alice)
		const scope = "openid profile email offline_access orders:read"

		t.Run("6 and 7 the same token everywhere", func(t *testing.T) {
			got := n.authorize(t, "alpha", n.web, alice, scope)
			if iss := claims(t, got.access)["iss"]; iss != n.issuerOf("alpha") {
				t.Errorf("iss = %v, want the realm's", iss)
			}
			if g := n.gates(t, got.access); g != "200 200" {
				t.Errorf("gates = %s, want 200 of both", g)
			}
			// Each gate takes the issuers that it was told of.
			if a := n.call(t, "gate", "/", got.access); a.status != http.StatusUnauthorized {
				t.Errorf("a gate that knows the environment's issuer alone: %d, want 401", a.status)
			}
			info := n.info(t, "alpha", got.access)
			if info.status != http.StatusOK {
				t.Fatalf("tokeninfo = %d %s, want 200", info.status, info.body)
			}
			info.uncached(t)
			m := info.object(t)
			if m["access_token"] != got.access || m["realm"] != "/alpha" || m["client_id"] != n.web.id || m["grant_type"] != "authorization_code" || m["email"] == nil {
				t.Errorf("tokeninfo = %s, want the token, the realm, the client, the grant and a member for each scope", info.body)
			}
			if scopes, ok := m["scope"].([]any); !ok || len(scopes) != 5 {
				t.Errorf("scope of tokeninfo = %v, want an array of five", m["scope"])
			}
			intro := n.introspectAt(t, "alpha", basic(n.web.id, n.web.secret), got.access)
			if intro["active"] != true || intro["realm"] != "/alpha" || intro["user_id"] != m["sub"] || intro["scope"] != scope {
				t.Errorf("introspection = %v, want what tokeninfo says, in its own shape", intro)
			}
			std := n.form(t, "/introspect", basic(n.web.id, n.web.secret), "token", got.access)
			if std.object(t)["active"] != true {
				t.Errorf("the standard endpoint says %s, want the same verdict", std.body)
			}
			user := n.ask(t, "GET", realmOAuth("alpha", "userinfo"), "", "Authorization", "Bearer "+got.access)
			if user.status != http.StatusOK || user.object(t)["sub"] != m["sub"] {
				t.Errorf("userinfo = %d %s, want the same person", user.status, user.body)
			}
		})

		t.Run("5.2 read, 5.3 list, 5.4 delete", func(t *testing.T) {
			got := n.authorize(t, "alpha", n.web, alice, scope)
			keep := n.authorize(t, "alpha", n.web, alice, scope)
			own := n.frrest(t, "GET", got.access, alice)
			if own.status != http.StatusOK {
				t.Fatalf("the owner reads: %d %s, want 200", own.status, own.body)
			}
			full := n.frrest(t, "GET", got.access, admin).object(t)
			refresh := n.frrest(t, "GET", got.refresh, admin).object(t)
			for name, want := range map[string]any{
				"clientID": []any{n.web.id}, "realm": []any{"/alpha"}, "tokenName": []any{"access_token"}, "tokenType": []any{"Bearer"},
				"grant_type": []any{"authorization_code"}, "redirectURI": []any{n.web.base + "/callback"}, "userName": []any{id},
			} {
				if diff := cmp.Diff(want, full[name]); diff != "" {
					t.Errorf("%s (-want +got):\n%s", name, diff)
				}
			}
			if refresh["tokenName"].([]any)[0] != "refresh_token" {
				t.Errorf("tokenName of the refresh token = %v", refresh["tokenName"])
			}
			for _, secret := range []string{"id", "parent", "refreshToken", "authGrantId", "auditTrackingId"} {
				if own.object(t)[secret] != nil {
					t.Errorf("the owner is told %s", secret)
				}
			}
			// All of her tokens, of either kind; the query names no realm twice and no token itself.
			count := func(query, sso string) map[string]int {
				kinds := map[string]int{}
				for _, item := range n.list(t, query, sso) {
					kinds[item["tokenName"].([]any)[0].(string)]++
				}
				return kinds
			}
			before := count("userName="+id+",realm=/alpha", admin)
			if before["access_token"] < 2 || before["refresh_token"] < 2 {
				t.Errorf("the administrator sees %v, want two of each at least", before)
			}
			if own := count("access_token", alice); own["access_token"] != before["access_token"] || own["refresh_token"] != 0 {
				t.Errorf("access_token lists %v to the owner, want her %d access tokens", own, before["access_token"])
			}

			gone := n.frrest(t, "DELETE", got.access, admin)
			if gone.status != http.StatusOK {
				t.Fatalf("DELETE = %d %s, want 200", gone.status, gone.body)
			}
			n.gone(t, got.access, admin)
			// That token only: its refresh token, and the others, live on.
			if g := n.gates(t, keep.access); g != "200 200" {
				t.Errorf("another token at the gates: %s, want 200", g)
			}
			fresh := n.tokens(t, n.formAt(t, n.am(realmOAuth("alpha", "access_token")), basic(n.web.id, n.web.secret), "grant_type", "refresh_token", "refresh_token", got.refresh))
			if g := n.gates(t, fresh.access); g != "200 200" {
				t.Errorf("a token that the refresh token gave: %s, want 200", g)
			}
			// The handle that a list gives to administrators is as good as the token.
			for _, item := range n.list(t, "userName="+id+",realm=/alpha,tokenName=access_token", admin) {
				handle, _ := item["_id"].(string)
				if strings.Contains(fresh.access+keep.access, handle) || handle == "" {
					t.Fatalf("_id = %q, want a handle", handle)
				}
				if a := n.frrest(t, "DELETE", url.PathEscape(handle), admin); a.status != http.StatusOK {
					t.Errorf("DELETE by handle: %d %s, want 200", a.status, a.body)
				}
			}
			for _, token := range []string{fresh.access, keep.access} {
				n.gone(t, token, admin)
			}
		})

		t.Run("5.4 the owner deletes and revokes", func(t *testing.T) {
			got := n.authorize(t, "alpha", n.web, alice, scope)
			if a := n.frrest(t, "DELETE", got.access, alice); a.status != http.StatusOK {
				t.Fatalf("DELETE by the owner: %d %s, want 200", a.status, a.body)
			}
			n.gone(t, got.access, admin)
			got = n.authorize(t, "alpha", n.web, alice, scope)
			if a := n.frrest(t, "POST", got.access+"?_action=revoke", alice); a.status != http.StatusOK || a.body != "{}" {
				t.Fatalf("revoke by the owner: %d %s, want 200 {}", a.status, a.body)
			}
			n.gone(t, got.access, admin)
			n.frrest(t, "GET", got.refresh, admin).crest(t, 404, "Could not find valid token with given ID")
			n.formAt(t, n.am(realmOAuth("alpha", "access_token")), basic(n.web.id, n.web.secret), "grant_type", "refresh_token", "refresh_token", got.refresh).oauth(t, 400, "invalid_grant")
		})

		t.Run("8 revoke by the client", func(t *testing.T) {
			got := n.authorize(t, "alpha", n.web, alice, scope)
			revoke := func(token string) answer {
				return n.formAt(t, n.am(realmOAuth("alpha", "token/revoke")), basic(n.web.id, n.web.secret), "token", token, "client_id", n.web.id)
			}
			for range 2 { // the second time too (RFC 7009 §2.2)
				if a := revoke(got.access); a.status != http.StatusOK || a.body != "{}" {
					t.Fatalf("token/revoke = %d %q, want 200 {}", a.status, a.body)
				}
			}
			n.gone(t, got.access, admin)
			fresh := n.tokens(t, n.formAt(t, n.am(realmOAuth("alpha", "access_token")), basic(n.web.id, n.web.secret), "grant_type", "refresh_token", "refresh_token", got.refresh))
			revoke(fresh.refresh)
			n.gone(t, fresh.access, admin)
		})

		t.Run("9 consented applications", func(t *testing.T) {
			got := n.authorize(t, "alpha", n.web, alice, scope)
			path := realmJSON("alpha", "users/"+id+"/oauth2/applications")
			apps := n.ask(t, "GET", path+"?_queryFilter=true", "", ssoName, alice, "Accept-API-Version", "resource=1.1")
			if apps.status != http.StatusOK || !strings.Contains(apps.body, `"_id":"legacy-web"`) || !strings.Contains(apps.header.Get("Content-API-Version"), "resource=1") {
				t.Fatalf("applications = %d %s, want legacy-web", apps.status, apps.body)
			}
			gone := n.ask(t, "DELETE", path+"/legacy-web", "", ssoName, alice, "Accept-API-Version", "resource=1.1")
			if gone.status != http.StatusOK || gone.object(t)["_id"] != "legacy-web" {
				t.Fatalf("DELETE = %d %s, want 200 and the application", gone.status, gone.body)
			}
			n.gone(t, got.access, admin)
			n.frrest(t, "GET", got.refresh, admin).crest(t, 404, "")
			n.ask(t, "DELETE", path+"/legacy-web", "", ssoName, alice, "Accept-API-Version", "resource=1.1").crest(t, 404, "Not Found")
		})

		t.Run("tokens of the environment's own endpoints", func(t *testing.T) {
			// They are found and ended here, too, though AM would not know a JWT.
			for name, token := range map[string]string{"a worker's": n.token(t, worker, "orders:read")} {
				n.frrest(t, "GET", token, alice).crest(t, 401, "Unauthorized")
				n.frrest(t, "DELETE", token, alice).crest(t, 401, "Unauthorized")
				if a := n.frrest(t, "GET", token, admin); a.status != http.StatusOK || a.object(t)["grant_type"].([]any)[0] != "client_credentials" {
					t.Errorf("%s: %d %s, want 200", name, a.status, a.body)
				}
				if a := n.info(t, "alpha", token); a.status != http.StatusOK || a.object(t)["client_id"] != "worker" {
					t.Errorf("%s at tokeninfo: %d %s, want 200", name, a.status, a.body)
				}
				if a := n.frrest(t, "DELETE", token, admin); a.status != http.StatusOK {
					t.Errorf("%s: DELETE = %d %s, want 200", name, a.status, a.body)
				}
				n.gone(t, token, admin)
				if n.introspect(t, worker, token)["active"] != false {
					t.Errorf("%s is active at the standard endpoint after its end", name)
				}
			}
		})

		t.Run("opaque tokens", func(t *testing.T) {
			// What AM calls server-side: the client sees no difference but the text of the token.
			app := &party{id: "legacy-opaque", secret: n.web.secret, base: n.web.base}
			got, jwt := n.authorize(t, "alpha", app, alice, scope), n.authorize(t, "alpha", n.web, alice, scope)
			if len(got.access) != 70 || strings.Contains(got.access, ".") {
				t.Fatalf("an access token of %d characters with %d dots, want an opaque one", len(got.access), strings.Count(got.access, "."))
			}
			if a := n.call(t, "door", "/", got.access); a.status != http.StatusOK {
				t.Errorf("the gate: %d %s, want 200", a.status, a.challenge())
			}
			// tokeninfo of a JWT has what the JWT says, too; all members of the other one are there.
			info, more := n.info(t, "alpha", got.access).object(t), n.info(t, "alpha", jwt.access).object(t)
			for name := range info {
				if more[name] == nil {
					t.Errorf("tokeninfo has %s for an opaque token alone", name)
				}
			}
			if info["access_token"] != got.access || info["email"] != more["email"] {
				t.Errorf("tokeninfo = %v, want the token and what its scopes mean", info)
			}
			if m := n.introspectAt(t, "alpha", basic(app.id, app.secret), got.access); m["active"] != true || m["realm"] != "/alpha" || m["iss"] != n.issuerOf("alpha") {
				t.Errorf("introspection = %v, want active in the realm", m)
			}
			if a := n.frrest(t, "GET", got.access, alice); a.status != http.StatusOK {
				t.Errorf("the owner reads: %d %s, want 200", a.status, a.body)
			}
			if a := n.frrest(t, "DELETE", got.access, admin); a.status != http.StatusOK {
				t.Fatalf("DELETE = %d %s, want 200", a.status, a.body)
			}
			n.gone(t, got.access, admin)
			fresh := n.tokens(t, n.formAt(t, n.am(realmOAuth("alpha", "access_token")), basic(app.id, app.secret), "grant_type", "refresh_token", "refresh_token", got.refresh))
			if a := n.call(t, "door", "/", fresh.access); a.status != http.StatusOK {
				t.Errorf("the gate after a refresh: %d %s, want 200", a.status, a.challenge())
			}
		})

		n.drained(t)

		t.Run("who still calls is counted", func(t *testing.T) {
			families := n.metrics(t)
			const family = "gatehouse_legacy_requests_total"
			for _, endpoint := range []string{"am_authenticate", "am_sessions", "am_tokeninfo"} {
				if sum(families, family, "endpoint", endpoint) == 0 {
					t.Errorf("%s{endpoint=%q} is 0, have %v", family, endpoint, families[family])
				}
			}
			if sum(families, family, "application", n.web.id) == 0 || sum(families, family, "application", "worker") == 0 {
				t.Errorf("%s does not name the applications: %v", family, families[family])
			}
		})
	})
}

// gone checks that a token is refused everywhere: at the gate in process at once, where it is asked about over HTTP as
// soon as what was heard there is too old, and at every endpoint that judges tokens.
func (n *legacyNode) gone(t testing.TB, token, admin string) {
	t.Helper()
	if a := n.call(t, "door", "/", token); a.status != http.StatusUnauthorized || !strings.Contains(a.challenge(), "invalid_token") {
		t.Errorf("the gate after the end: %d %s, want 401 invalid_token", a.status, a.challenge())
	}
	n.info(t, "alpha", token).oauth(t, 401, "invalid_token")
	if m := n.introspectAt(t, "alpha", basic(n.web.id, n.web.secret), token); m["active"] != false || len(m) != 1 {
		t.Errorf("introspection after the end = %v, want inactive and nothing more", m)
	}
	n.frrest(t, "GET", token, admin).crest(t, 404, "Could not find valid token with given ID")
	n.frrest(t, "DELETE", token, admin).crest(t, 404, "Could not find valid token with given ID")
	if a := n.ask(t, "GET", realmOAuth("alpha", "userinfo"), "", "Authorization", "Bearer "+token); a.status != http.StatusUnauthorized {
		t.Errorf("userinfo after the end: %d %s, want 401", a.status, a.body)
	}
	n.ended = append(n.ended, token)
}

// drained checks what gone left open: the gate that asks over HTTP believes an answer for a second.
func (n *legacyNode) drained(t testing.TB) {
	t.Helper()
	for _, token := range n.ended {
		eventually(t, 3e9, "the gate that asks over HTTP refuses", func() bool {
			return n.call(t, "remote", "/", token).status == http.StatusUnauthorized
		})
	}
	n.ended = nil
}

// TestLegacyGoldens compares whole bodies, as clients have recorded them, with what comes over the wire.
func TestLegacyGoldens(t *testing.T) {
	n := startLegacy(t, sqlite{})
	admin := n.administrator(t)
	alice := n.authenticate(t, "alpha", "alice", alicePassword)
	bob := n.authenticate(t, "alpha", "bob", bobPassword)
	id := n.userID(t, "alpha", alice)
	got := n.authorize(t, "alpha", n.web, alice, "openid email orders:read")
	stand := strings.NewReplacer(got.access, "<token>", alice, "<sso>", admin, "<admin-sso>", id, "<user>", n.userID(t, "alpha", bob), "<bob>", n.web.base, "<web>", n.expand("$AM"), "<am>")
	for _, tt := range []struct {
		name, want string
		got        answer
	}{
		{"3.3 authenticate", `{"realm":"/alpha","successUrl":"/am/console","tokenId":"<sso>"}`,
			n.ask(t, "POST", realmJSON("alpha", "authenticate"), "{}", "Content-Type", "application/json", "Accept-API-Version", "resource=2.1", "X-OpenAM-Username", "alice", "X-OpenAM-Password", alicePassword)},
		{"3.3 wrong password", `{"code":401,"failureUrl":"","message":"Login failure","reason":"Unauthorized"}`,
			n.ask(t, "POST", realmJSON("alpha", "authenticate"), "{}", "Content-Type", "application/json", "Accept-API-Version", "resource=2.1", "X-OpenAM-Username", "alice", "X-OpenAM-Password", "wrong")},
		{"3.4 validate", `{"realm":"/alpha","sessionUid":"#","uid":"<user>","valid":true}`,
			n.ask(t, "POST", realmJSON("alpha", "sessions?_action=validate"), "", ssoName, alice, "Accept-API-Version", "resource=4.0")},
		{"5.2 no session", `{"code":401,"message":"Access Denied","reason":"Unauthorized"}`, n.frrest(t, "GET", got.access, "")},
		{"5.2 unknown", `{"code":404,"message":"Could not find valid token with given ID","reason":"Not Found"}`, n.frrest(t, "GET", "nothing", admin)},
		{"5.2 the owner", `{"_rev":"#","acr":["#"],"authModules":["pwd"],"auth_time":["#"],"clientID":["legacy-web"],"expireTime":["#"],"grant_type":["authorization_code"],"nonce":["#"],` +
			`"realm":["/alpha"],"redirectURI":["<web>/callback"],"scope":["openid","email","orders:read"],"tokenName":["access_token"],"tokenType":["Bearer"],"userName":["<user>"]}`,
			n.frrest(t, "GET", got.access, alice)},
		{"5.2 fields", `{"_rev":"#","clientID":["legacy-web"],"scope":["openid","email","orders:read"]}`, n.frrest(t, "GET", got.access+"?_fields=scope,clientID", alice)},
		{"5.3 nobody", `{"pagedResultsCookie":null,"remainingPagedResults":-1,"result":[],"resultCount":0,"totalPagedResults":-1,"totalPagedResultsPolicy":"NONE"}`,
			n.frrest(t, "GET", "?_queryId=userName%3Dnobody", admin)},
		{"5.3 without userName", `{"code":400,"message":"userName field MUST be set in _queryId","reason":"Bad Request"}`, n.frrest(t, "GET", "?_queryId=access_token", admin)},
		{"5.3 with userName", `{"code":400,"message":"userName field MUST NOT be set in _queryId","reason":"Bad Request"}`, n.frrest(t, "GET", "?_queryId=userName%3D"+id, alice)},
		{"5.4 unsupported", `{"code":501,"message":"Operation is not supported.","reason":"Not Implemented"}`, n.frrest(t, "PUT", got.access, admin)},
		{"6 refused", `{"error":"invalid_token","error_description":"The access token provided is expired, revoked, malformed, or invalid for other reasons."}`,
			n.info(t, "alpha", "nothing")},
		{"7 inactive", `{"active":false}`, n.formAt(t, n.am(realmOAuth("alpha", "introspect")), basic(n.web.id, n.web.secret), "token", "nothing")},
		{"8 no token", `{"error":"invalid_request","error_description":"Missing parameter: token"}`, n.formAt(t, n.am(realmOAuth("alpha", "token/revoke")), basic(n.web.id, n.web.secret))},
		{"9 applications", `{"pagedResultsCookie":null,"remainingPagedResults":-1,"result":[{"_id":"legacy-web","_rev":"#","description":null,"expiryDateTime":"#","logoUri":null,"name":"Legacy web",` +
			`"scopes":{"email":"email","openid":"openid","orders:read":"orders:read"}}],"resultCount":1,"totalPagedResults":-1,"totalPagedResultsPolicy":"NONE"}`,
			n.ask(t, "GET", realmJSON("alpha", "users/"+id+"/oauth2/applications?_queryFilter=true"), "", ssoName, alice)},
		{"9 somebody else's", `{"code":403,"message":"User, <bob>, not authorized.","reason":"Forbidden"}`,
			n.ask(t, "GET", realmJSON("alpha", "users/"+id+"/oauth2/applications?_queryFilter=true"), "", ssoName, bob)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if strings.HasPrefix(tt.name, "3.3 auth") {
				n.secret("an SSO token", fmt.Sprint(tt.got.object(t)["tokenId"]))
			}
			body := canonical(t, stand.Replace(tt.got.body), tt.want)
			if strings.HasPrefix(tt.name, "3.3 auth") {
				body = regexp.MustCompile(`"tokenId":"[^"]*"`).ReplaceAllString(body, `"tokenId":"<sso>"`)
			}
			if body != tt.want {
				t.Errorf("%d\n got %s\nwant %s", tt.got.status, body, tt.want)
			}
			if kind := tt.got.header.Get("Content-Type"); kind != "application/json;charset=UTF-8" {
				t.Errorf("Content-Type = %q", kind)
			}
			tt.got.uncached(t)
		})
	}
}

// canonical is a JSON text with its members in order, and # for what is # in the text that is wanted.
func canonical(t testing.TB, text, want string) string {
	t.Helper()
	var v, w any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		return text
	}
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(masked(v, w)); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(b.String())
}

func masked(v, want any) any {
	if want == "#" {
		if v == nil {
			return nil
		}
		return "#"
	}
	switch v := v.(type) {
	case map[string]any:
		w, _ := want.(map[string]any)
		for _, name := range slices.Collect(maps.Keys(v)) {
			v[name] = masked(v[name], w[name])
		}
	case []any:
		w, _ := want.([]any)
		for i := range v {
			if i < len(w) {
				v[i] = masked(v[i], w[i])
			}
		}
	}
	return v
}
