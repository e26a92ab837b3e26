package store

import (
	"context"
	"time"
)

// Users keeps the people that configuration does not declare: those who
// registered, and those whom the management API made.
type Users interface {
	// PutUser stores a new user durably, with version 1; an ID or username already present in the
	// environment is ErrExists. Usernames are compared byte for byte: callers fold them first. Claims are
	// kept as JSON, and come back as encoding/json reads it. Declared and Password are not stored.
	PutUser(ctx context.Context, u User) error
	// StoredUserByID and StoredUserByName find a user, disabled or not, or ErrNotFound.
	StoredUserByID(ctx context.Context, environment, id string) (User, error)
	StoredUserByName(ctx context.Context, environment, username string) (User, error)
	// ReplaceUser stores every field, as PutUser, if the stored version is still u.Version,
	// which becomes u.Version+1; otherwise, or where the user is gone, ErrConflict. ErrExists: the new
	// username is taken. Of any number of concurrent calls with one version exactly one succeeds.
	ReplaceUser(ctx context.Context, u User) error
	// DeleteUser deletes a user, its credential and its consents, and the objects that have it as Parent, or
	// ErrNotFound. What belongs to a declared user stays.
	DeleteUser(ctx context.Context, environment, id string) error
}

// Credential is a person's password and what happened with it. A declared user
// may have one too: after a password was changed, and to count failures.
type Credential struct {
	Environment string
	Subject     string
	// Password is an argon2id PHC string; "" means none is stored.
	Password string
	// Overrides recognises the declared password that Password has replaced; when
	// configuration declares another one, that one counts again. Zero for stored users.
	Overrides Hash
	// MustChange: the password is good, and a new one has to be chosen before anything else.
	MustChange bool
	ChangedAt  time.Time
	// Failures in a row, LastFailure, and until when the account is locked.
	Failures    int
	LastFailure time.Time
	LockedUntil time.Time
	// Locked by an administrator: until they unlock it. LockedAt is when either lock began.
	Locked   bool
	LockedAt time.Time
	// Code is the hash of a pending recovery or verification code; "" purpose: none.
	CodePurpose string
	Code        Hash
	CodeExpires time.Time // zero: never
	CodeTries   int       // wrong ones so far
	Version     int64     // 0 for one that is not stored yet; each put adds 1
}

// Credentials keeps them, apart from profiles, which are read far more often.
type Credentials interface {
	// CredentialOf finds one, or ErrNotFound.
	CredentialOf(ctx context.Context, environment, subject string) (Credential, error)
	// CredentialsOf finds those of several people, by subject. Who has none is not among them.
	CredentialsOf(ctx context.Context, environment string, subjects []string) (map[string]Credential, error)
	// PutCredential stores c durably: a new one where c.Version is 0, otherwise in place of that version,
	// which becomes c.Version+1. ErrConflict: it changed since it was read, or there is one already. Of
	// any number of concurrent calls with one version exactly one succeeds.
	PutCredential(ctx context.Context, c Credential) error
}
