package main

import (
	"testing"

	"github.com/caddy-gatehouse/gatehouse/integration/pgtest"
)

// preloadTokens checks by itself that the store finds the tokens that it wrote.
func TestPreloadTokens(t *testing.T) {
	for _, tt := range []struct {
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
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := tt.open(t)
			defer d.close()
			if err := d.preloadPeople(ecEnvironment, 100); err != nil {
				t.Fatal(err)
			}
			if err := d.preloadTokens(ecEnvironment, 100*tokensEach+manyMore); err != nil {
				t.Fatal(err)
			}
		})
	}
}
