package directory_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
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
	demo  = "5f0c9f3a-6c1e-4c55-9a3b-2d7f8e1b4a60"
	other = "6a0c9f3a-6c1e-4c55-9a3b-2d7f8e1b4a61"
)

var start = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

// actor is somebody in the demo environment.
var actor = directory.Actor{Environment: demo, Client: "worker", ClientName: "A worker", Correlation: "corr-1"}

// config is a configuration with two environments; the demo one has something of everything.
func config() declared.Config {
	return declared.Config{Environments: []declared.Environment{
		{
			Name: "demo", ID: demo, Issuer: "https://auth.example.com/" + demo + "/as", DeclaredAt: "Caddyfile:3",
			Users: []declared.User{
				{Username: "Alice", Password: "alice-demo-pass", Claims: map[string]any{"email": "alice@example.com"}, DeclaredAt: "Caddyfile:4"},
			},
			Resources: []declared.Resource{
				{Name: "orders", Audience: "https://orders.example.com", Scopes: []string{"orders:read"}, DeclaredAt: "Caddyfile:5"},
			},
			Applications: []declared.Application{{
				ClientID: "demo-web", Type: "web_app", Secret: "demo-web-secret", RedirectURIs: []string{"https://app.example.com/cb"},
				Allow: []string{"openid", "orders:read"}, DeclaredAt: "Caddyfile:6",
			}},
		},
		{Name: "other", ID: other, Issuer: "https://auth.example.com/" + other + "/as"},
	}}
}

// node is one server on a store.
type node struct {
	*directory.Writer
	store store.Store
	live  *directory.Live
	clock *testkit.Clock
	env   *store.Environment
	log   *testkit.Buffer

	mu    sync.Mutex
	ended []directory.End
	// failEnds makes Ended fail.
	failEnds error
}

func sealer(bool) (*secret.Sealer, error) { return secret.NewSealer(make([]byte, secret.KeySize)) }

// newNode is a server on a store of its own.
func newNode(t testing.TB) *node {
	t.Helper()
	return nodeOn(t, testkit.Store(t), testkit.NewClock(start))
}

func nodeOn(t testing.TB, st store.Store, clock *testkit.Clock) *node {
	t.Helper()
	d, err := declared.New(config())
	if err != nil {
		t.Fatal(err)
	}
	n := &node{store: st, clock: clock, log: new(testkit.Buffer)}
	n.live = &directory.Live{
		Declared: d, Store: st, Sealer: sealer, Now: clock.Now,
		Open: func(c store.RegisteredClient) (*store.Client, error) {
			opened := c.Client
			opened.Environment, opened.ID, opened.Registered = c.Environment, c.ID, true
			return &opened, nil
		},
	}
	n.Writer = &directory.Writer{
		Live: n.live, Store: st, Sealer: sealer, NewID: secret.NewID, Now: clock.Now, Retention: 24 * time.Hour,
		Log: slog.New(slog.NewJSONHandler(n.log, nil)),
		Deliveries: func(_ context.Context, env *store.Environment, e *store.Event) ([]store.Delivery, error) {
			return nil, nil
		},
		Ended: func(_ context.Context, _ *store.Environment, e directory.End) error {
			n.mu.Lock()
			defer n.mu.Unlock()
			if n.failEnds != nil {
				return n.failEnds
			}
			n.ended = append(n.ended, e)
			return nil
		},
	}
	if n.env, err = n.live.EnvironmentByID(t.Context(), demo); err != nil {
		t.Fatal(err)
	}
	return n
}

func (n *node) ends() []directory.End {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.ended
}

// events are all events of an environment, oldest first, as "<action> <object>".
func (n *node) events(t *testing.T, env string) []store.Event {
	t.Helper()
	list, err := n.store.ListEvents(t.Context(), store.EventFilter{Environment: env}, "", 1000, n.clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	for i, j := 0, len(list)-1; i < j; i, j = i+1, j-1 {
		list[i], list[j] = list[j], list[i]
	}
	return list
}

// problem is what an error tells a client: status, and code and target of the first detail.
func problem(err error) string {
	if err == nil {
		return ""
	}
	e, ok := errors.AsType[*oauth.Error](err)
	if !ok {
		return "not for clients: " + err.Error()
	}
	text := http.StatusText(e.Status)
	if len(e.Details) > 0 {
		text += " " + e.Details[0].Code + " " + e.Details[0].Target
	}
	return text
}

// create creates an object in the demo environment.
func (n *node) create(t testing.TB, parent string, d directory.Document) *directory.Item {
	t.Helper()
	it, err := n.Create(t.Context(), actor, n.env, directory.New{Parent: parent, Document: d})
	if err != nil {
		t.Fatalf("create %s: %v", d.Kind(), err)
	}
	return it
}

// list is everything of a kind, in pages of size.
func (n *node) list(t *testing.T, kind store.ObjectKind, parent string, size int) []*directory.Item {
	t.Helper()
	var all []*directory.Item
	for after := ""; ; {
		items, next, err := n.live.Items(t.Context(), n.env, kind, parent, after, size)
		if err != nil {
			t.Fatalf("list %s: %v", kind, err)
		}
		if len(items) > size || next != "" && len(items) < size {
			t.Fatalf("a page has %d items and next %q, want %d where there are more", len(items), next, size)
		}
		all = append(all, items...)
		if after = next; after == "" {
			return all
		}
	}
}

// worker is an application that is accepted.
func worker(name string) *directory.Application {
	return &directory.Application{
		Name: name, Enabled: true, Protocol: "OPENID_CONNECT", Type: "WORKER", TokenEndpointAuthMethod: "CLIENT_SECRET_BASIC",
		GrantTypes: []string{"CLIENT_CREDENTIALS"},
	}
}

// api is a resource that is accepted.
func api(name string) *directory.Resource { return &directory.Resource{Name: name} }

func population(name string) *directory.Population { return &directory.Population{Name: name} }

// rename is an edit.
func rename(name string) func(*directory.Item) (directory.Document, error) {
	return func(old *directory.Item) (directory.Document, error) {
		switch d := old.Document.(type) {
		case *directory.Application:
			d.Name = name
		case *directory.Resource:
			d.Name = name
		case *directory.Population:
			d.Name = name
		case *directory.Environment:
			d.Name = name
		}
		return old.Document, nil
	}
}

// details are those of an error for clients.
func details(err error) []oauth.Detail {
	if e, ok := errors.AsType[*oauth.Error](err); ok {
		return e.Details
	}
	return nil
}

// revocations are those that are needed now, as "<kind> <value>".
func (n *node) revocations(t *testing.T) map[string]bool {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	got := map[string]bool{}
	err := n.store.WatchRevocations(ctx, n.clock.Now(), store.RevocationWatcher{
		Deliver: func(r store.Revocation) { got[string(r.Kind)+" "+r.Value] = true },
		Alive:   func(bool) { cancel() },
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	return got
}
