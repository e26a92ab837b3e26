package sqlstore

import (
	"context"
	"fmt"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

const (
	eventColumns = `environment, id, at, action, client_id, client_name, actor, actor_name, actor_environment,
	kind, object, name, parent, before, after, correlation, expires_at`

	insertEvent = `INSERT INTO events (` + eventColumns + `)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
ON CONFLICT DO NOTHING`

	eventByID = `SELECT ` + eventColumns + ` FROM events WHERE environment = $1 AND id = $2 AND expires_at > $3`

	listEvents = `SELECT ` + eventColumns + ` FROM events WHERE environment = $1 AND id < $2 AND expires_at > $3` + eventFilter

	listEventsOfObject = `SELECT ` + eventColumns + ` FROM events WHERE object = $10 AND environment = $1 AND id < $2 AND expires_at > $3` + eventFilter

	eventFilter = `
	AND ($5 = '' OR action = $5) AND ($6 = '' OR client_id = $6) AND ($7 = '' OR actor = $7)
	AND at >= $8 AND at < $9
ORDER BY id DESC LIMIT $4`
)

// lastID is behind every ID.
const lastID = "\U0010FFFF"

// putEvent changes no row where there is one with the ID.
func putEvent(e store.Event) (*Statement, error) {
	if !identity(e.Environment, e.ID, e.Action, e.Client, e.User, e.ActorEnvironment, string(e.Kind), e.Object, e.Parent) || e.ID == "" ||
		!text(e.ClientName, e.UserName, e.Name, e.Correlation) {
		return nil, errText("event")
	}
	return &Statement{Text: insertEvent, Args: []any{
		e.Environment, e.ID, micros(e.At), e.Action, e.Client, e.ClientName, e.User, e.UserName, e.ActorEnvironment,
		string(e.Kind), e.Object, e.Name, e.Parent, blob(e.Before), blob(e.After), e.Correlation, micros(e.ExpiresAt),
	}}, nil
}

// EventByID implements store.Events.
func (db *DB) EventByID(ctx context.Context, environment, id string, now time.Time) (store.Event, error) {
	if !identity(environment, id) {
		return store.Event{}, store.ErrNotFound
	}
	list, err := db.events(ctx, eventByID, environment, id, micros(now))
	if err != nil {
		return store.Event{}, fmt.Errorf("read event: %w", err)
	}
	if len(list) == 0 {
		return store.Event{}, store.ErrNotFound
	}
	return list[0], nil
}

// ListEvents implements store.Events.
func (db *DB) ListEvents(ctx context.Context, f store.EventFilter, after string, limit int, now time.Time) ([]store.Event, error) {
	if limit <= 0 || !identity(f.Environment, f.Object, f.Action, f.Client, f.User, after) {
		return nil, nil
	}
	if after == "" {
		after = lastID
	}
	until := int64(never)
	if !f.Until.IsZero() {
		until = micros(f.Until)
	}
	query, args := listEvents, []any{f.Environment, after, micros(now), int64(limit), f.Action, f.Client, f.User, micros(f.Since), until}
	if f.Object != "" {
		query, args = listEventsOfObject, append(args, f.Object)
	}
	list, err := db.events(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("list events: %w", err)
	}
	return list, nil
}

// events reads the events that a statement finds.
func (db *DB) events(ctx context.Context, query string, args ...any) (list []store.Event, err error) {
	err = db.query(ctx, query, args, func(r Row) error {
		var e store.Event
		var kind string
		var at, expires int64
		err := r.Scan(&e.Environment, &e.ID, &at, &e.Action, &e.Client, &e.ClientName, &e.User, &e.UserName, &e.ActorEnvironment,
			&kind, &e.Object, &e.Name, &e.Parent, &e.Before, &e.After, &e.Correlation, &expires)
		e.At, e.Kind, e.ExpiresAt = moment(at), store.ObjectKind(kind), moment(expires)
		e.Before, e.After = unblob(e.Before), unblob(e.After)
		list = append(list, e)
		return err
	})
	return list, err
}
