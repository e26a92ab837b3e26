package sqlstore_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/sqlstore"
)

// fake is a backend that remembers the batches it is given.
type fake struct {
	mu      sync.Mutex
	batches [][]string      // first arguments but one: the IDs
	refuse  map[string]bool // IDs that fail their whole batch
	name    bool            // say which statement it was
	down    error           // fails everything
	gate    chan struct{}   // if not nil, a commit takes one
	closed  atomic.Bool
}

func (f *fake) Commit(ctx context.Context, batch []*sqlstore.Statement) error {
	if f.gate != nil {
		<-f.gate
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down != nil {
		return f.down
	}
	var ids []string
	for _, s := range batch {
		id := fmt.Sprint(s.Args[1])
		if f.refuse[id] {
			if f.name {
				return &sqlstore.Refusal{Statement: s, Err: errors.New("refused")}
			}
			return errors.New("refused")
		}
		ids = append(ids, id)
		s.Affected = 1
	}
	f.batches = append(f.batches, ids)
	return nil
}

func (f *fake) Query(context.Context, string, []any, func(sqlstore.Row) error) error {
	return f.state()
}
func (f *fake) Ping(context.Context) error { return f.state() }
func (f *fake) Close() error               { f.closed.Store(true); return nil }

func (f *fake) state() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.down
}

func (f *fake) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.down = err
}

func newDB(open func(context.Context) (sqlstore.Backend, error)) *sqlstore.DB {
	return sqlstore.New(sqlstore.Config{Name: "fake", Open: open, Dialect: sqlstore.Dialect{Writers: 1, ExpiringTokens: "t"}})
}

func started(t *testing.T, f *fake) *sqlstore.DB {
	t.Helper()
	db := newDB(func(context.Context) (sqlstore.Backend, error) { return f, nil })
	db.Start()
	db.Start() // the second does nothing
	if err := db.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	return db
}

func token(id string) store.AccessToken {
	return store.AccessToken{Environment: "env", ID: id, Client: "c"}
}

// What waits while a commit is under way shares the next one.
func TestGroupCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{gate: make(chan struct{})}
		db := started(t, f)
		const n = 300
		errs := make(chan error, n)
		for i := range n {
			go func() { errs <- db.PutAccessToken(t.Context(), token(fmt.Sprint(i))) }()
			synctest.Wait()
		}
		close(f.gate)
		for range n {
			if err := <-errs; err != nil {
				t.Errorf("PutAccessToken = %v", err)
			}
		}
		var sizes []int
		for _, b := range f.batches {
			sizes = append(sizes, len(b))
		}
		// The first alone, without waiting for others; then as many as may;
		// then the rest.
		if got, want := fmt.Sprint(sizes), "[1 256 43]"; got != want {
			t.Errorf("batches of %s, want %s", got, want)
		}
		db.Close()
	})
}

// A write that the database refuses fails alone; an outage fails all, and is not
// repeated one by one.
func TestBatchMates(t *testing.T) {
	tests := []struct {
		name    string
		refuse  map[string]bool
		named   bool
		down    error
		want    map[int]string // errors by number; the others get the one of -1
		commits int
	}{
		{"none fails", nil, false, nil, map[int]string{}, 2},
		{"two are refused", map[string]bool{"3": true, "7": true}, false, nil, map[int]string{3: "refused", 7: "refused"}, 1 + 7},
		// The first alone; 1 and 2; 4 to 6; 8 and 9.
		{"two are refused by name", map[string]bool{"3": true, "7": true}, true, nil, map[int]string{3: "refused", 7: "refused"}, 1 + 3},
		{"all are refused by name", map[string]bool{"1": true, "2": true, "3": true, "4": true, "5": true, "6": true, "7": true, "8": true, "9": true},
			true, nil, map[int]string{0: "", -1: "refused"}, 1},
		{"the database is down", nil, false, store.ErrUnavailable, map[int]string{-1: "unavailable"}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &fake{gate: make(chan struct{}), refuse: tt.refuse, name: tt.named}
				db := started(t, f)
				f.fail(tt.down)
				errs := make([]error, 10)
				var wg sync.WaitGroup
				for i := range errs {
					wg.Go(func() { errs[i] = db.PutAccessToken(t.Context(), token(fmt.Sprint(i))) })
					synctest.Wait()
				}
				close(f.gate)
				wg.Wait()
				for i, err := range errs {
					want, ok := tt.want[i]
					if !ok {
						want = tt.want[-1]
					}
					if got := fmt.Sprint(err); (err == nil) != (want == "") || !strings.Contains(got, want) {
						t.Errorf("write %d = %v, want %q", i, err, want)
					}
				}
				if len(f.batches) != tt.commits {
					t.Errorf("%d transactions were committed, want %d: %v", len(f.batches), tt.commits, f.batches)
				}
				db.Close()
			})
		})
	}
}

