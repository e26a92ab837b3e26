package flowtest

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/authorize"
	"github.com/caddy-gatehouse/gatehouse/authserver/clientauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/flow"
	"github.com/caddy-gatehouse/gatehouse/authserver/identity"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/fetch"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/keys"
	"github.com/caddy-gatehouse/gatehouse/authserver/logout"
	"github.com/caddy-gatehouse/gatehouse/authserver/notify"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/session"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

// Who and what there is, in the environment Rig.Env and, with the same names, in
// Rig.Other.
const (
	Alice, AlicePassword = "alice", "alice-demo-pass"
	Bob, BobPassword     = "bob", "bob-demo-pass"
	AliceID              = "a11ce000-0000-4000-8000-000000000001"
	BobID                = "b0b00000-0000-4000-8000-000000000002"

	Web      = "web"    // a confidential client that never asks for consent
	Once     = "once"   // asks for what was not agreed to
	Always   = "always" // asks always
	Native   = "native" // a public client with a custom scheme that asks once
	Callback = "https://app.example.com/cb"
	Scheme   = "com.example.app:/cb"
)

// Noon is when the clock starts.
var Noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// Rig is a sign-on with all that belongs to it.
type Rig struct {
	T          testing.TB
	Clock      *testkit.Clock
	Store      store.Store
	Directory  *Directory
	Env, Other *store.Environment
	Sessions   *session.Sessions
	Users      *identity.Users
	Codes      *token.Codes
	IDTokens   *token.IDTokens
	Reader     *authorize.Reader
	Logout     *logout.Ender
	Engine     *flow.Engine
	Outbox     *Outbox
	// Limited applies the limits by address too.
	Limited bool

	mu       sync.Mutex
	outcomes []string
	revoked  atomic.Int64
}

// New builds one that ends with the test.
func New(t testing.TB) *Rig {
	t.Helper()
	g := &Rig{T: t, Clock: testkit.NewClock(Noon), Store: testkit.Store(t), Outbox: &Outbox{}}
	g.Env = environment("a", "0a000000-0000-4000-8000-00000000000a")
	g.Other = environment("b", "0b000000-0000-4000-8000-00000000000b")
	g.Directory = &Directory{
		stored: g.Store, envs: []*store.Environment{g.Env, g.Other},
		clients: map[[2]string]*store.Client{}, users: map[[2]string]*store.User{},
	}
	for _, env := range g.Directory.envs {
		g.populate(env)
	}

	rings := keys.New(keys.Config{
		Store: g.Store, Now: g.Clock.Now, Log: slog.New(slog.DiscardHandler), Rotated: func(string) {},
		Sealer: func(bool) (*secret.Sealer, error) { return secret.NewSealer(make([]byte, secret.KeySize)) },
	})
	outbound, err := fetch.NewClient(fetch.Options{})
	if err != nil {
		t.Fatalf("outbound requests: %v", err)
	}
	t.Cleanup(outbound.Close)
	set := token.NewRevocations(g.Clock.Now)

	g.Sessions = &session.Sessions{Store: g.Store, NewID: secret.NewID, NewSecret: secret.New, Now: g.Clock.Now}
	g.Users = newUsers(g)
	g.Codes = &token.Codes{Tickets: g.Store, NewSecret: secret.New, Now: g.Clock.Now}
	g.IDTokens = &token.IDTokens{Keys: rings, Now: g.Clock.Now, Directory: g.Directory}
	g.Reader = &authorize.Reader{
		Directory: g.Directory, Tickets: g.Store, Scopes: &token.Scopes{Directory: g.Directory}, Keys: rings,
		Clients:   &clientauth.KeySources{Client: outbound, Now: g.Clock.Now, Log: slog.New(slog.DiscardHandler)},
		NewSecret: secret.New, Now: g.Clock.Now,
	}
	g.Logout = &logout.Ender{
		Directory: g.Directory, Sessions: g.Sessions, Store: g.Store, Set: set, Keys: rings, Outbound: outbound,
		NewID: secret.NewID, Now: g.Clock.Now, Log: slog.New(slog.DiscardHandler),
		Revoked: func(string) { g.revoked.Add(1) }, Delivered: func(string) {},
	}
	g.Engine = &flow.Engine{
		Flows: g.Store, Consents: g.Store, Directory: g.Directory, Users: g.Users, Sessions: g.Sessions,
		Issuer: &authorize.Issuer{
			Scopes:   g.Reader.Scopes,
			Codes:    g.Codes,
			Tokens:   &token.Minter{Keys: rings, Store: g.Store, NewID: secret.NewID, NewSecret: secret.New, Now: g.Clock.Now, Directory: g.Directory},
			IDTokens: g.IDTokens,
			Sessions: g.Sessions, NewID: secret.NewID, NewSecret: secret.New, Now: g.Clock.Now,
		},
		Logout: g.Logout, NewID: secret.NewID, Now: g.Clock.Now, NoLimit: func(string) bool { return !g.Limited },
		SignedOn: func(outcome string) {
			g.mu.Lock()
			defer g.mu.Unlock()
			g.outcomes = append(g.outcomes, outcome)
		},
	}
	return g
}

