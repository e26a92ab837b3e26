package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// This file is Live as a store.Directory. What configuration declares is found
// first, without asking the store. For anything else the version of the environment's objects is read, and
// what was made of them before is given again as long as it stands.

const (
	environmentsPage = 500
	// mostByKey bounds how many applications are looked at for one address.
	mostByKey = 200
	maxKey    = 2048 // bytes, see store.Object
)

// Environments lists those that configuration declares, and then those that are stored. The list is shared and
// must not be changed: anybody can have it asked for, by a token that names an issuer nobody knows.
func (l *Live) Environments(ctx context.Context) ([]*store.Environment, error) {
	version, err := l.version(ctx, "")
	if err != nil {
		return nil, err
	}
	return kept(&l.live, "", version, "environments", func() ([]*store.Environment, error) { return l.listEnvironments(ctx) })
}

func (l *Live) listEnvironments(ctx context.Context) ([]*store.Environment, error) {
	known, err := l.Declared.Environments(ctx)
	if err != nil {
		return nil, err
	}
	all, declared := slices.Clone(known), map[string]bool{}
	for _, e := range known {
		declared[e.ID] = true
	}
	for after := ""; ; {
		page, err := l.Store.ListObjects(ctx, store.ObjectFilter{Kind: store.KindEnvironment}, after, environmentsPage)
		if err != nil {
			return nil, oauth.CannotTell("list environments", err)
		}
		for _, o := range page {
			after = o.ID
			if declared[o.ID] {
				continue
			}
			e, err := l.environment(o)
			switch {
			case errors.Is(err, errGone):
			case err != nil:
				return nil, oauth.CannotTell("read environment", err)
			default:
				all = append(all, e)
			}
		}
		if len(page) < environmentsPage {
			return slices.Clip(all), nil
		}
	}
}

// environment is what a stored environment comes to, or errGone: the same value
// until it is changed.
func (l *Live) environment(o store.Object) (*store.Environment, error) {
	it, err := l.item(o)
	if err != nil {
		return nil, err
	}
	if gone(it) {
		l.leave(o.ID)
		return nil, errGone
	}
	r := l.room(o.ID)
	r.mu.Lock()
	defer r.mu.Unlock()
	// Versions begin again where an environment was deleted and made anew.
	newer := o.Version > r.environmentAt || o.CreatedAt.After(r.createdAt)
	if !newer && o.Version == r.environmentAt && o.CreatedAt.Equal(r.createdAt) {
		return r.environment, nil
	}
	e, err := it.Document.(*Environment).environment(o.ID)
	if err != nil {
		return nil, fmt.Errorf("environment %s: %w", o.ID, err)
	}
	l.Declared.Inherit(e)
	if newer {
		r.environment, r.environmentAt, r.createdAt = e, o.Version, o.CreatedAt
	}
	return e, nil
}

// EnvironmentByID finds an environment that configuration declares, or that is
// stored and was not deleted.
func (l *Live) EnvironmentByID(ctx context.Context, id string) (*store.Environment, error) {
	e, err := l.Declared.EnvironmentByID(ctx, id)
	if !errors.Is(err, store.ErrNotFound) || !secret.IsID(id) {
		return e, err
	}
	version, err := l.version(ctx, id)
	if err != nil {
		return nil, err
	}
	return l.storedEnvironment(ctx, id, version)
}

const environmentMade = "environment"

