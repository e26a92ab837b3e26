package session_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/session"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

func TestSignOn(t *testing.T) {
	k := newKit(t)
	a := k.agent()
	a.name = "Mozilla/5.0 (X11)"
	k.clock.Advance(300 * time.Millisecond)
	if got := a.who(t); got != "" {
		t.Fatalf("before: %q, want nobody", got)
	}
	got := a.signOn(t, alice)
	want := &session.Session{
		ID: got.ID, Subject: alice, AuthTime: k.clock.Now().Truncate(time.Second), ACR: "Single_Factor", AMR: []string{"pwd"},
		CreatedAt: k.clock.Now(), ActiveAt: k.clock.Now(), ExpiresAt: k.clock.Now().Add(30 * 24 * time.Hour),
		Address: "192.0.2.1", UserAgent: "Mozilla/5.0 (X11)",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("session (-want +got):\n%s", diff)
	}
	b := a.read(t)
	if diff := cmp.Diff(want, b.Session); diff != "" {
		t.Errorf("as read again (-want +got):\n%s", diff)
	}
	found, err := k.ByID(t.Context(), k.env, got.ID)
	if diff := cmp.Diff(want, found); err != nil || diff != "" {
		t.Errorf("ByID: %v (-want +got):\n%s", err, diff)
	}
	if other := k.agent().who(t); other != "" {
		t.Errorf("another browser: %q, want nobody", other)
	}
}

func TestSignOnAgain(t *testing.T) {
	k := newKit(t)
	a := k.agent()
	first := a.signOn(t, alice)
	if err := k.Join(t.Context(), k.env, a.read(t), "web"); err != nil {
		t.Fatal(err)
	}
	old := a.cookies["ST"]
	k.clock.Advance(time.Hour)
	a.address = "198.51.100.9:1"
	second := a.signOn(t, alice)
	if second.ID != first.ID {
		t.Errorf("sid = %s, want the same, %s", second.ID, first.ID)
	}
	if got, want := second.AuthTime, k.clock.Now(); !got.Equal(want) {
		t.Errorf("auth_time = %v, want now, %v", got, want)
	}
	if !second.CreatedAt.Equal(first.CreatedAt) || second.Address != "198.51.100.9" || len(second.Clients) != 1 {
		t.Errorf("session = %+v, want the first one's begin and clients, and the new address", second)
	}
	if a.cookies["ST"] == old {
		t.Error("the cookie is the same, want a new one at every sign-on")
	}
	thief := k.agent()
	thief.cookies["ST"] = old
	if got := thief.who(t); got != "" {
		t.Errorf("the earlier cookie: %q, want it to stand for nobody", got)
	}
}

// Two tabs prove the same person at once: what either began goes on.
func TestSignOnAgainInTwoTabs(t *testing.T) {
	k := newKit(t)
	a := k.agent()
	a.signOn(t, alice)
	tab1, tab2 := a.read(t), a.read(t)
	for _, b := range []*session.Browser{tab1, tab2} {
		if _, err := k.SignOn(t.Context(), k.env, b, pwd(alice)); err != nil {
			t.Fatal(err)
		}
	}
	begun := tab1.Binding() // with the first one's new cookie
	a.done(tab1)
	a.done(tab2)
	if b := a.read(t); !b.Holds(begun) || !b.Holds(tab2.Binding()) {
		t.Error("a tab has lost what it began")
	}
}

func TestAnotherPersonInTheSameBrowser(t *testing.T) {
	k := newKit(t)
	a := k.agent()
	first := a.signOn(t, alice)
	b := a.read(t)
	replaced, err := k.SignOn(t.Context(), k.env, b, pwd(bob))
	if err != nil || replaced == nil || replaced.ID != first.ID || replaced.Subject != alice {
		t.Fatalf("replaced = %+v, %v, want alice's session", replaced, err)
	}
	a.done(b)
	if b.Session.ID == first.ID || b.Session.Subject != bob {
		t.Errorf("session = %+v, want one of bob's own", b.Session)
	}
	if _, err := k.ByID(t.Context(), k.env, first.ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("alice's session: %v, want it ended", err)
	}
	if got := a.who(t); got != bob {
		t.Errorf("signed on: %q, want bob", got)
	}
}

