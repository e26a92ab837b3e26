package resourceserver

import (
	"context"
	"log/slog"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
)

// Mode is how an issuer's tokens are verified.
type Mode string

// The modes. Tokens of a Local issuer are verified in process and need none.
const (
	ModeJWT        Mode = "jwt"        // signature and claims
	ModeIntrospect Mode = "introspect" // RFC 7662, JWT or opaque
	ModeBoth       Mode = "both"       // JWT first, and introspected at most every RecheckEvery; opaque only with OpaqueTokens
)

// Config is what tells two verifiers apart: the trusted issuers and how they are asked.
type Config struct {
	Issuers []Issuer
	// MaxTokenSize in bytes; default 16384, at most 1 MiB.
	MaxTokenSize int
	// GoodCacheBytes and BadCacheBytes bound the two result caches; default 64 MiB and 16 MiB: room for
	// more than 10,000 tokens of the usual length each.
	GoodCacheBytes, BadCacheBytes int64
	// RefusedTTL is how long a refusal is remembered; default 10 s, at most 1 min.
	RefusedTTL time.Duration
	Observer   Observer // default: none
	Log        *slog.Logger
	Now        func() time.Time // default time.Now
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
	Algorithms     []string      // default RS256, PS256, ES256, EdDSA; HS* only with Secret, where HS256 is the default
	ClockSkew      time.Duration // default 30 s, at most 5 min; negative means 0
	MaxLifetime    time.Duration // exp-iat at most; 0: not checked
	RequireSubject bool          // sub must be a non-blank string
	// Decryption opens encrypted tokens (JWE), which must hold a signed one. nil: they are refused.
	Decryption *jose.DecryptionKeys

	Mode          Mode          // default: jwt (local issuers: in process)
	RecheckEvery  time.Duration // ModeBoth
	Introspection Introspection

	CA                   []byte        // PEM roots for this issuer's hosts
	Timeout              time.Duration // of one outbound exchange; default 5 s
	InsecureLoopbackHTTP bool          // http URLs on loopback hosts; logged at start
}

// Introspection is how an issuer is asked about a token.
type Introspection struct {
	Endpoint     string // default: discovered introspection_endpoint
	ClientID     string
	AuthMethod   string // oauth.AuthClientSecretBasic (default), …Post, oauth.AuthPrivateKeyJWT
	ClientSecret string
	PrivateKey   *jose.SigningKey // for private_key_jwt
	TTL          time.Duration    // how long an active answer is believed; default 1 min, never past exp. ModeBoth has RecheckEvery for it
	// OpaqueTokens: this issuer is asked about tokens that are not JWTs, and that no Local issuer knows. Implied
	// when it is the only one of ModeIntrospect; one of ModeBoth has to say so.
	OpaqueTokens bool
	// Signed demands signed answers (RFC 9701), whose aud is ClientID.
	Signed bool
	// StaleOnError is how long an old active answer may be used while the endpoint is down; default 0: never.
	StaleOnError time.Duration
}

// Local is an authorization server in this process, seen from its gate. All
// methods are safe for concurrent use and quick.
type Local interface {
	// Keys is the current set of published verification keys, or an error while
	// they cannot be read (503). kid is the one that is wanted: it may have been made
	// just now, and elsewhere.
	Keys(ctx context.Context, kid string) (*jose.KeySet, error)
	// Opaque gives the claims of a token that is no JWT: nil, nil for one that is none of the server's. Whether it has expired
	// or was revoked is not looked at. An error means that it cannot be told now (503).
	Opaque(ctx context.Context, raw string) (*jose.Claims, error)
	// Epoch changes whenever any token may have been revoked, and whenever a key
	// was withdrawn before the last token that it signed has ended. It must be read
	// before Revoked to be sure that an answer is not older than it.
	Epoch() uint64
	// Revoked reports whether the token with these claims has been revoked. An error means that it
	// cannot be told now (503).
	Revoked(c *jose.Claims) (bool, error)
	// Phantom is a signed JWT that says what the token with these claims says, for who is behind the gate.
	Phantom(ctx context.Context, c *jose.Claims) (string, error)
}

// Defaults of the configuration.
const (
	defaultTokenSize   = 16384
	maxTokenSize       = 1 << 20
	defaultGoodBytes   = 64 << 20
	defaultBadBytes    = 16 << 20
	defaultRefusedTTL  = 10 * time.Second
	maxRefusedTTL      = time.Minute
	defaultClockSkew   = 30 * time.Second
	maxClockSkew       = 5 * time.Minute
	defaultAnswerTTL   = time.Minute
	defaultTimeout     = 5 * time.Second
	longestCachedToken = 24 * time.Hour // then it is verified again; bounds every sum of times
)

var (
	defaultAlgorithms       = []string{jose.RS256, jose.PS256, jose.ES256, jose.EdDSA}
	defaultSecretAlgorithms = []string{jose.HS256}
)

func (c Config) withDefaults() Config {
	if c.MaxTokenSize == 0 {
		c.MaxTokenSize = defaultTokenSize
	}
	if c.GoodCacheBytes == 0 {
		c.GoodCacheBytes = defaultGoodBytes
	}
	if c.BadCacheBytes == 0 {
		c.BadCacheBytes = defaultBadBytes
	}
	if c.RefusedTTL == 0 {
		c.RefusedTTL = defaultRefusedTTL
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	issuers := make([]Issuer, len(c.Issuers))
	for i, is := range c.Issuers {
		issuers[i] = is.withDefaults()
	}
	c.Issuers = issuers
	c.implyOpaqueTokens()
	return c
}

func (is Issuer) withDefaults() Issuer {
	if is.Mode == "" {
		is.Mode = ModeJWT
	}
	if len(is.Algorithms) == 0 {
		is.Algorithms = defaultAlgorithms
		if is.Secret != nil {
			is.Algorithms = defaultSecretAlgorithms
		}
	}
	switch {
	case is.ClockSkew == 0:
		is.ClockSkew = defaultClockSkew
	case is.ClockSkew < 0:
		is.ClockSkew = 0
	}
	if is.Introspection.TTL == 0 {
		is.Introspection.TTL = defaultAnswerTTL
	}
	if is.Timeout == 0 {
		is.Timeout = defaultTimeout
	}
	return is
}

// implyOpaqueTokens gives opaque tokens to the only issuer that can be asked about them.
func (c *Config) implyOpaqueTokens() {
	only := -1
	for i := range c.Issuers {
		if c.Issuers[i].Mode != ModeIntrospect {
			continue
		}
		if only >= 0 {
			return
		}
		only = i
	}
	if only >= 0 {
		c.Issuers[only].Introspection.OpaqueTokens = true
	}
}
