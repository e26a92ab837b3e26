package integration_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestXcaddyBuild builds from xcaddy.json as `make caddy` does and lists the
// modules of the result. It compiles Caddy with other flags than the rest of
// the tests, so it takes minutes where the build cache is cold.
func TestXcaddyBuild(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles all of Caddy; run without -short")
	}
	out := filepath.Join(scratch, "xcaddy")
	cmd := exec.Command("go", "run", "./cmd/build", "-output", out)
	cmd.Dir = ".."
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go run ./cmd/build: %v\n%s", err, tail(string(text), 30))
	}
	listed, err := exec.Command(out, "list-modules").CombinedOutput()
	if err != nil {
		t.Fatalf("list-modules: %v\n%s", err, listed)
	}
	checkModules(t, string(listed))
	version, err := exec.Command(out, "version").CombinedOutput()
	if err != nil || !strings.HasPrefix(string(version), "v2.11.") {
		t.Errorf("version = %s (%v), want the pinned v2.11", version, err)
	}
}

// TestModules lists the modules of the binary that the other tests run.
func TestModules(t *testing.T) {
	out, _, err := runCaddy(t, nil, "list-modules")
	if err != nil {
		t.Fatal(err)
	}
	checkModules(t, out)
}

func checkModules(t *testing.T, listed string) {
	t.Helper()
	have := map[string]bool{}
	for line := range strings.Lines(listed) {
		name, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		have[name] = true
	}
	for _, want := range []string{"gatehouse", "gatehouse.storage.sqlite", "gatehouse.storage.postgres", "http.handlers.authorization_server", "http.handlers.bearer_auth"} {
		if !have[want] {
			t.Errorf("list-modules has no %s", want)
		}
	}
}
