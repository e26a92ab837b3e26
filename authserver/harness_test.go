package authserver_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/mtls"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/declared"
)

const (
	envA    = "0a000000-0000-4000-8000-00000000000a"
	envB    = "0b000000-0000-4000-8000-00000000000b"
	issuerA = "https://auth.example.com/" + envA + "/as"
	issuerB = "https://auth.example.com/tenants/" + envB + "/as"

	orders  = "https://orders.example.com"
	billing = "https://billing.example.com"

	hmacSecret = "a-secret-of-32-bytes-for-HMAC-256"
)

// noon is when the fake clock starts.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// declaredConfig is the directory that most tests use. Every configured method
// of client authentication has a client of its name.
func declaredConfig(t testing.TB) declared.Config {
	rsa := testkit.SigningKey(t, testkit.RSAKey, "RS256", "client-rsa")
	return declared.Config{Environments: []declared.Environment{
		{
			Name: "a", ID: envA, Issuer: issuerA, SigningAlgorithm: "ES256",
			Organization: "0c000000-0000-4000-8000-00000000000c",
			Resources: []declared.Resource{
				{Name: "orders", Audience: orders, Scopes: []string{"orders:read", "orders:write", "shared"}, Secret: "orders-secret"},
				{
					Name: "billing", Audience: billing, Scopes: []string{"billing:read", "shared"}, Secret: "billing-secret",
					IntrospectionAuth: "client_secret_post", AccessTokenTTL: declared.Duration(10 * time.Minute),
				},
				{Name: "open", Audience: "https://open.example.com", Scopes: []string{"open:read"}, IntrospectionAuth: "none"},
				{Name: "mute", Audience: "https://mute.example.com", Scopes: []string{"mute:read"}},
			},
			Applications: []declared.Application{
				{ClientID: "client_secret_basic", Type: "service", Secret: "basic-secret", Allow: []string{"orders:read", "orders:write"}},
				{ClientID: "client_secret_post", Type: "service", Secret: "posted-secret", AuthMethod: "client_secret_post", Allow: []string{"orders:read"}},
				{ClientID: "client_secret_jwt", Type: "service", Secret: hmacSecret, AuthMethod: "client_secret_jwt", Allow: []string{"orders:read"}},
				{ClientID: "private_key_jwt", Type: "service", AuthMethod: "private_key_jwt", JWKS: testkit.JWKS(t, rsa), Allow: []string{"orders:read"}},
				{ClientID: "none", Type: "native_app", Allow: []string{"openid", "orders:read"}},

				{ClientID: "admin", Type: "worker", Secret: "admin-secret", Roles: []string{"Environment Admin"}, Allow: []string{"orders:read"}},
				{ClientID: "worker", Type: "worker", Secret: "worker-secret", Allow: []string{"orders:read", "orders:write"}},
				{ClientID: "bare", Type: "worker", Secret: "bare-secret"},
				{ClientID: "user-only", Type: "service", Secret: "user-only-secret", Allow: []string{"openid", "profile", "p1:read:user"}},
				{ClientID: "two", Type: "service", Secret: "two-secret", Allow: []string{"orders:read", "billing:read"}},
				{ClientID: "twin", Type: "service", Secret: "twin-secret", Allow: []string{"orders/shared", "billing/shared", "orders:read"}},
				{ClientID: "multi", Type: "service", Secret: "multi-secret", MultipleResources: true, Allow: []string{"orders/shared", "billing/shared", "orders:read", "billing:read"}},
				{ClientID: "web", Type: "web_app", Secret: "web-secret", Allow: []string{"openid", "orders:read"}},
				{ClientID: "disabled", Type: "service", Secret: "disabled-secret", Disabled: true, Allow: []string{"orders:read"}},
				{ClientID: "odd id/+%", Type: "service", Secret: "p+q %41&s=t", Allow: []string{"orders:read"}},
				{
					ClientID: "rotated", Type: "service", Secret: "current-secret", Allow: []string{"orders:read"},
					PreviousSecrets: []declared.PreviousSecret{{Secret: "previous-secret", Until: noon.Add(time.Hour)}},
				},
			},
		},
		{
			Name: "b", ID: envB, Issuer: issuerB, SigningAlgorithm: "ES256", AccessTokenType: "JWT",
			Compat:    []string{"unrevocable_client_credentials", "assertion_audience_endpoint", "assertion_replay"},
			Resources: []declared.Resource{{Name: "orders", Audience: orders, Scopes: []string{"orders:read"}, Secret: "orders-secret-b"}},
			Applications: []declared.Application{
				{ClientID: "client_secret_basic", Type: "service", Secret: "basic-secret-b", Allow: []string{"orders:read"}},
				{ClientID: "client_secret_jwt", Type: "service", Secret: hmacSecret, AuthMethod: "client_secret_jwt", Allow: []string{"orders:read"}},
			},
		},
	}}
}

