package caddymodule_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/caddymodule"
)

// TestLegacyMetrics: applications are told apart by name, the first 200 of them; calls of nobody's are "none".
func TestLegacyMetrics(t *testing.T) {
	called, series := caddymodule.LegacyMetrics()
	called("am_tokeninfo", "web")
	called("am_tokeninfo", "web")
	called("am_frrest_token", "web")
	called("am_frrest_token", "")
	for i := range 199 {
		called("am_tokeninfo", fmt.Sprintf("app-%d", i))
	}
	var all sync.WaitGroup
	for i := range 1000 {
		all.Go(func() { called("am_tokeninfo", fmt.Sprintf("flood-%d", i)) })
	}
	all.Wait()
	called("am_introspect", "web") // those that are known stay so

	got := series(t)
	for labels, want := range map[string]float64{
		"am_tokeninfo web": 2, "am_frrest_token web": 1, "am_frrest_token none": 1, "am_tokeninfo app-0": 1, "am_tokeninfo app-198": 1,
		"am_tokeninfo other": 1000, "am_introspect web": 1,
	} {
		if got[labels] != want {
			t.Errorf("%s = %v, want %v", labels, got[labels], want)
		}
	}
	for labels := range got {
		if strings.Contains(labels, "flood") {
			t.Errorf("%s has a series of its own", labels)
		}
	}
	if len(got) != 199+5 {
		t.Errorf("%d series, want %d", len(got), 199+5)
	}
}
