package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

var refreshTokenTests = []namedTest{
	{"a family and its token come back as they were put", familyRoundTrip},
	{"a token is found in its environment, until it or its family expires", familyLookup},
	{"an ID or hash already present is ErrExists, and nothing is stored", familyExists},
	{"an exchanged token is spent, its successor is good", rotateChain},
	{"an exchange changes the family's data where it says so, the one that stores its successor", rotateFamilyData},
	{"a repeat gets the successor within the grace period, and only there", rotateGrace},
	{"without a grace period there is none, even by an earlier clock", rotateNoGrace},
	{"a replay ends the family once", rotateReplay},
	{"without protection a replay is refused and the family lives", rotateUnprotected},
	{"what is unknown, expired, ended or another environment's is not exchanged", rotateRefused},
	{"of 50 concurrent exchanges one stores its successor, and all get it", func(t *testing.T, s store.Store) { rotateContention(t, s, s) }},
	{"of 50 concurrent replays exactly one ends the family", func(t *testing.T, s store.Store) { replayContention(t, s, s) }},
	{"families are ended by each field, and by several", familyEnd},
	{"of concurrent ends each family is returned to one", func(t *testing.T, s store.Store) { familyEndContention(t, s, s) }},
	{"no exchange succeeds after the end of its family", func(t *testing.T, s store.Store) { endAndRotate(t, s, s) }},
	{"live families are listed by ID, with the expiry of their newest token", familyList},
	{"a list of families goes on behind an ID", familyPages},
	{"a family whose newest token has expired is not listed", familyExpiries},
	{"a list that races with exchanges has each family once", func(t *testing.T, s store.Store) { listAndRotate(t, s, s) }},
	{"a filter without a field is refused", familyFilter},
}

func family(id string) store.Family {
	return store.Family{
		Environment: env1, ID: id, Client: "client-1", Subject: "alice", Session: "sid-1", Data: []byte("data " + id),
		CreatedAt: Now, ExpiresAt: Now.Add(180 * 24 * time.Hour),
	}
}

// refresh is a refresh token that lives for 30 days from at.
func refresh(name string, at time.Time) store.RefreshToken {
	return store.RefreshToken{Hash: hash("refresh " + name), ExpiresAt: at.Add(30 * 24 * time.Hour), Sealed: []byte("sealed " + name)}
}

// putFamily begins families with the token of the same name.
func putFamily(t *testing.T, s store.Store, families ...store.Family) {
	t.Helper()
	for _, f := range families {
		if err := s.PutFamily(testContext(t), f, refresh(f.ID, Now)); err != nil {
			t.Fatalf("PutFamily(%s) = %v", f.ID, err)
		}
	}
}

// rotate exchanges the token named from for one named to.
func rotate(t *testing.T, s store.Store, from, to string, grace time.Duration, protect bool, now time.Time) (string, bool, error) {
	t.Helper()
	next, ended, err := s.RotateRefreshToken(testContext(t), env1, refresh(from, now).Hash, refresh(to, now), grace, protect, now)
	return strings.TrimPrefix(string(next.Sealed), "sealed "), ended, err
}

func familyRoundTrip(t *testing.T, s store.Store) {
	ctx := testContext(t)
	endless := store.Family{Environment: env1, ID: "endless", Client: "c", Subject: "s", CreatedAt: Now.Add(time.Microsecond)}
	putFamily(t, s, family("a"), endless)
	for _, want := range []store.Family{family("a"), endless} {
		token := refresh(want.ID, Now)
		f, got, spent, err := s.FamilyByToken(ctx, env1, token.Hash, Now)
		if err != nil || spent {
			t.Errorf("FamilyByToken = spent %v, %v, want false, nil", spent, err)
		}
		if diff := cmp.Diff(want, f); diff != "" {
			t.Errorf("family (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(token, got); diff != "" {
			t.Errorf("token (-want +got):\n%s", diff)
		}
	}
}

func familyLookup(t *testing.T, s store.Store) {
	short, endless := family("short"), family("endless")
	short.ExpiresAt, endless.ExpiresAt = Now.Add(time.Hour), time.Time{}
	putFamily(t, s, family("a"), short, endless)
	month := Now.Add(30 * 24 * time.Hour)
	for _, tt := range []struct {
		name, environment, token string
		now                      time.Time
		want                     error
	}{
		{"its own", env1, "a", Now, nil},
		{"another environment", env2, "a", Now, store.ErrNotFound},
		{"an environment that cannot be", "\xff", "a", Now, store.ErrNotFound},
		{"unknown", env1, "b", Now, store.ErrNotFound},
		{"the token's last microsecond", env1, "a", month.Add(-time.Microsecond), nil},
		{"when the token expires", env1, "a", month, store.ErrNotFound},
		{"the family's last microsecond", env1, "short", Now.Add(time.Hour - time.Microsecond), nil},
		{"when the family expires", env1, "short", Now.Add(time.Hour), store.ErrNotFound},
		{"a family without end", env1, "endless", month.Add(-time.Microsecond), nil},
		{"the token of a family without end", env1, "endless", month, store.ErrNotFound},
	} {
		_, _, _, err := s.FamilyByToken(testContext(t), tt.environment, refresh(tt.token, Now).Hash, tt.now)
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: FamilyByToken = %v, want %v", tt.name, err, tt.want)
		}
	}
}

