package authserver_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
)

// TestAttack holds the rows of the attack catalogue that concern what exists,
// each with the nearest good input beside it.
func TestAttack(t *testing.T) {
	t.Run("case_88", introspectionOfOthersTokens)
	t.Run("case_89", dishonestRevocation)
	t.Run("case_108", environmentCrossing)
	t.Run("case_113", clientAuthenticationConfusion)
	t.Run("case_115", clientAssertion)
	t.Run("case_118", machineGrants)
	t.Run("case_132", ownKeys)
	t.Run("case_134", crossOriginReads)
	t.Run("case_135", cacheableSecrets)
}

func introspectionOfOthersTokens(t *testing.T) {
	g := newRig(t, rigOptions{})
	token := g.token(envA, basicClient)
	api := g.token(envA, basic("admin", "admin-secret"))
	const inactive = `{"active":false}`
	tests := []struct {
		name string
		r    *http.Request
		want string // outcome, or the body that is not active
	}{
		{"good: its own client", introspect(envA, basicClient, token), "200"},
		{"good: its resource, basic", introspect(envA, basic("orders", "orders-secret"), token), "200"},
		{"another client", introspect(envA, post("client_secret_post", "posted-secret"), token), inactive},
		{"another audience's resource", introspect(envA, post("billing", "billing-secret"), token), inactive},
		{"another audience's resource without secret", introspect(envA, public("open"), token), inactive},
		{"another environment's client of that name", introspect(envB, basic("client_secret_basic", "basic-secret-b"), token), inactive},
		{"another environment's resource of that audience", introspect(envB, basic("orders", "orders-secret-b"), token), inactive},
		{"a management token, by a resource", introspect(envA, basic("orders", "orders-secret"), api), inactive},
		{"good: a management token, by its client", introspect(envA, basic("admin", "admin-secret"), api), "200"},
		{"resource with another method", introspect(envA, post("orders", "orders-secret"), token), "401 invalid_client"},
		{"resource with a wrong secret", introspect(envA, basic("orders", "orders-secreT"), token), "401 invalid_client"},
		{"resource that has no secret", introspect(envA, basic("mute", ""), token), "401 invalid_client"},
		{"resource with a secret, presenting none", introspect(envA, public("orders"), token), "401 invalid_client"},
		{"no client authentication", introspect(envA, anonymous, token), "401 invalid_client"},
		{"token in the query", formRequest("/"+envA+"/as/introspect?token="+token, basicClient), "400 invalid_request"},
		{"token in the query and the body", formRequest("/"+envA+"/as/introspect?token=x", basicClient, "token="+token), "400 invalid_request"},
		{"no token", formRequest("/"+envA+"/as/introspect", basicClient), "400 invalid_request"},
		{"GET", httptest.NewRequest(http.MethodGet, "/"+envA+"/as/introspect?token="+token, nil), "405 INVALID_REQUEST"},
		{"garbage", introspect(envA, basicClient, "garbage"), inactive},
		{"cut short", introspect(envA, basicClient, token[:len(token)-2]), inactive},
		{"with a signature of nobody", introspect(envA, basicClient, forged(t, token)), inactive},
		{"unsigned", introspect(envA, basicClient, unsigned(token)), inactive},
	}
	// Twice: the second round meets what the first one cached.
	for range 2 {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				a := g.do(again(t, tt.r))
				if tt.want == inactive {
					if a.status != http.StatusOK || a.body != inactive {
						t.Errorf("answer = %d %s, want %s", a.status, a.body, inactive)
					}
					return
				}
				if got := a.outcome(); got != tt.want {
					t.Errorf("outcome = %s, want %s (%s)", got, tt.want, a.body)
				}
				if tt.want == "200" && a.member("active") != true {
					t.Errorf("body = %s, want an active token", a.body)
				}
			})
		}
	}
}

