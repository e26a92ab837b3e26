package store

import (
	"context"
	"time"
)

// Session is a person signed on in one browser or device.
type Session struct {
	Environment string
	ID          string // sid, a UUID
	Subject     string
	// Token is the hash of the cookie that stands for it now.
	Token Hash
	// Data is package session's: auth_time, methods, participating clients, where from.
	Data      []byte
	CreatedAt time.Time
	ActiveAt  time.Time // last use
	// ExpiresAt is when it ends if it is not used before; never behind its absolute end, which is package
	// session's business.
	ExpiresAt time.Time
	Version   int64 // 1 when put, whatever was given; each replacement adds 1
}

// Sessions keeps the sessions of people.
type Sessions interface {
	// PutSession stores a new session durably; an ID or Token already present in
	// the environment is ErrExists.
	PutSession(ctx context.Context, s Session) error
	// SessionByToken finds the session that a cookie stands for, or ErrNotFound
	// where there is none or it has expired at now. A cookie that was replaced
	// stands for nothing.
	SessionByToken(ctx context.Context, environment string, token Hash, now time.Time) (Session, error)
	// SessionByID finds a session by its sid, or ErrNotFound where there is none
	// or it has expired at now.
	SessionByID(ctx context.Context, environment, id string, now time.Time) (Session, error)
	// ReplaceSession stores every field of s if the stored version is still
	// s.Version, which becomes s.Version+1; otherwise ErrConflict. One that has
	// ended is ErrNotFound: a session never comes back. Of any number of
	// concurrent calls with one version exactly one succeeds. A Token that is
	// another session's is ErrExists. Whether it has expired is not looked at.
	ReplaceSession(ctx context.Context, s Session) error
	// EndSession deletes a session, expired or not, and returns it, or
	// ErrNotFound: of any number of concurrent calls exactly one gets it.
	EndSession(ctx context.Context, environment, id string) (Session, error)
	// ListSessions lists those of one person that have not expired at now, newest
	// first, at most limit.
	ListSessions(ctx context.Context, environment, subject string, limit int, now time.Time) ([]Session, error)
}
