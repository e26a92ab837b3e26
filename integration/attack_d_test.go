package integration_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestAttackD: identity headers, and what goes upstream.
func TestAttackD(t *testing.T) {
	f := newIssuer(t)
	n := start(t, config{bare: true, ports: []string{"d", "stripping", "errors"}, vars: map[string]string{"FOREIGN_ISSUER": f.url()}, sites: `
(trust) {
	issuer $FOREIGN_ISSUER {
		insecure_loopback_http
	}
	audience ` + orders + `
	forward_claim sub X-User-Id
	forward_claim email X-User-Email
}
http://:$D {
	log
	bearer_auth {
		import trust
	}
	reverse_proxy $UPSTREAM
}
http://:$STRIPPING {
	bearer_auth {
		import trust
		strip_token
	}
	reverse_proxy $UPSTREAM
}
http://:$ERRORS {
	bearer_auth {
		import trust
	}
	reverse_proxy 127.0.0.1:9
	handle_errors {
		rewrite * /error/{err.status_code}
		reverse_proxy $UPSTREAM
	}
}
`})
	good := f.token(t, nil) // sub is user-1, there is no email
	n.secret("the good token", good)
	bearer := "Authorization: Bearer " + good

	// sent is what the upstream sees of an identity name.
	sent := func(t *testing.T, port string, lines ...string) arrived {
		t.Helper()
		n.passes(t, func() answer { return n.rawGet(t, port, "/", append(lines, bearer)...) })
		return n.upstream.last()
	}
	wants := func(t *testing.T, a arrived, name string, want ...string) {
		t.Helper()
		if got := a.folded(name); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s upstream = %q, want %q", name, got, want)
		}
	}
	t.Run("case_62", func(t *testing.T) {
		a := sent(t, "d", "X-User-Email: admin@example.com", "X-User-Id: admin")
		wants(t, a, "X-User-Email")
		wants(t, a, "X-User-Id", "user-1")
	})
	t.Run("case_63", func(t *testing.T) {
		for _, name := range []string{"X_User_Id", "X.User.Id", "X-User_Id", "x_user-id", "X-User.Id", "XUserId"} {
			a := sent(t, "d", name+": admin", strings.Replace(strings.Replace(name, "Id", "Email", 1), "id", "email", 1)+": admin@example.com")
			if name == "XUserId" {
				continue // another name, though some would fold it the same way; it may pass
			}
			for header, values := range a.header {
				for _, v := range values {
					if strings.HasPrefix(v, "admin") {
						t.Errorf("%s reached the upstream as %s: %q", name, header, v)
					}
				}
			}
			wants(t, a, "X-User-Id", "user-1")
		}
	})
	t.Run("case_64", func(t *testing.T) {
		for _, name := range []string{"x-USER-id", "X-USER-ID", "x-user-id"} {
			wants(t, sent(t, "d", name+": admin"), "X-User-Id", "user-1")
		}
	})
	t.Run("case_66", func(t *testing.T) {
		// The error path: the request is refused, and the page's own backend is asked.
		forged := []string{"X-User-Id: admin", "X_User_Id: admin", "X-User-Email: a@b"}
		a := n.rawGet(t, "errors", "/", forged...)
		if a.status != 401 || !strings.HasPrefix(a.challenge(), "Bearer") {
			t.Errorf("a refusal dressed by handle_errors: %d %q, want 401 with the challenge", a.status, a.challenge())
		}
		got := n.upstream.last()
		if got.target != "/error/401" {
			t.Fatalf("the error backend was asked for %s, want /error/401", got.target)
		}
		wants(t, got, "X-User-Id")
		wants(t, got, "X-User-Email")
		// A preflight is let through and stripped.
		n.raw(t, "d", "OPTIONS / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nOrigin: https://a.example\r\nAccess-Control-Request-Method: GET\r\n"+strings.Join(forged, "\r\n")+"\r\n\r\n")
		wants(t, n.upstream.last(), "X-User-Email")
	})
	t.Run("case_67", func(t *testing.T) {
		wants(t, sent(t, "d", "X-User-Id: admin", "X-User-Id: root", "X-User-Id: a, b"), "X-User-Id", "user-1")
		// Named in Connection, the gate's own header must not be dropped as hop-by-hop.
		wants(t, sent(t, "d", "Connection: close, X-User-Id", "X-User-Id: admin"), "X-User-Id", "user-1")
		wants(t, sent(t, "d", "Connection: X_User_Id", "X_User_Id: admin"), "X-User-Id", "user-1")
	})
	t.Run("case_68", func(t *testing.T) {
		for _, announced := range []string{"Trailer: X-User-Id, X-Other\r\n", ""} {
			a := n.raw(t, "d", "POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n"+announced+bearer+"\r\n\r\n5\r\nhello\r\n0\r\nX-User-Id: admin\r\nX_User_Id: admin\r\nX-User-Email: admin\r\nX-Other: kept\r\n\r\n")
			if a.status != 200 || n.upstream.last().body != "hello" {
				t.Fatalf("a body with trailers: %d, the upstream read %q, want 200 and hello", a.status, n.upstream.last().body)
			}
			wants(t, n.upstream.last(), "X-User-Id", "user-1")
			wants(t, n.upstream.last(), "X-User-Email")
		}
	})
	t.Run("case_69", func(t *testing.T) {
		// The upstream is down, and the error page comes from another backend.
		a := n.rawGet(t, "errors", "/", bearer)
		if a.status != 502 || n.upstream.last().target != "/error/502" {
			t.Fatalf("upstream down: %d, the error backend was asked for %s, want 502", a.status, n.upstream.last().target)
		}
		if got := n.upstream.last().header.Get("Authorization"); got != "" {
			t.Error("the token reached the error backend")
		}
	})
	t.Run("case_70", func(t *testing.T) {
		lured := newIssuer(t)
		for name, path := range map[string]string{"keys": "/jwks", "metadata": "/.well-known/openid-configuration"} {
			helper := newIssuer(t)
			helper.set(path, redirect(lured.url()+path))
			m := start(t, config{bare: true, ports: []string{"x"}, sites: gateFor("X", helper.url(), "")})
			token := helper.token(t, nil)
			m.secret("a token", token)
			m.refuses(t, r503, token, func() answer { return m.call(t, "x", "/", token) })
			if got := lured.hits(path); got != 0 {
				t.Errorf("%s: the redirect was followed %d times", name, got)
			}
		}
	})
	t.Run("case_71", func(t *testing.T) {
		if got := sent(t, "stripping").header.Values("Authorization"); len(got) != 0 {
			t.Error("the token reached the upstream in spite of strip_token")
		}
		if got := sent(t, "d").header.Get("Authorization"); got != "Bearer "+good {
			t.Error("the token did not reach the upstream where it should")
		}
	})
	t.Run("case_72", func(t *testing.T) {
		upgrade := "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n"
		n.refuses(t, r400, good, func() answer { return n.raw(t, "d", "GET / HTTP/1.1\r\nHost: h\r\n"+upgrade+bearer+"\r\n\r\n") })
		websocket := "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
		n.refuses(t, r0, "", func() answer { return n.raw(t, "d", websocket+"\r\n") })
		// The handshake with a token is a request like any other; this upstream just declines.
		n.passes(t, func() answer { return n.raw(t, "d", websocket+bearer+"\r\n\r\n") })
		// Pipelined bytes behind a request that is let through are a request of their own.
		before := n.upstream.count()
		statuses := pipeline(t, n.addr("d"), "GET /one HTTP/1.1\r\nHost: h\r\n"+bearer+"\r\n\r\nGET /two HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", 2)
		if fmt.Sprint(statuses) != "[200 401]" || n.upstream.count()-before != 1 {
			t.Errorf("pipelined requests = %v, the upstream saw %d, want [200 401] and 1", statuses, n.upstream.count()-before)
		}
	})
}

// pipeline sends text on one connection and reads the statuses of so many responses.
func pipeline(t testing.TB, addr, text string, responses int) []int {
	t.Helper()
	c, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	var got []int
	in := bufio.NewReader(c)
	for range responses {
		r, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatalf("after %v: %v", got, err)
		}
		_, _ = io.Copy(io.Discard, r.Body)
		r.Body.Close()
		got = append(got, r.StatusCode)
	}
	return got
}
