package authserver_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
)

// goodClaims are those of an assertion that is accepted.
func goodClaims(id, jti string) map[string]any {
	return map[string]any{"iss": id, "sub": id, "aud": issuerA, "exp": noon.Add(time.Minute).Unix(), "jti": jti}
}

// TestMethodsAreExclusive presents every method for a client of every method.
// What is presented is right in itself: only the method can be wrong.
func TestMethodsAreExclusive(t *testing.T) {
	g := newRig(t, rigOptions{})
	secrets := map[string]string{
		"client_secret_basic": "basic-secret", "client_secret_post": "posted-secret", "client_secret_jwt": hmacSecret,
		"private_key_jwt": "no-secret-at-all", "none": "no-secret-at-all",
	}
	hmac := func(id string) string {
		if len(secrets[id]) >= 32 {
			return secrets[id]
		}
		return hmacSecret
	}
	methods := []string{"client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt", "none"}
	present := map[string]func(id string) credential{
		"client_secret_basic": func(id string) credential { return basic(id, secrets[id]) },
		"client_secret_post":  func(id string) credential { return post(id, secrets[id]) },
		"client_secret_jwt":   func(id string) credential { return assertion(hs256(t, hmac(id), goodClaims(id, "m-"+id))) },
		"private_key_jwt":     func(id string) credential { return assertion(signed(t, goodClaims(id, "p-"+id))) },
		"none":                public,
	}
	for _, configured := range methods {
		for _, presented := range methods {
			t.Run(configured+" presents "+presented, func(t *testing.T) {
				want := "401 invalid_client"
				if presented == configured {
					want = "200"
				}
				// Every endpoint with a client shows the same; this one has no
				// further conditions.
				a := g.form(envA, "revoke", present[presented](configured), "token=unknown")
				if got := a.outcome(); got != want {
					t.Errorf("outcome = %s, want %s", got, want)
				}
			})
		}
	}
}

var deniedText = regexp.MustCompile(`^\{"error":"invalid_client","error_description":"Request denied: Unsupported authentication method ` +
	`\(Correlation ID: ([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})\)"\}$`)

func TestDeniedIsOneAnswer(t *testing.T) {
	g := newRig(t, rigOptions{})
	tests := []struct {
		name      string
		c         credential
		challenge bool
	}{
		{"unknown client", basic("nobody", "basic-secret"), true},
		{"wrong secret", basic("client_secret_basic", "basic-secret?"), true},
		{"empty secret", basic("client_secret_basic", ""), true},
		{"disabled client", basic("disabled", "disabled-secret"), true},
		{"another method's client", basic("client_secret_post", "posted-secret"), true},
		{"resource at the token endpoint", basic("orders", "orders-secret"), true},
		{"another scheme", func(h http.Header, _ url.Values) { h.Set("Authorization", "Bearer abc") }, true},
		{"basic without colon", func(h http.Header, _ url.Values) { h.Set("Authorization", "Basic YWJj") }, true},
		{"basic that is not base64", func(h http.Header, _ url.Values) { h.Set("Authorization", "Basic a:b") }, true},
		{"posted, unknown client", post("nobody", "posted-secret"), false},
		{"posted, wrong secret", post("client_secret_post", "wrong-secret"), false},
		{"posted without client_id", func(_ http.Header, f url.Values) { f.Set("client_secret", "posted-secret") }, false},
		{"public, unknown client", public("nobody"), false},
		{"assertion of an unknown client", assertion(hs256(t, hmacSecret, goodClaims("nobody", "1"))), false},
		{"assertion that is no JWT", assertion("x.y.z"), false},
		{"no authentication", anonymous, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := g.form(envA, "token", tt.c, "grant_type=client_credentials")
			if a.status != http.StatusUnauthorized {
				t.Errorf("status = %d, want 401", a.status)
			}
			m := deniedText.FindStringSubmatch(a.body)
			if m == nil {
				t.Fatalf("body = %s", a.body)
			}
			if got := a.header.Get("Correlation-Id"); got != m[1] {
				t.Errorf("Correlation-Id = %q, the text has %q", got, m[1])
			}
			want := ""
			if tt.challenge {
				want = `Basic realm="oauth"`
			}
			if got := a.header.Get("WWW-Authenticate"); got != want {
				t.Errorf("WWW-Authenticate = %q, want %q", got, want)
			}
		})
	}
}

