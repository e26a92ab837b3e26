package dpop

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
)

// Times of proofs.
const (
	DefaultMaxAge = 60 * time.Second
	LongestMaxAge = 5 * time.Minute
	// DefaultSkew passes the ten seconds by which clocks of sound clients differ, with something to spare.
	DefaultSkew = 15 * time.Second
)

// Algorithms are what proofs may be signed with unless configuration says otherwise. RS256 and its like are known, but not among them:
// nobody had made DPoP keys for PKCS #1 v1.5 before, and FAPI 2 refuses them.
func Algorithms() []string {
	return []string{jose.ES256, jose.ES384, jose.ES512, jose.EdDSA, jose.Ed25519, jose.PS256}
}

var algorithms = Algorithms()

// Verifier judges proofs. Its zero values are strict. Safe for concurrent use.
type Verifier struct {
	// Algorithms that proofs may be signed with; symmetric ones never are. Default: Algorithms.
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

// Verify judges the values of the DPoP header of one request (RFC 9449 §4.3). Errors are *Error, ErrOtherKey, ErrOverShare, or, where it cannot be
// told now, another one. The proof is spent last, so that only good ones take up room, and only who has the key can spend its jti: the token's, where
// Request says which that is, so that nobody fills the memory with keys made up beside a stolen token.
//
// The times of a proof are judged by iat alone: nbf and exp are not among its claims, and do no harm.
func (v *Verifier) Verify(ctx context.Context, values []string, r Request) (*Proof, error) {
	if len(values) != 1 {
		return nil, invalid("header", "Exactly one DPoP header is required.")
	}
	proof, err := jose.ParseEmbedded(values[0], maxProof)
	if err != nil {
		return nil, refused(err)
	}
	if err := v.checkHeader(&proof.Header); err != nil {
		return nil, err
	}
	claims, err := proof.Claims()
	if err != nil {
		return nil, refused(err)
	}
	now := v.now()
	renew, err := v.checkClaims(claims, r, now)
	if err != nil {
		return nil, err
	}
	if err := proof.Verify(); err != nil { // what costs most comes when all else is good
		return nil, refused(err)
	}
	if r.Thumbprint != "" && proof.Thumbprint != r.Thumbprint {
		return nil, ErrOtherKey
	}
	if err := v.spend(ctx, Owner{Key: proof.Thumbprint, Client: r.Client}, claims, now); err != nil {
		return nil, err
	}
	return &Proof{Thumbprint: proof.Thumbprint, RenewNonce: renew}, nil
}

func (v *Verifier) now() time.Time {
	if v.Now != nil {
		return v.Now()
	}
	return time.Now()
}

// refused translates an error of package jose.
func refused(err error) error {
	e, ok := errors.AsType[*jose.Error](err)
	if !ok {
		return fmt.Errorf("dpop: %w", err)
	}
	switch e.Problem {
	case jose.ProblemAlgorithm:
		return errAlgorithm()
	case jose.ProblemKey:
		return invalid("key", "The DPoP proof must bring its public key in jwk, and nothing private.")
	case jose.ProblemSignature:
		return invalid("signature", "The signature of the DPoP proof is not valid.")
	case jose.ProblemOversized:
		return invalid("oversized", "The DPoP proof is too long.")
	}
	return invalid("malformed", "The DPoP proof is not a JWT that can be read.")
}

func errAlgorithm() error {
	return invalid("algorithm", "The DPoP proof is signed with an algorithm that is not accepted.")
}

func (v *Verifier) checkHeader(h *jose.Header) error {
	if !h.TypeIs(Type) {
		return invalid("type", "The typ of the DPoP proof must be dpop+jwt.")
	}
	allowed := v.Algorithms
	if allowed == nil {
		allowed = algorithms
	}
	if !slices.Contains(allowed, h.Algorithm) {
		return errAlgorithm()
	}
	return nil
}

// checkClaims judges what the proof says about itself and the request. It tells whether there is a newer nonce than the proof's.
func (v *Verifier) checkClaims(c *jose.Claims, r Request, now time.Time) (renew bool, err error) {
	if c.ID == "" || len(c.ID) > maxID {
		return false, invalid("jti", "The DPoP proof must have a jti of sensible length.")
	}
	if method, ok := c.Text("htm"); !ok || method != r.Method {
		return false, invalid("htm", "The htm of the DPoP proof is not the method of the request.")
	}
	if url, ok := c.Text("htu"); !ok || !sameURL(url, r.URL) {
		return false, invalid("htu", "The htu of the DPoP proof is not the URL of the request.")
	}
	skew := v.Skew
	if skew <= 0 {
		skew = DefaultSkew
	}
	if c.IssuedAt.IsZero() || c.IssuedAt.After(now.Add(skew)) || now.After(c.IssuedAt.Add(v.maxAge())) {
		return false, invalid("iat", "The DPoP proof was not made just now.")
	}
	if r.AccessToken != "" {
		if ath, ok := c.Text("ath"); !ok || !isHash(ath, r.AccessToken) {
			return false, invalid("ath", "The ath of the DPoP proof is not the hash of the access token.")
		}
	}
	if v.Nonces == nil {
		return false, nil
	}
	if err := v.Nonces.Ready(); err != nil {
		return false, fmt.Errorf("dpop: nonces: %w", err)
	}
	nonce, _ := c.Text("nonce")
	ok, renew := v.Nonces.Valid(nonce, now)
	if !ok {
		return false, &Error{Code: oauth.CodeUseDPoPNonce, Reason: "nonce",
			Description: "The DPoP proof must have the nonce that this answer brings."}
	}
	return renew, nil
}

func (v *Verifier) maxAge() time.Duration {
	if v.MaxAge <= 0 {
		return DefaultMaxAge
	}
	return min(v.MaxAge, LongestMaxAge)
}

// isHash reports whether ath is that of token (RFC 9449 §4.2).
func isHash(ath, token string) bool {
	sum := sha256.Sum256([]byte(token))
	var want [43]byte
	base64.RawURLEncoding.Encode(want[:], sum[:])
	return subtle.ConstantTimeCompare([]byte(ath), want[:]) == 1
}

// spend marks the proof as used for as long as it would be good, on nodes with other clocks too. What is spent is the jti of this key at
// this URL (RFC 9449 §11.1): nobody else's proof can have it. The URL is taken as the proof writes it, since one
// proof has one way to write it, whatever URLs are called the same.
func (v *Verifier) spend(ctx context.Context, by Owner, c *jose.Claims, now time.Time) error {
	url, _ := c.Text("htu")
	buf := make([]byte, 0, 384)
	buf = append(buf, by.Key...) // always 43 characters
	buf = append(buf, byte(len(c.ID)>>8), byte(len(c.ID)))
	buf = append(buf, c.ID...)
	buf = append(buf, url...)
	until := c.IssuedAt.Add(v.maxAge() + DefaultSkew + time.Second)
	err := v.Replays.Spend(ctx, by, sha256.Sum256(buf), until, now)
	if errors.Is(err, ErrReplayed) {
		return invalid("replayed", "The DPoP proof was used before.")
	}
	return err
}
