package postgres_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/postgres"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/storetest"
	"github.com/caddy-gatehouse/gatehouse/integration/pgtest"
)

// where counts the tokens in each table that holds some.
func where(t *testing.T, dsn string) string {
	t.Helper()
	return strings.ReplaceAll(pgtest.Exec(t, dsn, "SELECT tableoid::regclass::text, count(*) FROM access_tokens GROUP BY 1 ORDER BY 1"), "\n", " ")
}

func put(t *testing.T, s store.Store, expires ...time.Time) {
	t.Helper()
	for _, e := range expires {
		err := s.PutAccessToken(t.Context(), store.AccessToken{Environment: "env", ID: fmt.Sprint(time.Now().UnixNano()), Client: "c", ExpiresAt: e})
		if err != nil {
			t.Fatalf("PutAccessToken expiring %v = %v", e, err)
		}
	}
}

func sweep(t *testing.T, s store.Store, now time.Time) (deleted int) {
	t.Helper()
	deleted, err := s.Sweep(t.Context(), now, 1000)
	if err != nil {
		t.Fatalf("Sweep = %v", err)
	}
	return deleted
}

func TestPartitions(t *testing.T) {
	dsn := pgtest.Database(t)
	db := open(t, dsn)
	// Years ahead of the clock by which the first partitions were made.
	now := time.Date(2040, 2, 27, 15, 0, 0, 0, time.UTC)
	at := func(days int, clock string) time.Time {
		c, err := time.Parse(time.TimeOnly, clock)
		if err != nil {
			t.Fatal(err)
		}
		return time.Date(2040, 2, 27+days, c.Hour(), c.Minute(), c.Second(), 0, time.UTC)
	}

	put(t, db, at(1, "12:00:00"))
	if got, want := where(t, dsn), "access_tokens_default|1"; got != want {
		t.Fatalf("before a partition is made: %s, want %s", got, want)
	}
	sweep(t, db, now)
	put(t, db, at(0, "15:00:01"), at(0, "23:59:59"), at(1, "00:00:00"), at(2, "00:00:00"), at(32, "23:59:59"), at(33, "00:00:00"))
	// The 28th stays in the default partition, which held a token of that day.
	want := "access_tokens_20400227|2 access_tokens_20400229|1 access_tokens_20400330|1 access_tokens_default|3"
	if got := where(t, dsn); got != want {
		t.Errorf("after the first sweep: %s, want %s", got, want)
	}

	sweep(t, db, at(0, "23:59:59"))
	if got := where(t, dsn); got != want {
		t.Errorf("in the last second of the day: %s, want %s", got, want)
	}
	pgtest.Exec(t, dsn, "ANALYZE")
	if got := sweep(t, db, at(1, "00:00:00")); got != 2 {
		t.Errorf("dropping the 27th deleted %d, want 2", got)
	}
	want = "access_tokens_20400229|1 access_tokens_20400330|1 access_tokens_default|3"
	if got := where(t, dsn); got != want {
		t.Errorf("when the day is over: %s, want %s", got, want)
	}
	// The token of the 1st of April is in the default partition; that day gets
	// none.
	sweep(t, db, at(1, "12:00:01"))
	if got, want := where(t, dsn), "access_tokens_20400229|1 access_tokens_20400330|1 access_tokens_default|1"; got != want {
		t.Errorf("in the default partition rows go one by one: %s, want %s", got, want)
	}
	sweep(t, db, at(40, "00:00:00"))
	if got := where(t, dsn); got != "" {
		t.Errorf("when all is over: %s, want nothing", got)
	}
	// Partitions of days gone by are gone, those to come are there.
	names := pgtest.Exec(t, dsn, "SELECT count(*), min(relname), max(relname) FROM pg_class WHERE relname LIKE 'access_tokens_2%' AND relkind = 'r'")
	if want := "33|access_tokens_20400407|access_tokens_20400509"; names != want {
		t.Errorf("partitions = %s, want %s", names, want)
	}
}

// A long transaction that reads keeps partitions from being changed: sweeping
// gives up quickly, and writing goes on.
func TestPartitionsGiveWay(t *testing.T) {
	dsn := pgtest.Database(t)
	db := open(t, dsn)
	put(t, db, storetest.Now)
	release := postgres.HoldLock(t, dsn, "LOCK TABLE access_tokens_default IN ACCESS SHARE MODE")
	now := time.Date(2040, 2, 27, 15, 0, 0, 0, time.UTC)
	begin := time.Now()
	sweep(t, db, now)
	put(t, db, now, now.Add(time.Hour))
	if took := time.Since(begin); took > 3*time.Second {
		t.Errorf("sweeping and writing took %v, want less than 3s", took)
	}
	release()
	sweep(t, db, now)
	if got := pgtest.Exec(t, dsn, "SELECT to_regclass('access_tokens_20400301')"); got == "" {
		t.Error("no partition is made after the lock is gone")
	}
}
