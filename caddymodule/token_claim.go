package caddymodule

import (
	"errors"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-gatehouse/gatehouse/authserver/resourceserver"
)

func init() {
	caddy.RegisterModule(TokenClaim{})
}

// TokenClaim matches requests whose token, which `bearer_auth` has verified, has a claim with one of the values. An array of strings has
// those of its members. Requests without a token do not match, nor does a token that lacks the claim.
//
// It works behind `bearer_auth`: in handlers that come after it, and in routes below it. Before it, and in its own rules, there is
// no token yet, and nothing matches.
type TokenClaim struct {
	// The claim's name. Dots reach into objects where no claim has the whole name.
	Name string `json:"name,omitempty"`
	// The values. Numbers and booleans are written as in JSON.
	Values []string `json:"values,omitempty"`

	rule resourceserver.ClaimRule
}

// CaddyModule returns the Caddy module information.
func (TokenClaim) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.matchers.token_claim",
		New: func() caddy.Module { return new(TokenClaim) },
	}
}

// Provision makes the comparison ready.
func (m *TokenClaim) Provision(caddy.Context) error {
	m.rule = resourceserver.ClaimRule{Name: m.Name, Values: m.Values}
	return nil
}

// Validate refuses a matcher that matches nothing, ever.
func (m *TokenClaim) Validate() error {
	if m.Name == "" || len(m.Values) == 0 {
		return errors.New("token_claim needs a claim's name and at least one value")
	}
	return nil
}

// MatchWithError implements caddyhttp.RequestMatcherWithError. It never fails.
func (m *TokenClaim) MatchWithError(r *http.Request) (bool, error) {
	token, ok := Token(r)
	return ok && m.rule.Matches(token), nil
}

// UnmarshalCaddyfile reads the matcher. Syntax:
//
//	token_claim <name> <value...>
func (m *TokenClaim) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	for d.Next() {
		if m.Name != "" {
			return d.Err("token_claim: one matcher is for one claim; several are several matchers")
		}
		if !d.NextArg() || d.Val() == "" {
			return d.Err("token_claim needs a claim's name and at least one value")
		}
		m.Name = d.Val()
		if m.Values = d.RemainingArgs(); len(m.Values) == 0 {
			return d.Errf("token_claim: claim '%s' needs at least one value", m.Name)
		}
		if d.NextBlock(0) {
			return d.Err("token_claim takes no block")
		}
	}
	return nil
}

var (
	_ caddy.Provisioner                 = (*TokenClaim)(nil)
	_ caddy.Validator                   = (*TokenClaim)(nil)
	_ caddyhttp.RequestMatcherWithError = (*TokenClaim)(nil)
	_ caddyfile.Unmarshaler             = (*TokenClaim)(nil)
)
