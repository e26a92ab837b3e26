package oauth_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
)

var lax = oauth.RedirectRules{Wildcard: true, Localhost: true}

func TestMatchRedirectURI(t *testing.T) {
	const app = "https://app.example.com/cb"
	const star = "https://app.example.com/pr-*/cb"
	strict := oauth.RedirectRules{}
	tests := []struct {
		name            string
		registered, uri string
		rules           oauth.RedirectRules
		want            bool
	}{
		{"equal", app, app, strict, true},
		{"with its query", app + "?a=1&b", app + "?a=1&b", strict, true},
		{"another order of the query", app + "?a=1&b=2", app + "?b=2&a=1", strict, false},
		{"a query more", app, app + "?x=1", strict, false},
		{"a slash more", app, app + "/", strict, false},
		{"another host", app, "https://app.example.com.evil/cb", strict, false},
		{"a prefix of the host", app, "https://evilapp.example.com/cb", strict, false},
		{"a port", app, "https://app.example.com:443/cb", strict, false},
		{"a trailing dot", app, "https://app.example.com./cb", strict, false},
		{"user information", app, "https://app.example.com@evil/cb", strict, false},
		{"case", app, "https://APP.example.com/cb", strict, false},
		{"scheme in another case", app, "HTTPS://app.example.com/cb", strict, false},
		{"an escape", app, "https://app.example.com/%63b", strict, false},
		{"a fragment", app, app + "#x", lax, false},
		{"an empty fragment", app, app + "#", lax, false},
		{"a private scheme", "com.example.app:/cb", "com.example.app:/cb", strict, true},
		{"another private scheme", "com.example.app:/cb", "com.example.evil:/cb", strict, false},
		{"nothing", app, "", lax, false},
		{"registered script", "javascript:alert(1)//", "javascript:alert(1)//", lax, false},
		{"registered with a fragment", app + "#x", app + "#x", lax, false},

		{"loopback, another port", "http://127.0.0.1:8080/cb", "http://127.0.0.1:51004/cb", strict, true},
		{"loopback, a port more", "http://127.0.0.1/cb", "http://127.0.0.1:51004/cb", strict, true},
		{"loopback, a port less", "http://127.0.0.1:8080/cb", "http://127.0.0.1/cb", strict, true},
		{"loopback with https", "https://127.0.0.1/cb", "https://127.0.0.1:51004/cb", strict, true},
		{"loopback of IPv6", "http://[::1]/cb", "http://[::1]:51004/cb", strict, true},
		{"loopback with a query", "http://127.0.0.1/cb?a=1", "http://127.0.0.1:51004/cb?a=1", strict, true},
		{"loopback without a path", "http://127.0.0.1", "http://127.0.0.1:51004", strict, true},
		{"loopback, another path", "http://127.0.0.1/cb", "http://127.0.0.1:9/x", lax, false},
		{"loopback, a path more", "http://127.0.0.1", "http://127.0.0.1:9/", lax, false},
		{"loopback, another query", "http://127.0.0.1/cb?a=1", "http://127.0.0.1:9/cb?a=2", lax, false},
		{"loopback, another scheme", "http://127.0.0.1/cb", "https://127.0.0.1/cb", lax, false},
		{"loopback, localhost for 127.0.0.1", "http://127.0.0.1/cb", "http://localhost/cb", lax, false},
		{"loopback, 127.0.0.1 for localhost", "http://localhost/cb", "http://127.0.0.1/cb", lax, false},
		{"loopback, [::1] for 127.0.0.1", "http://127.0.0.1/cb", "http://[::1]/cb", lax, false},
		{"loopback, another address", "http://127.0.0.1/cb", "http://127.0.0.2:9/cb", lax, false},
		{"loopback in hexadecimal", "http://127.0.0.1/cb", "http://0x7f.0.0.1:9/cb", lax, false},
		{"loopback in short", "http://127.0.0.1/cb", "http://127.1:9/cb", lax, false},
		{"loopback as a prefix", "http://127.0.0.1/cb", "http://127.0.0.1.evil/cb", lax, false},
		{"loopback as a user", "http://127.0.0.1/cb", "http://127.0.0.1:9@evil/cb", lax, false},
		{"loopback as a user without a port", "http://127.0.0.1/cb", "http://127.0.0.1@evil/cb", lax, false},
		{"loopback, port 0", "http://127.0.0.1/cb", "http://127.0.0.1:0/cb", lax, false},
		{"loopback, port 65535", "http://127.0.0.1/cb", "http://127.0.0.1:65535/cb", lax, true},
		{"loopback, port 65536", "http://127.0.0.1/cb", "http://127.0.0.1:65536/cb", lax, false},
		{"loopback, a port with a zero in front", "http://127.0.0.1/cb", "http://127.0.0.1:080/cb", lax, false},
		{"loopback, an empty port", "http://127.0.0.1/cb", "http://127.0.0.1:/cb", lax, false},
		{"loopback, no number for a port", "http://127.0.0.1/cb", "http://127.0.0.1:9x/cb", lax, false},
		{"localhost, another port", "http://localhost:3000/cb", "http://localhost:51004/cb", lax, true},
		{"localhost, another port, strictly", "http://localhost:3000/cb", "http://localhost:51004/cb", strict, false},
		{"localhost, equal, strictly", "http://localhost:3000/cb", "http://localhost:3000/cb", strict, true},
		{"localhost as a label", "http://localhost/cb", "http://localhost.evil:9/cb", lax, false},
		{"no port varies elsewhere", app, "https://app.example.com:8443/cb", lax, false},

		{"wildcard", star, "https://app.example.com/pr-17/cb", lax, true},
		{"wildcard with every character it may stand for", star, "https://app.example.com/pr-aZ0-_~/cb", lax, true},
		{"wildcard, strictly", star, "https://app.example.com/pr-17/cb", strict, false},
		{"wildcard at the end", "https://app.example.com/cb/*", "https://app.example.com/cb/17", lax, true},
		{"wildcard in the query", "https://app.example.com/cb?tenant=*", "https://app.example.com/cb?tenant=a", lax, true},
		{"wildcard stands for something", star, "https://app.example.com/pr-/cb", lax, false},
		{"wildcard as such", star, star, lax, false},
		{"wildcard across a slash", star, "https://app.example.com/pr-a/b/cb", lax, false},
		{"wildcard across a dot", star, "https://app.example.com/pr-a.b/cb", lax, false},
		{"wildcard as a dot segment", "https://app.example.com/*/cb", "https://app.example.com/../cb", lax, false},
		{"wildcard as an escaped dot segment", "https://app.example.com/*/cb", "https://app.example.com/%2e%2e/cb", lax, false},
		{"wildcard across an escaped slash", star, "https://app.example.com/pr-a%2fb/cb", lax, false},
		{"wildcard across a backslash", star, `https://app.example.com/pr-a\b/cb`, lax, false},
		{"wildcard across a question mark", star, "https://app.example.com/pr-a?/cb", lax, false},
		{"wildcard across a number sign", star, "https://app.example.com/pr-a#/cb", lax, false},
		{"wildcard across a semicolon", star, "https://app.example.com/pr-a;x/cb", lax, false},
		{"wildcard in the query across a parameter", "https://app.example.com/cb?tenant=*", "https://app.example.com/cb?tenant=a&x=b", lax, false},
		{"wildcard, text behind it", star, "https://app.example.com/pr-17/cb/x", lax, false},
		{"wildcard, text in front of it", star, "https://app.example.com/x/pr-17/cb", lax, false},
		{"wildcard does not overlap", "https://app.example.com/ab*ba", "https://app.example.com/aba", lax, false},
		{"wildcard for a host", "https://*.example.com/cb", "https://a.example.com/cb", lax, false},
		{"wildcard for a part of a host", "https://app*.example.com/cb", "https://app1.example.com/cb", lax, false},
		{"wildcard for all", "*", "https://evil/cb", lax, false},
		{"wildcard behind the scheme", "https://*", "https://evil", lax, false},
		{"wildcard for a port", "https://app.example.com:*/cb", "https://app.example.com:1/cb", lax, false},
		{"wildcard of a private scheme", "com.example.app:/*", "com.example.app:/x", lax, false},
		{"two wildcards", "https://app.example.com/*/*", "https://app.example.com/a/b", lax, false},
		{"half an escape", "https://app.example.com/%2*x", "https://app.example.com/%2ex", lax, false},
		{"an escape's sign", "https://app.example.com/%*x", "https://app.example.com/%2ex", lax, false},
		{"a dot is no wildcard", app, "https://appXexample.com/cb", lax, false},
		{"a wildcard leaves the port alone", "http://127.0.0.1:80/*", "http://127.0.0.1:81/x", lax, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := oauth.MatchRedirectURI(tt.registered, tt.uri, tt.rules); got != tt.want {
				t.Errorf("%s against %s: got %v, want %v", tt.uri, tt.registered, got, tt.want)
			}
		})
	}
}

