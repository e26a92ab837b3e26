package authserver_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/declared"
)

// holder is somebody with a key of their own.
type holder struct {
	*testkit.Holder
	clock *testkit.Clock
	kid   string // thumbprint
}

func newHolder(t testing.TB, clock *testkit.Clock) *holder {
	t.Helper()
	h := testkit.NewHolder(t, clock.Now)
	return &holder{h, clock, h.Thumbprint}
}

// proof makes one for a request; see testkit.
func (h *holder) proof(method, address string, changes ...any) string {
	return h.Proof(method, address, changes...)
}

// ath is the hash of an access token.
func ath(token string) string { return testkit.ATH(token) }

// with sends proofs along with an authentication.
func with(c credential, proofs ...string) credential {
	return func(h http.Header, form url.Values) {
		c(h, form)
		h["Dpop"] = proofs
	}
}

// at is an endpoint of environment A, as clients call it.
func at(endpoint string) string { return issuerA + "/" + endpoint }

// as authenticates a client and has it prove its key at an endpoint.
func (h *holder) as(c credential, endpoint string, changes ...any) credential {
	return with(c, h.proof(http.MethodPost, at(endpoint), changes...))
}

// userinfoWith asks UserInfo: scheme and token in Authorization, and proofs.
func (g *rig) userinfoWith(scheme, raw string, proofs ...string) answer {
	g.t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/"+envA+"/as/userinfo", nil)
	r.Header.Set("Authorization", scheme+" "+raw)
	if len(proofs) > 0 {
		r.Header["Dpop"] = proofs
	}
	return g.do(r)
}

// S256 of verifier (RFC 7636 Appendix B).
const (
	verifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
)

// codeFor signs alice on and gives a code for a client.
func codeFor(a *agent, client string, params ...string) string {
	a.t.Helper()
	got := a.signOn(ask(issuerA, client, append([]string{"scope", offlineScope, "code_challenge", challenge, "code_challenge_method", "S256"}, params...)...))
	if got.Get("code") == "" {
		a.t.Fatalf("no code: %v", got)
	}
	return got.Get("code")
}

// redeemFields are those of a token request with a code.
func redeemFields(code string) []string {
	return []string{"grant_type=authorization_code", "code=" + code, "redirect_uri=" + appCallback, "code_verifier=" + verifier}
}

// authority issues client certificates.
type authority struct {
	t    testing.TB
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	file string // PEM
	n    int64
}

func newAuthority(t testing.TB, name string) *authority {
	t.Helper()
	a := &authority{t: t, file: filepath.Join(t.TempDir(), "ca.pem")}
	a.cert, a.key = a.make(&x509.Certificate{
		Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, nil)
	if err := os.WriteFile(a.file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return a
}

// make signs a certificate for a new key: by itself, or by the authority.
func (a *authority) make(template *x509.Certificate, by *authority) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	a.n++
	template.SerialNumber = big.NewInt(a.n)
	if template.NotBefore.IsZero() {
		template.NotBefore, template.NotAfter = noon.Add(-time.Hour), noon.Add(24*time.Hour)
	}
	parent, signer := template, key
	if by != nil {
		parent, signer = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert, key
}

// client is a certificate of the authority for a client.
func (a *authority) client(dns string) *x509.Certificate {
	cert, _ := a.make(&x509.Certificate{
		Subject: pkix.Name{CommonName: dns}, DNSNames: []string{dns}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, a)
	return cert
}

// selfSigned is a certificate that nobody vouches for.
func (a *authority) selfSigned(dns string) *x509.Certificate {
	cert, _ := a.make(&x509.Certificate{Subject: pkix.Name{CommonName: dns}, DNSNames: []string{dns}}, nil)
	return cert
}

// x5t is the thumbprint of a certificate (RFC 8705 §3.1).
func x5t(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// jwkOf is a certificate's key, and with chain the certificate too, as a JWK Set.
func jwkOf(t testing.TB, c *x509.Certificate, chain bool) json.RawMessage {
	t.Helper()
	point, err := c.PublicKey.(*ecdsa.PublicKey).Bytes()
	if err != nil {
		t.Fatal(err)
	}
	k := map[string]any{
		"kty": "EC", "crv": "P-256",
		"x": base64.RawURLEncoding.EncodeToString(point[1:33]), "y": base64.RawURLEncoding.EncodeToString(point[33:]),
	}
	if chain {
		k["x5c"] = []string{base64.StdEncoding.EncodeToString(c.Raw)}
	}
	b, err := json.Marshal(map[string]any{"keys": []any{k}})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// presenting sends a request over a connection whose client has presented certificates.
func (g *rig) presenting(r *http.Request, chain ...*x509.Certificate) answer {
	g.t.Helper()
	r.TLS = &tls.ConnectionState{PeerCertificates: chain}
	return g.do(r)
}

// formOver posts a form with a certificate; nil is none.
func (g *rig) formOver(c *x509.Certificate, endpoint string, as credential, fields ...string) answer {
	g.t.Helper()
	r := formRequest("/"+envA+"/as/"+endpoint, as, fields...)
	if c == nil {
		return g.presenting(r)
	}
	return g.presenting(r, c)
}

const mtlsA = "https://mtls.example.com/" + envA + "/as"

// possessing is a server whose clients prove what they possess: attacked, and
//
//	app, app-bound   public clients; the second must send proofs
//	opaque           a public client with opaque access tokens
//	api, api-bound   services
//	cert-api         a service whose tokens are bound to its certificate
//	cert-app         a public client of the same kind
//	both             a service whose tokens are bound to both
func possessing(t testing.TB, change func(*declared.Environment), options ...func(*rigOptions)) *rig {
	t.Helper()
	config := attacked()
	env := &config.Environments[0]
	add := func(id string, change func(*declared.Application)) {
		a := declared.Application{
			ClientID: id, Type: "custom_app", AuthMethod: "none", Grants: []string{"authorization_code", "refresh_token"},
			RedirectURIs: []string{appCallback}, Allow: []string{"openid", "profile", "offline_access", "orders:read"},
		}
		if change != nil {
			change(&a)
		}
		env.Applications = append(env.Applications, a)
	}
	service := func(a *declared.Application) {
		a.Type, a.AuthMethod, a.Secret, a.Grants, a.RedirectURIs = "service", "", attackSecret, nil, nil
		a.Allow = []string{"orders:read"}
	}
	add("app", nil)
	add("app-bound", func(a *declared.Application) { a.DPoPBound = true })
	add("opaque", func(a *declared.Application) { a.AccessTokenFormat = "opaque" })
	add("cert-app", func(a *declared.Application) { a.CertificateBound = true })
	add("api", service)
	add("api-bound", func(a *declared.Application) { service(a); a.DPoPBound = true })
	add("cert-api", func(a *declared.Application) { service(a); a.CertificateBound = true })
	add("both", func(a *declared.Application) { service(a); a.DPoPBound, a.CertificateBound = true, true })
	if change != nil {
		change(env)
	}
	o := rigOptions{config: &config, noLimit: true}
	for _, f := range options {
		f(&o)
	}
	return newRig(t, o)
}

// cnf is the confirmation of a token or an answer of introspection.
func cnf(t testing.TB, text []byte) map[string]any {
	t.Helper()
	var v struct {
		CNF map[string]any `json:"cnf"`
	}
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return v.CNF
}

// introspected is what introspection says of a token to its own client.
func (g *rig) introspected(c credential, raw string) answer {
	g.t.Helper()
	return g.form(envA, "introspect", c, "token="+raw)
}
