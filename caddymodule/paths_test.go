package caddymodule_test

import (
	"fmt"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// pathRules are a gate whose rule and condition depend on the path.
const pathRules = trusted + `
		scope read
		rule /admin* {
			scope admin
		}
		rule /cel/* {
			allow ` + "`request.path.startsWith(\"/cel/open/\")`" + `
		}
`

// target sends a request line as it is written.
func target(t testing.TB, base, target, token string) answer {
	t.Helper()
	return answerOf(t, raw(t, base, "GET "+target+" HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer "+token+"\r\n\r\n"))
}

// ambiguousTargets may mean another path to some upstream than they say.
var ambiguousTargets = []string{
	"/public/../admin", "/public/%2e%2e/admin", "/public/.%2E/admin", "//admin", "/x//admin", "/x//", "/./admin", "/x/.", "/x/..", "/.", "/..", "/admin;x", "/x;y=1/admin", "/admin%2f", "/x%2F..%2Fadmin",
	"/%61dmin", "/adm%49n", "/admin%5f", "/a%2Db", "/public\\..\\admin", "/x%5cadmin", "/admin%00", "/x%0d%0aadmin", "/x%7f", "/x%252e%252e/admin", "/%2561dmin", "/x%25%32%66", "/x%3badmin",
	"/x%c0%afadmin", "/x%ff", "/admin%3Fx", "/admin%3f/public", "/admin%23x", "/admin#x", "/x/%u002e%u002e/admin", "/x/%25u002e%25u002e/admin", "/%25U0061dmin", "/%25u0061", "http://a", "http://a//admin", "*",
}

// plainTargets are paths like any other.
var plainTargets = []string{
	"/", "/x", "/x/", "/x/y.z", "/...", "/.well-known/x", "/a..b/c.", "/caf%C3%A9", "/caf%c3%a9", "/a%20b", "/a+b", "/a!$&'()*,=:@b", "/100%25", "/100%25/x", "/100%25u", "/100%25u006", "/100%25user", "/~user/-_.", "/x?y=//..%2f;", "http://a/x",
}

// TestAttack55AmbiguousPaths: where what is required depends on the path, one that an upstream may read otherwise is refused, whatever token comes with it;
// the plain ones beside them pass. Attack 57 is among them: a query is no part of a path.
func TestAttack55AmbiguousPaths(t *testing.T) {
	base, up := gate(t, "bearer_auth {"+pathRules+"}")
	token := mint(t, map[string]any{"scope": "read admin"})
	for _, bad := range ambiguousTargets {
		t.Run("refused "+bad, func(t *testing.T) {
			got := target(t, base, bad, token)
			if got.Status != 400 || up.last() != nil {
				t.Errorf("status = %d, want 400 and nothing at the upstream", got.Status)
			}
		})
	}
	for _, good := range plainTargets {
		t.Run("plain "+good, func(t *testing.T) {
			if got := target(t, base, good, token); got.Status != 200 || up.last() == nil {
				t.Errorf("status = %d, want 200", got.Status)
			}
		})
	}
	reader := mint(t, map[string]any{"scope": "read"})
	for _, protected := range []string{"/admin", "/ADMIN", "/Admin/x", "/admin?/public", "/admin?x=/public", "/cel/x", "/cel/open", "/CEL/open/x"} {
		t.Run("protected "+protected, func(t *testing.T) {
			if got := target(t, base, protected, reader); got.Status != 403 || up.last() != nil {
				t.Errorf("status = %d, want 403", got.Status)
			}
		})
	}
	if got := target(t, base, "/cel/open/x", reader); got.Status != 200 {
		t.Errorf("/cel/open/x: status = %d, want 200", got.Status)
	}
}

// TestPaths: strict is the default where something depends on the path; any is said so at start; without either, paths are nobody's business.
func TestPaths(t *testing.T) {
	for i, tt := range []struct {
		options string
		strict  bool
		warned  bool
	}{
		{"", false, false},
		{"paths strict", true, false},
		{"allow `claims.sub != 'x'`", true, false},
		{"rule /x {\nscope read\n}", true, false},
		{"rule /x {\nscope read\n}\npaths any", false, true},
		{"paths any", false, false},
		{"mcp {\ntool x\n}", true, false},
	} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			log := filepath.Join(t.TempDir(), "log")
			up := newUpstream(t)
			port := freePort(t)
			load(t, "\nlog w {\noutput file "+log+"\nlevel WARN\nformat json\n}\n", fmt.Sprintf("http://:%d {\nbearer_auth {%s\n%s\n}\nreverse_proxy %s\n}", port, trusted, tt.options, up.Addr))
			got := target(t, fmt.Sprintf("http://127.0.0.1:%d", port), "/a//b", mint(t, map[string]any{"scope": "read"}))
			if strict := got.Status == 400; strict != tt.strict {
				t.Errorf("%q: status = %d, want strict = %v", tt.options, got.Status, tt.strict)
			}
			if warned := strings.Contains(fileText(t, log), "paths any"); warned != tt.warned {
				t.Errorf("%q: warned = %v, want %v", tt.options, warned, tt.warned)
			}
		})
	}
}

