package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

var applyTests = []namedTest{
	{"a write is done whole", applyWhole},
	{"a write of which one part cannot be done leaves nothing", applyNothing},
	{"a bad write fails alone, whatever is written beside it", applyAlone},
	{"a version that is not there is ErrConflict, one that is taken ErrExists", applyVersions},
	{"what a write expects has to be there, and stays as it is", applyExpects},
	{"a sole key belongs to one object of an environment and kind", applyUnique},
	{"with an object goes everything below it", applyCascade},
	{"an object with its parent's ID takes nothing along", applySibling},
	{"a user goes with all that PutUser and others have stored, and with what belongs to it", applyDeleteUser},
	{"a user may go at whatever version, while it is changed", applyDeleteAnyVersion},
	{"the version counts changes of objects and of nothing else", applyCounts},
	{"the version changes with every change while many are made", applyCountsAll},
	{"watchers have the revocations before Apply returns", applyRevokes},
	{"of 50 changes of an object exactly one succeeds", func(t *testing.T, s store.Store) { applyContention(t, s, s) }},
	{"of 50 objects with one key exactly one is stored", func(t *testing.T, s store.Store) { keyContention(t, s, s) }},
	{"of 50 users with one version changed exactly one succeeds", func(t *testing.T, s store.Store) { applyUserContention(t, s, s) }},
	{"nothing is left of what is deleted while others add to it", func(t *testing.T, s store.Store) { deleteContention(t, s, s) }},
	{"a write whose context has ended is not made", applyContextEnded},
}

// newUser is a user that is not stored yet.
func newUser(id string) store.User {
	u := user(id)
	u.Version = 0
	return u
}

// parts is what a write left: one character for each of its parts that is there.
func parts(t testing.TB, s store.Store, id string) string {
	t.Helper()
	ctx := testContext(t)
	out := ""
	for _, part := range []struct {
		letter string
		err    error
	}{
		{"o", func() error { _, err := s.ObjectByID(ctx, env1, store.KindApplication, id); return err }()},
		{"u", func() error { _, err := s.StoredUserByID(ctx, env1, id); return err }()},
		{"c", func() error { _, err := s.CredentialOf(ctx, env1, id); return err }()},
		{"e", func() error { _, err := s.EventByID(ctx, env1, id, Now); return err }()},
	} {
		switch {
		case part.err == nil:
			out += part.letter
		case !errors.Is(part.err, store.ErrNotFound):
			t.Fatal(part.err)
		}
	}
	if list, err := s.ObjectsByKey(ctx, env1, store.KindApplication, "name "+id, 1); err != nil {
		t.Fatal(err)
	} else if len(list) > 0 {
		out += "k"
	}
	if list, err := s.ScanUsers(ctx, store.UserScan{Environment: env1, Attribute: "username", Value: "name of " + id, Limit: 1}); err != nil {
		t.Fatal(err)
	} else if len(list) > 0 {
		out += "t"
	}
	return out
}

// whole is a write with one part of each kind.
func whole(id string) store.Write {
	return store.Write{
		Environment: env1,
		Put:         []store.Object{object(id)}, PutUsers: []store.User{newUser(id)}, PutCredentials: []store.Credential{credential(id)},
		Revocations: []store.Revocation{revocation(id)}, Events: []store.Event{event(id)}, Deliveries: []store.Delivery{delivery(id)},
	}
}

func applyWhole(t *testing.T, s store.Store) {
	apply(t, s, whole("a"))
	if got := parts(t, s, "a"); got != "oucekt" {
		t.Errorf("stored of a write: %q, want all of it", got)
	}
	u, err := s.StoredUserByID(testContext(t), env1, "a")
	if diff := cmp.Diff(user("a"), u); diff != "" || err != nil {
		t.Errorf("StoredUserByID: %v (-want +got):\n%s", err, diff)
	}
	want := credential("a")
	want.Version = 1
	c, err := s.CredentialOf(testContext(t), env1, "a")
	if diff := cmp.Diff(want, c); diff != "" || err != nil {
		t.Errorf("CredentialOf: %v (-want +got):\n%s", err, diff)
	}
	if _, got := claim(t, s, Now, Now.Add(time.Minute), 10); got != "[a]" {
		t.Errorf("claimed: %s, want [a]", got)
	}
	if err := s.Apply(testContext(t), store.Write{Environment: env1}); err != nil {
		t.Errorf("Apply of nothing = %v, want nil", err)
	}
}

