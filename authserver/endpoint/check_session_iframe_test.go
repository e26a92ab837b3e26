package endpoint_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/endpoint"
	"github.com/caddy-gatehouse/gatehouse/authserver/session"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// The page's script, run by another engine than a browser's, with what it uses of one.
const checkSessionHarness = `
const input = JSON.parse(require("fs").readFileSync(0, "utf8"));
const answers = [];
for (const m of input.messages) {
  let listener;
  const window = { addEventListener: (type, f) => { if (type === "message") listener = f; } };
  const document = { cookie: m.cookie };
  new Function("window", "document", input.script)(window, document);
  let answer = "no answer";
  listener({ data: m.data, origin: m.origin, source: { postMessage: (a, to) => { answer = a + " to " + to; } } });
  answers.push(answer);
}
console.log(JSON.stringify(answers));
`

func TestCheckSessionScript(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("node is missing")
		}
		t.Skip("node is missing")
	}
	w := httptest.NewRecorder()
	_ = endpoint.CheckSessionIframe{}.Serve(w, httptest.NewRequest(http.MethodGet, "/", nil), &store.Environment{})
	_, script, _ := strings.Cut(w.Body.String(), "<script>")
	script, _, _ = strings.Cut(script, "</script>")

	g := newSignOffRig(t)
	c := g.signOn(signOffUser, "web")
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	for name, value := range c.jar {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	b, err := g.sessions.Read(r, g.env)
	if err != nil {
		t.Fatal(err)
	}
	const origin = "https://web.example.com"
	state := b.State("web", origin, "5a17")
	cookie := "a=b; " + session.StateCookie + "=" + c.jar[session.StateCookie] + "; ST-Sx=c"
	long := strings.Repeat("c", 200) // more than one block
	const nobody = "a=b"
	signedOff := (&session.Browser{}).State("web", origin, "5a17")

	type message struct {
		name, want   string
		Cookie       string `json:"cookie"`
		Data         any    `json:"data"`
		Origin       string `json:"origin"`
		withoutReply bool
	}
	messages := []message{
		{name: "oidcc-session-management: signed on", want: "unchanged", Cookie: cookie, Data: "web " + state, Origin: origin},
		{name: "a long client id", want: "unchanged", Cookie: cookie, Data: long + " " + b.State(long, origin, "x"), Origin: origin},
		{name: "55 bytes hashed", want: "unchanged", Cookie: nobody, Data: long[:55-len(origin)-4] + " " + (&session.Browser{}).State(long[:55-len(origin)-4], origin, "x"), Origin: origin},
		{name: "56 bytes hashed", want: "unchanged", Cookie: nobody, Data: long[:56-len(origin)-4] + " " + (&session.Browser{}).State(long[:56-len(origin)-4], origin, "x"), Origin: origin},
		{name: "a client id with spaces", want: "unchanged", Cookie: cookie, Data: "a b " + b.State("a b", origin, "x"), Origin: origin},
		{name: "oidcc-session-management: after sign-off", want: "changed", Cookie: nobody, Data: "web " + state, Origin: origin},
		{name: "signed off all along", want: "unchanged", Cookie: "", Data: "web " + signedOff, Origin: origin},
		{name: "another session", want: "changed", Cookie: session.StateCookie + "=other", Data: "web " + state, Origin: origin},
		{name: "another client", want: "changed", Cookie: cookie, Data: "other " + state, Origin: origin},
		{name: "another origin", want: "changed", Cookie: cookie, Data: "web " + state, Origin: "https://evil.example"},
		{name: "oidcc-session-management: malformed", want: "error", Cookie: cookie, Data: "malformed", Origin: origin},
		{name: "empty", want: "error", Cookie: cookie, Data: "", Origin: origin},
		{name: "without salt", want: "error", Cookie: cookie, Data: "web abc", Origin: origin},
		{name: "empty salt", want: "error", Cookie: cookie, Data: "web abc.", Origin: origin},
		{name: "without client", want: "error", Cookie: cookie, Data: " " + state, Origin: origin},
		{name: "not a text", want: "error", Cookie: cookie, Data: map[string]any{"x": 1}, Origin: origin},
		{name: "null", want: "error", Cookie: cookie, Data: nil, Origin: origin},
		{name: "beyond ASCII", want: "error", Cookie: cookie, Data: "wéb " + state, Origin: origin},
		{name: "too long", want: "error", Cookie: cookie, Data: strings.Repeat("c", 5000) + " " + state, Origin: origin},
		{name: "an origin that nobody can be answered at", Cookie: cookie, Data: "web " + state, Origin: "null", withoutReply: true},
	}
	input, err := json.Marshal(map[string]any{"script": script, "messages": messages})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), node, "-e", checkSessionHarness)
	cmd.Stdin = strings.NewReader(string(input))
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("node: %v", err)
	}
	var got []string
	if err := json.Unmarshal(out, &got); err != nil || len(got) != len(messages) {
		t.Fatalf("node answered %q (%v)", out, err)
	}
	for i, m := range messages {
		want := m.want + " to " + m.Origin
		if m.withoutReply {
			want = "no answer"
		}
		if diff := cmp.Diff(want, got[i]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", m.name, diff)
		}
	}
}
