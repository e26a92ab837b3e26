package mcp_test

import (
	"encoding/json"
	"io"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/caddy-gatehouse/gatehouse/authserver/mcp"
)

// telling are rules whose scopes tell what was read.
func telling() *mcp.Rules {
	r := &mcp.Rules{Tools: map[string][]string{"*": {"tool:*"}}, Methods: map[string][]string{}}
	for _, name := range []string{"list", "delete"} {
		r.Tools[name] = []string{"tool:" + name}
	}
	for _, name := range []string{"ping", "resources/read"} {
		r.Methods[name] = []string{"method:" + name}
	}
	return r
}

// An upstream reads a message in its own way: method, and the tool's name.
type upstream func(message string) (method, tool string)

// upstreams read JSON as servers do that exist: with or without regard to case, and taking the last member of a name, or the first.
var upstreams = map[string]upstream{
	"Go struct": func(message string) (string, string) {
		var m struct {
			Method string          `json:"method"`
			Params json.RawMessage `json:"params"`
		}
		var p struct {
			Name string `json:"name"`
		}
		if json.Unmarshal([]byte(message), &m) == nil {
			_ = json.Unmarshal(m.Params, &p)
		}
		return m.Method, p.Name
	},
	"last":  func(message string) (string, string) { return walk(message, false) },
	"first": func(message string) (string, string) { return walk(message, true) },
}

// walk reads members without regard to case, their names up to a NUL.
func walk(message string, first bool) (method, tool string) {
	find := func(text, name string) (found json.RawMessage) {
		d := json.NewDecoder(strings.NewReader(text))
		if t, err := d.Token(); err != nil || t != json.Delim('{') {
			return nil
		}
		for d.More() {
			t, err := d.Token()
			if err != nil {
				return nil
			}
			var v json.RawMessage
			if d.Decode(&v) != nil {
				return nil
			}
			member, _ := t.(string)
			member, _, _ = strings.Cut(member, "\x00")
			if strings.EqualFold(member, name) && (found == nil || !first) {
				found = v
			}
		}
		return found
	}
	_ = json.Unmarshal(find(message, "method"), &method)
	_ = json.Unmarshal(find(string(find(message, "params")), "name"), &tool)
	return method, tool
}

// scopeOf is what telling says of what an upstream has read. Names are compared as the laxest server would: without regard to case,
// white space and what follows a NUL.
func scopeOf(method, tool string) string {
	lax := func(s string) string {
		s, _, _ = strings.Cut(s, "\x00")
		return strings.ToLower(strings.TrimSpace(s))
	}
	switch m := lax(method); m {
	case "tools/call":
		if t := lax(tool); t == "list" || t == "delete" {
			return "tool:" + t
		}
		return "tool:*"
	case "ping", "resources/read":
		return "method:" + m
	}
	return ""
}

// agree checks that whatever is let through means to every upstream what it means here, and is what came.
func agree(t interface{ Errorf(string, ...any) }, body string) {
	req := post(body)
	demand, err := telling().Read(httptest.NewRecorder(), req)
	if err != nil {
		return
	}
	if back, err := io.ReadAll(req.Body); err != nil || string(back) != body {
		t.Errorf("body = %q (%v), want %q", back, err, body)
	}
	if demand.Forbidden {
		return
	}
	messages := []json.RawMessage{json.RawMessage(body)}
	if strings.HasPrefix(strings.TrimSpace(body), "[") {
		if err := json.Unmarshal([]byte(body), &messages); err != nil {
			t.Errorf("%q was let through, and is no JSON: %v", body, err)
		}
	}
	for name, read := range upstreams {
		var want []string
		for _, m := range messages {
			if s := scopeOf(read(string(m))); s != "" {
				want = append(want, s)
			}
		}
		slices.Sort(want)
		if want = slices.Compact(want); !slices.Equal(demand.Scopes, want) {
			t.Errorf("%q takes %v, and %s reads %v", body, demand.Scopes, name, want)
		}
	}
}

