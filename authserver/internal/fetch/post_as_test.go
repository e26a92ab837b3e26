package fetch_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/fetch"
)

// TestPostFormAs: the media type is asked for, and a successful answer of another one is an error; one without content has none.
func TestPostFormAs(t *testing.T) {
	for _, tt := range []struct {
		name, contentType string
		status            int
		ok                bool
	}{
		{"as asked for", "application/jwt", 200, true},
		{"with a parameter", "application/jwt; charset=utf-8", 200, true},
		{"JSON", "application/json", 200, false},
		{"a type that only begins so", "application/jwt+json", 200, false},
		{"no type", "", 200, false},
		{"no content", "", 204, true},
		{"an error of any type", "text/html", 400, true},
		{"case_70 a redirect", "application/jwt", 302, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if got := r.Header.Get("Accept"); got != "application/jwt" {
					t.Errorf("Accept = %q, want application/jwt", got)
				}
				w.Header()["Content-Type"] = []string{tt.contentType}
				w.Header().Set("Location", "/other")
				w.WriteHeader(tt.status)
				if tt.status == 200 {
					_, _ = io.WriteString(w, "text")
				}
			}))
			defer s.Close()
			c, err := fetch.NewClient(fetch.Options{InsecureLoopbackHTTP: true})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			status, _, _, err := c.PostFormAs(t.Context(), s.URL, "application/jwt", url.Values{"a": {"b"}}, nil)
			if (err == nil) != tt.ok || tt.ok && status != tt.status {
				t.Errorf("status %d, %v; want it to be accepted: %v", status, err, tt.ok)
			}
		})
	}
}
