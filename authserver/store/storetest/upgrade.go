package storetest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

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

// OldTokens are statements that store tokens as the release did that made the
// third migration: n families of alice, each with one token that was exchanged
// and one that was not, and an access token of each. hex is how bytes begin in the database's SQL.
func OldTokens(n int, hex string) []string {
	var tokens, families, refresh []string
	created, issued := Now.UnixMicro(), Now.Unix()
	for i := range n {
		tokens = append(tokens, fmt.Sprintf(`('%s', 'id%05d', 'client-1', 'alice', 'sid-1', 'f%05d', 'openid', '["a"]', %d, %d)`,
			env1, i, i, issued, issued+3600))
		families = append(families, fmt.Sprintf(`('%s', 'f%05d', 'client-1', 'alice', 'sid-1', 'data', %d, %d, %d, 0)`,
			env1, i, created, created+int64(100*time.Hour/time.Microsecond), created+int64(100*time.Hour/time.Microsecond)))
		for k, next := range []string{fmt.Sprintf("HEX%064x'", 2*i+2), "NULL"} {
			refresh = append(refresh, fmt.Sprintf(`('%s', HEX%064x', 'f%05d', %d, HEX', %s, %d)`,
				env1, 2*i+1+k, i, created+int64(time.Duration(50+k)*time.Hour/time.Microsecond), next, (1-k)*int(created)))
		}
	}
	texts := []string{
		`INSERT INTO access_tokens (environment, id, client_id, subject, session, grant_id, scope, audience, issued_at, expires_at) VALUES ` + strings.Join(tokens, ", "),
		`INSERT INTO families (environment, id, client_id, subject, session, data, created_at, expires_at, kept_until, ended) VALUES ` +
			strings.ReplaceAll(strings.Join(families, ", "), "'data'", "HEX01'"),
		`INSERT INTO refresh_tokens (environment, hash, family, expires_at, sealed, successor, rotated_at) VALUES ` + strings.Join(refresh, ", "),
	}
	for i := range texts {
		texts[i] = strings.ReplaceAll(texts[i], "HEX", hex)
	}
	return texts
}

// UpgradedTokens looks for what n of OldTokens have stored.
func UpgradedTokens(t *testing.T, s store.Store, n int) {
	ctx := testContext(t)
	tokens, err := s.ListAccessTokens(ctx, store.AccessTokenFilter{Environment: env1, Subject: "alice"}, "", 2*n, Now)
	if len(tokens) != n || err != nil {
		t.Fatalf("%d access tokens, %v, want %d", len(tokens), err, n)
	}
	for i, got := range tokens {
		want := store.AccessToken{
			Environment: env1, ID: fmt.Sprintf("id%05d", i), Client: "client-1", Subject: "alice", Session: "sid-1", Grant: fmt.Sprintf("f%05d", i),
			Scope: "openid", Audience: []string{"a"}, IssuedAt: Now, ExpiresAt: Now.Add(time.Hour),
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("access token %d (-want +got):\n%s", i, diff)
		}
	}
	families, err := s.ListFamilies(ctx, store.FamilyFilter{Environment: env1, Subject: "alice"}, "", 2*n, Now)
	if len(families) != n || err != nil {
		t.Fatalf("%d families, %v, want %d", len(families), err, n)
	}
	for i, f := range families {
		if f.ID != fmt.Sprintf("f%05d", i) || !f.TokenExpiresAt.Equal(Now.Add(51*time.Hour)) {
			t.Errorf("family %d is %s, its newest token expires at %v, want %v", i, f.ID, f.TokenExpiresAt, Now.Add(51*time.Hour))
		}
	}
	with := token(1)
	with.Data = []byte("data")
	put(t, s, with)
	if got, err := s.AccessTokenByID(ctx, env1, with.ID, with.ExpiresAt, Now); err != nil || string(got.Data) != "data" {
		t.Errorf("data of a new token = %q, %v, want data", got.Data, err)
	}
}
