package assertion

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/fetch"
	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
)

// Config is what a Verifier needs: Issuer, Audience, and one of JWKSURI and JWKS.
type Config struct {
	Issuer   string
	Audience string
	JWKSURI  string // https, or http on a loopback host with InsecureLoopbackHTTP
	JWKS     []byte // instead of JWKSURI
	CA       []byte // PEM roots for the host of JWKSURI; default: the system's
	Header   string // default Header
	// AllowAnonymous accepts assertions of requests that came without an access token, which a gate that is optional passes on: whoever sets
	// it must look at Identity.Anonymous.
	AllowAnonymous bool
	// ClockSkew is how far clocks may differ; default 10 s, at most 1 min. Negative means 0.
	ClockSkew            time.Duration
	InsecureLoopbackHTTP bool
	// Target is the request's path and query as the gate knows them. Default: as they came, http.Request.RequestURI. It is for upstreams that get
	// requests through something that rewrites them.
	Target func(*http.Request) string
	Now    func() time.Time // default: time.Now
}

const (
	defaultSkew = 10 * time.Second
	longestSkew = time.Minute
)

func (c Config) withDefaults() Config {
	c.Header = http.CanonicalHeaderKey(cmp.Or(c.Header, Header))
	switch {
	case c.ClockSkew == 0:
		c.ClockSkew = defaultSkew
	case c.ClockSkew < 0:
		c.ClockSkew = 0
	}
	if c.Target == nil {
		c.Target = func(r *http.Request) string { return r.RequestURI }
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

func (c *Config) check() error {
	switch {
	case c.Issuer == "":
		return errors.New("assertion: Issuer is missing")
	case c.Audience == "":
		return errors.New("assertion: Audience is missing")
	case (c.JWKSURI == "") == (c.JWKS == nil):
		return errors.New("assertion: exactly one of JWKSURI and JWKS is needed")
	case c.ClockSkew > longestSkew:
		return fmt.Errorf("assertion: ClockSkew is more than %v", longestSkew)
	case !httpguts.ValidHeaderFieldName(c.Header):
		return errors.New("assertion: Header is not the name of a header")
	}
	return nil
}

// keys finds the gate's keys.
type keys struct {
	static *jose.KeySet
	source *fetch.KeySource
	client *fetch.Client
}

func newKeys(c *Config) (*keys, error) {
	if c.JWKS != nil {
		set, skipped, err := jose.ParseKeySet(c.JWKS, jose.KeySetLimits{})
		if err != nil {
			return nil, fmt.Errorf("assertion: JWKS: %w", err)
		}
		if set.Len() == 0 {
			return nil, fmt.Errorf("assertion: JWKS: no usable key (%d skipped)", skipped)
		}
		return &keys{static: set}, nil
	}
	client, err := fetch.NewClient(fetch.Options{CA: c.CA, InsecureLoopbackHTTP: c.InsecureLoopbackHTTP})
	if err != nil {
		return nil, fmt.Errorf("assertion: CA: %w", err)
	}
	source, err := fetch.NewKeySource(fetch.KeySourceConfig{Client: client, JWKSURI: c.JWKSURI, Now: c.Now})
	if err != nil {
		client.Close()
		return nil, fmt.Errorf("assertion: %w", err)
	}
	return &keys{source: source, client: client}, nil
}

func (k *keys) close() {
	if k.source != nil {
		k.source.Close()
		k.client.Close()
	}
}
