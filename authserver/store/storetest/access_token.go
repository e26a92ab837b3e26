package storetest

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

var accessTokenTests = []namedTest{
	{"a token comes back as it was put", tokenRoundTrip},
	{"a token is found by all of its identity, until it expires", tokenLookup},
	{"an ID that is present is ErrExists, and its batch mates are stored", tokenExists},
	{"of concurrent puts of one ID exactly one succeeds", tokenContention},
	{"strings that cannot be stored fail alone", tokenText},
	{"a list is by client, by subject or by both, in order", tokenList},
	{"a list goes on behind an ID", tokenPages},
	{"a list needs a filter", tokenListFilter},
}

func tokenRoundTrip(t *testing.T, s store.Store) {
	full := token(1)
	full.Subject, full.Session, full.Grant = "alice", "session-1", "grant-1"
	full.Audience = []string{"https://orders.example.com", "a\nb", `"quoted"`, "ünï"}
	full.Data = []byte("{\"a\":\"\x00\xff\"}")
	opaque := token(2) // of a client that acts for itself
	opaque.Data = bytes.Repeat([]byte{0, 1, 2, 255}, store.MaxAccessTokenData/4)
	bare := store.AccessToken{Environment: env1, ID: "bare", Client: "client-1", IssuedAt: Now, ExpiresAt: Now.Add(30 * 24 * time.Hour)}
	put(t, s, full, opaque, bare)
	for _, want := range []store.AccessToken{full, opaque, bare} {
		got, err := s.AccessTokenByID(testContext(t), want.Environment, want.ID, want.ExpiresAt, Now)
		if err != nil {
			t.Fatalf("AccessTokenByID(%s): %v", want.ID, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("token %s (-want +got):\n%s", want.ID, diff)
		}
	}
	list, err := s.ListAccessTokens(testContext(t), store.AccessTokenFilter{Environment: env1, Subject: "alice"}, "", 10, Now)
	if diff := cmp.Diff([]store.AccessToken{full}, list); diff != "" || err != nil {
		t.Errorf("listed: %v (-want +got):\n%s", err, diff)
	}
}

func tokenLookup(t *testing.T, s store.Store) {
	tok := token(1)
	put(t, s, tok)
	tests := []struct {
		name            string
		environment, id string
		expires, now    time.Time
		want            error
	}{
		{"its identity", env1, tok.ID, tok.ExpiresAt, Now, nil},
		{"another environment", env2, tok.ID, tok.ExpiresAt, Now, store.ErrNotFound},
		{"another ID", env1, tok.ID + "0", tok.ExpiresAt, Now, store.ErrNotFound},
		{"another case", env1, strings.ToUpper("x" + tok.ID), tok.ExpiresAt, Now, store.ErrNotFound},
		{"another expiry", env1, tok.ID, tok.ExpiresAt.Add(time.Second), Now, store.ErrNotFound},
		{"in its last second", env1, tok.ID, tok.ExpiresAt, tok.ExpiresAt.Add(-time.Second), nil},
		{"when it expires", env1, tok.ID, tok.ExpiresAt, tok.ExpiresAt, store.ErrNotFound},
		{"an ID with NUL", env1, tok.ID + "\x00", tok.ExpiresAt, Now, store.ErrNotFound},
		{"an ID that is not UTF-8", env1, "\xff", tok.ExpiresAt, Now, store.ErrNotFound},
		{"a very long ID", env1, strings.Repeat("a", 100_000), tok.ExpiresAt, Now, store.ErrNotFound},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := s.AccessTokenByID(testContext(t), tt.environment, tt.id, tt.expires, tt.now)
			if !errors.Is(err, tt.want) {
				t.Errorf("error = %v, want %v", err, tt.want)
			}
			environment, err := s.AccessTokenEnvironment(testContext(t), tt.id, tt.expires, tt.now)
			want, wantErr := env1, tt.want
			if tt.environment == env2 {
				wantErr = nil // it is not asked
			}
			if wantErr != nil {
				want = ""
			}
			if environment != want || !errors.Is(err, wantErr) {
				t.Errorf("AccessTokenEnvironment = %q, %v, want %q, %v", environment, err, want, wantErr)
			}
		})
	}
}

