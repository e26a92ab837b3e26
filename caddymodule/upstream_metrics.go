package caddymodule

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/caddy-gatehouse/gatehouse/authserver/upstream"
)

// upstreamObserver counts the questions for tokens that go upstream. Every label combination has its handle before the first request.
type upstreamObserver struct {
	tokens  *prometheus.CounterVec
	seconds *prometheus.HistogramVec
	counts  map[[2]string]prometheus.Counter // by kind and outcome; read only
	times   map[string]prometheus.Observer   // by kind; read only
}

func newUpstreamObserver() *upstreamObserver {
	o := &upstreamObserver{
		tokens: counter("upstream_tokens_total",
			"Questions for a token that goes upstream in place of the client's, by kind (exchange, client_credentials, phantom) and outcome (ok, refused, error).",
			"kind", "outcome"),
		seconds: histogram("upstream_token_seconds",
			"Time to obtain a token that goes upstream.", prometheus.DefBuckets, "kind"),
		counts: map[[2]string]prometheus.Counter{}, times: map[string]prometheus.Observer{},
	}
	for _, kind := range []string{upstream.KindExchange, upstream.KindClientCredentials, upstream.KindPhantom} {
		for _, outcome := range []string{upstream.OutcomeOK, upstream.OutcomeRefused, upstream.OutcomeError} {
			o.counts[[2]string{kind, outcome}] = o.tokens.WithLabelValues(kind, outcome)
		}
		o.times[kind] = o.seconds.WithLabelValues(kind)
	}
	return o
}

// Obtained implements upstream.Observer.
func (o *upstreamObserver) Obtained(kind, outcome string, d time.Duration) {
	o.counts[[2]string{kind, outcome}].Inc()
	o.times[kind].Observe(d.Seconds())
}

var _ upstream.Observer = (*upstreamObserver)(nil)
