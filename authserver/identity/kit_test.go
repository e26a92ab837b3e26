package identity_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/identity"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/notify"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

const (
	envID   = "0a000000-0000-4000-8000-00000000000a"
	alice   = "0b000000-0000-4000-8000-0000000000a1" // declared
	carol   = "0b000000-0000-4000-8000-0000000000c1" // declared with a PHC string
	address = "192.0.2.1"

	alicePassword = "alice-demo-pass"
	goodPassword  = "a-good-long-password"
)

// kit is Users on a real store, with declared people, a captured notifier and a
// clock that stands still.
type kit struct {
	*identity.Users
	env       *store.Environment
	clock     *testkit.Clock
	directory *directory
	store     *counted
	mail      *mailbox
	log       *testkit.Buffer
	hashes    atomic.Int64
	mu        sync.Mutex
	outcomes  []string
}

func newKit(t testing.TB) *kit {
	t.Helper()
	k := &kit{
		env: &store.Environment{
			ID: envID, Name: "Demo", Issuer: "https://auth.example.com/" + envID + "/as",
			SignOn: store.SignOn{
				SelfRegistration: true, PasswordRecovery: true, PasswordMinLength: 8,
				LockoutAttempts: 5, LockoutDuration: 15 * time.Minute,
				Argon2Memory: 64, Argon2Passes: 1, Argon2Lanes: 1, // quick
			},
		},
		clock: testkit.NewClock(time.Unix(1_800_000_000, 0)), store: &counted{backend: testkit.Store(t)}, mail: &mailbox{}, log: &testkit.Buffer{},
	}
	k.directory = &directory{users: map[string]*store.User{}}
	k.declare(&store.User{ID: alice, Username: "alice", Password: alicePassword, Claims: map[string]any{"email": "alice@example.com", "name": "Alice Example"}})
	k.Users = &identity.Users{
		Directory: k.directory, Store: k.store, Notifier: k.mail, NewID: secret.NewID, Now: k.clock.Now,
		Checked: func(outcome string) {
			k.mu.Lock()
			defer k.mu.Unlock()
			k.outcomes = append(k.outcomes, outcome)
		},
		Hashed:  func(time.Duration) { k.hashes.Add(1) },
		NoLimit: func(a string) bool { return a == address },
		Log:     slog.New(slog.NewTextHandler(k.log, nil)),
	}
	t.Cleanup(func() {
		if err := k.Close(context.Background()); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return k
}

// declare adds a declared user.
func (k *kit) declare(u *store.User) {
	u.Environment, u.Declared, u.Verified = envID, true, true
	k.directory.mu.Lock() // messages are being sent, perhaps
	defer k.directory.mu.Unlock()
	k.directory.users[u.Username] = u
}

// register makes a stored user who has confirmed their address.
func (k *kit) register(t testing.TB, username, password string) *store.User {
	t.Helper()
	ctx := context.Background()
	u, err := k.Register(ctx, k.env, identity.Account{Username: username, Email: username + "@example.net", Password: password}, address)
	if err != nil {
		t.Fatalf("Register: %v", err)
	}
	u, err = k.Verify(ctx, k.env, u, k.mail.wait(t, 1)[0].Code, address)
	if err != nil {
		t.Fatalf("Verify: %v", err)
	}
	k.mail.clear()
	return u
}

// check signs on and returns the code of the refusal, "" for none.
func (k *kit) check(t testing.TB, username, password string) string {
	t.Helper()
	_, _, err := k.CheckPassword(context.Background(), k.env, username, password, address)
	return code(t, err)
}

// told is the last outcome that Checked was told.
func (k *kit) told() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.outcomes) == 0 {
		return ""
	}
	return k.outcomes[len(k.outcomes)-1]
}

