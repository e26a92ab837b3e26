package integration_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// TestTokenToRevocation is the life of a token: issued, accepted by three gates
// that verify it in three ways, introspected, revoked, and refused by the very
// next request.
func TestTokenToRevocation(t *testing.T) {
	onEach(t, func(t *testing.T, b backend) {
		n := start(t, config{storage: b})

		for _, gate := range []string{"gate", "asked", "keys"} {
			a := n.call(t, gate, "/", "")
			if a.status != http.StatusUnauthorized || !strings.HasPrefix(a.challenge(), "Bearer") || strings.Contains(a.challenge(), "error") {
				t.Errorf("%s without a token: %d, %q, want 401 and a challenge without error (RFC 6750 §3.1)", gate, a.status, a.challenge())
			}
		}
		if got := n.upstream.count(); got != 0 {
			t.Fatalf("the upstream saw %d requests, want none", got)
		}

		token := n.token(t, worker, "orders:read")
		for _, gate := range []string{"gate", "asked", "keys"} {
			for range 2 { // a miss and a hit
				a := n.call(t, gate, "/list?x=1", token)
				if a.status != http.StatusOK || a.body != "the API answers\n" {
					t.Fatalf("%s: %d %q, want the API's answer", gate, a.status, a.body)
				}
				if got := n.upstream.last(); got.target != "/list?x=1" || got.header.Get("X-Client-Id") != "worker" {
					t.Errorf("%s: upstream saw %s with X-Client-Id %q, want /list?x=1 and worker", gate, got.target, got.header.Get("X-Client-Id"))
				}
			}
		}
		a := n.call(t, "gate", "/admin", token)
		if a.status != http.StatusForbidden || !strings.Contains(a.challenge(), `error="insufficient_scope"`) || !strings.Contains(a.challenge(), `scope="orders:write"`) {
			t.Errorf("/admin with orders:read: %d, %q, want 403 naming orders:write", a.status, a.challenge())
		}
		if a := n.call(t, "gate", "/admin", n.token(t, worker)); a.status != http.StatusOK {
			t.Errorf("/admin with all scopes: %d, want 200", a.status)
		}

		if got := n.introspect(t, worker, token); got["active"] != true {
			t.Errorf("introspection before revocation = %v, want active", got)
		}
		n.revoke(t, worker, token)
		if a := n.call(t, "gate", "/", token); a.status != http.StatusUnauthorized || !strings.Contains(a.challenge(), `error="invalid_token"`) {
			t.Errorf("the very next request: %d, %q, want 401 invalid_token", a.status, a.challenge())
		}
		if got := n.introspect(t, worker, token); len(got) != 1 || got["active"] != false {
			t.Errorf("introspection after revocation = %v, want only active false", got)
		}
		// The gate that asks over HTTP remembers answers for its ttl, one second here.
		eventually(t, 15*time.Second, "the asking gate refuses the token", func() bool {
			return n.call(t, "asked", "/", token).status == http.StatusUnauthorized
		})
		n.revoke(t, worker, token) // again: already what the client wants (RFC 7009 §2.2)
		if other := n.token(t, worker, "orders:read"); n.call(t, "gate", "/", other).status != http.StatusOK {
			t.Errorf("another token of the same client is refused; only the presented one was revoked")
		}
	})
}

