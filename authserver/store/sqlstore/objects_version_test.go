package sqlstore_test

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/sqlstore"
)

// counting is a backend that has versions of objects.
type counting struct {
	fake
	version atomic.Int64
	reads   atomic.Int64
	// slow, if not nil, keeps each read from its end, when it has found the version.
	slow chan struct{}
}

func (c *counting) Commit(ctx context.Context, batch []*sqlstore.Statement) error {
	for _, s := range batch {
		if strings.Contains(s.Text, "object_versions") {
			c.version.Add(1)
		}
	}
	return c.state()
}

func (c *counting) Query(ctx context.Context, text string, _ []any, row func(sqlstore.Row) error) error {
	if err := c.state(); err != nil || !strings.Contains(text, "object_versions") {
		return err
	}
	c.reads.Add(1)
	found := scanned(c.version.Load())
	if c.slow != nil {
		select {
		case <-c.slow:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return row(found)
}

// scanned is a row of one number.
type scanned int64

func (s scanned) Scan(to ...any) error {
	reflect.ValueOf(to[0]).Elem().SetInt(int64(s))
	return nil
}

// nodes is a counting backend that others change, too.
type nodes struct{ counting }

func (n *nodes) Listen(ctx context.Context, _ func() error, _ func(sqlstore.Notice) error) error {
	<-ctx.Done()
	return ctx.Err()
}

func open(t *testing.T, b sqlstore.Backend) *sqlstore.DB {
	t.Helper()
	db := newDB(func(context.Context) (sqlstore.Backend, error) { return b, nil })
	db.Start()
	t.Cleanup(func() { db.Close() })
	if err := db.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	return db
}

var change = store.Write{Environment: "e", Put: []store.Object{{Environment: "e", Kind: store.KindScope, ID: "s"}}}

// A database that nobody else changes is asked once after each change, whether it
// succeeded or not.
func TestVersionIsKnown(t *testing.T) {
	b := &counting{}
	db := open(t, b)
	read := func(want, reads int64) {
		t.Helper()
		for range 3 {
			if got, err := db.ObjectsVersion(t.Context(), "e"); got != want || err != nil {
				t.Errorf("ObjectsVersion = %d, %v, want %d", got, err, want)
			}
		}
		if got := b.reads.Load(); got != reads {
			t.Errorf("the database was asked %d times, want %d", got, reads)
		}
	}
	read(0, 1)
	if err := db.Apply(t.Context(), change); err != nil {
		t.Fatal(err)
	}
	read(1, 2)
	b.fail(errors.New("nobody knows whether it was committed"))
	if err := db.Apply(t.Context(), change); err == nil {
		t.Error("Apply = nil, want an error")
	}
	b.fail(nil)
	read(2, 3)
	if err := db.PutUser(t.Context(), store.User{Environment: "e", ID: "u", Username: "u"}); err != nil {
		t.Fatal(err)
	}
	read(2, 3) // no object was changed
}

// What was read before a change is not kept beyond it.
func TestVersionReadDuringAChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &counting{slow: make(chan struct{})}
		db := open(t, b)
		early := make(chan int64)
		go func() {
			v, _ := db.ObjectsVersion(t.Context(), "e")
			early <- v
		}()
		synctest.Wait()
		if err := db.Apply(t.Context(), change); err != nil {
			t.Fatal(err)
		}
		close(b.slow)
		if got := <-early; got != 0 {
			t.Errorf("ObjectsVersion that began before the change = %d, want 0", got)
		}
		if got, err := db.ObjectsVersion(t.Context(), "e"); got != 1 || err != nil {
			t.Errorf("ObjectsVersion behind the change = %d, %v, want 1", got, err)
		}
	})
}

// Callers share a read that begins when all of them have come, and never one that
// was under way before.
func TestVersionReadIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &nodes{counting{slow: make(chan struct{})}}
		db := open(t, b)
		got := make(chan int64, 100)
		ask := func(n int) {
			for range n {
				go func() {
					v, err := db.ObjectsVersion(t.Context(), "e")
					if err != nil {
						t.Error(err)
					}
					got <- v
				}()
			}
			synctest.Wait()
		}
		ask(1)
		b.version.Store(1) // another node's change
		ask(20)
		impatient, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := db.ObjectsVersion(impatient, "e"); !errors.Is(err, context.Canceled) {
			t.Errorf("ObjectsVersion of a caller that went away = %v, want its context's error", err)
		}
		b.slow <- struct{}{}
		if v := <-got; v != 0 {
			t.Errorf("ObjectsVersion that began before the change = %d, want 0", v)
		}
		b.slow <- struct{}{}
		for range 20 {
			if v := <-got; v != 1 {
				t.Errorf("ObjectsVersion behind the change = %d, want 1", v)
			}
		}
		if n := b.reads.Load(); n != 2 {
			t.Errorf("the database was asked %d times, want 2", n)
		}
		// And when nobody waits any more it is asked anew.
		b.version.Store(2)
		ask(1)
		b.slow <- struct{}{}
		if v := <-got; v != 2 {
			t.Errorf("ObjectsVersion = %d, want 2", v)
		}
	})
}

// A read that hangs is given up, and ends with the store.
func TestVersionReadThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := open(t, &nodes{counting{slow: make(chan struct{})}})
		if _, err := db.ObjectsVersion(t.Context(), "e"); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("ObjectsVersion = %v, want ErrUnavailable", err)
		}
		failed := make(chan error)
		go func() {
			_, err := db.ObjectsVersion(t.Context(), "e")
			failed <- err
		}()
		time.Sleep(time.Second)
		go db.Close()
		if err := <-failed; !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("ObjectsVersion while the store closes = %v, want ErrUnavailable", err)
		}
		if _, err := db.ObjectsVersion(t.Context(), "e"); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("ObjectsVersion of a closed store = %v, want ErrUnavailable", err)
		}
	})
}
