package token_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

// TestDetails: of a person's token the record says how it came to be, of either kind; a client's own has nothing
// more than its columns unless it is opaque.
func TestDetails(t *testing.T) {
	for _, opaque := range []bool{false, true} {
		t.Run(fmt.Sprint("opaque ", opaque), func(t *testing.T) {
			a := newAuthority(t)
			a.Env.OpaqueTokens = opaque
			records := &token.Records{Store: a.Store, Set: a.Set, Now: a.Clock.Now}
			auth := a.Authorize(t, "web", a.SignOn(t), "openid")
			auth.Nonce, auth.RedirectURI = "the nonce", "https://app.example.com/cb"
			auth.Claims.UserInfo = map[string]oauth.ClaimRequest{"email": {Essential: true}}
			personal := auth.Access(a.Clients["web"], testkit.Alice(a.Env.ID))
			personal.GrantType = oauth.GrantRefreshToken
			own := token.Access{Client: "web", For: a.Clients["web"], Audience: []string{testkit.Audience}, TTL: time.Hour}
			named := own
			named.GrantType = oauth.GrantClientCredentials
			for _, tt := range []struct {
				name   string
				access token.Access
				want   token.Details
			}{
				{"a person's", personal, token.Details{
					GrantType: oauth.GrantRefreshToken, RedirectURI: "https://app.example.com/cb", Nonce: "the nonce",
					AuthTime: noon.Unix(), ACR: "Single_Factor", AMR: []string{"pwd"}, Claims: `{"userinfo":{"email":{"essential":true}}}`,
				}},
				{"a client's own", own, token.Details{}},
				{"a client's own, by name", named, token.Details{}},
			} {
				m, err := a.Tokens.Mint(t.Context(), a.Env, tt.access)
				if err != nil {
					t.Fatal(err)
				}
				r, err := records.ByID(t.Context(), a.Env, m.ID, noon.Add(m.TTL))
				if err != nil {
					t.Fatal(err)
				}
				if got := r.Opaque != nil; got != opaque {
					t.Errorf("%s: opaque = %v, want %v", tt.name, got, opaque)
				}
				d := r.Details
				d.Opaque = nil
				if diff := cmp.Diff(tt.want, d); diff != "" {
					t.Errorf("%s (-want +got):\n%s", tt.name, diff)
				}
				stored, err := a.Store.AccessTokenByID(t.Context(), a.Env.ID, m.ID, r.ExpiresAt, noon)
				if empty := len(stored.Data) == 0; err != nil || empty != (tt.access.Subject == "" && !opaque) {
					t.Errorf("%s: no data = %v, %v", tt.name, empty, err)
				}
			}
		})
	}
}

// TestDetailsOfEarlierRelease: its records have no details, and a person's is not taken for a client's own.
func TestDetailsOfEarlierRelease(t *testing.T) {
	a := newAuthority(t)
	records := &token.Records{Store: a.Store, Set: a.Set, Now: a.Clock.Now}
	for name, tt := range map[string]struct {
		subject, grant, want string
	}{
		"a person's":     {"alice", "grant-1", oauth.GrantAuthorizationCode},
		"a client's own": {"", "", ""},
	} {
		old := store.AccessToken{
			Environment: a.Env.ID, ID: secret.NewID(), Client: "web", Subject: tt.subject, Grant: tt.grant,
			Audience: []string{"a"}, IssuedAt: noon, ExpiresAt: noon.Add(time.Hour),
		}
		if err := a.Store.PutAccessToken(t.Context(), old); err != nil {
			t.Fatal(err)
		}
		r, err := records.ByID(t.Context(), a.Env, old.ID, old.ExpiresAt)
		if err != nil || r.GrantType != tt.want {
			t.Errorf("%s: grant_type = %q, %v, want %q", name, r.GrantType, err, tt.want)
		}
	}
	broken := store.AccessToken{Environment: a.Env.ID, ID: secret.NewID(), Client: "web", IssuedAt: noon, ExpiresAt: noon.Add(time.Hour), Data: []byte("{")}
	if err := a.Store.PutAccessToken(t.Context(), broken); err != nil {
		t.Fatal(err)
	}
	if _, err := records.ByID(t.Context(), a.Env, broken.ID, broken.ExpiresAt); err == nil || errors.Is(err, store.ErrNotFound) {
		t.Errorf("a record that cannot be read: error = %v, want another than ErrNotFound", err)
	}
}

