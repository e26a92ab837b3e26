package directory_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// TestBatch: many changes are all made, each with its line, or none is.
func TestBatch(t *testing.T) {
	n := newNode(t)
	staff, people := n.create(t, "", population("Staff")), n.create(t, "", population("People"))
	bob := n.user(t, "bob")
	const id, user = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
	long := start.Add(-24 * time.Hour)
	changes := []directory.Change{
		{Kind: store.KindPopulation, ID: id, Document: population("New"), CreatedAt: long},
		{Kind: store.KindPopulation, ID: staff.ID, Document: population("Staff II"), CreatedAt: long},
		{Kind: store.KindPopulation, ID: people.ID},
		{User: &store.User{ID: user, Username: "carol"}, Credential: &store.Credential{Password: "$argon2id$x"}, CreatedAt: long},
		{Kind: store.KindUser, ID: bob.ID},
	}
	before := len(n.events(t, demo))
	refused := append(append([]directory.Change(nil), changes...), directory.Change{Kind: store.KindApplication, ID: "demo-web"})
	if err := n.Batch(t.Context(), actor, n.env, refused); problem(err) != "Bad Request CONSTRAINT_VIOLATION id" {
		t.Errorf("with a change of what is declared: %v, want 400", err)
	}
	if got := len(n.events(t, demo)); got != before {
		t.Errorf("%d events of what was not done", got-before)
	}
	if err := n.Batch(t.Context(), actor, n.env, changes); err != nil {
		t.Fatal(err)
	}
	var actions []string
	for _, e := range n.events(t, demo)[before:] {
		actions = append(actions, e.Action)
	}
	want := []string{"POPULATION.CREATED", "POPULATION.UPDATED", "POPULATION.DELETED", "USER.CREATED", "USER.DELETED"}
	if diff := cmp.Diff(want, actions); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	for _, id := range []string{id, staff.ID} {
		it, err := n.live.Item(t.Context(), n.env, store.KindPopulation, "", id)
		if err != nil {
			t.Fatal(err)
		}
		if !it.CreatedAt.Equal(long) {
			t.Errorf("%s was created %v, want %v", it.Document.Label(), it.CreatedAt, long)
		}
	}
	if u, err := n.live.UserByID(t.Context(), demo, user); err != nil || !u.CreatedAt.Equal(long) {
		t.Errorf("user = %v, %v, want one created %v", u, err, long)
	}
	// The same again is the same: what was deleted stays away.
	if err := n.Batch(t.Context(), actor, n.env, changes); err != nil {
		t.Errorf("again: %v", err)
	}
}

// TestBatchRefusesTwice: what only one may have, only one of a batch has, and no
// object is changed twice.
func TestBatchRefusesTwice(t *testing.T) {
	n := newNode(t)
	bob, staff := n.user(t, "bob"), n.create(t, "", population("Staff"))
	const one, two = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
	object := func(id, name string) directory.Change {
		return directory.Change{Kind: store.KindPopulation, ID: id, Document: population(name)}
	}
	user := func(id, name string) directory.Change {
		return directory.Change{User: &store.User{ID: id, Username: name}}
	}
	tests := []struct {
		name    string
		changes []directory.Change
		want    string
	}{
		{"a name", []directory.Change{object(one, "New"), object(two, "new")}, "Bad Request UNIQUENESS_VIOLATION name"},
		{"a new object", []directory.Change{object(one, "New"), object(one, "Newer")}, "Bad Request UNIQUENESS_VIOLATION id"},
		{"an object", []directory.Change{object(staff.ID, "New"), object(staff.ID, "Newer")}, "Bad Request UNIQUENESS_VIOLATION id"},
		{"a username", []directory.Change{user(one, "carol"), user(two, "carol")}, "Bad Request UNIQUENESS_VIOLATION username"},
		{"a new user", []directory.Change{user(one, "carol"), user(one, "dave")}, "Bad Request UNIQUENESS_VIOLATION id"},
		{"a user", []directory.Change{user(bob.ID, "carol"), user(bob.ID, "dave")}, "Bad Request UNIQUENESS_VIOLATION id"},
		{"a name of one that is deleted", []directory.Change{{Kind: store.KindPopulation, ID: staff.ID}, object(one, "Staff")}, ""},
		{"one that is deleted", []directory.Change{{Kind: store.KindPopulation, ID: one}, object(one, "Staff")}, "Bad Request UNIQUENESS_VIOLATION id"},
		{"a user who is deleted", []directory.Change{{Kind: store.KindUser, ID: bob.ID}, user(bob.ID, "bob")}, "Bad Request UNIQUENESS_VIOLATION id"},
		{"deleting", []directory.Change{{Kind: store.KindPopulation, ID: one}, {Kind: store.KindPopulation, ID: one}}, ""},
		{"different ones", []directory.Change{object(two, "New"), user(one, "carol"), user(bob.ID, "bob")}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := problem(n.Batch(t.Context(), actor, n.env, tt.changes)); got != tt.want {
				t.Errorf("error = %q, want %q", got, tt.want)
			}
		})
	}
}

