package policy_test

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/policy"
	"github.com/caddy-gatehouse/gatehouse/authserver/resourceserver"
)

const someClaims = `{"iss":"https://issuer.example.com","sub":"alice","aud":"https://orders.example.com","exp":2000000000,"scope":"read write",
	"email":"alice@example.com","email_verified":true,"level":3,"ratio":0.5,"huge":99999999999999999999,"groups":["staff","admin"],"mixed":["a",1,null],
	"realm_access":{"roles":["a","b"]},"https://example.com/tenant":"t1","nothing":null,"quoted":"\"x\" {env.HOME}"}`

func token(t testing.TB, text string) *resourceserver.Token {
	t.Helper()
	c, err := jose.ParseClaims([]byte(text), jose.Limits{Size: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	return &resourceserver.Token{Claims: c}
}

func request() *http.Request {
	r := httptest.NewRequest(http.MethodPost, "https://Orders.Example.com.:8443/admin/caf%C3%A9?a=1&a=2&b=x%20y", nil)
	r.RemoteAddr = "192.0.2.7:1234"
	r.Header.Set("X-Tenant", "t1")
	r.Header["X-Many"] = []string{"a", "b"}
	for _, name := range []string{"Authorization", "DPoP", "Cookie", "Proxy-Authorization"} {
		r.Header.Set(name, "credential")
	}
	leaf := &x509.Certificate{Raw: []byte("leaf"), Subject: pkix.Name{CommonName: "client"}, DNSNames: []string{"client.example.com"}}
	r.TLS = &tls.ConnectionState{Version: tls.VersionTLS13, ServerName: "orders.example.com",
		PeerCertificates: []*x509.Certificate{leaf}, VerifiedChains: [][]*x509.Certificate{{leaf}}}
	return r
}

var around = policy.Surroundings{
	ClientIP: func(*http.Request) netip.Addr { return netip.MustParseAddr("10.1.2.3") },
	Now:      func() time.Time { return time.Unix(1_900_000_000, 0) },
}

// TestAllows: what an expression sees, and what becomes of one that cannot be judged.
func TestAllows(t *testing.T) {
	tests := []struct {
		expression string
		want       bool
		problem    error
	}{
		{`claims.sub == "alice"`, true, nil},
		{`claims.sub == "Alice"`, false, nil},
		{`claims["https://example.com/tenant"] == request.headers["x-tenant"]`, true, nil},
		{`"admin" in claims.groups`, true, nil},
		{`"root" in claims.groups`, false, nil},
		{`claims.groups.exists(g, g.startsWith("adm"))`, true, nil},
		{`claims.groups.all(g, g == "staff")`, false, nil},
		{`claims.mixed == ["a", 1, null]`, true, nil},
		{`1 in claims.mixed`, true, nil},
		{`claims.realm_access.roles[1] == "b"`, true, nil},
		{`"b" in claims.realm_access.roles`, true, nil},
		{`claims.level >= 3 && claims.level == 3.0 && type(claims.level) == int`, true, nil},
		{`claims.ratio < 1 && type(claims.ratio) == double`, true, nil},
		{`claims.email_verified`, true, nil},
		{`claims.email_verified == "true"`, false, nil},
		{`claims.email.endsWith("@example.com")`, true, nil},
		{`claims.email.lowerAscii().matches("^[a-z]+@example[.]com$")`, true, nil},
		{`claims.quoted == "\"x\" {env.HOME}"`, true, nil},
		{`claims.nothing == null`, true, nil},
		{`size(claims) == 16`, true, nil},
		{`"sub" in claims && !("nobody" in claims)`, true, nil},
		{`claims.exists(name, name == "sub")`, true, nil},
		{`claims == claims`, true, nil},
		{`has(claims.email)`, true, nil},
		{`has(claims.phone)`, false, nil},
		{`has(claims.phone) && claims.phone == "1"`, false, nil},
		{`has(claims.realm_access.roles) && !has(claims.realm_access.none)`, true, nil},
		{`claims.phone == "1" || claims.sub == "alice"`, true, nil},

		{`token.issuer == ""`, true, nil}, // no verifier made this one
		{`token.expires > now && token.expires - now < duration("100000001s")`, true, nil},
		{`"read" in token.scope && !("admin" in token.scope) && size(token.scope) == 2`, true, nil},
		{`token.audience == ["https://orders.example.com"]`, true, nil},

		{`request.method == "POST"`, true, nil},
		{`request.path == "/admin/café"`, true, nil},
		{`request.path.startsWith("/admin/")`, true, nil},
		{`request.host == "orders.example.com"`, true, nil},
		{`request.query.a == ["1", "2"] && request.query["b"][0] == "x y"`, true, nil},
		{`"2" in request.query.a`, true, nil},
		{`request.headers["X-Tenant"] == "t1"`, true, nil},
		{`request.headers["x-many"] == "a, b"`, true, nil},
		{`"x-tenant" in request.headers`, true, nil},
		{`request.headers.exists(name, request.headers[name] == "credential")`, false, nil},
		{`"authorization" in request.headers || "Cookie" in request.headers || "dpop" in request.headers || "PROXY-AUTHORIZATION" in request.headers`, false, nil},
		{`request.client_ip == "10.1.2.3" && request.remote_ip == "192.0.2.7"`, true, nil},
		{`cidr("10.0.0.0/8").containsIP(request.client_ip)`, true, nil},
		{`cidr("10.0.0.0/8").containsIP(request.remote_ip)`, false, nil},

		{`tls.present && tls.version == "1.3" && tls.server_name == "orders.example.com"`, true, nil},
		{`tls.client_verified && tls.client_subject == "CN=client" && "client.example.com" in tls.client_dns`, true, nil},
		{`tls.client_fingerprint == "d4a2f4f4a4a0b7c1"`, false, nil},
		{`now == timestamp("2030-03-17T17:46:40Z")`, true, nil},

		// What cannot be judged is not met, whichever way it is asked.
		{`claims.phone == "1"`, false, policy.ErrAbsent},
		{`claims.phone != "1"`, false, policy.ErrAbsent},
		{`!(claims.phone == "1")`, false, policy.ErrAbsent},
		{`!("admin" in claims.roles)`, false, policy.ErrAbsent},
		{`claims.realm_access.none.x == 1`, false, policy.ErrAbsent},
		{`claims.sub.x == 1`, false, policy.ErrAbsent},
		{`claims.groups[7] != "x"`, false, policy.ErrAbsent},
		{`request.headers["x-none"] != "1"`, false, policy.ErrAbsent},
		{`request.headers["authorization"] != "1"`, false, policy.ErrAbsent},
		{`request.query.none != ["1"]`, false, policy.ErrAbsent},
		{`claims.level.startsWith("3")`, false, policy.ErrType},
		{`claims.email`, false, policy.ErrType},
		{`int(claims.email) != 0`, false, policy.ErrType},
		{`claims.huge != 1`, false, policy.ErrTooLong},
	}
	tok, r := token(t, someClaims), request()
	for _, tt := range tests {
		t.Run(tt.expression, func(t *testing.T) {
			c, err := around.Compile(tt.expression)
			if err != nil {
				t.Fatal(err)
			}
			got, err := c.Allows(r, tok)
			if got != tt.want || !errors.Is(err, tt.problem) {
				t.Errorf("allows = %v (%v), want %v (%v)", got, err, tt.want, tt.problem)
			}
			if err != nil && (strings.Contains(strings.ReplaceAll(err.Error(), c.String(), ""), "alice") || !strings.Contains(err.Error(), "condition ")) {
				t.Errorf("the error has what was read: %v", err)
			}
		})
	}
}

func BenchmarkAllows(b *testing.B) {
	tok, r := token(b, someClaims), request()
	for _, bb := range []struct{ name, expression string }{
		{"claim", `claims.email.endsWith("@example.com")`},
		{"claim_and_method", `claims.sub == "alice" && request.method == "POST"`},
		{"group_or_path", `"admin" in claims.groups || !request.path.startsWith("/admin/")`},
		{"loop", `claims.groups.exists(g, g == "admin")`},
	} {
		b.Run(bb.name, func(b *testing.B) {
			c, err := policy.Compile(bb.expression)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if ok, err := c.Allows(r, tok); !ok || err != nil {
					b.Fatal(ok, err)
				}
			}
		})
	}
}
