package caddymodule_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// trustLoopback makes everybody here a trusted proxy.
const trustLoopback = "servers {\ntrusted_proxies static 127.0.0.0/8\n}\n"

// authorizer runs a gate that answers other proxies.
func authorizer(t testing.TB, global, directives string) (base string) {
	t.Helper()
	port := freePort(t)
	load(t, global, fmt.Sprintf("http://:%d {\n%s\n}\n", port, directives))
	return fmt.Sprintf("http://127.0.0.1:%d", port)
}

// about is the headers of a question.
func about(method, uri string, more ...string) []string {
	return append([]string{
		"X-Forwarded-Method", method, "X-Forwarded-Uri", uri, "X-Forwarded-Host", "orders.example.com", "X-Forwarded-Proto", "https",
	}, more...)
}

// TestAuthorizerForward: the verdict in a status, and with 200 everything that the proxy is to copy.
func TestAuthorizerForward(t *testing.T) {
	base := authorizer(t, trustLoopback, "bearer_auth {"+trusted+`
		scope read
		forward_claim sub X-User
		forward_claim email X-Email
		authorizer forward
	}`)
	good := mint(t, map[string]any{"scope": "read"})
	tests := []struct {
		name, token string
		headers     []string
		status      int
		challenge   string // a part of it
	}{
		{"good token", good, about("GET", "/orders?x=1"), 200, ""},
		{"no token", "", about("GET", "/orders"), 401, "Bearer"},
		{"bad token", "garbage", about("GET", "/orders"), 401, `error="invalid_token"`},
		{"missing scope", mint(t, nil), about("GET", "/orders"), 403, `scope="read"`},
		{"two tokens", good, about("GET", "/orders", "Authorization", "Bearer other"), 400, `error="invalid_request"`},
		{"preflight", "", about("OPTIONS", "/orders", "Origin", "https://app.example.com", "Access-Control-Request-Method", "PUT"), 200, ""},
		{"preflight with a token", "garbage", about("OPTIONS", "/orders", "Origin", "https://app.example.com", "Access-Control-Request-Method", "PUT"), 401, `error="invalid_token"`},
		{"preflight that means another method", "", about("OPTIONS", "/orders", "Origin", "https://app.example.com", "Access-Control-Request-Method", "PUT", "X-Http-Method-Override", "PUT"), 401, "Bearer"},
		{"identity header", good, about("GET", "/orders", "X-User", "mallory", "X-Email", "mallory@example.com"), 200, ""},
		{"a websocket, as Traefik says", good, []string{"X-Forwarded-Method", "GET", "X-Forwarded-Uri", "/", "X-Forwarded-Host", "a", "X-Forwarded-Proto", "wss"}, 200, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := get(t, base+"/ask", tt.token, tt.headers...)
			if got.Status != tt.status {
				t.Fatalf("status = %d, want %d: %s", got.Status, tt.status, got.Body)
			}
			if c := got.Header.Get("WWW-Authenticate"); !strings.Contains(c, tt.challenge) {
				t.Errorf("WWW-Authenticate = %q, want one with %s", c, tt.challenge)
			}
			if c := got.Header.Get("Cache-Control"); c != "no-store" {
				t.Errorf("Cache-Control = %q, want no-store", c)
			}
			want := [3]string{}
			if tt.token == good && tt.status == 200 {
				want = [3]string{"alice", "", "Bearer " + good}
			}
			h := got.Header
			if diff := cmp.Diff(want, [3]string{h.Get("X-User"), h.Get("X-Email"), h.Get("Authorization")}); diff != "" {
				t.Errorf("X-User, X-Email, Authorization (-want +got):\n%s", diff)
			}
		})
	}
}

