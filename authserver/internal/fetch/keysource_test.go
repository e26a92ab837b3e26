package fetch_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/fetch"
	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
)

type clock struct{ ns atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.ns.Store(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).UnixNano())
	return c
}

func (c *clock) Now() time.Time          { return time.Unix(0, c.ns.Load()) }
func (c *clock) Advance(d time.Duration) { c.ns.Add(int64(d)) }

// issuer publishes keys as it is told.
type issuer struct {
	*httptest.Server
	mu       sync.Mutex
	paths    map[string]http.HandlerFunc
	requests map[string]int
}

func newIssuer(t testing.TB) *issuer {
	t.Helper()
	is := &issuer{paths: map[string]http.HandlerFunc{}, requests: map[string]int{}}
	is.Server = httptest.NewTLSServer(is)
	t.Cleanup(is.Close)
	return is
}

func (is *issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	is.mu.Lock()
	is.requests[r.URL.Path]++
	answer := is.paths[r.URL.Path]
	is.mu.Unlock()
	if answer == nil {
		http.NotFound(w, r)
		return
	}
	answer(w, r)
}

func (is *issuer) serve(path string, answer http.HandlerFunc) {
	is.mu.Lock()
	defer is.mu.Unlock()
	is.paths[path] = answer
}

func (is *issuer) count(path string) int {
	is.mu.Lock()
	defer is.mu.Unlock()
	return is.requests[path]
}

func document(v any, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		_ = json.NewEncoder(w).Encode(v)
	}
}

func newKey(t testing.TB) *jose.SigningKey {
	t.Helper()
	k, err := jose.GenerateSigningKey(jose.ES256, 0)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func set(t testing.TB, keys ...*jose.SigningKey) map[string]any {
	t.Helper()
	list := []json.RawMessage{}
	for _, k := range keys {
		jwk, err := k.PublicJWK()
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, jwk)
	}
	return map[string]any{"keys": list}
}

func header(k *jose.SigningKey) *jose.Header {
	return &jose.Header{Algorithm: jose.ES256, KeyID: k.ID(), HasKeyID: true}
}

func newSource(t testing.TB, is *issuer, c fetch.KeySourceConfig) *fetch.KeySource {
	t.Helper()
	if c.Client == nil {
		c.Client = newClient(t, fetch.Options{CA: ca(is.Server), Timeout: 30 * time.Second})
	}
	s, err := fetch.NewKeySource(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// state is what Find says in a word.
func state(s *fetch.KeySource, h *jose.Header) string {
	switch k, err := s.Find(context.Background(), h); {
	case err != nil:
		return "unavailable"
	case k == nil:
		return "unknown"
	}
	return "found"
}

func expect(t *testing.T, s *fetch.KeySource, k *jose.SigningKey, want string) {
	t.Helper()
	if got := state(s, header(k)); got != want {
		t.Errorf("key = %s, want %s", got, want)
	}
}

func waitFor(t *testing.T, what string, happened func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if happened() {
			return
		}
	}
	t.Fatalf("%s did not happen", what)
}

func TestKeysAreFetchedOnFirstUse(t *testing.T) {
	is, c, k := newIssuer(t), newClock(), newKey(t)
	is.serve("/jwks", func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(30 * time.Millisecond)
		document(set(t, k))(w, r)
	})
	var told atomic.Int64
	s := newSource(t, is, fetch.KeySourceConfig{JWKSURI: is.URL + "/jwks", Now: c.Now, OnRefresh: func(ok bool, keys, skipped int) {
		if !ok || keys != 1 || skipped != 0 {
			t.Errorf("refresh = %v %d %d, want one good key", ok, keys, skipped)
		}
		told.Add(1)
	}})
	if _, ok := s.Age(); ok || is.count("/jwks") != 0 {
		t.Error("fetched before the first use, want nothing asked yet")
	}
	if _, ok := s.Current(c.Now()); ok {
		t.Error("Current before the first fetch = ok, want not")
	}
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if got := state(s, header(k)); got != "found" {
				t.Errorf("key = %s, want found", got)
			}
		})
	}
	wg.Wait()
	if n := is.count("/jwks"); n != 1 || told.Load() != 1 {
		t.Errorf("fetches = %d, want 1 for all who wait", n)
	}
	c.Advance(time.Minute)
	if age, ok := s.Age(); !ok || age != time.Minute {
		t.Errorf("age = %v, want 1 min", age)
	}
}

