package caddymodule_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-gatehouse/gatehouse/caddymodule"
)

// apiURL is what clients call the gate of these tests: neither its address nor what any header says.
const apiURL = "https://api.example.com/v1"

// TestAttack85DPoPAtTheGate: what comes with a bound token must prove that it was sent by who has the key, for this very request
// (RFC 9449 §7.1).
func TestAttack85DPoPAtTheGate(t *testing.T) {
	base, up := gate(t, `uri strip_prefix /public
		bearer_auth {`+trusted+`
			url `+apiURL+`/
			dpop
		}`)
	me, other := newProver(t), newProver(t)
	token := me.token(t)
	const path = "/public/orders"
	const url = apiURL + path
	// good is a proof of me, with changes.
	good := func(changes ...any) string { return me.proof(t, "GET", url, token, changes...) }
	used := good()
	if got := get(t, base+path, "", "Authorization", "DPoP "+token, "Dpop", used); got.Status != 200 || up.last() == nil {
		t.Fatalf("a good proof: %+v, want 200 from the upstream", got)
	}
	unbound := mint(t, nil)

	const invalidProof = `DPoP error="invalid_dpop_proof"`
	tests := []struct {
		name    string
		headers []string
		want    string // begins the challenge; "" passes
	}{
		{"bound token sent as Bearer", []string{"Authorization", "Bearer " + token}, `error="invalid_token"`},
		{"bound token sent as Bearer, with a proof", []string{"Authorization", "Bearer " + token, "Dpop", good()}, `error="invalid_token"`},
		{"no proof", []string{"Authorization", "DPoP " + token}, invalidProof},
		{"good", []string{"Authorization", "DPoP " + token, "Dpop", good()}, ""},
		{"scheme in another case", []string{"Authorization", "dpop " + token, "Dpop", good()}, ""},
		{"another key than the token's", []string{"Authorization", "DPoP " + token, "Dpop", other.proof(t, "GET", url, token)}, `error="invalid_token"`},
		{"replayed", []string{"Authorization", "DPoP " + token, "Dpop", used}, invalidProof},
		{"wrong htm", []string{"Authorization", "DPoP " + token, "Dpop", good("htm", "POST")}, invalidProof},
		{"htu of the address that was dialled", []string{"Authorization", "DPoP " + token, "Dpop", good("htu", base+path)}, invalidProof},
		{"htu of another host", []string{"Authorization", "DPoP " + token, "Dpop", good("htu", "https://other.example.com/v1"+path)}, invalidProof},
		{"htu of another host, which the proxy headers name too", []string{"Authorization", "DPoP " + token, "Dpop", good("htu", "https://other.example.com/v1"+path),
			"X-Forwarded-Host", "other.example.com", "Forwarded", "host=other.example.com", "X-Forwarded-Proto", "https"}, invalidProof},
		{"good, whatever proxy headers say", []string{"Authorization", "DPoP " + token, "Dpop", good(),
			"X-Forwarded-Host", "other.example.com", "X-Forwarded-Uri", "/x", "X-Original-Url", "/x", "X-Rewrite-Url", "/x"}, ""},
		{"htu of the path after the rewrite", []string{"Authorization", "DPoP " + token, "Dpop", good("htu", apiURL+"/orders")}, invalidProof},
		{"htu without the path of the url", []string{"Authorization", "DPoP " + token, "Dpop", good("htu", "https://api.example.com"+path)}, invalidProof},
		{"htu in another spelling", []string{"Authorization", "DPoP " + token, "Dpop", good("htu", "HTTPS://API.example.com:443/v1/public/%6frders?a=b")}, ""},
		{"no ath", []string{"Authorization", "DPoP " + token, "Dpop", good("ath", nil)}, invalidProof},
		{"ath of another token", []string{"Authorization", "DPoP " + token, "Dpop", me.proof(t, "GET", url, me.token(t))}, invalidProof},
		{"an hour ago", []string{"Authorization", "DPoP " + token, "Dpop", good("iat", time.Now().Add(-time.Hour).Unix())}, invalidProof},
		{"in an hour", []string{"Authorization", "DPoP " + token, "Dpop", good("iat", time.Now().Add(time.Hour).Unix())}, invalidProof},
		{"ten seconds ago", []string{"Authorization", "DPoP " + token, "Dpop", good("iat", time.Now().Add(-10*time.Second).Unix())}, ""},
		{"in ten seconds", []string{"Authorization", "DPoP " + token, "Dpop", good("iat", time.Now().Add(10*time.Second).Unix())}, ""},
		{"alg HS256", []string{"Authorization", "DPoP " + token, "Dpop", good(":alg", "HS256")}, invalidProof},
		{"alg none", []string{"Authorization", "DPoP " + token, "Dpop", good(":alg", "none")}, invalidProof},
		{"alg RS256", []string{"Authorization", "DPoP " + token, "Dpop", good(":alg", "RS256")}, invalidProof},
		{"private key in jwk", []string{"Authorization", "DPoP " + token, "Dpop", good(":jwk", map[string]any{
			"kty": "EC", "crv": "P-256", "x": me.jwk["x"], "y": me.jwk["y"], "d": b64(me.key.D.FillBytes(make([]byte, 32)))})}, invalidProof},
		{"two DPoP headers", []string{"Authorization", "DPoP " + token, "Dpop", good(), "Dpop", good()}, invalidProof},
		{"two proofs in one header", []string{"Authorization", "DPoP " + token, "Dpop", good() + ", " + good()}, invalidProof},
		{"not a proof", []string{"Authorization", "DPoP " + token, "Dpop", token}, invalidProof},
		{"unbound token with a proof", []string{"Authorization", "DPoP " + unbound, "Dpop", me.proof(t, "GET", url, unbound)}, `error="invalid_token"`},
		{"unbound token as Bearer, with a proof", []string{"Authorization", "Bearer " + unbound, "Dpop", me.proof(t, "GET", url, unbound)}, `error="invalid_token"`},
		{"unbound token as Bearer", []string{"Authorization", "Bearer " + unbound}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			up.last()
			got := get(t, base+path, "", tt.headers...)
			if tt.want == "" {
				if got.Status != 200 || up.last() == nil {
					t.Fatalf("%+v, want 200 from the upstream", got)
				}
				return
			}
			challenges := strings.Join(got.Header.Values("WWW-Authenticate"), ", ")
			if got.Status != 401 || !strings.Contains(challenges, tt.want) {
				t.Errorf("status %d, WWW-Authenticate %s, want 401 with %s", got.Status, challenges, tt.want)
			}
			if up.last() != nil {
				t.Error("the upstream was asked")
			}
			for _, secret := range []string{token, tt.headers[len(tt.headers)-1]} {
				if strings.Contains(got.Body+fmt.Sprint(got.Header), secret) {
					t.Error("the answer repeats what was sent")
				}
			}
		})
	}
}