// bad are changes of a write that cannot be done where whole("old") was.
var bad = map[string]struct {
	change func(*store.Write)
	want   error
}{
	"an object that is there":          {func(w *store.Write) { w.Put = append(w.Put, object("old")) }, store.ErrExists},
	"a key that is taken":              {func(w *store.Write) { w.Put[0].Unique = append(w.Put[0].Unique, "name old") }, store.ErrExists},
	"one key twice":                    {func(w *store.Write) { w.Put = append(w.Put, withKey("other", "name new")) }, store.ErrExists},
	"one object twice":                 {func(w *store.Write) { w.Put = append(w.Put, withKey("new", "other")) }, store.ErrExists},
	"an object that is gone":           {func(w *store.Write) { w.Put = append(w.Put, atVersion(object("gone"), 1)) }, store.ErrConflict},
	"an object of another version":     {func(w *store.Write) { w.Put = append(w.Put, atVersion(object("old"), 2)) }, store.ErrConflict},
	"a deletion of another version":    {func(w *store.Write) { w.Delete = append(w.Delete, deletion("old", 2)) }, store.ErrConflict},
	"a deletion of what is gone":       {func(w *store.Write) { w.Delete = append(w.Delete, deletion("gone", 0)) }, store.ErrConflict},
	"a deletion of what cannot be":     {func(w *store.Write) { w.Delete = append(w.Delete, deletion("\xff", 0)) }, store.ErrConflict},
	"an expectation of another":        {func(w *store.Write) { w.Expect = append(w.Expect, deletion("old", 2)) }, store.ErrConflict},
	"an expectation of what is gone":   {func(w *store.Write) { w.Expect = append(w.Expect, deletion("gone", 0)) }, store.ErrConflict},
	"a user that is there":             {func(w *store.Write) { w.PutUsers = append(w.PutUsers, newUser("old")) }, store.ErrExists},
	"a username that is taken":         {func(w *store.Write) { w.PutUsers[0].Username = "name of old" }, store.ErrExists},
	"a username that is taken, change": {func(w *store.Write) { w.PutUsers = append(w.PutUsers, withName(user("old2"), "name of old")) }, store.ErrExists},
	"a user of another version":        {func(w *store.Write) { w.PutUsers = append(w.PutUsers, userAt("old", 2)) }, store.ErrConflict},
	"a user that is gone":              {func(w *store.Write) { w.PutUsers = append(w.PutUsers, userAt("gone", 1)) }, store.ErrConflict},
	"a deletion of a user's version": {func(w *store.Write) { w.DeleteUsers = append(w.DeleteUsers, store.UserVersion{ID: "old", Version: 2}) },
		store.ErrConflict},
	"a deletion of a user that is gone": {func(w *store.Write) { w.DeleteUsers = append(w.DeleteUsers, store.UserVersion{ID: "gone"}) }, store.ErrConflict},
	"a credential that is there":        {func(w *store.Write) { w.PutCredentials = append(w.PutCredentials, credential("old")) }, store.ErrConflict},
	"an event that is there":            {func(w *store.Write) { w.Events = append(w.Events, event("old")) }, store.ErrExists},
	"a delivery that is there":          {func(w *store.Write) { w.Deliveries = append(w.Deliveries, delivery("old")) }, store.ErrExists},
}

func withKey(id, key string) store.Object {
	o := object(id)
	o.Unique = []string{key}
	return o
}

func atVersion(o store.Object, v int64) store.Object { o.Version = v; return o }

