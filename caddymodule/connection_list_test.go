package caddymodule_test

import (
	"strings"
	"testing"
)

// TestAttack67ConnectionListHidesFromUpstream: what rules, conditions and tools are judged by reaches the upstream. A client that calls a header the
// connection's has it removed on the way, behind the gate.
func TestAttack67ConnectionListHidesFromUpstream(t *testing.T) {
	tenant := mint(t, map[string]any{"scope": "read mcp", "tenant": "t1"})
	for name, tt := range map[string]struct {
		directives string
		want       int
	}{
		"condition":           {"bearer_auth {" + trusted + "allow `request.headers[\"x-tenant\"] == claims.tenant`\n}", 400},
		"condition of a rule": {"bearer_auth {" + trusted + "rule /x {\nallow `request.headers[\"x-tenant\"] == claims.tenant`\n}\n}", 400},
		"rule":                {"@all not header X-Tenant t1\nbearer_auth {" + trusted + "rule @all {\nscope all\n}\n}", 400},
		"mcp":                 {"bearer_auth {" + trusted + "mcp {\ntool * read\n}\n}", 400},
		"none of them":        {"bearer_auth {" + trusted + "\n}", 200},
	} {
		base, up := gate(t, tt.directives)
		ask := func(list string) int {
			up.last()
			return answerOf(t, raw(t, base, "GET /x HTTP/1.1\r\nHost: a\r\nX-Tenant: t1\r\nConnection: "+list+"\r\nAuthorization: Bearer "+tenant+"\r\n\r\n")).Status
		}
		for _, list := range []string{
			"close", "Close", "close, keep-alive\r\nKeep-Alive: 5", "close, TE\r\nTE: trailers", "close,x-none", "close,, ,", "close, Http2-Settings\r\nHttp2-Settings: x",
			"close, Upgrade", "close\r\nConnection: TE", "close, Proxy-Connection\r\nProxy-Connection: keep-alive",
		} {
			if got := ask(list); got != 200 || up.last().Get("X-Tenant") != "t1" {
				t.Errorf("%s, %q: status = %d, want 200 and the header at the upstream", name, list, got)
			}
		}
		for _, list := range []string{"close, X-Tenant", "x-tenant,close", "close,\tX-TENANT ", "close\r\nConnection: x-tenant", "close, Authorization"} {
			got := ask(list)
			if got != tt.want || (up.last() != nil) != (tt.want == 200) {
				t.Errorf("%s, %q: status = %d, want %d", name, list, got, tt.want)
			}
		}
	}
}

// TestAttack54Trace: a TRACE is answered with the request as the upstream has it (RFC 9110 §9.3.8), so none arrives where the gate has put
// something into requests that is not for their clients.
func TestAttack54Trace(t *testing.T) {
	as := newTokenServer(t, jsonAnswer(200, innerToken))
	tests := map[string]struct {
		directives string
		want       int
	}{
		"exchange":           {as.request("exchange"), 400},
		"client credentials": {as.request("client_credentials"), 400},
		"assertion":          {"url https://orders.example.com\nupstream {\nassertion {\naudience https://up.example.com\n}\n}\n", 400},
		"phantom":            {"upstream {\ntoken phantom\n}\n", 400},
		"forwarded claims":   {"forward_claim sub X-User\n", 400},
		"optional":           {"optional\nforward_claim sub X-User\n", 400},
		"nothing":            {"", 200},
		"stripped":           {"upstream {\ntoken strip\n}\n", 200},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			base, up := gate(t, "bearer_auth {"+trusted+tt.directives+"}")
			for _, method := range []string{"TRACE", "Trace", "trace"} {
				up.last()
				got := answerOf(t, raw(t, base, method+" / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer "+mint(t, nil)+"\r\n\r\n"))
				if got.Status != tt.want || (up.last() != nil) != (tt.want == 200) {
					t.Errorf("%s: status = %d, want %d: %s", method, got.Status, tt.want, got.Body)
				}
			}
			if got := get(t, base, mint(t, nil)); got.Status != 200 {
				t.Errorf("GET: status = %d, want 200", got.Status)
			}
		})
	}
	t.Run("authorizer", func(t *testing.T) {
		base := authorizer(t, trustLoopback, "bearer_auth {"+trusted+as.request("client_credentials")+"authorizer forward\n}")
		for method, want := range map[string]int{"GET": 200, "TRACE": 400} {
			got := get(t, base, mint(t, nil), about(method, "/x")...)
			if got.Status != want || strings.Contains(got.Header.Get("Authorization"), "inner") != (want == 200) {
				t.Errorf("%s: status = %d, Authorization %q, want %d", method, got.Status, got.Header.Get("Authorization"), want)
			}
		}
	})
}
