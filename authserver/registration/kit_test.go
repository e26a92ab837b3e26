package registration_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/registration"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

const (
	envID  = "0a000000-0000-4000-8000-00000000000a"
	issuer = "https://auth.example.com/" + envID + "/as"
)

// environment lets everyone register, with the scopes of OpenID Connect.
func environment(mode store.RegistrationMode, tokens ...string) *store.Environment {
	env := &store.Environment{
		ID: envID, Issuer: issuer, SigningAlgorithm: "RS256",
		Registration: store.Registration{Mode: mode, Scopes: []string{"openid", "profile", "email", "address", "phone", "offline_access"}},
	}
	for _, t := range tokens {
		env.Registration.Tokens = append(env.Registration.Tokens, []byte(t))
	}
	return env
}

// memory is a store.RegisteredClients.
type memory struct {
	clients map[string]store.RegisteredClient
	err     error // of every call
	late    error // of replacing
}

func (m *memory) PutRegisteredClient(_ context.Context, c store.RegisteredClient) error {
	if m.err != nil {
		return m.err
	}
	if _, ok := m.clients[c.ID]; ok {
		return store.ErrExists
	}
	c.Version = 1
	m.clients[c.ID] = c
	return nil
}

func (m *memory) RegisteredClientByID(_ context.Context, env, id string) (store.RegisteredClient, error) {
	c, ok := m.clients[id]
	switch {
	case m.err != nil:
		return c, m.err
	case !ok || c.Environment != env:
		return store.RegisteredClient{}, store.ErrNotFound
	}
	return c, nil
}

func (m *memory) ListRegisteredClients(context.Context, string, string, int) ([]store.RegisteredClient, error) {
	return nil, errors.New("nobody lists clients here")
}

func (m *memory) ReplaceRegisteredClient(_ context.Context, c store.RegisteredClient) error {
	old, ok := m.clients[c.ID]
	switch {
	case m.err != nil || m.late != nil:
		return errors.Join(m.err, m.late)
	case !ok:
		return store.ErrNotFound
	case old.Version != c.Version:
		return store.ErrConflict
	}
	c.Version++
	m.clients[c.ID] = c
	return nil
}

func (m *memory) DeleteRegisteredClient(_ context.Context, _, id string) error {
	if _, ok := m.clients[id]; !ok {
		return store.ErrNotFound
	}
	delete(m.clients, id)
	return m.err
}

func (m *memory) RegisteredPostLogoutRedirectURI(context.Context, string, string) (bool, error) {
	return false, m.err
}

type rig struct {
	t         testing.TB
	store     *memory
	registrar *registration.Registrar
	ended     []string
}

func newRig(t testing.TB) *rig {
	g := &rig{t: t, store: &memory{clients: map[string]store.RegisteredClient{}}}
	g.registrar = &registration.Registrar{
		Store: g.store, NewID: secret.NewID, NewSecret: secret.New,
		Sealer: func(bool) (*secret.Sealer, error) {
			return secret.NewSealer([]byte("0123456789abcdef0123456789abcdef"))
		},
		Now: testkit.NewClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)).Now,
		End: func(_ context.Context, env *store.Environment, client string) error {
			g.ended = append(g.ended, env.ID+" "+client)
			return nil
		},
		Resource: func(_ context.Context, _ *store.Environment, scope string) (string, bool) {
			if scope == "orders:read" {
				return "orders", true
			}
			return "", false
		},
	}
	return g
}

// register registers and gives the answer; it fails the test where it is refused.
func (g *rig) register(env *store.Environment, metadata string) map[string]any {
	g.t.Helper()
	body, err := g.registrar.Register(g.t.Context(), env, "", []byte(metadata))
	if err != nil {
		g.t.Fatalf("refused: %v", err)
	}
	return object(g.t, body)
}

// client is the stored client, opened.
func (g *rig) client(id string) *store.Client {
	g.t.Helper()
	c, err := g.store.RegisteredClientByID(g.t.Context(), envID, id)
	if err != nil {
		g.t.Fatal(err)
	}
	opened, err := g.registrar.Open(c)
	if err != nil {
		g.t.Fatal(err)
	}
	return opened
}

func object(t testing.TB, body []byte) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(body, &m); err != nil {
		t.Fatalf("not JSON: %v", err)
	}
	return m
}

func code(err error) string {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*oauth.Error](err); ok {
		return e.Code
	}
	return err.Error()
}
