package session_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/session"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// presented reads a session by its secret, in a request that has no cookie of its own.
func (a *agent) presented(t testing.TB, value secret.Value) *session.Browser {
	t.Helper()
	r := a.request()
	r.Header.Del("Cookie")
	b, err := a.k.Presented(r, a.k.env, value)
	if err != nil {
		t.Fatalf("Presented: %v", err)
	}
	return b
}

func TestPresented(t *testing.T) {
	k := newKit(t)
	a := k.agent()
	id := a.signOn(t, alice).ID
	good := a.cookies["ST"]
	tests := []struct {
		name, value, want string
	}{
		{"the secret", good, alice},
		{"none", "", ""},
		{"well-formed, nobody's", value, ""},
		{"one character short", good[:42], ""},
		{"one character more", good + "A", ""},
		{"its public ID", id, ""},
		{"huge", strings.Repeat("A", 100_000), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := a.presented(t, secret.Of(tt.value))
			got := ""
			if b.Session != nil {
				got = b.Session.Subject
			}
			if got != tt.want || (b.Token().Reveal() == good) != (tt.want != "") {
				t.Errorf("got %q and the token %v, want %q", got, !b.Token().IsZero(), tt.want)
			}
			if b.Address != "192.0.2.1" || b.UserAgent != "Test/1.0" {
				t.Errorf("address and user agent = %q, %q", b.Address, b.UserAgent)
			}
		})
	}
	t.Run("the cookie of the request does not count", func(t *testing.T) {
		b, err := k.Presented(a.request(), k.env, secret.Value{})
		if err != nil || b.Session != nil || !b.Token().IsZero() {
			t.Errorf("session = %v, %v, want none", b.Session, err)
		}
	})
	t.Run("in another environment", func(t *testing.T) {
		other := *k.env
		other.ID = "0b000000-0000-4000-8000-00000000000b"
		if b, err := k.Presented(a.request(), &other, secret.Of(good)); err != nil || b.Session != nil {
			t.Errorf("session = %v, %v, want none", b.Session, err)
		}
	})
	t.Run("the store is gone", func(t *testing.T) {
		k.store.readFails.Store(true)
		defer k.store.readFails.Store(false)
		if b, err := k.Presented(a.request(), k.env, secret.Of(good)); !errors.Is(err, errBroken) || b != nil {
			t.Errorf("Presented = %v, %v, want the fault", b, err)
		}
	})
	t.Run("an absolute life that was shortened", func(t *testing.T) {
		k.clock.Advance(time.Hour)
		shorter := *k.env
		shorter.SignOn.SessionLifetime = time.Hour
		if b, err := k.Presented(a.request(), &shorter, secret.Of(good)); err != nil || b.Session != nil {
			t.Errorf("session = %v, %v, want none", b.Session, err)
		}
	})
}

func TestPresentedIsNoUse(t *testing.T) {
	k := newKit(t)
	a := k.agent()
	before := a.signOn(t, alice)
	k.clock.Advance(time.Hour)
	b := a.presented(t, secret.Of(a.cookies["ST"]))
	if !b.Session.ActiveAt.Equal(before.ActiveAt) || !b.Session.ExpiresAt.Equal(before.ExpiresAt) || k.store.replaced.Load() != 0 {
		t.Errorf("session = %+v after %d writes, want it as it was", b.Session, k.store.replaced.Load())
	}
	s, err := k.Prolong(t.Context(), k.env, before.ID)
	if err != nil || !s.ActiveAt.Equal(k.clock.Now()) || !s.ExpiresAt.Equal(before.ExpiresAt.Add(time.Hour)) {
		t.Errorf("prolonged: %+v, %v", s, err)
	}
	unused, latest := session.Ends(k.env, s)
	if !unused.Equal(s.ExpiresAt) || !latest.Equal(before.AuthTime.Add(session.DefaultLifetime)) {
		t.Errorf("ends = %v, %v", unused, latest)
	}
	if idle, life := session.Bounds(k.env); idle != session.DefaultIdle || life != session.DefaultLifetime {
		t.Errorf("bounds = %v, %v", idle, life)
	}
	own := *k.env
	own.SignOn.SessionIdle, own.SignOn.SessionLifetime = time.Minute, 2*time.Hour
	if idle, life := session.Bounds(&own); idle != time.Minute || life != 2*time.Hour {
		t.Errorf("bounds = %v, %v", idle, life)
	}
	if unused, latest := session.Ends(&own, s); !unused.Equal(latest) || !latest.Equal(before.AuthTime.Add(2*time.Hour)) {
		t.Errorf("ends = %v, %v, want none behind the life", unused, latest)
	}
	if _, err := k.End(t.Context(), k.env, before.ID, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Prolong(t.Context(), k.env, before.ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("after the end: %v, want ErrNotFound", err)
	}
}

func TestSignOnByPresentedSecret(t *testing.T) {
	k := newKit(t)
	a := k.agent()
	before := a.signOn(t, alice)
	first := secret.Of(a.cookies["ST"])

	b := a.presented(t, first)
	if _, err := k.SignOn(context.Background(), k.env, b, pwd(alice)); err != nil {
		t.Fatal(err)
	}
	second := b.Token()
	if b.Session.ID != before.ID || second.Equal(first) {
		t.Errorf("session = %s, want %s to go on under another secret", b.Session.ID, before.ID)
	}
	if b := a.presented(t, first); b.Session != nil {
		t.Error("the old secret still stands for the session")
	}
	b = a.presented(t, second)
	if b.Session == nil || b.Session.ID != before.ID {
		t.Fatalf("session = %v, want that of the new secret", b.Session)
	}
	replaced, err := k.SignOn(context.Background(), k.env, b, pwd(bob))
	if err != nil || replaced == nil || replaced.ID != before.ID || b.Session.Subject != bob {
		t.Errorf("replaced = %v, %v, want alice's session", replaced, err)
	}
	b = a.presented(t, secret.Value{})
	if _, err := k.SignOn(context.Background(), k.env, b, pwd(alice)); err != nil || b.Token().IsZero() {
		t.Errorf("from nothing: %v, want a session with a secret", err)
	}
}
