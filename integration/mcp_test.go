package integration_test

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// documented is the first block of a language in a document of docs/.
func documented(t testing.TB, name, language string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "docs", name))
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```" + language + "\n(.*?)```").FindSubmatch(text)
	if block == nil {
		t.Fatalf("docs/%s has no block of %s", name, language)
	}
	return string(block[1])
}

// TestMCP runs the example of docs/mcp.md, and a client of npm's @modelcontextprotocol/sdk that is told nothing but the server's address.
func TestMCP(t *testing.T) {
	mustClients(t)
	tools := startTools(t)
	n := prepare(t, config{bare: true})
	p := &partyNode{node: n, app: newParty(t, "every client", "", "127.0.0.1")}
	p.ca = p.certify(t)

	given := freePorts(t, []string{"8080", "8090", "2019"})
	pairs := []string{
		":3000", ":" + tools,
		// Caddy would keep a copy of the configuration, where the passwords are.
		"auto_https off", "auto_https off\n\tpersist_config off\n\tdebug\n\tlog {\n\t\toutput stderr\n\t\tformat json\n\t}",
		// The document of the client is here, and so is who vouches for its server.
		"\t\tenvironment tools", "\t\toutbound {\n\t\t\tca_file " + p.ca + "\n\t\t\tnetwork 127.0.0.0/8\n\t\t}\n\t\tenvironment tools",
		// Another resource, and who has tokens for it.
		"\t\t\tuser alice", "\t\t\tresource mail {\n\t\t\t\taudience https://mail.example.com\n\t\t\t\tscope mail:read\n\t\t\t}\n" +
			"\t\t\tapplication mailer {\n\t\t\t\ttype worker\n\t\t\t\tsecret mailer-secret-Lq81\n\t\t\t\tauth_method client_secret_basic\n\t\t\t\tallow mail:read\n\t\t\t}\n\t\t\tuser alice",
	}
	for name, port := range given {
		pairs = append(pairs, ":"+name, fmt.Sprintf(":%d", port))
		n.ports[name] = port
	}
	n.ports["admin"] = given["2019"]
	text := documented(t, "mcp.md", "caddyfile")
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			t.Fatalf("the example has no %q any more", pairs[i])
		}
	}
	if err := os.WriteFile(n.caddyfile(), []byte(strings.NewReplacer(pairs...).Replace(text)), 0o600); err != nil {
		t.Fatal(err)
	}
	n.vars["ISSUER"] = fmt.Sprintf("http://localhost:%d/%s/as", given["8080"], mainEnv)
	n.secret("alice's password", alicePassword)
	n.secret("a worker's secret", "mailer-secret-Lq81")
	n.bare = false // it has an authorization server to wait for
	n.run(t)

	server := fmt.Sprintf("http://localhost:%d/mcp", given["8090"])
	p.runScript(t, "mcp.mjs", map[string]any{
		"server": server, "redirect_uri": p.app.base + "/callback", "document": p.document(t),
		"metadata": fmt.Sprintf(`resource_metadata="http://localhost:%d/.well-known/oauth-protected-resource/mcp"`, given["8090"]),
		"foreign":  n.tokenFrom(t, n.formAt(t, n.vars["ISSUER"]+"/token", basic("mailer", "mailer-secret-Lq81"), "grant_type", "client_credentials")),
	})
}

// startTools runs the example's server until the test ends, and gives its port.
func startTools(t testing.TB) (port string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "node", "mcp-server.mjs")
	cmd.Dir, cmd.Env = "clients", append(os.Environ(), "PORT=0")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var complaints strings.Builder
	cmd.Stderr = &complaints
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Wait() // the context has ended it
		if complaints.Len() > 0 {
			t.Errorf("mcp-server.mjs: %s", complaints.String())
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("mcp-server.mjs: %v\n%s", err, complaints.String())
	}
	return strings.TrimPrefix(strings.TrimSpace(line), "MCP server on port ")
}

// document serves the metadata of a client, and gives its address, which is the client's identifier.
func (p *partyNode) document(t testing.TB) (address string) {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{
			"client_id": address, "client_name": "A client with a document", "redirect_uris": []string{p.app.base + "/callback"},
			"grant_types": []string{"authorization_code"}, "response_types": []string{"code"}, "token_endpoint_auth_method": "none",
		})
	}))
	certificate, err := tls.LoadX509KeyPair(p.ca, filepath.Join(p.dir, "tls.key"))
	if err != nil {
		t.Fatal(err)
	}
	s.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	s.StartTLS()
	t.Cleanup(s.Close)
	address = s.URL + "/client.json"
	return address
}
