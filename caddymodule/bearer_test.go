package caddymodule_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestRefusal: status, challenge and body of RFC 6750 §3, and that the upstream
// hears nothing of it.
func TestRefusal(t *testing.T) {
	base, up := gate(t, "bearer_auth {"+trusted+"\nscope read\nrealm orders\n}")
	tests := []struct {
		name      string
		headers   []string
		status    int
		challenge string
		code      string
	}{
		{"no token", nil, 401, `Bearer realm="orders"`, "unauthorized"},
		{"another scheme", []string{"Authorization", "Basic YTpi"}, 401, `Bearer realm="orders"`, "unauthorized"},
		{"garbage", []string{"Authorization", "Bearer garbage"}, 401, `Bearer realm="orders", error="invalid_token", error_description="The access token is not valid."`, "invalid_token"},
		{"expired", []string{"Authorization", "Bearer " + mint(t, map[string]any{"exp": 1000, "iat": 900})}, 401, `Bearer realm="orders", error="invalid_token", error_description="The access token expired."`, "invalid_token"},
		{"two tokens", []string{"Authorization", "Bearer a", "Authorization", "Bearer b"}, 400, `Bearer realm="orders", error="invalid_request", error_description="The request must carry exactly one well-formed access token."`, "invalid_request"},
		{"no scope", []string{"Authorization", "Bearer " + mint(t, nil)}, 403, `Bearer realm="orders", error="insufficient_scope", error_description="The access token lacks a required scope.", scope="read"`, "insufficient_scope"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := get(t, base+"/x", "", tt.headers...)
			if got.Status != tt.status {
				t.Errorf("status = %d, want %d", got.Status, tt.status)
			}
			if diff := cmp.Diff([]string{tt.challenge}, got.Header.Values("WWW-Authenticate")); diff != "" {
				t.Errorf("WWW-Authenticate (-want +got):\n%s", diff)
			}
			if got := got.Header.Get("Cache-Control"); got != "no-store" {
				t.Errorf("Cache-Control = %q, want no-store", got)
			}
			if got := got.Header.Get("Content-Type"); got != "application/json" {
				t.Errorf("Content-Type = %q, want application/json", got)
			}
			var body struct {
				Error string `json:"error"`
			}
			if err := json.Unmarshal([]byte(got.Body), &body); err != nil || body.Error != tt.code {
				t.Errorf("body = %s (%v), want error %s", got.Body, err, tt.code)
			}
			if h := up.last(); h != nil {
				t.Errorf("the upstream was asked, with %v", h)
			}
		})
	}
	if got := get(t, base+"/x", mint(t, map[string]any{"scope": "read"})); got.Status != 200 || up.last() == nil {
		t.Errorf("good token: %+v, want 200 from the upstream", got)
	}
}