// TestAttack85NonceAtTheGate: a gate with nonces gives one to who has none, or an old one.
func TestAttack85NonceAtTheGate(t *testing.T) {
	base, up := gate(t, "bearer_auth {"+trusted+"\nurl "+apiURL+"\ndpop {\nnonce\n}\n}")
	me := newProver(t)
	token := me.token(t)
	ask := func(changes ...any) answer {
		t.Helper()
		return get(t, base+"/x", "", "Authorization", "DPoP "+token, "Dpop", me.proof(t, "GET", apiURL+"/x", token, changes...))
	}
	for name, nonce := range map[string]any{"missing": nil, "made up": "AAAA", "a number": 1} {
		got := ask("nonce", nonce)
		if challenge := strings.Join(got.Header.Values("WWW-Authenticate"), ", "); got.Status != 401 || !strings.Contains(challenge, `DPoP error="use_dpop_nonce"`) || up.last() != nil {
			t.Errorf("%s: status %d, %s, want use_dpop_nonce", name, got.Status, challenge)
		}
		fresh := got.Header.Values("Dpop-Nonce")
		if len(fresh) != 1 || fresh[0] == "" {
			t.Fatalf("%s: DPoP-Nonce = %q, want one", name, fresh)
		}
		if got := ask("nonce", fresh[0]); got.Status != 200 || up.last() == nil {
			t.Errorf("%s: with the nonce that came: %+v, want 200", name, got)
		}
		if got := ask("nonce", fresh[0]); got.Status != 200 || up.last() == nil {
			t.Errorf("%s: with the nonce again, in another proof: %+v, want 200", name, got)
		}
	}
}

