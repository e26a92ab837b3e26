package declared

import (
	"context"
	"maps"
	"slices"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Directory answers from memory. It is immutable and safe for concurrent use.
type Directory struct {
	list   []*store.Environment
	byID   map[string]*environment
	byHost map[string]*store.Environment // custom domains

	inherited inherited
}

type environment struct {
	record    *store.Environment
	clients   map[string]*store.Client
	resources map[string]*store.Resource
	users     map[string]*store.User // by username
	folded    map[string]*store.User // by folded username
	where     map[place]string       // where it is written, of what says so
}

// place names something declared.
type place struct {
	kind store.ObjectKind
	id   string
}

var _ store.Directory = (*Directory)(nil)

// Environments lists every environment in the order of their declaration.
func (d *Directory) Environments(context.Context) ([]*store.Environment, error) {
	return append([]*store.Environment(nil), d.list...), nil
}

// EnvironmentByID finds an environment by its exact id.
func (d *Directory) EnvironmentByID(_ context.Context, id string) (*store.Environment, error) {
	if e, ok := d.byID[id]; ok {
		return e.record, nil
	}
	return nil, store.ErrNotFound
}

// ClientByID finds an application, enabled or not.
func (d *Directory) ClientByID(_ context.Context, env, id string) (*store.Client, error) {
	if e, ok := d.byID[env]; ok {
		if c, ok := e.clients[id]; ok {
			return c, nil
		}
	}
	return nil, store.ErrNotFound
}

// ResourceByID finds a custom resource.
func (d *Directory) ResourceByID(_ context.Context, env, id string) (*store.Resource, error) {
	if e, ok := d.byID[env]; ok {
		if r, ok := e.resources[id]; ok {
			return r, nil
		}
	}
	return nil, store.ErrNotFound
}

// standard is what configuration changes nothing of.
var standard = &store.OpenID{}

// OpenID is the standard: configuration changes nothing of it.
func (d *Directory) OpenID(_ context.Context, env string) (*store.OpenID, error) {
	if _, ok := d.byID[env]; ok {
		return standard, nil
	}
	return nil, store.ErrNotFound
}

// UserByName finds a user by the username as it is declared, or as
// store.FoldUsername writes it.
func (d *Directory) UserByName(_ context.Context, env, username string) (*store.User, error) {
	if e, ok := d.byID[env]; ok {
		if u, ok := e.users[username]; ok {
			return u, nil
		}
		if u, ok := e.folded[username]; ok {
			return u, nil
		}
	}
	return nil, store.ErrNotFound
}

// DeclaredUsers lists every user of every environment, in no order.
func (d *Directory) DeclaredUsers() []*store.User {
	return every(d, func(e *environment) map[string]*store.User { return e.users })
}

// DeclaredClients lists every application of every environment, in no order.
func (d *Directory) DeclaredClients() []*store.Client {
	return every(d, func(e *environment) map[string]*store.Client { return e.clients })
}

// DeclaredResources lists every resource of every environment, in no order.
func (d *Directory) DeclaredResources() []*store.Resource {
	return every(d, func(e *environment) map[string]*store.Resource { return e.resources })
}

func every[T any](d *Directory, of func(*environment) map[string]*T) []*T {
	var all []*T
	for _, e := range d.byID {
		all = slices.AppendSeq(all, maps.Values(of(e)))
	}
	return all
}

// DeclaredAt says where an environment, or an application, resource or user in it, is
// declared: "Caddyfile:12"; "the server's configuration" where that is not known.
func (d *Directory) DeclaredAt(env string, kind store.ObjectKind, id string) string {
	if e, ok := d.byID[env]; ok && e.where[place{kind, id}] != "" {
		return e.where[place{kind, id}]
	}
	return "the server's configuration"
}

// UserByID finds a user by sub.
func (d *Directory) UserByID(_ context.Context, env, id string) (*store.User, error) {
	if e, ok := d.byID[env]; ok {
		for _, u := range e.users {
			if u.ID == id {
				return u, nil
			}
		}
	}
	return nil, store.ErrNotFound
}

// EnvironmentByHost finds an environment by a custom domain's host. The same
// host always gives the same pointer.
func (d *Directory) EnvironmentByHost(_ context.Context, host string) (*store.Environment, error) {
	if e, ok := d.byHost[host]; ok {
		return e, nil
	}
	return nil, store.ErrNotFound
}

// PostLogoutRedirectURI reports whether an enabled application has the address.
func (d *Directory) PostLogoutRedirectURI(_ context.Context, env, uri string) (bool, error) {
	return d.anyClient(env, func(c *store.Client) bool { return slices.Contains(c.PostLogoutRedirectURIs, uri) }), nil
}

// Administrator is false: configuration gives roles to workers alone.
func (d *Directory) Administrator(context.Context, string, string) (bool, error) { return false, nil }

// TrustedOrigin reports whether an enabled application trusts the origin.
func (d *Directory) TrustedOrigin(_ context.Context, env, origin string) (bool, error) {
	return d.anyClient(env, func(c *store.Client) bool { return slices.Contains(c.CORS, origin) }), nil
}

func (d *Directory) anyClient(env string, has func(*store.Client) bool) bool {
	e, ok := d.byID[env]
	if !ok {
		return false
	}
	for _, c := range e.clients {
		if c.Enabled && has(c) {
			return true
		}
	}
	return false
}
