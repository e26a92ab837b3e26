package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	sqlite3 "modernc.org/sqlite"
	sqlite3lib "modernc.org/sqlite/lib"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/sqlstore"
)

//go:embed migrations/*.sql
var files embed.FS

// migrations are the numbered files below migrations/.
func migrations() sqlstore.Migrations {
	sub, err := fs.Sub(files, "migrations")
	if err != nil {
		panic(err) // the name is a constant
	}
	return sqlstore.Migrations{Files: sub, SQLite: true}
}

// backend is one open file: a connection that writes, used by one goroutine, and
// a pool that reads.
type backend struct {
	pool     *sql.DB // of the one connection that writes
	writer   *sql.Conn
	prepared map[string]*sql.Stmt // on writer, by text
	readers  readers
	unlock   func()
}

var _ sqlstore.Backend = (*backend)(nil)

// openBackend opens and migrates the file at an absolute path.
func openBackend(ctx context.Context, path string) (_ *backend, err error) {
	b := &backend{prepared: make(map[string]*sql.Stmt), readers: readers{prepared: make(map[string]*sql.Stmt)}}
	defer func() {
		if err != nil {
			_ = b.Close()
		}
	}()
	// A checkpoint moves pages from the log to the file and syncs both. Every
	// 16 MiB instead of 4: pages that many tokens share are then moved once.
	if b.pool, err = sql.Open("sqlite", dsn(path, "synchronous(full)", "wal_autocheckpoint(4000)", "journal_size_limit(67108864)", "cache_size(-16384)")); err != nil {
		return nil, err
	}
	b.pool.SetMaxOpenConns(1)
	if err := migrations().Apply(ctx, b.pool, 0); err != nil {
		return nil, failure(err)
	}
	if b.writer, err = b.pool.Conn(ctx); err != nil {
		return nil, failure(err)
	}
	if b.readers.DB, err = sql.Open("sqlite", dsn(path, "query_only(1)")); err != nil {
		return nil, err
	}
	n := max(4, 2*runtime.GOMAXPROCS(0))
	b.readers.SetMaxOpenConns(n)
	b.readers.SetMaxIdleConns(n)
	return b, nil
}

// dsn is path as a URI with settings that every connection gets.
func dsn(path string, pragmas ...string) string {
	pragmas = append([]string{"busy_timeout(5000)", "journal_mode(wal)", "temp_store(memory)"}, pragmas...)
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // a drive letter
	}
	u := url.URL{Scheme: "file", Path: path, RawQuery: url.Values{"_pragma": pragmas}.Encode()}
	return u.String()
}

// Commit implements sqlstore.Backend. It has one caller at a time.
func (b *backend) Commit(ctx context.Context, batch []*sqlstore.Statement) error {
	if err := b.execute(ctx, &begin); err != nil {
		return failure(err)
	}
	for _, s := range batch {
		if err := b.run(ctx, s); err != nil {
			return b.rollback(ctx, err)
		}
	}
	// A failed COMMIT can leave the transaction open, with which no other could
	// begin.
	if err := b.execute(ctx, &commit); err != nil {
		return b.rollback(ctx, err)
	}
	return nil
}

var (
	begin    = sqlstore.Statement{Text: "BEGIN IMMEDIATE"}
	commit   = sqlstore.Statement{Text: "COMMIT"}
	rollback = sqlstore.Statement{Text: "ROLLBACK"}
)

// rollback ends the transaction because of cause. SQLite has already done so
// itself after some errors, so that its own error says nothing.
func (b *backend) rollback(ctx context.Context, cause error) error {
	_ = b.execute(ctx, &rollback)
	return failure(cause)
}

// execute runs a statement that has neither arguments nor result.
func (b *backend) execute(ctx context.Context, s *sqlstore.Statement) error {
	stmt, err := b.prepare(ctx, s.Text)
	if err == nil {
		_, err = stmt.ExecContext(ctx)
	}
	return err
}

