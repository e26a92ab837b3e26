package authserver_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/resourceserver"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/declared"
)

// managed is a server of which envA is managed by a worker of the role Environment Admin.
func managed(t *testing.T) (*rig, *manager) {
	t.Helper()
	config := attacked()
	e := &config.Environments[0]
	e.Applications = append(e.Applications, declared.Application{ClientID: "manager", Type: "worker", Secret: "manager-secret", Roles: []string{"Environment Admin"}})
	g := newRig(t, rigOptions{config: &config, noLimit: true})
	return g, &manager{t, g, g.token(envA, basic("manager", "manager-secret"))}
}

const machine = `{"name":"Batch","enabled":true,"protocol":"OPENID_CONNECT","type":"WORKER","tokenEndpointAuthMethod":"CLIENT_SECRET_BASIC","grantTypes":["CLIENT_CREDENTIALS"]}`

// TestManagedApplications: what the management API says of an application counts at
// the next request: at the token endpoint, at introspection, and at a gate of this process.
func TestManagedApplications(t *testing.T) {
	g, m := managed(t)
	resource := text(m.call(201, "POST", "/resources", `{"name":"stock","audience":"https://stock.example.com"}`), "id")
	look := text(m.call(201, "POST", "/resources/"+resource+"/scopes", `{"name":"stock:look"}`), "id")
	count := text(m.call(201, "POST", "/resources/"+resource+"/scopes", `{"name":"stock:count"}`), "id")
	app := text(m.call(201, "POST", "/applications", machine), "id")
	path := "/applications/" + app
	first := text(m.call(200, "GET", path+"/secret", ""), "secret")

	if a := g.form(envA, "token", basic(app, first), "grant_type=client_credentials"); a.outcome() != "400 invalid_scope" {
		t.Errorf("without a grant and without roles: %s, want invalid_scope", a.outcome())
	}
	grant := text(m.call(201, "POST", path+"/grants", `{"resource":{"id":"`+resource+`"},"scopes":[{"id":"`+look+`"},{"id":"`+count+`"}]}`), "id")
	gate, err := resourceserver.New(resourceserver.Config{
		Issuers: []resourceserver.Issuer{{Issuer: issuerA, Audience: []string{"https://stock.example.com"}, Local: g.state.Local(environment(t, g, envA))}},
		Now:     g.clock.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer gate.Close()
	passes := func(raw string) bool { _, err := gate.Verify(t.Context(), raw); return err == nil }

	raw := g.token(envA, basic(app, first))
	if c := claimsOf(t, raw); !passes(raw) || claim(c, "scope") != "stock:look stock:count" {
		t.Fatalf("a new token does not work: %s", payloadOf(t, raw))
	}
	g.clock.Advance(time.Second)
	m.call(200, "PUT", path+"/grants/"+grant, `{"resource":{"id":"`+resource+`"},"scopes":[{"id":"`+look+`"}]}`)
	if passes(raw) {
		t.Error("a token with more than what is granted passes the gate")
	}
	g.clock.Advance(time.Second)
	if raw = g.token(envA, basic(app, first)); !passes(raw) || claim(claimsOf(t, raw), "scope") != "stock:look" {
		t.Errorf("a token of what is granted now: %s", payloadOf(t, raw))
	}

	// Secrets.
	second := text(m.call(200, "POST", path+"/secret", `{"previous":{"expiresAt":"`+g.clock.Now().Add(time.Hour).Format(time.RFC3339)+`"}}`), "secret")
	g.token(envA, basic(app, second))
	g.token(envA, basic(app, first))
	third := text(m.call(200, "POST", path+"/secret", ""), "secret")
	for name, secret := range map[string]string{"first": first, "second": second} {
		if a := g.form(envA, "token", basic(app, secret), "grant_type=client_credentials"); a.outcome() != "401 invalid_client" {
			t.Errorf("the %s secret: %s, want invalid_client", name, a.outcome())
		}
	}
	if raw = g.token(envA, basic(app, third)); !passes(raw) {
		t.Error("a token of the third secret does not pass")
	}

	// Disabled, and enabled again: what was ended stays so.
	m.call(200, "PUT", path, `{"name":"Batch","enabled":false,"protocol":"OPENID_CONNECT","type":"WORKER","tokenEndpointAuthMethod":"CLIENT_SECRET_BASIC","grantTypes":["CLIENT_CREDENTIALS"]}`)
	if passes(raw) {
		t.Error("the token of a disabled application passes the gate")
	}
	if a := g.form(envA, "token", basic(app, third), "grant_type=client_credentials"); a.outcome() != "401 invalid_client" {
		t.Errorf("a disabled application: %s, want invalid_client", a.outcome())
	}
	g.clock.Advance(time.Second)
	m.call(200, "PUT", path, machine)
	if passes(raw) {
		t.Error("a token that was ended passes again")
	}
	if raw = g.token(envA, basic(app, third)); !passes(raw) {
		t.Error("a new token does not pass")
	}
	m.call(204, "DELETE", path, "")
	if passes(raw) {
		t.Error("the token of a deleted application passes the gate")
	}
	if a := g.form(envA, "token", basic(app, third), "grant_type=client_credentials"); a.outcome() != "401 invalid_client" {
		t.Errorf("a deleted application: %s, want invalid_client", a.outcome())
	}
}

const shop = `"name":"Shop","enabled":true,"protocol":"OPENID_CONNECT","type":"WEB_APP","tokenEndpointAuthMethod":"CLIENT_SECRET_BASIC",
	"grantTypes":["AUTHORIZATION_CODE","REFRESH_TOKEN"],"responseTypes":["CODE"],"redirectUris":["` + appCallback + `"]`

// TestManagedSubject: what is mapped to sub is what the client knows the person by,
// and what is mapped beside it is there with the scope that it needs.
func TestManagedSubject(t *testing.T) {
	g, m := managed(t)
	app := text(m.call(201, "POST", "/applications", `{`+shop+`}`), "id")
	path := "/applications/" + app
	client := basic(app, text(m.call(200, "GET", path+"/secret", ""), "secret"))
	openid := m.id("/resources", "openid")
	scopes := "/resources/" + openid + "/scopes"
	m.call(201, "POST", path+"/grants", `{"resource":{"id":"`+openid+`"},"scopes":[{"id":"`+m.id(scopes, "openid")+`"},{"id":"`+m.id(scopes, "profile")+`"}]}`)
	core := m.id(path+"/attributes", "sub")
	m.call(200, "PUT", path+"/attributes/"+core, `{"name":"sub","value":"${user.username}","required":true}`)
	g.clock.Advance(time.Second)
	m.call(201, "POST", path+"/attributes", `{"name":"tier","value":"gold","oidcScopes":["`+m.id(scopes, "profile")+`"]}`)

	userInfo := func(raw string) answer {
		r := httptest.NewRequest(http.MethodGet, issuerA+"/userinfo", nil)
		r.Header.Set("Authorization", "Bearer "+raw)
		return g.do(r)
	}
	agent := newAgent(t, g)
	got := g.form(envA, "token", client, "grant_type=authorization_code", "redirect_uri="+appCallback,
		"code="+agent.signOn(ask(issuerA, app, "scope", "openid profile")).Get("code"))
	id := claimsOf(t, text(got, "id_token"))
	if id.Subject != "alice" || claim(id, "tier") != "gold" {
		t.Errorf("ID token: %s, want alice and gold", payloadOf(t, text(got, "id_token")))
	}
	if a := userInfo(text(got, "access_token")); a.member("sub") != "alice" || a.member("tier") != "gold" {
		t.Errorf("UserInfo: %d %s, want alice and gold", a.status, a.body)
	}
	if c := claimsOf(t, text(got, "access_token")); c.Subject == "alice" || c.Subject == "" {
		t.Errorf("access token: sub = %q, want the user's ID", c.Subject)
	}
	// The token is as good a hint as any.
	back := agent.signOn(ask(issuerA, app, "scope", "openid", "id_token_hint", text(got, "id_token")))
	if back.Get("code") == "" {
		t.Errorf("with the ID token as a hint: %v, want a code", back)
	}
	other := g.form(envA, "token", client, "grant_type=authorization_code", "redirect_uri="+appCallback, "code="+back.Get("code"))
	if c := claimsOf(t, text(other, "id_token")); c.Subject != "alice" || c.Has("tier") {
		t.Errorf("without the scope: %s, want alice and no tier", payloadOf(t, text(other, "id_token")))
	}

	g.clock.Advance(time.Second)
	m.call(200, "PUT", path+"/attributes/"+core, `{"name":"sub","value":"${user.id}","required":true}`)
	if a := userInfo(text(got, "access_token")); a.status != 401 {
		t.Errorf("UserInfo after sub was mapped otherwise: %d %s, want 401", a.status, a.body)
	}
	if a := g.form(envA, "token", client, "grant_type=refresh_token", "refresh_token="+text(got, "refresh_token")); a.outcome() != "400 invalid_grant" {
		t.Errorf("refresh after sub was mapped otherwise: %s, want invalid_grant", a.outcome())
	}
}

// TestManagedAdmission: an application for administrators is for them alone.
func TestManagedAdmission(t *testing.T) {
	g, m := managed(t)
	app := text(m.call(201, "POST", "/applications", `{`+shop+`,"accessControl":{"role":{"type":"ADMIN_USERS_ONLY"}}}`), "id")
	openid := m.id("/resources", "openid")
	m.call(201, "POST", "/applications/"+app+"/grants", `{"resource":{"id":"`+openid+`"},"scopes":[{"id":"`+m.id("/resources/"+openid+"/scopes", "openid")+`"}]}`)
	if back := newAgent(t, g).signOn(ask(issuerA, app, "scope", "openid")); back.Get("error") != "access_denied" || back.Get("code") != "" {
		t.Errorf("somebody else: %v, want access_denied", back)
	}
	m.call(200, "PUT", "/applications/"+app, `{`+shop+`,"accessControl":{}}`)
	if back := newAgent(t, g).signOn(ask(issuerA, app, "scope", "openid")); back.Get("code") == "" {
		t.Errorf("without the restriction: %v, want a code", back)
	}
}
