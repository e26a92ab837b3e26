package management_test

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/identity"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/notify"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/declared"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

// This file is what the tests of people share.

// users is the path of the collection.
const users = "/{env}/users"

// goodPassword meets every requirement.
const goodPassword = "a-good-long-password"

// quick makes password hashes cheap.
func quick(c *declared.Config) {
	c.Environments[0].SignOn.Argon2Memory, c.Environments[0].SignOn.Argon2Passes = 8192, 1
}

// person creates a user and returns their ID.
func (k *kit) person(body string) string {
	k.t.Helper()
	return k.as(root).post(users, body).is(201).text("id")
}

// imported creates a user with a password.
func (k *kit) imported(username, password string) string {
	k.t.Helper()
	body := map[string]any{"username": username, "email": username + "@example.com", "password": map[string]any{"value": password}}
	return k.as(root).post(users, body, "Content-Type", importType).is(201).text("id")
}

const importType = "application/vnd.pingidentity.user.import+json"

// signOn proves a password as the sign-on page does: "" where it is right, else the detail's code; standing is
// what has to be done first.
func (k *kit) signOn(username, password string) (code string, standing identity.Standing) {
	k.t.Helper()
	// Another address each time: how often one may try is no matter here.
	_, standing, err := k.API.Users.CheckPassword(k.t.Context(), k.Env, username, password, secret.NewID())
	return detailOf(k.t, err), standing
}

func detailOf(t testing.TB, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	e, ok := errors.AsType[*oauth.Error](err)
	if !ok || len(e.Details) == 0 {
		t.Fatalf("error = %v, want one with a detail", err)
	}
	return e.Details[0].Code
}

// holding is what a person has in hands: a session, an access token of it and a family of refresh tokens, of a client.
type holding struct {
	k            *kit
	sid, access  string
	grant, owner string
	client       string
}

func (k *kit) hold(user, client string) *holding {
	k.t.Helper()
	ctx, now := k.t.Context(), k.Clock.Now()
	h := &holding{k: k, sid: secret.NewID(), grant: secret.NewID(), owner: user, client: client}
	data, err := json.Marshal(map[string]any{"auth_time": now.Unix(), "acr": "Single_Factor", "amr": []string{"pwd"}, "clients": []string{client}, "address": "192.0.2.7"})
	if err != nil {
		k.t.Fatal(err)
	}
	err = k.Store.PutSession(ctx, store.Session{
		Environment: home, ID: h.sid, Subject: user, Token: store.Hash(secret.New().Hash()), Data: data, CreatedAt: now, ActiveAt: now, ExpiresAt: now.Add(time.Hour),
	})
	if err != nil {
		k.t.Fatal(err)
	}
	u, err := k.API.Live.UserByID(ctx, home, user)
	if err != nil {
		k.t.Fatal(err)
	}
	a := token.Authorization{Grant: h.grant, Client: client, On: token.SignedOn{Subject: user, Session: h.sid, AuthTime: now}, Scope: []string{"openid"}, TTL: time.Hour}
	h.access = k.mint(k.Env, token.Access{
		Client: client, Subject: user, Session: h.sid, Grant: h.grant, AuthTime: now, Scope: a.Scope, User: u, Audience: []string{"https://orders.example.com"},
	})
	if _, err := k.API.Revoker.Refresh.Begin(ctx, k.Env, &store.Client{ID: client}, a); err != nil {
		k.t.Fatal(err)
	}
	return h
}

// lives says what of it still works.
func (h *holding) lives() (sessionLives, accessLives, refreshLives bool) {
	h.k.t.Helper()
	ctx := h.k.t.Context()
	if _, err := h.k.API.Sessions.ByID(ctx, h.k.Env, h.sid); err == nil {
		sessionLives = true
	} else if !errors.Is(err, store.ErrNotFound) {
		h.k.t.Fatal(err)
	}
	if _, err := h.k.API.Revoker.Verifier.Verify(ctx, h.k.Env, h.access); err == nil {
		accessLives = true
	} else if !errors.Is(err, token.ErrInactive) {
		h.k.t.Fatal(err)
	}
	families, err := h.k.Store.ListFamilies(ctx, store.FamilyFilter{Environment: home, ID: h.grant}, "", 1, h.k.Clock.Now())
	if err != nil {
		h.k.t.Fatal(err)
	}
	return sessionLives, accessLives, len(families) == 1
}

// want checks lives.
func (h *holding) want(what string, sessionLives, accessLives, refreshLives bool) {
	h.k.t.Helper()
	s, a, r := h.lives()
	if s != sessionLives || a != accessLives || r != refreshLives {
		h.k.t.Errorf("%s: session, access and refresh token live: %t, %t, %t, want %t, %t, %t", what, s, a, r, sessionLives, accessLives, refreshLives)
	}
}

// mailbox keeps messages.
type mailbox struct {
	mu   sync.Mutex
	sent []notify.Message
}

func (m *mailbox) Send(_ context.Context, msg notify.Message) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sent = append(m.sent, msg)
	return nil
}

// last waits for the nth message.
func (m *mailbox) last(t testing.TB, n int) notify.Message {
	t.Helper()
	for range 500 {
		m.mu.Lock()
		if len(m.sent) >= n {
			defer m.mu.Unlock()
			return m.sent[n-1]
		}
		m.mu.Unlock()
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("message %d did not come", n)
	return notify.Message{}
}

func (m *mailbox) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.sent)
}

// mailed makes a kit whose messages go into a mailbox.
func mailed(t testing.TB) (*kit, *mailbox) {
	k, m := newKit(t, quick), &mailbox{}
	k.API.Users.Notifier = m
	return k, m
}

// scoped makes a worker with one role on one population, and returns its ID.
func (k *kit) scoped(role, population string) string {
	k.t.Helper()
	id := k.as(root).post("/{env}/applications", `{
		"name":"scoped `+secret.NewID()+`","enabled":true,"type":"WORKER","protocol":"OPENID_CONNECT",
		"grantTypes":["CLIENT_CREDENTIALS"],"tokenEndpointAuthMethod":"CLIENT_SECRET_BASIC"}`).is(201).text("id")
	r, ok := directory.RoleByName(role)
	if !ok {
		k.t.Fatalf("no role %s", role)
	}
	k.as(root).post("/{env}/applications/"+id+"/roleAssignments", map[string]any{
		"role": map[string]any{"id": r.ID}, "scope": map[string]any{"id": population, "type": "POPULATION"},
	}).is(201)
	return id
}

// actions are what the audit log has about an object, oldest first.
func (k *kit) actions(object string) []string {
	k.t.Helper()
	events, err := k.Store.ListEvents(k.t.Context(), store.EventFilter{Environment: home, Object: object}, "", 100, k.Clock.Now())
	if err != nil {
		k.t.Fatal(err)
	}
	var all []string
	for i := len(events) - 1; i >= 0; i-- {
		all = append(all, events[i].Action)
	}
	return all
}
