package integration_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/integration/pgtest"
)

// scratch holds what is built, for as long as the test process lives. It is where Go builds
// programs: other temporary files may be where none can be run.
var scratch string

func TestMain(m *testing.M) {
	programs, _ := exec.Command("go", "env", "GOTMPDIR").Output() // empty: where temporary files are
	dir, err := os.MkdirTemp(strings.TrimSpace(string(programs)), "gatehouse-integration-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	scratch = dir
	// Tests that run beside others wait; two at a time, on two cores, would do so one after the other.
	if err := flag.Set("test.parallel", "8"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := pgtest.Main(m) // runs the tests, then stops PostgreSQL
	closeBrowser()
	os.RemoveAll(dir)
	os.Exit(code)
}

// binary builds ./cmd/caddy on first use and gives its path.
var binary = sync.OnceValues(func() (string, error) {
	if path := os.Getenv("GATEHOUSE_CADDY"); path != "" {
		return path, nil
	}
	out := filepath.Join(scratch, "caddy")
	args := []string{"build", "-o", out}
	if flags := strings.Fields(os.Getenv("GATEHOUSE_RACE")); len(flags) > 0 {
		args = append(args, flags...)
	} else if raceDetector {
		args = append(args, "-race")
	}
	cmd := exec.Command("go", append(args, "./cmd/caddy")...)
	cmd.Dir = ".." // the module's root
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build ./cmd/caddy: %w\n%s", err, text)
	}
	return out, nil
})

func caddy(t testing.TB) string {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	return path
}
