package testkit

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// Holder is somebody with a key of their own, who makes DPoP proofs. Safe for concurrent use.
type Holder struct {
	Key        *ecdsa.PrivateKey // P-256
	JWK        map[string]any    // its public half
	Thumbprint string            // RFC 7638

	t    testing.TB
	now  func() time.Time
	made atomic.Int64
}

// NewHolder draws a key.
func NewHolder(t testing.TB, now func() time.Time) *Holder {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := key.PublicKey.Bytes() // 4, x, y
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	x, y := encode(point[1:33]), encode(point[33:])
	sum := sha256.Sum256(fmt.Appendf(nil, `{"crv":"P-256","kty":"EC","x":"%s","y":"%s"}`, x, y))
	return &Holder{Key: key, JWK: map[string]any{"kty": "EC", "crv": "P-256", "x": x, "y": y}, Thumbprint: encode(sum[:]), t: t, now: now}
}

// Proof makes a proof for a request (RFC 9449 §4.2). Changes are names and values of claims, or of header members, written
// "header.<name>", which are set before it is signed; nil takes one out.
func (h *Holder) Proof(method, address string, changes ...any) string {
	h.t.Helper()
	header := map[string]any{"typ": "dpop+jwt", "alg": "ES256", "jwk": h.JWK}
	claims := map[string]any{
		"jti": fmt.Sprintf("%s-%d", h.Thumbprint, h.made.Add(1)), "htm": method, "htu": address, "iat": h.now().Unix(),
	}
	for i := 0; i < len(changes); i += 2 {
		name, in := changes[i].(string), claims
		if rest, ok := strings.CutPrefix(name, "header."); ok {
			name, in = rest, header
		}
		if in[name] = changes[i+1]; changes[i+1] == nil {
			delete(in, name)
		}
	}
	return h.sign(header, claims)
}

func (h *Holder) sign(header, claims map[string]any) string {
	h.t.Helper()
	encode := func(v map[string]any) string {
		b, err := json.Marshal(v)
		if err != nil {
			h.t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(b)
	}
	input := encode(header) + "." + encode(claims)
	sum := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, h.Key, sum[:])
	if err != nil {
		h.t.Fatal(err)
	}
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return input + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// ATH is the hash of an access token, for a proof's ath.
func ATH(token string) string {
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
