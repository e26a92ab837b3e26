package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

var scanTests = []namedTest{
	{"a user is found by each of its terms", scanTerms},
	{"users come by value and then by ID, in pages, ties included", scanPages},
	{"a prefix finds what begins with it, and nothing beside it", scanPrefix},
	{"terms follow every change of a user", scanFollows},
	{"a walk goes on behind users who have gone meanwhile", scanDeleted},
	{"users of a population are counted up to a limit", scanCount},
	{"many callers who change users leave an index that agrees with them", func(t *testing.T, s store.Store) { scanContention(t, s, s) }},
	{"nobody of another environment is found", scanIsolation},
}

// scanAll walks to the end in pages of a few.
func scanAll(t testing.TB, s store.Store, scan store.UserScan) (users []store.ScannedUser) {
	t.Helper()
	scan.Limit = 7
	for range 10_000 {
		page, err := s.ScanUsers(testContext(t), scan)
		if err != nil {
			t.Fatalf("ScanUsers = %v", err)
		}
		users = append(users, page...)
		if len(page) < scan.Limit {
			return users
		}
		scan.After = page[len(page)-1].Mark
	}
	t.Fatal("ScanUsers does not come to an end")
	return nil
}

// scanned are the IDs of a walk, in its order.
func scanned(t testing.TB, s store.Store, scan store.UserScan) string {
	t.Helper()
	if scan.Environment == "" {
		scan.Environment = env1
	}
	var out []string
	for _, u := range scanAll(t, s, scan) {
		out = append(out, u.ID)
	}
	return strings.Join(out, " ")
}

// wholeIndex checks that the users of the environment are found by the terms
// that they have, and by no others.
func wholeIndex(t testing.TB, s store.Store) {
	t.Helper()
	want := make(map[string][]string) // marks by attribute
	for _, a := range []string{"username", "email", "population.id", "enabled", "address.countryCode", "nickname"} {
		want[a] = nil
	}
	for _, u := range scanAll(t, s, store.UserScan{Environment: env1}) {
		for _, term := range store.UserTerms(u.User) {
			want[term.Attribute] = append(want[term.Attribute], term.Value+"\x00"+u.ID)
		}
	}
	for attribute, marks := range want {
		var got []string
		for _, u := range scanAll(t, s, store.UserScan{Environment: env1, Attribute: attribute, Prefix: true}) {
			got = append(got, u.Mark.Value+"\x00"+u.ID)
		}
		slices.Sort(marks)
		if diff := cmp.Diff(marks, got); diff != "" {
			t.Errorf("users by %s (-want +got):\n%s", attribute, diff)
		}
	}
}

