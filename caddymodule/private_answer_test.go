package caddymodule_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// answering runs a site with the directives given in front of a handler.
func answering(t testing.TB, directives string, h http.HandlerFunc) (base string) {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	port := freePort(t)
	load(t, "", fmt.Sprintf("http://:%d {\n%s\n\treverse_proxy %s {\nflush_interval -1\n}\n}\n", port, directives, s.Listener.Addr()))
	return fmt.Sprintf("http://127.0.0.1:%d", port)
}

// TestAttack136PrivateAnswers: what a request with a token gets is for its client alone, unless the upstream says itself what caches may do.
func TestAttack136PrivateAnswers(t *testing.T) {
	upstream := func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if says := q.Get("says"); says != "" {
			w.Header().Set("Cache-Control", says)
		}
		w.Header().Set("Expires", "Thu, 01 Jan 2099 00:00:00 GMT")
		if q.Get("hint") != "" {
			w.WriteHeader(http.StatusEarlyHints)
		}
		if status := q.Get("status"); status != "" {
			w.WriteHeader(http.StatusNotFound)
		}
		if q.Get("flush") != "" {
			_ = http.NewResponseController(w).Flush()
		}
		if q.Get("silent") == "" {
			_, _ = io.WriteString(w, "body")
		}
	}
	base := answering(t, "bearer_auth {"+trusted+"optional\n}", upstream)
	good := mint(t, nil)
	for query, want := range map[string]string{
		"": "private", "?flush=1": "private", "?silent=1": "private", "?status=1": "private", "?hint=1": "private", "?hint=1&flush=1&status=1": "private",
		"?says=public,max-age=60": "public,max-age=60", "?says=no-store&flush=1": "no-store",
	} {
		got := get(t, base+"/x"+query, good)
		if values := got.Header.Values("Cache-Control"); len(values) != 1 || values[0] != want {
			t.Errorf("%q: Cache-Control = %q, want %q once", query, values, want)
		}
	}
	if got := get(t, base+"/x", ""); got.Header.Get("Cache-Control") != "" {
		t.Errorf("anonymous: Cache-Control = %q, want the upstream's none", got.Header.Get("Cache-Control"))
	}
	shadow := answering(t, "bearer_auth {"+trusted+"shadow\n}", upstream)
	if got := get(t, shadow+"/x", "garbage"); got.Status != 200 || got.Header.Get("Cache-Control") != "private" {
		t.Errorf("shadow: %d, Cache-Control = %q, want private", got.Status, got.Header.Get("Cache-Control"))
	}
	shared := answering(t, "bearer_auth {"+trusted+"shared_cache\n}", upstream)
	if got := get(t, shared+"/x", good); got.Header.Get("Cache-Control") != "" {
		t.Errorf("shared_cache: Cache-Control = %q, want the upstream's none", got.Header.Get("Cache-Control"))
	}
}

// TestPrivateAnswerOtherHandlers: handlers of Caddy's own write answers in ways of their own, files by the system.
func TestPrivateAnswerOtherHandlers(t *testing.T) {
	dir := t.TempDir()
	content := bytes.Repeat([]byte("x"), 1<<20)
	if err := os.WriteFile(filepath.Join(dir, "file.bin"), content, 0o600); err != nil {
		t.Fatal(err)
	}
	port := freePort(t)
	load(t, "", fmt.Sprintf(`http://:%d {
		root * %s
		bearer_auth {%s
		}
		respond /text hello
		respond /said hello {
			close
		}
		header /said Cache-Control max-age=5
		encode gzip
		file_server
	}`, port, dir, trusted))
	base, good := fmt.Sprintf("http://127.0.0.1:%d", port), mint(t, nil)
	for path, want := range map[string]string{"/text": "private", "/file.bin": "private", "/said": "max-age=5"} {
		got := get(t, base+path, good)
		if values := got.Header.Values("Cache-Control"); len(values) != 1 || values[0] != want {
			t.Errorf("%s: Cache-Control = %q, want %q", path, values, want)
		}
		if path == "/file.bin" && got.Body != string(content) {
			t.Errorf("the file has %d bytes, want %d", len(got.Body), len(content))
		}
	}
}

