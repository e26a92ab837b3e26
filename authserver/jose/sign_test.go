package jose_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
)

var signingAlgorithms = []string{jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512, jose.ES256, jose.ES384, jose.ES512, jose.EdDSA, jose.Ed25519}

// What is signed is read, checked and published, and comes back from its
// private form, for every algorithm.
func TestSignRoundTrip(t *testing.T) {
	for _, alg := range signingAlgorithms {
		t.Run(alg, func(t *testing.T) {
			k, err := jose.GenerateSigningKey(alg, 0)
			if err != nil {
				t.Fatal(err)
			}
			private, err := k.MarshalPrivate()
			if err != nil {
				t.Fatal(err)
			}
			again, err := jose.ParseSigningKey(private, "", "")
			if err != nil {
				t.Fatal(err)
			}
			if again.ID() != k.ID() || again.Algorithm() != alg {
				t.Errorf("read back: %s, %s, want %s, %s", again.ID(), again.Algorithm(), k.ID(), alg)
			}
			if once, err := again.MarshalPrivate(); err != nil || string(once) != string(private) {
				t.Errorf("the private form is not the same after a round trip (%v)", err)
			}
			public, err := k.PublicJWK()
			if err != nil {
				t.Fatal(err)
			}
			var m map[string]any
			if err := json.Unmarshal(public, &m); err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"d", "p", "q", "dp", "dq", "qi", "k", "oth"} {
				if m[name] != nil {
					t.Errorf("the public JWK has %s", name)
				}
			}
			if m["kid"] != k.ID() || m["use"] != "sig" || m["alg"] != alg {
				t.Errorf("kid, use, alg = %v, %v, %v, want %s, sig, %s", m["kid"], m["use"], m["alg"], k.ID(), alg)
			}
			set, skipped, err := jose.ParseKeySet([]byte(`{"keys":[`+string(public)+`]}`), jose.KeySetLimits{})
			if err != nil || skipped != 0 {
				t.Fatalf("the published set: %d skipped, %v", skipped, err)
			}
			for typ, signer := range map[string]*jose.SigningKey{"at+jwt": k, "": again, `odd "typ" <é>`: k} {
				token, err := signer.Sign(typ, []byte(goodClaims))
				if err != nil {
					t.Fatal(err)
				}
				if got, _ := judge(t, token, jose.Limits{}, set); got != "" {
					t.Errorf("typ %q: problem = %q, want none", typ, got)
				}
				j, err := jose.Parse(token, jose.Limits{})
				if err != nil {
					t.Fatal(err)
				}
				if want := (jose.Header{Algorithm: alg, KeyID: k.ID(), HasKeyID: true, Type: typ}); j.Header != want {
					t.Errorf("header = %+v, want %+v", j.Header, want)
				}
				if err := j.Verify(k.Public()); err != nil {
					t.Errorf("Verify with Public: %v", err)
				}
			}
			for _, other := range append(signingAlgorithms, jose.HS256) {
				if got, want := k.Public().Fits(other), other == alg; got != want {
					t.Errorf("Public fits %s: %v, want %v", other, got, want)
				}
			}
			for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
				if got := fmt.Sprintf(verb, k); strings.Contains(got, fmt.Sprint(m["x"])) || len(got) > 100 {
					t.Errorf("%s = %q, want the name alone", verb, got)
				}
			}
		})
	}
}

func TestGenerateSigningKeyRefuses(t *testing.T) {
	tests := []struct {
		alg  string
		bits int
		ok   bool
	}{
		{jose.RS256, 2048, true}, {jose.RS256, 3072, true}, {jose.ES256, 0, true},
		{jose.RS256, 1024, false}, {jose.RS256, 2047, false}, {jose.RS256, -1, false}, {jose.RS256, 32768, false}, {jose.ES256, 256, false},
		{jose.HS256, 0, false}, {"none", 0, false}, {"", 0, false}, {"rs256", 0, false}, {"ES256K", 0, false},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%s %d", tt.alg, tt.bits), func(t *testing.T) {
			_, err := jose.GenerateSigningKey(tt.alg, tt.bits)
			if (err == nil) != tt.ok {
				t.Errorf("error = %v, want it accepted: %v", err, tt.ok)
			}
		})
	}
}