func TestUnknownKeyID(t *testing.T) {
	is, c, k, other := newIssuer(t), newClock(), newKey(t), newKey(t)
	is.serve("/jwks", document(set(t, k)))
	s := newSource(t, is, fetch.KeySourceConfig{JWKSURI: is.URL + "/jwks", Now: c.Now})
	expect(t, s, k, "found")
	for range 100 {
		expect(t, s, other, "unknown")
	}
	if n := is.count("/jwks"); n != 1 {
		t.Errorf("fetches = %d, want 1: it is too early for another", n)
	}
	if got, want := s.NextTry(), c.Now().Add(10*time.Second); !got.Equal(want) {
		t.Errorf("next try = %v, want %v", got, want)
	}
	c.Advance(10 * time.Second)
	is.serve("/jwks", document(set(t, k, other)))
	before, _ := s.Current(c.Now())
	expect(t, s, other, "found")
	if after, ok := s.Current(c.Now()); !ok || after == before {
		t.Error("the key set has the same number, want another: it changed")
	}
	t.Run("a key that does not fit is no news", func(t *testing.T) {
		c.Advance(10 * time.Second)
		n := is.count("/jwks")
		h := header(k)
		h.Algorithm = jose.RS256
		if got := state(s, h); got != "unknown" || is.count("/jwks") != n {
			t.Errorf("key = %s after %d fetches, want unknown without one", got, is.count("/jwks")-n)
		}
	})
	t.Run("issuer down: fails closed, and at its pace", func(t *testing.T) {
		n := is.count("/jwks")
		is.serve("/jwks", nil)
		c.Advance(10 * time.Second)
		for range 100 {
			expect(t, s, newKeyOnce(t), "unknown")
		}
		expect(t, s, k, "found")
		if d := is.count("/jwks") - n; d != 1 {
			t.Errorf("fetches = %d, want 1", d)
		}
	})
}

var newKeyOnce = func() func(t testing.TB) *jose.SigningKey {
	var once sync.Once
	var k *jose.SigningKey
	return func(t testing.TB) *jose.SigningKey {
		once.Do(func() { k = newKey(t) })
		return k
	}
}()

func TestRefreshInTheBackground(t *testing.T) {
	is, c, k, next := newIssuer(t), newClock(), newKey(t), newKey(t)
	is.serve("/jwks", document(set(t, k)))
	s := newSource(t, is, fetch.KeySourceConfig{JWKSURI: is.URL + "/jwks", Now: c.Now})
	expect(t, s, k, "found")
	generation, _ := s.Current(c.Now())
	release := make(chan struct{})
	is.serve("/jwks", func(w http.ResponseWriter, r *http.Request) {
		<-release
		document(set(t, next))(w, r)
	})
	c.Advance(10*time.Minute - 1)
	expect(t, s, k, "found")
	if n := is.count("/jwks"); n != 1 {
		t.Errorf("fetches = %d, want 1: the keys are fresh", n)
	}
	c.Advance(1)
	expect(t, s, k, "found") // not delayed, though the answer is not there yet
	waitFor(t, "the refresh", func() bool { return is.count("/jwks") == 2 })
	close(release)
	waitFor(t, "the new keys", func() bool { g, _ := s.Current(c.Now()); return g != generation })
	expect(t, s, k, "unknown")
	expect(t, s, next, "found")

	t.Run("the same keys again have the same number", func(t *testing.T) {
		generation, _ := s.Current(c.Now())
		is.serve("/jwks", document(set(t, next)))
		c.Advance(11 * time.Minute)
		s.Current(c.Now())
		waitFor(t, "the refresh", func() bool { age, _ := s.Age(); return age == 0 })
		if g, ok := s.Current(c.Now()); !ok || g != generation {
			t.Errorf("number = %d, want %d", g, generation)
		}
	})
	t.Run("after an idle time the request waits", func(t *testing.T) {
		is.serve("/jwks", document(set(t, k)))
		c.Advance(21 * time.Minute)
		expect(t, s, next, "unknown")
	})
	t.Run("down: last good keys, then none", func(t *testing.T) {
		is.serve("/jwks", nil)
		c.Advance(23 * time.Hour)
		expect(t, s, k, "found")
		c.Advance(time.Hour)
		expect(t, s, k, "unavailable")
		if _, ok := s.Current(c.Now()); ok {
			t.Error("Current = ok, want not: the keys are too old")
		}
	})
	t.Run("clock set back", func(t *testing.T) {
		is.serve("/jwks", document(set(t, k)))
		c.Advance(-48 * time.Hour)
		expect(t, s, k, "found")
	})
}

