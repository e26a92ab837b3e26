package resourceserver_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/dpop"
	"github.com/caddy-gatehouse/gatehouse/authserver/mtls"
	"github.com/caddy-gatehouse/gatehouse/authserver/resourceserver"
)

// place is where the gate of the tests is, as clients call it.
const place = "https://orders.example.com/orders"

// prover is a client that has a key.
type prover struct{ key *ecdsa.PrivateKey }

var (
	alice   = sync.OnceValue(newProver)
	mallory = sync.OnceValue(newProver)
)

func newProver() prover { return prover{must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))} }

func (p prover) jwk() map[string]string {
	point := must(p.key.PublicKey.Bytes())[1:]
	return map[string]string{"kty": "EC", "crv": "P-256", "x": b64(string(point[:32])), "y": b64(string(point[32:]))}
}

// thumbprint is jkt (RFC 7638).
func (p prover) thumbprint() string {
	jwk := p.jwk()
	sum := sha256.Sum256([]byte(`{"crv":"P-256","kty":"EC","x":"` + jwk["x"] + `","y":"` + jwk["y"] + `"}`))
	return b64(string(sum[:]))
}

// sign makes a compact JWS of any header and payload with ES256.
func (p prover) sign(header, payload string) string {
	input := unsigned(header, payload)
	digest := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, p.key, digest[:])
	if err != nil {
		panic(err)
	}
	sig := make([]byte, 64)
	r.FillBytes(sig[:32])
	s.FillBytes(sig[32:])
	return input + "." + b64(string(sig))
}

func (p prover) header(changes claims) string {
	return claims{"typ": "dpop+jwt", "alg": "ES256", "jwk": p.jwk()}.with(changes).json()
}

// claims are those of a good proof for GET of place with the token.
func (p prover) claims(c *clock, token string) claims {
	return claims{"jti": rand.Text(), "htm": "GET", "htu": place, "iat": c.Now().Unix(), "ath": ath(token)}
}

func ath(token string) string {
	sum := sha256.Sum256([]byte(token))
	return b64(string(sum[:]))
}

// proof is a good one, but for the changes of its claims.
func (p prover) proof(c *clock, token string, changes claims) string {
	return p.sign(p.header(nil), p.claims(c, token).with(changes).json())
}

// bound gives the claims of a token that is bound to p's key.
func (p prover) bound(base claims) claims {
	return base.with(claims{"cnf": map[string]string{"jkt": p.thumbprint()}})
}

// possession judges DPoP proofs for place.
func possession(c *clock) *resourceserver.Possession {
	return &resourceserver.Possession{
		DPoP: &dpop.Verifier{Replays: dpop.NewWindow(0), Now: c.Now},
		URL:  func(*http.Request) string { return place },
	}
}

// presented is a request with a token in a scheme, and proofs.
func presented(scheme, token string, proofs ...string) *http.Request {
	r := bearer(token)
	r.Header["Authorization"] = []string{scheme + " " + token}
	if len(proofs) > 0 {
		r.Header["Dpop"] = proofs
	}
	return r
}

// certificate makes a client's certificate of its own.
func certificate(t testing.TB, name string) *x509.Certificate {
	t.Helper()
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Unix(1, 0), NotAfter: time.Unix(1<<32, 0),
	}
	return must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key))))
}

// presents gives a certificate for every request; nil for none.
func presents(chain ...*x509.Certificate) func(*http.Request) (*mtls.Certificate, error) {
	return func(*http.Request) (*mtls.Certificate, error) {
		if len(chain) == 0 {
			return nil, nil
		}
		return &mtls.Certificate{Leaf: chain[0], Intermediates: chain[1:]}, nil
	}
}
