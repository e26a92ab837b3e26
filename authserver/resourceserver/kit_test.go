package resourceserver_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/resourceserver"
)

const audience = "https://orders.example.com"

// clock is a time of day that tests move.
type clock struct{ ns atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.ns.Store(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).UnixNano())
	return c
}

func (c *clock) Now() time.Time          { return time.Unix(0, c.ns.Load()).UTC() }
func (c *clock) Advance(d time.Duration) { c.ns.Add(int64(d)) }

// The keys of the tests; made once, RSA takes its time.
var (
	rsaPrivate = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	ecPrivate  = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })
	rsaKey     = sync.OnceValue(func() *jose.SigningKey { return signingKey(rsaPrivate(), jose.RS256, "rsa-1") })
	ecKey      = sync.OnceValue(func() *jose.SigningKey { return signingKey(ecPrivate(), jose.ES256, "ec-1") })
	// strangerKey belongs to nobody that is trusted.
	strangerPrivate = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })
	strangerKey     = sync.OnceValue(func() *jose.SigningKey { return signingKey(strangerPrivate(), jose.ES256, "stranger") })
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func signingKey(private any, alg, kid string) *jose.SigningKey {
	der := must(x509.MarshalPKCS8PrivateKey(private))
	block := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	return must(jose.ParseSigningKey(block, alg, kid))
}

func keySet(keys ...*jose.SigningKey) []byte {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	for _, k := range keys {
		set.Keys = append(set.Keys, must(k.PublicJWK()))
	}
	return must(json.Marshal(set))
}

type claims map[string]any

// with gives a copy in which the named claims are changed; nil removes one.
func (c claims) with(changes claims) claims {
	out := maps.Clone(c)
	for k, v := range changes {
		if v == nil {
			delete(out, k)
			continue
		}
		out[k] = v
	}
	return out
}

func (c claims) json() string { return string(must(json.Marshal(map[string]any(c)))) }

// null is a claim with the JSON value null.
var null = json.RawMessage("null")

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

func unsigned(header, payload string) string { return b64(header) + "." + b64(payload) }

// rs256 signs any header and payload with the good RSA key.
func rs256(header, payload string) string {
	input := unsigned(header, payload)
	digest := sha256.Sum256([]byte(input))
	return input + "." + b64(string(must(rsa.SignPKCS1v15(rand.Reader, rsaPrivate(), crypto.SHA256, digest[:]))))
}

func hs256(header, payload string, secret []byte) string {
	input := unsigned(header, payload)
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(input))
	return input + "." + b64(string(mac.Sum(nil)))
}

// provider is a foreign issuer that behaves as it is told.
type provider struct {
	*httptest.Server
	issuer string

	mu         sync.Mutex
	jwks       []byte
	metadata   map[string]any
	discovered http.HandlerFunc // instead of the metadata
	keys       http.HandlerFunc // instead of the JWK Set
	introspect http.HandlerFunc

	discoveries, fetches, introspections atomic.Int64
}

func newProvider(t testing.TB, jwks []byte) *provider {
	t.Helper()
	p := &provider{jwks: jwks}
	p.Server = httptest.NewTLSServer(p)
	t.Cleanup(p.Close)
	p.issuer = p.URL + "/tenant/as"
	p.metadata = map[string]any{
		"issuer": p.issuer, "jwks_uri": p.issuer + "/jwks", "introspection_endpoint": p.issuer + "/introspect",
	}
	return p
}

// set changes the provider's behaviour.
func (p *provider) set(change func(p *provider)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(p)
}

func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	discovered, keys, introspect, jwks := p.discovered, p.keys, p.introspect, p.jwks
	metadata := must(json.Marshal(p.metadata))
	p.mu.Unlock()
	switch r.URL.Path {
	case "/tenant/as/.well-known/openid-configuration":
		p.discoveries.Add(1)
		if discovered != nil {
			discovered(w, r)
			return
		}
		writeJSON(w, string(metadata))
	case "/tenant/as/jwks":
		p.fetches.Add(1)
		if keys != nil {
			keys(w, r)
			return
		}
		writeJSON(w, string(jwks))
	case "/tenant/as/introspect":
		p.introspections.Add(1)
		introspect(w, r)
	default:
		http.NotFound(w, r)
	}
}

func writeJSON(w http.ResponseWriter, body string) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write([]byte(body))
}

func answers(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, body) }
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func (p *provider) ca() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.Certificate().Raw})
}

// jwt is the configuration that trusts the provider by its keys.
func (p *provider) jwt() resourceserver.Issuer {
	return resourceserver.Issuer{Issuer: p.issuer, CA: p.ca(), Audience: []string{audience}, Timeout: 30 * time.Second}
}

// introspected is the configuration that asks the provider about each token.
func (p *provider) introspected() resourceserver.Issuer {
	is := p.jwt()
	is.Mode = resourceserver.ModeIntrospect
	is.Introspection = resourceserver.Introspection{
		Endpoint: p.issuer + "/introspect", ClientID: "gate", ClientSecret: "gate-secret",
	}
	return is
}

// claims is a good token of the provider.
func (p *provider) claims(c *clock) claims { return goodClaims(p.issuer, c) }

func goodClaims(issuer string, c *clock) claims {
	now := c.Now().Unix()
	return claims{
		"iss": issuer, "aud": audience, "sub": "alice", "client_id": "web", "jti": "id-1",
		"scope": "orders:read profile", "iat": now, "exp": now + 3600,
	}
}

// fixed is an issuer whose keys are given, so that a test needs no server.
func fixed(keys ...*jose.SigningKey) resourceserver.Issuer {
	return resourceserver.Issuer{Issuer: "https://as.example.com", JWKS: keySet(keys...), Audience: []string{audience}}
}

