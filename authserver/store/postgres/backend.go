package postgres

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/sqlstore"
)

// commitTimeout bounds a commit: a server that hangs must not hang the queue.
const commitTimeout = 10 * time.Second

//go:embed migrations/*.sql
var files embed.FS

// migrations are the numbered files below migrations/.
func migrations() sqlstore.Migrations {
	sub, err := fs.Sub(files, "migrations")
	if err != nil {
		panic(err) // the name is a constant
	}
	return sqlstore.Migrations{Files: sub}
}

// backend is a pool of connections to a migrated database.
type backend struct {
	pool *pgxpool.Pool
	log  *slog.Logger
}

var (
	_ sqlstore.Backend     = (*backend)(nil)
	_ sqlstore.Feed        = (*backend)(nil)
	_ sqlstore.Partitioned = (*backend)(nil)
)

// open connects, migrates, and makes the partitions of the days to come.
func open(ctx context.Context, config *pgxpool.Config, log *slog.Logger) (_ *backend, err error) {
	pool, err := pgxpool.NewWithConfig(ctx, config.Copy())
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	b := &backend{pool: pool, log: log}
	defer func() {
		if err != nil {
			_ = b.Close()
		}
	}()
	db := stdlib.OpenDBFromPool(pool)
	defer db.Close() // not the pool
	if err := migrations().Apply(ctx, db, 0); err != nil {
		return nil, fmt.Errorf("postgres: %w", failure(err))
	}
	// By the server's clock, on which all nodes agree: the store has none.
	var now int64
	if err := pool.QueryRow(ctx, "SELECT extract(epoch FROM now())::bigint").Scan(&now); err != nil {
		return nil, fmt.Errorf("postgres: %w", failure(err))
	}
	if err := b.makePartitions(ctx, time.Unix(now, 0)); err != nil {
		// Tokens go to the default partition meanwhile; the sweeper tries again.
		log.Warn("could not make the partitions of access tokens", "error", err)
	}
	return b, nil
}

// commitAttempts bounds how often a transaction that the server undid for
// reasons of its own is repeated.
const commitAttempts = 5

// Commit implements sqlstore.Backend.
func (b *backend) Commit(ctx context.Context, statements []*sqlstore.Statement) (err error) {
	ctx, cancel := context.WithTimeout(ctx, commitTimeout)
	defer cancel()
	for range commitAttempts {
		if err = b.send(ctx, statements); !repeatable(err) {
			break
		}
	}
	return failure(err)
}

// send commits the statements in one round trip: what is sent up to one Sync
// message is one transaction, and it is committed when the server says that it
// is ready.
func (b *backend) send(ctx context.Context, statements []*sqlstore.Statement) error {
	batch := &pgx.Batch{}
	done := 0 // statements that the server has run without an error
	for _, s := range statements {
		text := s.Text
		if s.Require != nil {
			text = required(text)
		}
		q := batch.Queue(text, s.Args...)
		if s.Row != nil {
			q.Query(func(rows pgx.Rows) error {
				s.Affected = 0
				err := each(rows, func(r sqlstore.Row) error { s.Affected++; return s.Row(r) })
				if err == nil {
					done++
				}
				return err
			})
		} else {
			q.Exec(func(tag pgconn.CommandTag) error {
				s.Affected = tag.RowsAffected()
				done++
				return nil
			})
		}
	}
	// Close reads up to the server's readiness.
	err := b.pool.SendBatch(ctx, batch).Close()
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && e.Code == divisionByZero && done < len(statements) {
		if s := statements[done]; s.Require != nil {
			return &sqlstore.Refusal{Statement: s, Err: s.Require}
		}
	}
	return err
}

// divisionByZero is the SQLSTATE by which required makes the server undo a
// transaction. No statement divides otherwise.
const divisionByZero = "22012"

// required is a statement that is an error if it changes no row: by that the
// server undoes the transaction without another round trip.
func required(text string) string {
	return "WITH changed AS (" + text + " RETURNING 1) SELECT 1 / count(*) FROM changed"
}

// repeatable reports whether the server undid the transaction for no fault of
// its statements: a deadlock or another transaction's timing, or a token on
// its way to the default partition when a partition for its day was attached.
func repeatable(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return false
	}
	switch e.Code {
	case "40P01", "40001":
		return true
	case checkViolation:
		return e.TableName == defaultPartition
	}
	return false
}

// Query implements sqlstore.Backend.
func (b *backend) Query(ctx context.Context, text string, args []any, row func(sqlstore.Row) error) error {
	rows, err := b.pool.Query(ctx, text, args...)
	if err == nil {
		err = each(rows, row)
	}
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return failure(err)
}

// each calls row for every row and closes rows.
func each(rows pgx.Rows, row func(sqlstore.Row) error) error {
	defer rows.Close()
	for rows.Next() {
		if err := row(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Ping implements sqlstore.Backend.
func (b *backend) Ping(ctx context.Context) error {
	err := b.pool.Ping(ctx)
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return failure(err)
}

// Close implements sqlstore.Backend.
func (b *backend) Close() error {
	b.pool.Close()
	return nil
}

// failure marks what is wrong with the connection or the server, rather than
// with a statement, as store.ErrUnavailable, and what a unique index has refused
// as store.ErrExists.
func failure(err error) error {
	if err == nil || errors.Is(err, store.ErrUnavailable) {
		return err
	}
	if _, ok := errors.AsType[*sqlstore.Refusal](err); ok {
		return err
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		if e.Code == uniqueViolation {
			return fmt.Errorf("%w: %w", store.ErrExists, err)
		}
		if !outage(e.Code) {
			return err
		}
	}
	return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
}

// outage reports whether an SQLSTATE says that the server cannot serve now. A
// deadlock or serialization failure is none: the transaction was undone and may
// be repeated.
func outage(code string) bool {
	if len(code) != 5 {
		return true
	}
	switch code[:2] {
	case "08", // connection
		"25", // read-only: a standby, after a fail-over
		"28", // refused to log in
		"3D", // no such database
		"53", // out of resources
		"57", // shutting down, or cancelled
		"58": // system error
		return true
	}
	return code == lockNotAvailable
}
