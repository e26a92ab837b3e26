package resourceserver

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
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
	// Bound says to what a token must be bound.
	Bound Binding
	// Possession is how proofs of possession are judged. nil: tokens that are bound are refused.
	Possession *Possession
}

// Condition is a rule over a request and its token. What cannot be judged is not met: the error is for the log.
type Condition interface {
	Allows(r *http.Request, t *Token) (bool, error)
}

// Check judges t. A failure is a *Refusal with 403 (RFC 6750 §3.1).
func (p *Policy) Check(t *Token) error {
	if r := p.check(t); r != nil {
		return r
	}
	return nil
}

func (p *Policy) check(t *Token) *Refusal {
	for _, s := range p.Scopes {
		if !slices.Contains(t.Claims.Scope, s) {
			return p.refuse(t, InsufficientScope)
		}
	}
	if len(p.AnyScope) > 0 && !intersects(p.AnyScope, t.Claims.Scope) {
		return p.refuse(t, InsufficientScope)
	}
	if len(p.Audience) > 0 && !intersects(p.Audience, t.Claims.Audience) {
		return p.refuse(t, WrongAudience)
	}
	for i := range p.Claims {
		if !p.Claims[i].matches(t.Claims) {
			return p.refuse(t, ClaimMismatch)
		}
	}
	return nil
}

// refuse makes the 403. The scope attribute names what the route needs, not what the token has.
func (p *Policy) refuse(t *Token, why Reason) *Refusal {
	scope := ""
	say := why
	if why == InsufficientScope {
		scope = strings.Join(slices.Concat(p.Scopes, p.AnyScope), " ")
	} else {
		say = ClaimMismatch // an audience rule of the route speaks about permission, not about the token
	}
	r := newRefusal(p.Realm, t.index(), say, scope)
	r.Why, r.Reason, r.Token = why, why.String(), t
	return r
}

func intersects(a, b []string) bool {
	for _, s := range a {
		if slices.Contains(b, s) {
			return true
		}
	}
	return false
}

// Validate reports configuration mistakes (malformed scope, empty rule).
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
	return nil
}
