package jose_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
)

// TestCertified: a certificate is for a key of a set where it has the key, and is the key's x5c where there is one
// (RFC 8705 §2.2.2).
func TestCertified(t *testing.T) {
	encode := base64.RawURLEncoding.EncodeToString
	ec := func() (any, any, map[string]any) {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		point, err := k.PublicKey.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		return k, &k.PublicKey, map[string]any{"kty": "EC", "crv": "P-256", "x": encode(point[1:33]), "y": encode(point[33:])}
	}
	certificate := func(private, public any) *x509.Certificate {
		template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour)}
		der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
		if err != nil {
			t.Fatal(err)
		}
		c, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	set := func(keys ...map[string]any) *jose.KeySet {
		b, err := json.Marshal(map[string]any{"keys": keys})
		if err != nil {
			t.Fatal(err)
		}
		s, skipped, err := jose.ParseKeySet(b, jose.KeySetLimits{})
		if err != nil || skipped > 0 {
			t.Fatalf("%d skipped, %v", skipped, err)
		}
		return s
	}
	with := func(k map[string]any, x5c any) map[string]any {
		out := map[string]any{"x5c": x5c}
		for name, v := range k {
			out[name] = v
		}
		return out
	}
	text := func(c *x509.Certificate) string { return base64.StdEncoding.EncodeToString(c.Raw) }

	private, public, jwk := ec()
	own, renewed := certificate(private, public), certificate(private, public)
	otherPrivate, otherPublic, otherJWK := ec()
	other := certificate(otherPrivate, otherPublic)
	tests := []struct {
		name string
		set  *jose.KeySet
		c    *x509.Certificate
		want bool
	}{
		{"by key", set(jwk), own, true},
		{"by key, another certificate of it", set(jwk), renewed, true},
		{"another key", set(otherJWK), own, false},
		{"one of several keys", set(otherJWK, jwk), own, true},
		{"by certificate", set(with(jwk, []string{text(own)})), own, true},
		{"by certificate, with those above it", set(with(jwk, []string{text(own), text(other)})), own, true},
		{"another certificate of the key", set(with(jwk, []string{text(own)})), renewed, false},
		{"second in the list", set(with(jwk, []string{text(renewed), text(own)})), own, false},
		{"the certificate beside another key", set(with(otherJWK, []string{text(own)})), own, false},
		{"x5c that is no list", set(with(jwk, text(own))), own, false},
		{"x5c that is empty", set(with(jwk, []string{})), own, false},
		{"x5c that cannot be read", set(with(jwk, []any{7})), own, false},
		{"x5c in base64url", set(with(jwk, []string{"_-_-"})), own, false},
		{"no keys", jose.NewKeySet(), own, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.set.Certified(tt.c) != nil; got != tt.want {
				t.Errorf("found = %v, want %v", got, tt.want)
			}
		})
	}

	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	edPublic, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if set(map[string]any{"kty": "RSA", "n": encode(rsaKey.N.Bytes()), "e": "AQAB"}).Certified(certificate(rsaKey, &rsaKey.PublicKey)) == nil {
		t.Error("RSA: not found")
	}
	if set(map[string]any{"kty": "OKP", "crv": "Ed25519", "x": encode(edPublic)}).Certified(certificate(edKey, edPublic)) == nil {
		t.Error("Ed25519: not found")
	}
	secretKey, err := jose.NewSecretKey("", []byte("0123456789abcdef0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	if jose.NewKeySet(secretKey).Certified(own) != nil {
		t.Error("a shared secret has a certificate")
	}
}