func TestCacheControl(t *testing.T) {
	for _, tt := range []struct {
		value string
		fresh time.Duration
	}{
		{"max-age=60", time.Minute}, {"public, Max-Age=60", time.Minute}, {"max-age=0", 10 * time.Second}, {"max-age=1", 10 * time.Second},
		{"max-age=86400", 10 * time.Minute}, {"max-age=x", 10 * time.Minute}, {"max-age=-1", 10 * time.Minute}, {"", 10 * time.Minute},
		{"max-age=99999999999999999999", 10 * time.Minute},
	} {
		t.Run(tt.value, func(t *testing.T) {
			is, c, k := newIssuer(t), newClock(), newKey(t)
			is.serve("/jwks", document(set(t, k), "Cache-Control", tt.value))
			s := newSource(t, is, fetch.KeySourceConfig{JWKSURI: is.URL + "/jwks", Now: c.Now})
			expect(t, s, k, "found")
			c.Advance(tt.fresh - 1)
			s.Current(c.Now())
			c.Advance(1)
			if n := is.count("/jwks"); n != 1 {
				t.Errorf("fetches = %d, want 1 while fresh", n)
			}
			s.Current(c.Now())
			waitFor(t, "the refresh", func() bool { return is.count("/jwks") == 2 })
		})
	}
}

