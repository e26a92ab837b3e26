package main

import (
	"strings"
	"testing"
)

func TestSheet(t *testing.T) {
	rows := []row{{"first.p99", "ms", atMost, 50}, {"rate", "pages/s", "", 0}}
	fill := func(names ...string) *sheet {
		s := newSheet("managing.sqlite", rows)
		for _, name := range names {
			s.set(name, 51)
		}
		return s
	}
	t.Run("all are given", func(t *testing.T) {
		got, err := fill("rate", "first.p99").complete()
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != 2 || got[0].Name != "managing.sqlite.first.p99" || got[0].Unit != "ms" || got[1].Name != "managing.sqlite.rate" {
			t.Fatalf("results = %v, want those of the rows in their order", got)
		}
		if got[0].Pass == nil || *got[0].Pass {
			t.Errorf("%v: passes, want short of its target", got[0])
		}
		if got[1].Pass != nil || got[1].Target != nil {
			t.Errorf("%v: is judged, want information", got[1])
		}
	})
	t.Run("one is left out", func(t *testing.T) {
		if _, err := fill("rate").complete(); err == nil || !strings.Contains(err.Error(), "first.p99") {
			t.Errorf("error = %v, want one that names first.p99", err)
		}
	})
	t.Run("one is of no row", func(t *testing.T) {
		if _, err := fill("rate", "first.p99", "last.p99").complete(); err == nil || !strings.Contains(err.Error(), "last.p99") {
			t.Errorf("error = %v, want one that names last.p99", err)
		}
	})
	t.Run("none can be had", func(t *testing.T) {
		got := fill().missing("no PostgreSQL")
		if len(got) != 2 || got[0].Value != nil || got[0].Pass != nil || got[0].Target == nil {
			t.Errorf("results = %v, want each without a value, with its target and not judged", got)
		}
		if line := got[0].String(); !strings.Contains(line, "no PostgreSQL") || !strings.Contains(line, "unjudged") {
			t.Errorf("line = %q, want the reason in it", line)
		}
	})
}

func TestManagingRows(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range managingRows {
		if seen[r.name] {
			t.Errorf("%s is there twice", r.name)
		}
		seen[r.name] = true
		if strings.HasSuffix(r.name, ".p99") && (r.bound != atMost || r.limit != 50 || r.unit != "ms") {
			t.Errorf("%s has no target of 50 ms: %+v", r.name, r)
		}
	}
}

func TestCalmestRounds(t *testing.T) {
	round := func(held, p99 float64) pageRound { return pageRound{sample: sample{heldUp: held, p99: p99}} }
	kept := calmestRounds([]pageRound{round(0.5, 1), round(0, 90), round(0.2, 10), round(0.1, 80)}, 3)
	if got := medianOf(kept, func(r pageRound) float64 { return r.p99 }); len(kept) != 3 || got != 80 {
		t.Errorf("median of %d rounds = %v, want 80 of the 3 that were held up least, whatever they gave", len(kept), got)
	}
}