// A write whose caller has gone before its turn is not made; one under way is.
func TestAbandonedWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{gate: make(chan struct{})}
		db := started(t, f)
		ctx, cancel := context.WithCancel(t.Context())
		errs := make(chan error, 2)
		for _, id := range []string{"under way", "queued"} {
			go func() { errs <- db.PutAccessToken(ctx, token(id)) }()
			synctest.Wait()
		}
		cancel()
		for range 2 {
			if err := <-errs; !errors.Is(err, context.Canceled) {
				t.Errorf("PutAccessToken = %v, want context.Canceled", err)
			}
		}
		close(f.gate)
		if err := db.PutAccessToken(t.Context(), token("later")); err != nil {
			t.Error(err)
		}
		if got, want := fmt.Sprint(f.batches), "[[under way] [later]]"; got != want {
			t.Errorf("committed %s, want %s", got, want)
		}
		db.Close()
	})
}

// Opening is tried again, with pauses that grow to five seconds; calls wait as
// long, and no longer.
func TestOpening(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tries atomic.Int32
		ok := make(chan struct{})
		f := &fake{}
		db := newDB(func(context.Context) (sqlstore.Backend, error) {
			tries.Add(1)
			select {
			case <-ok:
				return f, nil
			default:
				return nil, errors.New("no route to host")
			}
		})
		if time.Sleep(time.Minute); tries.Load() != 0 {
			t.Error("the database is opened before Start")
		}
		db.Start()
		begin := time.Now()
		err := db.Ping(t.Context())
		if !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "no route to host") {
			t.Errorf("Ping = %v, want ErrUnavailable with its reason", err)
		}
		if took := time.Since(begin); took != 5*time.Second {
			t.Errorf("Ping waited %v, want 5s", took)
		}
		time.Sleep(time.Minute)
		if n := tries.Load(); n < 15 || n > 25 {
			t.Errorf("%d attempts in 65 s, want about 18", n)
		}
		done := make(chan error)
		go func() { done <- db.PutAccessToken(t.Context(), token("1")) }()
		synctest.Wait()
		close(ok)
		if err := <-done; err != nil {
			t.Errorf("PutAccessToken that waits for the database = %v, want nil", err)
		}
		db.Close()
		if !f.closed.Load() {
			t.Error("Close does not close the backend")
		}
	})
}

// Close does not wait for a database that does not open.
func TestCloseWhileOpening(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := newDB(func(ctx context.Context) (sqlstore.Backend, error) { <-ctx.Done(); return nil, ctx.Err() })
		db.Start()
		ping := make(chan error)
		go func() { ping <- db.Ping(t.Context()) }()
		synctest.Wait()
		if err := db.Close(); err != nil {
			t.Errorf("Close = %v", err)
		}
		if err := <-ping; !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("Ping = %v, want ErrUnavailable", err)
		}
		db.Start() // too late
	})
	never := newDB(nil)
	never.Close()
	never.Start()
}
