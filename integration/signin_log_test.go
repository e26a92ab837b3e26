package integration_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSignInAccessLog signs in and off where every site has an access log: each request has its line, in
// the log that its site has chosen, and no line has a code or a token in it.
func TestSignInAccessLog(t *testing.T) {
	s := startSignIn(t, sqlite{})
	// The authorization server's log is a file of its own.
	text, err := os.ReadFile(s.caddyfile())
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(text), "\tlog\n\tauthorization_server", "\tlog {\n\t\toutput file "+s.dir+"/access.log\n\t\tformat json\n\t}\n\tauthorization_server", 1)
	if changed == string(text) {
		t.Fatal("the Caddyfile has no log to replace")
	}
	if err := os.WriteFile(s.caddyfile(), []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	s.reload(t)

	b := browse(t, s.node)
	a := s.web.begin(s.node)
	b.visit(a.address)
	b.signOn("bob", bobPassword)
	b.arrive(s.web)
	got := a.redeem(t, s.node)
	b.visit(s.vars["ISSUER"] + "/signoff?id_token_hint=" + got.id)
	b.expect("h1", "You have been signed off")

	type line struct {
		Logger  string
		Status  int
		Request struct{ URI, Method string }
		Headers map[string][]string `json:"resp_headers"`
	}
	var lines []line
	file, err := os.ReadFile(filepath.Join(s.dir, "access.log"))
	if err != nil {
		t.Fatal(err)
	}
	for text := range strings.Lines(string(file)) {
		var l line
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, l)
	}
	find := func(what string, fits func(l line) bool) {
		t.Helper()
		n := 0
		for _, l := range lines {
			if fits(l) {
				n++
				if !strings.HasPrefix(l.Logger, "http.log.access") {
					t.Errorf("%s: logger = %q, want Caddy's", what, l.Logger)
				}
			}
		}
		if n != 1 {
			t.Errorf("%s: %d lines, want 1", what, n)
		}
	}
	location := func(l line) string { return strings.Join(l.Headers["Location"], " ") }
	find("the authorization request", func(l line) bool {
		return strings.Contains(l.Request.URI, "/authorize?") && l.Status == 302
	})
	find("the answer with the code", func(l line) bool {
		return strings.HasPrefix(location(l), s.web.base+"/callback?") && strings.Contains(location(l), "code=REDACTED") && strings.Contains(location(l), "state="+a.state)
	})
	find("the token request", func(l line) bool { return strings.HasSuffix(l.Request.URI, "/token") && l.Status == 200 })
	find("the sign-off", func(l line) bool {
		return strings.HasSuffix(l.Request.URI, "/signoff?id_token_hint=REDACTED") && l.Request.Method == "GET" && l.Status == 200
	})
}