func withName(u store.User, name string) store.User { u.Username = name; return u }

func userAt(id string, v int64) store.User {
	u := user(id)
	u.Version = v
	return u
}

func deletion(id string, v int64) store.ObjectVersion {
	return store.ObjectVersion{Kind: store.KindApplication, ID: id, Version: v}
}

func applyNothing(t *testing.T, s store.Store) {
	ctx := testContext(t)
	apply(t, s, whole("old"))
	apply(t, s, store.Write{PutUsers: []store.User{newUser("old2")}})
	w := StartWatch(t, s, Now)
	w.UntilAlive(t, true)
	before := version(t, s, env1)
	claim(t, s, Now, Now.Add(time.Hour), 10)
	for name, tt := range bad {
		x := whole("new")
		tt.change(&x)
		if err := s.Apply(ctx, x); !errors.Is(err, tt.want) {
			t.Errorf("%s: Apply = %v, want %v", name, err, tt.want)
		}
		if got := parts(t, s, "new"); got != "" {
			t.Errorf("%s: stored of the write: %q, want nothing", name, got)
		}
		if got := version(t, s, env1); got != before {
			t.Errorf("%s: ObjectsVersion = %d, want %d as before", name, got, before)
		}
		if _, got := claim(t, s, Now, Now.Add(time.Hour), 10); got != "[]" {
			t.Errorf("%s: a delivery is there: %s", name, got)
		}
	}
	if _, ok := w.Has(revocation("new")); ok {
		t.Error("the revocation of a write that was not made was delivered")
	}
	if got, want := parts(t, s, "old"), "oucekt"; got != want {
		t.Errorf("left of what was there: %q, want %q", got, want)
	}
	apply(t, s, whole("new"))
}

// applyAlone makes good and bad writes at once, so that they share transactions.
func applyAlone(t *testing.T, s store.Store) {
	ctx := testContext(t)
	apply(t, s, whole("old"))
	apply(t, s, store.Write{PutUsers: []store.User{newUser("old2")}})
	var names []string
	for name := range bad {
		names = append(names, name)
	}
	slices.Sort(names)
	const n = 120
	errs := race(n, func(i int) error {
		w := whole(fmt.Sprint("id", i))
		if i%2 == 0 {
			tt := bad[names[i/2%len(names)]]
			x := whole(fmt.Sprint("id", i))
			tt.change(&x)
			if strings.HasPrefix(names[i/2%len(names)], "one ") { // made for "new"
				x = whole(fmt.Sprint("id", i))
				x.Put = append(x.Put, x.Put[0])
			}
			err := s.Apply(ctx, x)
			if !errors.Is(err, tt.want) {
				return fmt.Errorf("%s: Apply = %v, want %v", names[i/2%len(names)], err, tt.want)
			}
			return nil
		}
		if i%6 == 1 {
			return s.PutAccessToken(ctx, token(i))
		}
		return s.Apply(ctx, w)
	})
	for i, err := range errs {
		if err != nil {
			t.Error(err)
		}
		want := ""
		if i%2 == 1 && i%6 != 1 {
			want = "oucekt"
		}
		if got := parts(t, s, fmt.Sprint("id", i)); got != want {
			t.Errorf("write %d: stored %q, want %q", i, got, want)
		}
	}
}

