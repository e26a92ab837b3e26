package store

import (
	"context"
	"time"
)

// Flow is a sign-on that has begun and not ended: an authorization request and
// how far the person has come. Data is package flow's.
type Flow struct {
	Environment string
	ID          string // UUID
	Version     int64  // 1 when put, whatever was given; each replacement adds 1
	Data        []byte // at most 64 KiB, opaque to the store
	ExpiresAt   time.Time
}

// Flows keeps pending interactions. Losing one costs a person a fresh start, so
// a backend may return from PutFlow, ReplaceFlow and DeleteFlow before the write
// is on disk; other nodes see it at once all the same.
type Flows interface {
	// PutFlow stores a new flow; an ID already present is ErrExists.
	PutFlow(ctx context.Context, f Flow) error
	// FlowByID finds a flow that has not expired at now, or ErrNotFound.
	FlowByID(ctx context.Context, environment, id string, now time.Time) (Flow, error)
	// ReplaceFlow stores f.Data and f.ExpiresAt if the stored version is still
	// f.Version, which becomes f.Version+1; otherwise ErrConflict and nothing
	// changes. Gone, or expired at now, is ErrNotFound. Of any number of
	// concurrent calls with one version exactly one succeeds.
	ReplaceFlow(ctx context.Context, f Flow, now time.Time) error
	// DeleteFlow forgets a flow; to delete what is not there is no error.
	DeleteFlow(ctx context.Context, environment, id string) error
}
