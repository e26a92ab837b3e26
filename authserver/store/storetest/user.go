package storetest

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

var userTests = []namedTest{
	{"a user comes back as it was put, with version 1", userRoundTrip},
	{"an ID or username already present in the environment is ErrExists", userExists},
	{"a replacement needs the version that is stored, and a free username", userReplace},
	{"of concurrent users with one username exactly one is stored", func(t *testing.T, s store.Store) { userNameContention(t, s, s) }},
	{"of concurrent replacements exactly one succeeds", func(t *testing.T, s store.Store) { userContention(t, s, s) }},
	{"a user goes with its credential and consents, and nobody else's", userDelete},
}

var credentialTests = []namedTest{
	{"a credential comes back as it was put, a version on", credentialRoundTrip},
	{"a stale version is ErrConflict and changes nothing", credentialStale},
	{"of concurrent puts exactly one succeeds", func(t *testing.T, s store.Store) { credentialContention(t, s, s) }},
}

func user(id string) store.User {
	return store.User{
		Environment: env1, ID: id, Username: "name of " + id,
		Claims:    map[string]any{"email": id + "@example.com", "address": map[string]any{"country": "DE"}, "age": 3.0, "groups": []any{"a", true, nil}},
		CreatedAt: Now, UpdatedAt: Now.Add(time.Microsecond), Version: 1,
	}
}

func putUser(t *testing.T, s store.Store, users ...store.User) {
	t.Helper()
	for _, u := range users {
		if err := s.PutUser(testContext(t), u); err != nil {
			t.Fatalf("PutUser(%s) = %v", u.ID, err)
		}
	}
}

func userRoundTrip(t *testing.T, s store.Store) {
	ctx := testContext(t)
	flags := user("flags")
	flags.Disabled, flags.Verified, flags.MFAEnabled = true, true, true
	flags.Population, flags.VerifyStatus = "population-1", "ENABLED"
	bare := store.User{Environment: env1, ID: "bare", Username: "bare", Version: 1}
	for _, want := range []store.User{user("a"), flags, bare} {
		put := want
		put.Version = 9 // is not the caller's to choose
		putUser(t, s, put)
		for name, find := range map[string]func(environment string) (store.User, error){
			"StoredUserByID":   func(e string) (store.User, error) { return s.StoredUserByID(ctx, e, want.ID) },
			"StoredUserByName": func(e string) (store.User, error) { return s.StoredUserByName(ctx, e, want.Username) },
		} {
			got, err := find(env1)
			if diff := cmp.Diff(want, got); diff != "" || err != nil {
				t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
			}
			for _, e := range []string{env2, "\xff"} {
				if _, err := find(e); !errors.Is(err, store.ErrNotFound) {
					t.Errorf("%s in environment %q = %v, want ErrNotFound", name, e, err)
				}
			}
		}
	}
	if _, err := s.StoredUserByName(ctx, env1, "Name of a"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("StoredUserByName in another case = %v, want ErrNotFound", err)
	}
	// A declared user's password is not for the database.
	declared := user("declared")
	declared.Declared, declared.Password = true, "secret"
	putUser(t, s, declared)
	if got, err := s.StoredUserByID(ctx, env1, "declared"); err != nil || got.Declared || got.Password != "" {
		t.Errorf("StoredUserByID = declared %v, password %q, %v, want false, none", got.Declared, got.Password, err)
	}
}

