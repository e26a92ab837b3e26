package directory_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// TestItemsInOrder: built in, declared, stored, each by ID, whatever the size of a page.
func TestItemsInOrder(t *testing.T) {
	n := newNode(t)
	for i := range 7 {
		n.create(t, "", api(fmt.Sprint("api-", i)))
	}
	var want []string
	for _, it := range n.list(t, store.KindResource, "", 100) {
		want = append(want, it.ID)
	}
	if len(want) != 2+1+7 {
		t.Fatalf("%d resources, want 2 built-in ones, 1 declared, 7 stored", len(want))
	}
	if want[2] != "orders" || !slices.IsSorted(want[:2]) || !slices.IsSorted(want[3:]) {
		t.Errorf("order = %v, want built-in ones, orders, stored ones, each by ID", want)
	}
	for _, size := range []int{1, 2, 3, 4, 9, 10, 11} {
		var got []string
		for _, it := range n.list(t, store.KindResource, "", size) {
			got = append(got, it.ID)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("pages of %d (-want +got):\n%s", size, diff)
		}
	}
	if _, _, err := n.live.Items(t.Context(), n.env, store.KindResource, "", "x", 10); err == nil {
		t.Error("a mark that is none was accepted")
	}
}

// TestOverlay: a built-in object that was changed is in its place, once, as it was
// changed, and found by its keys of now alone.
func TestOverlay(t *testing.T) {
	n := newNode(t)
	first := directory.FirstPopulation(demo)
	staff := n.create(t, "", population("Staff"))
	before, err := n.live.Item(t.Context(), n.env, store.KindPopulation, "", first)
	if err != nil {
		t.Fatal(err)
	}
	if !before.Builtin || before.Version != 0 {
		t.Errorf("built-in = %t at version %d, want true at 0", before.Builtin, before.Version)
	}
	changed, err := n.Update(t.Context(), actor, n.env, store.KindPopulation, "", first, directory.Precondition{}, rename("Everybody"))
	if err != nil {
		t.Fatal(err)
	}
	if changed.Version != 1 || !changed.Builtin {
		t.Errorf("changed = version %d, built-in %t, want 1, true", changed.Version, changed.Builtin)
	}
	if before.Document.Label() != "Default" {
		t.Error("what was read before has been changed")
	}
	for size := 1; size < 4; size++ {
		var got []string
		for _, it := range n.list(t, store.KindPopulation, "", size) {
			got = append(got, fmt.Sprintf("%s %s %t", it.ID, it.Document.Label(), it.Builtin))
		}
		want := []string{first + " Everybody true", staff.ID + " Staff false"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("pages of %d (-want +got):\n%s", size, diff)
		}
	}
	for key, want := range map[string]int{"name default": 0, "name everybody": 1, "name staff": 1, "name nobody": 0} {
		items, err := n.live.ItemsByKey(t.Context(), n.env, store.KindPopulation, key, 5)
		if err != nil {
			t.Fatal(err)
		}
		if len(items) != want {
			t.Errorf("%q finds %d, want %d", key, len(items), want)
		}
	}
	// Its old name is free, and the second change is one of the stored object.
	n.create(t, "", population("Default"))
	_, err = n.Update(t.Context(), actor, n.env, store.KindPopulation, "", first, directory.Precondition{Version: 1}, rename("All"))
	if err != nil {
		t.Errorf("a second change: %v", err)
	}
}

// TestParents: an object is found below its parent alone, and lists have but those.
func TestParents(t *testing.T) {
	n := newNode(t)
	one, two := n.create(t, "", api("one")), n.create(t, "", api("two"))
	scope := n.create(t, one.ID, &directory.Scope{Name: "read"})
	n.create(t, two.ID, &directory.Scope{Name: "read"})
	if _, err := n.live.Item(t.Context(), n.env, store.KindScope, two.ID, scope.ID); err == nil {
		t.Error("a scope was found below another resource")
	}
	if _, err := n.live.Item(t.Context(), n.env, store.KindScope, one.ID, scope.ID); err != nil {
		t.Errorf("a scope below its resource: %v", err)
	}
	if got := n.list(t, store.KindScope, one.ID, 10); len(got) != 1 || got[0].ID != scope.ID {
		t.Errorf("scopes of one = %d, want its own", len(got))
	}
	if got := n.list(t, store.KindScope, "orders", 10); len(got) != 1 || got[0].Declared == "" {
		t.Errorf("scopes of a declared resource = %v, want the declared one", got)
	}
	if err := n.Delete(t.Context(), actor, n.env, store.KindScope, two.ID, scope.ID, directory.Precondition{}); problem(err) != "Not Found" {
		t.Errorf("deleted below another resource: %v, want 404", err)
	}
}

