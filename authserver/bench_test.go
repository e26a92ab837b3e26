package authserver_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/store/declared"
)

// sink is a ResponseWriter that costs nothing of its own.
type sink struct{ h http.Header }

func (s *sink) Header() http.Header         { return s.h }
func (s *sink) Write(b []byte) (int, error) { return len(b), nil }
func (s *sink) WriteHeader(int)             {}

func benchmark(b *testing.B, g *rig, method, path, body string, c credential) {
	b.Helper()
	template := formRequest(path, c)
	template.Method = method
	b.ReportAllocs()
	for b.Loop() {
		r := *template
		r.Body = readCloser{strings.NewReader(body)}
		r.ContentLength = int64(len(body))
		g.server.ServeHTTP(&sink{http.Header{}}, &r)
	}
}

type readCloser struct{ *strings.Reader }

func (readCloser) Close() error { return nil }

func BenchmarkIntrospection(b *testing.B) {
	g := newRig(b, rigOptions{})
	token := g.token(envA, basicClient)
	benchmark(b, g, http.MethodPost, "/"+envA+"/as/introspect", "token="+token, basic("orders", "orders-secret"))
}

func BenchmarkToken(b *testing.B) {
	for _, alg := range []string{"RS256", "ES256"} {
		b.Run(alg, func(b *testing.B) {
			c := declaredConfig(b)
			c.Environments[0].SigningAlgorithm = alg
			c.Environments = append([]declared.Environment(nil), c.Environments[0])
			g := newRig(b, rigOptions{config: &c})
			g.token(envA, basicClient)
			b.ReportAllocs()
			b.SetParallelism(32) // so that requests share commits
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					w := httptest.NewRecorder()
					g.server.ServeHTTP(w, formRequest("/"+envA+"/as/token", basicClient, "grant_type=client_credentials"))
					if w.Code != http.StatusOK {
						b.Error(w.Body)
						return
					}
				}
			})
		})
	}
}

func BenchmarkJWKS(b *testing.B) {
	g := newRig(b, rigOptions{})
	benchmark(b, g, http.MethodGet, "/"+envA+"/as/jwks", "", anonymous)
}

func BenchmarkMetadata(b *testing.B) {
	g := newRig(b, rigOptions{})
	benchmark(b, g, http.MethodGet, "/"+envA+"/as/.well-known/openid-configuration", "", anonymous)
}
