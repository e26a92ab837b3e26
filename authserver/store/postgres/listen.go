package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/sqlstore"
)

const (
	// channel carries revocations between nodes.
	channel = "gatehouse_revocations"

	// A connection that was silent for pingEvery is asked for a sign of life,
	// which it has pingTimeout to give: one that died unnoticed is noticed
	// within their sum.
	pingEvery, pingTimeout = 5 * time.Second, 3 * time.Second

	// notifyRevocation announces what is now stored, in the transaction that
	// stores it. A payload is at most 7,999 bytes; instead of a longer one an empty
	// one tells the nodes to read everything again.
	notifyRevocation = `SELECT pg_notify('` + channel + `', CASE WHEN octet_length(payload) < 7900 THEN payload ELSE '' END)
FROM (SELECT json_build_object('env', environment, 'kind', kind, 'value', value, 'at', at, 'exp', expires_at)::text AS payload
	FROM revocations WHERE environment = $1 AND kind = $2 AND value = $3) AS r`
)

// notification is the payload of one message.
type notification struct {
	Environment string `json:"env"`
	Kind        string `json:"kind"`
	Value       string `json:"value"`
	At          int64  `json:"at"`
	ExpiresAt   int64  `json:"exp"`
}

// Listen implements sqlstore.Feed. It has a connection of its own, so that the
// pool's size and its waiting callers do not matter to it.
func (b *backend) Listen(ctx context.Context, subscribed func() error, received func(sqlstore.Notice) error) error {
	conn, err := pgx.ConnectConfig(ctx, b.pool.Config().ConnConfig)
	if err != nil {
		return failure(err)
	}
	defer func() {
		// ctx may have ended, and the server may be gone: say good-bye, but
		// briefly.
		bye, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = conn.Close(bye)
	}()
	if _, err := conn.Exec(ctx, "LISTEN "+channel); err != nil {
		return failure(err)
	}
	if err := subscribed(); err != nil {
		return err
	}
	for {
		n, err := next(ctx, conn)
		if err != nil {
			return failure(err)
		}
		if n == nil {
			continue
		}
		if err := received(notice(n.Payload)); err != nil {
			return err
		}
	}
}

// next waits for a notification. After a silence it asks for a sign of life and
// returns nil if it gets one.
func next(ctx context.Context, conn *pgx.Conn) (*pgconn.Notification, error) {
	silence, cancel := context.WithTimeout(ctx, pingEvery)
	n, err := conn.WaitForNotification(silence)
	cancel()
	switch {
	case err == nil:
		return n, nil
	case ctx.Err() != nil || conn.IsClosed() || !errors.Is(err, context.DeadlineExceeded):
		return nil, err
	}
	life, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	if err := conn.Ping(life); err != nil {
		return nil, fmt.Errorf("no sign of life: %w", err)
	}
	return nil, nil
}

// notice reads a payload. One that cannot be read was sent by another version of
// this program, or by a stranger: reading everything again is always right.
func notice(payload string) sqlstore.Notice {
	var n notification
	if payload == "" || json.Unmarshal([]byte(payload), &n) != nil {
		return sqlstore.Notice{Reload: true}
	}
	return sqlstore.Notice{Revocation: store.Revocation{
		Environment: n.Environment,
		Kind:        store.RevocationKind(n.Kind),
		Value:       n.Value,
		At:          time.Unix(n.At, 0).UTC(),
		ExpiresAt:   time.Unix(n.ExpiresAt, 0).UTC(),
	}}
}