func TestSignOnAfterTheSessionEnded(t *testing.T) {
	for _, subject := range []string{alice, bob} {
		k := newKit(t)
		a := k.agent()
		first := a.signOn(t, alice)
		b := a.read(t)
		if _, err := k.End(t.Context(), k.env, first.ID, nil); err != nil { // meanwhile, elsewhere
			t.Fatal(err)
		}
		replaced, err := k.SignOn(t.Context(), k.env, b, pwd(subject))
		if err != nil || replaced != nil || b.Session.ID == first.ID {
			t.Errorf("replaced = %v, %v, session %s, want a new session and nothing replaced", replaced, err, b.Session.ID)
		}
	}
}

func TestFailedSignOnChangesNothing(t *testing.T) {
	for name, fail := range map[string]func(k *kit) *atomic.Bool{
		"the new session cannot be written": func(k *kit) *atomic.Bool { return &k.store.writeFails },
		"the old one cannot be ended":       func(k *kit) *atomic.Bool { return &k.store.endFails },
	} {
		t.Run(name, func(t *testing.T) {
			k := newKit(t)
			a := k.agent()
			a.signOn(t, alice)
			b := a.read(t)
			fail(k).Store(true)
			replaced, err := k.SignOn(t.Context(), k.env, b, pwd(bob))
			fail(k).Store(false)
			if !errors.Is(err, errBroken) || replaced != nil {
				t.Fatalf("replaced = %v, error = %v, want the fault", replaced, err)
			}
			if b.Session.Subject != alice || len(a.done(b)) != 0 {
				t.Errorf("session = %+v, want alice's as before and no cookie", b.Session)
			}
			if got := a.who(t); got != alice {
				t.Errorf("signed on: %q, want alice", got)
			}
		})
	}
}

func TestLives(t *testing.T) {
	const day = 24 * time.Hour
	tests := []struct {
		name           string
		idle, lifetime time.Duration
		uses           []time.Duration // pauses between uses
		want           bool            // signed on at the end
	}{
		{"default idle, just in time", 0, 0, []time.Duration{30*day - time.Second}, true},
		{"default idle, too late", 0, 0, []time.Duration{30 * day}, false},
		{"each use prolongs", 0, 0, []time.Duration{29 * day, 29 * day, 29 * day}, true},
		{"default lifetime, just in time", 0, 0, []time.Duration{29 * day, 29 * day, 29 * day, 29 * day, 29 * day, 29 * day, 6*day - time.Second}, true},
		{"default lifetime, too late", 0, 0, []time.Duration{29 * day, 29 * day, 29 * day, 29 * day, 29 * day, 29 * day, 6 * day}, false},
		{"own idle", time.Hour, 0, []time.Duration{time.Hour - time.Second, time.Hour - time.Second}, true},
		{"own idle, too late", time.Hour, 0, []time.Duration{time.Hour}, false},
		{"own lifetime is the bound", 0, time.Hour, []time.Duration{59 * time.Minute, time.Minute}, false},
		{"small steps add up", 4 * time.Minute, 0, []time.Duration{90 * time.Second, 90 * time.Second, 90 * time.Second, 90 * time.Second}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := newKit(t)
			k.env.SignOn.SessionIdle, k.env.SignOn.SessionLifetime = tt.idle, tt.lifetime
			a := k.agent()
			id := a.signOn(t, alice).ID
			got := true
			for _, pause := range tt.uses {
				k.clock.Advance(pause)
				got = a.who(t) == alice
			}
			if got != tt.want {
				t.Errorf("signed on = %v, want %v", got, tt.want)
			}
			if _, err := k.ByID(t.Context(), k.env, id); (err == nil) != tt.want {
				t.Errorf("ByID: %v, want the same", err)
			}
		})
	}
}

// What configuration says today counts, not what it said when the session began.
func TestShorterLifetimeEndsOldSessions(t *testing.T) {
	k := newKit(t)
	a := k.agent()
	id := a.signOn(t, alice).ID
	k.clock.Advance(2 * time.Hour)
	k.env.SignOn.SessionLifetime = time.Hour
	if got := a.who(t); got != "" {
		t.Errorf("signed on: %q, want nobody", got)
	}
	if err := k.Touch(t.Context(), k.env, id); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Touch: %v, want ErrNotFound", err)
	}
	if list, err := k.List(t.Context(), k.env, alice); err != nil || len(list) != 0 {
		t.Errorf("List = %v, %v, want none", list, err)
	}
}

