package resourceserver

import (
	"fmt"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/fetch"
	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
)

// issuer is one configured issuer, made ready.
type issuer struct {
	config        Issuer           // defaults filled in
	index         int              // in Config.Issuers
	client        *fetch.Client    // nil for a local issuer
	static        *jose.KeySet     // keys that were given; else nil
	source        *fetch.KeySource // keys that are fetched; else nil
	discovery     *fetch.KeySource // names the introspection endpoint; nil where it is given. May be source
	introspection *introspector    // nil unless the mode asks for it
}

func newIssuer(index int, config Issuer, c *Config) (_ *issuer, err error) {
	is := &issuer{config: config, index: index}
	if config.Local != nil {
		return is, nil
	}
	if is.client, err = config.newClient(); err != nil {
		return nil, err
	}
	if config.InsecureLoopbackHTTP {
		c.Log.Warn("insecure_loopback_http: an issuer may be asked over plain http on this machine", "issuer", config.Issuer)
	}
	switch {
	case config.Secret != nil:
		key, err := jose.NewSecretKey("", config.Secret)
		if err != nil {
			return nil, fmt.Errorf("secret: %w", err)
		}
		is.static = jose.NewKeySet(key)
	case config.JWKS != nil:
		if is.static, _, err = jose.ParseKeySet(config.JWKS, jose.KeySetLimits{}); err != nil {
			return nil, fmt.Errorf("jwks_file: %w", err)
		}
	}
	if sc, ok := config.keySource(); ok {
		sc.Client, sc.Now, sc.Log = is.client, c.Now, c.Log
		if o := c.Observer; o != nil {
			sc.OnRefresh = func(ok bool, _, _ int) { o.KeysRefreshed(index, ok) }
		}
		if is.source, err = fetch.NewKeySource(sc); err != nil {
			return nil, err
		}
	}
	if config.discovers() {
		if is.source != nil && config.JWKSURI == "" {
			is.discovery = is.source
		} else {
			sc := fetch.KeySourceConfig{Client: is.client, Issuer: config.Issuer, Now: c.Now, Log: c.Log}
			if is.discovery, err = fetch.NewKeySource(sc); err != nil {
				return nil, err
			}
		}
	}
	if config.introspects() {
		is.introspection = newIntrospector(is, c)
	}
	return is, nil
}

// introspects reports whether the issuer is asked about tokens.
func (is *Issuer) introspects() bool { return is.Mode == ModeIntrospect || is.Mode == ModeBoth }

// discovers reports whether the introspection endpoint must be looked up.
func (is *Issuer) discovers() bool { return is.introspects() && is.Introspection.Endpoint == "" }

// keySource says from where keys are fetched, if they are at all.
func (is *Issuer) keySource() (c fetch.KeySourceConfig, ok bool) {
	if is.Local != nil || is.Secret != nil || is.JWKS != nil || is.Mode == ModeIntrospect && !is.Introspection.Signed {
		return c, false
	}
	if is.JWKSURI != "" {
		return fetch.KeySourceConfig{JWKSURI: is.JWKSURI}, true
	}
	return fetch.KeySourceConfig{Issuer: is.Issuer}, true
}

// newClient makes the client for the issuer's hosts; an unreadable CA is its error.
func (is *Issuer) newClient() (*fetch.Client, error) {
	client, err := fetch.NewClient(fetch.Options{
		CA: is.CA, Timeout: is.Timeout, InsecureLoopbackHTTP: is.InsecureLoopbackHTTP, MaxConns: fetch.MaxCalls,
	})
	if err != nil {
		return nil, fmt.Errorf("ca_file: %w", err)
	}
	return client, nil
}

func (is *issuer) close() {
	if is.introspection != nil {
		is.introspection.close()
	}
	if is.source != nil {
		is.source.Close()
	}
	if is.discovery != nil && is.discovery != is.source {
		is.discovery.Close()
	}
	if is.client != nil {
		is.client.Close()
	}
}
