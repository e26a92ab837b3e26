package sqlstore

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

const (
	// RETURNING gives what is now in force, which may be more than was asked for.
	putRevocation = `INSERT INTO revocations (environment, kind, value, at, expires_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (environment, kind, value) DO UPDATE SET
	at = CASE WHEN excluded.at > revocations.at THEN excluded.at ELSE revocations.at END,
	expires_at = CASE WHEN excluded.expires_at > revocations.expires_at THEN excluded.expires_at ELSE revocations.expires_at END
RETURNING at, expires_at`

	neededRevocations = `SELECT environment, kind, value, at, expires_at FROM revocations WHERE expires_at > $1`
)

// PutRevocation implements store.Revocations.
func (db *DB) PutRevocation(ctx context.Context, r store.Revocation) error {
	statements, merged, err := db.putRevocation(r)
	if err != nil {
		return err
	}
	// The watchers hear of it even if the caller has gone meanwhile.
	delivered := newReceipt()
	committed := func() { db.hub.publish(merged(), delivered) }
	order := strings.Join([]string{"revocations", r.Environment, string(r.Kind), r.Value}, " ")
	if err := db.commit(ctx, &write{statements: statements, committed: committed, order: order}); err != nil {
		return fmt.Errorf("store revocation: %w", err)
	}
	return delivered.wait(ctx)
}

// putRevocation is what stores r and tells the other nodes; merged is, once that
// is committed, what is now in force and is to be told to the watchers.
func (db *DB) putRevocation(r store.Revocation) (statements []*Statement, merged func() store.Revocation, err error) {
	if !identity(r.Environment, string(r.Kind), r.Value) {
		return nil, nil, errText("revocation")
	}
	key := []any{r.Environment, string(r.Kind), r.Value}
	var at, expires int64
	statements = []*Statement{{
		Text: putRevocation,
		Args: append(key[:3:3], r.At.Unix(), r.ExpiresAt.Unix()),
		Row:  func(row Row) error { return row.Scan(&at, &expires) },
	}}
	if notify := db.config.Dialect.NotifyRevocation; notify != "" {
		statements = append(statements, &Statement{Text: notify, Args: key})
	}
	return statements, func() store.Revocation {
		r.At, r.ExpiresAt = seconds(at), seconds(expires)
		return r
	}, nil
}

// revocations calls each with every revocation that is needed at now.
func (db *DB) revocations(ctx context.Context, now time.Time, each func(store.Revocation) error) error {
	return db.query(ctx, neededRevocations, []any{now.Unix()}, func(row Row) error {
		var r store.Revocation
		var kind string
		var at, expires int64
		if err := row.Scan(&r.Environment, &kind, &r.Value, &at, &expires); err != nil {
			return err
		}
		r.Kind, r.At, r.ExpiresAt = store.RevocationKind(kind), seconds(at), seconds(expires)
		return each(r)
	})
}
