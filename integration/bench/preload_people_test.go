package main

import (
	"context"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/integration/pgtest"
)

// preloadPeople checks by itself that the store finds those whom it wrote.
func TestPreloadPeople(t *testing.T) {
	for _, tt := range preloaded {
		t.Run(tt.name, func(t *testing.T) {
			d := tt.open(t)
			defer d.close()
			if err := d.preloadPeople(ecEnvironment, 2000); err != nil {
				t.Fatal(err)
			}
			if err := d.preloadApplications(ecEnvironment, 100, 1200); err != nil {
				t.Fatal(err)
			}
			err := d.with(func(ctx context.Context, s store.Store) error {
				list, err := s.ListObjects(ctx, store.ObjectFilter{Environment: ecEnvironment, Kind: store.KindApplication}, "", 2000)
				if len(list) != 1200 {
					t.Errorf("there are %d applications, want 1200", len(list))
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}

// preloaded are the databases that a benchmark preloads.
var preloaded = []struct {
	name string
	open func(testing.TB) *database
}{
	{"sqlite", func(t testing.TB) *database { return sqliteIn(t.TempDir()) }},
	{"postgres", func(t testing.TB) *database {
		d, err := newPostgres()
		if err != nil {
			pgtest.Missing(t, err)
		}
		return d
	}},
}
