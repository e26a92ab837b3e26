package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

var janitorTests = []namedTest{
	{"what has expired goes, what has not stays", sweepExpired},
	{"what signing in left behind goes too", sweepSignIn},
	{"a family stays as long as a member", sweepFamilies},
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

// sweepSignIn sweeps records of signing in of several lives, and looks for them
// by a clock that says that none has expired: what is not found is deleted.
func sweepSignIn(t *testing.T, s store.Store) {
	ctx := testContext(t)
	now := Now.Add(time.Hour)
	lives := map[string]time.Time{
		"long ago": Now.Add(time.Minute), "just now": now.Add(-time.Microsecond), "at now": now, "soon": now.Add(time.Microsecond), "later": now.Add(time.Hour),
	}
	for name, expires := range lives {
		// Spent or not, a ticket is kept until KeptUntil.
		for _, kind := range []store.TicketKind{"spent", "unspent"} {
			k := ticket(name)
			k.Kind, k.ExpiresAt, k.KeptUntil = kind, Now.Add(time.Second), expires
			putTicket(t, s, k)
			if kind == "spent" {
				if _, err := s.TakeTicket(ctx, env1, kind, k.Hash, Now); err != nil {
					t.Fatal(err)
				}
			}
		}
		f, x, fam, d := flow(name), session(name), family(name), delivery(name)
		f.ExpiresAt, x.ExpiresAt, fam.ExpiresAt, d.ExpiresAt = expires, expires, expires, expires
		putFlow(t, s, f)
		putSession(t, s, x)
		first := refresh(name, Now)
		first.ExpiresAt = expires
		if err := s.PutFamily(ctx, fam, first); err != nil {
			t.Fatal(err)
		}
		putDelivery(t, s, d)
		e := event(name)
		e.ExpiresAt = expires
		apply(t, s, store.Write{Events: []store.Event{e}})
	}
	// What does not expire stays.
	putUser(t, s, user("a"))
	putConsent(t, s, consent("web"))
	putRegistered(t, s, registered("a"))
	if err := s.PutCredential(ctx, store.Credential{Environment: env1, Subject: "a"}); err != nil {
		t.Fatal(err)
	}

	if got, want := sweepAll(t, s, now, 100), 2*8; got != want {
		t.Errorf("swept %d records, want %d: eight kinds, two of each", got, want)
	}
	claimed, _ := claim(t, s, Now, Now.Add(time.Second), 100)
	left := make(map[string]bool)
	for _, d := range claimed {
		left[d.ID] = true
	}
	for name, expires := range lives {
		stored := !expires.Before(now)
		_, errSpent := s.TicketByHash(ctx, env1, "spent", hash(name), Now)
		_, errUnspent := s.TicketByHash(ctx, env1, "unspent", hash(name), Now)
		_, errFlow := s.FlowByID(ctx, env1, name, Now)
		_, errSession := s.SessionByID(ctx, env1, name, Now)
		_, _, _, errToken := s.FamilyByToken(ctx, env1, refresh(name, Now).Hash, Now)
		families, errFamily := s.ListFamilies(ctx, store.FamilyFilter{Environment: env1, ID: name}, "", 1, Now)
		_, errEvent := s.EventByID(ctx, env1, name, Now)
		for what, got := range map[string]bool{
			"event":          errEvent == nil,
			"spent ticket":   errors.Is(errSpent, store.ErrSpent),
			"unspent ticket": errUnspent == nil,
			"flow":           errFlow == nil,
			"session":        errSession == nil,
			"refresh token":  errToken == nil,
			"family":         errFamily == nil && len(families) == 1,
			"delivery":       left[name],
		} {
			if got != stored {
				t.Errorf("%s that expires %s: stored %v, want %v", what, name, got, stored)
			}
		}
	}
	for what, err := range map[string]error{
		"user":       func() error { _, err := s.StoredUserByID(ctx, env1, "a"); return err }(),
		"credential": func() error { _, err := s.CredentialOf(ctx, env1, "a"); return err }(),
		"consent":    func() error { _, err := s.ConsentTo(ctx, env1, "alice", "web"); return err }(),
		"client":     func() error { _, err := s.RegisteredClientByID(ctx, env1, "a"); return err }(),
	} {
		if err != nil {
			t.Errorf("%s: %v, want it to stay", what, err)
		}
	}
}

// sweepFamilies follows a family without end, and one with an end, through
// exchanges and sweeps: each is there as long as a member may be exchanged, and
// gone some time after the last.
func sweepFamilies(t *testing.T, s store.Store) {
	ctx := testContext(t)
	const life = time.Hour
	token := func(f store.Family, n int, at time.Time) store.RefreshToken {
		r := refresh(fmt.Sprint(f.ID, n), at)
		r.ExpiresAt = at.Add(life)
		return r
	}
	endless, ending := family("endless"), family("ending")
	endless.ExpiresAt, ending.ExpiresAt = time.Time{}, Now.Add(3*life)
	families := []store.Family{endless, ending}
	for _, f := range families {
		if err := s.PutFamily(ctx, f, token(f, 0, Now)); err != nil {
			t.Fatal(err)
		}
	}
	now := Now
	for i := range 6 {
		now = now.Add(life - time.Microsecond)
		sweepAll(t, s, now, 100)
		for _, f := range families {
			var want error
			if f.ID == "ending" && i >= 3 {
				want = store.ErrNotFound
			}
			_, _, err := s.RotateRefreshToken(ctx, env1, token(f, i, now).Hash, token(f, i+1, now), 0, true, now)
			if !errors.Is(err, want) {
				t.Errorf("exchange %d of %s = %v, want %v", i, f.ID, err, want)
			}
		}
	}
	stored := func() (stored []string) {
		for _, id := range []string{"endless", "ending"} {
			// An ID that is taken is refused; the probe itself goes soon.
			f := family(id)
			f.ExpiresAt = now.Add(life)
			err := s.PutFamily(ctx, f, token(f, -1, now))
			if errors.Is(err, store.ErrExists) {
				stored = append(stored, id)
			} else if err != nil {
				t.Fatal(err)
			}
		}
		return stored
	}
	if got := fmt.Sprint(stored()); got != "[endless]" {
		t.Errorf("stored while a token lives: %s, want [endless]", got)
	}
	now = now.Add(2 * life)
	sweepAll(t, s, now, 100)
	if got := fmt.Sprint(stored()); got != "[]" {
		t.Errorf("stored after the last token: %s, want []", got)
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
	// Of several tables too: the limit is for all of them.
	for _, err := range race(50, func(i int) error {
		f := flow(fmt.Sprint(i))
		f.ExpiresAt = Now.Add(time.Minute)
		return s.PutFlow(ctx, f)
	}) {
		if err != nil {
			t.Fatal(err)
		}
	}
	for i, want := range []int{100, 100, 100, 0} {
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

// signIn writes what a sign-on does, with records that expire; they may be swept
// before the next step.
func signIn(t *testing.T, s store.Store, name string, expires time.Time) {
	ctx := testContext(t)
	k, f, x, fam, d := ticket(name), flow(name), session(name), family(name), delivery(name)
	k.KeptUntil, f.ExpiresAt, x.ExpiresAt, fam.ExpiresAt, d.ExpiresAt = expires, expires, expires, expires, expires
	now := expires.Add(-time.Second)
	k.ExpiresAt, f.Version = expires, 1
	first, second := refresh(name, Now), refresh(name+"'", Now)
	first.ExpiresAt, second.ExpiresAt = expires, expires
	steps := []func() error{
		func() error { return s.PutFlow(ctx, f) },
		func() error { return s.ReplaceFlow(ctx, f, now) },
		func() error { return s.PutSession(ctx, x) },
		func() error { return s.PutTicket(ctx, k) },
		func() error { _, err := s.TakeTicket(ctx, env1, k.Kind, k.Hash, now); return err },
		func() error { return s.PutFamily(ctx, fam, first) },
		func() error {
			_, _, err := s.RotateRefreshToken(ctx, env1, first.Hash, second, time.Minute, true, now)
			return err
		},
		func() error { return s.PutDelivery(ctx, d) },
		func() error { return s.ReplaceSession(ctx, x) },
		func() error { _, err := s.EndSession(ctx, env1, x.ID); return err },
	}
	for i, step := range steps {
		if err := step(); err != nil && !errors.Is(err, store.ErrNotFound) {
			t.Errorf("step %d of a sign-on = %v, want nil or ErrNotFound", i, err)
		}
	}
}

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
					if i%8 == 0 {
						signIn(t, s, fmt.Sprint(n, "-", g, "-", i), a.ExpiresAt)
					}
				}
			})
		}
	}
	writers.Wait()
	cancel()
	sweepers.Wait()
}
