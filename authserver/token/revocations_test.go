package token_test

import (
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func alive(clock *testkit.Clock) *token.Revocations {
	s := token.NewRevocations(clock.Now)
	s.Alive(true)
	return s
}

func TestWhatARevocationEnds(t *testing.T) {
	held := token.Holder{ID: "j", Grant: "g", Session: "s", Client: "c", Subject: "u", Audience: []string{"a", "b"}, IssuedAt: noon, Origins: []token.Origin{
		{Client: "id"}, {ID: "first", Client: "c1", Audience: []string{"x", "y"}},
	}}
	at := func(kind store.RevocationKind, value string, d time.Duration) store.Revocation {
		return store.Revocation{Environment: "e", Kind: kind, Value: value, At: noon.Add(d), ExpiresAt: noon.Add(time.Hour)}
	}
	elsewhere := at(store.RevokedToken, "j", 0)
	elsewhere.Environment = "f"
	tests := []struct {
		name string
		r    store.Revocation
		want bool
	}{
		{"the token", at(store.RevokedToken, "j", 0), true},
		{"the token, whenever it was issued", at(store.RevokedToken, "j", -time.Hour), true},
		{"another token", at(store.RevokedToken, "k", 0), false},
		{"another environment's token", elsewhere, false},
		{"its grant", at(store.RevokedGrant, "g", 0), true},
		{"its grant, also later tokens: At is the end", at(store.RevokedGrant, "g", time.Hour), true},
		{"another grant", at(store.RevokedGrant, "h", time.Hour), false},
		{"a grant of its session's name", at(store.RevokedGrant, "s", time.Hour), false},
		{"no grant at all", at(store.RevokedGrant, "", time.Hour), false},
		{"its session", at(store.RevokedSession, "s", 0), true},
		{"its session, before it was issued", at(store.RevokedSession, "s", -time.Second), false},
		{"its client", at(store.RevokedClient, "c", time.Second), true},
		{"its client, before it was issued", at(store.RevokedClient, "c", -time.Second), false},
		{"its subject", at(store.RevokedSubject, "u", 0), true},
		{"a subject of its client's name", at(store.RevokedSubject, "c", 0), false},
		{"a token of its client's name", at(store.RevokedToken, "c", 0), false},
		{"its audience", at(store.RevokedAudience, "a", 0), true},
		{"another one of its audiences", at(store.RevokedAudience, "b", time.Second), true},
		{"its audience, before it was issued", at(store.RevokedAudience, "a", -time.Second), false},
		{"another audience", at(store.RevokedAudience, "ab", time.Hour), false},
		{"an audience of its client's name", at(store.RevokedAudience, "c", time.Hour), false},
		{"a client of its audience's name", at(store.RevokedClient, "a", time.Hour), false},
		{"what it was exchanged for", at(store.RevokedToken, "first", -time.Hour), true},
		{"the client of what it was exchanged for", at(store.RevokedClient, "c1", 0), true},
		{"the client of an ID token that it was exchanged for", at(store.RevokedClient, "id", 0), true},
		{"that client, before it was issued", at(store.RevokedClient, "c1", -time.Second), false},
		{"an audience of what it was exchanged for", at(store.RevokedAudience, "y", 0), true},
		{"that audience, before it was issued", at(store.RevokedAudience, "y", -time.Second), false},
		{"a token of that audience's name", at(store.RevokedToken, "y", 0), false},
		{"no session at all", at(store.RevokedSession, "", 0), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := alive(testkit.NewClock(noon))
			s.Add(tt.r)
			if got, err := s.Revoked("e", held); got != tt.want || err != nil {
				t.Errorf("revoked = %v, %v, want %v", got, err, tt.want)
			}
		})
	}
}

func TestEpoch(t *testing.T) {
	clock := testkit.NewClock(noon)
	s := alive(clock)
	r := store.Revocation{Environment: "e", Kind: store.RevokedToken, Value: "j", At: noon, ExpiresAt: noon.Add(time.Hour)}
	e0 := s.Epoch()
	s.Add(r)
	e1 := s.Epoch()
	s.Add(r)
	if e0 == e1 {
		t.Error("a revocation left the epoch as it was")
	}
	if s.Epoch() != e1 {
		t.Error("a revocation told twice changed the epoch twice")
	}
	r.At = noon.Add(-time.Hour)
	s.Add(r)
	if s.Epoch() != e1 {
		t.Error("an older revocation changed the epoch")
	}
}

// TestInterruptedFeed: for ten seconds the set is believed, then nothing is
// called "not revoked" until the feed has caught up.
func TestInterruptedFeed(t *testing.T) {
	clock := testkit.NewClock(noon)
	s := alive(clock)
	held := token.Holder{ID: "j", Client: "c", IssuedAt: noon}
	s.Alive(false)
	clock.Advance(10 * time.Second)
	s.Alive(false) // said again: it has been down since the first time
	if _, err := s.Revoked("e", held); err != nil {
		t.Errorf("after ten seconds: %v", err)
	}
	kept := s.Epoch()
	clock.Advance(time.Second)
	if revoked, err := s.Revoked("e", held); err == nil {
		t.Errorf("after eleven seconds: %v without an error", revoked)
	}
	if first, second := s.Epoch(), s.Epoch(); first == kept || first == second {
		t.Error("verdicts are kept while nothing is known")
	}
	s.Alive(true)
	if _, err := s.Revoked("e", held); err != nil {
		t.Errorf("caught up: %v", err)
	}
	if first, second := s.Epoch(), s.Epoch(); first != second {
		t.Error("caught up, and no verdict can be kept")
	}
	s.Alive(false)
	clock.Advance(-time.Minute)
	if _, err := s.Revoked("e", held); err == nil {
		t.Error("a clock that went back extends the grace")
	}
}

func TestPrune(t *testing.T) {
	clock := testkit.NewClock(noon)
	s := alive(clock)
	s.Add(store.Revocation{Environment: "e", Kind: store.RevokedToken, Value: "j", At: noon, ExpiresAt: noon.Add(time.Hour)})
	if n := s.Prune(noon.Add(time.Hour)); n != 0 || s.Len() != 1 {
		t.Errorf("%d went while they were needed", n)
	}
	if n := s.Prune(noon.Add(time.Hour + time.Second)); n != 1 || s.Len() != 0 {
		t.Errorf("%d went, %d are left", n, s.Len())
	}
}

// TestRevokedAllocates: the question is asked for every token that is seen.
func TestRevokedAllocates(t *testing.T) {
	s := alive(testkit.NewClock(noon))
	s.Add(store.Revocation{Environment: "e", Kind: store.RevokedAudience, Value: "z", At: noon, ExpiresAt: noon.Add(time.Hour)})
	held := token.Holder{ID: "j", Grant: "g", Session: "s", Client: "c", Subject: "u", Audience: []string{"a", "b"}, IssuedAt: noon}
	if n := testing.AllocsPerRun(100, func() {
		if revoked, err := s.Revoked("e", held); revoked || err != nil {
			t.Error(revoked, err)
		}
	}); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}
