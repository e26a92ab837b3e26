package upstream_test

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/resourceserver"
	"github.com/caddy-gatehouse/gatehouse/authserver/upstream"
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

// asked is one request that an authorization server got.
type asked struct {
	header http.Header
	form   url.Values
}

// authority is an authorization server that answers as it is told.
type authority struct {
	*httptest.Server
	mu       sync.Mutex
	requests []asked
	answer   http.HandlerFunc
	metadata map[string]any
}

func newAuthority(t testing.TB, answer http.HandlerFunc) *authority {
	t.Helper()
	a := &authority{answer: answer}
	a.Server = httptest.NewTLSServer(a)
	t.Cleanup(a.Close)
	a.metadata = map[string]any{"issuer": a.URL, "token_endpoint": a.URL + "/token", "introspection_endpoint": a.URL + "/introspect"}
	return a
}

func (a *authority) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		a.mu.Lock()
		defer a.mu.Unlock()
		sendJSON(w, http.StatusOK, string(must(json.Marshal(a.metadata))))
	case "/token", "/introspect":
		body := must(io.ReadAll(r.Body))
		a.mu.Lock()
		a.requests = append(a.requests, asked{r.Header.Clone(), must(url.ParseQuery(string(body)))})
		answer := a.answer
		a.mu.Unlock()
		answer(w, r)
	default:
		http.NotFound(w, r)
	}
}

// says makes the server answer so from now on.
func (a *authority) says(answer http.HandlerFunc) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answer = answer
}

// count is how often an endpoint was asked.
func (a *authority) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.requests)
}

func (a *authority) last(t *testing.T) asked {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.requests) == 0 {
		t.Fatal("nothing was asked")
	}
	return a.requests[len(a.requests)-1]
}

func (a *authority) ca() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.Certificate().Raw})
}

// config asks a as the client gate.
func (a *authority) config(c *clock) upstream.Config {
	return upstream.Config{
		TokenEndpoint: a.URL + "/token", ClientID: "gate", ClientSecret: "gate-secret", CA: a.ca(), Timeout: 30 * time.Second, Now: c.Now,
	}
}

func sendJSON(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

func answers(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { sendJSON(w, status, body) }
}

// exchanged is a good answer to an exchange.
func exchanged(token string) string {
	return `{"access_token":"` + token + `","issued_token_type":"urn:ietf:params:oauth:token-type:access_token","token_type":"Bearer","expires_in":600}`
}

// numbered gives another token each time.
func numbered(w http.ResponseWriter, n *atomic.Int64) {
	sendJSON(w, http.StatusOK, exchanged(fmt.Sprintf("token-%d", n.Add(1))))
}

func counting() http.HandlerFunc {
	var n atomic.Int64
	return func(w http.ResponseWriter, _ *http.Request) { numbered(w, &n) }
}

// source makes one and closes it with the test.
func source(t testing.TB, build func(upstream.Config) (upstream.Source, error), c upstream.Config) upstream.Source {
	t.Helper()
	s, err := build(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// client is a verified token of a client, which is good for a while from now.
func client(c *clock, life time.Duration, more map[string]any) *resourceserver.Token {
	return &resourceserver.Token{Claims: claimsOf(c, life, more)}
}

func claimsOf(c *clock, life time.Duration, more map[string]any) *jose.Claims {
	all := map[string]any{"iss": "https://as.example.com", "sub": "alice", "client_id": "web", "exp": c.Now().Add(life).Unix()}
	maps.Copy(all, more)
	return must(jose.ParseClaims(must(json.Marshal(all)), jose.Limits{}))
}

// ask gives the token, or the reason why there is none, once what was found out is remembered.
func ask(t testing.TB, s upstream.Source, raw string, token *resourceserver.Token) string {
	t.Helper()
	got, err := s.Token(context.Background(), raw, token)
	upstream.Settle(s)
	if err == nil {
		return got
	}
	if got != "" {
		t.Errorf("a token came with the error %v", err)
	}
	e, ok := errors.AsType[*upstream.Error](err)
	if !ok {
		t.Fatalf("error %T, want *upstream.Error", err)
	}
	return e.Why.String()
}

// The reasons, as ask gives them.
var (
	unavailable = resourceserver.UpstreamUnavailable.String()
	refused     = resourceserver.UpstreamRefused.String()
	forbidden   = resourceserver.UpstreamForbidden.String()
)

// recorder is an Observer that counts.
type recorder struct {
	mu   sync.Mutex
	seen map[string]int
}

func (o *recorder) Obtained(kind, outcome string, _ time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.seen == nil {
		o.seen = map[string]int{}
	}
	o.seen[kind+" "+outcome]++
}