func applyVersions(t *testing.T, s store.Store) {
	ctx := testContext(t)
	apply(t, s, store.Write{Put: []store.Object{object("a")}})
	for i, tt := range []struct {
		w    store.Write
		want error
	}{
		{store.Write{Put: []store.Object{object("a")}}, store.ErrExists},
		{store.Write{Put: []store.Object{atVersion(object("a"), 2)}}, store.ErrConflict},
		{store.Write{Put: []store.Object{atVersion(object("a"), -1)}}, store.ErrConflict},
		{store.Write{Put: []store.Object{atVersion(object("a"), 1)}}, nil},
		{store.Write{Put: []store.Object{atVersion(object("a"), 1)}}, store.ErrConflict},
		{store.Write{Delete: []store.ObjectVersion{deletion("a", 1)}}, store.ErrConflict},
		{store.Write{Delete: []store.ObjectVersion{deletion("a", 2)}}, nil},
		{store.Write{Put: []store.Object{atVersion(object("a"), 2)}}, store.ErrConflict},
		{store.Write{Delete: []store.ObjectVersion{deletion("a", 2)}}, store.ErrConflict},
		{store.Write{Delete: []store.ObjectVersion{deletion("a", 0)}}, store.ErrConflict},
		{store.Write{Put: []store.Object{object("a")}}, nil},
		{store.Write{Delete: []store.ObjectVersion{deletion("a", 0)}, Put: []store.Object{object("a")}}, nil},
		{store.Write{Put: []store.Object{atVersion(object("a"), 1)}}, nil},
	} {
		tt.w.Environment = env1
		if err := s.Apply(ctx, tt.w); !errors.Is(err, tt.want) {
			t.Errorf("step %d: Apply = %v, want %v", i, err, tt.want)
		}
	}
	want := atVersion(object("a"), 2)
	wantObject(t, s, env1, store.KindApplication, "a", &want)
}

func applyExpects(t *testing.T, s store.Store) {
	apply(t, s, store.Write{Put: []store.Object{object("a")}})
	before := version(t, s, env1)
	for _, v := range []int64{0, 1} {
		apply(t, s, store.Write{Expect: []store.ObjectVersion{deletion("a", v)}, Events: []store.Event{event(fmt.Sprint(v))}})
	}
	want := atVersion(object("a"), 1)
	wantObject(t, s, env1, store.KindApplication, "a", &want)
	if got := version(t, s, env1); got != before {
		t.Errorf("ObjectsVersion = %d, want %d: nothing was changed", got, before)
	}
}

func applyUnique(t *testing.T, s store.Store) {
	ctx := testContext(t)
	apply(t, s, store.Write{Put: []store.Object{withKey("a", "key")}})
	resource := withKey("r", "key")
	resource.Kind = store.KindResource
	elsewhere := withKey("a", "key")
	elsewhere.Environment = env2
	lookup := withKey("l", "own")
	lookup.Lookups = []string{"key"}
	putObjects(t, s, resource, elsewhere, lookup, withKey("b", "Key"))
	for name, o := range map[string]store.Object{
		"a new object":   withKey("c", "key"),
		"a change":       atVersion(withKey("b", "key"), 1),
		"one of several": {Environment: env1, Kind: store.KindApplication, ID: "d", Unique: []string{"free", "key"}},
	} {
		if err := s.Apply(ctx, store.Write{Environment: env1, Put: []store.Object{o}}); !errors.Is(err, store.ErrExists) {
			t.Errorf("%s with a key that is taken: Apply = %v, want ErrExists", name, err)
		}
	}
	want := atVersion(withKey("b", "Key"), 1)
	wantObject(t, s, env1, store.KindApplication, "b", &want)
	// Its own key is no obstacle, and both sides may have it.
	own := atVersion(withKey("a", "key"), 1)
	own.Lookups = []string{"key"}
	putObjects(t, s, own)
	if list, err := s.ObjectsByKey(ctx, env1, store.KindApplication, "key", 10); objectIDs(list) != "a l" || err != nil {
		t.Errorf("ObjectsByKey = %s, %v, want a l", objectIDs(list), err)
	}
}