// TestProofOnce: a proof that was used at one gate is used at all of the process, and after a reload; nested gates share the use of one request.
func TestProofOnce(t *testing.T) {
	up := newUpstream(t)
	one, two, nested := freePort(t), freePort(t), freePort(t)
	bearer := "bearer_auth {" + trusted + "\nurl " + apiURL + "\ndpop\n}"
	sites := fmt.Sprintf("http://:%d {\n%s\nreverse_proxy %s\n}\nhttp://:%d {\n%s\nreverse_proxy %s\n}\n", one, bearer, up.Addr, two, bearer, up.Addr) +
		fmt.Sprintf("http://:%d {\nroute {\n%s\n%s\nreverse_proxy %s\n}\n}\n", nested, bearer, strings.Replace(bearer, "dpop\n", "realm inner\ndpop {\nrequired\n}\n", 1), up.Addr)
	load(t, "", sites)
	me := newProver(t)
	token := me.token(t)
	try := func(port int, proof string) int {
		t.Helper()
		return get(t, fmt.Sprintf("http://127.0.0.1:%d/x", port), "", "Authorization", "DPoP "+token, "Dpop", proof).Status
	}
	proof := me.proof(t, "GET", apiURL+"/x", token)
	if got := try(one, proof); got != 200 {
		t.Fatalf("status = %d, want 200", got)
	}
	if got := try(two, proof); got != 401 {
		t.Errorf("at the other gate: status = %d, want 401", got)
	}
	inner := me.proof(t, "GET", apiURL+"/x", token)
	if got := try(nested, inner); got != 200 {
		t.Errorf("two gates, one behind the other: status = %d, want 200", got)
	}
	if got := try(nested, inner); got != 401 {
		t.Errorf("the second time: status = %d, want 401", got)
	}
	load(t, "", sites+"# reloaded\n"+fmt.Sprintf("http://:%d {\nrespond ok\n}\n", freePort(t)))
	for _, p := range []string{proof, inner} {
		if got := try(one, p); got != 401 {
			t.Errorf("after a reload: status = %d, want 401", got)
		}
	}
	if got := try(one, me.proof(t, "GET", apiURL+"/x", token)); got != 200 {
		t.Errorf("another proof after a reload: status = %d, want 200", got)
	}
}

// TestRequired: required tokens are bound, to what the gate says.
func TestRequired(t *testing.T) {
	me, mine := newProver(t), newCertificate(t, "client")
	unbound := mint(t, nil)
	for _, tt := range []struct {
		name, options string
		unbound, key  int
	}{
		{"at will", "url " + apiURL + "\ndpop", 200, 200},
		{"to a key", "url " + apiURL + "\ndpop {\nrequired\n}", 401, 200},
		{"to a key, said twice", "url " + apiURL + "\nbound dpop\ndpop {\nrequired\n}", 401, 200},
		{"to a key, and to anything", "url " + apiURL + "\nbound any\ndpop {\nrequired\n}\nclient_certificate", 401, 200},
		{"to anything", "url " + apiURL + "\nbound any\ndpop\nclient_certificate", 401, 200},
		{"to a certificate", "url " + apiURL + "\ndpop\nclient_certificate {\nrequired\n}", 401, 401},
		{"without dpop", "client_certificate", 200, 401},
		{"without either", "", 200, 401},
	} {
		t.Run(tt.name, func(t *testing.T) {
			base, _ := gate(t, "bearer_auth {"+trusted+"\n"+tt.options+"\n}")
			if got := get(t, base+"/x", unbound).Status; got != tt.unbound {
				t.Errorf("unbound token: status = %d, want %d", got, tt.unbound)
			}
			token := me.token(t)
			if got := get(t, base+"/x", "", "Authorization", "DPoP "+token, "Dpop", me.proof(t, "GET", apiURL+"/x", token)).Status; got != tt.key {
				t.Errorf("token bound to a key: status = %d, want %d", got, tt.key)
			}
			if got := get(t, base+"/x", mine.token(t)).Status; got != 401 {
				t.Errorf("token bound to a certificate, which is not presented: status = %d, want 401", got)
			}
		})
	}
}

