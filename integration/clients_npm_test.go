package integration_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// installClients puts the npm packages of clients/ where its scripts find them, once.
var installClients = sync.OnceValue(func() error {
	if _, err := exec.LookPath("npm"); err != nil {
		return err
	}
	version, err := exec.Command("node", "--version").Output()
	if err != nil {
		return fmt.Errorf("node --version: %w", err)
	}
	var major int
	if _, err := fmt.Sscanf(string(version), "v%d.", &major); err != nil || major < 20 {
		return fmt.Errorf("node is %s, and the packages need 20 or later", strings.TrimSpace(string(version)))
	}
	lock, err := os.ReadFile("clients/package-lock.json")
	if err != nil {
		return err
	}
	// What was installed from this very lock file is good, and needs no network.
	const installed = "clients/node_modules/.installed"
	if was, err := os.ReadFile(installed); err == nil && slices.Equal(was, lock) {
		return nil
	}
	cmd := exec.Command("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline")
	cmd.Dir = "clients"
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("npm ci: %w\n%s", err, text)
	}
	return os.WriteFile(installed, lock, 0o600)
})

// mustClients is for tests that need Node.js and npm packages: without, they are skipped, or
// fail in CI.
func mustClients(t testing.TB) {
	t.Helper()
	err := installClients()
	switch {
	case err == nil:
	case os.Getenv("CI") != "":
		t.Fatalf("Node.js and npm packages are required here: %v", err)
	default:
		t.Skipf("no npm packages: %v", err)
	}
}

// TestOpenIDClient signs in with npm openid-client.
func TestOpenIDClient(t *testing.T) {
	onEach(t, func(t *testing.T, store backend) { runScript(t, store, "openid-client.mjs") })
}

// TestOAuth4WebAPI signs in with npm oauth4webapi.
func TestOAuth4WebAPI(t *testing.T) {
	onEach(t, func(t *testing.T, store backend) { runScript(t, store, "oauth4webapi.mjs") })
}

// script is a running script of clients/; conversation.mjs says what it says.
type script struct {
	in  io.Writer
	out *bufio.Scanner
	p   *partyNode

	running string // the case that has not ended
}

// message is one line of a script.
type message struct {
	Cases        []string `json:"cases"` // all there are
	Visit, Await string   // questions
	Secret, What string   // what must not be found
	Done, Error  string   // a case has ended
}

// runScript runs a script on a node for client libraries.
func runScript(t *testing.T, b backend, name string) {
	t.Helper()
	mustClients(t)
	p := startParty(t, b)
	p.runScript(t, name, map[string]any{
		"issuer": p.vars["ISSUER"], "api": "https://" + p.addr("api") + "/", "audience": orders,
		"redirect_uri": p.app.base + "/callback", "post_logout_redirect_uri": p.app.base + "/bye",
		"secret": partySecret, "mac_secret": partyMACSecret, "initial_access_token": partyFirstToken,
		"key": jose.JSONWebKey{Key: rsaKey("party"), KeyID: partyKeyID, Algorithm: "RS256", Use: "sig"},
	})
}

// runScript starts a script, tells it about the server, and has it run each of its cases as a subtest.
func (p *partyNode) runScript(t *testing.T, name string, kit map[string]any) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "node", name)
	cmd.Dir = "clients"
	ca, err := filepath.Abs(p.ca)
	if err != nil {
		t.Fatal(err)
	}
	cmd.Env = append(os.Environ(), "NODE_EXTRA_CA_CERTS="+ca)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var complaints strings.Builder
	cmd.Stderr = &complaints
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		in.Close()
		if err := cmd.Wait(); err != nil || complaints.Len() > 0 {
			t.Errorf("node %s: %v\n%s", name, err, complaints.String())
		}
	}()
	s := &script{in: in, out: bufio.NewScanner(out), p: p}
	s.out.Buffer(nil, 1<<20)
	s.say(t, kit)
	cases := s.hear(t).Cases
	if len(cases) == 0 {
		t.Fatal("the script has no cases")
	}
	for _, c := range cases {
		if t.Run(c, func(t *testing.T) { s.run(t, c) }); s.running != "" {
			t.Fatalf("case %q broke off", s.running) // the conversation is out of step
		}
	}
}

// run has one case run, with a browser of its own.
func (s *script) run(t *testing.T, name string) {
	s.running = name
	s.say(t, map[string]any{"run": name})
	browser := newAgent(t, s.p.node)
	for {
		switch m := s.hear(t); {
		case m.Secret != "":
			s.p.secret(m.What, m.Secret)
		case m.Visit != "":
			s.say(t, s.visit(browser, m.Visit))
		case m.Await == "logout_token":
			s.say(t, map[string]any{"logout_token": s.p.logoutToken(t)})
		case m.Done == name:
			if s.running = ""; m.Error != "" {
				t.Error(m.Error)
			}
			return
		default:
			t.Fatalf("the script says %+v", m)
		}
	}
}

func (s *script) visit(browser *agent, address string) map[string]any {
	browser.visit(address)
	if !browser.walk("alice", alicePassword) {
		return map[string]any{"url": place(browser.at), "page": fmt.Sprintf("%d %s", browser.status, browser.text())}
	}
	arrived := s.p.landed(browser.t, browser.at.Path)
	return map[string]any{"url": browser.at.String(), "method": arrived.method, "body": arrived.values.Encode()}
}

func (s *script) say(t testing.TB, what any) {
	t.Helper()
	b, err := json.Marshal(what)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.in.Write(append(b, '\n')); err != nil {
		t.Fatalf("the script has gone: %v", err)
	}
}

func (s *script) hear(t testing.TB) message {
	t.Helper()
	if !s.out.Scan() {
		t.Fatalf("the script has ended: %v", s.out.Err())
	}
	var m message
	if err := json.Unmarshal(s.out.Bytes(), &m); err != nil {
		t.Fatalf("the script says %.200q: %v", s.out.Bytes(), err)
	}
	return m
}
