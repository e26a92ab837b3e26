package resourceserver

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
)

// Mode is how an issuer's tokens are verified.
type Mode string

const (
	ModeJWT        Mode = "jwt"        // signature and claims
	ModeIntrospect Mode = "introspect" // RFC 7662, JWT or opaque
	ModeBoth       Mode = "both"       // JWT first, and introspected at most every RecheckEvery
)

// Config is what tells two verifiers apart: the trusted issuers and how they are asked.
type Config struct {
	Issuers []Issuer
	// MaxTokenSize in bytes; default 16384.
	MaxTokenSize int
	// GoodCacheBytes and BadCacheBytes bound the two result caches; default 64 MiB and 8 MiB.
	GoodCacheBytes, BadCacheBytes int64
	// RefusedTTL is how long a refusal is remembered; default 10 s, at most 1 min.
	RefusedTTL time.Duration
	Observer   Observer // default: none
	Log        *slog.Logger
	Now        func() time.Time
}

// Issuer is one trusted issuer.
type Issuer struct {
	Issuer string // byte-exact iss; discovery starts here unless keys are given otherwise
	// Local verifies tokens of an authorization server in this process; then
	// nothing is fetched.
	Local   Local
	JWKSURI string
	JWKS    []byte // a JWK Set given as text (from a file)
	Secret  []byte // shared HMAC secret; only with symmetric Algorithms

	Audience       []string // accepted aud values; empty is refused unless AnyAudience
	AnyAudience    bool
	Algorithms     []string      // default RS256, PS256, ES256, EdDSA; HS* only with Secret
	ClockSkew      time.Duration // default 30 s; negative means 0
	MaxLifetime    time.Duration // exp-iat at most; 0: not checked
	RequireSubject bool          // sub must be a non-blank string

	Mode          Mode          // default: jwt (local issuers: in process)
	RecheckEvery  time.Duration // ModeBoth
	Introspection Introspection

	CA                   []byte        // PEM roots for this issuer's hosts
	Timeout              time.Duration // of one outbound exchange; default 5 s
	InsecureLoopbackHTTP bool
}

// Introspection is how an issuer is asked about a token.
type Introspection struct {
	Endpoint     string // default: discovered introspection_endpoint
	ClientID     string
	AuthMethod   string // oauth.AuthClientSecretBasic (default), …Post, oauth.AuthPrivateKeyJWT
	ClientSecret string
	PrivateKey   *jose.SigningKey // for private_key_jwt
	TTL          time.Duration    // how long an active answer is believed; default 1 min, never past exp
	// OpaqueTokens: this issuer is asked about tokens that are not JWTs. Implied
	// when it is the only introspecting issuer.
	OpaqueTokens bool
	// StaleOnError is how long an old active answer may be used while the endpoint is down; default 0: never.
	StaleOnError time.Duration
}

// Local is an authorization server in this process, seen from its gate. All
// methods are safe for concurrent use and quick.
type Local interface {
	// Keys is the current set of published verification keys, or an error while
	// they cannot be read (503).
	Keys(ctx context.Context) (*jose.KeySet, error)
	// Epoch changes whenever any token may have been revoked. It must be read
	// before Revoked to be sure that an answer is not older than it.
	Epoch() uint64
	// Revoked reports whether the token with these claims has been revoked. An error means that it
	// cannot be told now (503).
	Revoked(c *jose.Claims) (bool, error)
}

// Reason is the outcome of one decision: a closed set, for metrics and logs.
type Reason uint8

// The reasons. String gives the label.
const (
	Allowed Reason = iota
	NoToken
	InvalidRequest // two tokens, malformed header
	Oversized
	Malformed
	UnknownIssuer
	BadAlgorithm
	BadType
	UnknownKey
	BadSignature
	Expired
	NotYetValid
	WrongAudience
	BadClaims
	Inactive
	Revoked
	InsufficientScope
	ClaimMismatch
	KeysUnavailable
	IntrospectionUnavailable
	LocalUnavailable
	ReasonCount // number of reasons
)

// String is the metric label, e.g. "insufficient_scope".
func (r Reason) String() string { panic("todo") }

// Path is how a verdict was reached.
type Path uint8

const (
	PathCacheHit Path = iota
	PathJWT
	PathIntrospection
	PathLocal
	PathCount
)

// String is the metric label: cache_hit, jwt, introspection, in_process.
func (p Path) String() string { panic("todo") }

