package storetest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

var janitorTests = []namedTest{
	{"what has expired goes, what has not stays", sweepExpired},
	{"one call is bounded", sweepBounded},
	{"what was swept may come again", sweepAgain},
	{"sweeping and writing go on together", sweepUnderLoad},
}

// sweepAll sweeps until nothing is left to do.
func sweepAll(t testing.TB, s store.Store, now time.Time, limit int) (total int) {
	t.Helper()
	for range 1000 {
		n, err := s.Sweep(testContext(t), now, limit)
		if err != nil {
			t.Fatalf("Sweep: %v", err)
		}
		total += n
		if n < limit {
			return total
		}
	}
	t.Fatal("Sweep does not come to an end")
	return 0
}

func sweepExpired(t *testing.T, s store.Store) {
	ctx := testContext(t)
	// Two days on, whole partitions and single rows have expired.
	now := Now.Add(48 * time.Hour)
	lives := map[int]time.Time{
		1: Now.Add(time.Hour), 2: Now.Add(24 * time.Hour), 3: now.Add(-time.Second),
		4: now.Add(time.Second), 5: now.Add(30 * 24 * time.Hour),
	}
	sweepAll(t, s, Now, 100)
	for n, expires := range lives {
		a := token(n)
		a.ExpiresAt = expires
		put(t, s, a)
		r := revocation(fmt.Sprint(n))
		r.ExpiresAt = expires
		if err := s.PutRevocation(ctx, r); err != nil {
			t.Fatal(err)
		}
		if err := s.Spend(ctx, env1, hash(fmt.Sprint(n)), expires, Now); err != nil {
			t.Fatal(err)
		}
	}
	sweepAll(t, s, now, 100)
	if n, err := s.Sweep(ctx, now, 100); n != 0 || err != nil {
		t.Errorf("Sweep of a clean store = %d, %v, want 0, nil", n, err)
	}

	// Seen from the past, what is still stored would be found.
	w := StartWatch(t, s, now)
	w.UntilAlive(t, true)
	for n, expires := range lives {
		live := !expires.Before(now)
		_, err := s.AccessTokenByID(ctx, env1, token(n).ID, expires, now)
		if got := err == nil; got != live {
			t.Errorf("token %d: found %v, want %v (%v)", n, got, live, err)
		}
		if _, got := w.Has(revocation(fmt.Sprint(n))); got != live {
			t.Errorf("revocation %d: delivered %v, want %v", n, got, live)
		}
		err = s.Spend(ctx, env1, hash(fmt.Sprint(n)), expires, now)
		if spent := err != nil; spent != live {
			t.Errorf("hash %d: spent %v, want %v (%v)", n, spent, live, err)
		}
	}
	past := StartWatch(t, s, Now)
	past.UntilAlive(t, true)
	if _, ok := past.Has(revocation("1")); ok {
		t.Error("a revocation that was swept is still stored")
	}
}

func sweepBounded(t *testing.T, s store.Store) {
	ctx := testContext(t)
	for _, err := range race(250, func(i int) error {
		return s.Spend(ctx, env1, hash(fmt.Sprint(i)), Now.Add(time.Minute), Now)
	}) {
		if err != nil {
			t.Fatal(err)
		}
	}
	now := Now.Add(time.Hour)
	for i, want := range []int{100, 100, 50, 0} {
		if n, err := s.Sweep(ctx, now, 100); n != want || err != nil {
			t.Errorf("sweep %d = %d, %v, want %d, nil", i, n, err, want)
		}
	}
}

func sweepAgain(t *testing.T, s store.Store) {
	a := token(1)
	put(t, s, a)
	sweepAll(t, s, Now.Add(72*time.Hour), 10)
	if _, err := s.AccessTokenByID(testContext(t), env1, a.ID, a.ExpiresAt, Now); err == nil {
		// A backend may keep it a little longer; then it is still there.
		t.Log("an expired token is still stored")
		return
	}
	// A token of a day that is gone (a clock that is wrong) is stored all the same.
	put(t, s, a)
}

func sweepUnderLoad(t *testing.T, s store.Store) { loadAndSweep(t, s, s) }

// loadAndSweep writes to both stores while both sweep, in a time that goes on by
// hours: no write may fail.
func loadAndSweep(t *testing.T, stores ...store.Store) {
	ctx, cancel := context.WithCancel(testContext(t))
	var writers, sweepers sync.WaitGroup
	for n, s := range stores {
		sweepers.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				now := Now.Add(time.Duration(i) * 7 * time.Hour)
				if _, err := s.Sweep(ctx, now, 50); err != nil && ctx.Err() == nil {
					t.Errorf("Sweep = %v", err)
				}
			}
		})
		for g := range 8 {
			writers.Go(func() {
				for i := range 40 {
					a := token(n*1_000_000 + g*1000 + i)
					a.ExpiresAt = Now.Add(time.Duration(i) * 5 * time.Hour)
					if err := s.PutAccessToken(ctx, a); err != nil {
						t.Errorf("PutAccessToken = %v", err)
					}
					r := revocation(fmt.Sprint(n, g, i))
					r.ExpiresAt = a.ExpiresAt
					if err := s.PutRevocation(ctx, r); err != nil {
						t.Errorf("PutRevocation = %v", err)
					}
				}
			})
		}
	}
	writers.Wait()
	cancel()
	sweepers.Wait()
}
