package legacy_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver"
	"github.com/caddy-gatehouse/gatehouse/authserver/identity"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/keys"
	"github.com/caddy-gatehouse/gatehouse/authserver/legacy"
	"github.com/caddy-gatehouse/gatehouse/authserver/session"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/declared"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

// What the kit declares: two realms, alpha and bravo, that have the same people (with IDs of their own) and applications;
// and an administrator.
const (
	alphaID = "0a000000-0000-4000-8000-00000000000a"
	bravoID = "0b000000-0000-4000-8000-00000000000b"

	host   = "https://login.example.com"
	amURL  = host + "/am"
	cookie = "iPlanetDirectoryPro"

	amadmin, amadminPassword = "amadmin", "amadmin-demo-pass"

	orders = "https://orders.example.com"
)

// People: the same names and passwords in both realms. Password is the name with -demo-pass behind.
var people = map[string]map[string]string{ // by realm and name: ID
	alphaID: {"alice": "a11ce000-0000-4000-8000-000000000001", "bob": "b0b00000-0000-4000-8000-000000000002"},
	bravoID: {"alice": "a11ce000-0000-4000-8000-00000000000b", "bob": "b0b00000-0000-4000-8000-00000000000b"},
}

// noon is when the kit's clock starts.
var noon = time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)

// masterKey seals at rest in every kit, so that two kits on one store are two nodes.
var masterKey = []byte("0123456789abcdef0123456789abcdef")

// options change what newKit makes. The zero value is the usual.
type options struct {
	// Legacy and Declared change what is configured.
	Legacy   func(*legacy.Config)
	Declared func(*declared.Config)
	// Server changes what goes to authserver.New.
	Server func(*authserver.Config)
	// Store and Clock are another kit's, for a second node.
	Store store.Store
	Clock *testkit.Clock
	// Limited applies the limits by address.
	Limited bool
}

func realmEnvironment(name, id string) declared.Environment {
	people := people[id]
	return declared.Environment{
		Name: name, ID: id, Issuer: host + "/" + id + "/as", SigningAlgorithm: "ES256",
		Issuers: []string{amURL + "/oauth2/realms/root/realms/" + name},
		SignOn:  declared.SignOn{Argon2Memory: 8192, Argon2Passes: 1},
		Users: []declared.User{
			{Username: "alice", ID: people["alice"], Password: "alice-demo-pass", Claims: map[string]any{
				"email": "alice@example.com", "given_name": "Alice", "family_name": "Adams", "name": "Alice Adams",
			}},
			{Username: "bob", ID: people["bob"], Password: "bob-demo-pass", Claims: map[string]any{"email": "bob@example.com"}},
		},
		Resources: []declared.Resource{
			{Name: "orders", Audience: orders, Scopes: []string{"orders:read", "orders:write"}, Secret: "orders-secret"},
		},
		Applications: []declared.Application{
			{ClientID: "worker", Type: "worker", Secret: "worker-secret", Allow: []string{"orders:read", "orders:write"}},
			{
				ClientID: "web", Name: "The Web", Type: "web_app", Secret: "web-secret",
				Grants: []string{"authorization_code", "refresh_token"}, RedirectURIs: []string{"https://web.example.com/cb"},
				Allow:  []string{"openid", "profile", "email", "offline_access", "orders:read"},
				SignIn: declared.SignIn{CORSOrigins: []string{"https://web.example.com"}},
			},
			{
				ClientID: "public", Name: "The Public", Type: "native_app",
				Grants: []string{"authorization_code", "refresh_token"}, RedirectURIs: []string{"com.example.app:/cb"},
				Allow: []string{"openid", "profile", "email", "offline_access", "orders:read"},
			},
		},
	}
}

// kit is a server with the legacy surface on an embedded store of its own.
type kit struct {
	t      testing.TB
	Server *authserver.Server
	Store  store.Store
	Clock  *testkit.Clock
	Log    *testkit.Buffer
	Seen   *observer

	Alpha, Bravo *store.Environment // at their own issuers: <env>/as
	// Rules of the tests' own on the same store, as those of another node are.
	Rings    *keys.Rings
	Minter   *token.Minter
	Refresh  *token.Refresher
	Sessions *session.Sessions
	Users    *identity.Users
}

