package integration_test

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// example starts what `make run` serves, on other ports.
func example(t *testing.T) (n *node, ports *strings.Replacer) {
	t.Helper()
	return exampleOn(t, sqlite{})
}

// exampleOn is example with its data in b.
func exampleOn(t *testing.T, b backend) (n *node, ports *strings.Replacer) {
	t.Helper()
	file, err := os.ReadFile("../Caddyfile.example")
	if err != nil {
		t.Fatal(err)
	}
	// Caddy would keep a copy of the configuration, where the passwords are.
	text := strings.Replace(string(file), "auto_https off", "auto_https off\n\tpersist_config off", 1)
	n = prepare(t, config{bare: true})
	if b != (sqlite{}) {
		const line = "storage sqlite {\n\t\t\tpath {$GATEHOUSE_DATA:./data}/gatehouse.db\n\t\t}"
		if !strings.Contains(text, line) {
			t.Fatal("the example has another storage line than the test knows")
		}
		text = strings.Replace(text, line, b.caddyfile(t, n)+"\n\t\tsecrets_key {env.SEALING_KEY}", 1)
		n.env = append(n.env, "SEALING_KEY="+sealingKey)
	}
	names := []string{"8080", "8081", "8082", "8083", "8089", "2019"}
	given := freePorts(t, names)
	var pairs []string
	for _, name := range names {
		pairs = append(pairs, ":"+name, fmt.Sprintf(":%d", given[name]))
	}
	n.ports["admin"] = given["2019"]
	for _, name := range names {
		n.ports[name] = given[name]
	}
	ports = strings.NewReplacer(pairs...)
	if err := os.WriteFile(n.caddyfile(), []byte(ports.Replace(text)), 0o600); err != nil {
		t.Fatal(err)
	}
	n.env = append(n.env, "GATEHOUSE_DATA="+filepath.Join(n.dir, "data"))
	n.vars["ISSUER"] = fmt.Sprintf("http://localhost:%d/%s/as", given["8080"], mainEnv)
	n.bare = false // it has an authorization server to wait for
	n.run(t)
	return n, ports
}

// TestExample checks the demo's promises: ids, names, secrets and ports are what
// documents and scripts rely on.
func TestExample(t *testing.T) {
	n, _ := example(t)
	demo := basic("demo-worker", "demo-worker-secret")
	both, one := n.token(t, demo), n.token(t, demo, "orders:read")
	at := func(port, path, token string) answer {
		req, _ := http.NewRequest(http.MethodGet, fmt.Sprintf("http://localhost:%d%s", n.ports[port], path), nil)
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		return n.do(t, req)
	}
	for _, tt := range []struct {
		port, path, token string
		want              int
	}{
		{"8081", "/", "", 401}, {"8081", "/", one, 200}, {"8081", "/admin", one, 403}, {"8081", "/admin", both, 200},
		{"8082", "/", "", 401}, {"8082", "/", one, 200},
	} {
		a := at(tt.port, tt.path, tt.token)
		if a.status != tt.want {
			t.Errorf("port %s %s: %d %s, want %d", tt.port, tt.path, a.status, a.challenge(), tt.want)
		}
		if a.status == 200 && !strings.Contains(a.body, "demo-worker") {
			t.Errorf("port %s %s: the API says %q, want the client's id in it", tt.port, tt.path, a.body)
		}
	}
	if c := claims(t, one); fmt.Sprint(c["aud"]) != "[https://orders.example.com]" || c["scope"] != "orders:read" {
		t.Errorf("claims = %v, want the demo's audience and scope", c)
	}
	if sum(n.metrics(t), decisionsFamily) == 0 {
		t.Error("the demo's metrics count no decisions")
	}
	n.revoke(t, demo, both)
	if a := at("8081", "/", both); a.status != 401 {
		t.Errorf("revoked: %d, want 401", a.status)
	}
	if info, err := os.Stat(filepath.Join(n.dir, "data", "gatehouse.db.key")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the created key file: %v, %v, want mode 0600", info, err)
	}
}

// TestExampleHTTPS loads the variant in the example's last comment.
func TestExampleHTTPS(t *testing.T) {
	text, err := os.ReadFile("../Caddyfile.example")
	if err != nil {
		t.Fatal(err)
	}
	var config strings.Builder
	for line := range strings.Lines(string(text)) {
		if code, ok := strings.CutPrefix(line, "#\t"); ok {
			config.WriteString(code)
		} else if line == "#\n" {
			config.WriteString("\n")
		}
	}
	if config.Len() == 0 {
		t.Fatal("the example has no variant in a comment")
	}
	adapts(t, config.String())
}

