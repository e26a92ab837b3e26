package caddymodule_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/caddymodule"
	"github.com/caddy-gatehouse/gatehouse/integration/ports"
)

// The issuer of most tests signs with a shared secret, so that nothing is fetched.
const (
	issuer       = "https://issuer.example.com"
	audience     = "https://orders.example.com"
	secret       = "0123456789abcdef0123456789abcdef"
	secretBase64 = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
)

// trusted is the block of that issuer, for a bearer_auth directive.
const trusted = `
		issuer ` + issuer + ` {
			algorithms HS256
			secret ` + secretBase64 + `
		}
		audience ` + audience + `
`

// mint signs claims as that issuer does. What a token needs is there already;
// claims add to it, and take away by nil.
func mint(t testing.TB, claims map[string]any) string {
	t.Helper()
	now := time.Now().Unix()
	all := map[string]any{
		"iss": issuer, "aud": audience, "sub": "alice", "client_id": "web",
		"jti": fmt.Sprintf("%p", &now), "iat": now, "exp": now + 300,
	}
	for name, value := range claims {
		all[name] = value
		if value == nil {
			delete(all, name)
		}
	}
	b, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jose.SignSecret(jose.HS256, []byte(secret), "at+jwt", b)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// adapt turns a Caddyfile into JSON.
func adapt(text string) ([]byte, error) {
	out, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(text), map[string]any{"filename": "Caddyfile"})
	return out, err
}

// globals opens a Caddyfile for tests: no admin endpoint, nothing persisted, no
// certificates, errors alone on standard error.
const globals = `
	admin off
	persist_config off
	auto_https off
	grace_period 1s
	log default {
		level ERROR
	}
`

// load runs text, a Caddyfile without a global block, and ends it with the test.
// It may be called again to reload.
func load(t testing.TB, global, sites string) {
	t.Helper()
	config, err := adapt("{\n" + globals + global + "\n}\n" + sites)
	if err != nil {
		t.Fatal(err)
	}
	loadJSON(t, config)
}

// loadJSON is load for a configuration in JSON.
func loadJSON(t testing.TB, config []byte) {
	t.Helper()
	if err := caddy.Load(config, true); err != nil {
		t.Fatal(err)
	}
	onlyNewListeners(t)
	t.Cleanup(func() {
		if err := caddy.Stop(); err != nil {
			t.Error(err)
		}
		caddymodule.CloseRetired()
	})
}

// onlyNewListeners waits until the configuration before has let go of its listening sockets, which happens after a load: connections that reach one of them
// until then may be closed unheard. Linux tells; elsewhere nothing is waited for.
func onlyNewListeners(t testing.TB) {
	t.Helper()
	for until := time.Now().Add(time.Minute); listensTwice(); time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal("the configuration before goes on listening")
		}
	}
}

// listensTwice reports whether this process has two sockets that listen at one address.
func listensTwice() bool {
	own := map[string]bool{}
	files, _ := os.ReadDir("/proc/self/fd")
	for _, f := range files {
		if at, err := os.Readlink("/proc/self/fd/" + f.Name()); err == nil {
			if inode, ok := strings.CutPrefix(at, "socket:["); ok {
				own[strings.TrimSuffix(inode, "]")] = true
			}
		}
	}
	seen := map[string]bool{}
	for _, name := range []string{"/proc/self/net/tcp", "/proc/self/net/tcp6"} {
		table, _ := os.ReadFile(name)
		for row := range strings.Lines(string(table)) {
			const address, state, inode, listening = 1, 3, 9, "0A"
			f := strings.Fields(row)
			if len(f) <= inode || f[state] != listening || !own[f[inode]] {
				continue
			}
			if seen[f[address]] {
				return true
			}
			seen[f[address]] = true
		}
	}
	return false
}

// validate judges a Caddyfile as `caddy validate` does.
func validate(text string) error {
	b, err := adapt(text)
	if err != nil {
		return err
	}
	return validateJSON(b)
}

// validateJSON is validate for a configuration in JSON.
func validateJSON(b []byte) error {
	var config caddy.Config
	if err := json.Unmarshal(b, &config); err != nil {
		return err
	}
	return caddy.Validate(&config)
}

// freePort is a port that is nobody else's until the test ends.
func freePort(t testing.TB) int {
	t.Helper()
	taken, err := ports.Take(1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(taken.Release)
	return taken.Numbers[0]
}

// upstream is an HTTP server that remembers the last request as it arrived.
type upstream struct {
	Addr string

	mu       sync.Mutex
	requests int
	header   http.Header
	trailer  http.Header
	target   string
	method   string
	length   int64
}

func newUpstream(t testing.TB) *upstream {
	u := new(upstream)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		length, _ := io.Copy(io.Discard, r.Body) // trailers come behind it
		u.mu.Lock()
		defer u.mu.Unlock()
		u.requests++
		u.length = length
		u.header, u.trailer, u.target, u.method = r.Header.Clone(), r.Trailer.Clone(), r.RequestURI, r.Method
		fmt.Fprint(w, "upstream")
	}))
	t.Cleanup(s.Close)
	u.Addr = s.Listener.Addr().String()
	return u
}

// last gives the headers of the last request and forgets it; nil if there was none.
func (u *upstream) last() http.Header {
	u.mu.Lock()
	defer u.mu.Unlock()
	h := u.header
	u.header, u.requests = nil, 0
	return maps.Clone(h)
}

// received is how long the body of the last request was.
func (u *upstream) received() int64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.length
}

// gate runs one site with the directives given, on a port of its own, in front of
// an upstream.
func gate(t testing.TB, directives string) (base string, u *upstream) {
	t.Helper()
	u = newUpstream(t)
	port := freePort(t)
	load(t, "", fmt.Sprintf("http://:%d {\n%s\n\treverse_proxy %s\n}\n", port, directives, u.Addr))
	return fmt.Sprintf("http://127.0.0.1:%d", port), u
}

// answer is a response with its body read.
type answer struct {
	Status int
	Header http.Header
	Body   string
}

var client = &http.Client{
	Timeout:       10 * time.Second,
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// send performs one request. headers are name, value pairs; names are sent as
// they are written.
func send(t testing.TB, method, url, token string, headers ...string) answer {
	t.Helper()
	req, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header[headers[i]] = append(req.Header[headers[i]], headers[i+1])
	}
	return do(t, req)
}

// postWorker posts a form as the application worker.
func postWorker(t testing.TB, address string, form url.Values) answer {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth("worker", "worker-secret")
	return do(t, req)
}

func do(t testing.TB, req *http.Request) answer {
	t.Helper()
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, string(body)}
}

// get is send with GET.
func get(t testing.TB, url, token string, headers ...string) answer {
	t.Helper()
	return send(t, http.MethodGet, url, token, headers...)
}

// raw sends bytes over a connection of its own and gives all that comes back.
func raw(t testing.TB, base, request string) string {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	return string(bytes.TrimSpace(b))
}