// rig is a running server with its fake clock.
type rig struct {
	t         testing.TB
	clock     *testkit.Clock
	state     *authserver.State
	directory *declared.Directory
	server    *authserver.Server
	held      store.Store
}

// rigOptions change what newRig makes. The zero value is the usual.
type rigOptions struct {
	store  store.Store
	config *declared.Config
	clock  *testkit.Clock
	idle   bool // do not start background work
	watch  authserver.Observer
	log    *slog.Logger

	outbound authserver.Outbound
	noLimit  bool // nobody's tries are counted
	shared   bool // the store is said to be shared

	certificate func(*http.Request) (*mtls.Certificate, error)
}

func newRig(t testing.TB, o rigOptions) *rig {
	t.Helper()
	if o.store == nil {
		o.store = testkit.Store(t)
	}
	if o.clock == nil {
		o.clock = testkit.NewClock(noon)
	}
	if o.config == nil {
		c := declaredConfig(t)
		o.config = &c
	}
	directory, err := declared.New(*o.config)
	if err != nil {
		t.Fatalf("directory: %v", err)
	}
	state, err := authserver.NewState(authserver.StateConfig{
		Store: o.store, SecretsKey: func(bool) ([]byte, error) { return []byte("0123456789abcdef0123456789abcdef"), nil },
		Now: o.clock.Now, Observer: o.watch, Log: o.log, Shared: o.shared,
	})
	if err != nil {
		t.Fatalf("state: %v", err)
	}
	t.Cleanup(func() { _ = state.Close() })
	if !o.idle {
		state.Start()
	}
	config := authserver.Config{State: state, Directory: directory, Outbound: o.outbound, ClientCertificate: o.certificate}
	if o.noLimit {
		config.InsecureNoLimit = func(string) bool { return true }
	}
	server, err := authserver.New(t.Context(), config)
	if err != nil {
		t.Fatalf("server: %v", err)
	}
	server.Start()
	t.Cleanup(func() { _ = server.Close() })
	return &rig{t, o.clock, state, directory, server, o.store}
}

// answer is a response, read.
type answer struct {
	status int
	header http.Header
	body   string
}

func (a answer) member(name string) any {
	var m map[string]any
	if json.Unmarshal([]byte(a.body), &m) != nil {
		return nil
	}
	return m[name]
}

// outcome is the status and, if there is one, the error code.
func (a answer) outcome() string {
	s := strconv.Itoa(a.status)
	if code, ok := a.member("error").(string); ok {
		s += " " + code
	} else if code, ok := a.member("code").(string); ok {
		s += " " + code
	}
	return s
}

func (g *rig) do(r *http.Request) answer {
	g.t.Helper()
	w := httptest.NewRecorder()
	g.server.ServeHTTP(w, r)
	res := w.Result()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		g.t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, string(body)}
}

func (g *rig) get(path string) answer {
	g.t.Helper()
	return g.do(httptest.NewRequest(http.MethodGet, path, nil))
}

// credential adds a caller's authentication to a request being made.
type credential func(h http.Header, form url.Values)

// basic authenticates as RFC 6749 §2.3.1 asks, both parts form-encoded.
func basic(id, secret string) credential {
	return func(h http.Header, _ url.Values) {
		r := http.Request{Header: h}
		r.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret))
	}
}

