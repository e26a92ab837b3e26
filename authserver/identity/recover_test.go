package identity_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/identity"
	"github.com/caddy-gatehouse/gatehouse/authserver/notify"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// forgot asks for a recovery code and returns it.
func (k *kit) forgot(t testing.TB, username string) string {
	t.Helper()
	k.mail.clear()
	if err := k.Forgot(context.Background(), k.env, username, "de-CH", address); err != nil {
		t.Fatalf("Forgot: %v", err)
	}
	return k.mail.wait(t, 1)[0].Code
}

func (k *kit) recover(t testing.TB, username, typed, next string) string {
	t.Helper()
	_, err := k.Recover(context.Background(), k.env, username, typed, next, address)
	return code(t, err)
}

func TestForgotSendsACode(t *testing.T) {
	k := newKit(t)
	k.env.Branding.Name = "Acme"
	got := k.forgot(t, "Alice")
	want := notify.Message{
		Kind: notify.RecoveryCode, To: "alice@example.com", Name: "Alice Example", Brand: "Acme", Locale: "de-CH", Code: got,
	}
	if m := k.mail.all()[0]; m != want {
		t.Errorf("message = %+v, want %+v", m, want)
	}
	if !regexp.MustCompile(`^[A-HJKMNP-Z2-9]{8}$`).MatchString(got) {
		t.Errorf("code of %d characters, want 8 of the alphabet", len(got))
	}
	cred, err := k.store.CredentialOf(t.Context(), envID, alice)
	if err != nil || cred.Code == (store.Hash{}) || strings.Contains(string(cred.Code[:]), got) {
		t.Errorf("credential = %v, want the code's hash", err)
	}
}

func TestRecover(t *testing.T) {
	tests := []struct {
		name         string
		before       func(k *kit, code string) string // changes something and the code
		username     string
		next         string
		want, target string
	}{
		{"good", nil, "alice", goodPassword, "", ""},
		{"typed in lower case with spaces", func(_ *kit, c string) string { return " " + strings.ToLower(c[:4]) + "-" + c[4:] + " " }, "alice", goodPassword, "", ""},
		{"name spelt differently", nil, "ALICE", goodPassword, "", ""},
		{"one character off", func(_ *kit, c string) string { return c[:7] + other(c[7]) }, "alice", goodPassword, identity.InvalidValue, "recoveryCode"},
		{"cut short", func(_ *kit, c string) string { return c[:7] }, "alice", goodPassword, identity.InvalidValue, "recoveryCode"},
		{"one character more", func(_ *kit, c string) string { return c + "A" }, "alice", goodPassword, identity.InvalidValue, "recoveryCode"},
		{"of a megabyte", func(*kit, string) string { return strings.Repeat("A", 1<<20) }, "alice", goodPassword, identity.InvalidValue, "recoveryCode"},
		{"nothing but spaces", func(*kit, string) string { return "   " }, "alice", goodPassword, identity.InvalidValue, "recoveryCode"},
		{"somebody else's", nil, "bob", goodPassword, identity.InvalidValue, "recoveryCode"},
		{"nobody's", nil, "nobody", goodPassword, identity.InvalidValue, "recoveryCode"},
		{"after 4:59", func(k *kit, c string) string { k.clock.Advance(299 * time.Second); return c }, "alice", goodPassword, "", ""},
		{"after 5:00", func(k *kit, c string) string { k.clock.Advance(300 * time.Second); return c }, "alice", goodPassword, identity.InvalidValue, "recoveryCode"},
		{"disabled since", func(k *kit, c string) string { k.directory.users["alice"].Disabled = true; return c }, "alice", goodPassword, identity.InvalidValue, "recoveryCode"},
		{"another address since", func(k *kit, c string) string {
			k.directory.users["alice"].Claims = map[string]any{"email": "new@example.com"}
			return c
		}, "alice", goodPassword, identity.InvalidValue, "recoveryCode"},
		{"password too short", nil, "alice", "short", identity.InvalidValue, "newPassword"},
		{"password is the address", nil, "alice", "alice@example.com", identity.InvalidValue, "newPassword"},
		{"code missing", func(*kit, string) string { return "" }, "alice", goodPassword, identity.RequiredValue, "recoveryCode"},
		{"password missing", nil, "alice", "", identity.RequiredValue, "newPassword"},
		{"username missing", nil, "", goodPassword, identity.RequiredValue, "username"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := newKit(t)
			k.directory.users["alice"].Password = phcOf(t, alicePassword) // replaced quickly
			k.register(t, "bob", goodPassword)
			sent := k.forgot(t, "alice")
			used := sent
			if tt.before != nil {
				used = tt.before(k, used)
			}
			user, err := k.Recover(t.Context(), k.env, tt.username, used, tt.next, address)
			if got := code(t, err); got != tt.want || target(err) != tt.target {
				t.Errorf("got %q on %q, want %q on %q", got, target(err), tt.want, tt.target)
			}
			if err != nil {
				if holds([]byte(err.Error()), used) || user != nil {
					t.Error("the code is in the error, or there is a user beside it")
				}
				if !k.directory.users["alice"].Disabled && k.check(t, "alice", alicePassword) != "" {
					t.Error("the old password does not work any more")
				}
				return
			}
			if user.ID != alice {
				t.Errorf("user = %s, want alice", user.ID)
			}
			if got := k.check(t, "alice", tt.next); got != "" {
				t.Errorf("the new password: %q, want it accepted", got)
			}
			if got := k.recover(t, "alice", sent, "one-more-password"); got != identity.InvalidValue {
				t.Errorf("the code once more: %q, want it used up", got)
			}
		})
	}
}

