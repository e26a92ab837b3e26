package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

// Migrations is a backend's numbered migrations and how to apply them. They only
// go forward.
type Migrations struct {
	Files  fs.FS
	SQLite bool // otherwise PostgreSQL, under a lock: another node may start too
}

// Apply brings the database to the last migration, or to version where that is
// not 0, which only tests do. A database that a newer program has migrated is
// refused: this one would not know what it must not break.
func (m Migrations) Apply(ctx context.Context, db *sql.DB, version int64) error {
	dialect, options := goose.DialectSQLite3, []goose.ProviderOption{
		goose.WithDisableGlobalRegistry(true),
		goose.WithLogger(goose.NopLogger()),
	}
	if !m.SQLite {
		dialect = goose.DialectPostgres
		// Ask for the lock every second, for a minute; Start tries again after
		// that.
		locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 60))
		if err != nil {
			return fmt.Errorf("migrate: %w", err)
		}
		options = append(options, goose.WithSessionLocker(locker))
	}
	provider, err := goose.NewProvider(dialect, db, m.Files, options...)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	sources := provider.ListSources()
	last := sources[len(sources)-1].Version

	// Most starts find nothing to do: learn that without taking the lock. An error
	// means that there is no version table yet, or trouble which follows below.
	var current sql.NullInt64
	if db.QueryRowContext(ctx, "SELECT max(version_id) FROM "+goose.DefaultTablename).Scan(&current) == nil {
		if current.Int64 > last {
			return fmt.Errorf("the database was migrated to version %d by a newer program; this one knows version %d", current.Int64, last)
		}
		if current.Int64 == last {
			return nil
		}
	}
	if version == 0 {
		version = last
	}
	if _, err := provider.UpTo(ctx, version); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}
