package directory

import (
	"context"
	"fmt"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Declaration is what configuration declares (declared.Directory).
type Declaration interface {
	store.Directory
	DeclaredUsers() []*store.User
	DeclaredClients() []*store.Client
	DeclaredResources() []*store.Resource
	// DeclaredAt says where an environment or what is in it is declared: "Caddyfile:12", or
	// "the server's configuration" where that is not known.
	DeclaredAt(environment string, kind store.ObjectKind, id string) string
	// Inherit gives a stored environment what is declared of all environments.
	Inherit(e *store.Environment)
}

// Live is everything that there is: built in, declared, stored and registered. It
// is the server's store.Directory. What it makes of stored objects it keeps for as long as the environment's
// ObjectsVersion stands, so that a change made on any node counts for the next request. Every field that does not
// say otherwise is required. Safe for concurrent use.
type Live struct {
	Declared Declaration
	Store    interface {
		store.Objects
		store.Users
		store.UserScans
		store.RegisteredClients
	}
	// Open gives the client that registered itself.
	Open func(store.RegisteredClient) (*store.Client, error)
	// Document gives the client whose identifier is the https URL of its metadata, or store.ErrNotFound. nil: there are none such.
	Document func(ctx context.Context, env *store.Environment, id string) (*store.Client, error)
	// Sealer opens what is sealed.
	Sealer func(create bool) (*secret.Sealer, error)
	Now    func() time.Time

	live
}

var _ store.Directory = (*Live)(nil)

// version reads how often an environment's objects have been changed; 0: it has none.
func (l *Live) version(ctx context.Context, environment string) (int64, error) {
	v, err := l.Store.ObjectsVersion(ctx, environment)
	if err != nil {
		return 0, oauth.CannotTell("read the version of objects", err)
	}
	return v, nil
}

// cannotTell is an error of the store, or of what it keeps, for a client.
func cannotTell(what string, kind store.ObjectKind, err error) error {
	return oauth.CannotTell(fmt.Sprintf("%s %s", what, kind), err)
}
