package token_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

// TestWithdraw: the consent and every token of that person's for that client, of either kind, and nothing else; also what a
// request under way is about to make.
func TestWithdraw(t *testing.T) {
	a := newAuthority(t)
	w := &token.Withdrawal{Store: a.Store, Revoker: a.Revoker, Now: a.Clock.Now}
	s := a.SignOn(t)
	grantTo := func(client string, opaque bool) (auth token.Authorization, access string) {
		t.Helper()
		env := *a.Env
		env.OpaqueTokens = opaque
		auth = a.Authorize(t, client, s, "openid")
		user, err := a.People.ByID(t.Context(), a.Env, auth.On.Subject)
		if err != nil {
			t.Fatal(err)
		}
		m, err := a.Tokens.Mint(t.Context(), &env, auth.Access(a.Clients[client], user))
		if err != nil {
			t.Fatal(err)
		}
		return auth, m.Raw
	}
	agree := func(client string) {
		t.Helper()
		if err := a.Store.PutConsent(t.Context(), store.ConsentRecord{Environment: a.Env.ID, Subject: s.Subject, Client: client, UpdatedAt: noon}); err != nil {
			t.Fatal(err)
		}
	}
	agreed := func(client string) bool {
		_, err := a.Store.ConsentTo(t.Context(), a.Env.ID, s.Subject, client)
		return err == nil
	}
	agree("web")
	agree("offline")
	first, jwt := grantTo("web", false)
	_, dark := grantTo("web", true)
	later, _ := grantTo("web", false) // its access token is made again below
	kept, keptAccess := grantTo("offline", false)
	for _, auth := range []token.Authorization{first, later, kept} {
		if _, err := a.Refresh.Begin(t.Context(), a.Env, a.Clients[auth.Client], auth); err != nil {
			t.Fatal(err)
		}
	}
	for name, bad := range map[string][2]string{"nobody": {"", "web"}, "no client": {s.Subject, ""}, "somebody else": {"bob", "web"}, "nothing": {s.Subject, "other"}} {
		if err := w.Withdraw(t.Context(), a.Env, bad[0], bad[1]); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if !a.Active(t, jwt) || !a.Active(t, dark) || !a.Active(t, keptAccess) || !agreed("web") {
		t.Fatal("something ended that was not named")
	}

	gone, cancel := context.WithCancel(t.Context())
	cancel() // who asked has hung up
	if err := w.Withdraw(gone, a.Env, s.Subject, "web"); err != nil {
		t.Fatalf("Withdraw: %v", err)
	}
	if agreed("web") || !agreed("offline") {
		t.Errorf("consents to web and offline = %v, %v, want the second alone", agreed("web"), agreed("offline"))
	}
	user, _ := a.People.ByID(t.Context(), a.Env, s.Subject)
	m, err := a.Tokens.Mint(t.Context(), a.Env, later.Access(a.Clients["web"], user)) // an exchange that was under way
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		raw  string
		want bool
	}{"JWT": {jwt, false}, "opaque": {dark, false}, "made meanwhile": {m.Raw, false}, "another client's": {keptAccess, true}} {
		if got := a.Active(t, tt.raw); got != tt.want {
			t.Errorf("%s: active = %v, want %v", name, got, tt.want)
		}
	}
	left, err := a.Store.ListFamilies(t.Context(), store.FamilyFilter{Environment: a.Env.ID, Subject: s.Subject}, "", 10, noon)
	if err != nil || len(left) != 1 || left[0].ID != kept.Grant {
		t.Errorf("families left = %v, %v, want that of offline", left, err)
	}
	if err := w.Withdraw(t.Context(), a.Env, s.Subject, "web"); err != nil {
		t.Errorf("again: %v", err)
	}
}

// TestWithdrawMany: more tokens than are read at a time.
func TestWithdrawMany(t *testing.T) {
	a := newAuthority(t)
	w := &token.Withdrawal{Store: a.Store, Revoker: a.Revoker, Now: a.Clock.Now}
	records := &token.Records{Store: a.Store, Set: a.Set, Now: a.Clock.Now}
	for i := range 1001 {
		grant := "" // of these, each is ended by itself
		if i%2 == 0 {
			grant = fmt.Sprint("grant-", i%10)
		}
		err := a.Store.PutAccessToken(t.Context(), store.AccessToken{
			Environment: a.Env.ID, ID: fmt.Sprintf("0a000000-0000-7000-8000-%012d", i), Client: "web", Subject: "alice", Grant: grant,
			IssuedAt: noon, ExpiresAt: noon.Add(store.MaxAccessTokenTTL),
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Withdraw(t.Context(), a.Env, "alice", "web"); err != nil {
		t.Fatal(err)
	}
	left, next, err := records.List(t.Context(), store.AccessTokenFilter{Environment: a.Env.ID, Subject: "alice"}, "", 10)
	if err != nil || len(left) != 0 || next != "" {
		t.Errorf("left = %d, %q, %v, want none", len(left), next, err)
	}
}

// brokenTokens is a store whose access tokens cannot be listed.
type brokenTokens struct{ store.Store }

func (brokenTokens) ListAccessTokens(context.Context, store.AccessTokenFilter, string, int, time.Time) ([]store.AccessToken, error) {
	return nil, store.ErrUnavailable
}

// TestWithdrawUnavailable: who cannot be sure that all has ended says so.
func TestWithdrawUnavailable(t *testing.T) {
	a := newAuthority(t)
	w := &token.Withdrawal{Store: brokenTokens{a.Store}, Revoker: a.Revoker, Now: a.Clock.Now}
	err := w.Withdraw(t.Context(), a.Env, "alice", "web")
	if e, ok := errors.AsType[*oauth.Error](err); !ok || e.Code != oauth.CodeTemporarilyUnavailable {
		t.Errorf("error = %v, want temporarily_unavailable", err)
	}
}