// TestAttack86CertificateAtTheGate: a token that is bound to a certificate passes with that one alone, presented to this server
// (RFC 8705 §3).
func TestAttack86CertificateAtTheGate(t *testing.T) {
	up := newUpstream(t)
	port := freePort(t)
	server, mine, other := newCertificate(t, "localhost"), newCertificate(t, "client"), newCertificate(t, "client")
	load(t, "", fmt.Sprintf(`https://localhost:%d {
		tls %s %s {
			client_auth {
				mode request
			}
		}
		bearer_auth {%s
			client_certificate {
				header Client-Cert
			}
		}
		reverse_proxy %s
	}`, port, server.pem, server.key, trusted, up.Addr))
	roots := x509.NewCertPool()
	roots.AddCert(server.leaf)
	chain := func(list ...*clientCertificate) *tls.Certificate {
		c := list[0].pair
		c.Certificate = nil
		for _, one := range list {
			c.Certificate = append(c.Certificate, one.leaf.Raw)
		}
		return &c
	}
	token := mine.token(t)
	for _, tt := range []struct {
		name      string
		presented *tls.Certificate
		token     string
		header    []string
		want      int
	}{
		{"the token's certificate", chain(mine), token, nil, 200},
		{"no certificate", nil, token, nil, 401},
		{"another certificate of the same name", chain(other), token, nil, 401},
		{"a chain that contains the token's, but does not start with it", chain(other, mine), token, nil, 401},
		{"a chain that starts with the token's", chain(mine, other), token, nil, 200},
		{"no certificate, but a header that names it", nil, token, []string{"Client-Cert", mine.header()}, 401},
		{"another certificate, and a header that names it", chain(other), token, []string{"Client-Cert", mine.header()}, 401},
		{"the token's certificate, and a header that names another", chain(mine), token, []string{"Client-Cert", other.header()}, 200},
		{"no certificate, unbound token", nil, mint(t, nil), nil, 200},
		{"a certificate, unbound token", chain(other), mint(t, nil), nil, 200},
		{"bound to something that nobody knows", chain(mine), mint(t, map[string]any{"cnf": map[string]any{"x": "y"}}), nil, 401},
	} {
		t.Run(tt.name, func(t *testing.T) {
			transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "localhost"}}
			defer transport.CloseIdleConnections()
			if tt.presented != nil {
				transport.TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return tt.presented, nil }
			}
			req, err := http.NewRequest("GET", fmt.Sprintf("https://localhost:%d/x", port), nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer "+tt.token)
			for i := 0; i < len(tt.header); i += 2 {
				req.Header.Add(tt.header[i], tt.header[i+1])
				req.Header["client_cert"] = []string{tt.header[i+1]}
			}
			up.last()
			res, err := (&http.Client{Transport: transport, Timeout: 10 * time.Second}).Do(req)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			h := up.last()
			if res.StatusCode != tt.want || (h != nil) != (tt.want == 200) {
				t.Fatalf("status = %d, upstream asked: %v, want %d", res.StatusCode, h != nil, tt.want)
			}
			for name := range h {
				if strings.EqualFold(strings.ReplaceAll(name, "_", "-"), "Client-Cert") {
					t.Errorf("the upstream sees %s of a peer whom nobody trusts", name)
				}
			}
		})
	}
}

