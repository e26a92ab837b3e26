package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

var sessionTests = []namedTest{
	{"a session comes back as it was put, with version 1", sessionRoundTrip},
	{"a session is found by its cookie or sid in its environment, until it expires", sessionLookup},
	{"an ID or cookie already present is ErrExists", sessionExists},
	{"a replacement needs the version that is stored, and changes the cookie", sessionReplace},
	{"of concurrent replacements exactly one succeeds", func(t *testing.T, s store.Store) { sessionContention(t, s, s) }},
	{"of 50 concurrent ends exactly one gets the session", func(t *testing.T, s store.Store) { sessionEndContention(t, s, s) }},
	{"an ended session does not come back", func(t *testing.T, s store.Store) { sessionEndAndReplace(t, s, s) }},
	{"a person's sessions, newest first", sessionList},
}

func session(id string) store.Session {
	return store.Session{
		Environment: env1, ID: id, Subject: "alice", Token: hash("cookie " + id), Data: []byte("data " + id),
		CreatedAt: Now, ActiveAt: Now.Add(time.Minute), ExpiresAt: Now.Add(time.Hour), Version: 1,
	}
}

func putSession(t *testing.T, s store.Store, sessions ...store.Session) {
	t.Helper()
	for _, x := range sessions {
		if err := s.PutSession(testContext(t), x); err != nil {
			t.Fatalf("PutSession(%s) = %v", x.ID, err)
		}
	}
}

func sessionRoundTrip(t *testing.T, s store.Store) {
	ctx := testContext(t)
	want := session("a")
	want.CreatedAt = Now.Add(-123456 * time.Microsecond)
	put := want
	put.Version = 7 // is not the caller's to choose
	bare := store.Session{Environment: env1, ID: "bare", Token: hash("bare"), ExpiresAt: Now.Add(time.Hour), Version: 1}
	putSession(t, s, put, bare)
	for _, want := range []store.Session{want, bare} {
		got, err := s.SessionByID(ctx, env1, want.ID, Now)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("SessionByID: %v (-want +got):\n%s", err, diff)
		}
		got, err = s.SessionByToken(ctx, env1, want.Token, Now)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("SessionByToken: %v (-want +got):\n%s", err, diff)
		}
		got, err = s.EndSession(ctx, env1, want.ID)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("EndSession: %v (-want +got):\n%s", err, diff)
		}
	}
}

func sessionLookup(t *testing.T, s store.Store) {
	ctx := testContext(t)
	a := session("a")
	putSession(t, s, a, session("b"))
	for _, tt := range []struct {
		name, environment, id string
		token                 store.Hash
		now                   time.Time
		want                  error
	}{
		{"its own", env1, "a", a.Token, Now, nil},
		{"another environment", env2, "a", a.Token, Now, store.ErrNotFound},
		{"unknown", env1, "c", hash("c"), Now, store.ErrNotFound},
		{"no cookie", env1, "", store.Hash{}, Now, store.ErrNotFound},
		{"an environment that cannot be", "\xff", "a", a.Token, Now, store.ErrNotFound},
		{"in its last microsecond", env1, "a", a.Token, a.ExpiresAt.Add(-time.Microsecond), nil},
		{"when it expires", env1, "a", a.Token, a.ExpiresAt, store.ErrNotFound},
	} {
		if _, err := s.SessionByID(ctx, tt.environment, tt.id, tt.now); !errors.Is(err, tt.want) {
			t.Errorf("%s: SessionByID = %v, want %v", tt.name, err, tt.want)
		}
		if _, err := s.SessionByToken(ctx, tt.environment, tt.token, tt.now); !errors.Is(err, tt.want) {
			t.Errorf("%s: SessionByToken = %v, want %v", tt.name, err, tt.want)
		}
	}
	// Expired or not, it can be prolonged and ended: these do not ask the time.
	over := session("over")
	over.ExpiresAt = Now.Add(-time.Hour)
	putSession(t, s, over)
	if err := s.ReplaceSession(ctx, over); err != nil {
		t.Errorf("ReplaceSession of an expired one = %v, want nil", err)
	}
	if got, err := s.EndSession(ctx, env1, "over"); err != nil || got.Version != 2 {
		t.Errorf("EndSession of an expired one = version %d, %v, want 2, nil", got.Version, err)
	}
	if _, err := s.EndSession(ctx, env2, "a"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("EndSession in another environment = %v, want ErrNotFound", err)
	}
	if _, err := s.SessionByID(ctx, env1, "a", Now); err != nil {
		t.Errorf("the session has ended with another environment's: %v", err)
	}
}

func sessionExists(t *testing.T, s store.Store) {
	ctx := testContext(t)
	putSession(t, s, session("a"))
	sameID, sameToken, elsewhere := session("a"), session("b"), session("a")
	sameID.Token, sameToken.Token, elsewhere.Environment = hash("other"), session("a").Token, env2
	for name, x := range map[string]store.Session{"ID": sameID, "cookie": sameToken, "all": session("a")} {
		if err := s.PutSession(ctx, x); !errors.Is(err, store.ErrExists) {
			t.Errorf("PutSession with the same %s = %v, want ErrExists", name, err)
		}
	}
	putSession(t, s, elsewhere)
	if _, err := s.SessionByID(ctx, env1, "b", Now); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("SessionByID of the refused one = %v, want ErrNotFound", err)
	}
	long := session("c")
	long.Subject = "\xff"
	if err := s.PutSession(ctx, long); err == nil {
		t.Error("PutSession with a subject that is not UTF-8 = nil, want an error")
	}
}