func familyExists(t *testing.T, s store.Store) {
	ctx := testContext(t)
	putFamily(t, s, family("a"))
	// Its mates in the transaction are stored.
	errs := race(12, func(i int) error {
		switch i {
		case 3:
			return s.PutFamily(ctx, family("a"), refresh("joins a", Now))
		case 7:
			return s.PutFamily(ctx, family("b"), refresh("a", Now))
		}
		return s.PutFamily(ctx, family(fmt.Sprint("mate", i)), refresh(fmt.Sprint("mate", i), Now))
	})
	for i, err := range errs {
		var want error
		if i == 3 || i == 7 {
			want = store.ErrExists
		}
		if !errors.Is(err, want) {
			t.Errorf("PutFamily %d = %v, want %v", i, err, want)
		}
	}
	if _, _, _, err := s.FamilyByToken(ctx, env1, refresh("joins a", Now).Hash, Now); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a second token of a family: FamilyByToken = %v, want ErrNotFound", err)
	}
	if f, _, _, err := s.FamilyByToken(ctx, env1, refresh("a", Now).Hash, Now); err != nil || f.ID != "a" {
		t.Errorf("FamilyByToken = %q, %v, want a", f.ID, err)
	}
	if list, err := s.ListFamilies(ctx, store.FamilyFilter{Environment: env1, ID: "b"}, "", 10, Now); err != nil || len(list) != 0 {
		t.Errorf("ListFamilies of the refused one = %v, %v, want none", list, err)
	}
	elsewhere := family("a")
	elsewhere.Environment = env2
	putFamily(t, s, elsewhere)
	bad := family("bad\x00")
	if err := s.PutFamily(ctx, bad, refresh("bad", Now)); err == nil {
		t.Error("PutFamily with NUL in the ID = nil, want an error")
	}
}

func rotateChain(t *testing.T, s store.Store) {
	ctx := testContext(t)
	putFamily(t, s, family("0"))
	now := Now
	for i := range 5 {
		now = now.Add(20 * 24 * time.Hour)
		from, to := fmt.Sprint(i), fmt.Sprint(i+1)
		got, ended, err := rotate(t, s, from, to, 0, true, now)
		if got != to || ended || err != nil {
			t.Fatalf("exchange %d = %q, %v, %v, want %q", i, got, ended, err, to)
		}
		f, token, spent, err := s.FamilyByToken(ctx, env1, refresh(to, now).Hash, now)
		if f.ID != "0" || spent || err != nil {
			t.Errorf("FamilyByToken of successor %s = %q, spent %v, %v, want 0, false, nil", to, f.ID, spent, err)
		}
		if diff := cmp.Diff(refresh(to, now), token); diff != "" {
			t.Errorf("successor (-want +got):\n%s", diff)
		}
		f, token, spent, err = s.FamilyByToken(ctx, env1, refresh(from, now).Hash, now)
		if f.ID != "0" || f.Ended || string(token.Sealed) != "sealed "+from || !spent || err != nil {
			t.Errorf("FamilyByToken of the exchanged %s = %q, spent %v, %v, want 0, true, nil", from, f.ID, spent, err)
		}
	}
}

