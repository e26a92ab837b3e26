package endpoint_test

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/clientauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/endpoint"
	"github.com/caddy-gatehouse/gatehouse/authserver/grant"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/session"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

// tokenRig serves the endpoints that make, read and end tokens.
type tokenRig struct {
	*testkit.Authority
	routes map[string]tokenRoute
}

type tokenRoute struct {
	web.Route
	serve func(w http.ResponseWriter, r *http.Request, env *store.Environment) error
}

func newTokenRig(t testing.TB) *tokenRig {
	t.Helper()
	return tokenRigOn(t, testkit.Store(t))
}

// bothFormats runs a test with JWTs, and with opaque access tokens: nothing but their text may differ.
func bothFormats(t *testing.T, test func(t *testing.T, opaque bool)) {
	t.Run("JWT", func(t *testing.T) { test(t, false) })
	t.Run("opaque", func(t *testing.T) { test(t, true) })
}

// tokenRigOn shares a store, since to make one takes longer than most tests.
// Clock, people and clients are its own.
func tokenRigOn(t testing.TB, st store.Store) *tokenRig {
	t.Helper()
	a := testkit.NewAuthority(t, st, testkit.NewClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)))
	clients := &clientauth.Authenticator{Directory: a.Directory(), Spent: a.Store, Now: a.Clock.Now}
	grants := []grant.Grant{
		&grant.AuthorizationCode{Personal: a.Personal(), Codes: a.Codes},
		&grant.RefreshToken{Personal: a.Personal()},
		&grant.ClientCredentials{Scopes: a.Scopes, Tokens: a.Tokens},
	}
	post, both := []string{http.MethodPost}, []string{http.MethodGet, http.MethodPost}
	return &tokenRig{a, map[string]tokenRoute{
		"/token": {
			web.Route{Name: "token", Methods: post},
			(&endpoint.Token{Clients: clients, Grants: grants, Issued: func(string) {}}).Serve,
		},
		"/introspect": {
			web.Route{Name: "introspect", Methods: post},
			(&endpoint.Introspection{Clients: clients, Tokens: a.Verifier, Refresh: a.Refresh, Users: a.People, Sessions: a.Sessions, Answers: a.IDTokens}).Serve,
		},
		"/revoke": {
			web.Route{Name: "revoke", Methods: post},
			(&endpoint.Revocation{Clients: clients, Tokens: a.Revoker}).Serve,
		},
		"/userinfo": {
			web.Route{Name: "userinfo", Methods: both, Render: web.PingOne},
			(&endpoint.UserInfo{Directory: a.Directory(), Tokens: a.Verifier, IDTokens: a.IDTokens, Users: a.People, Sessions: a.Sessions}).Serve,
		},
	}}
}

// do serves one request.
func (g *tokenRig) do(r *http.Request) *httptest.ResponseRecorder {
	host := web.Host{
		Log: slog.New(slog.DiscardHandler), NewID: secret.NewID, Served: func(string, string, time.Duration) {}, Now: g.Clock.Now,
	}
	w := httptest.NewRecorder()
	rt := g.routes[r.URL.Path]
	web.Handle(&host, &rt.Route, w, r, func(w http.ResponseWriter, r *http.Request) error { return rt.serve(w, r, g.Env) })
	return w
}

// form posts "name=value" fields; the client authenticates by its own method.
func (g *tokenRig) form(path, client string, fields ...string) *httptest.ResponseRecorder {
	form := url.Values{}
	for _, f := range fields {
		name, value, _ := strings.Cut(f, "=")
		form.Set(name, value)
	}
	if c := g.Clients[client]; c != nil && c.AuthMethod == oauth.AuthNone {
		form.Set("client_id", client)
	}
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if !form.Has("client_id") && client != "" {
		r.SetBasicAuth(client, client+"-secret")
	}
	return g.do(r)
}

// tokens is a token response.
type tokens struct {
	Access  string  `json:"access_token"`
	ID      string  `json:"id_token"`
	Refresh string  `json:"refresh_token"`
	Type    string  `json:"token_type"`
	Expires float64 `json:"expires_in"`
	Scope   string  `json:"scope"`
}

// redeem redeems a code for an authorization.
func (g *tokenRig) redeem(t testing.TB, a token.Authorization) tokens {
	t.Helper()
	w := g.form("/token", a.Client, "grant_type=authorization_code", "code="+g.Code(t, a))
	var got tokens
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != http.StatusOK {
		t.Fatalf("token: %d %s", w.Code, w.Body)
	}
	return got
}

// signIn signs alice on and gives the tokens of a client.
func (g *tokenRig) signIn(t testing.TB, client string, scope ...string) (tokens, *session.Session) {
	t.Helper()
	s := g.SignOn(t)
	return g.redeem(t, g.Authorize(t, client, s, scope...)), s
}

func bodyOf(t testing.TB, w *httptest.ResponseRecorder) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &m); err != nil {
		t.Fatalf("%v in %d %s", err, w.Code, w.Body)
	}
	return m
}

// verified reads a JWT of the authority.
func (g *tokenRig) verified(t testing.TB, raw string) *jose.Claims {
	t.Helper()
	ring, err := g.Rings.Ring(t.Context(), g.Env)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := jose.Parse(raw, jose.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if err := jws.Verify(ring.Set.Find(&jws.Header)); err != nil {
		t.Fatal(err)
	}
	c, err := jws.Claims()
	if err != nil {
		t.Fatal(err)
	}
	return c
}