func tokenExists(t *testing.T, s store.Store) {
	put(t, s, token(7))
	ctx := testContext(t)
	changed := token(7)
	changed.Client = "client-2"
	errs := race(20, func(i int) error {
		if i == 7 {
			return s.PutAccessToken(ctx, changed)
		}
		return s.PutAccessToken(ctx, token(i))
	})
	for i, err := range errs {
		var want error
		if i == 7 {
			want = store.ErrExists
		}
		if !errors.Is(err, want) {
			t.Errorf("PutAccessToken(%d) = %v, want %v", i, err, want)
		}
		got, err := s.AccessTokenByID(ctx, env1, token(i).ID, token(i).ExpiresAt, Now)
		if err != nil || got.Client != "client-1" {
			t.Errorf("token %d: client = %q, error = %v, want client-1", i, got.Client, err)
		}
	}
	// The same ID in another environment is another token.
	other := token(7)
	other.Environment = env2
	put(t, s, other)
}

func tokenContention(t *testing.T, s store.Store) {
	ctx := testContext(t)
	won := 0
	for _, err := range race(50, func(int) error { return s.PutAccessToken(ctx, token(1)) }) {
		switch {
		case err == nil:
			won++
		case !errors.Is(err, store.ErrExists):
			t.Errorf("PutAccessToken = %v, want ErrExists", err)
		}
	}
	if won != 1 {
		t.Errorf("%d puts succeeded, want 1", won)
	}
	// With data it is another statement: of one batch, and of one ID.
	won = 0
	errs := race(50, func(i int) error {
		a := token(2 + i%2)
		if i%3 == 0 {
			a.Data = []byte("data")
		}
		return s.PutAccessToken(ctx, a)
	})
	for _, err := range errs {
		switch {
		case err == nil:
			won++
		case !errors.Is(err, store.ErrExists):
			t.Errorf("PutAccessToken = %v, want ErrExists", err)
		}
	}
	if won != 2 {
		t.Errorf("%d puts of two IDs succeeded, want 2", won)
	}
}

func tokenText(t *testing.T, s store.Store) {
	ctx := testContext(t)
	tests := []struct {
		name   string
		change func(*store.AccessToken)
		ok     bool
	}{
		{"512 bytes of client_id", func(a *store.AccessToken) { a.Client = strings.Repeat("c", 512) }, true},
		{"513 bytes of client_id", func(a *store.AccessToken) { a.Client = strings.Repeat("c", 513) }, false},
		{"every identity as long as can be", func(a *store.AccessToken) {
			a.ID, a.Client, a.Subject = strings.Repeat("i", 512), strings.Repeat("c", 512), strings.Repeat("s", 512)
		}, true},
		{"a long scope", func(a *store.AccessToken) { a.Scope = strings.Repeat("scope ", 5000) }, true},
		{"NUL in the scope", func(a *store.AccessToken) { a.Scope = "a\x00b" }, false},
		{"a control character in the scope", func(a *store.AccessToken) { a.Scope = "a\x01b" }, true},
		{"bad UTF-8 in the subject", func(a *store.AccessToken) { a.Subject = "\xc3" }, false},
		{"512 bytes of session and grant", func(a *store.AccessToken) {
			a.Session, a.Grant = strings.Repeat("s", 512), strings.Repeat("g", 512)
		}, true},
		{"513 bytes of session, which nobody could revoke", func(a *store.AccessToken) { a.Session = strings.Repeat("s", 513) }, false},
		{"513 bytes of grant", func(a *store.AccessToken) { a.Grant = strings.Repeat("g", 513) }, false},
		{"64 KiB of data", func(a *store.AccessToken) { a.Data = make([]byte, 64<<10) }, true},
		{"a byte more", func(a *store.AccessToken) { a.Data = make([]byte, 64<<10+1) }, false},
		{"64 KiB of data of a grant's", func(a *store.AccessToken) { a.Grant, a.Data = "grant-1", make([]byte, 64<<10) }, true},
		{"a byte more of a grant's", func(a *store.AccessToken) { a.Grant, a.Data = "grant-1", make([]byte, 64<<10+1) }, false},
		{"bad UTF-8 in the audience", func(a *store.AccessToken) { a.Audience = []string{"\xc3"} }, false},
	}
	errs := race(2*len(tests), func(i int) error {
		a := token(i)
		if i < len(tests) {
			tests[i].change(&a)
		}
		return s.PutAccessToken(ctx, a)
	})
	for i, err := range errs {
		if i >= len(tests) {
			if err != nil {
				t.Errorf("batch mate %d: PutAccessToken = %v, want nil", i, err)
			}
		} else if ok := err == nil; ok != tests[i].ok || errors.Is(err, store.ErrUnavailable) {
			t.Errorf("%s: PutAccessToken = %v, want success %v", tests[i].name, err, tests[i].ok)
		}
	}
}