// TestTokenResponse compares tokens with PingOne's, and verifies them with an
// independent library against the published keys.
func TestTokenResponse(t *testing.T) {
	n := start(t, config{})
	issuer := n.vars["ISSUER"]
	jwks := n.getJSON(t, issuer+"/jwks")
	var set jose.JSONWebKeySet
	b, _ := json.Marshal(jwks)
	if err := json.Unmarshal(b, &set); err != nil || len(set.Keys) == 0 {
		t.Fatalf("key set: %v, %d keys", err, len(set.Keys))
	}
	for _, k := range set.Keys {
		if !k.IsPublic() || !k.Valid() || k.KeyID == "" || k.Use != "sig" {
			t.Errorf("key %q: public %v, valid %v, use %q", k.KeyID, k.IsPublic(), k.Valid(), k.Use)
		}
	}

	verify := func(t *testing.T, token string) map[string]any {
		t.Helper()
		parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.RS256})
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]any{}
		if err := parsed.Claims(&set, &got); err != nil {
			t.Fatalf("an independent library refuses the signature: %v", err)
		}
		if typ := part(t, token, 0)["typ"]; typ != "at+jwt" {
			t.Errorf("typ = %v, want at+jwt (RFC 9068 §2.1)", typ)
		}
		return got
	}
	life := func(c map[string]any) float64 { return c["exp"].(float64) - c["iat"].(float64) }

	t.Run("custom resource, one scope", func(t *testing.T) {
		c := verify(t, n.token(t, worker, "orders:read"))
		if c["iss"] != issuer || c["client_id"] != "worker" || c["scope"] != "orders:read" || c["jti"] == nil {
			t.Errorf("claims = %v", c)
		}
		if aud, ok := c["aud"].([]any); !ok || len(aud) != 1 || aud[0] != orders {
			t.Errorf("aud = %v, want a list with the resource's audience", c["aud"])
		}
		if life(c) != 3600 {
			t.Errorf("life = %v s, want 3600", life(c))
		}
		for _, name := range []string{"sid", "auth_time", "acr", "env", "org"} {
			if c[name] != nil {
				t.Errorf("%s = %v, want none in a client-credentials token of a custom resource", name, c[name])
			}
		}
	})
	t.Run("no scope asked, all granted", func(t *testing.T) {
		c := verify(t, n.token(t, worker))
		got := strings.Fields(c["scope"].(string))
		slices.Sort(got)
		if !slices.Equal(got, []string{"orders:read", "orders:write"}) {
			t.Errorf("scope = %v, want both", got)
		}
	})
	t.Run("the resource sets the life", func(t *testing.T) {
		if got := life(verify(t, n.token(t, biller))); got != 300 {
			t.Errorf("life = %v s, want the resource's 300", got)
		}
	})
	t.Run("two resources where the application may", func(t *testing.T) {
		c := verify(t, n.token(t, basic("both", secrets()["BILLER_SECRET"])))
		aud, _ := c["aud"].([]any)
		if len(aud) != 2 || life(c) != 300 {
			t.Errorf("aud, life = %v, %v, want both audiences and the shorter life", aud, life(c))
		}
	})
	t.Run("two resources where it may not", func(t *testing.T) {
		mixed := basic("mixed", secrets()["BILLER_SECRET"])
		a := n.form(t, "/token", mixed, "grant_type", "client_credentials")
		if a.status != http.StatusBadRequest || a.oauthError() != "invalid_scope" || !strings.Contains(a.body, "May not request scopes for multiple resources") || !strings.Contains(a.body, "Correlation ID: ") {
			t.Errorf("%d %s, want 400 invalid_scope with PingOne's words", a.status, a.body)
		}
		if c := verify(t, n.token(t, mixed, "billing:read")); c["scope"] != "billing:read" {
			t.Errorf("scope = %v, want the one of the one resource", c["scope"])
		}
	})
	t.Run("worker with a role", func(t *testing.T) {
		a := n.form(t, "/token", basic("admin", secrets()["ADMIN_SECRET"]), "grant_type", "client_credentials")
		token := n.tokenFrom(t, a)
		var members map[string]any
		_ = json.Unmarshal([]byte(a.body), &members)
		if names := slices.Sorted(maps.Keys(members)); !slices.Equal(names, []string{"access_token", "expires_in", "token_type"}) {
			t.Errorf("members = %v, want exactly three", names)
		}
		c := verify(t, token)
		if c["env"] != mainEnv || c["org"] == nil || c["scope"] != nil {
			t.Errorf("claims = %v, want env and org, no scope", c)
		}
		if aud, _ := c["aud"].([]any); len(aud) != 1 || aud[0] != "https://api.pingone.com" {
			t.Errorf("aud = %v, want the API's audience", c["aud"])
		}
		if a := n.form(t, "/revoke", basic("admin", secrets()["ADMIN_SECRET"]), "token", token); a.status != http.StatusBadRequest || a.oauthError() != "unsupported_token_type" {
			t.Errorf("revoking an API token: %d %s, want 400 unsupported_token_type", a.status, a.body)
		}
	})
	for name, tt := range map[string]struct {
		fields []string
		want   string
	}{
		"ungranted scope":      {[]string{"grant_type", "client_credentials", "scope", "orders:delete"}, "invalid_scope"},
		"openid":               {[]string{"grant_type", "client_credentials", "scope", "openid"}, "invalid_scope"},
		"unknown grant":        {[]string{"grant_type", "password"}, "unsupported_grant_type"},
		"grant not registered": {[]string{"grant_type", "authorization_code", "code", "x"}, ""},
		"no grant":             {nil, "invalid_request"},
		"grant given twice":    {[]string{"grant_type", "client_credentials", "grant_type", "client_credentials"}, "invalid_request"},
	} {
		t.Run(name, func(t *testing.T) {
			a := n.form(t, "/token", reader, tt.fields...)
			if a.status != http.StatusBadRequest || (tt.want != "" && a.oauthError() != tt.want) {
				t.Errorf("%d %s, want 400 %s", a.status, a.body, tt.want)
			}
			if !strings.Contains(a.header.Get("Cache-Control"), "no-store") || a.header.Get("Correlation-Id") == "" {
				t.Errorf("Cache-Control %q, Correlation-Id %q, want no-store and an id", a.header.Get("Cache-Control"), a.header.Get("Correlation-Id"))
			}
		})
	}
	t.Run("environment that does not exist", func(t *testing.T) {
		target := strings.Replace(issuer, mainEnv, "00000000-0000-4000-8000-000000000000", 1) + "/token"
		if a := n.formAt(t, target, worker, "grant_type", "client_credentials"); a.status != http.StatusNotFound {
			t.Errorf("status = %d, want 404", a.status)
		}
	})
}