func (l *Live) storedEnvironment(ctx context.Context, id string, version int64) (*store.Environment, error) {
	if version == 0 { // whatever is asked for, no room is made for it
		return nil, store.ErrNotFound
	}
	l.mu.Lock()
	r := l.rooms[id]
	l.mu.Unlock()
	if r != nil {
		if e, ok := r.find(version, environmentMade); ok {
			return e.(*store.Environment), nil
		}
	}
	o, err := l.Store.ObjectByID(ctx, id, store.KindEnvironment, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	if err != nil {
		return nil, oauth.CannotTell("find environment", err)
	}
	e, err := l.environment(o)
	switch {
	case errors.Is(err, errGone):
		return nil, store.ErrNotFound
	case err != nil:
		return nil, oauth.CannotTell("read environment", err)
	}
	l.keep(id, version, environmentMade, e)
	return e, nil
}

// EnvironmentByHost finds an environment by a custom domain, which configuration
// alone gives.
func (l *Live) EnvironmentByHost(ctx context.Context, host string) (*store.Environment, error) {
	return l.Declared.EnvironmentByHost(ctx, host)
}

// at is an environment and the version of its objects.
func (l *Live) at(ctx context.Context, environment string) (*store.Environment, int64, error) {
	version, err := l.version(ctx, environment)
	if err != nil {
		return nil, 0, err
	}
	e, err := l.Declared.EnvironmentByID(ctx, environment)
	if errors.Is(err, store.ErrNotFound) {
		e, err = l.storedEnvironment(ctx, environment, version)
	}
	return e, version, err
}

// ClientByID finds an application: a declared one, a stored one, or a client that
// registered itself. The store is not asked for what can be no ID there.
func (l *Live) ClientByID(ctx context.Context, environment, id string) (*store.Client, error) {
	c, err := l.Declared.ClientByID(ctx, environment, id)
	if errors.Is(err, store.ErrNotFound) && l.Document != nil && strings.Contains(id, "://") {
		return l.documentClient(ctx, environment, id)
	}
	if !errors.Is(err, store.ErrNotFound) || !storedID(id) {
		return c, err
	}
	env, version, err := l.at(ctx, environment)
	if err != nil {
		return nil, err
	}
	if version == 0 {
		return l.registeredClient(ctx, environment, id)
	}
	key := "client " + id
	c, err = kept(&l.live, environment, version, key, func() (*store.Client, error) {
		w, err := l.whole(ctx, env, store.KindApplication, id)
		if err != nil {
			return nil, err
		}
		d, ok := w.item.Document.(clientDocument)
		if !ok {
			return nil, fmt.Errorf("directory: a %T is no client", w.item.Document)
		}
		return d.client(ctx, w)
	})
	switch {
	case err == nil && c != nil:
		return c, nil
	case err != nil && !errors.Is(err, store.ErrNotFound):
		return nil, oauth.CannotTell("read application", err)
	}
	if c, err = l.registeredClient(ctx, environment, id); err == nil {
		// That it is not among the stored ones need not be found out again.
		l.keep(environment, version, key, (*store.Client)(nil))
	}
	return c, err
}

// documentClient asks for a client's own document; who does not accept such, asks for nothing.
func (l *Live) documentClient(ctx context.Context, environment, id string) (*store.Client, error) {
	env, err := l.EnvironmentByID(ctx, environment)
	if err != nil {
		return nil, err
	}
	if !env.Registration.Documents {
		return nil, store.ErrNotFound
	}
	return l.Document(ctx, env, id)
}

func (l *Live) registeredClient(ctx context.Context, environment, id string) (*store.Client, error) {
	stored, err := l.Store.RegisteredClientByID(ctx, environment, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	if err != nil {
		return nil, oauth.CannotTell("find client", err)
	}
	c, err := l.Open(stored)
	if err != nil {
		return nil, oauth.CannotTell("open client", err)
	}
	env, err := l.EnvironmentByID(ctx, environment)
	if err != nil {
		return nil, err
	}
	return withStepUp(env, c), nil
}

// ResourceByID finds a resource that configuration declares or that is stored; not
// those that every environment has.
func (l *Live) ResourceByID(ctx context.Context, environment, id string) (*store.Resource, error) {
	r, err := l.Declared.ResourceByID(ctx, environment, id)
	if !errors.Is(err, store.ErrNotFound) || !storedID(id) {
		return r, err
	}
	env, version, err := l.at(ctx, environment)
	if err != nil {
		return nil, err
	}
	if version == 0 {
		return nil, store.ErrNotFound
	}
	r, err = kept(&l.live, environment, version, "resource "+id, func() (*store.Resource, error) {
		w, err := l.whole(ctx, env, store.KindResource, id)
		if err != nil {
			return nil, err
		}
		d, ok := w.item.Document.(resourceDocument)
		if !ok {
			return nil, fmt.Errorf("directory: a %T is no resource", w.item.Document)
		}
		return d.resource(ctx, w)
	})
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, oauth.CannotTell("read resource", err)
	}
	return r, err
}

// OpenID is what the scopes of OpenID Connect stand for: the standard, and what was
// changed of it.
func (l *Live) OpenID(ctx context.Context, environment string) (*store.OpenID, error) {
	env, version, err := l.at(ctx, environment)
	if err != nil {
		return nil, err
	}
	k, err := kindOf(store.KindResource)
	if err != nil {
		return nil, err
	}
	if version == 0 || k.openID == nil {
		return l.Declared.OpenID(ctx, environment)
	}
	o, err := kept(&l.live, environment, version, "openid", func() (*store.OpenID, error) { return k.openID(ctx, l, env) })
	if err != nil {
		return nil, oauth.CannotTell("read the resource of OpenID Connect", err)
	}
	return o, nil
}

// PostLogoutRedirectURI reports whether any enabled application has registered the address.
func (l *Live) PostLogoutRedirectURI(ctx context.Context, environment, uri string) (bool, error) {
	if found, err := l.Declared.PostLogoutRedirectURI(ctx, environment, uri); found || err != nil {
		return found, err
	}
	if found, err := l.enabledWith(ctx, environment, postLogoutKey(uri)); found || err != nil {
		return found, err
	}
	found, err := l.Store.RegisteredPostLogoutRedirectURI(ctx, environment, uri)
	if err != nil {
		return false, oauth.CannotTell("find client", err)
	}
	return found, nil
}

// TrustedOrigin reports whether any enabled application trusts the origin.
func (l *Live) TrustedOrigin(ctx context.Context, environment, origin string) (bool, error) {
	if found, err := l.Declared.TrustedOrigin(ctx, environment, origin); found || err != nil {
		return found, err
	}
	for _, pattern := range store.OriginPatterns(origin) {
		if found, err := l.enabledWith(ctx, environment, originKey(pattern)); found || err != nil {
			return found, err
		}
	}
	return false, nil
}

// enabledWith reports whether an enabled stored application has a key.
func (l *Live) enabledWith(ctx context.Context, environment, key string) (bool, error) {
	if len(key) > maxKey {
		return false, nil
	}
	_, version, err := l.at(ctx, environment)
	if errors.Is(err, store.ErrNotFound) || err == nil && version == 0 {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	found, err := l.Store.ObjectsByKey(ctx, environment, store.KindApplication, key, mostByKey)
	if err != nil {
		return false, oauth.CannotTell("find application", err)
	}
	for _, o := range found {
		c, err := l.ClientByID(ctx, environment, o.ID)
		switch {
		case errors.Is(err, store.ErrNotFound): // deleted meanwhile
		case err != nil:
			return false, err
		case c.Enabled:
			return true, nil
		}
	}
	return false, nil
}

// UserByName finds a declared or a stored user.
func (l *Live) UserByName(ctx context.Context, environment, username string) (*store.User, error) {
	u, err := l.Declared.UserByName(ctx, environment, username)
	if !errors.Is(err, store.ErrNotFound) {
		return u, err
	}
	return storedUser(l.Store.StoredUserByName(ctx, environment, username))
}

// UserByID finds a declared or a stored user.
func (l *Live) UserByID(ctx context.Context, environment, id string) (*store.User, error) {
	u, err := l.Declared.UserByID(ctx, environment, id)
	if !errors.Is(err, store.ErrNotFound) {
		return u, err
	}
	return storedUser(l.Store.StoredUserByID(ctx, environment, id))
}

func storedUser(u store.User, err error) (*store.User, error) {
	if err != nil {
		return nil, err
	}
	return &u, nil
}
