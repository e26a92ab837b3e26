package caddymodule_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// TestAttack54Methods: rules and conditions are about the method and the path that the upstream gets, whatever else a request says of them.
func TestAttack54Methods(t *testing.T) {
	up := newUpstream(t)
	port := freePort(t)
	load(t, "", fmt.Sprintf(`http://:%d {
		@read method GET HEAD
		@admin path /admin*
		bearer_auth {%s
			scope read
			rule @admin {
				scope admin
			}
			rule @read {
				scope get
			}
			allow "request.method == 'GET' || 'write' in token.scope"
		}
		reverse_proxy %s
	}`, port, trusted, up.Addr))
	base := fmt.Sprintf("http://127.0.0.1:%d", port)
	ask := func(line, scope string, headers ...string) answer {
		up.last()
		return answerOf(t, raw(t, base, line+" HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer "+mint(t, map[string]any{"scope": scope})+"\r\n"+strings.Join(append(headers, ""), "\r\n")+"\r\n"))
	}
	const override = "X-HTTP-Method-Override: GET"
	for _, tt := range []struct {
		name, line, scope string
		headers           []string
		want              int
	}{
		{"nearest good", "GET /x", "read get", nil, 200},
		{"nearest good, another method", "POST /x", "read write", nil, 200},
		{"nearest good, absolute", "GET http://a/x", "read get", nil, 200},
		{"a method that is overridden", "DELETE /x", "read get", []string{override}, 403},
		{"an overriding method", "GET /x", "read write", []string{"X-HTTP-Method-Override: DELETE"}, 403},
		{"overridden in other spellings", "DELETE /x", "read get", []string{"X-HTTP-Method: GET", "X-Method-Override: GET"}, 403},
		{"a method in lower case", "get /x", "read get write", nil, 400},
		{"a method in lower case that no rule is about", "delete /x", "read write", nil, 400},
		{"a method in mixed case", "Delete /x", "read write", nil, 400},
		{"nearest good, a method that nobody knows", "M-SEARCH /x", "read write", nil, 200},
		{"TRACE", "TRACE /x", "read get", nil, 403},
		{"absolute, of another path", "GET http://other.example.com/admin", "read get", nil, 403},
		{"absolute, https", "GET https://a/admin", "read get", nil, 403},
		{"CONNECT", "CONNECT a:80", "read get write admin", nil, 400},
		{"no slash", "GET admin", "read get", nil, 400},
		{"gRPC without a slash", "POST orders.Orders/List", "read write", []string{"Content-Type: application/grpc"}, 400},
	} {
		t.Run("case_54 "+tt.name, func(t *testing.T) {
			got := ask(tt.line, tt.scope, tt.headers...)
			if got.Status != tt.want && (tt.want != 400 || got.Status < 400) {
				t.Errorf("status = %d, want %d", got.Status, tt.want)
			}
			if asked := up.last() != nil; asked != (tt.want == 200) {
				t.Errorf("the upstream was asked: %v, for %s %s", asked, up.method, up.target)
			}
		})
	}
}

// TestAttack61ClientAddress: the address that conditions see is the connection's, or what a trusted proxy says, however the client lies.
func TestAttack61ClientAddress(t *testing.T) {
	base, up := gate(t, "bearer_auth {"+trusted+"allow `cidr(\"10.0.0.0/8\").containsIP(request.client_ip) || cidr(\"192.0.2.0/24\").containsIP(request.remote_ip)`\n}")
	token := mint(t, nil)
	for name, value := range map[string]string{
		"private first hop": "10.0.0.1", "a list": "10.0.0.1, 127.0.0.1", "IPv4-mapped": "::ffff:10.0.0.1", "mapped in hex": "::ffff:a00:1", "in brackets, with a port": "[::ffff:10.0.0.1]:80",
		"long": strings.Repeat("10.0.0.1, ", 600) + "10.0.0.1", "with a zone": "fe80::1%10.0.0.1", "empty parts": ",,10.0.0.1,,", "nothing": "",
	} {
		t.Run("case_61 "+name, func(t *testing.T) {
			got := get(t, base, token, "X-Forwarded-For", value, "X-Real-Ip", "10.0.0.1", "Forwarded", "for="+value, "Cf-Connecting-Ip", "10.0.0.1", "True-Client-Ip", "10.0.0.1")
			if got.Status != 403 || up.last() != nil {
				t.Errorf("status = %d, want 403", got.Status)
			}
		})
	}
	load(t, "servers {\ntrusted_proxies static 127.0.0.1/32\n}", fmt.Sprintf("http://%s {\nbearer_auth {%sallow `cidr(\"10.0.0.0/8\").containsIP(request.client_ip)`\n}\nreverse_proxy %s\n}", strings.TrimPrefix(base, "http://"), trusted, up.Addr))
	if got := get(t, base, token, "X-Forwarded-For", "10.0.0.1"); got.Status != 200 {
		t.Errorf("nearest good: a trusted proxy: status = %d, want 200", got.Status)
	}
}