func newKit(t testing.TB, given ...options) *kit {
	t.Helper()
	var o options
	if len(given) > 0 {
		o = given[0]
	}
	if o.Clock == nil {
		o.Clock = testkit.NewClock(noon)
	}
	if o.Store == nil {
		o.Store = testkit.Store(t)
	}
	k := &kit{t: t, Store: o.Store, Clock: o.Clock, Log: &testkit.Buffer{}, Seen: &observer{}}
	config := declared.Config{Environments: []declared.Environment{
		realmEnvironment("alpha", alphaID), realmEnvironment("bravo", bravoID),
	}}
	if o.Declared != nil {
		o.Declared(&config)
	}
	directory, err := declared.New(config)
	if err != nil {
		t.Fatalf("declare: %v", err)
	}
	am := legacy.Config{
		URL:            amURL,
		Realms:         []legacy.Realm{{Path: "/alpha", Environment: alphaID}, {Path: "/bravo", Environment: bravoID}},
		Administrators: []legacy.Administrator{{Name: amadmin, Password: amadminPassword}},
	}
	if o.Legacy != nil {
		o.Legacy(&am)
	}
	log := slog.New(slog.NewTextHandler(k.Log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	state, err := authserver.NewState(authserver.StateConfig{
		Store: k.Store, SecretsKey: func(bool) ([]byte, error) { return masterKey, nil },
		Now: k.Clock.Now, Observer: k.Seen, Log: log,
	})
	if err != nil {
		t.Fatalf("state: %v", err)
	}
	t.Cleanup(func() { _ = state.Close() })
	state.Start()
	c := authserver.Config{State: state, Directory: directory, Legacy: &am, Log: log}
	if !o.Limited {
		c.InsecureNoLimit = func(string) bool { return true }
	}
	if o.Server != nil {
		o.Server(&c)
	}
	if k.Server, err = authserver.New(t.Context(), c); err != nil {
		t.Fatalf("server: %v", err)
	}
	k.Server.Start()
	t.Cleanup(func() { _ = k.Server.Close() })
	k.rules(directory, log)
	return k
}

// rules makes the kit's own.
func (k *kit) rules(d *declared.Directory, log *slog.Logger) {
	k.t.Helper()
	now, sealer := k.Clock.Now, func(bool) (*secret.Sealer, error) { return secret.NewSealer(masterKey) }
	k.Rings = keys.New(keys.Config{Store: k.Store, Sealer: sealer, Now: now, Log: log, Rotated: func(string) {}})
	k.Minter = &token.Minter{
		Keys: k.Rings, Store: k.Store, NewID: secret.NewID, NewSecret: secret.New, Now: now, Directory: &testkit.Unchanging{Directory: d},
	}
	k.Refresh = &token.Refresher{Store: k.Store, Sealer: sealer, NewSecret: secret.New, Now: now}
	k.Sessions = &session.Sessions{Store: k.Store, NewID: secret.NewID, NewSecret: secret.New, Now: now}
	k.Users = &identity.Users{Directory: d, Store: k.Store, NewID: secret.NewID, Now: now, NoLimit: func(string) bool { return true }}
	for id, env := range map[string]**store.Environment{alphaID: &k.Alpha, bravoID: &k.Bravo} {
		found, err := d.EnvironmentByID(k.t.Context(), id)
		if err != nil {
			k.t.Fatalf("environment: %v", err)
		}
		*env = found
	}
}

// in is the kit for a test within the one that it was made for.
func (k *kit) in(t testing.TB) *kit {
	inner := *k
	inner.t = t
	return &inner
}

// env is the environment of "alpha" or "bravo".
func (k *kit) env(realm string) *store.Environment {
	if realm == "bravo" {
		return k.Bravo
	}
	return k.Alpha
}

// at is an environment as its realm's own issuer speaks for it.
func at(env *store.Environment) *store.Environment {
	return env.At(store.Domain{Issuer: amURL + "/oauth2/realms/root/realms/" + env.Name})
}

// granted is what an application got.
type granted struct {
	Access, Refresh string // raw
	ID              string // jti of Access
	Grant           string
	Session         *session.Session
	User            *store.User
}

// personal makes tokens that speak for somebody: of "alpha" or "bravo", by name, for a client. edits change the
// access token and what the refresh token stands for.
func (k *kit) personal(realm, user, client string, scope []string, edits ...func(*token.Access, *token.Authorization)) granted {
	k.t.Helper()
	return k.personalAt(k.env(realm), user, client, scope, edits...)
}

// personalAt is personal with an issuer of the environment: k.Alpha, or at(k.Alpha).
func (k *kit) personalAt(env *store.Environment, user, client string, scope []string, edits ...func(*token.Access, *token.Authorization)) granted {
	k.t.Helper()
	ctx := k.t.Context()
	u, err := k.Users.ByName(ctx, env, user)
	if err != nil {
		k.t.Fatalf("user %s: %v", user, err)
	}
	s := k.session(env, u.ID)
	c := k.client(env, client)
	auth := token.Authorization{
		Grant: secret.NewID(), Client: client, Scope: scope, Audience: []string{orders}, TTL: time.Hour,
		On: token.SignedOn{Subject: u.ID, Session: s.ID, AuthTime: s.AuthTime, ACR: s.ACR, AMR: s.AMR},
	}
	access := auth.Access(c, u)
	access.GrantType, access.RedirectURI = "authorization_code", "https://web.example.com/cb"
	for _, edit := range edits {
		edit(&access, &auth)
	}
	m, err := k.Minter.Mint(ctx, env, access)
	if err != nil {
		k.t.Fatalf("mint: %v", err)
	}
	refresh, err := k.Refresh.Begin(ctx, env, c, auth)
	if err != nil {
		k.t.Fatalf("refresh token: %v", err)
	}
	return granted{Access: m.Raw, Refresh: refresh.Reveal(), ID: m.ID, Grant: auth.Grant, Session: s, User: u}
}

// credentials makes an access token of client credentials.
func (k *kit) credentials(realm, client string, scope ...string) granted {
	k.t.Helper()
	env := k.env(realm)
	m, err := k.Minter.Mint(k.t.Context(), env, token.Access{
		Client: client, Scope: scope, Audience: []string{orders}, TTL: time.Hour, For: k.client(env, client),
	})
	if err != nil {
		k.t.Fatalf("mint: %v", err)
	}
	return granted{Access: m.Raw, ID: m.ID}
}

// opaque is an environment whose access tokens are opaque, for personalAt.
func opaque(env *store.Environment) *store.Environment {
	c := *env
	c.OpaqueTokens = true
	return &c
}

// basic are the headers of an application that authenticates.
func basic(client, secret string) []string {
	return []string{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte(client+":"+secret))}
}

func (k *kit) client(env *store.Environment, id string) *store.Client {
	k.t.Helper()
	c, err := k.Minter.Directory.ClientByID(k.t.Context(), env.ID, id)
	if err != nil {
		k.t.Fatalf("client %s: %v", id, err)
	}
	return c
}

// session signs somebody on without a browser.
func (k *kit) session(env *store.Environment, subject string) *session.Session {
	k.t.Helper()
	r := httptest.NewRequest(http.MethodGet, host+"/", nil)
	b, err := k.Sessions.Read(r, env)
	if err != nil {
		k.t.Fatal(err)
	}
	on := session.SignOn{Subject: subject, ACR: "Single_Factor", AMR: []string{"pwd"}}
	if _, err := k.Sessions.SignOn(k.t.Context(), env, b, on); err != nil {
		k.t.Fatalf("sign on: %v", err)
	}
	return b.Session
}

// as signs somebody on by the server's own authenticate; realm is "alpha", "bravo" or "" for the top one. The caller sends the
// SSO token as a header.
func (k *kit) as(realm, user string) caller {
	k.t.Helper()
	path := "/json/authenticate"
	if realm != "" {
		path = "/json/realms/root/realms/" + realm + "/authenticate"
	}
	a := k.post(path, nil, "X-OpenAM-Username", user, "X-OpenAM-Password", user+"-demo-pass").is(http.StatusOK)
	return k.with(a.text("tokenId"))
}

// admin is the administrator.
func (k *kit) admin() caller { return k.as("", amadmin) }

// with is a caller with an SSO token, of whatever worth, in the header.
func (k *kit) with(token string) caller { return caller{k, token, []string{cookie, token}} }

// inCookie is the same caller with the token in the cookie.
func (c caller) inCookie() caller {
	return caller{c.k, c.Token, []string{"Cookie", cookie + "=" + c.Token}}
}

// caller makes requests with headers of its own.
type caller struct {
	k      *kit
	Token  string
	header []string
}

func (c caller) get(path string, header ...string) *answer {
	c.k.t.Helper()
	return c.k.do(http.MethodGet, path, nil, slices.Concat(c.header, header)...)
}

func (c caller) post(path string, body any, header ...string) *answer {
	c.k.t.Helper()
	return c.k.do(http.MethodPost, path, body, slices.Concat(c.header, header)...)
}

func (c caller) del(path string, header ...string) *answer {
	c.k.t.Helper()
	return c.k.do(http.MethodDelete, path, nil, slices.Concat(c.header, header)...)
}

func (c caller) do(method, path string, body any, header ...string) *answer {
	c.k.t.Helper()
	return c.k.do(method, path, body, slices.Concat(c.header, header)...)
}

func (k *kit) get(path string, header ...string) *answer {
	k.t.Helper()
	return k.do(http.MethodGet, path, nil, header...)
}

func (k *kit) post(path string, body any, header ...string) *answer {
	k.t.Helper()
	return k.do(http.MethodPost, path, body, header...)
}

// form posts a form below /am/oauth2.
func (k *kit) form(path string, form url.Values, header ...string) *answer {
	k.t.Helper()
	return k.do(http.MethodPost, path, form, header...)
}

// do sends a request to a path below /am. body is nil, a url.Values, a text, or what is to be JSON. header are names
// and values, each added; a Content-Type replaces that of the body.
func (k *kit) do(method, path string, body any, header ...string) *answer {
	k.t.Helper()
	var sent io.Reader
	kind := "application/json"
	switch b := body.(type) {
	case nil:
		kind = ""
	case url.Values:
		sent, kind = strings.NewReader(b.Encode()), "application/x-www-form-urlencoded"
	case string:
		sent = strings.NewReader(b)
	default:
		text, err := json.Marshal(b)
		if err != nil {
			k.t.Fatalf("body: %v", err)
		}
		sent = bytes.NewReader(text)
	}
	r := k.request(method, path, sent, header...)
	if kind != "" && r.Header["Content-Type"] == nil {
		r.Header.Set("Content-Type", kind)
	}
	return k.serve(r)
}

// request is one to a path below /am, with these headers and no other.
func (k *kit) request(method, path string, body io.Reader, header ...string) *http.Request {
	k.t.Helper()
	r, err := http.NewRequestWithContext(k.t.Context(), method, amURL+path, body)
	if err != nil {
		k.t.Fatalf("%s %s: %v", method, path, err)
	}
	if body == nil {
		r.Body = http.NoBody
	}
	r.RemoteAddr = "192.0.2.1:4711"
	r.RequestURI = r.URL.RequestURI()
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return r
}

// serve answers any request.
func (k *kit) serve(r *http.Request) *answer {
	k.t.Helper()
	w := httptest.NewRecorder()
	k.Server.ServeHTTP(w, r)
	return &answer{t: k.t, what: r.Method + " " + r.URL.RequestURI(), Status: w.Code, Header: w.Result().Header, Body: w.Body.Bytes(), response: w.Result()}
}

// answer is what came back.
type answer struct {
	t        testing.TB
	what     string
	Status   int
	Header   http.Header
	Body     []byte
	response *http.Response
}

// is ends the test unless the answer has a status.
func (a *answer) is(status int) *answer {
	a.t.Helper()
	if a.Status != status {
		a.t.Fatalf("%s: status = %d, want %d: %s", a.what, a.Status, status, a.Body)
	}
	return a
}

// refused ends the test unless the answer is an error of CREST: code, its phrase, and, where it is not "", a message.
func (a *answer) refused(status int, message string) *answer {
	a.t.Helper()
	a.is(status)
	if got := a.Header.Get("Content-Type"); got != "application/json;charset=UTF-8" {
		a.t.Errorf("%s: Content-Type = %q", a.what, got)
	}
	code, _ := a.member("code").(float64)
	if int(code) != status || a.text("reason") != http.StatusText(status) || a.text("message") == "" {
		a.t.Errorf("%s: body = %s, want code, reason and message of %d", a.what, a.Body, status)
	}
	if got := a.text("message"); message != "" && got != message {
		a.t.Errorf("%s: message = %q, want %q", a.what, got, message)
	}
	return a
}

// refusedOAuth ends the test unless the answer is an error of OAuth.
func (a *answer) refusedOAuth(status int, code string) *answer {
	a.t.Helper()
	a.is(status)
	if got := a.text("error"); got != code {
		a.t.Errorf("%s: error = %q, want %q: %s", a.what, got, code, a.Body)
	}
	return a
}

// object is the body.
func (a *answer) object() map[string]any {
	a.t.Helper()
	var m map[string]any
	if err := json.Unmarshal(a.Body, &m); err != nil {
		a.t.Fatalf("%s: body is no object: %s", a.what, a.Body)
	}
	return m
}

// member finds one by its path with dots: "callbacks.0.type"; nil for none.
func (a *answer) member(path string) any {
	a.t.Helper()
	var v any
	if json.Unmarshal(a.Body, &v) != nil {
		return nil
	}
	for name := range strings.SplitSeq(path, ".") {
		switch in := v.(type) {
		case map[string]any:
			v = in[name]
		case []any:
			i := 0
			for _, d := range name {
				i = i*10 + int(d-'0')
			}
			if i < 0 || i >= len(in) {
				return nil
			}
			v = in[i]
		default:
			return nil
		}
	}
	return v
}

// text is member of a text; "" for any other.
func (a *answer) text(path string) string {
	a.t.Helper()
	s, _ := a.member(path).(string)
	return s
}

// cookie is one that the answer sets; nil for none.
func (a *answer) cookie(name string) *http.Cookie {
	for _, c := range a.response.Cookies() {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// observer keeps what it is told.
type observer struct {
	mu       sync.Mutex
	signedOn []string
	called   [][2]string // endpoint, application
	revoked  []string
}

var _ authserver.Observer = (*observer)(nil)

func (o *observer) Served(string, string, time.Duration) {}
func (o *observer) TokenIssued(string)                   {}
func (o *observer) Swept(int)                            {}
func (o *observer) PasswordChecked(string)               {}
func (o *observer) PasswordHashed(time.Duration)         {}
func (o *observer) RefreshReplayed()                     {}
func (o *observer) LogoutDelivered(string)               {}
func (o *observer) WebhookDelivered(string)              {}
func (o *observer) KeyRotated(string)                    {}

func (o *observer) SignedOn(outcome string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.signedOn = append(o.signedOn, outcome)
}

func (o *observer) Revoked(kind string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.revoked = append(o.revoked, kind)
}

func (o *observer) LegacyCalled(endpoint, application string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.called = append(o.called, [2]string{endpoint, application})
}

// Called are the calls so far: endpoint and application.
func (o *observer) Called() [][2]string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.called)
}

// revokedKinds are the kinds of revocations so far.
func (o *observer) revokedKinds() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.revoked)
}

