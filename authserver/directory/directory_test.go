package directory_test

import (
	"context"
	"errors"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// TestChangesCountOnEveryNode: what one server changes counts for the next lookup of
// another.
func TestChangesCountOnEveryNode(t *testing.T) {
	st, clock := testkit.Store(t), testkit.NewClock(start)
	here, there := nodeOn(t, st, clock), nodeOn(t, st, clock)
	app := here.create(t, "", worker("Shop"))

	first, err := there.live.ClientByID(t.Context(), demo, app.ID)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := there.live.ClientByID(t.Context(), demo, app.ID); err != nil || again != first {
		t.Errorf("the second lookup is %p, %v, want the same value %p", again, err, first)
	}
	_, err = here.Update(t.Context(), actor, here.env, store.KindApplication, "", app.ID, directory.Precondition{},
		func(old *directory.Item) (directory.Document, error) {
			d := old.Document.(*directory.Application)
			d.Enabled = false
			return d, nil
		})
	if err != nil {
		t.Fatal(err)
	}
	if c, err := there.live.ClientByID(t.Context(), demo, app.ID); err != nil || c.Enabled {
		t.Errorf("after it was disabled elsewhere: %+v, %v, want a disabled client", c, err)
	}
	if !first.Enabled {
		t.Error("what was handed out before has been changed")
	}
	if err := here.Delete(t.Context(), actor, here.env, store.KindApplication, "", app.ID, directory.Precondition{}); err != nil {
		t.Fatal(err)
	}
	if _, err := there.live.ClientByID(t.Context(), demo, app.ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("after it was deleted elsewhere: %v, want ErrNotFound", err)
	}
}

// counting counts what a Live asks the store.
type counting struct {
	store.Store
	asked int
}

func (c *counting) ObjectsVersion(ctx context.Context, env string) (int64, error) {
	c.asked++
	return c.Store.ObjectsVersion(ctx, env)
}

func (c *counting) ObjectByID(ctx context.Context, env string, kind store.ObjectKind, id string) (store.Object, error) {
	c.asked++
	return c.Store.ObjectByID(ctx, env, kind, id)
}

func (c *counting) ChildrenOf(ctx context.Context, env, parent string, limit int) ([]store.Object, error) {
	c.asked++
	return c.Store.ChildrenOf(ctx, env, parent, limit)
}

func (c *counting) RegisteredClientByID(ctx context.Context, env, id string) (store.RegisteredClient, error) {
	c.asked++
	return c.Store.RegisteredClientByID(ctx, env, id)
}

func TestWhatTheStoreIsAsked(t *testing.T) {
	st := &counting{Store: testkit.Store(t)}
	n := nodeOn(t, st, testkit.NewClock(start))
	app, resource := n.create(t, "", worker("Shop")), n.create(t, "", api("billing"))
	tests := []struct {
		name string
		find func(context.Context) error
		want int // once it has been found before
	}{
		{"a declared environment", func(ctx context.Context) error { _, err := n.live.EnvironmentByID(ctx, demo); return err }, 0},
		{"a declared application", func(ctx context.Context) error { _, err := n.live.ClientByID(ctx, demo, "demo-web"); return err }, 0},
		{"a declared resource", func(ctx context.Context) error { _, err := n.live.ResourceByID(ctx, demo, "orders"); return err }, 0},
		{"a declared user", func(ctx context.Context) error { _, err := n.live.UserByName(ctx, demo, "Alice"); return err }, 0},
		{"an application with an ID that is none", func(ctx context.Context) error {
			if _, err := n.live.ClientByID(ctx, demo, "nobody"); !errors.Is(err, store.ErrNotFound) {
				return errors.New("found")
			}
			return nil
		}, 0},
		{"a stored application", func(ctx context.Context) error { _, err := n.live.ClientByID(ctx, demo, app.ID); return err }, 1},
		{"a stored resource", func(ctx context.Context) error { _, err := n.live.ResourceByID(ctx, demo, resource.ID); return err }, 1},
		{"OpenID Connect", func(ctx context.Context) error { _, err := n.live.OpenID(ctx, demo); return err }, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.find(t.Context()); err != nil {
				t.Fatal(err)
			}
			before := st.asked
			if err := tt.find(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := st.asked - before; got != tt.want {
				t.Errorf("%d questions, want %d", got, tt.want)
			}
		})
	}
}

// failing is a store that cannot be reached.
type failing struct{ store.Store }

func (failing) ObjectsVersion(context.Context, string) (int64, error) { return 0, store.ErrUnavailable }

// TestStoreAway: what is declared is found while the store is away, and anything
// else cannot be told.
func TestStoreAway(t *testing.T) {
	n := nodeOn(t, failing{testkit.Store(t)}, testkit.NewClock(start))
	if _, err := n.live.ClientByID(t.Context(), demo, "demo-web"); err != nil {
		t.Errorf("a declared application: %v", err)
	}
	const id = "11111111-1111-4111-8111-111111111111"
	for what, err := range map[string]error{
		"application": second(n.live.ClientByID(t.Context(), demo, id)),
		"resource":    second(n.live.ResourceByID(t.Context(), demo, id)),
		"environment": second(n.live.EnvironmentByID(t.Context(), id)),
		"address":     second(n.live.PostLogoutRedirectURI(t.Context(), demo, "https://app.example.com/bye")),
	} {
		if got := problem(err); got != "Service Unavailable" {
			t.Errorf("%s: %q, want 503 (%v)", what, got, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// TestUnreadable: an object that cannot be read is an error, and not as if it were not there.
func TestUnreadable(t *testing.T) {
	n := newNode(t)
	const id = "11111111-1111-4111-8111-111111111111"
	for _, kind := range []store.ObjectKind{store.KindApplication, store.KindResource, store.KindPopulation} {
		err := n.store.Apply(t.Context(), store.Write{Environment: demo, Put: []store.Object{{
			Environment: demo, Kind: kind, ID: id, Data: []byte(`{"name":7}`), CreatedAt: start, UpdatedAt: start,
		}}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := n.live.Item(t.Context(), n.env, kind, "", id); problem(err) != "Service Unavailable" {
			t.Errorf("%s: %v, want 503", kind, err)
		}
	}
	if _, err := n.live.ClientByID(t.Context(), demo, id); problem(err) != "Service Unavailable" {
		t.Errorf("client: %v, want 503", err)
	}
	if _, err := n.live.ResourceByID(t.Context(), demo, id); problem(err) != "Service Unavailable" {
		t.Errorf("resource: %v, want 503", err)
	}
}

// TestAddressesOfApplications: an address counts while an enabled application has it.
func TestAddressesOfApplications(t *testing.T) {
	n := newNode(t)
	const bye, origin = "https://app.example.com/bye", "https://app.example.com"
	app := worker("Shop")
	app.PostLogoutRedirectURIs = []string{bye}
	app.CORSSettings = &directory.CORS{Behavior: "ALLOW_SPECIFIC_ORIGINS", Origins: []string{origin}}
	it := n.create(t, "", app)
	check := func(when string, want bool) {
		t.Helper()
		if got, err := n.live.PostLogoutRedirectURI(t.Context(), demo, bye); err != nil || got != want {
			t.Errorf("%s: the address is known %t, %v, want %t", when, got, err, want)
		}
		if got, err := n.live.TrustedOrigin(t.Context(), demo, origin); err != nil || got != want {
			t.Errorf("%s: the origin is trusted %t, %v, want %t", when, got, err, want)
		}
		if got, err := n.live.PostLogoutRedirectURI(t.Context(), other, bye); err != nil || got {
			t.Errorf("%s: the address is known %t, %v, in another environment", when, got, err)
		}
	}
	check("enabled", true)
	_, err := n.Update(t.Context(), actor, n.env, store.KindApplication, "", it.ID, directory.Precondition{}, func(old *directory.Item) (directory.Document, error) {
		d := old.Document.(*directory.Application)
		d.Enabled = false
		return d, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	check("disabled", false)
}

// TestBroughtAlongID: an application may have an ID that is no UUID, as it had elsewhere.
func TestBroughtAlongID(t *testing.T) {
	n := newNode(t)
	it, err := n.Create(t.Context(), actor, n.env, directory.New{ID: "legacy-client", Document: worker("Legacy")})
	if err != nil {
		t.Fatal(err)
	}
	if c, err := n.live.ClientByID(t.Context(), demo, it.ID); err != nil || c.Name != "Legacy" {
		t.Errorf("client = %v, %v, want the application", c, err)
	}
	for _, id := range []string{"with space", "ümlaut-client", "nul\x00-client"} {
		if _, err := n.Create(t.Context(), actor, n.env, directory.New{ID: id, Document: worker("Other")}); problem(err) != "Bad Request INVALID_VALUE id" {
			t.Errorf("%q: %v, want 400", id, err)
		}
	}
}
