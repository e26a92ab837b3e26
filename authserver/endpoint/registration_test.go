package endpoint_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/endpoint"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/limit"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/registration"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

type registrationRig struct {
	t        testing.TB
	endpoint *endpoint.Registration
	env      *store.Environment
	host     *web.Host
	log      *testkit.Buffer
}

func newRegistrationRig(t testing.TB, mode store.RegistrationMode, tokens ...string) *registrationRig {
	clock := testkit.NewClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	g := &registrationRig{t: t, log: &testkit.Buffer{}}
	g.env = &store.Environment{
		ID: signOffEnv, Issuer: signOffIssuer, SigningAlgorithm: "RS256",
		Registration: store.Registration{Mode: mode, Scopes: []string{"openid", "email"}},
	}
	for _, s := range tokens {
		g.env.Registration.Tokens = append(g.env.Registration.Tokens, []byte(s))
	}
	g.endpoint = &endpoint.Registration{
		Limit: limit.Limiter{Burst: 3, Now: clock.Now},
		Registrar: &registration.Registrar{
			Store: testkit.Store(t), NewID: secret.NewID, NewSecret: secret.New, Now: clock.Now,
			Sealer: func(bool) (*secret.Sealer, error) {
				return secret.NewSealer([]byte("0123456789abcdef0123456789abcdef"))
			},
			End: func(context.Context, *store.Environment, string) error { return nil },
		},
	}
	log := slog.New(slog.NewTextHandler(g.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	g.host = &web.Host{Log: log, NewID: secret.NewID, Served: func(string, string, time.Duration) {}, Now: clock.Now}
	return g
}

// send makes a request; header pairs replace the usual ones, "" takes one away.
func (g *registrationRig) send(method, target, body string, header ...string) *http.Response {
	g.t.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		if header[i] == "address" {
			r.RemoteAddr = header[i+1]
			continue
		}
		if header[i+1] == "" {
			r.Header.Del(header[i])
		} else {
			r.Header.Add(header[i], header[i+1])
		}
	}
	serve, methods := g.endpoint.Serve, []string{http.MethodPost}
	if target != signOffIssuer+"/register" {
		serve, methods = g.endpoint.ServeClient, []string{http.MethodGet, http.MethodPut, http.MethodDelete}
	}
	w := httptest.NewRecorder()
	web.Handle(g.host, &web.Route{Name: "register", Methods: methods}, w, r, func(w http.ResponseWriter, r *http.Request) error {
		return serve(w, r, g.env)
	})
	return w.Result()
}

func decoded(t testing.TB, r *http.Response) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
		t.Fatalf("status %d, not JSON: %v", r.StatusCode, err)
	}
	return m
}

const aClient = `{"redirect_uris":["https://app.example.com/cb"]}`

// The registration part of the certification's dynamic plan.
func TestRegistrationLife(t *testing.T) {
	g := newRegistrationRig(t, store.RegistrationOpen)
	resp := g.send("POST", signOffIssuer+"/register", aClient, "Content-Type", "", "Content-Type", "application/json; charset=utf-8")
	if resp.StatusCode != 201 || resp.Header.Get("Content-Type") != "application/json" || !strings.Contains(resp.Header.Get("Cache-Control"), "no-store") {
		t.Fatalf("status = %d, headers = %v, want 201, JSON, no-store", resp.StatusCode, resp.Header)
	}
	registered := decoded(t, resp)
	at, _ := registered["registration_client_uri"].(string)
	token, _ := registered["registration_access_token"].(string)
	if at != signOffIssuer+"/register/"+registered["client_id"].(string) || token == "" {
		t.Fatalf("registration_client_uri = %q, want the client's own address, and a token", at)
	}
	bearer := []string{"Authorization", "Bearer " + token}

	if resp := g.send("GET", at, "", bearer...); resp.StatusCode != 200 || decoded(t, resp)["client_id"] != registered["client_id"] {
		t.Errorf("GET: status = %d, want 200 and the client", resp.StatusCode)
	}
	if resp := g.send("GET", at, "", "Authorization", "bearer "+token); resp.StatusCode != 200 {
		t.Errorf("GET with the scheme in lower case: status = %d, want 200", resp.StatusCode)
	}
	changed := `{"client_id":"` + registered["client_id"].(string) + `","redirect_uris":["https://app.example.com/cb"],"client_name":"New"}`
	if resp := g.send("PUT", at, changed, bearer...); resp.StatusCode != 200 || decoded(t, resp)["client_name"] != "New" {
		t.Errorf("PUT: status = %d, want 200 and the new name", resp.StatusCode)
	}
	if resp := g.send("DELETE", at, "", bearer...); resp.StatusCode != 204 {
		t.Errorf("DELETE: status = %d, want 204", resp.StatusCode)
	}
	resp = g.send("GET", at, "", bearer...)
	if resp.StatusCode != 401 || !strings.HasPrefix(resp.Header.Get("WWW-Authenticate"), "Bearer") {
		t.Errorf("GET after that: status = %d, want 401 with a challenge", resp.StatusCode)
	}
	for _, s := range []string{token, registered["client_secret"].(string)} {
		if strings.Contains(g.log.String(), s) {
			t.Error("the log has a secret in it")
		}
	}
}

