package directory

import (
	"context"
	"log/slog"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Document is what an object says, in the words of PingOne's API. It is a struct
// (by pointer) whose JSON is kept and, with what surrounds it, shown. Optional
// members are pointers, slices or maps with omitempty: what was not sent is not
// there (null and absent are the same), defaults are filled in by Check only where the API shows them.
type Document interface {
	// Kind is the collection that it belongs to.
	Kind() store.ObjectKind
	// Label is what people call the object: its name, mostly.
	Label() string
	// Check judges the document and fills in what has a default. An error is an Invalid one, or says that
	// it cannot be told now.
	Check(ctx context.Context, c *Checking) error
}

// Checking is what a document is judged with.
type Checking struct {
	Environment *store.Environment
	Live        *Live
	// ID and Parent of the object; Old is its document so far, nil for a new one.
	ID, Parent string
	Old        Document
	// Now is the time of the change.
	Now time.Time
}

// What follows is for documents that have more to say.
type (
	// Keyed documents are found by keys: see store.Object. A key begins with what it is: "name Shop".
	Keyed interface {
		Keys() (unique, lookups []string)
	}
	// Sealing documents have a part that is kept sealed and is in no JSON of theirs.
	Sealing interface {
		SecretPart() ([]byte, error)
		SetSecretPart([]byte) error
	}
	// Ending documents end access tokens when they change: old is what the document replaces, new is nil when
	// the object is deleted. Both are never nil. It is called on whichever there is.
	Ending interface {
		Ends(ctx context.Context, c *Checking, old, new Document) ([]End, error)
	}
	// Founding documents are created together with others: children, mostly.
	Founding interface {
		Companions(c *Checking) []New
	}
	// Holding documents must not be deleted while others need them; Taking ones say what goes with them beyond
	// their children.
	Holding interface {
		Deletable(ctx context.Context, c *Checking) error
	}
	Taking interface {
		Takes(ctx context.Context, c *Checking) ([]store.ObjectVersion, error)
	}
	// Leaving documents are named by others that stay: when one is deleted these are replaced along with it, at
	// the versions that their items say.
	Leaving interface {
		Leaves(ctx context.Context, c *Checking) ([]Replacement, error)
	}
	// Stated documents have a word of their own for a change ("APPLICATION.SECRET_ROTATED" instead of …UPDATED);
	// "" leaves the usual one.
	Stated interface {
		Action(old Document) string
	}
)

// End says whose access tokens end. With Sessions true, and of a client or a
// person, refresh tokens and sessions go too: they are not coming back.
type End struct {
	Kind  store.RevocationKind
	Value string
	All   bool
}

// Replacement is an object and what it says from now on.
type Replacement struct {
	Item     *Item
	Document Document
}

// New is an object to be created. ID "" has one drawn.
type New struct {
	ID, Parent string
	Document   Document
}

// Item is an object as it is now.
type Item struct {
	store.Object
	Document Document
	// Declared says where configuration declares it ("Caddyfile:12"); "" for others. Such an object cannot be
	// changed.
	Declared string
	// Builtin: every environment has it. What it says may be changed where its kind allows that.
	Builtin bool
}

// Problem is one thing that is wrong with a document.
type Problem = oauth.Detail

// Detail codes of PingOne's error bodies.
const (
	InvalidValue        = "INVALID_VALUE"
	RequiredValue       = "REQUIRED_VALUE"
	EmptyValue          = "EMPTY_VALUE"
	OutOfRange          = "OUT_OF_RANGE"
	SizeLimitExceeded   = "SIZE_LIMIT_EXCEEDED"
	UniquenessViolation = "UNIQUENESS_VIOLATION"
	ConstraintViolation = "CONSTRAINT_VIOLATION"
	InvalidParameter    = "INVALID_PARAMETER"
	InvalidFilter       = "INVALID_FILTER"
)

// Invalid is 400 INVALID_DATA with these details; nil where there are none.
func Invalid(problems ...Problem) error { panic("contract") }

// Problemf makes a Problem.
func Problemf(code, target, format string, args ...any) Problem { panic("contract") }

// NotFound is 404; Conflict 412, of a precondition that does not hold; IsDeclared 400, of a change of what
// configuration declares, and says where.
func NotFound() error               { panic("contract") }
func PreconditionFailed() error     { panic("contract") }
func IsDeclared(where string) error { panic("contract") }

// Declaration is what configuration declares (declared.Directory).
type Declaration interface {
	store.Directory
	DeclaredUsers() []*store.User
	DeclaredClients() []*store.Client
	DeclaredResources() []*store.Resource
	// DeclaredAt says where an environment or what is in it is declared: "Caddyfile:12", or
	// "the server's configuration" where that is not known.
	DeclaredAt(environment string, kind store.ObjectKind, id string) string
}

// Live is everything that there is: built in, declared, stored and registered. It
// is the server's store.Directory. What it makes of stored objects it keeps for as long as the environment's
// ObjectsVersion stands, so that a change made on any node counts for the next request. Safe for concurrent use.
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
	// Sealer opens what is sealed.
	Sealer func(create bool) (*secret.Sealer, error)
	Now    func() time.Time
	// Policies says which key rotation policy an environment has by itself; see package keys.

	live // unexported state
}