func userExists(t *testing.T, s store.Store) {
	ctx := testContext(t)
	putUser(t, s, user("a"))
	sameID, sameName, elsewhere := user("a"), user("b"), user("a")
	sameID.Username, sameName.Username, elsewhere.Environment = "other", user("a").Username, env2
	for name, u := range map[string]store.User{"ID": sameID, "username": sameName, "all": user("a")} {
		if err := s.PutUser(ctx, u); !errors.Is(err, store.ErrExists) {
			t.Errorf("PutUser with the same %s = %v, want ErrExists", name, err)
		}
	}
	putUser(t, s, elsewhere)
	for name, change := range map[string]func(*store.User){
		"no ID":                    func(u *store.User) { u.ID = "" },
		"NUL in the population":    func(u *store.User) { u.Population = "a\x00" },
		"NUL in the username":      func(u *store.User) { u.Username = "a\x00" },
		"513 bytes of username":    func(u *store.User) { u.Username = strings.Repeat("u", 513) },
		"a claim that JSON cannot": func(u *store.User) { u.Claims = map[string]any{"f": func() {}} },
	} {
		u := user("bad")
		change(&u)
		if err := s.PutUser(ctx, u); err == nil || errors.Is(err, store.ErrExists) {
			t.Errorf("PutUser with %s = %v, want an error", name, err)
		}
	}
	long := user("long")
	long.Username = strings.Repeat("u", 512)
	long.Claims = map[string]any{"nul": "a\x00b", "long": strings.Repeat("x", 100_000)}
	putUser(t, s, long)
	got, err := s.StoredUserByName(ctx, env1, long.Username)
	if diff := cmp.Diff(long, got); diff != "" || err != nil {
		t.Errorf("StoredUserByName: %v (-want +got):\n%s", err, diff)
	}
}

func userReplace(t *testing.T, s store.Store) {
	ctx := testContext(t)
	putUser(t, s, user("a"), user("b"))
	changed := user("a")
	changed.Username, changed.Disabled, changed.Verified = "new name", true, true
	changed.Population, changed.MFAEnabled, changed.VerifyStatus = "population-2", true, "DISABLED"
	changed.Claims, changed.CreatedAt, changed.UpdatedAt = nil, Now.Add(time.Second), Now.Add(time.Hour)
	for _, st := range []struct {
		name   string
		change func(*store.User)
		want   error
	}{
		{"a version to come", func(u *store.User) { u.Version = 2 }, store.ErrConflict},
		{"no version", func(u *store.User) { u.Version = 0 }, store.ErrConflict},
		{"another environment", func(u *store.User) { u.Environment = env2 }, store.ErrConflict},
		{"unknown", func(u *store.User) { u.ID = "c" }, store.ErrConflict},
		{"another user's name", func(u *store.User) { u.Username = user("b").Username }, store.ErrExists},
		{"another user's name and version", func(u *store.User) { u.Username, u.Version = user("b").Username, 2 }, store.ErrConflict},
	} {
		u := changed
		st.change(&u)
		if err := s.ReplaceUser(ctx, u); !errors.Is(err, st.want) {
			t.Errorf("%s: ReplaceUser = %v, want %v", st.name, err, st.want)
		}
		got, err := s.StoredUserByName(ctx, env1, user("a").Username)
		if diff := cmp.Diff(user("a"), got); diff != "" || err != nil {
			t.Errorf("after %s: %v (-want +got):\n%s", st.name, err, diff)
		}
	}
	for version := range int64(3) { // the second time with the name it has
		changed.Version = version + 1
		if err := s.ReplaceUser(ctx, changed); err != nil {
			t.Fatalf("ReplaceUser of version %d = %v, want nil", version+1, err)
		}
	}
	changed.Version = 4
	got, err := s.StoredUserByName(ctx, env1, "new name")
	if diff := cmp.Diff(changed, got); diff != "" || err != nil {
		t.Errorf("after its replacement: %v (-want +got):\n%s", err, diff)
	}
	if _, err := s.StoredUserByName(ctx, env1, user("a").Username); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("StoredUserByName of the old name = %v, want ErrNotFound", err)
	}
}

// userNameContention lets 50 callers want one username, as new users and as
// users who change theirs.
func userNameContention(t *testing.T, a, b store.Store) {
	ctx := testContext(t)
	for i := range 25 {
		putUser(t, a, user(fmt.Sprint("old", i)))
	}
	errs := race(50, func(i int) error {
		u := user(fmt.Sprint("new", i))
		if i%2 == 0 {
			u = user(fmt.Sprint("old", i/2))
		}
		u.Username = "wanted"
		if i%2 == 0 {
			return either(a, b, i/2).ReplaceUser(ctx, u)
		}
		return either(a, b, i/2).PutUser(ctx, u)
	})
	oneWinner(t, "PutUser or ReplaceUser", errs, store.ErrExists)
	if u, err := b.StoredUserByName(ctx, env1, "wanted"); err != nil || u.Username != "wanted" {
		t.Errorf("StoredUserByName = %q, %v, want the winner", u.Username, err)
	}
}

