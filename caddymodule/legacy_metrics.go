package caddymodule

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// legacyApplications bounds the applications that have time series of their own.
const legacyApplications = 200

// The values of the label application that are no application's.
const (
	noApplication     = "none"  // nobody's: an administrator listed tokens, say
	otherApplications = "other" // all behind the first legacyApplications
)

// legacyMetrics count who still calls the legacy paths, so that owners find whom to ask before they are
// switched off. It is the one metric with a label that names clients.
type legacyMetrics struct {
	requests *prometheus.CounterVec
	handles  handles[[2]string, prometheus.Counter]

	mu    sync.Mutex
	known map[string]bool // applications with a series of their own
}

func newLegacyMetrics() *legacyMetrics {
	return &legacyMetrics{
		requests: counter("legacy_requests_total",
			"Requests that legacy endpoints have served, by endpoint and the application that called or whose token it was about.", "endpoint", "application"),
		known: map[string]bool{},
	}
}

// called counts one request. endpoint is of a closed set, application a client of ours or "".
func (m *legacyMetrics) called(endpoint, application string) {
	application = m.label(application)
	m.handles.of([2]string{endpoint, application}, func() prometheus.Counter {
		return m.requests.WithLabelValues(endpoint, application)
	}).Inc()
}

// label is the label of an application: its own for the first ones of the process.
func (m *legacyMetrics) label(application string) string {
	if application == "" {
		return noApplication
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.known[application] {
		if len(m.known) >= legacyApplications {
			return otherApplications
		}
		m.known[application] = true
	}
	return application
}