// TestAttack66WithoutToken: who passes without a token, or asks for what is everybody's, brings no identity along either.
func TestAttack66WithoutToken(t *testing.T) {
	base, up := gate(t, "bearer_auth {"+trusted+`
		url https://orders.example.com
		optional
		forward_claim sub X-User-Id
		forward_claim email X-Email
		resource_metadata
	}`)
	forged := []string{"X-User-Id", "admin", "X_User_Id", "admin", "x-USER-id", "admin", "X.User.Id", "admin", "X-Email", "admin@example.com"}
	for _, tt := range []struct {
		name, method, path string
		headers            []string
		asked              bool
	}{
		{"anonymous", "GET", "/x", nil, true},
		{"anonymous, another method", "DELETE", "/x", nil, true},
		{"preflight", "OPTIONS", "/x", []string{"Origin", "https://a.example", "Access-Control-Request-Method", "PUT"}, true},
		{"metadata", "GET", "/.well-known/oauth-protected-resource", nil, false},
		{"metadata's twin", "GET", "/.well-known/oauth-protected-resource-evil", nil, true},
		{"metadata, another method", "POST", "/.well-known/oauth-protected-resource", nil, false},
	} {
		t.Run("case_66 "+tt.name, func(t *testing.T) {
			up.last()
			got := send(t, tt.method, base+tt.path, "", append(tt.headers, forged...)...)
			h := up.last()
			if (h != nil) != tt.asked {
				t.Fatalf("status %d, the upstream was asked: %v, want %v", got.Status, h != nil, tt.asked)
			}
			for name, v := range h {
				if f := fold(name); f == "x-user-id" || f == "x-email" {
					t.Errorf("%s: %q reached the upstream", name, v)
				}
			}
			if strings.Contains(fmt.Sprint(got), "admin") {
				t.Errorf("the answer repeats an identity: %v", got)
			}
		})
	}
}

