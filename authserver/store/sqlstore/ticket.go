package sqlstore

import (
	"context"
	"fmt"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// maxTicketData is the largest Ticket.Data.
const maxTicketData = 1 << 20

const (
	insertTicket = `INSERT INTO tickets (environment, kind, hash, client_id, grant_id, data, expires_at, kept_until, spent)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0)
ON CONFLICT DO NOTHING`

	ticketByHash = `SELECT client_id, grant_id, data, expires_at, kept_until, spent FROM tickets
WHERE environment = $1 AND kind = $2 AND hash = $3`

	takeTicket = `UPDATE tickets SET spent = 1
WHERE environment = $1 AND kind = $2 AND hash = $3 AND spent = 0 AND expires_at > $4
RETURNING client_id, grant_id, data, expires_at, kept_until, spent`
)

// PutTicket implements store.Tickets.
func (db *DB) PutTicket(ctx context.Context, t store.Ticket) error {
	if !identity(t.Environment, string(t.Kind), t.Client, t.Grant) {
		return errText("ticket")
	}
	if len(t.Data) > maxTicketData {
		return fmt.Errorf("store: a ticket has %d bytes, more than %d", len(t.Data), maxTicketData)
	}
	kept := max(micros(t.KeptUntil), micros(t.ExpiresAt))
	s := &Statement{Text: insertTicket, Args: []any{
		t.Environment, string(t.Kind), t.Hash[:], t.Client, t.Grant, blob(t.Data), micros(t.ExpiresAt), kept,
	}}
	if err := db.commit(ctx, &write{statements: []*Statement{s}}); err != nil {
		return fmt.Errorf("store ticket: %w", err)
	}
	if s.Affected == 0 {
		return store.ErrExists
	}
	return nil
}

// TicketByHash implements store.Tickets.
func (db *DB) TicketByHash(ctx context.Context, environment string, kind store.TicketKind, hash store.Hash, now time.Time) (store.Ticket, error) {
	if !identity(environment, string(kind)) {
		return store.Ticket{}, store.ErrNotFound
	}
	t := store.Ticket{Environment: environment, Kind: kind, Hash: hash}
	var found, spent bool
	err := db.query(ctx, ticketByHash, []any{environment, string(kind), hash[:]}, func(r Row) (err error) {
		found = true
		spent, err = scanTicket(r, &t)
		return err
	})
	switch {
	case err != nil:
		return store.Ticket{}, fmt.Errorf("read ticket: %w", err)
	case found && spent && micros(now) < micros(t.KeptUntil):
		return t, store.ErrSpent
	case found && !spent && micros(now) < micros(t.ExpiresAt):
		return t, nil
	}
	return store.Ticket{}, store.ErrNotFound
}

// TakeTicket implements store.Tickets.
func (db *DB) TakeTicket(ctx context.Context, environment string, kind store.TicketKind, hash store.Hash, now time.Time) (store.Ticket, error) {
	if !identity(environment, string(kind)) {
		return store.Ticket{}, store.ErrNotFound
	}
	t := store.Ticket{Environment: environment, Kind: kind, Hash: hash}
	s := &Statement{
		Text: takeTicket,
		Args: []any{environment, string(kind), hash[:], micros(now)},
		Row:  func(r Row) error { _, err := scanTicket(r, &t); return err },
	}
	order := "tickets " + environment + " " + string(hash[:])
	if err := db.commit(ctx, &write{statements: []*Statement{s}, order: order}); err != nil {
		return store.Ticket{}, fmt.Errorf("take ticket: %w", err)
	}
	if s.Affected == 1 {
		return t, nil
	}
	// It was not there to be taken. What is found there now, unspent, was put
	// since: this call came too early for it.
	t, err := db.TicketByHash(ctx, environment, kind, hash, now)
	if err == nil {
		return store.Ticket{}, store.ErrNotFound
	}
	return t, err
}

func scanTicket(r Row, t *store.Ticket) (spent bool, err error) {
	var expires, kept, flag int64
	err = r.Scan(&t.Client, &t.Grant, &t.Data, &expires, &kept, &flag)
	t.Data, t.ExpiresAt, t.KeptUntil = unblob(t.Data), moment(expires), moment(kept)
	return flag != 0, err
}