// TestAttack53AuthorizerForward: what the proxy tells of a body, or sends on of it, makes a preflight request another one, as at a gate of one's own.
func TestAttack53AuthorizerForward(t *testing.T) {
	base := authorizer(t, trustLoopback, "bearer_auth {"+trusted+"\nauthorizer forward\n}")
	const question = " /ask HTTP/1.1\r\nHost: gate\r\nConnection: close\r\nX-Forwarded-Method: OPTIONS\r\nX-Forwarded-Uri: /orders\r\nX-Forwarded-Host: a\r\nX-Forwarded-Proto: https\r\n" +
		"Origin: https://app.example.com\r\nAccess-Control-Request-Method: PUT\r\n"
	for _, tt := range []struct {
		name, more string
		want       int
	}{
		{"no body", "\r\n", 200},
		{"a length of 0", "Content-Length: 0\r\n\r\n", 200},
		{"a length", "Content-Length: 2\r\n\r\nhi", 401},
		{"in pieces", "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", 401},
		{"no pieces", "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 401},
		{"another protocol", "Upgrade: websocket\r\n\r\n", 401},
		{"a length, with a token", "Authorization: Bearer " + mint(t, nil) + "\r\nContent-Length: 2\r\n\r\nhi", 200},
	} {
		for _, method := range []string{"GET", "OPTIONS", "POST"} { // of the question
			t.Run(tt.name+" "+method, func(t *testing.T) {
				if got := answerOf(t, raw(t, base, method+question+tt.more)); got.Status != tt.want {
					t.Errorf("status = %d, want %d: %s", got.Status, tt.want, got.Body)
				}
			})
		}
	}
}

// TestAuthorizerForwardSpellings: an identity header, or a certificate's, in another spelling, which the other proxy would not replace, is refused. Caddy
// drops most of them before, unless it is told to expect them.
func TestAuthorizerForwardSpellings(t *testing.T) {
	base := authorizer(t, "servers {\ntrusted_proxies static 127.0.0.0/8\nexpected_underscore_headers x_user x_other x_cert\n}\n",
		"bearer_auth {"+trusted+"\nforward_claim sub X-User\nclient_certificate {\nheader X-Cert\n}\nauthorizer forward\n}")
	for name, status := range map[string]int{"X_other": 200, "X_user": 400, "X_cert": 400} {
		if got := get(t, base, mint(t, nil), about("GET", "/", name, "mallory")...); got.Status != status {
			t.Errorf("%s: status = %d, want %d", name, got.Status, status)
		}
	}
}

// TestAuthorizerForwardStatuses: nginx's auth_request gets what it can pass on.
func TestAuthorizerForwardStatuses(t *testing.T) {
	base := authorizer(t, trustLoopback, "bearer_auth {"+trusted+"\nscope read\nauthorizer forward {\nstatuses nginx\n}\n}")
	for _, tt := range []struct {
		name    string
		headers []string
		status  int
		want    string
	}{
		{"two tokens", about("GET", "/", "Authorization", "Bearer a", "Authorization", "Bearer b"), 401, `error="invalid_request"`},
		{"missing scope", about("GET", "/", "Authorization", "Bearer "+mint(t, nil)), 403, `error="insufficient_scope"`},
		{"no token", about("GET", "/"), 401, "Bearer"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := get(t, base, "", tt.headers...)
			if c := got.Header.Get("WWW-Authenticate"); got.Status != tt.status || !strings.Contains(c, tt.want) {
				t.Errorf("answer = %d with %q, want %d with %s", got.Status, c, tt.status, tt.want)
			}
		})
	}
}

// TestAttack58ForwardedQuestion: what is asked about is believed of trusted proxies alone, and only where it can mean one thing.
func TestAttack58ForwardedQuestion(t *testing.T) {
	directives := "bearer_auth {" + trusted + "\nforward_claim sub X-User\nauthorizer forward\n}"
	token := mint(t, nil)
	without := func(name string) (left []string) {
		h := about("GET", "/orders")
		for i := 0; i < len(h); i += 2 {
			if h[i] != name {
				left = append(left, h[i], h[i+1])
			}
		}
		return left
	}
	t.Run("a stranger", func(t *testing.T) {
		for _, global := range []string{"", "servers {\ntrusted_proxies static 192.0.2.1/32\n}\n"} {
			base := authorizer(t, global, directives)
			got := get(t, base, token, about("GET", "/orders")...)
			if got.Status != http.StatusForbidden || got.Header.Get("X-User") != "" || got.Header.Get("Authorization") != "" {
				t.Errorf("answer = %d with %v, want 403 without a word of the token", got.Status, got.Header)
			}
		}
	})
	base := authorizer(t, trustLoopback, directives)
	for _, tt := range []struct {
		name    string
		headers []string
		status  int
	}{
		{"good", about("GET", "/orders"), 200},
		{"no method", without("X-Forwarded-Method"), 400},
		{"no path", without("X-Forwarded-Uri"), 400},
		{"no host", without("X-Forwarded-Host"), 400},
		{"no scheme", without("X-Forwarded-Proto"), 400},
		{"two methods", about("GET", "/orders", "X-Forwarded-Method", "OPTIONS"), 400},
		{"two paths", about("GET", "/orders", "X-Forwarded-Uri", "/public"), 400},
		{"two hosts", about("GET", "/orders", "X-Forwarded-Host", "b"), 400},
		{"two schemes", about("GET", "/orders", "X-Forwarded-Proto", "http"), 400},
		{"empty path", about("GET", ""), 400},
		{"absolute form", about("GET", "https://orders.example.com/orders"), 400},
		{"asterisk form", about("OPTIONS", "*"), 400},
		{"no slash", about("GET", "orders"), 400},
		{"fragment", about("GET", "/admin#/public"), 400},
		{"space", about("GET", "/a b"), 400},
		{"bad escape", about("GET", "/%zz"), 400},
		{"two methods in one", about("GET, OPTIONS", "/orders"), 400},
		{"two hosts in one", []string{"X-Forwarded-Method", "GET", "X-Forwarded-Uri", "/", "X-Forwarded-Host", "a, b", "X-Forwarded-Proto", "https"}, 400},
		{"unknown scheme", []string{"X-Forwarded-Method", "GET", "X-Forwarded-Uri", "/", "X-Forwarded-Host", "a", "X-Forwarded-Proto", "gopher"}, 400},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := get(t, base, token, tt.headers...); got.Status != tt.status {
				t.Errorf("status = %d, want %d: %s", got.Status, tt.status, got.Body)
			}
		})
	}
}