// TestWrongTokens shows tokens at a gate that they are not for.
func TestWrongTokens(t *testing.T) {
	n := start(t, config{ports: []string{"narrow", "short"}, sites: `
http://:$NARROW {
	bearer_auth {
		issuer $ISSUER
		issuer $OTHER_ISSUER
		audience ` + billing + `
	}
	reverse_proxy $UPSTREAM
}
`})
	other := n.tokenFrom(t, n.formAt(t, n.vars["OTHER_ISSUER"]+"/token", basic("worker", secrets()["OTHER_SECRET"]), "grant_type", "client_credentials"))
	admin := n.token(t, basic("admin", secrets()["ADMIN_SECRET"]))
	good := n.token(t, worker)
	bill := n.token(t, biller)
	tests := []struct {
		name, port, token string
		status            int
		challenge         string
	}{
		{"right in every way", "gate", good, 200, ""},
		{"another audience", "gate", bill, 401, "invalid_token"},
		{"the audience of the management API", "gate", admin, 401, "invalid_token"},
		{"another environment's issuer, same audience", "gate", other, 401, "invalid_token"},
		{"audience of the other gate", "narrow", bill, 200, ""},
		{"audience of this gate's neighbour", "narrow", good, 401, "invalid_token"},
		{"signature changed", "gate", good[:len(good)-8] + flip(good[len(good)-8:]), 401, "invalid_token"},
		{"not a token", "gate", "x", 401, "invalid_token"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := n.upstream.count()
			for range 2 { // the second answer comes from the cache
				a := n.call(t, tt.port, "/", tt.token)
				if a.status != tt.status || (tt.challenge != "" && !strings.Contains(a.challenge(), `error="`+tt.challenge+`"`)) {
					t.Errorf("%d, %q, want %d, %s", a.status, a.challenge(), tt.status, tt.challenge)
				}
			}
			if got := n.upstream.count() - before; (got > 0) != (tt.status == 200) {
				t.Errorf("the upstream saw %d requests", got)
			}
		})
	}
}

