package caddymodule

import (
	"errors"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-gatehouse/gatehouse/authserver"
	"github.com/caddy-gatehouse/gatehouse/authserver/resourceserver"
)

const namespace = "gatehouse"

// metrics are made once per process, so that counters survive reloads, and
// registered with the registry of each configuration. Labels come from closed
// sets: configured issuers, routes, registered codes; never a user or a path, and a
// client in one metric alone, which is bounded (legacyMetrics).
var metrics = newCollectors()

// collectors are all metrics of Gatehouse.
type collectors struct {
	decisions            *prometheus.CounterVec
	shadowDecisions      *prometheus.CounterVec
	streamsEnded         *prometheus.CounterVec
	streamEndLag         prometheus.Histogram
	verificationSeconds  *prometheus.HistogramVec
	jwksRefreshes        *prometheus.CounterVec
	introspections       *prometheus.CounterVec
	introspectionSeconds *prometheus.HistogramVec

	caches   *cacheCollector
	server   *serverObserver
	upstream *upstreamObserver
}

func newCollectors() *collectors {
	return &collectors{
		decisions: counter("decisions_total",
			"Requests decided by bearer_auth, by the token's issuer (none where it is not known) and outcome.", "issuer", "reason"),
		shadowDecisions: counter("shadow_decisions_total",
			"Requests that bearer_auth would have refused, and let pass because it is in shadow mode.", "issuer", "reason"),
		streamsEnded: counter("streams_ended_total",
			"Exchanges that were ended because their token was: by the token's issuer, and why.", "issuer", "reason"),
		streamEndLag: prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: namespace, Name: "stream_end_lag_seconds",
			Help: "Time from the end of a token to that of an exchange.", Buckets: []float64{.001, .005, .01, .05, .1, .5, 1, 5, 10, 60}}),
		verificationSeconds: histogram("verification_seconds",
			"Time to verify a token, by how that was done.",
			[]float64{1e-6, 1e-5, 1e-4, 5e-4, 1e-3, 5e-3, .01, .05, .1, .5, 1, 5}, "path"),
		jwksRefreshes: counter("jwks_refreshes_total",
			"Attempts to fetch an issuer's keys, by outcome.", "issuer", "outcome"),
		introspections: counter("introspections_total",
			"Questions to an introspection endpoint, by outcome.", "issuer", "outcome"),
		introspectionSeconds: histogram("introspection_seconds",
			"Time an introspection endpoint took to answer.", prometheus.DefBuckets, "issuer"),
		caches:   newCacheCollector(),
		server:   newServerObserver(),
		upstream: newUpstreamObserver(),
	}
}

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
}

func histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets}, labels)
}

// collect registers the metrics with the registry of the configuration that is
// being loaded. Every module of ours calls it; the first one does the work.
func collect(ctx caddy.Context) {
	registry := ctx.GetMetricsRegistry()
	if registry == nil {
		return // a context without one, as some tests have
	}
	s := metrics.server
	for _, c := range []prometheus.Collector{
		metrics.decisions, metrics.shadowDecisions, metrics.streamsEnded, metrics.streamEndLag, metrics.verificationSeconds, metrics.jwksRefreshes, metrics.introspections,
		metrics.introspectionSeconds, metrics.caches,
		metrics.upstream.tokens, metrics.upstream.seconds,
		s.requests, s.seconds, s.issued, s.revoked, s.swept, s.rotations,
		s.passwords, s.hashing, s.signOns, s.replays, s.logouts, s.webhooks, s.legacy.requests,
	} {
		if err := registry.Register(c); err != nil {
			if _, again := errors.AsType[prometheus.AlreadyRegisteredError](err); again {
				return
			}
			processLog().Error("registering metrics", "error", err)
		}
	}
}

// verifierObserver counts what one verifier does. Every label combination that requests lead to has its
// handle before the first of them: nothing is looked up by name.
type verifierObserver struct {
	issuers      []string
	decided      [][resourceserver.ReasonCount]prometheus.Counter // [0]: no issuer
	verified     [resourceserver.PathCount]prometheus.Observer
	refreshed    [][2]prometheus.Counter // failed, succeeded
	introspected []introspectionMetrics
}