// TestAttackRequest has the catalogue's sections C and D where they concern this
// handler. The nearest good input is in each case.
func TestAttackRequest(t *testing.T) {
	good := func(claims map[string]any) string { return mint(t, claims) }
	base, up := gate(t, "bearer_auth {"+trusted+`
		forward_claim sub X-User-Id
		forward_claim email X-Email
	}`)
	// passes sends a request with a good token and gives what the upstream saw.
	passes := func(t *testing.T, claims map[string]any, headers ...string) http.Header {
		t.Helper()
		if got := get(t, base+"/", good(claims), headers...); got.Status != 200 {
			t.Fatalf("status = %d, want 200", got.Status)
		}
		return up.last()
	}
	want := func(t *testing.T, h http.Header, name string, values ...string) {
		t.Helper()
		if diff := cmp.Diff(values, h.Values(name)); diff != "" {
			t.Errorf("%s at the upstream (-want +got):\n%s", name, diff)
		}
	}
	refused := func(t *testing.T, got answer, status int) {
		t.Helper()
		if got.Status != status {
			t.Errorf("status = %d, want %d", got.Status, status)
		}
		if h := up.last(); h != nil {
			t.Errorf("the upstream was asked, with %v", h)
		}
	}

	t.Run("case_43", func(t *testing.T) {
		t.Setenv("GATE_TEST_SECRET", "leaked")
		for _, text := range []string{"{env.GATE_TEST_SECRET}", "{file./etc/passwd}", "{http.request.header.Cookie}", `\{env.GATE_TEST_SECRET\}`} {
			want(t, passes(t, map[string]any{"email": text}, "Cookie", "a=b"), "X-Email", text)
		}
	})
	t.Run("case_50", func(t *testing.T) {
		for _, token := range []string{good(map[string]any{"exp": 1}), good(map[string]any{"iss": "https://other.example.com"}), "x"} {
			refused(t, get(t, base, token), 401)
		}
	})
	t.Run("case_51", func(t *testing.T) {
		refused(t, get(t, base, "x"), 401)
		refused(t, get(t, base, "", "Cookie", "access_token="+good(nil)), 401)
		refused(t, get(t, base+"/?access_token="+good(nil), ""), 401)
	})
	t.Run("case_52", func(t *testing.T) {
		for _, agent := range []string{"kube-probe/1.30", "GoogleHC/1.0", "ELB-HealthChecker/2.0"} {
			refused(t, get(t, base, "", "User-Agent", agent, "X-Health", "1"), 401)
		}
		refused(t, answerOf(t, raw(t, base, "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")), 401)
	})
	t.Run("case_53", func(t *testing.T) {
		forged := []string{"X-User-Id", "admin", "X_User_Id", "admin", "X-HTTP-Method-Override", "DELETE", "X~Http~Method+Override", "DELETE", "X!Http-Method", "DELETE"}
		got := send(t, http.MethodOptions, base+"/x", "stolen", append(forged, "Origin", "https://app.example.com", "Access-Control-Request-Method", "PUT")...)
		if got.Status != 200 {
			t.Fatalf("preflight: status = %d, want the upstream's", got.Status)
		}
		h := up.last()
		for _, name := range []string{"X-User-Id", "X_user_id", "Authorization", "X-Http-Method-Override", "X~http~method+override", "X!http-Method"} {
			if v, ok := h[name]; ok {
				t.Errorf("preflight brought %s: %q to the upstream", name, v)
			}
		}
		// What is no preflight is authenticated.
		refused(t, send(t, http.MethodOptions, base+"/x", ""), 401)
		refused(t, send(t, http.MethodOptions, base+"/x", "", "Origin", "https://app.example.com"), 401)
		refused(t, send(t, http.MethodOptions, base+"/x", "", "Access-Control-Request-Method", "PUT"), 401)
		refused(t, send(t, http.MethodGet, base+"/x", "", "Origin", "https://app.example.com", "Access-Control-Request-Method", "PUT"), 401)
		refused(t, send(t, http.MethodOptions, base+"/x", "", "Origin", "https://app.example.com", "Access-Control-Request-Method", "PUT", "Access-Control-Request-Method", "GET"), 401)
		refused(t, send(t, http.MethodOptions, base+"/x", "", "Origin", "https://app.example.com", "Access-Control-Request-Method", "P UT"), 401)
		body := "OPTIONS / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nOrigin: https://a\r\nAccess-Control-Request-Method: PUT\r\n"
		refused(t, answerOf(t, raw(t, base, body+"Content-Length: 3\r\n\r\nx=1")), 401)
		refused(t, answerOf(t, raw(t, base, body+"Transfer-Encoding: chunked\r\n\r\n3\r\nx=1\r\n0\r\n\r\n")), 401)
	})
	t.Run("case_54", func(t *testing.T) {
		refused(t, get(t, base, "", "X-HTTP-Method-Override", "OPTIONS"), 401)
		for _, line := range []string{
			"get / HTTP/1.1\r\nHost: a", "options / HTTP/1.1\r\nHost: a\r\nOrigin: https://a\r\nAccess-Control-Request-Method: PUT",
			"TRACE / HTTP/1.1\r\nHost: a", "GET http://other.example.com/ HTTP/1.1\r\nHost: a",
		} {
			refused(t, answerOf(t, raw(t, base, line+"\r\nConnection: close\r\n\r\n")), 401)
		}
		for _, line := range []string{"CONNECT a:80 HTTP/1.1\r\nHost: a:80", "GET x/y HTTP/1.1\r\nHost: a", "OPTIONS * HTTP/1.1\r\nHost: a"} {
			if got := answerOf(t, raw(t, base, line+"\r\nConnection: close\r\n\r\n")); got.Status == 200 && strings.Contains(got.Body, "upstream") || up.last() != nil {
				t.Errorf("%q reached the upstream: %+v", line, got)
			}
		}
	})
	t.Run("case_58", func(t *testing.T) {
		refused(t, get(t, base+"/admin", "", "X-Forwarded-Uri", "/public", "X-Original-URL", "/public", "X-Rewrite-URL", "/public",
			"X-Forwarded-Prefix", "/public", "X-Forwarded-Method", "OPTIONS"), 401)
	})
	t.Run("case_59", func(t *testing.T) {
		got := get(t, base, "", "X-Forwarded-Proto", "https", "X-Forwarded-Host", "evil.example.com", "Forwarded", "host=evil.example.com")
		refused(t, got, 401)
		if text := fmt.Sprint(got); strings.Contains(text, "evil") {
			t.Errorf("the answer repeats the client: %s", text)
		}
	})
	t.Run("case_61", func(t *testing.T) {
		refused(t, get(t, base, "", "X-Forwarded-For", "127.0.0.1, 10.0.0.1, ::ffff:127.0.0.1"), 401)
	})
	t.Run("case_62", func(t *testing.T) {
		want(t, passes(t, nil, "X-Email", "admin@example.com"), "X-Email")
		want(t, passes(t, map[string]any{"email": ""}, "X-Email", "admin@example.com"), "X-Email")
		want(t, passes(t, map[string]any{"email": "a@example.com"}, "X-Email", "admin@example.com"), "X-Email", "a@example.com")
	})
	t.Run("case_63", func(t *testing.T) {
		for _, name := range []string{"X_User_Id", "X.User.Id", "X-User_Id", "X_User.Id", "X!User!Id", "X~User+Id"} {
			h := passes(t, nil, name, "admin")
			for seen, v := range h {
				if fold(seen) == "x-user-id" && (seen != "X-User-Id" || !cmp.Equal(v, []string{"alice"})) {
					t.Errorf("%s arrived as %s: %q", name, seen, v)
				}
			}
		}
	})
	t.Run("case_64", func(t *testing.T) {
		want(t, passes(t, nil, "x-USER-id", "admin"), "X-User-Id", "alice")
	})
	t.Run("case_67", func(t *testing.T) {
		want(t, passes(t, nil, "X-User-Id", "admin", "X-User-Id", "root", "x-user-id", "a, b"), "X-User-Id", "alice")
	})
	t.Run("case_67 listed in Connection", func(t *testing.T) {
		got := answerOf(t, raw(t, base, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close, X-User-Id\r\nAuthorization: Bearer "+good(nil)+"\r\n\r\n"))
		if got.Status != 200 {
			t.Fatalf("status = %d, want 200", got.Status)
		}
		want(t, up.last(), "X-User-Id", "alice")
	})
	t.Run("case_68", func(t *testing.T) {
		for _, announced := range []string{"", "Trailer: X-Other\r\n", "Trailer: X-User-Id, X-Other, X-Email\r\n"} {
			answerOf(t, raw(t, base, "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n"+announced+
				"Authorization: Bearer "+good(nil)+"\r\n\r\n1\r\nx\r\n0\r\nX-User-Id: admin\r\nX_Email: admin\r\nX-Email: admin\r\nX-Other: kept\r\n\r\n"))
			h := up.last()
			want(t, h, "X-User-Id", "alice")
			want(t, h, "X-Email")
			for name, v := range up.trailer {
				if f := fold(name); f == "x-user-id" || f == "x-email" {
					t.Errorf("trailers %q: %s: %q arrived", announced, name, v)
				}
			}
			if announced != "" && up.trailer.Get("X-Other") != "kept" {
				t.Errorf("trailers %q: X-Other = %q, want it kept", announced, up.trailer.Get("X-Other"))
			}
		}
	})
	t.Run("case_68 credentials", func(t *testing.T) {
		token := good(nil)
		for _, announced := range []string{"", "Trailer: Authorization, DPoP, X-Other\r\n"} {
			answerOf(t, raw(t, base, "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n"+announced+
				"Authorization: Bearer "+token+"\r\n\r\n1\r\nx\r\n0\r\nAuthorization: Bearer other\r\nDPoP: x\r\nX-Other: kept\r\n\r\n"))
			want(t, up.last(), "Authorization", "Bearer "+token)
			if up.trailer["Authorization"] != nil || up.trailer["Dpop"] != nil {
				t.Errorf("trailers %q: %v arrived", announced, up.trailer)
			}
			if announced != "" && up.trailer.Get("X-Other") != "kept" {
				t.Errorf("trailers %q: X-Other = %q, want it kept", announced, up.trailer.Get("X-Other"))
			}
		}
	})
	t.Run("case_72", func(t *testing.T) {
		for _, upgrade := range []string{"h2c", "H2C", "websocket, h2c"} {
			refused(t, get(t, base, good(nil), "Connection", "Upgrade, HTTP2-Settings", "Upgrade", upgrade, "HTTP2-Settings", "AAMAAABkAAQAAP__"), 400)
		}
		refused(t, get(t, base, "", "Connection", "Upgrade", "Upgrade", "websocket"), 401)
		if got := get(t, base, good(nil), "Connection", "Upgrade", "Upgrade", "websocket"); got.Status != 200 {
			t.Errorf("websocket with a token: status = %d, want the upstream's", got.Status)
		}
	})
}

// fold is what the least careful upstream makes of a header's name.
func fold(name string) string {
	return strings.Map(func(c rune) rune {
		if strings.ContainsRune("!#$%&'*+.^_`|~", c) {
			return '-'
		}
		return c
	}, strings.ToLower(name))
}

// answerOf parses what raw has received.
func answerOf(t testing.TB, text string) answer {
	t.Helper()
	head, body, _ := strings.Cut(text, "\r\n\r\n")
	var a answer
	if _, err := fmt.Sscanf(head, "HTTP/1.1 %d", &a.Status); err != nil {
		t.Fatalf("no response: %q", text)
	}
	a.Body = body
	return a
}

// TestAttackUnprotected is case 66: what is not authenticated by this handler, or
// refused by it, loses forged identity headers as well.
func TestAttackUnprotected(t *testing.T) {
	up := newUpstream(t)
	port := freePort(t)
	load(t, "", fmt.Sprintf(`http://:%d {
		handle_errors {
			reverse_proxy %s
		}
		bearer_auth {%s
			forward_claim sub X-User-Id
		}
		reverse_proxy %[2]s
	}`, port, up.Addr, trusted))
	base := fmt.Sprintf("http://127.0.0.1:%d", port)

	t.Run("case_66 error route", func(t *testing.T) {
		got := get(t, base, "", "X-User-Id", "admin", "X_User_Id", "admin")
		if got.Body != "upstream" {
			t.Fatalf("answer = %+v, want the error route's", got)
		}
		for name, v := range up.last() {
			if fold(name) == "x-user-id" {
				t.Errorf("%s: %q reached the error route's upstream", name, v)
			}
		}
	})
	t.Run("case_66 preflight", func(t *testing.T) {
		send(t, http.MethodOptions, base, "", "X-User-Id", "admin", "Origin", "https://a", "Access-Control-Request-Method", "PUT")
		if v, ok := up.last()["X-User-Id"]; ok {
			t.Errorf("X-User-Id: %q reached the upstream with a preflight", v)
		}
	})
}

// TestAttackPath has cases 55, 57 and 60 on the demo's shape of a site: one rule
// for /admin, another for the rest. Nothing may be served as /admin under the
// rule of the rest.
func TestAttackPath(t *testing.T) {
	up := newUpstream(t)
	port := freePort(t)
	load(t, "", fmt.Sprintf(`http://localhost:%d {
		handle /admin* {
			bearer_auth {%s
				scope write
			}
			reverse_proxy %s
		}
		handle {
			bearer_auth {%[2]s
				scope read
			}
			reverse_proxy %[3]s
		}
	}`, port, trusted, up.Addr))
	base := fmt.Sprintf("http://127.0.0.1:%d", port)
	reader := mint(t, map[string]any{"scope": "read"})
	ask := func(target, host string) answer {
		return answerOf(t, raw(t, base, "GET "+target+" HTTP/1.1\r\nHost: "+host+"\r\nConnection: close\r\nAuthorization: Bearer "+reader+"\r\n\r\n"))
	}

	if got := ask("/orders", "localhost"); got.Status != 200 {
		t.Fatalf("/orders: status = %d, want 200", got.Status)
	}
	for _, target := range []string{
		"/admin", "/admin/", "/admin/x", "/public/../admin", "/public/%2e%2e/admin", "//admin", "/./admin", "/admin;x", "/admin%2f",
		"/%61dmin", "/ADMIN", "/admin%00", "/public%2f..%2fadmin",
		"/admin?/public", "/admin?x=/public",
	} {
		row := "case_55 "
		if strings.Contains(target, "?") {
			row = "case_57 "
		}
		t.Run(row+target, func(t *testing.T) {
			up.last()
			if got := ask(target, "localhost"); got.Status != 403 || up.last() != nil {
				t.Errorf("status = %d, want 403 and no request to the upstream", got.Status)
			}
		})
	}
	for _, target := range []string{"/public\\..\\admin", "/%252e%252e/admin2", "/x/%252e%252e/admin"} {
		t.Run("case_55 not decoded twice "+target, func(t *testing.T) {
			up.last()
			// Passed on as it came, but for a backslash, which is written %5C: the
			// upstream is not told of another path than the rule has seen.
			want := strings.ReplaceAll(target, `\`, "%5C")
			if got := ask(target, "localhost"); got.Status == 200 && up.target != want {
				t.Errorf("the upstream received %s, want %s", up.target, want)
			}
		})
	}
	for _, host := range []string{"LOCALHOST", "Localhost"} {
		t.Run("case_60 "+host, func(t *testing.T) {
			up.last()
			if got := ask("/admin", fmt.Sprintf("%s:%d", host, port)); got.Status != 403 || up.last() != nil {
				t.Errorf("status = %d, want 403 and no request to the upstream", got.Status)
			}
		})
	}
}
