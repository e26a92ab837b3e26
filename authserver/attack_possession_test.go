package authserver_test

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/store/declared"
)

// badProofs are proofs for a request that must not be taken for one, each a single step away from a good one.
func badProofs(t testing.TB, h *holder, method, address, access string) map[string][]string {
	base := []any{}
	if access != "" {
		base = append(base, "ath", ath(access))
	}
	p := func(changes ...any) []string { return []string{h.proof(method, address, append(base, changes...)...)} }
	private := map[string]any{"d": base64.RawURLEncoding.EncodeToString(privateBytes(t, h.Key))}
	for k, v := range h.JWK {
		private[k] = v
	}
	replaced := h.proof(method, address, base...)
	now := h.clock.Now()
	bad := map[string][]string{
		"two headers":           {h.proof(method, address, base...), h.proof(method, address, base...)},
		"empty":                 {""},
		"not a JWT":             {"x.y.z"},
		"signature cut":         {replaced[:len(replaced)-4]},
		"signature of another":  {replaced[:strings.LastIndexByte(replaced, '.')+1] + strings.Repeat("A", 86)},
		"no typ":                p("header.typ", nil),
		"typ of a token":        p("header.typ", "at+jwt"),
		"no alg":                p("header.alg", nil),
		"alg none":              p("header.alg", "none"),
		"HS256":                 p("header.alg", "HS256"),
		"RS256":                 p("header.alg", "RS256"),
		"no jwk":                p("header.jwk", nil),
		"private key in jwk":    p("header.jwk", private),
		"jwk that is none":      p("header.jwk", map[string]any{"kty": "EC"}),
		"no jti":                p("jti", nil),
		"jti of nothing":        p("jti", ""),
		"no htm":                p("htm", nil),
		"wrong htm":             p("htm", "PUT"),
		"htm in lower case":     p("htm", strings.ToLower(method)),
		"no htu":                p("htu", nil),
		"htu of another host":   p("htu", strings.Replace(address, "auth.example.com", "evil.example", 1)),
		"htu of another path":   p("htu", address+"x"),
		"htu of another scheme": p("htu", strings.Replace(address, "https:", "http:", 1)),
		"no iat":                p("iat", nil),
		"iat of an hour ago":    p("iat", now.Add(-time.Hour).Unix()),
		"iat of an hour ahead":  p("iat", now.Add(time.Hour).Unix()),
		"iat as text":           p("iat", "now"),
	}
	if access != "" {
		bad["no ath"] = p("ath", nil)
		bad["ath of another token"] = p("ath", ath(access+"x"))
	}
	return bad
}

