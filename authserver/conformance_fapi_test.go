package authserver_test

import (
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/declared"
)

// fapi is one combination of fapi2-security-profile-final-test-plan: how its two clients authenticate, and what
// constrains their tokens.
type fapi struct {
	*rig
	auth, constraint string
	ca               *authority
	certs            [2]*x509.Certificate
	holders          [2]*holder
	agent            *agent
	n                int // assertions made
}

var fapiClients = [2]string{"fapi-one", "fapi-two"}

func newFAPI(t *testing.T, auth, constraint string) *fapi {
	f := &fapi{auth: auth, constraint: constraint, ca: newAuthority(t, "clients")}
	f.rig = possessing(t, func(e *declared.Environment) {
		e.SecurityProfile, e.MTLSURL, e.ClientCAFile, e.Applications = "strict", mtlsA, f.ca.file, nil
		for i, id := range fapiClients {
			f.certs[i] = f.ca.client(id + ".example.com")
			a := declared.Application{
				ClientID: id, Type: "custom_app", Grants: []string{"authorization_code", "refresh_token", "client_credentials"},
				RedirectURIs: []string{appCallback}, Allow: []string{"openid", "profile", "offline_access", "orders:read"}, SignIn: declared.SignIn{PARRequired: true},
				DPoPBound: constraint == "dpop", CertificateBound: constraint == "mtls",
			}
			if a.AuthMethod = "private_key_jwt"; auth == "mtls" {
				a.AuthMethod, a.TLSSubject = "tls_client_auth", &declared.TLSSubject{DNS: id + ".example.com"}
			} else {
				a.JWKS = testkit.JWKS(t, testkit.SigningKey(t, testkit.RSAKey, "PS256", "client-rsa"))
			}
			e.Applications = append(e.Applications, a)
		}
	})
	for i := range f.holders {
		f.holders[i] = newHolder(t, f.clock)
	}
	f.agent = newAgent(t, f.rig)
	return f
}

// call is a request of one of the clients, and what is changed of it.
type call struct {
	endpoint string
	client   int
	noProof  bool // or certificate
	key      *holder
	changes  []any // of the proof
	cert     *x509.Certificate
	noAuth   bool
}

// send makes the request.
func (f *fapi) send(c call, fields ...string) answer {
	f.t.Helper()
	id := fapiClients[c.client]
	as := public(id)
	if f.auth == "private_key_jwt" && !c.noAuth {
		f.n++
		b, err := json.Marshal(map[string]any{
			"iss": id, "sub": id, "aud": issuerA, "exp": f.clock.Now().Add(time.Minute).Unix(), "jti": fmt.Sprint(f.t.Name(), f.n),
		})
		if err != nil {
			f.t.Fatal(err)
		}
		jwt, err := testkit.SigningKey(f.t, testkit.RSAKey, "PS256", "client-rsa").Sign("", b)
		if err != nil {
			f.t.Fatal(err)
		}
		as = assertion(jwt)
	}
	if f.constraint == "dpop" && !c.noProof && c.endpoint != "par" || c.key != nil {
		key := c.key
		if key == nil {
			key = f.holders[c.client]
		}
		as = key.as(as, c.endpoint, c.changes...)
	}
	r := formRequest("/"+envA+"/as/"+c.endpoint, as, fields...)
	switch {
	case c.cert != nil:
		return f.presenting(r, c.cert)
	case f.auth == "mtls" && !c.noAuth, f.constraint == "mtls" && !c.noProof && c.endpoint != "par":
		return f.presenting(r, f.certs[c.client])
	}
	return f.do(r)
}

// push pushes a request and gives its reference.
func (f *fapi) push(c call, more ...string) string {
	f.t.Helper()
	c.endpoint = "par"
	got := f.send(c, f.request(more...)...)
	if got.status != http.StatusCreated {
		f.t.Fatalf("push: %s %s", got.outcome(), got.body)
	}
	if n, _ := got.member("expires_in").(float64); n < 5 || n > 600 {
		f.t.Errorf("expires_in = %v", got.member("expires_in"))
	}
	return text(got, "request_uri")
}

func (f *fapi) request(more ...string) []string {
	return append(more, "response_type=code", "scope=openid offline_access", "redirect_uri="+appCallback, "code_challenge="+challenge,
		"code_challenge_method=S256", "state=st", "nonce=no")
}

