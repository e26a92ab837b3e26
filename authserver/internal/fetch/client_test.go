package fetch_test

import (
	"bufio"
	"context"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/fetch"
)

func TestCheckURL(t *testing.T) {
	tests := []struct {
		name     string
		url      string
		loopback bool // InsecureLoopbackHTTP
		want     bool
	}{
		{"https", "https://as.example.com/jwks", false, true},
		{"https with a port and a query", "https://as.example.com:8443/jwks?v=1", false, true},
		{"case_87/http", "http://as.example.com/jwks", false, false},
		{"case_87/http in spite of the option", "http://as.example.com/jwks", true, false},
		{"case_87/loopback without the option", "http://localhost/jwks", false, false},
		{"localhost", "http://localhost:8080/jwks", true, true},
		{"127.0.0.1", "http://127.0.0.1/jwks", true, true},
		{"127.0.0.2", "http://127.0.0.2/jwks", true, true},
		{"::1", "http://[::1]:8080/jwks", true, true},
		{"mapped loopback", "http://[::ffff:127.0.0.1]/jwks", true, true},
		{"name that begins like loopback", "http://127.0.0.1.evil.example/", true, false},
		{"name under localhost", "http://localhost.evil.example/", true, false},
		{"decimal address", "http://2130706433/", true, false},
		{"any address", "http://0.0.0.0/", true, false},
		{"link-local", "http://169.254.169.254/", true, false},
		{"user info that looks like loopback", "http://localhost@evil.example/", true, false},
		{"user info", "https://a:b@as.example.com/", false, false},
		{"fragment", "https://as.example.com/#x", false, false},
		{"empty fragment", "https://as.example.com/#", false, false},
		{"relative", "/jwks", false, false},
		{"no scheme", "//as.example.com/jwks", false, false},
		{"no host", "https:///jwks", false, false},
		{"port alone", "https://:443/", false, false},
		{"opaque", "https:as.example.com", false, false},
		{"file", "file:///etc/passwd", true, false},
		{"other scheme", "ftp://localhost/", true, false},
		{"control character", "https://as.example.com/\r\nX", false, false},
		{"empty", "", false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := fetch.Options{InsecureLoopbackHTTP: tt.loopback}.CheckURL(tt.url)
			if got := err == nil; got != tt.want {
				t.Errorf("accepted = %v, want %v (%v)", got, tt.want, err)
			}
			if err != nil && strings.Contains(err.Error(), "a:b@") {
				t.Errorf("error %q repeats the password", err)
			}
		})
	}
}

func ca(s *httptest.Server) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
}

func newClient(t testing.TB, o fetch.Options) *fetch.Client {
	t.Helper()
	c, err := fetch.NewClient(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestUnreadableCA(t *testing.T) {
	for name, text := range map[string][]byte{
		"case_86/empty": {}, "case_86/garbage": []byte("garbage"),
		"case_86/key instead": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("x")}),
	} {
		if _, err := fetch.NewClient(fetch.Options{CA: text}); err == nil {
			t.Errorf("%s: no error, want one", name)
		}
	}
}

func TestGetJSON(t *testing.T) {
	json := func(contentType, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", contentType)
			_, _ = w.Write([]byte(body))
		}
	}
	to := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", code) }
	}
	drip := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for r.Context().Err() == nil {
			_, _ = w.Write([]byte(" "))
			w.(http.Flusher).Flush()
			time.Sleep(10 * time.Millisecond)
		}
	}
	tests := []struct {
		name   string
		answer http.HandlerFunc
		want   bool
	}{
		{"JSON", json("application/json", "{}"), true},
		{"JSON with charset", json("Application/JSON; charset=utf-8", "{}"), true},
		{"JWK Set", json("application/jwk-set+json", "{}"), true},
		{"at the limit", json("application/json", strings.Repeat(" ", 1000)), true},
		{"over the limit", json("application/json", strings.Repeat(" ", 1001)), false},
		{"HTML", json("text/html", "{}"), false},
		{"text", json("text/json", "{}"), false},
		{"no type", json("", "{}"), false},
		{"malformed type", json("application/json; =", "{}"), false},
		{"case_70/301", to(301), false},
		{"case_70/302", to(302), false},
		{"case_70/307", to(307), false},
		{"case_70/308", to(308), false},
		{"404", http.NotFound, false},
		{"204", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }, false},
		{"201", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(201); json("application/json", "{}")(w, r) }, false},
		{"hang", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, false},
		{"slow drip", drip, false},
		{"reset", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, false},
	}
	endless := map[string]bool{"hang": true, "slow drip": true} // the others are to end by themselves, however busy the machine
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/elsewhere" {
					t.Error("a redirect was followed")
				}
				tt.answer(w, r)
			}))
			defer s.Close()
			o := fetch.Options{CA: ca(s), MaxBody: 1000, Timeout: time.Minute}
			if endless[tt.name] {
				o.Timeout = 300 * time.Millisecond
			}
			c := newClient(t, o)
			start := time.Now()
			_, _, err := c.GetJSON(t.Context(), s.URL)
			if got := err == nil; got != tt.want {
				t.Errorf("success = %v, want %v (%v)", got, tt.want, err)
			}
			if d := time.Since(start); d > 20*time.Second { // others use the machine too
				t.Errorf("took %v, want the time-out to end it", d)
			}
		})
	}
}

