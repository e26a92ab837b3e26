package caddymodule

import (
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-gatehouse/gatehouse/authserver/dpop"
	"github.com/caddy-gatehouse/gatehouse/authserver/mtls"
)

// parseURL reads the option url.
func (b *BearerAuth) parseURL(d *caddyfile.Dispenser) func() error {
	return func() error {
		if err := oneString(d, &b.URL)(); err != nil {
			return err
		}
		if strings.Contains(b.URL, "{") {
			return nil // judged when it is known
		}
		if err := checkGateURL(b.URL); err != nil {
			return d.Errf("bearer_auth: %v, but not '%s'", err, b.URL)
		}
		return nil
	}
}

// parseDPoP reads the option dpop. Syntax:
//
//	dpop {
//	    required
//	    nonce
//	    algorithms <alg...>
//	    max_age <duration>
//	    replay process|store
//	}
func (b *BearerAuth) parseDPoP(d *caddyfile.Dispenser) func() error {
	return func() error {
		if d.NextArg() {
			return d.Errf("dpop takes no argument, but has '%s'", d.Val())
		}
		b.DPoP = new(DPoP)
		return eachSubdirective(d, "dpop", map[string]option{
			"required":   once(flag(&b.DPoP.Required)),
			"nonce":      once(flag(&b.DPoP.Nonce)),
			"algorithms": once(b.DPoP.parseAlgorithms(d)),
			"max_age":    once(b.DPoP.parseMaxAge(d)),
			"replay":     once(oneOf(d, &b.DPoP.Replay, replayProcess, replayStore)),
		})
	}
}

func (p *DPoP) parseAlgorithms(d *caddyfile.Dispenser) func() error {
	return func() error {
		if err := someStrings(d, &p.Algorithms)(); err != nil {
			return err
		}
		for _, alg := range p.Algorithms {
			if !slices.Contains(proofAlgorithms, alg) {
				return d.Errf("dpop: '%s' is no algorithm for proofs; there are: %s", alg, strings.Join(proofAlgorithms, ", "))
			}
		}
		return nil
	}
}

func (p *DPoP) parseMaxAge(d *caddyfile.Dispenser) func() error {
	return func() (err error) {
		p.MaxAge, err = nextDuration(d, "max_age")
		if err == nil && (p.MaxAge <= 0 || p.MaxAge > caddy.Duration(dpop.LongestMaxAge)) {
			return d.Errf("dpop: max_age is more than 0s and at most %v", dpop.LongestMaxAge)
		}
		return err
	}
}

// parseClientCertificate reads the option client_certificate. Syntax:
//
//	client_certificate {
//	    header <name> [client_cert|pem|xfcc]
//	    required
//	}
func (b *BearerAuth) parseClientCertificate(d *caddyfile.Dispenser) func() error {
	return func() error {
		b.ClientCertificate = new(ClientCertificate)
		return b.ClientCertificate.parse(d, map[string]option{"required": once(flag(&b.ClientCertificate.Required))})
	}
}

// parse reads the block of a client_certificate, which may have further options.
func (c *ClientCertificate) parse(d *caddyfile.Dispenser, options map[string]option) error {
	if d.NextArg() {
		return d.Errf("client_certificate takes no argument, but has '%s'", d.Val())
	}
	if options == nil {
		options = map[string]option{}
	}
	options["header"] = once(c.parseHeader(d))
	return eachSubdirective(d, "client_certificate", options)
}

func (c *ClientCertificate) parseHeader(d *caddyfile.Dispenser) func() error {
	return func() error {
		if err := oneString(d, &c.Header)(); err != nil {
			return err
		}
		if d.NextArg() {
			if c.Format = d.Val(); !slices.Contains(mtls.Formats(), mtls.Format(c.Format)) {
				return d.Errf("client_certificate: there is no format '%s'; there are: %s", c.Format, formatNames())
			}
		}
		if _, err := c.source(); err != nil {
			return d.Errf("client_certificate: %v", err)
		}
		return nil
	}
}
