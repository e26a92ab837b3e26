package integration_test

import (
	"context"
	"maps"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/integration/pgtest"
)

// TestLegacyNodes: two nodes on one PostgreSQL are one server below /am too: who signed on at one is known at the other,
// administrators included, a sign-on that began at one is finished at the other, and what one ends the other refuses.
func TestLegacyNodes(t *testing.T) {
	a, b := legacyTwins(t)
	admin := a.administrator(t)
	alice := a.authenticate(t, "alpha", "alice", alicePassword)
	if !b.valid(t, "", admin) || !b.valid(t, "alpha", alice) {
		t.Error("B does not know who signed on at A")
	}
	const scope = "openid offline_access orders:read"
	got := b.authorize(t, "alpha", b.web, alice, scope)
	id := b.userID(t, "alpha", alice)
	if list := b.list(t, "userName="+id+",realm=/alpha", admin); len(list) != 2 {
		t.Errorf("A's administrator sees %d tokens at B, want 2", len(list))
	}
	for name, n := range map[string]*legacyNode{"A": a, "B": b} {
		if r := n.call(t, "door", "/", got.access); r.status != http.StatusOK {
			t.Errorf("%s's gate: %d, want 200", name, r.status)
		}
		if r := n.info(t, "alpha", got.access); r.status != http.StatusOK {
			t.Errorf("%s's tokeninfo: %d %s, want 200", name, r.status, r.body)
		}
	}

	begun := a.ask(t, "POST", realmJSON("alpha", "authenticate"), "", "Content-Type", "application/json").object(t)
	for i, value := range []string{"alice", alicePassword} {
		begun["callbacks"].([]any)[i].(map[string]any)["input"].([]any)[0].(map[string]any)["value"] = value
	}
	text := string(mustJSON(t, begun))
	done := b.ask(t, "POST", realmJSON("alpha", "authenticate"), text, "Content-Type", "application/json")
	if done.status != http.StatusOK {
		t.Errorf("a sign-on that began at A: %d %s at B, want 200", done.status, done.body)
	} else {
		sso := done.object(t)["tokenId"].(string)
		a.secret("an SSO token", sso)
		if !a.valid(t, "alpha", sso) {
			t.Error("A does not know who signed on at B")
		}
	}
	a.ask(t, "POST", realmJSON("alpha", "authenticate"), text, "Content-Type", "application/json").crest(t, 401, "")

	for _, tt := range []struct {
		name string
		end  func(token string, sso string) answer
	}{
		{"delete", func(token, _ string) answer { return a.frrest(t, "DELETE", token, admin) }},
		{"revoke", func(token, _ string) answer {
			return a.formAt(t, a.am(realmOAuth("alpha", "token/revoke")), basic(a.web.id, a.web.secret), "token", token)
		}},
		{"applications", func(_, sso string) answer {
			return a.ask(t, "DELETE", realmJSON("alpha", "users/"+id+"/oauth2/applications/"+a.web.id), "", ssoName, sso)
		}},
		{"logout", func(_, sso string) answer {
			return a.ask(t, "POST", realmJSON("alpha", "sessions?_action=logout"), "", ssoName, sso, "Accept-API-Version", "resource=4.0")
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sso := a.authenticate(t, "alpha", "alice", alicePassword)
			got := a.authorize(t, "alpha", a.web, sso, scope)
			if r := b.call(t, "door", "/", got.access); r.status != http.StatusOK {
				t.Fatalf("a new token at B: %d, want 200", r.status)
			}
			if r := tt.end(got.access, sso); r.status != http.StatusOK {
				t.Fatalf("at A: %d %s, want 200", r.status, r.body)
			}
			acknowledged := time.Now()
			for b.call(t, "door", "/", got.access).status != http.StatusUnauthorized {
				if time.Since(acknowledged) > 2*time.Second {
					t.Fatal("B's gate does not refuse what A ended")
				}
			}
			t.Logf("ended at A, refused at B after %v", time.Since(acknowledged))
			b.info(t, "alpha", got.access).oauth(t, 401, "invalid_token")
			b.frrest(t, "GET", got.access, admin).crest(t, 404, "")
			if tt.name == "logout" {
				b.frrest(t, "GET", "?_queryId=access_token", sso).crest(t, 401, "Unauthorized")
			}
		})
	}
	// The administrator's own logout counts at both.
	if r := b.ask(t, "POST", realmJSON("", "sessions?_action=logout"), "", ssoName, admin, "Accept-API-Version", "resource=4.0"); r.status != http.StatusOK {
		t.Fatalf("logout of the administrator: %d %s, want 200", r.status, r.body)
	}
	a.frrest(t, "GET", got.access, admin).crest(t, 401, "Unauthorized")
}

// legacyTwins are two legacy nodes on one PostgreSQL, which to the world are one.
func legacyTwins(t *testing.T) (a, b *legacyNode) {
	t.Helper()
	store := postgres{pgtest.Database(t)}
	c := legacyConfig(store)
	c.info = true
	a = prepareLegacy(t, c)
	a.run(t)
	c = legacyConfig(store)
	c.info = true
	c.vars["ISSUER"], c.vars["OTHER_ISSUER"], c.vars["AM"] = a.vars["ISSUER"], a.vars["OTHER_ISSUER"], a.am("")
	c.vars["WEB"], c.vars["BRAVO"] = a.web.base, a.bravo.base
	b = prepareLegacy(t, c)
	var dialer net.Dialer
	b.client.Transport.(*http.Transport).DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		if address == a.addr("as") {
			address = b.addr("as")
		}
		return dialer.DialContext(ctx, network, address)
	}
	b.run(t)
	t.Cleanup(func() { // before the nodes look for secrets
		maps.Copy(a.secrets, b.secrets)
		maps.Copy(b.secrets, a.secrets)
	})
	return a, b
}
