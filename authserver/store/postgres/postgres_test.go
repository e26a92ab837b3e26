package postgres_test

import (
	"os"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/postgres"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/storetest"
	"github.com/caddy-gatehouse/gatehouse/integration/pgtest"
)

func TestMain(m *testing.M) {
	storetest.CrashChild(func(dsn string) store.Store {
		db, err := postgres.New(postgres.Config{DSN: dsn})
		if err != nil {
			panic(err)
		}
		db.Start()
		return db
	})
	os.Exit(pgtest.Main(m))
}

// open starts a database handle that is closed at the test's end.
func open(t testing.TB, dsn string) *postgres.DB {
	t.Helper()
	db, err := postgres.New(postgres.Config{DSN: dsn})
	if err != nil {
		t.Fatal(err)
	}
	db.Start()
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("Close = %v", err)
		}
	})
	return db
}

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return open(t, pgtest.Database(t)) })
}

// A database that the first release made must serve this one. While the first
// migration is the last, one look is enough: the rest is TestStore.
func TestStoreFromFirstMigration(t *testing.T) {
	first := func(t *testing.T) store.Store {
		dsn := pgtest.Database(t)
		if err := postgres.MigrateTo(t.Context(), dsn, 1); err != nil {
			t.Fatal(err)
		}
		return open(t, dsn)
	}
	if postgres.LastMigration(t) > 1 {
		storetest.Run(t, first)
		return
	}
	if err := first(t).Ping(t.Context()); err != nil {
		t.Errorf("Ping = %v, want nil", err)
	}
}

func TestTwoNodes(t *testing.T) {
	storetest.RunShared(t, func(t *testing.T) (a, b store.Store) {
		dsn := pgtest.Database(t)
		return open(t, dsn), open(t, dsn)
	})
}

func TestCrash(t *testing.T) {
	server := pgtest.New(t)
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	storetest.Crash(t, server.DSN("postgres"), func(t *testing.T, dsn string) store.Store { return open(t, dsn) })
}

func BenchmarkPutAccessToken(b *testing.B) {
	storetest.BenchmarkPutAccessToken(b, func(b *testing.B) store.Store { return open(b, benchDSN(b)) })
}

func BenchmarkAccessTokenByID(b *testing.B) {
	storetest.BenchmarkAccessTokenByID(b, func(b *testing.B) store.Store { return open(b, benchDSN(b)) })
}

// benchDSN is a database on a server that waits for the disk.
func benchDSN(b *testing.B) string {
	server := pgtest.New(b)
	if err := server.Start(); err != nil {
		b.Fatal(err)
	}
	return server.DSN("postgres")
}