func environment(name, id string) *store.Environment {
	return &store.Environment{
		ID: id, Name: name, Organization: id, Issuer: "https://auth.example.com/" + id + "/as",
		APIAudience: "https://api.pingone.com", SigningAlgorithm: "ES256", AccessTokenType: oauth.TypeAccessToken,
		KeyRotation: 90 * 24 * time.Hour, KeyOverlap: 24 * time.Hour,
		SignOn: store.SignOn{
			SessionIdle: 30 * 24 * time.Hour, SessionLifetime: 180 * 24 * time.Hour, SelfRegistration: true, PasswordRecovery: true,
			PasswordMinLength: 8, LockoutAttempts: 5, LockoutDuration: 15 * time.Minute,
			// As little as argon2id takes: what is tested here is not the hash.
			Argon2Memory: 64, Argon2Passes: 1, Argon2Lanes: 1,
		},
		Branding: store.Branding{Name: name, Language: "en"},
	}
}

func (g *Rig) populate(env *store.Environment) {
	for _, u := range []store.User{
		{ID: AliceID, Username: Alice, Password: AlicePassword, Claims: map[string]any{
			"given_name": "Alice", "family_name": "Adams", "email": "alice@example.com",
		}},
		{ID: BobID, Username: Bob, Password: BobPassword, Claims: map[string]any{"email": "bob@example.com"}},
	} {
		u.Environment, u.Declared, u.Verified = env.ID, true, true
		g.Directory.users[[2]string{env.ID, u.ID}] = &u
	}
	for _, c := range []store.Client{
		{ID: Web},
		{ID: Once, Consent: store.ConsentOnce},
		{ID: Always, Consent: store.ConsentAlways},
		{ID: Native, Consent: store.ConsentOnce, AuthMethod: oauth.AuthNone, RedirectURIs: []string{Callback, Scheme}},
	} {
		g.addClient(env, c)
	}
}

// AddClient adds a client to Env; what is not set is as in the others.
func (g *Rig) AddClient(c store.Client) { g.addClient(g.Env, c) }

func (g *Rig) addClient(env *store.Environment, c store.Client) {
	c.Environment, c.Name, c.Enabled, c.Type = env.ID, "The "+c.ID, true, store.WebApp
	if c.AuthMethod == "" {
		c.AuthMethod = oauth.AuthClientSecretBasic
	}
	if c.RedirectURIs == nil {
		c.RedirectURIs = []string{Callback}
	}
	c.Grants = map[string][]string{store.ResourceOpenID: {"openid", "profile", "email"}}
	c.GrantTypes = []string{oauth.GrantAuthorizationCode, oauth.GrantImplicit}
	c.ResponseTypes = []string{oauth.ResponseCode, oauth.ResponseToken, oauth.ResponseIDToken}
	g.Directory.mu.Lock()
	defer g.Directory.mu.Unlock()
	g.Directory.clients[[2]string{env.ID, c.ID}] = &c
}

// Outcomes are what the engine told of finished flows so far.
func (g *Rig) Outcomes() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]string(nil), g.outcomes...)
}

// Revoked counts the sessions whose tokens were revoked.
func (g *Rig) Revoked() int { return int(g.revoked.Load()) }

// Request is a good authorization request of a client, changed by edits.
func (g *Rig) Request(client string, edits ...func(*authorize.Request)) *authorize.Request {
	req := &authorize.Request{
		Client: client, ResponseType: []string{oauth.ResponseCode}, RedirectSent: true,
		ReplyTo: authorize.ReplyTo{URI: Callback, Mode: oauth.ModeQuery, State: "the-state"},
		Scope:   []string{"openid", "profile"}, Audience: []string{"https://api.pingone.com"}, TTL: time.Hour,
	}
	for _, edit := range edits {
		edit(req)
	}
	return req
}

// Start begins a flow in a browser.
func (g *Rig) Start(b *Browser, req *authorize.Request) (*flow.Flow, error) {
	g.T.Helper()
	client, err := g.Directory.ClientByID(context.Background(), g.Env.ID, req.Client)
	if err != nil {
		g.T.Fatalf("client %s: %v", req.Client, err)
	}
	s := b.Request(g.Env)
	f, err := g.Engine.Start(context.Background(), g.Env, req, client, s)
	b.Answer(g.Env, s)
	return f, err
}

// MustStart is Start without an error, at a status.
func (g *Rig) MustStart(b *Browser, req *authorize.Request, want flow.Status) *flow.Flow {
	g.T.Helper()
	f, err := g.Start(b, req)
	if err != nil {
		g.T.Fatalf("start: %v", err)
	}
	if f.Status != want {
		g.T.Fatalf("status after start = %s, want %s", f.Status, want)
	}
	return f
}

// Read reads a flow.
func (g *Rig) Read(b *Browser, id string) (*flow.Flow, error) {
	g.T.Helper()
	return g.Engine.Read(context.Background(), g.Env, id, b.Request(g.Env))
}