// code has a pushed request answered.
func (f *fapi) code(reference string, client int, more ...string) string {
	f.t.Helper()
	q := url.Values{"client_id": {fapiClients[client]}, "request_uri": {reference}}
	for i := 0; i < len(more); i += 2 {
		q.Set(more[i], more[i+1])
	}
	got := f.agent.signOn(issuerA + "/authorize?" + q.Encode())
	if got.Get("code") == "" || got.Get("iss") != issuerA || got.Get("state") != "st" {
		f.t.Fatalf("answer %v", got)
	}
	return got.Get("code")
}

// resource asks UserInfo with a token, and client's own proof or certificate unless c says otherwise.
func (f *fapi) resource(c call, scheme, raw string) int {
	f.t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/"+envA+"/as/userinfo", nil)
	r.Header.Set("Authorization", scheme+" "+raw)
	if f.constraint == "dpop" && !c.noProof {
		key := f.holders[c.client]
		if c.key != nil {
			key = c.key
		}
		r.Header["Dpop"] = []string{key.proof(http.MethodGet, at("userinfo"), append([]any{"ath", ath(raw)}, c.changes...)...)}
	}
	switch {
	case c.cert != nil:
		return f.presenting(r, c.cert).status
	case f.constraint == "mtls" && !c.noProof:
		return f.presenting(r, f.certs[c.client]).status
	}
	return f.do(r).status
}

func (f *fapi) scheme() string {
	if f.constraint == "dpop" {
		return "DPoP"
	}
	return "Bearer"
}

// TestConformanceFAPI2 has the modules of section 11 about client certificates and sender-constrained tokens, by row, in all
// combinations.
func TestConformanceFAPI2(t *testing.T) {
	for _, auth := range []string{"private_key_jwt", "mtls"} {
		for _, constraint := range []string{"dpop", "mtls"} {
			f := newFAPI(t, auth, constraint)
			for _, m := range fapiModules {
				if m.constraint != "" && m.constraint != constraint {
					continue
				}
				t.Run(auth+"/"+constraint+"/"+m.name, func(t *testing.T) {
					f.t, f.rig.t, f.agent.t = t, t, t
					m.run(t, f)
				})
			}
		}
	}
}

// oneOf wants one of some outcomes.
func oneOf(t *testing.T, got answer, want ...string) {
	t.Helper()
	for _, w := range want {
		if got.outcome() == w {
			return
		}
	}
	t.Errorf("got %s, want one of %q", got.outcome(), want)
}

var withoutPossession = []string{"400 invalid_request", "400 invalid_grant", "400 invalid_client", "401 invalid_client", "400 invalid_dpop_proof"}

