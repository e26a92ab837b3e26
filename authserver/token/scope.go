package token

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Granted is what a request for scopes comes to.
type Granted struct {
	Scope    []string // in the order asked
	Audience []string
	TTL      time.Duration // of access tokens
	// Resources are the IDs of the custom resources that the token is for; of those
	// for a client itself, only the ones that map claims or have a key for encryption.
	Resources []string
}

// Scopes decides who gets which scopes: PingOne's rules on resources and their
// mixing, in one place for people and for machines. Safe for concurrent use.
type Scopes struct{ Directory store.Directory }

// ForUser grants to a client that acts for a person:
//
//   - scopes that are not granted to the client are dropped, and a request of
//     which nothing is left, or that named none, is refused;
//   - scopes of OpenID Connect mix with those of one other resource;
//   - scopes of the PingOne API mix with those of no custom resource;
//   - several custom resources in one token need the application's permission,
//     and a scope name that several granted resources have means all of these;
//   - resources that map one claim in different ways share no token.
//
// A token without scopes of a custom resource is for UserInfo and the PingOne
// API: its audience is the environment's APIAudience.
func (s *Scopes) ForUser(ctx context.Context, env *store.Environment, c *store.Client, requested []string) (Granted, error) {
	return s.ForUserAt(ctx, env, c, requested, nil)
}

// ForUserAt is ForUser for a request that names resources (RFC 8707), if it does; see named:
//
//   - scopes of others than these are dropped, except for those of OpenID Connect;
//   - a request that names no scope gets all that the client may have of them;
//   - the token is for those of them that a scope was granted of, and there is none where that is none.
func (s *Scopes) ForUserAt(ctx context.Context, env *store.Environment, c *store.Client, requested, resources []string) (Granted, error) {
	return s.Again(ctx, env, c, requested, resources, nil)
}

// Again is ForUserAt for what was granted before, for custom resources of these IDs; nil where that is not known, and empty for none. There is nothing
// of others, though they may have a scope of the same name since, and the client may ask for it.
func (s *Scopes) Again(ctx context.Context, env *store.Environment, c *store.Client, requested, resources, before []string) (Granted, error) {
	custom, err := s.granted(ctx, c)
	if err != nil {
		return Granted{}, err
	}
	if before != nil {
		custom = slices.DeleteFunc(custom, func(at onResource) bool { return !slices.Contains(before, at.resource.ID) })
	}
	custom, api, err := named(env, custom, resources)
	if err != nil {
		return Granted{}, err
	}
	if len(requested) == 0 && len(resources) > 0 {
		requested = allOf(custom)
	}
	chosen := intersect(custom, requested)
	var g Granted
	pingOne := false
	for _, name := range requested {
		switch {
		case grantedOn(c, store.ResourceOpenID, name):
		case api && grantedOn(c, store.ResourcePingOne, name):
			pingOne = true
		case len(keep([]string{name}, chosen)) > 0:
		default:
			continue
		}
		g.Scope = appendNew(g.Scope, name)
	}
	switch {
	case len(g.Scope) == 0, len(chosen) == 0 && !api:
		return Granted{}, noScope()
	case len(chosen) > 1 && !c.MultipleResources, len(chosen) > 0 && pingOne:
		return Granted{}, manyResources()
	case len(chosen) == 0:
		g.Audience, g.TTL = []string{env.APIAudience}, store.DefaultAccessTokenTTL
	case contradict(chosen):
		return Granted{}, contradiction()
	default:
		g.Audience, g.TTL = audience(chosen)
		for _, at := range chosen {
			g.Resources = append(g.Resources, at.resource.ID)
		}
	}
	return g, nil
}

// ForClient grants to a client that acts for itself (client credentials):
//
//   - a worker with roles that names no scope gets a token for the PingOne API,
//     whose authority are the roles;
//   - a request without scope gets every granted scope of the one custom resource;
//   - a request with scope gets those of them that are granted;
//   - several custom resources in one token need the application's permission,
//     and a scope name that several granted resources have means all of these;
//   - resources that map one claim in different ways share no token;
//   - scopes of OpenID Connect and of the PingOne API are never granted: they
//     speak about a user, and there is none.
func (s *Scopes) ForClient(ctx context.Context, env *store.Environment, c *store.Client, requested []string) (Granted, error) {
	return s.ForClientAt(ctx, env, c, requested, nil)
}

