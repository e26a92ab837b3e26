package caddymodule_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go/http3"
)

// http3Site runs one site with the directives given, in front of an upstream.
func http3Site(t *testing.T, directives, upstream string) (client *http.Client, base string) {
	t.Helper()
	port := freePort(t)
	server := newCertificate(t, "localhost")
	load(t, "", fmt.Sprintf("https://localhost:%d {\ntls %s %s\n%s\nreverse_proxy %s\n}\n", port, server.pem, server.key, directives, upstream))
	roots := x509.NewCertPool()
	roots.AddCert(server.leaf)
	transport := &http3.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "localhost"}}
	t.Cleanup(func() { _ = transport.Close() })
	return &http.Client{Transport: transport, Timeout: 10 * time.Second}, fmt.Sprintf("https://localhost:%d", port)
}

// overHTTP3 runs one site with the directives given, in front of an upstream. ask sends it a request, of an extended CONNECT's protocol where there is one.
func overHTTP3(t *testing.T, directives string) (ask func(method, protocol string, body io.Reader, headers ...string) (int, string), up *upstream) {
	t.Helper()
	up = newUpstream(t)
	client, base := http3Site(t, directives, up.Addr)
	return func(method, protocol string, body io.Reader, headers ...string) (int, string) {
		t.Helper()
		req, err := http.NewRequest(method, base+"/orders", body)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i+1 < len(headers); i += 2 {
			req.Header.Add(headers[i], headers[i+1])
		}
		if protocol != "" {
			req.Proto = protocol
		}
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, _ := io.ReadAll(io.LimitReader(res.Body, 1<<10))
		return res.StatusCode, string(text)
	}, up
}

// TestPreflightOverHTTP3: HTTP/3 does not say of a request that it has no body; a preflight is one nevertheless, and what comes with it goes nowhere.
func TestPreflightOverHTTP3(t *testing.T) {
	ask, up := overHTTP3(t, "bearer_auth {"+trusted+"}")
	preflight := []string{"Origin", "https://app.example.com", "Access-Control-Request-Method", "PUT", "Authorization", "Bearer x"}
	for name, body := range map[string]io.Reader{"without": nil, "with": struct{ io.Reader }{strings.NewReader("smuggled")}} {
		if status, _ := ask(http.MethodOptions, "", body, preflight...); status != 200 {
			t.Errorf("%s a body: status = %d, want 200", name, status)
		}
		if h := up.last(); h == nil || h.Get("Authorization") != "" || up.received() > 0 {
			t.Errorf("%s a body: the upstream got %v and %d bytes, want no credentials and no body", name, h, up.received())
		}
	}
	if status, _ := ask(http.MethodOptions, "", nil, preflight[:2]...); status != 401 || up.last() != nil {
		t.Errorf("not a preflight: status = %d, want 401", status)
	}
}

// TestMCPOverHTTP3: a request that has no body, though nobody said so, calls no tool; one that has a body is read, whatever its method.
func TestMCPOverHTTP3(t *testing.T) {
	ask, up := overHTTP3(t, tools)
	token := []string{"Authorization", "Bearer " + mint(t, map[string]any{"scope": "mcp orders:read"})}
	json := append([]string{"Content-Type", "application/json"}, token...)
	body := func(text string) io.Reader { return struct{ io.Reader }{strings.NewReader(text)} }
	for _, tt := range []struct {
		name, method string
		body         io.Reader
		headers      []string
		status       int
	}{
		{"stream of the server", http.MethodGet, nil, token, 200},
		{"end of a session", http.MethodDelete, nil, token, 200},
		{"a tool", http.MethodPost, body(call("list_orders")), json, 200},
		{"a tool of another scope", http.MethodPost, body(call("delete_order")), json, 403},
		{"a tool of another scope, by GET", http.MethodGet, body(call("delete_order")), json, 403},
		{"a body of another kind, by GET", http.MethodGet, body("x"), token, 415},
		{"a long one, by GET", http.MethodGet, body(strings.Repeat(" ", 2000)), json, 413},
		{"no body at all", http.MethodPost, nil, json, 400},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if status, text := ask(tt.method, "", tt.body, tt.headers...); status != tt.status || (up.last() != nil) != (tt.status == 200) {
				t.Errorf("status = %d, want %d: %s", status, tt.status, text)
			}
		})
	}
}

// TestAttack90ExchangesOverHTTP3: streams end with their token over HTTP/3 too: one that is read, one of which nothing comes, and one whose client does not read.
func TestAttack90ExchangesOverHTTP3(t *testing.T) {
	ended := make(chan string, 5)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		kind := strings.TrimPrefix(r.URL.Path, "/")
		w.Header().Set("Content-Type", "text/event-stream")
		event := []byte("data: " + strings.Repeat("x", map[string]int{"read": 1, "silent": 1, "unread": 64 << 10}[kind]) + "\n\n")
		for n := 0; r.Context().Err() == nil; n++ {
			if n == 0 || kind != "silent" {
				_, _ = w.Write(event)
				_ = http.NewResponseController(w).Flush()
			}
			time.Sleep(5 * time.Millisecond)
		}
		ended <- kind
	}))
	t.Cleanup(s.CloseClientConnections)
	const is = "https://streams3.example.com"
	client, base := http3Site(t, "bearer_auth {"+strings.Replace(strings.ReplaceAll(trusted, issuer, is), "algorithms HS256", "algorithms HS256\nclock_skew 0s", 1)+"}",
		s.Listener.Addr().String())
	end := time.Now().Add(5 * time.Second).Truncate(time.Second) // all begin before it, on a busy machine too
	token := mint(t, map[string]any{"iss": is, "exp": end.Unix(), "iat": end.Unix() - 10})
	for _, kind := range []string{"read", "silent", "unread"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/"+kind, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		res, err := client.Do(req)
		if err != nil || res.StatusCode != 200 {
			t.Fatalf("%s: %v (%v)", kind, res, err)
		}
		defer res.Body.Close()
		if kind != "unread" {
			go func() {
				if _, err := io.Copy(io.Discard, res.Body); err == nil {
					t.Errorf("%s: the stream ended as if it were whole", kind)
				}
				ended <- kind
			}()
		}
	}
	left := map[string]int{"read": 2, "silent": 2, "unread": 1} // at the upstream and at the client
	for n := 5; n > 0; n-- {
		select {
		case kind := <-ended:
			left[kind]--
			if early := time.Until(end); early > 100*time.Millisecond {
				t.Errorf("%s ended %v before its token", kind, early)
			}
		case <-time.After(time.Until(end.Add(4 * time.Second))):
			t.Fatalf("4 s after their token streams go on: %v", left)
		}
	}
}
