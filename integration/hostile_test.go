package integration_test

import (
	"crypto/elliptic"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

func reply(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func replyJSON(v any) http.HandlerFunc {
	b, _ := json.Marshal(v)
	return reply(http.StatusOK, "application/json", string(b))
}

// hang keeps the answer until the client goes away.
func hang(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body) // only then does net/http notice that the client is gone
	select {
	case <-r.Context().Done():
	case <-time.After(30 * time.Second):
	}
}

// drip sends a byte now and then, for ever.
func drip(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	for {
		if _, err := io.WriteString(w, " "); err != nil {
			return
		}
		w.(http.Flusher).Flush()
		select {
		case <-r.Context().Done():
			return
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// flood sends a body without end.
func flood(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"keys":[`)
	block := strings.Repeat(`{"kty":"oct"},`, 4096)
	for r.Context().Err() == nil {
		if _, err := io.WriteString(w, block); err != nil {
			return
		}
	}
}

func reset(w http.ResponseWriter, _ *http.Request) {
	c, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		_ = c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
}

func redirect(to string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", to)
		w.WriteHeader(http.StatusFound)
	}
}

// gateFor is a site behind one foreign issuer; options go into the issuer's block.
func gateFor(port, issuer, options string) string {
	return fmt.Sprintf(`
http://:$%s {
	log
	bearer_auth {
		issuer %s {
			insecure_loopback_http
			%s
		}
		audience `+orders+`
		forward_claim sub X-User-Id
	}
	reverse_proxy $UPSTREAM
}
`, port, issuer, options)
}

// TestAttackHostileIssuer: whatever an issuer answers, the gate neither lets an
// unverified token through nor waits for long, and says that it cannot tell.
func TestAttackHostileIssuer(t *testing.T) {
	const discovery, jwks = "/.well-known/openid-configuration", "/jwks"
	const evil = "http://127.0.0.1:9/evil"
	sound := func(f *issuer) http.HandlerFunc {
		return replyJSON(map[string]any{"keys": publicKeys(f.keys)})
	}
	meta := func(f *issuer, name string, value any) http.HandlerFunc {
		m := f.metadata()
		if value == nil {
			delete(m, name)
		} else {
			m[name] = value
		}
		return replyJSON(m)
	}
	tests := []struct {
		name   string
		setup  func(f *issuer)
		status int
	}{
		{"sound", func(*issuer) {}, 200},
		{"slow but within the timeout", func(f *issuer) {
			h := sound(f)
			f.set(jwks, func(w http.ResponseWriter, r *http.Request) { time.Sleep(300 * time.Millisecond); h(w, r) })
		}, 200},
		{"case_15 discovery names another issuer", func(f *issuer) { f.set(discovery, meta(f, "issuer", "https://issuer.example")) }, 503},
		{"case_15 discovery adds a slash to the issuer", func(f *issuer) { f.set(discovery, meta(f, "issuer", f.url()+"/")) }, 503},
		{"case_15 discovery writes the issuer in upper case", func(f *issuer) { f.set(discovery, meta(f, "issuer", strings.ToUpper(f.url()))) }, 503},
		{"case_15 discovery has no issuer", func(f *issuer) { f.set(discovery, meta(f, "issuer", nil)) }, 503},
		{"discovery has no key set", func(f *issuer) { f.set(discovery, meta(f, "jwks_uri", nil)) }, 503},
		{"discovery names a key set by file", func(f *issuer) { f.set(discovery, meta(f, "jwks_uri", "file:///etc/passwd")) }, 503},
		{"discovery names a key set without TLS elsewhere", func(f *issuer) { f.set(discovery, meta(f, "jwks_uri", "http://198.51.100.7/jwks")) }, 503},
		{"case_70 discovery redirects", func(f *issuer) { f.set(discovery, redirect(evil)) }, 503},
		{"discovery is a page", func(f *issuer) { f.set(discovery, reply(200, "text/html", "<html>sign in</html>")) }, 503},
		{"discovery never answers", func(f *issuer) { f.set(discovery, hang) }, 503},
		{"case_70 keys redirect", func(f *issuer) { f.set(jwks, redirect(evil)) }, 503},
		{"keys are a page", func(f *issuer) { f.set(jwks, reply(200, "text/html", "<html></html>")) }, 503},
		{"keys are a list", func(f *issuer) { f.set(jwks, reply(200, "application/json", "[]")) }, 503},
		{"case_17 keys are endless", func(f *issuer) { f.set(jwks, flood) }, 503},
		{"keys drip", func(f *issuer) { f.set(jwks, drip) }, 503},
		{"keys never come", func(f *issuer) { f.set(jwks, hang) }, 503},
		{"keys are reset", func(f *issuer) { f.set(jwks, reset) }, 503},
		{"keys fail", func(f *issuer) { f.set(jwks, reply(500, "application/json", "{}")) }, 503},
		{"keys are refused", func(f *issuer) { f.set(jwks, reply(429, "application/json", "{}")) }, 503},
		{"case_17 key among useless ones", func(f *issuer) {
			keys := []map[string]any{
				{"kty": "XYZ", "kid": "1"}, {"kty": "RSA", "kid": "2"}, {"kid": "3"},
				{"kty": "EC", "crv": "P-256", "kid": "4", "x": b64(make([]byte, 32)), "y": b64([]byte(strings.Repeat("\x01", 32)))},
				{"kty": "RSA", "kid": "5", "n": b64([]byte("short")), "e": "AQ"},
				{"kty": "oct", "kid": "6", "k": b64([]byte(strings.Repeat("k", 32)))},
			}
			f.set(jwks, replyJSON(map[string]any{"keys": append(publicKeys(f.keys), keys...)}))
		}, 200},
	}
	ports := make([]string, len(tests))
	var sites strings.Builder
	issuers := make([]*issuer, len(tests))
	for i, tt := range tests {
		ports[i] = fmt.Sprintf("hostile%02d", i)
		issuers[i] = newIssuer(t)
		tt.setup(issuers[i])
		sites.WriteString(gateFor(strings.ToUpper(ports[i]), issuers[i].url(), "timeout 2s"))
	}
	n := start(t, config{bare: true, ports: ports, sites: sites.String()})
	t.Run("group", func(t *testing.T) {
		for i, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				t.Parallel()
				token := issuers[i].token(t, nil)
				n.secret("a token", token)
				began := time.Now()
				a := n.call(t, ports[i], "/", token)
				if a.status != tt.status {
					t.Errorf("status = %d %s, want %d", a.status, a.challenge(), tt.status)
				}
				if took := time.Since(began); took > 8*time.Second {
					t.Errorf("the answer took %v with a timeout of 2 s", took)
				}
				if tt.status == 503 {
					if a.header.Get("Retry-After") == "" || strings.Contains(a.challenge(), "error") {
						t.Errorf("Retry-After %q, challenge %q, want seconds and no token error", a.header.Get("Retry-After"), a.challenge())
					}
					if a := n.call(t, ports[i], "/", ""); a.status != 401 {
						t.Errorf("without a token: %d, want 401", a.status)
					}
				}
			})
		}
	})
	want := 0
	for _, tt := range tests {
		if tt.status == 200 {
			want++
		}
	}
	if got := n.upstream.count(); got != want {
		t.Errorf("the upstream saw %d requests, want %d", got, want)
	}
}

// TestIssuerDownAtStart: the server starts, refuses with 503, and works once the
// issuer does.
func TestIssuerDownAtStart(t *testing.T) {
	t.Parallel() // it waits most of the time
	f := unstartedIssuer()
	addr := f.server.Listener.Addr().String()
	f.server.Listener.Close()
	f.server.URL = "http://" + addr
	n := start(t, config{bare: true, ports: []string{"late"}, sites: gateFor("LATE", f.url(), "timeout 2s")})
	token := f.token(t, nil)
	n.secret("a token", token)
	for range 3 {
		if a := n.call(t, "late", "/", token); a.status != 503 || a.header.Get("Retry-After") == "" {
			t.Errorf("issuer down: %d, Retry-After %q, want 503 with seconds", a.status, a.header.Get("Retry-After"))
		}
	}
	if got := n.upstream.count(); got != 0 {
		t.Errorf("the upstream saw %d requests", got)
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Skipf("the port was taken meanwhile: %v", err)
	}
	f.server.Listener = l
	f.server.URL = ""
	f.server.Start()
	t.Cleanup(f.server.Close)
	eventually(t, 40*time.Second, "the gate learns that the issuer is up", func() bool {
		return n.call(t, "late", "/", token).status == 200
	})
	// And down again: the last good keys go on working, for new tokens too.
	f.set("/jwks", reset)
	f.set("/.well-known/openid-configuration", reset)
	next := f.token(t, nil)
	n.secret("a token", next)
	if a := n.call(t, "late", "/", next); a.status != 200 {
		t.Errorf("issuer down after it was up: %d, want 200 by the last good keys", a.status)
	}
}

// TestAttackKeyRotation: a new key is found when a token names it, a withdrawn one
// stops working, and neither lets strangers make the gate fetch at will.
func TestAttackKeyRotation(t *testing.T) {
	t.Parallel() // it waits most of the time
	f := newIssuer(t)
	first, second := f.keys[0], jwkey{"key-2", ecKey(elliptic.P256()), "ES256"}
	f.publish("1", first)
	n := start(t, config{bare: true, ports: []string{"rotating"}, sites: gateFor("ROTATING", f.url(), "")})
	token := func(k jwkey) string {
		s := k.token(t, nil, f.good())
		n.secret("a token", s)
		return s
	}
	old := token(first)
	if a := n.call(t, "rotating", "/", old); a.status != 200 {
		t.Fatalf("first key: %d, want 200", a.status)
	}

	t.Run("case_11", func(t *testing.T) { unknownKeys(t, n, f, old) })

	// The next key appears, and a token names it.
	f.publish("1", first, second)
	fresh := token(second)
	eventually(t, 40*time.Second, "the new key is found", func() bool {
		return n.call(t, "rotating", "/", fresh).status == 200
	})
	if a := n.call(t, "rotating", "/", token(first)); a.status != 200 {
		t.Errorf("a new token of the old key during the overlap: %d, want 200", a.status)
	}

	// The first key is withdrawn: tokens signed by it end with it, remembered or not.
	t.Run("case_16", func(t *testing.T) {
		f.publish("1", second)
		unseen := token(first)
		eventually(t, 40*time.Second, "new tokens of the withdrawn key are refused", func() bool {
			n.call(t, "rotating", "/", token(second)) // traffic goes on
			time.Sleep(250 * time.Millisecond)
			return n.call(t, "rotating", "/", unseen).status == 401 && n.call(t, "rotating", "/", token(first)).status == 401
		})
		if a := n.call(t, "rotating", "/", old); a.status != 401 {
			t.Errorf("a remembered token of the withdrawn key: %d, want 401", a.status)
		}
		if a := n.call(t, "rotating", "/", fresh); a.status != 200 {
			t.Errorf("the remaining key: %d, want 200", a.status)
		}
	})
}

// unknownKeys is a flood of unknown key ids, from many clients at once.
func unknownKeys(t *testing.T, n *node, f *issuer, good string) {
	fetched := f.hits("/jwks")
	began := time.Now()
	var wg sync.WaitGroup
	var mu sync.Mutex
	wrong := map[int]int{}
	for range 8 {
		wg.Go(func() {
			for i := range 50 {
				forged := jwkey{random(), rsaKey("stranger"), "RS256"}.token(t, nil, f.good())
				a := n.call(t, "rotating", "/", forged)
				mu.Lock()
				wrong[a.status]++
				mu.Unlock()
				if i%10 == 0 {
					if a := n.call(t, "rotating", "/", good); a.status != 200 {
						t.Errorf("a good token during the flood: %d, want 200", a.status)
					}
				}
			}
		})
	}
	wg.Wait()
	if len(wrong) != 1 || wrong[401] != 400 {
		t.Errorf("answers to unknown key ids = %v, want 400 times 401", wrong)
	}
	if got, bound := f.hits("/jwks")-fetched, 2+int(time.Since(began)/(10*time.Second)); got > bound {
		t.Errorf("400 unknown key ids caused %d fetches, want at most %d", got, bound)
	}
}
