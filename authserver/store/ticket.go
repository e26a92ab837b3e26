package store

import (
	"context"
	"time"
)

// TicketKind is what a Ticket is good for. Others than these are possible.
type TicketKind string

const (
	TicketCode TicketKind = "code" // an authorization code (RFC 6749 §4.1.2)
	TicketPAR  TicketKind = "par"  // a pushed authorization request (RFC 9126 §2.2)
)

// Ticket is something that can be redeemed once: a hash that recognises it, and
// what it stands for. Environment, Kind and Hash together identify it.
type Ticket struct {
	Environment string
	Kind        TicketKind
	Hash        Hash
	Client      string // whose it is
	Grant       string // the authorization that redeeming it begins; "" for none
	Data        []byte // at most 1 MiB, opaque to the store
	ExpiresAt   time.Time
	// KeptUntil is how long a spent ticket is remembered, so that a second use is
	// seen. One before ExpiresAt counts as ExpiresAt.
	KeptUntil time.Time
}

// Tickets keeps what is handed out in the front channel and redeemed in the back
// one. Only hashes arrive here: a raw code never reaches a backend. Whether the
// caller is the ticket's client is not checked.
type Tickets interface {
	// PutTicket stores t durably. A hash already present in the environment and
	// kind, spent or not, is ErrExists.
	PutTicket(ctx context.Context, t Ticket) error

	// TicketByHash reads a ticket without spending it. One that was spent comes
	// back together with ErrSpent until its KeptUntil; one that is unknown, or
	// expired at now without having been spent, is ErrNotFound.
	TicketByHash(ctx context.Context, environment string, kind TicketKind, hash Hash, now time.Time) (Ticket, error)

	// TakeTicket spends the ticket: of any number of concurrent calls, on any
	// node, exactly one succeeds; the others get the ticket and ErrSpent, so that
	// they can revoke what it bought (RFC 6749 §4.1.2). Unknown or expired is as
	// in TicketByHash.
	TakeTicket(ctx context.Context, environment string, kind TicketKind, hash Hash, now time.Time) (Ticket, error)
}
