package postgres

import (
	"context"
	"database/sql"
	"io/fs"
	"testing"
)

// LastMigration is the number of the last migration.
func LastMigration(t testing.TB) int {
	names, err := fs.Glob(files, "migrations/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

// MigrateTo makes a database of an older version.
func MigrateTo(ctx context.Context, dsn string, version int64) error {
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		return err
	}
	defer db.Close()
	return migrations().Apply(ctx, db, version)
}