func dishonestRevocation(t *testing.T) {
	broken := &faulty{Store: testkit.Store(t)}
	g := newRig(t, rigOptions{store: broken})
	posted := post("client_secret_post", "posted-secret")
	revoke := func(c credential, fields ...string) string { return g.form(envA, "revoke", c, fields...).outcome() }

	t.Run("storage failure", func(t *testing.T) {
		token := g.token(envA, basicClient)
		broken.fail.Store(true)
		got := revoke(basicClient, "token="+token)
		broken.fail.Store(false)
		if want := "503 temporarily_unavailable"; got != want {
			t.Errorf("outcome = %s, want %s", got, want)
		}
		if !g.active(envA, basicClient, token) {
			t.Error("a revocation that failed took effect here and would be undone by a restart")
		}
	})
	t.Run("another client's token stays alive", func(t *testing.T) {
		token := g.token(envA, basicClient)
		if got, want := revoke(posted, "token="+token), "400 unauthorized_client"; got != want {
			t.Errorf("outcome = %s, want %s", got, want)
		}
		if !g.active(envA, basicClient, token) {
			t.Error("another client revoked the token")
		}
	})
	t.Run("public client without secret", func(t *testing.T) {
		if got := revoke(public("none"), "token=unknown"); got != "200" {
			t.Errorf("outcome = %s, want 200", got)
		}
		if got := revoke(public("client_secret_basic"), "token=unknown"); got != "401 invalid_client" {
			t.Errorf("a confidential client without its secret: %s, want 401", got)
		}
	})
	t.Run("unknown token", func(t *testing.T) {
		a := g.form(envA, "revoke", basicClient, "token=unknown")
		if a.outcome() != "200" || a.body != "" {
			t.Errorf("answer = %s %q, want 200 and nothing", a.outcome(), a.body)
		}
	})
	t.Run("wrong hint", func(t *testing.T) {
		token := g.token(envA, basicClient)
		if got := revoke(basicClient, "token="+token, "token_type_hint=refresh_token"); got != "200" {
			t.Errorf("outcome = %s, want 200", got)
		}
		if g.active(envA, basicClient, token) {
			t.Error("a wrong hint kept the token alive")
		}
	})
}

func environmentCrossing(t *testing.T) {
	g := newRig(t, rigOptions{})
	tests := []struct {
		name, path string
		want       int
	}{
		{"good", "/" + envA + "/as/jwks", 200},
		{"upper case", "/" + strings.ToUpper(envA) + "/as/jwks", 404},
		{"encoded", "/%30" + envA[1:] + "/as/jwks", 404},
		{"encoded slash", "/" + envA + "%2fas/jwks", 404},
		{"unknown", "/0c000000-0000-4000-8000-00000000000c/as/jwks", 404},
		{"dots", "/" + envA + "/as/../as/jwks", 404},
		{"double slash", "/" + envA + "/as//jwks", 404},
		{"trailing slash", "/" + envA + "/as/jwks/", 404},
		{"path in another case", "/" + envA + "/as/JWKS", 404},
		{"suffix", "/" + envA + "/as/jwks.json", 404},
		{"nothing behind", "/" + envA + "/as", 404},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := g.get(tt.path)
			if a.status != tt.want {
				t.Errorf("status = %d, want %d", a.status, tt.want)
			}
			if tt.want == 404 && a.member("code") != "NOT_FOUND" {
				t.Errorf("body = %s, want code NOT_FOUND", a.body)
			}
			if tt.want == 404 && a.member("id") != a.header.Get("Correlation-Id") {
				t.Errorf("id = %v, want the correlation id", a.member("id"))
			}
		})
	}
	t.Run("a client of A at B", func(t *testing.T) {
		if got := g.form(envB, "token", basicClient, "grant_type=client_credentials").outcome(); got != "401 invalid_client" {
			t.Errorf("outcome = %s, want 401 invalid_client", got)
		}
	})
	t.Run("an assertion for A at B", func(t *testing.T) {
		if got := g.form(envB, "revoke", assertion(hs256(t, hmacSecret, goodClaims("client_secret_jwt", "1"))), "token=x").outcome(); got != "401 invalid_client" {
			t.Errorf("outcome = %s, want 401 invalid_client", got)
		}
	})
	t.Run("a token of A revoked at B", func(t *testing.T) {
		token := g.token(envA, basicClient)
		if got := g.form(envB, "revoke", basic("client_secret_basic", "basic-secret-b"), "token="+token).outcome(); got != "200" {
			t.Errorf("outcome = %s, want 200, as for any unknown token", got)
		}
		if !g.active(envA, basicClient, token) {
			t.Error("B revoked a token of A")
		}
	})
	t.Run("keys of A at B", func(t *testing.T) {
		a, b := g.get("/"+envA+"/as/jwks"), g.get("/"+envB+"/as/jwks")
		for _, kid := range kids(t, a.body) {
			if strings.Contains(b.body, kid) {
				t.Errorf("both publish %s", kid)
			}
		}
	})
}