func rotateFamilyData(t *testing.T, s store.Store) {
	ctx := testContext(t)
	elsewhere := family("a")
	elsewhere.Environment = env2
	putFamily(t, s, family("a"), family("mate"), elsewhere)
	for _, st := range []struct {
		name, from, to, data string // "" leaves the data
		grace                time.Duration
		want                 string // the family's data
		err                  error
	}{
		{"nothing", "a", "b", "", 0, "data a", nil},
		{"a change", "b", "c", "changed", 0, "changed", nil},
		{"a repeat within the grace period", "b", "x", "of the repeat", time.Minute, "changed", nil},
		{"nothing again", "c", "d", "", 0, "changed", nil},
		{"another change", "d", "e", "changed again", 0, "changed again", nil},
		{"a replay", "d", "y", "of the replay", 0, "changed again", store.ErrSpent},
		{"one whose family has ended", "e", "z", "of the end", 0, "changed again", store.ErrNotFound},
	} {
		next := refresh(st.to, Now)
		if st.data != "" {
			next.FamilyData = []byte(st.data)
		}
		got, _, err := s.RotateRefreshToken(ctx, env1, refresh(st.from, Now).Hash, next, st.grace, true, Now)
		if !errors.Is(err, st.err) || got.FamilyData != nil {
			t.Errorf("%s: RotateRefreshToken = %q with data %q, %v, want none, %v", st.name, got.Sealed, got.FamilyData, err, st.err)
		}
		f, token, _, err := s.FamilyByToken(ctx, env1, refresh("a", Now).Hash, Now)
		if string(f.Data) != st.want || token.FamilyData != nil || err != nil {
			t.Errorf("%s: the family's data is %q, the token's %q, %v, want %q and none", st.name, f.Data, token.FamilyData, err, st.want)
		}
	}
	for environment, name := range map[string]string{env1: "mate", env2: "a"} {
		if f, _, _, err := s.FamilyByToken(ctx, environment, refresh(name, Now).Hash, Now); string(f.Data) != "data "+name || err != nil {
			t.Errorf("family %s of %s: data %q, %v, want it as it was", name, environment, f.Data, err)
		}
	}
}

func rotateGrace(t *testing.T, s store.Store) {
	putFamily(t, s, family("a"), family("mate"))
	const grace = time.Minute
	for _, st := range []struct {
		name, from, to string
		now            time.Duration
		want           string
		err            error
	}{
		{"the exchange", "a", "b", 0, "b", nil},
		{"a repeat at once", "a", "c", 0, "b", nil},
		{"a repeat by a clock that is behind", "a", "c", -time.Second, "b", nil},
		{"the successor's own exchange", "b", "d", 10 * time.Second, "d", nil},
		{"a repeat after that", "a", "e", 20 * time.Second, "b", nil},
		{"in the last microsecond", "a", "f", grace - time.Microsecond, "b", nil},
		{"a repeat does not prolong the grace", "a", "g", grace, "", store.ErrSpent},
	} {
		got, ended, err := rotate(t, s, st.from, st.to, grace, false, Now.Add(st.now))
		if got != st.want || ended || !errors.Is(err, st.err) {
			t.Errorf("%s = %q, %v, %v, want %q, false, %v", st.name, got, ended, err, st.want, st.err)
		}
	}
	for _, name := range []string{"c", "e", "f", "g"} {
		if _, _, _, err := s.FamilyByToken(testContext(t), env1, refresh(name, Now).Hash, Now); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("the repeat's own token %s: FamilyByToken = %v, want ErrNotFound", name, err)
		}
	}
	// The stored successor comes back whole.
	full, _, err := s.RotateRefreshToken(testContext(t), env1, refresh("a", Now).Hash, refresh("h", Now), grace, true, Now)
	if diff := cmp.Diff(refresh("b", Now), full); diff != "" || err != nil {
		t.Errorf("successor: %v (-want +got):\n%s", err, diff)
	}
}

func rotateNoGrace(t *testing.T, s store.Store) {
	putFamily(t, s, family("a"))
	if _, _, err := rotate(t, s, "a", "b", 0, false, Now); err != nil {
		t.Fatal(err)
	}
	for _, now := range []time.Time{Now, Now.Add(-time.Second), Now.Add(time.Second)} {
		if got, _, err := rotate(t, s, "a", "c", 0, false, now); !errors.Is(err, store.ErrSpent) || got != "" {
			t.Errorf("a repeat = %q, %v, want ErrSpent", got, err)
		}
	}
}

