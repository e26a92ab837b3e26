package dpop_test

import (
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/dpop"
)

// TestSameURL: htu is compared after normalisation of syntax and scheme, and of nothing else (RFC 9449 §4.3).
func TestSameURL(t *testing.T) {
	tests := []struct {
		name, htu, request string
		want               bool
	}{
		{"the same", "https://a.example/x", "https://a.example/x", true},
		{"scheme and host in other case", "HTTPS://A.Example/x", "https://a.example/x", true},
		{"path in other case", "https://a.example/X", "https://a.example/x", false},
		{"port of the scheme", "https://a.example:443/x", "https://a.example/x", true},
		{"port of http", "http://a.example:80/x", "http://a.example/x", true},
		{"port of the other scheme", "https://a.example:80/x", "https://a.example/x", false},
		{"empty port", "https://a.example:/x", "https://a.example/x", true},
		{"other port", "https://a.example:8443/x", "https://a.example:8443/x", true},
		{"port that is none", "https://a.example:x/x", "https://a.example:x/y", false},
		{"no path is a slash", "https://a.example", "https://a.example/", true},
		{"query of the proof", "https://a.example/x?q=1", "https://a.example/x", true},
		{"query without a path", "https://a.example?q=1", "https://a.example/", true},
		{"fragment of the proof", "https://a.example/x#f", "https://a.example/x", true},
		{"slash at the end", "https://a.example/x/", "https://a.example/x", false},
		{"escapes in lower case", "https://a.example/%c3%a9", "https://a.example/%C3%A9", true},
		{"escape that is not needed", "https://a.example/%7Eu", "https://a.example/~u", true},
		{"escaped slash is no slash", "https://a.example/a%2Fb", "https://a.example/a/b", false},
		{"escaped percent sign", "https://a.example/a%252Fb", "https://a.example/a%2Fb", false},
		{"broken escape", "https://a.example/%zz", "https://a.example/%ZZ", false},
		{"escape cut off", "https://a.example/%4", "https://a.example/%4x", false},
		{"dot segments", "https://a.example/a/./b/../c", "https://a.example/a/c", true},
		{"escaped dot segments", "https://a.example/a/%2e%2e/c", "https://a.example/c", true},
		{"dots at the end", "https://a.example/a/..", "https://a.example/", true},
		{"more dots than segments", "https://a.example/../../c", "https://a.example/c", true},
		{"three dots are a name", "https://a.example/.../c", "https://a.example/c", false},
		{"empty segments count", "https://a.example//c", "https://a.example/c", false},
		{"user information", "https://u@a.example/c", "https://a.example/c", false},
		{"user information that looks like the host", "https://a.example@evil.example/c", "https://a.example/c", false},
		{"host at the end of another", "https://evil.a.example/c", "https://a.example/c", false},
		{"IPv6 with the port of the scheme", "https://[2001:DB8::1]:443/c", "https://[2001:db8::1]/c", true},
		{"backslash", `https://a.example\c`, "https://a.example/c", false},
		{"space", "https://a.example/c d", "https://a.example/c%20d", false},
		{"not ASCII", "https://a.example/é", "https://a.example/%C3%A9", false},
		{"another scheme", "ftp://a.example/c", "ftp://a.example/d", false},
		{"no scheme", "//a.example/c", "https://a.example/c", false},
		{"empty, both", "", "", false},
		{"empty host", "https:///c", "https:///d", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := dpop.Request{Method: "POST", URL: tt.request}
			got := judge(t, newVerifier(), r, proof(goodHeader(), goodClaims().with("htu", tt.htu)))
			if (got == "") != tt.want {
				t.Errorf("%s at %s: refused for %q, want accepted: %v", tt.htu, tt.request, got, tt.want)
			}
			if got != "" && got != "invalid_dpop_proof htu" {
				t.Errorf("refused for %q, want htu", got)
			}
		})
	}
}
