package dpop

import (
	"context"
	"errors"
	"time"
)

// Type is the typ of a proof (RFC 9449 §4.2).
const Type = "dpop+jwt"

// Header is the request header that carries a proof, NonceHeader the response header that carries a nonce; canonical.
const (
	Header      = "Dpop"
	NonceHeader = "Dpop-Nonce"
)

// Proof is a proof that was good.
type Proof struct {
	Thumbprint string // of its key (RFC 7638): what jkt and dpop_jkt are compared with
}

// Request is what a proof must have been made for.
type Request struct {
	Method string
	// URL is the request's, without query and fragment, as configuration says it: never as the client did.
	URL string
	// AccessToken is the token that the proof goes with; "" at the authorization server, where ath is not looked at.
	AccessToken string
}

// Verifier judges proofs. Its zero values are strict. Safe for concurrent use.
type Verifier struct {
	// Algorithms that proofs may be signed with. Default: Algorithms.
	Algorithms []string
	// MaxAge is how old iat may be; default 60 s, at most 5 min. Skew is how far it may be in the future; default 15 s.
	MaxAge, Skew time.Duration
	// Replays has the proofs that were used. Required.
	Replays Replays
	// Nonces, where not nil, are demanded.
	Nonces *Nonces
	// Now is the clock. Default: time.Now.
	Now func() time.Time
}

// Verify judges the values of the DPoP header of one request. Errors are *Error, or, where it cannot be told now, another one.
func (v *Verifier) Verify(ctx context.Context, values []string, r Request) (*Proof, error) {
	panic("contract")
}

// Error is why a proof is not good. Description is for the client, Reason, a word, for metrics and logs; neither has text of the proof.
type Error struct {
	Code        string // oauth.CodeInvalidDPoPProof or oauth.CodeUseDPoPNonce
	Description string
	Reason      string
}

// Error says Reason.
func (e *Error) Error() string { return "dpop: " + e.Reason }

// ErrReplayed: the proof was used before.
var ErrReplayed = errors.New("dpop: the proof was used before")

// Replays remembers which proofs were used.
type Replays interface {
	// Spend marks id as used until then: of any number of calls with one id, one gets nil, the others ErrReplayed. Another
	// error means that it cannot be told now.
	Spend(ctx context.Context, id [32]byte, until, now time.Time) error
}

// Window is a Replays in memory, bounded in size: when it is full, nothing is accepted before something has expired. Safe for concurrent use.
type Window struct{}

// NewWindow makes a window of at most max proofs; 0 means a million.
func NewWindow(max int) *Window { panic("contract") }

// Spend implements Replays.
func (w *Window) Spend(ctx context.Context, id [32]byte, until, now time.Time) error {
	panic("contract")
}

// Nonces makes and knows a server's nonces (RFC 9449 §8). Safe for concurrent use.
type Nonces struct{}

// NewNonces makes nonces of a key of 32 bytes or more, each of which is good for life (default 5 min) and is renewed well before.
func NewNonces(key []byte, life time.Duration) *Nonces { panic("contract") }

// Current is the nonce to give out now.
func (n *Nonces) Current(now time.Time) string { panic("contract") }

// Valid reports whether nonce is one of ours that is still good; renew, that the client should have a newer one with the answer.
func (n *Nonces) Valid(nonce string, now time.Time) (ok, renew bool) { panic("contract") }
