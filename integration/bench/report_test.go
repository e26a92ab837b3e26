package main

import (
	"encoding/json"
	"testing"
)

func TestResultTarget(t *testing.T) {
	tests := []struct {
		name string
		r    result
		want string // pass, as JSON
	}{
		{"a ratio at its bound", value("x", 97, "requests/s").to("bare", 100, 0.97).target(atLeast, 0.97), "true"},
		{"a ratio below it", value("x", 97, "requests/s").to("bare", 100, 0.969).target(atLeast, 0.97), "false"},
		{"a ratio above an upper bound", value("x", 2, "ms").to("bare", 1, 1.2).target(atMost, 1.1), "false"},
		{"a value without a baseline", value("x", 4000, "requests/s").target(atLeast, 4000), "true"},
		{"a value over an upper bound", value("x", 1, "of 500").target(atMost, 0), "false"},
		{"not measured", missing("x", "instr/request", "not counted").target(atMost, 1.03), "null"},
		{"information", value("x", 5, "ms"), "null"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text, err := json.Marshal(tt.r)
			if err != nil {
				t.Fatal(err)
			}
			var members map[string]json.RawMessage
			if err := json.Unmarshal(text, &members); err != nil {
				t.Fatal(err)
			}
			if got := string(members["pass"]); got != tt.want {
				t.Errorf("pass = %s, want %s (%s)", got, tt.want, text)
			}
			for _, name := range []string{"name", "value", "unit", "baseline", "ratio", "target", "pass"} {
				if _, there := members[name]; !there {
					t.Errorf("member %s is missing: %s", name, text)
				}
			}
			if len(members) != 7 {
				t.Errorf("members = %d, want 7: %s", len(members), text)
			}
		})
	}
}

func TestPerfCount(t *testing.T) {
	tests := []struct {
		name, out string
		want      float64
		counted   bool
	}{
		{"a count", "1234567,,instructions:u,1000,100.00,,\n", 1234567, true},
		{"behind a blank line", "\n42,,instructions:u,1,100.00,,\n", 42, true},
		{"no counters", "<not supported>,,instructions:u,0,100.00,,\n", 0, false},
		{"nothing", "", 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := perfCount([]byte(tt.out))
			if got != tt.want || (err == nil) != tt.counted {
				t.Errorf("count = %v, %v, want %v, counted %v", got, err, tt.want, tt.counted)
			}
		})
	}
}

func TestBenchmarkFigures(t *testing.T) {
	const out = `goos: linux
BenchmarkAuthorizeHot 	 1000000	       500.0 ns/op	      16 B/op	       1 allocs/op
BenchmarkAuthorizeHot 	 1000000	       700.0 ns/op	      16 B/op	       1 allocs/op
BenchmarkAuthorizeHot 	 1000000	       510.0 ns/op	      16 B/op	       1 allocs/op
BenchmarkOther-2      	     100	      9000 ns/op	      64 B/op	       3 allocs/op
PASS
`
	want := []figures{{"BenchmarkAuthorizeHot", 510, 1}, {"BenchmarkOther-2", 9000, 3}}
	got := benchmarkFigures(out)
	if len(got) != len(want) {
		t.Fatalf("benchmarks = %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("benchmark %d = %v, want %v", i, got[i], want[i])
		}
	}
}
