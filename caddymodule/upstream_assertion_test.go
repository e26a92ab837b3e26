package caddymodule_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/assertion"
	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
)

const keysPath = "/.well-known/gatehouse/jwks.json"

// keptIn has the storage of the configuration in a folder of the test's.
func keptIn(dir string) string { return "storage file_system {\n" + "root " + dir + "\n}\n" }

// assertionUpstream lets requests with a good assertion of the gate through, and remembers who asked.
type assertionUpstream struct {
	addr string
	mu   sync.Mutex
	who  *assertion.Identity
	raw  http.Header
}

// newAssertionUpstream judges by the keys that the gate at port publishes, as any upstream does.
func newAssertionUpstream(t testing.TB, port int) *assertionUpstream {
	t.Helper()
	v, err := assertion.NewVerifier(assertion.Config{
		Issuer: "https://gate.example.com", Audience: "orders", AllowAnonymous: true,
		JWKSURI: fmt.Sprintf("http://127.0.0.1:%d%s", port, keysPath), InsecureLoopbackHTTP: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	u := &assertionUpstream{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u.mu.Lock()
		u.who, u.raw = nil, r.Header.Clone()
		u.mu.Unlock()
		v.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			who, _ := assertion.FromContext(r.Context())
			u.mu.Lock()
			defer u.mu.Unlock()
			u.who = who
		})).ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	u.addr = s.Listener.Addr().String()
	return u
}

func (u *assertionUpstream) last() (*assertion.Identity, http.Header) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.who, u.raw
}

const asserted = "upstream {\nassertion {\nissuer https://gate.example.com\naudience orders\nclaim email\n%s\n}\n}\n"

// TestAssertion: an upstream that knows nothing but the address of the gate's keys learns who asks, whatever becomes of the token.
func TestAssertion(t *testing.T) {
	as := newTokenServer(t, jsonAnswer(200, innerToken))
	exchange := strings.TrimSuffix(strings.TrimPrefix(as.request("exchange"), "upstream {\n"), "}\n")
	for name, more := range map[string]string{
		"token kept": "", "token stripped": "token strip", "token exchanged": exchange, "phantom token": "token phantom",
	} {
		t.Run(name, func(t *testing.T) {
			port := freePort(t)
			up := newAssertionUpstream(t, port)
			options := strings.Replace(fmt.Sprintf(asserted, ""), "upstream {\n", "upstream {\n"+more+"\n", 1)
			load(t, keptIn(t.TempDir()), fmt.Sprintf("http://:%d {\nbearer_auth {%s%s}\nreverse_proxy %s\n}\n", port, trusted, options, up.addr))
			base := fmt.Sprintf("http://127.0.0.1:%d", port)
			token := mint(t, map[string]any{"email": "alice@example.com", "scope": "read write"})
			for _, target := range []string{"/", "/orders/1?a=b%20c&d=<>", "/a%2Fb//c;x=1?", "/%C3%A9?q=%22"} {
				for range 2 { // the second one has the same assertion
					if got := send(t, http.MethodPost, base+target, token); got.Status != 200 {
						t.Fatalf("%s: status = %d: %s", target, got.Status, got.Body)
					}
				}
				who, _ := up.last()
				email, _ := who.Claims.Text("email")
				if who.Subject != "alice" || who.ClientID != "web" || who.TokenIssuer != issuer || email != "alice@example.com" || len(who.Scope) != 2 {
					t.Errorf("%s: identity = %+v, email %q", target, who, email)
				}
			}
		})
	}
}