func scanTerms(t *testing.T, s store.Store) {
	ctx := testContext(t)
	u := user("a")
	u.Username, u.Population, u.Disabled, u.Version = "Ålice@example.com", "population-1", true, 0
	u.Claims = map[string]any{
		"given_name": "Alice", "family_name": "von Wunder", "name": "Alice  W.", "email": "Alice@Example.com", "email_verified": true,
		"phone_number": "+49 1", "externalId": "x-1", "nickname": "Ａｌｌｉｅ", // full-width letters
		"address":  map[string]any{"country": "DE", "locality": "München", "street_address": "Str. 1\nHinterhaus", "postal_code": 80331},
		"costCode": "C 7", "groups": []any{"admin"}, "empty": "", "long": strings.Repeat("ä", 100), "username": "mallory", "name.given": "Mallory",
	}
	apply(t, s, store.Write{PutUsers: []store.User{u}})
	other := newUser("b")
	apply(t, s, store.Write{PutUsers: []store.User{other}})
	for _, tt := range []struct{ attribute, value, want string }{
		{"username", "ålice@example.com", "a"},
		{"username", "Ålice@example.com", ""}, // the caller folds
		{"username", "mallory", ""},
		{"name.given", "alice", "a"},
		{"name.given", "mallory", ""},
		{"given_name", "alice", ""},
		{"name.family", "von wunder", "a"},
		{"name.formatted", "alice  w.", "a"},
		{"email", "alice@example.com", "a"},
		{"email_verified", "true", ""},
		{"primaryPhone", "+49 1", "a"},
		{"externalId", "x-1", "a"},
		{"nickname", "allie", "a"},
		{"address.countryCode", "de", "a b"},
		{"address.locality", "münchen", "a"},
		{"address.streetAddress", "str. 1\nhinterhaus", "a"},
		{"address.postalCode", "80331", ""}, // not text
		{"address", "de", ""},
		{"costCode", "c 7", "a"},
		{"groups", "admin", ""},
		{"empty", "", ""},
		{"long", strings.Repeat("ä", 32), "a"},
		{"long", strings.Repeat("ä", 31), ""},
		{"population.id", "population-1", "a"},
		{"population.id", "", "b"},
		{"enabled", "false", "a"},
		{"enabled", "true", ""},
		{"", "", "a b"},
		{"", "whatever", "a b"},
		{"unknown", "x", ""},
		{"email", "\xff", ""},
	} {
		if got := scanned(t, s, store.UserScan{Attribute: tt.attribute, Value: tt.value}); got != tt.want {
			t.Errorf("users with %s %q: %q, want %q", tt.attribute, tt.value, got, tt.want)
		}
	}
	page, err := s.ScanUsers(ctx, store.UserScan{Environment: env1, Attribute: "email", Value: "alice@example.com", Limit: 10})
	u.Version, u.Claims["address"].(map[string]any)["postal_code"] = 1, 80331.0
	want := []store.ScannedUser{{User: u, Mark: store.UserMark{Value: "alice@example.com", ID: "a"}}}
	if diff := cmp.Diff(want, page); diff != "" || err != nil {
		t.Errorf("ScanUsers: %v (-want +got):\n%s", err, diff)
	}
	for _, limit := range []int{0, -1} {
		if page, err := s.ScanUsers(ctx, store.UserScan{Environment: env1, Limit: limit}); len(page) > 0 || err != nil {
			t.Errorf("ScanUsers of %d users = %d, %v, want none", limit, len(page), err)
		}
	}
}

func scanPages(t *testing.T, s store.Store) {
	ctx := testContext(t)
	var users []store.User
	for i := range 60 {
		u := newUser(fmt.Sprintf("%02d", 59-i))
		u.Claims = map[string]any{"family_name": []string{"Smith", "smith", "Abel", "Zander"}[i%4]} // two of them are one
		users = append(users, u)
	}
	apply(t, s, store.Write{PutUsers: users})
	for _, limit := range []int{1, 7, 15, 30, 60, 61} {
		scan := store.UserScan{Environment: env1, Attribute: "name.family", Prefix: true, Limit: limit}
		var got []store.UserMark
		for {
			page, err := s.ScanUsers(ctx, scan)
			if err != nil || len(page) > limit {
				t.Fatalf("ScanUsers = %d users, %v, want at most %d", len(page), err, limit)
			}
			for _, u := range page {
				if u.ID != u.Mark.ID || store.FoldTerm(u.Claims["family_name"].(string)) != u.Mark.Value {
					t.Errorf("user %s %v has the mark %v", u.ID, u.Claims, u.Mark)
				}
				got = append(got, u.Mark)
			}
			if len(page) < limit {
				break
			}
			scan.After = page[limit-1].Mark
		}
		if len(got) != 60 || !slices.IsSortedFunc(got, func(a, b store.UserMark) int {
			return strings.Compare(a.Value+"\x00"+a.ID, b.Value+"\x00"+b.ID)
		}) {
			t.Errorf("in pages of %d: %d users, want 60 in order: %v", limit, len(got), got)
		}
		slices.SortFunc(got, func(a, b store.UserMark) int { return strings.Compare(a.ID, b.ID) })
		if got = slices.Compact(got); len(got) != 60 {
			t.Errorf("in pages of %d: %d users, want each of 60 once", limit, len(got))
		}
	}
	if got := strings.Fields(scanned(t, s, store.UserScan{Attribute: "name.family", Value: "smith"})); len(got) != 30 || !slices.IsSorted(got) {
		t.Errorf("smiths: %v, want 30 by ID", got)
	}
	if got := strings.Fields(scanned(t, s, store.UserScan{})); len(got) != 60 || !slices.IsSorted(got) {
		t.Errorf("all: %v, want 60 by ID", got)
	}
	// A mark need not be anybody's.
	page, err := s.ScanUsers(ctx, store.UserScan{Environment: env1, Attribute: "name.family", Prefix: true, Limit: 1, After: store.UserMark{Value: "b"}})
	if len(page) != 1 || page[0].Mark.Value != "smith" || err != nil {
		t.Errorf("behind b: %v, %v, want a smith", page, err)
	}
}

