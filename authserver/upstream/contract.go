package upstream

import (
	"context"
	"log/slog"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/resourceserver"
)

// Config says where tokens are obtained, and as whom.
type Config struct {
	// Issuer is discovered where TokenEndpoint is "".
	Issuer, TokenEndpoint string
	ClientID              string
	AuthMethod            string // oauth.AuthClientSecretBasic (default), …Post, …PrivateKeyJWT
	ClientSecret          string
	PrivateKey            *jose.SigningKey
	// What the token is for; each may be empty.
	Audience, Resource []string
	Scope              []string

	CA                   []byte
	Timeout              time.Duration // default 5 s
	InsecureLoopbackHTTP bool
	CacheBytes           int64 // default 16 MiB
	Observer             Observer
	Log                  *slog.Logger
	Now                  func() time.Time
}

// Observer is told of each question to a token endpoint; outcome is ok, refused or error.
type Observer interface {
	Obtained(kind, outcome string, d time.Duration)
}

// Source obtains tokens. Safe for concurrent use.
type Source interface {
	// Token gives the token to send on for a client's raw token and what it says; raw is "" and t nil for an anonymous request. Errors are
	// *resourceserver.Refusal-like: a *oauth.Error with 503 where it cannot be had now, 401 invalid_token where the client's is not
	// good enough for it.
	Token(ctx context.Context, raw string, t *resourceserver.Token) (string, error)
	Close()
}

// NewExchange obtains tokens by exchanging the client's (RFC 8693). It contacts nobody yet.
func NewExchange(c Config) (Source, error) { panic("contract") }

// NewClientCredentials obtains the gate's own token, whoever asks.
func NewClientCredentials(c Config) (Source, error) { panic("contract") }

// NewPhantom gives a signed JWT with the claims of the client's token, from the issuer that vouches for it: in this process
// where it is here, or else by asking the introspection endpoint for application/jwt. A token that is a JWT already is its own phantom.
func NewPhantom(c Config) (Source, error) { panic("contract") }
