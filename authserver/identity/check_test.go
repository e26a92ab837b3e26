package identity_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/identity"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

func TestCheckPassword(t *testing.T) {
	k := newKit(t)
	phc := phcOf(t, "carol-demo-pass")
	k.declare(&store.User{ID: carol, Username: "Carol", Password: phc})
	k.declare(&store.User{ID: "d", Username: "dave", Password: "dave-demo-pass", Disabled: true})
	k.declare(&store.User{ID: "e", Username: "eve"})
	k.declare(&store.User{ID: "f", Username: "frank", Password: "$argon2id$v=19$m=64,t=1,p=1$broken"})
	k.register(t, "bob", goodPassword)
	tests := []struct {
		name               string
		username, password string
		want, told         string
	}{
		{"declared, as it is", "alice", alicePassword, "", "ok"},
		{"declared, one byte off", "alice", alicePassword + "x", identity.InvalidCredentials, "invalid"},
		{"declared, name in another case", "ALICE", alicePassword, "", "ok"},
		{"declared, name in full-width letters", "\uff41lice", alicePassword, "", "ok"},
		{"declared, space around the name", " alice ", alicePassword, "", "ok"},
		{"declared with a PHC string", "Carol", "carol-demo-pass", "", "ok"},
		{"declared, the PHC string itself is no password", "Carol", phc, identity.InvalidCredentials, "invalid"},
		{"declared in upper case, another spelling is nobody", "carol", "carol-demo-pass", identity.InvalidCredentials, "invalid"},
		{"stored", "bob", goodPassword, "", "ok"},
		{"stored, name in another case", "BoB", goodPassword, "", "ok"},
		{"stored, wrong", "bob", "another-password", identity.InvalidCredentials, "invalid"},
		{"password composed and decomposed are one", "alice", alicePassword, "", "ok"},
		{"disabled, right", "dave", "dave-demo-pass", identity.InvalidCredentials, "disabled"},
		{"disabled, wrong", "dave", "wrong-password", identity.InvalidCredentials, "invalid"},
		{"no password declared", "eve", "anything-at-all", identity.InvalidCredentials, "invalid"},
		{"a damaged PHC string is no password", "frank", "$argon2id$v=19$m=64,t=1,p=1$broken", identity.InvalidCredentials, "invalid"},
		{"nobody", "mallory", alicePassword, identity.InvalidCredentials, "invalid"},
		{"name with NUL", "alice\x00", alicePassword, identity.InvalidCredentials, "invalid"},
		{"name of 10,000 bytes", strings.Repeat("a", 10_000), alicePassword, identity.InvalidCredentials, "invalid"},
		{"name that is not UTF-8", "alice\xff", alicePassword, identity.InvalidCredentials, "invalid"},
		{"password of a megabyte", "alice", strings.Repeat("a", 1<<20), identity.InvalidCredentials, "invalid"},
		{"a decoy is nobody", "decoy-0", alicePassword, identity.InvalidCredentials, "invalid"},
		{"username missing", "", alicePassword, identity.RequiredValue, ""},
		{"password missing", "alice", "", identity.RequiredValue, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k.outcomes = nil
			user, standing, err := k.CheckPassword(t.Context(), k.env, tt.username, tt.password, address)
			if got := code(t, err); got != tt.want {
				t.Errorf("code = %q, want %q (%v)", got, tt.want, err)
			}
			if (user != nil) != (tt.want == "") || standing != "" {
				t.Errorf("user = %v, standing = %q, want one exactly where the password is right, in good standing", user, standing)
			}
			if got := k.told(); got != tt.told {
				t.Errorf("told %q, want %q", got, tt.told)
			}
			if err != nil && tt.password != "" && holds([]byte(err.Error()), tt.password) {
				t.Error("the password is in the error")
			}
			k.clock.Advance(time.Hour) // no case counts for the next
		})
	}
}

// phcOf is the PHC string of a password, made once by registering with it.
func phcOf(t testing.TB, password string) string {
	t.Helper()
	if known, ok := phcs.Load(password); ok {
		return known.(string)
	}
	k := newKit(t)
	u := k.register(t, "somebody", password)
	cred, err := k.store.CredentialOf(t.Context(), envID, u.ID)
	if err != nil || !strings.HasPrefix(cred.Password, "$argon2id$v=19$m=64,t=1,p=1$") {
		t.Fatalf("credential = %.30q, %v, want a PHC string of the environment's cost", cred.Password, err)
	}
	phcs.Store(password, cred.Password)
	return cred.Password
}

