package testkit

import (
	"path/filepath"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/store/sqlite"
)

// Store opens the embedded store on a file of its own, closed when the test ends.
func Store(t testing.TB) *sqlite.DB {
	t.Helper()
	return StoreAt(t, filepath.Join(t.TempDir(), "gatehouse.db"))
}

// StoreAt opens the embedded store on a file.
func StoreAt(t testing.TB, path string) *sqlite.DB {
	t.Helper()
	db := sqlite.New(sqlite.Config{Path: path})
	db.Start()
	t.Cleanup(func() { _ = db.Close() })
	return db
}
