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
