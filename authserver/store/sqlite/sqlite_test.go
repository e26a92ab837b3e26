package sqlite_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/sqlite"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/storetest"
)

func TestMain(m *testing.M) {
	storetest.CrashChild(func(path string) store.Store {
		db := sqlite.New(sqlite.Config{Path: path})
		db.Start()
		return db
	})
	os.Exit(m.Run())
}

// open starts a database that is closed at the test's end.
func open(t testing.TB, path string) *sqlite.DB {
	t.Helper()
	db := sqlite.New(sqlite.Config{Path: path})
	db.Start()
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("Close = %v", err)
		}
	})
	return db
}

func newPath(t testing.TB) string { return filepath.Join(t.TempDir(), "gatehouse.db") }

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return open(t, newPath(t)) })
}

// A database that the first release made must serve this one.
func TestStoreFromFirstMigration(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store {
		path := newPath(t)
		if err := sqlite.MigrateTo(t.Context(), path, 1); err != nil {
			t.Fatal(err)
		}
		return open(t, path)
	})
}

func TestCrash(t *testing.T) {
	storetest.Crash(t, newPath(t), func(t *testing.T, path string) store.Store { return open(t, path) })
}

func BenchmarkPutAccessToken(b *testing.B) {
	storetest.BenchmarkPutAccessToken(b, func(b *testing.B) store.Store { return open(b, benchPath(b)) })
}

func BenchmarkAccessTokenByID(b *testing.B) {
	storetest.BenchmarkAccessTokenByID(b, func(b *testing.B) store.Store { return open(b, benchPath(b)) })
}

func BenchmarkSignIn(b *testing.B) {
	storetest.BenchmarkSignIn(b, func(b *testing.B) store.Store { return open(b, benchPath(b)) })
}

// benchPath reports the size of the database at the end.
func benchPath(b *testing.B) string {
	path := newPath(b)
	b.Cleanup(func() {
		if info, err := os.Stat(path); err == nil {
			fmt.Printf("# %s: %d MiB\n", b.Name(), info.Size()>>20)
		}
	})
	return path
}

func BenchmarkScanUsers(b *testing.B) {
	storetest.BenchmarkScanUsers(b, func(b *testing.B) store.Store { return open(b, benchPath(b)) })
}

func BenchmarkListObjects(b *testing.B) {
	storetest.BenchmarkListObjects(b, func(b *testing.B) store.Store { return open(b, benchPath(b)) })
}
