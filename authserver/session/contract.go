// Package session keeps people signed on: the session behind the cookie ST, its
// idle and absolute life, and the applications that took part in it.
//
// It leaves how somebody proves who they are to identity, and what ends with a
// session to logout. OIDC Core §2 (auth_time, acr, amr), OIDC Session
// Management. Start reading at Sessions.Read.
package session

import (
	"context"
	"net/http"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Session is one person signed on in one browser or device. It is a value read
// at one moment.
type Session struct {
	ID       string // sid
	Subject  string
	AuthTime time.Time // of the last sign-on, whole seconds
	ACR      string    // "Single_Factor"
	AMR      []string  // "pwd"
	// Clients took part: they got a token or code of this session.
	Clients   []string
	CreatedAt time.Time
	ActiveAt  time.Time
	ExpiresAt time.Time
	Address   string // of the last sign-on
	UserAgent string // of the last sign-on, at most 512 bytes
}

// SignOn is what was proven just now.
type SignOn struct {
	Subject string
	ACR     string
	AMR     []string
}

// Sessions reads and changes sessions. Safe for concurrent use.
type Sessions struct {
	Store     store.Sessions
	NewID     func() string       // sid
	NewSecret func() secret.Value // cookie values
	Now       func() time.Time
}

// Browser is who sent a request: the cookie it holds, and the session behind it.
// Methods of Sessions change it; WriteCookies sends what changed. It belongs to one request.
//
// Before sign-on the cookie is a random value that a flow is bound to; it is
// replaced at every change of privilege. A session remembers the few values that it grew out of, so that a flow
// which another tab began before sign-on goes on, and a value somebody else planted is worth nothing.
type Browser struct {
	// Session is nil where nobody is signed on.
	Session   *Session
	Address   string // client's address without port
	UserAgent string
	// unexported: token, lineage, what to write
}

// Read finds out who sent r. A cookie that stands for nothing is as good as
// none; an error means the store cannot be asked. Reading counts as use of the session.
func (s *Sessions) Read(r *http.Request, env *store.Environment) (*Browser, error) { panic("contract") }

// Begin makes sure that the browser has a cookie which a flow can be bound to.
func (s *Sessions) Begin(b *Browser) { panic("contract") }

// Binding is what a flow remembers of the browser that began it.
func (b *Browser) Binding() store.Hash { panic("contract") }

// Holds reports whether this browser began what is bound to h.
func (b *Browser) Holds(h store.Hash) bool { panic("contract") }

// SignOn makes b signed on: a new session, or, where the same person proved
// themselves again, the old one with a new auth_time. The cookie changes either way. Another person's
// session in the same browser is ended (returned as replaced, for logout to tell its clients).
func (s *Sessions) SignOn(ctx context.Context, env *store.Environment, b *Browser, on SignOn) (replaced *Session, err error) {
	panic("contract")
}

// Join notes that a client took part in the session of b.
func (s *Sessions) Join(ctx context.Context, env *store.Environment, b *Browser, client string) error {
	panic("contract")
}

// ByID finds a session by its sid, or store.ErrNotFound.
func (s *Sessions) ByID(ctx context.Context, env *store.Environment, id string) (*Session, error) {
	panic("contract")
}

// Touch counts a use without a browser (a refresh): ActiveAt moves, the end does not.
func (s *Sessions) Touch(ctx context.Context, env *store.Environment, id string) error {
	panic("contract")
}

// List lists a person's sessions.
func (s *Sessions) List(ctx context.Context, env *store.Environment, subject string) ([]*Session, error) {
	panic("contract")
}

// End ends a session: of concurrent calls one gets it, the others store.ErrNotFound. What
// hangs on it is logout's business. b, where given, forgets its cookie if it stood for this session.
func (s *Sessions) End(ctx context.Context, env *store.Environment, id string, b *Browser) (*Session, error) {
	panic("contract")
}

// WriteCookies sends the cookies that changed: ST (HttpOnly, Path of the environment, Secure and SameSite=None where
// the issuer is https; Lax on a loopback http issuer) and ST-S, the OP browser
// state that the check-session iframe reads (OIDC Session Management §3.2), not HttpOnly.
func (b *Browser) WriteCookies(w http.ResponseWriter, env *store.Environment) { panic("contract") }

// State is the session_state of an authorization response to a client at origin:
// "<hash>.<salt>" (OIDC Session Management §3.2).
func (b *Browser) State(client, origin, salt string) string { panic("contract") }
