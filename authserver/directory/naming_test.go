package directory_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// meddled is a store in which something else is done just before the next write
// that what accepts.
type meddled struct {
	store.Store
	once sync.Once
	what func(store.Write) bool
	do   func()
}

func (m *meddled) Apply(ctx context.Context, w store.Write) error {
	if m.what != nil && m.what(w) {
		m.once.Do(m.do)
	}
	return m.Store.Apply(ctx, w)
}

// between makes that do happens at the last moment before a write.
func between(t *testing.T) (mine *node, other *node, at func(what func(store.Write) bool, do func())) {
	t.Helper()
	st, clock := testkit.Store(t), testkit.NewClock(start)
	m := &meddled{Store: st}
	return nodeOn(t, m, clock), nodeOn(t, st, clock), func(what func(store.Write) bool, do func()) {
		m.once, m.what, m.do = sync.Once{}, what, do
	}
}

func deletes(w store.Write) bool { return len(w.Delete) > 0 }
func puts(w store.Write) bool    { return len(w.Put) > 0 }

// TestUserInADeletedPopulation: somebody who is put into a population in the moment in which it is
// deleted keeps it, or is not put there.
func TestUserInADeletedPopulation(t *testing.T) {
	mine, other, at := between(t)
	staff := mine.create(t, "", population("Staff"))
	at(deletes, func() {
		_, err := other.CreateUser(t.Context(), actor, other.env, store.User{Username: "bob", Population: staff.ID}, nil)
		if err != nil {
			t.Error(err)
		}
	})
	err := mine.Delete(t.Context(), actor, mine.env, store.KindPopulation, "", staff.ID, directory.Precondition{})
	if got := problem(err); got != "Bad Request CONSTRAINT_VIOLATION id" {
		t.Errorf("error = %q, want that it has users (%v)", got, err)
	}
	if it, err := mine.live.Item(t.Context(), mine.env, store.KindPopulation, "", staff.ID); err != nil || it.Document.Label() != "Staff" {
		t.Errorf("the population = %v, want that it is there again", err)
	}

	people := mine.create(t, "", population("People"))
	at(func(w store.Write) bool { return len(w.PutUsers) > 0 }, func() {
		if err := other.Delete(t.Context(), actor, other.env, store.KindPopulation, "", people.ID, directory.Precondition{}); err != nil {
			t.Error(err)
		}
	})
	_, err = mine.CreateUser(t.Context(), actor, mine.env, store.User{Username: "carol", Population: people.ID}, nil)
	if got := problem(err); got != "Bad Request INVALID_VALUE population.id" {
		t.Errorf("error = %q, want that there is no such population (%v)", got, err)
	}
	if _, err := mine.live.UserByName(t.Context(), demo, "carol"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the user: %v, want ErrNotFound", err)
	}
}

// TestGrantOnADeletedResource: a grant that is made in the moment in which its
// resource is deleted goes too, or is not made.
func TestGrantOnADeletedResource(t *testing.T) {
	mine, other, at := between(t)
	app := mine.create(t, "", worker("Shop"))
	make := func(n *node, resource, scope string) (*directory.Item, error) {
		return n.Create(t.Context(), actor, n.env, directory.New{Parent: app.ID, Document: &directory.Grant{
			Resource: directory.Reference{ID: resource}, Scopes: []directory.Reference{{ID: scope}},
		}})
	}
	one := mine.create(t, "", api("one"))
	scope := mine.create(t, one.ID, &directory.Scope{Name: "one:read"})
	var grant *directory.Item
	at(deletes, func() {
		var err error
		if grant, err = make(other, one.ID, scope.ID); err != nil {
			t.Error(err)
		}
	})
	if err := mine.Delete(t.Context(), actor, mine.env, store.KindResource, "", one.ID, directory.Precondition{}); err != nil {
		t.Fatal(err)
	}
	if _, err := mine.live.Item(t.Context(), mine.env, store.KindGrant, app.ID, grant.ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the grant: %v, want ErrNotFound", err)
	}

	two := mine.create(t, "", api("two"))
	scope = mine.create(t, two.ID, &directory.Scope{Name: "two:read"})
	at(puts, func() {
		if err := other.Delete(t.Context(), actor, other.env, store.KindResource, "", two.ID, directory.Precondition{}); err != nil {
			t.Error(err)
		}
	})
	if _, err := make(mine, two.ID, scope.ID); problem(err) != "Bad Request INVALID_VALUE resource.id" {
		t.Errorf("error = %v, want that there is no such resource", err)
	}
	if got := mine.list(t, store.KindGrant, app.ID, 10); len(got) != 0 {
		t.Errorf("%d grants, want none", len(got))
	}
}

// TestChildOfADeletedParent is not stored.
func TestChildOfADeletedParent(t *testing.T) {
	mine, other, at := between(t)
	app := mine.create(t, "", worker("Shop"))
	at(puts, func() {
		if err := other.Delete(t.Context(), actor, other.env, store.KindApplication, "", app.ID, directory.Precondition{}); err != nil {
			t.Error(err)
		}
	})
	_, err := mine.Create(t.Context(), actor, mine.env, directory.New{Parent: app.ID, Document: &directory.ApplicationAttribute{Name: "a", Value: "b"}})
	if got := problem(err); got != "Not Found" {
		t.Errorf("error = %q, want 404 (%v)", got, err)
	}
	children, err := mine.store.ChildrenOf(t.Context(), demo, app.ID, 10)
	if err != nil || len(children) != 0 {
		t.Errorf("%d children of what is gone, %v, want none", len(children), err)
	}
}

// TestRoleOfADeletedUser is not stored for long.
func TestRoleOfADeletedUser(t *testing.T) {
	mine, other, at := between(t)
	bob := mine.user(t, "bob")
	at(puts, func() {
		if err := other.DeleteUser(t.Context(), actor, other.env, bob.ID, directory.Precondition{}); err != nil {
			t.Error(err)
		}
	})
	role, _ := directory.RoleByName("Environment Admin")
	_, err := mine.Create(t.Context(), actor, mine.env, directory.New{Parent: bob.ID, Document: &directory.RoleAssignment{
		Role: directory.Reference{ID: role.ID}, Scope: directory.AssignmentScope{ID: demo, Type: directory.ScopeEnvironment}, Holder: directory.HolderUser,
	}})
	if got := problem(err); got != "Not Found" {
		t.Errorf("error = %q, want 404 (%v)", got, err)
	}
	children, err := mine.store.ChildrenOf(t.Context(), demo, bob.ID, 10)
	if err != nil || len(children) != 0 {
		t.Errorf("%d roles of somebody who is gone, %v, want none", len(children), err)
	}
}

// TestRolesOnADeletedApplication go with it: its ID may come back.
func TestRolesOnADeletedApplication(t *testing.T) {
	n := newNode(t)
	bob, app := n.user(t, "bob"), n.create(t, "", worker("Shop"))
	role, ok := directory.RoleByName("Application Owner")
	if !ok {
		t.Skip("no role is for applications")
	}
	n.create(t, bob.ID, &directory.RoleAssignment{
		Role: directory.Reference{ID: role.ID}, Scope: directory.AssignmentScope{ID: app.ID, Type: directory.ScopeApplication}, Holder: directory.HolderUser,
	})
	if err := n.Delete(t.Context(), actor, n.env, store.KindApplication, "", app.ID, directory.Precondition{}); err != nil {
		t.Fatal(err)
	}
	if got := n.list(t, store.KindRoleAssignment, bob.ID, 10); len(got) != 0 {
		t.Errorf("%d roles of bob, want none", len(got))
	}
}