func applyCascade(t *testing.T, s store.Store) {
	ctx := testContext(t)
	deep := []store.Object{object("a"), child("a", "b"), child("b", "c"), child("c", "d"), child("a", "b2"), child("other", "e"), object("keep")}
	for i := range deep {
		deep[i].Unique = []string{"name " + deep[i].ID}
	}
	apply(t, s, store.Write{Put: deep})
	// A circle, which nobody should make, is no endless one.
	apply(t, s, store.Write{Put: []store.Object{child("y", "x"), child("x", "y")}})
	apply(t, s, store.Write{Delete: []store.ObjectVersion{deletion("a", 1)}})
	for _, id := range []string{"b", "c", "d", "b2"} {
		wantObject(t, s, env1, store.KindGrant, id, nil)
		if list, err := s.ObjectsByKey(ctx, env1, store.KindGrant, "name "+id, 1); len(list) > 0 || err != nil {
			t.Errorf("ObjectsByKey of %s = %v, %v, want none", id, list, err)
		}
	}
	list, err := s.ListObjects(ctx, store.ObjectFilter{Environment: env1, Kind: store.KindGrant}, "", 10)
	if got := objectIDs(list); got != "e x y" || err != nil {
		t.Errorf("left: %s, %v, want e x y", got, err)
	}
	apply(t, s, store.Write{Put: deep[:5]}) // identities and keys are free
	apply(t, s, store.Write{Delete: []store.ObjectVersion{{Kind: store.KindGrant, ID: "x"}}})
	wantObject(t, s, env1, store.KindGrant, "y", nil)
	// Many children are deleted as one.
	var many []store.Object
	for i := range 1500 {
		many = append(many, child("keep", fmt.Sprint(i)))
	}
	apply(t, s, store.Write{Put: many})
	apply(t, s, store.Write{Delete: []store.ObjectVersion{deletion("keep", 0)}})
	if list, err := s.ChildrenOf(ctx, env1, "keep", 10); len(list) > 0 || err != nil {
		t.Errorf("ChildrenOf = %d, %v, want none", len(list), err)
	}
}

func applySibling(t *testing.T, s store.Store) {
	secret := child("a", "a")
	secret.Kind, secret.Unique = store.KindSecret, []string{"s"}
	apply(t, s, store.Write{Put: []store.Object{object("a"), secret, child("a", "g"), child("g", "h")}})
	apply(t, s, store.Write{Delete: []store.ObjectVersion{{Kind: store.KindSecret, ID: "a", Version: 1}}})
	wantObject(t, s, env1, store.KindSecret, "a", nil)
	a, g := atVersion(object("a"), 1), atVersion(child("a", "g"), 1)
	wantObject(t, s, env1, store.KindApplication, "a", &a)
	wantObject(t, s, env1, store.KindGrant, "g", &g)
	apply(t, s, store.Write{Put: []store.Object{secret}})
	apply(t, s, store.Write{Delete: []store.ObjectVersion{deletion("a", 1)}})
	for _, kind := range []store.ObjectKind{store.KindSecret, store.KindGrant} {
		list, err := s.ListObjects(testContext(t), store.ObjectFilter{Environment: env1, Kind: kind}, "", 10)
		if len(list) > 0 || err != nil {
			t.Errorf("left of kind %s: %s, %v, want none", kind, objectIDs(list), err)
		}
	}
}

