package upstream

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/fetch"
	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
)

// Config says where tokens are obtained, and as whom. NewPhantom makes do with none of Issuer, endpoint and client: then nobody
// elsewhere is asked.
type Config struct {
	// Issuer is discovered where the endpoint is "". It is the audience of assertions, and so required with private_key_jwt.
	Issuer string
	// TokenEndpoint is that of NewExchange and NewClientCredentials, IntrospectionEndpoint that of NewPhantom.
	TokenEndpoint, IntrospectionEndpoint string
	ClientID                             string
	AuthMethod                           string // oauth.AuthClientSecretBasic (default), …Post, …PrivateKeyJWT
	ClientSecret                         string
	PrivateKey                           *jose.SigningKey
	// What the token is for; each may be empty. Phantom tokens have none of it.
	Audience, Resource []string
	Scope              []string

	CA                   []byte        // PEM roots for the server's host
	Timeout              time.Duration // of one exchange with the server; default 5 s
	InsecureLoopbackHTTP bool          // http URLs on loopback hosts; logged at start
	CacheBytes           int64         // default 16 MiB
	Observer             Observer      // default: none
	Log                  *slog.Logger
	Now                  func() time.Time // default time.Now
}

// Observer is told of each question to an authorization server. outcome is ok, refused (the client's token will not do) or error.
type Observer interface {
	Obtained(kind, outcome string, d time.Duration)
}

// Kinds of tokens, as an Observer is told.
const (
	KindExchange          = "exchange"
	KindClientCredentials = "client_credentials"
	KindPhantom           = "phantom"
)

// Outcomes, as an Observer is told.
const (
	OutcomeOK      = "ok"
	OutcomeRefused = "refused"
	OutcomeError   = "error"
)

const (
	defaultTimeout = 5 * time.Second
	defaultCache   = 16 << 20
	maxAnswer      = 64 << 10 // bytes of an answer
	maxToken       = 32 << 10 // bytes of a token: it is to fit into a header
)

func (c Config) withDefaults() Config {
	c.Timeout = cmp.Or(c.Timeout, defaultTimeout)
	c.CacheBytes = cmp.Or(c.CacheBytes, defaultCache)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// check reports the first mistake in the words of configuration. endpoint is the one that is asked, option its name.
func (c *Config) check(option, endpoint string) error {
	switch {
	case c.Timeout < 0:
		return errors.New("timeout: must not be negative")
	case c.CacheBytes < 0:
		return errors.New("cache size: must not be negative")
	case c.Issuer == "" && endpoint == "":
		return fmt.Errorf("issuer or %s is missing", option)
	case c.Issuer == "" && c.AuthMethod == oauth.AuthPrivateKeyJWT:
		return errors.New("private_key_jwt: issuer is missing, for which assertions are made")
	}
	credentials := c.credentials()
	if err := credentials.Check(); err != nil {
		return err
	}
	for _, s := range c.Scope {
		if !oauth.ValidScopeToken(s) {
			return fmt.Errorf("scope: %q is not a scope (RFC 6749 §3.3)", s)
		}
	}
	for _, list := range []struct {
		option string
		values []string
	}{{"audience", c.Audience}, {"resource", c.Resource}} {
		for _, v := range list.values {
			if v == "" {
				return fmt.Errorf("%s: must not be empty", list.option)
			}
		}
	}
	for _, r := range c.Resource {
		if err := checkResource(r); err != nil {
			return err
		}
	}
	return nil
}

func (c *Config) credentials() fetch.Credentials {
	return fetch.Credentials{
		ClientID: c.ClientID, Method: c.AuthMethod, Secret: c.ClientSecret, Key: c.PrivateKey, Issuer: c.Issuer, Now: c.Now,
	}
}