func TestPreviousSecretUntilItsEnd(t *testing.T) {
	g := newRig(t, rigOptions{})
	try := func(secret string) string {
		return g.form(envA, "token", basic("rotated", secret), "grant_type=client_credentials").outcome()
	}
	for _, s := range []string{"current-secret", "previous-secret"} {
		if got := try(s); got != "200" {
			t.Errorf("before the end, %s = %s, want 200", s, got)
		}
	}
	g.clock.Advance(time.Hour)
	if got := try("current-secret"); got != "200" {
		t.Errorf("after the end, current-secret = %s, want 200", got)
	}
	if got := try("previous-secret"); got != "401 invalid_client" {
		t.Errorf("after the end, previous-secret = %s, want 401", got)
	}
}

func TestBasicIsFormDecoded(t *testing.T) {
	g := newRig(t, rigOptions{})
	raw := func(id, secret string) credential {
		return func(h http.Header, _ url.Values) {
			r := http.Request{Header: h}
			r.SetBasicAuth(id, secret)
		}
	}
	tests := []struct {
		name string
		c    credential
		want string
	}{
		{"encoded", basic("odd id/+%", "p+q %41&s=t"), "200"},
		{"not encoded", raw("odd id/+%", "p+q %41&s=t"), "401 invalid_client"},
		{"encoded twice", basic(url.QueryEscape("odd id/+%"), "p+q %41&s=t"), "401 invalid_client"},
		{"nothing to encode", raw("client_secret_basic", "basic-secret"), "200"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := g.form(envA, "token", tt.c, "grant_type=client_credentials").outcome(); got != tt.want {
				t.Errorf("outcome = %s, want %s", got, tt.want)
			}
		})
	}
}

// TestAssertion changes one thing at a time in an assertion that is accepted.
func TestAssertion(t *testing.T) {
	g := newRig(t, rigOptions{})
	const ok, denied = "200", "401 invalid_client"
	at := func(d time.Duration) int64 { return noon.Add(d).Unix() }
	tests := []struct {
		name  string
		set   map[string]any // nil removes
		wantA string
		wantB string // where PingOne's own behaviour is configured
	}{
		{"as it should be", nil, ok, ok},
		{"without jti", map[string]any{"jti": nil}, ok, ok},
		{"iss is not sub", map[string]any{"iss": "other"}, denied, denied},
		{"no iss", map[string]any{"iss": nil}, denied, denied},
		{"no sub", map[string]any{"sub": nil}, denied, denied},
		{"no exp", map[string]any{"exp": nil}, denied, denied},
		{"exp an hour ahead", map[string]any{"exp": at(time.Hour)}, ok, ok},
		{"exp 61 minutes ahead", map[string]any{"exp": at(61 * time.Minute)}, denied, denied},
		{"exp just within the skew", map[string]any{"exp": at(-29 * time.Second)}, ok, ok},
		{"exp past the skew", map[string]any{"exp": at(-30 * time.Second)}, denied, denied},
		{"nbf now", map[string]any{"nbf": at(0)}, ok, ok},
		{"nbf within the skew", map[string]any{"nbf": at(30 * time.Second)}, ok, ok},
		{"nbf in the future", map[string]any{"nbf": at(31 * time.Second)}, denied, denied},
		{"iat long ago", map[string]any{"iat": at(-time.Hour)}, ok, ok},
		{"iat in the future", map[string]any{"iat": at(31 * time.Second)}, denied, denied},
		{"no aud", map[string]any{"aud": nil}, denied, denied},
		{"aud is a list of the issuer", map[string]any{"aud": []string{"ISSUER"}}, denied, ok},
		{"aud is a list of several", map[string]any{"aud": []string{"ISSUER", "https://other.example.com"}}, denied, denied},
		{"aud is a list of ours", map[string]any{"aud": []string{"ISSUER", "ISSUER/token"}}, denied, ok},
		{"aud is an empty list", map[string]any{"aud": []string{}}, denied, denied},
		{"aud is the token endpoint", map[string]any{"aud": "ISSUER/token"}, denied, ok},
		{"aud is the called endpoint", map[string]any{"aud": "ISSUER/revoke"}, denied, ok},
		{"aud is another endpoint", map[string]any{"aud": "ISSUER/introspect"}, denied, denied},
		{"aud is another server", map[string]any{"aud": "https://evil.example.com/as"}, denied, denied},
		{"aud has a slash too many", map[string]any{"aud": "ISSUER/"}, denied, denied},
	}
	for i, tt := range tests {
		for env, want := range map[string]string{envA: tt.wantA, envB: tt.wantB} {
			issuer := map[string]string{envA: issuerA, envB: issuerB}[env]
			t.Run(tt.name+" in "+env[:2], func(t *testing.T) {
				claims := goodClaims("client_secret_jwt", fmt.Sprint(env, i))
				claims["aud"] = "ISSUER"
				for name, v := range tt.set {
					claims[name] = v
					if v == nil {
						delete(claims, name)
					}
				}
				switch aud := claims["aud"].(type) {
				case string:
					claims["aud"] = strings.Replace(aud, "ISSUER", issuer, 1)
				case []string:
					list := make([]string, len(aud))
					for j := range aud {
						list[j] = strings.Replace(aud[j], "ISSUER", issuer, 1)
					}
					claims["aud"] = list
				}
				a := g.form(env, "revoke", assertion(hs256(t, hmacSecret, claims)), "token=unknown")
				if got := a.outcome(); got != want {
					t.Errorf("outcome = %s, want %s", got, want)
				}
			})
		}
	}
}

