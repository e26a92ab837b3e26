package caddymodule

import (
	"maps"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
)

func init() {
	httpcaddyfile.RegisterHandlerDirective("bearer_auth", parseBearerAuth)
	// Where Caddy authenticates: behind everything that rewrites the path (so that
	// matchers see what the upstream receives), before whatever uses the result.
	httpcaddyfile.RegisterDirectiveOrder("bearer_auth", httpcaddyfile.After, "forward_auth")
}

func parseBearerAuth(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	b := &BearerAuth{namedMatcher: h.MatcherToken}
	if err := b.UnmarshalCaddyfile(h.Dispenser); err != nil {
		return nil, err
	}
	return b, nil
}

// UnmarshalCaddyfile reads the directive. Syntax:
//
//	bearer_auth [<matcher>] {
//	    issuer <url> { … }             # one or more
//	    audience <audience...>         # for every issuer that names none
//	    any_audience
//	    scope <scope...>               # all of them
//	    any_scope <scope...>           # at least one
//	    claim <name> <value...>        # repeatable
//	    require_audience <audience...>
//	    acr <value...>                 # step-up (RFC 9470)
//	    max_age <duration>
//	    allow <CEL expression>         # repeatable
//	    bound any|dpop|mtls
//	    rule <matcher> { … }           # repeatable: scope, any_scope, claim, require_audience, acr, max_age, allow, bound
//	    optional
//	    shadow
//	    paths strict|any
//
//	    url <url>
//	    dpop { … }
//	    client_certificate { … }
//	    resource_metadata { … }
//	    mcp { … }
//	    upstream { … }
//	    authorizer forward|envoy { … }
//
//	    forward_claim <claim> <header> # repeatable
//	    strip_token
//	    strip_header <header...>
//	    shared_cache
//	    realm <text>
//	    cache_size <size> [<size for refusals>]
//	    refused_ttl <duration>
//	    max_token_size <size>
//	}
func (b *BearerAuth) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the directive's name
	if d.NextArg() {
		return d.Errf("bearer_auth: unexpected argument '%s'; options go into the block", d.Val())
	}
	options := map[string]option{
		"issuer":         repeated(b.parseIssuer(d)),
		"audience":       once(someStrings(d, &b.Audience)),
		"any_audience":   once(flag(&b.AnyAudience)),
		"forward_claim":  repeated(b.parseForwardClaim(d)),
		"strip_token":    once(flag(&b.StripToken)),
		"realm":          once(oneString(d, &b.Realm)),
		"cache_size":     once(b.parseCacheSize(d)),
		"refused_ttl":    once(duration(d, func(v caddy.Duration) { b.RefusedTTL = v })),
		"max_token_size": once(size(d, func(v int64) { b.MaxTokenSize = v })),

		"rule":         repeated(b.parseRule(d)),
		"optional":     once(flag(&b.Optional)),
		"shadow":       once(flag(&b.Shadow)),
		"paths":        once(oneOf(d, &b.Paths, pathsStrict, pathsAny)),
		"strip_header": once(b.parseStripHeader(d)),
		"shared_cache": once(flag(&b.SharedCache)),

		"url":                once(b.parseURL(d)),
		"dpop":               once(b.parseDPoP(d)),
		"client_certificate": once(b.parseClientCertificate(d)),
		"resource_metadata":  once(b.parseResourceMetadata(d)),
		"mcp":                once(b.parseMCP(d)),
		"upstream":           once(b.parseUpstream(d)),
		"authorizer":         once(b.parseAuthorizer(d)),
	}
	maps.Copy(options, b.Requirements.options(d))
	err := eachSubdirective(d, "bearer_auth", options)
	if err != nil {
		return err
	}
	if len(b.Issuers) == 0 {
		return d.Err("bearer_auth: option 'issuer' is missing: at least one issuer must be trusted")
	}
	return nil
}