// Act takes a step; the browser keeps the cookies of a good answer.
func (g *Rig) Act(b *Browser, id string, do flow.Action, in flow.Input) (*flow.Flow, error) {
	g.T.Helper()
	s := b.Request(g.Env)
	f, err := g.Engine.Act(context.Background(), g.Env, id, s, do, in)
	if err == nil {
		b.Answer(g.Env, s)
	}
	return f, err
}

// MustAct is Act without an error, leading to a status.
func (g *Rig) MustAct(b *Browser, id string, do flow.Action, in flow.Input, want flow.Status) *flow.Flow {
	g.T.Helper()
	f, err := g.Act(b, id, do, in)
	if err != nil {
		g.T.Fatalf("%s: %v", do, err)
	}
	if f.Status != want {
		g.T.Fatalf("status after %s = %s (%v), want %s", do, f.Status, f.Err, want)
	}
	return f
}

// Answer has a flow answered.
func (g *Rig) Answer(b *Browser, f *flow.Flow) (*authorize.Response, error) {
	g.T.Helper()
	s := b.Request(g.Env)
	r, err := g.Engine.Answer(context.Background(), g.Env, f, s, "the-correlation-id")
	if err == nil {
		b.Answer(g.Env, s)
	}
	return r, err
}

// MustAnswer is Answer without an error, as a map.
func (g *Rig) MustAnswer(b *Browser, f *flow.Flow) map[string]string {
	g.T.Helper()
	r, err := g.Answer(b, f)
	if err != nil {
		g.T.Fatalf("answer: %v", err)
	}
	return Params(r)
}

// Params are the parameters of a response by name.
func Params(r *authorize.Response) map[string]string {
	m := map[string]string{}
	for _, p := range r.Params {
		m[p[0]] = p[1]
	}
	return m
}

// SignOn signs somebody on in a browser, by a flow of the client web.
func (g *Rig) SignOn(b *Browser, username, password string) *session.Session {
	g.T.Helper()
	req := g.Request(Web)
	if b.Session() != nil {
		req.Prompt = []string{oauth.PromptSelectAccount}
	}
	f, err := g.Start(b, req)
	if err == nil && f.Status == flow.AccountSelectionRequired {
		f, err = g.Act(b, f.ID, flow.ResetSession, flow.Input{})
	}
	if err != nil {
		g.T.Fatalf("start: %v", err)
	}
	g.MustAct(b, f.ID, flow.CheckPassword, flow.Input{Username: username, Password: password}, flow.Completed)
	return b.Session()
}

// Account registers and verifies a person, and returns them.
func (g *Rig) Account(username, password string) *store.User {
	g.T.Helper()
	ctx := context.Background()
	u, err := g.Users.Register(ctx, g.Env, identity.Account{
		Username: username, Email: username + "@example.com", Password: password, Claims: map[string]any{},
	}, "192.0.2.200")
	if err == nil {
		u, err = g.Users.Verify(ctx, g.Env, u, g.Outbox.Code(username+"@example.com"), "192.0.2.200")
	}
	if err != nil {
		g.T.Fatalf("account %s: %v", username, err)
	}
	return u
}

// EditCredential changes a person's credential.
func (g *Rig) EditCredential(subject string, edit func(*store.Credential)) {
	g.T.Helper()
	c, err := g.Store.CredentialOf(context.Background(), g.Env.ID, subject)
	if err == nil {
		edit(&c)
		err = g.Store.PutCredential(context.Background(), c)
	}
	if err != nil {
		g.T.Fatalf("credential of %s: %v", subject, err)
	}
}

// Outbox keeps the messages. Safe for concurrent use.
type Outbox struct {
	mu   sync.Mutex
	sent []notify.Message
}

// Send implements notify.Notifier.
func (o *Outbox) Send(_ context.Context, m notify.Message) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.sent = append(o.sent, m)
	return nil
}

// Code is the last one sent to an address, "" for none. Sending may be
// somebody else's goroutine, so it is waited for.
func (o *Outbox) Code(address string) string {
	for range 200 {
		o.mu.Lock()
		for i := len(o.sent) - 1; i >= 0; i-- {
			if o.sent[i].To == address {
				defer o.mu.Unlock()
				return o.sent[i].Code
			}
		}
		o.mu.Unlock()
		time.Sleep(10 * time.Millisecond)
	}
	return ""
}

// Last is the last message to an address.
func (o *Outbox) Last(address string) notify.Message {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := len(o.sent) - 1; i >= 0; i-- {
		if o.sent[i].To == address {
			return o.sent[i]
		}
	}
	return notify.Message{}
}

// Count is how many messages an address got.
func (o *Outbox) Count(address string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := 0
	for _, m := range o.sent {
		if m.To == address {
			n++
		}
	}
	return n
}

// newUsers wires identity.
func newUsers(g *Rig) *identity.Users {
	return &identity.Users{
		Directory: g.Directory, Store: g.Store, Notifier: g.Outbox, NewID: secret.NewID, Now: g.Clock.Now,
		// Every test is quick: only those about limits want any.
		NoLimit: func(string) bool { return !g.Limited },
	}
}
