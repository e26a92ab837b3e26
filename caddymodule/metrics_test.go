package caddymodule_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestMetrics: what Caddy's /metrics says about the gate, and that counters
// survive a reload.
func TestMetrics(t *testing.T) {
	port, admin := freePort(t), freePort(t)
	global := fmt.Sprintf("\nadmin 127.0.0.1:%d\nmetrics\n", admin)
	sites := fmt.Sprintf("http://localhost:%d {\nbearer_auth {%s\nscope read\n}\nrespond ok\n}", port, strings.ReplaceAll(trusted, issuer, "https://metrics.example.com"))
	reload := func() {
		t.Helper()
		config, err := adapt("{\n" + strings.Replace(globals, "admin off", "", 1) + global + "\n}\n" + sites)
		if err != nil {
			t.Fatal(err)
		}
		loadJSON(t, config)
	}
	reload()
	base := fmt.Sprintf("http://localhost:%d", port)
	const is = "https://metrics.example.com"
	good := mint(t, map[string]any{"iss": is, "scope": "read"})
	for range 3 {
		get(t, base, good)
	}
	get(t, base, mint(t, map[string]any{"iss": is}))
	get(t, base, "")
	get(t, base, good, "Connection", "Upgrade", "Upgrade", "h2c")

	scrape := func() map[string]string {
		t.Helper()
		got := get(t, fmt.Sprintf("http://127.0.0.1:%d/metrics", admin), "")
		if got.Status != 200 {
			t.Fatalf("metrics: %d %s", got.Status, got.Body)
		}
		out := map[string]string{}
		for line := range strings.Lines(got.Body) {
			if name, value, ok := strings.Cut(strings.TrimSpace(line), " "); ok && strings.HasPrefix(name, "gatehouse_") {
				out[name] = value
			}
		}
		return out
	}
	check := func(when string, want map[string]string) {
		t.Helper()
		got := scrape()
		for name, value := range want {
			if got[name] != value {
				t.Errorf("%s: %s = %s, want %s", when, name, got[name], value)
			}
		}
	}
	decided := func(reason string) string {
		return fmt.Sprintf("gatehouse_decisions_total{issuer=%q,reason=%q}", is, reason)
	}
	const kept = `gatehouse_token_cache_entries{cache="good"}`
	for until := time.Now().Add(time.Minute); scrape()[kept] != "2" && time.Now().Before(until); {
		time.Sleep(5 * time.Millisecond) // results are remembered in the background
	}
	check("before", map[string]string{
		decided("allowed"):                                         "3",
		decided("insufficient_scope"):                              "1",
		decided("bad_signature"):                                   "0",
		fmt.Sprintf("gatehouse_insecure_transport{issuer=%q}", is): "0",
		kept: "2",
	})
	before := scrape()
	reload()
	get(t, base, good)
	after := scrape()
	check("after a reload", map[string]string{decided("allowed"): "4"})
	for _, name := range []string{
		`gatehouse_decisions_total{issuer="none",reason="no_token"}`,
		`gatehouse_decisions_total{issuer="none",reason="invalid_request"}`,
		kept,
	} {
		if before[name] == "" || before[name] == "0" || before[name] != after[name] {
			t.Errorf("%s = %s, and %s after a reload", name, before[name], after[name])
		}
	}
	for _, name := range []string{
		"gatehouse_verification_seconds_count{path=\"cache_hit\"}", "gatehouse_verification_seconds_count{path=\"jwt\"}",
		"gatehouse_verification_seconds_count{path=\"introspection\"}", "gatehouse_verification_seconds_count{path=\"in_process\"}",
		fmt.Sprintf("gatehouse_jwks_refreshes_total{issuer=%q,outcome=\"ok\"}", is), fmt.Sprintf("gatehouse_introspections_total{issuer=%q,outcome=\"active\"}", is),
		fmt.Sprintf("gatehouse_introspection_seconds_count{issuer=%q}", is), "gatehouse_janitor_deleted_total",
		`gatehouse_token_cache_bytes{cache="refused"}`, `gatehouse_token_cache_hits_total{cache="good"}`,
		`gatehouse_token_cache_misses_total{cache="refused"}`, `gatehouse_token_cache_evictions_total{cache="good"}`,
	} {
		if _, ok := after[name]; !ok {
			t.Errorf("%s is missing", name)
		}
	}
}
