package caddymodule_test

import (
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
