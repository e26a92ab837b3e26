package endpoint_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/endpoint"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/fetch"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/keys"
	"github.com/caddy-gatehouse/gatehouse/authserver/logout"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/session"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/sqlite"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

const (
	signOffEnv    = "0a000000-0000-4000-8000-00000000000a"
	signOffIssuer = "https://auth.example.com/" + signOffEnv + "/as"
	signOffUser   = "11111111-1111-4111-8111-111111111111"
	signOffGoodBy = "https://web.example.com/bye?x=1"
)

// signOffDirectory is what the environment has declared.
type signOffDirectory struct {
	store.Directory
	mu      sync.Mutex
	env     *store.Environment
	clients map[string]*store.Client
}

func (d *signOffDirectory) EnvironmentByID(_ context.Context, id string) (*store.Environment, error) {
	if id != d.env.ID {
		return nil, store.ErrNotFound
	}
	return d.env, nil
}

func (d *signOffDirectory) ClientByID(_ context.Context, _, id string) (*store.Client, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if c, ok := d.clients[id]; ok {
		return c, nil
	}
	return nil, store.ErrNotFound
}

func (d *signOffDirectory) PostLogoutRedirectURI(_ context.Context, _, uri string) (bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.clients {
		for _, u := range c.PostLogoutRedirectURIs {
			if c.Enabled && u == uri {
				return true, nil
			}
		}
	}
	return false, nil
}

// signOffPages writes what it was asked to show as headers, so that tests read
// what was decided and not what it looks like.
type signOffPages struct{}

func (signOffPages) ConfirmSignOff(w http.ResponseWriter, _ *http.Request, _ *store.Environment, action string, hidden [][2]string) {
	w.Header().Set("X-Page", "confirm")
	w.Header().Set("X-Action", action)
	form := url.Values{}
	for _, h := range hidden {
		form.Set(h[0], h[1])
	}
	w.Header().Set("X-Form", form.Encode())
	w.WriteHeader(http.StatusOK)
}

func (signOffPages) SignedOff(w http.ResponseWriter, _ *http.Request, _ *store.Environment, frames []string, next string) {
	w.Header().Set("X-Page", "signed off")
	w.Header()["X-Frames"] = frames
	w.Header().Set("X-Next", next)
	w.WriteHeader(http.StatusOK)
}

func (signOffPages) Error(w http.ResponseWriter, _ *http.Request, _ *store.Environment, e *oauth.Error, _ string) {
	w.Header().Set("X-Page", "error")
	w.Header().Set("X-Error", e.Code)
	w.WriteHeader(e.Status)
}

type signOffRig struct {
	t         testing.TB
	clock     *testkit.Clock
	db        *sqlite.DB
	env       *store.Environment
	directory *signOffDirectory
	sessions  *session.Sessions
	set       *token.Revocations
	ids       *token.IDTokens
	ender     *logout.Ender
	host      *web.Host
	signoff   web.Handler
	idp       web.Handler
	log       *testkit.Buffer
}