// other is a character of a code that is not c.
func other(c byte) string {
	if c == 'A' {
		return "B"
	}
	return "A"
}

func TestFifthWrongCodeVoidsIt(t *testing.T) {
	for _, wrong := range []int{4, 5} {
		t.Run(fmt.Sprint(wrong), func(t *testing.T) {
			k := newKit(t)
			c := k.forgot(t, "alice")
			for range wrong {
				if got := k.recover(t, "alice", c[:7]+other(c[7]), goodPassword); got != identity.InvalidValue {
					t.Fatalf("wrong code: %q", got)
				}
			}
			want := ""
			if wrong == 5 {
				want = identity.InvalidValue
			}
			if got := k.recover(t, "alice", c, goodPassword); got != want {
				t.Errorf("the right code after %d wrong ones: %q, want %q", wrong, got, want)
			}
		})
	}
}

func TestWeakPasswordDoesNotSpendTheCode(t *testing.T) {
	k := newKit(t)
	c := k.forgot(t, "alice")
	for range 10 {
		if got := k.recover(t, "alice", c, "alice@example.com"); got != identity.InvalidValue {
			t.Fatalf("weak password: %q", got)
		}
	}
	if got := k.recover(t, "alice", c, goodPassword); got != "" {
		t.Errorf("code = %q, want the code to be good still", got)
	}
}

// That a password is somebody's address is told to nobody without their code.
func TestWeakPasswordTellsNoAddress(t *testing.T) {
	k := newKit(t)
	k.forgot(t, "alice")
	for _, username := range []string{"alice", "nobody"} {
		_, err := k.Recover(t.Context(), k.env, username, "WRONGONE", "alice@example.com", address)
		if target(err) != "recoveryCode" {
			t.Errorf("%s: refused for %q, want recoveryCode", username, target(err))
		}
	}
}

func TestNewCodeVoidsTheEarlierOne(t *testing.T) {
	k := newKit(t)
	first := k.forgot(t, "alice")
	second := k.forgot(t, "alice")
	if got := k.recover(t, "alice", first, goodPassword); got != identity.InvalidValue {
		t.Errorf("the first code: %q, want it void", got)
	}
	if got := k.recover(t, "alice", second, goodPassword); got != "" {
		t.Errorf("the second code: %q, want it accepted", got)
	}
}

func TestRecoveryUnlocksAndVerifies(t *testing.T) {
	k := newKit(t)
	ctx := t.Context()
	bob, err := k.Register(ctx, k.env, identity.Account{Username: "bob", Email: "bob@example.net", Password: goodPassword}, address)
	if err != nil {
		t.Fatal(err)
	}
	k.mail.wait(t, 1)
	for range 6 {
		k.check(t, "bob", "wrong-password")
	}
	user, err := k.Recover(ctx, k.env, "bob", k.forgot(t, "bob"), "another-good-one", address)
	if err != nil || !user.Verified || user.Claims["email_verified"] != true || user.ID != bob.ID {
		t.Fatalf("user = %+v, %v, want the address confirmed: the code came to it", user, err)
	}
	stored, err := k.ByID(ctx, k.env, bob.ID)
	if err != nil || !stored.Verified || stored.Version != user.Version {
		t.Errorf("stored = %+v, %v, want the same", stored, err)
	}
	if _, standing, err := k.CheckPassword(ctx, k.env, "bob", "another-good-one", address); err != nil || standing != "" {
		t.Errorf("sign-on: %q, %v, want the lock gone", standing, err)
	}
}

