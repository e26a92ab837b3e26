package integration_test

import (
	"fmt"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
)

// families are the metrics that the README promises, with their labels.
var families = map[string]struct {
	kind   dto.MetricType
	labels string
}{
	"gatehouse_decisions_total":             {dto.MetricType_COUNTER, "issuer reason"},
	"gatehouse_verification_seconds":        {dto.MetricType_HISTOGRAM, "path"},
	"gatehouse_jwks_refreshes_total":        {dto.MetricType_COUNTER, "issuer outcome"},
	"gatehouse_jwks_age_seconds":            {dto.MetricType_GAUGE, "issuer"},
	"gatehouse_introspections_total":        {dto.MetricType_COUNTER, "issuer outcome"},
	"gatehouse_introspection_seconds":       {dto.MetricType_HISTOGRAM, "issuer"},
	"gatehouse_token_cache_entries":         {dto.MetricType_GAUGE, "cache"},
	"gatehouse_token_cache_bytes":           {dto.MetricType_GAUGE, "cache"},
	"gatehouse_token_cache_hits_total":      {dto.MetricType_COUNTER, "cache"},
	"gatehouse_token_cache_misses_total":    {dto.MetricType_COUNTER, "cache"},
	"gatehouse_token_cache_evictions_total": {dto.MetricType_COUNTER, "cache"},
	"gatehouse_requests_total":              {dto.MetricType_COUNTER, "endpoint outcome"},
	"gatehouse_request_seconds":             {dto.MetricType_HISTOGRAM, "endpoint"},
	"gatehouse_tokens_issued_total":         {dto.MetricType_COUNTER, "grant"},
	"gatehouse_revocations_total":           {dto.MetricType_COUNTER, "kind"},
}

// TestMetrics makes one request of each kind and looks at Caddy's own metrics endpoint.
func TestMetrics(t *testing.T) {
	n := start(t, config{})
	token := n.token(t, worker)
	before := n.metrics(t)
	for range 3 {
		for _, port := range []string{"gate", "asked", "keys"} {
			n.call(t, port, "/", token)
		}
	}
	n.call(t, "gate", "/", "")
	n.call(t, "gate", "/", flip(token))
	n.revoke(t, worker, token)
	n.call(t, "gate", "/", token)
	n.form(t, "/token", worker, "grant_type", "nonsense")
	after := n.metrics(t)

	for name, want := range families {
		f := after[name]
		if f == nil {
			t.Errorf("there is no %s", name)
			continue
		}
		if f.GetType() != want.kind || f.GetHelp() == "" {
			t.Errorf("%s is a %v with help %q, want a %v with help", name, f.GetType(), f.GetHelp(), want.kind)
		}
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetName())
			}
			if got := strings.Join(labels, " "); got != want.labels {
				t.Errorf("%s has the labels %q, want %q", name, got, want.labels)
				break
			}
		}
	}
	moved := func(name string, labels ...string) float64 {
		return sum(after, name, labels...) - sum(before, name, labels...)
	}
	issuer := n.vars["ISSUER"]
	for _, tt := range []struct {
		want   float64
		name   string
		labels []string
	}{
		{9, "gatehouse_decisions_total", []string{"issuer", issuer, "reason", "allowed"}},
		{1, "gatehouse_decisions_total", []string{"issuer", "none", "reason", "no_token"}},
		{1, "gatehouse_decisions_total", []string{"issuer", issuer, "reason", "revoked"}},
		{1, "gatehouse_introspections_total", []string{"outcome", "active"}},
		{1, "gatehouse_jwks_refreshes_total", []string{"outcome", "ok"}},
		{1, "gatehouse_revocations_total", []string{"kind", "token"}},
		{1, "gatehouse_requests_total", []string{"endpoint", "token", "outcome", "unsupported_grant_type"}},
	} {
		if got := moved(tt.name, tt.labels...); got != tt.want {
			t.Errorf("%s%v moved by %v, want %v", tt.name, tt.labels, got, tt.want)
		}
	}
	for path, atLeast := range map[string]float64{"cache_hit": 4, "jwt": 1, "introspection": 1, "in_process": 1} {
		if got := moved("gatehouse_verification_seconds", "path", path); got < atLeast {
			t.Errorf("verifications by %s = %v, want at least %v", path, got, atLeast)
		}
	}
	if got := moved("gatehouse_token_cache_hits_total"); got < 4 {
		t.Errorf("cache hits = %v, want at least 4", got)
	}
	// Labels come from closed sets: nothing of a request, a client or a token.
	for name, f := range after {
		if !isOurs(name) {
			continue
		}
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				for _, never := range []string{"worker", "eyJ", "/list"} {
					if strings.Contains(l.GetValue(), never) {
						t.Errorf("%s has the label %s=%q", name, l.GetName(), l.GetValue())
					}
				}
			}
		}
	}
}

// TestAccessLog: the log says who and what was decided, and never the token.
func TestAccessLog(t *testing.T) {
	n := start(t, config{})
	token := n.token(t, worker)
	c := claims(t, token)
	n.call(t, "gate", "/seen", token)
	n.call(t, "gate", "/none", "")
	n.call(t, "gate", "/admin-scope", n.token(t, worker, "orders:read"))
	n.call(t, "gate", "/admin/x", n.token(t, worker, "orders:read"))
	n.stop() // writes the log to its end

	byURI := map[string]map[string]any{}
	for _, line := range n.logLines("handled request") {
		request, _ := line["request"].(map[string]any)
		byURI[fmt.Sprint(request["uri"])] = line
	}
	seen := byURI["/seen"]
	for name, want := range map[string]any{"token.iss": c["iss"], "token.client_id": "worker", "token.jti": c["jti"], "token.decision": "allowed"} {
		if seen[name] != want {
			t.Errorf("%s = %v, want %v", name, seen[name], want)
		}
	}
	if got := byURI["/none"]["token.decision"]; got != "no_token" {
		t.Errorf("token.decision without a token = %v, want no_token", got)
	}
	refused := byURI["/admin/x"]
	if refused["token.decision"] != "insufficient_scope" || refused["token.client_id"] != "worker" {
		t.Errorf("a refused token is logged as %v of %v, want insufficient_scope of worker", refused["token.decision"], refused["token.client_id"])
	}
}

// TestAdminSilence: the configuration that the admin endpoint shows has the
// placeholders of secrets, not the secrets.
func TestAdminSilence(t *testing.T) {
	n := start(t, config{})
	token := n.token(t, worker)
	n.call(t, "gate", "/", token)
	n.checkAdmin(t, "/config/", "/metrics", "/debug/vars", "/reverse_proxy/upstreams")
}
