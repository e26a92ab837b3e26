package caddymodule_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write expectations instead of comparing with them")

// separator stands between the Caddyfile and what is expected of it.
const separator = "\n----------\n"

// TestAdapt runs the fixtures: a Caddyfile, a line of dashes, and the exact JSON
// or the exact error that it becomes.
func TestAdapt(t *testing.T) {
	names, err := filepath.Glob("testdata/adapt/*.caddyfiletest")
	if err != nil || len(names) == 0 {
		t.Fatalf("no fixtures (%v)", err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".caddyfiletest"), func(t *testing.T) {
			file, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			text, want, _ := strings.Cut(string(file), separator)
			got := adapted(t, text+"\n")
			if *update {
				if err := os.WriteFile(name, []byte(text+separator+got+"\n"), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(strings.TrimSpace(want), got); diff != "" {
				t.Errorf("adapt (-want +got):\n%s", diff)
			}
		})
	}
}

func adapted(t *testing.T, text string) string {
	t.Helper()
	b, err := adapt(text)
	if err != nil {
		return err.Error()
	}
	var out bytes.Buffer
	if err := json.Indent(&out, b, "", "\t"); err != nil {
		t.Fatal(err)
	}
	return out.String()
}
