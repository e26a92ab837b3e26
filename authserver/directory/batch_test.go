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