// TestAssertionForged is cases 62 to 66 for the header of assertions: the client's own is removed in every spelling, from every request.
func TestAssertionForged(t *testing.T) {
	dir := t.TempDir()
	forged := []string{
		"Gatehouse-Assertion", "admin", "gatehouse-assertion", "admin", "Gatehouse_Assertion", "admin", "Gatehouse.Assertion", "admin", "GATEHOUSE-assertion", "admin",
	}
	for name, tt := range map[string]struct {
		options, token string
		preflight      bool
		count          int // assertions at the upstream
	}{
		"a good token":               {fmt.Sprintf(asserted, ""), mint(t, nil), false, 1},
		"anonymous":                  {"optional\n" + fmt.Sprintf(asserted, ""), "", false, 1},
		"a bad token in shadow mode": {"shadow\n" + fmt.Sprintf(asserted, ""), "garbage", false, 0},
		"a preflight":                {fmt.Sprintf(asserted, ""), "", true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			up := newUpstream(t)
			port := freePort(t)
			load(t, keptIn(dir), fmt.Sprintf("http://:%d {\nbearer_auth {%s%s}\nreverse_proxy %s\n}\n", port, trusted, tt.options, up.Addr))
			base := fmt.Sprintf("http://127.0.0.1:%d/", port)
			headers := forged
			method := http.MethodGet
			if tt.preflight {
				method = http.MethodOptions
				headers = append([]string{"Origin", "https://app.example.com", "Access-Control-Request-Method", "PUT"}, forged...)
			}
			if got := send(t, method, base, tt.token, headers...); got.Status != 200 {
				t.Fatalf("status = %d, want 200", got.Status)
			}
			seen := 0
			for header, values := range up.last() {
				if strings.EqualFold(strings.NewReplacer("_", "-", ".", "-").Replace(header), assertion.Header) {
					seen += len(values)
					if values[0] == "admin" {
						t.Errorf("the client's %s is at the upstream", header)
					}
				}
			}
			if seen != tt.count {
				t.Errorf("%d assertions at the upstream, want %d", seen, tt.count)
			}
		})
	}
}

// TestAttack69AssertionOnErrorPage: who makes a site's error pages gets neither the assertion nor the token that was for the upstream.
func TestAttack69AssertionOnErrorPage(t *testing.T) {
	as := newTokenServer(t, jsonAnswer(200, innerToken))
	pages := newUpstream(t)
	port, dead := freePort(t), freePort(t)
	load(t, keptIn(t.TempDir()), fmt.Sprintf(`http://:%d {
		handle_errors {
			reverse_proxy %s
		}
		bearer_auth {%s}
		reverse_proxy 127.0.0.1:%d
	}`, port, pages.Addr, trusted+strings.Replace(as.request("exchange"), "exchange {", fmt.Sprintf(strings.TrimSuffix(strings.TrimPrefix(asserted, "upstream {\n"), "}\n"), "")+"exchange {", 1), dead))
	get(t, fmt.Sprintf("http://127.0.0.1:%d", port), mint(t, nil), "Accept", "text/html")
	h := pages.last()
	if h == nil || h.Get("Accept") != "text/html" {
		t.Fatalf("headers at the error backend = %v, want the request's", h)
	}
	for _, name := range []string{"Authorization", assertion.Header} {
		if got, ok := h[name]; ok {
			t.Errorf("%s at the error backend = %q, want none", name, got)
		}
	}
}

// TestAssertionKeys: what is published, to whom, and at no other path.
func TestAssertionKeys(t *testing.T) {
	dir := t.TempDir()
	base, up := gateIn(t, keptIn(dir), "bearer_auth {"+trusted+fmt.Sprintf(asserted, "")+"}")
	got := get(t, base+keysPath, "")
	if got.Status != 200 || got.Header.Get("Content-Type") != "application/jwk-set+json" || got.Header.Get("Cache-Control") != "public, max-age=300" ||
		got.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Errorf("answer = %+v", got)
	}
	set, skipped, err := jose.ParseKeySet([]byte(got.Body), jose.KeySetLimits{})
	if err != nil || skipped != 0 || set.Len() != 1 {
		t.Fatalf("%d keys, %d of them unusable, %v: %s", set.Len(), skipped, err, got.Body)
	}
	var members struct{ Keys []map[string]any }
	if err := json.Unmarshal([]byte(got.Body), &members); err != nil {
		t.Fatal(err)
	}
	if _, private := members.Keys[0]["d"]; private {
		t.Error("the private key is published")
	}
	if head := send(t, http.MethodHead, base+keysPath, ""); head.Status != 200 || head.Body != "" || head.Header.Get("Content-Length") == "" {
		t.Errorf("HEAD = %+v", head)
	}
	if post := send(t, http.MethodPost, base+keysPath, mint(t, nil)); post.Status != 405 || post.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("POST = %+v", post)
	}
	for _, path := range []string{keysPath + "/", "/.well-known/gatehouse/JWKS.json", "/.well-known//gatehouse/jwks.json", "/%2ewell-known/gatehouse/jwks.json", "/.well-known/gatehouse%2Fjwks.json"} {
		if other := get(t, base+path, ""); other.Status == 200 {
			t.Errorf("%s: status = 200, want the gate's verdict", path)
		}
	}
	if up.last() != nil {
		t.Error("the upstream was asked")
	}
	again := get(t, base+keysPath, "")
	if diff := cmp.Diff(got.Body, again.Body); diff != "" {
		t.Errorf("asked again (-want +got):\n%s", diff)
	}

	// The key is the storage's, and for its owner alone.
	var found []string
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.Contains(path, "gatehouse") && strings.HasSuffix(path, ".json") {
			found = append(found, path)
			if info, err := d.Info(); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s: mode %v, want 0600 (%v)", path, info.Mode(), err)
			}
		}
		return err
	})
	if err != nil || len(found) != 1 {
		t.Errorf("files = %v (%v), want one", found, err)
	}
	// A node that shares the storage has the same.
	other, _ := gateIn(t, keptIn(dir), "bearer_auth {"+trusted+fmt.Sprintf(asserted, "ttl 30s")+"}")
	if diff := cmp.Diff(got.Body, get(t, other+keysPath, "").Body); diff != "" {
		t.Errorf("with the same storage (-want +got):\n%s", diff)
	}
}