// ForClientAt is ForClient for a request that names resources (RFC 8707), if it does; see ForUserAt.
func (s *Scopes) ForClientAt(ctx context.Context, env *store.Environment, c *store.Client, requested, resources []string) (Granted, error) {
	all, err := s.granted(ctx, c)
	if err != nil {
		return Granted{}, err
	}
	custom, api, err := named(env, all, resources)
	if err != nil {
		return Granted{}, err
	}
	if len(requested) == 0 && len(c.Roles) > 0 && c.Type == store.Worker && api {
		return Granted{Audience: []string{env.APIAudience}, TTL: store.DefaultAccessTokenTTL}, nil
	}
	chosen := custom
	var g Granted
	if len(requested) > 0 {
		chosen = intersect(custom, requested)
		g.Scope = keep(requested, chosen)
	} else {
		g.Scope = allOf(chosen)
	}
	switch {
	case len(chosen) == 0:
		return Granted{}, noScope()
	case len(chosen) > 1 && !c.MultipleResources:
		return Granted{}, manyResources()
	case contradict(chosen):
		return Granted{}, contradiction()
	}
	g.Audience, g.TTL = audience(chosen)
	for _, at := range chosen {
		if len(at.resource.Attributes) > 0 || at.resource.Encryption != nil {
			g.Resources = append(g.Resources, at.resource.ID)
		}
	}
	return g, nil
}

func noScope() error { return oauth.InvalidScope("At least one scope must be granted") }

func manyResources() error {
	return oauth.InvalidScope("May not request scopes for multiple resources")
}

func contradiction() error {
	return oauth.InvalidScope("May not request scopes for resources that map a claim in different ways")
}

// contradict reports whether the resources of one token map a claim differently.
// Each trusts what it maps itself, and would read what was meant for another.
func contradict(chosen []onResource) bool {
	if len(chosen) < 2 {
		return false
	}
	all := make([]*store.Resource, len(chosen))
	for i, at := range chosen {
		all[i] = at.resource
	}
	_, ok := merge(all)
	return !ok
}

// audience lists those of the resources; the shortest lifetime of several counts.
func audience(chosen []onResource) (names []string, ttl time.Duration) {
	ttl = store.MaxAccessTokenTTL
	for _, at := range chosen {
		names = append(names, at.resource.Audience)
		ttl = min(ttl, lifetime(at.resource))
	}
	return names, ttl
}

// lifetime of a resource's tokens.
func lifetime(r *store.Resource) time.Duration {
	if r.AccessTokenTTL == 0 {
		return store.DefaultAccessTokenTTL
	}
	return r.AccessTokenTTL
}

// grantedOn reports whether c may ask for a scope of one of the resources that
// every environment has. The name says which of the two it can belong to;
// environments add scopes to both, and a directory grants none that is gone.
func grantedOn(c *store.Client, resource, scope string) bool {
	if (resource == store.ResourcePingOne) != oauth.PingOneScope(scope) {
		return false
	}
	return slices.Contains(c.Grants[resource], scope)
}

// onResource is a set of scopes of one resource, never empty.
type onResource struct {
	resource *store.Resource
	scopes   []string
}

// granted lists what c may have of custom resources, in an order that depends on
// nothing but the IDs. A scope that its resource no longer has is not granted
// any more.
func (s *Scopes) granted(ctx context.Context, c *store.Client) ([]onResource, error) {
	var all []onResource
	for id, names := range c.Grants {
		if id == store.ResourceOpenID || id == store.ResourcePingOne {
			continue
		}
		r, err := s.Directory.ResourceByID(ctx, c.Environment, id)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, unavailable(fmt.Errorf("find resource: %w", err))
		}
		at := onResource{resource: r}
		for _, name := range names {
			if slices.Contains(r.Scopes, name) && !oauth.OpenIDScope(name) && !oauth.PingOneScope(name) {
				at.scopes = append(at.scopes, name)
			}
		}
		if len(at.scopes) > 0 {
			all = append(all, at)
		}
	}
	slices.SortFunc(all, byID)
	return all, nil
}

func byID(a, b onResource) int { return strings.Compare(a.resource.ID, b.resource.ID) }

// intersect keeps the requested scopes, and the resources that have any of them.
func intersect(granted []onResource, requested []string) []onResource {
	var out []onResource
	for _, at := range granted {
		if scopes := keep(requested, []onResource{at}); len(scopes) > 0 {
			out = append(out, onResource{at.resource, scopes})
		}
	}
	return out
}

// keep gives the names that any of the resources has, in the order of names.
func keep(names []string, resources []onResource) []string {
	var out []string
	for _, name := range names {
		if slices.ContainsFunc(resources, func(at onResource) bool { return slices.Contains(at.scopes, name) }) {
			out = append(out, name)
		}
	}
	return out
}

func appendNew(list []string, names ...string) []string {
	for _, name := range names {
		if !slices.Contains(list, name) {
			list = append(list, name)
		}
	}
	return list
}
