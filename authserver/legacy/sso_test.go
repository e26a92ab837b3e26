package legacy_test

import (
	"encoding/base64"
	"strings"
	"testing"
)

// 3.1: what is an SSO token, where it may be, and which one counts.
func TestSSOToken(t *testing.T) {
	k := newKit(t)
	alice, bravo, admin := k.as("alpha", "alice"), k.as("bravo", "alice"), k.admin()
	value, tail := alice.Token[:43], alice.Token[43:]
	encode := func(parts ...string) string {
		b := []byte{}
		for _, p := range parts {
			b = append(b, byte(len(p)>>8), byte(len(p)))
			b = append(b, p...)
		}
		return "*" + base64.URLEncoding.WithPadding('.').EncodeToString(b) + "*"
	}
	if encode("SR", "/alpha") != tail {
		t.Fatalf("tail = %s, want %s", tail, encode("SR", "/alpha"))
	}
	const path = "/json/sessions?_action=getSessionInfo"
	csrf := []string{"X-Requested-With", "XMLHttpRequest"}
	header := func(values ...string) (h []string) {
		for _, v := range values {
			h = append(h, cookie, v)
		}
		return h
	}
	inCookie := func(values ...string) (h []string) {
		for _, v := range values {
			h = append(h, "Cookie", cookie+"="+v)
		}
		return append(h, csrf...)
	}
	tests := []struct {
		name   string
		header []string
		status int
		realm  string
	}{
		{"3.1/in the header", header(alice.Token), 200, "/alpha"},
		{"3.1/in the header, in another case", []string{"IPLANETDIRECTORYPRO", alice.Token}, 200, "/alpha"},
		{"3.1/in the cookie", inCookie(alice.Token), 200, "/alpha"},
		{"3.1/in the cookie among others", append([]string{"Cookie", "a=b; " + cookie + "=" + alice.Token + "; amlbcookie=01"}, csrf...), 200, "/alpha"},
		{"3.1/both: the header wins", append(header(bravo.Token), inCookie(alice.Token)...), 200, "/bravo"},
		{"3.1/both: a bad header wins", append(header("x"), inCookie(alice.Token)...), 401, ""},
		{"3.1/an empty header is none", append(header(""), inCookie(alice.Token)...), 200, "/alpha"},
		{"3.1/two headers", header(alice.Token, bravo.Token), 401, ""},
		{"3.1/the same header twice", header(alice.Token, alice.Token), 401, ""},
		{"3.1/two cookies", inCookie(alice.Token, bravo.Token), 401, ""},
		{"3.1/two cookies in one header", append([]string{"Cookie", cookie + "=" + alice.Token + "; " + cookie + "=" + bravo.Token}, csrf...), 401, ""},
		{"3.1/a cookie in another case", append([]string{"Cookie", "iplanetdirectorypro=" + alice.Token}, csrf...), 401, ""},
		{"3.1/none", nil, 401, ""},
		{"129/a bearer token is none", []string{"Authorization", "Bearer " + alice.Token}, 401, ""},
		{"129/a bearer token in the cookie", inCookie(k.personal("alpha", "alice", "web", []string{"openid"}).Access), 401, ""},
		{"129/a refresh token in the header", header(k.personal("alpha", "alice", "web", []string{"openid"}).Refresh), 401, ""},

		{"3.1/an administrator's", header(admin.Token), 200, "/"},
		{"3.1/the secret alone", header(value), 401, ""},
		{"3.1/the secret in another realm", header(value + encode("SR", "/bravo")), 401, ""},
		{"3.1/the secret in the top realm", header(value + encode("SR", "/")), 401, ""},
		{"3.1/an administrator's in a realm", header(admin.Token[:43] + encode("SR", "/alpha")), 401, ""},
		{"3.1/a realm in another case", header(value + encode("SR", "/ALPHA")), 401, ""},
		{"3.1/a realm without a slash", header(value + encode("SR", "alpha")), 401, ""},
		{"3.1/a realm with dots", header(value + encode("SR", "/../alpha")), 401, ""},
		{"3.1/a realm that there is not", header(value + encode("SR", "/charlie")), 401, ""},
		{"3.1/another key", header(value + encode("SI", "/alpha")), 401, ""},
		{"3.1/one text", header(value + encode("SR")), 401, ""},
		{"3.1/three texts", header(value + encode("SR", "/alpha", "x")), 401, ""},
		{"3.1/cut off", header(alice.Token[:len(alice.Token)-1]), 401, ""},
		{"3.1/one letter more", header(alice.Token + "A"), 401, ""},
		{"3.1/another letter in the secret", header("_" + alice.Token[1:]), 401, ""},
		{"3.1/padded with =", header(strings.ReplaceAll(value+encode("SR", "/alpha1"), ".", "=")), 401, ""},
		{"3.1/letters that base64 skips", header(value + tail[:5] + "\t" + tail[5:]), 401, ""},
		{"3.1/not of the alphabet", header(value + "+" + tail), 401, ""},
		{"3.1/percent-encoded", header(strings.ReplaceAll(alice.Token, "*", "%2A")), 401, ""},
		{"3.1/the stars alone", header("**"), 401, ""},
		{"3.1/huge", header(value + "*" + strings.Repeat("A", 100_000) + "*"), 401, ""},
		{"3.1/AM's own", header("AQIC5wM2LY4SfcxuxIP0VnP2lVjs7ypEM6VDx6srk56CN1Q.*AAJTSQACMDEAAlNLABQtNTQyOTM1MDg0NTI0NzU3MDI4OQACUzEAAA..*"), 401, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := k.in(t).post(path, nil, tt.header...)
			if tt.status != 200 {
				a.refused(tt.status, "")
				return
			}
			if a.is(200).text("realm") != tt.realm {
				t.Errorf("realm = %q, want %q", a.text("realm"), tt.realm)
			}
		})
	}
	t.Run("126/no token in the log", func(t *testing.T) {
		for _, secret := range []string{value, bravo.Token[:43], admin.Token[:43], "alice-demo-pass", amadminPassword} {
			if strings.Contains(k.Log.String(), secret) {
				t.Error("the log has a secret")
			}
		}
	})
}

