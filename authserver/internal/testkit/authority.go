package testkit

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/grant"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/cache"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/keys"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/session"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

// Authority is what mints, verifies and ends tokens in one process, for tests
// below the endpoints. Its environment signs with ES256, and its directory and
// people are maps that a test changes before it uses them.
type Authority struct {
	Env      *store.Environment
	Clock    *Clock
	Store    store.Store
	Rings    *keys.Rings
	Set      *token.Revocations
	Sessions *session.Sessions
	Scopes   *token.Scopes
	Tokens   *token.Minter
	IDTokens *token.IDTokens
	Verifier *token.Verifier
	Codes    *token.Codes
	Refresh  *token.Refresher
	Revoker  *token.Revoker
	Clients  map[string]*store.Client
	People   *People
	// Resources are those beside orders, by their ID.
	Resources map[string]*store.Resource
	// Attributes are the mapped claims of the resource orders.
	Attributes []store.ResourceAttribute
	// Encryption is the key of the resource orders, nil for none.
	Encryption *jose.EncryptionKey
	// Administrators are the IDs of users who hold a role of one.
	Administrators map[string]bool

	mu       sync.Mutex
	replayed int
}

// Audience is of the resource "orders", which has the scopes orders:read and orders:write.
const Audience = "https://orders.example.com"

// NewAuthority makes one on st, with the clients web (confidential, every OpenID Connect scope, no
// offline_access), offline (the same and offline_access), spa (public), and other; and the user alice.
func NewAuthority(t testing.TB, st store.Store, clock *Clock) *Authority {
	t.Helper()
	a := &Authority{
		Env: &store.Environment{
			ID: "0a000000-0000-4000-8000-00000000000a", Organization: "0c000000-0000-4000-8000-00000000000c",
			Issuer: "https://auth.example.com/0a000000-0000-4000-8000-00000000000a/as", APIAudience: "https://api.pingone.com",
			SigningAlgorithm: "ES256", AccessTokenType: oauth.TypeAccessToken,
			KeyRotation: 90 * 24 * time.Hour, KeyOverlap: 24 * time.Hour,
			AllIssuers: []string{
				"https://auth.example.com/0a000000-0000-4000-8000-00000000000a/as", "https://login.example.com/as",
			},
			SignOn: store.SignOn{SessionIdle: 30 * 24 * time.Hour, SessionLifetime: 180 * 24 * time.Hour},
		},
		Clock: clock, Store: st, People: &People{all: map[string]*store.User{}},
	}
	a.Clients = clients(a.Env.ID)
	a.People.Put(Alice(a.Env.ID))
	sealer := func(bool) (*secret.Sealer, error) {
		return secret.NewSealer([]byte("0123456789abcdef0123456789abcdef"))
	}
	a.Rings = keys.New(keys.Config{Store: st, Sealer: sealer, Now: clock.Now, Log: slog.New(slog.DiscardHandler)})
	a.Set = token.NewRevocations(clock.Now)
	Feed(t, st, clock, a.Set)
	verified := cache.New[*token.Active](cache.Config{})
	t.Cleanup(verified.Close)
	a.Sessions = &session.Sessions{Store: st, NewID: secret.NewID, NewSecret: secret.New, Now: clock.Now}
	a.Scopes = &token.Scopes{Directory: a.Directory()}
	a.Tokens = &token.Minter{Keys: a.Rings, Store: st, NewID: secret.NewID, NewSecret: secret.New, Now: clock.Now, Directory: a.Directory()}
	a.IDTokens = &token.IDTokens{Keys: a.Rings, Now: clock.Now, Directory: a.Directory()}
	a.Verifier = &token.Verifier{Keys: a.Rings, Revocations: a.Set, Cache: verified, Store: st, Now: clock.Now}
	a.Codes = &token.Codes{Tickets: st, NewSecret: secret.New, Now: clock.Now}
	a.Refresh = &token.Refresher{Store: st, Sealer: sealer, NewSecret: secret.New, Now: clock.Now, Replayed: func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.replayed++
	}}
	a.Revoker = &token.Revoker{Verifier: a.Verifier, Refresh: a.Refresh, Store: st, Set: a.Set, Now: clock.Now, Revoked: func(string) {}}
	return a
}

// Feed keeps a set of revocations up to date until the test ends. It is up to date when Feed returns: a busy machine may take longer to open a
// database than a request would wait for it.
func Feed(t testing.TB, st store.Store, clock *Clock, set *token.Revocations) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var job sync.WaitGroup
	job.Go(func() { _ = st.WatchRevocations(ctx, clock.Now(), set.Watcher()) })
	t.Cleanup(func() { cancel(); job.Wait() })
	err := set.Wait(ctx)
	for until := time.Now().Add(time.Minute); err != nil && time.Now().Before(until); {
		err = set.Wait(ctx)
	}
	if err != nil {
		t.Fatalf("revocation feed: %v", err)
	}
}

func clients(env string) map[string]*store.Client {
	userGrants := []string{oauth.GrantAuthorizationCode, oauth.GrantRefreshToken}
	client := func(id, method string, openID ...string) *store.Client {
		return &store.Client{
			Environment: env, ID: id, Type: store.WebApp, Enabled: true, AuthMethod: method, GrantTypes: userGrants,
			Secrets: []store.ClientSecret{{Value: []byte(id + "-secret")}},
			Grants: map[string][]string{
				store.ResourceOpenID: append([]string{"openid", "profile", "email", "address", "phone"}, openID...),
				"orders":             {"orders:read", "orders:write"},
			},
		}
	}
	all := map[string]*store.Client{
		"web":     client("web", oauth.AuthClientSecretBasic),
		"offline": client("offline", oauth.AuthClientSecretBasic, oauth.ScopeOfflineAccess),
		"spa":     client("spa", oauth.AuthNone),
		"other":   client("other", oauth.AuthClientSecretBasic),
	}
	all["spa"].Type, all["spa"].Secrets = store.SinglePageApp, nil
	return all
}

