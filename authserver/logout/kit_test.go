package logout_test

import (
	"context"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/fetch"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/keys"
	"github.com/caddy-gatehouse/gatehouse/authserver/logout"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/session"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/sqlite"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

const (
	envID   = "0a000000-0000-4000-8000-00000000000a"
	issuer  = "https://auth.example.com/" + envID + "/as"
	subject = "11111111-1111-4111-8111-111111111111"
)

// directory is what the rig's environment has declared. The rest of the interface
// is not asked.
type directory struct {
	store.Directory
	mu      sync.Mutex
	env     *store.Environment
	clients map[string]*store.Client
}

func (d *directory) EnvironmentByID(_ context.Context, id string) (*store.Environment, error) {
	if id != d.env.ID {
		return nil, store.ErrNotFound
	}
	return d.env, nil
}

func (d *directory) ClientByID(_ context.Context, env, id string) (*store.Client, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if c, ok := d.clients[id]; ok && env == d.env.ID {
		return c, nil
	}
	return nil, store.ErrNotFound
}

func (d *directory) put(clients ...*store.Client) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range clients {
		c.Environment = d.env.ID
		d.clients[c.ID] = c
	}
}

type rig struct {
	t         testing.TB
	clock     *testkit.Clock
	db        *sqlite.DB
	env       *store.Environment
	directory *directory
	sessions  *session.Sessions
	set       *token.Revocations
	rings     *keys.Rings
	ids       *token.IDTokens
	ender     *logout.Ender
	log       *testkit.Buffer

	mu        sync.Mutex
	revoked   map[string]int
	delivered map[string]int
}

func newRig(t testing.TB, outbound fetch.Options) *rig {
	t.Helper()
	g := &rig{
		t: t, clock: testkit.NewClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)), db: testkit.Store(t), log: &testkit.Buffer{},
		env: &store.Environment{
			ID: envID, Issuer: issuer, SigningAlgorithm: "ES256", KeyRotation: 90 * 24 * time.Hour, KeyOverlap: 24 * time.Hour,
			AccessTokenType: "at+jwt", APIAudience: "https://api.example.com",
		},
		revoked: map[string]int{}, delivered: map[string]int{},
	}
	g.directory = &directory{env: g.env, clients: map[string]*store.Client{}}
	log := slog.New(slog.NewTextHandler(g.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	client, err := fetch.NewClient(outbound)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	g.sessions = &session.Sessions{Store: g.db, NewID: secret.NewID, NewSecret: secret.New, Now: g.clock.Now}
	g.set = token.NewRevocations(g.clock.Now)
	g.set.Alive(true)
	g.rings = keys.New(keys.Config{
		Store: g.db, Now: g.clock.Now, Log: log,
		Sealer: func(bool) (*secret.Sealer, error) {
			return secret.NewSealer([]byte("0123456789abcdef0123456789abcdef"))
		},
	})
	g.ids = &token.IDTokens{Keys: g.rings, Now: g.clock.Now, Directory: g.directory}
	count := func(m map[string]int) func(string) {
		return func(what string) {
			g.mu.Lock()
			defer g.mu.Unlock()
			m[what]++
		}
	}
	g.ender = &logout.Ender{
		Directory: g.directory, Sessions: g.sessions, Store: g.db, Set: g.set, Keys: g.rings, Outbound: client,
		NewID: secret.NewID, Now: g.clock.Now, Log: log, Revoked: count(g.revoked), Delivered: count(g.delivered),
	}
	return g
}

func (g *rig) counted(m map[string]int) map[string]int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return maps.Clone(m)
}

// signOn makes a session in which clients took part.
func (g *rig) signOn(clients ...string) *session.Browser {
	g.t.Helper()
	b, err := g.sessions.Read(httptest.NewRequest(http.MethodGet, "/", nil), g.env)
	if err != nil {
		g.t.Fatal(err)
	}
	g.sessions.Begin(b)
	if _, err := g.sessions.SignOn(g.t.Context(), g.env, b, session.SignOn{Subject: subject, ACR: "Single_Factor", AMR: []string{"pwd"}}); err != nil {
		g.t.Fatal(err)
	}
	for _, c := range clients {
		if err := g.sessions.Join(g.t.Context(), g.env, b, c); err != nil {
			g.t.Fatal(err)
		}
	}
	return b
}

// family begins a refresh-token family in a session and gives its hash.
func (g *rig) family(sid, client string) store.Hash {
	g.t.Helper()
	h := store.Hash(secret.New().Hash())
	now := g.clock.Now()
	err := g.db.PutFamily(g.t.Context(), store.Family{
		Environment: envID, ID: secret.NewID(), Client: client, Subject: subject, Session: sid, Data: []byte("{}"), CreatedAt: now,
		ExpiresAt: now.Add(24 * time.Hour),
	}, store.RefreshToken{Hash: h, ExpiresAt: now.Add(time.Hour)})
	if err != nil {
		g.t.Fatal(err)
	}
	return h
}

func (g *rig) familyEnded(h store.Hash) bool {
	g.t.Helper()
	f, _, _, err := g.db.FamilyByToken(g.t.Context(), envID, h, g.clock.Now())
	if err != nil {
		g.t.Fatal(err)
	}
	return f.Ended
}

// tokenRevoked reports what the in-process set says of a token of the session or client issued at iat.
func (g *rig) tokenRevoked(sid, client string, iat time.Time) bool {
	g.t.Helper()
	revoked, err := g.set.Revoked(envID, token.Holder{ID: secret.NewID(), Session: sid, Client: client, Subject: subject, IssuedAt: iat})
	if err != nil {
		g.t.Fatal(err)
	}
	return revoked
}

// idToken mints one as the token endpoint does.
func (g *rig) idToken(client, sid string) string {
	g.t.Helper()
	raw, err := g.ids.Mint(g.t.Context(), g.env, token.IDToken{
		Client: &store.Client{ID: client},
		On:     token.SignedOn{Subject: subject, Session: sid, AuthTime: g.clock.Now(), ACR: "Single_Factor", AMR: []string{"pwd"}},
	})
	if err != nil {
		g.t.Fatal(err)
	}
	return raw
}

// due lists what the queue holds, without taking it away.
func (g *rig) due() []store.Delivery {
	g.t.Helper()
	far := g.clock.Now().Add(59 * time.Minute)
	list, err := g.db.ClaimDeliveries(context.Background(), "backchannel_logout", far, far.Add(time.Second), 100)
	if err != nil {
		g.t.Fatal(err)
	}
	slices.SortFunc(list, func(a, b store.Delivery) int {
		if a.Client < b.Client {
			return -1
		}
		return 1
	})
	return list
}

func code(err error) string {
	if err == nil {
		return ""
	}
	return oauth.From(err).Code
}
