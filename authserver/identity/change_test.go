package identity_test

import (
	"context"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/identity"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

func TestChangePassword(t *testing.T) {
	tests := []struct {
		name          string
		current, next string
		want, target  string
		failed        []string // unsatisfiedRequirements
	}{
		{"good", alicePassword, goodPassword, "", "", nil},
		{"eight characters", alicePassword, "zq7-xkp2", "", "", nil},
		{"seven characters", alicePassword, "zq7-xkp", identity.InvalidValue, "newPassword", []string{"length"}},
		{"eight characters that are 32 bytes", alicePassword, strings.Repeat("\U0001f511", 8), "", "", nil},
		{"seven characters that are 28 bytes", alicePassword, strings.Repeat("\U0001f511", 7), identity.InvalidValue, "newPassword", []string{"length"}},
		{"1024 bytes", alicePassword, strings.Repeat("ab-c", 256), "", "", nil},
		{"1025 bytes", alicePassword, strings.Repeat("ab-c", 256) + "d", identity.InvalidValue, "newPassword", []string{"length"}},
		{"not UTF-8", alicePassword, "abcdefgh\xff", identity.InvalidValue, "newPassword", []string{"length"}},
		{"among the commonest", alicePassword, "Password1", identity.InvalidValue, "newPassword", []string{"excludesCommonlyUsed"}},
		{"common, short", alicePassword, "1234567", identity.InvalidValue, "newPassword", []string{"length"}},
		{"the e-mail address", alicePassword, "Alice@Example.com", identity.InvalidValue, "newPassword", []string{"excludesProfileData"}},
		{"something with the e-mail address", alicePassword, "Alice@Example.com!", "", "", nil},
		{"the current one", alicePassword, alicePassword, identity.InvalidValue, "newPassword", []string{"notSimilarToCurrent"}},
		{"wrong current one", "wrong-password", goodPassword, identity.InvalidValue, "currentPassword", nil},
		{"no current one", "", goodPassword, identity.RequiredValue, "currentPassword", nil},
		{"no new one", alicePassword, "", identity.RequiredValue, "newPassword", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := newKit(t)
			k.directory.users["alice"].Password = phcOf(t, alicePassword) // replaced quickly
			user := k.directory.users["alice"]
			err := k.ChangePassword(t.Context(), k.env, user, tt.current, tt.next, address)
			if got := code(t, err); got != tt.want || target(err) != tt.target {
				t.Errorf("got %q on %q, want %q on %q", got, target(err), tt.want, tt.target)
			}
			failed, _ := inner(err, "unsatisfiedRequirements").([]string)
			if !reflect.DeepEqual(failed, tt.failed) {
				t.Errorf("unsatisfiedRequirements = %q, want %q", failed, tt.failed)
			}
			valid, void := alicePassword, tt.next
			if tt.want == "" {
				valid, void = tt.next, alicePassword
			}
			if got := k.check(t, "alice", valid); got != "" {
				t.Errorf("the password that counts: %q, want it accepted", got)
			}
			if void != valid && void != "" {
				if got := k.check(t, "alice", void); got != identity.InvalidCredentials {
					t.Errorf("the one that does not: %q, want it refused", got)
				}
			}
			if err != nil && tt.next != "" && holds([]byte(err.Error()), tt.next) {
				t.Error("the new password is in the error")
			}
		})
	}
}

func TestPasswordMayNotBeTheUsername(t *testing.T) {
	k := newKit(t)
	u := k.register(t, "robert-the-first", goodPassword)
	err := k.ChangePassword(t.Context(), k.env, u, goodPassword, "Robert-the-First", address)
	if failed, _ := inner(err, "unsatisfiedRequirements").([]string); !reflect.DeepEqual(failed, []string{"excludesProfileData"}) {
		t.Errorf("unsatisfiedRequirements = %q, want excludesProfileData", failed)
	}
}