func applyDeleteUser(t *testing.T, s store.Store) {
	ctx := testContext(t)
	for _, remove := range []func(id string) error{
		func(id string) error {
			return s.Apply(ctx, store.Write{Environment: env1, DeleteUsers: []store.UserVersion{{ID: id, Version: 1}}})
		},
		func(id string) error {
			return s.Apply(ctx, store.Write{Environment: env1, DeleteUsers: []store.UserVersion{{ID: id}}})
		},
		func(id string) error { return s.DeleteUser(ctx, env1, id) },
	} {
		before := version(t, s, env1)
		putUser(t, s, user("a"), user("b"))
		apply(t, s, store.Write{PutCredentials: []store.Credential{credential("a"), credential("b")}})
		putConsent(t, s, store.ConsentRecord{Environment: env1, Subject: "a", Client: "web"}, store.ConsentRecord{Environment: env1, Subject: "b", Client: "web"})
		if err := remove("a"); err != nil {
			t.Fatal(err)
		}
		if got := version(t, s, env1); got != before {
			t.Errorf("ObjectsVersion = %d, want %d: no object has gone", got, before)
		}
		if got := parts(t, s, "a"); got != "" {
			t.Errorf("left of the user: %q, want nothing", got)
		}
		if list, err := s.ListConsents(ctx, env1, "a", 10); len(list) > 0 || err != nil {
			t.Errorf("consents of the user: %v, %v, want none", list, err)
		}
		role := child("b", "role")
		role.Kind, role.Unique = store.KindRoleAssignment, []string{"role"}
		apply(t, s, store.Write{Put: []store.Object{role, child("role", "deep")}})
		before = version(t, s, env1)
		if got := parts(t, s, "b"); got != "uct" {
			t.Errorf("left of the other user: %q, want uct", got)
		}
		if err := remove("b"); err != nil {
			t.Fatal(err)
		}
		if got := version(t, s, env1); got == before {
			t.Error("ObjectsVersion is as before, want another: an object has gone")
		}
		wantObject(t, s, env1, store.KindRoleAssignment, "role", nil)
		wantObject(t, s, env1, store.KindGrant, "deep", nil)
		wholeIndex(t, s)
	}
}

func applyDeleteAnyVersion(t *testing.T, s store.Store) {
	ctx := testContext(t)
	for range 5 {
		putUser(t, s, user("a"))
		errs := race(8, func(i int) error {
			if i == 0 {
				return s.Apply(ctx, store.Write{Environment: env1, DeleteUsers: []store.UserVersion{{ID: "a"}}})
			}
			for v := int64(1); v < 10; v++ {
				u := userAt("a", v)
				u.Username = fmt.Sprint(i, v)
				if err := s.ReplaceUser(ctx, u); err != nil && !errors.Is(err, store.ErrConflict) {
					return err
				}
			}
			return nil
		})
		for i, err := range errs {
			if err != nil {
				t.Errorf("caller %d = %v, want nil", i, err)
			}
		}
		if _, err := s.StoredUserByID(ctx, env1, "a"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("StoredUserByID = %v, want ErrNotFound", err)
		}
		wholeIndex(t, s)
	}
}

func applyCounts(t *testing.T, s store.Store) {
	steps := []struct {
		name    string
		w       store.Write
		changed bool
	}{
		{"a new object", store.Write{Put: []store.Object{object("a")}}, true},
		{"a replacement", store.Write{Put: []store.Object{atVersion(object("a"), 1)}}, true},
		{"a new user", store.Write{PutUsers: []store.User{newUser("u")}}, false},
		{"a changed user", store.Write{PutUsers: []store.User{userAt("u", 1)}}, false},
		{"a credential", store.Write{PutCredentials: []store.Credential{credential("u")}}, false},
		{"a revocation, an event and a delivery", store.Write{
			Revocations: []store.Revocation{revocation("x")}, Events: []store.Event{event("x")}, Deliveries: []store.Delivery{delivery("x")},
		}, false},
		{"a deleted user", store.Write{DeleteUsers: []store.UserVersion{{ID: "u"}}}, false},
		{"a deletion", store.Write{Delete: []store.ObjectVersion{deletion("a", 0)}}, true},
	}
	if got := version(t, s, env1); got != 0 {
		t.Errorf("ObjectsVersion before = %d, want 0", got)
	}
	for _, st := range steps {
		before := version(t, s, env1)
		apply(t, s, st.w)
		if got := version(t, s, env1); (got != before) != st.changed {
			t.Errorf("%s: ObjectsVersion %d → %d, want a change: %v", st.name, before, got, st.changed)
		}
	}
	if got := version(t, s, env2); got != 0 {
		t.Errorf("ObjectsVersion of another environment = %d, want 0", got)
	}
}