func clientAuthenticationConfusion(t *testing.T) {
	g := newRig(t, rigOptions{})
	both := func(list ...credential) credential {
		return func(h http.Header, f url.Values) {
			for _, c := range list {
				c(h, f)
			}
		}
	}
	field := func(name, value string) credential {
		return func(_ http.Header, f url.Values) { f.Set(name, value) }
	}
	twice := func(h http.Header, f url.Values) {
		basicClient(h, f)
		h.Add("Authorization", h.Get("Authorization"))
	}
	jwt := func() credential { return assertion(hs256(t, hmacSecret, goodClaims("client_secret_jwt", t.Name()))) }
	tests := []struct {
		name string
		c    credential
		want string
	}{
		{"good", basicClient, "200"},
		{"good: client_id that agrees", both(basicClient, field("client_id", "client_secret_basic")), "200"},
		{"confidential client without its secret", public("client_secret_basic"), "401 invalid_client"},
		{"private_key_jwt client with a secret", basic("private_key_jwt", "private_key_jwt"), "401 invalid_client"},
		{"private_key_jwt client with a posted secret", post("private_key_jwt", "x"), "401 invalid_client"},
		{"public client given a secret", post("none", "x"), "401 invalid_client"},
		{"public client with empty basic", basic("none", ""), "401 invalid_client"},
		{"basic and posted secret", both(basicClient, field("client_secret", "basic-secret")), "400 invalid_request"},
		{"basic and assertion", both(basicClient, jwt()), "400 invalid_request"},
		{"posted secret and assertion", both(post("client_secret_post", "posted-secret"), jwt()), "400 invalid_request"},
		{"two Authorization headers", twice, "400 invalid_request"},
		{"client_id that differs from basic", both(basicClient, field("client_id", "client_secret_post")), "401 invalid_client"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := g.form(envA, "revoke", tt.c, "token=unknown").outcome(); got != tt.want {
				t.Errorf("outcome = %s, want %s", got, tt.want)
			}
		})
	}
	t.Run("secret in the query", func(t *testing.T) {
		r := formRequest("/"+envA+"/as/token?client_id=client_secret_post&client_secret=posted-secret", anonymous, "grant_type=client_credentials")
		a := g.do(r)
		if got, want := a.outcome(), "400 invalid_request"; got != want {
			t.Errorf("outcome = %s, want %s", got, want)
		}
		if strings.Contains(a.body, "posted-secret") {
			t.Error("the answer repeats the secret")
		}
	})
}

