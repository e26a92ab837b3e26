package authserver

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/resourceserver"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// StateConfig is what a State is made of.
type StateConfig struct {
	Store store.Store
	// SecretsKey seals private keys at rest: 32 bytes. It is asked for on first use, off Provision's path, because
	// a missing one may be created then.
	SecretsKey func() ([]byte, error)
	Observer   Observer
	Log        *slog.Logger
	Now        func() time.Time
}

// State is what outlives a configuration: key rings, the revocation set, the
// verified-token cache, background jobs. It is safe for concurrent use.
type State struct{}

// NewState makes a State; nothing is read or written before Start.
func NewState(c StateConfig) (*State, error) { panic("todo") }

// Start begins background work (revocation feed, key rotation, janitor). It
// returns at once; requests that come before the store is ready wait for it, bounded. Idempotent.
func (s *State) Start() { panic("todo") }

// Close ends background work and waits for it. The store stays open: it is the caller's.
func (s *State) Close() error { panic("todo") }

// Config is one configuration of the server.
type Config struct {
	State     *State
	Directory store.Directory
	// Surfaces to expose; empty means all: "oidc".
	Surfaces []string
	Log      *slog.Logger
}

// Server is an http.Handler for every endpoint of every environment.
type Server struct{}

// New checks the configuration and builds the routes. It touches neither disk nor network.
func New(ctx context.Context, c Config) (*Server, error) { panic("todo") }

// Handles reports whether the path belongs to this server; a host passes other requests on.
func (s *Server) Handles(r *http.Request) bool { panic("todo") }

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { panic("todo") }

// Local gives the gate's view of one environment.
func (s *State) Local(env *store.Environment) resourceserver.Local { panic("todo") }

// Observer is told what the server does; closed label sets only. Calls are concurrent and must not block.
type Observer interface {
	// Served: one answered request. endpoint is the route's name, outcome "ok" or an OAuth error code.
	Served(endpoint, outcome string, d time.Duration)
	// TokenIssued: grant is the grant type's short name.
	TokenIssued(grant string)
	// Revoked: kind as store.RevocationKind.
	Revoked(kind string)
	// Swept: rows deleted by the janitor.
	Swept(n int)
	// KeyRotated: outcome "created", "rotated", "retired", "error".
	KeyRotated(outcome string)
}