func rotateReplay(t *testing.T, s store.Store) {
	ctx := testContext(t)
	putFamily(t, s, family("a"), family("mate"))
	for _, st := range []struct {
		name, from, to string
		grace          time.Duration
		now            time.Duration
		want           string
		ended          bool
		err            error
	}{
		{"the exchange", "a", "b", time.Minute, 0, "b", false, nil},
		{"the next", "b", "c", time.Minute, time.Second, "c", false, nil},
		{"the replay", "a", "d", time.Minute, time.Minute, "", true, store.ErrSpent},
		{"the replay again", "a", "d", time.Minute, time.Minute, "", false, store.ErrNotFound},
		{"a repeat within its grace", "b", "d", time.Minute, 2 * time.Second, "", false, store.ErrNotFound},
		{"the newest", "c", "d", time.Minute, time.Minute, "", false, store.ErrNotFound},
		{"another family's", "mate", "e", time.Minute, time.Minute, "e", false, nil},
	} {
		got, ended, err := rotate(t, s, st.from, st.to, st.grace, true, Now.Add(st.now))
		if got != st.want || ended != st.ended || !errors.Is(err, st.err) {
			t.Errorf("%s = %q, %v, %v, want %q, %v, %v", st.name, got, ended, err, st.want, st.ended, st.err)
		}
	}
	f, _, _, err := s.FamilyByToken(ctx, env1, refresh("c", Now).Hash, Now)
	if !f.Ended || err != nil {
		t.Errorf("FamilyByToken = ended %v, %v, want true, nil", f.Ended, err)
	}
	if list, err := s.EndFamilies(ctx, store.FamilyFilter{Environment: env1, ID: "a"}); len(list) != 0 || err != nil {
		t.Errorf("EndFamilies of what has ended = %v, %v, want none", list, err)
	}
}

func rotateUnprotected(t *testing.T, s store.Store) {
	putFamily(t, s, family("a"))
	for _, st := range []struct {
		from, to string
		protect  bool
		want     string
		ended    bool
		err      error
	}{
		{"a", "b", false, "b", false, nil},
		{"a", "x", false, "", false, store.ErrSpent},
		{"a", "x", false, "", false, store.ErrSpent},
		{"b", "c", false, "c", false, nil},
		{"b", "x", true, "", true, store.ErrSpent},
		{"c", "d", false, "", false, store.ErrNotFound},
	} {
		got, ended, err := rotate(t, s, st.from, st.to, 0, st.protect, Now)
		if got != st.want || ended != st.ended || !errors.Is(err, st.err) {
			t.Errorf("%s for %s = %q, %v, %v, want %q, %v, %v", st.from, st.to, got, ended, err, st.want, st.ended, st.err)
		}
	}
}