type introspectionMetrics struct {
	active, inactive, failed prometheus.Counter
	seconds                  prometheus.Observer
}

func (c *collectors) forVerifier(issuers []string) *verifierObserver {
	o := &verifierObserver{issuers: issuers}
	for _, issuer := range append([]string{"none"}, issuers...) {
		var decided [resourceserver.ReasonCount]prometheus.Counter
		for reason := range decided {
			decided[reason] = c.decisions.WithLabelValues(issuer, resourceserver.Reason(reason).String())
		}
		o.decided = append(o.decided, decided)
	}
	for path := range o.verified {
		o.verified[path] = c.verificationSeconds.WithLabelValues(resourceserver.Path(path).String())
	}
	for _, issuer := range issuers {
		o.refreshed = append(o.refreshed, [2]prometheus.Counter{
			c.jwksRefreshes.WithLabelValues(issuer, "error"), c.jwksRefreshes.WithLabelValues(issuer, "ok"),
		})
		o.introspected = append(o.introspected, introspectionMetrics{
			active:   c.introspections.WithLabelValues(issuer, "active"),
			inactive: c.introspections.WithLabelValues(issuer, "inactive"),
			failed:   c.introspections.WithLabelValues(issuer, "error"),
			seconds:  c.introspectionSeconds.WithLabelValues(issuer),
		})
	}
	return o
}

// Decided implements resourceserver.Observer.
func (o *verifierObserver) Decided(issuer int, r resourceserver.Reason) {
	o.decided[issuer+1][r].Inc()
}

// StreamEnded implements resourceserver.StreamObserver.
func (o *verifierObserver) StreamEnded(issuer int, why resourceserver.Reason, lag time.Duration) {
	name := "none"
	if issuer >= 0 {
		name = o.issuers[issuer]
	}
	metrics.streamsEnded.WithLabelValues(name, why.String()).Inc()
	metrics.streamEndLag.Observe(lag.Seconds())
}

// Verified implements resourceserver.Observer.
func (o *verifierObserver) Verified(p resourceserver.Path, d time.Duration) {
	o.verified[p].Observe(d.Seconds())
}

// KeysRefreshed implements resourceserver.Observer.
func (o *verifierObserver) KeysRefreshed(issuer int, ok bool) {
	outcome := 0
	if ok {
		outcome = 1
	}
	o.refreshed[issuer][outcome].Inc()
}

// Introspected implements resourceserver.Observer.
func (o *verifierObserver) Introspected(issuer int, outcome string, d time.Duration) {
	m := &o.introspected[issuer]
	switch outcome {
	case "active":
		m.active.Inc()
	case "inactive":
		m.inactive.Inc()
	default:
		m.failed.Inc()
	}
	m.seconds.Observe(d.Seconds())
}

// cacheCollector reads caches and key sets of the living verifiers at each
// scrape. Counts of verifiers that are gone stay in the sums.
type cacheCollector struct {
	entries, bytes, hits, misses, evictions, age, insecure *prometheus.Desc

	mu   sync.Mutex
	live map[*sharedVerifier]struct{}
	gone resourceserver.Stats
}

func newCacheCollector() *cacheCollector {
	desc := func(name, help, label string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, []string{label}, nil)
	}
	return &cacheCollector{
		entries:   desc("token_cache_entries", "Results in the token caches.", "cache"),
		bytes:     desc("token_cache_bytes", "Bytes that the token caches hold.", "cache"),
		hits:      desc("token_cache_hits_total", "Tokens found in the token caches.", "cache"),
		misses:    desc("token_cache_misses_total", "Tokens not found in the token caches.", "cache"),
		evictions: desc("token_cache_evictions_total", "Results that had to make room in the token caches.", "cache"),
		age:       desc("jwks_age_seconds", "Time since an issuer's keys were last fetched.", "issuer"),
		insecure:  desc("insecure_transport", "1 for issuers that may be reached over http, on a loopback host.", "issuer"),
		live:      map[*sharedVerifier]struct{}{},
	}
}