// adapts loads a Caddyfile as far as that goes without starting it. What it expects of the environment and in
// /etc/gatehouse is there.
func adapts(t *testing.T, text string) {
	t.Helper()
	dir := t.TempDir()
	env := []string{"GATEHOUSE_KEY=" + sealingKey}
	for _, m := range environment.FindAllStringSubmatch(text, -1) {
		if m[1] != "GATEHOUSE_KEY" {
			env = append(env, m[1]+"=documented-secret-0123456789")
		}
	}
	for _, m := range authorities.FindAllStringSubmatch(text, -1) {
		if err := os.WriteFile(filepath.Join(dir, m[1]), []byte(certificateAuthority(t, m[1]).pem()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file := writeFile(t, "Caddyfile", strings.ReplaceAll(text, "/etc/gatehouse/", dir+"/"))
	if out, errs, err := runCaddy(t, env, "validate", "--config", file, "--adapter", "caddyfile"); err != nil {
		t.Errorf("%v: %s\n%s", err, lastError(out+errs), text)
	}
}

var (
	environment = regexp.MustCompile(`\{env\.([A-Z_]+)\}`)
	authorities = regexp.MustCompile(`/etc/gatehouse/([a-z-]+\.pem)`)
)

var fenced = regexp.MustCompile("(?ms)^```([a-z]+)\n(.*?)^```$")

// TestDocumentedCaddyfiles loads every complete Caddyfile of the documents. A
// block with <placeholders> is grammar, and one without a site or an option
// block around it is a fragment: both are left alone.
func TestDocumentedCaddyfiles(t *testing.T) {
	files, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	complete := regexp.MustCompile(`(?m)^(\{|[a-z0-9:/.*\-]*[.:][a-z0-9:/.*\-]* \{)$`)
	for _, file := range append(files, "../README.md") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for i, m := range fenced.FindAllSubmatch(text, -1) {
			lang, code := string(m[1]), string(m[2])
			if lang != "caddyfile" || strings.ContainsAny(code, "<…") || !complete.MatchString(code) {
				continue
			}
			t.Run(fmt.Sprintf("%s block %d", filepath.Base(file), i+1), func(t *testing.T) { adapts(t, code) })
		}
	}
}

// TestReadmeCommands pastes the README's shell lines, as a reader would, and
// compares what they print: every documented line must come.
func TestReadmeCommands(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("curl is not installed")
	}
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	n, ports := example(t)
	script := "exec 2>/dev/null\n"
	type step struct {
		command string
		want    []string
	}
	var steps []step
	for _, m := range fenced.FindAllSubmatch(text, -1) {
		if string(m[1]) != "console" {
			continue
		}
		for line := range strings.Lines(string(m[2])) {
			line = strings.TrimSpace(line)
			if command, ok := strings.CutPrefix(line, "$ "); ok {
				if !strings.Contains(command, "curl") {
					break // this block builds or installs something
				}
				steps = append(steps, step{command: ports.Replace(command)})
			} else if line != "" && len(steps) > 0 {
				last := &steps[len(steps)-1]
				last.want = append(last.want, ports.Replace(line))
			}
		}
	}
	if len(steps) < 3 {
		t.Fatalf("the README has %d commands, want those of the quick start", len(steps))
	}
	for i, s := range steps {
		script += fmt.Sprintf("echo '--- %d'\n%s\necho\n", i, s.command)
	}
	cmd := exec.Command("bash", "-c", script+`echo "--- token"; echo "$TOKEN"; echo "--- legacy"; printf '%s\n' "$ALICE" "$AMADMIN" "$CODE" "$OLD"`)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	said := regexp.MustCompile(`(?m)^--- .*$`).Split(string(out), -1)[1:]
	token := strings.TrimSpace(said[len(steps)])
	if strings.Count(token, ".") != 2 {
		t.Fatalf("the README's command did not give a token, but %q", token)
	}
	n.secret("the README's token", token)
	old := strings.Fields(said[len(steps)+1])
	if len(old) != 4 {
		t.Fatalf("the README's legacy commands gave %d of two sessions, a code and a token", len(old))
	}
	for _, value := range old {
		n.secret("of the README's legacy commands", value)
	}
	for i, s := range steps {
		lines := map[string]bool{}
		for line := range strings.Lines(said[i]) {
			lines[strings.TrimSpace(line)] = true
		}
		for _, want := range s.want {
			if !lines[want] {
				t.Errorf("$ %s\nprints\n%s\nwithout the documented line\n%s", s.command, said[i], want)
			}
		}
	}
}
