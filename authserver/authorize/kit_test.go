package authorize_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/authorize"
	"github.com/caddy-gatehouse/gatehouse/authserver/clientauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/keys"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/session"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/sqlite"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

const (
	envID    = "0a000000-0000-4000-8000-00000000000a"
	issuer   = "https://auth.example.com/" + envID + "/as"
	callback = "https://app.example.com/cb"
	// aSecret signs HS512 too.
	aSecret = "a client secret of sixty-four bytes and more, so that HS512 may use it"

	verifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
)

// directory is a store.Directory of what a test declares.
type directory struct {
	store.Directory // nil: whatever is not below is not asked
	clients         map[string]*store.Client
	fault           error
}

// OpenID implements store.Directory: nothing of it was changed.
func (*directory) OpenID(context.Context, string) (*store.OpenID, error) { return &store.OpenID{}, nil }

func (d *directory) ClientByID(_ context.Context, env, id string) (*store.Client, error) {
	if d.fault != nil {
		return nil, d.fault
	}
	if c := d.clients[id]; c != nil && c.Environment == env {
		return c, nil
	}
	return nil, store.ErrNotFound
}

func (d *directory) ResourceByID(_ context.Context, env, id string) (*store.Resource, error) {
	if id != "orders" && id != "stock" {
		return nil, store.ErrNotFound
	}
	return &store.Resource{
		Environment: env, ID: id, Audience: "https://" + id + ".example.com", Scopes: []string{id + ":read"}, AccessTokenTTL: 10 * time.Minute,
	}, nil
}

// kit is everything around a Reader and an Issuer: one environment, one client
// that may do everything, a store on disk.
type kit struct {
	testing.TB
	clock     *testkit.Clock
	env       *store.Environment
	client    *store.Client
	user      *store.User
	directory *directory
	db        *sqlite.DB
	rings     *keys.Rings
	reader    *authorize.Reader
	issuer    *authorize.Issuer
	sessions  *session.Sessions
	issued    []string
}