func userContention(t *testing.T, a, b store.Store) {
	ctx := testContext(t)
	putUser(t, a, user("a"))
	for version := int64(1); version <= 3; version++ {
		errs := race(50, func(i int) error {
			u := user("a")
			u.Version, u.Username = version, fmt.Sprint(version, i)
			return either(a, b, i).ReplaceUser(ctx, u)
		})
		winner := oneWinner(t, "ReplaceUser", errs, store.ErrConflict)
		got, err := b.StoredUserByID(ctx, env1, "a")
		if want := fmt.Sprint(version, winner); got.Username != want || got.Version != version+1 || err != nil {
			t.Errorf("StoredUserByID = %q version %d, %v, want %q version %d", got.Username, got.Version, err, want, version+1)
		}
	}
}

func userDelete(t *testing.T, s store.Store) {
	ctx := testContext(t)
	has := func(environment, subject string) string {
		_, errUser := s.StoredUserByID(ctx, environment, subject)
		_, errCredential := s.CredentialOf(ctx, environment, subject)
		_, errConsent := s.ConsentTo(ctx, environment, subject, "web")
		return fmt.Sprint(errUser == nil, errCredential == nil, errConsent == nil)
	}
	for _, u := range []struct {
		environment, id string
		stored          bool
	}{{env1, "a", true}, {env1, "b", true}, {env2, "a", true}, {env1, "declared", false}} {
		if x := user(u.id); u.stored {
			x.Environment = u.environment
			putUser(t, s, x)
		}
		c := credential(u.id)
		c.Environment = u.environment
		if err := s.PutCredential(ctx, c); err != nil {
			t.Fatal(err)
		}
		putConsent(t, s, store.ConsentRecord{Environment: u.environment, Subject: u.id, Client: "web"},
			store.ConsentRecord{Environment: u.environment, Subject: u.id, Client: "app"})
	}
	for _, want := range []error{nil, store.ErrNotFound} {
		if err := s.DeleteUser(ctx, env1, "a"); !errors.Is(err, want) {
			t.Errorf("DeleteUser = %v, want %v", err, want)
		}
	}
	for _, id := range []string{"declared", "unknown", "\xff"} {
		if err := s.DeleteUser(ctx, env1, id); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("DeleteUser(%q) = %v, want ErrNotFound", id, err)
		}
	}
	for _, tt := range []struct{ environment, id, want string }{
		{env1, "a", "false false false"},
		{env1, "b", "true true true"},
		{env2, "a", "true true true"},
		{env1, "declared", "false true true"},
	} {
		if got := has(tt.environment, tt.id); got != tt.want {
			t.Errorf("%s in %s has user, credential, consent: %s, want %s", tt.id, tt.environment, got, tt.want)
		}
	}
	if list, err := s.ListConsents(ctx, env1, "a", 10); len(list) > 0 || err != nil {
		t.Errorf("ListConsents of the deleted user = %v, %v, want none", list, err)
	}
	// The name is free again.
	again := user("c")
	again.Username = user("a").Username
	putUser(t, s, again)
}

func credential(subject string) store.Credential {
	return store.Credential{
		Environment: env1, Subject: subject, Password: "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA", Overrides: hash("declared"),
		MustChange: true, ChangedAt: Now, Failures: 3, LastFailure: Now.Add(time.Second), LockedUntil: Now.Add(time.Minute),
		Locked: true, LockedAt: Now.Add(2 * time.Second),
		CodePurpose: "recovery", Code: hash("123456"), CodeExpires: Now.Add(5 * time.Minute), CodeTries: 2,
	}
}