// TestPropertyPathAgreement is property 3 of the attack catalogue: the path that rules and conditions are judged by is the one that
// the upstream receives, as the least and the most eager reader there understands it.
func TestPropertyPathAgreement(t *testing.T) {
	// The header shows what matchers and conditions saw: both read the request's path where the gate stands. A header loses spaces at its ends.
	up := newUpstream(t)
	port := freePort(t)
	load(t, "", fmt.Sprintf(`http://:%d {
		route {
			bearer_auth {%s
				rule /admin* {
					scope admin
				}
				rule /cel* {
					allow "request.path.lowerAscii().startsWith('/cel') && request.path != '/cel/closed'"
				}
			}
			request_header X-Seen "<{http.request.uri.path}>"
			reverse_proxy %s
		}
	}`, port, trusted, up.Addr))
	base := fmt.Sprintf("http://127.0.0.1:%d", port)
	token := mint(t, map[string]any{"scope": "read"})
	pieces := []string{
		"/", "/", "/", "admin", "ADMIN", "adm", "in", "cel", "closed", "x", ".", "..", ";", "%2f", "%2F", "%5c", "\\", "%2e", "%61", "%41", "%00", "%25", "%252f", "%3b", "%3f", "%23", "#", "%C3%A9", "é", "%c0%af", "%20", "+", "~", "%7e",
		"?", "?x=/admin", "&", "%", "%zz", ":", "@", "*", "'", "\"", "<", "|",
	}
	passed := 0
	rapid.Check(t, func(rt *rapid.T) {
		line := "/" + strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 8).Draw(rt, "pieces"), "")
		up.last()
		got := target(t, base, line, token)
		h := up.last()
		if h == nil {
			if got.Status == 200 {
				rt.Fatalf("%q: 200, and nothing at the upstream", line)
			}
			return
		}
		passed++
		received, _, _ := strings.Cut(up.target, "?")
		decoded, err := url.PathUnescape(received)
		if err != nil {
			rt.Fatalf("%q: the upstream received %q: %v", line, received, err)
		}
		if seen := h.Get("X-Seen"); seen != "<"+decoded+">" {
			rt.Fatalf("%q: policy saw %q, the upstream received %q", line, seen, decoded)
		}
		// Every way to read it that an upstream may have leads to the same place.
		for _, read := range []string{decoded, strings.ReplaceAll(decoded, "\\", "/"), cleaned(decoded), unescaped(decoded), withoutParameters(decoded), withoutQuery(decoded)} {
			if read != decoded {
				rt.Fatalf("%q passed as %q, which may be read as %q", line, received, read)
			}
		}
		if strings.HasPrefix(strings.ToLower(decoded), "/admin") || decoded == "/cel/closed" {
			rt.Fatalf("%q reached %q without its scope", line, decoded)
		}
	})
	if passed == 0 {
		t.Error("nothing passed: the property was not tried")
	}
}

func fileText(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return string(text)
}

// cleaned is a path without empty and dot segments, a last slash kept.
func cleaned(p string) string {
	r := httptest.NewRequest("GET", "/", nil)
	r.URL.Path = p
	return r.URL.JoinPath().Path
}

// unescaped is what becomes of a path that is decoded once more.
func unescaped(p string) string {
	if again, err := url.PathUnescape(p); err == nil {
		return again
	}
	return p
}

// withoutQuery is what becomes of a path that is taken for a reference once more.
func withoutQuery(p string) string {
	if end := strings.IndexAny(p, "?#"); end >= 0 {
		return p[:end]
	}
	return p
}

// withoutParameters is what servlet containers make of a path.
func withoutParameters(p string) string {
	segments := strings.Split(p, "/")
	for i, s := range segments {
		segments[i], _, _ = strings.Cut(s, ";")
	}
	return strings.Join(segments, "/")
}