func scanPrefix(t *testing.T, s store.Store) {
	names := map[string]string{
		"1": "a", "2": "ab", "3": "ab\U0010FFFFz", "4": "ab\U0010FFFF\U0010FFFF", "5": "ac", "6": "\uD7FFx", "7": "\uE000", "8": "b", "9": "ab ",
		"a": "\U0010FFFF\U0010FFFF\U0010FFFF", "b": "a%_", "c": "ab" + strings.Repeat("c", 100),
	}
	for id, name := range names {
		u := newUser(id)
		u.Claims = map[string]any{"nickname": name}
		apply(t, s, store.Write{PutUsers: []store.User{u}})
	}
	for _, tt := range []struct{ prefix, want string }{
		{"a", "1 b 2 9 c 3 4 5"},
		{"ab", "2 9 c 3 4"},
		{"ab\U0010FFFF", "3 4"},
		{"\uD7FF", "6"},
		{"\U0010FFFF", "a"},
		{"\U0010FFFF\U0010FFFF\U0010FFFF\U0010FFFF", ""},
		{"a%", "b"},
		{"%", ""},
		{"A", ""},
		{"b", "8"},
		{"bb", ""},
		{"", "1 b 2 9 c 3 4 5 8 6 7 a"},
		{store.FoldTerm("ab" + strings.Repeat("c", 90)), "c"},
	} {
		if got := scanned(t, s, store.UserScan{Attribute: "nickname", Value: tt.prefix, Prefix: true}); got != tt.want {
			t.Errorf("nicknames that begin with %q: %q, want %q", tt.prefix, got, tt.want)
		}
	}
}

func scanFollows(t *testing.T, s store.Store) {
	ctx := testContext(t)
	claims := []map[string]any{
		{"email": "one@example.com", "nickname": "n"},
		{"email": "two@example.com", "nickname": "n"},
		nil,
		{"nickname": "m", "email": "two@example.com"},
		{"nickname": "m", "email": 7.0},
	}
	writes := map[string]func(u store.User) error{
		"Apply": func(u store.User) error {
			return s.Apply(ctx, store.Write{Environment: env1, PutUsers: []store.User{u}})
		},
		"PutUser and ReplaceUser": func(u store.User) error {
			if u.Version == 0 {
				return s.PutUser(ctx, u)
			}
			return s.ReplaceUser(ctx, u)
		},
	}
	for name, write := range writes {
		for v, c := range claims {
			u := userAt(name, int64(v))
			u.Claims, u.Username, u.Disabled = c, fmt.Sprint(name, v), v%2 == 1
			u.Population = []string{"", "p"}[v/2%2]
			if err := write(u); err != nil {
				t.Fatalf("%s at version %d = %v", name, v, err)
			}
			wholeIndex(t, s)
			if got := scanned(t, s, store.UserScan{Attribute: "username", Value: store.FoldTerm(u.Username)}); got != u.ID {
				t.Errorf("%s at version %d: users of that name: %q", name, v, got)
			}
			if got := scanned(t, s, store.UserScan{Attribute: "username", Value: store.FoldTerm(fmt.Sprint(name, v-1))}); got != "" {
				t.Errorf("%s at version %d: users of the old name: %q, want none", name, v, got)
			}
		}
		if err := s.DeleteUser(ctx, env1, name); err != nil {
			t.Fatal(err)
		}
		wholeIndex(t, s)
		if got := scanned(t, s, store.UserScan{}); got != "" {
			t.Errorf("after the deletion: %q, want nobody", got)
		}
	}
}

func scanDeleted(t *testing.T, s store.Store) {
	ctx := testContext(t)
	for i := range 20 {
		putUser(t, s, user(fmt.Sprintf("%02d", i)))
	}
	scan := store.UserScan{Environment: env1, Attribute: "address.countryCode", Value: "de", Limit: 5}
	page, err := s.ScanUsers(ctx, scan)
	if err != nil || len(page) != 5 {
		t.Fatalf("ScanUsers = %d, %v, want 5", len(page), err)
	}
	scan.After = page[4].Mark
	for i := 3; i < 8; i++ { // the mark's own among them
		if err := s.DeleteUser(ctx, env1, fmt.Sprintf("%02d", i)); err != nil {
			t.Fatal(err)
		}
	}
	page, err = s.ScanUsers(ctx, scan)
	if err != nil || len(page) != 5 || page[0].ID != "08" || page[4].ID != "12" {
		t.Errorf("ScanUsers of the next page = %v, %v, want 08 to 12", page, err)
	}
}

