package caddymodule_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestAttack126TokenInAddress: a token in an address is not in the access log of a gate, however its parameter is written, whichever address it is, and
// whatever becomes of that before the gate. What is no token stays.
func TestAttack126TokenInAddress(t *testing.T) {
	dir, up := t.TempDir(), newUpstream(t)
	access := filepath.Join(dir, "access.log")
	var sites strings.Builder
	site := func(before, option, behind string) (base string) {
		port := freePort(t)
		fmt.Fprintf(&sites, "http://:%d {\nlog {\noutput file %s\nformat json\n}\n%s\nbearer_auth {%s\n%s\n}\n%s\n}\n", port, access, before, trusted, option, behind)
		return fmt.Sprintf("http://127.0.0.1:%d", port)
	}
	proxy := "reverse_proxy " + up.Addr
	plain := site("", "", proxy)
	rewritten := site("rewrite * /x", "", proxy)
	asked, named := site("", "authorizer forward", ""), site("", "authorizer forward {\nuri_header X-My-Uri\n}", "")
	load(t, trustLoopback, sites.String())

	token := mint(t, nil)
	n := 0
	ask := func(query string) {
		get(t, plain+"/a"+query, token)
		get(t, plain+"/a", token, "Referer", "https://app.example/"+query)
		get(t, rewritten+"/a"+query, token)
		get(t, asked, token, about("GET", "/a"+query)...)
		get(t, named, token, "X-Forwarded-Method", "GET", "X-My-Uri", "/a"+query, "X-Forwarded-Host", "a", "X-Forwarded-Proto", "https")
		n += 5
	}
	queries := []string{
		"?access_token=", "?access%5Ftoken=", "?access%5ftoken=", "?x=1&%61ccess_token=", "?Access_Token=", "?x=1;access_token=", "?x&access_token=", "?%zzcess_token=",
	}
	for _, query := range queries {
		ask(query + mark)
	}
	ask("?page=harmless&token_type=Bearer")
	logLines(t, access, n)
	text, err := os.ReadFile(access)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if i := strings.Index(line, mark); i >= 0 {
			t.Errorf("the access log has a token: …%s…", line[max(0, i-100):i+len(mark)])
		}
	}
	if got := strings.Count(string(text), "page=harmless"); got != 5 {
		t.Errorf("an address without a token is in %d lines, want 5", got)
	}
	if got := strings.Count(string(text), `"token.decision":"allowed"`); got != n {
		t.Errorf("%d lines say what was decided, want %d", got, n)
	}
}
