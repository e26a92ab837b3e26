package integration_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// nginxPath finds the program: Debian has it where only root looks.
func nginxPath(t testing.TB) string {
	t.Helper()
	for _, name := range []string{"nginx", "/usr/sbin/nginx"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("CI") != "" {
		t.Fatal("nginx is required here")
	}
	t.Skip("nginx is not installed")
	return ""
}

// startNginx runs the servers in text until the test ends.
func startNginx(t testing.TB, address, text string) {
	t.Helper()
	dir := t.TempDir()
	conf := filepath.Join(dir, "nginx.conf")
	var temporary strings.Builder
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(&temporary, "\t%s_temp_path %s;\n", kind, filepath.Join(dir, kind))
	}
	whole := fmt.Sprintf("daemon off;\nmaster_process off;\npid %s/pid;\nerror_log %s/error.log;\nevents {}\nhttp {\n\taccess_log off;\n%s%s}\n", dir, dir, &temporary, text)
	if err := os.WriteFile(conf, []byte(whole), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), nginxPath(t), "-p", dir, "-c", conf, "-e", filepath.Join(dir, "error.log"))
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { _ = cmd.Wait(); close(done) }()
	t.Cleanup(func() {
		<-done // the context has ended it
		if log, _ := os.ReadFile(filepath.Join(dir, "error.log")); t.Failed() {
			t.Logf("nginx says:\n%s", tail(string(log), 12))
		}
	})
	eventually(t, 20*time.Second, "nginx listens", func() bool {
		select {
		case <-done:
			log, _ := os.ReadFile(filepath.Join(dir, "error.log"))
			t.Fatalf("nginx has ended: %s", log)
		default:
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
}

// nginxGate is what the gate of docs/proxies.md is here: with an environment of this node, and metadata.
const nginxGate = `
http://127.0.0.1:$ASKING {
	bearer_auth {
		issuer $ISSUER
		audience ` + orders + `
		scope orders:read
		url ` + orders + `
		resource_metadata
		forward_claim client_id X-User
		dpop
		authorizer forward {
			statuses nginx
		}
	}
}
`

// TestNginx has nginx in front ask the gate by auth_request, configured as docs/proxies.md has it.
func TestNginx(t *testing.T) {
	c := config{sites: nginxGate, ports: []string{"asking", "front"}}
	n := prepare(t, c)
	text, err := os.ReadFile(n.caddyfile())
	if err != nil {
		t.Fatal(err)
	}
	trusting := strings.Replace(string(text), "\tgrace_period 5s\n", "\tgrace_period 5s\n\tservers {\n\t\ttrusted_proxies static 127.0.0.0/8\n\t}\n", 1)
	if err := os.WriteFile(n.caddyfile(), []byte(trusting), 0o600); err != nil {
		t.Fatal(err)
	}
	n.run(t)
	startNginx(t, n.addr("front"), strings.NewReplacer("127.0.0.1:8088", n.addr("front"), "127.0.0.1:9091", n.addr("asking"), "127.0.0.1:3000", n.upstream.addr()).
		Replace(documented(t, "proxies.md", "nginx")))

	worker := basic("worker", secrets()["BASIC_SECRET"])
	biller := basic("biller", secrets()["BILLER_SECRET"])
	good, foreign := n.token(t, worker), n.token(t, biller)
	narrow := n.token(t, worker, "orders:write")
	revoked := n.token(t, worker)
	ask := func(t *testing.T, method, path, token string, headers ...string) answer {
		t.Helper()
		var body io.Reader
		if method == http.MethodPost {
			body = strings.NewReader("a body")
		}
		req, err := http.NewRequest(method, n.url("front")+path, body)
		if err != nil {
			t.Fatal(err)
		}
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		for i := 0; i < len(headers); i += 2 {
			req.Header.Add(headers[i], headers[i+1])
		}
		return n.do(t, req)
	}
	if a := ask(t, "GET", "/", revoked); a.status != 200 {
		t.Fatalf("a token that is to be revoked: status = %d, want 200 before", a.status)
	}
	n.revoke(t, worker, revoked)
	for _, tt := range []struct {
		name, method, path, token string
		headers                   []string
		status                    int
		challenge                 []string // parts of it
	}{
		{"good token", "GET", "/orders?x=1", good, nil, 200, nil},
		{"good token, a body", "POST", "/orders", good, nil, 200, nil},
		{"good token, HEAD", "HEAD", "/orders", good, nil, 200, nil},
		{"none", "GET", "/orders", "", nil, 401, []string{"Bearer ", "resource_metadata=", "DPoP "}},
		{"bad", "GET", "/orders", "garbage", nil, 401, []string{`error="invalid_token"`}},
		{"for another resource", "GET", "/orders", foreign, nil, 401, []string{`error="invalid_token"`}},
		{"missing scope", "GET", "/orders", narrow, nil, 403, []string{`error="insufficient_scope"`, `scope="orders:read"`}},
		{"revoked a moment ago", "GET", "/orders", revoked, nil, 401, []string{`error="invalid_token"`}},
		{"two tokens in one header", "GET", "/orders", "x, Bearer " + good, nil, 401, []string{`error="invalid_request"`}},
		{"good token, forged identity", "GET", "/orders", good, []string{"X-User", "mallory", "x_user", "mallory"}, 200, nil},
		{"none, forged identity", "GET", "/orders", "", []string{"X-User", "mallory"}, 401, []string{"Bearer"}},
		{"none, forged question", "GET", "/orders", "", []string{
			"X-Forwarded-Method", "OPTIONS", "X-Forwarded-Uri", "/.well-known/oauth-protected-resource", "X-Original-Url", "/public", "X-Forwarded-Host", "elsewhere",
		}, 401, []string{"Bearer"}},
		{"good token, forged question", "GET", "/orders", good, []string{"X-Forwarded-Uri", "*", "X-Forwarded-Method", "a b"}, 200, nil},
		{"preflight", "OPTIONS", "/orders", "", []string{"Origin", "https://app.example.com", "Access-Control-Request-Method", "PUT"}, 200, nil},
		{"preflight with a bad token", "OPTIONS", "/orders", "garbage", []string{"Origin", "https://app.example.com", "Access-Control-Request-Method", "PUT"}, 401, []string{`error="invalid_token"`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := n.upstream.count()
			a := ask(t, tt.method, tt.path, tt.token, tt.headers...)
			if a.status != tt.status {
				t.Fatalf("status = %d, want %d: %s %s", a.status, tt.status, a.challenge(), a.body)
			}
			for _, part := range tt.challenge {
				if !strings.Contains(a.challenge(), part) {
					t.Errorf("challenge = %s, want %s in it", a.challenge(), part)
				}
			}
			if asked := n.upstream.count() - before; (asked > 0) != (tt.status == 200) {
				t.Errorf("%d requests reached the upstream", asked)
			}
			if tt.status != 200 {
				return
			}
			got := n.upstream.last()
			want := []string{"worker"}
			if tt.token == "" {
				want = nil
			}
			if user := got.folded("X-User"); fmt.Sprint(user) != fmt.Sprint(want) {
				t.Errorf("the upstream is told %v, want %v", user, want)
			}
			if tt.method == "POST" && got.body != "a body" || got.target != tt.path || got.method != tt.method {
				t.Errorf("the upstream got %s %s with %q", got.method, got.target, got.body)
			}
		})
	}
	t.Run("metadata", func(t *testing.T) {
		if a := ask(t, "GET", "/.well-known/oauth-protected-resource", ""); a.status != 200 || !strings.Contains(a.body, `"resource":"`+orders) {
			t.Errorf("answer = %d %s, want the document", a.status, a.body)
		}
	})
}