var fapiModules = []struct {
	name, constraint string
	run              func(*testing.T, *fapi)
}{
	{"discovery-end-point-verification", "", func(t *testing.T, f *fapi) {
		doc := f.get("/" + envA + "/as/.well-known/openid-configuration")
		for member, want := range map[string]string{
			"token_endpoint_auth_methods_supported": `"tls_client_auth","self_signed_tls_client_auth"`, "dpop_signing_alg_values_supported": `"ES256"`,
			"token_endpoint_auth_signing_alg_values_supported": `"PS256"`, "code_challenge_methods_supported": `"S256"`,
		} {
			b, _ := json.Marshal(doc.member(member))
			if !strings.Contains(string(b), want) {
				t.Errorf("%s = %s, want %s in it", member, b, want)
			}
		}
		if doc.member("tls_client_certificate_bound_access_tokens") != true {
			t.Error("tls_client_certificate_bound_access_tokens is not announced")
		}
	}},
	{"happy-flow", "", func(t *testing.T, f *fapi) {
		for client := range fapiClients {
			code := f.code(f.push(call{client: client}), client, "scope", "openid profile", "redirect_uri", "https://evil.example/", "state", "other")
			got := f.send(call{endpoint: "token", client: client}, redeemFields(code)...)
			if got.status != http.StatusOK || text(got, "token_type") != f.scheme() || text(got, "id_token") == "" {
				t.Fatalf("token: %s, token_type %q", got.outcome(), text(got, "token_type"))
			}
			raw := text(got, "access_token")
			c := cnf(t, payloadOf(t, raw))
			if f.constraint == "dpop" && c["jkt"] != f.holders[client].kid || f.constraint == "mtls" && c["x5t#S256"] != x5t(f.certs[client]) || len(c) != 1 {
				t.Errorf("cnf = %v", c)
			}
			for _, scheme := range []string{f.scheme(), strings.ToLower(f.scheme()), strings.ToUpper(f.scheme())} {
				if status := f.resource(call{client: client}, scheme, raw); status != http.StatusOK {
					t.Errorf("resource, scheme %s: %d", scheme, status)
				}
			}
			if status := f.resource(call{client: 1 - client}, f.scheme(), raw); status != http.StatusUnauthorized {
				t.Errorf("resource with the other client's possession: %d, want 401", status)
			}
			if status := f.resource(call{client: client, noProof: true}, f.scheme(), raw); status != http.StatusUnauthorized {
				t.Errorf("resource without possession: %d, want 401", status)
			}
		}
	}},
	{"check-dpop-proof-nbf-exp", "dpop", func(t *testing.T, f *fapi) {
		now := f.clock.Now()
		oneOf(t, f.send(call{endpoint: "token", changes: []any{"nbf", now.Unix(), "exp", now.Add(time.Minute).Unix()}}, "grant_type=client_credentials"), "200")
	}},
	{"ensure-dpopproof-with-iat-10seconds-before-succeeds", "dpop", func(t *testing.T, f *fapi) {
		oneOf(t, f.send(call{endpoint: "token", changes: []any{"iat", f.clock.Now().Add(-10 * time.Second).Unix()}}, "grant_type=client_credentials"), "200")
	}},
	{"ensure-dpopproof-with-iat-10seconds-after-succeeds", "dpop", func(t *testing.T, f *fapi) {
		oneOf(t, f.send(call{endpoint: "token", changes: []any{"iat", f.clock.Now().Add(10 * time.Second).Unix()}}, "grant_type=client_credentials"), "200")
	}},
	{"ensure-mismatched-dpop-jkt-fails", "dpop", func(t *testing.T, f *fapi) {
		oneOf(t, f.send(call{endpoint: "par", key: f.holders[0]}, f.request("dpop_jkt="+f.holders[1].kid)...), "400 invalid_request", "400 invalid_dpop_proof")
	}},
	{"ensure-token-endpoint-fails-with-mismatched-dpop-jkt", "dpop", func(t *testing.T, f *fapi) {
		code := f.code(f.push(call{}, "dpop_jkt="+f.holders[1].kid), 0)
		oneOf(t, f.send(call{endpoint: "token"}, redeemFields(code)...), "400 invalid_request", "400 invalid_grant", "400 invalid_dpop_proof")
	}},
	{"ensure-token-endpoint-fails-with-mismatched-dpop-proof-jkt", "dpop", func(t *testing.T, f *fapi) {
		code := f.code(f.push(call{key: f.holders[1]}), 0)
		oneOf(t, f.send(call{endpoint: "token"}, redeemFields(code)...), "400 invalid_request", "400 invalid_grant", "400 invalid_dpop_proof")
	}},
	{"ensure-dpop-auth-code-binding-success", "dpop", func(t *testing.T, f *fapi) {
		code := f.code(f.push(call{}, "dpop_jkt="+f.holders[0].kid), 0)
		oneOf(t, f.send(call{endpoint: "token"}, redeemFields(code)...), "200")
	}},
	{"ensure-dpopproof-at-par-endpoint-binding-success", "dpop", func(t *testing.T, f *fapi) {
		code := f.code(f.push(call{key: f.holders[0]}), 0)
		oneOf(t, f.send(call{endpoint: "token"}, redeemFields(code)...), "200")
	}},
	{"ensure-client-id-in-token-endpoint", "", func(t *testing.T, f *fapi) {
		code := f.code(f.push(call{}), 0)
		c, fields := call{endpoint: "token"}, append(redeemFields(code), "client_id="+fapiClients[1])
		if f.auth == "mtls" { // where the id is all that names the client
			c, fields = call{endpoint: "token", client: 1, cert: f.certs[0]}, redeemFields(code)
		}
		oneOf(t, f.send(c, fields...), "400 invalid_client", "401 invalid_client", "400 invalid_grant")
	}},
	{"ensure-holder-of-key-required", "", func(t *testing.T, f *fapi) {
		code := f.code(f.push(call{}), 0)
		oneOf(t, f.send(call{endpoint: "token", noProof: true, noAuth: f.auth == "mtls" && f.constraint == "mtls"}, redeemFields(code)...), withoutPossession...)
		oneOf(t, f.send(call{endpoint: "token"}, redeemFields(code)...), "200")
	}},
	{"ensure-authorization-code-is-bound-to-client", "", func(t *testing.T, f *fapi) {
		code := f.code(f.push(call{}), 0)
		oneOf(t, f.send(call{endpoint: "token", client: 1}, redeemFields(code)...), "400 invalid_grant")
	}},
	{"attempt-reuse-authorization-code-after-one-second", "", func(t *testing.T, f *fapi) {
		code := f.code(f.push(call{}), 0)
		first := f.send(call{endpoint: "token"}, redeemFields(code)...)
		f.clock.Advance(time.Second)
		oneOf(t, f.send(call{endpoint: "token"}, redeemFields(code)...), "400 invalid_grant")
		if status := f.resource(call{}, f.scheme(), text(first, "access_token")); status != http.StatusUnauthorized {
			t.Errorf("the first access token afterwards: %d, want 401", status)
		}
	}},
	{"ensure-token-endpoint-fails-with-expired-auth-code", "", func(t *testing.T, f *fapi) {
		code := f.code(f.push(call{}), 0)
		f.clock.Advance(62 * time.Second)
		oneOf(t, f.send(call{endpoint: "token"}, redeemFields(code)...), "400 invalid_grant")
	}},
	{"ensure-client-assertion-in-token-endpoint", "", func(t *testing.T, f *fapi) {
		code := f.code(f.push(call{}), 0)
		oneOf(t, f.send(call{endpoint: "token", noAuth: true, noProof: f.auth == "mtls"}, redeemFields(code)...), "401 invalid_client", "400 invalid_client", "400 invalid_request")
	}},
	{"refresh-token", "", func(t *testing.T, f *fapi) {
		got := f.send(call{endpoint: "token"}, redeemFields(f.code(f.push(call{}), 0))...)
		refresh := []string{"grant_type=refresh_token", "refresh_token=" + text(got, "refresh_token")}
		oneOf(t, f.send(call{endpoint: "token", noAuth: true, noProof: f.auth == "mtls"}, refresh...),
			"400 invalid_client", "401 invalid_client", "400 invalid_grant", "400 invalid_request")
		oneOf(t, f.send(call{endpoint: "token", noProof: true, noAuth: f.auth == "mtls" && f.constraint == "mtls"}, refresh...), withoutPossession...)
		oneOf(t, f.send(call{endpoint: "token", client: 1}, refresh...), "400 invalid_grant")
		next := call{endpoint: "token"}
		if f.constraint == "dpop" {
			next.key = newHolder(t, f.clock)
		}
		renewed := f.send(next, refresh...)
		if renewed.status != http.StatusOK {
			t.Fatalf("refresh: %s", renewed.outcome())
		}
		if c := cnf(t, payloadOf(t, text(renewed, "access_token"))); next.key != nil && c["jkt"] != next.key.kid {
			t.Errorf("cnf = %v, want the new key", c)
		}
		if status := f.resource(next, f.scheme(), text(renewed, "access_token")); status != http.StatusOK {
			t.Errorf("resource with the new token: %d", status)
		}
	}},
	{"dpop-negative-tests", "dpop", func(t *testing.T, f *fapi) {
		raw := text(f.send(call{endpoint: "token"}, redeemFields(f.code(f.push(call{}), 0))...), "access_token")
		for name, proofs := range badProofs(t, f.holders[0], http.MethodGet, at("userinfo"), raw) {
			if got := f.userinfoWith("DPoP", raw, proofs...).status; got != http.StatusBadRequest && got != http.StatusUnauthorized {
				t.Errorf("%s: %d, want 400 or 401", name, got)
			}
		}
		if got := f.resource(call{}, "Bearer", raw); got != http.StatusBadRequest && got != http.StatusUnauthorized {
			t.Errorf("with the scheme Bearer: %d, want 400 or 401", got)
		}
		for name, htu := range map[string]string{
			"query and fragment": at("userinfo") + "?a=b#c", "upper-case host": strings.Replace(at("userinfo"), "auth.example.com", "AUTH.EXAMPLE.COM", 1),
			"upper-case scheme": strings.Replace(at("userinfo"), "https", "HTTPS", 1), "port": strings.Replace(at("userinfo"), ".com", ".com:443", 1),
			"percent-encoding": strings.Replace(at("userinfo"), "userinfo", "user%69nfo", 1),
		} {
			if got := f.resource(call{changes: []any{"htu", htu}}, "DPoP", raw); got != http.StatusOK {
				t.Errorf("%s: %d, want 200", name, got)
			}
		}
	}},
	{"client-credentials", "", func(t *testing.T, f *fapi) {
		got := f.send(call{endpoint: "token"}, "grant_type=client_credentials")
		if got.status != http.StatusOK || text(got, "token_type") != f.scheme() || got.member("refresh_token") != nil || cnf(t, payloadOf(t, text(got, "access_token"))) == nil {
			t.Errorf("%s %s", got.outcome(), got.body)
		}
		oneOf(t, f.send(call{endpoint: "token", noProof: true, noAuth: f.auth == "mtls" && f.constraint == "mtls"}, "grant_type=client_credentials"), withoutPossession...)
	}},
}