func TestWrongCurrentPasswordsLock(t *testing.T) {
	k := newKit(t)
	user := k.directory.users["alice"]
	for range 5 {
		_ = k.ChangePassword(t.Context(), k.env, user, "wrong-password", goodPassword, address)
	}
	if got := code(t, k.ChangePassword(t.Context(), k.env, user, alicePassword, goodPassword, address)); got != identity.PasswordLockedOut {
		t.Errorf("code = %q, want PASSWORD_LOCKED_OUT: this is no way round the lockout", got)
	}
	if got := k.check(t, "alice", alicePassword); got != identity.PasswordLockedOut {
		t.Errorf("sign-on: code = %q, want PASSWORD_LOCKED_OUT", got)
	}
}

func TestChangeIsLimitedByAddress(t *testing.T) {
	k := newKit(t)
	user := k.directory.users["alice"]
	k.env.SignOn.LockoutAttempts = -1
	const elsewhere = "198.51.100.7"
	for range 20 {
		if got := code(t, k.ChangePassword(t.Context(), k.env, user, "wrong-password", goodPassword, elsewhere)); got != identity.InvalidValue {
			t.Fatalf("code = %q, want INVALID_VALUE", got)
		}
	}
	if got := code(t, k.ChangePassword(t.Context(), k.env, user, alicePassword, goodPassword, elsewhere)); got != "REQUEST_LIMITED" {
		t.Errorf("try 21: code = %q, want REQUEST_LIMITED", got)
	}
}

// A changed password of a declared user counts until configuration declares another one.
func TestDeclaredPasswordWinsWhenItChanges(t *testing.T) {
	phc, phc2 := phcOf(t, "first-declared"), phcOf(t, "other-declared")
	for name, declared := range map[string][2]string{
		"as they are": {"first-declared", "other-declared"}, "PHC strings": {phc, phc2}, "PHC string in place of the password": {"first-declared", phc2},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKit(t)
			user := &store.User{ID: carol, Username: "carol", Password: declared[0]}
			k.declare(user)
			if err := k.ChangePassword(t.Context(), k.env, user, "first-declared", goodPassword, address); err != nil {
				t.Fatal(err)
			}
			check := func(when, password, want string) {
				t.Helper()
				if got := k.check(t, "carol", password); got != want {
					t.Errorf("%s: %q gives %q, want %q", when, password, got, want)
				}
			}
			check("changed", goodPassword, "")
			check("changed", "first-declared", identity.InvalidCredentials)
			k.env.SignOn.Argon2Passes = 2
			check("cost of hashes changed", "first-declared", identity.InvalidCredentials)
			check("cost of hashes changed", goodPassword, "")
			k.declare(&store.User{ID: carol, Username: "carol", Password: declared[1]})
			check("declared anew", "other-declared", "")
			check("declared anew", goodPassword, identity.InvalidCredentials)
			check("declared anew", "first-declared", identity.InvalidCredentials)
			k.declare(&store.User{ID: carol, Username: "carol", Password: declared[0]})
			if name == "as they are" { // nothing was kept of the second one
				check("declared as at first", goodPassword, "")
			}
		})
	}
}

// What is kept of a declared password that was replaced does not help to guess it.
func TestMarkOfDeclaredPasswordIsNoQuickHash(t *testing.T) {
	k := newKit(t)
	before := k.hashes.Load()
	if err := k.ChangePassword(t.Context(), k.env, k.directory.users["alice"], alicePassword, goodPassword, address); err != nil {
		t.Fatal(err)
	}
	if got := k.hashes.Load() - before; got != 3 {
		t.Errorf("%d hashes, want 3: the current password, the new one, the mark of the declared one", got)
	}
	before = k.hashes.Load()
	k.check(t, "alice", goodPassword)
	if got := k.hashes.Load() - before; got != 1 {
		t.Errorf("sign-on afterwards: %d hashes, want 1: the mark is remembered", got)
	}
}

