package fetch

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
)

// maxWaiters bounds the requests that wait for one refetch because their key
// is unknown; the others are told at once. Without it a flood of invented key ids
// and a slow issuer would pile up requests.
const maxWaiters = 64

// KeySourceConfig describes where an issuer's keys come from: exactly one of
// Issuer (discovery) or JWKSURI.
type KeySourceConfig struct {
	Client  *Client
	Issuer  string // discovery: OIDC (issuer + /.well-known/openid-configuration), then RFC 8414 §3.1
	JWKSURI string
	// MinInterval bounds refetches for unknown key ids and after failures; default 10 s.
	MinInterval time.Duration
	// MaxAge is how old keys may grow before a background refresh; default 10 min. Cache-Control max-age
	// shortens it, never below MinInterval. After twice that time without any
	// request the next one waits for the refresh.
	MaxAge time.Duration
	// MaxStale is how long last good keys are used while the issuer is down; default 24 h.
	MaxStale time.Duration
	Now      func() time.Time
	Log      *slog.Logger
	// OnRefresh is told of every attempt to get the keys: how many are usable now and how many were skipped.
	OnRefresh func(ok bool, keys, skipped int)
}

// KeySource is a cached JWK Set: fetched on first use and in the background,
// single-flight, rate limited, last good keys kept while the issuer is down. It
// is safe for concurrent use.
type KeySource struct {
	config    KeySourceConfig
	keys      refresher[*keys]
	discovery refresher[*metadata] // unused with JWKSURI
	waiters   atomic.Int64
}

// keys is one fetched JWK Set.
type keys struct {
	set        *jose.KeySet
	document   []byte
	generation uint64 // changes when the document does
}