// Observer is told what the verifier does. Issuers are numbered as configured;
// -1 means that none was determined. Calls are concurrent and must not block.
type Observer interface {
	Decided(issuer int, r Reason)
	Verified(p Path, d time.Duration)
	KeysRefreshed(issuer int, ok bool)
	Introspected(issuer int, outcome string, d time.Duration) // active, inactive, error
}

// Token is a verified access token, shared by every request that carries it:
// read only.
type Token struct {
	Claims *jose.Claims // for an introspected token: the answer's members
	// unexported: issuer index, expiry, …
}

// Issuer is the configured issuer that vouches for the token.
func (t *Token) Issuer() string { panic("todo") }

// Expiry is when the token ends.
func (t *Token) Expiry() time.Time { panic("todo") }

// Verifier verifies tokens and remembers the results. Safe for concurrent use.
type Verifier struct{}

// New checks the configuration; it touches no network. Errors name the option.
func New(c Config) (*Verifier, error) { panic("todo") }

// Close ends background work.
func (v *Verifier) Close() { panic("todo") }

// Authenticate takes the token out of r and verifies it. Errors are *Refusal.
func (v *Verifier) Authenticate(r *http.Request) (*Token, error) { panic("todo") }

// Verify verifies one raw token. Errors are *Refusal.
func (v *Verifier) Verify(ctx context.Context, raw string) (*Token, error) { panic("todo") }

// Authorize is Authenticate followed by the policy, and tells the Observer the
// one decision of this request.
func (v *Verifier) Authorize(r *http.Request, p *Policy) (*Token, error) { panic("todo") }

// Stats is read at each scrape.
func (v *Verifier) Stats() Stats { panic("todo") }

// Stats describes caches and key sets.
type Stats struct {
	Good, Bad CacheStats
	Keys      []KeyStats // per configured issuer; Known false where no keys are fetched or none were yet
}

type CacheStats struct {
	Entries, Bytes          int64
	Hits, Misses, Evictions uint64
}

type KeyStats struct {
	Known bool
	Age   time.Duration
}

// Policy is what a request needs beyond a valid token. It is judged on every request. The zero Policy needs nothing.
type Policy struct {
	Scopes   []string    // all of
	AnyScope []string    // at least one of
	Audience []string    // at least one of, beside the issuer's own audience
	Claims   []ClaimRule // all of
	Realm    string      // realm attribute of challenges; "" leaves it out
}

// ClaimRule: the named claim (dots reach into objects when no claim has the whole name)
// equals one of Values, or, when it is an array of strings, contains one. Numbers and booleans compare by
// their JSON text only with values written the same; an absent claim never matches.
type ClaimRule struct {
	Name   string
	Values []string
}

// Check judges t. A failure is a *Refusal with 403.
func (p *Policy) Check(t *Token) error { panic("todo") }

// Validate reports configuration mistakes (malformed scope, empty rule).
func (p *Policy) Validate() error { panic("todo") }

// Refusal is why a request does not pass.
type Refusal struct {
	oauth.Error
	Why    Reason
	Issuer int // configured issuer, -1 when none was determined
	// Token is the verified token where the policy refused it, else nil.
	Token *Token
}

// WriteRefusal writes status, challenges, Retry-After, Cache-Control: no-store and the small JSON body.
func WriteRefusal(w http.ResponseWriter, err error) { panic("todo") }

// SetRefusalHeaders sets only the headers (for a host that dresses errors itself) and returns the status.
func SetRefusalHeaders(h http.Header, err error) (status int) { panic("todo") }

// RefusalBody is the small JSON body.
func RefusalBody(err error) []byte { panic("todo") }

// Middleware protects a plain net/http handler; the token is in the request's context (FromContext).
func (v *Verifier) Middleware(p *Policy) func(http.Handler) http.Handler { panic("todo") }

// FromContext gives the token that Middleware verified.
func FromContext(ctx context.Context) (*Token, bool) { panic("todo") }

// Identity removes and sets identity headers: StripHeaders deletes from h every
// spelling of the names that an upstream may fold to one of them (case, '-', '_', '.'),
// names listed in Connection included. It is prepared once.
type HeaderStripper struct{}

func NewHeaderStripper(names ...string) *HeaderStripper { panic("todo") }

func (s *HeaderStripper) Strip(r *http.Request) { panic("todo") }