func rotateRefused(t *testing.T, s store.Store) {
	ctx := testContext(t)
	short := family("short")
	short.ExpiresAt = Now.Add(time.Hour)
	putFamily(t, s, family("a"), short, family("ended"), family("spent"))
	if _, err := s.EndFamilies(ctx, store.FamilyFilter{Environment: env1, ID: "ended"}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := rotate(t, s, "spent", "next", time.Hour, true, Now); err != nil {
		t.Fatal(err)
	}
	month := 30 * 24 * time.Hour
	for _, tt := range []struct {
		name, environment, token string
		now                      time.Duration
		want                     error
	}{
		{"unknown", env1, "b", 0, store.ErrNotFound},
		{"another environment's", env2, "a", 0, store.ErrNotFound},
		{"an environment that cannot be", "\x00", "a", 0, store.ErrNotFound},
		{"when it expires", env1, "a", month, store.ErrNotFound},
		{"when its family expires", env1, "short", time.Hour, store.ErrNotFound},
		{"an ended family's", env1, "ended", 0, store.ErrNotFound},
		{"spent, when it expires", env1, "spent", month, store.ErrNotFound},
		{"in its last microsecond", env1, "a", month - time.Microsecond, nil},
		{"in its family's last microsecond", env1, "short", time.Hour - time.Microsecond, nil},
	} {
		got, ended, err := s.RotateRefreshToken(ctx, tt.environment, refresh(tt.token, Now).Hash, refresh("to "+tt.name, Now), time.Hour, true, Now.Add(tt.now))
		if !errors.Is(err, tt.want) || ended || (err == nil) != (len(got.Sealed) > 0) {
			t.Errorf("%s: RotateRefreshToken = %q, %v, %v, want %v", tt.name, got.Sealed, ended, err, tt.want)
		}
		_, _, _, err = s.FamilyByToken(ctx, env1, refresh("to "+tt.name, Now).Hash, Now)
		if found := err == nil; found != (tt.want == nil) {
			t.Errorf("%s: the successor is stored %v, want %v (%v)", tt.name, found, tt.want == nil, err)
		}
	}
}

func rotateContention(t *testing.T, a, b store.Store) {
	ctx := testContext(t)
	for n := range 5 {
		id := fmt.Sprint("family", n)
		putFamily(t, a, family(id))
		sealed := make([]string, 50)
		for i, err := range race(50, func(i int) error {
			next, ended, err := either(a, b, i).RotateRefreshToken(ctx, env1, refresh(id, Now).Hash, refresh(fmt.Sprint(id, "/", i), Now), time.Minute, true, Now)
			sealed[i] = string(next.Sealed)
			if ended {
				t.Error("a repeat within the grace period has ended the family")
			}
			return err
		}) {
			if err != nil {
				t.Errorf("RotateRefreshToken = %v, want nil", err)
			}
			if sealed[i] != sealed[0] {
				t.Errorf("successor of caller %d = %q, want %q, as caller 0", i, sealed[i], sealed[0])
			}
		}
		stored := 0
		for i := range 50 {
			if _, token, _, err := b.FamilyByToken(ctx, env1, refresh(fmt.Sprint(id, "/", i), Now).Hash, Now); err == nil {
				stored++
				if string(token.Sealed) != sealed[0] {
					t.Errorf("stored successor = %q, want %q", token.Sealed, sealed[0])
				}
			}
		}
		if stored != 1 {
			t.Errorf("%d successors are stored, want 1", stored)
		}
	}
}

// replayContention exchanges one token 50 times at once without a grace
// period: one wins, and the first of the others ends the family.
func replayContention(t *testing.T, a, b store.Store) {
	ctx := testContext(t)
	for n := range 5 {
		id := fmt.Sprint("family", n)
		putFamily(t, a, family(id))
		var ends atomic.Int32
		errs := race(50, func(i int) error {
			_, ended, err := either(a, b, i).RotateRefreshToken(ctx, env1, refresh(id, Now).Hash, refresh(fmt.Sprint(id, "/", i), Now), 0, true, Now)
			if ended {
				ends.Add(1)
				if !errors.Is(err, store.ErrSpent) {
					t.Errorf("the end of the family = %v, want ErrSpent", err)
				}
			}
			if errors.Is(err, store.ErrNotFound) {
				err = store.ErrSpent // it came when the family had ended
			}
			return err
		})
		oneWinner(t, "RotateRefreshToken", errs, store.ErrSpent)
		if got := ends.Load(); got != 1 {
			t.Errorf("the family was ended %d times, want once", got)
		}
		f, _, _, err := b.FamilyByToken(ctx, env1, refresh(id, Now).Hash, Now)
		if !f.Ended || err != nil {
			t.Errorf("FamilyByToken = ended %v, %v, want true, nil", f.Ended, err)
		}
	}
}

// families makes one for each combination of two clients, subjects and
// sessions, and one in another environment.
func families(t *testing.T, s store.Store) {
	for i := range 8 {
		f := family(fmt.Sprint("f", i))
		f.Client, f.Subject, f.Session = fmt.Sprint("c", i&1), fmt.Sprint("s", i>>1&1), fmt.Sprint("sid", i>>2&1)
		f.CreatedAt = Now.Add(time.Duration(i) * time.Second)
		putFamily(t, s, f)
	}
	elsewhere := family("f0")
	elsewhere.Environment, elsewhere.Client, elsewhere.Subject, elsewhere.Session = env2, "c0", "s0", "sid0"
	putFamily(t, s, elsewhere)
}

func ids(list []store.Family) (ids []string) {
	for _, f := range list {
		ids = append(ids, f.ID)
	}
	return ids
}

func familyEnd(t *testing.T, s store.Store) {
	ctx := testContext(t)
	families(t, s)
	for _, st := range []struct {
		name   string
		filter store.FamilyFilter
		want   []string
	}{
		{"an ID that is another client's", store.FamilyFilter{Environment: env1, ID: "f1", Client: "c0"}, nil},
		{"an ID", store.FamilyFilter{Environment: env1, ID: "f0"}, []string{"f0"}},
		{"the same again", store.FamilyFilter{Environment: env1, ID: "f0"}, nil},
		{"client and subject", store.FamilyFilter{Environment: env1, Client: "c1", Subject: "s1"}, []string{"f3", "f7"}},
		{"nobody's session", store.FamilyFilter{Environment: env1, Session: "sid2"}, nil},
		{"a session", store.FamilyFilter{Environment: env1, Session: "sid0"}, []string{"f1", "f2"}},
		{"a client that cannot be", store.FamilyFilter{Environment: env1, Client: "\xff"}, nil},
		{"a client", store.FamilyFilter{Environment: env1, Client: "c1"}, []string{"f5"}},
		{"a subject", store.FamilyFilter{Environment: env1, Subject: "s0"}, []string{"f4"}},
		{"all fields", store.FamilyFilter{Environment: env1, ID: "f6", Client: "c0", Subject: "s1", Session: "sid1"}, []string{"f6"}},
	} {
		list, err := s.EndFamilies(ctx, st.filter)
		if err != nil {
			t.Fatalf("%s: EndFamilies = %v", st.name, err)
		}
		got := ids(list)
		slices.Sort(got)
		if diff := cmp.Diff(st.want, got); diff != "" {
			t.Errorf("%s: ended (-want +got):\n%s", st.name, diff)
		}
		for _, f := range list {
			want := family(f.ID)
			if !f.Ended || f.Environment != env1 || string(f.Data) != string(want.Data) || !f.ExpiresAt.Equal(want.ExpiresAt) {
				t.Errorf("%s: family is not as it was put: %+v", st.name, f)
			}
			if _, _, err := rotate(t, s, f.ID, "x", 0, true, Now); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%s: RotateRefreshToken = %v, want ErrNotFound", st.name, err)
			}
		}
	}
	f, _, _, err := s.FamilyByToken(ctx, env2, refresh("f0", Now).Hash, Now)
	if f.Ended || err != nil {
		t.Errorf("the other environment's: ended %v, %v, want false, nil", f.Ended, err)
	}
}

