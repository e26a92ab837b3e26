package caddymodule

import (
	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
)

// parseUpstream reads the option upstream. Syntax:
//
//	upstream {
//	    token keep|strip|phantom
//	    exchange {
//	        issuer <url> | token_endpoint <url>   # or both
//	        basic <client_id> <secret> | post <client_id> <secret> | private_key_jwt <client_id> <key file>
//	        audience <audience...>
//	        resource <uri...>
//	        scope <scope...>
//	        ca_file <pem file>
//	        timeout <duration>
//	        insecure_loopback_http
//	    }
//	    client_credentials { … }                  # as exchange
//	    assertion {
//	        issuer <url>
//	        audience <audience>
//	        header <header>
//	        claim <name...>
//	        ttl <duration>
//	        key_file <file...>
//	    }
//	}
func (b *BearerAuth) parseUpstream(d *caddyfile.Dispenser) func() error {
	return func() error {
		if d.NextArg() {
			return d.Errf("upstream takes a block, not '%s'", d.Val())
		}
		u := new(Upstream)
		b.Upstream = u
		err := eachSubdirective(d, "upstream", map[string]option{
			"token":              once(u.parseToken(d)),
			"exchange":           once(parseTokenRequest(d, "exchange", &u.Exchange)),
			"client_credentials": once(parseTokenRequest(d, "client_credentials", &u.ClientCredentials)),
			"assertion":          once(u.parseAssertion(d)),
		})
		if err != nil {
			return err
		}
		if *u == (Upstream{}) {
			return d.Err("upstream: it says nothing; there are: token, exchange, client_credentials, assertion")
		}
		if err := u.check(false); err != nil {
			return d.Errf("upstream: %v", err)
		}
		return nil
	}
}

func (u *Upstream) parseToken(d *caddyfile.Dispenser) func() error {
	return func() error {
		if err := oneString(d, &u.Token)(); err != nil {
			return err
		}
		switch u.Token {
		case tokenKeep, tokenStrip, tokenPhantom:
			return nil
		}
		return d.Errf("upstream: token: no '%s'; there are: %s, %s, %s", u.Token, tokenKeep, tokenStrip, tokenPhantom)
	}
}

func parseTokenRequest(d *caddyfile.Dispenser, name string, to **TokenRequest) func() error {
	return func() error {
		if d.NextArg() {
			return d.Errf("%s takes a block, not '%s'", name, d.Val())
		}
		q := new(TokenRequest)
		*to = q
		err := eachSubdirective(d, name, map[string]option{
			"issuer":                 once(oneString(d, &q.Issuer)),
			"token_endpoint":         once(oneString(d, &q.TokenEndpoint)),
			"basic":                  once(q.parseCredentials(d, name, oauth.AuthClientSecretBasic, &q.ClientSecret)),
			"post":                   once(q.parseCredentials(d, name, oauth.AuthClientSecretPost, &q.ClientSecret)),
			"private_key_jwt":        once(q.parseCredentials(d, name, oauth.AuthPrivateKeyJWT, &q.PrivateKeyFile)),
			"audience":               once(someStrings(d, &q.Audience)),
			"resource":               once(someStrings(d, &q.Resource)),
			"scope":                  once(someStrings(d, &q.Scope)),
			"ca_file":                once(oneString(d, &q.CAFile)),
			"timeout":                once(duration(d, func(v caddy.Duration) { q.Timeout = v })),
			"insecure_loopback_http": once(flag(&q.InsecureLoopbackHTTP)),
		})
		if err != nil {
			return err
		}
		switch {
		case q.Issuer == "" && q.TokenEndpoint == "":
			return d.Errf("%s: option 'issuer' or 'token_endpoint' is missing", name)
		case q.AuthMethod == "":
			return d.Errf("%s: option 'basic', 'post' or 'private_key_jwt' is missing", name)
		}
		return nil
	}
}

func (q *TokenRequest) parseCredentials(d *caddyfile.Dispenser, where, method string, proof *string) func() error {
	return func() error {
		name := d.Val()
		if q.AuthMethod != "" {
			return d.Errf("%s: '%s' is a second way to authenticate; one is enough", where, name)
		}
		if !d.Args(&q.ClientID, proof) || q.ClientID == "" || *proof == "" {
			return d.Errf("%s: '%s' needs a client id and a secret or key file", where, name)
		}
		q.AuthMethod = method
		return nil
	}
}

func (u *Upstream) parseAssertion(d *caddyfile.Dispenser) func() error {
	return func() error {
		if d.NextArg() {
			return d.Errf("assertion takes a block, not '%s'", d.Val())
		}
		a := new(Assertion)
		u.Assertion = a
		err := eachSubdirective(d, "assertion", map[string]option{
			"issuer":   once(oneString(d, &a.Issuer)),
			"audience": once(oneString(d, &a.Audience)),
			"header":   once(oneString(d, &a.Header)),
			"claim":    once(someStrings(d, &a.Claims)),
			"ttl":      once(duration(d, func(v caddy.Duration) { a.TTL = v })),
			"key_file": once(someStrings(d, &a.KeyFiles)),
		})
		if err != nil {
			return err
		}
		if a.Audience == "" {
			return d.Err("assertion: option 'audience' is missing: the upstream must be able to tell that an assertion is meant for it")
		}
		if err := a.check(); err != nil {
			return d.Err(err.Error())
		}
		return nil
	}
}