func (b *BearerAuth) parseIssuer(d *caddyfile.Dispenser) func() error {
	return func() error {
		var i Issuer
		if err := oneString(d, &i.Issuer)(); err != nil {
			return err
		}
		for _, other := range b.Issuers {
			if other.Issuer == i.Issuer {
				return d.Errf("bearer_auth: issuer '%s' is listed twice", i.Issuer)
			}
		}
		if d.NextArg() {
			return d.Errf("bearer_auth: issuer has an argument too many: '%s'", d.Val())
		}
		err := eachSubdirective(d, "issuer", map[string]option{
			"audience":               once(someStrings(d, &i.Audience)),
			"any_audience":           once(flag(&i.AnyAudience)),
			"algorithms":             once(someStrings(d, &i.Algorithms)),
			"clock_skew":             once(duration(d, func(v caddy.Duration) { i.ClockSkew = &v })),
			"max_lifetime":           once(duration(d, func(v caddy.Duration) { i.MaxLifetime = v })),
			"require_subject":        once(flag(&i.RequireSubject)),
			"verify":                 once(i.parseVerify(d)),
			"jwks_uri":               once(oneString(d, &i.JWKSURI)),
			"jwks_file":              once(oneString(d, &i.JWKSFile)),
			"secret":                 once(oneString(d, &i.Secret)),
			"introspection":          once(i.parseIntrospection(d)),
			"decryption_key":         once(oneString(d, &i.DecryptionKeyFile)),
			"ca_file":                once(oneString(d, &i.CAFile)),
			"timeout":                once(duration(d, func(v caddy.Duration) { i.Timeout = v })),
			"insecure_loopback_http": once(flag(&i.InsecureLoopbackHTTP)),
		})
		if err != nil {
			return err
		}
		b.Issuers = append(b.Issuers, i)
		return nil
	}
}

func (i *Issuer) parseVerify(d *caddyfile.Dispenser) func() error {
	return func() error {
		if err := oneString(d, &i.Verify)(); err != nil {
			return err
		}
		switch i.Verify {
		case verifyJWT, verifyIntrospect:
			return nil
		case verifyBoth:
			if d.CountRemainingArgs() == 0 {
				return d.Errf("verify %s needs a duration: the longest time between two introspections of one token", verifyBoth)
			}
			var err error
			i.RecheckEvery, err = nextDuration(d, "verify")
			return err
		}
		return d.Errf("verify: no mode '%s'; there are: %s, %s, %s <every>", i.Verify, verifyJWT, verifyIntrospect, verifyBoth)
	}
}

func (i *Issuer) parseIntrospection(d *caddyfile.Dispenser) func() error {
	return func() error {
		if d.NextArg() {
			return d.Errf("introspection takes no argument, but has '%s'", d.Val())
		}
		in := new(Introspection)
		i.Introspection = in
		return eachSubdirective(d, "introspection", map[string]option{
			"endpoint":        once(oneString(d, &in.Endpoint)),
			"basic":           once(in.parseCredentials(d, oauth.AuthClientSecretBasic, &in.ClientSecret)),
			"post":            once(in.parseCredentials(d, oauth.AuthClientSecretPost, &in.ClientSecret)),
			"private_key_jwt": once(in.parseCredentials(d, oauth.AuthPrivateKeyJWT, &in.PrivateKeyFile)),
			"ttl":             once(duration(d, func(v caddy.Duration) { in.TTL = v })),
			"stale_on_error":  once(duration(d, func(v caddy.Duration) { in.StaleOnError = v })),
			"opaque_tokens":   once(flag(&in.OpaqueTokens)),
			"signed":          once(flag(&in.Signed)),
		})
	}
}

func (in *Introspection) parseCredentials(d *caddyfile.Dispenser, method string, proof *string) func() error {
	return func() error {
		name := d.Val()
		if in.AuthMethod != "" {
			return d.Errf("introspection: '%s' is a second way to authenticate; one is enough", name)
		}
		if !d.Args(&in.ClientID, proof) || in.ClientID == "" || *proof == "" {
			return d.Errf("introspection: '%s' needs a client id and a secret or key file", name)
		}
		in.AuthMethod = method
		return nil
	}
}

func (b *BearerAuth) parseForwardClaim(d *caddyfile.Dispenser) func() error {
	return func() error {
		var f ForwardClaim
		if !d.Args(&f.Claim, &f.Header) {
			return d.Err("bearer_auth: forward_claim needs a claim and a header")
		}
		if err := f.check(); err != nil {
			return d.Errf("bearer_auth: %v", err)
		}
		b.ForwardClaims = append(b.ForwardClaims, f)
		return nil
	}
}

func (b *BearerAuth) parseCacheSize(d *caddyfile.Dispenser) func() error {
	return func() (err error) {
		name := d.Val()
		if b.CacheSize, err = nextSize(d, name); err != nil || d.CountRemainingArgs() == 0 {
			return err
		}
		b.RefusedCacheSize, err = nextSize(d, name)
		return err
	}
}
