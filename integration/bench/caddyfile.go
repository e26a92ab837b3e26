package main

import (
	"fmt"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/integration/ports"
)

// caddyfile is a configuration on free loopback ports.
type caddyfile struct {
	text  string
	admin string
	sites []string // addresses, in the order given
}

// newCaddyfile writes a configuration of the given sites, each at its address,
// with global options between.
func newCaddyfile(globals string, sites ...site) (caddyfile, error) {
	admin, err := freeAddr()
	if err != nil {
		return caddyfile{}, err
	}
	c := caddyfile{admin: admin}
	var text strings.Builder
	fmt.Fprintf(&text, "{\n\tadmin %s\n\tauto_https off\n\tpersist_config off\n\tgrace_period 1s\n%s}\n", admin, globals)
	for _, s := range sites {
		c.sites = append(c.sites, s.addr)
		fmt.Fprintf(&text, "http://%s {\n\tbind 127.0.0.1\n%s}\n", s.addr, s.body)
	}
	c.text = text.String()
	return c, nil
}

// site is one server block.
type site struct {
	addr string
	body string
}

// freeAddr is a loopback address that nothing else gets before this process has ended.
func freeAddr() (string, error) {
	taken, err := ports.Take(1)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("127.0.0.1:%d", taken.Numbers[0]), nil
}

// newSite takes a free address for a body.
func newSite(body string) (site, error) {
	addr, err := freeAddr()
	return site{addr: addr, body: body}, err
}

// serveSite runs a server with one site.
func (b *bench) serveSite(name, binary, body string, env ...string) (*server, string, error) {
	s, err := newSite(body)
	if err != nil {
		return nil, "", err
	}
	config, err := newCaddyfile("", s)
	if err != nil {
		return nil, "", err
	}
	server, err := b.serve(name, binary, config, env...)
	return server, s.addr, err
}

// serveSiteAt is serveSite for a body in which the site's own address stands.
func (b *bench) serveSiteAt(name string, body func(addr string) string) (*server, string, error) {
	s, err := newSite("")
	if err != nil {
		return nil, "", err
	}
	s.body = body(s.addr)
	config, err := newCaddyfile("", s)
	if err != nil {
		return nil, "", err
	}
	server, err := b.serve(name, b.bin.gatehouse, config)
	return server, s.addr, err
}

func (b *bench) proxyTo() string {
	return fmt.Sprintf("\treverse_proxy %s\n", b.upstream.addr())
}

// jwtGate checks the foreign issuer's JWTs before the proxy.
func (b *bench) jwtGate() string { return b.gateWith(forwardSubject) }

// forwardSubject is the one claim that gates hand on.
const forwardSubject = "\t\tforward_claim sub X-User\n"

// gateWith is a gate of the foreign issuer's JWTs with more options than it cannot do without.
func (b *bench) gateWith(more string) string {
	return fmt.Sprintf(`	bearer_auth {
		issuer %[1]s {
			jwks_uri %[1]s/jwks
			insecure_loopback_http
		}
		audience %[2]s
		scope %[3]s
%[4]s	}
`, b.issuer.url, audience, tokenScope, more) + b.proxyTo()
}

// opaqueGate asks the foreign issuer about every token and believes an answer
// for longer than the benchmark takes.
func (b *bench) opaqueGate() string {
	return fmt.Sprintf(`	bearer_auth {
		issuer %[1]s {
			verify introspect
			introspection {
				endpoint %[1]s/introspect
				basic %[4]s %[5]s
				ttl 30m
			}
			insecure_loopback_http
		}
		audience %[2]s
		scope %[3]s
		forward_claim sub X-User
	}
`, b.issuer.url, audience, tokenScope, gateClient, gateSecret) + b.proxyTo()
}