func post(id, secret string) credential {
	return func(_ http.Header, form url.Values) {
		form.Set("client_id", id)
		form.Set("client_secret", secret)
	}
}

func public(id string) credential {
	return func(_ http.Header, form url.Values) { form.Set("client_id", id) }
}

func assertion(jwt string) credential {
	return func(_ http.Header, form url.Values) {
		form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		form.Set("client_assertion", jwt)
	}
}

func anonymous(http.Header, url.Values) {}

// form posts to an endpoint of an environment. Fields are "name=value" words.
func (g *rig) form(env, endpoint string, c credential, fields ...string) answer {
	g.t.Helper()
	return g.do(formRequest("/"+env+"/as/"+endpoint, c, fields...))
}

func formRequest(path string, c credential, fields ...string) *http.Request {
	form, h := url.Values{}, http.Header{}
	for _, f := range fields {
		name, value, _ := strings.Cut(f, "=")
		form.Add(name, value)
	}
	c(h, form)
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header = h
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r
}

// token gets a token or ends the test.
func (g *rig) token(env string, c credential, fields ...string) string {
	g.t.Helper()
	a := g.form(env, "token", c, append([]string{"grant_type=client_credentials"}, fields...)...)
	raw, ok := a.member("access_token").(string)
	if !ok {
		g.t.Fatalf("no token: %d %s", a.status, a.body)
	}
	return raw
}

// active introspects.
func (g *rig) active(env string, c credential, token string) bool {
	g.t.Helper()
	a := g.form(env, "introspect", c, "token="+token)
	if a.status != http.StatusOK {
		g.t.Fatalf("introspection: %d %s", a.status, a.body)
	}
	return a.member("active") == true
}

// claimsOf reads a token without verifying it.
func claimsOf(t testing.TB, raw string) *jose.Claims {
	t.Helper()
	jws, err := jose.Parse(raw, jose.Limits{})
	if err != nil {
		t.Fatalf("token: %v", err)
	}
	c, err := jws.Claims()
	if err != nil {
		t.Fatalf("claims: %v", err)
	}
	return c
}

// hs256 makes a client_secret_jwt assertion.
func hs256(t testing.TB, secret string, claims map[string]any) string {
	t.Helper()
	b, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	jwt, err := jose.SignSecret("HS256", []byte(secret), "", b)
	if err != nil {
		t.Fatal(err)
	}
	return jwt
}

// signed makes a private_key_jwt assertion with the key of the client private_key_jwt.
func signed(t testing.TB, claims map[string]any) string {
	t.Helper()
	b, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	jwt, err := testkit.SigningKey(t, testkit.RSAKey, "RS256", "client-rsa").Sign("", b)
	if err != nil {
		t.Fatal(err)
	}
	return jwt
}

var basicClient = basic("client_secret_basic", "basic-secret")

// payloadOf gives the claims as they were encoded.
func payloadOf(t testing.TB, raw string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(strings.Split(raw, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// membersOf lists the members of a JSON object in their order.
func membersOf(t testing.TB, body string) []string {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(body))
	var names []string
	if _, err := dec.Token(); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, name.(string))
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			t.Fatal(err)
		}
	}
	return names
}

// faulty is a store whose writes fail on demand.
type faulty struct {
	store.Store
	fail atomic.Bool
}

func (f *faulty) PutAccessToken(ctx context.Context, t store.AccessToken) error {
	if f.fail.Load() {
		return store.ErrUnavailable
	}
	return f.Store.PutAccessToken(ctx, t)
}

func (f *faulty) PutRevocation(ctx context.Context, r store.Revocation) error {
	if f.fail.Load() {
		return store.ErrUnavailable
	}
	return f.Store.PutRevocation(ctx, r)
}

func (f *faulty) Spend(ctx context.Context, env string, h store.Hash, expires, now time.Time) error {
	if f.fail.Load() {
		return store.ErrUnavailable
	}
	return f.Store.Spend(ctx, env, h, expires, now)
}