// NewKeySource makes a source. It fetches nothing and judges only the URL.
func NewKeySource(c KeySourceConfig) (*KeySource, error) {
	if c.Client == nil {
		return nil, errors.New("key source: no client")
	}
	if (c.Issuer == "") == (c.JWKSURI == "") {
		return nil, errors.New("key source: exactly one of issuer and jwks_uri is needed")
	}
	if c.Issuer != "" {
		u, err := c.Client.CheckURL(c.Issuer)
		if err != nil {
			return nil, fmt.Errorf("issuer: %w", err)
		}
		if u.RawQuery != "" || u.ForceQuery {
			return nil, fmt.Errorf("issuer: %q must not have a query (RFC 8414 §2)", c.Issuer)
		}
	} else if _, err := c.Client.CheckURL(c.JWKSURI); err != nil {
		return nil, fmt.Errorf("jwks_uri: %w", err)
	}
	if c.MinInterval <= 0 {
		c.MinInterval = 10 * time.Second
	}
	if c.MaxAge <= 0 {
		c.MaxAge = 10 * time.Minute
	}
	if c.MaxStale <= 0 {
		c.MaxStale = 24 * time.Hour
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.OnRefresh == nil {
		c.OnRefresh = func(bool, int, int) {}
	}
	s := &KeySource{config: c}
	s.keys = refresher[*keys]{load: s.loadKeys, now: c.Now, minInterval: c.MinInterval, maxAge: c.MaxAge, maxStale: c.MaxStale}
	s.discovery = refresher[*metadata]{load: s.loadMetadata, now: c.Now, minInterval: c.MinInterval, maxAge: c.MaxAge, maxStale: c.MaxStale}
	s.keys.init()
	s.discovery.init()
	return s, nil
}

// Find gives the key for a header. A nil key without an error means that the
// key set is good and has no such key. err means that the keys cannot be had now (503), never "unknown".
//
// The first call waits for the keys, bounded by ctx and the client's timeout. A key id that is unknown
// causes at most one refetch in each MinInterval; between them the answer comes at once.
func (s *KeySource) Find(ctx context.Context, h *jose.Header) (key *jose.Key, err error) {
	key, _, err = s.Lookup(ctx, h)
	return key, err
}

// Lookup is Find together with the number of the key set (see Current) that
// the answer comes from.
func (s *KeySource) Lookup(ctx context.Context, h *jose.Header) (key *jose.Key, generation uint64, err error) {
	// A kid that is known and does not fit: there is no news to expect.
	settled := func(set *jose.KeySet) bool { return h.HasKeyID && set.HasID(h.KeyID) }
	return s.lookup(ctx, func(set *jose.KeySet) *jose.Key { return set.Find(h) }, settled)
}

// Certified gives the key that a certificate is for (jose.KeySet.Certified), under the rules of Find: one that is unknown causes a
// refetch too.
func (s *KeySource) Certified(ctx context.Context, c *x509.Certificate) (key *jose.Key, err error) {
	never := func(*jose.KeySet) bool { return false }
	key, _, err = s.lookup(ctx, func(set *jose.KeySet) *jose.Key { return set.Certified(c) }, never)
	return key, err
}

func (s *KeySource) lookup(ctx context.Context, find func(*jose.KeySet) *jose.Key, settled func(*jose.KeySet) bool) (key *jose.Key, generation uint64, err error) {
	now := s.config.Now()
	snap, err := s.keys.get(ctx, now)
	if err != nil {
		return nil, 0, fmt.Errorf("keys of the issuer: %w", err)
	}
	k := snap.value
	if key := find(k.set); key != nil || settled(k.set) {
		return key, k.generation, nil
	}
	if s.keys.throttled(now.UnixNano()) && !s.keys.loading() {
		return nil, k.generation, nil
	}
	if s.waiters.Add(1) <= maxWaiters {
		// Whether it failed does not matter: the keys that are known are good, and this
		// one is not among them.
		_ = s.keys.wait(ctx, now.UnixNano())
	}
	s.waiters.Add(-1)
	k = s.keys.good.Load().value
	return find(k.set), k.generation, nil
}

// Current numbers the key set that Find would use now without waiting: a
// result that was reached with the same number may still be relied on. It also has
// a due refresh started in the background, so callers that remember results
// must ask it at each use. ok is false when Find would wait. It takes no lock.
func (s *KeySource) Current(now time.Time) (generation uint64, ok bool) {
	snap, ok := s.keys.current(now)
	if !ok {
		return 0, false
	}
	return snap.value.generation, true
}

// NextTry is when an unknown key id may cause the next fetch.
func (s *KeySource) NextTry() time.Time { return time.Unix(0, s.keys.nextTry.Load()) }

// Age is the time since the last good fetch; ok is false before the first one.
func (s *KeySource) Age() (age time.Duration, ok bool) {
	snap := s.keys.good.Load()
	if snap == nil {
		return 0, false
	}
	return max(0, time.Duration(s.config.Now().UnixNano()-snap.at)), true
}

// IntrospectionEndpoint is the discovered introspection_endpoint. It is an
// error when the issuer's metadata cannot be had now or does not name one, and without Issuer.
func (s *KeySource) IntrospectionEndpoint(ctx context.Context) (string, error) {
	return s.endpoint(ctx, "introspection_endpoint", func(m *metadata) string { return m.IntrospectionEndpoint })
}

// TokenEndpoint is the discovered token_endpoint, under the rules of IntrospectionEndpoint.
func (s *KeySource) TokenEndpoint(ctx context.Context) (string, error) {
	return s.endpoint(ctx, "token_endpoint", func(m *metadata) string { return m.TokenEndpoint })
}

func (s *KeySource) endpoint(ctx context.Context, name string, of func(*metadata) string) (string, error) {
	if s.config.Issuer == "" {
		return "", fmt.Errorf("%s: the issuer is not discovered", name)
	}
	snap, err := s.discovery.get(ctx, s.config.Now())
	if err != nil {
		return "", err
	}
	if of(snap.value) == "" {
		return "", fmt.Errorf("the discovery document names no %s", name)
	}
	return of(snap.value), nil
}

// Close ends background work and waits for it.
func (s *KeySource) Close() {
	s.keys.close()
	s.discovery.close()
}

func (s *KeySource) loadMetadata(ctx context.Context) (*metadata, time.Duration, error) {
	m, err := discover(ctx, s.config.Client, s.config.Issuer)
	return m, 0, err
}

func (s *KeySource) loadKeys(ctx context.Context) (*keys, time.Duration, error) {
	k, maxAge, skipped, err := s.fetchKeys(ctx)
	if err != nil {
		if ctx.Err() == nil {
			s.config.OnRefresh(false, 0, 0)
			s.config.Log.Warn("the keys of an issuer could not be fetched", "source", s.name(), "error", err)
		}
		if s.config.Issuer != "" {
			s.discovery.expire() // the keys may have moved
		}
		return nil, 0, err
	}
	s.config.OnRefresh(true, k.set.Len(), skipped)
	if skipped > 0 || k.set.Len() == 0 {
		s.config.Log.Warn("an issuer publishes keys that cannot be used", "source", s.name(), "usable", k.set.Len(), "skipped", skipped)
	}
	return k, maxAge, nil
}

func (s *KeySource) fetchKeys(ctx context.Context) (k *keys, maxAge time.Duration, skipped int, err error) {
	location := s.config.JWKSURI
	if s.config.Issuer != "" {
		snap, err := s.discovery.get(ctx, s.config.Now())
		if err != nil {
			return nil, 0, 0, err
		}
		if location = snap.value.JWKSURI; location == "" {
			return nil, 0, 0, errors.New("the discovery document names no jwks_uri")
		}
	}
	body, header, err := s.config.Client.GetJSON(ctx, location)
	if err != nil {
		return nil, 0, 0, err
	}
	set, skipped, err := jose.ParseKeySet(body, jose.KeySetLimits{})
	if err != nil {
		return nil, 0, 0, fmt.Errorf("%s: %w", location, err)
	}
	k = &keys{set: set, document: body, generation: 1}
	if old := s.keys.good.Load(); old != nil {
		k.generation = old.value.generation
		if !bytes.Equal(old.value.document, body) {
			k.generation++
		}
	}
	return k, cacheLife(header), skipped, nil
}

func (s *KeySource) name() string { return s.config.Issuer + s.config.JWKSURI }

// MaxAge is for how long an answer may be used as it says itself, 0 where it does not; see cacheLife. What must not be kept, or not
// without asking again, may be used for no time at all, which is a nanosecond.
func MaxAge(h http.Header) time.Duration {
	for _, line := range h.Values("Cache-Control") {
		for directive := range strings.SplitSeq(line, ",") {
			name, _, _ := strings.Cut(strings.TrimSpace(directive), "=")
			if strings.EqualFold(name, "no-store") || strings.EqualFold(name, "no-cache") {
				return 1
			}
		}
	}
	return cacheLife(h)
}

// cacheLife reads max-age (RFC 9111 §5.2.2.1), in whole seconds; 0 when it is absent or
// unreadable. An explicit 0 becomes the shortest life there is.
func cacheLife(h http.Header) time.Duration {
	for _, line := range h.Values("Cache-Control") {
		for directive := range strings.SplitSeq(line, ",") {
			name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
			if !strings.EqualFold(name, "max-age") {
				continue
			}
			if n, err := strconv.ParseUint(strings.Trim(value, `"`), 10, 31); err == nil {
				return max(time.Duration(n)*time.Second, 1)
			}
		}
	}
	return 0
}
