package resourceserver

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/dpop"
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
// nothing asks for is refused as well: whoever sent it believes in a protection that the token does not have. renew tells that the client
// should have a newer nonce than its proof's.
func (p *Possession) prove(r *http.Request, c credentials, t *Token) (o outcome, renew bool) {
	not := func(why Reason, cause error) (outcome, bool) {
		return outcome{why: why, issuer: t.index(), cause: cause}, false
	}
	proofs := r.Header[dpop.Header]
	switch {
	case (c.scheme == schemeDPoP) != (t.bound.Key != ""):
		return not(NotBound, nil) // RFC 9449 §7.1, §7.2
	case c.scheme == schemeDPoP:
		proof, why, cause := p.proveKey(r, proofs, c.token, t)
		if why != Allowed {
			return not(why, cause)
		}
		renew = proof.RenewNonce
	case p.takesDPoP() && len(proofs) > 0:
		return not(NotBound, nil)
	}
	if t.bound.Certificate != "" {
		if why, cause := p.proveCertificate(r, t.bound.Certificate); why != Allowed {
			return not(why, cause)
		}
	}
	return outcome{issuer: t.index()}, renew
}

// proveKey judges the DPoP proof of r (RFC 9449 §7.1), which it gives where that is good.
func (p *Possession) proveKey(r *http.Request, proofs []string, raw string, t *Token) (*dpop.Proof, Reason, error) {
	if !p.takesDPoP() {
		return nil, NotBound, nil
	}
	if p.URL == nil {
		return nil, InvalidProof, errNoURL
	}
	proof, err := p.DPoP.Verify(r.Context(), proofs, dpop.Request{
		Method: r.Method, URL: p.URL(r), AccessToken: raw, Thumbprint: t.bound.Key, Client: t.client(),
	})
	if errors.Is(err, dpop.ErrOtherKey) {
		return nil, NotBound, errKeyNotProved
	}
	if errors.Is(err, dpop.ErrOverShare) {
		return nil, ProofLimit, err
	}
	if err != nil {
		bad, ok := errors.AsType[*dpop.Error](err)
		switch {
		case !ok:
			return nil, ProofUnavailable, err
		case bad.Code == oauth.CodeUseDPoPNonce:
			return nil, UseNonce, err
		}
		return nil, InvalidProof, err
	}
	return proof, Allowed, nil
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
