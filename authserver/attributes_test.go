package authserver_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/resourceserver"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/declared"
)

// mappedServer has claims mapped for an application and for a resource.
func mappedServer(t *testing.T) *rig {
	config := attacked()
	e := &config.Environments[0]
	e.Users[0].Claims["department"], e.Users[0].Claims["employee"] = "sales", float64(4711)
	e.Resources[0].Attributes = []declared.ResourceAttribute{
		{Claim: "department", Source: "${user.department}"}, {Claim: "sub", Source: "${user.employee}", Required: true}, {Claim: "tenant", Source: "acme"},
	}
	e.Applications[0].Attributes = []declared.Attribute{
		{Claim: "department", Source: "${user.department}"}, {Claim: "login", Source: "${user.username}", IDToken: true}, {Claim: "tier", Source: "gold", UserInfo: true},
	}
	e.Applications = append(e.Applications, declared.Application{ClientID: "batch", Type: "service", Secret: attackSecret, Allow: []string{"orders:read"}})
	return newRig(t, rigOptions{config: &config, noLimit: true})
}

func claim(c *jose.Claims, name string) any {
	v, _ := c.Value(name)
	return v
}

// TestMappedClaims: one claim on its whole way: ID token, UserInfo, access token,
// introspection, and the gate of this process, whose claims the gate's handler
// forwards.
func TestMappedClaims(t *testing.T) {
	g := mappedServer(t)
	back := newAgent(t, g).signOn(ask(issuerA, "first", "scope", "openid orders:read"))
	tokens := g.form(envA, "token", secretOf("first"), "grant_type=authorization_code", "redirect_uri="+appCallback, "code="+back.Get("code"))
	access, id := text(tokens, "access_token"), claimsOf(t, text(tokens, "id_token"))
	if access == "" {
		t.Fatalf("no token: %d %s", tokens.status, tokens.body)
	}
	alice := id.Subject

	t.Run("ID token", func(t *testing.T) {
		if claim(id, "department") != "sales" || claim(id, "login") != "alice" || id.Has("tier") || id.Has("tenant") {
			t.Errorf("claims = %v, department = %v, login = %v", id.Names(), claim(id, "department"), claim(id, "login"))
		}
	})
	t.Run("access token", func(t *testing.T) {
		c := claimsOf(t, access)
		if claim(c, "department") != "sales" || claim(c, "tenant") != "acme" || c.Subject != "4711" || c.Has("login") || c.Has("tier") {
			t.Errorf("claims = %v, department = %v, sub = %q", c.Names(), claim(c, "department"), c.Subject)
		}
	})
	t.Run("UserInfo", func(t *testing.T) {
		r := httptest.NewRequest(http.MethodGet, issuerA+"/userinfo", nil)
		r.Header.Set("Authorization", "Bearer "+access)
		got := g.do(r)
		if got.member("department") != "sales" || got.member("tier") != "gold" || got.member("login") != nil || got.member("sub") != alice {
			t.Errorf("status %d: %s, want sub %s", got.status, got.body, alice)
		}
	})
	t.Run("introspection", func(t *testing.T) {
		for who, c := range map[string]credential{"application": secretOf("first"), "resource": basic("orders", "orders-secret")} {
			got := g.form(envA, "introspect", c, "token="+access)
			if got.member("active") != true || got.member("department") != "sales" || got.member("tenant") != "acme" || got.member("sub") != "4711" {
				t.Errorf("%s: %s", who, got.body)
			}
		}
	})
	t.Run("gate", func(t *testing.T) {
		gate, err := resourceserver.New(resourceserver.Config{
			Issuers: []resourceserver.Issuer{{Issuer: issuerA, Audience: []string{orders}, Local: g.state.Local(environment(t, g, envA))}}, Now: g.clock.Now,
		})
		if err != nil {
			t.Fatal(err)
		}
		defer gate.Close()
		got, err := gate.Verify(t.Context(), access)
		if err != nil {
			t.Fatal(err)
		}
		if claim(got.Claims, "department") != "sales" || claim(got.Claims, "tenant") != "acme" || got.Claims.Subject != "4711" {
			t.Errorf("claims = %v", got.Claims.Names())
		}
	})
	t.Run("revoked, UserInfo knows it too", func(t *testing.T) {
		g.form(envA, "revoke", secretOf("first"), "token="+access)
		r := httptest.NewRequest(http.MethodGet, issuerA+"/userinfo", nil)
		r.Header.Set("Authorization", "Bearer "+access)
		if got := g.do(r); got.status != http.StatusUnauthorized {
			t.Errorf("status %d, want 401", got.status)
		}
	})
}