// TestPropertyToolsAsUpstreamsRead: of bodies that are made to be misread, none that is let through is read otherwise behind the gate.
func TestPropertyToolsAsUpstreamsRead(t *testing.T) {
	member := rapid.OneOf(
		rapid.SampledFrom([]string{"jsonrpc", "method", "params", "name", "id", "result", "error", "arguments"}),
		rapid.SampledFrom([]string{"Method", "METHOD", `m\u0065thod`, `method\u0000`, "paramſ", "Params", `\u0070arams`, "Name", `name\u0000x`, "nAME", "Id", "x"}),
	)
	value := rapid.SampledFrom([]string{
		`"2.0"`, `"tools/call"`, `"Tools/call"`, `"tools\/call"`, `"ping"`, `"resources/read"`, `"list"`, `"delete"`, `"Delete"`, `" delete"`,
		`"delete\u0000"`, `"d\u0065lete"`, `"other"`, `1`, `null`, `true`, `{}`, `[]`, `[{}]`,
	})
	object := func(t *rapid.T, inner func(*rapid.T) string) string {
		var b strings.Builder
		b.WriteByte('{')
		for i := range rapid.IntRange(0, 3).Draw(t, "members") {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(`"` + member.Draw(t, "name") + `":` + inner(t))
		}
		b.WriteByte('}')
		return b.String()
	}
	params := func(t *rapid.T) string {
		if rapid.Bool().Draw(t, "wild params") {
			return object(t, func(t *rapid.T) string { return value.Draw(t, "value") })
		}
		return `{"name":` + value.Draw(t, "tool") + `}`
	}
	message := func(t *rapid.T) string {
		// Mostly a good message, to which other members are put: what is all wrong is refused at once.
		members := []string{`"jsonrpc":"2.0"`, `"id":1`, `"method":` + value.Draw(t, "method"), `"params":` + params(t)}
		for range rapid.IntRange(0, 2).Draw(t, "more") {
			v := value.Draw(t, "value")
			if rapid.Bool().Draw(t, "object") {
				v = params(t)
			}
			members = append(members, `"`+member.Draw(t, "member")+`":`+v)
		}
		if rapid.Bool().Draw(t, "less") {
			i := rapid.IntRange(0, len(members)-1).Draw(t, "which")
			members = slices.Delete(members, i, i+1)
		}
		return "{" + strings.Join(rapid.Permutation(members).Draw(t, "order"), ",") + "}"
	}
	rapid.Check(t, func(t *rapid.T) {
		body := message(t)
		if rapid.Bool().Draw(t, "batch") {
			body = "[" + body + "," + message(t) + "]"
		}
		agree(t, body)
	})
}

// FuzzRead: no bytes break it, and agree holds for all.
func FuzzRead(f *testing.F) {
	for _, body := range []string{
		calls("list"), "[" + calls("list") + "," + calls("delete") + "]", `{"jsonrpc":"2.0","id":1,"result":{}}`,
		`{"jsonrpc":"2.0","id":1,"method":"ping","Method":"tools/call"}`, `{"jsonrpc":"2.0","method":"tools/call","params":{"name":"list","n\u0061me":"delete"}}`,
		"[[[[", "\ufeff{}", `{"a":"\ud800"}`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) { agree(t, string(body)) })
}

// TestPropertyUnionOfBatch: a batch takes what its messages take one by one, and is forbidden when one of them is.
func TestPropertyUnionOfBatch(t *testing.T) {
	tool := rapid.SampledFrom([]string{"list", "delete", "ping", "drop", "List"})
	rapid.Check(t, func(t *rapid.T) {
		tools := rapid.SliceOfN(tool, 1, 6).Draw(t, "tools")
		var bodies []string
		var want mcp.Demand
		for _, name := range tools {
			bodies = append(bodies, calls(name))
			d, err := rules().Read(httptest.NewRecorder(), post(calls(name)))
			if err != nil {
				t.Fatal(err)
			}
			want.Forbidden = want.Forbidden || d.Forbidden
			want.Scopes = append(want.Scopes, d.Scopes...)
		}
		slices.Sort(want.Scopes)
		want.Scopes = slices.Compact(want.Scopes)
		got, err := rules().Read(httptest.NewRecorder(), post("["+strings.Join(bodies, ",")+"]"))
		if err != nil || got.Forbidden != want.Forbidden || !slices.Equal(got.Scopes, want.Scopes) {
			t.Errorf("batch of %v takes %+v (%v), want %+v", tools, got, err, want)
		}
	})
}
