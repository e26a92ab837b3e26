package directory_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

func TestCreateUpdateDelete(t *testing.T) {
	n := newNode(t)
	created := n.create(t, "", population("Staff"))
	if created.Version != 1 || created.ID == "" || !created.CreatedAt.Equal(start) {
		t.Errorf("created = version %d, id %q, at %v, want version 1, an id, %v", created.Version, created.ID, created.CreatedAt, start)
	}
	n.clock.Advance(time.Minute)
	updated, err := n.Update(t.Context(), actor, n.env, store.KindPopulation, "", created.ID, directory.Precondition{}, rename("People"))
	if err != nil {
		t.Fatal(err)
	}
	if updated.Version != 2 || !updated.CreatedAt.Equal(start) || !updated.UpdatedAt.Equal(start.Add(time.Minute)) {
		t.Errorf("updated = version %d, %v, %v, want version 2, created %v, updated a minute later", updated.Version, updated.CreatedAt, updated.UpdatedAt, start)
	}
	it, err := n.live.Item(t.Context(), n.env, store.KindPopulation, "", created.ID)
	if err != nil {
		t.Fatal(err)
	}
	if got := it.Document.Label(); got != "People" || it.Version != 2 {
		t.Errorf("item = %q at %d, want People at 2", got, it.Version)
	}
	if err := n.Delete(t.Context(), actor, n.env, store.KindPopulation, "", created.ID, directory.Precondition{}); err != nil {
		t.Fatal(err)
	}
	if _, err := n.live.Item(t.Context(), n.env, store.KindPopulation, "", created.ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("after its deletion: %v, want ErrNotFound", err)
	}
	var got []string
	for _, e := range n.events(t, demo) {
		got = append(got, fmt.Sprintf("%s %t %t %s", e.Action, e.Before != nil, e.After != nil, e.Name))
		if e.Object != created.ID || e.Client != actor.Client || e.ActorEnvironment != demo || e.Correlation != "corr-1" {
			t.Errorf("event = %+v, want of %s by the actor", e, created.ID)
		}
	}
	want := []string{"POPULATION.CREATED false true Staff", "POPULATION.UPDATED true true People", "POPULATION.DELETED true false People"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	for _, action := range []string{"POPULATION.CREATED", "POPULATION.UPDATED", "POPULATION.DELETED"} {
		if !strings.Contains(n.log.String(), `"action":"`+action+`"`) {
			t.Errorf("the log has no line of %s", action)
		}
	}
	if strings.Contains(n.log.String(), "Staff") {
		t.Error("the log has what somebody wrote")
	}
}

func TestWriterRefuses(t *testing.T) {
	n := newNode(t)
	staff := n.create(t, "", population("Staff"))
	n.create(t, "", population("People"))
	app := n.create(t, "", worker("Shop"))
	first := directory.FirstPopulation(demo)
	const unknown = "11111111-1111-4111-8111-111111111111"
	create := func(parent, id string, d directory.Document) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := n.Create(ctx, actor, n.env, directory.New{ID: id, Parent: parent, Document: d})
			return err
		}
	}
	update := func(kind store.ObjectKind, id string, version int64, name string) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := n.Update(ctx, actor, n.env, kind, "", id, directory.Precondition{Version: version}, rename(name))
			return err
		}
	}
	remove := func(kind store.ObjectKind, id string, version int64) func(context.Context) error {
		return func(ctx context.Context) error {
			return n.Delete(ctx, actor, n.env, kind, "", id, directory.Precondition{Version: version})
		}
	}
	tests := []struct {
		name string
		do   func(context.Context) error
		want string
	}{
		{"a name that another has", create("", "", population("people")), "Bad Request UNIQUENESS_VIOLATION name"},
		{"a name that a built-in one has", create("", "", population("Default")), "Bad Request UNIQUENESS_VIOLATION name"},
		{"a name that a declared one has", create("", "", api("orders")), "Bad Request UNIQUENESS_VIOLATION name"},
		{"an id that another has", create("", staff.ID, population("New")), "Bad Request UNIQUENESS_VIOLATION id"},
		{"the id of a built-in one", create("", first, population("New")), "Bad Request UNIQUENESS_VIOLATION id"},
		{"the id of a declared one", create("", "orders", api("New")), "Bad Request UNIQUENESS_VIOLATION id"},
		{"a parent that is not there", create(unknown, "", &directory.ApplicationAttribute{Name: "a", Value: "b"}), "Not Found"},
		{"a parent of another kind", create(staff.ID, "", &directory.ApplicationAttribute{Name: "a", Value: "b"}), "Not Found"},
		{"a declared parent", create("demo-web", "", &directory.ApplicationAttribute{Name: "a", Value: "b"}), "Bad Request CONSTRAINT_VIOLATION id"},
		{"a parent", create(app.ID, "", &directory.ApplicationAttribute{Name: "a", Value: "b"}), ""},
		{"another name", update(store.KindPopulation, staff.ID, 0, "People"), "Bad Request UNIQUENESS_VIOLATION name"},
		{"an old version", update(store.KindPopulation, staff.ID, 7, "New"), "Precondition Failed"},
		{"one that is not there", update(store.KindPopulation, unknown, 0, "New"), "Not Found"},
		{"a declared one", update(store.KindApplication, "demo-web", 0, "New"), "Bad Request CONSTRAINT_VIOLATION id"},
		{"a built-in one that cannot be changed", update(store.KindResource, directory.OpenIDResource(demo), 0, "New"), "Bad Request CONSTRAINT_VIOLATION id"},
		{"the present version", update(store.KindPopulation, staff.ID, 1, "Staff II"), ""},
		{"deleting an old version", remove(store.KindPopulation, staff.ID, 1), "Precondition Failed"},
		{"deleting one that is not there", remove(store.KindPopulation, unknown, 0), "Not Found"},
		{"deleting a declared one", remove(store.KindResource, "orders", 0), "Bad Request CONSTRAINT_VIOLATION id"},
		{"deleting a built-in one", remove(store.KindPopulation, first, 0), "Bad Request CONSTRAINT_VIOLATION id"},
		{"deleting the present version", remove(store.KindPopulation, staff.ID, 2), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := len(n.events(t, demo))
			err := tt.do(t.Context())
			if got := problem(err); got != tt.want {
				t.Errorf("error = %q, want %q (%v)", got, tt.want, err)
			}
			if after := len(n.events(t, demo)); (after > before) != (tt.want == "") {
				t.Errorf("%d lines of the audit log, want some only for what was done", after-before)
			}
		})
	}
	t.Run("where it is declared is said", func(t *testing.T) {
		err := n.Delete(t.Context(), actor, n.env, store.KindApplication, "", "demo-web", directory.Precondition{})
		if detail := details(err); len(detail) != 1 || !strings.Contains(detail[0].Message, "Caddyfile:6") {
			t.Errorf("details = %v, want where it is declared", detail)
		}
	})
}

