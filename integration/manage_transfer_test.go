package integration_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// The people of the environments that move sign on to an application that the API has made.
const transferEnv = sdkEnv + `
			sign_on {
				argon2 8MiB 1
			}`

// transferCall is `caddy gatehouse` against a node, as the administrator.
type transferCall struct {
	n      *node
	id     string
	secret string
}

func transferring(n *node) *transferCall { return &transferCall{n, sdkAdmin, sdkAdminSecret} }

// start begins a run; end waits for it.
func (c *transferCall) start(t testing.TB, args ...string) (end func() (stdout, stderr string, err error)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	args = append([]string{"gatehouse", args[0], "--server", c.n.url("as"), "--environment", mainEnv}, args[1:]...)
	cmd := exec.CommandContext(ctx, caddy(t), args...)
	home := t.TempDir()
	cmd.Env = append(os.Environ(), "HOME="+home, "XDG_DATA_HOME="+home, "XDG_CONFIG_HOME="+home,
		"GATEHOUSE_CLIENT_ID="+c.id, "GATEHOUSE_CLIENT_SECRET="+c.secret)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return func() (string, string, error) {
		defer cancel()
		err := cmd.Wait()
		if strings.Contains(out.String()+errs.String(), c.secret) {
			t.Error("the command prints the secret that it calls with")
		}
		return out.String(), errs.String(), err
	}
}

// run is a run that succeeds.
func (c *transferCall) run(t testing.TB, args ...string) (stdout, stderr string) {
	t.Helper()
	stdout, stderr, err := c.start(t, args...)()
	if err != nil {
		t.Fatalf("caddy gatehouse %s: %v\n%s", strings.Join(args, " "), err, stderr)
	}
	return stdout, stderr
}

// refused is a run that fails, and says so in certain words.
func (c *transferCall) refused(t testing.TB, words string, args ...string) {
	t.Helper()
	stdout, stderr, err := c.start(t, args...)()
	if err == nil || !strings.Contains(stderr, words) {
		t.Errorf("caddy gatehouse %s: %v, want an error that says %q:\n%s\n%s", strings.Join(args, " "), err, words, stdout, stderr)
	}
}

// export gives what export writes.
func (c *transferCall) export(t testing.TB, args ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "environment.jsonl")
	stdout, stderr := c.run(t, append([]string{"export", "--output", file}, args...)...)
	if stdout != "" || !strings.Contains(stderr, "exported") {
		t.Errorf("export into a file prints %q and says %q, want nothing, and how much it was on stderr", stdout, stderr)
	}
	return file
}