// run executes a statement within the writing connection's transaction.
func (b *backend) run(ctx context.Context, s *sqlstore.Statement) error {
	stmt, err := b.prepare(ctx, s.Text)
	if err != nil {
		return err
	}
	if s.Row != nil {
		s.Affected = 0
		rows, err := stmt.QueryContext(ctx, s.Args...)
		return each(rows, err, func(r sqlstore.Row) error { s.Affected++; return s.Row(r) })
	}
	result, err := stmt.ExecContext(ctx, s.Args...)
	if err != nil {
		return err
	}
	if s.Affected, err = result.RowsAffected(); err == nil && s.Affected == 0 && s.Require != nil {
		return &sqlstore.Refusal{Statement: s, Err: s.Require}
	}
	return err
}

// prepare returns the statement with this text on the writing connection.
func (b *backend) prepare(ctx context.Context, text string) (*sql.Stmt, error) {
	if stmt := b.prepared[text]; stmt != nil {
		return stmt, nil
	}
	stmt, err := b.writer.PrepareContext(ctx, text)
	if err == nil {
		b.prepared[text] = stmt
	}
	return stmt, err
}

// Query implements sqlstore.Backend.
func (b *backend) Query(ctx context.Context, text string, args []any, row func(sqlstore.Row) error) error {
	stmt, err := b.readers.prepare(ctx, text)
	if err == nil {
		var rows *sql.Rows
		rows, err = stmt.QueryContext(ctx, args...)
		err = each(rows, err, row)
	}
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return failure(err)
}

// readers is the pool that reads, and its statements by text.
type readers struct {
	*sql.DB
	mu       sync.RWMutex
	prepared map[string]*sql.Stmt
}

// prepare returns the statement with this text, which every connection of the
// pool prepares for itself when it first meets it.
func (r *readers) prepare(ctx context.Context, text string) (*sql.Stmt, error) {
	r.mu.RLock()
	stmt := r.prepared[text]
	r.mu.RUnlock()
	if stmt != nil {
		return stmt, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if stmt := r.prepared[text]; stmt != nil {
		return stmt, nil
	}
	stmt, err := r.PrepareContext(ctx, text)
	if err == nil {
		r.prepared[text] = stmt
	}
	return stmt, err
}

// each calls row for every row and closes rows.
func each(rows *sql.Rows, err error, row func(sqlstore.Row) error) error {
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Ping implements sqlstore.Backend: it reads the file.
func (b *backend) Ping(ctx context.Context) error {
	return b.Query(ctx, "SELECT version FROM key_rings WHERE environment = ''", nil, func(sqlstore.Row) error { return nil })
}

// Close implements sqlstore.Backend. The last connection to go moves the log
// into the file.
func (b *backend) Close() error {
	var errs []error
	if b.readers.DB != nil {
		errs = append(errs, b.readers.Close()) // its statements with it
	}
	for _, stmt := range b.prepared {
		errs = append(errs, stmt.Close())
	}
	if b.writer != nil {
		errs = append(errs, b.writer.Close())
	}
	if b.pool != nil {
		errs = append(errs, b.pool.Close())
	}
	if b.unlock != nil {
		b.unlock()
	}
	return errors.Join(errs...)
}

// failure marks what is wrong with the disk or the file, rather than with a
// statement, as store.ErrUnavailable, and what a unique index has refused as
// store.ErrExists.
func failure(err error) error {
	e, ok := errors.AsType[*sqlite3.Error](err)
	if !ok {
		return err
	}
	switch e.Code() {
	case sqlite3lib.SQLITE_CONSTRAINT_UNIQUE, sqlite3lib.SQLITE_CONSTRAINT_PRIMARYKEY:
		return fmt.Errorf("%w: %w", store.ErrExists, err)
	}
	switch e.Code() & 0xff {
	case sqlite3lib.SQLITE_BUSY, sqlite3lib.SQLITE_LOCKED, sqlite3lib.SQLITE_NOMEM, sqlite3lib.SQLITE_READONLY,
		sqlite3lib.SQLITE_IOERR, sqlite3lib.SQLITE_CORRUPT, sqlite3lib.SQLITE_FULL, sqlite3lib.SQLITE_CANTOPEN,
		sqlite3lib.SQLITE_PROTOCOL, sqlite3lib.SQLITE_NOTADB:
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	return err
}
