package authserver_test

import (
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/declared"
)

// TestReload: a new configuration over the same State keeps keys, tokens and
// revocations, and what it no longer declares is refused at once.
func TestReload(t *testing.T) {
	g := newRig(t, rigOptions{})
	jwks := g.get("/" + envA + "/as/jwks").body
	kept, revoked := g.token(envA, basicClient), g.token(envA, basicClient)
	g.form(envA, "revoke", basicClient, "token="+revoked)

	c := declaredConfig(t)
	c.Environments = c.Environments[:1]
	for i := range c.Environments[0].Applications {
		if a := &c.Environments[0].Applications[i]; a.ClientID == "worker" {
			a.Disabled = true
		}
	}
	directory, err := declared.New(c)
	if err != nil {
		t.Fatal(err)
	}
	server, err := authserver.New(t.Context(), authserver.Config{State: g.state, Directory: directory})
	if err != nil {
		t.Fatal(err)
	}
	old := g.server
	g.server = server
	if got := g.get("/" + envA + "/as/jwks").body; got != jwks {
		t.Error("the keys changed")
	}
	if !g.active(envA, basicClient, kept) || g.active(envA, basicClient, revoked) {
		t.Error("tokens or revocations were forgotten")
	}
	if got := g.get("/" + envB + "/as/jwks").outcome(); got != "404 NOT_FOUND" {
		t.Errorf("an environment that is gone: %s", got)
	}
	worker := basic("worker", "worker-secret")
	if got := g.form(envA, "token", worker, "grant_type=client_credentials").outcome(); got != "401 invalid_client" {
		t.Errorf("a client that is disabled now: %s", got)
	}
	g.server = old // requests that are under way end as they began
	if got := g.form(envA, "token", worker, "grant_type=client_credentials").outcome(); got != "200" {
		t.Errorf("the old configuration: %s", got)
	}
}

// TestReloadBetweenCodeAndToken: what a new configuration takes from a client is
// not to be had for codes that were made under the old one.
func TestReloadBetweenCodeAndToken(t *testing.T) {
	config := func(allow ...string) declared.Config {
		return declared.Config{Environments: []declared.Environment{{
			Name: "a", ID: envA, Issuer: issuerA, SignOn: declared.SignOn{Argon2Memory: 8192, Argon2Passes: 1},
			Users:     []declared.User{{Username: "alice", Password: "alice-demo-pass"}},
			Resources: []declared.Resource{{Name: "orders", Audience: orders, Scopes: []string{"orders:read", "orders:write"}, Secret: "orders-secret"}},
			Applications: []declared.Application{{
				ClientID: "web", Type: "web_app", Secret: "web-secret", RedirectURIs: []string{appCallback}, Allow: allow,
				Grants: []string{"authorization_code", "refresh_token"},
			}},
		}}}
	}
	tests := []struct {
		name  string
		after []string
		want  string // outcome and scope
	}{
		{"nothing", []string{"openid", "orders:read", "orders:write"}, "200 openid orders:read orders:write"},
		{"one scope", []string{"openid", "orders:read"}, "200 openid orders:read"},
		{"all but another one", []string{"profile"}, "400 invalid_scope "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := config("openid", "orders:read", "orders:write")
			g := newRig(t, rigOptions{config: &before})
			back := newAgent(t, g).signOn(issuerA + "/authorize?client_id=web&response_type=code&scope=openid+orders:read+orders:write&redirect_uri=" + appCallback)
			directory, err := declared.New(config(tt.after...))
			if err != nil {
				t.Fatal(err)
			}
			if g.server, err = authserver.New(t.Context(), authserver.Config{State: g.state, Directory: directory}); err != nil {
				t.Fatal(err)
			}
			got := g.form(envA, "token", basic("web", "web-secret"), "grant_type=authorization_code", "code="+back.Get("code"), "redirect_uri="+appCallback)
			if outcome := got.outcome() + " " + text(got, "scope"); outcome != tt.want {
				t.Errorf("got %q, want %q", outcome, tt.want)
			}
		})
	}
}