func familyEndContention(t *testing.T, a, b store.Store) {
	ctx := testContext(t)
	const n = 450 // more than one statement may end
	errs := race(n, func(i int) error {
		f := family(fmt.Sprint(i))
		f.Client, f.Session = fmt.Sprint("c", i%2), fmt.Sprint("sid", i%3)
		return either(a, b, i).PutFamily(ctx, f, refresh(f.ID, Now))
	})
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
	ended := make([]int32, n)
	for _, err := range race(12, func(i int) error {
		f := store.FamilyFilter{Environment: env1, Subject: "alice"}
		switch {
		case i > 8:
			f.Client = "c1"
		case i > 5:
			f = store.FamilyFilter{Environment: env1, Session: "sid1"}
		}
		list, err := either(a, b, i).EndFamilies(ctx, f)
		for _, f := range list {
			var k int
			if _, err := fmt.Sscan(f.ID, &k); err != nil {
				return fmt.Errorf("family %q: %w", f.ID, err)
			}
			atomic.AddInt32(&ended[k], 1)
		}
		// All that this call was to end have ended when it returns.
		left, errList := a.ListFamilies(ctx, f, "", 10, Now)
		if len(left) > 0 || errList != nil {
			t.Errorf("%d families are left after EndFamilies(%+v), %v, want none", len(left), f, errList)
		}
		return err
	}) {
		if err != nil {
			t.Errorf("EndFamilies = %v", err)
		}
	}
	for i := range ended {
		if got := ended[i]; got != 1 {
			t.Errorf("family %d was returned %d times, want once", i, got)
		}
	}
}

func endAndRotate(t *testing.T, a, b store.Store) {
	ctx := testContext(t)
	for n := range 10 {
		id := fmt.Sprint("family", n)
		putFamily(t, a, family(id))
		race(20, func(i int) error {
			s := either(a, b, i)
			if i == 10 {
				if list, err := s.EndFamilies(ctx, store.FamilyFilter{Environment: env1, Session: "sid-1"}); err != nil || len(list) != 1 {
					t.Errorf("EndFamilies = %d families, %v, want 1, nil", len(list), err)
				}
				if _, _, err := s.RotateRefreshToken(ctx, env1, refresh(id, Now).Hash, refresh(id+"late", Now), time.Minute, true, Now); !errors.Is(err, store.ErrNotFound) {
					t.Errorf("RotateRefreshToken after the end = %v, want ErrNotFound", err)
				}
				return nil
			}
			_, ended, err := s.RotateRefreshToken(ctx, env1, refresh(id, Now).Hash, refresh(fmt.Sprint(id, i), Now), time.Minute, true, Now)
			if err != nil && !errors.Is(err, store.ErrNotFound) || ended {
				t.Errorf("RotateRefreshToken = ended %v, %v, want nil or ErrNotFound", ended, err)
			}
			return nil
		})
	}
}

