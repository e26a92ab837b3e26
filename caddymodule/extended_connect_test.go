package caddymodule_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go/http3"
)

// TestAttack54ExtendedConnect: over HTTP/3 a WebSocket begins with CONNECT, of which the upstream sees a GET that may as well be an ordinary one. Rules and
// conditions are judged by what it sees.
func TestAttack54ExtendedConnect(t *testing.T) {
	up := newUpstream(t)
	port := freePort(t)
	server := newCertificate(t, "localhost")
	load(t, "", fmt.Sprintf(`https://localhost:%d {
		tls %s %s
		@read method GET HEAD
		@write method POST PUT PATCH DELETE
		@socket header Upgrade websocket
		@text vars {http.request.method} GET
		bearer_auth {%s
			rule @read {
				scope read
			}
			rule @write {
				scope write
			}
			rule @socket {
				scope socket
			}
			rule @text {
				scope text
			}
			allow "request.method != 'GET' || 'cel' in token.scope"
		}
		reverse_proxy %s
	}`, port, server.pem, server.key, trusted, up.Addr))
	roots := x509.NewCertPool()
	roots.AddCert(server.leaf)
	transport := &http3.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "localhost"}}
	defer transport.Close()
	client := &http.Client{Transport: transport, Timeout: 10 * time.Second}
	ask := func(method, protocol, scope string) (int, string) {
		req, err := http.NewRequest(method, fmt.Sprintf("https://localhost:%d/orders", port), nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+mint(t, map[string]any{"scope": scope}))
		if protocol != "" {
			req.Proto = protocol
		}
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, _ := io.ReadAll(io.LimitReader(res.Body, 1<<10))
		return res.StatusCode, string(body)
	}
	const all = "read socket text cel"
	if status, body := ask(http.MethodGet, "", "read text cel"); status != 200 || body != "upstream" {
		t.Fatalf("GET: status = %d, body %q, want the upstream's answer", status, body)
	}
	up.last()
	if status, _ := ask(http.MethodConnect, "websocket", all); status != 200 {
		t.Errorf("a WebSocket with all scopes: status = %d, want 200", status)
	}
	if h := up.last(); h == nil || up.method != http.MethodGet || h.Get("Upgrade") != "websocket" {
		t.Errorf("the upstream got %s with %v, want GET and Upgrade", up.method, h)
	}
	for _, missing := range strings.Fields(all) {
		scope := strings.Join(strings.Fields(strings.ReplaceAll(all, missing, "")), " ")
		if status, body := ask(http.MethodConnect, "websocket", scope); status != 403 || up.last() != nil {
			t.Errorf("a WebSocket without %s: status = %d, body %q, want 403", missing, status, body)
		}
	}
}
