package transfer_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/identity"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/keys"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/declared"
	"github.com/caddy-gatehouse/gatehouse/authserver/transfer"
)

const (
	demo  = "5f0c9f3a-6c1e-4c55-9a3b-2d7f8e1b4a60"
	other = "6a0c9f3a-6c1e-4c55-9a3b-2d7f8e1b4a61"

	// What fill makes.
	shopID   = "11111111-0000-4000-8000-000000000001" // a web application with a secret
	robotID  = "11111111-0000-4000-8000-000000000002" // a worker
	ordersID = "22222222-0000-4000-8000-000000000001"
	readID   = "33333333-0000-4000-8000-000000000001"
	partners = "44444444-0000-4000-8000-000000000001"
	hookID   = "55555555-0000-4000-8000-000000000001"
	carolID  = "66666666-0000-4000-8000-000000000001"
	daveID   = "66666666-0000-4000-8000-000000000002"
)

var (
	start = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	actor = directory.Actor{Environment: demo, Client: "importer", ClientName: "Importer", Correlation: "corr-1"}
	// everything lets who imports give every role.
	everything = func(*directory.RoleAssignment) bool { return true }
)

// server is one server on a store of its own.
type server struct {
	*transfer.Transfer
	env   *store.Environment
	clock *testkit.Clock
}

func key(b byte) []byte { return bytes.Repeat([]byte{b}, secret.KeySize) }

func bare(environments ...string) declared.Config {
	var c declared.Config
	for _, id := range environments {
		c.Environments = append(c.Environments, declared.Environment{
			Name: id[:4], ID: id, Issuer: "https://auth.example.com/" + id + "/as", DeclaredAt: "Caddyfile:3", Organization: "77777777-0000-4000-8000-000000000001",
			SigningAlgorithm: "ES256",
		})
	}
	return c
}

// newServer makes one whose environment is the first that config declares.
func newServer(t testing.TB, config declared.Config, secretsKey []byte) *server {
	t.Helper()
	d, err := declared.New(config)
	if err != nil {
		t.Fatal(err)
	}
	st, clock := testkit.Store(t), testkit.NewClock(start)
	sealer := func(bool) (*secret.Sealer, error) { return secret.NewSealer(secretsKey) }
	log := slog.New(slog.DiscardHandler)
	live := &directory.Live{
		Declared: d, Store: st, Sealer: sealer, Now: clock.Now,
		Open: func(store.RegisteredClient) (*store.Client, error) { return nil, errors.New("nobody registers here") },
	}
	users := &identity.Users{Directory: live, Store: st, NewID: secret.NewID, Now: clock.Now}
	t.Cleanup(func() { _ = users.Close(context.Background()) })
	s := &server{clock: clock, Transfer: &transfer.Transfer{
		Live: live, Users: users, Store: st, Sealer: sealer,
		Keys: keys.New(keys.Config{Store: st, Sealer: sealer, Now: clock.Now, Log: log}),
		Writer: &directory.Writer{
			Live: live, Store: st, Sealer: sealer, NewID: secret.NewID, Now: clock.Now, Retention: time.Hour, Log: log,
			Deliveries: func(context.Context, *store.Environment, *store.Event) ([]store.Delivery, error) { return nil, nil },
			Ended:      func(context.Context, *store.Environment, directory.End) error { return nil },
		},
	}}
	s.env = s.environment(t, config.Environments[0].ID)
	s.env.SignOn.Argon2Memory, s.env.SignOn.Argon2Passes, s.env.SignOn.Argon2Lanes = 64, 1, 1 // quick
	return s
}

