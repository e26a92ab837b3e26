package jose_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
)

// typicalClaims is an access token's payload of the usual size (RFC 9068 §2.2).
const typicalClaims = `{"client_id":"0b7d3c52-9c1f-4f5e-8a44-6a1c2e9d7f10","iss":"https://auth.example.com/5f0c9f3a-6c1e-4c55-9a3b-2d7f8e1b4a60/as",` +
	`"jti":"018f4c1e-7a2b-7c3d-8e4f-5a6b7c8d9e0f","iat":1772366400,"exp":1772370000,"nbf":1772366400,"aud":["https://orders.example.com"],` +
	`"scope":"orders:read orders:write","sub":"018f4c1e-7a2b-7c3d-8e4f-5a6b7c8d9e0f","env":"5f0c9f3a-6c1e-4c55-9a3b-2d7f8e1b4a60",` +
	`"org":"9f0c9f3a-6c1e-4c55-9a3b-2d7f8e1b4a61"}`

func benchToken(b *testing.B, alg string) (string, *jose.SigningKey) {
	b.Helper()
	k, err := jose.GenerateSigningKey(alg, 0)
	if err != nil {
		b.Fatal(err)
	}
	token, err := k.Sign("at+jwt", []byte(typicalClaims))
	if err != nil {
		b.Fatal(err)
	}
	return token, k
}

func BenchmarkParse(b *testing.B) {
	token, _ := benchToken(b, jose.RS256)
	b.Run(fmt.Sprintf("header and framing, %d bytes", len(token)), func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := jose.Parse(token, jose.Limits{}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("and claims", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			j, err := jose.Parse(token, jose.Limits{})
			if err != nil {
				b.Fatal(err)
			}
			if _, err := j.Claims(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkLooksLikeJWT(b *testing.B) {
	token, _ := benchToken(b, jose.RS256)
	b.ReportAllocs()
	for b.Loop() {
		if !jose.LooksLikeJWT(token) {
			b.Fatal("not seen as a JWT")
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	for _, alg := range []string{jose.RS256, jose.PS256, jose.ES256, jose.EdDSA} {
		token, k := benchToken(b, alg)
		j, err := jose.Parse(token, jose.Limits{})
		if err != nil {
			b.Fatal(err)
		}
		b.Run(alg, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := j.Verify(k.Public()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("raw RSA PKCS1v15", func(b *testing.B) {
		key, _ := rsa.GenerateKey(rand.Reader, 2048)
		sum := sha256.Sum256([]byte(typicalClaims))
		sig, _ := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
		b.ReportAllocs()
		for b.Loop() {
			if err := rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, sum[:], sig); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("raw ECDSA P-256", func(b *testing.B) {
		key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		sum := sha256.Sum256([]byte(typicalClaims))
		sig, _ := ecdsa.SignASN1(rand.Reader, key, sum[:])
		b.ReportAllocs()
		for b.Loop() {
			if !ecdsa.VerifyASN1(&key.PublicKey, sum[:], sig) {
				b.Fatal("does not verify")
			}
		}
	})
}

// BenchmarkSign puts each algorithm beside the bare cryptography it cannot do
// without.
func BenchmarkSign(b *testing.B) {
	claims := []byte(typicalClaims)
	for _, alg := range []string{jose.RS256, jose.PS256, jose.ES256, jose.EdDSA} {
		_, k := benchToken(b, alg)
		b.Run(alg, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := k.Sign("at+jwt", claims); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("raw RSA PKCS1v15", func(b *testing.B) {
		key, _ := rsa.GenerateKey(rand.Reader, 2048)
		b.ReportAllocs()
		for b.Loop() {
			sum := sha256.Sum256(claims)
			if _, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:]); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("raw ECDSA P-256", func(b *testing.B) {
		key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		b.ReportAllocs()
		for b.Loop() {
			sum := sha256.Sum256(claims)
			if _, err := ecdsa.SignASN1(rand.Reader, key, sum[:]); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("raw Ed25519", func(b *testing.B) {
		_, key, _ := ed25519.GenerateKey(rand.Reader)
		b.ReportAllocs()
		for b.Loop() {
			ed25519.Sign(key, claims)
		}
	})
}

// BenchmarkSignOverhead takes turns with the bare cryptography, since a machine's
// speed changes from second to second, and compares medians: x-raw is Sign's time
// over that of hashing and signing alone.
func BenchmarkSignOverhead(b *testing.B) {
	claims := []byte(typicalClaims)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		b.Fatal(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	for _, bb := range []struct {
		alg string
		key any
		raw func(sum []byte) error
	}{
		{jose.RS256, rsaKey, func(sum []byte) error {
			_, err := rsa.SignPKCS1v15(rand.Reader, rsaKey, crypto.SHA256, sum)
			return err
		}},
		{jose.ES256, ecKey, func(sum []byte) error {
			_, err := ecdsa.SignASN1(rand.Reader, ecKey, sum)
			return err
		}},
	} {
		b.Run(bb.alg, func(b *testing.B) {
			der, err := x509.MarshalPKCS8PrivateKey(bb.key)
			if err != nil {
				b.Fatal(err)
			}
			k, err := jose.ParseSigningKey(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), "", "")
			if err != nil {
				b.Fatal(err)
			}
			var ours, raw []time.Duration
			for b.Loop() {
				t0 := time.Now()
				if _, err := k.Sign("at+jwt", claims); err != nil {
					b.Fatal(err)
				}
				t1 := time.Now()
				sum := sha256.Sum256(claims)
				if err := bb.raw(sum[:]); err != nil {
					b.Fatal(err)
				}
				ours, raw = append(ours, t1.Sub(t0)), append(raw, time.Since(t1))
			}
			slices.Sort(ours)
			slices.Sort(raw)
			b.ReportMetric(float64(ours[len(ours)/2])/float64(raw[len(raw)/2]), "x-raw")
		})
	}
}

func BenchmarkClaims(b *testing.B) {
	c, err := jose.ParseClaims([]byte(typicalClaims), jose.Limits{})
	if err != nil {
		b.Fatal(err)
	}
	b.Run("ParseClaims", func(b *testing.B) {
		text := []byte(typicalClaims)
		b.ReportAllocs()
		for b.Loop() {
			if _, err := jose.ParseClaims(text, jose.Limits{}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Value", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, ok := c.Value("env"); !ok {
				b.Fatal("not there")
			}
		}
	})
	b.Run("a hundred members", func(b *testing.B) {
		var text strings.Builder
		for i := range 100 {
			fmt.Fprintf(&text, `,"member %d":["a","b",{"c":1}]`, i)
		}
		many := []byte("{" + text.String()[1:] + "}")
		b.ReportAllocs()
		for b.Loop() {
			if _, err := jose.ParseClaims(many, jose.Limits{}); err != nil {
				b.Fatal(err)
			}
		}
	})
}
