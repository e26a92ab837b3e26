package assertion_test

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/assertion"
	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
)

const (
	gate     = "https://gate.example.com"
	upstream = "orders"
	target   = "/orders/1?a=b"
	token    = "client-token"
)

// clock is a time of day that tests move.
type clock struct{ ns atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.ns.Store(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).UnixNano())
	return c
}

func (c *clock) Now() time.Time          { return time.Unix(0, c.ns.Load()).UTC() }
func (c *clock) Advance(d time.Duration) { c.ns.Add(int64(d)) }

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// The keys of the tests: the gate's, and one of nobody whom the upstream knows.
var (
	key      = sync.OnceValue(func() *jose.SigningKey { return must(jose.GenerateSigningKey(jose.ES256, 0)) })
	stranger = sync.OnceValue(func() *jose.SigningKey {
		return must(must(jose.GenerateSigningKey(jose.ES256, 0)).Named(key().ID()))
	})
)

func keySet(keys ...*jose.SigningKey) []byte {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	for _, k := range keys {
		set.Keys = append(set.Keys, must(k.PublicJWK()))
	}
	return must(json.Marshal(set))
}

func newSigner(c *clock) *assertion.Signer {
	return &assertion.Signer{
		Issuer: gate, Audience: upstream, Claims: []string{"email", "groups"}, Now: c.Now,
		Key: func(context.Context) (*jose.SigningKey, error) { return key(), nil },
	}
}

func newVerifier(t testing.TB, c *clock, change func(*assertion.Config)) *assertion.Verifier {
	t.Helper()
	config := assertion.Config{Issuer: gate, Audience: upstream, JWKS: keySet(key()), Now: c.Now}
	if change != nil {
		change(&config)
	}
	v, err := assertion.NewVerifier(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return v
}

// claimsOf are those of alice's token, good for an hour, with changes.
func claimsOf(c *clock, changes map[string]any) *jose.Claims {
	all := map[string]any{
		"iss": "https://as.example.com", "aud": "https://orders.example.com", "sub": "alice", "client_id": "web", "scope": "read write",
		"exp": c.Now().Add(time.Hour).Unix(), "email": "alice@example.com", "groups": []string{"a", "b"}, "secret": "not for the upstream",
	}
	maps.Copy(all, changes)
	return must(jose.ParseClaims(must(json.Marshal(all)), jose.Limits{}))
}

// request is alice's.
func request(c *clock) assertion.Request {
	return assertion.Request{
		Method: http.MethodPost, Target: target, Token: token, TokenIssuer: "https://as.example.com", Claims: claimsOf(c, nil),
	}
}

// arrives is a request as an upstream gets it.
func arrives(method, target, assertionText string, headers ...string) *http.Request {
	r := httptest.NewRequest(method, target, nil)
	if assertionText != "" {
		r.Header.Set(assertion.Header, assertionText)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header[headers[i]] = append(r.Header[headers[i]], headers[i+1])
	}
	return r
}

// payload is what a JWT says.
func payload(t testing.TB, text string) map[string]any {
	t.Helper()
	jws, err := jose.Parse(text, jose.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	claims := must(jws.Claims())
	out := map[string]any{}
	for _, name := range claims.Names() {
		out[name], _ = claims.Value(name)
	}
	return out
}

// forge signs claims that are good but for changes; nil leaves one out.
func forge(c *clock, with *jose.SigningKey, typ string, changes map[string]any) string {
	all := map[string]any{
		"iss": gate, "aud": upstream, "iat": c.Now().Unix(), "exp": c.Now().Add(time.Minute).Unix(), "htm": "POST", "target": target,
		"token_issuer": "https://as.example.com", "sub": "alice",
	}
	maps.Copy(all, changes)
	maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })
	return must(with.Sign(typ, must(json.Marshal(all))))
}

func part(text string, i int) string { return strings.Split(text, ".")[i] }
