package integration_test

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const (
	gateSecret = "gate-secret-Hn27QwZk"

	// An application whose tokens are opaque, and the gate's own, which exchanges them for tokens of another resource.
	upstreamApplications = `
			application caller {
				type worker
				secret ` + gateSecret + `
				allow orders:read billing:read
				access_token_format opaque
			}
			application orders-gate {
				type worker
				secret ` + gateSecret + `
				grant client_credentials token_exchange
				allow billing:read
			}`

	upstreamOptions = `
		issuer $ISSUER
		audience ` + orders

	upstreamSites = `
http://:$EXCHANGED {
	bearer_auth {` + upstreamOptions + `
		upstream {
			exchange {
				issuer $ISSUER
				basic orders-gate ` + gateSecret + `
				audience ` + billing + `
				scope billing:read
				insecure_loopback_http
			}
		}
	}
	reverse_proxy $UPSTREAM
}
http://:$OWN {
	bearer_auth {` + upstreamOptions + `
		upstream {
			client_credentials {
				issuer $ISSUER
				basic orders-gate ` + gateSecret + `
				insecure_loopback_http
			}
		}
	}
	reverse_proxy $UPSTREAM
}
http://:$PHANTOM {
	bearer_auth {` + upstreamOptions + `
		upstream {
			token phantom
		}
	}
	reverse_proxy $UPSTREAM
}
http://:$ASKING {
	bearer_auth {
		issuer $ISSUER {
			audience ` + orders + `
			verify introspect
			introspection {
				basic orders {env.ORDERS_SECRET}
			}
			insecure_loopback_http
		}
		upstream {
			token phantom
		}
	}
	reverse_proxy $UPSTREAM
}
http://:$ASSERTED {
	bearer_auth {` + upstreamOptions + `
		upstream {
			token strip
			assertion {
				issuer https://orders.example.com
				audience orders
			}
		}
	}
	reverse_proxy $NODE
}
`
)

// startUpstreamTokens runs the sites above. Behind the last one is what a test starts at port node.
func startUpstreamTokens(t *testing.T) *node {
	t.Helper()
	c := config{env: upstreamApplications, sites: upstreamSites, ports: []string{"exchanged", "own", "phantom", "asking", "asserted", "node"}}
	n := prepare(t, c)
	n.vars["NODE"] = n.addr("node")
	n.write(t, c)
	n.secret("the gate's secret", gateSecret)
	n.run(t)
	return n
}

// TestUpstreamTokens: what goes upstream, with this server's own tokens: a client's opaque token is exchanged, replaced by the gate's own, and by
// a JWT that says the same, whether its issuer is asked in process or over HTTP. When it is revoked, nothing of it goes on.
func TestUpstreamTokens(t *testing.T) {
	n := startUpstreamTokens(t)
	client := n.token(t, basic("caller", gateSecret), "orders:read")
	for _, tt := range []struct {
		port  string
		wants map[string]any
	}{
		{"exchanged", map[string]any{"aud": billing, "scope": "billing:read", "client_id": "orders-gate"}},
		{"own", map[string]any{"aud": billing, "client_id": "orders-gate"}},
		{"phantom", map[string]any{"aud": orders, "scope": "orders:read", "client_id": "caller"}},
		{"asking", map[string]any{"aud": orders, "scope": "orders:read", "client_id": "caller"}},
	} {
		t.Run(tt.port, func(t *testing.T) {
			if a := n.call(t, tt.port, "/x", client); a.status != 200 {
				t.Fatalf("status = %d, want 200", a.status)
			}
			inner := strings.TrimPrefix(n.upstream.last().header.Get("Authorization"), "Bearer ")
			n.secret("a token at the upstream", inner)
			got := claims(t, inner)
			for name, want := range tt.wants {
				if v := got[name]; fmt.Sprint(v) != fmt.Sprint(want) && fmt.Sprint(v) != fmt.Sprint([]any{want}) {
					t.Errorf("%s = %v, want %v", name, v, want)
				}
			}
		})
	}
	n.revoke(t, basic("caller", gateSecret), client)
	for _, port := range []string{"exchanged", "own", "phantom"} {
		before := n.upstream.count()
		if a := n.call(t, port, "/x", client); a.status != 401 || n.upstream.count() != before {
			t.Errorf("%s: a revoked token: status = %d, want 401 and nothing at the upstream", port, a.status)
		}
	}
}

// TestAssertionRecipe: the manual's recipe for Node.js lets through what came through the gate and nothing else.
func TestAssertionRecipe(t *testing.T) {
	mustClients(t)
	n := startUpstreamTokens(t)
	manual, err := os.ReadFile("../docs/upstream.md")
	if err != nil {
		t.Fatal(err)
	}
	recipe := regexp.MustCompile("(?s)```js\n(.*?)```").FindSubmatch(manual)
	if recipe == nil {
		t.Fatal("the manual has no recipe for Node.js")
	}
	script := strings.Replace(string(recipe[1]), "https://orders.example.com/.well-known", n.url("asserted")+"/.well-known", 1) + fmt.Sprintf(`
import { createServer } from 'node:http'
createServer(async (req, res) => {
  try {
    const who = await whoAsks(req)
    res.end(who.client_id + ' of ' + who.token_issuer)
  } catch (e) {
    res.writeHead(403).end(e.message)
  }
}).listen(%d, '127.0.0.1', () => console.log('listening'))
`, n.ports["node"])
	// Beside the packages that it imports.
	file := filepath.Join("clients", "node_modules", ".recipe-"+fmt.Sprint(os.Getpid())+".mjs")
	if err := os.WriteFile(file, []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(file)
	cmd := exec.Command("node", file)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "listening\n" {
		t.Fatalf("the upstream says %q, %v", line, err)
	}

	client := n.token(t, basic("caller", gateSecret), "orders:read")
	for _, target := range []string{"/", "/orders/1?a=b%20c", "/%C3%A9//x;y?q=%22"} {
		a := n.call(t, "asserted", target, client)
		if want := "caller of " + n.vars["ISSUER"]; a.status != 200 || a.body != want {
			t.Errorf("%s: %d %q, want 200 %q", target, a.status, a.body, want)
		}
	}
	if a := n.call(t, "node", "/", client); a.status != 403 {
		t.Errorf("past the gate: %d %q, want 403", a.status, a.body)
	}
	req := n.callRequest("node", "/", "")
	req.Header.Set("Gatehouse-Assertion", client)
	if a := n.do(t, req); a.status != http.StatusForbidden {
		t.Errorf("past the gate with something else: %d %q, want 403", a.status, a.body)
	}
}