// flip changes each letter's case, so that a text differs but keeps its alphabet.
func flip(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 32
		case r >= 'A' && r <= 'Z':
			return r + 32
		case r >= '0' && r <= '8':
			return r + 1
		}
		return r
	}, s)
}

// TestIntrospection asks as everybody about a token.
func TestIntrospection(t *testing.T) {
	onEach(t, func(t *testing.T, b backend) {
		n := start(t, config{storage: b})
		token := n.token(t, worker, "orders:read")
		s := secrets()
		ordersResource := basic("orders", s["ORDERS_SECRET"])
		for name, auth := range map[string]func(*http.Request){"its client": worker, "its resource": ordersResource} {
			got := n.introspect(t, auth, token)
			c := claims(t, token)
			if got["active"] != true || got["client_id"] != "worker" || got["scope"] != "orders:read" || got["iss"] != c["iss"] || got["exp"] != c["exp"] || got["token_type"] != "Bearer" {
				t.Errorf("%s is told %v", name, got)
			}
		}
		// The billing resource authenticates in the body.
		a := n.form(t, "/introspect", nil, "client_id", "billing", "client_secret", s["BILLING_SECRET"], "token", n.token(t, biller))
		if !strings.Contains(a.body, `"active":true`) {
			t.Errorf("the billing resource is told %d %s, want active", a.status, a.body)
		}
		for name, auth := range map[string]func(*http.Request){"another client": reader, "another client, other resource": biller} {
			if got := n.introspect(t, auth, token); len(got) != 1 || got["active"] != false {
				t.Errorf("%s is told %v, want only active false", name, got)
			}
		}
		for name, text := range map[string]string{"opaque": "abc", "damaged": flip(token), "empty parts": "..", "long": strings.Repeat("a", 40000)} {
			if got := n.introspect(t, worker, text); len(got) != 1 || got["active"] != false {
				t.Errorf("%s token: %v, want only active false", name, got)
			}
		}
		if a := n.form(t, "/introspect", worker); a.status != http.StatusBadRequest || a.oauthError() != "invalid_request" {
			t.Errorf("no token: %d %s, want 400 invalid_request", a.status, a.body)
		}
	})
}

// TestDiscovery compares the metadata with what is served.
func TestDiscovery(t *testing.T) {
	n := start(t, config{})
	issuer := n.vars["ISSUER"]
	d := n.getJSON(t, issuer+"/.well-known/openid-configuration")
	if d["issuer"] != issuer {
		t.Errorf("issuer = %v, want %s", d["issuer"], issuer)
	}
	for name, path := range map[string]string{"token_endpoint": "/token", "jwks_uri": "/jwks", "introspection_endpoint": "/introspect", "revocation_endpoint": "/revoke"} {
		if d[name] != issuer+path {
			t.Errorf("%s = %v, want %s", name, d[name], issuer+path)
		}
	}
	if a := n.do(t, formRequest(issuer+"/jwks", nil)); a.status != http.StatusMethodNotAllowed || !strings.Contains(a.header.Get("Allow"), "GET") {
		t.Errorf("POST to the keys: %d, Allow %q, want 405 and GET", a.status, a.header.Get("Allow"))
	}
	req, _ := http.NewRequest(http.MethodGet, issuer+"/token", nil)
	if a := n.do(t, req); a.status != http.StatusMethodNotAllowed || !strings.Contains(a.header.Get("Allow"), "POST") {
		t.Errorf("GET on the token endpoint: %d, Allow %q, want 405 and POST", a.status, a.header.Get("Allow"))
	}
}