func TestForgotTellsNothing(t *testing.T) {
	k := newKit(t)
	k.declare(&store.User{ID: carol, Username: "carol", Password: "carol-demo-pass"})                                                                       // no address
	k.declare(&store.User{ID: "d", Username: "dave", Password: "dave-demo-pass", Disabled: true, Claims: map[string]any{"email": "dave@example.com"}})      // disabled
	k.declare(&store.User{ID: "e", Username: "eve", Password: "eve-demo-pass", Claims: map[string]any{"email": "eve@example.com\r\nBcc: all@example.com"}}) // no address either
	k.declare(&store.User{ID: "f", Username: "frank", Password: "frank-demo-pass", Claims: map[string]any{"email": []string{"frank@example.com"}}})         // nor here
	for _, name := range []string{"alice", "carol", "dave", "eve", "frank", "nobody", "nobody\x00", strings.Repeat("n", 10_000)} {
		if err := k.Forgot(t.Context(), k.env, name, "en", address); err != nil {
			t.Errorf("%.20q: %v, want the same answer for all", name, err)
		}
	}
	if got := k.quiet(t); len(got) != 1 || got[0].To != "alice@example.com" {
		t.Errorf("messages = %v, want one, to alice", got)
	}
}

func TestForgotIsLimited(t *testing.T) {
	k := newKit(t)
	for _, name := range []string{"alice", "nobody"} {
		for i := range 5 {
			// From ever new addresses: it is the person who must not be flooded.
			err := k.Forgot(t.Context(), k.env, name, "en", fmt.Sprintf("198.51.100.%d", i))
			if i < 3 && err != nil {
				t.Errorf("%s, request %d: %v, want it answered", name, i+1, err)
			}
			if e := oauth.From(err); i >= 3 && (e.Status != 429 || e.RetryAfter != 60) {
				t.Errorf("%s, request %d: %v, Retry-After %d, want 429, 60", name, i+1, err, e.RetryAfter)
			}
		}
	}
	for i := range 30 {
		err := k.Forgot(t.Context(), k.env, fmt.Sprint("user", i), "en", "198.51.100.99")
		if limited := oauth.From(err).Status == 429; err != nil && limited != (i >= 20) {
			t.Errorf("request %d from one address: %v", i+1, err)
		}
	}
}

// One mailbox gets no more because it belongs to several accounts.
func TestForgotIsLimitedByRecipient(t *testing.T) {
	k := newKit(t)
	for i := range 5 {
		name := fmt.Sprint("twin", i)
		k.declare(&store.User{ID: name, Username: name, Claims: map[string]any{"email": "Twins@example.com"}})
		if err := k.Forgot(t.Context(), k.env, name, "en", fmt.Sprintf("198.51.100.%d", i)); err != nil {
			t.Errorf("%s: %v, want the same answer for all", name, err)
		}
	}
	if got := len(k.quiet(t)); got != 3 {
		t.Errorf("%d messages, want 3", got)
	}
}

func TestRecoveryNotOffered(t *testing.T) {
	for name, change := range map[string]func(k *kit){
		"switched off": func(k *kit) { k.env.SignOn.PasswordRecovery = false },
		"no notifier":  func(k *kit) { k.Notifier = nil },
	} {
		t.Run(name, func(t *testing.T) {
			k := newKit(t)
			c := k.forgot(t, "alice")
			change(k)
			if k.OffersRecovery(k.env) {
				t.Error("OffersRecovery = true, want false")
			}
			err := k.Forgot(t.Context(), k.env, "alice", "en", address)
			if e := oauth.From(err); e.Status != 400 || e.PingOne != oauth.PingOneInvalidRequest {
				t.Errorf("Forgot: %v, want 400 INVALID_REQUEST", err)
			}
			if got := k.recover(t, "alice", c, goodPassword); got != oauth.PingOneInvalidRequest {
				t.Errorf("Recover: %q, want INVALID_REQUEST", got)
			}
		})
	}
}

func TestParallelRecoveries(t *testing.T) {
	k := newKit(t)
	c := k.forgot(t, "alice")
	var won atomic.Int64
	var winner atomic.Value
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			next := fmt.Sprintf("%s-%d", goodPassword, i)
			if _, err := k.Recover(context.Background(), k.env, "alice", c, next, address); err == nil {
				won.Add(1)
				winner.Store(next)
			}
		})
	}
	wg.Wait()
	if got := won.Load(); got != 1 {
		t.Fatalf("%d recoveries with one code succeeded, want 1", got)
	}
	if got := k.check(t, "alice", winner.Load().(string)); got != "" {
		t.Errorf("the winner's password: %q, want it accepted", got)
	}
}