func clientAssertion(t *testing.T) {
	g := newRig(t, rigOptions{})
	rsa := testkit.SigningKey(t, testkit.RSAKey, "RS256", "client-rsa")
	with := func(jti string, set map[string]any) map[string]any {
		claims := goodClaims("private_key_jwt", jti)
		for k, v := range set {
			claims[k] = v
			if v == nil {
				delete(claims, k)
			}
		}
		return claims
	}
	public, err := rsa.PublicJWK()
	if err != nil {
		t.Fatal(err)
	}
	encode := func(v any) []byte {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	// HS256 with the public key as the secret.
	swapped, err := jose.SignSecret("HS256", public, "", encode(with("swap", nil)))
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := testkit.SigningKey(t, testkit.ECKey, "ES256", "client-rsa").Sign("", encode(with("stranger", nil)))
	if err != nil {
		t.Fatal(err)
	}
	atJWT, err := rsa.Sign("at+jwt", encode(with("typ", nil)))
	if err != nil {
		t.Fatal(err)
	}
	idToken := hs256(t, hmacSecret, map[string]any{"iss": issuerA, "sub": "0e000000-0000-4000-8000-00000000000e", "aud": "private_key_jwt", "exp": noon.Add(time.Minute).Unix()})
	replayed := signed(t, with("once", nil))
	nameless := signed(t, with("", map[string]any{"jti": nil, "x": "nameless"}))

	tests := []struct {
		name, jwt, want string
	}{
		{"good", replayed, "200"},
		{"replayed", replayed, "401 invalid_client"},
		{"replayed with another signature of the same jti", signed(t, with("once", map[string]any{"x": 1})), "401 invalid_client"},
		{"good: another jti", signed(t, with("twice", nil)), "200"},
		{"good: without jti", nameless, "200"},
		{"replayed without jti", nameless, "401 invalid_client"},
		{"token endpoint of another server", signed(t, with("a", map[string]any{"aud": "https://evil.example.com/as/token"})), "401 invalid_client"},
		{"own token endpoint, not configured", signed(t, with("b", map[string]any{"aud": issuerA + "/token"})), "401 invalid_client"},
		{"list with several", signed(t, with("c", map[string]any{"aud": []string{issuerA, issuerB}})), "401 invalid_client"},
		{"other environment", signed(t, with("d", map[string]any{"aud": issuerB})), "401 invalid_client"},
		{"iss is not sub", signed(t, with("e", map[string]any{"iss": "client_secret_jwt"})), "401 invalid_client"},
		{"no exp", signed(t, with("f", map[string]any{"exp": nil})), "401 invalid_client"},
		{"far exp", signed(t, with("g", map[string]any{"exp": noon.Add(48 * time.Hour).Unix()})), "401 invalid_client"},
		{"future iat", signed(t, with("h", map[string]any{"iat": noon.Add(time.Minute).Unix()})), "401 invalid_client"},
		{"HS256 with the public key", swapped, "401 invalid_client"},
		{"another key under the client's kid", stranger, "401 invalid_client"},
		{"the type of an access token", atJWT, "401 invalid_client"},
		{"an id_token", idToken, "401 invalid_client"},
		{"unsigned", unsigned(signed(t, with("i", nil))), "401 invalid_client"},
		{"a secret's JWT of a key client", hs256(t, hmacSecret, with("j", nil)), "401 invalid_client"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := g.form(envA, "revoke", assertion(tt.jwt), "token=unknown").outcome(); got != tt.want {
				t.Errorf("outcome = %s, want %s", got, tt.want)
			}
		})
	}
	t.Run("replayed where that is configured", func(t *testing.T) {
		claims := goodClaims("client_secret_jwt", "again")
		claims["aud"] = issuerB
		for range 2 {
			if got := g.form(envB, "revoke", assertion(hs256(t, hmacSecret, claims)), "token=x").outcome(); got != "200" {
				t.Errorf("outcome = %s, want 200", got)
			}
		}
	})
	t.Run("store failure is not a refusal of the client", func(t *testing.T) {
		broken := &faulty{Store: testkit.Store(t)}
		broken.fail.Store(true)
		g := newRig(t, rigOptions{store: broken})
		if got := g.form(envA, "revoke", assertion(signed(t, with("z", nil))), "token=x").outcome(); got != "503 temporarily_unavailable" {
			t.Errorf("outcome = %s, want 503", got)
		}
	})
}

func machineGrants(t *testing.T) {
	g := newRig(t, rigOptions{})
	tests := []struct {
		name   string
		c      credential
		fields []string
		want   string
	}{
		{"good", basicClient, []string{"scope=orders:read"}, "200"},
		{"openid only", basicClient, []string{"scope=openid"}, "400 invalid_scope"},
		{"a granted user scope", basic("user-only", "user-only-secret"), []string{"scope=profile p1:read:user"}, "400 invalid_scope"},
		{"grant not enabled", basic("web", "web-secret"), nil, "400 unauthorized_client"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := g.form(envA, "token", tt.c, append(tt.fields, "grant_type=client_credentials")...).outcome(); got != tt.want {
				t.Errorf("outcome = %s, want %s", got, tt.want)
			}
		})
	}
}

