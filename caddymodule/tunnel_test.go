package caddymodule_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// TestAttack54ExtendedConnect: over HTTP/3 a WebSocket begins with CONNECT, of which the upstream sees a GET that may as well be an ordinary one. Rules and
// conditions are judged by what it sees.
func TestAttack54ExtendedConnect(t *testing.T) {
	ask, up := overHTTP3(t, `
		@read method GET HEAD
		@write method POST PUT PATCH DELETE
		@socket header Upgrade websocket
		@text vars {http.request.method} GET
		bearer_auth {`+trusted+`
			rule @read {
				scope read
			}
			rule @write {
				scope write
			}
			rule @socket {
				scope socket
			}
			rule @text {
				scope text
			}
			allow "request.method != 'GET' || 'cel' in token.scope"
		}`)
	token := func(scope string) []string {
		return []string{"Authorization", "Bearer " + mint(t, map[string]any{"scope": scope})}
	}
	const all = "read socket text cel"
	if status, body := ask(http.MethodGet, "", nil, token("read text cel")...); status != 200 || body != "upstream" {
		t.Fatalf("GET: status = %d, body %q, want the upstream's answer", status, body)
	}
	up.last()
	if status, _ := ask(http.MethodConnect, "websocket", nil, token(all)...); status != 200 {
		t.Errorf("a WebSocket with all scopes: status = %d, want 200", status)
	}
	if h := up.last(); h == nil || up.method != http.MethodGet || h.Get("Upgrade") != "websocket" {
		t.Errorf("the upstream got %s with %v, want GET and Upgrade", up.method, h)
	}
	for _, missing := range strings.Fields(all) {
		scope := strings.Join(strings.Fields(strings.ReplaceAll(all, missing, "")), " ")
		if status, body := ask(http.MethodConnect, "websocket", nil, token(scope)...); status != 403 || up.last() != nil {
			t.Errorf("a WebSocket without %s: status = %d, body %q, want 403", missing, status, body)
		}
	}
}

// TestAttack54MethodOfRule: some frameworks take "delete" for DELETE, for which a rule would be. Where nothing is about methods, they are the upstream's.
func TestAttack54MethodOfRule(t *testing.T) {
	for name, gated := range map[string]struct {
		option string
		want   int
	}{
		"a rule":      {"rule @write {\nscope write\n}", 400},
		"a condition": {"allow \"request.method != 'DELETE' || 'write' in token.scope\"", 400},
		"neither":     {"", 200},
	} {
		base, up := gate(t, "@write method DELETE\nbearer_auth {"+trusted+"\n"+gated.option+"\n}")
		token := mint(t, map[string]any{"scope": "write"})
		for method, want := range map[string]int{"DELETE": 200, "delete": gated.want, "Delete": gated.want} {
			got := answerOf(t, raw(t, base, method+" / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer "+token+"\r\n\r\n"))
			if asked := up.last() != nil; got.Status != want || asked != (want == 200) {
				t.Errorf("%s: %s: status = %d, upstream asked: %v, want %d", name, method, got.Status, asked, want)
			}
		}
	}
}