// applyCountsAll has many changes made at once. Each caller reads the version
// behind its own, and nobody may see what they have seen before.
func applyCountsAll(t *testing.T, s store.Store) {
	ctx := testContext(t)
	for _, err := range race(40, func(i int) error {
		last := int64(0)
		for n := range 5 {
			if err := s.Apply(ctx, store.Write{Environment: env1, Put: []store.Object{object(fmt.Sprint(i, "-", n))}}); err != nil {
				return err
			}
			v, err := s.ObjectsVersion(ctx, env1)
			if err != nil || v <= last {
				return fmt.Errorf("ObjectsVersion = %d, %v behind a change, want more than %d", v, err, last)
			}
			last = v
		}
		return nil
	}) {
		if err != nil {
			t.Error(err)
		}
	}
	if got := version(t, s, env1); got != 200 {
		t.Errorf("ObjectsVersion = %d, want 200", got)
	}
}

func applyRevokes(t *testing.T, s store.Store) {
	w := StartWatch(t, s, Now)
	w.UntilAlive(t, true)
	for i := range 20 {
		x := store.Write{Put: []store.Object{object(fmt.Sprint(i))}}
		for n := range i % 4 {
			x.Revocations = append(x.Revocations, revocation(fmt.Sprint(i, "-", n)))
		}
		apply(t, s, x)
		for _, r := range x.Revocations {
			if got, ok := w.Has(r); !ok {
				t.Errorf("revocation %s was not delivered when Apply returned", r.Value)
			} else if diff := cmp.Diff(r, got); diff != "" {
				t.Errorf("delivered (-want +got):\n%s", diff)
			}
		}
	}
	// An earlier one does not shorten a later one, as with PutRevocation.
	long, short := revocation("long"), revocation("long")
	long.At, long.ExpiresAt = Now.Add(time.Minute), Now.Add(10*time.Hour)
	apply(t, s, store.Write{Revocations: []store.Revocation{long}})
	apply(t, s, store.Write{Revocations: []store.Revocation{short}})
	again := StartWatch(t, s, Now)
	again.UntilAlive(t, true)
	if got, _ := again.Has(long); !got.At.Equal(long.At) || !got.ExpiresAt.Equal(long.ExpiresAt) {
		t.Errorf("in force: %v, want %v", got, long)
	}
}

func applyContention(t *testing.T, a, b store.Store) {
	ctx := testContext(t)
	apply(t, a, store.Write{Put: []store.Object{object("a")}})
	counted := version(t, b, env1)
	for v := int64(1); v <= 3; v++ {
		errs := race(50, func(i int) error {
			o := atVersion(object("a"), v)
			o.Data, o.Unique = []byte(fmt.Sprint(v, "-", i)), []string{fmt.Sprint(v, "-", i)}
			w := store.Write{Environment: env1, Put: []store.Object{o}, Events: []store.Event{event(fmt.Sprint(v, "-", i))}}
			w.Revocations = []store.Revocation{revocation(fmt.Sprint(i % 3))}
			return either(a, b, i).Apply(ctx, w)
		})
		winner := fmt.Sprint(v, "-", oneWinner(t, "Apply", errs, store.ErrConflict))
		want := atVersion(object("a"), v+1)
		want.Data, want.Unique = []byte(winner), []string{winner}
		for _, s := range []store.Store{a, b} {
			wantObject(t, s, env1, store.KindApplication, "a", &want)
			if got := version(t, s, env1); got != counted+v {
				t.Errorf("ObjectsVersion = %d, want %d", got, counted+v)
			}
		}
		events, err := b.ListEvents(ctx, store.EventFilter{Environment: env1}, "", 100, Now)
		if len(events) != int(v) || err != nil {
			t.Errorf("%d events, %v, want those of the %d winners", len(events), err, v)
		}
	}
}

