package caddymodule

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-gatehouse/gatehouse/authserver/policy"
	"github.com/caddy-gatehouse/gatehouse/authserver/resourceserver"
)

// Requirements are what a token must have beyond being valid.
type Requirements struct {
	// Scopes that a token must have, all of them.
	Scope []string `json:"scope,omitempty"`
	// Scopes of which a token must have at least one.
	AnyScope []string `json:"any_scope,omitempty"`
	// Claims that a token must have, each with one of the listed values.
	Claims []ClaimRule `json:"claims,omitempty"`
	// Audiences of which the token must be meant for at least one, beside the
	// issuer's own audience.
	RequireAudience []string `json:"require_audience,omitempty"`
	// Authentication context classes (acr) of which the token must have one (RFC 9470).
	ACR []string `json:"acr,omitempty"`
	// How long ago the person may have signed on (RFC 9470).
	MaxAge caddy.Duration `json:"max_age,omitempty"`
	// Conditions in CEL, all of which must be met.
	Allow []string `json:"allow,omitempty"`
	// To what the token must be bound: "any", "dpop" or "mtls". Default: as the token says.
	Bound string `json:"bound,omitempty"`
}

// none reports whether nothing is required.
func (q *Requirements) none() bool {
	return len(q.Scope)+len(q.AnyScope)+len(q.Claims)+len(q.RequireAudience)+len(q.ACR)+len(q.Allow) == 0 && q.MaxAge == 0 && q.Bound == ""
}

// provisionPolicy translates the requirements. Their values are compared with claims, so
// that only audiences, which differ by deployment, may hold placeholders.
func (b *BearerAuth) provisionPolicy(ctx caddy.Context, possession *resourceserver.Possession) (err error) {
	if b.policy, err = b.Requirements.policy(possession); err != nil {
		return err
	}
	b.policy.Realm = b.Realm
	if b.metadata != nil {
		b.policy.Metadata = b.metadata.url
	}
	if err := b.provisionRules(ctx, possession); err != nil {
		return err
	}
	return b.provisionPaths()
}

func (q *Requirements) policy(possession *resourceserver.Possession) (*resourceserver.Policy, error) {
	p := &resourceserver.Policy{
		Scopes: q.Scope, AnyScope: q.AnyScope, Audience: slices.Clone(q.RequireAudience), ACR: q.ACR, MaxAge: time.Duration(q.MaxAge),
		Bound: resourceserver.Binding(q.Bound), Possession: possession,
	}
	if err := newExpander().all("require_audience", &p.Audience); err != nil {
		return nil, err
	}
	for _, c := range q.Claims {
		p.Claims = append(p.Claims, resourceserver.ClaimRule{Name: c.Name, Values: c.Values})
	}
	for _, expression := range q.Allow {
		condition, err := policy.Surroundings{ClientIP: clientIP}.Compile(expression)
		if err != nil {
			return nil, fmt.Errorf("allow: %w", err)
		}
		p.Allow = append(p.Allow, condition)
	}
	if err := p.Validate(); err != nil {
		return nil, err
	}
	if p.Bound != resourceserver.BoundAtWill && possession == nil {
		return nil, fmt.Errorf("bound %s: needs dpop or client_certificate, which say how possession is proved", q.Bound)
	}
	return p, nil
}

// clientIP is the client's address as Caddy's trusted_proxies have it.
func clientIP(r *http.Request) netip.Addr {
	text, _ := caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey).(string)
	a, _ := netip.ParseAddr(text)
	return a.Unmap()
}

// Rule is what some requests need beside what all do.
type Rule struct {
	// The requests: those that one of these matcher sets matches. There is no token yet for them to look at.
	MatcherSetsRaw caddyhttp.RawMatcherSets `json:"match,omitempty" caddy:"namespace=http.matchers"`
	Requirements
}

// rule is a Rule made ready.
type rule struct {
	matchers caddyhttp.MatcherSets
	policy   *resourceserver.Policy
}

func (b *BearerAuth) provisionRules(ctx caddy.Context, possession *resourceserver.Possession) error {
	for i := range b.Rules {
		written := &b.Rules[i]
		policy, err := written.Requirements.policy(possession)
		if err != nil {
			return fmt.Errorf("rule %d: %w", i+1, err)
		}
		if written.Requirements.none() && !b.Optional {
			return fmt.Errorf("rule %d: requires nothing", i+1)
		}
		everything := func(set caddy.ModuleMap) bool { return len(set) == 0 }
		if len(written.MatcherSetsRaw) == 0 || slices.ContainsFunc(written.MatcherSetsRaw, everything) {
			return fmt.Errorf("rule %d: needs a matcher: what every request needs is written beside the rules", i+1)
		}
		if slices.ContainsFunc(written.MatcherSetsRaw, looksAtToken) {
			return fmt.Errorf("rule %d: token_claim matches nothing in a rule, which is chosen before the token is known; write claim or allow", i+1)
		}
		loaded, err := ctx.LoadModule(written, "MatcherSetsRaw")
		if err != nil {
			return fmt.Errorf("rule %d: loading its matchers: %w", i+1, err)
		}
		one := rule{policy: policy}
		if err := one.matchers.FromInterface(loaded); err != nil {
			return fmt.Errorf("rule %d: %w", i+1, err)
		}
		b.rules = append(b.rules, one)
	}
	return nil
}

// looksAtToken reports whether a set has the matcher token_claim, which would have a rule never apply, or always.
func looksAtToken(set caddy.ModuleMap) bool {
	for name, raw := range set {
		var inner []caddy.ModuleMap
		if name == "token_claim" || name == "not" && json.Unmarshal(raw, &inner) == nil && slices.ContainsFunc(inner, looksAtToken) {
			return true
		}
	}
	return false
}

// errMatcher is why a request is refused whose rules cannot be told. The matcher's own error may have text of the request.
var errMatcher = errors.New("a matcher of a rule failed")

// matching gives the policies of those rules that match r.
func (b *BearerAuth) matching(r *http.Request) (policies []*resourceserver.Policy, err error) {
	for i := range b.rules {
		matches, err := b.rules[i].matchers.AnyMatchWithError(r)
		if err != nil {
			return nil, errMatcher
		}
		if matches {
			policies = append(policies, b.rules[i].policy)
		}
	}
	return policies, nil
}
