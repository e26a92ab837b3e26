package storetest

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

var objectTests = []namedTest{
	{"an object comes back as it was put, at version 1", objectRoundTrip},
	{"a replacement has every field, and the next version", objectReplace},
	{"objects are listed by ID, in pages", objectPages},
	{"every environment is listed, by ID", objectEnvironments},
	{"children of every kind are listed by kind and ID", objectChildren},
	{"an object is found by each of its keys, until it gives it up", objectKeys},
	{"a use is no change", objectTouch},
	{"nothing of another environment is found, changed or deleted", objectIsolation},
	{"what cannot be stored is refused", objectRefused},
}

// object is a new application.
func object(id string) store.Object {
	return store.Object{
		Environment: env1, Kind: store.KindApplication, ID: id, Data: []byte(`{"name":"` + id + `"}`),
		Unique: []string{"name " + id}, Lookups: []string{"origin https://app.example.com"},
		CreatedAt: Now, UpdatedAt: Now.Add(time.Second),
	}
}

// child is a new grant of an application.
func child(parent, id string) store.Object {
	return store.Object{Environment: env1, Kind: store.KindGrant, ID: id, Parent: parent, Data: []byte(`{}`), CreatedAt: Now, UpdatedAt: Now}
}

// apply makes a change that has to succeed.
func apply(t testing.TB, s store.Store, w store.Write) {
	t.Helper()
	if w.Environment == "" {
		w.Environment = env1
	}
	if err := s.Apply(testContext(t), w); err != nil {
		t.Fatalf("Apply = %v", err)
	}
}

// putObjects stores them, each with its environment.
func putObjects(t testing.TB, s store.Store, objects ...store.Object) {
	t.Helper()
	for _, o := range objects {
		apply(t, s, store.Write{Environment: o.Environment, Put: []store.Object{o}})
	}
}

// wantObject checks what is stored of an object; a nil want is that it is not there.
func wantObject(t testing.TB, s store.Store, environment string, kind store.ObjectKind, id string, want *store.Object) {
	t.Helper()
	got, err := s.ObjectByID(testContext(t), environment, kind, id)
	if want == nil {
		if !errors.Is(err, store.ErrNotFound) {
			t.Errorf("ObjectByID of %s %s = %v, want ErrNotFound", kind, id, err)
		}
		return
	}
	if diff := cmp.Diff(*want, got); diff != "" || err != nil {
		t.Errorf("ObjectByID of %s %s: %v (-want +got):\n%s", kind, id, err, diff)
	}
}

// objectIDs are the IDs of a list, in its order.
func objectIDs(list []store.Object) string {
	out := make([]string, 0, len(list))
	for _, o := range list {
		out = append(out, o.ID)
	}
	return strings.Join(out, " ")
}

func version(t testing.TB, s store.Store, environment string) int64 {
	t.Helper()
	v, err := s.ObjectsVersion(testContext(t), environment)
	if err != nil {
		t.Fatalf("ObjectsVersion = %v", err)
	}
	return v
}

func objectRoundTrip(t *testing.T, s store.Store) {
	ctx := testContext(t)
	full := object("full")
	full.Parent, full.Sealed = "parent", []byte{1, 2, 0}
	full.Unique = append(full.Unique, strings.Repeat("ü", 1024)) // 2048 bytes
	full.UsedAt = Now                                            // is not Apply's to change
	bare := store.Object{Environment: env1, Kind: store.KindApplication, ID: "bare"}
	for _, want := range []store.Object{full, bare} {
		putObjects(t, s, want)
		want.Version, want.UsedAt = 1, time.Time{}
		wantObject(t, s, env1, want.Kind, want.ID, &want)
		for _, f := range []store.ObjectFilter{
			{Environment: env1, Kind: store.KindApplication},
			{Environment: env1, Kind: store.KindApplication, Parent: want.Parent},
		} {
			list, err := s.ListObjects(ctx, f, "", 10)
			if i := strings.Index(objectIDs(list), want.ID); i < 0 || err != nil {
				t.Errorf("ListObjects of %v: %s, %v, want %s", f, objectIDs(list), err, want.ID)
				continue
			}
			for _, got := range list {
				if diff := cmp.Diff(want, got); got.ID == want.ID && diff != "" {
					t.Errorf("ListObjects of %v (-want +got):\n%s", f, diff)
				}
			}
		}
		for _, key := range append(want.Unique, want.Lookups...) {
			list, err := s.ObjectsByKey(ctx, env1, want.Kind, key, 10)
			if diff := cmp.Diff([]store.Object{want}, list); diff != "" || err != nil {
				t.Errorf("ObjectsByKey: %v (-want +got):\n%s", err, diff)
			}
		}
		if want.Parent != "" {
			list, err := s.ChildrenOf(ctx, env1, want.Parent, 10)
			if diff := cmp.Diff([]store.Object{want}, list); diff != "" || err != nil {
				t.Errorf("ChildrenOf: %v (-want +got):\n%s", err, diff)
			}
		}
	}
	for _, id := range []string{"unknown", "", "\xff", strings.Repeat("i", 513)} {
		wantObject(t, s, env1, store.KindApplication, id, nil)
	}
	wantObject(t, s, env1, store.KindResource, "full", nil)
}