// code is the code of an error's first detail, or the top-level one where it has
// none, or is about how much was asked for.
func code(t testing.TB, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	e, ok := errors.AsType[*oauth.Error](err)
	switch {
	case !ok:
		t.Fatalf("error = %v, want one for the client", err)
	case e.PingOne == oauth.PingOneRequestLimited:
		return e.PingOne
	case len(e.Details) > 0:
		if e.Status != 400 || e.PingOne != oauth.PingOneInvalidData {
			t.Errorf("status %d %s, want 400 INVALID_DATA", e.Status, e.PingOne)
		}
		return e.Details[0].Code
	}
	return e.PingOne
}

// inner is a member of innerError of the first detail.
func inner(err error, member string) any {
	e, ok := errors.AsType[*oauth.Error](err)
	if !ok || len(e.Details) == 0 {
		return nil
	}
	return e.Details[0].Inner[member]
}

func target(err error) string {
	e, ok := errors.AsType[*oauth.Error](err)
	if !ok || len(e.Details) == 0 {
		return ""
	}
	return e.Details[0].Target
}

// directory holds declared users only; nothing else of it is asked.
type directory struct {
	store.Directory
	mu    sync.RWMutex
	users map[string]*store.User
	asked atomic.Int64
	fail  error
}

func (d *directory) UserByName(_ context.Context, _, username string) (*store.User, error) {
	d.asked.Add(1)
	if d.fail != nil {
		return nil, d.fail
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	if u, ok := d.users[username]; ok {
		return u, nil
	}
	return nil, store.ErrNotFound
}

func (d *directory) UserByID(_ context.Context, _, id string) (*store.User, error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	for _, u := range d.users {
		if u.ID == id {
			return u, nil
		}
	}
	return nil, store.ErrNotFound
}

type backend interface {
	store.Users
	store.Credentials
}

// counted counts what is asked of a store, and fails on demand.
type counted struct {
	backend
	reads, writes atomic.Int64
	putFails      atomic.Int32 // so many PutCredential fail
	readFails     atomic.Bool
}

var errBroken = errors.New("the disk is gone")

func (c *counted) StoredUserByName(ctx context.Context, env, name string) (store.User, error) {
	c.reads.Add(1)
	return c.backend.StoredUserByName(ctx, env, name)
}

func (c *counted) CredentialOf(ctx context.Context, env, subject string) (store.Credential, error) {
	c.reads.Add(1)
	if c.readFails.Load() {
		return store.Credential{}, errBroken
	}
	return c.backend.CredentialOf(ctx, env, subject)
}

func (c *counted) PutCredential(ctx context.Context, cred store.Credential) error {
	c.writes.Add(1)
	if c.putFails.Add(-1) >= 0 {
		return errBroken
	}
	return c.backend.PutCredential(ctx, cred)
}

// mailbox keeps messages.
type mailbox struct {
	mu       sync.Mutex
	messages []notify.Message
	fail     error
	block    chan struct{} // Send waits until it is closed
}

func (m *mailbox) Send(ctx context.Context, msg notify.Message) error {
	if m.block != nil {
		select {
		case <-m.block:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.messages = append(m.messages, msg)
	return m.fail
}

func (m *mailbox) all() []notify.Message {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]notify.Message(nil), m.messages...)
}

func (m *mailbox) clear() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.messages = nil
}

// wait returns when there are n messages.
func (m *mailbox) wait(t testing.TB, n int) []notify.Message {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if all := m.all(); len(all) >= n {
			return all
		}
	}
	t.Fatalf("%d messages, want %d", len(m.all()), n)
	return nil
}

// quiet closes the queue, so that all that was to be sent has been, and returns
// it.
func (k *kit) quiet(t testing.TB) []notify.Message {
	t.Helper()
	if err := k.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	return k.mail.all()
}

// holds reports whether one of the texts is in b.
func holds(b []byte, texts ...string) bool {
	for _, text := range texts {
		if text != "" && bytes.Contains(b, []byte(text)) {
			return true
		}
	}
	return false
}