func scanCount(t *testing.T, s store.Store) {
	ctx := testContext(t)
	for i := range 12 {
		u := newUser(fmt.Sprint(i))
		u.Population = []string{"", "p1", "P2"}[i%3]
		if i > 8 {
			u.Environment = env2
		}
		apply(t, s, store.Write{Environment: u.Environment, PutUsers: []store.User{u}})
	}
	for _, tt := range []struct {
		environment, population string
		every                   bool
		limit, want             int
	}{
		{env1, "", true, 100, 9},
		{env1, "", true, 9, 9},
		{env1, "", true, 5, 5},
		{env1, "", true, 0, 0},
		{env1, "", false, 100, 3},
		{env1, "p1", false, 100, 3},
		{env1, "p1", false, 1, 1},
		{env1, "P2", false, 100, 3},
		{env1, "p3", false, 100, 0},
		{env2, "", true, 100, 3},
		{env2, "p1", false, 100, 1},
		{"unknown", "", true, 100, 0},
		{env1, "\xff", false, 100, 0},
	} {
		n, err := s.CountUsers(ctx, tt.environment, tt.population, tt.every, tt.limit)
		if n != tt.want || err != nil {
			t.Errorf("CountUsers(%q, %v, %d) = %d, %v, want %d", tt.population, tt.every, tt.limit, n, err, tt.want)
		}
	}
}

// scanContention has many callers put, change and delete a few users by every method at once.
func scanContention(t *testing.T, a, b store.Store) {
	ctx := testContext(t)
	for _, err := range race(24, func(i int) error {
		s := either(a, b, i)
		for n := range 25 {
			id := fmt.Sprint((i*7 + n) % 5)
			u, err := s.StoredUserByID(ctx, env1, id)
			switch {
			case errors.Is(err, store.ErrNotFound):
				u = newUser(id)
			case err != nil:
				return err
			}
			u.Username = fmt.Sprint("user ", (i+n)%9)
			u.Claims = map[string]any{"nickname": fmt.Sprint(i, n), "email": fmt.Sprint(i % 3)}
			u.Disabled = n%2 == 0
			switch n % 5 {
			case 0:
				err = s.Apply(ctx, store.Write{Environment: env1, DeleteUsers: []store.UserVersion{{ID: id}}})
			case 1:
				err = s.Apply(ctx, store.Write{Environment: env1, PutUsers: []store.User{u}})
			case 2:
				err = s.DeleteUser(ctx, env1, id)
			default:
				if err = s.PutUser(ctx, u); errors.Is(err, store.ErrExists) {
					err = s.ReplaceUser(ctx, u)
				}
			}
			if err != nil && !errors.Is(err, store.ErrExists) && !errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrNotFound) {
				return err
			}
		}
		return nil
	}) {
		if err != nil {
			t.Error(err)
		}
	}
	wholeIndex(t, a)
	wholeIndex(t, b)
}

func scanIsolation(t *testing.T, s store.Store) {
	there := newUser("b")
	there.Environment = env2
	apply(t, s, store.Write{Environment: env2, PutUsers: []store.User{there}})
	putUser(t, s, user("a"))
	for _, scan := range []store.UserScan{{}, {Attribute: "address.countryCode", Value: "de"}, {Attribute: "username", Prefix: true}} {
		for environment, want := range map[string]string{env1: "a", env2: "b", "unknown": ""} {
			scan.Environment = environment
			if got := scanned(t, s, scan); got != want {
				t.Errorf("users of %s by %q: %q, want %q", environment, scan.Attribute, got, want)
			}
		}
	}
	if err := s.Apply(testContext(t), store.Write{Environment: env1, DeleteUsers: []store.UserVersion{{ID: "b"}}}); !errors.Is(err, store.ErrConflict) {
		t.Errorf("Apply that deletes another environment's user = %v, want ErrConflict", err)
	}
	if got := scanned(t, s, store.UserScan{Environment: env2}); got != "b" {
		t.Errorf("users there: %q, want b", got)
	}
}
