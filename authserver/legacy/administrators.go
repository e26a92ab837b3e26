package legacy

import (
	"context"

	"github.com/caddy-gatehouse/gatehouse/authserver/identity"
	"github.com/caddy-gatehouse/gatehouse/authserver/session"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// administrators are the people of the top realm: an environment of their own
// that no path leads to, with the rules of all people (lockout, limits, hashing). Their sessions and
// wrong passwords are in the same store as everybody's, so every node knows them.
type administrators struct {
	env      *store.Environment
	sessions *session.Sessions
	users    *identity.Users
}

// administratorsID is no UUID, so it can be no other environment's, and is in no path.
const administratorsID = "am-administrators"

func (l *Legacy) newAdministrators() *administrators {
	env := &store.Environment{
		ID: administratorsID, Name: "administrators", Issuer: l.Config.Issuer("/"),
		SignOn: store.SignOn{SessionIdle: l.AdministratorIdle, SessionLifetime: l.AdministratorLifetime},
	}
	d := &administratorDirectory{Directory: l.Directory, env: env}
	for _, a := range l.Administrators {
		d.users = append(d.users, &store.User{
			Environment: env.ID, ID: a.Name, Username: a.Name, Password: a.Password, Declared: true, Verified: true,
		})
	}
	users := &identity.Users{
		Directory: d, Store: l.Store, NewID: l.NewID, Now: l.Now, NoLimit: l.NoLimit, Log: l.Log,
		Checked: l.Users.Checked, Hashed: l.Users.Hashed,
	}
	return &administrators{env: env, sessions: l.Sessions, users: users}
}

// named finds an administrator, nil for none.
func (a *administrators) named(ctx context.Context, name string) (*store.User, error) {
	return a.users.Directory.UserByName(ctx, a.env.ID, identity.Fold(name))
}

// usersOf are those who know the people of an environment.
func (l *Legacy) usersOf(env *store.Environment) *identity.Users {
	if env == l.root.env {
		return l.root.users
	}
	return l.Users
}

// administratorDirectory finds administrators, and in every other environment what is there.
type administratorDirectory struct {
	store.Directory
	env   *store.Environment
	users []*store.User
}

// EnvironmentByID implements store.Directory.
func (d *administratorDirectory) EnvironmentByID(ctx context.Context, id string) (*store.Environment, error) {
	if id == d.env.ID {
		return d.env, nil
	}
	return d.Directory.EnvironmentByID(ctx, id)
}

// UserByName implements store.Directory. Names are compared as AM does, in any case.
func (d *administratorDirectory) UserByName(ctx context.Context, env, name string) (*store.User, error) {
	if env != d.env.ID {
		return d.Directory.UserByName(ctx, env, name)
	}
	return d.find(func(u *store.User) bool { return identity.Fold(u.Username) == identity.Fold(name) })
}

// UserByID implements store.Directory.
func (d *administratorDirectory) UserByID(ctx context.Context, env, id string) (*store.User, error) {
	if env != d.env.ID {
		return d.Directory.UserByID(ctx, env, id)
	}
	return d.find(func(u *store.User) bool { return u.ID == id })
}

func (d *administratorDirectory) find(is func(*store.User) bool) (*store.User, error) {
	for _, u := range d.users {
		if is(u) {
			return u, nil
		}
	}
	return nil, store.ErrNotFound
}
