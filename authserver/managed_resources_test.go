package authserver_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/resourceserver"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/declared"
)

// manager calls the management API with a worker's token.
type manager struct {
	t     *testing.T
	g     *rig
	token string
}

// call makes a request to a path of envA behind /v1 and wants a status.
func (m *manager) call(status int, method, path, body string) answer {
	m.t.Helper()
	r := httptest.NewRequest(method, "https://auth.example.com/v1/environments/"+envA+path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+m.token)
	a := m.g.do(r)
	if a.status != status {
		m.t.Fatalf("%s %s: status %d, want %d: %s", method, path, a.status, status, a.body)
	}
	return a
}

// id is the ID of what a list has under a name.
func (m *manager) id(path, name string) string {
	m.t.Helper()
	var list struct {
		Embedded map[string][]struct{ ID, Name string } `json:"_embedded"`
	}
	if err := json.Unmarshal([]byte(m.call(200, "GET", path, "").body), &list); err != nil {
		m.t.Fatal(err)
	}
	for _, items := range list.Embedded {
		for _, it := range items {
			if it.Name == name {
				return it.ID
			}
		}
	}
	m.t.Fatalf("%s has no %s", path, name)
	return ""
}

// TestManagedResources: resources, scopes and claims that the management API made,
// in tokens, at UserInfo, at introspection and at a gate of this process; and each
// change of them at the next request.
func TestManagedResources(t *testing.T) {
	config := attacked()
	e := &config.Environments[0]
	e.Users[0].Claims["department"] = "sales"
	e.Applications = append(e.Applications, declared.Application{ClientID: "manager", Type: "worker", Secret: "manager-secret", Roles: []string{"Environment Admin"}})
	g := newRig(t, rigOptions{config: &config, noLimit: true})
	m := &manager{t, g, g.token(envA, basic("manager", "manager-secret"))}

	resource := text(m.call(201, "POST", "/resources", `{"name":"invoices","audience":"https://invoices.example.com","accessTokenValiditySeconds":600}`), "id")
	scope := text(m.call(201, "POST", "/resources/"+resource+"/scopes", `{"name":"invoices:read"}`), "id")
	m.call(201, "POST", "/resources/"+resource+"/attributes", `{"name":"unit","value":"${user.department}"}`)
	secret := text(m.call(200, "GET", "/resources/"+resource+"/secret", ""), "secret")
	openid := "/resources/" + m.id("/resources", "openid")
	team := text(m.call(201, "POST", openid+"/attributes", `{"name":"team","value":"${user.department}"}`), "id")
	hr := text(m.call(201, "POST", openid+"/scopes", `{"name":"hr","mappedClaims":["`+team+`"]}`), "id")

	app := text(m.call(201, "POST", "/applications", `{"name":"Invoices","enabled":true,"protocol":"OPENID_CONNECT","type":"WEB_APP","tokenEndpointAuthMethod":"CLIENT_SECRET_BASIC",
		"grantTypes":["AUTHORIZATION_CODE","REFRESH_TOKEN"],"responseTypes":["CODE"],"redirectUris":["`+appCallback+`"]}`), "id")
	client := basic(app, text(m.call(200, "GET", "/applications/"+app+"/secret", ""), "secret"))
	m.call(201, "POST", "/applications/"+app+"/grants", `{"resource":{"id":"`+resource+`"},"scopes":[{"id":"`+scope+`"}]}`)
	m.call(201, "POST", "/applications/"+app+"/grants", `{"resource":{"id":"`+m.id("/resources", "openid")+`"},"scopes":[{"id":"`+m.id(openid+"/scopes", "openid")+`"},{"id":"`+hr+`"}]}`)

	back := newAgent(t, g).signOn(ask(issuerA, app, "scope", "openid hr invoices:read"))
	got := g.form(envA, "token", client, "grant_type=authorization_code", "redirect_uri="+appCallback, "code="+back.Get("code"))
	raw, refresh := text(got, "access_token"), text(got, "refresh_token")
	if raw == "" || refresh == "" {
		t.Fatalf("no tokens: %d %s", got.status, got.body)
	}
	access, id := claimsOf(t, raw), claimsOf(t, text(got, "id_token"))
	if claim(access, "scope") != "openid hr invoices:read" || len(access.Audience) != 1 || access.Audience[0] != "https://invoices.example.com" ||
		access.Expiry.Sub(access.IssuedAt) != 10*time.Minute || claim(access, "unit") != "sales" || access.Has("team") {
		t.Errorf("access token: %s", payloadOf(t, raw))
	}
	if claim(id, "team") != "sales" || id.Has("unit") {
		t.Errorf("ID token has %v", id.Names())
	}
	info := func() answer {
		r := httptest.NewRequest(http.MethodGet, issuerA+"/userinfo", nil)
		r.Header.Set("Authorization", "Bearer "+raw)
		return g.do(r)
	}
	if a := info(); a.member("team") != "sales" {
		t.Errorf("UserInfo: %d %s", a.status, a.body)
	}
	gate, err := resourceserver.New(resourceserver.Config{
		Issuers: []resourceserver.Issuer{{Issuer: issuerA, Audience: []string{"https://invoices.example.com"}, Local: g.state.Local(environment(t, g, envA))}},
		Now:     g.clock.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer gate.Close()
	passes := func() bool { _, err := gate.Verify(t.Context(), raw); return err == nil }
	if !passes() || !g.active(envA, basic(resource, secret), raw) {
		t.Fatal("a new token does not work")
	}

	// The resource's secret: rotated, with the one before still good for an hour.
	rotated := text(m.call(200, "POST", "/resources/"+resource+"/secret", `{"previous":{"expiresAt":"`+g.clock.Now().Add(time.Hour).Format(time.RFC3339)+`"}}`), "secret")
	if !g.active(envA, basic(resource, rotated), raw) || !g.active(envA, basic(resource, secret), raw) {
		t.Error("one of two good secrets is refused")
	}
	m.call(204, "DELETE", "/resources/"+resource+"/secret", "")
	if a := g.form(envA, "introspect", basic(resource, secret), "token="+raw); a.outcome() != "401 invalid_client" {
		t.Errorf("the secret before: %s", a.outcome())
	}

	// Claims: from elsewhere, and nowhere.
	m.call(200, "PUT", openid+"/attributes/"+team, `{"name":"team","value":"everybody"}`)
	if a := info(); a.member("team") != "everybody" {
		t.Errorf("UserInfo after the claim was changed: %d %s", a.status, a.body)
	}
	m.call(200, "PUT", openid+"/scopes/"+hr, `{"name":"hr","mappedClaims":[]}`)
	if a := info(); a.status != 200 || a.member("team") != nil {
		t.Errorf("UserInfo after the scope lost the claim: %d %s", a.status, a.body)
	}
	if !passes() {
		t.Error("the access token has ended with a claim")
	}

	// The scope: with its name the tokens that have it end, and what is made of the refresh token has it no more.
	m.call(200, "PUT", "/resources/"+resource+"/scopes/"+scope, `{"name":"invoices:look"}`)
	if passes() || g.active(envA, basic(resource, rotated), raw) || info().status != 401 {
		t.Error("a token with a scope that is gone works")
	}
	g.clock.Advance(time.Second)
	got = g.form(envA, "token", client, "grant_type=refresh_token", "refresh_token="+refresh)
	if got.status != 200 || got.member("scope") != "openid hr" {
		t.Errorf("refreshed: %d %s", got.status, got.body)
	}
	back = newAgent(t, g).signOn(ask(issuerA, app, "scope", "openid invoices:look"))
	got = g.form(envA, "token", client, "grant_type=authorization_code", "redirect_uri="+appCallback, "code="+back.Get("code"))
	if raw = text(got, "access_token"); !passes() {
		t.Errorf("a token with the new name does not work: %d %s", got.status, got.body)
	}

	// The resource: with it everything goes.
	m.call(204, "DELETE", "/resources/"+resource, "")
	if passes() || info().status != 401 {
		t.Error("a token for a resource that is gone works")
	}
	g.clock.Advance(time.Second)
	if back = newAgent(t, g).signOn(ask(issuerA, app, "scope", "invoices:look")); back.Get("error") != "invalid_scope" {
		t.Errorf("authorization for a resource that is gone: %v", back)
	}
	if a := g.form(envA, "introspect", basic(resource, rotated), "token="+raw); a.outcome() != "401 invalid_client" {
		t.Errorf("the resource itself: %s", a.outcome())
	}
	m.call(204, "DELETE", openid+"/scopes/"+hr, "")
	if got = g.form(envA, "token", client, "grant_type=refresh_token", "refresh_token="+text(got, "refresh_token")); got.member("scope") != "openid" {
		t.Errorf("refreshed after all: %d %s", got.status, got.body)
	}
}

// TestManagedResourceElsewhere: a change on one node ends tokens on another one of the same store, which makes new ones as it says.
func TestManagedResourceElsewhere(t *testing.T) {
	config := declaredConfig(t)
	st, clock := testkit.Store(t), testkit.NewClock(noon)
	g := newRig(t, rigOptions{config: &config, store: st, clock: clock})
	h := newRig(t, rigOptions{config: &config, store: st, clock: clock})
	m := &manager{t, g, g.token(envA, basic("admin", "admin-secret"))}
	resource := text(m.call(201, "POST", "/resources", `{"name":"invoices","audience":"https://a"}`), "id")
	scope := text(m.call(201, "POST", "/resources/"+resource+"/scopes", `{"name":"read"}`), "id")
	app := text(m.call(201, "POST", "/applications", `{"name":"batch","enabled":true,"protocol":"OPENID_CONNECT","type":"SERVICE","tokenEndpointAuthMethod":"CLIENT_SECRET_BASIC","grantTypes":["CLIENT_CREDENTIALS"]}`), "id")
	client := basic(app, text(m.call(200, "GET", "/applications/"+app+"/secret", ""), "secret"))
	m.call(201, "POST", "/applications/"+app+"/grants", `{"resource":{"id":"`+resource+`"},"scopes":[{"id":"`+scope+`"}]}`)

	raw := h.token(envA, client)
	if aud := claimsOf(t, raw).Audience; len(aud) != 1 || aud[0] != "https://a" {
		t.Fatalf("aud = %q", aud)
	}
	m.call(200, "PUT", "/resources/"+resource, `{"name":"invoices","audience":"https://b"}`)
	deadline := time.Now().Add(10 * time.Second)
	for h.active(envA, client, raw) {
		if time.Now().After(deadline) {
			t.Fatal("the other node does not know that the audience is gone")
		}
		time.Sleep(time.Millisecond)
	}
	if aud := claimsOf(t, h.token(envA, client)).Audience; len(aud) != 1 || aud[0] != "https://b" {
		t.Errorf("aud = %q, want the new one", aud)
	}
}