func newKit(t testing.TB) *kit {
	t.Helper()
	k := &kit{TB: t, clock: testkit.NewClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)), db: testkit.Store(t)}
	k.env = &store.Environment{
		ID: envID, Issuer: issuer, APIAudience: "https://api.pingone.com", SigningAlgorithm: jose.ES256, AccessTokenType: oauth.TypeAccessToken,
		KeyRotation: 90 * 24 * time.Hour, KeyOverlap: 24 * time.Hour,
		SignOn: store.SignOn{SessionIdle: 30 * 24 * time.Hour, SessionLifetime: 180 * 24 * time.Hour},
	}
	k.client = everything("app")
	k.user = &store.User{Environment: envID, ID: "alice-id", Username: "alice", Claims: map[string]any{"name": "Alice", "email": "alice@example.com"}}
	k.directory = &directory{clients: map[string]*store.Client{"app": k.client}}
	sealer, err := secret.NewSealer(make([]byte, secret.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	k.rings = keys.New(keys.Config{
		Store: k.db, Sealer: func(bool) (*secret.Sealer, error) { return sealer, nil }, Now: k.clock.Now, Log: slog.New(slog.DiscardHandler),
	})
	k.reader = &authorize.Reader{
		Directory: k.directory, Tickets: k.db, Scopes: &token.Scopes{Directory: k.directory}, Keys: k.rings,
		Clients: &clientauth.KeySources{Now: k.clock.Now}, NewSecret: secret.New, Now: k.clock.Now,
	}
	k.sessions = &session.Sessions{Store: k.db, NewID: secret.NewID, NewSecret: secret.New, Now: k.clock.Now}
	k.issuer = &authorize.Issuer{
		Scopes:   k.reader.Scopes,
		Codes:    &token.Codes{Tickets: k.db, NewSecret: secret.New, Now: k.clock.Now},
		Tokens:   &token.Minter{Keys: k.rings, Store: k.db, NewID: secret.NewID, NewSecret: secret.New, Now: k.clock.Now, Directory: k.directory},
		IDTokens: &token.IDTokens{Keys: k.rings, Now: k.clock.Now, Directory: k.directory},
		Sessions: k.sessions, NewID: secret.NewID, NewSecret: secret.New, Now: k.clock.Now,
		Issued: func(grant string) { k.issued = append(k.issued, grant) },
	}
	return k
}

// everything is a confidential client with all that can be allowed.
func everything(id string) *store.Client {
	return &store.Client{
		Environment: envID, ID: id, Name: "An application", Type: store.WebApp, Enabled: true, AuthMethod: oauth.AuthClientSecretBasic,
		GrantTypes:    []string{oauth.GrantAuthorizationCode, oauth.GrantImplicit, oauth.GrantRefreshToken},
		ResponseTypes: []string{oauth.ResponseCode, oauth.ResponseToken, oauth.ResponseIDToken},
		RedirectURIs:  []string{callback},
		Secrets:       []store.ClientSecret{{Value: []byte(aSecret)}},
		Grants: map[string][]string{
			store.ResourceOpenID: {"openid", "profile", "email", "offline_access"}, "orders": {"orders:read"}, "stock": {"stock:read"},
		},
	}
}

// form is a good request with changes: name, value, name, value…; an empty value
// takes a parameter away, "=" sends it empty.
func form(changes ...string) *web.Form {
	f := [][2]string{
		{"client_id", "app"}, {"response_type", "code"}, {"redirect_uri", callback}, {"scope", "openid profile"}, {"state", "s-1"}, {"nonce", "n-1"},
	}
	for i := 0; i < len(changes); i += 2 {
		name, value := changes[i], changes[i+1]
		f = slices.DeleteFunc(f, func(p [2]string) bool { return p[0] == name })
		switch value {
		case "":
		case "=":
			f = append(f, [2]string{name, ""})
		default:
			f = append(f, [2]string{name, value})
		}
	}
	return web.NewForm(f...)
}

func (k *kit) read(changes ...string) (*authorize.Request, *authorize.Failure) {
	k.Helper()
	return k.readForm(form(changes...))
}

func (k *kit) readForm(f *web.Form) (*authorize.Request, *authorize.Failure) {
	k.Helper()
	req, client, err := k.reader.Read(k.Context(), k.env, f)
	if err == nil {
		if client == nil || client.ID != req.Client {
			k.Fatalf("client = %+v, want that of the request", client)
		}
		return req, nil
	}
	failure, ok := errors.AsType[*authorize.Failure](err)
	if !ok || req != nil || client != nil {
		k.Fatalf("got %v, %v, %v, want a *Failure alone", req, client, err)
	}
	return nil, failure
}

// outcome is "ok", "PAGE code" or "BACK code mode".
func outcome(f *authorize.Failure) string {
	switch {
	case f == nil:
		return "ok"
	case f.ReplyTo == nil:
		return "PAGE " + f.Err.Code
	}
	return "BACK " + f.Err.Code + " " + f.ReplyTo.Mode
}

// row is one request and what becomes of it.
type row struct {
	name    string
	change  func(*kit) // of client and environment; nil for none
	request []string
	want    string
}

// run reads each row's request in an environment of its own.
func run(t *testing.T, rows []row) {
	t.Helper()
	base := newKit(t)
	for _, tt := range rows {
		t.Run(tt.name, func(t *testing.T) {
			k := *base
			k.TB = t
			env, client := *base.env, everything("app")
			k.env, k.client = &env, client
			k.directory = &directory{clients: map[string]*store.Client{"app": client}}
			reader := *base.reader
			reader.Directory, reader.Scopes = k.directory, &token.Scopes{Directory: k.directory}
			reader.Clients = &clientauth.KeySources{Now: k.clock.Now}
			k.reader = &reader
			if tt.change != nil {
				tt.change(&k)
			}
			_, failure := k.read(tt.request...)
			if got := outcome(failure); got != tt.want {
				t.Errorf("got %s, want %s (%v)", got, tt.want, failure)
			}
			if failure != nil && failure.ReplyTo != nil && failure.ReplyTo.Mode != oauth.ModePingFlow &&
				!slices.ContainsFunc(client.RedirectURIs, func(r string) bool {
					return oauth.MatchRedirectURI(r, failure.ReplyTo.URI, oauth.RedirectRules{Wildcard: true, Localhost: true})
				}) {
				t.Errorf("the error travels to %q", failure.ReplyTo.URI)
			}
		})
	}
}

func rsaKey(t testing.TB) *jose.SigningKey {
	return testkit.SigningKey(t, testkit.RSAKey, jose.RS256, "client-key")
}

// claims of a good request object with changes; nil takes one away.
func object(changes map[string]any) []byte {
	c := map[string]any{
		"iss": "app", "aud": issuer, "client_id": "app", "response_type": "code", "redirect_uri": callback, "scope": "openid", "state": "inside", "nonce": "n-2",
	}
	for name, v := range changes {
		if v == nil {
			delete(c, name)
			continue
		}
		c[name] = v
	}
	b, err := json.Marshal(c)
	if err != nil {
		panic(err)
	}
	return b
}

func (k *kit) signed(alg string, claims []byte) string {
	k.Helper()
	raw, err := jose.SignSecret(alg, []byte(aSecret), "oauth-authz-req+jwt", claims)
	if err != nil {
		k.Fatal(err)
	}
	return raw
}

// browser signs the person on.
func (k *kit) browser() *session.Browser {
	k.Helper()
	b, err := k.sessions.Read(httptest.NewRequest(http.MethodGet, "https://auth.example.com/", nil), k.env)
	if err != nil {
		k.Fatal(err)
	}
	k.sessions.Begin(b)
	if _, err := k.sessions.SignOn(k.Context(), k.env, b, session.SignOn{Subject: k.user.ID, ACR: authorize.SingleFactor, AMR: []string{"pwd"}}); err != nil {
		k.Fatal(err)
	}
	return b
}

// parallel runs f n times at once.
func parallel(n int, f func(i int)) {
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			f(i)
		})
	}
	close(start)
	wg.Wait()
}

func param(r *authorize.Response, name string) string {
	for _, p := range r.Params {
		if p[0] == name {
			return p[1]
		}
	}
	return ""
}

func names(r *authorize.Response) string {
	var list []string
	for _, p := range r.Params {
		list = append(list, p[0])
	}
	return strings.Join(list, " ")
}
