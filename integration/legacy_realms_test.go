package integration_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// TestLegacyRealms: two realms on one server know nothing of each other: not their people, though they have one
// name, nor sessions, tokens and applications. Administrators see both.
func TestLegacyRealms(t *testing.T) {
	onEach(t, func(t *testing.T, store backend) {
		n := startLegacy(t, store)
		admin := n.administrator(t)
		type side struct {
			realm, sso, id, client, secret string
			got                            signedIn
		}
		alpha := &side{realm: "alpha", sso: n.authenticate(t, "alpha", "alice", alicePassword), client: n.web.id, secret: n.web.secret}
		bravo := &side{realm: "bravo", sso: n.authenticate(t, "bravo", "alice", bravoPassword), client: n.bravo.id, secret: n.bravo.secret}
		const scope = "openid email offline_access orders:read"
		alpha.got, bravo.got = n.authorize(t, "alpha", n.web, alpha.sso, scope), n.authorize(t, "bravo", n.bravo, bravo.sso, scope)
		for _, s := range []*side{alpha, bravo} {
			s.id = n.userID(t, s.realm, s.sso)
			if iss := claims(t, s.got.access)["iss"]; iss != n.issuerOf(s.realm) {
				t.Errorf("iss = %v, want that of %s", iss, s.realm)
			}
		}
		if alpha.id == bravo.id {
			t.Fatal("both alices have one ID")
		}

		for _, tt := range []struct{ own, other *side }{{alpha, bravo}, {bravo, alpha}} {
			own, other := tt.own, tt.other
			t.Run(own.realm+" against "+other.realm, func(t *testing.T) {
				good := func() bool { return n.info(t, other.realm, other.got.access).status == http.StatusOK }
				if !good() {
					t.Fatal("the other realm's token is not good before it begins")
				}
				// Passwords are of one realm.
				password := map[string]string{"alpha": alicePassword, "bravo": bravoPassword}[own.realm]
				n.ask(t, "POST", realmJSON(other.realm, "authenticate"), "{}", "Content-Type", "application/json", "X-OpenAM-Username", "alice", "X-OpenAM-Password", password).crest(t, 401, "Login failure")

				// A session is nobody in the other realm.
				for _, to := range []string{n.whereTo(t, other.realm, other.client, own.sso), n.whereTo(t, other.realm, other.client, "")} {
					if !strings.HasPrefix(to, n.url("as")) || strings.Contains(to, "code=") {
						t.Errorf("authorize in the other realm leads to %q, want the pages where nobody is signed on", to)
					}
				}
				n.ask(t, "GET", realmJSON(other.realm, "users/"+other.id+"/oauth2/applications?_queryFilter=true"), "", ssoName, own.sso).crest(t, 403, "User, "+own.id+", not authorized.")
				n.ask(t, "DELETE", realmJSON(other.realm, "users/"+other.id+"/oauth2/applications/"+other.client), "", ssoName, own.sso).crest(t, 403, "User, "+own.id+", not authorized.")
				if n.sessionInfo(t, other.realm, own.sso, other.sso).status == http.StatusOK {
					t.Error("a person is told about a session of the other realm")
				}

				// Tokens: the other realm's are not there.
				for _, token := range []string{other.got.access, other.got.refresh} {
					n.frrest(t, "GET", token, own.sso).crest(t, 401, "Unauthorized")
					n.frrest(t, "DELETE", token, own.sso).crest(t, 401, "Unauthorized")
					if m := n.introspectAt(t, own.realm, basic(own.client, own.secret), token); m["active"] != false {
						t.Errorf("introspection in the wrong realm = %v, want inactive", m)
					}
					a := n.formAt(t, n.am(realmOAuth(own.realm, "token/revoke")), basic(own.client, own.secret), "token", token)
					if a.status != http.StatusOK || a.body != "{}" {
						t.Errorf("revocation in the wrong realm = %d %s, want 200 {} and nothing done", a.status, a.body)
					}
				}
				n.info(t, own.realm, other.got.access).oauth(t, 401, "invalid_token")
				if a := n.ask(t, "GET", realmOAuth(own.realm, "userinfo"), "", "Authorization", "Bearer "+other.got.access); a.status != http.StatusUnauthorized {
					t.Errorf("userinfo in the wrong realm = %d %s, want 401", a.status, a.body)
				}
				n.formAt(t, n.am(realmOAuth(own.realm, "access_token")), basic(own.client, own.secret), "grant_type", "refresh_token", "refresh_token", other.got.refresh).oauth(t, 400, "invalid_grant")
				n.formAt(t, n.am(realmOAuth(own.realm, "introspect")), basic(other.client, other.secret), "token", own.got.access).oauth(t, 401, "invalid_client")
				for _, item := range n.list(t, "access_token", own.sso) {
					if item["realm"].([]any)[0] != "/"+own.realm {
						t.Errorf("own tokens of %s include one of %v", own.realm, item["realm"])
					}
				}
				if !good() {
					t.Error("the other realm's token has suffered")
				}

				// The administrator sees each by itself, and both at once.
				for _, q := range []struct {
					query string
					want  int
				}{
					{"userName=" + own.id + ",realm=/" + own.realm, 2}, {"userName=" + own.id + ",realm=/" + other.realm, 0}, {"userName=" + own.id, 2},
				} {
					if got := n.list(t, q.query, admin); len(got) != q.want {
						t.Errorf("%s lists %d tokens, want %d", q.query, len(got), q.want)
					}
				}
			})
		}
		if g := n.call(t, "door", "/", alpha.got.access); g.status != http.StatusOK {
			t.Errorf("the gate and alpha's token: %d, want 200", g.status)
		}
		if g := n.call(t, "door", "/", bravo.got.access); g.status != http.StatusUnauthorized {
			t.Errorf("the gate and bravo's token: %d, want 401: it is of another environment", g.status)
		}
		// Ending her session in one realm ends nothing in the other.
		if a := n.ask(t, "POST", realmJSON("bravo", "sessions?_action=logout"), "", ssoName, bravo.sso, "Accept-API-Version", "resource=4.0"); a.status != http.StatusOK {
			t.Fatalf("logout = %d %s, want 200", a.status, a.body)
		}
		n.info(t, "bravo", bravo.got.access).oauth(t, 401, "invalid_token")
		if a := n.info(t, "alpha", alpha.got.access); a.status != http.StatusOK || !n.valid(t, "alpha", alpha.sso) {
			t.Errorf("alpha after bravo's logout: %d %s, want everything as it was", a.status, a.body)
		}
	})
}

// whereTo is where an authorization request of a realm sends a browser with an SSO token.
func (n *legacyNode) whereTo(t testing.TB, realm, client, sso string) string {
	t.Helper()
	base := map[string]string{"alpha": n.web.base, "bravo": n.bravo.base}[realm]
	q := url.Values{
		"client_id": {client}, "response_type": {"code"}, "redirect_uri": {base + "/callback"}, "scope": {"openid"},
		"code_challenge": {challengeOf(base)}, "code_challenge_method": {"S256"},
	}
	return n.ask(t, "GET", realmOAuth(realm, "authorize?"+q.Encode()), "", "Cookie", ssoName+"="+sso).header.Get("Location")
}

// sessionInfo asks about a session, as the one who holds sso.
func (n *legacyNode) sessionInfo(t testing.TB, realm, sso, of string) answer {
	t.Helper()
	return n.ask(t, "POST", realmJSON(realm, "sessions?_action=getSessionInfo"), `{"tokenId":"`+of+`"}`, "Content-Type", "application/json", ssoName, sso, "Accept-API-Version", "resource=4.0")
}