// TestRecord keeps what is said and nothing else.
func TestRecord(t *testing.T) {
	n := newNode(t)
	err := n.Record(t.Context(), actor, n.env, store.Event{
		Action: "SESSION.DELETED", Kind: store.KindSession, Object: "s1", Parent: "u1", Environment: other, Client: "somebody else",
	})
	if err != nil {
		t.Fatal(err)
	}
	events := n.events(t, demo)
	if len(events) != 1 || events[0].Action != "SESSION.DELETED" || events[0].Client != actor.Client || events[0].Environment != demo {
		t.Errorf("events = %+v, want the one, by the actor", events)
	}
}

// TestBatchDeletesFamily: a parent and a child in one batch, in either order.
func TestBatchDeletesFamily(t *testing.T) {
	n := newNode(t)
	for _, parentFirst := range []bool{true, false} {
		resource := n.create(t, "", api("billing"))
		scope := n.create(t, resource.ID, &directory.Scope{Name: "read"})
		changes := []directory.Change{
			{Kind: store.KindResource, ID: resource.ID}, {Kind: store.KindScope, Parent: resource.ID, ID: scope.ID},
		}
		if !parentFirst {
			changes[0], changes[1] = changes[1], changes[0]
		}
		before := len(n.events(t, demo))
		if err := n.Batch(t.Context(), actor, n.env, changes); err != nil {
			t.Fatalf("parent first %t: %v", parentFirst, err)
		}
		said := map[string]int{}
		for _, e := range n.events(t, demo)[before:] {
			said[e.Action]++
		}
		if said["RESOURCE.DELETED"] != 1 || said["SCOPE.DELETED"] != 1 {
			t.Errorf("parent first %t: events = %v, want one for each", parentFirst, said)
		}
	}
}

// TestBatchIntoNowhere: who reads a long file into an environment that is deleted meanwhile is told.
func TestBatchIntoNowhere(t *testing.T) {
	n := newNode(t)
	it := n.create(t, "", tenant("Shop"))
	env, err := n.live.EnvironmentByID(t.Context(), it.ID)
	if err != nil {
		t.Fatal(err)
	}
	changes := []directory.Change{{User: &store.User{ID: "33333333-3333-4333-8333-333333333333", Username: "dora"}}}
	if err := n.Batch(t.Context(), actor, env, changes); err != nil {
		t.Errorf("before the deletion: %v", err)
	}
	if err := n.Delete(t.Context(), actor, nil, store.KindEnvironment, "", it.ID, directory.Precondition{}); err != nil {
		t.Fatal(err)
	}
	if err := n.Batch(t.Context(), actor, env, changes); problem(err) != "Not Found" {
		t.Errorf("behind it: %v, want 404", err)
	}
}
