package caddymodule_test

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
	"fmt"
	"math/big"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// prover is a client with a key of its own, who makes DPoP proofs.
type prover struct {
	key        *ecdsa.PrivateKey
	jwk        map[string]any
	thumbprint string
}

var proofs atomic.Int64

func newProver(t testing.TB) *prover {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	x, y := b64(point[1:33]), b64(point[33:])
	sum := sha256.Sum256(fmt.Appendf(nil, `{"crv":"P-256","kty":"EC","x":"%s","y":"%s"}`, x, y))
	return &prover{key, map[string]any{"kty": "EC", "crv": "P-256", "x": x, "y": y}, b64(sum[:])}
}

// token is one that is bound to p's key.
func (p *prover) token(t testing.TB) string {
	return mint(t, map[string]any{"cnf": map[string]any{"jkt": p.thumbprint}})
}

// proof makes a proof for a request with token. changes are names and values of claims, or of members of the header where a name starts
// with a colon; nil takes one away.
func (p *prover) proof(t testing.TB, method, url, token string, changes ...any) string {
	t.Helper()
	sum := sha256.Sum256([]byte(token))
	header := map[string]any{"typ": "dpop+jwt", "alg": "ES256", "jwk": p.jwk}
	claims := map[string]any{
		"jti": fmt.Sprintf("proof %d", proofs.Add(1)), "htm": method, "htu": url, "iat": time.Now().Unix(), "ath": b64(sum[:]),
	}
	for i := 0; i < len(changes); i += 2 {
		name, in := changes[i].(string), claims
		if name[0] == ':' {
			name, in = name[1:], header
		}
		if in[name] = changes[i+1]; changes[i+1] == nil {
			delete(in, name)
		}
	}
	encode := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return b64(b)
	}
	input := encode(header) + "." + encode(claims)
	hash := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, p.key, hash[:])
	if err != nil {
		t.Fatal(err)
	}
	return input + "." + b64(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))
}

// clientCertificate is one with its key, in files and as clients present it.
type clientCertificate struct {
	leaf     *x509.Certificate
	pair     tls.Certificate
	pem, key string // file names
}

// newCertificate makes a certificate of its own for a name, for servers and clients.
func newCertificate(t testing.TB, name string) *clientCertificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	c := &clientCertificate{pair: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}}
	if c.leaf, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	c.pem, c.key = filepath.Join(dir, "certificate.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{c.pem: {Type: "CERTIFICATE", Bytes: der}, c.key: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// token is one that is bound to c.
func (c *clientCertificate) token(t testing.TB) string {
	sum := sha256.Sum256(c.leaf.Raw)
	return mint(t, map[string]any{"cnf": map[string]any{"x5t#S256": b64(sum[:])}})
}

// header is c as RFC 9440 writes it.
func (c *clientCertificate) header() string {
	return ":" + base64.StdEncoding.EncodeToString(c.leaf.Raw) + ":"
}

// tokenAt is askToken until the server's database is open: that may take a busy machine longer than a request waits for it. headers gives those of
// each time.
func tokenAt(t testing.TB, c *http.Client, endpoint string, form url.Values, headers func() []string) string {
	t.Helper()
	for until := time.Now().Add(time.Minute); ; {
		token, status := askToken(t, c, endpoint, form, headers()...)
		switch {
		case token != "":
			return token
		case status != http.StatusServiceUnavailable || time.Now().After(until):
			t.Fatalf("%s: %d, want a token", endpoint, status)
		}
	}
}

// askToken asks a token endpoint for a client's own token. headers are names and values.
func askToken(t testing.TB, c *http.Client, endpoint string, form url.Values, headers ...string) (token string, status int) {
	t.Helper()
	form.Set("grant_type", "client_credentials")
	r, err := http.NewRequest(http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	res, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var body struct {
		Token string `json:"access_token"`
	}
	_ = json.NewDecoder(res.Body).Decode(&body)
	return body.Token, res.StatusCode
}