func TestSignOnAgainStartsTheLifetimeAnew(t *testing.T) {
	k := newKit(t)
	k.env.SignOn.SessionLifetime = time.Hour
	a := k.agent()
	a.signOn(t, alice)
	k.clock.Advance(50 * time.Minute)
	a.signOn(t, alice)
	k.clock.Advance(50 * time.Minute)
	if got := a.who(t); got != alice {
		t.Errorf("signed on: %q, want alice: the lifetime counts from the last sign-on", got)
	}
}

func TestUsesAreWrittenOnceAMinute(t *testing.T) {
	k := newKit(t)
	a := k.agent()
	a.signOn(t, alice)
	for range 600 { // ten minutes of it
		k.clock.Advance(time.Second)
		if got := a.who(t); got != alice {
			t.Fatalf("signed on: %q, want alice", got)
		}
	}
	if got := k.store.replaced.Load(); got != 10 {
		t.Errorf("%d writes for 600 requests in ten minutes, want 10", got)
	}
	if got := k.clock.Now().Sub(a.read(t).Session.ActiveAt); got >= time.Minute {
		t.Errorf("ActiveAt is %v old, want less than a minute", got)
	}
}

func TestUseThatCannotBeWrittenHarmsNobody(t *testing.T) {
	k := newKit(t)
	a := k.agent()
	a.signOn(t, alice)
	k.clock.Advance(time.Hour)
	k.store.conflicts.Store(1)
	if got := a.who(t); got != alice {
		t.Errorf("conflict: %q, want alice", got)
	}
	k.store.writeFails.Store(true)
	if got := a.who(t); got != alice {
		t.Errorf("no disk: %q, want alice", got)
	}
}

func TestReadFault(t *testing.T) {
	k := newKit(t)
	a := k.agent()
	a.signOn(t, alice)
	k.store.readFails.Store(true)
	if b, err := k.Read(a.request(), k.env); !errors.Is(err, errBroken) || b != nil {
		t.Errorf("Read = %v, %v, want the fault: who it is cannot be said", b, err)
	}
	a.cookies = map[string]string{}
	if _, err := k.Read(a.request(), k.env); err != nil {
		t.Errorf("without a cookie: %v, want nothing asked", err)
	}
}

func TestJoin(t *testing.T) {
	k := newKit(t)
	a := k.agent()
	if err := k.Join(t.Context(), k.env, a.read(t), "web"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("without a session: %v, want ErrNotFound", err)
	}
	a.signOn(t, alice)
	b := a.read(t)
	writes := k.store.replaced.Load()
	for _, client := range []string{"web", "spa", "web", "web"} {
		if err := k.Join(t.Context(), k.env, b, client); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"web", "spa"}, b.Session.Clients); diff != "" {
		t.Errorf("clients (-want +got):\n%s", diff)
	}
	if got := k.store.replaced.Load() - writes; got != 2 {
		t.Errorf("%d writes, want 2", got)
	}
	if len(a.done(b)) != 0 {
		t.Error("cookies were set, want none")
	}
	if got := a.read(t).Session.Clients; len(got) != 2 {
		t.Errorf("clients as stored = %q, want 2", got)
	}
	for i := range 510 {
		if err := k.Join(t.Context(), k.env, b, fmt.Sprint("client", i)); err != nil {
			t.Fatal(err)
		}
	}
	if got := b.Session.Clients; len(got) != 500 || got[499] != "client509" {
		t.Errorf("%d clients, last %s, want the newest 500", len(got), got[len(got)-1])
	}
	if _, err := k.End(t.Context(), k.env, b.Session.ID, nil); err != nil {
		t.Fatal(err)
	}
	if err := k.Join(t.Context(), k.env, b, "late"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("after the end: %v, want ErrNotFound", err)
	}
}