// TestRegisteredClients are applications that can be read and deleted, and not changed.
func TestRegisteredClients(t *testing.T) {
	n := newNode(t)
	const id = "0198f000-0000-7000-8000-000000000001"
	err := n.store.PutRegisteredClient(t.Context(), store.RegisteredClient{
		Environment: demo, ID: id, CreatedAt: start, Metadata: []byte("{}"),
		Client: store.Client{Name: "Stranger", Type: store.WebApp, Enabled: true, AuthMethod: "none"},
	})
	if err != nil {
		t.Fatal(err)
	}
	it, err := n.live.Item(t.Context(), n.env, store.KindApplication, "", id)
	if err != nil {
		t.Fatal(err)
	}
	if !it.Registered || it.Document.Label() != "Stranger" {
		t.Errorf("item = registered %t, %q, want the registered client", it.Registered, it.Document.Label())
	}
	_, err = n.Update(t.Context(), actor, n.env, store.KindApplication, "", id, directory.Precondition{}, rename("Friend"))
	if got := problem(err); got != "Bad Request CONSTRAINT_VIOLATION id" {
		t.Errorf("change = %q, want that it is refused", got)
	}
	if err := n.Delete(t.Context(), actor, n.env, store.KindApplication, "", id, directory.Precondition{}); err != nil {
		t.Fatal(err)
	}
	if _, err := n.live.ClientByID(t.Context(), demo, id); err == nil {
		t.Error("it is still a client")
	}
	if !n.revocations(t)["client "+id] {
		t.Error("its tokens have not ended")
	}
	if want := (directory.End{Kind: store.RevokedClient, Value: id, All: true}); !slices.Contains(n.ends(), want) {
		t.Errorf("ends = %v, want %v", n.ends(), want)
	}
	if events := n.events(t, demo); len(events) != 1 || events[0].Action != "APPLICATION.DELETED" {
		t.Errorf("events = %v, want its deletion", events)
	}
}

// TestListOfRegisteredClients: they come behind all other applications, on pages of any size.
func TestListOfRegisteredClients(t *testing.T) {
	n := newNode(t)
	stored := n.create(t, "", &directory.Application{
		Name: "Stored", Enabled: true, Protocol: "OPENID_CONNECT", Type: "SERVICE", TokenEndpointAuthMethod: "CLIENT_SECRET_BASIC",
		GrantTypes: []string{"CLIENT_CREDENTIALS"},
	}).ID
	ids := []string{
		"0198f000-0000-7000-8000-000000000001", "0198f000-0000-7000-8000-000000000002", "0198f000-0000-7000-8000-000000000003",
	}
	for _, id := range ids {
		err := n.store.PutRegisteredClient(t.Context(), store.RegisteredClient{
			Environment: demo, ID: id, CreatedAt: start, Metadata: []byte("{}"),
			Client: store.Client{Name: "Stranger", Type: store.WebApp, Enabled: true, AuthMethod: "none"},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	list := func(size int) (got []string) {
		for after := ""; ; {
			items, next, err := n.live.Items(t.Context(), n.env, store.KindApplication, "", after, size)
			if err != nil {
				t.Fatal(err)
			}
			for _, it := range items {
				got = append(got, it.ID)
				if it.Registered != slices.Contains(ids, it.ID) {
					t.Errorf("%s: registered = %t", it.ID, it.Registered)
				}
			}
			if after = next; next == "" {
				return got
			}
		}
	}
	all := list(100)
	if !slices.Equal(all[len(all)-4:], append([]string{stored}, ids...)) {
		t.Errorf("applications = %q, want %s and the registered ones last", all, stored)
	}
	for size := 1; size <= len(all); size++ {
		if got := list(size); !slices.Equal(got, all) {
			t.Errorf("in pages of %d: %q, want %q", size, got, all)
		}
	}
	if err := n.Delete(t.Context(), actor, n.env, store.KindApplication, "", ids[1], directory.Precondition{}); err != nil {
		t.Fatal(err)
	}
	if got := list(2); len(got) != len(all)-1 || slices.Contains(got, ids[1]) {
		t.Errorf("after its deletion: %q", got)
	}
}

// FuzzMark: a mark that somebody made up gives objects behind it, or an error, and
// never what is not of the kind.
func FuzzMark(f *testing.F) {
	n := newNode(f)
	for i := range 3 {
		n.create(f, "", api(fmt.Sprint("api-", i)))
	}
	for _, mark := range []string{"", "b", "d", "s", "sorders", "dorders", "z", "x", "s\x00", "b\xff", "s" + strings.Repeat("x", 600)} {
		f.Add(mark, 2)
	}
	f.Fuzz(func(t *testing.T, mark string, size int) {
		size = 1 + (size&0xff)%10
		items, next, err := n.live.Items(t.Context(), n.env, store.KindResource, "", mark, size)
		if err != nil {
			return
		}
		if len(items) > size || next != "" && len(items) < size {
			t.Errorf("%d items and next %q, want at most %d", len(items), next, size)
		}
		for _, it := range items {
			if it.Kind != store.KindResource || it.Environment != demo {
				t.Errorf("item = %s of %s, want resources of the environment", it.Kind, it.Environment)
			}
		}
	})
}
