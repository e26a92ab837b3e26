package directory

import (
	"context"
	"time"

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
	// it cannot be told now. It may be called more than once, and changes nothing but the document.
	Check(ctx context.Context, c *Checking) error
}

// Checking is what a document is judged with.
type Checking struct {
	// Environment that the object is in. For an environment that is being created it is the one of whoever
	// creates it.
	Environment *store.Environment
	Live        *Live
	// ID and Parent of the object; Old is its document so far, nil for a new one.
	ID, Parent string
	Old        Document
	// Builtin: every environment has the object, whatever is stored of it.
	Builtin bool
	// Now is the time of the change.
	Now time.Time
}

// What follows is for documents that have more to say.

type (
	// Keyed documents are found by keys: see store.Object. A key begins with what it is: "name Shop". A Unique
	// one that another object has is a UNIQUENESS_VIOLATION of its first word.
	Keyed interface {
		Keys() (unique, lookups []string)
	}
	// Sealing documents have a part that is kept sealed and is in no JSON of theirs. nil is none.
	Sealing interface {
		SecretPart() ([]byte, error)
		SetSecretPart([]byte) error
	}
	// Ending documents end access tokens when they change: old is what the document replaces, new is nil when
	// the object is deleted. Both are never nil. It is called on new where there is one, else on old; not for
	// an object that is created.
	Ending interface {
		Ends(ctx context.Context, c *Checking, old, new Document) ([]End, error)
	}
	// Founding documents are created together with others: children, mostly. A Parent "" is the object itself
	// where the companion's kind may belong to it.
	Founding interface {
		Companions(c *Checking) []New
	}
	// Holding documents must not be deleted while others need them.
	Holding interface {
		Deletable(ctx context.Context, c *Checking) error
	}
	// Taking documents say what goes with them when they are deleted, beyond their children.
	Taking interface {
		Takes(ctx context.Context, c *Checking) ([]store.ObjectVersion, error)
	}
	// Leaving documents are named by others that stay: when one is deleted these are replaced along with it, at
	// the versions that their items say.
	Leaving interface {
		Leaves(ctx context.Context, c *Checking) ([]Replacement, error)
	}
	// Naming documents name others of the environment, by kind and ID, which must still be there when they are
	// stored. Check has seen to it that they are.
	Naming interface {
		Names(c *Checking) []store.ObjectVersion
	}
	// Stated documents have a word of their own for a change ("APPLICATION.SECRET_ROTATED" instead of …UPDATED);
	// "" leaves the usual one. old is nil for a new object.
	Stated interface {
		Action(old Document) string
	}
)

// End says whose access tokens end. With All true, and of a client or a
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