func TestCheckRedirectURI(t *testing.T) {
	long := "https://app.example.com/" + strings.Repeat("a", oauth.MaxRedirectURI-len("https://app.example.com/"))
	for _, uri := range []string{
		"https://app.example.com/cb", "https://app.example.com", "https://app.example.com:8443/cb?a=b&c", "http://127.0.0.1:1/cb", "http://127.0.0.2/cb",
		"http://localhost/cb", "http://[::1]/cb", "com.example.app:/cb", "com.example.app://host/cb", "myapp://cb", long,
	} {
		if err := oauth.CheckRedirectURI(uri); err != nil {
			t.Errorf("%s: %v, want it accepted", uri, err)
		}
	}
	for _, uri := range []string{
		"", "/cb", "cb", "//app.example.com/cb", "https:/cb", "https://", "https:///cb", "https:cb", "http://app.example.com/cb", "http://localhost.evil/cb",
		"https://u@app.example.com/cb", "https://u:p@app.example.com/cb", "https://app.example.com/cb#", "https://app.example.com/cb#x",
		"javascript:alert(1)", "javascript://app.example.com/%0aalert(1)", "JavaScript:alert(1)", "data:text/html,x", "vbscript:x", "file:///etc/passwd", "blob:https://x",
		"about:blank", "HTTPS://app.example.com/cb", "https://app.example.com/c b", "https://app.example.com/\tcb", "\thttps://app.example.com", "ht\ttps://app.example.com",
		"https://app.example.com\\@evil/", "https://app.example.com/\r\nX: y", "https://app.example.com/\x00", "https://app.example.com/ü", "https://app.example.com/<x>",
		"https://app.example.com/\"", "https://app.example.com/%zz", "https://[::1", long + "a",
	} {
		if oauth.CheckRedirectURI(uri) == nil {
			t.Errorf("%q is accepted, want an error", uri)
		}
	}
}