func TestDiscovery(t *testing.T) {
	k := newKey(t)
	const oidc, rfc8414 = "/t/as/.well-known/openid-configuration", "/.well-known/oauth-authorization-server/t/as"
	for _, tt := range []struct {
		name  string
		slash string // at the issuer's end
		path  string
		edit  func(m map[string]any)
		want  string
	}{
		{"OpenID Provider", "", oidc, nil, "found"},
		{"authorization server", "", rfc8414, nil, "found"},
		{"slash at the end", "/", oidc, nil, "found"},
		{"slash at the end, authorization server", "/", rfc8414, nil, "found"},
		{"nowhere", "", "/x", nil, "unavailable"},
		{"case_15/foreign", "", oidc, func(m map[string]any) { m["issuer"] = "https://evil.example" }, "unavailable"},
		{"case_15/twin", "", oidc, func(m map[string]any) { m["Issuer"] = m["issuer"]; delete(m, "issuer") }, "unavailable"},
		{"no keys", "", oidc, func(m map[string]any) { delete(m, "jwks_uri") }, "unavailable"},
		{"keys by http", "", oidc, func(m map[string]any) { m["jwks_uri"] = "http://keys.example.com/jwks" }, "unavailable"},
		{"keys from a file", "", oidc, func(m map[string]any) { m["jwks_uri"] = "file:///etc/keys" }, "unavailable"},
		{"keys are a number", "", oidc, func(m map[string]any) { m["jwks_uri"] = 7 }, "unavailable"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			is, c := newIssuer(t), newClock()
			name := is.URL + "/t/as" + tt.slash
			m := map[string]any{"issuer": name, "jwks_uri": is.URL + "/jwks", "introspection_endpoint": is.URL + "/introspect"}
			if tt.edit != nil {
				tt.edit(m)
			}
			is.serve(tt.path, document(m))
			is.serve("/jwks", document(set(t, k)))
			s := newSource(t, is, fetch.KeySourceConfig{Issuer: name, Now: c.Now})
			expect(t, s, k, tt.want)
			endpoint, err := s.IntrospectionEndpoint(t.Context())
			if tt.want == "found" && (err != nil || endpoint != is.URL+"/introspect") {
				t.Errorf("introspection endpoint = %q, %v", endpoint, err)
			}
		})
	}
	t.Run("a foreign document ends the search", func(t *testing.T) {
		is, c := newIssuer(t), newClock()
		is.serve(oidc, document(map[string]any{"issuer": "https://evil.example"}))
		is.serve(rfc8414, document(map[string]any{"issuer": is.URL + "/t/as", "jwks_uri": is.URL + "/jwks"}))
		expect(t, newSource(t, is, fetch.KeySourceConfig{Issuer: is.URL + "/t/as", Now: c.Now}), k, "unavailable")
	})
	t.Run("keys that moved are found again", func(t *testing.T) {
		is, c := newIssuer(t), newClock()
		publish := func(path string) {
			is.serve(oidc, document(map[string]any{"issuer": is.URL + "/t/as", "jwks_uri": is.URL + path}))
			is.serve(path, document(set(t, k)))
		}
		publish("/old")
		s := newSource(t, is, fetch.KeySourceConfig{Issuer: is.URL + "/t/as", Now: c.Now})
		expect(t, s, k, "found")
		is.serve("/old", nil)
		publish("/new")
		for range 3 { // notice that they are gone, look where they are, get them
			c.Advance(11 * time.Minute)
			expect(t, s, k, "found")
			s.Settle() // while a load is under way there is no other one
		}
		if n := is.count("/new"); n == 0 {
			t.Error("fetches from the new place = 0, want some")
		}
	})
}

func TestKeySourceConfig(t *testing.T) {
	client := newClient(t, fetch.Options{})
	for name, c := range map[string]fetch.KeySourceConfig{
		"no client": {JWKSURI: "https://as.example.com/jwks"},
		"nothing":   {Client: client},
		"both":      {Client: client, Issuer: "https://as.example.com", JWKSURI: "https://as.example.com/jwks"},
		"query":     {Client: client, Issuer: "https://as.example.com?x=y"},
		"http":      {Client: client, JWKSURI: "http://as.example.com/jwks"},
	} {
		if _, err := fetch.NewKeySource(c); err == nil {
			t.Errorf("%s: no error, want one", name)
		}
	}
}

func TestWaitingIsBounded(t *testing.T) {
	is, c, k := newIssuer(t), newClock(), newKey(t)
	is.serve("/jwks", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	impatient := newClient(t, fetch.Options{CA: ca(is.Server), Timeout: time.Second})
	s := newSource(t, is, fetch.KeySourceConfig{Client: impatient, JWKSURI: is.URL + "/jwks", Now: c.Now})
	t.Run("by the request", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
		defer cancel()
		if _, err := s.Find(ctx, header(k)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error = %v, want %v", err, context.DeadlineExceeded)
		}
	})
	t.Run("by the time-out", func(t *testing.T) { expect(t, s, k, "unavailable") })
	t.Run("by Close", func(t *testing.T) {
		s := newSource(t, is, fetch.KeySourceConfig{JWKSURI: is.URL + "/jwks", Now: c.Now})
		before, done := is.count("/jwks"), make(chan string)
		go func() { done <- state(s, header(k)) }()
		waitFor(t, "the fetch", func() bool { return is.count("/jwks") == before+1 })
		s.Close()
		if got := <-done; got != "unavailable" {
			t.Errorf("key = %s, want unavailable", got)
		}
		expect(t, s, k, "unavailable")
	})
}
