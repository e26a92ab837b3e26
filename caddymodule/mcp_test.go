package caddymodule_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// tools is a gate in front of a server of the Model Context Protocol.
const tools = `bearer_auth {` + trusted + `
		url https://orders.example.com/mcp
		resource_metadata {
			name Orders
		}
		scope mcp
		strip_header X-Tenant
		mcp {
			tool list_orders orders:read
			tool delete_order orders:read orders:write
			method resources/read orders:read
			max_body 1KiB
		}
	}`

// call is a call of a tool.
func call(tool string) string {
	return `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"` + tool + `","arguments":{}}}`
}

// message posts a body to base.
func message(t testing.TB, base, token, body string, headers ...string) answer {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, base+"/mcp", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header[headers[i]] = append(req.Header[headers[i]], headers[i+1])
	}
	return do(t, req)
}

// TestAttack128ToolProtocol: traffic of tools is judged by what it would call, refused as a whole, and answered with what is missing.
func TestAttack128ToolProtocol(t *testing.T) {
	base, up := gate(t, tools)
	const metadata = `resource_metadata="https://orders.example.com/.well-known/oauth-protected-resource/mcp"`
	reader := mint(t, map[string]any{"scope": "mcp orders:read"})
	foreign := mint(t, map[string]any{"scope": "mcp orders:read", "aud": "https://mail.example.com"})
	tests := []struct {
		name, token, body string
		headers           []string
		status            int
		challenge         []string // parts of it
	}{
		{"a tool", reader, call("list_orders"), nil, 200, nil},
		{"no tool", reader, `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}`, nil, 200, nil},
		{"a session id and a token", reader, call("list_orders"), []string{"Mcp-Session-Id", "s"}, 200, nil},
		{"a session id without token", "", call("list_orders"), []string{"Mcp-Session-Id", "s"}, 401, []string{"Bearer ", metadata}},
		{"token for another resource", foreign, call("list_orders"), nil, 401, []string{`error="invalid_token"`, metadata}},
		{"a tool of another scope", reader, call("delete_order"), nil, 403, []string{`error="insufficient_scope"`, `scope="mcp orders:read orders:write"`, metadata}},
		{"a method of another scope", mint(t, map[string]any{"scope": "mcp orders:write profile"}), `{"jsonrpc":"2.0","id":1,"method":"resources/read"}`, nil, 403, []string{`scope="mcp orders:read orders:write"`}},
		{"without the scope of the gate", mint(t, map[string]any{"scope": "orders:read"}), call("list_orders"), nil, 403, []string{`error="insufficient_scope"`, "mcp", metadata}},
		{"a tool that nobody may call", reader, call("drop_orders"), nil, 403, []string{`error="insufficient_scope"`, metadata}},
		{"a tool in other case", reader, call("List_Orders"), nil, 403, []string{`error="insufficient_scope"`, metadata}},
		{"a batch of what is allowed", reader, "[" + call("list_orders") + "," + call("list_orders") + "]", nil, 200, nil},
		{"a batch with a tool of another scope", reader, "[" + call("list_orders") + "," + call("delete_order") + "]", nil, 403, []string{"orders:write", metadata}},
		{"a batch with a tool that nobody may call", reader, "[" + call("list_orders") + "," + call("drop_orders") + "]", nil, 403, []string{`error="insufficient_scope"`, metadata}},
		{"a method with scopes", reader, `{"jsonrpc":"2.0","id":1,"method":"resources/read"}`, nil, 200, nil},
		{"a method with scopes, without them", mint(t, map[string]any{"scope": "mcp"}), `{"jsonrpc":"2.0","id":1,"method":"resources/read"}`, nil, 403, []string{"orders:read"}},
		{"the name twice", reader, strings.Replace(call("list_orders"), `"arguments"`, `"name":"delete_order","arguments"`, 1), nil, 400, []string{`error="invalid_request"`}},
		{"the name in other case too", reader, strings.Replace(call("list_orders"), `"arguments"`, `"Name":"delete_order","arguments"`, 1), nil, 400, nil},
		{"a compressed body", reader, call("list_orders"), []string{"Content-Encoding", "gzip"}, 415, nil},
		{"a long body", reader, call("list_orders") + strings.Repeat(" ", 1024), nil, 413, nil},
		{"an internal header", reader, call("list_orders"), []string{"X-Tenant", "other", "x-tenant", "other"}, 200, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := message(t, base, tt.token, tt.body, tt.headers...)
			challenge := got.Header.Get("WWW-Authenticate")
			if got.Status != tt.status {
				t.Fatalf("status = %d, want %d: %q %s", got.Status, tt.status, challenge, got.Body)
			}
			for _, part := range tt.challenge {
				if !strings.Contains(challenge, part) {
					t.Errorf("WWW-Authenticate = %q, want %s in it", challenge, part)
				}
			}
			h := up.last()
			if (h != nil) != (tt.status == 200) {
				t.Errorf("the upstream was asked: %t", h != nil)
			}
			for _, name := range []string{"X-Tenant", "x-tenant"} {
				if v, ok := h[name]; ok {
					t.Errorf("%s: %q reached the upstream", name, v)
				}
			}
		})
	}
	t.Run("a websocket", func(t *testing.T) {
		if got := get(t, base+"/mcp", reader, "Connection", "Upgrade", "Upgrade", "websocket"); got.Status != 400 || up.last() != nil {
			t.Errorf("answer = %+v, want 400", got)
		}
		if got := get(t, base+"/mcp", reader); got.Status != 200 || up.last() == nil {
			t.Errorf("stream of the server: %+v, want 200", got)
		}
	})
	t.Run("twins of the metadata's path", func(t *testing.T) {
		const path = "/.well-known/oauth-protected-resource/mcp"
		if got := get(t, base+path, ""); got.Status != 200 || !strings.Contains(got.Body, `"resource":"https://orders.example.com/mcp"`) {
			t.Fatalf("metadata: %+v, want the document", got)
		}
		for _, twin := range []string{path + "-evil", path + "/evil", "/.well-known/oauth-protected-resource-evil/mcp", "/x" + path, path + "?", "/%2ewell-known/oauth-protected-resource/mcp"} {
			got := get(t, base+twin, "")
			if twin == path+"?" {
				if got.Status != 200 {
					t.Errorf("%s: %d, want 200", twin, got.Status)
				}
				continue
			}
			if got.Status != 401 && got.Status != 400 {
				t.Errorf("%s: status = %d, want 401 or, for an ambiguous path, 400", twin, got.Status)
			}
		}
		if up.last() != nil {
			t.Error("the upstream was asked")
		}
	})
}