func familyList(t *testing.T, s store.Store) {
	ctx := testContext(t)
	families(t, s)
	over := family("over")
	over.Client, over.Subject, over.Session, over.ExpiresAt = "c0", "s0", "sid0", Now
	endless := family("endless")
	endless.Client, endless.Subject, endless.Session, endless.ExpiresAt = "c0", "s9", "sid9", time.Time{}
	putFamily(t, s, over, endless)
	if _, err := s.EndFamilies(ctx, store.FamilyFilter{Environment: env1, ID: "f2"}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := rotate(t, s, "f4", "f4'", 0, true, Now); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		filter store.FamilyFilter
		limit  int
		want   []string
	}{
		{"a client's", store.FamilyFilter{Environment: env1, Client: "c0"}, 10, []string{"endless", "f0", "f4", "f6"}},
		{"the first two", store.FamilyFilter{Environment: env1, Client: "c0"}, 2, []string{"endless", "f0"}},
		{"none are asked for", store.FamilyFilter{Environment: env1, Client: "c0"}, 0, nil},
		{"a subject's", store.FamilyFilter{Environment: env1, Subject: "s0"}, 10, []string{"f0", "f1", "f4", "f5"}},
		{"a subject's at a client", store.FamilyFilter{Environment: env1, Subject: "s0", Client: "c0"}, 10, []string{"f0", "f4"}},
		{"a session's", store.FamilyFilter{Environment: env1, Session: "sid0"}, 10, []string{"f0", "f1", "f3"}},
		{"one", store.FamilyFilter{Environment: env1, ID: "f7"}, 10, []string{"f7"}},
		{"one that has ended", store.FamilyFilter{Environment: env1, ID: "f2"}, 10, nil},
		{"one that has expired", store.FamilyFilter{Environment: env1, ID: "over"}, 10, nil},
		{"in another environment", store.FamilyFilter{Environment: env2, Client: "c0"}, 10, []string{"f0"}},
		{"a subject that cannot be", store.FamilyFilter{Environment: env1, Subject: "\x00"}, 10, nil},
	} {
		list, err := s.ListFamilies(ctx, tt.filter, "", tt.limit, Now)
		if diff := cmp.Diff(tt.want, ids(list)); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", tt.name, err, diff)
		}
	}
	list, err := s.ListFamilies(ctx, store.FamilyFilter{Environment: env1, ID: "endless"}, "", 1, Now)
	endless.TokenExpiresAt = refresh("endless", Now).ExpiresAt
	if diff := cmp.Diff([]store.Family{endless}, list); diff != "" || err != nil {
		t.Errorf("listed: %v (-want +got):\n%s", err, diff)
	}
}

func familyPages(t *testing.T, s store.Store) {
	ctx := testContext(t)
	var want []string
	for i := range 25 {
		f := family(fmt.Sprintf("f%02d", i))
		// Not in the order of their making.
		f.CreatedAt = Now.Add(time.Duration(i*7%25) * time.Hour)
		putFamily(t, s, f)
		want = append(want, f.ID)
	}
	for _, f := range []store.FamilyFilter{
		{Environment: env1, Client: "client-1"}, {Environment: env1, Subject: "alice"}, {Environment: env1, Session: "sid-1"},
		{Environment: env1, Client: "client-1", Subject: "alice", Session: "sid-1"},
	} {
		var got []string
		var sizes []int
		for after := ""; len(sizes) == 0 || sizes[len(sizes)-1] > 0; {
			page, err := s.ListFamilies(ctx, f, after, 10, Now)
			if err != nil {
				t.Fatal(err)
			}
			sizes = append(sizes, len(page))
			for _, f := range page {
				got, after = append(got, f.ID), f.ID
			}
		}
		if diff := cmp.Diff([]int{10, 10, 5, 0}, sizes); diff != "" {
			t.Errorf("%+v: page sizes (-want +got):\n%s", f, diff)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%+v: families (-want +got):\n%s", f, diff)
		}
	}
	one := store.FamilyFilter{Environment: env1, ID: "f03"}
	for after, want := range map[string]int{"f02": 1, "f03": 0, "f04": 0, "\x00": 0} {
		if list, err := s.ListFamilies(ctx, one, after, 10, Now); len(list) != want || err != nil {
			t.Errorf("f03 behind %q: %d families, %v, want %d", after, len(list), err, want)
		}
	}
}

