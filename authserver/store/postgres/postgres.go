package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/sqlstore"
)

// Config says where the database is.
type Config struct {
	// DSN is a connection URL or keyword string of libpq. It is never logged.
	DSN string
	// MaxConns bounds the connections of this node, without the one that listens
	// for revocations. Default: 10, at least 4.
	MaxConns int
	Log      *slog.Logger // default: discard
}

const (
	defaultMaxConns, minMaxConns = 10, 4
	connectTimeout               = 5 * time.Second
)

// DB is a store.Store on one PostgreSQL database.
type DB struct{ *sqlstore.DB }

var _ store.Store = (*DB)(nil)

// New makes a DB. Only the DSN is read, with the files that it names: Start
// begins to connect, in the background, and calls wait for that for at most
// five seconds. A server that cannot be reached is tried again.
func New(c Config) (*DB, error) {
	pool, err := poolConfig(c)
	if err != nil {
		return nil, err
	}
	log := c.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	cc := pool.ConnConfig
	return &DB{sqlstore.New(sqlstore.Config{
		Name:    "postgres " + net.JoinHostPort(cc.Host, strconv.Itoa(int(cc.Port))) + "/" + cc.Database,
		Open:    func(ctx context.Context) (sqlstore.Backend, error) { return open(ctx, pool, log) },
		Dialect: dialect,
		Log:     log,
	})}, nil
}

// poolConfig reads the DSN and adds what every connection needs.
func poolConfig(c Config) (*pgxpool.Config, error) {
	if c.DSN == "" {
		return nil, errors.New("postgres: no dsn is configured")
	}
	pool, err := pgxpool.ParseConfig(c.DSN)
	if err != nil {
		// pgx takes the password out of what it repeats of the DSN.
		return nil, fmt.Errorf("postgres: %w", err)
	}
	if c.MaxConns == 0 {
		c.MaxConns = defaultMaxConns
	}
	pool.MaxConns = int32(min(max(c.MaxConns, minMaxConns), 10_000))
	pool.MaxConnIdleTime = 5 * time.Minute
	if pool.ConnConfig.ConnectTimeout == 0 {
		pool.ConnConfig.ConnectTimeout = connectTimeout
	}
	if pool.ConnConfig.RuntimeParams["application_name"] == "" {
		pool.ConnConfig.RuntimeParams["application_name"] = "gatehouse"
	}
	pool.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, settings)
		return err
	}
	return pool, nil
}

// settings of every connection of the pool. Durable means on disk, whatever the
// server thinks is enough for others. And the texts are few, static and served by
// indexes whatever their arguments: left to itself the server plans each token's
// lookup anew, because a plan for all partitions looks dear, and takes more than
// twice as long. But a plan that is made while a table is all but empty must be good when it
// has grown, which it does before the server counts its rows again: so it has to be one by an index.
const settings = `SELECT set_config('plan_cache_mode', 'force_generic_plan', false), set_config('enable_seqscan', 'off', false),
set_config('enable_bitmapscan', 'off', false), set_config('enable_sort', 'off', false),
CASE WHEN current_setting('synchronous_commit') = 'off' THEN set_config('synchronous_commit', 'on', false) END`

var dialect = sqlstore.Dialect{
	Writers: 2, // one fills its batch while the other's is on the way to the disk
	RowID:   "ctid",
	Among:   func(column, subquery string) string { return column + " = ANY (ARRAY(" + subquery + "))" },
	// What has an OFFSET is not made part of the query around it.
	Each: func(table, alias, condition string) string {
		return "CROSS JOIN LATERAL (SELECT ctid, * FROM " + table + " AS " + alias + " WHERE " + condition + " OFFSET 0) AS " + alias
	},
	SkipLocked:       " FOR UPDATE SKIP LOCKED",
	ForUpdate:        " FOR UPDATE",
	ExpiringTokens:   defaultPartition,
	NotifyRevocation: notifyRevocation,
}