func (s *server) environment(t testing.TB, id string) *store.Environment {
	t.Helper()
	env, err := s.Live.EnvironmentByID(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return env
}

func ptr[T any](v T) *T { return &v }

// fill puts something of everything into the server's environment.
func (s *server) fill(t testing.TB) {
	t.Helper()
	create := func(id, parent string, d directory.Document) *directory.Item {
		t.Helper()
		it, err := s.Writer.Create(t.Context(), actor, s.env, directory.New{ID: id, Parent: parent, Document: d})
		if err != nil {
			t.Fatalf("create %s: %v", d.Kind(), err)
		}
		return it
	}
	create(partners, "", &directory.Population{Name: "Partners", Description: ptr("who sell & <ship>")})
	s.update(t, store.KindPopulation, "", directory.FirstPopulation(s.env.ID), func(d directory.Document) {
		d.(*directory.Population).DefaultPopulation = partners
	})
	create(ordersID, "", &directory.Resource{Name: "orders", Audience: ptr("https://orders.example.com")})
	create(readID, ordersID, &directory.Scope{Name: "orders:read"})
	create("", ordersID, &directory.ResourceAttribute{Name: "department", Value: ptr("${user.title}")})
	create(shopID, "", &directory.Application{
		Name: "Shop", Enabled: true, Protocol: "OPENID_CONNECT", Type: "WEB_APP", TokenEndpointAuthMethod: "CLIENT_SECRET_BASIC",
		GrantTypes: []string{"AUTHORIZATION_CODE"}, ResponseTypes: []string{"CODE"}, RedirectURIs: []string{"https://shop.example.com/cb"},
		AccessTokenFormat: ptr("OPAQUE"),
	})
	create(robotID, "", &directory.Application{
		Name: "Robot", Enabled: true, Protocol: "OPENID_CONNECT", Type: "WORKER", TokenEndpointAuthMethod: "CLIENT_SECRET_BASIC",
		GrantTypes: []string{"CLIENT_CREDENTIALS"},
	})
	create("", shopID, &directory.ApplicationAttribute{Name: "mail", Value: "${user.email}", Required: false})
	create("", shopID, &directory.Grant{Resource: directory.Reference{ID: ordersID}, Scopes: []directory.Reference{{ID: readID}}})
	create("", robotID, &directory.RoleAssignment{
		Role: directory.Reference{ID: directory.Roles()[1].ID}, Holder: directory.HolderApplication,
		Scope: directory.AssignmentScope{ID: s.env.ID, Type: directory.ScopeEnvironment},
	})
	create(hookID, "", &directory.Subscription{
		Name: "Hook", Enabled: ptr(true), VerifyTLSCertificates: ptr(true),
		HTTPEndpoint: &directory.SubscriptionEndpoint{URL: "https://hook.example.com/x", Headers: map[string]string{"Authorization": "Basic aGVhZGVyLXNlY3JldA=="}},
		Filter:       &directory.SubscriptionFilter{IncludedActionTypes: []string{"*"}, IncludedPopulations: []directory.Reference{{ID: directory.FirstPopulation(s.env.ID)}}},
	})
	for _, u := range []store.User{
		{ID: carolID, Username: "carol", Population: partners, Verified: true, Claims: map[string]any{"email": "carol@example.com", "n": 1.5}},
		{ID: daveID, Username: "dave", Disabled: true, MFAEnabled: true},
	} {
		u.Environment = s.env.ID
		if _, err := s.Writer.CreateUser(t.Context(), actor, s.env, u, &store.Credential{}); err != nil {
			t.Fatal(err)
		}
	}
	create("", carolID, &directory.RoleAssignment{
		Role: directory.Reference{ID: directory.Roles()[2].ID}, Holder: directory.HolderUser,
		Scope: directory.AssignmentScope{ID: partners, Type: directory.ScopePopulation},
	})
	s.setPassword(t, carolID, "carol-good-pass")
}

func (s *server) update(t testing.TB, kind store.ObjectKind, parent, id string, edit func(directory.Document)) {
	t.Helper()
	_, err := s.Writer.Update(t.Context(), actor, s.env, kind, parent, id, directory.Precondition{},
		func(old *directory.Item) (directory.Document, error) {
			edit(old.Document)
			return old.Document, nil
		})
	if err != nil {
		t.Fatalf("update %s: %v", kind, err)
	}
}

func (s *server) setPassword(t testing.TB, id, password string) {
	t.Helper()
	u, err := s.Live.UserByID(t.Context(), s.env.ID, id)
	if err != nil {
		t.Fatal(err)
	}
	edit, err := s.Users.SetPassword(t.Context(), s.env, u, identity.NewPassword{Value: password})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Writer.UpdateUser(t.Context(), actor, s.env, id, directory.Precondition{}, func(c *directory.UserChange) error {
		return edit(c.User, c.Credential)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// export writes the environment env, or the server's own for nil.
func (s *server) export(t testing.TB, env *store.Environment, o transfer.ExportOptions) string {
	t.Helper()
	if env == nil {
		env = s.env
	}
	var b bytes.Buffer
	if err := s.Export(t.Context(), env, &b, o); err != nil {
		t.Fatalf("export: %v", err)
	}
	return b.String()
}

// told is what an import told.
type told struct {
	transfer.Progress
	differences []transfer.Difference
}

func (d *told) of(action string) (ids []string) {
	for _, one := range d.differences {
		if one.Action == action {
			ids = append(ids, string(one.Kind)+" "+one.ID)
		}
	}
	return ids
}

func (s *server) tryImport(ctx context.Context, env *store.Environment, file io.Reader, o transfer.ImportOptions) (told, error) {
	if env == nil {
		env = s.env
	}
	var d told
	done, err := s.Import(ctx, actor, env, file, o, func(_ transfer.Progress, one *transfer.Difference) {
		if one != nil {
			d.differences = append(d.differences, *one)
		}
	})
	d.Progress = done
	return d, err
}

func (s *server) doImport(t testing.TB, env *store.Environment, file string, o transfer.ImportOptions) told {
	t.Helper()
	if o.MayGive == nil {
		o.MayGive, o.Keys = everything, true
	}
	d, err := s.tryImport(t.Context(), env, strings.NewReader(file), o)
	if err != nil {
		t.Fatalf("import: %v", explain(err))
	}
	return d
}

// explain is an error with its details.
func explain(err error) string {
	if err == nil {
		return ""
	}
	text := err.Error()
	if e, ok := errors.AsType[*oauth.Error](err); ok {
		for _, d := range e.Details {
			text += "; " + d.Code + " " + d.Target + " " + d.Message
		}
	}
	return text
}

// password reports whether somebody signs on with a password.
func (s *server) password(t testing.TB, env *store.Environment, username, password string) bool {
	t.Helper()
	_, _, err := s.Users.CheckPassword(t.Context(), env, username, password, "192.0.2.1")
	return err == nil
}

var (
	declaredUsers     = []declared.User{{Username: "alice", ID: "a11ce000-0000-4000-8000-000000000001", Password: "alice-demo-pass", DeclaredAt: "Caddyfile:9"}}
	declaredResources = []declared.Resource{{Name: "orders", Audience: "https://orders.example.com", Scopes: []string{"orders:read"}, DeclaredAt: "Caddyfile:9"}}
)
