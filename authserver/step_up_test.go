package authserver_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/declared"
)

// TestStepUpOfRegisteredClients: a client that registered itself follows a challenge that names more scopes than it registered (MCP, Scope Challenge Handling)
// where the environment says so of these scopes, and people consent.
func TestStepUpOfRegisteredClients(t *testing.T) {
	const initial = "an-initial-access-token"
	start := func(t *testing.T, stepUp ...string) *rig {
		t.Helper()
		return newRig(t, rigOptions{config: &declared.Config{Environments: []declared.Environment{{
			Name: "a", ID: envA, Issuer: issuerA, SigningAlgorithm: "ES256",
			Registration: declared.Registration{
				Mode: "token", Tokens: []string{initial}, StepUp: stepUp,
				Scopes: []string{"openid", "offline_access", "orders:read", "orders:write", "orders:admin"},
			},
			Users: []declared.User{{Username: "alice", Password: "alice-demo-pass"}},
			Resources: []declared.Resource{{
				Name: "orders", Audience: orders, Scopes: []string{"orders:read", "orders:write", "orders:admin"}, Secret: "orders-secret",
			}},
		}}}})
	}
	// register registers a client for orders:read alone.
	register := func(t *testing.T, g *rig, method string, grants ...string) (id, secret string) {
		t.Helper()
		body, _ := json.Marshal(map[string]any{
			"client_name": "Some Agent", "redirect_uris": []string{appCallback}, "scope": "openid orders:read",
			"token_endpoint_auth_method": method, "grant_types": append(grants, "authorization_code"),
		})
		r := httptest.NewRequest(http.MethodPost, issuerA+"/register", strings.NewReader(string(body)))
		r.Header["Content-Type"], r.Header["Authorization"] = []string{"application/json"}, []string{"Bearer " + initial}
		got := g.do(r)
		if got.status != http.StatusCreated || text(got, "scope") != "openid orders:read" {
			t.Fatalf("registration: %s %s", got.outcome(), got.body)
		}
		r = httptest.NewRequest(http.MethodGet, text(got, "registration_client_uri"), nil)
		r.Header["Authorization"] = []string{"Bearer " + text(got, "registration_access_token")}
		if read := g.do(r); text(read, "scope") != "openid orders:read" {
			t.Errorf("read back: scope %q, want what it registered", text(read, "scope"))
		}
		return text(got, "client_id"), text(got, "client_secret")
	}
	request := func(id, scope string) string {
		return issuerA + "/authorize?" + url.Values{
			"client_id": {id}, "response_type": {"code"}, "scope": {scope}, "redirect_uri": {appCallback}, "state": {"st"},
			"code_challenge": {proofChallenge}, "code_challenge_method": {"S256"}, "resource": {orders},
		}.Encode()
	}
	// obtain redeems what comes back, and says which scope the token has; or the error.
	obtain := func(t *testing.T, g *rig, as credential, back url.Values) string {
		t.Helper()
		if back.Get("code") == "" {
			return back.Get("error")
		}
		got := g.form(envA, "token", as, "grant_type=authorization_code", "code="+back.Get("code"), "redirect_uri="+appCallback, "code_verifier="+proofVerifier)
		if got.status != http.StatusOK {
			return got.outcome()
		}
		return strings.Join(claimsOf(t, text(got, "access_token")).Scope, " ")
	}

	for _, tt := range []struct {
		name   string
		stepUp []string
		asked  string
		want   string
	}{
		{"what was registered, as ever", nil, "orders:read", "orders:read"},
		{"no more unless configuration says so", nil, "orders:write", oauth.CodeInvalidScope},
		{"no more beside what was registered", nil, "orders:read orders:write", "orders:read"},
		{"step-up", []string{"orders:write"}, "orders:read orders:write", "orders:read orders:write"},
		{"step-up alone", []string{"orders:write"}, "orders:write", "orders:write"},
		{"of the scopes that are listed alone", []string{"orders:write"}, "orders:admin", oauth.CodeInvalidScope},
		{"a scope of OpenID Connect", []string{"offline_access"}, "openid orders:read offline_access", "openid orders:read offline_access"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := start(t, tt.stepUp...)
			id, _ := register(t, g, "none", "refresh_token")
			if got := obtain(t, g, public(id), newAgent(t, g).signOn(request(id, tt.asked))); got != tt.want {
				t.Errorf("%q brings %q, want %q", tt.asked, got, tt.want)
			}
		})
	}
	t.Run("the person consents", func(t *testing.T) {
		g := start(t, "orders:write")
		id, _ := register(t, g, "none", "refresh_token")
		a := newAgent(t, g)
		if got := obtain(t, g, public(id), a.signOn(request(id, "orders:read"))); got != "orders:read" {
			t.Fatalf("at first: %q", got)
		}
		page := a.open(request(id, "orders:read orders:write"))
		if !strings.Contains(page.body, `id="allow"`) || !strings.Contains(page.body, "orders:write") {
			t.Fatalf("no page that asks for consent to orders:write: %d %s", page.status, page.body)
		}
		back, err := url.Parse(a.press(page, "deny").header.Get("Location"))
		if err != nil || back.Query().Get("error") != oauth.CodeAccessDenied {
			t.Errorf("denied: %v, want %s", back, oauth.CodeAccessDenied)
		}
		if got := obtain(t, g, public(id), a.signOn(request(id, "orders:read orders:write"))); got != "orders:read orders:write" {
			t.Errorf("allowed: %q", got)
		}
	})
	t.Run("not for a client that acts without people", func(t *testing.T) {
		g := start(t, "orders:write")
		id, secret := register(t, g, "client_secret_basic", "client_credentials")
		own := func(fields ...string) string {
			got := g.form(envA, "token", basic(id, secret), append(fields, "grant_type=client_credentials")...)
			if got.status != http.StatusOK {
				return got.outcome()
			}
			return strings.Join(claimsOf(t, text(got, "access_token")).Scope, " ")
		}
		if got := own(); got != "orders:read" {
			t.Errorf("without a scope: %q, want orders:read", got)
		}
		if got := own("scope=orders:write"); got != "400 invalid_scope" {
			t.Errorf("orders:write: %q, want 400 invalid_scope", got)
		}
	})
}
