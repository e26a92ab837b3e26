package directory

import (
	"context"
	"log/slog"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Actor is who makes a change, for the audit log.
type Actor struct {
	Environment, Client, ClientName, User, UserName string
	Correlation                                     string
}

// Precondition is what a change demands of the object it changes.
type Precondition struct {
	// Version that it must be at; 0 for any: then the last write counts, and one that meets another is made again.
	Version int64
}

// Writer changes what is stored. Safe for concurrent use. Every field is required.
type Writer struct {
	Live   *Live
	Store  store.Store
	Sealer func(create bool) (*secret.Sealer, error)
	NewID  func() string
	Now    func() time.Time
	Log    *slog.Logger
	// Deliveries are the messages to webhooks that an event comes to.
	Deliveries func(ctx context.Context, env *store.Environment, e *store.Event) ([]store.Delivery, error)
	// Ended is called after a change was stored that ends everything that a client or a person holds. It tells
	// sessions' clients and ends refresh tokens; access tokens have ended with the change itself. It may be
	// called again for the same End.
	Ended func(ctx context.Context, env *store.Environment, e End) error
	// Retention is how long events are kept.
	Retention time.Duration
}

// UserChange is a stored user and their credential, to be changed in place. Credential.Version is 0 where none is stored.
type UserChange struct {
	User       *store.User
	Credential *store.Credential
	// Action is "USER.UPDATED" unless edit says another; Ends what the change ends.
	Action string
	Ends   []End
	// NoEvent writes no line of the audit log: for counting a wrong password.
	NoEvent bool
}

// Change is one of many in Batch: an object to create or replace (Document), or to delete; or a user with
// an optional credential to create or replace.
type Change struct {
	Kind       store.ObjectKind
	ID, Parent string
	Document   Document // nil deletes
	User       *store.User
	Credential *store.Credential
	// CreatedAt is kept where it is not zero.
	CreatedAt time.Time
}
