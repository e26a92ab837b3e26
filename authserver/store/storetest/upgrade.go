package storetest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// OldUsers is a statement that stores n users as the release did that made the
// second migration, without the terms by which they are found.
func OldUsers(n int) string {
	rows := make([]string, n)
	for i := range rows {
		rows[i] = fmt.Sprintf(`('%s', 'id%05d', 'User %d', %d, 1, '{"email":"Old%d@example.com","address":{"country":"DE"}}', 1, 2, %d)`,
			env1, i, i, i%2, i, 1+i%3)
	}
	return "INSERT INTO users (environment, id, username, disabled, verified, claims, created_at, updated_at, version) VALUES " +
		strings.Join(rows, ", ")
}

// ChangeOldUser is what that release's node does to one of them beside a newer one.
const ChangeOldUser = `UPDATE users SET claims = '{"email":"changed@example.com"}', version = version + 1 WHERE id = 'id00007'`

// Upgraded looks for n users of OldUsers, and then, once change has run
// ChangeOldUser and somebody has swept, for the one that was changed.
func Upgraded(t *testing.T, s store.Store, n int, change func()) {
	ctx := testContext(t)
	if got, err := s.CountUsers(ctx, env1, "", true, 2*n); got != n || err != nil {
		t.Errorf("CountUsers = %d, %v, want %d", got, err, n)
	}
	wholeIndex(t, s)
	if got := len(scanAll(t, s, store.UserScan{Environment: env1, Attribute: "address.countryCode", Value: "de"})); got != n {
		t.Errorf("%d users of the country, want %d", got, n)
	}
	email := func(value string) string {
		return scanned(t, s, store.UserScan{Attribute: "email", Value: value})
	}
	if got := email("old7@example.com"); got != "id00007" {
		t.Errorf("users with the address: %q, want id00007", got)
	}

	change()
	if _, err := s.Sweep(ctx, Now, 1); err != nil {
		t.Fatal(err)
	}
	if got := email("changed@example.com"); got != "id00007" {
		t.Errorf("users with the new address: %q, want id00007", got)
	}
	// The term of the old address is still there, and is in nobody's way, not
	// even where the user has gone.
	if err := s.DeleteUser(ctx, env1, "id00007"); err != nil {
		t.Fatal(err)
	}
	if got := email("old7@example.com"); got != "" {
		t.Errorf("users with the old address: %q, want nobody", got)
	}
	scan := store.UserScan{Environment: env1, Attribute: "email", Prefix: true}
	if got := len(scanAll(t, s, scan)); got != n-1 {
		t.Errorf("%d users by address, want %d", got, n-1)
	}
	for scan.Limit = 1; ; { // each page ends at the place of one who has gone, or behind
		page, err := s.ScanUsers(ctx, scan)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			t.Error("the walk ends before the last user")
			break
		}
		if page[0].ID == fmt.Sprintf("id%05d", 8) {
			break
		}
		scan.After = page[0].Mark
	}
}
