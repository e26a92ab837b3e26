package integration_test

import (
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// metrics scrapes the admin endpoint.
func (n *node) metrics(t testing.TB) map[string]*dto.MetricFamily {
	t.Helper()
	r, err := n.client.Get(n.url("admin") + "/metrics")
	if err != nil {
		t.Fatalf("scrape: %v", err)
	}
	defer r.Body.Close()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(r.Body)
	if err != nil {
		t.Fatalf("metrics are not in the Prometheus text format: %v", err)
	}
	return families
}

// sum adds up the samples of a family whose labels include all the given
// name, value pairs. A histogram counts its observations.
func sum(families map[string]*dto.MetricFamily, name string, labels ...string) float64 {
	var total float64
	f := families[name]
	for _, m := range f.GetMetric() {
		have := map[string]string{}
		for _, l := range m.GetLabel() {
			have[l.GetName()] = l.GetValue()
		}
		match := true
		for i := 0; i+1 < len(labels); i += 2 {
			match = match && have[labels[i]] == labels[i+1]
		}
		if !match {
			continue
		}
		switch f.GetType() {
		case dto.MetricType_COUNTER:
			total += m.GetCounter().GetValue()
		case dto.MetricType_GAUGE:
			total += m.GetGauge().GetValue()
		case dto.MetricType_HISTOGRAM:
			total += float64(m.GetHistogram().GetSampleCount())
		default:
			total += m.GetUntyped().GetValue()
		}
	}
	return total
}

// checkCountersKept compares scrapes around a reload: Gatehouse's counters do
// not start again.
func checkCountersKept(t testing.TB, before, after map[string]*dto.MetricFamily) {
	t.Helper()
	for name, f := range before {
		if !isOurs(name) || f.GetType() == dto.MetricType_GAUGE {
			continue
		}
		if was, is := sum(before, name), sum(after, name); is < was {
			t.Errorf("%s fell from %v to %v over the reload", name, was, is)
		}
	}
}

func isOurs(name string) bool {
	return strings.Contains(name, "gatehouse") || strings.Contains(name, "bearer")
}