// 3.5: who trusts the cookie needs a header that no other site's page can send unasked.
func TestCSRF(t *testing.T) {
	k := newKit(t)
	alice, bob := k.as("alpha", "alice"), k.as("alpha", "bob")
	inCookie := []string{"Cookie", cookie + "=" + alice.Token}
	applications := "/json/realms/root/realms/alpha/users/" + people[alphaID]["alice"] + "/oauth2/applications"
	tests := []struct {
		name, method, path string
		header             []string
		status             int
	}{
		{"3.5/POST, the cookie alone", "POST", action("validate"), inCookie, 403},
		{"3.5/POST, with X-Requested-With", "POST", action("validate"), append(inCookie, "X-Requested-With", "XMLHttpRequest"), 200},
		{"3.5/POST, with Accept-API-Version", "POST", action("validate"), append(inCookie, "Accept-API-Version", "resource=4.0"), 200},
		{"3.5/POST, an empty X-Requested-With", "POST", action("validate"), append(inCookie, "X-Requested-With", ""), 403},
		{"3.5/POST, in the header", "POST", action("validate"), []string{cookie, alice.Token}, 200},
		{"3.5/POST, header and cookie: the header counts", "POST", action("validate"), append(inCookie, cookie, bob.Token), 200},
		{"3.5/POST, an empty header and the cookie", "POST", action("validate"), append(inCookie, cookie, ""), 403},
		{"3.5/POST, two cookies", "POST", action("validate"), append(inCookie, "Cookie", cookie+"="+bob.Token), 403},
		{"3.5/POST, a bad cookie", "POST", action("validate"), []string{"Cookie", cookie + "=x"}, 403},
		{"3.5/POST, another cookie", "POST", action("validate"), []string{"Cookie", "other=" + alice.Token}, 401},
		{"3.5/POST authenticate, the cookie alone", "POST", authenticate, inCookie, 403},
		{"3.5/POST authenticate, with X-Requested-With", "POST", authenticate, append(inCookie, "X-Requested-With", "x"), 200},
		{"3.5/POST authenticate, without a cookie", "POST", authenticate, nil, 200},
		{"3.5/GET, the cookie alone", "GET", applications + "?_queryFilter=true", inCookie, 200},
		{"3.5/DELETE, the cookie alone", "DELETE", applications + "/web", inCookie, 403},
		{"3.5/DELETE, with X-Requested-With", "DELETE", applications + "/web", append(inCookie, "X-Requested-With", "x"), 404},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := k.in(t).do(tt.method, tt.path, nil, tt.header...)
			if tt.status >= 400 {
				a.refused(tt.status, "")
			} else {
				a.is(tt.status)
			}
		})
	}
	alice.post(action("getSessionInfo"), nil).is(200)
}

// Attack row 134: scripts of trusted origins may call with the cookie and read the answer, others not.
func TestOrigins(t *testing.T) {
	k := newKit(t)
	tests := []struct {
		name, origin, path string
		allowed            bool
	}{
		{"134/an origin that an application trusts", "https://web.example.com", action("validate"), true},
		{"134/in the realm's other forms", "https://web.example.com", "/json/sessions?realm=/alpha&_action=validate", true},
		{"134/of the top realm, where there is no application", "https://web.example.com", "/json/sessions?_action=validate", false},
		{"134/null", "null", action("validate"), false},
		{"134/a near miss", "https://web.example.com.evil.example", action("validate"), false},
		{"134/http", "http://web.example.com", action("validate"), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := k.in(t)
			a := k.do("OPTIONS", tt.path, nil, "Origin", tt.origin, "Access-Control-Request-Method", "POST",
				"Access-Control-Request-Headers", "iplanetdirectorypro").is(204)
			headers := strings.Join(a.Header.Values("Access-Control-Allow-Headers"), ", ")
			if got := a.Header.Get("Access-Control-Allow-Origin") == tt.origin; got != tt.allowed || got != strings.Contains(headers, cookie) {
				t.Errorf("allowed = %v (%s), want %v", got, headers, tt.allowed)
			}
			for _, token := range []string{k.as("alpha", "alice").Token, "x"} { // errors too
				a = k.post(tt.path, nil, cookie, token, "Origin", tt.origin)
				origin, with := a.Header.Get("Access-Control-Allow-Origin"), a.Header.Get("Access-Control-Allow-Credentials")
				if got := origin == tt.origin && with == "true"; got != tt.allowed || origin == "*" {
					t.Errorf("Access-Control-Allow-Origin = %q, credentials %q, want %v", origin, with, tt.allowed)
				}
			}
		})
	}
}