// However many do something at once, nobody is lost.
func TestParallelJoins(t *testing.T) {
	k := newKit(t)
	a := k.agent()
	id := a.signOn(t, alice).ID
	var wg sync.WaitGroup
	for i := range 10 {
		b := a.read(t)
		wg.Go(func() {
			if err := k.Join(context.Background(), k.env, b, fmt.Sprint("client", i)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if s, err := k.ByID(t.Context(), k.env, id); err != nil || len(s.Clients) != 10 {
		t.Errorf("%d clients, %v, want 10", len(s.Clients), err)
	}
}

func TestTouch(t *testing.T) {
	k := newKit(t)
	a := k.agent()
	s := a.signOn(t, alice)
	k.clock.Advance(time.Hour)
	if err := k.Touch(t.Context(), k.env, s.ID); err != nil {
		t.Fatal(err)
	}
	got, err := k.ByID(t.Context(), k.env, s.ID)
	if err != nil || !got.ActiveAt.Equal(k.clock.Now()) || !got.ExpiresAt.Equal(s.ExpiresAt) {
		t.Errorf("session = %+v, %v, want it active now, with the end where it was, %v", got, err, s.ExpiresAt)
	}
	writes := k.store.replaced.Load()
	for range 10 {
		_ = k.Touch(t.Context(), k.env, s.ID)
	}
	if got := k.store.replaced.Load() - writes; got != 0 {
		t.Errorf("%d writes at once, want none", got)
	}
	// Refreshes in between do not keep the browser's own uses from prolonging.
	k.clock.Advance(30 * time.Second)
	if got := a.read(t).Session.ExpiresAt; !got.After(s.ExpiresAt) {
		t.Errorf("end = %v, want it moved by the browser's use", got)
	}
	if err := k.Touch(t.Context(), k.env, "nobody's"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("unknown: %v, want ErrNotFound", err)
	}
}

func TestList(t *testing.T) {
	k := newKit(t)
	var ids []string
	for range 3 {
		ids = append([]string{k.agent().signOn(t, alice).ID}, ids...)
		k.clock.Advance(time.Minute)
	}
	k.agent().signOn(t, bob)
	list, err := k.List(t.Context(), k.env, alice)
	var got []string
	for _, s := range list {
		got = append(got, s.ID)
	}
	if diff := cmp.Diff(ids, got); err != nil || diff != "" {
		t.Errorf("%v, sessions (-want +got):\n%s", err, diff)
	}
}

func TestEnd(t *testing.T) {
	k := newKit(t)
	a := k.agent()
	id := a.signOn(t, alice).ID
	b := a.read(t)
	ended, err := k.End(t.Context(), k.env, id, b)
	if err != nil || ended.ID != id || ended.Subject != alice {
		t.Fatalf("End = %+v, %v, want alice's session", ended, err)
	}
	if b.Session != nil {
		t.Error("the browser still has a session")
	}
	a.done(b)
	if len(a.cookies) != 0 {
		t.Errorf("cookies = %v, want none left", a.cookies)
	}
	if _, err := k.End(t.Context(), k.env, id, b); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("again: %v, want ErrNotFound", err)
	}
}

func TestEndOfAnotherSessionKeepsTheCookie(t *testing.T) {
	k := newKit(t)
	a := k.agent()
	a.signOn(t, alice)
	other := k.agent().signOn(t, alice)
	b := a.read(t)
	if _, err := k.End(t.Context(), k.env, other.ID, b); err != nil {
		t.Fatal(err)
	}
	if set := a.done(b); b.Session == nil || len(set) != 0 {
		t.Errorf("session = %v, cookies set: %v, want it untouched", b.Session, set)
	}
}

func TestEndForgetsTheCookieOfASessionThatHasEnded(t *testing.T) {
	k := newKit(t)
	a := k.agent()
	id := a.signOn(t, alice).ID
	b := a.read(t)
	if _, err := k.End(t.Context(), k.env, id, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := k.End(t.Context(), k.env, id, b); !errors.Is(err, store.ErrNotFound) || b.Session != nil {
		t.Errorf("error = %v, session = %v, want ErrNotFound and the cookie forgotten", err, b.Session)
	}
}

func TestParallelEnds(t *testing.T) {
	k := newKit(t)
	id := k.agent().signOn(t, alice).ID
	var won atomic.Int64
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if _, err := k.End(context.Background(), k.env, id, nil); err == nil {
				won.Add(1)
			} else if !errors.Is(err, store.ErrNotFound) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := won.Load(); got != 1 {
		t.Errorf("%d calls got the session, want 1", got)
	}
}

// A session never comes back: not by a sign-on or a use that was under way.
func TestEndWinsOverUses(t *testing.T) {
	k := newKit(t)
	a := k.agent()
	id := a.signOn(t, alice).ID
	var wg sync.WaitGroup
	for i := range 30 {
		wg.Go(func() {
			k.clock.Advance(time.Minute)
			if i == 15 {
				_, _ = k.End(context.Background(), k.env, id, nil)
				return
			}
			_ = k.Touch(context.Background(), k.env, id)
		})
	}
	wg.Wait()
	if _, err := k.ByID(t.Context(), k.env, id); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("ByID: %v, want it ended", err)
	}
}

func TestEnvironmentsAreApart(t *testing.T) {
	k := newKit(t)
	a := k.agent()
	id := a.signOn(t, alice).ID
	other := &store.Environment{ID: "0d000000-0000-4000-8000-00000000000d", Issuer: "https://auth.example.com/0d000000-0000-4000-8000-00000000000d/as"}
	if b, err := k.Read(a.request(), other); err != nil || b.Session != nil {
		t.Errorf("Read there = %v, %v, want nobody", b, err)
	}
	if _, err := k.ByID(t.Context(), other, id); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("ByID there: %v, want ErrNotFound", err)
	}
	if _, err := k.End(t.Context(), other, id, nil); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("End there: %v, want ErrNotFound", err)
	}
	if got := a.who(t); got != alice {
		t.Errorf("here: %q, want alice", got)
	}
}

func TestAddressAndUserAgent(t *testing.T) {
	tests := []struct{ name, remote, agent, wantAddress, wantAgent string }{
		{"IPv4", "192.0.2.1:80", "A/1", "192.0.2.1", "A/1"},
		{"IPv6", "[2001:db8::1]:80", "A/1", "2001:db8::1", "A/1"},
		{"IPv4 in IPv6", "[::ffff:192.0.2.1]:80", "A/1", "192.0.2.1", "A/1"},
		{"IPv6 with zone", "[fe80::1%eth0]:80", "A/1", "fe80::1", "A/1"},
		{"a Unix socket", "@", "", "", ""},
		{"512 bytes", "192.0.2.1:80", strings.Repeat("a", 512), "192.0.2.1", strings.Repeat("a", 512)},
		{"513 bytes", "192.0.2.1:80", strings.Repeat("a", 513), "192.0.2.1", strings.Repeat("a", 512)},
		{"cut within a character", "192.0.2.1:80", strings.Repeat("a", 511) + "é", "192.0.2.1", strings.Repeat("a", 511)},
		{"not UTF-8", "192.0.2.1:80", "A\xff/1", "192.0.2.1", "A/1"},
		{"control characters", "192.0.2.1:80", "A\x1b[31m/1", "192.0.2.1", "A[31m/1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := newKit(t)
			a := k.agent()
			a.address, a.name = tt.remote, tt.agent
			s := a.signOn(t, alice)
			if s.Address != tt.wantAddress || s.UserAgent != tt.wantAgent {
				t.Errorf("got %q, %q, want %q, %q", s.Address, s.UserAgent, tt.wantAddress, tt.wantAgent)
			}
		})
	}
	t.Run("no header is believed", func(t *testing.T) {
		k := newKit(t)
		r := k.agent().request()
		for _, name := range []string{"X-Forwarded-For", "Forwarded", "X-Real-Ip", "Client-Ip"} {
			r.Header.Set(name, "203.0.113.1")
		}
		if b, err := k.Read(r, k.env); err != nil || b.Address != "192.0.2.1" {
			t.Errorf("address = %q, %v, want who is connected", b.Address, err)
		}
	})
	t.Run("unless the host knows better", func(t *testing.T) {
		k := newKit(t)
		k.Address = func(r *http.Request) string { return r.Header.Get("X-Trusted") }
		r := k.agent().request()
		r.Header.Set("X-Trusted", "203.0.113.1")
		if b, err := k.Read(r, k.env); err != nil || b.Address != "203.0.113.1" {
			t.Errorf("address = %q, %v, want the host's", b.Address, err)
		}
	})
}