func familyExpiries(t *testing.T, s store.Store) {
	ctx := testContext(t)
	put := func(id string, ttl time.Duration) {
		if err := s.PutFamily(ctx, family(id), store.RefreshToken{Hash: hash("refresh " + id), ExpiresAt: Now.Add(ttl)}); err != nil {
			t.Fatal(err)
		}
	}
	exchange := func(from, to string, ttl time.Duration, at time.Time) {
		next := store.RefreshToken{Hash: hash("refresh " + to), ExpiresAt: Now.Add(ttl)}
		if _, _, err := s.RotateRefreshToken(ctx, env1, hash("refresh "+from), next, 0, true, at); err != nil {
			t.Fatal(err)
		}
	}
	put("once", 2*time.Hour)
	put("prolonged", 2*time.Hour)
	exchange("prolonged", "prolonged'", 3*time.Hour, Now)
	exchange("prolonged'", "prolonged''", 4*time.Hour, Now.Add(time.Minute))
	// Its client was given less time meanwhile: what was exchanged lives longer and is good for nothing.
	put("shortened", 4*time.Hour)
	exchange("shortened", "shortened'", time.Hour, Now)
	for _, tt := range []struct {
		name string
		at   time.Duration
		want map[string]time.Duration
	}{
		{"at first", 0, map[string]time.Duration{"once": 2 * time.Hour, "prolonged": 4 * time.Hour, "shortened": time.Hour}},
		{"in the last microsecond of one", time.Hour - time.Microsecond,
			map[string]time.Duration{"once": 2 * time.Hour, "prolonged": 4 * time.Hour, "shortened": time.Hour}},
		{"when the newest of one expires", time.Hour, map[string]time.Duration{"once": 2 * time.Hour, "prolonged": 4 * time.Hour}},
		{"when the only one of another expires", 2 * time.Hour, map[string]time.Duration{"prolonged": 4 * time.Hour}},
		{"when all have expired", 4 * time.Hour, map[string]time.Duration{}},
	} {
		list, err := s.ListFamilies(ctx, store.FamilyFilter{Environment: env1, Subject: "alice"}, "", 10, Now.Add(tt.at))
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]time.Duration{}
		for _, f := range list {
			got[f.ID] = f.TokenExpiresAt.Sub(Now)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// A reader sees a family before an exchange or after it, and never without a newest
// token or with two.
func listAndRotate(t *testing.T, a, b store.Store) {
	ctx := testContext(t)
	const n = 20
	var want []string
	for i := range n {
		putFamily(t, a, family(fmt.Sprintf("f%02d", i)))
		want = append(want, fmt.Sprintf("f%02d", i))
	}
	for i, err := range race(3*n, func(i int) error {
		if i%3 < 2 {
			id := want[i%n]
			_, _, err := either(a, b, i).RotateRefreshToken(ctx, env1, refresh(id, Now).Hash, refresh(fmt.Sprint(id, " ", i), Now), time.Minute, true, Now)
			return err
		}
		list, err := either(a, b, i/3).ListFamilies(ctx, store.FamilyFilter{Environment: env1, Subject: "alice"}, "", 2*n, Now)
		if diff := cmp.Diff(want, ids(list)); diff != "" {
			t.Errorf("listed (-want +got):\n%s", diff)
		}
		return err
	}) {
		if err != nil {
			t.Errorf("call %d = %v, want nil", i, err)
		}
	}
}

func familyFilter(t *testing.T, s store.Store) {
	ctx := testContext(t)
	putFamily(t, s, family("a"))
	if _, err := s.ListFamilies(ctx, store.FamilyFilter{Environment: env1}, "", 10, Now); err == nil {
		t.Error("ListFamilies of everything = nil, want an error")
	}
	if _, err := s.EndFamilies(ctx, store.FamilyFilter{Environment: env1}); err == nil {
		t.Error("EndFamilies of everything = nil, want an error")
	}
	if f, _, _, err := s.FamilyByToken(ctx, env1, refresh("a", Now).Hash, Now); f.Ended || err != nil {
		t.Errorf("FamilyByToken = ended %v, %v, want false, nil", f.Ended, err)
	}
}
