package postgres_test

import (
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/store/postgres"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/storetest"
	"github.com/caddy-gatehouse/gatehouse/integration/pgtest"
)

// Users whom an earlier release has stored are found like others, whichever node
// comes first.
func TestUsersOfEarlierRelease(t *testing.T) {
	dsn := pgtest.Database(t)
	if err := postgres.MigrateTo(t.Context(), dsn, 2); err != nil {
		t.Fatal(err)
	}
	pgtest.Exec(t, dsn, storetest.OldUsers(700))
	open(t, dsn)
	storetest.Upgraded(t, open(t, dsn), 700, func() { pgtest.Exec(t, dsn, storetest.ChangeOldUser) })
}

// So are their tokens.
func TestTokensOfEarlierRelease(t *testing.T) {
	dsn := pgtest.Database(t)
	if err := postgres.MigrateTo(t.Context(), dsn, 3); err != nil {
		t.Fatal(err)
	}
	for _, text := range storetest.OldTokens(300, `'\x`) {
		pgtest.Exec(t, dsn, text)
	}
	storetest.UpgradedTokens(t, open(t, dsn), 300)
}
