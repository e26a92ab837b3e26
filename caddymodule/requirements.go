package caddymodule

import (
	"slices"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

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

// Rule is what some requests need beside what all do.
type Rule struct {
	// The requests: those that one of these matcher sets matches.
	MatcherSetsRaw caddyhttp.RawMatcherSets `json:"match,omitempty" caddy:"namespace=http.matchers"`
	Requirements
}

// rule is a Rule made ready.
type rule struct {
	matchers caddyhttp.MatcherSets
	policy   *resourceserver.Policy
}

// provisionPolicy translates the requirements. Their values are compared with claims, so
// that only audiences, which differ by deployment, may hold placeholders.
func (b *BearerAuth) provisionPolicy(ctx caddy.Context, possession *resourceserver.Possession) (err error) {
	if b.policy, err = b.Requirements.policy(); err != nil {
		return err
	}
	b.policy.Realm, b.policy.Possession = b.Realm, possession
	if b.metadata != nil {
		b.policy.Metadata = b.metadata.URL()
	}
	return nil
}

func (q *Requirements) policy() (*resourceserver.Policy, error) {
	p := &resourceserver.Policy{Scopes: q.Scope, AnyScope: q.AnyScope, Audience: slices.Clone(q.RequireAudience)}
	if err := newExpander().all("require_audience", &p.Audience); err != nil {
		return nil, err
	}
	for _, c := range q.Claims {
		p.Claims = append(p.Claims, resourceserver.ClaimRule{Name: c.Name, Values: c.Values})
	}
	return p, p.Validate()
}