func credentialRoundTrip(t *testing.T, s store.Store) {
	ctx := testContext(t)
	bare := store.Credential{Environment: env1, Subject: "bare"}
	elsewhere := credential("a")
	elsewhere.Environment, elsewhere.Password = env2, "other"
	for _, want := range []store.Credential{credential("a"), bare, elsewhere} {
		if _, err := s.CredentialOf(ctx, want.Environment, want.Subject); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("CredentialOf before = %v, want ErrNotFound", err)
		}
		for range 3 {
			if err := s.PutCredential(ctx, want); err != nil {
				t.Fatalf("PutCredential of version %d = %v", want.Version, err)
			}
			want.Version++
			got, err := s.CredentialOf(ctx, want.Environment, want.Subject)
			if diff := cmp.Diff(want, got); diff != "" || err != nil {
				t.Errorf("CredentialOf: %v (-want +got):\n%s", err, diff)
			}
			want.Password, want.Failures, want.LockedUntil, want.MustChange = "", want.Failures+1, time.Time{}, !want.MustChange
			want.CodePurpose, want.Code, want.Overrides = "", store.Hash{}, hash("another")
			want.Locked, want.LockedAt = !want.Locked, time.Time{}
		}
	}
	for name, c := range map[string]store.Credential{
		"a subject of 513 bytes": {Environment: env1, Subject: strings.Repeat("s", 513)},
		"NUL in the password":    {Environment: env1, Subject: "b", Password: "\x00"},
	} {
		if err := s.PutCredential(ctx, c); err == nil {
			t.Errorf("PutCredential with %s = nil, want an error", name)
		}
	}
	many := make([]string, 230)
	for i := range many {
		many[i] = fmt.Sprint("nobody", i)
	}
	for name, subjects := range map[string][]string{
		"one":                                  {"a"},
		"both, and nobody":                     {"nobody", "bare", "a"},
		"one twice":                            {"a", "a"},
		"who cannot be":                        {"\xff", "a", ""},
		"more than a database reads at a time": append(append([]string{"bare"}, many...), "a"),
		"as many as it does":                   append([]string{"a"}, many[:99]...),
		"nobody":                               nil,
	} {
		want := map[string]store.Credential{}
		for _, subject := range subjects {
			if c, err := s.CredentialOf(ctx, env1, subject); err == nil {
				want[subject] = c
			}
		}
		got, err := s.CredentialsOf(ctx, env1, subjects)
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" || err != nil {
			t.Errorf("CredentialsOf %s: %v (-want +got):\n%s", name, err, diff)
		}
	}
	if _, err := s.CredentialOf(ctx, env1, "\xff"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("CredentialOf who cannot be = %v, want ErrNotFound", err)
	}
}

func credentialStale(t *testing.T, s store.Store) {
	ctx := testContext(t)
	want := credential("a")
	for _, version := range []int64{1, -1} { // of one that is not there
		c := want
		c.Version = version
		if err := s.PutCredential(ctx, c); !errors.Is(err, store.ErrConflict) {
			t.Errorf("PutCredential of version %d = %v, want ErrConflict", version, err)
		}
	}
	for version := range int64(2) {
		want.Version = version
		if err := s.PutCredential(ctx, want); err != nil {
			t.Fatal(err)
		}
	}
	want.Version = 2
	for _, version := range []int64{0, 1, 3, -1} {
		c := credential("a")
		c.Version, c.Password = version, "stale"
		if err := s.PutCredential(ctx, c); !errors.Is(err, store.ErrConflict) {
			t.Errorf("PutCredential of version %d = %v, want ErrConflict", version, err)
		}
		got, err := s.CredentialOf(ctx, env1, "a")
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("CredentialOf: %v (-want +got):\n%s", err, diff)
		}
	}
}

func credentialContention(t *testing.T, a, b store.Store) {
	ctx := testContext(t)
	for version := range int64(4) {
		errs := race(50, func(i int) error {
			c := credential("a")
			c.Version, c.Failures = version, i
			return either(a, b, i).PutCredential(ctx, c)
		})
		winner := oneWinner(t, "PutCredential", errs, store.ErrConflict)
		got, err := b.CredentialOf(ctx, env1, "a")
		if got.Failures != winner || got.Version != version+1 || err != nil {
			t.Errorf("CredentialOf = %d failures, version %d, %v, want %d, %d", got.Failures, got.Version, err, winner, version+1)
		}
	}
}