func TestParallelWrongCodes(t *testing.T) {
	k := newKit(t)
	c := k.forgot(t, "alice")
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			_, _ = k.Recover(context.Background(), k.env, "alice", c[:7]+other(c[7]), goodPassword, address)
		})
	}
	wg.Wait()
	cred, err := k.store.CredentialOf(t.Context(), envID, alice)
	if err != nil || cred.CodeTries != 5 {
		t.Errorf("%d tries counted, %v, want exactly 5: then the code is void", cred.CodeTries, err)
	}
	if got := k.recover(t, "alice", c, goodPassword); got != identity.InvalidValue {
		t.Errorf("the right code afterwards: %q, want it void", got)
	}
}

func TestMessagesThatFailAreLoggedWithoutSecrets(t *testing.T) {
	for name, failure := range map[string]string{
		"a plain error":                  "no route to host",
		"an error that names the person": "550 no such user: alice@example.com",
	} {
		t.Run(name, func(t *testing.T) {
			k := newKit(t)
			k.mail.fail = errors.New(failure)
			if err := k.Forgot(t.Context(), k.env, "alice", "en", address); err != nil {
				t.Fatal(err)
			}
			c := k.quiet(t)[0].Code
			log := k.log.String()
			if !strings.Contains(log, "message not sent") || !strings.Contains(log, "recovery_code") {
				t.Errorf("log = %q, want the failure in it", log)
			}
			if holds([]byte(log), c, "alice") {
				t.Errorf("log = %q, want neither the code nor the person in it", log)
			}
		})
	}
}

func TestQueueIsBounded(t *testing.T) {
	k := newKit(t)
	k.mail.block = make(chan struct{})
	const n = 300
	for i := range n {
		name := fmt.Sprint("user", i)
		k.declare(&store.User{ID: name, Username: name, Claims: map[string]any{"email": name + "@example.com"}})
	}
	for i := range n {
		if err := k.Forgot(t.Context(), k.env, fmt.Sprint("user", i), "en", address); err != nil {
			t.Fatalf("request %d: %v, want it answered however slow the mail server is", i, err)
		}
	}
	close(k.mail.block)
	sent := len(k.quiet(t))
	if refused := strings.Count(k.log.String(), "queue_full"); sent+refused != n || sent < 256 || refused == 0 {
		t.Errorf("%d sent, %d refused, want %d in all, and some of each", sent, refused, n)
	}
}

// TestCloseLosesNothing: a host closes what it has replaced while requests are still being answered, whose messages are promised like others.
func TestCloseLosesNothing(t *testing.T) {
	k := newKit(t)
	k.declare(&store.User{ID: "second", Username: "second", Claims: map[string]any{"email": "second@example.com"}})
	for i, name := range []string{"alice", "second"} {
		if err := k.Forgot(t.Context(), k.env, name, "en", address); err != nil {
			t.Fatal(err)
		}
		if err := k.Close(t.Context()); err != nil {
			t.Errorf("Close = %v", err)
		}
		if sent := len(k.quiet(t)); sent != i+1 {
			t.Errorf("%d messages after %d were promised", sent, i+1)
		}
	}
}

func TestCloseGivesUpWhenItMust(t *testing.T) {
	k := newKit(t)
	k.mail.block = make(chan struct{}) // never
	if err := k.Forgot(t.Context(), k.env, "alice", "en", address); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := k.Close(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Close = %v, want the context's error", err)
	}
	if err := k.Forgot(t.Context(), k.env, "bob", "en", address); err != nil {
		t.Errorf("after Close: %v, want an answer all the same", err)
	}
	if err := k.Close(t.Context()); err != nil {
		t.Errorf("Close again: %v", err)
	}
}

func TestNewCode(t *testing.T) {
	seen, letters := map[string]bool{}, map[rune]int{}
	for range 20_000 {
		c := identity.NewCode().Reveal()
		if len(c) != 8 {
			t.Fatalf("%d characters, want 8", len(c))
		}
		seen[c] = true
		for _, r := range c {
			letters[r]++
		}
	}
	if len(seen) != 20_000 {
		t.Errorf("%d different codes of 20000, want no repetition", len(seen))
	}
	// 160,000 characters of 31: 5161 each, with a deviation of 71.
	for r, n := range letters {
		if n < 4700 || n > 5620 || strings.ContainsRune("ILO01", r) {
			t.Errorf("%q came %d times, want about 5161, and no look-alikes", r, n)
		}
	}
	if len(letters) != 31 {
		t.Errorf("%d characters, want 31", len(letters))
	}
}
