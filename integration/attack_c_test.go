package integration_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// TestAttackC: getting the token and the request out of HTTP.
func TestAttackC(t *testing.T) {
	f := newIssuer(t)
	n := start(t, config{bare: true, ports: []string{"paths", "hosts", "c"}, vars: map[string]string{"FOREIGN_ISSUER": f.url()}, sites: `
(trust) {
	issuer $FOREIGN_ISSUER {
		insecure_loopback_http
	}
	audience ` + orders + `
	forward_claim sub X-User-Id
}
http://:$C {
	log
	bearer_auth {
		import trust
	}
	reverse_proxy $UPSTREAM
}
# Everything but /public needs a token, and /admin needs a scope.
http://:$PATHS {
	log
	@guarded not path /public /public/*
	bearer_auth @guarded {
		import trust
	}
	bearer_auth /admin* {
		import trust
		scope admin
	}
	reverse_proxy $UPSTREAM
}
# One name is guarded; the port answers no other.
http://example.com:$HOSTS {
	bearer_auth {
		import trust
	}
	reverse_proxy $UPSTREAM
}
`})
	good := f.token(t, nil)
	n.secret("the good token", good)
	bearer := "Authorization: Bearer " + good
	n.passes(t, func() answer { return n.rawGet(t, "c", "/", bearer) })

	table := func(t *testing.T, want verdict, port, path string, rows map[string][]string) {
		t.Helper()
		for name, lines := range rows {
			t.Run(name, func(t *testing.T) {
				n.refuses(t, want, good, func() answer { return n.rawGet(t, port, path, lines...) })
			})
		}
	}
	t.Run("case_46", func(t *testing.T) {
		table(t, r400, "c", "/", map[string][]string{
			"two Bearer":               {bearer, "Authorization: Bearer x"},
			"the same twice":           {bearer, bearer},
			"Basic and Bearer":         {"Authorization: Basic YTpi", bearer},
			"joined by a comma":        {bearer + ", Bearer x"},
			"Basic joined with Bearer": {"Authorization: Basic YTpi, Bearer " + good},
		})
		n.passes(t, func() answer { return n.rawGet(t, "c", "/", bearer) })
	})
	t.Run("case_49", func(t *testing.T) {
		for _, scheme := range []string{"bearer ", "BEARER    ", "Bearer ", "bEaReR  "} {
			n.passes(t, func() answer { return n.rawGet(t, "c", "/", "Authorization: "+scheme+good) })
		}
		table(t, r400, "c", "/", map[string][]string{"alone": {"Authorization: Bearer"}, "alone with spaces": {"Authorization: Bearer   "}})
		table(t, r0, "c", "/", map[string][]string{
			"tab": {"Authorization: Bearer\t" + good}, "Token": {"Authorization: Token " + good}, "BearerX": {"Authorization: BearerX " + good}, "Basic": {"Authorization: Basic YTpi"}, "empty": {"Authorization: "},
		})
	})
	t.Run("case_51", func(t *testing.T) {
		table(t, r401, "c", "/", map[string][]string{"a letter": {"Authorization: Bearer x"}})
		table(t, r0, "c", "/", map[string][]string{"a cookie": {"Cookie: Authorization=Bearer " + good}, "in the query": nil})
	})
	t.Run("case_52", func(t *testing.T) {
		table(t, r0, "c", "/", map[string][]string{
			"health check": {"User-Agent: kube-probe/1.30"}, "ELB": {"User-Agent: ELB-HealthChecker/2.0"}, "header": {"X-Health: 1"}, "internal": {"X-Internal: true", "X-Real-IP: 127.0.0.1"},
		})
	})
	t.Run("case_53", func(t *testing.T) {
		forged := []string{"X-User-Id: admin", "X_User_Id: admin"}
		before := n.upstream.count()
		a := n.raw(t, "c", "OPTIONS /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\nOrigin: https://app.example\r\nAccess-Control-Request-Method: GET\r\nAuthorization: Bearer x\r\n"+strings.Join(forged, "\r\n")+"\r\n\r\n")
		if n.upstream.count() != before { // passed on: then without identity and credentials
			got := n.upstream.last()
			if len(got.folded("X-User-Id")) != 0 || got.header.Get("Authorization") != "" || got.body != "" {
				t.Errorf("a preflight reached the upstream with %v", got.header)
			}
		} else if a.status != 204 && a.status != 200 && a.status != 401 {
			t.Errorf("preflight: %d", a.status)
		}
		for name, text := range map[string]string{
			"plain OPTIONS":                  "OPTIONS /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
			"OPTIONS with Origin only":       "OPTIONS /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\nOrigin: https://app.example\r\n\r\n",
			"preflight with a body":          "OPTIONS /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\nOrigin: https://app.example\r\nAccess-Control-Request-Method: GET\r\nContent-Length: 2\r\n\r\nhi",
			"GET with a preflight's headers": "GET /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\nOrigin: https://app.example\r\nAccess-Control-Request-Method: GET\r\n\r\n",
		} {
			t.Run(name, func(t *testing.T) {
				n.refuses(t, r0, "", func() answer { return n.raw(t, "c", text) })
			})
		}
		n.passes(t, func() answer {
			return n.raw(t, "c", "OPTIONS /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"+bearer+"\r\n\r\n")
		})
	})
	t.Run("case_54", func(t *testing.T) {
		for name, line := range map[string]string{
			"lower-case method": "get / HTTP/1.1", "absolute target": "GET http://elsewhere.example/ HTTP/1.1", "DELETE": "DELETE / HTTP/1.1", "made-up method": "FROB / HTTP/1.1", "TRACE": "TRACE / HTTP/1.1",
		} {
			t.Run(name, func(t *testing.T) {
				n.refuses(t, r0, "", func() answer {
					return n.raw(t, "c", line+"\r\nHost: h\r\nConnection: close\r\nX-HTTP-Method-Override: OPTIONS\r\n\r\n")
				})
			})
		}
		// What is not even a request does not get as far as the gate.
		for name, line := range map[string]string{"no slash": "GET admin HTTP/1.1", "space": "GET /a b HTTP/1.1", "CONNECT": "CONNECT 127.0.0.1:80 HTTP/1.1"} {
			t.Run(name, func(t *testing.T) {
				before := n.upstream.count()
				a := n.raw(t, "c", line+"\r\nHost: h\r\nConnection: close\r\n\r\n")
				if a.status < 400 || n.upstream.count() != before {
					t.Errorf("status = %d, the upstream saw %d requests, want a refusal", a.status, n.upstream.count()-before)
				}
			})
		}
	})
	// The path that the policy sees is the path that the upstream gets.
	t.Run("case_55", func(t *testing.T) {
		token := f.token(t, func(c map[string]any) { c["scope"] = "other" })
		n.secret("a token", token)
		for _, path := range []string{
			"/public/../admin", "/public/%2e%2e/admin", "/public/%2E%2E/admin", "//admin", "/./admin", "/admin;x", "/admin%2f", "/%61dmin", "/ADMIN", `/public\..\admin`, "/admin%00", "/%252e%252e/admin",
			"/public/..;/admin", "/public%2f..%2fadmin", "/public/./../admin", "/admin/", "/admin?x",
		} {
			t.Run(strings.ReplaceAll(path, "/", "_"), func(t *testing.T) {
				before := n.upstream.count()
				a := n.rawGet(t, "paths", path)
				arrivals := n.upstream.count() - before
				if arrivals > 0 && reachesAdmin(n.upstream.last().target) {
					t.Errorf("without a token %s reached the upstream as %s (%d)", path, n.upstream.last().target, a.status)
				}
				before = n.upstream.count()
				a = n.rawGet(t, "paths", path, "Authorization: Bearer "+token)
				if n.upstream.count() > before && reachesAdmin(n.upstream.last().target) {
					t.Errorf("without the scope %s reached the upstream as %s (%d)", path, n.upstream.last().target, a.status)
				}
			})
		}
		n.passes(t, func() answer { return n.rawGet(t, "paths", "/public/x") })
	})
	t.Run("case_57", func(t *testing.T) {
		for _, path := range []string{"/admin?/public", "/admin?x=/public", "/x?/public/", "/x?path=/public/y"} {
			n.refuses(t, r0, "", func() answer { return n.rawGet(t, "paths", path) })
		}
	})
	t.Run("case_58", func(t *testing.T) {
		table(t, r0, "paths", "/x", map[string][]string{
			"X-Forwarded-Uri": {"X-Forwarded-Uri: /public/x"}, "X-Original-URL": {"X-Original-URL: /public/x"}, "X-Rewrite-URL": {"X-Rewrite-URL: /public/x"},
			"X-Forwarded-Prefix": {"X-Forwarded-Prefix: /public"}, "X-Forwarded-Method": {"X-Forwarded-Method: OPTIONS"},
		})
		n.passes(t, func() answer { return n.rawGet(t, "paths", "/x", bearer, "X-Forwarded-Uri: /public/x") })
	})
	t.Run("case_60", func(t *testing.T) {
		for _, host := range []string{"example.com", "EXAMPLE.com", "example.com.", "example.com:80", "eXample.com"} {
			t.Run(host, func(t *testing.T) {
				before := n.upstream.count()
				a := n.raw(t, "hosts", "GET / HTTP/1.1\r\nHost: "+host+"\r\nConnection: close\r\n\r\n")
				if n.upstream.count() != before {
					t.Errorf("Host %s passed without a token (%d)", host, a.status)
				}
				if strings.EqualFold(host, "example.com") && a.status != 401 {
					t.Errorf("Host %s: %d, want 401", host, a.status)
				}
			})
		}
		n.passes(t, func() answer {
			return n.raw(t, "hosts", "GET / HTTP/1.1\r\nHost: EXAMPLE.com\r\nConnection: close\r\n"+bearer+"\r\n\r\n")
		})
	})
	t.Run("case_61", func(t *testing.T) {
		long := strings.Repeat("10.0.0.1, ", 2000) + "127.0.0.1"
		table(t, r0, "c", "/", map[string][]string{
			"long list": {"X-Forwarded-For: " + long}, "private first hop": {"X-Forwarded-For: 10.0.0.1"}, "IPv4-mapped": {"X-Forwarded-For: ::ffff:127.0.0.1"}, "Forwarded": {"Forwarded: for=127.0.0.1;host=example.com"},
		})
	})
}

