package directory_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/declared"
)

func tenant(name string) *directory.Environment {
	return &directory.Environment{Name: name, Type: "SANDBOX", Region: "EU"}
}

// TestStoredEnvironment is like a declared one, next to that of its creator.
func TestStoredEnvironment(t *testing.T) {
	n := newNode(t)
	it := n.create(t, "", tenant("Shop"))
	e, err := n.live.EnvironmentByID(t.Context(), it.ID)
	if err != nil {
		t.Fatal(err)
	}
	want := *n.env
	want.ID, want.Name, want.Issuer = it.ID, "Shop", "https://auth.example.com/"+it.ID+"/as"
	want.Branding.Name, want.Stored = "Shop", true
	if diff := cmp.Diff(want, *e); diff != "" {
		t.Errorf("environment (-want +got):\n%s", diff)
	}
	if again, err := n.live.EnvironmentByID(t.Context(), it.ID); err != nil || again != e {
		t.Errorf("the second lookup gives %p, %v, want %p", again, err, e)
	}
	d := it.Document.(*directory.Environment)
	if d.Status != "ACTIVE" || d.Organization.ID != n.env.Organization || d.License == nil {
		t.Errorf("document = %+v, want active, of the organization, with a licence", d)
	}
	all, err := n.live.Environments(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 3 || !slices.Contains(all, e) {
		t.Errorf("%d environments, want two declared ones and the same value of the new one", len(all))
	}
	if events := n.events(t, it.ID); len(events) != 1 || events[0].Action != "ENVIRONMENT.CREATED" || events[0].ActorEnvironment != demo {
		t.Errorf("events = %v, want its creation by an actor of the demo environment", events)
	}
	// Something in it changes: it is the same one.
	if _, err := n.Create(t.Context(), actor, e, directory.New{Document: population("Staff")}); err != nil {
		t.Fatal(err)
	}
	if again, err := n.live.EnvironmentByID(t.Context(), it.ID); err != nil || again != e {
		t.Errorf("after a change in it the lookup gives %p, %v, want %p", again, err, e)
	}
}

// TestStoredEnvironmentInherits: what the configuration says of all environments is that of a stored one as well, as of the configuration that is read now.
func TestStoredEnvironmentInherits(t *testing.T) {
	n := newNode(t)
	it := n.create(t, "", tenant("Shop"))
	for _, url := range []string{"", "https://mtls.example.com", "https://mtls.example.net", ""} {
		c := config()
		c.MTLSURL = url
		d, err := declared.New(c)
		if err != nil {
			t.Fatal(err)
		}
		live := &directory.Live{Declared: d, Store: n.store, Sealer: sealer, Now: n.clock.Now}
		want := url
		if url != "" {
			want += "/" + it.ID + "/as"
		}
		e, err := live.EnvironmentByID(t.Context(), it.ID)
		if err != nil {
			t.Fatal(err)
		}
		all, err := live.Environments(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if e.MTLSURL != want || !slices.Contains(all, e) {
			t.Errorf("mtls_url %q, want %q, and the same in the list", e.MTLSURL, want)
		}
	}
}

func TestEnvironmentProblems(t *testing.T) {
	n := newNode(t)
	n.create(t, "", tenant("Shop"))
	text := func(s string) *string { return &s }
	tests := []struct {
		name string
		edit func(*directory.Environment)
		want string
	}{
		{"good", func(*directory.Environment) {}, ""},
		{"opaque tokens", func(e *directory.Environment) { e.Name, e.AccessTokenFormat = "Opaque", text("OPAQUE") }, ""},
		{"JWTs", func(e *directory.Environment) { e.Name, e.AccessTokenFormat = "Signed", text("JWT") }, ""},
		{"tokens of another format", func(e *directory.Environment) { e.AccessTokenFormat = text("opaque") }, "Bad Request INVALID_VALUE accessTokenFormat"},
		{"tokens of no format", func(e *directory.Environment) { e.AccessTokenFormat = text("") }, "Bad Request INVALID_VALUE accessTokenFormat"},
		{"no name", func(e *directory.Environment) { e.Name = " " }, "Bad Request REQUIRED_VALUE name"},
		{"a long name", func(e *directory.Environment) { e.Name = strings.Repeat("x", 257) }, "Bad Request SIZE_LIMIT_EXCEEDED name"},
		{"the longest name", func(e *directory.Environment) { e.Name = strings.Repeat("x", 256) }, ""},
		{"the name of a stored one", func(e *directory.Environment) { e.Name = "shop" }, "Bad Request UNIQUENESS_VIOLATION name"},
		{"the name of a declared one", func(e *directory.Environment) { e.Name = "Demo" }, "Bad Request UNIQUENESS_VIOLATION name"},
		// Without an organization that is declared, each declared environment is one of its own.
		{"the name of one of another organization", func(e *directory.Environment) { e.Name = "other" }, ""},
		{"a long description", func(e *directory.Environment) { e.Description = text(strings.Repeat("x", 1025)) }, "Bad Request SIZE_LIMIT_EXCEEDED description"},
		{"no type", func(e *directory.Environment) { e.Type = "" }, "Bad Request REQUIRED_VALUE type"},
		{"another type", func(e *directory.Environment) { e.Type = "TEST" }, "Bad Request INVALID_VALUE type"},
		{"no region", func(e *directory.Environment) { e.Region = "" }, "Bad Request REQUIRED_VALUE region"},
		{"another region", func(e *directory.Environment) { e.Region = "MOON" }, "Bad Request INVALID_VALUE region"},
		{"a licence that is no ID", func(e *directory.Environment) { e.License = &directory.Reference{ID: "gold"} }, "Bad Request INVALID_VALUE license.id"},
		{"an icon that is no address", func(e *directory.Environment) { e.Icon = text("javascript:alert(1)") }, "Bad Request INVALID_VALUE icon"},
		{"an icon", func(e *directory.Environment) { e.Icon = text("https://cdn.example.com/i.png") }, ""},
		{"a product without a type", func(e *directory.Environment) {
			e.BillOfMaterials = &directory.BillOfMaterials{Products: []directory.Product{{}}}
		}, "Bad Request INVALID_VALUE billOfMaterials.products[0].type"},
		{"somebody else's issuer", func(e *directory.Environment) { e.Issuer = "https://evil.example.com/as" }, ""},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := tenant(fmt.Sprint("Tenant ", i))
			tt.edit(d)
			it, err := n.Create(t.Context(), actor, n.env, directory.New{Document: d})
			if got := problem(err); got != tt.want {
				t.Fatalf("error = %q, want %q (%v)", got, tt.want, err)
			}
			if err == nil && it.Document.(*directory.Environment).Issuer != "https://auth.example.com/"+it.ID+"/as" {
				t.Errorf("issuer = %s, want that of the creator's server", it.Document.(*directory.Environment).Issuer)
			}
		})
	}
}

