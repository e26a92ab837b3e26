package identity_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/identity"
	"github.com/caddy-gatehouse/gatehouse/authserver/notify"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

func TestRegister(t *testing.T) {
	good := identity.Account{Username: "bob", Email: "bob@example.net", Password: goodPassword}
	tests := []struct {
		name   string
		change func(a *identity.Account)
		want   []string // "CODE target" of each detail
	}{
		{"good", func(*identity.Account) {}, nil},
		{"an address as username", func(a *identity.Account) { a.Username = "bob+1@example.net" }, nil},
		{"letters of any script", func(a *identity.Account) { a.Username = "мария" }, nil},
		{"an apostrophe", func(a *identity.Account) { a.Username = "o'neil" }, nil},
		{"128 characters", func(a *identity.Account) { a.Username = strings.Repeat("ü", 128) }, nil},
		{"129 characters", func(a *identity.Account) { a.Username = strings.Repeat("ü", 129) }, []string{"INVALID_VALUE username"}},
		{"a space", func(a *identity.Account) { a.Username = "bob smith" }, []string{"INVALID_VALUE username"}},
		{"a line end", func(a *identity.Account) { a.Username = "bob\nsmith" }, []string{"INVALID_VALUE username"}},
		{"a bidirectional override", func(a *identity.Account) { a.Username = "bob\u202esmith" }, []string{"INVALID_VALUE username"}},
		{"a zero-width joiner", func(a *identity.Account) { a.Username = "bob\u200dsmith" }, []string{"INVALID_VALUE username"}},
		{"markup", func(a *identity.Account) { a.Username = "<b>bob" }, []string{"INVALID_VALUE username"}},
		{"begins with punctuation", func(a *identity.Account) { a.Username = "-bob" }, []string{"INVALID_VALUE username"}},
		{"not UTF-8", func(a *identity.Account) { a.Username = "bob\xff" }, []string{"INVALID_VALUE username"}},
		{"nothing but space", func(a *identity.Account) { a.Username = "  " }, []string{"REQUIRED_VALUE username"}},
		{"no username", func(a *identity.Account) { a.Username = "" }, []string{"REQUIRED_VALUE username"}},
		{"no address", func(a *identity.Account) { a.Email = "" }, []string{"REQUIRED_VALUE email"}},
		{"no domain", func(a *identity.Account) { a.Email = "bob" }, []string{"INVALID_VALUE email"}},
		{"two addresses", func(a *identity.Account) { a.Email = "bob@example.net, eve@example.net" }, []string{"INVALID_VALUE email"}},
		{"a header in the address", func(a *identity.Account) { a.Email = "bob@example.net\r\nBcc: all@example.net" }, []string{"INVALID_VALUE email"}},
		{"a display name", func(a *identity.Account) { a.Email = "Bob <bob@example.net>" }, []string{"INVALID_VALUE email"}},
		{"no password", func(a *identity.Account) { a.Password = "" }, []string{"REQUIRED_VALUE password"}},
		{"weak password", func(a *identity.Account) { a.Password = "password1" }, []string{"INVALID_VALUE password"}},
		{"password is the address", func(a *identity.Account) { a.Password = "bob@example.net" }, []string{"INVALID_VALUE password"}},
		{"a name", func(a *identity.Account) { a.Claims = map[string]any{"given_name": "Bob", "family_name": "O'Neil"} }, nil},
		{"a claim that is nobody's own to make", func(a *identity.Account) { a.Claims = map[string]any{"email_verified": "true"} }, []string{"INVALID_VALUE email_verified"}},
		{"a subject", func(a *identity.Account) { a.Claims = map[string]any{"sub": alice} }, []string{"INVALID_VALUE sub"}},
		{"a name that is no text", func(a *identity.Account) { a.Claims = map[string]any{"given_name": []any{"Bob"}} }, []string{"INVALID_VALUE given_name"}},
		{"a name of 256 bytes", func(a *identity.Account) { a.Claims = map[string]any{"given_name": strings.Repeat("b", 256)} }, nil},
		{"a name of 257 bytes", func(a *identity.Account) { a.Claims = map[string]any{"given_name": strings.Repeat("b", 257)} }, []string{"INVALID_VALUE given_name"}},
		{"a name with a line end", func(a *identity.Account) { a.Claims = map[string]any{"given_name": "Bob\nEve"} }, []string{"INVALID_VALUE given_name"}},
		{"everything missing", func(a *identity.Account) { *a = identity.Account{} }, []string{"REQUIRED_VALUE username", "REQUIRED_VALUE email", "REQUIRED_VALUE password"}},
		{"taken by a declared user", func(a *identity.Account) { a.Username = "Alice" }, []string{"UNIQUENESS_VIOLATION username"}},
		{"taken by a stored user", func(a *identity.Account) { a.Username = "\uff23arol" }, []string{"UNIQUENESS_VIOLATION username"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := newKit(t)
			k.register(t, "carol", goodPassword)
			a := good
			tt.change(&a)
			user, err := k.Register(t.Context(), k.env, a, address)
			var got []string
			if err != nil {
				code(t, err)
				for _, d := range oauth.From(err).Details {
					got = append(got, d.Code+" "+d.Target)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Fatalf("details (-want +got):\n%s", diff)
			}
			if tt.want != nil {
				if sent := k.quiet(t); len(sent) != 0 {
					t.Errorf("%d messages, want none for a refused registration", len(sent))
				}
				return
			}
			if user.Username != identity.Fold(a.Username) || user.Verified || user.Claims["email"] != a.Email || user.Claims["email_verified"] != false {
				t.Errorf("user = %+v, want the account, unverified", user)
			}
			if sent := k.quiet(t); len(sent) != 1 || sent[0].Kind != notify.VerificationCode || sent[0].To != a.Email {
				t.Errorf("messages = %v, want one verification code", sent)
			}
			_, standing, err := k.CheckPassword(t.Context(), k.env, a.Username, a.Password, address)
			if err != nil || standing != identity.StandingUnverified {
				t.Errorf("sign-on: %q, %v, want VERIFICATION_CODE_REQUIRED", standing, err)
			}
		})
	}
}

func TestVerify(t *testing.T) {
	k := newKit(t)
	ctx := t.Context()
	bob, err := k.Register(ctx, k.env, identity.Account{Username: "bob", Email: "bob@example.net", Password: goodPassword}, address)
	if err != nil {
		t.Fatal(err)
	}
	first := k.mail.wait(t, 1)[0].Code
	verify := func(c string) string {
		_, err := k.Verify(ctx, k.env, bob, c, address)
		if err != nil && target(err) != "verificationCode" {
			t.Errorf("refused for %q, want verificationCode", target(err))
		}
		return code(t, err)
	}
	if got := verify(""); got != identity.RequiredValue {
		t.Errorf("no code: %q", got)
	}
	if got := verify(first[:7] + other(first[7])); got != identity.InvalidValue {
		t.Errorf("wrong code: %q", got)
	}
	if got := k.recover(t, "bob", first, "another-good-one"); got != identity.InvalidValue {
		t.Errorf("as a recovery code: %q, want it refused", got)
	}
	k.clock.Advance(1000 * 24 * 3600e9)
	if err := k.SendVerification(ctx, k.env, bob, "en", address); err != nil {
		t.Fatal(err)
	}
	second := k.mail.wait(t, 2)[1].Code
	if got := verify(first); got != identity.InvalidValue {
		t.Errorf("the earlier code: %q, want it void", got)
	}
	k.clock.Advance(1000 * 24 * 3600e9) // it has no time limit
	user, err := k.Verify(ctx, k.env, bob, " "+strings.ToLower(second)+" ", address)
	if err != nil || !user.Verified || user.Claims["email_verified"] != true {
		t.Fatalf("user = %+v, %v, want the address confirmed", user, err)
	}
	if standing, err := k.StandingOf(ctx, k.env, user); err != nil || standing != "" {
		t.Errorf("standing = %q, %v, want good", standing, err)
	}
	if _, err := k.Verify(ctx, k.env, user, second, address); code(t, err) != oauth.PingOneInvalidRequest {
		t.Errorf("verified already: %v, want INVALID_REQUEST", err)
	}
	if err := k.SendVerification(ctx, k.env, user, "en", address); code(t, err) != oauth.PingOneInvalidRequest {
		t.Errorf("verified already: %v, want nothing sent", err)
	}
	if err := k.SendVerification(ctx, k.env, k.directory.users["alice"], "en", address); code(t, err) != oauth.PingOneInvalidRequest {
		t.Errorf("a declared user: %v, want nothing to confirm", err)
	}
}

func TestFifthWrongVerificationCodeVoidsIt(t *testing.T) {
	k := newKit(t)
	bob, err := k.Register(t.Context(), k.env, identity.Account{Username: "bob", Email: "bob@example.net", Password: goodPassword}, address)
	if err != nil {
		t.Fatal(err)
	}
	c := k.mail.wait(t, 1)[0].Code
	for range 5 {
		_, _ = k.Verify(t.Context(), k.env, bob, "WRONGONE", address)
	}
	if _, err := k.Verify(t.Context(), k.env, bob, c, address); code(t, err) != identity.InvalidValue {
		t.Errorf("the right code after 5 wrong ones: %v, want it void", err)
	}
}

// A code that went to one address confirms no other.
func TestVerifyAfterTheAddressChanged(t *testing.T) {
	k := newKit(t)
	bob, err := k.Register(t.Context(), k.env, identity.Account{Username: "bob", Email: "bob@example.net", Password: goodPassword}, address)
	if err != nil {
		t.Fatal(err)
	}
	c := k.mail.wait(t, 1)[0].Code
	changed := *bob
	changed.Claims = map[string]any{"email": "eve@example.net"}
	if err := k.store.ReplaceUser(t.Context(), changed); err != nil {
		t.Fatal(err)
	}
	changed.Version++
	if _, err := k.Verify(t.Context(), k.env, &changed, c, address); code(t, err) != identity.InvalidValue {
		t.Errorf("the code for the new address: %v, want it refused", err)
	}
	user, err := k.Verify(t.Context(), k.env, bob, c, address) // as the flow still knows bob
	if err != nil || user.Verified {
		t.Errorf("user = %+v, %v, want the new address unconfirmed", user, err)
	}
}

func TestRegistrationNotOffered(t *testing.T) {
	k := newKit(t)
	k.env.SignOn.SelfRegistration = false
	_, err := k.Register(t.Context(), k.env, identity.Account{Username: "bob", Email: "bob@example.net", Password: goodPassword}, address)
	if got := code(t, err); got != oauth.PingOneInvalidRequest || k.OffersRegistration(k.env) {
		t.Errorf("code = %q, want INVALID_REQUEST", got)
	}
	if _, err := k.ByName(t.Context(), k.env, "bob"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("bob: %v, want nobody", err)
	}
}

func TestRegistrationWithoutNotifier(t *testing.T) {
	k := newKit(t)
	k.Notifier = nil
	bob, err := k.Register(t.Context(), k.env, identity.Account{Username: "bob", Email: "bob@example.net", Password: goodPassword}, address)
	if err != nil || bob.Verified {
		t.Fatalf("user = %+v, %v, want an unverified one", bob, err)
	}
	if _, standing, err := k.CheckPassword(t.Context(), k.env, "bob", goodPassword, address); err != nil || standing != "" {
		t.Errorf("sign-on: %q, %v, want nothing to wait for", standing, err)
	}
	if err := k.SendVerification(t.Context(), k.env, bob, "en", address); code(t, err) != oauth.PingOneInvalidRequest {
		t.Errorf("SendVerification: %v, want INVALID_REQUEST", err)
	}
}

func TestRegistrationIsLimited(t *testing.T) {
	k := newKit(t)
	register := func(name, mail, from string) error {
		_, err := k.Register(t.Context(), k.env, identity.Account{Username: name, Email: mail, Password: goodPassword}, from)
		return err
	}
	// Nobody's mailbox is filled by registering their address under many names.
	for i := range 4 {
		err := register(fmt.Sprint("bob", i), "Victim@example.net", fmt.Sprintf("198.51.100.%d", i))
		if limited := oauth.From(err).Status == 429; err != nil && !limited || limited != (i == 3) {
			t.Errorf("registration %d of one address: %v", i+1, err)
		}
	}
	for i := range 21 {
		err := register(fmt.Sprint("eve", i), fmt.Sprintf("eve%d@example.net", i), "198.51.100.200")
		if limited := oauth.From(err).Status == 429; err != nil && !limited || limited != (i == 20) {
			t.Errorf("registration %d from one client: %v", i+1, err)
		}
	}
}

func TestParallelRegistrations(t *testing.T) {
	k := newKit(t)
	var won, refused atomic.Int64
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			_, err := k.Register(context.Background(), k.env, identity.Account{
				Username: "bob", Email: fmt.Sprintf("bob%d@example.net", i), Password: fmt.Sprint(goodPassword, i),
			}, address)
			switch {
			case err == nil:
				won.Add(1)
			case oauth.From(err).Details[0].Code == identity.UniquenessViolation:
				refused.Add(1)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 || refused.Load() != 49 {
		t.Errorf("%d registered, %d told that the name is taken, want 1 and 49", won.Load(), refused.Load())
	}
}

// A user without a password would keep the name from everybody.
func TestHalfRegistrationIsUndone(t *testing.T) {
	k := newKit(t)
	a := identity.Account{Username: "bob", Email: "bob@example.net", Password: goodPassword}
	k.store.putFails.Store(1)
	if _, err := k.Register(t.Context(), k.env, a, address); !errors.Is(err, errBroken) {
		t.Fatalf("error = %v, want the fault", err)
	}
	if _, err := k.ByName(t.Context(), k.env, "bob"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("bob: %v, want nobody", err)
	}
	if _, err := k.Register(t.Context(), k.env, a, address); err != nil {
		t.Errorf("again: %v, want it to succeed", err)
	}
}

// Who registers is in the population that the environment puts new people into.
func TestRegisteredPopulation(t *testing.T) {
	k := newKit(t)
	if u := k.register(t, "bob", goodPassword); u.Population != "" {
		t.Errorf("population = %q, want the first one", u.Population)
	}
	var fails error
	k.Population = func(context.Context, *store.Environment) (string, error) { return "customers", fails }
	if u := k.register(t, "carl", goodPassword); u.Population != "customers" {
		t.Errorf("population = %q, want customers", u.Population)
	}
	fails = errBroken
	if _, err := k.Register(t.Context(), k.env, identity.Account{Username: "dora", Email: "d@example.net", Password: goodPassword}, address); !errors.Is(err, errBroken) {
		t.Errorf("error = %v, want the fault", err)
	}
}