func TestRegistrationRequests(t *testing.T) {
	const initial = "initial-access-token"
	token := []string{"Authorization", "Bearer " + initial}
	tests := []struct {
		name, body string
		header     []string
		status     int
		code       string
	}{
		{"good", aClient, token, 201, ""},
		{"no token", aClient, nil, 401, "invalid_token"},
		{"a wrong token", aClient, []string{"Authorization", "Bearer x"}, 401, "invalid_token"},
		{"another scheme", aClient, []string{"Authorization", "Basic eDp5"}, 400, "invalid_request"},
		{"two headers", aClient, []string{"Authorization", "Bearer " + initial, "Authorization", "Bearer " + initial}, 400, "invalid_request"},
		{"a form", "redirect_uris=x", append([]string{"Content-Type", "", "Content-Type", "application/x-www-form-urlencoded"}, token...), 415, "invalid_client_metadata"},
		{"no content type", aClient, append([]string{"Content-Type", ""}, token...), 415, "invalid_client_metadata"},
		{"empty", "", token, 400, "invalid_redirect_uri"},
		{"an array", "[]", token, 400, "invalid_client_metadata"},
		{"not JSON", "{", token, 400, "invalid_client_metadata"},
		{"a member twice", `{"redirect_uris":["https://a.example/"],"redirect_uris":["https://b.example/"]}`, token, 400, "invalid_client_metadata"},
		{"oidcc-redirect-uri-regfrag", `{"redirect_uris":["https://app.example.com/cb#foobar"]}`, token, 400, "invalid_redirect_uri"},
		{"more than 64 KiB", `{"x":"` + strings.Repeat("x", 64<<10) + `"}`, token, 413, "invalid_request"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := newRegistrationRig(t, store.RegistrationToken, initial)
			resp := g.send("POST", signOffIssuer+"/register", tt.body, tt.header...)
			body := decoded(t, resp)
			if code, _ := body["error"].(string); resp.StatusCode != tt.status || code != tt.code {
				t.Errorf("got %d %q, want %d %q", resp.StatusCode, code, tt.status, tt.code)
			}
		})
	}
}

func TestRegistrationIsOff(t *testing.T) {
	g := newRegistrationRig(t, store.RegistrationOff)
	for range 5 { // nothing is counted either
		for _, at := range []string{"/register", "/register/0c000000-0000-4000-8000-00000000000c"} {
			method := "GET"
			if at == "/register" {
				method = "POST"
			}
			if resp := g.send(method, signOffIssuer+at, aClient); resp.StatusCode != 404 {
				t.Errorf("%s %s: status = %d, want 404", method, at, resp.StatusCode)
			}
		}
	}
}

func TestRegistrationIsLimitedByAddress(t *testing.T) {
	g := newRegistrationRig(t, store.RegistrationOpen)
	for i := range 3 {
		if resp := g.send("POST", signOffIssuer+"/register", aClient, "address", "192.0.2.1:1000"); resp.StatusCode != 201 {
			t.Fatalf("registration %d: status = %d, want 201", i+1, resp.StatusCode)
		}
	}
	resp := g.send("POST", signOffIssuer+"/register", aClient, "address", "192.0.2.1:2000")
	if resp.StatusCode != 429 || resp.Header.Get("Retry-After") == "" {
		t.Errorf("the fourth: status = %d, Retry-After = %q, want 429 and when to come back", resp.StatusCode, resp.Header.Get("Retry-After"))
	}
	if resp := g.send("POST", signOffIssuer+"/register", aClient, "address", "192.0.2.2:1000"); resp.StatusCode != 201 {
		t.Errorf("another address: status = %d, want 201", resp.StatusCode)
	}
	g.endpoint.NoLimit = func(address string) bool { return address == "192.0.2.1" }
	if resp := g.send("POST", signOffIssuer+"/register", aClient, "address", "192.0.2.1:2000"); resp.StatusCode != 201 {
		t.Errorf("an exempted address: status = %d, want 201", resp.StatusCode)
	}
	g.endpoint.Address = func(*http.Request) string { return "198.51.100.7" } // as a host behind a proxy knows it
	if resp := g.send("POST", signOffIssuer+"/register", aClient, "address", "192.0.2.9:1"); resp.StatusCode != 201 {
		t.Errorf("behind a proxy: status = %d, want 201", resp.StatusCode)
	}
}
