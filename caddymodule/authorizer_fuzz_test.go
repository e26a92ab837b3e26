package caddymodule_test

import (
	"bufio"
	"net/http"
	"strings"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/caddymodule"
)

// FuzzForwardedTarget: a target that is believed is read as it would have been in the first line of a request, and is written so again.
func FuzzForwardedTarget(f *testing.F) {
	for _, target := range []string{"/", "/orders?x=1", "//a/b", "/%2e%2e/", "/a#b", "/a b", "*", "https://a/", "/\x00", "/ü", "/?#", "/%", "a:80"} {
		f.Add(target)
	}
	f.Fuzz(func(t *testing.T, target string) {
		u, ok := caddymodule.ParseTarget(target)
		if !ok || strings.ContainsAny(target, "\r\n") {
			return
		}
		req, err := http.ReadRequest(bufio.NewReader(strings.NewReader("GET " + target + " HTTP/1.1\r\nHost: a\r\n\r\n")))
		if err != nil {
			t.Fatalf("%q is no target of a request: %v", target, err)
		}
		if got, want := *u, *req.URL; got != want || req.RequestURI != target {
			t.Errorf("%q is read as %+v, want %+v", target, got, want)
		}
		if u.Host != "" || u.Scheme != "" || u.Fragment != "" || !strings.HasPrefix(u.Path, "/") {
			t.Errorf("%q is read as %+v, want a path and a query", target, u)
		}
	})
}
