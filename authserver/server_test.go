package authserver_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
)

func TestHandles(t *testing.T) {
	g := newRig(t, rigOptions{})
	tests := []struct {
		path string
		want bool
	}{
		{"/" + envA + "/as/token", true},
		{"/" + envA + "/as", true},
		{"/" + envA + "/as/anything", true},
		{"/" + strings.ToUpper(envA) + "/as/token", true},
		{"/0c000000-0000-4000-8000-00000000000c/as/token", true},
		{"/.well-known/oauth-authorization-server/" + envA + "/as", true},
		{"/.well-known/oauth-authorization-server/tenants/" + envB + "/as", true},
		{"/.well-known/oauth-authorization-server", false},
		{"/.well-known/openid-configuration", false},
		{"/" + envA, false},
		{"/" + envA + "/assets", false},
		{"/" + envA + "/other", false},
		{"/not-an-environment/as/token", false},
		{"/v1/" + envA + "/as/token", false},
		{"/", false},
		{"", false},
		{"//" + envA + "/as/token", false},
	}
	for _, tt := range tests {
		t.Run(tt.path, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.URL.Path = tt.path
			if got := g.server.Handles(r); got != tt.want {
				t.Errorf("Handles = %v, want %v", got, tt.want)
			}
		})
	}
}

func TestMethods(t *testing.T) {
	g := newRig(t, rigOptions{})
	tests := []struct {
		method, endpoint string
		want             int
		allow            string
	}{
		{"GET", "token", 405, "POST, OPTIONS"},
		{"HEAD", "token", 405, "POST, OPTIONS"},
		{"PUT", "introspect", 405, "POST, OPTIONS"},
		{"GET", "revoke", 405, "POST, OPTIONS"},
		{"POST", "jwks", 405, "GET, HEAD, OPTIONS"},
		{"GET", "jwks", 200, ""},
		{"HEAD", "jwks", 200, ""},
		{"OPTIONS", "jwks", 204, "GET, HEAD, OPTIONS"},
		{"OPTIONS", "token", 204, "POST, OPTIONS"},
		{"DELETE", ".well-known/openid-configuration", 405, "GET, HEAD, OPTIONS"},
	}
	for _, tt := range tests {
		t.Run(tt.method+" "+tt.endpoint, func(t *testing.T) {
			a := g.do(httptest.NewRequest(tt.method, "/"+envA+"/as/"+tt.endpoint, nil))
			if a.status != tt.want || a.header.Get("Allow") != tt.allow {
				t.Errorf("status, Allow = %d, %q, want %d, %q", a.status, a.header.Get("Allow"), tt.want, tt.allow)
			}
			if tt.want == 405 && a.member("id") != a.header.Get("Correlation-Id") {
				t.Errorf("body = %s", a.body)
			}
		})
	}
}

