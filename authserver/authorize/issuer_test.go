package authorize_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/authorize"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

func (k *kit) issue(t *testing.T, changes ...string) (*authorize.Request, *authorize.Response) {
	t.Helper()
	req, failure := k.read(changes...)
	if failure != nil {
		t.Fatal(failure)
	}
	r, err := k.issuer.Issue(t.Context(), k.env, req, k.client, k.user, k.browser())
	if err != nil {
		t.Fatal(err)
	}
	return req, r
}

// open verifies a token of ours and gives its claims.
func (k *kit) open(t *testing.T, raw string) map[string]any {
	t.Helper()
	jws, err := jose.Parse(raw, jose.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	ring, err := k.rings.Ring(t.Context(), k.env)
	if err != nil {
		t.Fatal(err)
	}
	if err := jws.Verify(ring.Set.Find(&jws.Header)); err != nil {
		t.Fatal(err)
	}
	c, err := jws.Claims()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]any{}
	for _, name := range c.Names() {
		all[name], _ = c.Value(name)
	}
	return all
}

func hash(t *testing.T, of string) string {
	t.Helper()
	h, err := jose.LeftHash(jose.ES256, of)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestIssue(t *testing.T) {
	k := newKit(t)
	tests := []struct {
		types, params, mode string
		tells               int
	}{
		{"code", "code state iss", "query", 0},
		{"token", "access_token token_type expires_in scope state iss", "fragment", 1},
		{"id_token", "id_token state iss", "fragment", 1},
		{"id_token token", "access_token token_type expires_in scope id_token state iss", "fragment", 1},
		{"code id_token", "code id_token state iss", "fragment", 1},
		{"code token", "code access_token token_type expires_in scope state iss", "fragment", 1},
		{"code id_token token", "code access_token token_type expires_in scope id_token state iss", "fragment", 1},
	}
	for _, tt := range tests {
		t.Run(tt.types, func(t *testing.T) {
			k.issued = nil
			_, r := k.issue(t, "response_type", tt.types, "code_challenge", challenge, "code_challenge_method", "S256", "scope", "openid profile orders:read",
				"claims", `{"id_token":{"email":null},"userinfo":{"email":null}}`)
			if got := names(r); got != tt.params || r.ReplyTo.Mode != tt.mode {
				t.Errorf("parameters = %s by %s, want %s by %s", got, r.ReplyTo.Mode, tt.params, tt.mode)
			}
			if param(r, "state") != "s-1" || param(r, "iss") != issuer {
				t.Errorf("state = %q, iss = %q", param(r, "state"), param(r, "iss"))
			}
			if len(k.issued) != tt.tells {
				t.Errorf("told %q, want %d", k.issued, tt.tells)
			}

			grant := ""
			if code := param(r, "code"); code != "" {
				a, err := k.issuer.Codes.Take(t.Context(), k.env, secret.Of(code))
				if err != nil {
					t.Fatal(err)
				}
				if a.Client != "app" || a.On.Subject != "alice-id" || a.RedirectURI != callback || a.Challenge != challenge || a.Method != "S256" || a.Nonce != "n-1" ||
					!slices.Equal(a.Scope, []string{"openid", "profile", "orders:read"}) || a.TTL != 10*time.Minute || len(a.Claims.IDToken) != 1 {
					t.Errorf("authorization = %+v", a)
				}
				grant = a.Grant
			}
			if raw := param(r, "access_token"); raw != "" {
				c := k.open(t, raw)
				if c["sub"] != "alice-id" || c["client_id"] != "app" || c["scope"] != "openid profile orders:read" || c["sid"] == nil || c["acr"] != "Single_Factor" || c["auth_time"] == nil {
					t.Errorf("access token = %v", c)
				}
				if grant != "" && c["grant_id"] != grant {
					t.Errorf("grant = %v, want that of the code, %s, so that both end together", c["grant_id"], grant)
				}
				if param(r, "token_type") != "Bearer" || param(r, "expires_in") != "600" || param(r, "scope") != "openid profile orders:read" {
					t.Errorf("parameters = %v", r.Params)
				}
			}
			raw := param(r, "id_token")
			if raw == "" {
				return
			}
			c := k.open(t, raw)
			if c["sub"] != "alice-id" || c["aud"] != "app" || c["nonce"] != "n-1" || c["acr"] != "Single_Factor" || c["sid"] == nil || c["auth_time"] == nil {
				t.Errorf("ID token = %v", c)
			}
			want := map[string]any{"at_hash": nil, "c_hash": nil}
			if access := param(r, "access_token"); access != "" {
				want["at_hash"] = hash(t, access)
			}
			if code := param(r, "code"); code != "" {
				want["c_hash"] = hash(t, code)
			}
			for name, v := range want {
				if c[name] != v {
					t.Errorf("%s = %v, want %v", name, c[name], v)
				}
			}
			// The claims of the scopes go where nothing can be asked afterwards.
			if alone := tt.types == "id_token"; (c["name"] == "Alice") != alone {
				t.Errorf("name = %v, want it in the ID token: %v", c["name"], alone)
			}
			if c["email"] != "alice@example.com" {
				t.Errorf("email = %v, want what was asked for in the ID token", c["email"])
			}
		})
	}
}

func TestIssueDetails(t *testing.T) {
	k := newKit(t)
	t.Run("no state, none returned", func(t *testing.T) {
		if _, r := k.issue(t, "state", ""); names(r) != "code iss" {
			t.Errorf("parameters = %s", names(r))
		}
	})
	t.Run("redirect_uri that was not sent is not asked for", func(t *testing.T) {
		_, r := k.issue(t, "redirect_uri", "", "scope", "orders:read")
		a, err := k.issuer.Codes.Take(t.Context(), k.env, secret.Of(param(r, "code")))
		if err != nil || a.RedirectURI != "" || r.ReplyTo.URI != callback {
			t.Errorf("authorization = %+v, %v", a, err)
		}
	})
	t.Run("the client joins the session", func(t *testing.T) {
		req, _ := k.read()
		b := k.browser()
		if _, err := k.issuer.Issue(t.Context(), k.env, req, k.client, k.user, b); err != nil {
			t.Fatal(err)
		}
		s, err := k.sessions.ByID(t.Context(), k.env, b.Session.ID)
		if err != nil || !slices.Contains(s.Clients, "app") {
			t.Errorf("session = %+v, %v", s, err)
		}
	})
	t.Run("session_state for clients that watch the session", func(t *testing.T) {
		k.client.SessionCheck = true
		defer func() { k.client.SessionCheck = false }()
		_, r := k.issue(t)
		if names(r) != "code state iss session_state" || strings.Count(param(r, "session_state"), ".") != 1 {
			t.Errorf("parameters = %v", r.Params)
		}
		if _, r := k.issue(t, "scope", "orders:read"); names(r) != "code state iss" {
			t.Errorf("without openid: %s", names(r))
		}
		if _, r := k.issue(t, "response_mode", "pi.flow", "redirect_uri", ""); names(r) != "code state iss" {
			t.Errorf("with pi.flow: %s", names(r))
		}
	})
	t.Run("survives being kept", func(t *testing.T) {
		req, _ := k.read("max_age", "5", "prompt", "login", "claims", `{"id_token":{"acr":{"values":["x"]}}}`, "response_type", "code token")
		text, err := json.Marshal(req)
		if err != nil {
			t.Fatal(err)
		}
		var kept authorize.Request
		if err := json.Unmarshal(text, &kept); err != nil {
			t.Fatal(err)
		}
		r, err := k.issuer.Issue(t.Context(), k.env, &kept, k.client, k.user, k.browser())
		if err != nil || names(r) != "code access_token token_type expires_in scope state iss" {
			t.Errorf("got %v, %v", r, err)
		}
	})
	t.Run("codes and tokens do not repeat and have 256 bits", func(t *testing.T) {
		seen := map[string]bool{}
		for range 20 {
			_, r := k.issue(t)
			seen[param(r, "code")] = true
		}
		for code := range maps.Keys(seen) {
			if len(code) != 43 {
				t.Errorf("a code has %d characters, want 43 of base64url", len(code))
			}
		}
		if len(seen) != 20 {
			t.Errorf("%d codes of 20 differ", len(seen))
		}
	})
}

// TestIssueWhatIsStillGranted: what a client may not have any more since a person began to sign on is in no token that comes by the browser. Whoever took it
// has ended the tokens that there were then; a code is judged when it is redeemed.
func TestIssueWhatIsStillGranted(t *testing.T) {
	tests := []struct {
		name   string
		change func(c *store.Client)
		want   string // scopes and audience of the access token, or the error's code
		email  bool   // in an ID token that comes alone
	}{
		{"all", func(*store.Client) {}, "openid email orders:read @ https://orders.example.com", true},
		{"the resource is not granted", func(c *store.Client) { delete(c.Grants, "orders") }, "openid email @ https://api.pingone.com", true},
		{"a scope of claims is not", func(c *store.Client) { c.Grants[store.ResourceOpenID] = []string{"openid"} }, "openid orders:read @ https://orders.example.com", false},
		{"openid itself is not", func(c *store.Client) { c.Grants[store.ResourceOpenID] = []string{"email"} }, "email orders:read @ https://orders.example.com", false},
		{"nothing is", func(c *store.Client) { c.Grants = nil }, oauth.CodeInvalidScope, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := newKit(t)
			b := k.browser()
			token, _ := k.read("response_type", "code token", "scope", "openid email orders:read")
			alone, _ := k.read("response_type", "id_token", "scope", "openid email orders:read")
			now := *k.client
			now.Grants = maps.Clone(now.Grants)
			tt.change(&now)
			k.directory.clients["app"] = &now

			r, err := k.issuer.Issue(t.Context(), k.env, token, &now, k.user, b)
			if err != nil {
				if got := oauth.From(err).Code; got != tt.want {
					t.Fatalf("error = %v, want %s", err, tt.want)
				}
				if _, err := k.issuer.Issue(t.Context(), k.env, alone, &now, k.user, b); oauth.From(err).Code != tt.want {
					t.Errorf("an ID token alone: error = %v, want %s", err, tt.want)
				}
				return
			}
			c := k.open(t, param(r, "access_token"))
			audience := c["aud"].([]any)
			if got := fmt.Sprint(c["scope"], " @ ", audience[0]); got != tt.want || len(audience) != 1 {
				t.Errorf("access token: %s, want %s", got, tt.want)
			}
			if got := param(r, "scope"); got != c["scope"] {
				t.Errorf("scope of the answer = %q, want the token's", got)
			}
			r, err = k.issuer.Issue(t.Context(), k.env, alone, &now, k.user, b)
			if !slices.Contains(now.Grants[store.ResourceOpenID], "openid") {
				if r != nil || oauth.From(err).Code != oauth.CodeInvalidScope {
					t.Errorf("an ID token alone: %v, %v, want invalid_scope", r, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, got := k.open(t, param(r, "id_token"))["email"]; got != tt.email {
				t.Errorf("ID token with email: %t, want %t", got, tt.email)
			}
		})
	}
}

func TestIssueRefuses(t *testing.T) {
	k := newKit(t)
	req, _ := k.read()
	bob := &store.User{Environment: envID, ID: "bob-id", Username: "bob"}
	off, other := *k.user, everything("other")
	off.Disabled = true
	asleep := *k.client
	asleep.Enabled = false
	bound, certified := *k.client, *k.client
	bound.DPoPBound, certified.CertificateBound = true, true
	public := *k.client
	public.AuthMethod = oauth.AuthNone
	implicit, _ := k.read("response_type", "code token", "nonce", "n")
	hinted, _ := k.read("claims", `{"id_token":{"sub":{"value":"bob-id"}}}`)

	b := k.browser()
	for name, tt := range map[string]struct {
		req    *authorize.Request
		client *store.Client
		user   *store.User
		code   string
	}{
		"another person than the session's": {req, k.client, bob, oauth.CodeLoginRequired},
		"a disabled person":                 {req, k.client, &off, oauth.CodeAccessDenied},
		"a disabled client":                 {req, &asleep, k.user, oauth.CodeAccessDenied},
		"a token that must be bound since":  {implicit, &bound, k.user, oauth.CodeUnauthorizedClient},
		"and to a certificate":              {implicit, &certified, k.user, oauth.CodeUnauthorizedClient},
		"a code that is anybody's since":    {req, &public, k.user, oauth.CodeInvalidRequest},
		"another client":                    {req, other, k.user, oauth.CodeServerError},
		"another person than the hint's":    {hinted, k.client, k.user, oauth.CodeServerError},
	} {
		if r, err := k.issuer.Issue(t.Context(), k.env, tt.req, tt.client, tt.user, b); r != nil || oauth.From(err).Code != tt.code {
			t.Errorf("%s: got %v, %v, want %s", name, r, err, tt.code)
		}
	}
	if _, err := k.sessions.End(t.Context(), k.env, b.Session.ID, nil); err != nil {
		t.Fatal(err)
	}
	if r, err := k.issuer.Issue(t.Context(), k.env, req, k.client, k.user, b); r != nil || oauth.From(err).Code != oauth.CodeLoginRequired {
		t.Errorf("a session that has ended: got %v, %v, want login_required", r, err)
	}
	b.Session = nil
	if r, err := k.issuer.Issue(t.Context(), k.env, req, k.client, k.user, b); r != nil || oauth.From(err).Code != oauth.CodeLoginRequired {
		t.Errorf("no session: got %v, %v, want login_required", r, err)
	}
	if r, err := k.issuer.Issue(t.Context(), k.env, req, k.client, k.user, k.browser()); r == nil || err != nil {
		t.Errorf("the nearest good one: got %v, %v", r, err)
	}
}
