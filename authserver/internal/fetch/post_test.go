package fetch_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/fetch"
)

func TestSend(t *testing.T) {
	var got *http.Request
	var body string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got, body = r, string(b)
		switch r.URL.Path {
		case "/redirect":
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(http.StatusFound)
		case "/busy":
			w.WriteHeader(http.StatusServiceUnavailable)
		case "/long":
			_, _ = io.WriteString(w, strings.Repeat("x", 1<<20))
		}
	}))
	t.Cleanup(s.Close)
	c, err := fetch.NewClient(fetch.Options{InsecureLoopbackHTTP: true, StrangerNetworks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	header := http.Header{"Content-Type": {"application/json"}, "X-Key": {"k"}, "User-Agent": {"somebody else"}}
	tests := []struct {
		path   string
		status int // of the error; 0 for none
	}{
		{"/good", 0}, {"/long", 0}, {"/redirect", http.StatusFound}, {"/busy", http.StatusServiceUnavailable},
	}
	for _, tt := range tests {
		err := c.Strangers().Send(context.Background(), s.URL+tt.path, header, []byte(`{"a":1}`))
		status, _ := errors.AsType[*fetch.StatusError](err)
		if (err == nil) != (tt.status == 0) || status != nil && status.Status != tt.status {
			t.Errorf("%s: error = %v, want status %d", tt.path, err, tt.status)
		}
		if got.URL.Path != tt.path || got.Method != http.MethodPost || body != `{"a":1}` {
			t.Errorf("%s: request = %s %s %q", tt.path, got.Method, got.URL.Path, body)
		}
		if got.Header.Get("Content-Type") != "application/json" || got.Header.Get("X-Key") != "k" || got.Header.Get("User-Agent") != "Gatehouse" {
			t.Errorf("%s: header = %v", tt.path, got.Header)
		}
	}
	for _, address := range []string{"http://example.com/?secret", "https://a:secret@example.com/", "https://169.254.169.254/secret", "secret"} {
		got = nil
		err := c.Strangers().Send(context.Background(), address, header, nil)
		if err == nil || got != nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: error = %v, want one that does not repeat the address", address, err)
		}
	}
}
