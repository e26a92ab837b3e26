package dpop

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"sync/atomic"
	"time"
)

// DefaultNonceLife is how long a nonce is good.
const DefaultNonceLife = 5 * time.Minute

// Nonces makes and knows a server's nonces (RFC 9449 §8). Safe for concurrent use.
//
// A nonce is the number of a step of time, a quarter of its life, and a MAC of it: whoever has the key knows them all, and nobody has to
// remember any. All clients get the same one in a step.
type Nonces struct {
	key     []byte
	step    time.Duration
	current atomic.Pointer[issuedNonce]

	source func() (*Nonces, error) // of NoncesLater; nil otherwise
	real   atomic.Pointer[Nonces]  // what source gave
}

type issuedNonce struct {
	step int64
	text string
}

const (
	nonceSteps = 4
	nonceTag   = 16
)

// NewNonces makes nonces of a key of 32 bytes or more, each of which is good for life (default 5 min, at least 4 s), or up to a quarter longer, and is
// renewed well before. A shorter key is a mistake of the program, which panics.
func NewNonces(key []byte, life time.Duration) *Nonces {
	if len(key) < 32 {
		panic("dpop: the key of nonces is too short")
	}
	if life <= 0 {
		life = DefaultNonceLife
	}
	// The use of the key is part of it, so that a key which serves others too makes nothing that could be taken for a nonce.
	m := hmac.New(sha256.New, key)
	m.Write([]byte("DPoP nonce"))
	return &Nonces{key: m.Sum(nil), step: max(life/nonceSteps, time.Second)}
}

// NoncesLater are those that source gives, which is asked when they are first needed, and again until it can tell: a key may not
// be there yet when configuration is read.
func NoncesLater(source func() (*Nonces, error)) *Nonces { return &Nonces{source: source} }

// Ready reports why there are no nonces now.
func (n *Nonces) Ready() error {
	_, err := n.had()
	return err
}

func (n *Nonces) had() (*Nonces, error) {
	if n.source == nil {
		return n, nil
	}
	if real := n.real.Load(); real != nil {
		return real, nil
	}
	real, err := n.source()
	if err != nil {
		return nil, err
	}
	n.real.Store(real)
	return real, nil
}

// Current is the nonce to give out now, "" while there are none.
func (n *Nonces) Current(now time.Time) string {
	n, err := n.had()
	if err != nil {
		return ""
	}
	step := n.at(now)
	if c := n.current.Load(); c != nil && c.step == step {
		return c.text
	}
	c := &issuedNonce{step, n.make(step)}
	n.current.Store(c)
	return c.text
}

// Valid reports whether nonce is one of ours that is still good; renew, that the client should have a newer one with the answer.
func (n *Nonces) Valid(nonce string, now time.Time) (ok, renew bool) {
	n, err := n.had()
	if err != nil {
		return false, false
	}
	if nonce == n.Current(now) {
		return true, false
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(nonce)
	if err != nil || len(b) != 8+nonceTag {
		return false, false
	}
	step, age := int64(binary.BigEndian.Uint64(b)), n.at(now)
	if age -= step; age < -1 || age > nonceSteps { // the clock of another node may be ahead
		return false, false
	}
	if !hmac.Equal([]byte(nonce), []byte(n.make(step))) {
		return false, false
	}
	return true, age > 0
}

func (n *Nonces) at(now time.Time) int64 { return now.UnixNano() / int64(n.step) }

func (n *Nonces) make(step int64) string {
	var b [8 + sha256.Size]byte
	binary.BigEndian.PutUint64(b[:], uint64(step))
	m := hmac.New(sha256.New, n.key)
	m.Write(b[:8])
	m.Sum(b[:8])
	return base64.RawURLEncoding.EncodeToString(b[:8+nonceTag])
}