var phcs sync.Map

func TestUnicodePasswordsAreOneHoweverTyped(t *testing.T) {
	k := newKit(t)
	k.register(t, "bob", "gru\u0308n-und-blau") // decomposed
	if got := k.check(t, "bob", "gr\u00fcn-und-blau"); got != "" {
		t.Errorf("composed: code = %q, want it accepted (RFC 8265 §4.2.2)", got)
	}
	if got := k.check(t, "bob", "grun-und-blau"); got != identity.InvalidCredentials {
		t.Errorf("without the mark: code = %q, want it refused", got)
	}
}

// Nobody and somebody cannot be told apart: the answer is the same, and so is what it takes.
func TestAttack(t *testing.T) {
	t.Run("case 114/unknown and known users cost the same", sameWork)
	t.Run("case 114/unknown names lock as accounts do", sameLock)
	t.Run("case 114/variants of a name are one", oneIdentity)
	t.Run("case 114/1000 guesses from one address", addressLimit)
	t.Run("case 114/50 guesses at once", parallelGuesses)
}

func sameWork(t *testing.T) {
	k := newKit(t)
	k.declare(&store.User{ID: carol, Username: "carol", Password: phcOf(t, "carol-demo-pass")})
	k.declare(&store.User{ID: "d", Username: "dave", Password: "dave-demo-pass", Disabled: true})
	k.declare(&store.User{ID: "e", Username: "eve"})
	k.register(t, "bob", goodPassword)
	type work struct{ hashes, lookups, reads, writes int64 }
	do := func(f func()) work {
		before := work{k.hashes.Load(), k.directory.asked.Load(), k.store.reads.Load(), k.store.writes.Load()}
		f()
		return work{
			k.hashes.Load() - before.hashes, k.directory.asked.Load() - before.lookups,
			k.store.reads.Load() - before.reads, k.store.writes.Load() - before.writes,
		}
	}
	names := []string{"alice", "carol", "bob", "dave", "eve", "nobody", "Nobody2"}
	compare := func(t *testing.T, hashes int64, f func(name string)) {
		t.Helper()
		var want work
		for i, name := range names {
			got := do(func() { f(name) })
			if i == 0 {
				want = got
			}
			if got != want {
				t.Errorf("%s: %+v, want as for %s: %+v", name, got, names[0], want)
			}
			if got.hashes != hashes {
				t.Errorf("%s: %d hashes, want %d", name, got.hashes, hashes)
			}
		}
	}
	t.Run("wrong password", func(t *testing.T) {
		compare(t, 1, func(name string) { k.check(t, name, "wrong-password") })
	})
	t.Run("password too long", func(t *testing.T) {
		compare(t, 1, func(name string) { k.check(t, name, strings.Repeat("x", 5000)) })
	})
	t.Run("wrong recovery code", func(t *testing.T) {
		compare(t, 1, func(name string) {
			_, err := k.Recover(t.Context(), k.env, name, "WRONGONE", goodPassword, address)
			if got := code(t, err); got != identity.InvalidValue {
				t.Errorf("%s: code = %q, want INVALID_VALUE", name, got)
			}
		})
	})
	t.Run("wrong recovery code while one is pending", func(t *testing.T) {
		for _, name := range names {
			if err := k.Forgot(t.Context(), k.env, name, "en", address); err != nil {
				t.Fatal(err)
			}
		}
		k.mail.wait(t, 2) // alice's and bob's
		k.Settle()        // and what was done in the background for the others
		compare(t, 1, func(name string) { _, _ = k.Recover(t.Context(), k.env, name, "WRONGONE", goodPassword, address) })
	})
	t.Run("forgotten password, up to the answer", func(t *testing.T) {
		k.mail.block = make(chan struct{})
		defer k.Settle()
		defer close(k.mail.block)
		hashes := k.hashes.Load()
		for _, name := range names {
			if err := k.Forgot(t.Context(), k.env, name, "en", address); err != nil {
				t.Errorf("%s: %v, want the same answer for all", name, err)
			}
		}
		if got := k.hashes.Load() - hashes; got > int64(len(names)) {
			t.Errorf("%d hashes, want at most one each, in the background", got)
		}
	})
	t.Run("locked", func(t *testing.T) {
		for _, name := range names {
			for range 5 {
				k.check(t, name, "wrong-password")
			}
		}
		compare(t, 0, func(name string) { k.check(t, name, "wrong-password") })
	})
	t.Run("lockout off", func(t *testing.T) {
		k.clock.Advance(time.Hour)
		k.env.SignOn.LockoutAttempts = -1
		compare(t, 1, func(name string) { k.check(t, name, "wrong-password") })
	})
}