// TestAttack86TrustedProxy: what a trusted proxy says of its client counts, and nothing that it presents itself.
func TestAttack86TrustedProxy(t *testing.T) {
	mine, other := newCertificate(t, "client"), newCertificate(t, "client")
	token := mine.token(t)
	const trust = "servers {\ntrusted_proxies static 127.0.0.1/32\n}"
	for _, tt := range []struct {
		name, global string
		headers      []string
		want         int
		kept         bool
	}{
		{"trusted", trust, []string{"Client-Cert", mine.header()}, 200, true},
		{"trusted, another certificate", trust, []string{"Client-Cert", other.header()}, 401, false},
		{"trusted, no certificate", trust, nil, 401, false},
		{"trusted, two headers", trust, []string{"Client-Cert", mine.header(), "Client-Cert", mine.header()}, 401, false},
		{"trusted, not a certificate", trust, []string{"Client-Cert", ":x:"}, 401, false},
		{"trusted, the header in another spelling", trust, []string{"Client_Cert", mine.header()}, 401, false},
		{"not trusted", "", []string{"Client-Cert", mine.header()}, 401, false},
		{"other networks are trusted", strings.Replace(trust, "127.0.0.1/32", "192.0.2.0/24", 1), []string{"Client-Cert", mine.header()}, 401, false},
		{"not trusted, however it calls itself", strings.Replace(trust, "127.0.0.1/32", "192.0.2.0/24", 1), []string{"Client-Cert", mine.header(), "X-Forwarded-For", "192.0.2.1"}, 401, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			up := newUpstream(t)
			port := freePort(t)
			load(t, tt.global, fmt.Sprintf("http://:%d {\nbearer_auth {%s\nclient_certificate {\nheader client-cert\n}\n}\nreverse_proxy %s\n}", port, trusted, up.Addr))
			got := get(t, fmt.Sprintf("http://127.0.0.1:%d/x", port), token, tt.headers...)
			if got.Status != tt.want {
				t.Errorf("status = %d, want %d", got.Status, tt.want)
			}
			if h := up.last(); h != nil && (h.Get("Client-Cert") != "") != tt.kept {
				t.Errorf("the upstream sees Client-Cert: %q", h.Get("Client-Cert"))
			}
			// Whoever passes with an unbound token hands no certificate on that is not believed.
			if get(t, fmt.Sprintf("http://127.0.0.1:%d/x", port), mint(t, nil), tt.headers...); tt.global != trust {
				for name := range up.last() {
					if strings.HasPrefix(strings.ToLower(name), "client") {
						t.Errorf("the upstream sees %s", name)
					}
				}
			}
		})
	}
}

