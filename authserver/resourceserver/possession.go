package resourceserver

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/dpop"
	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/mtls"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
)

// Binding is to what a token must be bound (RFC 7800).
type Binding string

// The bindings.
const (
	BoundAtWill  Binding = ""     // as the token says
	BoundSomehow Binding = "any"  // to a key or a certificate
	BoundDPoP    Binding = "dpop" // RFC 9449
	BoundMTLS    Binding = "mtls" // RFC 8705
)

// holds reports whether a token that is bound to f is bound as b demands.
func (b Binding) holds(f Confirmation) bool {
	switch b {
	case BoundAtWill:
		return true
	case BoundSomehow:
		return f != Confirmation{}
	case BoundDPoP:
		return f.Key != ""
	case BoundMTLS:
		return f.Certificate != ""
	}
	return false
}

// Possession is how a gate has possession proved. Safe for concurrent use.
type Possession struct {
	// DPoP judges proofs. nil: tokens that are bound to a key are refused.
	DPoP *dpop.Verifier
	// URL is what clients call a request, without query and fragment: from configuration. Required with DPoP.
	URL func(*http.Request) string
	// Certificate is what the client presented; nil for none. nil: tokens that are bound to a certificate are refused.
	Certificate func(*http.Request) (*mtls.Certificate, error)
}

// takesDPoP reports whether proofs are judged at all.
func (p *Possession) takesDPoP() bool { return p != nil && p.DPoP != nil }

// algorithms are what proofs may be signed with, as challenges name them; "" where none are judged.
func (p *Possession) algorithms() string {
	switch {
	case !p.takesDPoP():
		return ""
	case p.DPoP.Algorithms == nil:
		return defaultProofAlgorithms
	}
	return strings.Join(p.DPoP.Algorithms, " ")
}

var defaultProofAlgorithms = strings.Join(dpop.Algorithms(), " ")

func (p *Possession) validate(b Binding) error {
	switch {
	case p.DPoP != nil && p.URL == nil:
		return errors.New("dpop: needs the url under which clients know what is behind the gate")
	case b == BoundDPoP && p.DPoP == nil:
		return errors.New("bound dpop: no proof is judged without dpop")
	case b == BoundMTLS && p.Certificate == nil:
		return errors.New("bound mtls: no certificate is looked at without client_certificate")
	case b == BoundSomehow && p.DPoP == nil && p.Certificate == nil:
		return errors.New("bound any: needs dpop or client_certificate")
	}
	return nil
}

var (
	errKeyNotProved = errors.New("the proof was made with another key than the token is bound to")
	errNoURL        = errors.New("the url of the request is not known")
)

// prove judges whether r proves possession of all that t is bound to. A proof that
// nothing asks for is refused as well: whoever sent it believes in a protection that the token does not have.
func (p *Possession) prove(r *http.Request, c credentials, t *Token) outcome {
	not := func(why Reason, cause error) outcome {
		return outcome{why: why, issuer: t.index(), cause: cause}
	}
	proofs := r.Header[dpop.Header]
	switch {
	case (c.scheme == schemeDPoP) != (t.bound.Key != ""):
		return not(NotBound, nil) // RFC 9449 §7.1, §7.2
	case c.scheme == schemeDPoP:
		if why, cause := p.proveKey(r, proofs, c.token, t.bound.Key); why != Allowed {
			return not(why, cause)
		}
	case p.takesDPoP() && len(proofs) > 0:
		return not(NotBound, nil)
	}
	if t.bound.Certificate != "" {
		if why, cause := p.proveCertificate(r, t.bound.Certificate); why != Allowed {
			return not(why, cause)
		}
	}
	return outcome{issuer: t.index()}
}

// proveKey judges the DPoP proof of r (RFC 9449 §7.1).
func (p *Possession) proveKey(r *http.Request, proofs []string, token, key string) (Reason, error) {
	if !p.takesDPoP() {
		return NotBound, nil
	}
	if p.URL == nil {
		return InvalidProof, errNoURL
	}
	_, err := p.DPoP.Verify(r.Context(), proofs, dpop.Request{Method: r.Method, URL: p.URL(r), AccessToken: token, Thumbprint: key})
	if errors.Is(err, dpop.ErrOtherKey) {
		return NotBound, errKeyNotProved
	}
	if errors.Is(err, dpop.ErrOverShare) {
		return ProofLimit, err
	}
	if err != nil {
		bad, ok := errors.AsType[*dpop.Error](err)
		switch {
		case !ok:
			return ProofUnavailable, err
		case bad.Code == oauth.CodeUseDPoPNonce:
			return UseNonce, err
		}
		return InvalidProof, err
	}
	return Allowed, nil
}

// proveCertificate compares the client's certificate with the token's (RFC 8705 §3).
func (p *Possession) proveCertificate(r *http.Request, want string) (Reason, error) {
	if p == nil || p.Certificate == nil {
		return NotBound, nil
	}
	certificate, err := p.Certificate(r)
	switch {
	case err != nil:
		return NotBound, fmt.Errorf("client certificate: %w", err)
	case certificate == nil || certificate.Leaf == nil || mtls.Thumbprint(certificate.Leaf) != want:
		return NotBound, nil
	}
	return Allowed, nil
}

// now is the clock of proofs.
func (p *Possession) now() time.Time {
	if p.DPoP.Now != nil {
		return p.DPoP.Now()
	}
	return time.Now()
}

// nonce is a fresh one to give out, "" where none are demanded.
func (p *Possession) nonce() string {
	if !p.takesDPoP() || p.DPoP.Nonces == nil {
		return ""
	}
	return p.DPoP.Nonces.Current(p.now())
}

// Nonce is the DPoP-Nonce that the answer to r should bring (RFC 9449 §8.2), "" for none: a fresh one, where nonces are demanded and that
// of the request's proof is getting old. r is a request that Authorize has let pass; for those that it refused the Refusal has a
// nonce. It costs nothing where no nonces are demanded. A nil Possession has none.
func (p *Possession) Nonce(r *http.Request) string {
	if !p.takesDPoP() || p.DPoP.Nonces == nil {
		return ""
	}
	proofs := r.Header[dpop.Header]
	if len(proofs) != 1 {
		return ""
	}
	now := p.now()
	if _, renew := p.DPoP.Nonces.Valid(nonceOf(proofs[0]), now); !renew {
		return ""
	}
	return p.DPoP.Nonces.Current(now)
}

// nonceOf reads the nonce of a proof that was found good.
func nonceOf(proof string) string {
	_, rest, _ := strings.Cut(proof, ".")
	payload, _, _ := strings.Cut(rest, ".")
	text, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil {
		return ""
	}
	claims, err := jose.ParseClaims(text, jose.Limits{})
	if err != nil {
		return ""
	}
	nonce, _ := claims.Text("nonce")
	return nonce
}
