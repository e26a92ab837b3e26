package resourceserver_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/resourceserver"
)

// Section D of the attack catalogue where it concerns the removal of identity headers.

func TestAttackIdentityHeaders(t *testing.T) {
	s := resourceserver.NewHeaderStripper("X-User-Id", "X-Scopes")
	keep := http.Header{"Accept": {"*/*"}, "X-User": {"a"}, "X-User-Id2": {"b"}, "Xuserid": {"c"}, "X-User-Idé": {"d"}}
	tests := []struct{ name, header string }{
		{"case_62/the name itself", "X-User-Id"},
		{"case_63/underscore", "X_User_Id"},
		{"case_63/dot", "X.User.Id"},
		{"case_63/mixed", "X-User_Id"},
		{"case_63/dot and underscore", "X.User_Id"},
		{"case_63/what some servers write as an underscore", "X!User~Id"},
		{"case_63/and the rest of it", "X|User'Id"},
		{"case_64/case", "x-USER-id"},
		{"case_64/case and underscore", "x_uSER_iD"},
		{"case_67/other identity header", "X-Scopes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header = keep.Clone()
			r.Header[tt.header] = []string{"admin", "root"}
			s.Strip(r)
			if diff := cmp.Diff(keep, r.Header); diff != "" {
				t.Errorf("headers (-want +got):\n%s", diff)
			}
		})
	}
	for _, tt := range []struct {
		name string
		list []string
		want []string
	}{
		{"named alone", []string{"X-User-Id"}, nil},
		{"named beside others", []string{"close, x_user_id , Upgrade"}, []string{"close, Upgrade"}},
		{"in several lines", []string{"X-User-Id", "keep-alive"}, []string{"keep-alive"}},
		{"nearest good", []string{"keep-alive, X-User"}, []string{"keep-alive, X-User"}},
	} {
		t.Run("Connection/"+tt.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header["Connection"] = tt.list
			s.Strip(r)
			if diff := cmp.Diff(tt.want, r.Header["Connection"]); diff != "" {
				t.Errorf("Connection (-want +got):\n%s", diff)
			}
		})
	}
}

// What an upstream sees behind a real proxy, over a real connection.
func TestAttackTrailers(t *testing.T) {
	type seen struct{ header, trailer http.Header }
	var got seen
	upstream := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		got = seen{r.Header.Clone(), r.Trailer.Clone()}
	}))
	defer upstream.Close()
	proxy := httputil.NewSingleHostReverseProxy(must(url.Parse(upstream.URL)))
	s := resourceserver.NewHeaderStripper("X-User")
	var after http.Header
	gate := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.Strip(r)
		r.Header.Set("X-User", "alice")
		proxy.ServeHTTP(w, r)
		after = r.Trailer.Clone()
	}))
	defer gate.Close()

	r := must(http.NewRequest(http.MethodPost, gate.URL, io.MultiReader(strings.NewReader("body"))))
	r.Header["X_user"] = []string{"admin"}
	r.Header["Connection"] = []string{"X-User"}
	r.Trailer = http.Header{"X-User": {"admin"}, "X_User": {"admin"}, "X-Checksum": {"1"}}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	t.Run("case_68/upstream", func(t *testing.T) {
		for name := range got.trailer {
			if name != "X-Checksum" {
				t.Errorf("trailer %s reached the upstream, want none but X-Checksum", name)
			}
		}
	})
	t.Run("case_68/a handler that reads them itself", func(t *testing.T) {
		if diff := cmp.Diff(http.Header{"X-Checksum": {"1"}}, after); diff != "" {
			t.Errorf("trailers (-want +got):\n%s", diff)
		}
	})
	t.Run("case_67/exactly one value", func(t *testing.T) {
		if diff := cmp.Diff([]string{"alice"}, got.header["X-User"]); diff != "" || got.header["X_user"] != nil {
			t.Errorf("X-User (-want +got):\n%s", diff)
		}
	})
}

func FuzzHeaderStripper(f *testing.F) {
	s := resourceserver.NewHeaderStripper("X-User-Id")
	for _, seed := range []string{"X-User-Id", "x_user.id", "X-User", "", "X-USER-ID "} {
		f.Add(seed)
	}
	fold := strings.NewReplacer("_", "-", ".", "-")
	f.Fuzz(func(t *testing.T, name string) {
		r := &http.Request{Header: http.Header{name: {"admin"}}}
		s.Strip(r)
		_, left := r.Header[name]
		if want := !strings.EqualFold(fold.Replace(name), "X-User-Id"); left != want && isASCII(name) {
			t.Errorf("%q kept = %v, want %v", name, left, want)
		}
	})
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > 0x7e })
}

func BenchmarkStrip(b *testing.B) {
	s := resourceserver.NewHeaderStripper("X-User", "X-Client", "X-Scope")
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	for _, name := range []string{"Accept", "Accept-Encoding", "User-Agent", "Authorization", "Cookie", "X-Request-Id"} {
		r.Header.Set(name, "x")
	}
	b.ReportAllocs()
	for b.Loop() {
		s.Strip(r)
	}
}