func objectReplace(t *testing.T, s store.Store) {
	putObjects(t, s, object("a"))
	want := object("a")
	for v := int64(1); v <= 3; v++ {
		want.Version = v
		want.Parent, want.Data, want.Sealed = fmt.Sprint("p", v), []byte{byte(v)}, []byte{byte(v), 0}
		want.Unique, want.Lookups = []string{fmt.Sprint("u", v)}, nil
		want.CreatedAt, want.UpdatedAt = Now.Add(time.Duration(v)*time.Hour), Now.Add(time.Duration(v)*time.Minute)
		putObjects(t, s, want)
		stored := want
		stored.Version = v + 1
		wantObject(t, s, env1, want.Kind, "a", &stored)
	}
}

func objectPages(t *testing.T, s store.Store) {
	ctx := testContext(t)
	for _, id := range []string{"b", "d", "a", "c", "ä", "Z"} {
		putObjects(t, s, object(id))
		g := child("a", "of a "+id)
		if id == "d" {
			g = child("b", "of b")
		}
		putObjects(t, s, g)
	}
	app, grants := store.ObjectFilter{Environment: env1, Kind: store.KindApplication}, store.ObjectFilter{Environment: env1, Kind: store.KindGrant}
	ofA := grants
	ofA.Parent = "a"
	for _, tt := range []struct {
		f     store.ObjectFilter
		after string
		limit int
		want  string
	}{
		{app, "", 10, "Z a b c d ä"}, // byte by byte
		{app, "", 2, "Z a"},
		{app, "a", 2, "b c"},
		{app, "bb", 2, "c d"},
		{app, "ä", 2, ""},
		{app, "", 0, ""},
		{app, "", -1, ""},
		{app, "\xff", 10, ""},
		{grants, "", 10, "of a Z of a a of a b of a c of a ä of b"},
		{ofA, "", 10, "of a Z of a a of a b of a c of a ä"},
		{ofA, "of a a", 2, "of a b of a c"},
		{store.ObjectFilter{Environment: env2, Kind: store.KindApplication}, "", 10, ""},
	} {
		list, err := s.ListObjects(ctx, tt.f, tt.after, tt.limit)
		if got := objectIDs(list); got != tt.want || err != nil {
			t.Errorf("ListObjects(%v, %q, %d) = %q, %v, want %q", tt.f, tt.after, tt.limit, got, err, tt.want)
		}
	}
}

func objectEnvironments(t *testing.T, s store.Store) {
	ctx := testContext(t)
	before := version(t, s, "")
	for _, id := range []string{env2, env1, "0-env"} {
		putObjects(t, s, store.Object{Environment: id, Kind: store.KindEnvironment, ID: id, Unique: []string{"host " + id}})
		putObjects(t, s, store.Object{Environment: id, Kind: store.KindPopulation, ID: "p"})
	}
	for _, tt := range []struct {
		environment, after string
		limit              int
		want               string
	}{
		{"", "", 10, "0-env " + env1 + " " + env2},
		{"", "", 2, "0-env " + env1},
		{"", "0-env", 1, env1},
		{"", env2, 10, ""},
		{env1, "", 10, env1},
	} {
		list, err := s.ListObjects(ctx, store.ObjectFilter{Environment: tt.environment, Kind: store.KindEnvironment}, tt.after, tt.limit)
		if got := objectIDs(list); got != tt.want || err != nil {
			t.Errorf("ListObjects of environments %q behind %q = %q, %v, want %q", tt.environment, tt.after, got, err, tt.want)
		}
	}
	if list, err := s.ListObjects(ctx, store.ObjectFilter{Kind: store.KindPopulation}, "", 10); len(list) > 0 || err != nil {
		t.Errorf("ListObjects of populations without an environment = %v, %v, want none", list, err)
	}
	if got := version(t, s, "") - before; got != 3 {
		t.Errorf("environments were changed %d times, want 3", got)
	}
	if err := s.Apply(ctx, store.Write{Environment: env1, Put: []store.Object{{Environment: env1, Kind: store.KindEnvironment, ID: "other"}}}); err == nil {
		t.Error("Apply of an environment in another = nil, want an error")
	}
}

