package logout_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/logout"
)

// FuzzAddQuery: what is added is read back exactly, and everything that was
// there stays byte for byte, host and path above all.
func FuzzAddQuery(f *testing.F) {
	f.Add("https://a.example/out", "state")
	f.Add("https://a.example/out?b=c&d", "a b&c=d#e?f+g%20")
	f.Add("com.example.app:/out?", "\x00\r\nLocation: https://evil.example/")
	f.Add("https://a.example?#f?g", "é\xff")
	f.Fuzz(func(t *testing.T, raw, state string) {
		before, err := url.Parse(raw)
		if err != nil {
			return
		}
		got := logout.AddQuery(raw, [2]string{"state", state})
		body, fragment, _ := strings.Cut(raw, "#")
		if !strings.HasPrefix(got, body) || !strings.HasSuffix(got, fragment) {
			t.Fatalf("%q became %q", raw, got)
		}
		after, err := url.Parse(got)
		if err != nil {
			t.Fatalf("%q became %q: %v", raw, got, err)
		}
		if after.Scheme != before.Scheme || after.Host != before.Host || after.Path != before.Path || after.Fragment != before.Fragment {
			t.Fatalf("%q became %q", raw, got)
		}
		query := strings.Split(after.RawQuery, "&")
		name, value, _ := strings.Cut(query[len(query)-1], "=")
		if read, err := url.QueryUnescape(value); err != nil || name != "state" || read != state {
			t.Fatalf("%q became %q: state = %q, want %q", raw, got, read, state)
		}
	})
}
