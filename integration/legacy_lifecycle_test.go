package integration_test

import (
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// TestLegacyLogout: logging out at /json/sessions ends a session and all that came of it, at the gate too, and no other session of the person.
func TestLegacyLogout(t *testing.T) {
	onEach(t, func(t *testing.T, store backend) {
		n := startLegacy(t, store)
		admin := n.administrator(t)
		const scope = "openid email offline_access orders:read"

		for _, tt := range []struct {
			name string
			end  func(t *testing.T, sso string) answer
		}{
			{"own session", func(t *testing.T, sso string) answer {
				return n.ask(t, "POST", realmJSON("alpha", "sessions?_action=logout"), "", ssoName, sso, "Accept-API-Version", "resource=4.0")
			}},
			{"in the cookie", func(t *testing.T, sso string) answer {
				return n.ask(t, "POST", realmJSON("alpha", "sessions/?_action=logout"), "", "Cookie", ssoName+"="+sso, "X-Requested-With", "XMLHttpRequest")
			}},
			{"by the administrator", func(t *testing.T, sso string) answer {
				return n.ask(t, "POST", realmJSON("", "sessions?_action=logout"), `{"tokenId":"`+sso+`"}`, "Content-Type", "application/json", ssoName, admin, "Accept-API-Version", "resource=4.0")
			}},
		} {
			t.Run(tt.name, func(t *testing.T) {
				sso := n.authenticate(t, "alpha", "alice", alicePassword)
				other := n.authenticate(t, "alpha", "alice", alicePassword)
				got, kept := n.authorize(t, "alpha", n.web, sso, scope), n.authorize(t, "alpha", n.web, other, scope)
				if a := tt.end(t, sso); a.status != http.StatusOK || !strings.Contains(a.body, "Successfully logged out") {
					t.Fatalf("logout = %d %s, want 200", a.status, a.body)
				}
				if a := n.call(t, "door", "/", got.access); a.status != http.StatusUnauthorized {
					t.Errorf("the gate after the logout: %d, want 401", a.status)
				}
				n.gone(t, got.access, admin)
				n.formAt(t, n.am(realmOAuth("alpha", "access_token")), basic(n.web.id, n.web.secret), "grant_type", "refresh_token", "refresh_token", got.refresh).oauth(t, 400, "invalid_grant")
				if n.valid(t, "alpha", sso) || !n.valid(t, "alpha", other) {
					t.Error("validate says that the session goes on, or that the other one has ended")
				}
				n.frrest(t, "GET", "?_queryId=access_token", sso).crest(t, 401, "Unauthorized")
				if a := n.call(t, "door", "/", kept.access); a.status != http.StatusOK {
					t.Errorf("a token of her other session: %d, want 200", a.status)
				}
			})
		}
		n.drained(t)
	})
}

// TestLegacyReload: sessions of people and administrators outlive a reload, which can also take the paths away and bring them
// back; what was said of the site behind them is said then.
func TestLegacyReload(t *testing.T) {
	c := legacyConfig(sqlite{})
	n := prepareLegacy(t, c)
	n.run(t)
	admin := n.administrator(t)
	alice := n.authenticate(t, "alpha", "alice", alicePassword)
	got := n.authorize(t, "alpha", n.web, alice, "openid offline_access orders:read")
	step := n.ask(t, "POST", realmJSON("alpha", "authenticate"), "", "Content-Type", "application/json").object(t)

	n.reload(t)
	if !n.valid(t, "alpha", alice) || !n.valid(t, "", admin) {
		t.Error("an SSO token did not outlive the reload")
	}
	if a := n.frrest(t, "GET", got.access, admin); a.status != http.StatusOK {
		t.Errorf("frrest after the reload = %d %s, want 200", a.status, a.body)
	}
	if g := n.gates(t, got.access); g != "200 200" {
		t.Errorf("the gates after the reload: %s, want 200", g)
	}
	// A sign-on that was under way goes on.
	for i, value := range []string{"alice", alicePassword} {
		step["callbacks"].([]any)[i].(map[string]any)["input"].([]any)[0].(map[string]any)["value"] = value
	}
	a := n.ask(t, "POST", realmJSON("alpha", "authenticate"), string(mustJSON(t, step)), "Content-Type", "application/json")
	if a.status != http.StatusOK {
		t.Errorf("the step after the reload = %d %s, want 200", a.status, a.body)
	} else {
		n.secret("an SSO token", fmt.Sprint(a.object(t)["tokenId"]))
	}

	// Without the block there is nothing below /am, and the site goes on to what is behind.
	off := c
	off.global = "insecure_unlimited 127.0.0.0/8"
	off.sites = strings.Replace(c.sites, "\t\tissuer $REALM\n", "", 1)
	n.reconfigure(t, off)
	for _, path := range []string{"/json/serverinfo/*", "/frrest/oauth2/token/" + got.access, realmOAuth("alpha", "tokeninfo"), ""} {
		if a := n.ask(t, "GET", path, "", ssoName, admin); a.status != http.StatusOK || a.body != "" || a.header.Get("Deprecation") != "" {
			t.Errorf("%s where it is off: %d %q, want what the site has behind it: an empty 200", path, a.status, a.body)
		}
	}
	if a := n.form(t, "/token", worker, "grant_type", "client_credentials"); a.status != http.StatusOK {
		t.Errorf("the standard endpoints where it is off: %d, want 200", a.status)
	} else {
		n.tokenFrom(t, a)
	}
	// Tokens with the realm's issuer are nobody's then.
	if a := n.call(t, "door", "/", got.access); a.status != http.StatusUnauthorized {
		t.Errorf("a token of the realm where there is none: %d, want 401", a.status)
	}

	n.reconfigure(t, c)
	if !n.valid(t, "alpha", alice) || n.call(t, "door", "/", got.access).status != http.StatusOK {
		t.Error("what was there before is not there when the block is back")
	}
	// An administrator who is not declared any more is nobody.
	c.global = strings.Replace(c.global, "administrator "+adminName, "administrator other-admin", 1)
	n.reconfigure(t, c)
	n.frrest(t, "GET", got.access, admin).crest(t, 401, "Unauthorized")
}

// TestLegacyOff: nobody has these paths who did not ask for them, and who lists other surfaces does not have them either.
func TestLegacyOff(t *testing.T) {
	c := legacyConfig(sqlite{})
	c.ports = append(c.ports, "oidc")
	c.sites += `
http://:$OIDC {
	authorization_server oidc
	respond "behind" 418
}
`
	n := prepareLegacy(t, c)
	n.run(t)
	for _, path := range []string{"/am/json/serverinfo/*", "/am/oauth2/realms/root/realms/alpha/.well-known/openid-configuration", "/am"} {
		if a := n.visit(t, n.url("oidc")+path); a.status != http.StatusTeapot {
			t.Errorf("%s of a site with the surface oidc alone: %d %s, want what is behind", path, a.status, a.body)
		}
	}
	plain := start(t, config{storage: sqlite{}})
	for _, path := range []string{"/am/json/serverinfo/*", "/am/frrest/oauth2/token/x"} {
		if a := plain.visit(t, plain.url("as")+path); a.status != http.StatusOK || a.body != "" {
			t.Errorf("%s without the option: %d %s, want what is behind: an empty 200", path, a.status, a.body)
		}
	}
}

// TestLegacyKill ends the process in the middle of many deletions: what was acknowledged stays ended.
func TestLegacyKill(t *testing.T) {
	onEach(t, func(t *testing.T, store backend) {
		c := legacyConfig(store)
		c.info = true
		n := prepareLegacy(t, c)
		n.run(t)
		admin := n.administrator(t)
		var victims []string
		for range 150 {
			victims = append(victims, n.token(t, worker, "orders:read"))
		}
		var mu sync.Mutex
		var next atomic.Int64
		deleted := map[string]bool{}
		enough := func() bool { mu.Lock(); defer mu.Unlock(); return len(deleted) >= len(victims)/2 }
		storm(t, n.node, 12, enough, func() bool {
			i := int(next.Add(1)) - 1
			if i >= len(victims) {
				return false
			}
			a, err := n.try(n.request("DELETE", "/frrest/oauth2/token/"+victims[i], "", ssoName, admin))
			if err != nil || a.status != http.StatusOK {
				return false
			}
			mu.Lock()
			defer mu.Unlock()
			deleted[victims[i]] = true
			return true
		})
		if len(deleted) < 20 {
			t.Fatalf("only %d deletions were acknowledged before the kill", len(deleted))
		}
		n.run(t)
		for token := range maps.Keys(deleted) {
			if a := n.call(t, "door", "/", token); a.status != http.StatusUnauthorized {
				t.Fatalf("a deletion was acknowledged and the gate answers %d", a.status)
			}
			if a := n.frrest(t, "GET", token, admin); a.status != http.StatusNotFound {
				t.Fatalf("a deletion was acknowledged and the token is read: %d %s", a.status, a.body)
			}
		}
		if !n.valid(t, "", admin) {
			t.Error("the administrator's session did not outlive the process")
		}
		t.Logf("%s: %d of %d deleted", store.name(), len(deleted), len(victims))
	})
}