func objectChildren(t *testing.T, s store.Store) {
	ctx := testContext(t)
	attribute := child("a", "2")
	attribute.Kind = store.KindApplicationAttribute
	elsewhere := child("a", "5")
	elsewhere.Environment = env2
	putObjects(t, s, object("a"), child("a", "3"), attribute, child("a", "1"), child("b", "4"), elsewhere)
	for _, tt := range []struct {
		environment, parent string
		limit               int
		want                string
	}{
		{env1, "a", 10, "2 1 3"},
		{env1, "a", 2, "2 1"},
		{env1, "b", 10, "4"},
		{env2, "a", 10, "5"},
		{env1, "", 10, ""},
		{env1, "a", 0, ""},
		{env1, "\xff", 10, ""},
	} {
		list, err := s.ChildrenOf(ctx, tt.environment, tt.parent, tt.limit)
		if got := objectIDs(list); got != tt.want || err != nil {
			t.Errorf("ChildrenOf(%s, %q, %d) = %q, %v, want %q", tt.environment, tt.parent, tt.limit, got, err, tt.want)
		}
	}
}

func objectKeys(t *testing.T, s store.Store) {
	ctx := testContext(t)
	found := func(key, want string) {
		t.Helper()
		list, err := s.ObjectsByKey(ctx, env1, store.KindApplication, key, 2)
		if got := objectIDs(list); got != want || err != nil {
			t.Errorf("ObjectsByKey(%q) = %q, %v, want %q", key, got, err, want)
		}
	}
	a, b, c := object("a"), object("b"), object("c")
	a.Lookups, b.Lookups, c.Lookups = []string{"shared", "name a", "shared"}, []string{"shared"}, []string{"shared"} // one twice
	putObjects(t, s, c, b, a)
	found("name a", "a")
	found("shared", "a b")
	found("SHARED", "")
	found("name", "")
	found("\x00", "")
	other, err := s.ObjectsByKey(ctx, env1, store.KindResource, "shared", 10)
	if len(other) > 0 || err != nil {
		t.Errorf("ObjectsByKey of another kind = %v, %v, want none", other, err)
	}

	a.Version, a.Unique, a.Lookups = 1, []string{"name A"}, []string{"other"}
	putObjects(t, s, a)
	found("name a", "")
	found("name A", "a")
	found("shared", "b c")
	found("other", "a")
	apply(t, s, store.Write{Delete: []store.ObjectVersion{{Kind: store.KindApplication, ID: "b"}}})
	found("shared", "c")
	found("name b", "")

	// A key changes hands within one write, in whatever order.
	c.Version, c.Unique = 1, []string{"name A"}
	a.Version, a.Unique = 2, []string{"name c"}
	apply(t, s, store.Write{Put: []store.Object{c, a}})
	found("name A", "c")
	found("name c", "a")
	d := object("d")
	d.Unique = []string{"name A"}
	apply(t, s, store.Write{Put: []store.Object{d}, Delete: []store.ObjectVersion{{Kind: store.KindApplication, ID: "c", Version: 2}}})
	found("name A", "d")
}

func objectTouch(t *testing.T, s store.Store) {
	ctx := testContext(t)
	putObjects(t, s, object("a"))
	before := version(t, s, env1)
	want := object("a")
	want.Version = 1
	for _, at := range []time.Time{Now.Add(time.Hour), Now.Add(time.Minute + time.Microsecond)} {
		for _, id := range []string{"a", "unknown", "\xff"} {
			if err := s.TouchObject(ctx, env1, store.KindApplication, id, at); err != nil {
				t.Errorf("TouchObject(%q) = %v, want nil", id, err)
			}
		}
		want.UsedAt = at
		wantObject(t, s, env1, want.Kind, "a", &want)
	}
	if got := version(t, s, env1); got != before {
		t.Errorf("ObjectsVersion = %d, want %d as before", got, before)
	}
	putObjects(t, s, want)
	want.Version = 2
	wantObject(t, s, env1, want.Kind, "a", &want) // a replacement leaves it
}