func (c *cacheCollector) add(v *sharedVerifier) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.live[v] = struct{}{}
}

func (c *cacheCollector) remove(v *sharedVerifier) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.live, v)
	last := v.Stats()
	addCounts(&c.gone.Good, last.Good)
	addCounts(&c.gone.Bad, last.Bad)
}

// addCounts adds what only ever grows.
func addCounts(sum *resourceserver.CacheStats, s resourceserver.CacheStats) {
	sum.Hits += s.Hits
	sum.Misses += s.Misses
	sum.Evictions += s.Evictions
}

// Describe implements prometheus.Collector.
func (c *cacheCollector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.entries, c.bytes, c.hits, c.misses, c.evictions, c.age, c.insecure} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (c *cacheCollector) Collect(out chan<- prometheus.Metric) {
	c.mu.Lock()
	defer c.mu.Unlock()
	sum := c.gone
	ages := map[string]time.Duration{}
	insecure := map[string]bool{}
	for v := range c.live {
		stats := v.Stats()
		addSizes(&sum.Good, stats.Good)
		addSizes(&sum.Bad, stats.Bad)
		for i, keys := range stats.Keys {
			if keys.Known { // of several verifiers, the one whose keys are oldest
				ages[v.issuers[i]] = max(ages[v.issuers[i]], keys.Age)
			}
		}
		for i, issuer := range v.issuers {
			insecure[issuer] = insecure[issuer] || v.insecure[i]
		}
	}
	c.collectCache(out, "good", sum.Good)
	c.collectCache(out, "refused", sum.Bad)
	for issuer, age := range ages {
		out <- prometheus.MustNewConstMetric(c.age, prometheus.GaugeValue, age.Seconds(), issuer)
	}
	for issuer, is := range insecure {
		value := 0.0
		if is {
			value = 1
		}
		out <- prometheus.MustNewConstMetric(c.insecure, prometheus.GaugeValue, value, issuer)
	}
}

// addSizes adds everything.
func addSizes(sum *resourceserver.CacheStats, s resourceserver.CacheStats) {
	addCounts(sum, s)
	sum.Entries += s.Entries
	sum.Bytes += s.Bytes
}

func (c *cacheCollector) collectCache(out chan<- prometheus.Metric, name string, s resourceserver.CacheStats) {
	for _, m := range []struct {
		desc  *prometheus.Desc
		kind  prometheus.ValueType
		value float64
	}{
		{c.entries, prometheus.GaugeValue, float64(s.Entries)},
		{c.bytes, prometheus.GaugeValue, float64(s.Bytes)},
		{c.hits, prometheus.CounterValue, float64(s.Hits)},
		{c.misses, prometheus.CounterValue, float64(s.Misses)},
		{c.evictions, prometheus.CounterValue, float64(s.Evictions)},
	} {
		out <- prometheus.MustNewConstMetric(m.desc, m.kind, m.value, name)
	}
}

// serverObserver counts what the authorization server does.
type serverObserver struct {
	requests                   *prometheus.CounterVec
	seconds                    *prometheus.HistogramVec
	issued, revoked, rotations *prometheus.CounterVec
	passwords, signOns         *prometheus.CounterVec
	logouts, webhooks          *prometheus.CounterVec
	swept, replays             prometheus.Counter
	hashing                    prometheus.Histogram
	legacy                     *legacyMetrics

	byAnswer   handles[[2]string, prometheus.Counter]
	byEndpoint handles[string, prometheus.Observer]
	byGrant    handles[string, prometheus.Counter]
}

