package endpoint_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/authorize"
	"github.com/caddy-gatehouse/gatehouse/authserver/endpoint"
	"github.com/caddy-gatehouse/gatehouse/authserver/flow"
	"github.com/caddy-gatehouse/gatehouse/authserver/flow/flowtest"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
)

// flowRig has the endpoints of a sign-on around it.
type flowRig struct {
	*flowtest.Rig
	host   *web.Host
	log    *testkit.Buffer
	handle map[string]web.Handler // by the first segments of the path
}

func newFlowRig(t testing.TB) *flowRig {
	t.Helper()
	g := &flowRig{Rig: flowtest.New(t), log: &testkit.Buffer{}}
	g.host = &web.Host{
		Log: slog.New(slog.NewTextHandler(g.log, &slog.HandlerOptions{Level: slog.LevelDebug})), NewID: func() string { return "the-correlation-id" },
		Served: func(string, string, time.Duration) {}, Now: g.Clock.Now,
	}
	start := &endpoint.Authorization{Reader: g.Reader, Sessions: g.Sessions, Flows: g.Engine, Pages: signOffPages{}}
	flows := &endpoint.Flows{Flows: g.Engine, Sessions: g.Sessions}
	resume := &endpoint.Resume{Flows: g.Engine, Sessions: g.Sessions, Pages: signOffPages{}}
	g.handle = map[string]web.Handler{
		"as/authorize": func(w http.ResponseWriter, r *http.Request) error { return start.Serve(w, r, g.Env) },
		"as/resume":    func(w http.ResponseWriter, r *http.Request) error { return resume.Serve(w, r, g.Env) },
		"flows":        func(w http.ResponseWriter, r *http.Request) error { return flows.Serve(w, r, g.Env) },
	}
	return g
}

// reply is one answer.
type reply struct {
	status int
	header http.Header
	body   string
}

// location is where a redirect goes, and what it carries in query or fragment.
func (a reply) location() (*url.URL, url.Values) {
	u, err := url.Parse(a.header.Get("Location"))
	if err != nil {
		return &url.URL{}, nil
	}
	if u.Fragment != "" {
		q, _ := url.ParseQuery(u.EscapedFragment())
		return u, q
	}
	return u, u.Query()
}

// json is the body as an object.
func (a reply) json() map[string]any {
	var m map[string]any
	_ = json.Unmarshal([]byte(a.body), &m)
	return m
}

// at finds a member by its path, with arrays by their first element; nil where there is none.
func (a reply) at(path ...string) any {
	var v any = a.json()
	for _, name := range path {
		if list, ok := v.([]any); ok && len(list) > 0 {
			v = list[0]
		}
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[name]
	}
	return v
}

// send makes a request as a browser, which keeps the cookies.
func (g *flowRig) send(b *flowtest.Browser, method, path, body string, header ...string) reply {
	g.T.Helper()
	r := httptest.NewRequest(method, flow.Base(g.Env)+"/"+path, strings.NewReader(body))
	b.Dress(r, g.Env)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	var serve web.Handler
	for prefix, h := range g.handle {
		if strings.HasPrefix(path, prefix) {
			serve = h
		}
	}
	w := httptest.NewRecorder()
	web.Handle(g.host, &web.Route{Name: "test", Methods: []string{http.MethodGet, http.MethodPost}, Render: web.PingOne}, w, r, serve)
	resp := w.Result()
	b.Keep(g.Env, resp)
	content, _ := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, string(content)}
}

// read gets a flow.
func (g *flowRig) read(b *flowtest.Browser, id string, header ...string) reply {
	g.T.Helper()
	return g.send(b, http.MethodGet, "flows/"+id, "", header...)
}

// act takes a step over HTTP.
func (g *flowRig) act(b *flowtest.Browser, id string, do flow.Action, body string, header ...string) reply {
	g.T.Helper()
	header = append([]string{"Content-Type", "application/vnd.pingidentity." + string(do) + "+json"}, header...)
	return g.send(b, http.MethodPost, "flows/"+id, body, header...)
}

func (g *flowRig) resume(b *flowtest.Browser, id string, header ...string) reply {
	g.T.Helper()
	return g.send(b, http.MethodGet, "as/resume?flowId="+url.QueryEscape(id), "", header...)
}

// authorize sends an authorization request of the client web, with more
// parameters or others.
func (g *flowRig) authorize(b *flowtest.Browser, pairs ...string) reply {
	g.T.Helper()
	q := values("client_id", flowtest.Web, "response_type", "code", "scope", "openid profile", "redirect_uri", flowtest.Callback, "state", "the-state")
	for i := 0; i < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
	}
	return g.send(b, http.MethodGet, "as/authorize?"+q.Encode(), "")
}

// flowOf is the flow whose page the answer leads to; "" for none.
func flowOf(a reply) string {
	u, q := a.location()
	if !strings.HasSuffix(u.Path, "/signon/") {
		return ""
	}
	return q.Get("flowId")
}

const (
	alicePassword = `{"username":"` + flowtest.Alice + `","password":"` + flowtest.AlicePassword + `"}`
	bobPassword   = `{"username":"` + flowtest.Bob + `","password":"` + flowtest.BobPassword + `"}`
)

// pingFlow makes a request that wants its answer as JSON.
func pingFlow(r *authorize.Request) {
	r.ReplyTo = authorize.ReplyTo{Mode: oauth.ModePingFlow, State: "the-state"}
}
