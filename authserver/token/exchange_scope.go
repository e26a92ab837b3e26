package token

import (
	"context"
	"slices"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Exchange is what a token exchange asks for.
type Exchange struct {
	Client *store.Client // that asks
	Scope  []string      // nil: all that it may have
	// Resources are the values of resource and audience; nil leaves it to the scopes.
	Resources []string
	Subject   *Subject
	// Clients are those of Subject.Chain, by their ID.
	Clients map[string]*store.Client
}

// ForExchange grants to a client that exchanges a token: scopes of one custom resource that are granted to the client. A token never
// brings more than its own application could have got:
//
//   - of a resource that it is for, the scopes that it has;
//   - of another one, those that are granted to its application too.
//
// That holds for each token of the chain, so that no way round brings more than the straight one.
// Nor does one that is bound, and was exchanged without a proof, bring anything of a resource that it is for itself.
// What is asked for beyond that is refused. A request that names no scope gets what there is. An environment that is configured to do as
// PingOne does looks at the grants of the asking client alone, and drops what is not among them.
func (s *Scopes) ForExchange(ctx context.Context, env *store.Environment, x Exchange) (Granted, error) {
	custom, err := s.granted(ctx, x.Client)
	if err != nil {
		return Granted{}, err
	}
	custom, api, err := named(env, custom, x.Resources)
	switch {
	case err != nil:
		return Granted{}, err
	case len(x.Resources) > 0 && (api || len(custom) > 1):
		return Granted{}, oauth.InvalidTarget("A token is exchanged for one of one resource, and of none of the PingOne API")
	case slices.ContainsFunc(x.Scope, func(name string) bool { return oauth.OpenIDScope(name) || oauth.PingOneScope(name) }):
		return Granted{}, manyResources()
	}
	if len(x.Scope) > 0 {
		custom = intersect(custom, x.Scope)
	}
	switch {
	case len(custom) == 0:
		return Granted{}, noScope()
	case len(custom) > 1:
		return Granted{}, manyResources()
	}
	at := custom[0]
	if loosens(x.Subject.Chain(), at.resource.Audience) {
		return Granted{}, oauth.InvalidTarget("A token that is bound to a key or certificate is not exchanged for one of the same resource without a proof")
	}
	scopes := at.scopes
	if !env.Compat.TokenExchangeScopes {
		if scopes, err = s.within(ctx, x, at); err != nil {
			return Granted{}, err
		}
		for _, name := range x.Scope {
			if !slices.Contains(scopes, name) {
				return Granted{}, oauth.InvalidScope("The scope exceeds what the subject token can bring")
			}
		}
	}
	if len(scopes) == 0 {
		return Granted{}, noScope()
	}
	return Granted{
		Scope: scopes, Audience: []string{at.resource.Audience}, Resources: []string{at.resource.ID}, TTL: lifetime(at.resource),
	}, nil
}

// loosens reports whether a token for audience would take the place, in whoever's hands, of one of the chain that is worth nothing there without a proof, and for
// which none was shown. That it goes through other resources first makes no difference.
func loosens(chain []Origin, audience string) bool {
	return slices.ContainsFunc(chain, func(o Origin) bool { return o.Unproved && slices.Contains(o.Audience, audience) })
}

// within keeps the scopes of one resource that every token of the chain can bring.
func (s *Scopes) within(ctx context.Context, x Exchange, at onResource) ([]string, error) {
	scopes := at.scopes
	for _, origin := range exchangedFor(x.Subject.Chain()) {
		bring := origin.Scope
		if !slices.Contains(origin.Audience, at.resource.Audience) {
			var err error
			if bring, err = s.grantedThere(ctx, x.Clients[origin.Client], at.resource); err != nil {
				return nil, err
			}
		}
		scopes = keep(scopes, []onResource{{at.resource, bring}})
	}
	return scopes, nil
}

// grantedThere are the scopes of one resource that a client may have, none of a nil client.
func (s *Scopes) grantedThere(ctx context.Context, c *store.Client, r *store.Resource) ([]string, error) {
	if c == nil {
		return nil, nil
	}
	all, err := s.granted(ctx, c)
	if err != nil {
		return nil, err
	}
	for _, at := range all {
		if at.resource.ID == r.ID {
			return at.scopes, nil
		}
	}
	return nil, nil
}