func TestMustChange(t *testing.T) {
	k := newKit(t)
	bob := k.register(t, "bob", goodPassword)
	cred, err := k.store.CredentialOf(t.Context(), envID, bob.ID)
	if err != nil {
		t.Fatal(err)
	}
	cred.MustChange = true
	if err := k.store.PutCredential(t.Context(), cred); err != nil {
		t.Fatal(err)
	}
	_, standing, err := k.CheckPassword(t.Context(), k.env, "bob", goodPassword, address)
	if err != nil || standing != identity.StandingMustChange {
		t.Fatalf("standing = %q, %v, want MUST_CHANGE_PASSWORD", standing, err)
	}
	if got := k.check(t, "bob", "wrong-password"); got != identity.InvalidCredentials {
		t.Errorf("wrong password: %q, want nothing told of the standing", got)
	}
	if err := k.ChangePassword(t.Context(), k.env, bob, goodPassword, "another-good-one", address); err != nil {
		t.Fatal(err)
	}
	if standing, err := k.StandingOf(t.Context(), k.env, bob); err != nil || standing != identity.StandingGood {
		t.Errorf("standing afterwards = %q, %v, want good", standing, err)
	}
}

// A password that somebody chose has to be changed when it is older than the
// environment allows; a declared one never.
func TestPasswordMaxAge(t *testing.T) {
	k := newKit(t)
	k.env.SignOn.PasswordMaxAge = 30 * 24 * time.Hour
	bob := k.register(t, "bob", goodPassword)
	tests := []struct {
		name     string
		username string
		password string
		after    time.Duration
		want     identity.Standing
	}{
		{"just before", "bob", goodPassword, 30*24*time.Hour - time.Second, identity.StandingGood},
		{"at the end", "bob", goodPassword, time.Second, identity.StandingExpired},
		{"declared", "alice", alicePassword, 0, identity.StandingGood},
	}
	for _, tt := range tests {
		k.clock.Advance(tt.after)
		_, standing, err := k.CheckPassword(t.Context(), k.env, tt.username, tt.password, address)
		if err != nil || standing != tt.want {
			t.Errorf("%s: standing = %q, %v, want %q", tt.name, standing, err, tt.want)
		}
	}
	if err := k.ChangePassword(t.Context(), k.env, bob, goodPassword, "another-good-one", address); err != nil {
		t.Fatal(err)
	}
	if standing, err := k.StandingOf(t.Context(), k.env, bob); err != nil || standing != identity.StandingGood {
		t.Errorf("standing after the change = %q, %v, want good", standing, err)
	}
}

// Of 50 changes at once, each with the same current password, one happens.
func TestParallelChanges(t *testing.T) {
	k := newKit(t)
	k.env.SignOn.LockoutAttempts = -1
	bob := k.register(t, "bob", goodPassword)
	var won atomic.Int64
	var winner atomic.Value
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			next := goodPassword + strings.Repeat("+", i+1)
			if k.ChangePassword(context.Background(), k.env, bob, goodPassword, next, address) == nil {
				won.Add(1)
				winner.Store(next)
			}
		})
	}
	wg.Wait()
	if got := won.Load(); got != 1 {
		t.Fatalf("%d changes succeeded, want 1", got)
	}
	if got := k.check(t, "bob", winner.Load().(string)); got != "" {
		t.Errorf("the winner's password: %q, want it accepted", got)
	}
}

// Whoever changes their password has not forgotten it: a code that somebody asked for is void.
func TestChangeVoidsARecovery(t *testing.T) {
	k := newKit(t)
	c := k.forgot(t, "alice")
	if err := k.ChangePassword(t.Context(), k.env, k.directory.users["alice"], alicePassword, goodPassword, address); err != nil {
		t.Fatal(err)
	}
	if got := k.recover(t, "alice", c, "another-good-one"); got != identity.InvalidValue {
		t.Errorf("code = %q, want it void", got)
	}
	t.Run("but no verification", func(t *testing.T) {
		bob, err := k.Register(t.Context(), k.env, identity.Account{Username: "bob", Email: "bob@example.net", Password: goodPassword}, address)
		if err != nil {
			t.Fatal(err)
		}
		c := k.mail.wait(t, 2)[1].Code
		if err := k.ChangePassword(t.Context(), k.env, bob, goodPassword, "another-good-one", address); err != nil {
			t.Fatal(err)
		}
		if _, err := k.Verify(t.Context(), k.env, bob, c, address); err != nil {
			t.Errorf("error = %v, want the address confirmed", err)
		}
	})
}