func content(t testing.TB, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

var sealedPart = regexp.MustCompile(`,"sealed":"[^"]*"`)

// sameFile compares files of export. What is sealed is another text each time that it is sealed, and keys come to those
// that a server has: of files with secrets neither is looked at.
func sameFile(t testing.TB, what, want, got string) {
	t.Helper()
	plain := func(text string) []string {
		return slices.DeleteFunc(strings.SplitAfter(sealedPart.ReplaceAllString(text, ""), "\n"), func(line string) bool {
			return strings.HasPrefix(line, `{"kind":"key",`)
		})
	}
	a, b := plain(want), plain(got)
	for i := range max(len(a), len(b)) {
		if i >= len(a) || i >= len(b) || a[i] != b[i] {
			t.Errorf("%s: %d and %d lines, different from line %d on:\n%s\n%s", what, len(a), len(b), i+1, strings.Join(a[i:min(i+1, len(a))], ""), strings.Join(b[i:min(i+1, len(b))], ""))
			return
		}
	}
}

// TestTransfer moves an environment from SQLite to PostgreSQL as a file: applications go on with their secrets there and
// people with their passwords, if it is a file with secrets and the servers have one secrets_key.
func TestTransfer(t *testing.T) {
	shop := newParty(t, "", "", "127.0.0.1")
	from := start(t, config{storage: sqlite{}, env: transferEnv})
	to := start(t, config{storage: postgres{}, env: transferEnv, other: sdkEnv})
	c, there := openConsole(t, from), openConsole(t, to)
	left, right := transferring(from), transferring(to)

	resource := c.create(t, "/resources", object{"name": "stock", "audience": "https://stock.example.com"})
	scope := c.create(t, "/resources/"+resource+"/scopes", object{"name": "stock:read"})
	service := c.create(t, "/applications", aService("stock keeper"))
	c.grant(t, service, resource, scope)
	secret := c.secretOf(t, "/applications/"+service)
	to.secret("a secret that has moved", secret)
	web := c.create(t, "/applications", object{
		"name": "stock on the web", "enabled": true, "protocol": "OPENID_CONNECT", "type": "WEB_APP", "tokenEndpointAuthMethod": "CLIENT_SECRET_BASIC",
		"grantTypes": []string{"AUTHORIZATION_CODE"}, "responseTypes": []string{"CODE"}, "redirectUris": []string{shop.base + "/callback"},
	})
	for _, r := range c.list(t, "/resources", "resources") {
		if id := r["id"].(string); r["type"] == "OPENID_CONNECT" {
			c.grant(t, web, id, c.scope(t, id, "openid"))
		}
	}
	shop.id, shop.secret = web, c.secretOf(t, "/applications/"+web)
	to.secret("a secret that has moved", shop.secret)
	const password = "mover-3Xw9-shaker-pass"
	person := c.importUser(t, "mover", password)
	to.secret("a password that has moved", password)
	signOn := func(n *node) any {
		t.Helper()
		begun := shop.begin(n, "scope", "openid")
		newAgent(t, n).signOn(begun.address, "mover", password)
		return begun.redeem(t, n).claims["sub"]
	}
	if got := signOn(from); got != person {
		t.Fatalf("sub = %v before, want %s", got, person)
	}

	open, sealed := left.export(t), left.export(t, "--secrets")
	for _, hidden := range []string{secret, shop.secret, password, "argon2"} {
		for name, file := range map[string]string{"without secrets": open, "with sealed ones": sealed} {
			if strings.Contains(content(t, file), hidden) {
				t.Errorf("the file %s has a secret in the clear", name)
			}
		}
	}
	if stdout, _ := left.run(t, "export"); stdout != content(t, open) {
		t.Error("export to standard output is not what it is into a file")
	}

	t.Run("dry run", func(t *testing.T) {
		before := content(t, right.export(t, "--secrets"))
		stdout, stderr := right.run(t, "import", "--input", sealed, "--dry-run")
		for _, want := range []string{
			"+ application " + service + " (stock keeper)", "+ resource " + resource + " (stock)", "+ scope " + scope + " (stock:read)", "+ user " + person + " (mover)",
		} {
			if !strings.Contains(stdout, want+"\n") {
				t.Errorf("it does not print %q:\n%s", want, stdout)
			}
		}
		if strings.Contains(stdout, secret) || strings.Contains(stdout, "argon2") {
			t.Error("it prints a secret")
		}
		if !strings.Contains(stderr, "nothing has been changed") {
			t.Errorf("stderr = %q", stderr)
		}
		sameFile(t, "before and after a dry run", before, content(t, right.export(t, "--secrets")))
	})

	t.Run("with secrets", func(t *testing.T) {
		stdout, stderr := right.run(t, "import", "--input", sealed)
		if stdout != "" || !strings.Contains(stderr, "created") {
			t.Errorf("it prints %q and says %q, want nothing, and what was done on stderr", stdout, stderr)
		}
		if got := claims(t, to.workerToken(t, mainEnv, service, secret, "stock:read"))["aud"]; fmt.Sprint(got) != "[https://stock.example.com]" {
			t.Errorf("aud = %v", got)
		}
		if got := signOn(to); got != person {
			t.Errorf("sub = %v, want %s", got, person)
		}
		if kid := fmt.Sprint(part(t, from.token(t, worker), 0)["kid"]); !slices.Contains(keyIDs(t, to), kid) {
			t.Errorf("the key %s that signs there is not published here", kid)
		}
		sameFile(t, "sent and exported again, with secrets", content(t, sealed), content(t, right.export(t, "--secrets")))
		if again := content(t, right.export(t)); again != content(t, open) {
			sameFile(t, "sent and exported again", content(t, open), again)
			t.Error("it is not the same, byte by byte")
		}
		if _, stderr := right.run(t, "import", "--input", sealed); !strings.Contains(stderr, "0 created, 0 updated, 0 deleted") {
			t.Errorf("the same once more: %s", stderr)
		}
	})

	t.Run("prune", func(t *testing.T) {
		extra := there.create(t, "/applications", aService("extra"))
		if stdout, _ := right.run(t, "import", "--input", open); stdout != "" {
			t.Errorf("without --prune it says %q", stdout)
		}
		there.get(t, "/applications/"+extra)
		if stdout, _ := right.run(t, "import", "--input", open, "--prune", "--dry-run"); !strings.Contains(stdout, "- application "+extra+" (extra)\n") || strings.Contains(stdout, "- application "+service) {
			t.Errorf("a dry run prints %q, want that extra goes and nothing else of the file", stdout)
		}
		there.get(t, "/applications/"+extra)
		right.run(t, "import", "--input", open, "--prune")
		there.want(t, http.StatusNotFound, http.MethodGet, "/applications/"+extra, nil)
		to.workerToken(t, mainEnv, service, secret, "stock:read") // a file without secrets leaves those that are there
	})

	t.Run("another environment, without secrets", func(t *testing.T) {
		right.run(t, "import", "--input", open, "--environment", otherEnv)
		other := &console{to, to.url("as"), to.workerToken(t, otherEnv, sdkAdmin, sdkAdminSecret, "")}
		in := "/v1/environments/" + otherEnv
		fresh := other.secretOf(t, in+"/applications/"+service)
		if fresh == secret || fresh == "" {
			t.Error("the application has no new secret there")
		}
		if a := to.tryWorker(t, otherEnv, service, secret, "stock:read"); a.status != http.StatusUnauthorized {
			t.Errorf("the old secret: %d, want 401", a.status)
		}
		to.workerToken(t, otherEnv, service, fresh, "stock:read")
		if status := other.get(t, in+"/users/"+person+"/password")["status"]; status != "NO_PASSWORD" {
			t.Errorf("password = %v, want NO_PASSWORD", status)
		}
	})

	t.Run("refusals", func(t *testing.T) {
		wrong := &transferCall{to, sdkAdmin, "not-the-secret-1234"}
		wrong.refused(t, "401", "export")
		wrong.refused(t, "401", "import", "--input", open)
		(&transferCall{to, "admin", secrets()["ADMIN_SECRET"]}).refused(t, "people", "export")             // who sees no people does not export them
		(&transferCall{to, "worker", secrets()["BASIC_SECRET"]}).refused(t, "401", "export", "--no-users") // its tokens are for another API
		right.refused(t, "https", "export", "--server", "http://auth.example.com")
		right.refused(t, "https", "export", "--server", "http://192.0.2.1")
		right.refused(t, "404", "export", "--environment", "0d6a5b8e-0000-4000-8000-000000000001", "--client-environment", mainEnv)

		before := content(t, right.export(t, "--secrets"))
		lines := strings.SplitAfter(content(t, open), "\n")
		damaged := func(change func(lines []string) []string) string {
			return writeFile(t, "damaged.jsonl", strings.Join(change(append([]string(nil), lines...)), ""))
		}
		for _, tt := range []struct {
			name, words string
			change      func(lines []string) []string
		}{
			{"a line that is no JSON", "Line 4", func(l []string) []string { l[3] = l[3][:len(l[3])/2] + "\n"; return l }},
			{"a member twice", "Line 2", func(l []string) []string { l[1] = strings.Replace(l[1], `{"kind"`, `{"id":"x","kind"`, 1); return l }},
			{"a line twice", "Line 3", func(l []string) []string { l[2] = l[1]; return l }},
			{"another format", "Line 1", func(l []string) []string { l[0] = `{"format":"something"}` + "\n"; return l }},
			{"cut off between lines", fmt.Sprint("Line ", len(lines)-2), func(l []string) []string { return l[:len(l)-2] }},
			{"cut off in a line", fmt.Sprint("Line ", len(lines)-2), func(l []string) []string { l = l[:len(l)-2]; l[len(l)-1] = l[len(l)-1][:20]; return l }},
			{"empty", "empty", func([]string) []string { return nil }},
		} {
			right.refused(t, tt.words, "import", "--input", damaged(tt.change), "--prune")
		}
		right.refused(t, "no such file", "import", "--input", filepath.Join(t.TempDir(), "none"))
		sameFile(t, "before and after files that were refused", before, content(t, right.export(t, "--secrets")))
	})
}

// TestTransferOfMany imports many people, into a server that is killed meanwhile, and then again: in the end each is there
// once.
func TestTransferOfMany(t *testing.T) {
	many := 20_000
	if raceDetector { // with which a server is slow
		many = 5_000
	}
	onEach(t, func(t *testing.T, b backend) {
		t.Parallel()
		n := start(t, config{storage: b, env: transferEnv, info: true})
		c := transferring(n)
		empty := strings.SplitAfter(content(t, c.export(t)), "\n")
		var file strings.Builder
		file.WriteString(strings.Join(empty[:len(empty)-2], ""))
		for i := range many {
			fmt.Fprintf(&file, `{"kind":"user","id":"2c4e6a80-0000-4000-8000-%012d","document":{"username":"many%d","enabled":true,"claims":{"email":"many%d@example.com"}}}`+"\n", i, i, i)
		}
		file.WriteString(empty[len(empty)-2])
		whole := writeFile(t, "many.jsonl", file.String())

		end := c.start(t, "import", "--input", whole)
		eventually(t, time.Minute, "some of them are there", func() bool { return len(n.auditLines()) > many/10 })
		n.kill(t)
		if _, stderr, err := end(); err == nil {
			t.Fatalf("the import was over before the server was killed: %s", stderr)
		}
		n.run(t)
		begin := time.Now()
		_, stderr := c.run(t, "import", "--input", whole)
		if !strings.Contains(stderr, "/s)") {
			t.Errorf("no rate is shown: %q", stderr)
		}
		var made, same int
		lines := strings.Split(strings.TrimSpace(stderr), "\n")
		result := lines[len(lines)-1]
		var updated, deleted int
		if _, err := fmt.Sscanf(result, "%d created, %d updated, %d deleted, %d unchanged", &made, &updated, &deleted, &same); err != nil || made+same < many || same < many/10 || updated+deleted > 0 {
			t.Errorf("the second import says %q (%v), want some unchanged and the rest created", result, err)
		}
		t.Logf("%s: %d were there after the kill, %d more in %v", b.name(), same, made, time.Since(begin).Round(time.Millisecond))
		if again := content(t, c.export(t)); again != file.String() {
			t.Error("what comes back is another file")
		}
	})
}
