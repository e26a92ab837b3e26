package resourceserver

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
)

// Policy is what a request needs beyond a valid token. It is judged on every request. The zero Policy needs nothing.
type Policy struct {
	Scopes   []string    // all of
	AnyScope []string    // at least one of
	Audience []string    // at least one of, beside the issuer's own audience
	Claims   []ClaimRule // all of
	Realm    string      // realm attribute of challenges; "" leaves it out

	// Metadata is the address of the protected resource's metadata, which challenges name (RFC 9728 §5.1); "" leaves it out.
	Metadata string
	// ACR are acr values of which the token must have one; MaxAge is how long ago its auth_time may be, 0 for ever. What fails is
	// challenged as RFC 9470 says.
	ACR    []string
	MaxAge time.Duration
	// Allow are conditions, all of which must be met.
	Allow []Condition
	// Waits says that conditions may wait for the client, as one that reads a body does. When all is met, the token is judged once more, as
	// it is then: it may have expired or been revoked meanwhile. What took a while has the policies judged anew, conditions included.
	Waits bool
	// Bound says to what a token must be bound.
	Bound Binding
	// Possession is how proofs of possession are judged. nil: tokens that are bound are refused.
	Possession *Possession
}

// Condition is a rule over a request and its token. What cannot be judged is not met: the error is for the log.
type Condition interface {
	Allows(r *http.Request, t *Token) (bool, error)
}

// Unmet is an error of a Condition of the host's own, which knows better what to tell the client than that a condition is not met.
type Unmet struct {
	Why   Reason // not Allowed
	Cause error  // for the log; nil where Why says it all
}

// Error implements error.
func (u *Unmet) Error() string { return u.Why.String() }

// Unwrap gives the cause.
func (u *Unmet) Unwrap() error { return u.Cause }

// judge judges a token, which is in the right hands, for a request. now is the Verifier's time. A cause is for the log.
func (p *Policy) judge(r *http.Request, t *Token, now time.Time) (Reason, error) {
	if !p.Bound.holds(t.bound) {
		return NotBound, nil
	}
	if why := p.check(t, now); why != Allowed {
		return why, nil
	}
	if len(p.Allow) > 0 {
		if ok, cause := p.met(r, t); !ok {
			// One that says no and gives no reason still says no.
			if unmet, ok := errors.AsType[*Unmet](cause); ok && unmet.Why != Allowed && unmet.Why < ReasonCount {
				return unmet.Why, cause
			}
			return NotAllowed, cause
		}
	}
	return Allowed, nil
}

// check judges what needs nothing but the token: what the policy asks of its claims.
func (p *Policy) check(t *Token, now time.Time) Reason {
	for _, s := range p.Scopes {
		if !slices.Contains(t.Claims.Scope, s) {
			return InsufficientScope
		}
	}
	if len(p.AnyScope) > 0 && !intersects(p.AnyScope, t.Claims.Scope) {
		return InsufficientScope
	}
	if len(p.Audience) > 0 && !intersects(p.Audience, t.Claims.Audience) {
		return WrongAudience
	}
	for i := range p.Claims {
		if !p.Claims[i].matches(t.Claims) {
			return ClaimMismatch
		}
	}
	if (len(p.ACR) > 0 || p.MaxAge > 0) && !p.authenticated(t, now) {
		return InsufficientAuthentication
	}
	return Allowed
}

// met judges the conditions. One that cannot be judged is not met.
func (p *Policy) met(r *http.Request, t *Token) (ok bool, cause error) {
	for _, c := range p.Allow {
		if ok, err := c.Allows(r, t); !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

func intersects(a, b []string) bool {
	for _, s := range a {
		if slices.Contains(b, s) {
			return true
		}
	}
	return false
}

// Validate reports configuration mistakes (malformed scope, empty rule), naming the option as the Caddyfile does.
func (p *Policy) Validate() error {
	for _, s := range slices.Concat(p.Scopes, p.AnyScope) {
		if !oauth.ValidScopeToken(s) {
			return fmt.Errorf("scope: %q is not a scope (RFC 6749 §3.3)", s)
		}
	}
	if slices.Contains(p.Audience, "") {
		return errors.New("require_audience: must not be empty")
	}
	for _, c := range p.Claims {
		if c.Name == "" {
			return errors.New("claim: a name is needed")
		}
		if len(c.Values) == 0 {
			return fmt.Errorf("claim %s: at least one value is needed", c.Name)
		}
	}
	if slices.Contains(p.Allow, nil) {
		return errors.New("allow: a condition is missing")
	}
	return errors.Join(p.validateStepUp(), p.validateBinding())
}

// validateBinding: what no request could prove must not be demanded, as far as this policy alone tells.
func (p *Policy) validateBinding() error {
	switch p.Bound {
	case BoundAtWill, BoundSomehow, BoundDPoP, BoundMTLS:
	default:
		return fmt.Errorf("bound: %q is not one of any, dpop and mtls", p.Bound)
	}
	if p.Possession == nil {
		return nil
	}
	return p.Possession.validate(p.Bound)
}
