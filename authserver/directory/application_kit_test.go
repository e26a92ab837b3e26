package directory_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/declared"
)

const (
	appEnv   = "5f0c9f3a-6c1e-4c55-9a3b-2d7f8e1b4a60"
	appEnvID = "http://localhost:8080/" + appEnv + "/as"
	appUser  = "0b7d3c52-9c1f-4f5e-8a44-6a1c2e9d7f99"
)

// appKit is a directory with an environment that declares a little, on an empty store.
type appKit struct {
	t      testing.TB
	live   *directory.Live
	writer *directory.Writer
	env    *store.Environment
	clock  *testkit.Clock
	store  store.Store

	mu    sync.Mutex
	ended []directory.End
}

// newAppKit makes one; change may alter what is declared.
func newAppKit(t testing.TB, change ...func(*declared.Environment)) *appKit {
	t.Helper()
	e := declared.Environment{
		Name: "demo", ID: appEnv, Issuer: appEnvID,
		Resources: []declared.Resource{{Name: "orders", Audience: "https://orders.example.com", Scopes: []string{"orders:read", "orders:write"}, Secret: "orders-secret"}},
		Users:     []declared.User{{Username: "alice", ID: appUser}},
		Applications: []declared.Application{{
			ClientID: "demo-web", Type: "web_app", Secret: "demo-web-secret", RedirectURIs: []string{"https://shop.example.com/cb"},
			Allow: []string{"openid", "orders:read"}, DeclaredAt: "Caddyfile:12",
			SignIn: declared.SignIn{Attributes: []declared.Attribute{{Claim: "tier", Source: "gold"}}},
		}},
	}
	for _, c := range change {
		c(&e)
	}
	dir, err := declared.New(declared.Config{Environments: []declared.Environment{e}})
	if err != nil {
		t.Fatal(err)
	}
	sealer, err := secret.NewSealer(make([]byte, secret.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	k := &appKit{t: t, clock: testkit.NewClock(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)), store: testkit.Store(t)}
	open := func(bool) (*secret.Sealer, error) { return sealer, nil }
	k.live = &directory.Live{
		Declared: dir, Store: k.store, Sealer: open, Now: k.clock.Now,
		Open: func(c store.RegisteredClient) (*store.Client, error) {
			opened := c.Client
			opened.Environment, opened.ID, opened.Registered = c.Environment, c.ID, true
			return &opened, nil
		},
	}
	k.writer = &directory.Writer{
		Live: k.live, Store: k.store, Sealer: open, NewID: secret.NewID, Now: k.clock.Now,
		Log:        slog.New(slog.DiscardHandler),
		Deliveries: func(context.Context, *store.Environment, *store.Event) ([]store.Delivery, error) { return nil, nil },
		Ended: func(_ context.Context, _ *store.Environment, e directory.End) error {
			k.mu.Lock()
			defer k.mu.Unlock()
			k.ended = append(k.ended, e)
			return nil
		},
		Retention: time.Hour,
	}
	if k.env, err = k.live.EnvironmentByID(t.Context(), appEnv); err != nil {
		t.Fatal(err)
	}
	return k
}

// create makes an object from JSON.
func (k *appKit) create(parent string, d directory.Document, text string) (*directory.Item, error) {
	k.t.Helper()
	if err := json.Unmarshal([]byte(text), d); err != nil {
		k.t.Fatalf("%s: %v", text, err)
	}
	n := directory.New{Parent: parent, Document: d}
	if a, ok := d.(*directory.Application); ok {
		n.ID = string(a.ClientID)
	}
	return k.writer.Create(k.t.Context(), directory.Actor{}, k.env, n)
}

// application creates one, which must be good.
func (k *appKit) application(text string) *directory.Item {
	k.t.Helper()
	it, err := k.create("", new(directory.Application), text)
	if err != nil {
		k.t.Fatalf("create %s: %v", text, err)
	}
	return it
}

// replace puts a document in the place of an object.
func (k *appKit) replace(it *directory.Item, d directory.Document, text string) (*directory.Item, error) {
	k.t.Helper()
	return k.writer.Update(k.t.Context(), directory.Actor{}, k.env, it.Kind, it.Parent, it.ID, directory.Precondition{},
		func(*directory.Item) (directory.Document, error) { return d, json.Unmarshal([]byte(text), d) })
}

func (k *appKit) remove(it *directory.Item) error {
	k.t.Helper()
	return k.writer.Delete(k.t.Context(), directory.Actor{}, k.env, it.Kind, it.Parent, it.ID, directory.Precondition{})
}

// client is what an application comes to.
func (k *appKit) client(id string) *store.Client {
	k.t.Helper()
	c, err := k.live.ClientByID(k.t.Context(), appEnv, id)
	if err != nil {
		k.t.Fatalf("client %s: %v", id, err)
	}
	return c
}

// children are the objects of a kind that belong to one.
func (k *appKit) children(kind store.ObjectKind, parent string) []*directory.Item {
	k.t.Helper()
	items, _, err := k.live.Items(k.t.Context(), k.env, kind, parent, "", 100)
	if err != nil {
		k.t.Fatal(err)
	}
	return items
}

// scope is the ID of a scope of a resource, by its name.
func (k *appKit) scope(resource, name string) string {
	k.t.Helper()
	for _, it := range k.children(store.KindScope, resource) {
		if it.Document.Label() == name {
			return it.ID
		}
	}
	k.t.Fatalf("resource %s has no scope %s", resource, name)
	return ""
}

// custom creates a resource with scopes and gives its ID.
func (k *appKit) custom(name string, scopes ...string) string {
	k.t.Helper()
	it, err := k.create("", new(directory.Resource), `{"name":"`+name+`"}`)
	if err != nil {
		k.t.Fatal(err)
	}
	for _, s := range scopes {
		if _, err := k.create(it.ID, new(directory.Scope), `{"name":"`+s+`"}`); err != nil {
			k.t.Fatal(err)
		}
	}
	return it.ID
}

// detail is "CODE target" of an error's first detail; "" for no error.
func appProblem(err error) string {
	if err == nil {
		return ""
	}
	e := oauth.From(err)
	if len(e.Details) == 0 {
		return e.Code + " " + e.Error()
	}
	return e.Details[0].Code + " " + e.Details[0].Target
}

// document is an item's JSON.
func appMembers(t testing.TB, it *directory.Item) map[string]any {
	t.Helper()
	b, err := json.Marshal(it.Document)
	if err != nil {
		t.Fatal(err)
	}
	var v map[string]any
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	return v
}
