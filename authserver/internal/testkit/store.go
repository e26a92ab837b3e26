package testkit

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/store/sqlite"
)

// Store opens the embedded store on a file of its own, closed when the test ends.
func Store(t testing.TB) *sqlite.DB {
	t.Helper()
	return StoreAt(t, filepath.Join(t.TempDir(), "gatehouse.db"))
}

// StoreAt opens the embedded store on a file. It is open when StoreAt returns: a busy machine may take longer for that than a request
// would wait.
func StoreAt(t testing.TB, path string) *sqlite.DB {
	t.Helper()
	db := sqlite.New(sqlite.Config{Path: path})
	db.Start()
	t.Cleanup(func() { _ = db.Close() })
	_, err := db.ListConsents(t.Context(), "no environment", "nobody", 1)
	for until := time.Now().Add(time.Minute); err != nil && time.Now().Before(until); {
		_, err = db.ListConsents(t.Context(), "no environment", "nobody", 1)
	}
	if err != nil {
		t.Fatalf("open %s: %v", path, err)
	}
	return db
}
