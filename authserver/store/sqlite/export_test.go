package sqlite

import (
	"context"
	"database/sql"
)

// MigrateTo makes a database of an older version.
func MigrateTo(ctx context.Context, path string, version int64) error {
	if err := createFile(path, nil); err != nil {
		return err
	}
	db, err := sql.Open("sqlite", dsn(path))
	if err != nil {
		return err
	}
	defer db.Close()
	return migrations().Apply(ctx, db, version)
}

// Dialect is the dialect of this package.
var Dialect = dialect
