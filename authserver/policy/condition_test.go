package policy_test

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/policy"
	"github.com/caddy-gatehouse/gatehouse/authserver/resourceserver"
)

const someClaims = `{"iss":"https://issuer.example.com","sub":"alice","aud":"https://orders.example.com","exp":2000000000,"scope":"read write",
	"email":"alice@example.com","email_verified":true,"level":3,"ratio":0.5,"huge":99999999999999999999,"groups":["staff","admin"],"mixed":["a",1,null],
	"realm_access":{"roles":["a","b"]},"https://example.com/tenant":"t1","nothing":null,"quoted":"\"x\" {env.HOME}"}`

func token(t testing.TB, text string) *resourceserver.Token {
	t.Helper()
	c, err := jose.ParseClaims([]byte(text), jose.Limits{Size: 1 << 20, Members: 1 << 20})
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

// TestAttack63HeadersInOtherSpellings: what an upstream may take for the header that a condition reads, is not overlooked.
func TestAttack63HeadersInOtherSpellings(t *testing.T) {
	for _, expression := range []string{
		`request.headers["x-tenant"] == "t1"`, `request.headers["x-tenant"] != "t2"`, `"x-tenant" in request.headers`,
		`!("x-tenant" in request.headers) || request.headers["x-tenant"] == "t1"`,
	} {
		condition, err := policy.Compile(expression)
		if err != nil {
			t.Fatal(err)
		}
		for _, twin := range []string{"X_tenant", "X.tenant", "X~tenant"} {
			for _, both := range []bool{true, false} {
				r := request()
				if ok, err := condition.Allows(r, token(t, someClaims)); !ok || err != nil {
					t.Fatalf("%s: %v, %v, want that it is met", expression, ok, err)
				}
				r.Header[twin] = []string{"t2"}
				if !both {
					delete(r.Header, "X-Tenant")
				}
				if ok, err := condition.Allows(r, token(t, someClaims)); ok || !errors.Is(err, policy.ErrMalformed) {
					t.Errorf("%s with %s: %v, %v, want %v", expression, twin, ok, err, policy.ErrMalformed)
				}
			}
		}
	}
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

// TestCompile: what is refused when a configuration is loaded, beside the nearest expression that is fine.
func TestCompile(t *testing.T) {
	nested := func(lists ...string) string {
		text, close := "", ""
		for i, list := range lists {
			text += fmt.Sprintf("%s.exists(x%d, ", list, i)
			close += ")"
		}
		return text + `x0 == "a"` + close
	}
	tests := []struct {
		name, expression string
		want             string // part of the error; empty means accepted
	}{
		{"bool", `claims.a == 1`, ""},
		{"a claim by itself", `claims.a`, ""},
		{"int", `size(claims)`, "must be a bool"},
		{"text", `request.method`, "must be a bool"},
		{"empty", ``, "empty"},
		{"blank", " \n", "empty"},
		{"syntax", `claims.a = 1`, "line 1, column 10: "},
		{"unknown variable", `claim.a == 1`, "undeclared reference to 'claim'; there are: claims, token.issuer, "},
		{"unknown member", `request.body == ""`, "undeclared reference to 'request'; there are: "},
		{"unknown function", `claims.a.sleep(1)`, "undeclared reference to 'sleep'"},
		{"functions that make long texts", `request.path.replace("a", "b") == ""`, "undeclared reference to 'replace'"},
		{"wrong type", `request.method == 1`, "no matching overload"},
		{"list of texts and a number", `1 in token.scope`, "no matching overload"},
		{"pattern that is none", `claims.a.matches("(")`, "invalid matches argument"},
		{"time that is none", `now > timestamp("yesterday")`, "invalid timestamp argument"},
		{"one list", nested("claims.a"), ""},
		{"one list, a pattern", `claims.a.exists(x, x.matches("^team-[a-z]+$"))`, ""},
		{"a list in a small one", `["a", "b"].all(x, x in claims.a && claims.b.exists(y, y == x))`, ""},
		{"a list in another", `claims.a.exists(x, x in claims.b)`, ""},
		{"two lists", nested("claims.a", "claims.b"), "is above the limit of 1000000"},
		{"three lists", nested("claims.a", "claims.b", "claims.c"), "nesting limit"},
		{"a map of a map", `claims.map(a, claims.map(b, claims)).size() == 1`, "is above the limit of 1000000"},
		{"long", strings.Repeat("true && ", 1022) + "true", ""},
		{"too long", strings.Repeat("true && ", 1024) + "true", "longer than 8192 bytes"},
		{"deep", strings.Repeat("(", 300) + "true" + strings.Repeat(")", 300), "recursion"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := policy.Compile(tt.expression)
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("error = %v, want %s in it", err, tt.want)
			case tt.want == "" && c.String() != tt.expression:
				t.Errorf("String = %q", c.String())
			}
			if err != nil && strings.Contains(err.Error(), "\n |") {
				t.Errorf("the error has several lines: %v", err)
			}
		})
	}
}