// TestAttack72ShadowTunnel: in shadow mode too, no client gets a tunnel in which it could write identity headers: an upgrade to h2c goes on as the request that
// it would be without, whatever else is wrong with it, and a CONNECT does not.
func TestAttack72ShadowTunnel(t *testing.T) {
	base, up := gate(t, "bearer_auth {"+trusted+"\nforward_claim sub X-User-Id\npaths strict\nshadow\n}")
	ask := func(line, more string) answer {
		return answerOf(t, raw(t, base, line+" HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer "+mint(t, nil)+"\r\n"+more+"\r\n"))
	}
	for _, path := range []string{"/x", "/x//y"} {
		for _, upgrade := range []string{"h2c", "H2C", "websocket, h2c"} {
			got := ask("GET "+path, "Connection: Upgrade, HTTP2-Settings, close\r\nUpgrade: "+upgrade+"\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n")
			if h := up.last(); got.Status != 200 || h == nil || len(h["Upgrade"])+len(h["Http2-Settings"]) > 0 {
				t.Errorf("%s with Upgrade: %s: status = %d, the upstream got %v, want 200 without an upgrade", path, upgrade, got.Status, h)
			}
		}
	}
	if got := ask("GET /x", "Connection: Upgrade, close\r\nUpgrade: websocket\r\n"); got.Status != 200 {
		t.Errorf("nearest good: status = %d, want 200", got.Status)
	} else if h := up.last(); fmt.Sprint(h["Upgrade"]) != "[websocket]" {
		t.Errorf("nearest good: the upstream got Upgrade: %q, want websocket", h["Upgrade"])
	}
	if got := ask("CONNECT a:80", "Connection: close\r\n"); got.Status != 400 || up.last() != nil {
		t.Errorf("CONNECT: status = %d, want 400", got.Status)
	}
}

// TestAttack72UpgradeSpelling: rules about WebSockets are about what the upstream gets. Caddy's matchers tell case apart, and protocols are
// the same in any (RFC 9110 §7.8); without the option in Connection there is no upgrade.
func TestAttack72UpgradeSpelling(t *testing.T) {
	base, up := gate(t, `
		@socket {
			header Connection *Upgrade*
			header Upgrade websocket
		}
		@plain not header Upgrade websocket
		bearer_auth {`+trusted+`
			rule @socket {
				scope socket
			}
			rule @plain {
				scope plain
			}
			allow "!('upgrade' in request.headers) || request.headers.upgrade != 'websocket' || 'cel' in token.scope"
		}`)
	for _, tt := range []struct {
		name, upgrade, connection, scope string
		want                             int
		upstream                         string // Upgrade
	}{
		{"nearest good", "websocket", "Upgrade", "socket cel", 200, "websocket"},
		{"nearest good, none", "", "keep-alive", "plain", 200, ""},
		{"none, without its scope", "", "keep-alive", "socket cel", 403, ""},
		{"without its scope", "websocket", "Upgrade", "plain cel", 403, ""},
		{"without the condition's", "websocket", "Upgrade", "socket", 403, ""},
		{"in other case", "WebSocket", "Upgrade", "plain cel", 403, ""},
		{"in other case, without the condition's", "WebSocket", "Upgrade", "socket plain", 403, ""},
		{"in other case, with all", "WebSocket", "Upgrade", "socket cel", 200, "websocket"},
		{"the option in other case", "websocket", "keep-alive, upgrade", "plain cel", 403, ""},
		{"the option in other case, with all", "websocket", "keep-alive, upgrade", "socket cel", 200, "websocket"},
		{"the protocol first of several lines", "WEBSOCKET\r\nUpgrade: other", "upgrade", "plain cel", 403, ""},
		{"the protocol behind another", "other\r\nUpgrade: websocket", "Upgrade", "socket cel", 403, ""},
		{"no option", "websocket", "close", "socket cel", 403, ""},
		{"no option, as what it is", "websocket", "close", "plain", 200, ""},
	} {
		up.last()
		upgrade := ""
		if tt.upgrade != "" {
			upgrade = "Upgrade: " + tt.upgrade + "\r\n"
		}
		got := answerOf(t, raw(t, base, "GET / HTTP/1.1\r\nHost: a\r\nConnection: "+tt.connection+"\r\nConnection: close\r\n"+upgrade+
			"Authorization: Bearer "+mint(t, map[string]any{"scope": tt.scope})+"\r\n\r\n"))
		h := up.last()
		if got.Status != tt.want || (h != nil) != (tt.want == 200) || h.Get("Upgrade") != tt.upstream {
			t.Errorf("%s: status = %d, the upstream got Upgrade %q; want %d, %q", tt.name, got.Status, h.Get("Upgrade"), tt.want, tt.upstream)
		}
	}
}
