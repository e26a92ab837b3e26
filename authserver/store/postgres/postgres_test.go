package postgres_test

import (
	"os"
	"runtime"
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

// databases are what the tests of a suite take turns with: to make one, with its
// partitions, takes longer than most of them.
type databases chan string

// newDatabases makes as many as tests run side by side, of an older version
// where version is not 0.
func newDatabases(t *testing.T, version int64) databases {
	d := make(databases, runtime.GOMAXPROCS(0))
	for range cap(d) {
		dsn := pgtest.Database(t)
		if err := postgres.MigrateTo(t.Context(), dsn, version); err != nil {
			t.Fatal(err)
		}
		d <- dsn
	}
	return d
}

// empty deletes every record.
const empty = `DO $$ DECLARE t text; BEGIN
	FOR t IN SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition
		AND relnamespace = current_schema()::regnamespace AND relname NOT LIKE 'goose%'
	LOOP EXECUTE format('DELETE FROM %I', t); END LOOP;
END $$`

// take gives the test a database for itself, empty.
func (d databases) take(t *testing.T) (dsn string) {
	dsn = <-d
	t.Cleanup(func() {
		defer func() { d <- dsn }()
		pgtest.Exec(t, dsn, empty) // the test's handles are closed by now
	})
	return dsn
}

func TestStore(t *testing.T) {
	d := newDatabases(t, 0)
	storetest.Run(t, func(t *testing.T) store.Store { return open(t, d.take(t)) })
}

// A database that the first release made must serve this one.
func TestStoreFromFirstMigration(t *testing.T) {
	d := newDatabases(t, 1)
	storetest.Run(t, func(t *testing.T) store.Store { return open(t, d.take(t)) })
}

func TestTwoNodes(t *testing.T) {
	d := newDatabases(t, 0)
	storetest.RunShared(t, func(t *testing.T) (a, b store.Store) {
		dsn := d.take(t)
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

func BenchmarkSignIn(b *testing.B) {
	storetest.BenchmarkSignIn(b, func(b *testing.B) store.Store { return open(b, benchDSN(b)) })
}

func BenchmarkScanUsers(b *testing.B) {
	storetest.BenchmarkScanUsers(b, func(b *testing.B) store.Store { return open(b, benchDSN(b)) })
}

func BenchmarkListObjects(b *testing.B) {
	storetest.BenchmarkListObjects(b, func(b *testing.B) store.Store { return open(b, benchDSN(b)) })
}

// benchDSN is a database on a server that waits for the disk.
func benchDSN(b *testing.B) string {
	server := pgtest.New(b)
	if err := server.Start(); err != nil {
		b.Fatal(err)
	}
	return server.DSN("postgres")
}
