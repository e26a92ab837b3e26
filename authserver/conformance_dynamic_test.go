package authserver_test

import (
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/declared"
)

// suite is what the certification suite is to a server: clients that register
// themselves, with an HTTPS server of their own on a loopback address.
type suite struct {
	*rig
	t      testing.TB
	web    *httptest.Server
	mu     sync.Mutex
	jwks   []byte       // at /jwks
	logout []url.Values // what came to /backchannel
}

const appCallback = "https://app.example.net/cb"

func newSuite(t testing.TB) *suite {
	s := &suite{t: t}
	mux := http.NewServeMux()
	mux.HandleFunc("/jwks", func(w http.ResponseWriter, _ *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(s.jwks)
	})
	mux.HandleFunc("/backchannel", func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		form, _ := url.ParseQuery(string(body))
		s.mu.Lock()
		defer s.mu.Unlock()
		s.logout = append(s.logout, form)
	})
	s.web = httptest.NewTLSServer(mux)
	t.Cleanup(s.web.Close)
	config := declared.Config{Environments: []declared.Environment{{
		Name: "a", ID: envA, Issuer: issuerA, Registration: declared.Registration{Mode: "open"},
		Users: []declared.User{{Username: "alice", Password: "alice-demo-pass", Claims: map[string]any{"name": "Alice", "email": "alice@example.com"}}},
	}}}
	s.rig = newRig(t, rigOptions{config: &config, outbound: authserver.Outbound{
		CA:       pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.web.Certificate().Raw}),
		Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
	}, noLimit: true})
	return s
}

// client is a registered client.
type client struct {
	s        *suite
	metadata map[string]any
	id       string
	key      *jose.SigningKey // of private_key_jwt
}

// register registers a client; members are put over the usual ones.
func (s *suite) register(members ...any) *client {
	s.t.Helper()
	got := s.tryRegister(members...)
	if got.status != http.StatusCreated {
		s.t.Fatalf("registration: %s", got.outcome())
	}
	c := &client{s: s, metadata: map[string]any{}}
	if err := json.Unmarshal([]byte(got.body), &c.metadata); err != nil {
		s.t.Fatal(err)
	}
	c.id, _ = c.metadata["client_id"].(string)
	return c
}

func (s *suite) tryRegister(members ...any) answer {
	s.t.Helper()
	m := map[string]any{
		"client_name": "suite", "redirect_uris": []string{appCallback}, "contacts": []string{"certification@example.net"},
		"grant_types": []string{"authorization_code", "refresh_token"}, "response_types": []string{"code"},
	}
	for i := 0; i < len(members); i += 2 {
		m[members[i].(string)] = members[i+1]
	}
	body, err := json.Marshal(m)
	if err != nil {
		s.t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, issuerA+"/register", strings.NewReader(string(body)))
	r.Header.Set("Content-Type", "application/json")
	return s.do(r)
}

// request is the address of an authorization request; a value "" leaves a
// parameter out.
func (c *client) request(params ...string) string {
	q := url.Values{
		"client_id": {c.id}, "response_type": {"code"}, "scope": {"openid email offline_access"}, "redirect_uri": {appCallback},
		"state": {"st"}, "nonce": {"no"}, "prompt": {"consent"},
	}
	for i := 0; i < len(params); i += 2 {
		q.Set(params[i], params[i+1])
		if params[i+1] == "" {
			q.Del(params[i])
		}
	}
	return issuerA + "/authorize?" + q.Encode()
}

