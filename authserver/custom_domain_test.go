package authserver_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/store/declared"
)

const loginDomain = "https://login.example.com"

func domainRig(t *testing.T) *rig {
	c := declared.Config{Environments: []declared.Environment{
		{
			Name: "a", ID: envA, Issuer: issuerA, SigningAlgorithm: "ES256", Domains: []string{"login.example.com"},
			Applications: []declared.Application{{
				ClientID: "web", Type: "web_app", Secret: "web-secret", Allow: []string{"openid", "profile"},
				Grants: []string{"authorization_code", "refresh_token"}, RedirectURIs: []string{"https://app.example.com/cb"},
			}},
			Users: []declared.User{{Username: "alice", Password: "alice-demo-pass", Claims: map[string]any{"name": "Alice"}}},
		},
		{Name: "b", ID: envB, Issuer: "https://auth.example.com/" + envB + "/as", SigningAlgorithm: "ES256"},
	}}
	return newRig(t, rigOptions{config: &c})
}

// at sends a request with an absolute address, whose host is the Host.
func (g *rig) at(method, address string, form url.Values, auth ...string) answer {
	r := httptest.NewRequest(method, address, strings.NewReader(form.Encode()))
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if len(auth) == 2 {
		r.SetBasicAuth(auth[0], auth[1])
	} else if len(auth) == 1 {
		r.Header.Set("Authorization", "Bearer "+auth[0])
	}
	return g.do(r)
}

// TestCustomDomain: on a custom domain the whole sign-on happens without the
// environment's id in any path, under an issuer of its own.
func TestCustomDomain(t *testing.T) {
	g := domainRig(t)
	metadata := g.at(http.MethodGet, loginDomain+"/as/.well-known/openid-configuration", nil)
	for name, want := range map[string]string{
		"issuer": loginDomain + "/as", "authorization_endpoint": loginDomain + "/as/authorize", "jwks_uri": loginDomain + "/as/jwks",
	} {
		if got := metadata.member(name); got != want {
			t.Errorf("%s = %v, want %s", name, got, want)
		}
	}
	if front := g.at(http.MethodGet, loginDomain+"/.well-known/oauth-authorization-server/as", nil); front.body != metadata.body {
		t.Errorf("RFC 8414's place: %d %s", front.status, front.body)
	}

	a := newAgent(t, g)
	params := a.signOn(loginDomain + "/as/authorize?" + url.Values{
		"client_id": {"web"}, "redirect_uri": {"https://app.example.com/cb"}, "response_type": {"code"}, "scope": {"openid profile"}, "state": {"s"},
	}.Encode())
	if got := params.Get("iss"); got != loginDomain+"/as" {
		t.Errorf("iss of the answer = %q, want the domain's", got)
	}
	answer := g.at(http.MethodPost, loginDomain+"/as/token", url.Values{
		"grant_type": {"authorization_code"}, "code": {params.Get("code")}, "redirect_uri": {"https://app.example.com/cb"},
	}, "web", "web-secret")
	access, _ := answer.member("access_token").(string)
	for _, name := range []string{"access_token", "id_token"} {
		raw, _ := answer.member(name).(string)
		if got := part(t, raw, 1)["iss"]; got != loginDomain+"/as" {
			t.Errorf("iss of the %s = %v, want the domain's", name, got)
		}
	}
	// Either address knows the token: it is one environment.
	for _, base := range []string{loginDomain + "/as", issuerA} {
		if got := g.at(http.MethodGet, base+"/userinfo", nil, access); got.status != http.StatusOK || got.member("name") != "Alice" {
			t.Errorf("userinfo at %s = %d %s, want 200", base, got.status, got.body)
		}
	}
}

// TestCustomDomainCookie: the session of a domain is for all of it, and that of an
// environment's own address for its paths alone.
func TestCustomDomainCookie(t *testing.T) {
	g := domainRig(t)
	query := "/as/authorize?client_id=web&redirect_uri=https%3A%2F%2Fapp.example.com%2Fcb&response_type=code&scope=openid"
	for base, want := range map[string]string{loginDomain: "/", "https://auth.example.com/" + envA: "/" + envA} {
		got := g.at(http.MethodGet, base+query, nil)
		cookies := (&http.Response{Header: got.header}).Cookies()
		if len(cookies) == 0 || cookies[0].Name != "ST" || cookies[0].Path != want || !cookies[0].Secure || !cookies[0].HttpOnly {
			t.Errorf("at %s: cookies %v, want ST with Path %s", base, cookies, want)
		}
		if to := got.header.Get("Location"); !strings.HasPrefix(to, base+"/signon/") {
			t.Errorf("at %s: goes on at %q", base, to)
		}
	}
}