// TestAttackConfigurationPossession: what cannot work, or cannot be meant, is refused at load.
func TestAttackConfigurationPossession(t *testing.T) {
	dir := t.TempDir()
	c := newCertificate(t, "x")
	absent := filepath.Join(dir, "absent.pem")
	if err := os.WriteFile(filepath.Join(dir, "set.json"), []byte(`{"keys":[]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("CONF_URL", "https://api.example.com")
	t.Setenv("CONF_EMPTY", "")
	issuerWith := func(options string) string {
		return "issuer https://i.example.com {\n" + options + "\n}\naudience a"
	}
	plain := "issuer https://i.example.com\naudience a\n"
	for _, tt := range []struct{ name, bearer, want string }{
		{"dpop", plain + "url https://a.example\ndpop", ""},
		{"dpop without url", plain + "dpop", "url"},
		{"url of a variable", plain + "url {env.CONF_URL}/x\ndpop", ""},
		{"url of an empty variable", plain + "url {env.CONF_EMPTY}\ndpop", "url"},
		{"url without a scheme", plain + "url a.example", "url"},
		{"url with a query", plain + "url https://a.example/?x", "url"},
		{"url with a fragment", plain + "url https://a.example/#x", "url"},
		{"url with a user", plain + "url https://u@a.example", "url"},
		{"url of another scheme", plain + "url ftp://a.example", "url"},
		{"url of a request", plain + "url https://{http.request.host}\ndpop", "url"},
		{"url with a path", plain + "url http://a.example:8080/x", ""},
		{"algorithm none", plain + "url https://a.example\ndpop {\nalgorithms none\n}", "algorithm"},
		{"algorithm HS256", plain + "url https://a.example\ndpop {\nalgorithms ES256 HS256\n}", "algorithm"},
		{"algorithm RS256, asked for", plain + "url https://a.example\ndpop {\nalgorithms RS256\n}", ""},
		{"max_age of an hour", plain + "url https://a.example\ndpop {\nmax_age 1h\n}", "max_age"},
		{"max_age of nothing", plain + "url https://a.example\ndpop {\nmax_age 0s\n}", "max_age"},
		{"max_age of five minutes", plain + "url https://a.example\ndpop {\nmax_age 5m\n}", ""},
		{"replay somewhere", plain + "url https://a.example\ndpop {\nreplay redis\n}", "replay"},
		{"replay in the process", plain + "url https://a.example\ndpop {\nreplay process\n}", ""},
		{"replay in a store that is not there", plain + "url https://a.example\ndpop {\nreplay store\n}", "replay store"},
		{"client_certificate", plain + "client_certificate", ""},
		{"certificates in an unknown format", plain + "client_certificate {\nheader X-Cert der\n}", "format"},
		{"certificates in a header that is none", plain + "client_certificate {\nheader \"X Cert\"\n}", "header"},
		{"certificates in a header of another use", plain + "client_certificate {\nheader Authorization\n}", "header"},
		{"certificates in each format", plain + "client_certificate {\nheader X-Cert xfcc\n}", ""},
		{"bound to both", plain + "url https://a.example\ndpop {\nrequired\n}\nclient_certificate {\nrequired\n}", "bound"},
		{"bound to one and required the other", plain + "url https://a.example\nbound mtls\ndpop {\nrequired\n}\nclient_certificate", "bound"},
		{"bound without a way to prove it", plain + "bound dpop", "bound"},
		{"case_86 unreadable ca_file", issuerWith("ca_file " + absent), "ca_file"},
		{"case_86 ca_file", issuerWith("ca_file " + c.pem), ""},
		{"decryption_key", issuerWith("decryption_key " + c.key), ""},
		{"decryption_key that is not there", issuerWith("decryption_key " + absent), "decryption_key"},
		{"decryption_key that is a certificate", issuerWith("decryption_key " + c.pem), "decryption_key"},
		{"decryption_key without keys", issuerWith("decryption_key " + filepath.Join(dir, "set.json")), "decryption_key"},
		{"signed introspection answers", issuerWith("verify introspect\nintrospection {\nbasic a b\nsigned\n}"), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := validate("{\n" + globals + "\n}\n:8999 {\nbearer_auth {\n" + tt.bearer + "\n}\n}")
			checkRefused(t, err, tt.want)
		})
	}
}

// TestProofOnceInTheStore: with replay store a used proof is known to whoever has the store: here to the server after a restart.
func TestProofOnceInTheStore(t *testing.T) {
	up := newUpstream(t)
	port := freePort(t)
	dir := t.TempDir()
	run := func() {
		t.Helper()
		load(t, "gatehouse {\nstorage sqlite {\npath "+dir+"/gatehouse.db\n}\n}", fmt.Sprintf(
			"http://:%d {\nbearer_auth {%s\nurl %s\ndpop {\nnonce\nreplay store\n}\n}\nreverse_proxy %s\n}", port, trusted, apiURL, up.Addr))
	}
	run()
	me := newProver(t)
	token := me.token(t)
	try := func(proof string) answer {
		t.Helper()
		return get(t, fmt.Sprintf("http://127.0.0.1:%d/x", port), "", "Authorization", "DPoP "+token, "Dpop", proof)
	}
	id := fmt.Sprint("stored ", time.Now().UnixNano())
	// prove makes proofs of one jti, with whichever nonce is good.
	prove := func() answer {
		t.Helper()
		nonce := try(me.proof(t, "GET", apiURL+"/x", token)).Header.Get("Dpop-Nonce")
		if nonce == "" {
			t.Fatal("no nonce came")
		}
		return try(me.proof(t, "GET", apiURL+"/x", token, "nonce", nonce, "jti", id))
	}
	if got := prove(); got.Status != 200 {
		t.Fatalf("%+v, want 200", got)
	}
	if got := prove(); got.Status != 401 {
		t.Errorf("the second time: status = %d, want 401", got.Status)
	}
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	caddymodule.CloseRetired()
	run()
	if got := prove(); got.Status != 401 || !strings.Contains(strings.Join(got.Header.Values("WWW-Authenticate"), ","), "invalid_dpop_proof") {
		t.Errorf("after a restart: %+v, want 401 with invalid_dpop_proof", got)
	}
	id += "x"
	if got := prove(); got.Status != 200 {
		t.Errorf("another proof after a restart: %+v, want 200", got)
	}
}
