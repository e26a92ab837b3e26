package jose_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"hash"
	"math/big"
	"strings"
	"sync"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
)

// What a forger needs is written here with the standard library alone, so that
// the tests share no code with what they test.

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// goodClaims is a payload with nothing to object to.
const goodClaims = `{"iss":"https://as.example.com","sub":"alice","aud":"https://api.example.com","exp":1772370000}`

// forge makes a compact JWS of any header and payload.
func forge(header, payload string, sign func(input []byte) []byte) string {
	input := b64([]byte(header)) + "." + b64([]byte(payload))
	return input + "." + b64(sign([]byte(input)))
}

func bySecret(alg string, secret []byte) func([]byte) []byte {
	h := map[string]func() hash.Hash{jose.HS256: sha256.New, jose.HS384: sha512.New384, jose.HS512: sha512.New}[alg]
	return func(input []byte) []byte {
		m := hmac.New(h, secret)
		m.Write(input)
		return m.Sum(nil)
	}
}

func byRSA(k *rsa.PrivateKey, pss bool) func([]byte) []byte {
	return func(input []byte) []byte {
		sum := sha256.Sum256(input)
		var sig []byte
		var err error
		if pss {
			sig, err = rsa.SignPSS(rand.Reader, k, crypto.SHA256, sum[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
		} else {
			sig, err = rsa.SignPKCS1v15(rand.Reader, k, crypto.SHA256, sum[:])
		}
		if err != nil {
			panic(err)
		}
		return sig
	}
}

// ecHash is the hash of a curve's algorithm.
func ecHash(c elliptic.Curve, input []byte) []byte {
	switch c {
	case elliptic.P256():
		s := sha256.Sum256(input)
		return s[:]
	case elliptic.P384():
		s := sha512.Sum384(input)
		return s[:]
	}
	s := sha512.Sum512(input)
	return s[:]
}

func byEC(k *ecdsa.PrivateKey) func([]byte) []byte {
	return func(input []byte) []byte {
		r, s, err := ecdsa.Sign(rand.Reader, k, ecHash(k.Curve, input))
		if err != nil {
			panic(err)
		}
		return rawEC(k.Curve, r, s)
	}
}

func rawEC(c elliptic.Curve, r, s *big.Int) []byte {
	n := (c.Params().BitSize + 7) / 8
	return append(r.FillBytes(make([]byte, n)), s.FillBytes(make([]byte, n))...)
}

func byEd25519(k ed25519.PrivateKey) func([]byte) []byte {
	return func(input []byte) []byte { return ed25519.Sign(k, input) }
}

func constant(sig []byte) func([]byte) []byte { return func([]byte) []byte { return sig } }

// testKeys are drawn once.
type testKeys struct {
	rsa, rsa2, attacker *rsa.PrivateKey
	p256, p384, p521    *ecdsa.PrivateKey
	ed                  ed25519.PrivateKey
}

var keys = sync.OnceValue(func() *testKeys {
	must := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	var k testKeys
	var err error
	k.rsa, err = rsa.GenerateKey(rand.Reader, 2048)
	must(err)
	k.rsa2, err = rsa.GenerateKey(rand.Reader, 2048)
	must(err)
	k.attacker, err = rsa.GenerateKey(rand.Reader, 2048)
	must(err)
	k.p256, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	k.p384, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	must(err)
	k.p521, err = ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	must(err)
	_, k.ed, err = ed25519.GenerateKey(rand.Reader)
	must(err)
	return &k
})

// members is a JWK in the making.
type members map[string]any

func (m members) with(name string, value any) members {
	n := members{name: value}
	for k, v := range m {
		if k != name {
			n[k] = v
		}
	}
	return n
}

func (m members) without(name string) members {
	n := m.with(name, nil)
	delete(n, name)
	return n
}

func (m members) String() string {
	b, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func rsaJWK(k *rsa.PublicKey, kid string) members {
	return members{"kty": "RSA", "kid": kid, "n": b64(k.N.Bytes()), "e": b64(big.NewInt(int64(k.E)).Bytes())}
}

func ecJWK(k *ecdsa.PublicKey, kid string) members {
	point, err := k.Bytes()
	if err != nil {
		panic(err)
	}
	n := (len(point) - 1) / 2
	return members{"kty": "EC", "crv": k.Params().Name, "kid": kid, "x": b64(point[1 : 1+n]), "y": b64(point[1+n:])}
}

func edJWK(k ed25519.PublicKey, kid string) members {
	return members{"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": b64(k)}
}

// jwks makes a JWK Set.
func jwks(list ...members) string {
	texts := make([]string, len(list))
	for i, m := range list {
		texts[i] = m.String()
	}
	return `{"keys":[` + strings.Join(texts, ",") + `]}`
}

// keySet parses a JWK Set of which nothing may be skipped.
func keySet(t testing.TB, list ...members) *jose.KeySet {
	t.Helper()
	set, skipped, err := jose.ParseKeySet([]byte(jwks(list...)), jose.KeySetLimits{})
	if err != nil || skipped != 0 || set.Len() != len(list) {
		t.Fatalf("ParseKeySet: %d keys, %d skipped, %v, want all %d", set.Len(), skipped, err, len(list))
	}
	return set
}

// judge takes a token all the way and names the problem; "" is a good token.
func judge(t testing.TB, token string, lim jose.Limits, set *jose.KeySet) (jose.Problem, *jose.Claims) {
	t.Helper()
	j, err := jose.Parse(token, lim)
	if err != nil {
		return problem(t, err), nil
	}
	if err := j.Verify(set.Find(&j.Header)); err != nil {
		return problem(t, err), nil
	}
	c, err := j.Claims()
	if err != nil {
		return problem(t, err), nil
	}
	return "", c
}

func problem(t testing.TB, err error) jose.Problem {
	t.Helper()
	if err == nil {
		return ""
	}
	e, ok := errors.AsType[*jose.Error](err)
	if !ok {
		t.Fatalf("error %v is a %T, want *jose.Error", err, err)
	}
	return e.Problem
}
