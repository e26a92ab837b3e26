package integration_test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// answer is an HTTP response read to its end.
type answer struct {
	status int
	header http.Header
	body   string
}

// oauthError is the error member of a JSON body.
func (a answer) oauthError() string {
	var e struct {
		Error string `json:"error"`
	}
	_ = json.Unmarshal([]byte(a.body), &e)
	return e.Error
}

// challenge joins the WWW-Authenticate values.
func (a answer) challenge() string { return strings.Join(a.header.Values("WWW-Authenticate"), " | ") }

func (n *node) do(t testing.TB, req *http.Request) answer {
	t.Helper()
	a, err := n.try(req)
	if err != nil {
		t.Fatalf("%s %s: %v", req.Method, req.URL, err)
	}
	return a
}

func (n *node) try(req *http.Request) (answer, error) {
	r, err := n.client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	return answer{r.StatusCode, r.Header, string(b)}, err
}

// form posts a form to a path of the main environment. auth may be nil.
func (n *node) form(t testing.TB, path string, auth func(*http.Request), fields ...string) answer {
	t.Helper()
	return n.formAt(t, n.vars["ISSUER"]+path, auth, fields...)
}

func (n *node) formAt(t testing.TB, target string, auth func(*http.Request), fields ...string) answer {
	t.Helper()
	return n.do(t, formRequest(target, auth, fields...))
}

// formRequest builds a form POST; fields are names and values in turn.
func formRequest(target string, auth func(*http.Request), fields ...string) *http.Request {
	v := url.Values{}
	for i := 0; i+1 < len(fields); i += 2 {
		v.Add(fields[i], fields[i+1])
	}
	req, err := http.NewRequest(http.MethodPost, target, strings.NewReader(v.Encode()))
	if err != nil {
		panic(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if auth != nil {
		auth(req)
	}
	return req
}

func basic(id, secret string) func(*http.Request) {
	return func(r *http.Request) { r.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret)) }
}

// Credentials of the standard clients.
var (
	worker = basic("worker", secrets()["BASIC_SECRET"])
	reader = basic("reader", secrets()["READER_SECRET"])
	biller = basic("biller", secrets()["BILLER_SECRET"])
)

// tokenFrom takes the access token out of a token response and remembers it as
// a secret.
func (n *node) tokenFrom(t testing.TB, a answer) string {
	t.Helper()
	var body struct {
		AccessToken string `json:"access_token"`
		TokenType   string `json:"token_type"`
		ExpiresIn   int    `json:"expires_in"`
	}
	if a.status != http.StatusOK || json.Unmarshal([]byte(a.body), &body) != nil || body.AccessToken == "" {
		t.Fatalf("token response = %d %s, want 200 with an access token", a.status, a.body)
	}
	if body.TokenType != "Bearer" || body.ExpiresIn <= 0 {
		t.Errorf("token_type, expires_in = %q, %d, want Bearer and seconds", body.TokenType, body.ExpiresIn)
	}
	if cc := a.header.Get("Cache-Control"); !strings.Contains(cc, "no-store") {
		t.Errorf("Cache-Control of a token response = %q, want no-store", cc)
	}
	n.secret("an access token", body.AccessToken)
	return body.AccessToken
}

// token gets a client-credentials token with the scopes, or with all granted
// ones when none is named.
func (n *node) token(t testing.TB, auth func(*http.Request), scope ...string) string {
	t.Helper()
	fields := []string{"grant_type", "client_credentials"}
	if len(scope) > 0 {
		fields = append(fields, "scope", strings.Join(scope, " "))
	}
	return n.tokenFrom(t, n.form(t, "/token", auth, fields...))
}

// call sends a GET with the token to a site.
func (n *node) call(t testing.TB, port, path, token string) answer {
	t.Helper()
	return n.do(t, n.callRequest(port, path, token))
}

func (n *node) callRequest(port, path, token string) *http.Request {
	req, err := http.NewRequest(http.MethodGet, n.url(port)+path, nil)
	if err != nil {
		panic(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return req
}

// introspect asks as the given client and decodes the answer.
func (n *node) introspect(t testing.TB, auth func(*http.Request), token string) map[string]any {
	t.Helper()
	a := n.form(t, "/introspect", auth, "token", token)
	var m map[string]any
	if a.status != http.StatusOK || json.Unmarshal([]byte(a.body), &m) != nil {
		t.Fatalf("introspection = %d %s, want 200 and JSON", a.status, a.body)
	}
	return m
}

// revoke ends a token and insists on success.
func (n *node) revoke(t testing.TB, auth func(*http.Request), token string) {
	t.Helper()
	if a := n.form(t, "/revoke", auth, "token", token); a.status != http.StatusOK {
		t.Fatalf("revocation = %d %s, want 200", a.status, a.body)
	}
}

// raw sends bytes as they are and reads one response; what net/http would not
// send can be sent like this.
func (n *node) raw(t testing.TB, port, text string) answer {
	t.Helper()
	c, err := net.DialTimeout("tcp", n.addr(port), 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(15 * time.Second))
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	method, _, _ := strings.Cut(text, " ")
	r, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("response to %.60q: %v", text, err)
	}
	defer r.Body.Close()
	b, _ := io.ReadAll(r.Body)
	return answer{r.StatusCode, r.Header, string(b)}
}

// rawGet is raw for a GET of path with these header lines.
func (n *node) rawGet(t testing.TB, port, path string, lines ...string) answer {
	t.Helper()
	var b bytes.Buffer
	b.WriteString("GET " + path + " HTTP/1.1\r\nHost: " + n.addr(port) + "\r\nConnection: close\r\n")
	for _, l := range lines {
		b.WriteString(l + "\r\n")
	}
	b.WriteString("\r\n")
	return n.raw(t, port, b.String())
}

// claims decodes a JWT's payload without verifying it.
func claims(t testing.TB, token string) map[string]any {
	t.Helper()
	return part(t, token, 1)
}

// part decodes the header (0) or the payload (1) of a JWT.
func part(t testing.TB, token string, i int) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("a token has %d parts, want 3", len(parts))
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[i])
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func (n *node) getJSON(t testing.TB, target string) map[string]any {
	t.Helper()
	req, _ := http.NewRequest(http.MethodGet, target, nil)
	a := n.do(t, req)
	var m map[string]any
	if a.status != http.StatusOK || json.Unmarshal([]byte(a.body), &m) != nil {
		t.Fatalf("GET %s = %d %.200s, want 200 and JSON", target, a.status, a.body)
	}
	return m
}
