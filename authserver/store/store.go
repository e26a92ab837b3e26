package store

import (
	"context"
	"errors"
	"time"
)

// Sentinel errors. Callers act on each of them; anything else is a fault of the
// backend.
var (
	// ErrNotFound: there is no such record, or it has expired at now.
	ErrNotFound = errors.New("store: not found")
	// ErrExists: a record with this identity is already there.
	ErrExists = errors.New("store: already exists")
	// ErrSpent: what may be used once has been used.
	ErrSpent = errors.New("store: already spent")
	// ErrConflict: the record changed since it was read.
	ErrConflict = errors.New("store: changed meanwhile")
	// ErrUnavailable: the backend cannot be reached now; nothing is known about
	// the record, and a write may or may not have happened.
	ErrUnavailable = errors.New("store: unavailable")
)

// Store is all that a backend offers. Implementations are safe for concurrent
// use. A write that returned nil is durable: it survives a crash of the process
// and of the machine. Every method honours its context; a write whose context
// ends while it is under way returns the context's error, and may have happened.
//
// Strings that identify a record (environment, id, client, subject, kind,
// value) are at most 512 bytes of UTF-8 without NUL; a write with any other is
// an error, and looking for one finds nothing. Nothing of one environment is
// found, changed or counted in another.
//
// Times come back in UTC, to the second or microsecond that a record says, and
// no bytes as nil. Where a record says nothing, it is the microsecond.
type Store interface {
	AccessTokens
	Revocations
	Keys
	Spent
	Tickets
	Flows
	Sessions
	RefreshTokens
	Consents
	Users
	Credentials
	RegisteredClients
	Deliveries
	Objects
	UserScans
	Events
	Janitor

	// Ping reports whether the backend answers: nil, or ErrUnavailable.
	Ping(ctx context.Context) error
}

// AccessToken is the record of one access token. Environment and ID together
// identify it. Empty strings mean "none".
type AccessToken struct {
	Environment string
	ID          string // jti
	Client      string // client_id
	Subject     string // sub; empty for client credentials
	Session     string // sid; empty for client credentials
	Grant       string // grant_id: the authorization that it stems from; empty for client credentials
	Scope       string // granted scopes, space separated
	Audience    []string
	IssuedAt    time.Time // whole seconds, UTC
	ExpiresAt   time.Time // whole seconds, UTC
	// Data is package token's: how the token came to be, and what an opaque one says. Empty for most. A write
	// with more than MaxAccessTokenData bytes of it is an error.
	Data []byte
}

// MaxAccessTokenData bounds AccessToken.Data, in bytes.
const MaxAccessTokenData = 64 << 10

// AccessTokens remembers every access token that was issued, for revocation and
// for listing by user and client.
type AccessTokens interface {
	// PutAccessToken stores t before it is handed out. Concurrent calls share
	// one commit and one disk sync; one that fails does not fail the others. An
	// ID already present with the same ExpiresAt is ErrExists. With another
	// one, a backend that keeps tokens by expiry need not notice: identifiers
	// are unique by how they are made.
	PutAccessToken(ctx context.Context, t AccessToken) error

	// AccessTokenByID finds one token that has not expired at now. expires is the
	// token's own exp; a backend that keeps tokens by expiry needs it.
	AccessTokenByID(ctx context.Context, environment, id string, expires, now time.Time) (AccessToken, error)

	// AccessTokenEnvironment finds, by ID alone, the environment of a token that has not expired at now: for who
	// is shown one that does not say where it is from. expires is as above. Of two environments that have the ID,
	// which does not happen by how identifiers are made, it is one.
	AccessTokenEnvironment(ctx context.Context, id string, expires, now time.Time) (environment string, err error)

	// ListAccessTokens lists tokens that have not expired at now and match f,
	// newest ID last, at most limit of them, starting behind the ID after (""
	// starts at the first). Revoked tokens are listed too: revocations say
	// which.
	ListAccessTokens(ctx context.Context, f AccessTokenFilter, after string, limit int, now time.Time) ([]AccessToken, error)
}

// AccessTokenFilter selects tokens of one environment by client, by subject, or
// by both. At least one of the two must be set.
type AccessTokenFilter struct {
	Environment, Client, Subject string
}

// RevocationKind says what a Revocation ends.
type RevocationKind string

const (
	RevokedToken   RevocationKind = "token"   // Value is a jti
	RevokedSession RevocationKind = "session" // Value is a sid
	RevokedClient  RevocationKind = "client"  // Value is a client_id
	RevokedSubject RevocationKind = "subject" // Value is a sub
	RevokedGrant   RevocationKind = "grant"   // Value is a grant_id: all that came of one authorization
	// RevokedAudience ends the tokens that have Value among their aud: what their resource is has changed.
	RevokedAudience RevocationKind = "audience"
	// ChangedKeys ends no token by itself: the environment's key ring has become the version that Value says
	// (decimal) and is to be read again, and a key may have been withdrawn.
	ChangedKeys RevocationKind = "keys"
)

