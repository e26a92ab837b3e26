package identity_test

import (
	"errors"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/identity"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// change stores an edit of a stored user and their credential.
func (k *kit) change(t testing.TB, user *store.User, edit func(*store.User)) *store.User {
	t.Helper()
	u, err := k.store.StoredUserByID(t.Context(), envID, user.ID)
	if err != nil {
		t.Fatal(err)
	}
	edit(&u)
	if err := k.store.ReplaceUser(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	u.Version++
	return &u
}

// An account that an administrator has locked: right and wrong passwords get the answers of a name that
// nobody has, whatever the number of tries.
func TestLockedByAnAdministrator(t *testing.T) {
	k := newKit(t)
	bob := k.register(t, "bob", goodPassword)
	k.apply(t, bob, k.Lock(time.Time{}))
	for i := range 7 {
		right, nobody := k.check(t, "bob", goodPassword), k.check(t, "nobody", goodPassword)
		if right != nobody || right == "" {
			t.Errorf("try %d: %q, want what a name that nobody has gets: %q", i+1, right, nobody)
		}
	}
	if got := k.credential(t, bob.ID); !got.Locked || !got.LockedAt.Equal(k.clock.Now()) {
		t.Errorf("locked %t at %s", got.Locked, got.LockedAt)
	}
	k.clock.Advance(time.Hour)
	if got := k.check(t, "bob", goodPassword); got != identity.InvalidCredentials {
		t.Errorf("an hour later: %q, want the lock to stay", got)
	}
	k.apply(t, bob, k.UnlockPassword())
	if got := k.check(t, "bob", goodPassword); got != identity.InvalidCredentials {
		t.Errorf("after the lock of wrong passwords was taken back: %q, want the administrator's to stay", got)
	}
	k.apply(t, bob, k.Unlock())
	if got := k.check(t, "bob", goodPassword); got != "" {
		t.Errorf("unlocked: %q", got)
	}
	if got := k.credential(t, bob.ID); !got.LockedAt.IsZero() {
		t.Errorf("locked at %s, want nothing of it", got.LockedAt)
	}
}

// There is no way round a lock.
func TestLockedAccountCannotBeRecoveredOrChanged(t *testing.T) {
	for name, lock := range map[string]func(*kit, *store.User) *store.User{
		"locked": func(k *kit, u *store.User) *store.User {
			k.apply(t, u, k.Lock(time.Time{}))
			return u
		},
		"may not authenticate": func(k *kit, u *store.User) *store.User {
			return k.change(t, u, func(u *store.User) { u.Claims["account"] = map[string]any{"canAuthenticate": false} })
		},
		"of another identity provider": func(k *kit, u *store.User) *store.User {
			return k.change(t, u, func(u *store.User) { u.Claims["identityProvider"] = map[string]any{"type": "GOOGLE"} })
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKit(t)
			bob := k.register(t, "bob", goodPassword)
			c := k.forgot(t, "bob")
			bob = lock(k, bob)
			if got := k.check(t, "bob", goodPassword); got != identity.InvalidCredentials {
				t.Errorf("sign-on: %q", got)
			}
			if got := k.recover(t, "bob", c, "another-good-one"); got != identity.InvalidValue {
				t.Errorf("recovery with a code of before: %q", got)
			}
			k.mail.clear()
			if err := k.Forgot(t.Context(), k.env, "bob", "", address); err != nil {
				t.Errorf("forgot: %v, want nothing told", err)
			}
			if sent := k.quiet(t); len(sent) != 0 {
				t.Errorf("%d messages, want none", len(sent))
			}
			if got := code(t, k.ChangePassword(t.Context(), k.env, bob, goodPassword, "another-good-one", address)); got != identity.InvalidValue {
				t.Errorf("change by the right password: %q", got)
			}
			if _, err := k.RecoverWith(t.Context(), k.env, bob, c, "another-good-one"); err == nil {
				t.Error("recovery through the management API succeeded")
			}
			if got := code(t, k.VerifyPassword(t.Context(), k.env, bob, goodPassword)); got != identity.AccountNotUsable {
				t.Errorf("check: %q, want ACCOUNT_NOT_USABLE", got)
			}
		})
	}
}

// A lock that comes while a password is being proven counts.
func TestLockDuringSignOn(t *testing.T) {
	k := newKit(t)
	bob := k.register(t, "bob", goodPassword)
	// A wrong one first, so that a right one has something to write and sees the credential as it is then.
	k.check(t, "bob", "wrong-password")
	k.Hashed = func(time.Duration) {
		k.Hashed = func(time.Duration) {}
		k.apply(t, bob, k.Lock(time.Time{}))
	}
	if got := k.check(t, "bob", goodPassword); got != identity.InvalidCredentials {
		t.Errorf("code = %q, want it refused", got)
	}
}

func TestLockUntil(t *testing.T) {
	k := newKit(t)
	bob := k.register(t, "bob", goodPassword)
	k.apply(t, bob, k.Lock(k.clock.Now().Add(10*time.Minute)))
	if got := k.check(t, "bob", goodPassword); got != identity.PasswordLockedOut {
		t.Errorf("locked: %q", got)
	}
	k.clock.Advance(10 * time.Minute)
	if got := k.check(t, "bob", goodPassword); got != "" {
		t.Errorf("afterwards: %q", got)
	}
	cred := k.credential(t, bob.ID)
	if err := k.Lock(k.clock.Now())(bob, &cred); code(t, err) != identity.InvalidValue {
		t.Errorf("a time that has come: %v, want it refused", err)
	}
}

func TestForceChange(t *testing.T) {
	k := newKit(t)
	bob := k.register(t, "bob", goodPassword)
	k.apply(t, bob, k.ForceChange(t.Context()))
	_, standing, err := k.CheckPassword(t.Context(), k.env, "bob", goodPassword, address)
	if err != nil || standing != identity.StandingMustChange {
		t.Fatalf("standing = %q, %v, want MUST_CHANGE_PASSWORD", standing, err)
	}
	// A declared person too.
	k.apply(t, k.directory.users["alice"], k.ForceChange(t.Context()))
	if standing, err := k.StandingOf(t.Context(), k.env, k.directory.users["alice"]); err != nil || standing != identity.StandingMustChange {
		t.Errorf("declared: standing = %q, %v", standing, err)
	}
	if err := k.ChangePassword(t.Context(), k.env, k.directory.users["alice"], alicePassword, goodPassword, address); err != nil {
		t.Fatal(err)
	}
	if standing, err := k.StandingOf(t.Context(), k.env, k.directory.users["alice"]); err != nil || standing != identity.StandingGood {
		t.Errorf("changed: standing = %q, %v", standing, err)
	}
	// Who has none has nothing to change.
	var cred store.Credential
	if err := k.ForceChange(t.Context())(&store.User{Environment: envID, ID: "x"}, &cred); code(t, err) != identity.NoPassword {
		t.Errorf("without a password: %v, want NO_PASSWORD", err)
	}
}

// An edit is judged on the account as it is when it is stored.
func TestEditsAreJudgedWhenTheyAreStored(t *testing.T) {
	k := newKit(t)
	bob := k.register(t, "bob", goodPassword)
	first, err := k.Change(t.Context(), k.env, bob, goodPassword, "another-good-one")
	if err != nil {
		t.Fatal(err)
	}
	second, err := k.Change(t.Context(), k.env, bob, goodPassword, "a-third-good-one")
	if err != nil {
		t.Fatal(err)
	}
	k.apply(t, bob, first)
	cred := k.credential(t, bob.ID)
	if got := code(t, second(bob, &cred)); got != identity.InvalidValue {
		t.Errorf("the second change by one password: %q, want it refused", got)
	}

	edit, send, err := k.PrepareRecoveryCode(t.Context(), k.env, bob, address)
	if err != nil {
		t.Fatal(err)
	}
	if sent := k.mail.all(); len(sent) != 0 {
		t.Error("a code was sent before it was stored")
	}
	k.apply(t, bob, edit)
	send("")
	c := k.mail.wait(t, 1)[0].Code
	one, err := k.RecoverWith(t.Context(), k.env, bob, c, "a-fourth-good-one")
	if err != nil {
		t.Fatal(err)
	}
	two, err := k.RecoverWith(t.Context(), k.env, bob, c, "a-fifth-good-one")
	if err != nil {
		t.Fatal(err)
	}
	k.apply(t, bob, one)
	cred = k.credential(t, bob.ID)
	if got := code(t, two(bob, &cred)); got != identity.InvalidValue {
		t.Errorf("the code a second time: %q, want it refused", got)
	}
	if got := k.check(t, "bob", "a-fourth-good-one"); got != "" {
		t.Errorf("sign-on: %q", got)
	}
}

func TestPrepareRecoveryCodeRefused(t *testing.T) {
	k := newKit(t)
	bob := k.register(t, "bob", goodPassword)
	nowhere := k.change(t, bob, func(u *store.User) { delete(u.Claims, "email") })
	disabled := k.change(t, bob, func(u *store.User) { u.Claims["email"], u.Disabled = "bob@example.net", true })
	for name, tt := range map[string]struct {
		user *store.User
		want string
	}{"no address": {nowhere, identity.InvalidValue}, "disabled": {disabled, identity.AccountNotUsable}} {
		if _, _, err := k.PrepareRecoveryCode(t.Context(), k.env, tt.user, address); code(t, err) != tt.want {
			t.Errorf("%s: %v, want %s", name, err, tt.want)
		}
	}
	k.Notifier = nil
	if _, _, err := k.PrepareRecoveryCode(t.Context(), k.env, bob, address); code(t, err) != "INVALID_REQUEST" {
		t.Errorf("nobody to send it: %v, want INVALID_REQUEST", err)
	}
}

func TestLifecycle(t *testing.T) {
	said := func(status string) map[string]any {
		return map[string]any{"lifecycle": map[string]any{"status": status}}
	}
	tests := []struct {
		name string
		user store.User
		want identity.Lifecycle
	}{
		{"confirmed", store.User{Verified: true}, identity.LifecycleOK},
		{"not confirmed", store.User{}, identity.LifecycleVerification},
		{"declared", store.User{Declared: true}, identity.LifecycleOK},
		{"not confirmed, and need not be", store.User{Claims: said("ACCOUNT_OK")}, identity.LifecycleOK},
		{"has to be", store.User{Claims: said("VERIFICATION_REQUIRED")}, identity.LifecycleVerification},
		{"had to be, and was", store.User{Verified: true, Claims: said("VERIFICATION_REQUIRED")}, identity.LifecycleOK},
	}
	for _, tt := range tests {
		if got := identity.LifecycleOf(&tt.user); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestSpellingOfUsernames(t *testing.T) {
	tests := []struct {
		spelt, folded string
		ok            bool
	}{
		{"Alice", "alice", true},
		{"alice", "alice", true},
		{"Renée Dupont", "renée dupont", true},
		{"a@b.example", "a@b.example", true},
		{" alice", "", false},
		{"alice\t", "", false},
		{"a\u00a0b", "", false},
		{"a\u200db", "", false},
		{"a\nb", "", false},
		{"", "", false},
		{"\xff", "", false},
	}
	for _, tt := range tests {
		u := store.User{Username: "before", Claims: map[string]any{"preferred_username": "Before"}}
		if ok := identity.SetUsername(&u, tt.spelt); ok != tt.ok {
			t.Errorf("%q: accepted %t, want %t", tt.spelt, ok, tt.ok)
			continue
		}
		want, folded := tt.spelt, tt.folded
		if !tt.ok {
			want, folded = "Before", "before"
		}
		if u.Username != folded || identity.Spelling(&u) != want {
			t.Errorf("%q: kept as %q, shown as %q, want %q and %q", tt.spelt, u.Username, identity.Spelling(&u), folded, want)
		}
	}
	// A claim that stands for something else is no spelling.
	if got := identity.Spelling(&store.User{Username: "u", Claims: map[string]any{"preferred_username": "root"}}); got != "u" {
		t.Errorf("another name: %q, want the username", got)
	}
}

func TestStoreFaultsOfAdministration(t *testing.T) {
	k := newKit(t)
	bob := k.register(t, "bob", goodPassword)
	k.store.readFails.Store(true)
	if _, err := k.StateOf(t.Context(), k.env, bob); !errors.Is(err, errBroken) {
		t.Errorf("state: %v, want the fault", err)
	}
	if _, err := k.AccountOf(t.Context(), k.env, bob); !errors.Is(err, errBroken) {
		t.Errorf("account: %v, want the fault", err)
	}
	if err := k.VerifyPassword(t.Context(), k.env, bob, goodPassword); !errors.Is(err, errBroken) {
		t.Errorf("check: %v, want the fault", err)
	}
	k.store.readFails.Store(false)
	k.store.putFails.Store(1)
	if err := k.VerifyPassword(t.Context(), k.env, bob, "wrong-password"); !errors.Is(err, errBroken) {
		t.Errorf("a guess that cannot be counted: %v, want the fault: it learns nothing", err)
	}
}