// reachesAdmin reports whether a careless upstream would take the target for
// /admin: after decoding once and cleaning.
func reachesAdmin(target string) bool {
	path, _, _ := strings.Cut(target, "?")
	path = strings.NewReplacer("%2e", ".", "%2E", ".", "%61", "a").Replace(path)
	var parts []string
	for p := range strings.SplitSeq(path, "/") {
		switch p {
		case "", ".":
		case "..":
			parts = parts[:max(0, len(parts)-1)]
		default:
			parts = append(parts, p)
		}
	}
	return len(parts) > 0 && parts[0] == "admin"
}

// TestAttackForwarded: where the request claims to have come from changes nothing that
// the server says about itself.
func TestAttackForwarded(t *testing.T) {
	n := start(t, config{})
	issuer := n.vars["ISSUER"]
	path := strings.TrimPrefix(issuer, n.url("as"))
	lines := []string{"X-Forwarded-Proto: https", "X-Forwarded-Host: evil.example", "X-Forwarded-Port: 444", "Forwarded: host=evil.example;proto=https", "X-Forwarded-Prefix: /evil"}
	get := func(host string) answer {
		return n.raw(t, "as", fmt.Sprintf("GET %s/.well-known/openid-configuration HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n%s\r\n\r\n", path, host, strings.Join(lines, "\r\n")))
	}
	for _, host := range []string{n.addr("as"), "evil.example", "127.0.0.1"} {
		t.Run("case_59 Host "+host, func(t *testing.T) {
			a := get(host)
			if a.status != 200 || !strings.Contains(a.body, `"`+issuer+`"`) || strings.Contains(a.body, "evil") {
				t.Errorf("metadata: %d %.300s, want the configured issuer and nothing of the request's", a.status, a.body)
			}
		})
	}
	req := formRequest(issuer+"/token", worker, "grant_type", "client_credentials")
	req.Host = "evil.example"
	req.Header.Set("X-Forwarded-Host", "evil.example")
	token := n.tokenFrom(t, n.do(t, req))
	if got := claims(t, token)["iss"]; got != issuer {
		t.Errorf("iss = %v, want the configured %s", got, issuer)
	}
	if a := n.call(t, "gate", "/", token); a.status != http.StatusOK {
		t.Errorf("the token at the gate: %d, want 200", a.status)
	}
}