func pemOf(t testing.TB, kind string, der []byte, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func TestParseSigningKey(t *testing.T) {
	k := keys()
	pkcs8 := func(key any) string {
		der, err := x509.MarshalPKCS8PrivateKey(key)
		return pemOf(t, "PRIVATE KEY", der, err)
	}
	sec1, err := x509.MarshalECPrivateKey(k.p256)
	ec := pemOf(t, "EC PRIVATE KEY", sec1, err)
	rsa1 := pemOf(t, "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(k.rsa), nil)
	spki, err := x509.MarshalPKIXPublicKey(&k.rsa.PublicKey)
	public := pemOf(t, "PUBLIC KEY", spki, err)
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	scalar, err := k.p256.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	ecPrivate := ecJWK(&k.p256.PublicKey, "mine").with("d", b64(scalar))
	edPrivate := edJWK(k.ed.Public().(ed25519.PublicKey), "mine").with("d", b64(k.ed.Seed()))
	rsaPrivate := rsaJWK(&k.rsa.PublicKey, "mine").with("d", b64(k.rsa.D.Bytes())).with("p", b64(k.rsa.Primes[0].Bytes())).with("q", b64(k.rsa.Primes[1].Bytes()))

	good := []struct {
		name, text, alg, kid string
		wantAlg, wantKID     string // "": the thumbprint
	}{
		{"RSA in PKCS #1", rsa1, "", "", jose.RS256, ""},
		{"RSA in PKCS #8", pkcs8(k.rsa), "", "", jose.RS256, ""},
		{"RSA for PS512", pkcs8(k.rsa), jose.PS512, "", jose.PS512, ""},
		{"EC in SEC 1", ec, "", "", jose.ES256, ""},
		{"EC in PKCS #8", pkcs8(k.p384), "", "", jose.ES384, ""},
		{"P-521", pkcs8(k.p521), "", "", jose.ES512, ""},
		{"Ed25519", pkcs8(k.ed), "", "", jose.EdDSA, ""},
		{"kid given", pkcs8(k.ed), "", "my key", jose.EdDSA, "my key"},
		{"text around the PEM", "Bag Attributes\n  x: y\n" + pkcs8(k.ed) + "\nmore", "", "", jose.EdDSA, ""},
		{"another block first, as openssl writes", "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n" + ec, "", "", jose.ES256, ""},
		{"public key first", public + rsa1, "", "", jose.RS256, ""},
		{"EC JWK", ecPrivate.String(), "", "", jose.ES256, "mine"},
		{"EC JWK without kid", ecPrivate.without("kid").String(), "", "", jose.ES256, ""},
		{"EC JWK, kid given", ecPrivate.String(), "", "other", jose.ES256, "other"},
		{"EC JWK with alg, the same given", ecPrivate.with("alg", "ES256").String(), jose.ES256, "", jose.ES256, "mine"},
		{"Ed25519 JWK", " \n" + edPrivate.String() + "\n", "", "", jose.EdDSA, "mine"},
		{"RSA JWK", rsaPrivate.String(), "", "", jose.RS256, "mine"},
		{"RSA JWK with alg", rsaPrivate.with("alg", "PS256").with("use", "sig").with("key_ops", []string{"sign"}).String(), "", "", jose.PS256, "mine"},
	}
	for _, tt := range good {
		t.Run(tt.name, func(t *testing.T) {
			key, err := jose.ParseSigningKey([]byte(tt.text), tt.alg, tt.kid)
			if err != nil {
				t.Fatal(err)
			}
			want := tt.wantKID
			if want == "" {
				if want, err = key.Public().Thumbprint(); err != nil {
					t.Fatal(err)
				}
			}
			if key.Algorithm() != tt.wantAlg || key.ID() != want {
				t.Errorf("alg, kid = %s, %s, want %s, %s", key.Algorithm(), key.ID(), tt.wantAlg, want)
			}
			token, err := key.Sign("JWT", []byte(goodClaims))
			if err != nil {
				t.Fatal(err)
			}
			if got, _ := judge(t, token, jose.Limits{}, jose.NewKeySet(key.Public())); got != "" {
				t.Errorf("problem = %q, want none", got)
			}
		})
	}

	encrypted := "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n"
	wrongD := new(big.Int).Add(k.rsa.D, big.NewInt(2))
	refused := []struct{ name, text, alg, kid string }{
		{"nothing", "", "", ""},
		{"text", "hello", "", ""},
		{"a public key", public, "", ""},
		{"a public JWK", rsaJWK(&k.rsa.PublicKey, "x").String(), "", ""},
		{"a symmetric JWK", members{"kty": "oct", "k": b64(make([]byte, 64))}.String(), "", ""},
		{"encrypted PKCS #1", encrypted, "", ""},
		{"encrypted PKCS #8", pemOf(t, "ENCRYPTED PRIVATE KEY", []byte("x"), nil), "", ""},
		{"broken DER", pemOf(t, "PRIVATE KEY", []byte("x"), nil), "", ""},
		{"1024-bit RSA", pemOf(t, "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(weak), nil), "", ""},
		{"P-224", pkcs8(p224), "", ""},
		{"RSA for ES256", rsa1, jose.ES256, ""},
		{"P-256 for ES384", ec, jose.ES384, ""},
		{"EC for EdDSA", ec, jose.EdDSA, ""},
		{"RSA for HS256", rsa1, jose.HS256, ""},
		{"RSA for none", rsa1, "none", ""},
		{"a kid too long", rsa1, "", strings.Repeat("k", 257)},
		{"JWK with another alg", ecPrivate.with("alg", "ES256").String(), jose.ES384, ""},
		{"JWK for encryption", rsaPrivate.with("use", "enc").String(), "", ""},
		{"JWK with a repeated member", strings.Replace(ecPrivate.String(), "{", `{"kty":"EC",`, 1), "", ""},
		{"EC JWK whose halves differ", ecJWK(&k.p256.PublicKey, "x").with("d", b64(big.NewInt(7).FillBytes(make([]byte, 32)))).String(), "", ""},
		{"EC JWK with d zero", ecJWK(&k.p256.PublicKey, "x").with("d", b64(make([]byte, 32))).String(), "", ""},
		{"EC JWK with d over the order", ecJWK(&k.p256.PublicKey, "x").with("d", b64([]byte(strings.Repeat("\xff", 32)))).String(), "", ""},
		{"Ed25519 JWK whose halves differ", edJWK(k.ed.Public().(ed25519.PublicKey), "x").with("d", b64(make([]byte, 32))).String(), "", ""},
		{"Ed25519 JWK with a short d", edPrivate.with("d", "AAAA").String(), "", ""},
		{"RSA JWK with another d", rsaPrivate.with("d", b64(wrongD.Bytes())).String(), "", ""},
		{"RSA JWK with another modulus", rsaPrivate.with("n", b64(k.rsa2.N.Bytes())).String(), "", ""},
		{"RSA JWK without primes", rsaPrivate.without("p").without("q").String(), "", ""},
		{"a JWK Set", `{"keys":[` + rsaPrivate.String() + `]}`, "", ""},
		{"2 MB", strings.Repeat(" ", 2<<20) + rsa1, "", ""},
	}
	for _, tt := range refused {
		t.Run("refused: "+tt.name, func(t *testing.T) {
			key, err := jose.ParseSigningKey([]byte(tt.text), tt.alg, tt.kid)
			if err == nil {
				t.Errorf("got %v, want an error", key)
			}
		})
	}
}

func TestSignRefusesWhatIsNoObject(t *testing.T) {
	k, err := jose.GenerateSigningKey(jose.EdDSA, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, claims := range []string{"", "{", "[]", `"x"`, "null", " {}", "{} "} {
		if _, err := k.Sign("JWT", []byte(claims)); err == nil {
			t.Errorf("Sign(%q): no error, want one", claims)
		}
	}
	if _, err := k.Sign("JWT", []byte("{}")); err != nil {
		t.Errorf("Sign({}): %v, want it signed", err)
	}
}

func TestSignSecretRefuses(t *testing.T) {
	secret := []byte(strings.Repeat("s", 64))
	for _, alg := range []string{jose.RS256, "none", "", "hs256", jose.EdDSA} {
		if _, err := jose.SignSecret(alg, secret, "", []byte("{}")); err == nil {
			t.Errorf("SignSecret(%q): no error, want one", alg)
		}
	}
	for _, alg := range []string{jose.HS256, jose.HS384, jose.HS512} {
		token, err := jose.SignSecret(alg, secret, "JWT", []byte(goodClaims))
		if err != nil {
			t.Fatal(err)
		}
		k, err := jose.NewSecretKey("", secret)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := judge(t, token, jose.Limits{}, jose.NewKeySet(k)); got != "" {
			t.Errorf("%s: problem = %q, want none", alg, got)
		}
	}
}

// One key is used by all requests at once, with more kinds of header than are kept.
func TestSignConcurrently(t *testing.T) {
	k, err := jose.GenerateSigningKey(jose.ES256, 0)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 60 {
				typ := fmt.Sprint("type ", (g+i)%50)
				token, err := k.Sign(typ, []byte(goodClaims))
				if err != nil {
					t.Error(err)
					return
				}
				j, err := jose.Parse(token, jose.Limits{})
				if err != nil {
					t.Error(err)
					return
				}
				if err := j.Verify(k.Public()); err != nil || j.Header.Type != typ {
					t.Errorf("Verify: %v; typ = %q, want %q", err, j.Header.Type, typ)
				}
			}
		})
	}
	wg.Wait()
}
