package resourceserver

import (
	"errors"
	"fmt"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/fetch"
	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
)

// Validate reports the first configuration mistake, naming the option as the
// Caddyfile does. It touches no network.
func (c Config) Validate() error { return c.withDefaults().validate() }

// validate expects the defaults to be filled in.
func (c Config) validate() error {
	switch {
	case len(c.Issuers) == 0:
		return errors.New("issuer: at least one is needed")
	case c.MaxTokenSize < 0 || c.MaxTokenSize > maxTokenSize:
		return fmt.Errorf("max_token_size: %d is not between 1 and %d bytes", c.MaxTokenSize, maxTokenSize)
	case c.GoodCacheBytes < 0 || c.BadCacheBytes < 0:
		return errors.New("cache_size: must not be negative")
	case c.RefusedTTL < 0 || c.RefusedTTL > maxRefusedTTL:
		return fmt.Errorf("refused_ttl: %v is not between 0 and %v", c.RefusedTTL, maxRefusedTTL)
	}
	seen := make(map[string]bool)
	opaque := ""
	for i := range c.Issuers {
		is := &c.Issuers[i]
		if err := is.validate(); err != nil {
			return fmt.Errorf("issuer %q: %w", is.Issuer, err)
		}
		if seen[is.Issuer] {
			return fmt.Errorf("issuer %q: configured twice", is.Issuer)
		}
		seen[is.Issuer] = true
		if !is.Introspection.OpaqueTokens {
			continue
		}
		if opaque != "" {
			return fmt.Errorf("opaque_tokens: both issuer %q and issuer %q have it, only one can be asked", opaque, is.Issuer)
		}
		opaque = is.Issuer
	}
	return nil
}

func (is *Issuer) validate() error {
	if strings.TrimSpace(is.Issuer) == "" {
		return errors.New("the issuer is empty")
	}
	for _, check := range []func(*Issuer) error{
		(*Issuer).validateAudience, (*Issuer).validateTimes, (*Issuer).validateKeys,
		(*Issuer).validateAlgorithms, (*Issuer).validateMode, (*Issuer).validateURLs,
	} {
		if err := check(is); err != nil {
			return err
		}
	}
	return nil
}

func (is *Issuer) validateAudience() error {
	switch {
	case len(is.Audience) == 0 && !is.AnyAudience:
		return errors.New("audience: none is given; list the values this API accepts, or write any_audience to accept tokens meant for others")
	case len(is.Audience) > 0 && is.AnyAudience:
		return errors.New("audience and any_audience exclude each other")
	}
	for _, a := range is.Audience {
		if a == "" {
			return errors.New("audience: must not be empty")
		}
	}
	return nil
}

func (is *Issuer) validateTimes() error {
	switch {
	case is.ClockSkew > maxClockSkew:
		return fmt.Errorf("clock_skew: %v is more than %v", is.ClockSkew, maxClockSkew)
	case is.MaxLifetime < 0:
		return errors.New("max_lifetime: must not be negative")
	case is.Timeout < 0:
		return errors.New("timeout: must not be negative")
	case is.Introspection.TTL < 0:
		return errors.New("introspection ttl: must not be negative")
	case is.Introspection.StaleOnError < 0:
		return errors.New("introspection stale_on_error: must not be negative")
	}
	return nil
}

// validateKeys: keys come from one place.
func (is *Issuer) validateKeys() error {
	var given []string
	for _, source := range []struct {
		name string
		set  bool
	}{
		{"local", is.Local != nil}, {"jwks_uri", is.JWKSURI != ""}, {"jwks_file", is.JWKS != nil}, {"secret", is.Secret != nil},
	} {
		if source.set {
			given = append(given, source.name)
		}
	}
	if len(given) > 1 {
		return fmt.Errorf("%s exclude each other", strings.Join(given, " and "))
	}
	if is.Secret != nil {
		if _, err := jose.NewSecretKey("", is.Secret); err != nil {
			return fmt.Errorf("secret: %w", err)
		}
	}
	if is.JWKS != nil {
		set, skipped, err := jose.ParseKeySet(is.JWKS, jose.KeySetLimits{})
		if err != nil {
			return fmt.Errorf("jwks_file: %w", err)
		}
		if set.Len() == 0 {
			return fmt.Errorf("jwks_file: no usable key (%d skipped)", skipped)
		}
	}
	return nil
}

func (is *Issuer) validateAlgorithms() error {
	for _, alg := range is.Algorithms {
		switch {
		case strings.EqualFold(alg, "none"):
			return errors.New("algorithms: none is never accepted")
		case !jose.Known(alg):
			return fmt.Errorf("algorithms: %q is unknown", alg)
		case jose.Symmetric(alg) && is.Secret == nil:
			return fmt.Errorf("algorithms: %s needs a secret; an issuer that publishes keys cannot use it", alg)
		case !jose.Symmetric(alg) && is.Secret != nil:
			return fmt.Errorf("algorithms: %s cannot be verified with a secret", alg)
		}
		if is.Secret != nil {
			key, err := jose.NewSecretKey("", is.Secret)
			if err != nil {
				return fmt.Errorf("secret: %w", err)
			}
			if !key.Fits(alg) {
				return fmt.Errorf("secret: too short for %s (RFC 7518 §3.2)", alg)
			}
		}
	}
	return nil
}

func (is *Issuer) validateMode() error {
	in := &is.Introspection
	switch is.Mode {
	case ModeJWT:
		if in.OpaqueTokens {
			return errors.New("opaque_tokens: needs verify introspect or jwt_and_introspect")
		}
		if in.Endpoint != "" || in.ClientID != "" {
			return errors.New("introspection: has no effect with verify jwt")
		}
		if in.Signed {
			return errors.New("signed: needs verify introspect or jwt_and_introspect")
		}
		return nil
	case ModeIntrospect:
		if !in.Signed && (is.Secret != nil || is.JWKS != nil || is.JWKSURI != "") {
			return errors.New("verify introspect: uses no keys; leave out jwks_uri, jwks_file and secret")
		}
	case ModeBoth:
		if is.RecheckEvery <= 0 {
			return errors.New("verify jwt_and_introspect: needs a positive interval")
		}
	default:
		return fmt.Errorf("verify: %q is not a mode", is.Mode)
	}
	if is.Local != nil {
		return fmt.Errorf("verify %s: this issuer is verified in process", is.Mode)
	}
	if in.Signed && is.Secret != nil {
		return errors.New("signed: answers are verified with published keys; leave out secret")
	}
	return in.validateClient()
}

func (in *Introspection) validateClient() error {
	c := in.credentials("", nil)
	if err := c.Check(); err != nil {
		return fmt.Errorf("introspection: %w", err)
	}
	return nil
}

// validateURLs judges the addresses that will be contacted, and the CA for them.
func (is *Issuer) validateURLs() error {
	if is.Local != nil {
		return nil
	}
	client, err := is.newClient()
	if err != nil {
		return err
	}
	defer client.Close()
	if is.Introspection.Endpoint != "" {
		if _, err := client.CheckURL(is.Introspection.Endpoint); err != nil {
			return fmt.Errorf("introspection endpoint: %w", err)
		}
	}
	var sources []fetch.KeySourceConfig
	if c, ok := is.keySource(); ok {
		sources = append(sources, c)
	}
	if is.discovers() {
		sources = append(sources, fetch.KeySourceConfig{Issuer: is.Issuer})
	}
	for _, c := range sources {
		c.Client = client
		source, err := fetch.NewKeySource(c)
		if err != nil {
			return err
		}
		source.Close()
	}
	return nil
}
