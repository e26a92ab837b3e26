package dpop_test

import (
	"context"
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
	"fmt"
	"maps"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/dpop"
)

// What a client or a forger needs is written here with the standard library alone, so that the tests share no code with what they test.

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// object is a JSON object in the making.
type object map[string]any

// with is o with one member more, or another value; nil takes it away.
func (o object) with(name string, value any) object {
	n := maps.Clone(o)
	if n[name] = value; value == nil {
		delete(n, name)
	}
	return n
}

func (o object) String() string {
	b, err := json.Marshal(o)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// testKeys are drawn once.
type testKeys struct {
	p256, other, p384, p521 *ecdsa.PrivateKey
	ed                      ed25519.PrivateKey
	rsa                     *rsa.PrivateKey
}

var keys = sync.OnceValue(func() *testKeys {
	var k testKeys
	var errs [6]error
	k.p256, errs[0] = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	k.other, errs[1] = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	k.p384, errs[2] = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	k.p521, errs[3] = ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	_, k.ed, errs[4] = ed25519.GenerateKey(rand.Reader)
	k.rsa, errs[5] = rsa.GenerateKey(rand.Reader, 2048)
	if err := errors.Join(errs[:]...); err != nil {
		panic(err)
	}
	return &k
})

func ecJWK(k *ecdsa.PublicKey) object {
	point, err := k.Bytes()
	if err != nil {
		panic(err)
	}
	n := (len(point) - 1) / 2
	return object{"kty": "EC", "crv": k.Params().Name, "x": b64(point[1 : 1+n]), "y": b64(point[1+n:])}
}

func rsaJWK(k *rsa.PublicKey) object {
	return object{"kty": "RSA", "n": b64(k.N.Bytes()), "e": b64(big.NewInt(int64(k.E)).Bytes())}
}

func edJWK(k ed25519.PublicKey) object { return object{"kty": "OKP", "crv": "Ed25519", "x": b64(k)} }

// signer signs a JWS input.
type signer func(input []byte) []byte

func byEC(k *ecdsa.PrivateKey) signer {
	return func(input []byte) []byte {
		var sum []byte
		switch k.Curve {
		case elliptic.P256():
			s := sha256.Sum256(input)
			sum = s[:]
		case elliptic.P384():
			s := sha512.Sum384(input)
			sum = s[:]
		default:
			s := sha512.Sum512(input)
			sum = s[:]
		}
		r, s, err := ecdsa.Sign(rand.Reader, k, sum)
		if err != nil {
			panic(err)
		}
		n := (k.Params().BitSize + 7) / 8
		return append(r.FillBytes(make([]byte, n)), s.FillBytes(make([]byte, n))...)
	}
}

func byEd(k ed25519.PrivateKey) signer {
	return func(input []byte) []byte { return ed25519.Sign(k, input) }
}

func byRSA(k *rsa.PrivateKey, pss bool) signer {
	return func(input []byte) []byte {
		sum := sha256.Sum256(input)
		sign := func() ([]byte, error) { return rsa.SignPKCS1v15(rand.Reader, k, crypto.SHA256, sum[:]) }
		if pss {
			sign = func() ([]byte, error) {
				return rsa.SignPSS(rand.Reader, k, crypto.SHA256, sum[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
			}
		}
		sig, err := sign()
		if err != nil {
			panic(err)
		}
		return sig
	}
}

func bySecret(secret string) signer {
	return func(input []byte) []byte {
		m := hmac.New(sha256.New, []byte(secret))
		m.Write(input)
		return m.Sum(nil)
	}
}

// forge makes a compact JWS of any header and payload.
func forge(header, payload string, sign signer) string {
	input := b64([]byte(header)) + "." + b64([]byte(payload))
	return input + "." + b64(sign([]byte(input)))
}

// The request of most tests, and when it is made.
const (
	requestURL = "https://api.example.com/orders"
	token      = "the-access-token"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

var request = dpop.Request{Method: "POST", URL: requestURL, AccessToken: token}

// goodHeader and goodClaims make a proof for request with nothing to object to, with a jti of its own.
func goodHeader() object {
	return object{"typ": "dpop+jwt", "alg": "ES256", "jwk": ecJWK(&keys().p256.PublicKey)}
}

func goodClaims() object {
	return object{"jti": newID(), "htm": "POST", "htu": requestURL, "iat": now.Unix(), "ath": ath(token)}
}

func ath(token string) string {
	sum := sha256.Sum256([]byte(token))
	return b64(sum[:])
}

var ids struct {
	sync.Mutex
	n int
}

func newID() string {
	ids.Lock()
	defer ids.Unlock()
	ids.n++
	return fmt.Sprintf("id-%d", ids.n)
}

// proof signs with the first key.
func proof(header, claims object) string {
	return forge(header.String(), claims.String(), byEC(keys().p256))
}

// newVerifier judges at now, with a window of its own.
func newVerifier() *dpop.Verifier {
	return &dpop.Verifier{Replays: dpop.NewWindow(0), Now: func() time.Time { return now }}
}

// judge names why a proof is refused: code and reason; "" is a good one.
func judge(t testing.TB, v *dpop.Verifier, r dpop.Request, values ...string) string {
	t.Helper()
	p, err := v.Verify(context.Background(), values, r)
	if err == nil {
		if p == nil || len(p.Thumbprint) != 43 {
			t.Fatalf("Verify = %+v, want a thumbprint", p)
		}
		return ""
	}
	if p != nil {
		t.Errorf("Verify gives a proof beside the error %v", err)
	}
	e, ok := errors.AsType[*dpop.Error](err)
	if !ok {
		t.Fatalf("error %v is a %T, want *dpop.Error", err, err)
	}
	for _, v := range values {
		if len(v) > 20 && strings.Contains(e.Description+e.Error(), v[:20]) {
			t.Errorf("the error repeats the proof: %v", e)
		}
	}
	return e.Code + " " + e.Reason
}
