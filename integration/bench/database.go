package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/postgres"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/sqlite"
	"github.com/caddy-gatehouse/gatehouse/integration/pgtest"
)

// database is one that a server under test keeps its records in, and that can be
// filled from outside while no server uses it.
type database struct {
	name    string // of the store
	storage string // its lines in the global options of a Caddyfile
	dialect dialect
	// open gives the product's own store on it.
	open func() (startable, error)
	// run runs SQL in one session. What it writes need not be durable.
	run   func(texts ...string) error
	close func()
}

// startable is a store before it was started.
type startable interface {
	store.Store
	Start()
	Ping(context.Context) error
	Close() error
}

// dialect is what the two databases spell differently.
type dialect struct {
	series string // a subquery of the numbers from 0 on, as column i; %d is how many
	digits string // a number with leading zeros; %[1]s is the number, %[2]d how many digits
	hex    string // the same with digits of base 16
	hash   string // of nothing: a store.Hash that is zero
	drawn  string // a store.Hash that nothing else has; %s is a text that nothing else has
	blob   string // the bytes of a text
	after  []string
}

// databases are those that this machine can run, and why it cannot run others.
var databases = []struct {
	name string
	open func(b *bench, measure string) (*database, error)
}{
	{"sqlite", func(b *bench, measure string) (*database, error) {
		return sqliteIn(filepath.Join(b.runs, measure+"-sqlite")), nil
	}},
	{"postgres", func(*bench, string) (*database, error) { return newPostgres() }},
}

// onEach has a measure made on each store, and adds the results of its rows, whose names begin
// with the measure's and the store's. Where a store cannot be had, its results are missing and say why.
func (b *bench) onEach(measure string, rows []row, run func(*database, *sheet) error) error {
	for _, d := range databases {
		sheet := newSheet(measure+"."+d.name, rows)
		database, err := d.open(b, measure)
		if err != nil {
			b.report.add(sheet.missing(err.Error())...)
			continue
		}
		err = run(database, sheet)
		database.close()
		if err != nil {
			return fmt.Errorf("%s: %w", d.name, err)
		}
		results, err := sheet.complete()
		if err != nil {
			return err
		}
		b.report.add(results...)
	}
	return nil
}

// sqliteIn is a file in a folder that exists once the store was opened.
func sqliteIn(dir string) *database {
	path := filepath.Join(dir, "gatehouse.db")
	return &database{
		name:    "sqlite",
		storage: fmt.Sprintf("\t\tstorage sqlite {\n\t\t\tpath %s\n\t\t}\n", path),
		dialect: dialect{
			series: "(WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < %d) SELECT i FROM n)",
			digits: "printf('%%0%[2]dd', %[1]s)",
			hex:    "printf('%%0%[2]dx', %[1]s)",
			hash:   "zeroblob(32)",
			drawn:  "randomblob(28 + 4 * (%s <> ''))",
			blob:   "CAST(%s AS BLOB)",
			after:  []string{"PRAGMA wal_checkpoint(TRUNCATE)"},
		},
		open: func() (startable, error) { return sqlite.New(sqlite.Config{Path: path}), nil },
		run: func(texts ...string) (err error) {
			db, err := sql.Open("sqlite", "file:"+path+"?_pragma=synchronous(off)&_pragma=journal_mode(wal)&_pragma=cache_size(-262144)") // the store's own driver
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, db.Close()) }()
			db.SetMaxOpenConns(1)
			for _, text := range texts {
				if _, err := db.Exec(text); err != nil {
					return err
				}
			}
			return nil
		},
		close: func() {},
	}
}

// newPostgres starts a server with PostgreSQL's own settings, on the core of the
// load: it is another machine to the server under test. The error says why there is none.
func newPostgres() (*database, error) {
	server, err := pgtest.Open()
	if err != nil {
		return nil, fmt.Errorf("no PostgreSQL: %w", err)
	}
	if err := server.Start(); err != nil {
		server.Remove()
		return nil, fmt.Errorf("PostgreSQL does not start: %w", err)
	}
	dsn := server.DSN("postgres")
	return &database{
		name: "postgres",
		storage: fmt.Sprintf("\t\tstorage postgres {\n\t\t\tdsn %s\n\t\t}\n\t\tsecrets_key %s\n", dsn,
			"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"),
		dialect: dialect{
			series: "(SELECT i FROM generate_series(0::bigint, %d::bigint - 1) AS s(i))",
			digits: "lpad((%[1]s)::text, %[2]d, '0')",
			hex:    "lpad(to_hex(%[1]s), %[2]d, '0')",
			hash:   "decode(repeat('00', 32), 'hex')",
			drawn:  "sha256(convert_to(%s, 'UTF8'))",
			blob:   "convert_to(%s, 'UTF8')",
			// What autovacuum does a while later, in the middle of a measure.
			after: []string{"VACUUM ANALYZE", "CHECKPOINT"},
		},
		open: func() (startable, error) { return postgres.New(postgres.Config{DSN: dsn}) },
		run: func(texts ...string) error {
			_, err := pgtest.Run(dsn, append([]string{"SET synchronous_commit = off", "SET work_mem = '256MB'"}, texts...)...)
			return err
		},
		close: server.Remove,
	}, nil
}

// with opens the store for a moment.
func (d *database) with(use func(context.Context, store.Store) error) error {
	s, err := d.open()
	if err != nil {
		return err
	}
	return using(s, use)
}

// using starts a store, waits until it can be used and closes it in the end.
func using(s startable, use func(context.Context, store.Store) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	s.Start()
	err := s.Ping(ctx)
	if err == nil {
		err = use(ctx, s)
	}
	return errors.Join(err, s.Close())
}
