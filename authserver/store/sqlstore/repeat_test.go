package sqlstore_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/sqlstore"
)

func seconds(n int64) time.Time { return time.Unix(n, 0) }

// values is a row.
type values []any

func (v values) Scan(dest ...any) error {
	for i, d := range dest {
		switch d := d.(type) {
		case *string:
			*d, _ = v[i].(string)
		case *[]byte:
			*d, _ = v[i].([]byte)
		case *int64:
			*d, _ = v[i].(int64)
		}
	}
	return nil
}

// repeating is a backend whose commits each take several attempts, as where the
// server undoes a transaction: what an attempt returned before it failed does
// not count.
type repeating struct {
	fake
	attempts [][]values // rows of each attempt
	commits  atomic.Int32
}

func (r *repeating) Commit(_ context.Context, batch []*sqlstore.Statement) error {
	if r.commits.Add(1) > 1 {
		for _, s := range batch {
			s.Affected = 0
		}
		return nil
	}
	for _, rows := range r.attempts {
		for _, s := range batch {
			s.Affected = 0
			for _, row := range rows {
				s.Affected++
				if err := s.Row(row); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func repeatingDB(t *testing.T, attempts ...[]values) *sqlstore.DB {
	t.Helper()
	r := &repeating{attempts: attempts}
	db := newDB(func(context.Context) (sqlstore.Backend, error) { return r, nil })
	db.Start()
	t.Cleanup(func() { db.Close() })
	return db
}

// A ticket that another node took between two attempts was not taken here.
func TestTicketOfAFailedAttempt(t *testing.T) {
	ticket := values{"client", "grant", []byte("data"), int64(10), int64(20), int64(1)}
	for _, tt := range []struct {
		name     string
		attempts [][]values
		want     error
	}{
		{"it was there at once", [][]values{{ticket}}, nil},
		{"it was there each time", [][]values{{ticket}, {ticket}}, nil},
		{"it was gone the second time", [][]values{{ticket}, {}}, store.ErrNotFound},
		{"it was gone at last", [][]values{{ticket}, {ticket}, {}}, store.ErrNotFound},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := repeatingDB(t, tt.attempts...).TakeTicket(t.Context(), "env", store.TicketCode, store.Hash{}, seconds(0))
			if !errors.Is(err, tt.want) || (err == nil) != (got.Client == "client") {
				t.Errorf("TakeTicket = %q, %v, want %v", got.Client, err, tt.want)
			}
		})
	}
}

// Rows of a failed attempt are not among the answer.
func TestRowsOfAFailedAttempt(t *testing.T) {
	family := func(id string) values { return values{id, "c", "s", "", []byte{}, int64(1), int64(2), int64(1)} }
	delivery := func(id string) values {
		return values{"env", id, "k", "t", "c", []byte{}, int64(0), int64(1), int64(2)}
	}
	for _, tt := range []struct {
		name     string
		attempts [][]string
		want     string
	}{
		{"one attempt", [][]string{{"a", "b"}}, "[a b]"},
		{"the same twice", [][]string{{"a", "b"}, {"a", "b"}}, "[a b]"},
		{"fewer", [][]string{{"a", "b"}, {"b"}}, "[b]"},
		{"more", [][]string{{"b"}, {"a", "b"}}, "[a b]"},
		{"none", [][]string{{"a", "b"}, {}}, "[]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var families, deliveries [][]values
			for _, ids := range tt.attempts {
				var f, d []values
				for _, id := range ids {
					f, d = append(f, family(id)), append(d, delivery(id))
				}
				families, deliveries = append(families, f), append(deliveries, d)
			}
			ended, err := repeatingDB(t, families...).EndFamilies(t.Context(), store.FamilyFilter{Environment: "env", Subject: "s"})
			var got []string
			for _, f := range ended {
				got = append(got, f.ID)
			}
			if fmt.Sprint(got) != tt.want || err != nil {
				t.Errorf("EndFamilies = %v, %v, want %s", got, err, tt.want)
			}
			claimed, err := repeatingDB(t, deliveries...).ClaimDeliveries(t.Context(), "k", seconds(0), seconds(1), 10)
			got = nil
			for _, d := range claimed {
				got = append(got, d.ID)
			}
			if fmt.Sprint(got) != tt.want || err != nil {
				t.Errorf("ClaimDeliveries = %v, %v, want %s", got, err, tt.want)
			}
		})
	}
}
