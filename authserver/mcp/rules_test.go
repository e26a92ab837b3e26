package mcp_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/mcp"
)

func TestDemand(t *testing.T) {
	other := rules()
	other.Tools["*"] = []string{"other"}
	forbidden := func(tool string) mcp.Demand { return mcp.Demand{Forbidden: true, Tool: tool} }
	tests := []struct {
		name  string
		rules *mcp.Rules
		body  string
		want  mcp.Demand
	}{
		{"a tool", rules(), calls("list"), mcp.Demand{Scopes: []string{"read"}, Tool: "list"}},
		{"a tool of two scopes", rules(), calls("delete"), mcp.Demand{Scopes: []string{"read", "write"}, Tool: "delete"}},
		{"a tool without scopes", rules(), calls("ping"), mcp.Demand{}},
		{"a tool whose name is escaped", rules(), calls(`l\u0069st`), mcp.Demand{Scopes: []string{"read"}, Tool: "list"}},
		{"a tool without a rule", rules(), calls("drop"), forbidden("drop")},
		{"no rules at all", &mcp.Rules{}, calls("list"), forbidden("list")},
		{"a notification that calls a tool", rules(), `{"jsonrpc":"2.0","method":"tools/call","params":{"name":"list"}}`, mcp.Demand{Scopes: []string{"read"}, Tool: "list"}},
		{"another tool", other, calls("drop"), mcp.Demand{Scopes: []string{"other"}, Tool: "drop"}},
		{"another tool named *", other, calls("*"), forbidden("*")},
		{"in other case", rules(), calls("List"), forbidden("List")},
		{"in other case, where other tools are allowed", other, calls("DELETE"), forbidden("DELETE")},
		{"in other case beyond ASCII", other, calls("liſt"), forbidden("liſt")},
		{"with space, where other tools are allowed", other, calls("delete "), forbidden("delete ")},
		{"with NUL, where other tools are allowed", other, calls(`delete\u0000`), forbidden("delete\x00")},
		{"initialize", rules(), `{"jsonrpc":"2.0","id":"a","method":"initialize","params":{"name":1}}`, mcp.Demand{}},
		{"ping without params", rules(), `{"jsonrpc":"2.0","id":1,"method":"ping"}`, mcp.Demand{}},
		{"a notification", rules(), `{"jsonrpc":"2.0","method":"notifications/initialized"}`, mcp.Demand{}},
		{"params as an array", rules(), `{"jsonrpc":"2.0","id":1,"method":"x","params":[1]}`, mcp.Demand{}},
		{"a method with scopes", rules(), `{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"a"}}`, mcp.Demand{Scopes: []string{"read"}, Tool: "resources/read"}},
		{"a method with scopes in other case", rules(), `{"jsonrpc":"2.0","id":1,"method":"Resources/read"}`, forbidden("Resources/read")},
		{"tools/call in other case", rules(), `{"jsonrpc":"2.0","id":1,"method":"Tools/Call","params":{"name":"list"}}`, forbidden("Tools/Call")},
		{"tools/call with NUL", rules(), `{"jsonrpc":"2.0","id":1,"method":"tools/call\u0000","params":{"name":"list"}}`, forbidden("tools/call\x00")},
		{"a result", rules(), `{"jsonrpc":"2.0","id":1,"result":{"method":"tools/call"}}`, mcp.Demand{}},
		{"an error", rules(), `{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":""}}`, mcp.Demand{}},
		{"a batch", rules(), ` [` + calls("list") + `,` + calls("delete") + `, {"jsonrpc":"2.0","id":1,"method":"ping"} ] `, mcp.Demand{Scopes: []string{"read", "write"}, Tool: "list"}},
		{"a batch with a forbidden tool", rules(), `[` + calls("list") + `,` + calls("drop") + `]`, mcp.Demand{Scopes: []string{"read"}, Forbidden: true, Tool: "drop"}},
		{"a long name", rules(), calls(strings.Repeat("ü", 200)), forbidden(strings.Repeat("ü", 128) + "…")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.rules.Read(httptest.NewRecorder(), post(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("demand (-want +got):\n%s", diff)
			}
		})
	}
}

