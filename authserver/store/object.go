package store

import (
	"context"
	"time"
)

// ObjectKind names a collection of objects that the management API keeps.
type ObjectKind string

const (
	KindEnvironment          ObjectKind = "environment" // its Environment is its own ID
	KindPopulation           ObjectKind = "population"
	KindApplication          ObjectKind = "application"
	KindApplicationAttribute ObjectKind = "application_attribute" // Parent: the application
	KindGrant                ObjectKind = "grant"                 // Parent: the application
	KindResource             ObjectKind = "resource"
	KindScope                ObjectKind = "scope"              // Parent: the resource
	KindResourceAttribute    ObjectKind = "resource_attribute" // Parent: the resource
	KindSecret               ObjectKind = "secret"             // Parent and ID: the application or resource
	KindRoleAssignment       ObjectKind = "role_assignment"    // Parent: the application or user
	KindKeyRotationPolicy    ObjectKind = "key_rotation_policy"
	KindSubscription         ObjectKind = "subscription" // a webhook
)

// Object is one managed object. Environment, Kind and ID together identify it.
// What Data says is package directory's business.
type Object struct {
	Environment string
	Kind        ObjectKind
	ID          string
	// Parent is the ID of the object or user that it belongs to and with which it goes; "" for none. What has the
	// ID of its parent has no children of its own.
	Parent string
	Data   []byte // a JSON object
	Sealed []byte // encrypted by package directory; nil for none
	// Unique are keys that no other object of the environment and kind has among its own Unique; Lookups are keys
	// that several may have. ObjectsByKey finds it by either. Each is at most 2048 bytes.
	Unique, Lookups []string
	CreatedAt       time.Time
	UpdatedAt       time.Time
	// UsedAt is when TouchObject last said; zero for never. Apply does not change it.
	UsedAt  time.Time
	Version int64 // 1 when created, whatever was given; each replacement adds 1
}

// ObjectFilter selects objects of one environment and kind, and of one parent
// where Parent is set. Environment "" with KindEnvironment selects every
// environment.
type ObjectFilter struct {
	Environment string
	Kind        ObjectKind
	Parent      string
}

// Objects keeps what the management API made: everything but people, keys and
// what protocols leave behind.
type Objects interface {
	// ObjectByID finds one, or ErrNotFound.
	ObjectByID(ctx context.Context, environment string, kind ObjectKind, id string) (Object, error)

	// ListObjects lists those that f selects by ID, at most limit, starting behind the ID after ("" starts
	// at the first).
	ListObjects(ctx context.Context, f ObjectFilter, after string, limit int) ([]Object, error)

	// ChildrenOf lists every object of any kind whose Parent is parent, by kind and ID, at most limit.
	ChildrenOf(ctx context.Context, environment, parent string, limit int) ([]Object, error)

	// ObjectsByKey lists those that have key among their Unique or Lookups, by ID, at most limit.
	ObjectsByKey(ctx context.Context, environment string, kind ObjectKind, key string, limit int) ([]Object, error)

	// ObjectsVersion counts the changes of an environment's objects: it is different whenever Apply has
	// changed one since, on any node, and after it was purged too. 0 for an environment that Apply never changed.
	// That of "" counts the changes of environments (KindEnvironment). It is one small read: what was made of
	// objects is good for as long as the version read before them stands.
	ObjectsVersion(ctx context.Context, environment string) (int64, error)

	// TouchObject sets UsedAt, and neither Version nor ObjectsVersion. One that is gone is no error.
	TouchObject(ctx context.Context, environment string, kind ObjectKind, id string, at time.Time) error

	// Apply does everything in w durably, or nothing of it. ErrConflict: a version is not what w says, or
	// what it replaces or deletes is gone. ErrExists: an identity, a Unique key, or a username is taken.
	// Of any number of concurrent calls with one version exactly one succeeds. Watchers of revocations have
	// taken delivery of w.Revocations when it returns nil.
	Apply(ctx context.Context, w Write) error

	// PurgeEnvironment deletes at most about limit records of any kind, events and objects included, that an
	// environment left behind, and says how many went. Call again while it returns more than 0. Revocations and
	// what was spent stay until they expire, for an environment that is made anew.
	PurgeEnvironment(ctx context.Context, environment string, limit int) (deleted int, err error)
}

// Write is one change of what is managed in one environment, with all that must
// be kept along with it.
type Write struct {
	Environment string
	// Expect names objects that have to be there at these versions, and that the write leaves as they are: what
	// it was decided by. One that is not is ErrConflict.
	Expect []ObjectVersion
	// Put stores objects: new where Version is 0, otherwise in place of that version.
	Put []Object
	// Delete deletes objects, and with each every object that has it as Parent, to any depth. That comes before
	// Put, so that identities and keys are free.
	Delete []ObjectVersion
	// PutUsers as PutUser where Version is 0, as ReplaceUser otherwise; PutCredentials as PutCredential.
	PutUsers       []User
	PutCredentials []Credential
	// DeleteUsers deletes stored users, their credentials and consents, and the objects that have them as Parent;
	// that comes before PutUsers.
	DeleteUsers []UserVersion
	// Revocations as PutRevocation.
	Revocations []Revocation
	// Events are kept in the audit log; Deliveries as PutDelivery.
	Events     []Event
	Deliveries []Delivery
}

// ObjectVersion names an object at a version; 0 is whatever version there is.
type ObjectVersion struct {
	Kind    ObjectKind
	ID      string
	Version int64
}

// UserVersion names a stored user at a version; 0 is whatever version there is.
type UserVersion struct {
	ID      string
	Version int64
}
