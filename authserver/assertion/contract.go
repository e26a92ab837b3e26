package assertion

import (
	"context"
	"net/http"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
)

// Type is the typ of an assertion, Header the request header that carries it unless configuration says otherwise.
const (
	Type   = "gatehouse-assertion+jwt"
	Header = "Gatehouse-Assertion"
)

// Signer makes assertions. Safe for concurrent use.
type Signer struct {
	Issuer   string        // iss: an absolute URL that names the gate
	Audience string        // aud
	Life     time.Duration // default 60 s
	Claims   []string      // of the token, beside sub, client_id and scope
	Key      func(ctx context.Context) (*jose.SigningKey, error)
	Now      func() time.Time
}

// Sign makes the assertion for a request: its method, the path that the upstream gets, and the token (nil and "" for an anonymous one).
func (s *Signer) Sign(ctx context.Context, method, path, rawToken string, claims *jose.Claims) (string, error) {
	panic("contract")
}

// Verifier judges assertions at an upstream. Issuer, Audience and JWKSURI (or Keys) are required. Safe for concurrent use.
type Verifier struct{}

// Config is what a Verifier needs.
type Config struct {
	Issuer   string
	Audience string
	JWKSURI  string // https, or http on a loopback host with InsecureLoopbackHTTP
	JWKS     []byte // instead of JWKSURI
	Header   string // default Header
	// ClockSkew is how far clocks may differ. Default: 10 s.
	ClockSkew            time.Duration
	InsecureLoopbackHTTP bool
	Now                  func() time.Time
}

// NewVerifier checks c; it contacts nobody.
func NewVerifier(c Config) (*Verifier, error) { panic("contract") }

// Close ends background work.
func (v *Verifier) Close() { panic("contract") }

// Identity is what an assertion says.
type Identity struct {
	Subject, ClientID string
	Scope             []string
	Claims            *jose.Claims
}

// Verify judges the assertion of a request: signature, iss, aud, times, method, path, and, where the request still has its token, ath.
func (v *Verifier) Verify(r *http.Request) (*Identity, error) { panic("contract") }

// Middleware lets requests with a good assertion alone through to next; FromContext gives its Identity.
func (v *Verifier) Middleware(next http.Handler) http.Handler { panic("contract") }

// FromContext gives what Middleware verified.
func FromContext(ctx context.Context) (*Identity, bool) { panic("contract") }
