package resourceserver

import (
	"errors"
	"net/http"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/dpop"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
)

// Authorize takes the token out of r, verifies it, and has it judged by p and by what some requests need in addition: all of the policies must
// be satisfied. What is said to the client comes from p (Realm, Metadata), as does how possession is proved. The
// Observer is told the one decision of this request. A nil p needs nothing. Errors are *Refusal.
//
// What Authorize remembers is what tokens say, never a verdict: two policies share none.
func (v *Verifier) Authorize(r *http.Request, p *Policy, also ...*Policy) (*Token, error) {
	t, _, err := v.AuthorizeWithNonce(r, p, also...)
	return t, err
}

// AuthorizeWithNonce is Authorize, and gives the DPoP-Nonce that the answer to r should bring (RFC 9449 §8.2), "" for none: a fresh one, where p
// demands nonces and that of the request's proof is getting old. For a request that is refused the Refusal has it.
func (v *Verifier) AuthorizeWithNonce(r *http.Request, p *Policy, also ...*Policy) (t *Token, nonce string, err error) {
	if p == nil {
		p = &noPolicy
	}
	t, renew, refusal := v.authorize(r, p, also)
	if refusal != nil {
		v.decided(refusal.Issuer, refusal.Why)
		return nil, "", refusal
	}
	v.decided(t.issuer.index, Allowed)
	if renew {
		nonce = p.Possession.nonce()
	}
	return t, nonce, nil
}

var noPolicy Policy // read only

// Refuse makes a refusal of the host's own, for one of the reasons that Authorize does not give by itself. t is the request's token, nil
// where there is none. The Observer is not told.
func (v *Verifier) Refuse(r *http.Request, p *Policy, t *Token, why Reason, cause error) *Refusal {
	if p == nil {
		p = &noPolicy
	}
	issuer := -1
	if t != nil {
		issuer = t.index()
	}
	c, _ := credentialsIn(r.Header)
	return v.refusals.of(p.voice(c.scheme), outcome{why: why, issuer: issuer}).with(t, cause)
}

func (v *Verifier) decided(issuer int, why Reason) {
	if v.config.Observer != nil {
		v.config.Observer.Decided(issuer, why)
	}
}

// authorize is the one way of a request: credentials, token, possession, policies. renew tells that the client should have a newer nonce.
func (v *Verifier) authorize(r *http.Request, p *Policy, also []*Policy) (t *Token, renew bool, refusal *Refusal) {
	c, why := credentialsIn(r.Header)
	if c.scheme == schemeDPoP && !p.Possession.takesDPoP() {
		c.scheme = noScheme // not one that would do here
		if why == Allowed {
			why = NoToken
		}
	}
	if why != Allowed {
		return nil, false, v.refusals.of(p.voice(c.scheme), outcome{why: why, issuer: -1})
	}
	now := v.config.Now()
	t, o := v.verify(r.Context(), c.token, now)
	if o.why != Allowed {
		return nil, false, v.refusals.of(p.voice(c.scheme), o)
	}
	if c.scheme == schemeDPoP || t.bound != (Confirmation{}) || p.Possession != nil {
		if o, renew = p.Possession.prove(r, c, t); o.why != Allowed {
			return nil, false, v.notProved(p, c.scheme, t, o)
		}
	}
	if refusal := v.judge(r, p, also, c.scheme, t, now); refusal != nil {
		return nil, false, refusal
	}
	if waits(p, also) {
		if t, refusal = v.meanwhile(r, p, also, c.scheme, t, now); refusal != nil {
			return nil, false, refusal
		}
	}
	return t, renew, nil
}

// notProved is the refusal where possession is not proved. What is wrong with a proof is said: it is made anew for each
// request, by software whose developer needs to know. One of the nonce brings another (RFC 9449 §9).
func (v *Verifier) notProved(p *Policy, used scheme, t *Token, o outcome) *Refusal {
	bad, ok := errors.AsType[*dpop.Error](o.cause)
	if !ok {
		return v.refusals.of(p.voice(used), o).with(t, o.cause)
	}
	refusal := newRefusalSaying(bad.Description, p.voice(used), o.issuer, o.why).with(t, o.cause)
	if o.why == UseNonce {
		refusal.DPoPNonce = p.Possession.nonce()
	}
	return refusal
}

// judge has the policies judge a token that is good and in the right hands.
func (v *Verifier) judge(r *http.Request, p *Policy, also []*Policy, used scheme, t *Token, now time.Time) *Refusal {
	if why, cause := p.judge(r, t, now); why != Allowed {
		return v.forbidden(p, also, used, t, why, cause)
	}
	for _, q := range also {
		if q == nil {
			continue // like a nil p
		}
		if why, cause := q.judge(r, t, now); why != Allowed {
			return v.forbidden(p, also, used, t, why, cause)
		}
	}
	return nil
}

// forbidden is the refusal of a good token. Its challenge says what all of the policies need together.
func (v *Verifier) forbidden(p *Policy, also []*Policy, used scheme, t *Token, why Reason, cause error) *Refusal {
	switch why {
	case InsufficientScope:
		return newRefusal(p.voice(used), t.index(), why, oauth.Param{Name: "scope", Value: needed(p, also)}).with(t, cause)
	case InsufficientAuthentication:
		return newRefusal(p.voice(used), t.index(), why, stepUp(p, also)...).with(t, cause)
	case WrongAudience:
		// An audience rule of the route speaks about permission, not about the token.
		refusal := v.refusals.of(p.voice(used), outcome{why: ClaimMismatch, issuer: t.index()}).with(t, cause)
		refusal.Why, refusal.Reason = why, why.String()
		return refusal
	}
	return v.refusals.of(p.voice(used), outcome{why: why, issuer: t.index()}).with(t, cause)
}

// Authenticate takes the token out of r and verifies it. Errors are *Refusal. A token that is bound to a key or a certificate is refused:
// there is no policy that says how possession is proved.
func (v *Verifier) Authenticate(r *http.Request) (*Token, error) {
	t, _, refusal := v.authorize(r, &noPolicy, nil)
	if refusal != nil {
		return nil, refusal
	}
	return t, nil
}
