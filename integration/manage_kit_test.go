package integration_test

import (
	"context"
	"encoding/json"
	"io"
	"maps"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/integration/pgtest"
)

// console is the management API of a node as a worker calls it, without a client library: so
// that what no library would send can be sent.
type console struct {
	n      *node
	origin string // of the API
	token  string
}

// openConsole is the administrator of sdkEnv at a node.
func openConsole(t testing.TB, n *node) *console {
	t.Helper()
	return &console{n, n.url("as"), n.workerToken(t, mainEnv, sdkAdmin, sdkAdminSecret, "")}
}

// request makes a request to the main environment, or to any path that begins with /v1. body is JSON as a
// string, or what is made JSON; header are names and values in turn.
func (c *console) request(method, path string, body any, header ...string) *http.Request {
	if !strings.HasPrefix(path, "/v1") {
		path = "/v1/environments/" + mainEnv + path
	}
	var sent io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		sent = strings.NewReader(b)
	default:
		text, err := json.Marshal(b)
		if err != nil {
			panic(err)
		}
		sent = strings.NewReader(string(text))
	}
	req, err := http.NewRequest(method, c.origin+path, sent)
	if err != nil {
		panic(err)
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return req
}

func (c *console) send(t testing.TB, method, path string, body any, header ...string) answer {
	t.Helper()
	return c.n.do(t, c.request(method, path, body, header...))
}

// want is send, and ends the test with the server's words where the status is another one.
func (c *console) want(t testing.TB, status int, method, path string, body any, header ...string) answer {
	t.Helper()
	a := c.send(t, method, path, body, header...)
	if a.status != status {
		t.Fatalf("%s %s: status %d, want %d: %s", method, path, a.status, status, a.body)
	}
	return a
}

// get reads an object.
func (c *console) get(t testing.TB, path string) map[string]any {
	t.Helper()
	return c.want(t, http.StatusOK, http.MethodGet, path, nil).object(t)
}

// create makes an object and gives its ID.
func (c *console) create(t testing.TB, path string, body any, header ...string) string {
	t.Helper()
	id, _ := c.want(t, http.StatusCreated, http.MethodPost, path, body, header...).object(t)["id"].(string)
	if id == "" {
		t.Fatalf("POST %s: the answer has no id", path)
	}
	return id
}

// secretOf reads the secret of an application or a resource.
func (c *console) secretOf(t testing.TB, path string) string {
	t.Helper()
	secret, _ := c.get(t, path+"/secret")["secret"].(string)
	c.n.secret("the secret of "+path, secret)
	return secret
}

// list reads all pages of a collection.
func (c *console) list(t testing.TB, path, name string) (all []map[string]any) {
	t.Helper()
	for path != "" {
		var page struct {
			Embedded map[string][]map[string]any `json:"_embedded"`
			Links    struct {
				Next struct {
					Href string `json:"href"`
				} `json:"next"`
			} `json:"_links"`
		}
		a := c.want(t, http.StatusOK, http.MethodGet, path, nil)
		if err := json.Unmarshal([]byte(a.body), &page); err != nil {
			t.Fatalf("GET %s: %v", path, err)
		}
		all = append(all, page.Embedded[name]...)
		_, next, _ := strings.Cut(page.Links.Next.Href, "/v1/")
		if path = ""; next != "" {
			path = "/v1/" + next
		}
	}
	return all
}

// scope finds the ID of a resource's scope.
func (c *console) scope(t testing.TB, resource, name string) string {
	t.Helper()
	for _, s := range c.list(t, "/resources/"+resource+"/scopes", "scopes") {
		if s["name"] == name {
			return s["id"].(string)
		}
	}
	t.Fatalf("the resource %s has no scope %s", resource, name)
	return ""
}

// object is a body that is a JSON object.
func (a answer) object(t testing.TB) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(a.body), &m); err != nil {
		t.Fatalf("the answer is no JSON object: %v: %.300s", err, a.body)
	}
	return m
}

// pingOneError is what an error body of the API says: its code, and codes and messages of its details.
func (a answer) pingOneError() (code, details string) {
	var e struct {
		Code    string `json:"code"`
		Details []struct {
			Code    string `json:"code"`
			Target  string `json:"target"`
			Message string `json:"message"`
		} `json:"details"`
	}
	_ = json.Unmarshal([]byte(a.body), &e)
	var said []string
	for _, d := range e.Details {
		said = append(said, strings.TrimSpace(d.Code+" "+d.Target+" "+d.Message))
	}
	return e.Code, strings.Join(said, "; ")
}

type object = map[string]any

// ref is a reference to another object.
func ref(id string) object { return object{"id": id} }

// aService is the body of an application that authenticates with a secret.
func aService(name string) object {
	return object{
		"name": name, "enabled": true, "protocol": "OPENID_CONNECT", "type": "SERVICE",
		"tokenEndpointAuthMethod": "CLIENT_SECRET_BASIC", "grantTypes": []string{"CLIENT_CREDENTIALS"},
	}
}

// with is body with other members; nil leaves one out.
func (c *console) with(body object, members ...any) object {
	body = maps.Clone(body)
	for i := 0; i+1 < len(members); i += 2 {
		name := members[i].(string)
		if body[name] = members[i+1]; members[i+1] == nil {
			delete(body, name)
		}
	}
	return body
}

// grant lets an application have a scope, and gives the grant's ID.
func (c *console) grant(t testing.TB, application, resource, scope string) string {
	t.Helper()
	return c.create(t, "/applications/"+application+"/grants", object{"resource": ref(resource), "scopes": []object{ref(scope)}})
}

// importUser creates a person with a password.
func (c *console) importUser(t testing.TB, username, password string) string {
	t.Helper()
	c.n.secret("the password of "+username, password)
	return c.create(t, "/users", object{
		"username": username, "email": username + "@example.com", "password": object{"value": password},
	}, "Content-Type", "application/vnd.pingidentity.user.import+json")
}

// auditLines are the lines of the server's log that changes left, by their events' IDs.
func (n *node) auditLines() map[string]map[string]any {
	lines := map[string]map[string]any{}
	for _, l := range n.logLines("audit") {
		if id, ok := l["event"].(string); ok {
			lines[id] = l
		}
	}
	return lines
}

// twins are two nodes on one PostgreSQL, and to the world one server: the helpers that speak to the issuer
// reach the second one too, by its client, which connects to it instead of the first.
func twins(t testing.TB, c config) (a, b *node) {
	t.Helper()
	c.storage = postgres{pgtest.Database(t)}
	a = start(t, c)
	c.vars = maps.Clone(c.vars)
	if c.vars == nil {
		c.vars = map[string]string{}
	}
	c.vars["ISSUER"], c.vars["OTHER_ISSUER"] = a.vars["ISSUER"], a.vars["OTHER_ISSUER"]
	b = prepare(t, c)
	var dialer net.Dialer
	b.client.Transport.(*http.Transport).DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		if address == a.addr("as") {
			address = b.addr("as")
		}
		return dialer.DialContext(ctx, network, address)
	}
	b.run(t)
	t.Cleanup(func() { // before the nodes look for secrets: what one knows must not be seen at the other either
		maps.Copy(a.secrets, b.secrets)
		maps.Copy(b.secrets, a.secrets)
	})
	return a, b
}