// TestLastWriteWins: of many who change one object at the same time each is heard,
// and none is lost from the audit log.
func TestLastWriteWins(t *testing.T) {
	n := newNode(t)
	it := n.create(t, "", population("Staff"))
	const writers = 50
	var wg sync.WaitGroup
	errs := make([]error, writers)
	for i := range writers {
		wg.Go(func() {
			_, errs[i] = n.Update(t.Context(), actor, n.env, store.KindPopulation, "", it.ID, directory.Precondition{},
				func(old *directory.Item) (directory.Document, error) {
					d := old.Document.(*directory.Population)
					d.AlternativeIdentifiers = []string{fmt.Sprint(old.Version)}
					return d, nil
				})
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	now, err := n.live.Item(t.Context(), n.env, store.KindPopulation, "", it.ID)
	if err != nil {
		t.Fatal(err)
	}
	if now.Version != writers+1 {
		t.Errorf("version = %d, want %d", now.Version, writers+1)
	}
	events := n.events(t, demo)
	if len(events) != writers+1 {
		t.Fatalf("%d events, want %d", len(events), writers+1)
	}
	seen := map[string]bool{}
	for _, e := range events[1:] {
		var after directory.Population
		if err := json.Unmarshal(e.After, &after); err != nil {
			t.Fatal(err)
		}
		seen[after.AlternativeIdentifiers[0]] = true
	}
	if len(seen) != writers {
		t.Errorf("%d different changes in the audit log, want %d: each was made of what was there", len(seen), writers)
	}
}

// TestIfMatch: of many who demand one version exactly one changes it.
func TestIfMatch(t *testing.T) {
	n := newNode(t)
	it := n.create(t, "", population("Staff"))
	var wg sync.WaitGroup
	errs := make([]error, 20)
	for i := range errs {
		wg.Go(func() {
			_, errs[i] = n.Update(t.Context(), actor, n.env, store.KindPopulation, "", it.ID, directory.Precondition{Version: 1}, rename(fmt.Sprint("P", i)))
		})
	}
	wg.Wait()
	count := map[string]int{}
	for _, err := range errs {
		count[problem(err)]++
	}
	if diff := cmp.Diff(map[string]int{"": 1, "Precondition Failed": len(errs) - 1}, count); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
}

// TestOneName: of many who want a name exactly one gets it.
func TestOneName(t *testing.T) {
	n := newNode(t)
	var wg sync.WaitGroup
	errs := make([]error, 20)
	for i := range errs {
		wg.Go(func() {
			_, errs[i] = n.Create(t.Context(), actor, n.env, directory.New{Document: population("Staff")})
		})
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

// TestDeleteTakesWhatBelongsToIt: children go along, grants on a resource too, and
// each has its line.
func TestDeleteTakesWhatBelongsToIt(t *testing.T) {
	n := newNode(t)
	resource := n.create(t, "", api("billing"))
	scope := n.create(t, resource.ID, &directory.Scope{Name: "bills:read"})
	app := n.create(t, "", worker("Shop"))
	grant := n.create(t, app.ID, &directory.Grant{
		Resource: directory.Reference{ID: resource.ID}, Scopes: []directory.Reference{{ID: scope.ID}},
	})
	before := len(n.events(t, demo))
	if err := n.Delete(t.Context(), actor, n.env, store.KindResource, "", resource.ID, directory.Precondition{}); err != nil {
		t.Fatal(err)
	}
	for _, gone := range []*directory.Item{resource, scope, grant} {
		if _, err := n.live.Item(t.Context(), n.env, gone.Kind, gone.Parent, gone.ID); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s after the resource went: %v, want ErrNotFound", gone.Kind, err)
		}
	}
	if _, err := n.live.Item(t.Context(), n.env, store.KindApplication, "", app.ID); err != nil {
		t.Errorf("the application went too: %v", err)
	}
	said := map[string]bool{}
	for _, e := range n.events(t, demo)[before:] {
		said[e.Action] = true
		if e.After != nil {
			t.Errorf("%s says what is left", e.Action)
		}
	}
	for _, want := range []string{"RESOURCE.DELETED", "SCOPE.DELETED", "GRANT.DELETED", "RESOURCE_ATTRIBUTE.DELETED", "SECRET.DELETED"} {
		if !said[want] {
			t.Errorf("no event %s among %v", want, said)
		}
	}
	revoked := n.revocations(t)
	if !revoked["audience billing"] {
		t.Errorf("revocations = %v, want the resource's tokens to end", revoked)
	}
}

// TestNoSecretInEvents: neither the audit log nor the server's log nor an item has
// a secret.
func TestNoSecretInEvents(t *testing.T) {
	n := newNode(t)
	app := worker("Shop")
	app.ClientSecret = "brought-along-secret-of-an-application"
	it := n.create(t, "", app)
	secret, err := n.live.Item(t.Context(), n.env, store.KindSecret, it.ID, it.ID)
	if err != nil {
		t.Fatal(err)
	}
	current := secret.Document.(*directory.Secret).Current()
	if current != string(app.ClientSecret) {
		t.Error("the secret is not the one that was brought along")
	}
	o, err := n.store.ObjectByID(t.Context(), demo, store.KindSecret, it.ID)
	if err != nil {
		t.Fatal(err)
	}
	for what, text := range map[string][]byte{"data": o.Data, "sealed": o.Sealed, "log": []byte(n.log.String())} {
		if strings.Contains(string(text), current) {
			t.Errorf("the %s has the secret", what)
		}
	}
	for _, e := range n.events(t, demo) {
		if strings.Contains(string(e.Before)+string(e.After), current) {
			t.Errorf("the event %s has the secret", e.Action)
		}
	}
}

// TestSealedElsewhere: a sealed part that was moved to another object does not open,
// and the object then cannot be read, which is not the same as that it is not there.
func TestSealedElsewhere(t *testing.T) {
	n := newNode(t)
	one, two := n.create(t, "", worker("One")), n.create(t, "", worker("Two"))
	a, err := n.store.ObjectByID(t.Context(), demo, store.KindSecret, one.ID)
	if err != nil {
		t.Fatal(err)
	}
	b, err := n.store.ObjectByID(t.Context(), demo, store.KindSecret, two.ID)
	if err != nil {
		t.Fatal(err)
	}
	b.Sealed = a.Sealed
	if err := n.store.Apply(t.Context(), store.Write{Environment: demo, Put: []store.Object{b}}); err != nil {
		t.Fatal(err)
	}
	if _, err := n.live.Item(t.Context(), n.env, store.KindSecret, one.ID, one.ID); err != nil {
		t.Errorf("the one that was not touched: %v", err)
	}
	_, err = n.live.Item(t.Context(), n.env, store.KindSecret, two.ID, two.ID)
	if got := problem(err); got != "Service Unavailable" {
		t.Errorf("error = %q, want that it cannot be told (%v)", got, err)
	}
	if _, err := n.live.ClientByID(t.Context(), demo, two.ID); problem(err) != "Service Unavailable" {
		t.Errorf("the application is a client: %v, want that it cannot be told", err)
	}
}

// TestCannotTell: a store that fails is 503, and what webhooks cannot be told is
// not done.
func TestCannotTell(t *testing.T) {
	n := newNode(t)
	n.Deliveries = func(context.Context, *store.Environment, *store.Event) ([]store.Delivery, error) {
		return nil, store.ErrUnavailable
	}
	_, err := n.Create(t.Context(), actor, n.env, directory.New{Document: population("Staff")})
	if got := problem(err); got != "Service Unavailable" {
		t.Errorf("error = %q, want 503 (%v)", got, err)
	}
	if got := n.list(t, store.KindPopulation, "", 10); len(got) != 1 {
		t.Errorf("%d populations, want the built-in one: nothing was stored", len(got))
	}
}

// TestDeliveries are stored along with the change that they are about.
func TestDeliveries(t *testing.T) {
	n := newNode(t)
	n.Deliveries = func(_ context.Context, env *store.Environment, e *store.Event) ([]store.Delivery, error) {
		return []store.Delivery{{
			Environment: env.ID, ID: e.ID, Kind: "webhook", Target: "https://hooks.example.com", Data: []byte(e.Action), NextAt: start, ExpiresAt: start.Add(time.Hour),
		}}, nil
	}
	n.create(t, "", population("Staff"))
	if _, err := n.Create(t.Context(), actor, n.env, directory.New{Document: population("Staff")}); err == nil {
		t.Fatal("the same name was accepted twice")
	}
	due, err := n.store.ClaimDeliveries(t.Context(), "webhook", start, start.Add(time.Minute), 10)
	if err != nil {
		t.Fatal(err)
	}
	if len(due) != 1 || string(due[0].Data) != "POPULATION.CREATED" {
		t.Errorf("deliveries = %v, want the one of the population that was created", due)
	}
}

// TestCrowded: what is read together is bounded, so that nobody makes an application
// or a resource too large to be read.
func TestCrowded(t *testing.T) {
	n := newNode(t)
	resource := n.create(t, "", api("billing"))
	const most = 5000
	var w store.Write
	w.Environment = demo
	for i := range most - 3 { // it has two from the beginning
		w.Put = append(w.Put, store.Object{
			Environment: demo, Kind: store.KindScope, ID: fmt.Sprint("scope-", i), Parent: resource.ID, Data: []byte(`{"name":"s"}`),
			CreatedAt: start, UpdatedAt: start,
		})
	}
	if err := n.store.Apply(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	n.create(t, resource.ID, &directory.Scope{Name: "last"})
	_, err := n.Create(t.Context(), actor, n.env, directory.New{Parent: resource.ID, Document: &directory.Scope{Name: "beyond"}})
	if got := problem(err); got != "Bad Request CONSTRAINT_VIOLATION id" {
		t.Errorf("error = %q, want that there are too many (%v)", got, err)
	}
	if _, err := n.live.ResourceByID(t.Context(), demo, resource.ID); err != nil {
		t.Errorf("the resource: %v", err)
	}
}