func TestMetadata(t *testing.T) {
	g := newRig(t, rigOptions{})
	openid := g.get("/" + envA + "/as/.well-known/openid-configuration")
	var indented any
	if err := json.Unmarshal([]byte(openid.body), &indented); err != nil {
		t.Fatal(err)
	}
	b, err := json.MarshalIndent(indented, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	testkit.Golden(t, "openid_configuration.json", append(b, '\n'))

	tests := []struct {
		path string
		want int
	}{
		{"/.well-known/oauth-authorization-server/" + envA + "/as", 200},
		{"/.well-known/oauth-authorization-server/tenants/" + envB + "/as", 200},
		{"/.well-known/oauth-authorization-server/" + envB + "/as", 404},
		{"/.well-known/oauth-authorization-server/tenants/" + envA + "/as", 404},
		{"/.well-known/oauth-authorization-server/" + strings.ToUpper(envA) + "/as", 404},
	}
	for _, tt := range tests {
		a := g.get(tt.path)
		if a.status != tt.want {
			t.Errorf("%s: %d, want %d", tt.path, a.status, tt.want)
		}
		if tt.want == 200 && strings.Contains(tt.path, envA) && a.body != openid.body {
			t.Errorf("%s differs from the OpenID document:\n%s", tt.path, a.body)
		}
	}
	// What is listed is there, at the address that is listed.
	for name, v := range indented.(map[string]any) {
		if url, ok := v.(string); ok && (strings.HasSuffix(name, "_endpoint") || name == "jwks_uri") {
			path := strings.TrimPrefix(url, "https://auth.example.com")
			if a := g.get(path); a.status == http.StatusNotFound {
				t.Errorf("%s is listed at %s, which is not there", name, url)
			}
		}
	}
}

func TestErrorBodies(t *testing.T) {
	broken := &faulty{Store: testkit.Store(t)}
	g := newRig(t, rigOptions{store: broken})
	tests := []struct {
		golden string
		a      func() answer
	}{
		{"error_invalid_request.json", func() answer { return g.form(envA, "token", basicClient) }},
		{"error_invalid_client.json", func() answer { return g.form(envA, "token", anonymous) }},
		{"error_invalid_scope.json", func() answer {
			return g.form(envA, "token", basic("two", "two-secret"), "grant_type=client_credentials")
		}},
		{"error_unauthorized_client.json", func() answer {
			return g.form(envA, "token", basic("web", "web-secret"), "grant_type=client_credentials")
		}},
		{"error_unsupported_grant_type.json", func() answer { return g.form(envA, "token", basicClient, "grant_type=password") }},
		{"error_temporarily_unavailable.json", func() answer {
			broken.fail.Store(true)
			defer broken.fail.Store(false)
			return g.form(envA, "token", basicClient, "grant_type=client_credentials")
		}},
		{"error_not_found.json", func() answer { return g.get("/" + envA + "/as/nothing") }},
		{"error_method.json", func() answer { return g.get("/" + envA + "/as/token") }},
	}
	for _, tt := range tests {
		t.Run(tt.golden, func(t *testing.T) {
			a := tt.a()
			if got := a.header.Get("Content-Type"); got != "application/json" {
				t.Errorf("Content-Type = %q", got)
			}
			if id := a.header.Get("Correlation-Id"); !strings.Contains(a.body, id) {
				t.Errorf("the body does not have the correlation id %s: %s", id, a.body)
			}
			testkit.Golden(t, tt.golden, drawn(a.body))
		})
	}
}

// TestObserver: what is told is told in closed sets.
func TestObserver(t *testing.T) {
	o := &recorder{}
	g := newRig(t, rigOptions{watch: o})
	token := g.token(envA, basicClient)
	g.form(envA, "revoke", basicClient, "token="+token)
	g.form(envA, "introspect", basicClient, "token="+token)
	g.form(envA, "token", anonymous)
	g.get("/" + envA + "/as/nothing")
	for _, want := range []string{
		"served token ok", "issued client_credentials", "revoked token", "served revoke ok", "served introspect ok",
		"served token invalid_client", "served unknown invalid_request", "key created",
	} {
		if !o.has(want) {
			t.Errorf("the observer was not told %q but %q", want, o.told)
		}
	}
}

type recorder struct {
	mu   sync.Mutex
	told []string
}

func (o *recorder) add(words ...string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.told = append(o.told, strings.Join(words, " "))
}

func (o *recorder) has(what string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, s := range o.told {
		if s == what {
			return true
		}
	}
	return false
}

func (o *recorder) Served(endpoint, outcome string, _ time.Duration) {
	o.add("served", endpoint, outcome)
}
func (o *recorder) TokenIssued(grant string) { o.add("issued", grant) }
func (o *recorder) Revoked(kind string)      { o.add("revoked", kind) }
func (o *recorder) Swept(int)                {}
func (o *recorder) LegacyCalled(endpoint, application string) {
	o.add("legacy", endpoint+" "+application)
}
func (o *recorder) KeyRotated(outcome string)       { o.add("key", outcome) }
func (o *recorder) PasswordChecked(outcome string)  { o.add("password", outcome) }
func (o *recorder) PasswordHashed(time.Duration)    {}
func (o *recorder) SignedOn(outcome string)         { o.add("signed on", outcome) }
func (o *recorder) RefreshReplayed()                { o.add("replayed") }
func (o *recorder) LogoutDelivered(outcome string)  { o.add("logout", outcome) }
func (o *recorder) WebhookDelivered(outcome string) { o.add("webhook", outcome) }

func TestConfigErrors(t *testing.T) {
	if _, err := authserver.NewState(authserver.StateConfig{}); err == nil {
		t.Error("a State without a store is accepted")
	}
	g := newRig(t, rigOptions{})
	tests := []struct {
		name string
		c    authserver.Config
		ok   bool
	}{
		{"good", authserver.Config{State: g.state, Directory: g.directory, Surfaces: []string{"oidc"}}, true},
		{"no state", authserver.Config{Directory: g.directory}, false},
		{"no directory", authserver.Config{State: g.state}, false},
		{"unknown surface", authserver.Config{State: g.state, Directory: g.directory, Surfaces: []string{"saml"}}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := authserver.New(t.Context(), tt.c); (err == nil) != tt.ok {
				t.Errorf("error = %v", err)
			}
		})
	}
}
