package authserver

import (
	"context"
	"errors"

	"github.com/caddy-gatehouse/gatehouse/authserver/registration"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// directory is what is declared and, where that has nothing, what is stored:
// clients that registered themselves, and people who did. Environments and
// resources are declared alone.
type directory struct {
	store.Directory // declared
	stored          interface {
		store.Users
		store.RegisteredClients
	}
	registrar *registration.Registrar
}

var _ store.Directory = (*directory)(nil)

// ClientByID finds a declared application or a registered client. Registered
// ones have UUIDs: the store is not asked for anything else.
func (d *directory) ClientByID(ctx context.Context, env, id string) (*store.Client, error) {
	c, err := d.Directory.ClientByID(ctx, env, id)
	if !errors.Is(err, store.ErrNotFound) || !looksLikeUUID(id) {
		return c, err
	}
	registered, err := d.stored.RegisteredClientByID(ctx, env, id)
	if err != nil {
		return nil, err
	}
	return d.registrar.Open(registered)
}

// PostLogoutRedirectURI reports whether any client has registered the address.
func (d *directory) PostLogoutRedirectURI(ctx context.Context, env, uri string) (bool, error) {
	if found, err := d.Directory.PostLogoutRedirectURI(ctx, env, uri); found || err != nil {
		return found, err
	}
	return d.stored.RegisteredPostLogoutRedirectURI(ctx, env, uri)
}

// UserByName finds a declared or a stored user.
func (d *directory) UserByName(ctx context.Context, env, username string) (*store.User, error) {
	u, err := d.Directory.UserByName(ctx, env, username)
	if !errors.Is(err, store.ErrNotFound) {
		return u, err
	}
	stored, err := d.stored.StoredUserByName(ctx, env, username)
	if err != nil {
		return nil, err
	}
	return &stored, nil
}

// UserByID finds a declared or a stored user.
func (d *directory) UserByID(ctx context.Context, env, id string) (*store.User, error) {
	u, err := d.Directory.UserByID(ctx, env, id)
	if !errors.Is(err, store.ErrNotFound) {
		return u, err
	}
	stored, err := d.stored.StoredUserByID(ctx, env, id)
	if err != nil {
		return nil, err
	}
	return &stored, nil
}