type live struct{}

// BuiltinID is the ID of something that every environment has: the same at any time, on any node.
func BuiltinID(environment string, kind store.ObjectKind, name string) string { panic("contract") }

// Item finds an object, or store.ErrNotFound. For a kind with parents, parent must be the object's; for others "".
func (l *Live) Item(ctx context.Context, env *store.Environment, kind store.ObjectKind, parent, id string) (*Item, error) {
	panic("contract")
}

// Items lists objects: built-in ones, then declared ones, then stored ones, each by ID. after is what the
// call before returned as next; next is "" on the last page. limit is 1 or more. Env nil is for KindEnvironment.
func (l *Live) Items(ctx context.Context, env *store.Environment, kind store.ObjectKind, parent, after string, limit int) (items []*Item, next string, err error) {
	panic("contract")
}

// ItemsByKey lists those that have a key of Keyed, declared ones included, at most limit.
func (l *Live) ItemsByKey(ctx context.Context, env *store.Environment, kind store.ObjectKind, key string, limit int) ([]*Item, error) {
	panic("contract")
}

// ScanUsers walks over declared users, and then over stored ones, as store.UserScans does. The mark of
// a declared user begins with a byte that no term has.
func (l *Live) ScanUsers(ctx context.Context, s store.UserScan) ([]store.ScannedUser, error) {
	panic("contract")
}

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
	// sessions' clients and ends refresh tokens; access tokens have ended with the change itself.
	Ended func(ctx context.Context, env *store.Environment, e End) error
	// Retention is how long events are kept.
	Retention time.Duration
}

// Create creates an object.
func (w *Writer) Create(ctx context.Context, a Actor, env *store.Environment, n New) (*Item, error) {
	panic("contract")
}

// Update replaces an object by what edit makes of it. edit may be called more than
// once, and may change old.Document; an error of it is returned.
func (w *Writer) Update(ctx context.Context, a Actor, env *store.Environment, kind store.ObjectKind, parent, id string, p Precondition,
	edit func(old *Item) (Document, error),
) (*Item, error) {
	panic("contract")
}

// Delete deletes an object and what belongs to it.
func (w *Writer) Delete(ctx context.Context, a Actor, env *store.Environment, kind store.ObjectKind, parent, id string, p Precondition) error {
	panic("contract")
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

// CreateUser stores a new user, with a credential where that is not nil.
func (w *Writer) CreateUser(ctx context.Context, a Actor, env *store.Environment, u store.User, cred *store.Credential) (*store.User, error) {
	panic("contract")
}

// UpdateUser changes a user by edit, which may be called more than once. Of a declared user the credential
// alone can be changed: IsDeclared refuses a change of User.
func (w *Writer) UpdateUser(ctx context.Context, a Actor, env *store.Environment, id string, p Precondition, edit func(*UserChange) error) (*store.User, error) {
	panic("contract")
}

// DeleteUser deletes a user and what belongs to them, and ends what they hold.
func (w *Writer) DeleteUser(ctx context.Context, a Actor, env *store.Environment, id string, p Precondition) error {
	panic("contract")
}

// Record keeps a line of the audit log about something that is done elsewhere:
// Action, Kind, Object, Name, Parent, Before and After of e. It is called before
// that is done.
func (w *Writer) Record(ctx context.Context, a Actor, env *store.Environment, e store.Event) error {
	panic("contract")
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

// Batch makes many changes in one transaction and writes one line of the audit log for each. Each is checked
// against what was stored before: what one of them refers to must be there already. Built-in and declared
// objects are refused like everywhere.
func (w *Writer) Batch(ctx context.Context, a Actor, env *store.Environment, changes []Change) error {
	panic("contract")
}
