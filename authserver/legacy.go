package authserver

import (
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/legacy"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

// legacyTree is the surface below /am, and what it hands on to; nothing where it
// is not configured.
func legacyTree(c *Config, p *parts, table []route) tree {
	if c.Legacy == nil {
		return tree{}
	}
	s := c.State
	st, observer := s.config.Store, s.config.Observer
	endpoints := map[string]legacy.Endpoint{}
	for _, rt := range table {
		endpoints[rt.Name] = rt.serve
	}
	l := legacy.New(*c.Legacy, legacy.Parts{
		Directory: p.directory, Store: st, Clients: p.clients, Tokens: p.verifier,
		Records: &token.Records{Store: st, Set: s.revocations, Now: s.config.Now},
		Refresh: p.refresher, Revoker: p.revoker, Users: p.users, Sessions: p.sessions, Logout: p.ender,
		Introspection: p.introspection, Configuration: p.metadata(), Endpoints: endpoints,
		Sealer: s.sealer, TrustedOrigin: c.Directory.TrustedOrigin, NewID: secret.NewID,
		Address: c.Address, NoLimit: c.InsecureNoLimit, Called: observer.LegacyCalled, SignedOn: observer.SignedOn, Log: c.Log,
		Now: s.config.Now,
	})
	return tree{SurfaceLegacy, l.Handles, l.Match}
}

// Redact gives an address, of a request or in one, without what opens something in it, where its path is a legacy one; hidden
// tells whether there was such a thing. What is in queries of other paths is the host's to hide, see Confidential.
func Redact(address string) (shown string, hidden bool) { return legacy.Redact(address) }

// Confidential reports whether no log may have the value of a parameter in an address, whose name is in lower case.
func Confidential(parameter string) bool { return legacy.Confidential(parameter) }