func sessionReplace(t *testing.T, s store.Store) {
	ctx := testContext(t)
	a := session("a")
	putSession(t, s, a, session("b"))
	changed := a
	changed.Subject, changed.Token, changed.Data = "bob", hash("new cookie"), nil
	changed.CreatedAt, changed.ActiveAt, changed.ExpiresAt = Now.Add(time.Second), Now.Add(2*time.Second), Now.Add(3*time.Second)
	for _, st := range []struct {
		name   string
		change func(*store.Session)
		want   error
	}{
		{"a version to come", func(x *store.Session) { x.Version = 2 }, store.ErrConflict},
		{"no version", func(x *store.Session) { x.Version = 0 }, store.ErrConflict},
		{"another environment", func(x *store.Session) { x.Environment = env2 }, store.ErrNotFound},
		{"unknown", func(x *store.Session) { x.ID = "c" }, store.ErrNotFound},
		{"another session's cookie", func(x *store.Session) { x.Token = session("b").Token }, store.ErrExists},
	} {
		x := changed
		st.change(&x)
		if err := s.ReplaceSession(ctx, x); !errors.Is(err, st.want) {
			t.Errorf("%s: ReplaceSession = %v, want %v", st.name, err, st.want)
		}
		got, err := s.SessionByToken(ctx, env1, a.Token, Now)
		if diff := cmp.Diff(a, got); diff != "" || err != nil {
			t.Errorf("after %s: %v (-want +got):\n%s", st.name, err, diff)
		}
	}
	if err := s.ReplaceSession(ctx, changed); err != nil {
		t.Fatalf("ReplaceSession = %v, want nil", err)
	}
	changed.Version = 2
	got, err := s.SessionByToken(ctx, env1, changed.Token, Now)
	if diff := cmp.Diff(changed, got); diff != "" || err != nil {
		t.Errorf("after its replacement: %v (-want +got):\n%s", err, diff)
	}
	if _, err := s.SessionByToken(ctx, env1, a.Token, Now); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("SessionByToken of the old cookie = %v, want ErrNotFound", err)
	}
}

func sessionContention(t *testing.T, a, b store.Store) {
	ctx := testContext(t)
	putSession(t, a, session("a"))
	for version := int64(1); version <= 3; version++ {
		errs := race(50, func(i int) error {
			x := session("a")
			x.Version, x.Token = version, hash(fmt.Sprint(version, i))
			return either(a, b, i).ReplaceSession(ctx, x)
		})
		winner := oneWinner(t, "ReplaceSession", errs, store.ErrConflict)
		for i := range errs {
			_, err := b.SessionByToken(ctx, env1, hash(fmt.Sprint(version, i)), Now)
			if found := err == nil; found != (i == winner) {
				t.Errorf("the cookie of caller %d: found %v, want %v (%v)", i, found, i == winner, err)
			}
		}
	}
}

func sessionEndContention(t *testing.T, a, b store.Store) {
	ctx := testContext(t)
	for n := range 5 {
		want := session(fmt.Sprint(n))
		putSession(t, a, want)
		errs := race(50, func(i int) error {
			got, err := either(a, b, i).EndSession(ctx, env1, want.ID)
			if err == nil {
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("EndSession (-want +got):\n%s", diff)
				}
			}
			return err
		})
		oneWinner(t, "EndSession", errs, store.ErrNotFound)
	}
}

func sessionEndAndReplace(t *testing.T, a, b store.Store) {
	ctx := testContext(t)
	for n := range 10 {
		x := session(fmt.Sprint(n))
		putSession(t, a, x)
		race(20, func(i int) error {
			if i == 10 {
				if _, err := b.EndSession(ctx, env1, x.ID); err != nil {
					t.Errorf("EndSession = %v, want nil", err)
				}
				return nil
			}
			// Each starts at what it finds, like a request.
			found, err := either(a, b, i).SessionByID(ctx, env1, x.ID, Now)
			if err == nil {
				err = either(a, b, i).ReplaceSession(ctx, found)
			}
			if err != nil && !errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrNotFound) {
				t.Errorf("ReplaceSession = %v", err)
			}
			return nil
		})
		if _, err := a.SessionByToken(ctx, env1, x.Token, Now); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("SessionByToken after the end = %v, want ErrNotFound", err)
		}
	}
}

func sessionList(t *testing.T, s store.Store) {
	ctx := testContext(t)
	add := func(id, environment, subject string, created, expires time.Duration) {
		x := session(id)
		x.Environment, x.Subject, x.CreatedAt, x.ExpiresAt = environment, subject, Now.Add(created), Now.Add(expires)
		putSession(t, s, x)
	}
	add("2", env1, "alice", 2*time.Second, time.Hour)
	add("5", env1, "alice", 5*time.Second, time.Hour)
	add("1", env1, "alice", 1*time.Second, time.Second)
	add("3", env1, "alice", 3*time.Second, 0) // expires at now
	add("4", env1, "bob", 4*time.Second, time.Hour)
	add("6", env2, "alice", 6*time.Second, time.Hour)
	for _, tt := range []struct {
		name, environment, subject string
		limit                      int
		want                       []string
	}{
		{"all of one person", env1, "alice", 10, []string{"5", "2", "1"}},
		{"the newest two", env1, "alice", 2, []string{"5", "2"}},
		{"none are asked for", env1, "alice", 0, nil},
		{"another person", env1, "bob", 10, []string{"4"}},
		{"another environment", env2, "alice", 10, []string{"6"}},
		{"exact in case", env1, "Alice", 10, nil},
		{"a person who cannot be", env1, "\x00", 10, nil},
	} {
		list, err := s.ListSessions(ctx, tt.environment, tt.subject, tt.limit, Now)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, x := range list {
			got = append(got, x.ID)
			if x.Environment != tt.environment || x.Token != session(x.ID).Token {
				t.Errorf("%s: session %s is not as it was put: %+v", tt.name, x.ID, x)
			}
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}
