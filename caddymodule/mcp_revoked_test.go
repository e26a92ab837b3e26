package caddymodule_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestAttack90ToolCalledWithTheLastByte: a token that is revoked while the body of a call comes calls no tool. Its client may hold the last byte back
// for as long as it likes.
func TestAttack90ToolCalledWithTheLastByte(t *testing.T) {
	up := newUpstream(t)
	var over atomic.Bool
	as := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if over.Load() {
			fmt.Fprint(w, `{"active":false}`)
			return
		}
		fmt.Fprint(w, `{"active":true,"aud":"https://orders.example.com","scope":"orders:read"}`)
	}))
	defer as.Close()
	port := freePort(t)
	host := fmt.Sprintf("127.0.0.1:%d", port)
	load(t, "", fmt.Sprintf(`http://:%d {
		bearer_auth {
			issuer %s {
				verify introspect
				introspection {
					endpoint %[2]s/introspect
					basic gate secret
					ttl 1ms
				}
				timeout 1m
				insecure_loopback_http
			}
			audience https://orders.example.com
			mcp {
				tool list_orders orders:read
			}
		}
		reverse_proxy %[3]s
	}`, port, as.URL, up.Addr))
	// calling calls a tool; between its head and its body, when the gate has found the token good, something happens.
	calling := func(token string, between func()) *http.Response {
		conn, err := net.Dial("tcp", host)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		_ = conn.SetDeadline(time.Now().Add(time.Minute))
		body, r := call("list_orders"), bufio.NewReader(conn)
		fmt.Fprintf(conn, "POST /mcp HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nExpect: 100-continue\r\nAuthorization: Bearer %s\r\n\r\n", host, len(body), token)
		if line, err := r.ReadString('\n'); err != nil || !strings.Contains(line, " 100 ") {
			t.Fatalf("the gate says %q (%v), want that it reads the body", line, err)
		}
		if line, err := r.ReadString('\n'); err != nil || strings.TrimSpace(line) != "" {
			t.Fatalf("then %q (%v)", line, err)
		}
		between()
		fmt.Fprint(conn, body)
		for {
			res, err := http.ReadResponse(r, nil)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if res.StatusCode >= 200 { // the upstream may say 100 too
				return res
			}
		}
	}
	if res := calling("opaque", func() {}); res.StatusCode != 200 || up.last() == nil {
		t.Fatalf("with a good token: status = %d, want 200", res.StatusCode)
	}
	res := calling("opaque", func() {
		over.Store(true)
		time.Sleep(10 * time.Millisecond) // no answer is believed for so long
	})
	if res.StatusCode != 401 || !strings.Contains(res.Header.Get("WWW-Authenticate"), `error="invalid_token"`) || up.last() != nil {
		t.Errorf("with a token that was revoked meanwhile: status = %d, want 401, and nothing upstream", res.StatusCode)
	}
}
