package integration_test

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// TestManageExample runs what the README shows of PingOne's own client against the demo.
func TestManageExample(t *testing.T) {
	n, _ := example(t)
	cmd := exec.Command("go", "run", "./manage")
	cmd.Env = append(os.Environ(), fmt.Sprintf("DEMO_HOST=localhost:%d", n.ports["8080"]), fmt.Sprintf("DEMO_API=http://localhost:%d/", n.ports["8081"]))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("go run ./integration/manage: %v\n%s", err, out)
	}
	const id = `[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`
	want := `^made       ` + id + `\ncalls the API: 200 OK\ndisabled, calls the API: 401 Unauthorized\ndeleted    ` + id + `\n$`
	if !regexp.MustCompile(want).Match(out) {
		t.Errorf("it prints\n%s\nwant what the README shows", out)
	}
}

// TestReadmeTransfer pastes the README's lines about files: the demo's is written, and is no change of the demo.
func TestReadmeTransfer(t *testing.T) {
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	n, _ := example(t)
	n.secret("the demo administrator's secret", "demo-admin-secret")
	script, runs := "set -e\n", 0
	for line := range strings.Lines(string(text)) {
		command, ok := strings.CutPrefix(strings.TrimSpace(line), "$ ")
		switch {
		case !ok:
		case strings.HasPrefix(command, "export GATEHOUSE_"):
			script += command + "\n"
		case strings.Contains(command, "caddy gatehouse "):
			_, arguments, _ := strings.Cut(command, "caddy gatehouse ")
			script += fmt.Sprintf("%q gatehouse %s --server http://localhost:%d\n", caddy(t), arguments, n.ports["8080"])
			runs++
		}
	}
	if runs != 2 {
		t.Fatalf("the README has %d of these commands, want export and import", runs)
	}
	cmd := exec.Command("bash", "-c", script)
	cmd.Dir = t.TempDir()
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil || len(out) > 0 {
		t.Errorf("%v, prints %q, want nothing, since there is no difference\n%s", err, out, said.String())
	}
}