func objectIsolation(t *testing.T, s store.Store) {
	ctx := testContext(t)
	there := object("a")
	there.Environment, there.Data = env2, []byte("there")
	putObjects(t, s, object("a"), child("a", "g"), there)
	v1, v2 := version(t, s, env1), version(t, s, env2)
	if v1 == 0 || v2 == 0 {
		t.Errorf("ObjectsVersion = %d, %d, want more than 0", v1, v2)
	}
	grant := child("a", "g2")
	grant.Environment = env2
	putObjects(t, s, grant)
	apply(t, s, store.Write{Environment: env2, Delete: []store.ObjectVersion{{Kind: store.KindApplication, ID: "a"}}})
	here := object("a")
	here.Version = 1
	wantObject(t, s, env1, store.KindApplication, "a", &here)
	g := child("a", "g")
	g.Version = 1
	wantObject(t, s, env1, store.KindGrant, "g", &g)
	wantObject(t, s, env2, store.KindGrant, "g2", nil)
	if err := s.TouchObject(ctx, env2, store.KindApplication, "a", Now); err != nil {
		t.Error(err)
	}
	wantObject(t, s, env1, store.KindApplication, "a", &here)
	if list, err := s.ObjectsByKey(ctx, env2, store.KindApplication, "name a", 10); len(list) > 0 || err != nil {
		t.Errorf("ObjectsByKey elsewhere = %v, %v, want none", list, err)
	}
	if got := version(t, s, env1); got != v1 {
		t.Errorf("ObjectsVersion here = %d, want %d as before", got, v1)
	}
	if got := version(t, s, "unknown"); got != 0 {
		t.Errorf("ObjectsVersion of an environment that was never changed = %d, want 0", got)
	}
	for name, w := range map[string]store.Write{
		"object":     {Put: []store.Object{there}},
		"user":       {PutUsers: []store.User{{Environment: env2, ID: "u", Username: "u"}}},
		"credential": {PutCredentials: []store.Credential{{Environment: env2, Subject: "u"}}},
		"event":      {Events: []store.Event{{Environment: env2, ID: "e"}}},
		"delivery":   {Deliveries: []store.Delivery{{Environment: env2, ID: "d"}}},
		"revocation": {Revocations: []store.Revocation{{Environment: env2, Kind: store.RevokedToken, Value: "x"}}},
	} {
		w.Environment = env1
		if err := s.Apply(ctx, w); err == nil || errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrExists) {
			t.Errorf("Apply with another environment's %s = %v, want an error of its own", name, err)
		}
	}
}

func objectRefused(t *testing.T, s store.Store) {
	ctx := testContext(t)
	for name, change := range map[string]func(*store.Object){
		"no ID":                   func(o *store.Object) { o.ID = "" },
		"513 bytes of ID":         func(o *store.Object) { o.ID = strings.Repeat("i", 513) },
		"NUL in the parent":       func(o *store.Object) { o.Parent = "a\x00" },
		"a kind that is not text": func(o *store.Object) { o.Kind = "\xff" },
		"a key of 2049 bytes":     func(o *store.Object) { o.Unique = []string{strings.Repeat("k", 2049)} },
		"NUL in a key":            func(o *store.Object) { o.Lookups = []string{"\x00"} },
	} {
		o := object("bad")
		change(&o)
		err := s.Apply(ctx, store.Write{Environment: env1, Put: []store.Object{object("good"), o}})
		if err == nil || errors.Is(err, store.ErrExists) || errors.Is(err, store.ErrConflict) {
			t.Errorf("Apply with %s = %v, want an error of its own", name, err)
		}
		wantObject(t, s, env1, store.KindApplication, "good", nil)
	}
	long := object(strings.Repeat("i", 512))
	long.Kind, long.Parent = store.ObjectKind(strings.Repeat("k", 512)), strings.Repeat("p", 512)
	long.Data = []byte(strings.Repeat("x", 1<<20))
	putObjects(t, s, long)
	long.Version = 1
	wantObject(t, s, env1, long.Kind, long.ID, &long)
}