func TestRedirectOrigin(t *testing.T) {
	for uri, want := range map[string]string{
		"https://app.example.com/cb":      "https://app.example.com",
		"https://app.example.com:443/cb":  "https://app.example.com",
		"https://app.example.com:8443/cb": "https://app.example.com:8443",
		"https://APP.example.com/cb?a":    "https://app.example.com",
		"http://localhost:80":             "http://localhost",
		"http://[::1]:8080/cb":            "http://[::1]:8080",
		"http://[::1]/cb":                 "http://[::1]",
		"com.example.app:/cb":             "",
		"":                                "",
	} {
		if got := oauth.RedirectOrigin(uri); got != want {
			t.Errorf("%s: got %q, want %q", uri, got, want)
		}
	}
}

// FuzzMatchRedirectURI: whatever is accepted goes to the host that is registered,
// by the same scheme, and differs from it in nothing but the port of a loopback
// host or the piece of a segment that a wildcard stands for.
func FuzzMatchRedirectURI(f *testing.F) {
	for _, seed := range [][2]string{
		{"https://app.example.com/cb", "https://app.example.com/cb"},
		{"https://app.example.com/cb", "https://app.example.com@evil/cb"},
		{"https://app.example.com/pr-*/cb", "https://app.example.com/pr-17/cb"},
		{"https://app.example.com/*", "https://app.example.com/..%2f"},
		{"http://127.0.0.1/cb", "http://127.0.0.1:51004/cb"},
		{"http://127.0.0.1:8080/cb", "http://127.0.0.1:9@evil/cb"},
		{"http://[::1]/cb", "http://[::1]:1/cb"},
		{"http://localhost/cb?a=*", "http://localhost/cb?a=x"},
		{"com.example.app:/cb", "com.example.app:/cb"},
		{"https://app.example.com/%2*", "https://app.example.com/%2e"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, registered, uri string) {
		if !oauth.MatchRedirectURI(registered, uri, lax) {
			return
		}
		if err := oauth.CheckRedirectURI(uri); err != nil {
			t.Fatalf("%q is accepted: %v", uri, err)
		}
		if registered == uri {
			return
		}
		a, err := url.Parse(strings.Replace(registered, "*", "x", 1))
		if err != nil {
			t.Fatalf("%q is accepted against %q, which is no URL", uri, registered)
		}
		b, err := url.Parse(uri)
		if err != nil {
			t.Fatalf("%q is accepted: %v", uri, err)
		}
		if a.Scheme != b.Scheme || a.Hostname() != b.Hostname() {
			t.Fatalf("%q is accepted against %q: another place", uri, registered)
		}
		before, after, star := strings.Cut(registered, "*")
		if !star {
			switch b.Hostname() {
			case "127.0.0.1", "::1", "localhost":
			default:
				t.Fatalf("%q is accepted against %q: not a loopback host", uri, registered)
			}
			if a.EscapedPath() != b.EscapedPath() || a.RawQuery != b.RawQuery {
				t.Fatalf("%q is accepted against %q: more than the port differs", uri, registered)
			}
			return
		}
		middle := uri[len(before) : len(uri)-len(after)]
		if a.Port() != b.Port() || !strings.HasPrefix(uri, before) || !strings.HasSuffix(uri, after) || middle == "" || strings.ContainsAny(middle, "/.?#%;&=\\@:") {
			t.Fatalf("%q is accepted against %q: more than a part of a segment differs", uri, registered)
		}
		if strings.Count(a.Path+"/", "/../") != strings.Count(b.Path+"/", "/../") {
			t.Fatalf("%q is accepted against %q: it walks", uri, registered)
		}
	})
}
