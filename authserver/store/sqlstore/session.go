package sqlstore

import (
	"context"
	"fmt"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

const (
	sessionColumns = `id, subject, token, data, created_at, active_at, expires_at, version`

	insertSession = `INSERT INTO sessions (environment, ` + sessionColumns + `) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1)
ON CONFLICT DO NOTHING`

	sessionByToken = `SELECT ` + sessionColumns + ` FROM sessions WHERE environment = $1 AND token = $2`
	sessionByID    = `SELECT ` + sessionColumns + ` FROM sessions WHERE environment = $1 AND id = $2`

	replaceSession = `UPDATE sessions SET subject = $4, token = $5, data = $6, created_at = $7, active_at = $8, expires_at = $9,
	version = version + 1
WHERE environment = $1 AND id = $2 AND version = $3`

	endSession = `DELETE FROM sessions WHERE environment = $1 AND id = $2 RETURNING ` + sessionColumns

	listSessions = `SELECT ` + sessionColumns + ` FROM sessions WHERE environment = $1 AND subject = $2 AND expires_at > $3
ORDER BY created_at DESC, id DESC LIMIT $4`
)

// PutSession implements store.Sessions.
func (db *DB) PutSession(ctx context.Context, s store.Session) error {
	if !identity(s.Environment, s.ID, s.Subject) {
		return errText("session")
	}
	insert := &Statement{Text: insertSession, Args: []any{
		s.Environment, s.ID, s.Subject, s.Token[:], blob(s.Data), micros(s.CreatedAt), micros(s.ActiveAt), micros(s.ExpiresAt),
	}}
	if err := db.commit(ctx, &write{statements: []*Statement{insert}}); err != nil {
		return fmt.Errorf("store session: %w", err)
	}
	if insert.Affected == 0 {
		return store.ErrExists
	}
	return nil
}

// SessionByToken implements store.Sessions.
func (db *DB) SessionByToken(ctx context.Context, environment string, token store.Hash, now time.Time) (store.Session, error) {
	if !identity(environment) {
		return store.Session{}, store.ErrNotFound
	}
	return db.session1(ctx, environment, now, sessionByToken, environment, token[:])
}

// SessionByID implements store.Sessions.
func (db *DB) SessionByID(ctx context.Context, environment, id string, now time.Time) (store.Session, error) {
	if !identity(environment, id) {
		return store.Session{}, store.ErrNotFound
	}
	return db.session1(ctx, environment, now, sessionByID, environment, id)
}

// session1 reads the session that a statement finds, if it has not expired.
func (db *DB) session1(ctx context.Context, environment string, now time.Time, query string, args ...any) (store.Session, error) {
	s, err := db.sessions(ctx, environment, query, args...)
	if err != nil {
		return store.Session{}, fmt.Errorf("read session: %w", err)
	}
	if len(s) == 0 || micros(s[0].ExpiresAt) <= micros(now) {
		return store.Session{}, store.ErrNotFound
	}
	return s[0], nil
}

// ReplaceSession implements store.Sessions.
func (db *DB) ReplaceSession(ctx context.Context, s store.Session) error {
	if !identity(s.Environment, s.ID, s.Subject) {
		return errText("session")
	}
	update := &Statement{Text: replaceSession, Args: []any{
		s.Environment, s.ID, s.Version, s.Subject, s.Token[:], blob(s.Data), micros(s.CreatedAt), micros(s.ActiveAt), micros(s.ExpiresAt),
	}}
	if err := db.commit(ctx, &write{statements: []*Statement{update}, order: "sessions " + s.Environment + " " + s.ID}); err != nil {
		return fmt.Errorf("replace session: %w", err)
	}
	if update.Affected == 1 {
		return nil
	}
	found, err := db.sessions(ctx, s.Environment, sessionByID, s.Environment, s.ID)
	switch {
	case err != nil:
		return fmt.Errorf("replace session: %w", err)
	case len(found) == 0:
		return store.ErrNotFound
	}
	return store.ErrConflict
}

// EndSession implements store.Sessions.
func (db *DB) EndSession(ctx context.Context, environment, id string) (store.Session, error) {
	if !identity(environment, id) {
		return store.Session{}, store.ErrNotFound
	}
	s := store.Session{Environment: environment}
	end := &Statement{Text: endSession, Args: []any{environment, id}, Row: func(r Row) error { return scanSession(r, &s) }}
	if err := db.commit(ctx, &write{statements: []*Statement{end}, order: "sessions " + environment + " " + id}); err != nil {
		return store.Session{}, fmt.Errorf("end session: %w", err)
	}
	if end.Affected == 0 {
		return store.Session{}, store.ErrNotFound
	}
	return s, nil
}

// ListSessions implements store.Sessions.
func (db *DB) ListSessions(ctx context.Context, environment, subject string, limit int, now time.Time) ([]store.Session, error) {
	if limit <= 0 || !identity(environment, subject) {
		return nil, nil
	}
	s, err := db.sessions(ctx, environment, listSessions, environment, subject, micros(now), int64(limit))
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	return s, nil
}

func (db *DB) sessions(ctx context.Context, environment, query string, args ...any) (sessions []store.Session, err error) {
	err = db.query(ctx, query, args, func(r Row) error {
		s := store.Session{Environment: environment}
		err := scanSession(r, &s)
		sessions = append(sessions, s)
		return err
	})
	return sessions, err
}

func scanSession(r Row, s *store.Session) error {
	var token []byte
	var created, active, expires int64
	if err := r.Scan(&s.ID, &s.Subject, &token, &s.Data, &created, &active, &expires, &s.Version); err != nil {
		return err
	}
	s.Data, s.CreatedAt, s.ActiveAt, s.ExpiresAt = unblob(s.Data), moment(created), moment(active), moment(expires)
	return readHash(token, &s.Token)
}
