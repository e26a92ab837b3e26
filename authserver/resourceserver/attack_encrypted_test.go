package resourceserver_test

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/resourceserver"
)

var (
	gatePrivate  = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	otherPrivate = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
)

func decryptionKeys(private *rsa.PrivateKey) *jose.DecryptionKeys {
	der := must(x509.MarshalPKCS8PrivateKey(private))
	return must(jose.ParseDecryptionKeys(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
}

// encrypt makes a compact JWE (RFC 7516) with RSA-OAEP-256 and A256GCM, whatever the header says.
func encrypt(header, text string, to *rsa.PublicKey) string {
	key, iv := make([]byte, 32), make([]byte, 12)
	_, _ = rand.Read(key)
	_, _ = rand.Read(iv)
	sealed := must(rsa.EncryptOAEP(sha256.New(), rand.Reader, to, key, nil))
	gcm := must(cipher.NewGCM(must(aes.NewCipher(key))))
	out := gcm.Seal(nil, iv, []byte(text), []byte(b64(header)))
	n := len(out) - 16
	return strings.Join([]string{b64(header), b64(string(sealed)), b64(string(iv)), b64(string(out[:n])), b64(string(out[n:]))}, ".")
}

const goodJWE = `{"alg":"RSA-OAEP-256","enc":"A256GCM","cty":"JWT"}`

// Cases 28 to 31 where a key is configured: an encrypted token is as good as the signed one in it, and how it fails to be opened is not told.
func TestAttackEncryptedTokens(t *testing.T) {
	c := newClock()
	is := fixed(rsaKey())
	is.Decryption = decryptionKeys(gatePrivate())
	g := newGate(t, c, is)
	without := newGate(t, c, fixed(rsaKey()))
	base := goodClaims(is.Issuer, c)
	inner := sign(base)
	to := &gatePrivate().PublicKey
	good := encrypt(goodJWE, inner, to)
	parts := strings.Split(good, ".")
	part := func(i int, s string) string {
		changed := append([]string(nil), parts...)
		changed[i] = s
		return strings.Join(changed, ".")
	}
	malformed := invalid(resourceserver.Malformed)
	for _, tt := range []struct {
		name  string
		token string
		want  verdict
	}{
		{"nearest good", good, pass},
		{"nearest good/in the clear", inner, pass},
		{"case_28/PBES2", encrypt(`{"alg":"PBES2-HS512+A256KW","enc":"A256GCM","p2c":100000000,"p2s":"AAAA"}`, inner, to), malformed},
		{"case_29/zip", encrypt(`{"alg":"RSA-OAEP-256","enc":"A256GCM","zip":"DEF"}`, deflated(8000), to), malformed},
		{"case_30/empty key part", part(1, ""), malformed},
		{"case_30/1-byte tag", part(4, "AA"), malformed},
		{"case_30/tag of another", part(4, strings.Split(encrypt(goodJWE, inner, to), ".")[4]), malformed},
		{"case_30/RSA1_5", encrypt(`{"alg":"RSA1_5","enc":"A256GCM"}`, inner, to), malformed},
		{"case_30/dir with a key part", encrypt(`{"alg":"dir","enc":"A256GCM"}`, inner, to), malformed},
		{"case_30/ECDH-ES without epk", encrypt(`{"alg":"ECDH-ES","enc":"A256GCM"}`, inner, to), malformed},
		{"case_30/header changed", part(0, b64(`{"alg":"RSA-OAEP-256","enc":"A256GCM"}`)), malformed},
		{"case_30/encrypted to somebody else", encrypt(goodJWE, inner, &otherPrivate().PublicKey), malformed},
		{"case_31/unsigned claims", encrypt(goodJWE, base.json(), to), malformed},
		{"case_31/alg none", encrypt(goodJWE, unsigned(`{"alg":"none"}`, base.json())+".", to), verdict{401, "invalid_token", 0}},
		{"case_31/signed by nobody we know", encrypt(goodJWE, must(strangerKey().Sign("at+jwt", []byte(base.json()))), to), invalid(resourceserver.UnknownKey)},
		{"case_31/signature changed", encrypt(goodJWE, mangle(inner), to), invalid(resourceserver.BadSignature)},
		{"case_31/encrypted twice", encrypt(goodJWE, good, to), malformed},
		{"inside: expired", encrypt(goodJWE, sign(base.with(claims{"iat": 1, "exp": 2})), to), invalid(resourceserver.Expired)},
		{"inside: other audience", encrypt(goodJWE, sign(base.with(claims{"aud": "x"})), to), invalid(resourceserver.WrongAudience)},
		{"inside: other issuer", encrypt(goodJWE, sign(base.with(claims{"iss": "https://x.example"})), to), invalid(resourceserver.UnknownIssuer)},
		{"inside: bound to a key", encrypt(goodJWE, sign(alice().bound(base)), to), notBound},
		{"too long", encrypt(goodJWE, padded(t, base, 16384), to), invalid(resourceserver.Oversized)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for range 2 {
				got := g.ask(tt.token)
				if tt.want.why == 0 && tt.want != pass {
					got.why = 0 // several reasons are as good
				}
				if got != tt.want {
					t.Errorf("verdict = %v, want %v", got, tt.want)
				}
				g.Settle()
			}
			if tt.token == inner {
				return
			}
			if got := without.ask(tt.token); got.code != "invalid_token" {
				t.Errorf("verdict of a gate without a key = %v, want invalid_token", got)
			}
		})
	}
	t.Run("the proof is for the token that was presented", func(t *testing.T) {
		policy := &resourceserver.Policy{Possession: possession(c)}
		inner := sign(alice().bound(base))
		outer := encrypt(goodJWE, inner, to)
		if got := g.request(presented("DPoP", outer, alice().proof(c, outer, nil)), policy); got != pass {
			t.Errorf("verdict = %v, want %v", got, pass)
		}
		if got := g.request(presented("DPoP", outer, alice().proof(c, inner, nil)), policy); got != badProof() {
			t.Errorf("verdict = %v, want %v", got, badProof())
		}
	})
	t.Run("remembered, opened once", func(t *testing.T) {
		before := g.Stats().Good.Hits
		g.expect(t, good, pass)
		if g.Stats().Good.Hits == before {
			t.Error("the token was opened again")
		}
	})
}

// A key opens the tokens of its issuer alone, however it is verified.
func TestEncryptedTokensOfSeveralIssuers(t *testing.T) {
	c := newClock()
	first, second, plain := fixed(rsaKey()), fixed(rsaKey()), fixed(rsaKey())
	second.Issuer, plain.Issuer = "https://second.example.com", "https://plain.example.com"
	first.Decryption, second.Decryption = decryptionKeys(gatePrivate()), decryptionKeys(otherPrivate())
	l := &local{keys: jose.NewKeySet(rsaKey().Public()), revoked: map[string]bool{}}
	inProcess := resourceserver.Issuer{Issuer: "http://localhost/as", Local: l, Audience: []string{audience}, Decryption: first.Decryption}
	p := newProvider(t, keySet(rsaKey()))
	p.answer(p.active(c))
	asked := p.introspected()
	asked.Mode, asked.RecheckEvery, asked.Decryption = resourceserver.ModeBoth, time.Minute, first.Decryption
	g := newGate(t, c, first, second, plain, inProcess, asked)
	encrypted := func(issuer string, to *rsa.PrivateKey) string {
		return encrypt(goodJWE, sign(goodClaims(issuer, c)), &to.PublicKey)
	}
	g.expect(t, encrypted(first.Issuer, gatePrivate()), pass)
	g.expect(t, encrypted(second.Issuer, otherPrivate()), pass)
	g.expect(t, encrypted(inProcess.Issuer, gatePrivate()), pass)
	g.expect(t, encrypted(asked.Issuer, gatePrivate()), pass)
	g.expect(t, encrypted(second.Issuer, gatePrivate()), invalid(resourceserver.UnknownIssuer))
	g.expect(t, encrypted(plain.Issuer, gatePrivate()), invalid(resourceserver.UnknownIssuer))
	t.Run("revocation counts", func(t *testing.T) {
		token := encrypted(inProcess.Issuer, gatePrivate())
		g.expect(t, token, pass)
		l.change(func(l *local) { l.revoked["id-1"] = true })
		g.expect(t, token, invalid(resourceserver.Revoked))
	})
}
