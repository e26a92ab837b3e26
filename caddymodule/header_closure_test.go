package caddymodule_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// TestPropertyHeaderClosure is property 2 of the attack catalogue: whatever headers a
// client sends, in whatever spelling, number, Connection list or trailer, the
// upstream sees each identity header exactly once with the token's text, or not
// at all where the token has none, there is no token, or the header is one that is only stripped.
func TestPropertyHeaderClosure(t *testing.T) {
	base, up := gate(t, "bearer_auth {"+trusted+`
		forward_claim sub X-User-Id
		forward_claim email X-Email
		forward_claim groups Remote_Groups
		strip_header X-Internal-Route
		optional
	}`)
	token := mint(t, map[string]any{"groups": []string{"a", "b"}}) // no email
	identity := map[string]string{"x-user-id": "alice", "x-email": "", "remote-groups": "a,b", "x-internal-route": ""}
	names := []string{"X-Internal-Route", "X-User-Id", "X-Email", "Remote-Groups", "X-User", "Email", "X-User-Id-2", "Accept"}

	const seed = 6750
	random := rand.New(rand.NewPCG(seed, seed))
	spell := func(name string) string {
		b := []byte(name)
		for i, c := range b {
			switch {
			case c == '-':
				b[i] = "----_.!#$%&'*+^`|~"[random.IntN(18)]
			case random.IntN(2) == 0:
				b[i] = strings.ToLower(name)[i]
			default:
				b[i] = strings.ToUpper(name)[i]
			}
		}
		return string(b)
	}
	pick := func() string { return spell(names[random.IntN(len(names))]) }

	for i := range 300 {
		var b strings.Builder
		b.WriteString("POST /x HTTP/1.1\r\nHost: a\r\n")
		connection := "close"
		for range random.IntN(3) {
			connection += ", " + pick()
		}
		fmt.Fprintf(&b, "Connection: %s\r\n", connection)
		for range random.IntN(6) {
			fmt.Fprintf(&b, "%s: %s\r\n", pick(), []string{"admin", "admin, root", "", " "}[random.IntN(4)])
		}
		if random.IntN(2) == 0 {
			fmt.Fprintf(&b, "Trailer: %s, %s\r\n", pick(), "X-Other")
		}
		anonymous := random.IntN(4) == 0
		if !anonymous {
			fmt.Fprintf(&b, "Authorization: Bearer %s\r\n", token)
		}
		fmt.Fprintf(&b, "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n")
		for range random.IntN(4) {
			fmt.Fprintf(&b, "%s: admin\r\n", pick())
		}
		b.WriteString("\r\n")

		got := answerOf(t, raw(t, base, b.String()))
		h := up.last()
		if got.Status == 400 && h == nil {
			continue // net/http itself refuses some trailers
		}
		if got.Status != 200 {
			t.Fatalf("request %d: status = %d, want 200\n%s", i, got.Status, b.String())
		}
		seen := map[string][]string{}
		for name, values := range h {
			seen[fold(name)] = append(seen[fold(name)], values...)
		}
		for name, want := range identity {
			if anonymous {
				want = ""
			}
			switch values := seen[name]; {
			case want == "" && len(values) != 0, want != "" && (len(values) != 1 || values[0] != want):
				t.Errorf("request %d: %s = %q, want %q\n%s", i, name, values, want, b.String())
			}
		}
		for name := range up.trailer {
			if _, ok := identity[fold(name)]; ok {
				t.Errorf("request %d: trailer %s arrived\n%s", i, name, b.String())
			}
		}
	}
}
