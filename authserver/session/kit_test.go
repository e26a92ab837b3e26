package session_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/session"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

const (
	envID = "0a000000-0000-4000-8000-00000000000a"
	alice = "0b000000-0000-4000-8000-0000000000a1"
	bob   = "0b000000-0000-4000-8000-0000000000b1"
)

// kit is Sessions on a real store with a clock that stands still.
type kit struct {
	*session.Sessions
	env   *store.Environment
	clock *testkit.Clock
	store *counted
}

func newKit(t testing.TB) *kit {
	t.Helper()
	k := &kit{
		env:   &store.Environment{ID: envID, Issuer: "https://auth.example.com/" + envID + "/as"},
		clock: testkit.NewClock(time.Unix(1_800_000_000, 0)),
		store: &counted{Sessions: testkit.Store(t)},
	}
	k.Sessions = &session.Sessions{Store: k.store, NewID: secret.NewID, NewSecret: secret.New, Now: k.clock.Now}
	return k
}

// agent is a browser: it keeps cookies as they are set.
type agent struct {
	k       *kit
	cookies map[string]string
	address string
	name    string // User-Agent
}

func (k *kit) agent() *agent {
	return &agent{k: k, cookies: map[string]string{}, address: "192.0.2.1:4711", name: "Test/1.0"}
}

func (a *agent) request() *http.Request {
	r := httptest.NewRequest(http.MethodGet, a.k.env.Issuer+"/authorize", nil)
	r.RemoteAddr = a.address
	r.Header.Set("User-Agent", a.name)
	for name, value := range a.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	return r
}

// read sends a request; its answer is what close writes.
func (a *agent) read(t testing.TB) *session.Browser {
	t.Helper()
	b, err := a.k.Read(a.request(), a.k.env)
	if err != nil {
		t.Fatalf("Read: %v", err)
	}
	return b
}

// done ends a request: the cookies it set.
func (a *agent) done(b *session.Browser) []*http.Cookie {
	w := httptest.NewRecorder()
	b.WriteCookies(w, a.k.env)
	set := w.Result().Cookies()
	for _, c := range set {
		if c.MaxAge < 0 {
			delete(a.cookies, c.Name)
		} else {
			a.cookies[c.Name] = c.Value
		}
	}
	return set
}

// signOn makes subject signed on in a request of its own.
func (a *agent) signOn(t testing.TB, subject string) *session.Session {
	t.Helper()
	b := a.read(t)
	if _, err := a.k.SignOn(context.Background(), a.k.env, b, pwd(subject)); err != nil {
		t.Fatalf("SignOn: %v", err)
	}
	a.done(b)
	return b.Session
}

func pwd(subject string) session.SignOn {
	return session.SignOn{Subject: subject, ACR: "Single_Factor", AMR: []string{"pwd"}}
}

// who is signed on in a, "" for nobody.
func (a *agent) who(t testing.TB) string {
	t.Helper()
	b := a.read(t)
	a.done(b)
	if b.Session == nil {
		return ""
	}
	return b.Session.Subject
}

// counted counts writes and fails on demand.
type counted struct {
	store.Sessions
	replaced, put                   atomic.Int64
	conflicts                       atomic.Int32 // so many ReplaceSession conflict
	readFails, endFails, writeFails atomic.Bool
}

var errBroken = errors.New("the disk is gone")

func (c *counted) PutSession(ctx context.Context, s store.Session) error {
	c.put.Add(1)
	if c.writeFails.Load() {
		return errBroken
	}
	return c.Sessions.PutSession(ctx, s)
}

func (c *counted) ReplaceSession(ctx context.Context, s store.Session) error {
	c.replaced.Add(1)
	if c.writeFails.Load() {
		return errBroken
	}
	if c.conflicts.Add(-1) >= 0 {
		return store.ErrConflict
	}
	return c.Sessions.ReplaceSession(ctx, s)
}

func (c *counted) SessionByToken(ctx context.Context, env string, h store.Hash, now time.Time) (store.Session, error) {
	if c.readFails.Load() {
		return store.Session{}, errBroken
	}
	return c.Sessions.SessionByToken(ctx, env, h, now)
}

func (c *counted) EndSession(ctx context.Context, env, id string) (store.Session, error) {
	if c.endFails.Load() {
		return store.Session{}, errBroken
	}
	return c.Sessions.EndSession(ctx, env, id)
}