// TestRefusedBody has what could be read in more than one way, or not at all.
func TestRefusedBody(t *testing.T) {
	const front = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":`
	tests := []struct {
		name, body string
		status     int
	}{
		{"good", calls("list"), 0},
		{"empty", "", 400},
		{"no JSON", "tools/call", 400},
		{"text behind", calls("list") + `{}`, 400},
		{"text behind a batch", `[` + calls("list") + `]]`, 400},
		{"byte order mark", "\ufeff" + calls("list"), 400},
		{"a string", `"tools/call"`, 400},
		{"empty batch", `[]`, 400},
		{"batch in a batch", `[[` + calls("list") + `]]`, 400},
		{"batch with null", `[` + calls("list") + `,null]`, 400},
		{"empty object", `{}`, 400},
		{"no version", `{"id":1,"method":"tools/call","params":{"name":"list"}}`, 400},
		{"version 1.0", `{"jsonrpc":"1.0","id":1,"method":"ping"}`, 400},
		{"version as a number", `{"jsonrpc":2.0,"id":1,"method":"ping"}`, 400},
		{"id as an object", `{"jsonrpc":"2.0","id":{},"method":"ping"}`, 400},
		{"id as a boolean", `{"jsonrpc":"2.0","id":true,"method":"ping"}`, 400},
		{"id null", `{"jsonrpc":"2.0","id":null,"method":"ping"}`, 0},
		{"method as a number", `{"jsonrpc":"2.0","id":1,"method":1}`, 400},
		{"method null", `{"jsonrpc":"2.0","id":1,"method":null}`, 400},
		{"method empty", `{"jsonrpc":"2.0","id":1,"method":""}`, 400},
		{"neither method nor result", `{"jsonrpc":"2.0","id":1}`, 400},
		{"method and result", `{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}`, 400},
		{"result and error", `{"jsonrpc":"2.0","id":1,"result":{},"error":{}}`, 400},
		{"method twice", `{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call","params":{"name":"drop"}}`, 400},
		{"method twice, once escaped", `{"jsonrpc":"2.0","id":1,"method":"ping","m\u0065thod":"tools/call"}`, 400},
		{"Method", `{"jsonrpc":"2.0","id":1,"method":"ping","Method":"tools/call","params":{"name":"drop"}}`, 400},
		{"METHOD alone", `{"jsonrpc":"2.0","id":1,"METHOD":"tools/call","params":{"name":"drop"}}`, 400},
		{"paramſ", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list"},"paramſ":{"name":"drop"}}`, 400},
		{"method of a prototype", `{"jsonrpc":"2.0","id":1,"result":{},"__proto__":{"method":"tools/call","params":{"name":"drop"}}}`, 400},
		{"method of an escaped prototype", `{"jsonrpc":"2.0","id":1,"result":{},"\u005f_proto__":{"method":"tools/call","params":{"name":"drop"}}}`, 400},
		{"name of a prototype", front + `{"__proto__":{"name":"drop"},"name":"list"}}`, 400},
		{"prototype of an argument, the tool's own affair", front + `{"name":"list","arguments":{"__proto__":{}}}}`, 0},
		{"method with NUL", `{"jsonrpc":"2.0","id":1,"method":"ping","method\u0000":"tools/call"}`, 400},
		{"no params", `{"jsonrpc":"2.0","id":1,"method":"tools/call"}`, 400},
		{"params as an array", front + `["list"]}`, 400},
		{"params null", front + `null}`, 400},
		{"params as a string", front + `"list"}`, 400},
		{"no name", front + `{"arguments":{}}}`, 400},
		{"name as a number", front + `{"name":1}}`, 400},
		{"name as an array", front + `{"name":["list"]}}`, 400},
		{"name empty", front + `{"name":""}}`, 400},
		{"name twice", front + `{"name":"list","name":"drop"}}`, 400},
		{"Name", front + `{"name":"list","Name":"drop"}}`, 400},
		{"name with NUL", front + `{"name\u0000":"drop","name":"list"}}`, 400},
		{"params twice", front + `{"name":"list"},"params":{"name":"drop"}}`, 400},
		{"a member twice in arguments", front + `{"name":"list","arguments":{"a":1,"a":2}}}`, 400},
		{"not UTF-8", front + "{\"name\":\"list\",\"arguments\":\"\xff\"}}", 400},
		{"a lone surrogate", front + `{"name":"list","arguments":"\ud800"}}`, 400},
		{"comment", front + `{"name":"list"/**/}}`, 400},
		{"comma behind the last member", front + `{"name":"list",}}`, 400},
		{"deep", front + `{"name":"list","arguments":` + strings.Repeat(`[`, 60) + strings.Repeat(`]`, 60) + `}}`, 0},
		{"too deep", front + `{"name":"list","arguments":` + strings.Repeat(`[`, 63) + strings.Repeat(`]`, 63) + `}}`, 400},
		{"very deep", strings.Repeat(`[`, 100_000), 400},
		{"many members", front + `{"name":"list","arguments":[` + strings.Repeat(`1,`, 16_000) + `1]}}`, 0},
		{"too many members", front + `{"name":"list","arguments":[` + strings.Repeat(`1,`, 17_000) + `1]}}`, 400},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := rules().Read(httptest.NewRecorder(), post(tt.body)); status(t, err) != tt.status {
				t.Errorf("status = %d, want %d (%v)", status(t, err), tt.status, err)
			}
		})
	}
}

