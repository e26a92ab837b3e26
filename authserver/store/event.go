package store

import (
	"context"
	"time"
)

// Event is one line of the audit log: somebody changed something. It holds no
// credential.
type Event struct {
	Environment string
	ID          string // UUIDv7: by it events are in the order of their time
	At          time.Time
	// Action is what was done, as PingOne writes it: "APPLICATION.UPDATED".
	Action string
	// Who: the client that called and the user it acted for ("" for none), their names, and the environment
	// that both belong to.
	Client, ClientName, User, UserName, ActorEnvironment string
	// What: the object and what people call it. Parent is the ID of what it belongs to.
	Kind                 ObjectKind
	Object, Name, Parent string
	// Before and After are the object's documents without secrets; nil where there was or is none.
	Before, After []byte
	// Correlation is the correlation id of the request.
	Correlation string
	ExpiresAt   time.Time // forgotten then
}

// KindUser is a person, and the others below are what is no Object either but can
// have been changed.
const (
	KindUser    ObjectKind = "user"
	KindSession ObjectKind = "session"
	KindConsent ObjectKind = "consent"
	KindKey     ObjectKind = "key"
)

// Events reads the audit log; Apply writes it.
type Events interface {
	// EventByID finds one that has not expired at now, or ErrNotFound.
	EventByID(ctx context.Context, environment, id string, now time.Time) (Event, error)
	// ListEvents lists those that f selects and that have not expired at now, newest first, at most limit,
	// starting behind (older than) the ID after; "" starts at the newest.
	ListEvents(ctx context.Context, f EventFilter, after string, limit int, now time.Time) ([]Event, error)
}

// EventFilter selects events of one environment: those that agree with every
// field that is set.
type EventFilter struct {
	Environment    string
	Object, Action string
	Client, User   string    // who did it
	Since, Until   time.Time // At: from Since on, before Until
}
