package jose_test

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
)

func encryptionKey(t testing.TB, text, enc string) *jose.EncryptionKey {
	t.Helper()
	k, err := jose.ParseEncryptionKey([]byte(text), enc)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// spki is a public key in PEM.
func spki(t testing.TB, key any) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// headerOf is the header of a compact JWE, without epk.
func headerOf(t testing.TB, token string) map[string]any {
	t.Helper()
	head, _, _ := strings.Cut(token, ".")
	var h map[string]any
	if err := json.Unmarshal(unb64(head), &h); err != nil {
		t.Fatal(err)
	}
	delete(h, "epk")
	return h
}

// TestEncrypt: with every key type, alg and enc the token inside comes out again, and the header says what it is to say.
func TestEncrypt(t *testing.T) {
	k := keys()
	type pair struct {
		public, private members
		algs            []string
	}
	pairs := map[string]pair{}
	for name, curve := range map[string]ecdh.Curve{"P-256": ecdh.P256(), "P-384": ecdh.P384(), "P-521": ecdh.P521(), "X25519": ecdh.X25519()} {
		private := newECDH(t, curve)
		pairs[name] = pair{ecdhJWK(private.PublicKey()), privateJWK(private), []string{"ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A256KW"}}
	}
	for name, p := range pairs {
		for _, alg := range p.algs {
			for _, enc := range jose.ContentEncryption() {
				t.Run(alg+" "+name+" "+enc, func(t *testing.T) {
					text := p.public.with("kid", "k1").with("alg", alg).with("use", "enc").String()
					got, err := encryptionKey(t, text, enc).Encrypt(inner, jose.Envelope{Type: "at+jwt", Reference: "here"})
					if err != nil {
						t.Fatal(err)
					}
					want := map[string]any{"alg": alg, "enc": enc, "cty": "JWT", "typ": "at+jwt", "kid": "k1", "token_handle": "here"}
					if diff := cmp.Diff(want, headerOf(t, got)); diff != "" {
						t.Errorf("header (-want +got):\n%s", diff)
					}
					opened, err := decryptionKeys(t, p.private.with("kid", "k1").String()).Decrypt(got, jose.Limits{})
					if err != nil || opened != inner {
						t.Errorf("Decrypt = %q, %v, want the token inside", opened, err)
					}
				})
			}
		}
	}
	for _, alg := range []string{"RSA-OAEP", "RSA-OAEP-256"} {
		for _, enc := range jose.ContentEncryption() {
			t.Run(alg+" "+enc, func(t *testing.T) {
				got, err := encryptionKey(t, rsaJWK(&k.rsa.PublicKey, "k1").with("alg", alg).without("use").String(), enc).Encrypt(inner, jose.Envelope{})
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(map[string]any{"alg": alg, "enc": enc, "cty": "JWT", "kid": "k1"}, headerOf(t, got)); diff != "" {
					t.Errorf("header (-want +got):\n%s", diff)
				}
				opened, err := decryptionKeys(t, pkcs8(t, k.rsa)).Decrypt(got, jose.Limits{})
				if err != nil || opened != inner {
					t.Errorf("Decrypt = %q, %v, want the token inside", opened, err)
				}
			})
		}
	}
}

// TestEncryptByHand opens the defaults without a JOSE library: RFC 7518 §4.3, §5.3 and §4.6, step by step.
func TestEncryptByHand(t *testing.T) {
	k := keys()
	open := func(t *testing.T, token string, cek []byte) {
		t.Helper()
		p := strings.Split(token, ".")
		block, err := aes.NewCipher(cek)
		if err != nil {
			t.Fatal(err)
		}
		aead, err := cipher.NewGCM(block)
		if err != nil {
			t.Fatal(err)
		}
		plain, err := aead.Open(nil, unb64(p[2]), append(unb64(p[3]), unb64(p[4])...), []byte(p[0]))
		if err != nil || string(plain) != inner {
			t.Errorf("opened = %q, %v, want the token inside", plain, err)
		}
	}
	t.Run("RSA-OAEP-256 A256GCM", func(t *testing.T) {
		token, err := encryptionKey(t, spki(t, &k.rsa.PublicKey), "").Encrypt(inner, jose.Envelope{})
		if err != nil {
			t.Fatal(err)
		}
		cek, err := rsa.DecryptOAEP(sha256.New(), nil, k.rsa, unb64(strings.Split(token, ".")[1]), nil)
		if err != nil || len(cek) != 32 {
			t.Fatalf("key of %d bytes, %v", len(cek), err)
		}
		open(t, token, cek)
	})
	t.Run("ECDH-ES A256GCM", func(t *testing.T) {
		private := newECDH(t, ecdh.P256())
		token, err := encryptionKey(t, ecdhJWK(private.PublicKey()).with("alg", "ECDH-ES").String(), "A256GCM").Encrypt(inner, jose.Envelope{})
		if err != nil {
			t.Fatal(err)
		}
		var h struct{ EPK struct{ X, Y string } }
		if err := json.Unmarshal(unb64(strings.Split(token, ".")[0]), &h); err != nil {
			t.Fatal(err)
		}
		epk, err := ecdh.P256().NewPublicKey(slices.Concat([]byte{4}, unb64(h.EPK.X), unb64(h.EPK.Y)))
		if err != nil {
			t.Fatal(err)
		}
		z, err := private.ECDH(epk)
		if err != nil {
			t.Fatal(err)
		}
		open(t, token, concatKDF(z, "A256GCM", 32))
	})
}

// TestEncryptAnew: two of one token have nothing in common, neither key nor nonce.
func TestEncryptAnew(t *testing.T) {
	k := encryptionKey(t, spki(t, &keys().rsa.PublicKey), "")
	a, err := k.Encrypt(inner, jose.Envelope{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := k.Encrypt(inner, jose.Envelope{})
	if err != nil {
		t.Fatal(err)
	}
	for i, part := range strings.Split(a, ".") {
		if same := part == strings.Split(b, ".")[i]; same != (i == 0) {
			t.Errorf("part %d is the same: %v", i, same)
		}
	}
}

// TestParseEncryptionKey: what is not one good public key is refused at load, and a private one too.
func TestParseEncryptionKey(t *testing.T) {
	k := keys()
	ec, other := newECDH(t, ecdh.P256()), newECDH(t, ecdh.P256())
	public, second := ecdhJWK(ec.PublicKey()), ecdhJWK(other.PublicKey())
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	lowOrder := members{"kty": "OKP", "crv": "X25519", "x": b64(make([]byte, 32))}
	for _, tt := range []struct {
		name, text, enc string
		want            map[string]any // the header; nil: refused
	}{
		{"PEM of RSA", spki(t, &k.rsa.PublicKey), "", map[string]any{"alg": "RSA-OAEP-256", "enc": "A256GCM", "cty": "JWT"}},
		{"PEM of RSA, PKCS #1", block("RSA PUBLIC KEY", x509.MarshalPKCS1PublicKey(&k.rsa.PublicKey)), "", map[string]any{"alg": "RSA-OAEP-256", "enc": "A256GCM", "cty": "JWT"}},
		{"PEM of P-256", spki(t, &k.p256.PublicKey), "", map[string]any{"alg": "ECDH-ES+A256KW", "enc": "A256GCM", "cty": "JWT"}},
		{"PEM of X25519", spki(t, newECDH(t, ecdh.X25519()).PublicKey()), "A128CBC-HS256", map[string]any{"alg": "ECDH-ES+A256KW", "enc": "A128CBC-HS256", "cty": "JWT"}},
		{"JWK", public.String(), "", map[string]any{"alg": "ECDH-ES+A256KW", "enc": "A256GCM", "cty": "JWT"}},
		{"JWK with its alg", public.with("alg", "ECDH-ES").with("kid", "k").String(), "", map[string]any{"alg": "ECDH-ES", "enc": "A256GCM", "cty": "JWT", "kid": "k"}},
		{"JWK for wrapping keys", public.with("key_ops", []string{"deriveKey"}).String(), "", map[string]any{"alg": "ECDH-ES+A256KW", "enc": "A256GCM", "cty": "JWT"}},
		{"set of one", jwks(public.with("kid", "k")), "", map[string]any{"alg": "ECDH-ES+A256KW", "enc": "A256GCM", "cty": "JWT", "kid": "k"}},
		{"set, the one for encryption", jwks(second.with("kid", "s").with("use", "sig"), second.with("kid", "x"), public.with("kid", "k").with("use", "enc")), "",
			map[string]any{"alg": "ECDH-ES+A256KW", "enc": "A256GCM", "cty": "JWT", "kid": "k"}},
		{"set, the first for encryption", jwks(public.with("kid", "k").with("use", "enc"), second.with("kid", "x").with("use", "enc")), "",
			map[string]any{"alg": "ECDH-ES+A256KW", "enc": "A256GCM", "cty": "JWT", "kid": "k"}},

		{"nothing", "", "", nil},
		{"no key", "hello", "", nil},
		{"empty set", jwks(), "", nil},
		{"set that is none", `{"keys":{}}`, "", nil},
		{"set of what is no key", `{"keys":["use"]}`, "", nil},
		{"set of several for nothing", jwks(public, second), "", nil},
		{"set of one for signatures", jwks(public.with("use", "sig")), "", nil},
		{"set whose first for encryption is weak", jwks(rsaJWK(&weak.PublicKey, "w").with("use", "enc"), public.with("use", "enc")), "", nil},
		{"private JWK", privateJWK(ec).String(), "", nil},
		{"private PEM", pkcs8(t, ec), "", nil},
		{"private PEM behind a public one", spki(t, &k.p256.PublicKey) + pkcs8(t, ec), "", nil},
		{"two of PEM", spki(t, &k.p256.PublicKey) + spki(t, &k.rsa.PublicKey), "", nil},
		{"JWK for signing", public.with("use", "sig").String(), "", nil},
		{"JWK for verifying by key_ops", public.with("key_ops", []string{"verify"}).String(), "", nil},
		{"JWK of a signature alg", public.with("alg", "ES256").String(), "", nil},
		{"JWK of RSA1_5", rsaJWK(&k.rsa.PublicKey, "r").without("use").with("alg", "RSA1_5").String(), "", nil},
		{"JWK of the other type's alg", public.with("alg", "RSA-OAEP").String(), "", nil},
		{"RSA with the other type's alg", rsaJWK(&k.rsa.PublicKey, "r").without("use").with("alg", "ECDH-ES").String(), "", nil},
		{"symmetric JWK", members{"kty": "oct", "k": b64(random(32))}.String(), "", nil},
		{"point that is not on its curve", public.with("y", b64(random(32))).String(), "", nil},
		{"point of small order", lowOrder.String(), "", nil},
		{"member twice", strings.Replace(public.String(), "{", `{"kty":"EC",`, 1), "", nil},
		{"RSA of 1024 bits", spki(t, &weak.PublicKey), "", nil},
		{"P-224", spki(t, &p224.PublicKey), "", nil},
		{"Ed25519", spki(t, k.ed.Public()), "", nil},
		{"broken PEM", block("PUBLIC KEY", []byte("x")), "", nil},
		{"too long", strings.Repeat(" ", 1<<20) + public.String(), "", nil},
		{"unknown enc", public.String(), "A192GCM", nil},
		{"enc in lower case", public.String(), "a256gcm", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			key, err := jose.ParseEncryptionKey([]byte(tt.text), tt.enc)
			if err != nil {
				if tt.want != nil || strings.Contains(err.Error(), b64(ec.Bytes())) {
					t.Errorf("error = %v, want a header %v", err, tt.want)
				}
				return
			}
			token, err := key.Encrypt(inner, jose.Envelope{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, headerOf(t, token)); diff != "" {
				t.Errorf("header (-want +got):\n%s", diff)
			}
		})
	}
}

// TestAlgorithmsOfEncryption: what is offered is what Decrypt opens, and nothing else.
func TestAlgorithmsOfEncryption(t *testing.T) {
	want := []string{"ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A256KW", "RSA-OAEP", "RSA-OAEP-256"}
	if diff := cmp.Diff(want, slices.Sorted(slices.Values(jose.KeyManagement()))); diff != "" {
		t.Errorf("alg (-want +got):\n%s", diff)
	}
	want = []string{"A128CBC-HS256", "A128GCM", "A256CBC-HS512", "A256GCM"}
	if diff := cmp.Diff(want, slices.Sorted(slices.Values(jose.ContentEncryption()))); diff != "" {
		t.Errorf("enc (-want +got):\n%s", diff)
	}
}

func TestReference(t *testing.T) {
	ofHeader := func(header string) string { return b64([]byte(header)) + ".a.a.a.a" }
	for _, tt := range []struct{ name, token, want string }{
		{"of a header", ofHeader(`{"alg":"x","token_handle":"there"}`), "there"},
		{"none", ofHeader(`{"alg":"x"}`), ""},
		{"of no text", ofHeader(`{"token_handle":1}`), ""},
		{"twice", ofHeader(`{"token_handle":"a","token_handle":"b"}`), ""},
		{"of a JWS", b64([]byte(`{"token_handle":"there"}`)) + ".a.a", ""},
		{"of six parts", ofHeader(`{"token_handle":"there"}`) + ".a", ""},
		{"too long", ofHeader(`{"token_handle":"` + strings.Repeat("a", 257) + `"}`), ""},
		{"of a long token", ofHeader(`{"token_handle":"there"}`) + strings.Repeat("a", 16384), ""},
		{"no base64url", "{}.a.a.a.a", ""},
		{"nothing", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, ok := jose.Reference(tt.token, jose.Limits{}); got != tt.want || ok != (tt.want != "") {
				t.Errorf("Reference = %q, %v, want %q", got, ok, tt.want)
			}
		})
	}
}