// TestAttack72Tunnel: what is behind a handshake is the tunnel's, or, where there is none, another request; and a connection that has been a
// tunnel carries nobody else's request.
func TestAttack72Tunnel(t *testing.T) {
	var mu sync.Mutex
	var targets, addresses []string
	var tunnelled bytes.Buffer
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		targets, addresses = append(targets, r.RequestURI), append(addresses, r.RemoteAddr)
		mu.Unlock()
		if r.URL.Path != "/socket" {
			_, _ = io.WriteString(w, "upstream")
			return
		}
		conn, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		b := make([]byte, 1024)
		for {
			n, err := buffered.Read(b)
			mu.Lock()
			tunnelled.Write(b[:n])
			mu.Unlock()
			if err != nil || bytes.Contains(b[:n], []byte("end")) {
				return
			}
		}
	}))
	t.Cleanup(s.Close)
	port := freePort(t)
	load(t, "", fmt.Sprintf("http://:%d {\nbearer_auth {%s}\nreverse_proxy %s\n}", port, trusted, s.Listener.Addr()))
	base := fmt.Sprintf("http://127.0.0.1:%d", port)
	bearer := "Authorization: Bearer " + mint(t, nil) + "\r\n"
	handshake := func(path, more string) string {
		return "GET " + path + " HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" + more + "\r\n"
	}
	const smuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
	statuses := func(text string) (out []int) {
		conn, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		if _, err := io.WriteString(conn, text); err != nil {
			t.Fatal(err)
		}
		in := bufio.NewReader(conn)
		for {
			res, err := http.ReadResponse(in, nil)
			if err != nil {
				return out
			}
			out = append(out, res.StatusCode)
			if res.StatusCode == http.StatusSwitchingProtocols {
				_, _ = io.Copy(io.Discard, in)
				return out
			}
			_, _ = io.Copy(io.Discard, res.Body)
			res.Body.Close()
		}
	}
	for _, tt := range []struct{ name, text, want, asked string }{
		{"no token", handshake("/socket", "") + smuggled, "[401 401]", "[]"},
		{"no token, and a good request behind it", handshake("/socket", "") + strings.Replace(smuggled, "\r\n\r\n", "\r\n"+bearer+"\r\n", 1), "[401 200]", "[/smuggled]"},
		{"declined by the upstream", handshake("/declined", bearer) + smuggled, "[200 401]", "[/declined]"},
		{"accepted", handshake("/socket", bearer) + smuggled + "end", "[101]", "[/socket]"},
		{"a tunnel was here before", "GET /after HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" + bearer + "\r\n", "[200]", "[/after]"},
	} {
		t.Run("case_72 "+tt.name, func(t *testing.T) {
			mu.Lock()
			targets = nil
			mu.Unlock()
			got := statuses(tt.text)
			mu.Lock()
			defer mu.Unlock()
			if fmt.Sprint(got) != tt.want || fmt.Sprint(targets) != tt.asked {
				t.Errorf("statuses %v, the upstream was asked for %v, want %s and %s", got, targets, tt.want, tt.asked)
			}
		})
	}
	mu.Lock()
	defer mu.Unlock()
	if got := tunnelled.String(); !strings.Contains(got, "/smuggled") {
		t.Errorf("the tunnel carried %q, want what was sent behind the handshake", got)
	}
	if n := len(addresses); n < 2 || addresses[n-1] == addresses[n-2] {
		t.Errorf("connections at the upstream: %v, want another one after the tunnel's", addresses)
	}
}

// TestAttack72Connect: no CONNECT of HTTP/2 opens a tunnel: one for a WebSocket is a handshake like any other, and others are refused whatever token comes with
// them.
func TestAttack72Connect(t *testing.T) {
	up := newUpstream(t)
	port := freePort(t)
	load(t, "servers {\nprotocols h1 h2c\n}", fmt.Sprintf("http://:%d {\nbearer_auth {%s}\nreverse_proxy %s\n}", port, trusted, up.Addr))
	good := mint(t, nil)
	// ask sends one request and gives its status, or "reset" where the server knows no such request.
	ask := func(fields ...string) string {
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
			t.Fatal(err)
		}
		f := http2.NewFramer(conn, conn)
		f.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
		if err := f.WriteSettings(); err != nil {
			t.Fatal(err)
		}
		var block bytes.Buffer
		enc := hpack.NewEncoder(&block)
		for i := 0; i < len(fields); i += 2 {
			if err := enc.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]}); err != nil {
				t.Fatal(err)
			}
		}
		if err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: fields[1] != "CONNECT"}); err != nil {
			t.Fatal(err)
		}
		for {
			frame, err := f.ReadFrame()
			if err != nil {
				return "closed"
			}
			switch frame := frame.(type) {
			case *http2.MetaHeadersFrame:
				return frame.PseudoValue("status")
			case *http2.RSTStreamFrame, *http2.GoAwayFrame:
				return "reset"
			}
		}
	}
	if got := ask(":method", "GET", ":scheme", "http", ":authority", "a", ":path", "/", "authorization", "Bearer "+good); got != "200" || up.last() == nil {
		t.Fatalf("nearest good: %s, want 200", got)
	}
	connect := []string{":method", "CONNECT", ":protocol", "websocket", ":scheme", "http", ":authority", "a", ":path", "/", "sec-websocket-version", "13"}
	for name, more := range map[string][]string{"no token": nil, "a bad token": {"authorization", "Bearer x"}} {
		if got := ask(append(connect, more...)...); got == "200" || up.last() != nil {
			t.Errorf("%s: %s, want a refusal", name, got)
		}
	}
	for _, more := range [][]string{nil, {"authorization", "Bearer " + good}} {
		if got := ask(append([]string{":method", "CONNECT", ":authority", "a:80"}, more...)...); got != "400" || up.last() != nil {
			t.Errorf("an ordinary CONNECT with %d fields more: %s, want 400; the upstream got %s %s", len(more), got, up.method, up.target)
		}
	}
}