// TestPrivateAnswerHijack: a WebSocket goes through.
func TestPrivateAnswerHijack(t *testing.T) {
	base := answering(t, "bearer_auth {"+trusted+"\n}", echo)
	conn, r := upgrade(t, base, mint(t, nil))
	fmt.Fprint(conn, "hello\n")
	if line, err := r.ReadString('\n'); line != "hello\n" {
		t.Errorf("echo = %q (%v)", line, err)
	}
}

// echo switches protocols and says every line again.
func echo(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Connection", "Upgrade")
	w.Header().Set("Upgrade", "websocket")
	w.WriteHeader(http.StatusSwitchingProtocols)
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	for {
		line, err := buffered.ReadString('\n')
		if err != nil {
			return
		}
		_, _ = io.WriteString(conn, line)
	}
}

// upgrade opens a connection of another protocol through the gate.
func upgrade(t testing.TB, base, token string) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	fmt.Fprintf(conn, "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nAuthorization: Bearer %s\r\n\r\n", token)
	r := bufio.NewReader(conn)
	res, err := http.ReadResponse(r, nil)
	if err != nil || res.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("upgrade: %v (%v)", res, err)
	}
	return conn, r
}

// cache stands for the handlers that keep answers, which are no part of Caddy.
type cache struct{}

func (cache) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.cache", New: func() caddy.Module { return new(cache) }}
}

func (cache) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	return next.ServeHTTP(w, r)
}

func init() { caddy.RegisterModule(cache{}) }

// TestAttack136CacheInFront: a cache that stands before the gate is warned of at start, one that stands behind it, or in another place, is not.
func TestAttack136CacheInFront(t *testing.T) {
	const (
		gate  = `{"handler": "bearer_auth", "issuers": [{"issuer": "` + issuer + `", "algorithms": ["HS256"], "secret": "` + secretBase64 + `"}], "audience": ["` + audience + `"]}`
		store = `{"handler": "cache"}`
		other = `{"handler": "static_response"}`
	)
	route := func(handlers ...string) string { return `{"handle": [` + strings.Join(handlers, ",") + `]}` }
	sub := func(routes ...string) string {
		return `{"handler": "subroute", "routes": [` + strings.Join(routes, ",") + `]}`
	}
	for _, tt := range []struct {
		name   string
		routes []string
		warned bool
	}{
		{"none", []string{route(other, gate)}, false},
		{"before, in one route", []string{route(store, gate, other)}, true},
		{"behind, in one route", []string{route(gate, store, other)}, false},
		{"before, in another route", []string{route(store), route(gate)}, true},
		{"behind, in another route", []string{route(gate), route(store)}, false},
		{"before, the gate deeper", []string{route(store), route(sub(route(other), route(sub(route(gate)))))}, true},
		{"before, both deeper", []string{route(sub(route(store), route(gate)))}, true},
		{"in another site", []string{route(sub(route(store))), route(sub(route(gate)))}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			log := filepath.Join(t.TempDir(), "log")
			loadJSON(t, fmt.Appendf(nil, `{"admin": {"disabled": true, "config": {"persist": false}},
				"logging": {"logs": {"default": {"level": "WARN", "writer": {"output": "file", "filename": %q}}}},
				"apps": {"http": {"servers": {"site": {"listen": ["127.0.0.1:%d"], "routes": [%s]}}}}}`, log, freePort(t), strings.Join(tt.routes, ",")))
			if warned := strings.Contains(fileText(t, log), "a cache stands before bearer_auth"); warned != tt.warned {
				t.Errorf("warned = %v, want %v", warned, tt.warned)
			}
		})
	}
}