func sameLock(t *testing.T) {
	k := newKit(t)
	k.register(t, "bob", goodPassword)
	// What an observer sees of a name, guess by guess, right passwords among them.
	see := func(name, rightPassword string) string {
		var seen []string
		guess := func(password string) {
			_, _, err := k.CheckPassword(t.Context(), k.env, name, password, address)
			seen = append(seen, fmt.Sprintf("%s %v", code(t, err), inner(err, "secondsUntilUnlock")))
		}
		start := k.clock.Now()
		for range 5 {
			guess("wrong-password")
		}
		guess("wrong-password")
		guess(rightPassword)
		k.clock.Advance(10*time.Minute + time.Millisecond)
		guess("wrong-password")
		k.clock.Advance(5 * time.Minute)
		guess("wrong-password") // it is over
		for range 3 {
			guess("wrong-password")
		}
		k.clock.Advance(15 * time.Minute)
		for range 6 { // a pause as long as a lock is a fresh start
			guess("wrong-password")
		}
		k.clock.Advance(start.Add(24 * time.Hour).Sub(k.clock.Now()))
		return strings.Join(seen, "\n")
	}
	want := see("alice", alicePassword)
	if got := see("bob", goodPassword); got != want {
		t.Errorf("a stored user:\n%s\nwant as a declared one:\n%s", got, want)
	}
	if got := see("nobody", goodPassword); got != want {
		t.Errorf("nobody:\n%s\nwant as somebody:\n%s", got, want)
	}
	lines := strings.Split(want, "\n")
	for i, line := range []string{
		"INVALID_CREDENTIALS <nil>", "INVALID_CREDENTIALS <nil>", "INVALID_CREDENTIALS <nil>", "INVALID_CREDENTIALS <nil>",
		"INVALID_CREDENTIALS <nil>", "PASSWORD_LOCKED_OUT 900", "PASSWORD_LOCKED_OUT 900", "PASSWORD_LOCKED_OUT 300",
		"INVALID_CREDENTIALS <nil>",
	} {
		if lines[i] != line {
			t.Errorf("guess %d: %s, want %s", i+1, lines[i], line)
		}
	}
}

func oneIdentity(t *testing.T) {
	k := newKit(t)
	for name, variants := range map[string][]string{
		"somebody": {"alice", "Alice", "ALICE ", "\uff41\uff4c\uff49\uff43\uff45", "aLICE"},
		"nobody":   {"m@x.example", "M@X.EXAMPLE", "\uff4d@x.example", " m@x.example", "m\uff20x.example"},
	} {
		for i, variant := range variants {
			if got := k.check(t, variant, "wrong-password"); got != identity.InvalidCredentials {
				t.Errorf("%s, guess %d: code = %q, want INVALID_CREDENTIALS", name, i+1, got)
			}
		}
		for _, variant := range variants {
			if got := k.check(t, variant, alicePassword); got != identity.PasswordLockedOut {
				t.Errorf("%s, %q after %d guesses in all: code = %q, want PASSWORD_LOCKED_OUT", name, variant, len(variants), got)
			}
		}
	}
	if got := k.check(t, "bob", "wrong-password"); got != identity.InvalidCredentials {
		t.Errorf("another name: code = %q, want it not locked", got)
	}
}