// TestRefusedRequest: what is not a body of ours, or no body at all.
func TestRefusedRequest(t *testing.T) {
	with := func(headers ...string) func(*http.Request) {
		return func(req *http.Request) {
			for i := 0; i < len(headers); i += 2 {
				req.Header[headers[i]] = append(req.Header[headers[i]], headers[i+1])
			}
		}
	}
	without := func(req *http.Request) { delete(req.Header, "Content-Type") }
	only := func(ct string) func(*http.Request) {
		return func(req *http.Request) { req.Header["Content-Type"] = []string{ct} }
	}
	tests := []struct {
		name   string
		change func(*http.Request)
		status int
	}{
		{"good", func(*http.Request) {}, 0},
		{"charset", only("application/json; charset=UTF-8"), 0},
		{"another charset", only("application/json; charset=utf-16"), 415},
		{"charset in quotes", only(`application/json; charset="utf-8"`), 0},
		{"a charset of those who know RFC 2231, and one of the others", only("application/json; charset=utf-7; charset*=utf-8''utf-8"), 415},
		{"a charset in parts", only("application/json; charset=utf-7; charset*0=utf-8"), 415},
		{"a charset in another parameter", only(`application/json; charset=utf-8; x="; charset=utf-7"`), 415},
		{"another parameter", only("application/json; version=1"), 415},
		{"in other case", only("Application/JSON"), 0},
		{"no type", without, 415},
		{"text", only("text/plain"), 415},
		{"a form", only("multipart/form-data; boundary=x"), 415},
		{"JSON of another kind", only("application/json-seq"), 415},
		{"two types", with("Content-Type", "application/json"), 415},
		{"two types in one", only("application/json, text/plain"), 415},
		{"identity", with("Content-Encoding", "identity"), 0},
		{"gzip", with("Content-Encoding", "gzip"), 415},
		{"two codings", with("Content-Encoding", "identity", "Content-Encoding", "identity"), 415},
		{"websocket", with("Upgrade", "websocket"), 400},
		{"PUT with a body", func(req *http.Request) { req.Method = http.MethodPut }, 0},
		{"PUT with another body", func(req *http.Request) { req.Method = http.MethodPut; req.Header.Del("Content-Type") }, 415},
		{"GET with a body of another kind", func(req *http.Request) { req.Method = http.MethodGet; req.Header.Del("Content-Type") }, 415},
		{"GET without", func(req *http.Request) { *req = *httptest.NewRequest(http.MethodGet, "/mcp", nil) }, 0},
		{"DELETE without", func(req *http.Request) { *req = *httptest.NewRequest(http.MethodDelete, "/mcp", nil) }, 0},
		{"GET of a websocket", func(req *http.Request) {
			*req = *httptest.NewRequest(http.MethodGet, "/mcp", nil)
			req.Header.Set("Upgrade", "websocket")
		}, 400},
		{"CONNECT", func(req *http.Request) { *req = *httptest.NewRequest(http.MethodConnect, "http://a:80", nil) }, 400},
		{"headers that agree", with("Mcp-Method", "tools/call", "Mcp-Name", "list"), 0},
		{"another method in a header", with("Mcp-Method", "ping"), 400},
		{"another tool in a header", with("Mcp-Name", "delete"), 400},
		{"two tools in headers", with("Mcp-Name", "list", "Mcp-Name", "delete"), 400},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			req := post(calls("list"))
			tt.change(req)
			if _, err := rules().Read(httptest.NewRecorder(), req); status(t, err) != tt.status {
				t.Errorf("status = %d, want %d (%v)", status(t, err), tt.status, err)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	tests := []struct {
		name  string
		rules mcp.Rules
		want  string // part of the error; empty means accepted
	}{
		{"good", *rules(), ""},
		{"every other tool", mcp.Rules{Tools: map[string][]string{"*": {"a"}}}, ""},
		{"empty name", mcp.Rules{Tools: map[string][]string{"": {"a"}}}, "tool"},
		{"name with space", mcp.Rules{Tools: map[string][]string{"a b": {"a"}}}, "tool"},
		{"method with space", mcp.Rules{Methods: map[string][]string{"a b": {"a"}}}, "method"},
		{"no scope", mcp.Rules{Tools: map[string][]string{"a": {"a b"}}}, "scope"},
		{"tools/call", mcp.Rules{Methods: map[string][]string{"tools/call": {"a"}}}, "tools/call"},
		{"negative", mcp.Rules{MaxBody: -1}, "max_body"},
		{"too large", mcp.Rules{MaxBody: mcp.LargestBody + 1}, "max_body"},
		{"as large as may be", mcp.Rules{MaxBody: mcp.LargestBody}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.rules.Check()
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("error = %v, want one with %q", err, tt.want)
			}
		})
	}
}
