package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/dpop"
	"github.com/caddy-gatehouse/gatehouse/authserver/resourceserver"
)

// prover is a client with a DPoP key. It is not for concurrent use.
type prover struct {
	key    *ecdsa.PrivateKey
	header string // of its proofs, encoded
	jkt    string
	made   int
}

func newProver() (*prover, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	point, err := key.PublicKey.Bytes() // 0x04, x, y
	if err != nil {
		return nil, err
	}
	// The members in the order of RFC 7638 §3.2.
	jwk := fmt.Sprintf(`{"crv":"P-256","kty":"EC","x":"%s","y":"%s"}`, encode(point[1:33]), encode(point[33:]))
	sum := sha256.Sum256([]byte(jwk))
	return &prover{
		key: key, jkt: encode(sum[:]),
		header: encode([]byte(`{"typ":"dpop+jwt","alg":"ES256","jwk":` + jwk + `}`)),
	}, nil
}

// proof makes one that is good for one request, from now on. token may be empty.
func (p *prover) proof(method, url, token string) (string, error) {
	p.made++
	claims := map[string]any{"jti": fmt.Sprintf("%s-%010d", p.jkt[:12], p.made), "htm": method, "htu": url, "iat": time.Now().Unix()}
	if token != "" {
		sum := sha256.Sum256([]byte(token))
		claims["ath"] = encode(sum[:])
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	input := p.header + "." + encode(payload)
	digest := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, p.key, digest[:])
	if err != nil {
		return "", err
	}
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return input + "." + encode(signature), nil
}

// proofs makes n.
func (p *prover) proofs(n int, method, url, token string) ([]string, error) {
	list := make([]string, n)
	for i := range list {
		var err error
		if list[i], err = p.proof(method, url, token); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// newVerification is what no judge of proofs can do without: one hash and one verification.
func newVerification() (work, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return work{}, err
	}
	input := make([]byte, 400) // a proof's
	digest := sha256.Sum256(input)
	r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
	if err != nil {
		return work{}, err
	}
	return work{once: func() error {
		digest := sha256.Sum256(input)
		if !ecdsa.Verify(&key.PublicKey, digest[:], r, s) {
			return errors.New("the signature is not good")
		}
		return nil
	}}, nil
}

// newJudging is all that a gate does about a request whose token it knows, with a proof that it does not.
func newJudging() (work, error) {
	const url = "https://orders.example.com/orders/42"
	is, err := startIssuer()
	if err != nil {
		return work{}, err
	}
	p, err := newProver()
	if err != nil {
		return work{}, err
	}
	token, err := is.bound(p.jkt)
	if err != nil {
		return work{}, err
	}
	gate, err := resourceserver.New(resourceserver.Config{Issuers: []resourceserver.Issuer{{
		Issuer: is.url, JWKSURI: is.url + "/jwks", Audience: []string{audience}, InsecureLoopbackHTTP: true,
	}}})
	if err != nil {
		return work{}, err
	}
	policy := &resourceserver.Policy{Scopes: []string{tokenScope}, Possession: &resourceserver.Possession{
		DPoP: &dpop.Verifier{Replays: dpop.NewWindow(0)},
		URL:  func(*http.Request) string { return url },
	}}
	if err := policy.Validate(); err != nil {
		return work{}, err
	}
	r, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return work{}, err
	}
	r.Header.Set("Authorization", "DPoP "+token)
	var ready []string
	return work{
		prepare: func(lasts time.Duration) (err error) {
			const fastest = 40_000 // verifications a second; there is no faster core
			ready, err = p.proofs(int(lasts.Seconds()*fastest)+1, http.MethodGet, url, token)
			return err
		},
		once: func() error {
			if len(ready) == 0 {
				return errors.New("no proof is left")
			}
			r.Header[dpop.Header] = ready[:1]
			ready = ready[1:]
			_, err := gate.Authorize(r, policy)
			return err
		},
	}, nil
}