func addressLimit(t *testing.T) {
	k := newKit(t)
	k.env.SignOn.LockoutAttempts = -1
	const attacker = "198.51.100.7"
	answered, limited := 0, 0
	for i := range 1000 {
		_, _, err := k.CheckPassword(t.Context(), k.env, fmt.Sprintf("user%d", i), "wrong-password", attacker)
		e := oauth.From(err)
		switch e.Status {
		case 400:
			answered++
		case 429:
			if limited++; e.PingOne != oauth.PingOneRequestLimited || e.RetryAfter != 1 || k.told() != "limited" {
				t.Fatalf("got %s, Retry-After %d, told %q, want REQUEST_LIMITED, 1, limited", e.PingOne, e.RetryAfter, k.told())
			}
		default:
			t.Fatalf("status %d, want 400 or 429", e.Status)
		}
	}
	if answered != 20 || limited != 980 {
		t.Errorf("%d answered, %d limited, want 20 and 980", answered, limited)
	}
	if got := k.hashes.Load(); got != 20 {
		t.Errorf("%d hashes, want none for those limited", got)
	}
	if _, _, err := k.CheckPassword(t.Context(), k.env, "alice", alicePassword, attacker); oauth.From(err).Status != 429 {
		t.Errorf("the right password from there: %v, want 429 too", err)
	}
	if _, _, err := k.CheckPassword(t.Context(), k.env, "alice", alicePassword, "198.51.100.8"); err != nil {
		t.Errorf("another address: %v, want it answered", err)
	}
	k.clock.Advance(time.Second)
	if _, _, err := k.CheckPassword(t.Context(), k.env, "alice", alicePassword, attacker); err != nil {
		t.Errorf("a second later: %v, want one more answered", err)
	}
	if got := k.check(t, "alice", alicePassword); got != "" {
		t.Errorf("an exempt address: %q, want no limit", got)
	}
}

func parallelGuesses(t *testing.T) {
	for _, name := range []string{"alice", "nobody"} {
		t.Run(name, func(t *testing.T) {
			k := newKit(t)
			codes := make([]string, 50)
			var wg sync.WaitGroup
			for i := range codes {
				wg.Go(func() {
					_, _, err := k.CheckPassword(context.Background(), k.env, name, "wrong-password", address)
					codes[i] = oauth.From(err).Details[0].Code
				})
			}
			wg.Wait()
			count := map[string]int{}
			for _, c := range codes {
				count[c]++
			}
			if count[identity.InvalidCredentials] != 5 || count[identity.PasswordLockedOut] != 45 {
				t.Errorf("answers = %v, want exactly 5 INVALID_CREDENTIALS, and 45 that tell nothing", count)
			}
			if got := k.check(t, name, alicePassword); got != identity.PasswordLockedOut {
				t.Errorf("the right password afterwards: %q, want PASSWORD_LOCKED_OUT", got)
			}
		})
	}
}

// One right guess among wrong ones that lock the account meanwhile is refused too: its hash may be
// computed before the lock, but it is judged behind it.
func TestRightGuessIsJudgedWhenItIsCounted(t *testing.T) {
	k := newKit(t)
	var once sync.Once
	k.Hashed = func(time.Duration) {
		once.Do(func() { // the right one has been computed; now the others are counted
			for range 5 {
				cred, err := k.store.backend.CredentialOf(context.Background(), envID, alice)
				if err != nil {
					cred = store.Credential{Environment: envID, Subject: alice}
				}
				cred.Failures, cred.LastFailure = 5, k.clock.Now()
				cred.LockedUntil = k.clock.Now().Add(time.Minute)
				if err := k.store.backend.PutCredential(context.Background(), cred); err != nil {
					t.Error(err)
				}
			}
		})
	}
	if got := k.check(t, "alice", alicePassword); got != identity.PasswordLockedOut {
		t.Errorf("code = %q, want PASSWORD_LOCKED_OUT", got)
	}
}

// The same for a password that was changed while its hash was computed.
func TestPasswordChangedMeanwhile(t *testing.T) {
	k := newKit(t)
	bob := k.register(t, "bob", goodPassword)
	other := phcOf(t, "another-good-one")
	var once sync.Once
	k.Hashed = func(time.Duration) {
		once.Do(func() {
			cred, err := k.store.backend.CredentialOf(context.Background(), envID, bob.ID)
			if err != nil {
				t.Error(err)
			}
			cred.Password = other
			if err := k.store.backend.PutCredential(context.Background(), cred); err != nil {
				t.Error(err)
			}
		})
	}
	if got := k.check(t, "bob", goodPassword); got != identity.InvalidCredentials {
		t.Errorf("code = %q, want the old password refused", got)
	}
	if got := k.check(t, "bob", "another-good-one"); got != "" {
		t.Errorf("code = %q, want the new one accepted", got)
	}
}