// TestCustomDomainRouting: which paths of which hosts are the server's.
func TestCustomDomainRouting(t *testing.T) {
	g := domainRig(t)
	tests := []struct {
		name, address string
		handled       bool
		status        int // 0: not asked
	}{
		{"the domain's tree", loginDomain + "/as/jwks", true, http.StatusOK},
		{"the domain in upper case", "https://LOGIN.example.com/as/jwks", true, http.StatusOK},
		{"another host", "https://app.example.com/as/jwks", false, 0},
		{"another host's own pages", "https://app.example.com/signon/", false, 0},
		{"a host that ends alike", "https://evil-login.example.com/as/jwks", false, 0},
		{"the domain with a port of its own", "https://login.example.com:8443/as/jwks", false, 0},
		{"another path of the domain", loginDomain + "/orders", false, 0},
		{"a path that begins alike", loginDomain + "/assets/x.css", false, 0},
		{"an unknown endpoint of the domain", loginDomain + "/as/nothing", true, http.StatusNotFound},
		{"the environment's path on the domain", loginDomain + "/" + envA + "/as/jwks", true, http.StatusOK},
		{"another environment's path on the domain", loginDomain + "/" + envB + "/as/jwks", true, http.StatusOK},
		{"an encoded path of the domain", loginDomain + "/%61s/jwks", true, http.StatusNotFound},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, tt.address, nil)
			if got := g.server.Handles(r); got != tt.handled {
				t.Fatalf("handled = %v, want %v", got, tt.handled)
			}
			if tt.status == 0 {
				return
			}
			if got := g.do(r); got.status != tt.status {
				t.Errorf("status = %d, want %d: %s", got.status, tt.status, got.body)
			}
		})
	}
}

// TestStrictProfile: what security_profile strict takes away, next to what it leaves.
func TestStrictProfile(t *testing.T) {
	c := declared.Config{Environments: []declared.Environment{{
		Name: "a", ID: envA, Issuer: issuerA, SigningAlgorithm: "ES256", SecurityProfile: "strict",
		Applications: []declared.Application{{
			ClientID: "web", Type: "web_app", Secret: "web-secret", Allow: []string{"openid"},
			Grants: []string{"authorization_code", "implicit"}, RedirectURIs: []string{"https://app.example.com/cb"},
		}},
	}}}
	g := newRig(t, rigOptions{config: &c})
	const challenge = "&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method="
	base := issuerA + "/authorize?client_id=web&redirect_uri=https%3A%2F%2Fapp.example.com%2Fcb&scope=openid&nonce=n&response_type="
	tests := []struct {
		name, query, code string // code "": goes on to the sign-on page
	}{
		{"code with S256", "code" + challenge + "S256", ""},
		{"code without PKCE", "code", "invalid_request"},
		{"code with plain", "code" + challenge + "plain", "invalid_request"},
		{"implicit", "id_token%20token" + challenge + "S256", "unsupported_response_type"},
		{"hybrid", "code%20id_token" + challenge + "S256", "unsupported_response_type"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			to, err := url.Parse(g.at(http.MethodGet, base+tt.query, nil).header.Get("Location"))
			if err != nil {
				t.Fatal(err)
			}
			got := to.Query().Get("error")
			if fragment, err := url.ParseQuery(to.Fragment); err == nil && got == "" {
				got = fragment.Get("error")
			}
			if got != tt.code || tt.code == "" && !strings.Contains(to.Path, "/signon/") {
				t.Errorf("error = %q at %s, want %q", got, to, tt.code)
			}
		})
	}
	var metadata struct {
		Types   []string `json:"response_types_supported"`
		Methods []string `json:"code_challenge_methods_supported"`
	}
	if err := json.Unmarshal([]byte(g.get("/"+envA+"/as/.well-known/openid-configuration").body), &metadata); err != nil {
		t.Fatal(err)
	}
	if len(metadata.Types) != 1 || metadata.Types[0] != "code" || len(metadata.Methods) != 1 || metadata.Methods[0] != "S256" {
		t.Errorf("metadata announces %v and %v", metadata.Types, metadata.Methods)
	}
}