// TestHandle: one spelling, and nothing else is a handle.
func TestHandle(t *testing.T) {
	const id = "0a000000-0000-7000-8000-00000000000a"
	r := token.Record{AccessToken: store.AccessToken{ID: id, ExpiresAt: noon}}
	got, expires, ok := token.ParseHandle(r.Handle())
	if got != id || !expires.Equal(noon) || !ok {
		t.Errorf("ParseHandle(%q) = %q, %v, %v", r.Handle(), got, expires, ok)
	}
	for _, text := range []string{
		"", "-", id, id + "-", id + "-x", id + "--1", id + "-+1", id + "-01", id + "-0", id + "-1 ", id + "-1.5", id + "-253402300800",
		id + "-99999999999999999999", "-1", "x-1", id + "x-1", id[1:] + "-1", "0A000000-0000-7000-8000-00000000000A-1", " " + id + "-1", id + "_1",
	} {
		if id, at, ok := token.ParseHandle(text); ok || id != "" || !at.IsZero() {
			t.Errorf("ParseHandle(%q) = %q, %v, %v, want nothing", text, id, at, ok)
		}
	}
	if _, _, ok := token.ParseHandle(id + "-253402300799"); !ok {
		t.Error("the last second of the year 9999 is refused")
	}
}

// TestRecordsList: those that work, oldest first, page by page, and never more looked at than said.
func TestRecordsList(t *testing.T) {
	a := newAuthority(t)
	records := &token.Records{Store: a.Store, Set: a.Set, Now: a.Clock.Now}
	var ids []string
	mint := func() string {
		m, err := a.Tokens.Mint(t.Context(), a.Env, token.Access{Client: "web", For: a.Clients["web"], Subject: "alice", Audience: []string{testkit.Audience}, TTL: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		return m.ID
	}
	for i := range 30 {
		id := mint()
		if i%3 != 1 {
			ids = append(ids, id)
			continue
		}
		r, err := records.ByID(t.Context(), a.Env, id, noon.Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Revoker.End(t.Context(), a.Env, r); err != nil {
			t.Fatal(err)
		}
		if _, err := records.ByID(t.Context(), a.Env, id, noon.Add(time.Hour)); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("ByID of what has ended = %v, want ErrNotFound", err)
		}
	}
	f := store.AccessTokenFilter{Environment: a.Env.ID, Subject: "alice"}
	for _, size := range []int{1, 2, 7, 19, 20, 21, 1000} {
		var got []string
		pages := 0
		for after := ""; ; pages++ {
			page, next, err := records.List(t.Context(), f, after, size)
			if err != nil || len(page) > size || pages > 40 {
				t.Fatalf("pages of %d: %d records, page %d, %v", size, len(page), pages, err)
			}
			for _, r := range page {
				got = append(got, r.ID)
			}
			if after = next; next == "" {
				break
			}
		}
		if diff := cmp.Diff(ids, got); diff != "" {
			t.Errorf("pages of %d (-want +got):\n%s", size, diff)
		}
	}
	if page, next, err := records.List(t.Context(), f, "", 0); len(page) > 0 || next != "" || err != nil {
		t.Errorf("none are asked for: %d, %q, %v", len(page), next, err)
	}
	if page, next, err := records.List(t.Context(), store.AccessTokenFilter{Environment: a.Env.ID, Subject: "bob"}, "", 10); len(page) > 0 || next != "" || err != nil {
		t.Errorf("of nobody: %d, %q, %v", len(page), next, err)
	}
	a.Clock.Advance(time.Hour)
	if page, next, err := records.List(t.Context(), f, "", 10); len(page) > 0 || next != "" || err != nil {
		t.Errorf("when all have expired: %d, %q, %v", len(page), next, err)
	}
}

// TestRecordsListIsBounded: where most have been revoked a page may be empty, and says where to go on.
func TestRecordsListIsBounded(t *testing.T) {
	a := newAuthority(t)
	records := &token.Records{Store: many{}, Set: a.Set, Now: a.Clock.Now}
	r := store.Revocation{Environment: a.Env.ID, Kind: store.RevokedSubject, Value: "alice", At: noon, ExpiresAt: noon.Add(time.Hour)}
	if err := a.Store.PutRevocation(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	f := store.AccessTokenFilter{Environment: a.Env.ID, Subject: "alice"}
	page, next, err := records.List(t.Context(), f, "", 1000)
	if len(page) != 0 || next != fmt.Sprintf("%08d", 4000) || err != nil {
		t.Errorf("List = %d records, next %q, %v, want none, and where 4000 were looked at", len(page), next, err)
	}
	if _, after, err := records.List(t.Context(), f, next, 1000); after <= next || err != nil {
		t.Errorf("the next page ends at %q, %v, want behind %q", after, err, next)
	}
}

// many has endless tokens of whoever is asked for.
type many struct{ away }

func (many) ListAccessTokens(_ context.Context, f store.AccessTokenFilter, after string, limit int, now time.Time) ([]store.AccessToken, error) {
	n := 0
	_, _ = fmt.Sscan(strings.TrimLeft(after, "0"), &n)
	tokens := make([]store.AccessToken, limit)
	for i := range tokens {
		n++
		tokens[i] = store.AccessToken{Environment: f.Environment, ID: fmt.Sprintf("%08d", n), Client: "web", Subject: f.Subject, IssuedAt: now, ExpiresAt: now.Add(time.Hour)}
	}
	return tokens, nil
}

// TestEndGrantOf: by a record all that came of an authorization ends, and what came of none ends alone.
func TestEndGrantOf(t *testing.T) {
	for _, opaque := range []bool{false, true} {
		a := newAuthority(t)
		a.Env.OpaqueTokens = opaque
		records := &token.Records{Store: a.Store, Set: a.Set, Now: a.Clock.Now}
		find := func(raw string) *token.Record {
			active, err := a.Verifier.Verify(t.Context(), a.Env, raw)
			if err != nil {
				t.Fatal(err)
			}
			r, err := records.ByID(t.Context(), a.Env, active.ID(), active.ExpiresAt)
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		one, auth := mintFor(t, a, "offline", "openid", "offline_access")
		two := mintAgain(t, a, auth)
		other, _ := mintFor(t, a, "offline", "openid")
		refresh, err := a.Refresh.Begin(t.Context(), a.Env, a.Clients["offline"], auth)
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Revoker.EndGrantOf(t.Context(), a.Env, find(one)); err != nil {
			t.Fatal(err)
		}
		a.Clock.Advance(time.Second)
		later := mintAgain(t, a, auth) // by a request that was under way
		for name, tt := range map[string]struct {
			raw  string
			want bool
		}{"itself": {one, false}, "another of it": {two, false}, "a later one": {later, false}, "another grant's": {other, true}} {
			if got := a.Active(t, tt.raw); got != tt.want {
				t.Errorf("opaque %v: %s: active = %v, want %v", opaque, name, got, tt.want)
			}
		}
		if held, err := a.Refresh.Find(t.Context(), a.Env, refresh); err != nil || !held.Ended {
			t.Errorf("opaque %v: refresh token: ended %v, %v, want true", opaque, held.Ended, err)
		}

		own := token.Access{Client: "web", For: a.Clients["web"], Audience: []string{testkit.Audience}, TTL: time.Hour}
		m, err := a.Tokens.Mint(t.Context(), a.Env, own)
		if err != nil {
			t.Fatal(err)
		}
		sister, err := a.Tokens.Mint(t.Context(), a.Env, own)
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Revoker.EndGrantOf(t.Context(), a.Env, find(m.Raw)); err != nil {
			t.Fatal(err)
		}
		if a.Active(t, m.Raw) || !a.Active(t, sister.Raw) {
			t.Errorf("opaque %v: of no grant: active %v, its sister %v, want false, true", opaque, a.Active(t, m.Raw), a.Active(t, sister.Raw))
		}
	}
}

// TestFamilyHeld: what a list of families says of their tokens.
func TestFamilyHeld(t *testing.T) {
	a := newAuthority(t)
	client := a.Clients["offline"]
	auth := a.Authorize(t, "offline", a.SignOn(t), "openid", "offline_access")
	auth.RedirectURI = "https://app.example.com/cb"
	raw, err := a.Refresh.Begin(t.Context(), a.Env, client, auth)
	if err != nil {
		t.Fatal(err)
	}
	a.Clock.Advance(time.Hour)
	held, err := a.Refresh.Find(t.Context(), a.Env, raw)
	if err != nil {
		t.Fatal(err)
	}
	if raw, err = a.Refresh.Exchange(t.Context(), a.Env, client, held); err != nil {
		t.Fatal(err)
	}
	want, err := a.Refresh.Find(t.Context(), a.Env, raw)
	if err != nil {
		t.Fatal(err)
	}
	list, err := a.Store.ListFamilies(t.Context(), store.FamilyFilter{Environment: a.Env.ID, Subject: auth.On.Subject}, "", 10, a.Clock.Now())
	if err != nil || len(list) != 1 {
		t.Fatalf("%d families, %v", len(list), err)
	}
	got, err := token.FamilyHeld(list[0])
	if err != nil {
		t.Fatal(err)
	}
	if !got.ExpiresAt.Equal(want.ExpiresAt) || got.Ended || got.Spent {
		t.Errorf("expires %v, ended %v, spent %v, want %v, false, false", got.ExpiresAt, got.Ended, got.Spent, want.ExpiresAt)
	}
	if diff := cmp.Diff(want.Authorization, got.Authorization); diff != "" {
		t.Errorf("authorization (-want +got):\n%s", diff)
	}
	if got.Authorization.RedirectURI != auth.RedirectURI {
		t.Errorf("redirect_uri = %q, want %q", got.Authorization.RedirectURI, auth.RedirectURI)
	}
	list[0].Data = []byte("secret words")
	if _, err := token.FamilyHeld(list[0]); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("data that is none: error = %v, want one", err)
	}
}