func TestAssertionParameters(t *testing.T) {
	g := newRig(t, rigOptions{})
	kind := "client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	jwt := func(jti string) string {
		return "client_assertion=" + hs256(t, hmacSecret, goodClaims("client_secret_jwt", jti))
	}
	tests := []struct {
		name   string
		fields []string
		want   string
	}{
		{"both", []string{kind, jwt("1")}, "200"},
		{"client_id that agrees", []string{kind, jwt("2"), "client_id=client_secret_jwt"}, "200"},
		{"client_id that differs", []string{kind, jwt("3"), "client_id=client_secret_post"}, "401 invalid_client"},
		{"no type", []string{jwt("4")}, "400 invalid_request"},
		{"no assertion", []string{kind}, "400 invalid_request"},
		{"another type", []string{"client_assertion_type=urn:ietf:params:oauth:client-assertion-type:saml2-bearer", jwt("5")}, "401 invalid_client"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := g.form(envA, "revoke", anonymous, append(tt.fields, "token=x")...).outcome(); got != tt.want {
				t.Errorf("outcome = %s, want %s", got, tt.want)
			}
		})
	}
}

func TestFormRules(t *testing.T) {
	g := newRig(t, rigOptions{})
	request := func(contentType, query, body string) *http.Request {
		r := httptest.NewRequest(http.MethodPost, "/"+envA+"/as/token"+query, strings.NewReader(body))
		r.SetBasicAuth("client_secret_basic", "basic-secret")
		if contentType != "" {
			r.Header.Set("Content-Type", contentType)
		}
		return r
	}
	const form = "application/x-www-form-urlencoded"
	encoded := request(form, "", "grant_type=client_credentials")
	encoded.Header.Set("Content-Encoding", "gzip")
	tests := []struct {
		name string
		r    *http.Request
		want string
	}{
		{"as it should be", request(form, "", "grant_type=client_credentials"), "200"},
		{"with charset", request(form+"; charset=UTF-8", "", "grant_type=client_credentials"), "200"},
		{"escaped", request(form, "", "%67rant_type=client%5Fcredentials"), "200"},
		{"unknown parameters are ignored", request(form, "", "grant_type=client_credentials&x=y&=&z"), "200"},
		{"no content type", request("", "", "grant_type=client_credentials"), "415 invalid_request"},
		{"JSON", request("application/json", "", `{"grant_type":"client_credentials"}`), "415 invalid_request"},
		{"multipart", request("multipart/form-data; boundary=x", "", "grant_type=client_credentials"), "415 invalid_request"},
		{"compressed", encoded, "415 invalid_request"},
		{"exactly 64 KiB", request(form, "", pad("grant_type=client_credentials&x=", 64<<10)), "200"},
		{"a byte more", request(form, "", pad("grant_type=client_credentials&x=", 64<<10+1)), "413 invalid_request"},
		{"nothing but separators", request(form, "", "grant_type=client_credentials"+strings.Repeat("&", 1000)), "200"},
		{"too many parameters", request(form, "", "grant_type=client_credentials"+many(300)), "400 invalid_request"},
		{"a parameter twice", request(form, "", "grant_type=client_credentials&scope=orders:read&scope=orders:read"), "400 invalid_request"},
		{"a parameter twice, once escaped", request(form, "", "scope=a&s%63ope=b"), "400 invalid_request"},
		{"bad escape", request(form, "", "grant_type=%zz"), "400 invalid_request"},
		{"parameters in the query are not read", request(form, "?grant_type=client_credentials", ""), "400 invalid_request"},
		{"missing grant_type", request(form, "", "scope=orders:read"), "400 invalid_request"},
		{"empty grant_type", request(form, "", "grant_type="), "400 invalid_request"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := g.do(tt.r).outcome(); got != tt.want {
				t.Errorf("outcome = %s, want %s", got, tt.want)
			}
		})
	}
}

func pad(s string, n int) string { return s + strings.Repeat("x", n-len(s)) }

func many(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "&p%d=1", i)
	}
	return b.String()
}
