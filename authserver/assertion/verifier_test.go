package assertion_test

import (
	"context"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/assertion"
	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
)

// TestVerify: the identity of a good assertion, and all that makes one bad.
func TestVerify(t *testing.T) {
	clock := newClock()
	good := must(newSigner(clock).Sign(context.Background(), request(clock)))
	v := newVerifier(t, clock, nil)
	now := clock.Now().Unix()
	forged := func(changes map[string]any) *http.Request {
		return arrives("POST", target, forge(clock, key(), assertion.Type, changes))
	}
	b64 := base64.RawURLEncoding.EncodeToString
	tests := []struct {
		name string
		r    *http.Request
		want string // part of the reason; "" means accepted
	}{
		{"good", arrives("POST", target, good), ""},
		{"good, with its token", arrives("POST", target, good, "Authorization", "Bearer "+token), ""},
		{"good, with its token in another spelling", arrives("POST", target, good, "Authorization", "bearer  "+token), ""},
		{"good, with its token as it was bound", arrives("POST", target, good, "Authorization", "DPoP "+token), ""},
		{"good, with credentials of another kind", arrives("POST", target, good, "Authorization", "Basic YTpi"), ""},
		{"good by its claims", forged(nil), ""},
		{"aud an array of one", forged(map[string]any{"aud": []string{upstream}}), ""},

		{"none", arrives("POST", target, ""), "none"},
		{"two", arrives("POST", target, good, assertion.Header, good), "more than one"},
		{"one more in another spelling", arrives("POST", target, good, "Gatehouse_Assertion", good), "more than one"},
		{"empty", arrives("POST", target, "", assertion.Header, ""), "not a signed JWT"},
		{"garbage", arrives("POST", target, "a.b.c"), "not a signed JWT"},
		{"oversized", arrives("POST", target, good+strings.Repeat("a", 16<<10)), "not a signed JWT"},
		{"unsigned", arrives("POST", target, b64([]byte(`{"alg":"none","typ":"gatehouse-assertion+jwt"}`))+"."+part(good, 1)+"."), "not a signed JWT"},
		{"signed with the public key as a secret", arrives("POST", target, hmac(good)), "algorithm"},
		{"another typ", arrives("POST", target, forge(clock, key(), "at+jwt", nil)), "typ"},
		{"typ JWT", arrives("POST", target, forge(clock, key(), "JWT", nil)), "typ"},
		{"no typ", arrives("POST", target, forge(clock, key(), "", nil)), "typ"},
		{"somebody else's key under the gate's name", arrives("POST", target, forge(clock, stranger(), assertion.Type, nil)), "signature"},
		{"an unknown key", arrives("POST", target, forge(clock, must(stranger().Named("x")), assertion.Type, nil)), "key"},
		{"a signature of another", arrives("POST", target, part(good, 0)+"."+part(good, 1)+"."+part(must(newSigner(clock).Sign(context.Background(), assertion.Request{})), 2)), "signature"},

		{"another gate's", forged(map[string]any{"iss": gate + "/"}), "gate"},
		{"no iss", forged(map[string]any{"iss": nil}), "gate"},
		{"for another upstream", forged(map[string]any{"aud": "payments"}), "upstream"},
		{"for two upstreams", forged(map[string]any{"aud": []string{upstream, "payments"}}), "upstream"},
		{"for nobody", forged(map[string]any{"aud": nil}), "upstream"},

		{"exp just within the skew", forged(map[string]any{"iat": now - 60, "exp": now - 9}), ""},
		{"exp at the edge of the skew", forged(map[string]any{"iat": now - 60, "exp": now - 10}), "expired"},
		{"no exp", forged(map[string]any{"exp": nil}), "too long"},
		{"no iat", forged(map[string]any{"iat": nil}), "too long"},
		{"good for an hour", forged(map[string]any{"exp": now + 3600}), "too long"},
		{"iat just within the skew", forged(map[string]any{"iat": now + 10}), ""},
		{"iat beyond it", forged(map[string]any{"iat": now + 11}), "not good yet"},
		{"nbf in the future", forged(map[string]any{"nbf": now + 11}), "not good yet"},

		{"another method", arrives("GET", target, good), "method"},
		{"no method", forged(map[string]any{"htm": nil}), "method"},
		{"the method in lower case", forged(map[string]any{"htm": "post"}), "method"},
		{"another path", arrives("POST", "/orders/2?a=b", good), "path"},
		{"another query", arrives("POST", "/orders/1?a=c", good), "path"},
		{"no query", arrives("POST", "/orders/1", good), "path"},
		{"a twin of the path", arrives("POST", "/orders/%31?a=b", good), "path"},
		{"no target", forged(map[string]any{"target": nil}), "path"},
		{"a target that is no string", forged(map[string]any{"target": []string{target}}), "path"},

		{"another token", arrives("POST", target, good, "Authorization", "Bearer other"), "token"},
		{"another token in its scheme", arrives("POST", target, good, "Authorization", "DPoP other"), "token"},
		{"two tokens", arrives("POST", target, good, "Authorization", "Bearer "+token, "Authorization", "Bearer other"), "token"},
		{"an empty token", arrives("POST", target, good, "Authorization", "Bearer "), "token"},
		{"a token that nobody speaks of", arrives("POST", target, forge(clock, key(), assertion.Type, nil), "Authorization", "Bearer "+token), "token"},
		{"ath in another type", arrives("POST", target, forge(clock, key(), assertion.Type, map[string]any{"ath": 1}), "Authorization", "Bearer "+token), "token"},

		{"anonymous", forged(map[string]any{"token_issuer": nil, "sub": nil}), "anonymous"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			who, err := v.Verify(tt.r)
			refusal, refused := errors.AsType[*assertion.Error](err)
			switch {
			case tt.want == "" && err != nil:
				t.Fatalf("refused: %v", err)
			case tt.want != "" && (!refused || who != nil || !strings.Contains(refusal.Reason, tt.want)):
				t.Fatalf("got %v, %v; want a refusal that says %q", who, err, tt.want)
			case err != nil && strings.Contains(err.Error(), "eyJ"):
				t.Errorf("the error shows the assertion: %v", err)
			}
			if tt.want == "" && who.Subject != "alice" {
				t.Errorf("Subject = %q, want alice", who.Subject)
			}
		})
	}
	who := must(v.Verify(arrives("POST", target, good)))
	who.Claims = nil
	want := &assertion.Identity{TokenIssuer: "https://as.example.com", Subject: "alice", ClientID: "web", Scope: []string{"read", "write"}}
	if diff := cmp.Diff(want, who); diff != "" {
		t.Errorf("identity (-want +got):\n%s", diff)
	}
}