// TestAuthorizerCaddyForwardAuth: Caddy in front, as docs/proxies.md has it.
func TestAuthorizerCaddyForwardAuth(t *testing.T) {
	up := newUpstream(t)
	front, back := freePort(t), freePort(t)
	load(t, trustLoopback, fmt.Sprintf(`
http://:%d {
	forward_auth 127.0.0.1:%d {
		uri /
		copy_headers Authorization DPoP X-User X-Email
	}
	reverse_proxy %s
}
http://:%d {
	bearer_auth {`+trusted+`
		scope read
		forward_claim sub X-User
		forward_claim email X-Email
		strip_token
		authorizer forward
	}
}
`, front, back, up.Addr, back))
	base := fmt.Sprintf("http://127.0.0.1:%d", front)
	got := get(t, base+"/orders", mint(t, map[string]any{"scope": "read"}), "X-Email", "mallory@example.com", "X-Forwarded-Method", "OPTIONS", "X-Forwarded-Uri", "/public")
	if got.Status != 200 {
		t.Fatalf("good token: %+v, want 200", got)
	}
	h := up.last()
	if diff := cmp.Diff([3]string{"alice", "", ""}, [3]string{h.Get("X-User"), h.Get("X-Email"), h.Get("Authorization")}); diff != "" {
		t.Errorf("X-User, X-Email, Authorization at the upstream (-want +got):\n%s", diff)
	}
	for name, tt := range map[string]struct {
		token  string
		status int
	}{"none": {"", 401}, "bad": {"x", 401}, "missing scope": {mint(t, nil), 403}} {
		if got := get(t, base+"/orders", tt.token); got.Status != tt.status || got.Header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: %+v, want %d with a challenge", name, got, tt.status)
		}
	}
	if up.last() != nil {
		t.Error("the upstream was asked")
	}
}

// TestAuthorizerSilence: answers to other proxies have tokens, proofs and assertions in them; no log has.
func TestAuthorizerSilence(t *testing.T) {
	dir := t.TempDir()
	access, rest := filepath.Join(dir, "access.log"), filepath.Join(dir, "rest.log")
	port := freePort(t)
	base := fmt.Sprintf("http://127.0.0.1:%d", port)
	load(t, trustLoopback+keptIn(dir)+"log all {\noutput file "+rest+"\nlevel DEBUG\nformat json\n}\n", fmt.Sprintf(`%s {
		log {
			output file %s
			format json
		}
		bearer_auth {`+trusted+`
			url https://orders.example.com
			dpop
			upstream {
				assertion {
					audience orders
				}
			}
			authorizer forward
		}
	}`, strings.Replace(base, "127.0.0.1", "", 1), access))
	prover := newProver(t)
	plain, bound := mint(t, nil), prover.token(t)
	proof := prover.proof(t, "GET", "https://orders.example.com/orders", bound)
	first := get(t, base, plain, about("GET", "/orders")...)
	second := get(t, base, "", about("GET", "/orders", "Authorization", "DPoP "+bound, "DPoP", proof)...)
	for i, a := range []answer{first, second} {
		if a.Status != 200 || a.Header.Get("Gatehouse-Assertion") == "" || a.Header.Get("Authorization") == "" {
			t.Fatalf("answer %d = %+v, want 200 with an assertion and the token", i, a)
		}
	}
	if got := second.Header.Get("DPoP"); got != proof {
		t.Errorf("DPoP = %q, want the client's, which goes on with its token", got)
	}
	if got := get(t, base, "", about("GET", "/orders", "Authorization", "DPoP "+bound, "DPoP", proof)...); got.Status != 401 {
		t.Errorf("the proof once more: status = %d, want 401", got.Status)
	}
	if got := get(t, base, "", about("GET", "/other", "Authorization", "DPoP "+bound, "DPoP", prover.proof(t, "GET", "https://orders.example.com/orders", bound))...); got.Status != 401 {
		t.Errorf("a proof for another path: status = %d, want 401", got.Status)
	}
	if got := len(logLines(t, access, 4)); got != 4 {
		t.Errorf("the access log has %d lines, want one for each question", got)
	}
	for _, file := range []string{access, rest} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for what, secret := range map[string]string{
			"a token": plain, "a bound token": bound, "a proof": proof,
			"an assertion": first.Header.Get("Gatehouse-Assertion"), "another assertion": second.Header.Get("Gatehouse-Assertion"),
		} {
			signature := secret[strings.LastIndexByte(secret, '.')+1:]
			if strings.Contains(string(text), signature) {
				t.Errorf("%s has %s in it", filepath.Base(file), what)
			}
		}
	}
}