func crossOriginReads(t *testing.T) {
	g := newRig(t, rigOptions{})
	for _, endpoint := range []string{"token", "introspect", "revoke", "jwks", ".well-known/openid-configuration"} {
		for _, origin := range []string{"https://app.example.com", "https://app.example.com.evil.example", "null"} {
			r := httptest.NewRequest(http.MethodOptions, "/"+envA+"/as/"+endpoint, nil)
			r.Header.Set("Origin", origin)
			r.Header.Set("Access-Control-Request-Method", "POST")
			a := g.do(r)
			if a.status != http.StatusNoContent || a.header.Get("Access-Control-Allow-Origin") != "*" {
				t.Errorf("%s preflight from %s: %d, allow-origin %q", endpoint, origin, a.status, a.header.Get("Access-Control-Allow-Origin"))
			}
			if got := a.header.Get("Access-Control-Allow-Credentials"); got != "" {
				t.Errorf("%s allows credentials: %q", endpoint, got)
			}
			if !strings.Contains(a.header.Get("Access-Control-Allow-Headers"), "Authorization") {
				t.Errorf("%s: allowed headers %q", endpoint, a.header.Get("Access-Control-Allow-Headers"))
			}
		}
	}
	// What is answered, good or bad, may be read from anywhere by who has the credentials, and by no browser's cookies.
	for _, origin := range []string{"https://app.example.com", "https://app.example.com.evil.example", "null"} {
		for endpoint, fields := range map[string][]string{"token": {"grant_type=client_credentials"}, "introspect": {"token=x"}, "userinfo": {"access_token=x"}, "revoke": {"token=x"}} {
			r := formRequest("/"+envA+"/as/"+endpoint, basicClient, fields...)
			r.Header.Set("Origin", origin)
			r.AddCookie(&http.Cookie{Name: "ST", Value: "x"})
			a := g.do(r)
			if allowed := a.header.Get("Access-Control-Allow-Origin"); allowed != "*" || a.header["Access-Control-Allow-Credentials"] != nil {
				t.Errorf("%s from %s: %d, allow-origin %q, allow-credentials %q", endpoint, origin, a.status, allowed, a.header["Access-Control-Allow-Credentials"])
			}
		}
	}
	a := g.form(envA, "token", basicClient, "grant_type=client_credentials")
	if a.header.Get("Access-Control-Allow-Origin") != "*" || a.header.Get("Access-Control-Expose-Headers") != "Correlation-Id, DPoP-Nonce, WWW-Authenticate" {
		t.Errorf("answer: allow-origin %q, exposed %q", a.header.Get("Access-Control-Allow-Origin"), a.header.Get("Access-Control-Expose-Headers"))
	}
}

func cacheableSecrets(t *testing.T) {
	g := newRig(t, rigOptions{})
	token := g.token(envA, basicClient)
	tests := []struct {
		name  string
		a     answer
		store bool
	}{
		{"token", g.form(envA, "token", basicClient, "grant_type=client_credentials"), false},
		{"token error", g.form(envA, "token", anonymous), false},
		{"introspection", g.form(envA, "introspect", basicClient, "token="+token), false},
		{"introspection of nothing", g.form(envA, "introspect", basicClient, "token=x"), false},
		{"revocation", g.form(envA, "revoke", basicClient, "token=x"), false},
		{"wrong method", g.get("/" + envA + "/as/token"), false},
		{"not found", g.get("/" + envA + "/as/nothing"), false},
		{"good: keys", g.get("/" + envA + "/as/jwks"), true},
		{"good: metadata", g.get("/" + envA + "/as/.well-known/openid-configuration"), true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cc := tt.a.header.Get("Cache-Control")
			if tt.store && cc != "public, max-age=300" {
				t.Errorf("Cache-Control = %q", cc)
			}
			if !tt.store && (!strings.Contains(cc, "no-store") || tt.a.header.Get("Pragma") != "no-cache") {
				t.Errorf("Cache-Control = %q, Pragma = %q", cc, tt.a.header.Get("Pragma"))
			}
			if tt.a.header.Get("X-Content-Type-Options") != "nosniff" || tt.a.header.Get("Correlation-Id") == "" {
				t.Errorf("headers = %v", tt.a.header)
			}
		})
	}
}

func introspect(env string, c credential, token string) *http.Request {
	return formRequest("/"+env+"/as/introspect", c, "token="+token)
}

// forged is token with its subject matter changed and signed by nobody's key.
func forged(t *testing.T, token string) string {
	t.Helper()
	parts := strings.Split(token, ".")
	payload := bytes.Replace(payloadOf(t, token), []byte("orders:read"), []byte("orders:evil"), 1)
	return parts[0] + "." + base64.RawURLEncoding.EncodeToString(payload) + "." + parts[2]
}

func unsigned(token string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + strings.Split(token, ".")[1] + "."
}

func kids(t *testing.T, jwks string) []string {
	t.Helper()
	var set struct{ Keys []struct{ Kid string } }
	if err := json.Unmarshal([]byte(jwks), &set); err != nil {
		t.Fatalf("%v in %s", err, jwks)
	}
	var out []string
	for _, k := range set.Keys {
		out = append(out, k.Kid)
	}
	return out
}

// again copies a request, body included, so that it can be sent once more.
func again(t *testing.T, r *http.Request) *http.Request {
	t.Helper()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	c := r.Clone(t.Context())
	c.Body = io.NopCloser(bytes.NewReader(body))
	return c
}