// token makes a token request as the client.
func (c *client) token(params ...string) answer {
	c.s.t.Helper()
	form := url.Values{}
	for i := 0; i < len(params); i += 2 {
		form.Set(params[i], params[i+1])
	}
	if c.key != nil {
		form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		now := c.s.clock.Now()
		claims, _ := json.Marshal(map[string]any{
			"iss": c.id, "sub": c.id, "aud": issuerA, "jti": now.String() + params[3], "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
		})
		raw, err := c.key.Sign("JWT", claims)
		if err != nil {
			c.s.t.Fatal(err)
		}
		form.Set("client_assertion", raw)
	}
	r := httptest.NewRequest(http.MethodPost, issuerA+"/token", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if secret, ok := c.metadata["client_secret"].(string); ok {
		r.SetBasicAuth(url.QueryEscape(c.id), url.QueryEscape(secret))
	}
	return c.s.do(r)
}

// signOn goes through the whole code flow and gives the token response.
func (c *client) signOn(a *agent) answer {
	c.s.t.Helper()
	back := a.signOn(c.request())
	if back.Get("code") == "" {
		c.s.t.Fatalf("no code: %v", back)
	}
	got := c.token("grant_type", "authorization_code", "code", back.Get("code"), "redirect_uri", appCallback)
	if got.status != http.StatusOK {
		c.s.t.Fatalf("token: %s %s", got.outcome(), got.body)
	}
	return got
}

func (s *suite) userinfo(token string) answer {
	r := httptest.NewRequest(http.MethodGet, issuerA+"/userinfo", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	return s.do(r)
}

// part decodes the header (0) or the claims (1) of a token.
func part(t testing.TB, raw string, i int) map[string]any {
	t.Helper()
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		t.Fatalf("not a JWT")
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[i])
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func text(a answer, name string) string { s, _ := a.member(name).(string); return s }

// oidcc-dynamic-certification-test-plan, by module.
func TestConformanceDynamicPlan(t *testing.T) {
	s := newSuite(t)
	key := func(kid string) *jose.SigningKey { return testkit.SigningKey(t, testkit.ECKey, "ES256", kid) }

	t.Run("oidcc-discovery", func(t *testing.T) {
		if got := text(s.get(issuerA+"/.well-known/openid-configuration"), "registration_endpoint"); got != issuerA+"/register" {
			t.Errorf("registration_endpoint = %q", got)
		}
	})
	t.Run("oidcc-idtoken-rs256", func(t *testing.T) {
		got := s.register("id_token_signed_response_alg", "RS256").signOn(newAgent(t, s.rig))
		if h := part(t, text(got, "id_token"), 0); h["alg"] != "RS256" || h["kid"] == nil {
			t.Errorf("header = %v, want RS256 and a kid", h)
		}
	})
	t.Run("oidcc-userinfo-rs256", func(t *testing.T) {
		c := s.register("userinfo_signed_response_alg", "RS256")
		got := s.userinfo(text(c.signOn(newAgent(t, s.rig)), "access_token"))
		if ct := got.header.Get("Content-Type"); got.status != 200 || !strings.HasPrefix(ct, "application/jwt") {
			t.Fatalf("status = %d, Content-Type = %q, want application/jwt", got.status, ct)
		}
		if h, claims := part(t, got.body, 0), part(t, got.body, 1); h["alg"] != "RS256" || claims["iss"] != issuerA || claims["aud"] != c.id || claims["email"] != "alice@example.com" {
			t.Errorf("header = %v, claims = %v", h, claims)
		}
	})
	t.Run("oidcc-ensure-redirect-uri-in-authorization-request", func(t *testing.T) {
		c := s.register("redirect_uris", []string{appCallback, appCallback + "2"})
		page(t, newAgent(t, s.rig).open(c.request("redirect_uri", "")))
	})
	t.Run("oidcc-redirect-uri-query", func(t *testing.T) {
		c := s.register("redirect_uris", []string{appCallback + "?foo=bar"})
		back := newAgent(t, s.rig).signOn(c.request("redirect_uri", appCallback+"?foo=bar"))
		if back.Get("foo") != "bar" || back.Get("code") == "" || back.Get("state") != "st" || back.Get("iss") != issuerA {
			t.Errorf("OK: came back with %v", back)
		}
		page(t, newAgent(t, s.rig).open(c.request("redirect_uri", appCallback+"?foo=baz")))
		plain := s.register()
		page(t, newAgent(t, s.rig).open(plain.request("redirect_uri", appCallback+"?foo=bar")))
	})
	t.Run("oidcc-redirect-uri-regfrag", func(t *testing.T) {
		if got := s.tryRegister("redirect_uris", []string{appCallback + "#foobar"}).outcome(); got != "400 invalid_redirect_uri" {
			t.Errorf("got %s, want 400 invalid_redirect_uri", got)
		}
	})
	t.Run("oidcc-registration-logo-uri, -policy-uri, -tos-uri", func(t *testing.T) {
		c := s.register("logo_uri", "https://app.example.net/logo.png", "policy_uri", "https://app.example.net/policy", "tos_uri", "https://app.example.net/tos")
		got := newAgent(t, s.rig).open(c.request())
		for _, want := range []string{`<img src="https://app.example.net/logo.png"`, `href="https://app.example.net/policy"`, `href="https://app.example.net/tos"`} {
			if !strings.Contains(got.body, want) {
				t.Errorf("the sign-on page lacks %s", want)
			}
		}
	})
	t.Run("oidcc-registration-sector-bad", func(t *testing.T) {
		if got := s.tryRegister("subject_type", "pairwise", "sector_identifier_uri", s.web.URL+"/sector").outcome(); got != "400 invalid_client_metadata" {
			t.Errorf("got %s, want 400 invalid_client_metadata", got)
		}
	})
	t.Run("oidcc-registration-jwks-uri, oidcc-ensure-client-assertion-with-iss-aud-succeeds", func(t *testing.T) {
		s.mu.Lock()
		s.jwks = testkit.JWKS(t, key("one"))
		s.mu.Unlock()
		c := s.register("token_endpoint_auth_method", "private_key_jwt", "jwks_uri", s.web.URL+"/jwks")
		c.key = key("one")
		tokens := c.signOn(newAgent(t, s.rig))
		if c.metadata["client_secret"] != nil {
			t.Error("a client with keys got a secret")
		}
		t.Run("oidcc-refresh-token-rp-key-rotation", func(t *testing.T) {
			s.mu.Lock()
			s.jwks = testkit.JWKS(t, key("two"))
			s.mu.Unlock()
			s.clock.Advance(time.Minute)
			c.key = key("two")
			if got := c.token("grant_type", "refresh_token", "refresh_token", text(tokens, "refresh_token")); got.status != 200 {
				t.Errorf("refresh with the new key: %s", got.outcome())
			}
		})
	})
	t.Run("oidcc-refresh-token", func(t *testing.T) {
		first, second := s.register(), s.register("token_endpoint_auth_method", "client_secret_basic")
		mine, theirs := first.signOn(newAgent(t, s.rig)), second.signOn(newAgent(t, s.rig))
		got := first.token("grant_type", "refresh_token", "refresh_token", text(mine, "refresh_token"), "scope", "openid email")
		if got.status != 200 || s.userinfo(text(got, "access_token")).status != 200 {
			t.Errorf("refresh: %s", got.outcome())
		}
		if got := first.token("grant_type", "refresh_token", "refresh_token", text(theirs, "refresh_token")).outcome(); got != "400 invalid_grant" {
			t.Errorf("the other client's refresh token: %s, want 400 invalid_grant", got)
		}
	})
	t.Run("DELETE at the end of each module", func(t *testing.T) {
		c := s.register()
		tokens := c.signOn(newAgent(t, s.rig))
		at, _ := c.metadata["registration_client_uri"].(string)
		ask := func(method string) answer {
			r := httptest.NewRequest(method, at, nil)
			r.Header.Set("Authorization", "Bearer "+c.metadata["registration_access_token"].(string))
			return s.do(r)
		}
		if got := ask(http.MethodGet); got.status != 200 || text(got, "client_id") != c.id {
			t.Errorf("GET: %s, want the client", got.outcome())
		}
		if got := ask(http.MethodDelete); got.status != http.StatusNoContent {
			t.Errorf("DELETE: %s, want 204", got.outcome())
		}
		if got := ask(http.MethodGet).status; got != http.StatusUnauthorized {
			t.Errorf("GET after it: %d, want 401", got)
		}
		if got := s.userinfo(text(tokens, "access_token")).status; got != http.StatusUnauthorized {
			t.Errorf("its access token: %d, want 401", got)
		}
		if got := c.token("grant_type", "refresh_token", "refresh_token", text(tokens, "refresh_token")).status; got != http.StatusUnauthorized {
			t.Errorf("its refresh token: %d, want 401", got)
		}
		page(t, newAgent(t, s.rig).open(c.request()))
	})
}

// page wants an error page that goes nowhere.
func page(t testing.TB, got answer) {
	t.Helper()
	if got.status != http.StatusBadRequest || got.header.Get("Location") != "" || !strings.Contains(got.body, `id="error"`) {
		t.Errorf("status = %d, Location = %q, want an error page", got.status, got.header.Get("Location"))
	}
}

// oidcc-3rdparty-init-login-certification-test-plan, by module.
func TestConformanceThirdPartyStart(t *testing.T) {
	s := newSuite(t)
	c := s.register("initiate_login_uri", "https://app.example.net/start")
	if got := c.metadata["initiate_login_uri"]; got != "https://app.example.net/start" {
		t.Errorf("3rd_party-init-login: echoed %v", got)
	}
	if got := s.tryRegister("initiate_login_uri", "http://app.example.net/start").outcome(); got != "400 invalid_client_metadata" {
		t.Errorf("3rd_party-init-login-nohttps: %s, want 400 invalid_client_metadata", got)
	}
}