// SignOns are the outcomes of sign-ons so far.
func (o *observer) SignOns() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.signedOn)
}

// writes counts what is written to a store for people who sign on.
type writes struct {
	store.Store
	count atomic.Int64
}

func (w *writes) n() int { return int(w.count.Load()) }

func (w *writes) Spend(ctx context.Context, environment string, hash store.Hash, expires, now time.Time) error {
	w.count.Add(1)
	return w.Store.Spend(ctx, environment, hash, expires, now)
}

func (w *writes) PutSession(ctx context.Context, s store.Session) error {
	w.count.Add(1)
	return w.Store.PutSession(ctx, s)
}

func (w *writes) ReplaceSession(ctx context.Context, s store.Session) error {
	w.count.Add(1)
	return w.Store.ReplaceSession(ctx, s)
}

func (w *writes) PutCredential(ctx context.Context, c store.Credential) error {
	w.count.Add(1)
	return w.Store.PutCredential(ctx, c)
}

func (w *writes) PutFlow(ctx context.Context, f store.Flow) error {
	w.count.Add(1)
	return w.Store.PutFlow(ctx, f)
}

func (w *writes) PutTicket(ctx context.Context, t store.Ticket) error {
	w.count.Add(1)
	return w.Store.PutTicket(ctx, t)
}

// inSession has the tokens of personal hang on another session than one of their own.
func inSession(sid string) func(*token.Access, *token.Authorization) {
	return func(a *token.Access, auth *token.Authorization) { a.Session, auth.On.Session = sid, sid }
}
