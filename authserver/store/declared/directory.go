package declared

import (
	"context"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Directory answers from memory. It is immutable and safe for concurrent use.
type Directory struct {
	list []*store.Environment
	byID map[string]*environment
}

type environment struct {
	record    *store.Environment
	clients   map[string]*store.Client
	resources map[string]*store.Resource
	users     map[string]*store.User // by username
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

// UserByName finds a user by exact username.
func (d *Directory) UserByName(_ context.Context, env, username string) (*store.User, error) {
	if e, ok := d.byID[env]; ok {
		if u, ok := e.users[username]; ok {
			return u, nil
		}
	}
	return nil, store.ErrNotFound
}
