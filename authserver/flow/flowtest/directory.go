package flowtest

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Directory answers from memory, with the stored people behind, and can be edited
// while a test runs. Safe for concurrent use.
type Directory struct {
	stored store.Users

	mu      sync.RWMutex
	envs    []*store.Environment
	clients map[[2]string]*store.Client
	users   map[[2]string]*store.User // by ID
	admins  map[string]bool           // IDs of users
}

var _ store.Directory = (*Directory)(nil)

// EditClient changes a client as a reload would: what was read before stays as
// it was.
func (d *Directory) EditClient(env, id string, edit func(*store.Client)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := *d.clients[[2]string{env, id}]
	edit(&c)
	d.clients[[2]string{env, id}] = &c
}

// EditUser changes a declared person.
func (d *Directory) EditUser(env, id string, edit func(*store.User)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	u := *d.users[[2]string{env, id}]
	edit(&u)
	d.users[[2]string{env, id}] = &u
}

// DropUser takes a declared person away.
func (d *Directory) DropUser(env, id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.users, [2]string{env, id})
}

// Appoint gives a person a role of an administrator, or takes it away.
func (d *Directory) Appoint(id string, admin bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.admins == nil {
		d.admins = map[string]bool{}
	}
	d.admins[id] = admin
}

// DropClient takes a client away.
func (d *Directory) DropClient(env, id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.clients, [2]string{env, id})
}

// Environments implements store.Directory.
func (d *Directory) Environments(context.Context) ([]*store.Environment, error) { return d.envs, nil }

// EnvironmentByID implements store.Directory.
func (d *Directory) EnvironmentByID(_ context.Context, id string) (*store.Environment, error) {
	for _, e := range d.envs {
		if e.ID == id {
			return e, nil
		}
	}
	return nil, store.ErrNotFound
}

// EnvironmentByHost implements store.Directory: there are no custom domains.
func (d *Directory) EnvironmentByHost(context.Context, string) (*store.Environment, error) {
	return nil, store.ErrNotFound
}

// ClientByID implements store.Directory.
func (d *Directory) ClientByID(_ context.Context, env, id string) (*store.Client, error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if c := d.clients[[2]string{env, id}]; c != nil {
		return c, nil
	}
	return nil, store.ErrNotFound
}

// PostLogoutRedirectURI implements store.Directory.
func (d *Directory) PostLogoutRedirectURI(_ context.Context, env, uri string) (bool, error) {
	return d.any(env, func(c *store.Client) bool { return slices.Contains(c.PostLogoutRedirectURIs, uri) }), nil
}

// Administrator implements store.Directory.
func (d *Directory) Administrator(_ context.Context, _, user string) (bool, error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.admins[user], nil
}

// TrustedOrigin implements store.Directory.
func (d *Directory) TrustedOrigin(_ context.Context, env, origin string) (bool, error) {
	return d.any(env, func(c *store.Client) bool { return slices.Contains(c.CORS, origin) }), nil
}

func (d *Directory) any(env string, has func(*store.Client) bool) bool {
	d.mu.RLock()
	defer d.mu.RUnlock()
	for key, c := range d.clients {
		if key[0] == env && c.Enabled && has(c) {
			return true
		}
	}
	return false
}

// ResourceByID implements store.Directory: there are none.
func (d *Directory) ResourceByID(context.Context, string, string) (*store.Resource, error) {
	return nil, store.ErrNotFound
}

// UserByName implements store.Directory.
func (d *Directory) UserByName(ctx context.Context, env, username string) (*store.User, error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	for key, u := range d.users {
		if key[0] == env && u.Username == username {
			return u, nil
		}
	}
	return found(d.stored.StoredUserByName(ctx, env, username))
}

// UserByID implements store.Directory.
func (d *Directory) UserByID(ctx context.Context, env, id string) (*store.User, error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if u := d.users[[2]string{env, id}]; u != nil {
		return u, nil
	}
	return found(d.stored.StoredUserByID(ctx, env, id))
}

func found(u store.User, err error) (*store.User, error) {
	if errors.Is(err, store.ErrNotFound) {
		return nil, store.ErrNotFound
	}
	return &u, err
}

// OpenID is the standard.
func (*Directory) OpenID(context.Context, string) (*store.OpenID, error) { return &store.OpenID{}, nil }