func privateBytes(t testing.TB, key *ecdsa.PrivateKey) []byte {
	t.Helper()
	b, err := key.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestAttack85DPoPAtTheServer: the proofs of row 85 at the endpoints of the authorization server that judge them.
func TestAttack85DPoPAtTheServer(t *testing.T) {
	g := possessing(t, nil)
	h := newHolder(t, g.clock)
	for name, proofs := range badProofs(t, h, http.MethodPost, at("token"), "") {
		t.Run("token/"+name, func(t *testing.T) {
			got := g.form(envA, "token", with(secretOf("api"), proofs...), "grant_type=client_credentials")
			if got.outcome() != "400 invalid_dpop_proof" {
				t.Errorf("got %s, want 400 invalid_dpop_proof", got.outcome())
			}
			repeatsNothing(t, got, proofs...)
		})
	}
	for name, proofs := range badProofs(t, h, http.MethodPost, at("par"), "") {
		t.Run("par/"+name, func(t *testing.T) {
			got := g.form(envA, "par", with(secretOf("first"), proofs...), "response_type=code", "scope=openid", "redirect_uri="+appCallback)
			if got.outcome() != "400 invalid_dpop_proof" {
				t.Errorf("got %s, want 400 invalid_dpop_proof", got.outcome())
			}
		})
	}
	tokens := g.form(envA, "token", h.as(public("app"), "token"), redeemFields(codeFor(newAgent(t, g), "app"))...)
	raw := text(tokens, "access_token")
	if tokens.status != http.StatusOK {
		t.Fatal(tokens.outcome())
	}
	for name, proofs := range badProofs(t, h, http.MethodGet, at("userinfo"), raw) {
		t.Run("userinfo/"+name, func(t *testing.T) {
			got := g.userinfoWith("DPoP", raw, proofs...)
			challenge := got.header.Get("WWW-Authenticate")
			if got.status != http.StatusUnauthorized || !strings.HasPrefix(challenge, "DPoP ") || !strings.Contains(challenge, `error="invalid_dpop_proof"`) ||
				!strings.Contains(challenge, `algs="ES256`) {
				t.Errorf("got %d, %s, want 401 and invalid_dpop_proof of the scheme DPoP", got.status, challenge)
			}
			repeatsNothing(t, got, proofs...)
		})
	}
	for name, tt := range map[string]struct {
		changes []any
		want    string
	}{
		"ten seconds ago":          {[]any{"iat", g.clock.Now().Add(-10 * time.Second).Unix()}, "200"},
		"ten seconds ahead":        {[]any{"iat", g.clock.Now().Add(10 * time.Second).Unix()}, "200"},
		"nbf and exp do no harm":   {[]any{"nbf", g.clock.Now().Unix(), "exp", g.clock.Now().Add(time.Minute).Unix()}, "200"},
		"further members":          {[]any{"x", map[string]any{"y": 1}, "header.x", "y"}, "200"},
		"query and fragment":       {[]any{"htu", at("token") + "?x#y"}, "200"},
		"a nonce that nobody asks": {[]any{"nonce", "abc"}, "200"},
	} {
		t.Run("nearest good/"+name, func(t *testing.T) {
			if got := g.form(envA, "token", h.as(secretOf("api"), "token", tt.changes...), "grant_type=client_credentials").outcome(); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
	t.Run("replay", func(t *testing.T) {
		proof := h.proof(http.MethodGet, at("userinfo"), "ath", ath(raw))
		if got := g.userinfoWith("DPoP", raw, proof).status; got != http.StatusOK {
			t.Errorf("first: %d, want 200", got)
		}
		if got := g.userinfoWith("DPoP", raw, proof); got.status != http.StatusUnauthorized || !strings.Contains(got.header.Get("WWW-Authenticate"), "invalid_dpop_proof") {
			t.Errorf("again: %d %s, want 401 invalid_dpop_proof", got.status, got.header.Get("WWW-Authenticate"))
		}
	})
}

// repeatsNothing wants an answer that repeats nothing of what was sent.
func repeatsNothing(t *testing.T, got answer, sent ...string) {
	t.Helper()
	for _, s := range sent {
		for part := range strings.SplitSeq(s, ".") {
			if len(part) > 20 && (strings.Contains(got.body, part) || strings.Contains(strings.Join(got.header.Values("WWW-Authenticate"), " "), part)) {
				t.Errorf("the answer repeats the proof: %s", got.body)
			}
		}
	}
}

// TestAttack130BoundTokens: a token that is bound is nobody's bearer token anywhere.
func TestAttack130BoundTokens(t *testing.T) {
	ca := newAuthority(t, "clients")
	g := possessing(t, func(e *declared.Environment) {
		e.Applications = append(e.Applications, declared.Application{
			ClientID: "worker", Type: "worker", Secret: attackSecret, Roles: []string{"Environment Admin"},
		})
	})
	a := newAgent(t, g)
	h, other := newHolder(t, g.clock), newHolder(t, g.clock)
	cert := ca.selfSigned("app")
	for _, client := range []string{"app", "opaque"} {
		bound := text(g.form(envA, "token", h.as(public(client), "token"), redeemFields(codeFor(a, client))...), "access_token")
		free := text(g.form(envA, "token", public(client), redeemFields(codeFor(a, client))...), "access_token")
		good := func() string { return h.proof(http.MethodGet, at("userinfo"), "ath", ath(bound)) }
		for name, tt := range map[string]struct {
			got  answer
			want string // scheme and error of the challenge; "" for none
		}{
			"good":                           {g.userinfoWith("DPoP", bound, good()), ""},
			"as a bearer's":                  {g.userinfoWith("Bearer", bound), `Bearer error="invalid_token"`},
			"as a bearer's, with a proof":    {g.userinfoWith("Bearer", bound, good()), `Bearer error="invalid_token"`},
			"without a proof":                {g.userinfoWith("DPoP", bound), `DPoP error="invalid_dpop_proof"`},
			"other key":                      {g.userinfoWith("DPoP", bound, other.proof(http.MethodGet, at("userinfo"), "ath", ath(bound))), `DPoP error="invalid_token"`},
			"unbound":                        {g.userinfoWith("Bearer", free), ""},
			"unbound with the scheme DPoP":   {g.userinfoWith("DPoP", free, h.proof(http.MethodGet, at("userinfo"), "ath", ath(free))), `DPoP error="invalid_token"`},
			"unbound beside a proof":         {g.userinfoWith("Bearer", free, h.proof(http.MethodGet, at("userinfo"), "ath", ath(free))), `Bearer error="invalid_token"`},
			"in the body of a form":          {g.form(envA, "userinfo", anonymous, "access_token="+bound), `Bearer error="invalid_token"`},
			"in the body, with a proof":      {g.form(envA, "userinfo", with(anonymous, h.proof(http.MethodPost, at("userinfo"), "ath", ath(bound))), "access_token="+bound), `Bearer error="invalid_token"`},
			"a proof in place of the token":  {g.userinfoWith("DPoP", good(), good()), `DPoP error="invalid_token"`},
			"a proof as a bearer's token":    {g.userinfoWith("Bearer", good()), `Bearer error="invalid_token"`},
			"unbound, in the body of a form": {g.form(envA, "userinfo", anonymous, "access_token="+free), ""},
		} {
			t.Run(client+"/"+name, func(t *testing.T) { refusedAs(t, tt.got, tt.want) })
		}
		// Whoever stole a token makes keys as they like, and is not to fill the memory of used proofs with them.
		made := other.proof(http.MethodGet, at("userinfo"), "ath", ath(bound))
		for range 2 {
			refusedAs(t, g.userinfoWith("DPoP", bound, made), `DPoP error="invalid_token"`)
		}
	}
	t.Run("nothing presented", func(t *testing.T) {
		got := g.do(httptest.NewRequest(http.MethodGet, "/"+envA+"/as/userinfo", nil))
		all := got.header.Values("WWW-Authenticate")
		if got.status != http.StatusUnauthorized || len(all) != 2 || !strings.HasPrefix(all[0], "Bearer ") || !strings.HasPrefix(all[1], `DPoP realm="userinfo", algs="ES256 `) ||
			strings.Contains(strings.Join(all, ""), "error") {
			t.Errorf("%d %q, want 401 with a challenge of both schemes and without error", got.status, all)
		}
	})
	t.Run("certificate", func(t *testing.T) {
		tokens := g.formOver(cert, "token", public("cert-app"), redeemFields(codeFor(a, "cert-app"))...)
		raw := text(tokens, "access_token")
		over := func(c *x509.Certificate, more ...*x509.Certificate) answer {
			r := httptest.NewRequest(http.MethodGet, "/"+envA+"/as/userinfo", nil)
			r.Header.Set("Authorization", "Bearer "+raw)
			if c == nil {
				return g.presenting(r)
			}
			return g.presenting(r, append([]*x509.Certificate{c}, more...)...)
		}
		refusedAs(t, over(cert), "")
		refusedAs(t, over(nil), `Bearer error="invalid_token"`)
		refusedAs(t, over(ca.selfSigned("app")), `Bearer error="invalid_token"`)
		refusedAs(t, over(ca.selfSigned("app"), cert), `Bearer error="invalid_token"`)
	})
	t.Run("management", func(t *testing.T) {
		call := func(scheme, raw string, proofs ...string) answer {
			r := httptest.NewRequest(http.MethodGet, "/v1/environments/"+envA+"/applications", nil)
			r.Header.Set("Authorization", scheme+" "+raw)
			if len(proofs) > 0 {
				r.Header["Dpop"] = proofs
			}
			return g.do(r)
		}
		free := text(g.form(envA, "token", secretOf("worker"), "grant_type=client_credentials"), "access_token")
		bound := text(g.form(envA, "token", h.as(secretOf("worker"), "token"), "grant_type=client_credentials"), "access_token")
		if got := call("Bearer", free); got.status != http.StatusOK {
			t.Errorf("unbound: %s, want 200", got.outcome())
		}
		if got := call("Bearer", bound); got.status != http.StatusUnauthorized {
			t.Errorf("bound: %s, want 401", got.outcome())
		}
		proof := h.proof(http.MethodGet, "https://auth.example.com/v1/environments/"+envA+"/applications", "ath", ath(bound))
		if got := call("DPoP", bound, proof); got.status != http.StatusUnauthorized {
			t.Errorf("bound, with a proof: %s, want 401: it is not asked for there", got.outcome())
		}
	})
}

// refusedAs wants 401 and a challenge of a scheme with an error, or, with "", success.
func refusedAs(t *testing.T, got answer, want string) {
	t.Helper()
	if want == "" {
		if got.status != http.StatusOK {
			t.Errorf("got %d %s, want 200", got.status, got.header.Get("WWW-Authenticate"))
		}
		return
	}
	scheme, code, _ := strings.Cut(want, " ")
	challenge := got.header.Get("WWW-Authenticate")
	if got.status != http.StatusUnauthorized || !strings.HasPrefix(challenge, scheme+" ") || !strings.Contains(challenge, code) {
		t.Errorf("got %d %s, want 401 %s", got.status, challenge, want)
	}
}

// TestAttack112OtherKey: a stolen refresh token or code of a public client is worth nothing without its key, and the
// attempt costs the client nothing.
func TestAttack112OtherKey(t *testing.T) {
	ca := newAuthority(t, "clients")
	g := possessing(t, nil)
	a := newAgent(t, g)
	t.Run("key", func(t *testing.T) {
		h, thief := newHolder(t, g.clock), newHolder(t, g.clock)
		refresh := "refresh_token=" + text(g.form(envA, "token", h.as(public("app"), "token"), redeemFields(codeFor(a, "app"))...), "refresh_token")
		for name, as := range map[string]credential{"other key": thief.as(public("app"), "token"), "no key": public("app")} {
			if got := g.form(envA, "token", as, "grant_type=refresh_token", refresh).outcome(); got != "400 invalid_grant" {
				t.Errorf("%s: %s, want 400 invalid_grant", name, got)
			}
		}
		if got := g.form(envA, "token", h.as(public("app"), "token"), "grant_type=refresh_token", refresh).outcome(); got != "200" {
			t.Errorf("the key: %s, want 200", got)
		}
		// A replay by who has no key ends nothing: the token that was exchanged has told them nothing.
		if got := g.form(envA, "token", thief.as(public("app"), "token"), "grant_type=refresh_token", refresh).outcome(); got != "400 invalid_grant" {
			t.Errorf("other key, token spent: %s, want 400 invalid_grant", got)
		}
	})
	t.Run("certificate", func(t *testing.T) {
		own := ca.selfSigned("app")
		refresh := "refresh_token=" + text(g.formOver(own, "token", public("cert-app"), redeemFields(codeFor(a, "cert-app"))...), "refresh_token")
		if got := g.formOver(ca.selfSigned("app"), "token", public("cert-app"), "grant_type=refresh_token", refresh).outcome(); got != "400 invalid_grant" {
			t.Errorf("other certificate: %s, want 400 invalid_grant", got)
		}
		if got := g.formOver(nil, "token", public("cert-app"), "grant_type=refresh_token", refresh).outcome(); got != "400 invalid_request" {
			t.Errorf("no certificate: %s, want 400 invalid_request", got)
		}
		if got := g.formOver(own, "token", public("cert-app"), "grant_type=refresh_token", refresh).outcome(); got != "200" {
			t.Errorf("the certificate: %s, want 200", got)
		}
	})
	t.Run("registration changed meanwhile", func(t *testing.T) {
		clock, st := g.clock, g.held
		h := newHolder(t, clock)
		refresh := "refresh_token=" + text(g.form(envA, "token", h.as(public("app-bound"), "token"), redeemFields(codeFor(a, "app-bound"))...), "refresh_token")
		later := possessing(t, func(e *declared.Environment) {
			for i := range e.Applications {
				if e.Applications[i].ClientID == "app-bound" {
					e.Applications[i].DPoPBound = false
				}
			}
		}, func(o *rigOptions) { o.store, o.clock = st, clock })
		if got := later.form(envA, "token", public("app-bound"), "grant_type=refresh_token", refresh).outcome(); got != "400 invalid_grant" {
			t.Errorf("no key: %s, want 400 invalid_grant: what is bound stays bound", got)
		}
		if got := later.form(envA, "token", h.as(public("app-bound"), "token"), "grant_type=refresh_token", refresh).outcome(); got != "200" {
			t.Errorf("the key: %s, want 200", got)
		}
	})
}

// TestAttack115ProofsAndAssertions: neither is taken for the other.
func TestAttack115ProofsAndAssertions(t *testing.T) {
	g := newRig(t, rigOptions{})
	h := newHolder(t, g.clock)
	// A proof with all that an assertion says, by a key that is nobody's registered one.
	claims := goodClaims("private_key_jwt", "x")
	changes := []any{}
	for name, value := range claims {
		changes = append(changes, name, value)
	}
	proof := h.proof(http.MethodPost, at("token"), changes...)
	if got := g.form(envA, "token", assertion(proof), "grant_type=client_credentials").outcome(); got != "401 invalid_client" {
		t.Errorf("proof as assertion: %s, want 401 invalid_client", got)
	}
	own := signed(t, goodClaims("private_key_jwt", "y"))
	if got := g.form(envA, "token", with(assertion(own), own), "grant_type=client_credentials").outcome(); got != "400 invalid_dpop_proof" {
		t.Errorf("assertion as proof: %s, want 400 invalid_dpop_proof", got)
	}
	good := with(assertion(signed(t, goodClaims("private_key_jwt", "z"))), h.proof(http.MethodPost, at("token")))
	if got := g.form(envA, "token", good, "grant_type=client_credentials"); got.status != http.StatusOK || text(got, "token_type") != "DPoP" {
		t.Errorf("both: %s, want 200 and DPoP", got.outcome())
	}
}

// TestAttack59ForwardedOrigin: the address that a proof is for comes from configuration, whatever the request says of itself.
func TestAttack59ForwardedOrigin(t *testing.T) {
	g := possessing(t, nil)
	h := newHolder(t, g.clock)
	forged := []string{"X-Forwarded-Host", "evil.example", "X-Forwarded-Proto", "http", "X-Forwarded-Port", "8443", "Forwarded", "host=evil.example;proto=http",
		"X-Forwarded-Prefix", "/evil", "X-Original-URL", "/evil"}
	send := func(address string) string {
		r := formRequest("/"+envA+"/as/token", with(secretOf("api"), h.proof(http.MethodPost, address)), "grant_type=client_credentials")
		for i := 0; i < len(forged); i += 2 {
			r.Header.Set(forged[i], forged[i+1])
		}
		r.Host = "evil.example"
		return g.do(r).outcome()
	}
	for _, address := range []string{"https://evil.example/" + envA + "/as/token", "http://evil.example/evil/" + envA + "/as/token", "http://auth.example.com/" + envA + "/as/token"} {
		if got := send(address); got != "400 invalid_dpop_proof" {
			t.Errorf("%s: %s, want 400 invalid_dpop_proof", address, got)
		}
	}
	if got := send(at("token")); got != "200" {
		t.Errorf("the configured address: %s, want 200", got)
	}
}

// TestAttack108ProofsOfAnotherEnvironment: a proof is for the environment that it was made for.
func TestAttack108ProofsOfAnotherEnvironment(t *testing.T) {
	g := possessing(t, nil)
	h := newHolder(t, g.clock)
	proof := func(issuer string) credential {
		return with(secretOf("first"), h.proof(http.MethodPost, issuer+"/par"))
	}
	push := []string{"response_type=code", "scope=openid", "redirect_uri=" + appCallback}
	if got := g.form(envB, "par", proof(issuerA), push...).outcome(); got != "400 invalid_dpop_proof" {
		t.Errorf("at B with a proof for A: %s, want 400 invalid_dpop_proof", got)
	}
	if got := g.form(envB, "par", proof(atB), push...).outcome(); got != "201" {
		t.Errorf("at B with a proof for B: %s, want 201", got)
	}
}

// TestAttack86CertificatesAtTheServer: who a client is, and that its tokens are bound to what it presented.
func TestAttack86CertificatesAtTheServer(t *testing.T) {
	ca, foreign := newAuthority(t, "clients"), newAuthority(t, "clients") // one name, two keys
	own := ca.client("batch.example.com")
	self := ca.selfSigned("self")
	other := ca.selfSigned("self")
	serverOnly, _ := ca.make(&x509.Certificate{DNSNames: []string{"batch.example.com"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}, ca)
	expired, _ := ca.make(&x509.Certificate{
		DNSNames: []string{"batch.example.com"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		NotBefore: noon.Add(-48 * time.Hour), NotAfter: noon.Add(-time.Hour),
	}, ca)
	g := possessing(t, func(e *declared.Environment) {
		e.ClientCAFile = ca.file
		add := func(id, method string, change func(*declared.Application)) {
			a := declared.Application{ClientID: id, Type: "service", AuthMethod: method, Allow: []string{"orders:read"}, CertificateBound: true}
			change(&a)
			e.Applications = append(e.Applications, a)
		}
		add("tls", "tls_client_auth", func(a *declared.Application) { a.TLSSubject = &declared.TLSSubject{DNS: "batch.example.com"} })
		add("tls-dn", "tls_client_auth", func(a *declared.Application) { a.TLSSubject = &declared.TLSSubject{DN: "CN=batch.example.com"} })
		add("tls-other", "tls_client_auth", func(a *declared.Application) { a.TLSSubject = &declared.TLSSubject{DNS: "other.example.com"} })
		add("self-x5c", "self_signed_tls_client_auth", func(a *declared.Application) { a.JWKS = jwkOf(t, self, true) })
		add("self-key", "self_signed_tls_client_auth", func(a *declared.Application) { a.JWKS = jwkOf(t, self, false) })
		add("off", "tls_client_auth", func(a *declared.Application) {
			a.TLSSubject, a.Disabled = &declared.TLSSubject{DNS: "batch.example.com"}, true
		})
	})
	// The same key in another certificate.
	renewed := func() *x509.Certificate {
		template := &x509.Certificate{SerialNumber: own.SerialNumber, DNSNames: []string{"self"}, NotBefore: own.NotBefore, NotAfter: own.NotAfter}
		der, err := x509.CreateCertificate(nil, template, ca.cert, self.PublicKey, ca.key)
		if err != nil {
			t.Fatal(err)
		}
		c, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}()
	tests := []struct {
		name, client string
		chain        []*x509.Certificate
		want         string
	}{
		{"tls_client_auth", "tls", []*x509.Certificate{own}, "200"},
		{"tls_client_auth by distinguished name", "tls-dn", []*x509.Certificate{own}, "200"},
		{"no certificate", "tls", nil, "401 invalid_client"},
		{"another client's certificate", "tls-other", []*x509.Certificate{own}, "401 invalid_client"},
		{"another authority of the same name", "tls", []*x509.Certificate{foreign.client("batch.example.com")}, "401 invalid_client"},
		{"another authority, with the right one in the chain", "tls", []*x509.Certificate{foreign.client("batch.example.com"), ca.cert}, "401 invalid_client"},
		{"the right one behind another", "tls", []*x509.Certificate{foreign.client("batch.example.com"), own}, "401 invalid_client"},
		{"self-signed", "tls", []*x509.Certificate{ca.selfSigned("batch.example.com")}, "401 invalid_client"},
		{"of a server", "tls", []*x509.Certificate{serverOnly}, "401 invalid_client"},
		{"expired", "tls", []*x509.Certificate{expired}, "401 invalid_client"},
		{"disabled client", "off", []*x509.Certificate{own}, "401 invalid_client"},
		{"unknown client", "nobody", []*x509.Certificate{own}, "401 invalid_client"},
		{"a client of another method", "api", []*x509.Certificate{own}, "401 invalid_client"},

		{"self_signed_tls_client_auth by certificate", "self-x5c", []*x509.Certificate{self}, "200"},
		{"self_signed_tls_client_auth by key", "self-key", []*x509.Certificate{self}, "200"},
		{"other key", "self-x5c", []*x509.Certificate{other}, "401 invalid_client"},
		{"other key, no certificate registered", "self-key", []*x509.Certificate{other}, "401 invalid_client"},
		{"other certificate of the registered key", "self-x5c", []*x509.Certificate{renewed}, "401 invalid_client"},
		{"other certificate where a key is registered", "self-key", []*x509.Certificate{renewed}, "200"},
		{"the right one in the chain", "self-x5c", []*x509.Certificate{other, self}, "401 invalid_client"},
		{"self-signed client without certificate", "self-key", nil, "401 invalid_client"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := formRequest("/"+envA+"/as/token", public(tt.client), "grant_type=client_credentials")
			got := g.presenting(r, tt.chain...)
			if got.outcome() != tt.want {
				t.Fatalf("got %s, want %s", got.outcome(), tt.want)
			}
			if tt.want != "200" {
				if !deniedText.MatchString(got.body) {
					t.Errorf("body %s, want that of every failed authentication", got.body)
				}
				return
			}
			if c := cnf(t, payloadOf(t, text(got, "access_token"))); len(c) != 1 || c["x5t#S256"] != x5t(tt.chain[0]) {
				t.Errorf("cnf = %v, want x5t#S256 %s alone", c, x5t(tt.chain[0]))
			}
			if text(got, "token_type") != "Bearer" {
				t.Errorf("token_type %q, want Bearer", text(got, "token_type"))
			}
		})
	}
	t.Run("with a second method", func(t *testing.T) {
		r := formRequest("/"+envA+"/as/token", basic("tls", "a-secret"), "grant_type=client_credentials")
		if got := g.presenting(r, own).outcome(); got != "401 invalid_client" {
			t.Errorf("got %s, want 401 invalid_client", got)
		}
	})
	t.Run("other endpoints", func(t *testing.T) {
		for _, endpoint := range []string{"revoke", "introspect"} {
			if got := g.formOver(own, endpoint, public("tls"), "token=x").outcome(); got != "200" {
				t.Errorf("%s: %s, want 200", endpoint, got)
			}
			if got := g.formOver(nil, endpoint, public("tls"), "token=x").outcome(); got != "401 invalid_client" {
				t.Errorf("%s without a certificate: %s, want 401 invalid_client", endpoint, got)
			}
		}
	})
	t.Run("thumbprint header", func(t *testing.T) {
		r := formRequest("/"+envA+"/as/token", public("tls"), "grant_type=client_credentials")
		r.Header.Set("Client-Cert", ":"+base64.StdEncoding.EncodeToString(own.Raw)+":")
		r.Header.Set("X-Client-Cert-Thumbprint", x5t(own))
		r.Header.Set("X-Forwarded-Client-Cert", "Hash="+x5t(own))
		if got := g.presenting(r).outcome(); got != "401 invalid_client" {
			t.Errorf("got %s, want 401 invalid_client", got)
		}
	})
	t.Run("bound secret client", func(t *testing.T) {
		if got := g.formOver(nil, "token", secretOf("cert-api"), "grant_type=client_credentials").outcome(); got != "400 invalid_request" {
			t.Errorf("without: %s, want 400 invalid_request", got)
		}
		got := g.formOver(self, "token", secretOf("cert-api"), "grant_type=client_credentials")
		if c := cnf(t, payloadOf(t, text(got, "access_token"))); c["x5t#S256"] != x5t(self) {
			t.Errorf("with: %s, cnf %v", got.outcome(), c)
		}
	})
	t.Run("bound to both", func(t *testing.T) {
		h := newHolder(t, g.clock)
		got := g.formOver(self, "token", h.as(secretOf("both"), "token"), "grant_type=client_credentials")
		if c := cnf(t, payloadOf(t, text(got, "access_token"))); c["x5t#S256"] != x5t(self) || c["jkt"] != h.kid || text(got, "token_type") != "DPoP" {
			t.Errorf("%s, cnf %v, token_type %q", got.outcome(), c, text(got, "token_type"))
		}
		if got := g.formOver(nil, "token", h.as(secretOf("both"), "token"), "grant_type=client_credentials").outcome(); got != "400 invalid_request" {
			t.Errorf("without the certificate: %s, want 400 invalid_request", got)
		}
		if got := g.formOver(self, "token", secretOf("both"), "grant_type=client_credentials").outcome(); got != "400 invalid_dpop_proof" {
			t.Errorf("without the proof: %s, want 400 invalid_dpop_proof", got)
		}
	})
}
