package caddymodule

import (
	"fmt"
	"net/netip"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-gatehouse/gatehouse/authserver"
)

// Outbound are the rules of requests that the authorization server makes to
// applications: for their keys, and with logout tokens.
type Outbound struct {
	// A PEM file of certificate authorities to trust beside the system's.
	CAFile string `json:"ca_file,omitempty"`
	// Allow http addresses on loopback hosts. For development.
	InsecureLoopbackHTTP bool `json:"insecure_loopback_http,omitempty"`
	// Networks (CIDR) beyond the public Internet that may be contacted for
	// applications that registered themselves. Default: none.
	Networks []string `json:"networks,omitempty"`
}

func (a *App) parseOutbound(d *caddyfile.Dispenser) func() error {
	return func() error {
		if d.NextArg() {
			return d.Errf("outbound takes a block, not '%s'", d.Val())
		}
		a.Outbound = new(Outbound)
		return eachSubdirective(d, "outbound", map[string]option{
			"ca_file":                once(oneString(d, &a.Outbound.CAFile)),
			"insecure_loopback_http": once(flag(&a.Outbound.InsecureLoopbackHTTP)),
			"network":                repeated(someStrings(d, &a.Outbound.Networks)),
		})
	}
}

// resolve reads the file that o names. A nil o means the defaults.
func (o *Outbound) resolve() (authserver.Outbound, error) {
	if o == nil {
		return authserver.Outbound{}, nil
	}
	out := authserver.Outbound{InsecureLoopbackHTTP: o.InsecureLoopbackHTTP}
	var err error
	if out.Networks, err = networks("outbound: network", o.Networks); err != nil {
		return out, err
	}
	name := o.CAFile
	if err := newExpander().one("outbound: ca_file", &name); err != nil || name == "" {
		return out, err
	}
	out.CA, err = readFile("outbound: ca_file", name)
	return out, err
}

// networks reads CIDR prefixes.
func networks(option string, texts []string) ([]netip.Prefix, error) {
	var all []netip.Prefix
	for _, text := range texts {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("%s: '%s' is not of the form 10.0.0.0/8", option, text)
		}
		all = append(all, network)
	}
	return all, nil
}
