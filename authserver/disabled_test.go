package authserver_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/declared"
)

// TestDisabledByReload: what a configuration disables ends with it: access tokens,
// refresh tokens and sessions, which do not come back when it is enabled again.
// Others keep theirs.
func TestDisabledByReload(t *testing.T) {
	tests := []struct {
		name    string
		disable func(*declared.Environment)
		told    string
		session bool // ends too
	}{
		{"user", func(e *declared.Environment) { e.Users[0].Disabled = true }, "revoked subject", true},
		{"application", func(e *declared.Environment) { e.Applications[0].Disabled = true }, "revoked client", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			config := func() declared.Config {
				return declared.Config{Environments: []declared.Environment{{
					Name: "a", ID: envA, Issuer: issuerA, SigningAlgorithm: "ES256",
					Resources: []declared.Resource{{Name: "orders", Audience: orders, Scopes: []string{"orders:read"}, Secret: "orders-secret"}},
					Applications: []declared.Application{
						{
							ClientID: "web", Type: "web_app", Secret: "web-secret", Allow: []string{"openid", "orders:read"},
							Grants: []string{"authorization_code", "refresh_token"}, RedirectURIs: []string{"https://app.example.com/cb"},
						},
						{ClientID: "batch", Type: "service", Secret: "batch-secret", Allow: []string{"orders:read"}},
					},
					Users: []declared.User{{Username: "alice", Password: "alice-demo-pass"}},
				}}}
			}
			before := config()
			watch := &recorder{}
			g := newRig(t, rigOptions{config: &before, watch: watch})
			a := newAgent(t, g)
			request := issuerA + "/authorize?" + url.Values{
				"client_id": {"web"}, "redirect_uri": {"https://app.example.com/cb"}, "response_type": {"code"}, "scope": {"openid orders:read"},
			}.Encode()
			code := a.signOn(request).Get("code")
			tokens := g.form(envA, "token", basic("web", "web-secret"),
				"grant_type=authorization_code", "code="+code, "redirect_uri=https://app.example.com/cb")
			access, _ := tokens.member("access_token").(string)
			refresh, _ := tokens.member("refresh_token").(string)
			other, _ := g.form(envA, "token", basic("batch", "batch-secret"), "grant_type=client_credentials").member("access_token").(string)
			resource := basic("orders", "orders-secret")
			if !g.active(envA, resource, access) || refresh == "" {
				t.Fatalf("before: no tokens that work: %s", tokens.body)
			}

			reload := func(c declared.Config) {
				t.Helper()
				directory, err := declared.New(c)
				if err != nil {
					t.Fatal(err)
				}
				server, err := authserver.New(t.Context(), authserver.Config{State: g.state, Directory: directory})
				if err != nil {
					t.Fatal(err)
				}
				server.Start()
				t.Cleanup(func() { _ = server.Close() })
				g.server = server
			}
			off := config()
			tt.disable(&off.Environments[0])
			reload(off)
			for deadline := time.Now().Add(10 * time.Second); !watch.has(tt.told); time.Sleep(5 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatal("nothing has ended ten seconds after the reload")
				}
			}
			if g.active(envA, resource, access) {
				t.Error("the access token still works")
			}
			if !g.active(envA, resource, other) {
				t.Error("another application's token ended too")
			}

			g.clock.Advance(2 * time.Second)
			reload(config())
			if g.active(envA, resource, access) {
				t.Error("the access token works again")
			}
			again := g.form(envA, "token", basic("web", "web-secret"), "grant_type=refresh_token", "refresh_token="+refresh)
			if got := again.outcome(); got != "400 invalid_grant" {
				t.Errorf("the refresh token: %s, want 400 invalid_grant", got)
			}
			silent := a.open(request + "&prompt=none").header.Get("Location")
			if ended := strings.Contains(silent, "error=login_required"); ended != tt.session {
				t.Errorf("session ended = %v, want %v: %s", ended, tt.session, silent)
			}
			if tt.session {
				if got := a.open(request); got.status != http.StatusOK || !strings.Contains(got.body, `id="username"`) {
					t.Errorf("signing on again begins with %d, want the sign-on page", got.status)
				}
			}
		})
	}
}