func keyContention(t *testing.T, a, b store.Store) {
	ctx := testContext(t)
	for i := range 25 {
		apply(t, a, store.Write{Put: []store.Object{object(fmt.Sprint("old", i))}})
	}
	errs := race(50, func(i int) error {
		o := withKey(fmt.Sprint("new", i), "wanted")
		if i%2 == 0 {
			o = atVersion(withKey(fmt.Sprint("old", i/2), "wanted"), 1)
		}
		return either(a, b, i/2).Apply(ctx, store.Write{Environment: env1, Put: []store.Object{o}})
	})
	oneWinner(t, "Apply", errs, store.ErrExists)
	if list, err := b.ObjectsByKey(ctx, env1, store.KindApplication, "wanted", 10); len(list) != 1 || err != nil {
		t.Errorf("ObjectsByKey = %s, %v, want one", objectIDs(list), err)
	}
}

func applyUserContention(t *testing.T, a, b store.Store) {
	ctx := testContext(t)
	putUser(t, a, user("a"))
	for v := int64(1); v <= 3; v++ {
		errs := race(50, func(i int) error {
			u := withName(userAt("a", v), fmt.Sprint(v, "-", i))
			c := credential("a")
			c.Version, c.Failures = v-1, i
			return either(a, b, i).Apply(ctx, store.Write{Environment: env1, PutUsers: []store.User{u}, PutCredentials: []store.Credential{c}})
		})
		winner := oneWinner(t, "Apply", errs, store.ErrConflict)
		u, err := b.StoredUserByID(ctx, env1, "a")
		c, errC := b.CredentialOf(ctx, env1, "a")
		if want := fmt.Sprint(v, "-", winner); u.Username != want || u.Version != v+1 || c.Failures != winner || err != nil || errC != nil {
			t.Errorf("stored %q version %d, %d failures, %v, %v, want %q, %d, %d", u.Username, u.Version, c.Failures, err, errC, want, v+1, winner)
		}
	}
	wholeIndex(t, b)
}

// deleteContention deletes an object while others add children to it: those who
// decide by it say so, and come too late or are gone with it.
func deleteContention(t *testing.T, a, b store.Store) {
	ctx := testContext(t)
	for round := range 5 {
		app := fmt.Sprint("app", round)
		apply(t, a, store.Write{Put: []store.Object{object(app)}})
		errs := race(40, func(i int) error {
			s := either(a, b, i)
			if i == 20 {
				return s.Apply(ctx, store.Write{Environment: env1, Delete: []store.ObjectVersion{deletion(app, 1)}})
			}
			err := s.Apply(ctx, store.Write{
				Environment: env1, Expect: []store.ObjectVersion{deletion(app, 0)}, Put: []store.Object{child(app, fmt.Sprint(app, "-", i))},
			})
			if errors.Is(err, store.ErrConflict) {
				return nil
			}
			return err
		})
		for i, err := range errs {
			if err != nil {
				t.Errorf("caller %d = %v, want nil", i, err)
			}
		}
		if list, err := b.ChildrenOf(ctx, env1, app, 100); len(list) > 0 || err != nil {
			t.Errorf("left of a deleted object: %s, %v, want none", objectIDs(list), err)
		}
	}
}

func applyContextEnded(t *testing.T, s store.Store) {
	ctx, cancel := context.WithCancel(testContext(t))
	cancel()
	if err := s.Apply(ctx, whole("a")); !errors.Is(err, context.Canceled) {
		t.Errorf("Apply = %v, want context.Canceled", err)
	}
	if got := parts(t, s, "a"); got != "" {
		t.Errorf("stored: %q, want nothing", got)
	}
}

// sharedChange changes on one node, and asks the other.
func sharedChange(t *testing.T, a, b store.Store) {
	w := StartWatch(t, b, Now)
	w.UntilAlive(t, true)
	for i := range 10 {
		before := version(t, b, env1)
		id := fmt.Sprint(i)
		apply(t, a, whole(id))
		if got := version(t, b, env1); got == before {
			t.Errorf("ObjectsVersion on the other node = %d, want another", got)
		}
		if got := parts(t, b, id); got != "oucekt" {
			t.Errorf("on the other node: %q, want all of it", got)
		}
		w.Until(t, "the revocation has crossed", 5*time.Second, func() bool { _, ok := w.Has(revocation(id)); return ok })
	}
}
