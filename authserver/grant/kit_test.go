package grant_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/grant"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/postgres"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/sqlite"
	"github.com/caddy-gatehouse/gatehouse/integration/pgtest"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// rig is an authority with both grants of people.
type rig struct {
	*testkit.Authority
	code    *grant.AuthorizationCode
	refresh *grant.RefreshToken
}

func newRig(t testing.TB) *rig {
	t.Helper()
	return rigOn(t, shared, testkit.NewClock(noon))
}

// shared is the store of all tests that need none of their own: to make one
// takes longer than most of them. Clocks, people and clients are each test's own.
var shared store.Store

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "grant")
	if err != nil {
		panic(err)
	}
	db := sqlite.New(sqlite.Config{Path: filepath.Join(dir, "gatehouse.db")})
	db.Start()
	shared = db
	code := pgtest.Main(m)
	_ = db.Close()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// rigOn is a node on a store that others may use too.
func rigOn(t testing.TB, st store.Store, clock *testkit.Clock) *rig {
	t.Helper()
	a := testkit.NewAuthority(t, st, clock)
	return &rig{
		a, &grant.AuthorizationCode{Personal: a.Personal(), Codes: a.Codes},
		&grant.RefreshToken{Personal: a.Personal()},
	}
}

// onEachStore runs a test with two nodes that share a store: SQLite in one
// process, and PostgreSQL as two processes would, each with connections and a
// revocation feed of its own.
func onEachStore(t *testing.T, test func(t *testing.T, nodes []*rig)) {
	t.Run("sqlite", func(t *testing.T) {
		clock := testkit.NewClock(noon)
		test(t, []*rig{rigOn(t, shared, clock), rigOn(t, shared, clock)})
	})
	t.Run("postgres", func(t *testing.T) {
		dsn, clock := pgtest.Database(t), testkit.NewClock(noon)
		var nodes []*rig
		for range 2 {
			db, err := postgres.New(postgres.Config{DSN: dsn})
			if err != nil {
				t.Fatal(err)
			}
			db.Start()
			t.Cleanup(func() { _ = db.Close() })
			nodes = append(nodes, rigOn(t, db, clock))
		}
		test(t, nodes)
	})
}

// soonDead waits until an access token does not work any more: another node
// learns of it a moment later.
func (g *rig) soonDead(t testing.TB, raw string) bool {
	t.Helper()
	for range 200 {
		if !g.Active(t, raw) {
			return true
		}
		time.Sleep(10 * time.Millisecond)
	}
	return false
}

// request is one of a client; fields are "name=value" words.
func (g *rig) request(client string, fields ...string) grant.Request {
	form := web.NewForm()
	for _, f := range fields {
		name, value, _ := strings.Cut(f, "=")
		form.Add(name, value)
	}
	return grant.Request{Environment: g.Env, Client: g.Clients[client], Form: form}
}

// redeem redeems a code.
func (g *rig) redeem(t testing.TB, client, code string, fields ...string) (*grant.Response, string) {
	t.Helper()
	return answer(g.code.Token(t.Context(), g.request(client, append(fields, "code="+code)...)))
}

// renew exchanges a refresh token.
func (g *rig) renew(t testing.TB, client, raw string, fields ...string) (*grant.Response, string) {
	t.Helper()
	return answer(g.refresh.Token(t.Context(), g.request(client, append(fields, "refresh_token="+raw)...)))
}

// answer is the response, or the error's code.
func answer(r *grant.Response, err error) (*grant.Response, string) {
	if err != nil {
		return nil, oauth.From(err).Code
	}
	return r, ""
}

// signIn gives alice's first tokens of a client.
func (g *rig) signIn(t testing.TB, client string, scope ...string) *grant.Response {
	t.Helper()
	r, code := g.redeem(t, client, g.Code(t, g.Authorize(t, client, g.SignOn(t), scope...)))
	if code != "" {
		t.Fatalf("sign in: %s", code)
	}
	return r
}

func claimsOf(t testing.TB, raw string) *jose.Claims {
	t.Helper()
	jws, err := jose.Parse(raw, jose.Limits{})
	if err != nil {
		t.Fatalf("token: %v", err)
	}
	c, err := jws.Claims()
	if err != nil {
		t.Fatalf("claims: %v", err)
	}
	return c
}

func text(t testing.TB, c *jose.Claims, name string) string {
	t.Helper()
	s, _ := c.Text(name)
	return s
}

// headerOf reads a JOSE header.
func headerOf(t testing.TB, raw string) map[string]any {
	t.Helper()
	head, _, _ := strings.Cut(raw, ".")
	b, err := base64.RawURLEncoding.DecodeString(head)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// publishedX5T is the x5t of the key that signs.
func publishedX5T(t testing.TB, g *rig) any {
	t.Helper()
	signer, err := g.Rings.Signer(t.Context(), g.Env)
	if err != nil {
		t.Fatal(err)
	}
	ring, err := g.Rings.Ring(t.Context(), g.Env)
	if err != nil {
		t.Fatal(err)
	}
	var set struct{ Keys []map[string]any }
	if err := json.Unmarshal(ring.JWKS, &set); err != nil {
		t.Fatal(err)
	}
	for _, k := range set.Keys {
		if k["kid"] == signer.ID() {
			return k["x5t"]
		}
	}
	return nil
}

// faulty is a store some of whose methods fail on demand.
type faulty struct {
	store.Store
	mu   sync.Mutex
	fail func(method string) bool
}

func (f *faulty) set(fail func(method string) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail = fail
}

func (f *faulty) down(method string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail != nil && f.fail(method) {
		return store.ErrUnavailable
	}
	return nil
}

func (f *faulty) PutAccessToken(ctx context.Context, t store.AccessToken) error {
	if err := f.down("PutAccessToken"); err != nil {
		return err
	}
	return f.Store.PutAccessToken(ctx, t)
}

func (f *faulty) PutRevocation(ctx context.Context, r store.Revocation) error {
	if err := f.down("PutRevocation"); err != nil {
		return err
	}
	return f.Store.PutRevocation(ctx, r)
}

func (f *faulty) RotateRefreshToken(ctx context.Context, env string, hash store.Hash, next store.RefreshToken, grace time.Duration, protect bool, now time.Time) (store.RefreshToken, bool, error) {
	if err := f.down("RotateRefreshToken"); err != nil {
		return store.RefreshToken{}, false, err
	}
	return f.Store.RotateRefreshToken(ctx, env, hash, next, grace, protect, now)
}

func (f *faulty) TakeTicket(ctx context.Context, env string, kind store.TicketKind, hash store.Hash, now time.Time) (store.Ticket, error) {
	if err := f.down("TakeTicket"); err != nil {
		return store.Ticket{}, err
	}
	return f.Store.TakeTicket(ctx, env, kind, hash, now)
}

func (f *faulty) SessionByID(ctx context.Context, env, id string, now time.Time) (store.Session, error) {
	if err := f.down("SessionByID"); err != nil {
		return store.Session{}, err
	}
	return f.Store.SessionByID(ctx, env, id, now)
}

func (f *faulty) ConsentTo(ctx context.Context, env, subject, client string) (store.ConsentRecord, error) {
	if err := f.down("ConsentTo"); err != nil {
		return store.ConsentRecord{}, err
	}
	return f.Store.ConsentTo(ctx, env, subject, client)
}
