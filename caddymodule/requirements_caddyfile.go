package caddymodule

import (
	"fmt"
	"net/http"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-gatehouse/gatehouse/authserver/policy"
	"github.com/caddy-gatehouse/gatehouse/authserver/resourceserver"
)

// options are those that write requirements: of every request, or within a rule.
func (q *Requirements) options(d *caddyfile.Dispenser) map[string]option {
	return map[string]option{
		"scope":            once(someStrings(d, &q.Scope)),
		"any_scope":        once(someStrings(d, &q.AnyScope)),
		"claim":            repeated(q.parseClaim(d)),
		"require_audience": once(someStrings(d, &q.RequireAudience)),
		"acr":              once(someStrings(d, &q.ACR)),
		"max_age":          once(q.parseMaxAge(d)),
		"allow":            repeated(q.parseAllow(d)),
		"bound": once(oneOf(d, &q.Bound, string(resourceserver.BoundSomehow), string(resourceserver.BoundDPoP),
			string(resourceserver.BoundMTLS))),
	}
}

func (q *Requirements) parseClaim(d *caddyfile.Dispenser) func() error {
	return func() error {
		var c ClaimRule
		if err := oneString(d, &c.Name)(); err != nil {
			return err
		}
		if c.Values = d.RemainingArgs(); len(c.Values) == 0 {
			return d.Errf("bearer_auth: claim '%s' needs at least one value", c.Name)
		}
		q.Claims = append(q.Claims, c)
		return nil
	}
}

func (q *Requirements) parseMaxAge(d *caddyfile.Dispenser) func() error {
	return func() (err error) {
		if q.MaxAge, err = nextDuration(d, "max_age"); err == nil && q.MaxAge == 0 {
			err = d.Err("option 'max_age': nobody has signed on this very moment; leave it out, or give a duration above 0s")
		}
		return err
	}
}

// parseAllow reads an expression: one argument, best in backticks, or several, which keep their quotes.
func (q *Requirements) parseAllow(d *caddyfile.Dispenser) func() error {
	return func() error {
		var expression string
		switch d.CountRemainingArgs() {
		case 0:
			return d.Err("allow needs an expression in CEL")
		case 1:
			d.NextArg()
			expression = d.Val()
		default:
			expression = strings.Join(d.RemainingArgsRaw(), " ")
		}
		if _, err := policy.Compile(expression); err != nil {
			return d.Errf("allow: %v", err)
		}
		q.Allow = append(q.Allow, expression)
		return nil
	}
}

func (b *BearerAuth) parseRule(d *caddyfile.Dispenser) func() error {
	return func() error {
		matchers, err := b.parseMatcher(d)
		if err != nil {
			return err
		}
		one := Rule{MatcherSetsRaw: caddyhttp.RawMatcherSets{matchers}}
		if err := eachSubdirective(d, "rule", one.options(d)); err != nil {
			return err
		}
		b.Rules = append(b.Rules, one)
		return nil
	}
}

// parseMatcher reads the matcher of a rule: a path, or a named matcher of the site.
func (b *BearerAuth) parseMatcher(d *caddyfile.Dispenser) (caddy.ModuleMap, error) {
	if d.CountRemainingArgs() == 0 {
		return nil, d.Err("rule needs a matcher: a path such as /admin*, or a named one such as @admin")
	}
	if b.namedMatcher == nil {
		d.NextArg()
		if !strings.HasPrefix(d.Val(), "/") {
			return nil, d.Errf("rule: '%s' is not a path, and there are no named matchers here", d.Val())
		}
		return caddy.ModuleMap{"path": caddyconfig.JSON(caddyhttp.MatchPath{d.Val()}, nil)}, nil
	}
	matchers, ok, err := b.namedMatcher()
	switch {
	case err != nil:
		return nil, d.Errf("rule: %v", err)
	case !ok:
		return nil, d.Errf("rule: '%s' is not a matcher; there are paths such as /admin*, and named ones such as @admin", d.Val())
	case len(matchers) == 0:
		return nil, d.Errf("rule: '%s' matches every request: write what it requires beside the rules", d.Val())
	}
	return matchers, nil
}

func (b *BearerAuth) parseStripHeader(d *caddyfile.Dispenser) func() error {
	return func() error {
		var names []string
		if err := someStrings(d, &names)(); err != nil {
			return err
		}
		for _, name := range names {
			if err := checkStripHeader(name); err != nil {
				return d.Errf("bearer_auth: %v", err)
			}
		}
		b.StripHeaders = append(b.StripHeaders, names...)
		return nil
	}
}

// checkStripHeader refuses what is no header, or one that is not for removing.
func checkStripHeader(name string) error {
	if !httpguts.ValidHeaderFieldName(name) {
		return fmt.Errorf("strip_header: '%s' is not a header name", name)
	}
	for _, reserved := range reservedHeaders {
		if http.CanonicalHeaderKey(name) == reserved {
			return fmt.Errorf("strip_header: header %s is needed for the request to be passed on or judged", reserved)
		}
	}
	return nil
}