// TestRenameEnvironment acts at once, and what is the server's stays.
func TestRenameEnvironment(t *testing.T) {
	n := newNode(t)
	it := n.create(t, "", tenant("Shop"))
	before, err := n.live.EnvironmentByID(t.Context(), it.ID)
	if err != nil {
		t.Fatal(err)
	}
	_, err = n.Update(t.Context(), actor, nil, store.KindEnvironment, "", it.ID, directory.Precondition{Version: 1}, func(*directory.Item) (directory.Document, error) {
		return tenant("Store"), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	after, err := n.live.EnvironmentByID(t.Context(), it.ID)
	if err != nil {
		t.Fatal(err)
	}
	if after.Name != "Store" || after.Branding.Name != "Store" || after.Issuer != before.Issuer || after.APIAudience != before.APIAudience {
		t.Errorf("after = %+v, want the new name, and everything else as before", after)
	}
	if before.Name != "Shop" {
		t.Error("what was handed out before has been changed")
	}
	n.create(t, "", tenant("Shop")) // the old name is free
	_, err = n.Update(t.Context(), actor, nil, store.KindEnvironment, "", it.ID, directory.Precondition{}, rename("Shop"))
	if got := problem(err); got != "Bad Request UNIQUENESS_VIOLATION name" {
		t.Errorf("error = %q, want that the name is taken", got)
	}
	_, err = n.Update(t.Context(), actor, nil, store.KindEnvironment, "", demo, directory.Precondition{}, rename("New"))
	if detail := details(err); len(detail) != 1 || !strings.Contains(detail[0].Message, "Caddyfile:3") {
		t.Errorf("a declared one: %v, want where it is declared", err)
	}
}

// TestOneEnvironmentName: of many who want a name at the same time one gets it, on
// whatever node.
func TestOneEnvironmentName(t *testing.T) {
	st, clock := testkit.Store(t), testkit.NewClock(start)
	nodes := []*node{nodeOn(t, st, clock), nodeOn(t, st, clock)}
	var wg sync.WaitGroup
	errs := make([]error, 16)
	for i := range errs {
		n := nodes[i%2]
		wg.Go(func() { _, errs[i] = n.Create(t.Context(), actor, n.env, directory.New{Document: tenant("Shop")}) })
	}
	wg.Wait()
	count := map[string]int{}
	for _, err := range errs {
		count[problem(err)]++
	}
	if diff := cmp.Diff(map[string]int{"": 1, "Bad Request UNIQUENESS_VIOLATION name": len(errs) - 1}, count); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
}

// TestNameOfNobody: a name that was claimed by a process that then ended is free
// again soon after.
func TestNameOfNobody(t *testing.T) {
	n := newNode(t)
	crashed, cancel := context.WithCancel(t.Context())
	n.Deliveries = func(context.Context, *store.Environment, *store.Event) ([]store.Delivery, error) {
		cancel()
		return nil, crashed.Err()
	}
	if _, err := n.Create(crashed, actor, n.env, directory.New{Document: tenant("Shop")}); err == nil {
		t.Fatal("the environment was created")
	}
	n.Deliveries = func(context.Context, *store.Environment, *store.Event) ([]store.Delivery, error) { return nil, nil }
	if _, err := n.Create(t.Context(), actor, n.env, directory.New{Document: tenant("Shop")}); problem(err) != "Bad Request UNIQUENESS_VIOLATION name" {
		t.Errorf("at once: %v, want that somebody is about to have the name", err)
	}
	n.clock.Advance(2 * time.Minute)
	n.create(t, "", tenant("Shop"))
}

// TestDeletedEnvironment is gone at once on every node, and all that was in it a
// little later.
func TestDeletedEnvironment(t *testing.T) {
	st, clock := testkit.Store(t), testkit.NewClock(start)
	here, there := nodeOn(t, st, clock), nodeOn(t, st, clock)
	it := here.create(t, "", tenant("Shop"))
	e, err := there.live.EnvironmentByID(t.Context(), it.ID)
	if err != nil {
		t.Fatal(err)
	}
	resource, err := here.Create(t.Context(), actor, e, directory.New{Document: api("billing")})
	if err != nil {
		t.Fatal(err)
	}
	app, err := here.Create(t.Context(), actor, e, directory.New{Document: worker("Batch")})
	if err != nil {
		t.Fatal(err)
	}
	bob := here.user(t, "bob")
	role, _ := directory.RoleByName("Environment Admin")
	here.create(t, bob.ID, &directory.RoleAssignment{
		Role: directory.Reference{ID: role.ID}, Scope: directory.AssignmentScope{ID: it.ID, Type: directory.ScopeEnvironment}, Holder: directory.HolderUser,
	})
	written := len(here.events(t, demo))
	if err := here.Delete(t.Context(), actor, nil, store.KindEnvironment, "", it.ID, directory.Precondition{Version: 7}); problem(err) != "Precondition Failed" {
		t.Errorf("an old version: %v, want 412", err)
	}
	if err := here.Delete(t.Context(), actor, nil, store.KindEnvironment, "", demo, directory.Precondition{}); problem(err) != "Bad Request CONSTRAINT_VIOLATION id" {
		t.Errorf("a declared one: %v, want 400", err)
	}
	if err := here.Delete(t.Context(), actor, nil, store.KindEnvironment, "", it.ID, directory.Precondition{Version: 1}); err != nil {
		t.Fatal(err)
	}

	for name, n := range map[string]*node{"here": here, "there": there} {
		if _, err := n.live.EnvironmentByID(t.Context(), it.ID); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: %v, want ErrNotFound", name, err)
		}
		if _, err := n.live.ClientByID(t.Context(), it.ID, app.ID); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: its application: %v, want ErrNotFound", name, err)
		}
		if _, err := n.live.Item(t.Context(), nil, store.KindEnvironment, "", it.ID); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: item: %v, want ErrNotFound", name, err)
		}
		items, _, err := n.live.Items(t.Context(), nil, store.KindEnvironment, "", "", 10)
		if err != nil || len(items) != 2 {
			t.Errorf("%s: %d environments listed, %v, want the two declared ones", name, len(items), err)
		}
	}
	revoked := here.revocations(t)
	if !revoked["audience billing"] || !revoked["audience "+e.APIAudience] {
		t.Errorf("revocations = %v, want the tokens for its resource and for the API to end", revoked)
	}
	if last := here.events(t, demo)[written:]; len(last) != 1 || last[0].Action != "ENVIRONMENT.DELETED" || last[0].Object != it.ID {
		t.Errorf("events where the actor is = %v, want the deletion", last)
	}
	if err := here.Delete(t.Context(), actor, nil, store.KindEnvironment, "", it.ID, directory.Precondition{}); problem(err) != "Not Found" {
		t.Errorf("deleted again: %v, want 404", err)
	}
	second := here.create(t, "", tenant("Shop")) // the name is free

	left := func() int {
		o, err := st.ListObjects(t.Context(), store.ObjectFilter{Environment: it.ID, Kind: store.KindResource}, "", 10)
		if err != nil {
			t.Fatal(err)
		}
		return len(o)
	}
	if err := there.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left() != 1 {
		t.Error("it was purged at once, while requests may be under way")
	}
	clock.Advance(2 * time.Hour)
	for range 2 {
		if err := there.Purge(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := st.ObjectByID(t.Context(), it.ID, store.KindResource, resource.ID); !errors.Is(err, store.ErrNotFound) || left() != 0 {
		t.Errorf("its resource after the purge: %v, want ErrNotFound", err)
	}
	if _, err := here.live.EnvironmentByID(t.Context(), second.ID); err != nil {
		t.Errorf("another one after the purge: %v", err)
	}
	if got := here.list(t, store.KindRoleAssignment, bob.ID, 10); len(got) != 0 {
		t.Errorf("%d roles on it after the purge, want none", len(got))
	}
	if got := len(here.events(t, demo)) - written; got != 2 {
		t.Errorf("%d events of the demo environment since, want the deletion and the role that went", got)
	}
}

// TestEnvironmentMadeAnew: under the ID of a deleted one, whatever a node remembers that has not heard of the deletion.
func TestEnvironmentMadeAnew(t *testing.T) {
	st, clock := testkit.Store(t), testkit.NewClock(start)
	here, there := nodeOn(t, st, clock), nodeOn(t, st, clock)
	it := here.create(t, "", tenant("Shop"))
	if _, err := there.live.EnvironmentByID(t.Context(), it.ID); err != nil {
		t.Fatal(err)
	}
	if err := here.Delete(t.Context(), actor, nil, store.KindEnvironment, "", it.ID, directory.Precondition{}); err != nil {
		t.Fatal(err)
	}
	clock.Advance(2 * time.Hour)
	if err := here.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := here.Create(t.Context(), actor, here.env, directory.New{ID: it.ID, Document: tenant("Warehouse")}); err != nil {
		t.Fatal(err)
	}
	for name, n := range map[string]*node{"here": here, "there": there} {
		e, err := n.live.EnvironmentByID(t.Context(), it.ID)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if again, _ := n.live.EnvironmentByID(t.Context(), it.ID); e.Name != "Warehouse" || again != e {
			t.Errorf("%s: the environment is %q, want the new one, and the same one each time", name, e.Name)
		}
	}
}

// TestEnvironmentsAreListedOnce: until one changes, on whatever node.
func TestEnvironmentsAreListedOnce(t *testing.T) {
	st, clock := testkit.Store(t), testkit.NewClock(start)
	here, there := nodeOn(t, st, clock), nodeOn(t, st, clock)
	counted := &listings{Store: st}
	here.live.Store = counted
	names := func() (names []string) {
		t.Helper()
		all, err := here.live.Environments(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range all {
			names = append(names, e.Name)
		}
		return names
	}
	var id string
	tests := []struct {
		name   string
		change func() error
		want   []string
	}{
		{"declared ones", func() error { return nil }, []string{"demo", "other"}},
		{"one is created", func() error { id = there.create(t, "", tenant("Shop")).ID; return nil }, []string{"demo", "other", "Shop"}},
		{"it is renamed", func() error {
			_, err := there.Update(t.Context(), actor, nil, store.KindEnvironment, "", id, directory.Precondition{}, rename("Store"))
			return err
		}, []string{"demo", "other", "Store"}},
		{"it is deleted", func() error {
			return there.Delete(t.Context(), actor, nil, store.KindEnvironment, "", id, directory.Precondition{})
		}, []string{"demo", "other"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.change(); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, names()); diff != "" {
				t.Errorf("environments (-want +got):\n%s", diff)
			}
			before := counted.n
			names()
			if counted.n != before {
				t.Error("they were listed again, although none was changed")
			}
		})
	}
}

// listings counts how often objects are listed.
type listings struct {
	store.Store
	n int
}

func (l *listings) ListObjects(ctx context.Context, f store.ObjectFilter, after string, limit int) ([]store.Object, error) {
	l.n++
	return l.Store.ListObjects(ctx, f, after, limit)
}
