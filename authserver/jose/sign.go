package jose

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"sync/atomic"
)

// Sign returns the compact JWS of claims (a JSON object, already encoded). The header has alg, kid, and typ where typ is not empty.
func (k *SigningKey) Sign(typ string, claims []byte) (string, error) {
	head, err := k.headers.encoded(k.algorithm.name, k.public.ID, typ)
	if err != nil {
		return "", err
	}
	return sign(k.algorithm, k.private, head, claims)
}

// SignTraced is Sign with the thumbprint of the key's certificate in the header
// (x5t, RFC 7515 §4.1.7); without a certificate (Certified) it is Sign.
func (k *SigningKey) SignTraced(typ string, claims []byte) (string, error) {
	if k.x5t == "" {
		return k.Sign(typ, claims)
	}
	head, err := encodeHeader(header{k.algorithm.name, k.public.ID, typ, k.x5t})
	if err != nil {
		return "", err
	}
	return sign(k.algorithm, k.private, head, claims)
}

// SignSecret signs claims with a shared secret and an HMAC algorithm; it is how
// tests and private clients make client_secret_jwt assertions. A secret shorter
// than the hash is refused (RFC 7518 §3.2).
func SignSecret(alg string, secret []byte, typ string, claims []byte) (string, error) {
	if !Symmetric(alg) {
		return "", errors.New("sign: the algorithm is not symmetric")
	}
	k, err := NewSecretKey("", secret)
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	if !k.Fits(alg) {
		return "", errors.New("sign: the shared secret is too short for the algorithm (RFC 7518 §3.2)")
	}
	head, err := encodeHeader(header{Algorithm: alg, Type: typ})
	if err != nil {
		return "", err
	}
	return sign(algorithms[alg], k.raw, head, claims)
}

// sign puts the three parts together in one buffer. claims is not validated
// beyond its braces: whoever encoded it knows what it is.
func sign(a *algorithm, key any, head string, claims []byte) (string, error) {
	if len(claims) < 2 || claims[0] != '{' || claims[len(claims)-1] != '}' {
		return "", errors.New("sign: the claims are not a JSON object")
	}
	const room = 1 + 700 // a signature of RSA-4096, the largest usual one
	buf := make([]byte, 0, len(head)+b64.EncodedLen(len(claims))+room)
	buf = append(buf, head...)
	buf = b64.AppendEncode(buf, claims)
	sig, err := a.signer.Sign(buf, key)
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	buf = append(buf, '.')
	buf = b64.AppendEncode(buf, sig)
	return string(buf), nil
}

// header is a JOSE header that is written.
type header struct {
	Algorithm  string `json:"alg"`
	KeyID      string `json:"kid,omitempty"`
	Type       string `json:"typ,omitempty"`
	Thumbprint string `json:"x5t,omitempty"`
}

// encodeHeader makes the first part, its dot included.
func encodeHeader(h header) (string, error) {
	b, err := json.Marshal(h)
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	return b64.EncodeToString(b) + ".", nil
}

// headerCache keeps the encoded headers of one key by typ, of which a program
// has a handful. It is read without a lock and copied to be written.
type headerCache struct {
	byType atomic.Pointer[map[string]string]
}

const maxHeaders = 32

func (c *headerCache) encoded(alg, kid, typ string) (string, error) {
	old := c.byType.Load()
	if old != nil {
		if head, ok := (*old)[typ]; ok {
			return head, nil
		}
	}
	head, err := encodeHeader(header{Algorithm: alg, KeyID: kid, Type: typ})
	if err != nil {
		return "", err
	}
	next := map[string]string{typ: head}
	if old != nil {
		if len(*old) >= maxHeaders {
			return head, nil
		}
		maps.Copy(next, *old)
	}
	c.byType.CompareAndSwap(old, &next) // one that loses the race is stored next time
	return head, nil
}
