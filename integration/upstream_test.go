package integration_test

import (
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// upstream is the API behind the gate: it remembers what reached it.
type upstream struct {
	server *httptest.Server

	mu   sync.Mutex
	seen []arrived
}

// arrived is one request as the upstream saw it.
type arrived struct {
	method, target string
	header         http.Header
	trailer        http.Header
	body           string
}

func newUpstream(t testing.TB) *upstream {
	u := &upstream{}
	u.server = httptest.NewServer(http.HandlerFunc(u.serve))
	t.Cleanup(u.server.Close)
	return u
}

func (u *upstream) serve(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	u.mu.Lock()
	u.seen = append(u.seen, arrived{r.Method, r.RequestURI, r.Header.Clone(), maps.Clone(r.Trailer), string(body)})
	u.mu.Unlock()
	w.Header().Set("Content-Type", "text/plain")
	// A site's error pages may come from here too; then the path says the status.
	if code, err := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/error/")); err == nil {
		w.WriteHeader(code)
	}
	_, _ = io.WriteString(w, "the API answers\n")
}

func (u *upstream) addr() string { return strings.TrimPrefix(u.server.URL, "http://") }

// count is how many requests arrived so far.
func (u *upstream) count() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.seen)
}

// last is the latest request.
func (u *upstream) last() arrived {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.seen) == 0 {
		return arrived{header: http.Header{}}
	}
	return u.seen[len(u.seen)-1]
}

// folded gives every value of the headers whose name becomes the same as want
// once case, '-', '_' and '.' are ignored, as CGI-like upstreams do.
func (a arrived) folded(want string) []string {
	fold := func(s string) string {
		return strings.Map(func(r rune) rune {
			if r == '-' || r == '_' || r == '.' {
				return -1
			}
			return r
		}, strings.ToLower(s))
	}
	var values []string
	for _, h := range []http.Header{a.header, a.trailer} {
		for name, vs := range h {
			if fold(name) == fold(want) {
				values = append(values, vs...)
			}
		}
	}
	return values
}