func newSignOffRig(t testing.TB) *signOffRig {
	t.Helper()
	g := &signOffRig{
		t: t, clock: testkit.NewClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)), db: testkit.Store(t), log: &testkit.Buffer{},
		env: &store.Environment{
			ID: signOffEnv, Issuer: signOffIssuer, SigningAlgorithm: "ES256", KeyRotation: 90 * 24 * time.Hour, KeyOverlap: 24 * time.Hour,
		},
	}
	g.directory = &signOffDirectory{env: g.env, clients: map[string]*store.Client{
		"web":      {ID: "web", Enabled: true, PostLogoutRedirectURIs: []string{signOffGoodBy, "https://web.example.com/other"}, IDPSignoff: true, CORS: []string{"https://web.example.com"}},
		"other":    {ID: "other", Enabled: true, PostLogoutRedirectURIs: []string{"https://other.example.com/bye"}},
		"disabled": {ID: "disabled", PostLogoutRedirectURIs: []string{"https://disabled.example.com/bye"}},
		"framed": {
			ID: "framed", Enabled: true, FrontchannelLogoutURI: "https://framed.example.com/out", FrontchannelLogoutSession: true,
			PostLogoutRedirectURIs: []string{"https://framed.example.com/bye"},
		},
	}}
	log := slog.New(slog.NewTextHandler(g.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	outbound, err := fetch.NewClient(fetch.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(outbound.Close)
	g.sessions = &session.Sessions{Store: g.db, NewID: secret.NewID, NewSecret: secret.New, Now: g.clock.Now}
	g.set = token.NewRevocations(g.clock.Now)
	g.set.Alive(true)
	rings := keys.New(keys.Config{
		Store: g.db, Now: g.clock.Now, Log: log,
		Sealer: func(bool) (*secret.Sealer, error) {
			return secret.NewSealer([]byte("0123456789abcdef0123456789abcdef"))
		},
	})
	g.ids = &token.IDTokens{Keys: rings, Now: g.clock.Now, Directory: g.directory}
	g.ender = &logout.Ender{
		Directory: g.directory, Sessions: g.sessions, Store: g.db, Set: g.set, Keys: rings, Outbound: outbound,
		NewID: secret.NewID, Now: g.clock.Now, Log: log, Revoked: func(string) {}, Delivered: func(string) {},
	}
	g.host = &web.Host{Log: log, NewID: secret.NewID, Served: func(string, string, time.Duration) {}, Now: g.clock.Now}
	end := &endpoint.EndSession{Directory: g.directory, Sessions: g.sessions, Logout: g.ender, Pages: signOffPages{}}
	idp := &endpoint.IDPSignoff{Sessions: g.sessions, Logout: g.ender, Pages: signOffPages{}}
	g.signoff = func(w http.ResponseWriter, r *http.Request) error { return end.Serve(w, r, g.env) }
	g.idp = func(w http.ResponseWriter, r *http.Request) error { return idp.Serve(w, r, g.env) }
	return g
}

// browser is a cookie jar.
type browser struct {
	g   *signOffRig
	jar map[string]string
	sid string
}

func (g *signOffRig) browser() *browser { return &browser{g: g, jar: map[string]string{}} }

// signOn signs a person on in a new browser.
func (g *signOffRig) signOn(subject string, clients ...string) *browser {
	g.t.Helper()
	c := g.browser()
	b, err := g.sessions.Read(httptest.NewRequest(http.MethodGet, "/", nil), g.env)
	if err != nil {
		g.t.Fatal(err)
	}
	g.sessions.Begin(b)
	if _, err := g.sessions.SignOn(g.t.Context(), g.env, b, session.SignOn{Subject: subject, ACR: "Single_Factor", AMR: []string{"pwd"}}); err != nil {
		g.t.Fatal(err)
	}
	for _, id := range clients {
		if err := g.sessions.Join(g.t.Context(), g.env, b, id); err != nil {
			g.t.Fatal(err)
		}
	}
	w := httptest.NewRecorder()
	b.WriteCookies(w, g.env)
	c.keep(w.Result())
	c.sid = b.Session.ID
	return c
}

func (c *browser) keep(resp *http.Response) {
	for _, cookie := range resp.Cookies() {
		if cookie.MaxAge < 0 {
			delete(c.jar, cookie.Name)
		} else {
			c.jar[cookie.Name] = cookie.Value
		}
	}
}

// send makes a request to a handler as this browser.
func (c *browser) send(serve web.Handler, method string, params url.Values, header ...[2]string) *http.Response {
	c.g.t.Helper()
	target, body := signOffIssuer+"/x", ""
	if method == http.MethodPost {
		body = params.Encode()
	} else if len(params) > 0 {
		target += "?" + params.Encode()
	}
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for name, value := range c.jar {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	for _, h := range header {
		r.Header.Set(h[0], h[1])
	}
	w := httptest.NewRecorder()
	rt := &web.Route{Name: "test", Methods: []string{http.MethodGet, http.MethodPost}, Render: web.PingOne}
	web.Handle(c.g.host, rt, w, r, serve)
	resp := w.Result()
	c.keep(resp)
	return resp
}

func (c *browser) signOff(method string, pairs ...string) *http.Response {
	c.g.t.Helper()
	return c.send(c.g.signoff, method, values(pairs...))
}

func values(pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return v
}

// signedOn reports whether the session is still there and this browser still has it.
func (c *browser) signedOn() bool {
	c.g.t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	for name, value := range c.jar {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	b, err := c.g.sessions.Read(r, c.g.env)
	if err != nil {
		c.g.t.Fatal(err)
	}
	return b.Session != nil
}

// hint mints an ID token for the person of the session.
func (c *browser) hint(client string) string { return c.g.hint(client, signOffUser, c.sid) }

func (g *signOffRig) hint(client, subject, sid string) string {
	g.t.Helper()
	raw, err := g.ids.Mint(g.t.Context(), g.env, token.IDToken{
		Client: &store.Client{ID: client},
		On:     token.SignedOn{Subject: subject, Session: sid, AuthTime: g.clock.Now(), ACR: "Single_Factor", AMR: []string{"pwd"}},
	})
	if err != nil {
		g.t.Fatal(err)
	}
	return raw
}
