package caddymodule

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// Pooled lists what lives in the pools, by key, with the number of its users.
func Pooled() (verifierUsers, stateUsers map[any]int) {
	count := func(pool *caddy.UsagePool) map[any]int {
		users := map[any]int{}
		pool.Range(func(_, value any) bool {
			users[value] = 0
			return true
		})
		pool.Range(func(key, value any) bool {
			// Range holds the pool's read lock; References takes it too.
			users[value], _ = pool.References(key)
			return true
		})
		return users
	}
	return count(verifiers), count(states)
}

// Remembered is how many good tokens b has seen before.
func Remembered(b *BearerAuth) int { return int(b.verifier.Stats().Good.Entries) }

// Retirement is what waits for the requests of replaced configurations.
type Retirement = retirement

// Close is what Destruct calls.
func (r *retirement) Close(drain func(context.Context) error, end func() error) error {
	return r.close(drain, end)
}

// Now closes everything that waits.
func (r *retirement) Now() { r.now() }

// CloseRetired closes at once what was left for the requests of replaced configurations.
func CloseRetired() { retired.now() }

// LoadSecretsKey is what the server asks for the key of a file.
func LoadSecretsKey(file string, log *slog.Logger) func(create bool) ([]byte, error) {
	return (&secretsKey{file: file, log: log}).load
}

// Hide is what the access log does to addresses.
func Hide(address string) (shown string, hidden bool) {
	return accessLog{parameter: "iplanetdirectorypro"}.hide(address)
}

// LegacyMetrics counts calls of legacy endpoints, beside the process's own counters; series are "endpoint application".
func LegacyMetrics() (called func(endpoint, application string), series func(testing.TB) map[string]float64) {
	m := newLegacyMetrics()
	return m.called, func(t testing.TB) map[string]float64 {
		registry := prometheus.NewRegistry()
		registry.MustRegister(m.requests)
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		all := map[string]float64{}
		for _, family := range families {
			for _, one := range family.GetMetric() {
				var labels []string // in order of their names
				for _, label := range one.GetLabel() {
					labels = append(labels, label.GetValue())
				}
				slices.Reverse(labels)
				all[strings.Join(labels, " ")] = one.GetCounter().GetValue()
			}
		}
		return all
	}
}

// LogAround serves one request of a site that logs, as authorization_server does. It gives the lines that were written here,
// and whether Caddy's own is left out.
func LogAround(w http.ResponseWriter, r *http.Request, serve func(http.ResponseWriter, *http.Request) error) (lines []observer.LoggedEntry, skipped bool) {
	core, seen := observer.New(zapcore.DebugLevel)
	l := accessLog{logger: zap.New(core), secrets: []string{"Iplanetdirectorypro"}, parameter: "iplanetdirectorypro"}
	ctx := context.WithValue(r.Context(), caddyhttp.ServerCtxKey, &caddyhttp.Server{Logs: &caddyhttp.ServerLogConfig{}})
	r = r.WithContext(context.WithValue(ctx, caddyhttp.VarsCtxKey, map[string]any{}))
	func() {
		defer func() { _ = recover() }() // as Go's server does
		_ = l.around(w, r, serve)
	}()
	skipped, _ = caddyhttp.GetVar(r.Context(), caddyhttp.LogSkipVar).(bool)
	return seen.All(), skipped
}