// Revocation ends every access token of Environment that Kind and Value select
// and that was issued at or before At. It is needed until ExpiresAt, when the
// last such token has expired by itself.
type Revocation struct {
	Environment string
	Kind        RevocationKind
	Value       string
	At          time.Time // whole seconds, UTC
	ExpiresAt   time.Time // whole seconds, UTC
}

// Revocations remembers what was revoked and tells every node.
type Revocations interface {
	// PutRevocation stores r durably. One for the same environment, kind and
	// value is replaced by the later At and the later ExpiresAt. Concurrent
	// calls share one commit. Every watcher of this Store has taken delivery
	// when it returns nil.
	PutRevocation(ctx context.Context, r Revocation) error

	// WatchRevocations delivers every revocation that is needed at now, then
	// calls Alive(true), then delivers each new one, made by this or any other
	// node, until ctx ends. A revocation may be delivered more than once, and
	// an older state of it after a newer one, so that the receiver keeps the
	// later At and ExpiresAt; but never not at all: when the feed from other
	// nodes is interrupted Alive(false) is called, and when it has caught up
	// Alive(true). Those of this Store are delivered meanwhile too, and before
	// the first Alive(true). It returns ctx's error, or ErrUnavailable when the
	// Store is closed.
	WatchRevocations(ctx context.Context, now time.Time, w RevocationWatcher) error
}

// RevocationWatcher receives a revocation feed. Its functions are called from
// one goroutine, in order. PutRevocation waits for Deliver: it must be quick,
// and must not call PutRevocation.
type RevocationWatcher struct {
	Deliver func(Revocation)
	Alive   func(ok bool) // may be nil; true once caught up; false while revocations of other nodes may be missed
}

// KeySlot is the place of a signing key in its rotation.
type KeySlot string

const (
	SlotNext     KeySlot = "NEXT"     // published, not signing yet
	SlotCurrent  KeySlot = "CURRENT"  // signing
	SlotPrevious KeySlot = "PREVIOUS" // published until the last token it signed has expired
	// SlotPublished is published, and signs nothing until somebody makes it CURRENT.
	SlotPublished KeySlot = "PUBLISHED"
	// SlotStored is neither published nor signing tokens; a key of another use.
	SlotStored KeySlot = "STORED"
)

// Key is a signing key of an environment. Sealed is its private half, encrypted
// by package keys; the store cannot read it.
type Key struct {
	Environment string
	ID          string // kid
	Algorithm   string // the alg it signs with
	Slot        KeySlot
	Sealed      []byte
	CreatedAt   time.Time // whole seconds, UTC
	SignsFrom   time.Time // when it became, or is to become, CURRENT; zero for none planned
	ExpiresAt   time.Time // when a PREVIOUS key may go; zero otherwise
	// Policy is the ID of the key rotation policy whose key it is; "" for the environment's own. Each policy
	// has slots of its own.
	Policy string
	Data   []byte // package keys': name, subject, certificate, use
}

// Keys keeps the signing keys of each environment as one versioned ring, so that
// two nodes cannot rotate it apart.
type Keys interface {
	// KeyRing reads the keys of an environment and the ring's version; an
	// environment without keys has version 0 and no keys.
	KeyRing(ctx context.Context, environment string) (keys []Key, version int64, err error)

	// ReplaceKeyRing stores keys as the whole ring if its version is still the
	// one given, which becomes version+1; otherwise ErrConflict and nothing
	// changes. Of any number of concurrent calls with one version exactly one
	// succeeds.
	ReplaceKeyRing(ctx context.Context, environment string, version int64, keys []Key) error
}

// Hash is SHA-256 of something that must be recognised but not kept.
type Hash [32]byte

// Spent remembers what may be presented once: assertion ids now, more later.
type Spent interface {
	// Spend marks hash as used until expires. Of any number of concurrent calls
	// with one hash exactly one gets nil, the others ErrSpent.
	Spend(ctx context.Context, environment string, hash Hash, expires, now time.Time) error
}

// Janitor deletes what has expired.
type Janitor interface {
	// Sweep deletes at most about limit records that expired before now, in short
	// transactions that never hold up writers for long, and says how many went.
	// Call again while it returns limit or more. A backend that keeps tokens in
	// partitions drops whole ones and prepares those to come.
	Sweep(ctx context.Context, now time.Time, limit int) (deleted int, err error)
}
