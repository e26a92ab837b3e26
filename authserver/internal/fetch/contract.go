package fetch

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
)

// Options shapes a Client. Zero fields mean the defaults.
type Options struct {
	CA       []byte        // PEM roots instead of the system's; nothing readable in it is an error
	Timeout  time.Duration // whole exchange; default 5 s
	MaxBody  int64         // bytes of an answer; default 1 MiB
	MaxConns int           // per host; default 64
	// InsecureLoopbackHTTP allows http URLs whose host is a loopback name or address.
	InsecureLoopbackHTTP bool
}

// Client makes every outbound request: https only (see InsecureLoopbackHTTP), no redirect
// followed, no proxy taken from the environment, no cookie, bounded size and time, pooled connections.
type Client struct{}

func NewClient(o Options) (*Client, error) { panic("todo") }

// CheckURL judges a configured URL at load time: absolute, http(s) as Options allow, no user info, no fragment.
func (o Options) CheckURL(raw string) (*url.URL, error) { panic("todo") }

// GetJSON gets a document. Any status but 200, a redirect, a body over the
// limit or a content type that is not JSON is an error.
func (c *Client) GetJSON(ctx context.Context, url string) ([]byte, http.Header, error) { panic("todo") }

// PostForm posts a form and returns status and bounded body. auth may set headers (basic authentication).
func (c *Client) PostForm(ctx context.Context, url string, form url.Values, auth func(*http.Request)) (status int, header http.Header, body []byte, err error) {
	panic("todo")
}

// Close closes idle connections.
func (c *Client) Close() { panic("todo") }

// KeySourceConfig describes where an issuer's keys come from: exactly one of
// Issuer (discovery) or JWKSURI.
type KeySourceConfig struct {
	Client  *Client
	Issuer  string // discovery: OIDC (issuer + /.well-known/openid-configuration), then RFC 8414 §3.1
	JWKSURI string
	// MinInterval bounds refetches for unknown key ids and after failures; default 10 s.
	MinInterval time.Duration
	// MaxAge is how old keys may grow before a background refresh; default 10 min. Cache-Control max-age
	// shortens it, never below MinInterval.
	MaxAge time.Duration
	// MaxStale is how long last good keys are used while the issuer is down; default 24 h.
	MaxStale  time.Duration
	Now       func() time.Time
	Log       *slog.Logger
	OnRefresh func(ok bool, keys, skipped int)
}

// KeySource is a cached JWK Set: fetched on first use and in the background,
// single-flight, rate limited, last good keys kept while the issuer is down.
type KeySource struct{}

func NewKeySource(c KeySourceConfig) (*KeySource, error) { panic("todo") }

// Find gives the key for a header. found is false when the key set is good and
// has no such key. err means that the keys cannot be had now (503), never "unknown".
func (s *KeySource) Find(ctx context.Context, h *jose.Header) (key *jose.Key, err error) {
	panic("todo")
}

// Age is the time since the last good fetch; ok is false before the first one.
func (s *KeySource) Age() (age time.Duration, ok bool) { panic("todo") }

// Metadata gives the discovered document's members that are used elsewhere
// (introspection_endpoint); "" before discovery or without Issuer.
func (s *KeySource) IntrospectionEndpoint(ctx context.Context) (string, error) { panic("todo") }

// Close ends background work.
func (s *KeySource) Close() { panic("todo") }