func TestNothingBeyond1024BytesCounts(t *testing.T) {
	k := newKit(t)
	longest := strings.Repeat("ab-c", 256)
	k.register(t, "bob", longest)
	if got := k.check(t, "bob", longest); got != "" {
		t.Errorf("1024 bytes: %q, want it accepted", got)
	}
	if got := k.check(t, "bob", longest+"d"); got != identity.InvalidCredentials {
		t.Errorf("a byte more: %q, want it refused, not cut", got)
	}
}

func TestPauseAsLongAsALockResetsTheCount(t *testing.T) {
	for pause, want := range map[time.Duration]string{
		15 * time.Minute: "", 15*time.Minute - time.Second: identity.PasswordLockedOut,
	} {
		k := newKit(t)
		for range 4 {
			k.check(t, "alice", "wrong-password")
		}
		k.clock.Advance(pause)
		k.check(t, "alice", "wrong-password")
		if got := k.check(t, "alice", alicePassword); got != want {
			t.Errorf("4 wrong ones, %v, and a fifth: %q, want %q", pause, got, want)
		}
	}
}

func TestSuccessResetsTheCount(t *testing.T) {
	k := newKit(t)
	for round := range 3 {
		for range 4 {
			k.check(t, "alice", "wrong-password")
		}
		if got := k.check(t, "alice", alicePassword); got != "" {
			t.Fatalf("round %d: right password after 4 wrong ones: %q, want it accepted", round, got)
		}
	}
}

func TestLockoutNever(t *testing.T) {
	k := newKit(t)
	k.env.SignOn.LockoutAttempts = -1
	for range 100 {
		k.check(t, "alice", "wrong-password")
	}
	if got := k.check(t, "alice", alicePassword); got != "" {
		t.Errorf("code = %q, want no lockout where it is switched off", got)
	}
}

func TestLockoutHasDefaults(t *testing.T) {
	k := newKit(t)
	k.env.SignOn.LockoutAttempts, k.env.SignOn.LockoutDuration = 0, 0
	for range 5 {
		k.check(t, "alice", "wrong-password")
	}
	_, _, err := k.CheckPassword(t.Context(), k.env, "alice", alicePassword, address)
	if got := inner(err, "secondsUntilUnlock"); got != 900 {
		t.Errorf("after 5 wrong ones: %v seconds until unlock (%v), want 900", got, err)
	}
}

func TestRehashWhenTheCostChanged(t *testing.T) {
	k := newKit(t)
	bob := k.register(t, "bob", goodPassword)
	k.declare(&store.User{ID: carol, Username: "carol", Password: phcOf(t, "carol-demo-pass")})
	k.env.SignOn.Argon2Passes = 3
	for name, subject := range map[string]string{"bob": bob.ID, "carol": carol} {
		password := map[string]string{"bob": goodPassword, "carol": "carol-demo-pass"}[name]
		if got := k.check(t, name, "wrong-password"); got != identity.InvalidCredentials {
			t.Errorf("%s: wrong: %q", name, got)
		}
		for i, hashes := range []int64{2, 1} { // the second time nothing is stale
			before := k.hashes.Load()
			if got := k.check(t, name, password); got != "" {
				t.Fatalf("%s: code = %q, want it accepted", name, got)
			}
			if got := k.hashes.Load() - before; got != hashes {
				t.Errorf("%s, sign-on %d: %d hashes, want %d", name, i+1, got, hashes)
			}
		}
		cred, err := k.store.CredentialOf(t.Context(), envID, subject)
		if err != nil || !strings.Contains(cred.Password, "m=64,t=3,p=1") {
			t.Errorf("%s: kept %.30q, %v, want a hash of the new cost", name, cred.Password, err)
		}
	}
}