// TestBounds: whatever a token or a request brings, a condition is judged soon or not at all.
func TestBounds(t *testing.T) {
	long := strings.Repeat("x", 20<<10)
	many := `["a"` + strings.Repeat(`,"a"`, 5000) + `]`
	some := `["` + strings.Repeat("x", 200) + `"` + strings.Repeat(`,"`+strings.Repeat("x", 200)+`"`, 1500) + `]`
	tok := token(t, `{"long":"`+long+`","many":`+many+`,"some":`+some+`}`)
	r := request()
	r.Header.Set("X-Long", long)
	r.URL.RawQuery = "a=" + long
	broken := request()
	broken.URL.RawQuery = "a=%zz&b=1"
	bare := httptest.NewRequest(http.MethodGet, "http://a/x", nil)
	bare.RemoteAddr = "@"
	unverified := request()
	unverified.TLS.VerifiedChains = nil
	crowded, full := request(), request()
	for i := range 2001 {
		crowded.Header["X-"+strconv.Itoa(i)] = []string{""}
	}
	for i := range 2000 - len(full.Header) {
		full.Header["X-"+strconv.Itoa(i)] = []string{""}
	}
	elsewhere := request()
	elsewhere.TLS = new(tls.ConnectionState) // of a request that another proxy asks about
	tests := []struct {
		expression string
		r          *http.Request
		want       error
	}{
		{`!request.headers.exists(name, name == "x-tenant")`, crowded, policy.ErrTooLong},
		{`size(request.headers) < 5000`, crowded, policy.ErrTooLong},
		{`!request.headers.exists(name, name == "x-other")`, full, nil},
		{`tls.version != "1.0"`, elsewhere, policy.ErrAbsent},
		{`!(tls.version in ["1.0", "1.1"])`, elsewhere, policy.ErrAbsent},
		{`tls.server_name != "admin.example.com"`, elsewhere, policy.ErrAbsent},
		{`tls.present && tls.version != "1.0" && tls.server_name != "admin.example.com"`, request(), nil},
		{`claims.long != "x"`, r, policy.ErrTooLong},
		{`claims.long.matches("(a*)*b") || true`, r, nil},
		{`!("b" in claims.many)`, r, policy.ErrTooLong},
		{`request.headers["x-long"] != "x"`, r, policy.ErrTooLong},
		{`!("b" in request.query)`, r, policy.ErrTooLong},
		{`!("c" in request.query)`, broken, policy.ErrMalformed},
		{`!claims.some.exists(x, x.matches("^(x+)+y$") || x.matches("(x*)*z$") || x.contains("yz"))`, r, policy.ErrCost},
		{`tls.version != "1.0"`, bare, policy.ErrAbsent},
		{`tls.client_subject != "CN=x"`, bare, policy.ErrAbsent},
		{`tls.client_fingerprint != ""`, bare, policy.ErrAbsent},
		{`tls.client_subject != "CN=x"`, unverified, policy.ErrAbsent},
		{`tls.client_dns == []`, unverified, policy.ErrAbsent},
		{`!tls.client_verified && tls.client_fingerprint != ""`, unverified, nil},
		{`!tls.present && !tls.client_verified`, bare, nil},
		{`request.remote_ip != "1.2.3.4"`, bare, policy.ErrAbsent},
		{`token.expires > now`, bare, policy.ErrAbsent},
	}
	for _, tt := range tests {
		t.Run(tt.expression, func(t *testing.T) {
			c, err := policy.Compile(tt.expression)
			if err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			ok, err := c.Allows(tt.r, tok)
			if !errors.Is(err, tt.want) || ok != (tt.want == nil) {
				t.Errorf("allows = %v (%v), want %v", ok, err, tt.want)
			}
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

// TestPropertyAbsentIsNotMet is property 4 for conditions: without a claim that it reads, nothing that is made of comparisons of it is met.
func TestPropertyAbsentIsNotMet(t *testing.T) {
	r := request()
	rapid.Check(t, func(rt *rapid.T) {
		// Each comparison reads the claim, whichever way it is put.
		comparison := rapid.SampledFrom([]string{
			`claims.x == "a"`, `claims.x != "a"`, `!(claims.x == "a")`, `claims.x in ["a"]`, `!(claims.x in ["a"])`, `!("a" in claims.x)`, `claims.x.all(y, false)`,
			`!claims.x.exists(y, true)`, `size(claims.x) == 0`, `claims.x.y != 1`, `!claims.x.startsWith("a")`, `claims["x"] != 1`, `claims.x`, `!claims.x`,
		})
		expression := "(" + comparison.Draw(rt, "first") + ")"
		for range rapid.IntRange(0, 4).Draw(rt, "more") {
			next := "(" + comparison.Draw(rt, "next") + ")"
			switch rapid.SampledFrom([]string{"and", "or", "not", "if"}).Draw(rt, "joined") {
			case "and":
				expression += " && " + next
			case "or":
				expression += " || " + next
			case "not":
				expression = "!(" + expression + ")"
			case "if":
				expression = "(" + expression + ") ? true : " + next
			}
			expression = "(" + expression + ")"
		}
		c, err := policy.Compile(expression)
		if err != nil {
			return // of another type, or too much
		}
		if ok, err := c.Allows(r, token(t, `{"sub":"alice"}`)); ok || err == nil {
			rt.Fatalf("%s: met without its claim (%v)", expression, err)
		}
	})
}

// FuzzCompile: no text that is an expression, or none, brings the compiler down, and none that it makes of it the evaluation.
func FuzzCompile(f *testing.F) {
	for _, text := range []string{`claims.sub == "alice"`, `claims.groups.exists(g, g == "x")`, `request.query.a[0] == "1"`, `now - now < duration("1s")`, `((((`, `"\xff"`, "claims[\x00]"} {
		f.Add(text)
	}
	tok, r := token(f, someClaims), request()
	f.Fuzz(func(t *testing.T, text string) {
		c, err := policy.Compile(text)
		if err != nil {
			return
		}
		if ok, err := c.Allows(r, tok); ok && err != nil {
			t.Errorf("met, and not judged: %v", err)
		}
	})
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