// hmac signs the claims of text with the text of the public key (RFC 8725 §2.1).
func hmac(text string) string {
	claims := must(base64.RawURLEncoding.DecodeString(part(text, 1)))
	return must(jose.SignSecret(jose.HS256, must(key().PublicJWK()), assertion.Type, claims))
}

// TestVerifyAnonymous: only who says so gets requests without an access token.
func TestVerifyAnonymous(t *testing.T) {
	clock := newClock()
	v := newVerifier(t, clock, func(c *assertion.Config) { c.AllowAnonymous = true })
	text := must(newSigner(clock).Sign(context.Background(), assertion.Request{Method: "GET", Target: "/"}))
	who, err := v.Verify(arrives("GET", "/", text))
	if err != nil || !who.Anonymous() || who.Subject != "" {
		t.Errorf("got %+v, %v", who, err)
	}
	if who, err := v.Verify(arrives("GET", "/", text, "Authorization", "Bearer x")); err == nil {
		t.Errorf("with a token: %+v, want a refusal", who)
	}
}

// TestVerifyRewritten: an upstream behind something that rewrites paths says how they were.
func TestVerifyRewritten(t *testing.T) {
	clock := newClock()
	text := must(newSigner(clock).Sign(context.Background(), request(clock)))
	v := newVerifier(t, clock, func(c *assertion.Config) {
		c.Target = func(r *http.Request) string { return strings.TrimPrefix(r.RequestURI, "/v2") }
		c.Header = "X-Gate"
	})
	r := arrives("POST", "/v2"+target, "", "X-Gate", text)
	if _, err := v.Verify(r); err != nil {
		t.Error(err)
	}
}

// published serves keys, or what it is told.
func published(t *testing.T) (s *httptest.Server, answer *atomic.Pointer[http.HandlerFunc], fetches *atomic.Int64) {
	t.Helper()
	answer, fetches = new(atomic.Pointer[http.HandlerFunc]), new(atomic.Int64)
	s = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fetches.Add(1)
		if f := answer.Load(); f != nil {
			(*f)(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/jwk-set+json")
		_, _ = w.Write(keySet(key()))
	}))
	t.Cleanup(s.Close)
	return s, answer, fetches
}

