package caddymodule_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-gatehouse/gatehouse/caddymodule"
)

// provisioned is a handler as a site has it, without a server around it.
func provisioned(t testing.TB, config string) *caddymodule.BearerAuth {
	t.Helper()
	ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
	b := new(caddymodule.BearerAuth)
	if err := json.Unmarshal([]byte(config), b); err != nil {
		t.Fatal(err)
	}
	if err := b.Provision(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Cleanup(); err != nil {
			t.Error(err)
		}
		cancel()
	})
	return b
}

const hotConfig = `{"issuers": [{"issuer": "` + issuer + `", "algorithms": ["HS256"], "secret": "` + secretBase64 + `"}],
	"audience": ["` + audience + `"], "scope": ["read"]`

// served is a request as Caddy's server hands it to the first handler.
func served(token string, server *caddyhttp.Server) (*httptest.ResponseRecorder, *http.Request) {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "https://orders.example.com/x", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	for _, name := range []string{"User-Agent", "Accept", "Accept-Encoding", "X-Request-Id", "Cookie"} {
		r.Header.Set(name, "value")
	}
	return w, caddyhttp.PrepareRequest(r, caddy.NewReplacer(), w, server)
}

// warm sends a token until it is in the cache, which takes results in the
// background.
func warm(t testing.TB, handler *caddymodule.BearerAuth, next caddyhttp.Handler, token string) {
	t.Helper()
	server := new(caddyhttp.Server)
	for until := time.Now().Add(time.Minute); caddymodule.Remembered(handler) == 0; time.Sleep(5 * time.Millisecond) { // in the background
		w, r := served(token, server)
		if err := handler.ServeHTTP(w, r, next); err != nil || w.Code != http.StatusOK {
			t.Fatal(w.Code, w.Body, err)
		}
		if time.Now().After(until) {
			t.Fatal("the token is not remembered")
		}
	}
}

// BenchmarkServeHTTPHot is what the gate adds to a request whose token was seen
// before. The request is made anew each time, as it is in a server, outside what
// is measured: "nothing" is the same without the gate.
func BenchmarkServeHTTPHot(b *testing.B) {
	next := caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return nil })
	token := mint(b, map[string]any{"scope": "read write", "email": "alice@example.com", "exp": 4102444800})
	for _, bb := range []struct{ name, config string }{
		{"plain", hotConfig + "}"},
		{"forward_one_claim", hotConfig + `, "forward_claims": [{"claim": "sub", "header": "X-User"}]}`},
		{"forward_two_claims_and_strip", hotConfig + `, "forward_claims": [{"claim": "sub", "header": "X-User"}, {"claim": "email", "header": "X-Email"}], "strip_token": true}`},
		{"condition_rule_and_three_claims", hotConfig + `, "rules": [{"match": [{"path": ["/x*"]}], "allow": ["claims.email.endsWith(\"@example.com\") || request.method == \"GET\""]}],
			"forward_claims": [{"claim": "sub", "header": "X-User"}, {"claim": "email", "header": "X-Email"}, {"claim": "client_id", "header": "X-Client"}]}`},
		{"rule_that_does_not_match", hotConfig + `, "rules": [{"match": [{"path": ["/admin*"]}], "scope": ["admin"]}]}`},
	} {
		b.Run(bb.name, func(b *testing.B) {
			handler := provisioned(b, bb.config)
			server := &caddyhttp.Server{}
			w, r := served(token, server)
			authorization := r.Header["Authorization"]
			warm(b, handler, next, token)
			// A fresh request per iteration costs far more than the handler, so requests
			// are made in batches with the clock stopped: small ones, since a server's
			// request is still in the processor's cache when it comes here.
			const batch = 32
			requests := make([]*http.Request, batch)
			b.ReportAllocs()
			b.ResetTimer()
			for i := 0; i < b.N; i++ {
				if i%batch == 0 {
					b.StopTimer()
					for j := range requests {
						_, requests[j] = served(token, server)
						requests[j].Header["Authorization"] = authorization
					}
					b.StartTimer()
				}
				if err := handler.ServeHTTP(w, requests[i%batch], next); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestHotAllocations: a token seen before costs at most two allocations beyond
// Caddy's own, identity headers included.
func TestHotAllocations(t *testing.T) {
	next := caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return nil })
	token := mint(t, map[string]any{"scope": "read"})
	handler := provisioned(t, hotConfig+`, "forward_claims": [{"claim": "sub", "header": "X-User"}], "strip_token": true}`)
	server := &caddyhttp.Server{}

	const n = 100
	requests := make([]*http.Request, 0, n+2)
	for range cap(requests) {
		_, r := served(token, server)
		requests = append(requests, r)
	}
	w := httptest.NewRecorder()
	warm(t, handler, next, token)
	i := 0
	got := testing.AllocsPerRun(n, func() {
		i++
		if err := handler.ServeHTTP(w, requests[i], next); err != nil {
			t.Fatal(err)
		}
	})
	if got > 2 {
		t.Errorf("allocations per request = %v, want at most 2", got)
	}
}
