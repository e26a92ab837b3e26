package caddymodule_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// TestAttack90ToolCalledWithTheLastByte: a token that is revoked while the body of a call comes calls no tool. Its client may hold the last byte back
// for as long as it likes.
func TestAttack90ToolCalledWithTheLastByte(t *testing.T) {
	up := newUpstream(t)
	port := freePort(t)
	t.Setenv("GATE_WORKER_SECRET", "worker-secret")
	host := fmt.Sprintf("localhost:%d", port)
	own := "http://" + host + "/" + demoEnvironment + "/as"
	load(t, fmt.Sprintf(`gatehouse {
		storage sqlite {
			path %s/gatehouse.db
		}
		environment demo %s {
			issuer %s
			resource orders {
				audience https://orders.example.com
				scope orders:read
			}
			application worker {
				type worker
				secret {env.GATE_WORKER_SECRET}
				allow orders:read
			}
		}
	}`, t.TempDir(), demoEnvironment, own), fmt.Sprintf(`http://%s {
		authorization_server
		bearer_auth /mcp {
			issuer %s
			audience https://orders.example.com
			mcp {
				tool list_orders orders:read
			}
		}
		reverse_proxy /mcp %s
	}`, host, own, up.Addr))
	issue := func() (token string) {
		var issued struct {
			AccessToken string `json:"access_token"`
		}
		got := postWorker(t, own+"/token", url.Values{"grant_type": {"client_credentials"}})
		if err := json.Unmarshal([]byte(got.Body), &issued); err != nil || issued.AccessToken == "" {
			t.Fatalf("token endpoint: %d %s", got.Status, got.Body)
		}
		return issued.AccessToken
	}
	// calling calls a tool; between its head and its body, when the gate has found the token good, something happens.
	calling := func(token string, between func()) *http.Response {
		conn, err := net.Dial("tcp", host)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		_ = conn.SetDeadline(time.Now().Add(time.Minute))
		body, r := call("list_orders"), bufio.NewReader(conn)
		fmt.Fprintf(conn, "POST /mcp HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nExpect: 100-continue\r\nAuthorization: Bearer %s\r\n\r\n", host, len(body), token)
		if line, err := r.ReadString('\n'); err != nil || !strings.Contains(line, " 100 ") {
			t.Fatalf("the gate says %q (%v), want that it reads the body", line, err)
		}
		if line, err := r.ReadString('\n'); err != nil || strings.TrimSpace(line) != "" {
			t.Fatalf("then %q (%v)", line, err)
		}
		between()
		fmt.Fprint(conn, body)
		for {
			res, err := http.ReadResponse(r, nil)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if res.StatusCode >= 200 { // the upstream may say 100 too
				return res
			}
		}
	}
	if res := calling(issue(), func() {}); res.StatusCode != 200 || up.last() == nil {
		t.Fatalf("with a good token: status = %d, want 200", res.StatusCode)
	}
	token := issue()
	res := calling(token, func() {
		if got := postWorker(t, own+"/revoke", url.Values{"token": {token}}); got.Status != 200 {
			t.Fatalf("revocation: %d %s", got.Status, got.Body)
		}
	})
	if res.StatusCode != 401 || !strings.Contains(res.Header.Get("WWW-Authenticate"), `error="invalid_token"`) || up.last() != nil {
		t.Errorf("with a token that was revoked meanwhile: status = %d, want 401, and nothing upstream", res.StatusCode)
	}
}