// TestMCPBody: the upstream gets the body that the client sent, however it was sent.
func TestMCPBody(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%d %q %v", r.ContentLength, body, err)
	}))
	defer s.Close()
	up := s.Listener.Addr().String()
	port := freePort(t)
	load(t, "servers {\nprotocols h1 h2 h2c\n}\n", fmt.Sprintf("http://:%d {\n%s\n\treverse_proxy %s\n}\n", port, tools, up))
	token := mint(t, map[string]any{"scope": "mcp orders:read"})
	body := " " + call("list_orders") + "\n"
	base := fmt.Sprintf("http://127.0.0.1:%d", port)
	if got := message(t, base, token, body); got.Body != fmt.Sprintf("%d %q <nil>", len(body), body) {
		t.Errorf("declared length: the upstream got %s", got.Body)
	}
	got := answerOf(t, raw(t, base, fmt.Sprintf("POST /mcp HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: application/json\r\nAuthorization: Bearer %s\r\n"+
		"Transfer-Encoding: chunked\r\n\r\n5\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n", token, body[:5], len(body)-5, body[5:])))
	if !strings.Contains(got.Body, fmt.Sprintf("%q", body)) {
		t.Errorf("chunked: the upstream got %s", got.Body)
	}
	h2 := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{Protocols: new(http.Protocols)}}
	h2.Transport.(*http.Transport).Protocols.SetUnencryptedHTTP2(true)
	for name, sent := range map[string]io.Reader{"with its length": strings.NewReader(body), "without": io.MultiReader(strings.NewReader(body))} {
		want := fmt.Sprintf("%d %q <nil>", len(body), body)
		if name == "without" {
			want = fmt.Sprintf("-1 %q <nil>", body)
		}
		req, err := http.NewRequest(http.MethodPost, base+"/mcp", sent)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", "Bearer "+token)
		res, err := h2.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.ProtoMajor != 2 || string(got) != want {
			t.Errorf("HTTP/2, %s: the upstream got %s (%v)", name, got, err)
		}
	}
}

// TestMCPConfiguration: rules that make no sense are refused at load, by name.
func TestMCPConfiguration(t *testing.T) {
	for _, tt := range []struct{ name, block, want string }{
		{"good", "mcp {\ntool a b\n}", ""},
		{"no rules", "mcp", ""},
		{"scope", "mcp {\ntool a \"b c\"\n}", "mcp: tool a"},
		{"name", "mcp {\ntool \"a b\" c\n}", "mcp: tool"},
		{"tools/call", "mcp {\nmethod tools/call c\n}", "mcp: method"},
		{"max_body", "mcp {\nmax_body 65MiB\n}", "mcp: max_body"},
		{"behind another proxy", "mcp {\ntool a b\n}\nauthorizer forward", "authorizer: mcp"},
		{"behind Envoy", "mcp {\ntool a b\n}\nauthorizer envoy", "authorizer: mcp"},
		{"authorizer", "authorizer forward", ""},
		{"authorizer of Envoy", "authorizer envoy", ""},
		{"header that is none", "authorizer forward {\nuri_header \"X Uri\"\n}", "uri_header"},
		{"header of the connection", "authorizer forward {\nhost_header Host\n}", "host_header"},
		{"one header for two", "authorizer forward {\nhost_header X-Forwarded-Uri\n}", "host_header"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			checkRefused(t, validate("{\n"+globals+"\n}\n:8999 {\nbearer_auth {\nissuer https://i.example.com\naudience a\n"+tt.block+"\n}\n}"), tt.want)
		})
	}
}