func tokenList(t *testing.T, s store.Store) {
	add := func(n int, environment, client, subject string, expires time.Time) {
		a := token(n)
		a.Environment, a.Client, a.Subject, a.ExpiresAt = environment, client, subject, expires
		put(t, s, a)
	}
	hour, month := Now.Add(time.Hour), Now.Add(30*24*time.Hour)
	// Not in order, and with lifetimes that differ, so that order is the list's
	// own work.
	add(5, env1, "web", "alice", month)
	add(1, env1, "web", "alice", hour)
	add(3, env1, "batch", "", hour)
	add(2, env1, "web", "bob", month)
	add(4, env1, "app", "alice", hour)
	add(6, env1, "web", "alice", Now)                   // expires at now
	add(7, env1, "web", "alice", Now.Add(-time.Second)) // expired
	add(8, env2, "web", "alice", hour)
	add(9, env1, "batch", "", Now.Add(time.Second))
	tests := []struct {
		name   string
		filter store.AccessTokenFilter
		want   []int
	}{
		{"by client", store.AccessTokenFilter{Environment: env1, Client: "web"}, []int{1, 2, 5}},
		{"by a client that acts for itself", store.AccessTokenFilter{Environment: env1, Client: "batch"}, []int{3, 9}},
		{"by subject", store.AccessTokenFilter{Environment: env1, Subject: "alice"}, []int{1, 4, 5}},
		{"by both", store.AccessTokenFilter{Environment: env1, Client: "web", Subject: "alice"}, []int{1, 5}},
		{"in another environment", store.AccessTokenFilter{Environment: env2, Subject: "alice"}, []int{8}},
		{"exact in case", store.AccessTokenFilter{Environment: env1, Subject: "Alice"}, nil},
		{"nobody's", store.AccessTokenFilter{Environment: env1, Client: "batch", Subject: "alice"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			list, err := s.ListAccessTokens(testContext(t), tt.filter, "", 100, Now)
			if err != nil {
				t.Fatal(err)
			}
			var got, want []string
			for _, a := range list {
				got = append(got, a.ID)
				if a.Environment != tt.filter.Environment {
					t.Errorf("environment = %q, want %q", a.Environment, tt.filter.Environment)
				}
			}
			for _, n := range tt.want {
				want = append(want, token(n).ID)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("listed (-want +got):\n%s", diff)
			}
		})
	}
}

func tokenPages(t *testing.T, s store.Store) {
	var tokens []store.AccessToken
	for i := range 25 {
		a := token(i)
		a.ExpiresAt = Now.Add(time.Duration(1+i%5) * 24 * time.Hour)
		tokens = append(tokens, a)
	}
	put(t, s, tokens...)
	f := store.AccessTokenFilter{Environment: env1, Client: "client-1"}
	var got []store.AccessToken
	var sizes []int
	for after := ""; ; {
		page, err := s.ListAccessTokens(testContext(t), f, after, 10, Now)
		if err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, len(page))
		if len(page) == 0 {
			break
		}
		got = append(got, page...)
		after = page[len(page)-1].ID
	}
	if diff := cmp.Diff([]int{10, 10, 5, 0}, sizes); diff != "" {
		t.Errorf("page sizes (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(tokens, got); diff != "" {
		t.Errorf("tokens (-want +got):\n%s", diff)
	}
}

func tokenListFilter(t *testing.T, s store.Store) {
	ctx := context.Background()
	if _, err := s.ListAccessTokens(ctx, store.AccessTokenFilter{Environment: env1}, "", 10, Now); err == nil {
		t.Error("a filter without client and subject is accepted, want an error")
	}
	if _, err := s.ListAccessTokens(ctx, store.AccessTokenFilter{Environment: env1, Client: "c"}, "", 10, Now); err != nil {
		t.Errorf("a filter by client = %v, want nil", err)
	}
	if got, err := s.ListAccessTokens(ctx, store.AccessTokenFilter{Environment: env1, Client: "c\x00"}, "", 10, Now); err != nil || len(got) != 0 {
		t.Errorf("a client that cannot exist = %v, %v, want none, nil", got, err)
	}
}