func TestCookiesAndProxies(t *testing.T) {
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:1")
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Cookie") != "" {
			t.Error("a cookie was sent back")
		}
		http.SetCookie(w, &http.Cookie{Name: "a", Value: "b"})
		w.Header().Set("Content-Type", "application/json")
	}))
	defer s.Close()
	c := newClient(t, fetch.Options{CA: ca(s)})
	for range 2 {
		if _, _, err := c.GetJSON(t.Context(), s.URL); err != nil {
			t.Errorf("error = %v, want none: the environment's proxy is not used", err)
		}
	}
}

func TestPostForm(t *testing.T) {
	var redirected atomic.Bool
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/elsewhere":
			redirected.Store(true)
		case "/redirect":
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		case "/refuse":
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(http.StatusTooManyRequests)
		default:
			if r.Header.Get("Authorization") != "Basic x" || r.PostFormValue("token") != "a b&c" {
				t.Errorf("request = %v %v, want the form and the header", r.Header, r.PostForm)
			}
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(`{"active":true}`))
		}
	}))
	defer s.Close()
	c := newClient(t, fetch.Options{CA: ca(s)})
	auth := func(r *http.Request) { r.Header.Set("Authorization", "Basic x") }
	form := url.Values{"token": {"a b&c"}}
	status, _, body, err := c.PostForm(t.Context(), s.URL, form, auth)
	if err != nil || status != 200 || string(body) != `{"active":true}` {
		t.Errorf("answer = %d %s %v, want 200", status, body, err)
	}
	status, header, _, err := c.PostForm(t.Context(), s.URL+"/refuse", form, auth)
	if err != nil || status != 429 || header.Get("Retry-After") != "7" {
		t.Errorf("answer = %d %v %v, want 429 for the caller to judge", status, header, err)
	}
	_, _, _, err = c.PostForm(t.Context(), s.URL+"/redirect", form, auth)
	if e, ok := errors.AsType[*fetch.StatusError](err); !ok || e.Status != 307 || redirected.Load() {
		t.Errorf("error = %v, followed = %v; want a refused redirect", err, redirected.Load())
	}
}

// A helper that closes an idle connection just when it is used again is no outage.
func TestClosedPooledConnection(t *testing.T) {
	var requests atomic.Int64
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, sent := r.Header["Idempotency-Key"]; sent {
			t.Error("Idempotency-Key was sent, want it to be a word to the transport")
		}
		if requests.Add(1) == 2 {
			panic(http.ErrAbortHandler)
		}
		w.Header().Set("Content-Type", "application/json")
	}))
	defer s.Close()
	c := newClient(t, fetch.Options{CA: ca(s)})
	for range 2 {
		if _, _, _, err := c.PostForm(t.Context(), s.URL, url.Values{"token": {"x"}}, nil); err != nil {
			t.Errorf("error = %v, want none", err)
		}
	}
	if n := requests.Load(); n != 3 {
		t.Errorf("requests = %d, want 3", n)
	}
}

