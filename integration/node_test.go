package integration_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/integration/ports"
)

// node is one Caddy process with its own data directory, ports and log. The
// ports stay the same over restarts.
type node struct {
	dir      string // holds Caddyfile, log and data/
	ports    map[string]int
	upstream *upstream
	vars     map[string]string // what $NAME stands for in Caddyfile text
	env      []string          // environment of the process
	bare     bool              // no authorization server
	client   *http.Client

	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended

	mu      sync.Mutex
	secrets map[string]string // text that must never be seen again → what it is
}

// config is what a test wants to run.
type config struct {
	storage  backend // nil: sqlite
	global   string  // more lines for the gatehouse option
	env      string  // more lines for the main environment
	other    string  // more lines for the other environment
	sites    string  // sites beside the standard ones
	ports    []string
	vars     map[string]string
	bare     bool // sites only: no gatehouse option, no standard sites
	info     bool // log at INFO; the default is DEBUG, where leaks would be
	upstream *upstream
}

// start runs a node until the test ends.
func start(t testing.TB, c config) *node {
	t.Helper()
	n := prepare(t, c)
	n.run(t)
	return n
}

// prepare writes everything a node needs without starting it.
func prepare(t testing.TB, c config) *node {
	t.Helper()
	n := &node{
		dir:      t.TempDir(),
		upstream: c.upstream,
		secrets:  map[string]string{},
		client: &http.Client{
			Timeout:       20 * time.Second,
			Transport:     &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	if n.upstream == nil {
		n.upstream = newUpstream(t)
	}
	n.ports = freePorts(t, append([]string{"admin", "as", "gate", "asked", "keys"}, c.ports...))
	n.vars = map[string]string{"UPSTREAM": n.upstream.addr(), "DIR": n.dir}
	for name, port := range n.ports {
		n.vars[strings.ToUpper(name)] = fmt.Sprint(port)
	}
	n.vars["ISSUER"] = n.url("as") + "/" + mainEnv + "/as"
	n.vars["OTHER_ISSUER"] = n.url("as") + "/" + otherEnv + "/as"
	n.env = append(os.Environ(), "HOME="+n.dir, "XDG_DATA_HOME="+filepath.Join(n.dir, "data"),
		"XDG_CONFIG_HOME="+filepath.Join(n.dir, "data"))
	if c.storage == nil {
		c.storage = sqlite{}
	}
	for name, value := range c.vars {
		n.vars[name] = value
	}
	n.bare = c.bare
	if !c.bare {
		n.vars["STORAGE"] = c.storage.caddyfile(t, n)
		n.secret("the key that seals keys", sealingKey)
		for name, value := range secrets() {
			n.env = append(n.env, name+"="+value)
			n.secret(name, value)
		}
		n.env = append(n.env, "SEALING_KEY="+sealingKey)
		writeClientKeys(t, n)
	}
	n.write(t, c)
	t.Cleanup(func() {
		n.stop()
		n.checkSilence(t)
		if t.Failed() {
			t.Logf("last lines of the log:\n%s", tail(n.log(), 12))
		}
	})
	return n
}

// write makes the Caddyfile from c.
func (n *node) write(t testing.TB, c config) {
	t.Helper()
	if err := os.WriteFile(n.caddyfile(), []byte(n.expand(caddyfileText(c))), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (n *node) caddyfile() string { return filepath.Join(n.dir, "Caddyfile") }

// expand puts the node's variables into text. Longer names go first, so that
// $ISSUER never eats part of $ISSUER_B.
func (n *node) expand(text string) string {
	names := make([]string, 0, len(n.vars))
	for name := range n.vars {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return len(b) - len(a) })
	// Twice: the value of a variable may name others.
	for range 2 {
		for _, name := range names {
			text = strings.ReplaceAll(text, "$"+name, n.vars[name])
		}
	}
	return text
}

// run starts the process and waits until its sites listen.
func (n *node) run(t testing.TB) {
	t.Helper()
	if err := n.launch(t); err != nil {
		t.Fatalf("%v\n%s", err, tail(n.log(), 20))
	}
}

func (n *node) launch(t testing.TB) error {
	t.Helper()
	log, err := os.OpenFile(filepath.Join(n.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	n.cmd = exec.Command(caddy(t), "run", "--config", n.caddyfile(), "--adapter", "caddyfile")
	n.cmd.Dir, n.cmd.Env, n.cmd.Stdout, n.cmd.Stderr = n.dir, n.env, log, log
	if err := n.cmd.Start(); err != nil {
		return err
	}
	cmd, done := n.cmd, make(chan struct{})
	n.done = done
	go func() { _ = cmd.Wait(); close(done) }()

	deadline := time.Now().Add(30 * time.Second)
	for time.Now().Before(deadline) {
		select {
		case <-done:
			return fmt.Errorf("caddy ended at once: %v", cmd.ProcessState)
		default:
		}
		// The admin endpoint listens before the configuration is in force; /config/
		// answers null until then.
		if r, err := n.client.Get(n.url("admin") + "/config/apps/http"); err == nil {
			b, _ := io.ReadAll(r.Body)
			r.Body.Close()
			if r.StatusCode == http.StatusOK && bytes.Contains(b, []byte("servers")) {
				return n.awaitStore(deadline)
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	return errors.New("caddy was not ready within 30 s")
}

// awaitStore waits until the authorization server, if there is one, has its keys: on a
// busy machine a new PostgreSQL database takes longer than requests wait for it.
func (n *node) awaitStore(deadline time.Time) error {
	for !n.bare && time.Now().Before(deadline) {
		r, err := n.client.Get(n.vars["ISSUER"] + "/jwks")
		if err != nil {
			return err
		}
		r.Body.Close()
		if r.StatusCode == http.StatusOK {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	if !n.bare {
		return errors.New("the authorization server had no keys within 30 s")
	}
	return nil
}

// stop ends the process in an orderly way and waits for it.
func (n *node) stop() {
	if n.cmd == nil || n.cmd.Process == nil {
		return
	}
	n.client.CloseIdleConnections()
	_ = n.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-n.done:
	case <-time.After(20 * time.Second):
		_ = n.cmd.Process.Kill()
		<-n.done
	}
}

// kill ends the process as a crash would.
func (n *node) kill(t testing.TB) {
	t.Helper()
	if err := n.cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-n.done
	n.client.CloseIdleConnections()
}

// reload loads the Caddyfile again, even if nothing changed in it.
func (n *node) reload(t testing.TB) {
	t.Helper()
	text, err := os.ReadFile(n.caddyfile())
	if err != nil {
		t.Fatal(err)
	}
	req, _ := http.NewRequest(http.MethodPost, n.url("admin")+"/load", bytes.NewReader(text))
	req.Header.Set("Content-Type", "text/caddyfile")
	req.Header.Set("Cache-Control", "must-revalidate")
	r, err := n.client.Do(req)
	if err != nil {
		t.Fatalf("reload: %v", err)
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusOK {
		b, _ := io.ReadAll(r.Body)
		t.Fatalf("reload: status %d: %s", r.StatusCode, b)
	}
	n.client.CloseIdleConnections() // the server may be closing them, and a POST is not sent twice
}

func (n *node) url(port string) string {
	return fmt.Sprintf("http://127.0.0.1:%d", n.ports[port])
}

func (n *node) addr(port string) string { return fmt.Sprintf("127.0.0.1:%d", n.ports[port]) }

func (n *node) log() string {
	b, _ := os.ReadFile(filepath.Join(n.dir, "log"))
	return string(b)
}

// logLines gives the log's JSON lines that have the given message.
func (n *node) logLines(msg string) []map[string]any {
	var lines []map[string]any
	for line := range strings.Lines(n.log()) {
		var m map[string]any
		if json.Unmarshal([]byte(line), &m) == nil && m["msg"] == msg {
			lines = append(lines, m)
		}
	}
	return lines
}

// secret says that text must not appear in anything that the node leaves behind.
func (n *node) secret(what, text string) {
	if text == "" {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.secrets[text] = what
}

// roundtrips are lines of the log about what reverse_proxy sent, or could not, sentOn what may be in them.
var (
	roundtrips = regexp.MustCompile(`(?m)^.*("msg":"upstream roundtrip"|"logger":"http\.log\.error).*$`)
	sentOn     = map[string]bool{"a DPoP proof": true, "an assertion": true, "a client's certificate": true}
)

// checkSilence searches log and data directory for secrets and tokens, and for
// the signature part of tokens alone (Silence, property 7 of the attack cases).
func (n *node) checkSilence(t testing.TB) {
	t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	places := map[string][]byte{}
	_ = filepath.WalkDir(n.dir, func(path string, d fs.DirEntry, err error) error {
		// The Caddyfile and the key files are where the secrets come from.
		if err != nil || !d.Type().IsRegular() || strings.HasPrefix(d.Name(), "Caddyfile") || strings.Contains(d.Name(), ".key") {
			return nil
		}
		b, err := os.ReadFile(path)
		if err == nil {
			places[strings.TrimPrefix(path, n.dir)] = b
		}
		return nil
	})
	// At its debug level Caddy writes what reverse_proxy sends, and at any what came with a request that failed, but for a few
	// well-known headers. A proof that is there has been used, and an assertion is for the upstream, for a minute.
	for _, what := range n.secrets {
		if sentOn[what] {
			places["/log without roundtrips"] = roundtrips.ReplaceAll(places["/log"], nil)
			break
		}
	}
	told := map[string]bool{}
	for text, what := range n.secrets {
		needle := []byte(text)
		if i := strings.LastIndexByte(text, '.'); i > 0 && strings.Count(text, ".") == 2 && len(text)-i > 40 {
			needle = needle[i+1:]
		}
		for place, content := range places {
			if place == "/log" && sentOn[what] {
				continue
			}
			if i := bytes.Index(content, needle); i >= 0 && !told[place+what] {
				told[place+what] = true // the others of its kind are there for the same reason
				from, to := max(0, i-200, bytes.LastIndexByte(content[:i], '\n')+1), min(len(content), i+20)
				line := content[bytes.LastIndexByte(content[:i], '\n')+1:]
				t.Errorf("%s has %s in it: %.200q …%q…", place, what, line, content[from:to])
			}
		}
	}
	if _, race, found := strings.Cut(string(places["/log"]), "WARNING: DATA RACE"); found {
		race, _, _ = strings.Cut(race, "==================")
		t.Errorf("data race in the binary: %s", race)
	}
	if bytes.Contains(places["/log"], []byte("panic")) {
		t.Errorf("the log has a panic in it")
	}
}

// freePorts takes a port for each name until the test ends.
func freePorts(t testing.TB, names []string) map[string]int {
	t.Helper()
	taken, err := ports.Take(len(names))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(taken.Release)
	given := map[string]int{}
	for i, name := range names {
		given[name] = taken.Numbers[i]
	}
	return given
}

// runCaddy runs a caddy command to its end.
func runCaddy(t testing.TB, env []string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, caddy(t), args...)
	dir := t.TempDir()
	cmd.Dir = dir
	cmd.Env = append(append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir), env...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	return out.String(), errs.String(), err
}

func tail(text string, lines int) string {
	all := slices.DeleteFunc(strings.Split(strings.TrimSpace(text), "\n"), func(l string) bool {
		return strings.Contains(l, `"admin.api"`) // the scrapes of the test itself
	})
	if len(all) > lines {
		all = all[len(all)-lines:]
	}
	for i, l := range all {
		if len(l) > 500 {
			all[i] = l[:500] + "…"
		}
	}
	return strings.Join(all, "\n")
}

// eventually polls until ok, at most for limit.
func eventually(t testing.TB, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", limit, what)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func writeFile(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