// Alice is a user with every standard claim.
func Alice(env string) *store.User {
	return &store.User{
		Environment: env, ID: "a11ce000-0000-4000-8000-000000000001", Username: "alice", Declared: true, Verified: true,
		Claims: map[string]any{
			"name": "Alice Jane Adams", "given_name": "Alice", "family_name": "Adams", "middle_name": "Jane", "nickname": "Al",
			"preferred_username": "alice", "profile": "https://alice.example.com/", "picture": "https://alice.example.com/p.png",
			"website": "https://alice.example.com/blog", "gender": "female", "birthdate": "1990-04-01", "zoneinfo": "Europe/Zurich",
			"locale": "de-CH", "updated_at": float64(1770700000), "email": "alice@example.com", "email_verified": true,
			"phone_number": "+41 44 000 00 00", "phone_number_verified": false,
			"address": map[string]any{
				"formatted": "4 Elm St\n3000 Bern", "street_address": "4 Elm St", "locality": "Bern", "region": "BE", "postal_code": "3000", "country": "CH",
			},
		},
	}
}

// Directory is what configuration says: the clients above, and the resource orders.
func (a *Authority) Directory() store.Directory { return &directory{authority: a} }

type directory struct {
	store.Directory // what no test asks panics
	authority       *Authority
}

// OpenID implements store.Directory: nothing of it was changed.
func (*directory) OpenID(context.Context, string) (*store.OpenID, error) { return &store.OpenID{}, nil }

// Administrator implements store.Directory.
func (d *directory) Administrator(_ context.Context, _, user string) (bool, error) {
	return d.authority.Administrators[user], nil
}

func (d *directory) ClientByID(_ context.Context, env, id string) (*store.Client, error) {
	if c := d.authority.Clients[id]; c != nil && env == d.authority.Env.ID {
		return c, nil
	}
	return nil, store.ErrNotFound
}

func (d *directory) ResourceByID(_ context.Context, env, id string) (*store.Resource, error) {
	if r := d.authority.Resources[id]; r != nil && env == d.authority.Env.ID {
		return r, nil
	}
	if id != "orders" || env != d.authority.Env.ID {
		return nil, store.ErrNotFound
	}
	return &store.Resource{
		Environment: env, ID: id, Name: id, Audience: Audience, Scopes: []string{"orders:read", "orders:write"},
		AccessTokenTTL: 10 * time.Minute, Secret: []byte("orders-secret"), IntrospectionAuth: oauth.AuthClientSecretBasic,
		Attributes: d.authority.Attributes, Encryption: d.authority.Encryption,
	}, nil
}

// People are the users of an Authority. Safe for concurrent use.
type People struct {
	mu  sync.Mutex
	all map[string]*store.User
}

// Put adds or replaces a user.
func (p *People) Put(u *store.User) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all[u.ID] = u
}

// Remove forgets a user.
func (p *People) Remove(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.all, id)
}

// ByID finds a user.
func (p *People) ByID(_ context.Context, env *store.Environment, id string) (*store.User, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if u := p.all[id]; u != nil && u.Environment == env.ID {
		return u, nil
	}
	return nil, store.ErrNotFound
}

// SignOn signs alice on and returns her session.
func (a *Authority) SignOn(t testing.TB) *session.Session {
	t.Helper()
	b, err := a.Sessions.Read(httptest.NewRequest(http.MethodGet, "/", nil), a.Env)
	if err != nil {
		t.Fatal(err)
	}
	on := session.SignOn{Subject: Alice(a.Env.ID).ID, ACR: "Single_Factor", AMR: []string{"pwd"}}
	if _, err := a.Sessions.SignOn(t.Context(), a.Env, b, on); err != nil {
		t.Fatalf("sign on: %v", err)
	}
	return b.Session
}

// Authorize is what alice grants to a client in the session s.
func (a *Authority) Authorize(t testing.TB, client string, s *session.Session, scope ...string) token.Authorization {
	t.Helper()
	granted, err := a.Scopes.ForUser(t.Context(), a.Env, a.Clients[client], scope)
	if err != nil {
		t.Fatalf("scopes: %v", err)
	}
	return token.Authorization{
		Grant: secret.NewID(), Client: client, Issuer: a.Env.Issuer,
		On:    token.SignedOn{Subject: s.Subject, Session: s.ID, AuthTime: s.AuthTime, ACR: s.ACR, AMR: s.AMR},
		Scope: granted.Scope, Audience: granted.Audience, Resources: granted.Resources, TTL: granted.TTL,
	}
}

// Code makes a code for an authorization.
func (a *Authority) Code(t testing.TB, auth token.Authorization) string {
	t.Helper()
	code, err := a.Codes.Issue(t.Context(), a.Env, auth)
	if err != nil {
		t.Fatalf("code: %v", err)
	}
	return code.Reveal()
}

// Personal is the common part of the grants.
func (a *Authority) Personal() grant.Personal {
	return grant.Personal{
		Scopes: a.Scopes, Tokens: a.Tokens, IDTokens: a.IDTokens, Refresh: a.Refresh, Revoker: a.Revoker, Users: a.People, Sessions: a.Sessions, Consents: a.Store,
	}
}

// Replayed is how often a replay ended a family here.
func (a *Authority) Replayed() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.replayed
}

// Active reports whether an access token works.
func (a *Authority) Active(t testing.TB, raw string) bool {
	t.Helper()
	_, err := a.Verifier.Verify(t.Context(), a.Env, raw)
	return err == nil
}