// recorder is an Observer that counts.
type recorder struct {
	mu           sync.Mutex
	decided      map[resourceserver.Reason]int
	verified     map[resourceserver.Path]int
	refreshed    map[bool]int
	introspected map[string]int
}

func (o *recorder) Decided(_ int, r resourceserver.Reason) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.decided[r]++
}

func (o *recorder) Verified(p resourceserver.Path, _ time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.verified[p]++
}

func (o *recorder) KeysRefreshed(_ int, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.refreshed[ok]++
}

func (o *recorder) Introspected(_ int, outcome string, _ time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.introspected[outcome]++
}

func (o *recorder) path(p resourceserver.Path) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.verified[p]
}

func newRecorder() *recorder {
	return &recorder{
		decided: map[resourceserver.Reason]int{}, verified: map[resourceserver.Path]int{},
		refreshed: map[bool]int{}, introspected: map[string]int{},
	}
}

// gate is a verifier under test.
type gate struct {
	*resourceserver.Verifier
	clock *clock
	seen  *recorder
}

func newGate(t testing.TB, c *clock, issuers ...resourceserver.Issuer) *gate {
	t.Helper()
	return newGateWith(t, c, resourceserver.Config{Issuers: issuers})
}

func newGateWith(t testing.TB, c *clock, config resourceserver.Config) *gate {
	t.Helper()
	g := &gate{clock: c, seen: newRecorder()}
	config.Now, config.Observer = c.Now, g.seen
	v, err := resourceserver.New(config)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	t.Cleanup(v.Close)
	g.Verifier = v
	return g
}

// verdict is what a client sees of a decision, and why it was made.
type verdict struct {
	status int
	code   string // error attribute of the challenge
	why    resourceserver.Reason
}

func (v verdict) String() string { return fmt.Sprintf("%d %q (%v)", v.status, v.code, v.why) }

var pass = verdict{http.StatusOK, "", resourceserver.Allowed}

func invalid(why resourceserver.Reason) verdict {
	return verdict{http.StatusUnauthorized, oauth.CodeInvalidToken, why}
}

func unavailable(why resourceserver.Reason) verdict {
	return verdict{http.StatusServiceUnavailable, oauth.CodeTemporarilyUnavailable, why}
}

func bearer(token string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/orders", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	return r
}

// recovers expects a token to pass once its issuer is well again. Where a short time-out is what made the issuer unwell, a busy machine
// may not answer within it at first: it is asked again each time that pace has gone by. No other verdict but 503 is passed over.
func (g *gate) recovers(t testing.TB, token string, pace time.Duration) {
	t.Helper()
	var got verdict
	for range 20 {
		g.clock.Advance(pace)
		if got = g.ask(token); got.status != http.StatusServiceUnavailable {
			break
		}
	}
	if got != pass {
		t.Errorf("verdict of an issuer that is well again = %v, want %v", got, pass)
	}
}

func (g *gate) ask(token string) verdict { return g.request(bearer(token), nil) }

func (g *gate) request(r *http.Request, p *resourceserver.Policy, also ...*resourceserver.Policy) verdict {
	t, err := g.Authorize(r, p, also...)
	if err == nil {
		if t == nil {
			return verdict{}
		}
		return pass
	}
	refusal, ok := errors.AsType[*resourceserver.Refusal](err)
	if !ok || t != nil {
		return verdict{}
	}
	return verdict{refusal.Status, refusal.Code, refusal.Why}
}

// expect asks twice: the second time the result is the remembered one, where it is
// one to remember, and must be the same.
func (g *gate) expect(t *testing.T, token string, want verdict) {
	t.Helper()
	for _, when := range []string{"first", "second"} {
		if got := g.ask(token); got != want {
			t.Errorf("%s verdict = %v, want %v", when, got, want)
		}
		g.Settle()
	}
}

// sign signs claims as the access token of the good RSA key.
func sign(c claims) string { return must(rsaKey().Sign("at+jwt", []byte(c.json()))) }

// mangle changes the last character of a token's signature.
func mangle(token string) string {
	i := strings.LastIndexByte(token, '.') + 10
	c := byte('A')
	if token[i] == c {
		c = 'B'
	}
	return token[:i] + string(c) + token[i+1:]
}

// local is an authorization server in this process.
type local struct {
	mu      sync.Mutex
	keys    *jose.KeySet
	keysErr error
	revoked map[string]bool
	err     error
	epoch   atomic.Uint64
	asked   atomic.Int64

	opaque    map[string]*jose.Claims // tokens that are no JWTs
	opaqueErr error
	lookedUp  atomic.Int64
}

func (l *local) Keys(context.Context, string) (*jose.KeySet, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.keys, l.keysErr
}

func (l *local) Opaque(_ context.Context, raw string) (*jose.Claims, error) {
	l.lookedUp.Add(1)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.opaqueErr != nil {
		return nil, l.opaqueErr
	}
	return l.opaque[raw], nil
}

// issue makes raw a token of the server.
func (l *local) issue(raw string, c claims) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.opaque == nil {
		l.opaque = map[string]*jose.Claims{}
	}
	l.opaque[raw] = must(jose.ParseClaims([]byte(c.json()), jose.Limits{}))
	return raw
}

func (l *local) Phantom(context.Context, *jose.Claims) (string, error) {
	return "", errors.New("this issuer makes no phantom tokens")
}

func (l *local) Epoch() uint64 { return l.epoch.Load() }

func (l *local) Revoked(c *jose.Claims) (bool, error) {
	l.asked.Add(1)
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.revoked[c.ID], l.err
}

// change changes the server's state, and its epoch after that.
func (l *local) change(f func(l *local)) {
	l.mu.Lock()
	f(l)
	l.mu.Unlock()
	l.epoch.Add(1)
}