// TestAttack55ForwardedPath: rules see the request that is asked about, by path, method and host, and no path that the upstream may take for another.
func TestAttack55ForwardedPath(t *testing.T) {
	base := authorizer(t, trustLoopback, `
		@writes method POST DELETE
		@internal host internal.example.com
		bearer_auth {`+trusted+`
			rule /admin* {
				scope admin
			}
			rule @writes {
				scope write
			}
			rule @internal {
				scope internal
			}
			authorizer forward
		}`)
	token := mint(t, nil)
	for _, tt := range []struct {
		name, method, uri, host string
		status                  int
	}{
		{"plain", "GET", "/orders", "orders.example.com", 200},
		{"of a rule", "GET", "/admin", "orders.example.com", 403},
		{"of a rule, with a query", "GET", "/admin?/public", "orders.example.com", 403},
		{"a query that looks like a path", "GET", "/orders?/admin", "orders.example.com", 200},
		{"in other case", "GET", "/ADMIN", "orders.example.com", 403},
		{"method of a rule", "DELETE", "/orders", "orders.example.com", 403},
		{"host of a rule", "GET", "/orders", "internal.example.com", 403},
		{"dot segments", "GET", "/public/../admin", "orders.example.com", 400},
		{"encoded dot segments", "GET", "/public/%2e%2e/admin", "orders.example.com", 400},
		{"two slashes", "GET", "//admin", "orders.example.com", 400},
		{"a dot", "GET", "/./admin", "orders.example.com", 400},
		{"an encoded letter", "GET", "/%61dmin", "orders.example.com", 400},
		{"encoded twice", "GET", "/%2561dmin", "orders.example.com", 400},
		{"an encoded slash", "GET", "/public%2f..%2fadmin", "orders.example.com", 400},
		{"a backslash", "GET", `/public\..\admin`, "orders.example.com", 400},
		{"a parameter", "GET", "/public;/../admin", "orders.example.com", 400},
		{"an authority", "GET", "//orders.example.com/admin", "orders.example.com", 400},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := get(t, base+"/orders", token, "X-Forwarded-Method", tt.method, "X-Forwarded-Uri", tt.uri, "X-Forwarded-Host", tt.host, "X-Forwarded-Proto", "https")
			if got.Status != tt.status {
				t.Errorf("status = %d, want %d: %s", got.Status, tt.status, got.Body)
			}
		})
	}
}

// TestAuthorizerOptional: who presents nothing passes, without anything that could be taken for an identity.
func TestAuthorizerOptional(t *testing.T) {
	for _, mode := range []string{"optional", "shadow"} {
		base := authorizer(t, trustLoopback, "bearer_auth {"+trusted+"\nforward_claim sub X-User\n"+mode+"\nauthorizer forward\n}")
		got := get(t, base, "", about("GET", "/", "X-User", "mallory")...)
		if got.Status != 200 || got.Header.Get("X-User") != "" {
			t.Errorf("%s: answer = %d with X-User %q, want 200 without", mode, got.Status, got.Header.Get("X-User"))
		}
		want := map[string]int{"optional": 401, "shadow": 200}[mode]
		if got := get(t, base, "garbage", about("GET", "/")...); got.Status != want || got.Header.Get("X-User") != "" {
			t.Errorf("%s, bad token: status = %d, want %d", mode, got.Status, want)
		}
	}
}

// TestAuthorizerErrorRoutes: refusals that the site dresses have the status that nginx knows, too.
func TestAuthorizerErrorRoutes(t *testing.T) {
	base := authorizer(t, trustLoopback, "bearer_auth {"+trusted+"\nauthorizer forward {\nstatuses nginx\n}\n}\nhandle_errors {\nrespond \"dressed\" {err.status_code}\n}")
	for _, tt := range []struct {
		headers []string
		status  int
	}{
		{about("GET", "/"), 401},
		{about("GET", "/", "Authorization", "Bearer a", "Authorization", "Bearer b"), 401},
	} {
		got := get(t, base, "", tt.headers...)
		if got.Status != tt.status || got.Body != "dressed" || got.Header.Get("WWW-Authenticate") == "" {
			t.Errorf("answer = %+v, want %d, dressed, with a challenge", got, tt.status)
		}
	}
}