// TestMappedClaimMissing: what a resource requires and nobody has is an error in
// the place of a token: at the token endpoint and in the front channel.
func TestMappedClaimMissing(t *testing.T) {
	g := mappedServer(t)
	if got := g.form(envA, "token", secretOf("batch"), "grant_type=client_credentials"); got.outcome() != "400 invalid_request" {
		t.Errorf("a client has no employee number: %s, want 400 invalid_request", got.outcome())
	}
	a := newAgent(t, g)
	signedOn := func(user string, params ...string) url.Values {
		page := a.open(ask(issuerA, "first", append(params, "prompt", "login")...))
		to, err := url.Parse(a.press(page, "submit", "username", user, "password", user+"-demo-pass").header.Get("Location"))
		if err != nil {
			t.Fatal(err)
		}
		q := to.Query()
		if fragment, err := url.ParseQuery(to.EscapedFragment()); err == nil && len(fragment) > 0 {
			q = fragment
		}
		return q
	}
	implicit := []string{"response_type", "token id_token", "scope", "openid orders:read"}
	if q := signedOn("bob", implicit...); q.Get("error") != "invalid_request" || q.Has("access_token") || q.Has("id_token") || q.Get("state") != "st" || q.Get("iss") != issuerA {
		t.Errorf("front channel: %v, want invalid_request at the client", q)
	}
	q := signedOn("bob", "scope", "openid orders:read")
	if got := g.form(envA, "token", secretOf("first"), "grant_type=authorization_code", "redirect_uri="+appCallback, "code="+q.Get("code")); got.outcome() != "400 invalid_request" {
		t.Errorf("code: %s, want 400 invalid_request", got.outcome())
	}
	if q := signedOn("bob", "response_type", "token id_token"); !q.Has("access_token") || !q.Has("id_token") {
		t.Errorf("good: without the resource: %v", q)
	}
	a = newAgent(t, g)
	if q := signedOn("alice", implicit...); !q.Has("access_token") || !q.Has("id_token") {
		t.Errorf("good: with an employee number: %v", q)
	}
}

// TestMappedTextOfClients: a client's own tokens have what is mapped from text; two resources that map a claim differently share no
// token of a client either; apart they give one each.
func TestMappedTextOfClients(t *testing.T) {
	config := declaredConfig(t)
	e := &config.Environments[0]
	e.Resources[0].Attributes = []declared.ResourceAttribute{{Claim: "tenant", Source: "acme"}, {Claim: "sub", Source: "machine"}, {Claim: "mail", Source: "${user.email}"}}
	e.Resources[1].Attributes = []declared.ResourceAttribute{{Claim: "tenant", Source: "other"}}
	g := newRig(t, rigOptions{config: &config})
	c := claimsOf(t, g.token(envA, basicClient))
	if c.Subject != "machine" || claim(c, "tenant") != "acme" || c.Has("mail") || c.Has("sid") {
		t.Errorf("claims = %v, sub = %q", c.Names(), c.Subject)
	}
	multi := basic("multi", "multi-secret")
	if got := g.form(envA, "token", multi, "grant_type=client_credentials", "scope=orders:read billing:read"); got.outcome() != "400 invalid_scope" {
		t.Errorf("both: %s, want 400 invalid_scope", got.outcome())
	}
	for scope, want := range map[string]string{"orders:read": "acme", "billing:read": "other"} {
		raw := g.token(envA, multi, "scope="+scope)
		if got := claim(claimsOf(t, raw), "tenant"); got != want {
			t.Errorf("%s: tenant = %v, want %s", scope, got, want)
		}
		answer := g.form(envA, "introspect", multi, "token="+raw)
		var members map[string]any
		if err := json.Unmarshal([]byte(answer.body), &members); err != nil || members["tenant"] != want {
			t.Errorf("%s: introspection: %s", scope, answer.body)
		}
	}
	// A client's token with a sub speaks for nobody: it is no good for UserInfo.
	r := httptest.NewRequest(http.MethodGet, issuerA+"/userinfo", nil)
	r.Header.Set("Authorization", "Bearer "+g.token(envA, basicClient))
	if got := g.do(r); got.status != http.StatusForbidden {
		t.Errorf("UserInfo with a client's token: %d, want 403", got.status)
	}
}