func newServerObserver() *serverObserver {
	return &serverObserver{
		requests: counter("requests_total",
			"Requests answered by the authorization server, by endpoint and outcome (ok or the error code).", "endpoint", "outcome"),
		seconds: histogram("request_seconds",
			"Time the authorization server took to answer.",
			[]float64{1e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, .01, .025, .05, .1, .25, .5, 1, 5}, "endpoint"),
		issued:  counter("tokens_issued_total", "Access tokens issued, by grant.", "grant"),
		revoked: counter("revocations_total", "Revocations, by what was revoked.", "kind"),
		rotations: counter("signing_key_rotations_total",
			"Changes to the signing keys, by outcome.", "outcome"),
		passwords: counter("password_checks_total",
			"Passwords checked, by outcome (ok, invalid, locked, limited, disabled).", "outcome"),
		hashing: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: namespace, Name: "password_hash_seconds", Help: "Time to compute a password hash, waiting not counted.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5},
		}),
		signOns: counter("sign_ons_total", "Sign-ons that ended, by outcome (ok or the error code).", "outcome"),
		logouts: counter("logout_deliveries_total",
			"Attempts to tell an application of an ended session, by outcome (ok, retry, given_up).", "outcome"),
		webhooks: counter("webhook_deliveries_total",
			"Attempts to tell a webhook of a change, by outcome (ok, retry, given_up).", "outcome"),
		legacy: newLegacyMetrics(),
		replays: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: namespace, Name: "refresh_token_replays_total", Help: "Refresh tokens used twice, whose families were ended.",
		}),
		swept: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: namespace, Name: "janitor_deleted_total", Help: "Expired records deleted.",
		}),
	}
}

// Served implements authserver.Observer.
func (o *serverObserver) Served(endpoint, outcome string, d time.Duration) {
	o.byAnswer.of([2]string{endpoint, outcome}, func() prometheus.Counter {
		return o.requests.WithLabelValues(endpoint, outcome)
	}).Inc()
	o.byEndpoint.of(endpoint, func() prometheus.Observer {
		return o.seconds.WithLabelValues(endpoint)
	}).Observe(d.Seconds())
}

// TokenIssued implements authserver.Observer.
func (o *serverObserver) TokenIssued(grant string) {
	o.byGrant.of(grant, func() prometheus.Counter { return o.issued.WithLabelValues(grant) }).Inc()
}

// Revoked implements authserver.Observer.
func (o *serverObserver) Revoked(kind string) { o.revoked.WithLabelValues(kind).Inc() }

// Swept implements authserver.Observer.
func (o *serverObserver) Swept(n int) { o.swept.Add(float64(n)) }

// PasswordChecked implements authserver.Observer.
func (o *serverObserver) PasswordChecked(outcome string) { o.passwords.WithLabelValues(outcome).Inc() }

// PasswordHashed implements authserver.Observer.
func (o *serverObserver) PasswordHashed(d time.Duration) { o.hashing.Observe(d.Seconds()) }

// SignedOn implements authserver.Observer.
func (o *serverObserver) SignedOn(outcome string) { o.signOns.WithLabelValues(outcome).Inc() }

// RefreshReplayed implements authserver.Observer.
func (o *serverObserver) RefreshReplayed() { o.replays.Inc() }

// LogoutDelivered implements authserver.Observer.
func (o *serverObserver) LogoutDelivered(outcome string) { o.logouts.WithLabelValues(outcome).Inc() }

// WebhookDelivered implements authserver.Observer.
func (o *serverObserver) WebhookDelivered(outcome string) { o.webhooks.WithLabelValues(outcome).Inc() }

// LegacyCalled implements authserver.Observer.
func (o *serverObserver) LegacyCalled(endpoint, application string) {
	o.legacy.called(endpoint, application)
}

// KeyRotated implements authserver.Observer.
func (o *serverObserver) KeyRotated(outcome string) { o.rotations.WithLabelValues(outcome).Inc() }

// handles remembers metric handles by their labels: a lookup takes no lock and
// allocates nothing. It is for closed label sets, since it only grows.
type handles[K comparable, V any] struct {
	mu    sync.Mutex
	known atomic.Pointer[map[K]V]
}

func (h *handles[K, V]) of(key K, build func() V) V {
	if known := h.known.Load(); known != nil {
		if v, ok := (*known)[key]; ok {
			return v
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	next := map[K]V{}
	if known := h.known.Load(); known != nil {
		next = maps.Clone(*known)
	}
	v := build()
	next[key] = v
	h.known.Store(&next)
	return v
}

var (
	_ resourceserver.Observer = (*verifierObserver)(nil)
	_ authserver.Observer     = (*serverObserver)(nil)
	_ prometheus.Collector    = (*cacheCollector)(nil)
)
