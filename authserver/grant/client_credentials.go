package grant

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

// ClientCredentials is the grant of clients that act for themselves
// (RFC 6749 §4.4), with PingOne's rules on what they get:
//
//   - a worker with roles that names no scope gets a token for the PingOne API,
//     whose authority are the roles;
//   - a request without scope gets every granted scope of the one custom resource;
//   - a request with scope gets those of them that are granted;
//   - several custom resources in one token need the application's permission,
//     and a scope name that several granted resources have means all of these;
//   - scopes of OpenID Connect and of the PingOne API are never granted: they
//     speak about a user, and there is none.
//
// The token has no sub and no sid, and there is no refresh token.
type ClientCredentials struct {
	Directory store.Directory
	Tokens    *token.Minter
}

var _ Grant = (*ClientCredentials)(nil)

// Type is client_credentials.
func (g *ClientCredentials) Type() string { return oauth.GrantClientCredentials }

// Name is client_credentials.
func (g *ClientCredentials) Name() string { return oauth.GrantClientCredentials }

// Token mints the token.
func (g *ClientCredentials) Token(ctx context.Context, r Request) (*Response, error) {
	requested, err := oauth.ParseScope(r.Form.Get("scope"))
	if err != nil {
		return nil, err
	}
	access := token.Access{Client: r.Client.ID}
	if len(requested) == 0 && len(r.Client.Roles) > 0 && r.Client.Type == store.Worker {
		access.Audience, access.TTL = []string{r.Environment.APIAudience}, store.DefaultAccessTokenTTL
	} else if err := g.custom(ctx, &access, r.Client, requested); err != nil {
		return nil, err
	}
	minted, err := g.Tokens.Mint(ctx, r.Environment, access)
	if err != nil {
		return nil, err
	}
	return &Response{Access: minted, Scope: access.Scope}, nil
}

// custom fills in scopes, audiences and lifetime of a token for custom resources.
func (g *ClientCredentials) custom(ctx context.Context, access *token.Access, c *store.Client, requested []string) error {
	granted, err := g.granted(ctx, c)
	if err != nil {
		return err
	}
	chosen := granted
	if len(requested) > 0 {
		chosen = intersect(granted, requested)
		access.Scope = keep(requested, chosen)
	} else {
		for _, at := range granted {
			access.Scope = appendNew(access.Scope, at.scopes...)
		}
	}
	switch {
	case len(chosen) == 0:
		return oauth.InvalidScope("At least one scope must be granted")
	case len(chosen) > 1 && !c.MultipleResources:
		return oauth.InvalidScope("May not request scopes for multiple resources")
	}
	access.TTL = store.MaxAccessTokenTTL
	for _, at := range chosen {
		access.Audience = append(access.Audience, at.resource.Audience)
		access.TTL = min(access.TTL, lifetime(at.resource))
	}
	return nil
}

// lifetime of a resource's tokens: the shortest of several resources counts.
func lifetime(r *store.Resource) time.Duration {
	if r.AccessTokenTTL == 0 {
		return store.DefaultAccessTokenTTL
	}
	return r.AccessTokenTTL
}

// onResource is a set of scopes of one resource, never empty.
type onResource struct {
	resource *store.Resource
	scopes   []string
}

// granted lists what c may have for itself, in an order that depends on nothing
// but the IDs. A scope that its resource no longer has is not granted any more.
func (g *ClientCredentials) granted(ctx context.Context, c *store.Client) ([]onResource, error) {
	var all []onResource
	for id, names := range c.Grants {
		if id == store.ResourceOpenID || id == store.ResourcePingOne {
			continue
		}
		r, err := g.Directory.ResourceByID(ctx, c.Environment, id)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, oauth.Unavailable(1, "The service is temporarily unavailable").
				WithCause(fmt.Errorf("find resource: %w", err))
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
	slices.SortFunc(all, func(a, b onResource) int { return strings.Compare(a.resource.ID, b.resource.ID) })
	return all, nil
}

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