// TestVerifyFetchedKeys: keys come from the gate, are kept, and what cannot be had is not taken for a bad assertion.
func TestVerifyFetchedKeys(t *testing.T) {
	clock := newClock()
	s, answer, fetches := published(t)
	from := func(c *assertion.Config) {
		c.JWKS, c.JWKSURI = nil, s.URL
		c.CA = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	}
	text := must(newSigner(clock).Sign(context.Background(), request(clock)))
	v := newVerifier(t, clock, from)
	for range 10 {
		if _, err := v.Verify(arrives("POST", target, text)); err != nil {
			t.Fatal(err)
		}
	}
	// Invented key ids have the gate asked once, not each time.
	for range 10 {
		if _, err := v.Verify(arrives("POST", target, forge(clock, must(stranger().Named("x")), assertion.Type, nil))); err == nil {
			t.Fatal("an unknown key is accepted")
		}
	}
	if got := fetches.Load(); got > 2 {
		t.Errorf("keys fetched %d times, want 2 at most", got)
	}
	for name, f := range map[string]http.HandlerFunc{
		"down":               func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) },
		"case_70 a redirect": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/other", http.StatusFound) },
	} {
		t.Run(name, func(t *testing.T) {
			answer.Store(&f)
			v := newVerifier(t, clock, from)
			_, err := v.Verify(arrives("POST", target, text))
			if _, refused := errors.AsType[*assertion.Error](err); err == nil || refused {
				t.Errorf("error = %v, want one that says nothing about the assertion", err)
			}
			w := httptest.NewRecorder()
			v.Middleware(nil).ServeHTTP(w, arrives("POST", target, text))
			if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
				t.Errorf("status = %d, want 503 with Retry-After", w.Code)
			}
		})
	}
}

// TestMiddleware: only a good assertion gets through, with its identity.
func TestMiddleware(t *testing.T) {
	clock := newClock()
	text := must(newSigner(clock).Sign(context.Background(), request(clock)))
	v := newVerifier(t, clock, nil)
	var who *assertion.Identity
	h := v.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { who, _ = assertion.FromContext(r.Context()) }))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, arrives("POST", target, text))
	if w.Code != 200 || who == nil || who.Subject != "alice" {
		t.Errorf("status = %d, identity %+v; want 200, alice", w.Code, who)
	}
	who = nil
	w = httptest.NewRecorder()
	h.ServeHTTP(w, arrives("GET", target, text))
	if w.Code != 403 || who != nil || w.Header().Get("Cache-Control") != "no-store" || strings.Contains(w.Body.String(), "eyJ") {
		t.Errorf("another method: status = %d, identity %+v; want 403", w.Code, who)
	}
	if _, ok := assertion.FromContext(context.Background()); ok {
		t.Error("a context of nobody's has an identity")
	}
}

// TestConfig: what NewVerifier refuses.
func TestConfig(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*assertion.Config)
		want   string
	}{
		{"good", func(*assertion.Config) {}, ""},
		{"no issuer", func(c *assertion.Config) { c.Issuer = "" }, "Issuer"},
		{"no audience", func(c *assertion.Config) { c.Audience = "" }, "Audience"},
		{"no keys", func(c *assertion.Config) { c.JWKS = nil }, "JWKSURI"},
		{"keys twice", func(c *assertion.Config) { c.JWKSURI = gate }, "JWKSURI"},
		{"keys that are none", func(c *assertion.Config) { c.JWKS = []byte("{}") }, "JWKS"},
		{"no usable key", func(c *assertion.Config) { c.JWKS = []byte(`{"keys":[{"kty":"oct","k":"AAAA"}]}`) }, "JWKS"},
		{"keys without TLS", func(c *assertion.Config) { c.JWKS, c.JWKSURI = nil, "http://gate.example.com/" }, "https"},
		{"keys without TLS on loopback", func(c *assertion.Config) {
			c.JWKS, c.JWKSURI, c.InsecureLoopbackHTTP = nil, "http://localhost/", true
		}, ""},
		{"a header that is none", func(c *assertion.Config) { c.Header = "a b" }, "Header"},
		{"too much skew", func(c *assertion.Config) { c.ClockSkew = time.Hour }, "ClockSkew"},
		{"a CA that is none", func(c *assertion.Config) { c.JWKS, c.JWKSURI, c.CA = nil, gate, []byte("x") }, "CA"},
	} {
		config := assertion.Config{Issuer: gate, Audience: upstream, JWKS: keySet(key())}
		tt.change(&config)
		v, err := assertion.NewVerifier(config)
		if err == nil {
			v.Close()
		}
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want an error that names %q", tt.name, err, tt.want)
		}
	}
}

// FuzzVerify: whatever the header has, no panic, and nothing is accepted that the gate did not sign.
func FuzzVerify(f *testing.F) {
	clock := newClock()
	good := must(newSigner(clock).Sign(context.Background(), request(clock)))
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Add("")
	v := must(assertion.NewVerifier(assertion.Config{Issuer: gate, Audience: upstream, JWKS: keySet(key()), Now: clock.Now}))
	f.Fuzz(func(t *testing.T, text string) {
		r := arrives("POST", target, "")
		r.Header[assertion.Header] = []string{text}
		who, err := v.Verify(r)
		if err == nil && (part(text, 0)+part(text, 1) != part(good, 0)+part(good, 1) || who.Subject != "alice") {
			t.Fatalf("accepted %q", text)
		}
	})
}
