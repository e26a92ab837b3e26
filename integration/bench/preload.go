package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/sqlite"
)

// fillAccessTokens makes $1 rows in the database itself, which takes seconds
// where the store, a durable commit at a time, takes minutes: tokens issued in
// the last hours, half of them for users, none near its end. Identifiers are
// like the server's own, time first. $2 is now in seconds, $3 to $6 are environment, client,
// scope and audience.
const fillAccessTokens = `
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < $1)
INSERT INTO access_tokens (environment, id, client_id, subject, session, scope, audience, issued_at, expires_at)
SELECT $3, printf('%08x-%04x-7000-8000-%012x', (($2 - 3600) * 1000 + i) >> 16, (($2 - 3600) * 1000 + i) & 65535, i),
	CASE i % 2 WHEN 0 THEN 'app-' || i % 50 ELSE $4 END,
	CASE i % 2 WHEN 0 THEN 'user-' || i % 100000 ELSE '' END,
	CASE i % 2 WHEN 0 THEN 'session-' || i / 2 ELSE '' END,
	$5, json_array($6), $2 - 3600 + i / 1000, $2 + 86400 + i % 3600
FROM n`

// preload puts n live tokens into a new database. The store makes its tables, and
// is asked for a token afterwards, so that this file cannot drift from it unnoticed.
func preload(path string, n int) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := withStore(path, func(context.Context, store.Store) error { return nil }); err != nil {
		return err
	}
	now := time.Now().Unix()
	if err := fill(path, n, now); err != nil {
		return fmt.Errorf("fill %s: %w", path, err)
	}
	return withStore(path, func(ctx context.Context, s store.Store) error {
		list, err := s.ListAccessTokens(ctx, store.AccessTokenFilter{Environment: rsaEnvironment, Client: workerID}, "", 1, time.Unix(now, 0))
		if err != nil {
			return err
		}
		if len(list) != 1 {
			return errors.New("the store does not see the tokens that were put into its database")
		}
		t := list[0]
		_, err = s.AccessTokenByID(ctx, rsaEnvironment, t.ID, t.ExpiresAt, time.Unix(now, 0))
		return err
	})
}

// fill runs the one statement. Nothing has to be durable here.
func fill(path string, n int, now int64) (err error) {
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=synchronous(off)&_pragma=journal_mode(wal)") // the store's own driver
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1)
	if _, err := db.Exec(fillAccessTokens, n, now, rsaEnvironment, workerID, tokenScope, audience); err != nil {
		return err
	}
	_, err = db.Exec("PRAGMA wal_checkpoint(TRUNCATE)")
	return err
}

// withStore opens the store on path for a moment.
func withStore(path string, use func(context.Context, store.Store) error) error {
	return using(sqlite.New(sqlite.Config{Path: path}), use)
}