// gateIn is gate with global options.
func gateIn(t testing.TB, global, directives string) (base string, u *upstream) {
	t.Helper()
	u = newUpstream(t)
	port := freePort(t)
	load(t, global, fmt.Sprintf("http://:%d {\n%s\n\treverse_proxy %s\n}\n", port, directives, u.Addr))
	return fmt.Sprintf("http://127.0.0.1:%d", port), u
}

// TestAssertionKeyFiles: the first file's key signs, all are published; and nothing is written to the storage.
func TestAssertionKeyFiles(t *testing.T) {
	dir := t.TempDir()
	keys := map[string]*jose.SigningKey{}
	for name, alg := range map[string]string{"one": jose.ES256, "two": jose.EdDSA} {
		key, err := jose.GenerateSigningKey(alg, 0)
		if err != nil {
			t.Fatal(err)
		}
		private, err := key.MarshalPrivate()
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), private, 0o600); err != nil {
			t.Fatal(err)
		}
		keys[name] = key
	}
	kept := filepath.Join(dir, "storage")
	for _, order := range [][]string{{"one"}, {"one", "two"}, {"two", "one"}} {
		option := "key_file"
		for _, name := range order {
			option += " " + filepath.Join(dir, name)
		}
		base, up := gateIn(t, keptIn(kept), "bearer_auth {"+trusted+fmt.Sprintf(asserted, option)+"}")
		set, _, err := jose.ParseKeySet([]byte(get(t, base+keysPath, "").Body), jose.KeySetLimits{})
		if err != nil || set.Len() != len(order) {
			t.Fatalf("%v: %d keys published, %v", order, set.Len(), err)
		}
		if got := get(t, base, mint(t, nil)); got.Status != 200 {
			t.Fatalf("%v: status = %d", order, got.Status)
		}
		jws, err := jose.Parse(up.last().Get(assertion.Header), jose.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if err := jws.Verify(keys[order[0]].Public()); err != nil {
			t.Errorf("%v: not signed with the first key: %v", order, err)
		}
	}
	if _, err := os.Stat(filepath.Join(kept, "gatehouse")); err == nil {
		t.Error("a key was made although there are files")
	}
}

// TestAttack71AssertionKeyUnavailable: without a key there is no assertion, and the request does not pass without one.
func TestAttack71AssertionKeyUnavailable(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "gatehouse"), nil, 0o600); err != nil { // where a folder should be
		t.Fatal(err)
	}
	base, up := gateIn(t, keptIn(dir), "bearer_auth {"+trusted+fmt.Sprintf(asserted, "")+"}")
	if got := get(t, base, mint(t, nil)); got.Status != 503 || got.Header.Get("Retry-After") == "" || up.last() != nil {
		t.Errorf("answer = %+v, want 503 and nothing at the upstream", got)
	}
	if got := get(t, base+keysPath, ""); got.Status != 503 || got.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("keys: %+v, want 503", got)
	}
}