func TestStoreFaultsAnswerNothing(t *testing.T) {
	k := newKit(t)
	t.Run("a guess that cannot be counted", func(t *testing.T) {
		k.store.putFails.Store(1)
		_, _, err := k.CheckPassword(t.Context(), k.env, "alice", "wrong-password", address)
		if !errors.Is(err, errBroken) || oauth.From(err).Status != 500 {
			t.Errorf("error = %v, want the fault: an uncounted guess learns nothing", err)
		}
	})
	t.Run("a name that nobody has", func(t *testing.T) {
		k.store.putFails.Store(1)
		if _, _, err := k.CheckPassword(t.Context(), k.env, "nobody", "wrong-password", address); !errors.Is(err, errBroken) {
			t.Errorf("error = %v, want the same fault", err)
		}
		k.store.putFails.Store(0)
	})
	t.Run("a credential that cannot be read", func(t *testing.T) {
		k.store.readFails.Store(true)
		defer k.store.readFails.Store(false)
		for _, name := range []string{"alice", "nobody"} {
			if _, _, err := k.CheckPassword(t.Context(), k.env, name, alicePassword, address); !errors.Is(err, errBroken) {
				t.Errorf("%s: error = %v, want the fault", name, err)
			}
		}
	})
	t.Run("a directory that cannot be read", func(t *testing.T) {
		k.directory.fail = errBroken
		defer func() { k.directory.fail = nil }()
		if _, _, err := k.CheckPassword(t.Context(), k.env, "alice", alicePassword, address); !errors.Is(err, errBroken) {
			t.Errorf("error = %v, want the fault", err)
		}
	})
	if got := k.check(t, "alice", alicePassword); got != "" {
		t.Errorf("afterwards: %q, want it accepted", got)
	}
}

func TestHashingHonoursContext(t *testing.T) {
	k := newKit(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := k.CheckPassword(ctx, k.env, "alice", alicePassword, address); !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v, want the context's", err)
	}
	if got := k.hashes.Load(); got != 0 {
		t.Errorf("%d hashes, want none for who has gone away", got)
	}
}

func TestEnvironmentsAreApart(t *testing.T) {
	k := newKit(t)
	bob := k.register(t, "bob", goodPassword)
	other := *k.env
	other.ID = "0d000000-0000-4000-8000-00000000000d"
	k.directory.users = map[string]*store.User{}
	if _, _, err := k.CheckPassword(t.Context(), &other, "bob", goodPassword, address); code(t, err) != identity.InvalidCredentials {
		t.Errorf("error = %v, want a user of another environment to be nobody", err)
	}
	if _, err := k.ByID(t.Context(), &other, bob.ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("error = %v, want ErrNotFound", err)
	}
	for range 10 {
		_, _, _ = k.CheckPassword(t.Context(), &other, "bob", "wrong-password", address)
	}
	if got := k.check(t, "bob", goodPassword); got != "" {
		t.Errorf("code = %q, want guesses elsewhere not to lock the account here", got)
	}
}

func TestByNameAndByID(t *testing.T) {
	k := newKit(t)
	bob := k.register(t, "bob", goodPassword)
	for name, want := range map[string]string{"alice": alice, "Alice": alice, "bob": bob.ID, "BOB": bob.ID} {
		if u, err := k.ByName(t.Context(), k.env, name); err != nil || u.ID != want {
			t.Errorf("ByName(%q) = %v, %v, want %s", name, u, err, want)
		}
	}
	for _, id := range []string{alice, bob.ID} {
		if u, err := k.ByID(t.Context(), k.env, id); err != nil || u.ID != id {
			t.Errorf("ByID(%q) = %v, %v", id, u, err)
		}
	}
	if _, err := k.ByName(t.Context(), k.env, "nobody"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("ByName of nobody: %v, want ErrNotFound", err)
	}
	if _, err := k.ByID(t.Context(), k.env, "nobody"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("ByID of nobody: %v, want ErrNotFound", err)
	}
	// What a caching directory says about a stored user is not believed.
	stale := *bob
	k.directory.users["bob"] = &stale
	disabled := *bob
	disabled.Disabled = true
	if err := k.store.ReplaceUser(t.Context(), disabled); err != nil {
		t.Fatal(err)
	}
	if got := k.check(t, "bob", goodPassword); got != identity.InvalidCredentials {
		t.Errorf("disabled a moment ago: code = %q, want it refused", got)
	}
	if u, err := k.ByID(t.Context(), k.env, bob.ID); err != nil || !u.Disabled {
		t.Errorf("ByID = %+v, %v, want the user as stored", u, err)
	}
}