// A server that replaces its configuration closes new connections that it has not read from: no outage either. One that goes on doing so
// is one, and so is an answer that was begun. Whom a stranger named is asked once.
func TestClosedNewConnection(t *testing.T) {
	const answer = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
	reset := func(c *net.TCPConn) { _ = c.SetLinger(0) }
	read := func(c *net.TCPConn) {
		r, err := http.ReadRequest(bufio.NewReader(c))
		if err != nil {
			t.Errorf("read request: %v", err)
			return
		}
		if body, err := io.ReadAll(r.Body); err != nil || string(body) != map[string]string{http.MethodPost: "token=x"}[r.Method] {
			t.Errorf("%s with body %q (%v), want the form each time", r.Method, body, err)
		}
	}
	good := func(c *net.TCPConn) {
		read(c)
		_, _ = io.WriteString(c, answer)
	}
	for _, tt := range []struct {
		name        string
		connections []func(c *net.TCPConn) // what the server does with each before it closes it; the last goes for those after it
		stranger    bool
		want        int64 // connections
		ok          bool
	}{
		{"answered at once", []func(*net.TCPConn){good}, false, 1, true},
		{"reset", []func(*net.TCPConn){reset, good}, false, 2, true},
		{"closed at once", []func(*net.TCPConn){func(*net.TCPConn) {}, good}, false, 2, true},
		{"reset when the request was read", []func(*net.TCPConn){func(c *net.TCPConn) { read(c); reset(c) }, good}, false, 2, true},
		{"closed when the request was read", []func(*net.TCPConn){read, good}, false, 2, true},
		{"reset twice", []func(*net.TCPConn){reset, reset, good}, false, 2, false},
		{"closed again and again", []func(*net.TCPConn){read}, false, 2, false},
		{"closed in the middle of the header", []func(*net.TCPConn){func(c *net.TCPConn) { read(c); _, _ = io.WriteString(c, answer[:30]) }, good}, false, 1, false},
		{"closed in the middle of the body", []func(*net.TCPConn){func(c *net.TCPConn) { read(c); _, _ = io.WriteString(c, answer[:len(answer)-1]) }, good}, false, 1, false},
		{"a stranger's, answered", []func(*net.TCPConn){good}, true, 1, true},
		{"a stranger's, closed", []func(*net.TCPConn){read, good}, true, 1, false},
	} {
		for method, call := range map[string]func(*fetch.Client, string) error{
			"get": func(c *fetch.Client, url string) error { _, _, err := c.GetJSON(t.Context(), url); return err },
			"post": func(c *fetch.Client, target string) error {
				_, _, _, err := c.PostForm(t.Context(), target, url.Values{"token": {"x"}}, nil)
				return err
			},
		} {
			t.Run(tt.name+"/"+method, func(t *testing.T) {
				l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
				if err != nil {
					t.Fatal(err)
				}
				var connections atomic.Int64
				var server sync.WaitGroup
				server.Go(func() {
					for {
						conn, err := l.AcceptTCP()
						if err != nil {
							return
						}
						n := int(connections.Add(1))
						tt.connections[min(n, len(tt.connections))-1](conn)
						_ = conn.Close()
					}
				})
				c := newClient(t, fetch.Options{InsecureLoopbackHTTP: true, StrangerNetworks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
				if tt.stranger {
					c = c.Strangers()
				}
				err = call(c, "http://"+l.Addr().String()+"/")
				_ = l.Close()
				server.Wait()
				if (err == nil) != tt.ok {
					t.Errorf("error = %v, want none: %v", err, tt.ok)
				}
				if got := connections.Load(); got != tt.want {
					t.Errorf("connections = %d, want %d", got, tt.want)
				}
			})
		}
	}
}

// A name may resolve to another machine: plain http is checked when dialling too.
func TestPlainHTTPStaysOnThisMachine(t *testing.T) {
	c := newClient(t, fetch.Options{InsecureLoopbackHTTP: true, Timeout: time.Second})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
	}))
	defer s.Close()
	if _, _, err := c.GetJSON(t.Context(), s.URL); err != nil {
		t.Errorf("loopback: error = %v, want none", err)
	}
	// RoundTrip is below the check of the URL: only the dialler stands there.
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://"+outside(t)+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.RoundTrip(r)
	if err == nil {
		_ = resp.Body.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "loopback addresses only") {
		t.Errorf("error = %v, want the connection to be refused before it is made", err)
	}
}

// outside gives an address that is not loopback (TEST-NET-1, RFC 5737).
func outside(*testing.T) string { return net.JoinHostPort("192.0.2.1", "9") }
