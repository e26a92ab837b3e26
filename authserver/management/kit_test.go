package management_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/access"
	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/identity"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/cache"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/fetch"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/keys"
	"github.com/caddy-gatehouse/gatehouse/authserver/logout"
	"github.com/caddy-gatehouse/gatehouse/authserver/management"
	"github.com/caddy-gatehouse/gatehouse/authserver/registration"
	"github.com/caddy-gatehouse/gatehouse/authserver/session"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/declared"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
	"github.com/caddy-gatehouse/gatehouse/authserver/transfer"
	"github.com/caddy-gatehouse/gatehouse/authserver/webhook"
)

// What the kit declares. home and sibling are of one organization, stranger is of another.
const (
	home           = "0a000000-0000-4000-8000-00000000000a"
	sibling        = "0b000000-0000-4000-8000-00000000000b"
	stranger       = "0d000000-0000-4000-8000-00000000000d"
	organizationID = "0c000000-0000-4000-8000-00000000000c"
	apiAudience    = "https://api.example.com"
	apiURL         = "https://manage.example.com"

	alice = "a11ce000-0000-4000-8000-000000000001"
	bob   = "b0b00000-0000-4000-8000-000000000002"

	// nothing is an ID of nothing.
	nothing = "ffffffff-0000-4000-8000-00000000ffff"
)

// Workers of home, each with the one role that it is called after; "nobody" has none, and "root" is
// Organization Admin, Environment Admin and Identity Data Admin. "foreign" is Organization Admin, Environment Admin
// and Identity Data Admin of stranger.
const (
	root                = "root"
	organizationAdmin   = "organization-admin"
	environmentAdmin    = "environment-admin"
	identityAdmin       = "identity-admin"
	developer           = "developer"
	helpDesk            = "help-desk"
	identityReader      = "identity-reader"
	configurationReader = "configuration-reader"
	customRolesAdmin    = "custom-roles-admin"
	nobody              = "nobody"
	foreign             = "foreign"
)

// noon is when the kit's clock starts.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func declaration() declared.Config {
	worker := func(id string, roles ...string) declared.Application {
		return declared.Application{ClientID: id, Type: "worker", Secret: id + "-secret", Roles: roles, DeclaredAt: "Caddyfile:12"}
	}
	environment := func(id, name, organization string, a ...declared.Application) declared.Environment {
		return declared.Environment{
			Name: name, ID: id, Issuer: "https://auth.example.com/" + id + "/as", SigningAlgorithm: "ES256",
			Organization: organization, APIAudience: apiAudience, Applications: a, DeclaredAt: "Caddyfile:10",
		}
	}
	all := []string{directory.RoleOrganizationAdmin, directory.RoleEnvironmentAdmin, directory.RoleIdentityDataAdmin}
	at := environment(home, "home", organizationID,
		worker(root, all...),
		worker(organizationAdmin, directory.RoleOrganizationAdmin),
		worker(environmentAdmin, directory.RoleEnvironmentAdmin),
		worker(identityAdmin, directory.RoleIdentityDataAdmin),
		worker(developer, directory.RoleApplicationDeveloper),
		worker(helpDesk, directory.RoleHelpDeskAdmin),
		worker(identityReader, directory.RoleIdentityReadOnly),
		worker(configurationReader, directory.RoleConfigurationReadOnly),
		worker(customRolesAdmin, directory.RoleCustomRolesAdmin),
		worker(nobody),
		declared.Application{
			ClientID: "web", Type: "web_app", Secret: "web-secret", DeclaredAt: "Caddyfile:14",
			Allow: []string{"openid", "orders:read", "p1:read:user", "p1:update:user"},
			SignIn: declared.SignIn{
				PostLogoutRedirectURIs: []string{"https://web.example.com/bye"},
			},
			RedirectURIs: []string{"https://web.example.com/cb"},
		},
	)
	at.Resources = []declared.Resource{{
		Name: "orders", Audience: "https://orders.example.com", Scopes: []string{"orders:read", "orders:write"},
		Secret: "orders-secret", DeclaredAt: "Caddyfile:16",
	}}
	at.Users = []declared.User{
		{Username: "alice", ID: alice, Password: "alice-demo-pass", DeclaredAt: "Caddyfile:18", Claims: map[string]any{"email": "alice@example.com"}},
		{Username: "bob", ID: bob, Password: "bob-demo-pass", DeclaredAt: "Caddyfile:19", Claims: map[string]any{"email": "bob@example.com"}},
	}
	return declared.Config{Environments: []declared.Environment{
		at, environment(sibling, "sibling", organizationID), environment(stranger, "stranger", "", worker(foreign, all...)),
	}}
}

// kit is a management API on an embedded store of its own.
type kit struct {
	t      testing.TB
	API    *management.API
	Store  store.Store
	Clock  *testkit.Clock
	Minter *token.Minter
	Log    *testkit.Buffer
	Env    *store.Environment // home
	host   web.Host
	ender  *logout.Ender

	tokens *tokens
}

// tokens are those of workers, as long as the clock stands.
type tokens struct {
	sync.Mutex
	of map[string]string
}

// in is the kit for a test within the one that it was made for: a fuzz target.
func (k *kit) in(t testing.TB) *kit {
	inner := *k
	inner.t = t
	return &inner
}

// newKit makes one; each option may change what is declared.
func newKit(t testing.TB, options ...func(*declared.Config)) *kit {
	t.Helper()
	config := declaration()
	for _, o := range options {
		o(&config)
	}
	d, err := declared.New(config)
	if err != nil {
		t.Fatalf("declare: %v", err)
	}
	return assembleKit(t, d, testkit.Store(t), testkit.NewClock(noon))
}

// assembleKit puts the parts of a server together as authserver does.
func assembleKit(t testing.TB, d *declared.Directory, st store.Store, clock *testkit.Clock) *kit {
	t.Helper()
	k := &kit{t: t, Store: st, Clock: clock, Log: &testkit.Buffer{}, tokens: &tokens{of: map[string]string{}}}
	log, now := slog.New(slog.NewTextHandler(k.Log, nil)), clock.Now
	k.host = web.Host{Log: log, NewID: secret.NewID, Now: now, Served: func(string, string, time.Duration) {}}
	sealer := func(bool) (*secret.Sealer, error) {
		return secret.NewSealer([]byte("0123456789abcdef0123456789abcdef"))
	}
	outbound, err := fetch.NewClient(fetch.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(outbound.Close)
	rings := keys.New(keys.Config{Store: st, Sealer: sealer, Now: now, Log: log, Policies: policies(st)})
	set := token.NewRevocations(now)
	testkit.Feed(t, st, clock, set)
	verified := cache.New[*token.Active](cache.Config{})
	t.Cleanup(verified.Close)

	registrar := &registration.Registrar{Store: st, Sealer: sealer, NewID: secret.NewID, NewSecret: secret.New, Now: now, Outbound: outbound}
	live := &directory.Live{Declared: d, Store: st, Open: registrar.Open, Sealer: sealer, Now: now}
	verifier := &token.Verifier{Keys: rings, Revocations: set, Cache: verified, Store: st, Now: now}
	refresher := &token.Refresher{Store: st, Sealer: sealer, NewSecret: secret.New, Now: now, Replayed: func() {}}
	revoker := &token.Revoker{Verifier: verifier, Refresh: refresher, Store: st, Set: set, Now: now, Revoked: func(string) {}}
	k.Minter = &token.Minter{Keys: rings, Store: st, NewID: secret.NewID, NewSecret: secret.New, Now: now, Directory: &testkit.Unchanging{Directory: live}}
	sessions := &session.Sessions{Store: st, NewID: secret.NewID, NewSecret: secret.New, Now: now}
	users := &identity.Users{
		Directory: live, Store: st, NewID: secret.NewID, Now: now, Checked: func(string) {}, Hashed: func(time.Duration) {}, Log: log,
	}
	t.Cleanup(func() { _ = users.Close(context.Background()) })
	k.ender = &logout.Ender{
		Directory: live, Sessions: sessions, Store: st, Set: set, Keys: rings, Outbound: outbound, NewID: secret.NewID, Now: now, Log: log,
		Revoked: func(string) {}, Delivered: func(string) {},
	}
	webhooks := &webhook.Webhooks{
		Live: live, Store: st, Outbound: outbound, NewID: secret.NewID, Now: now, Log: log, Delivered: func(string) {},
	}
	writer := &directory.Writer{
		Live: live, Store: st, Sealer: sealer, NewID: secret.NewID, Now: now, Log: log, Deliveries: webhooks.Deliveries,
		Ended: k.ended, Retention: 365 * 24 * time.Hour,
	}
	k.API = &management.API{
		Live: live, Writer: writer, Callers: &access.Resolver{Live: live, Tokens: verifier}, Users: users, Sessions: sessions,
		Logout: k.ender, Revoker: revoker, Keys: rings, Webhooks: webhooks,
		Transfer: &transfer.Transfer{Live: live, Writer: writer, Users: users, Keys: rings, Store: st, Sealer: sealer},
		Store:    st, URL: apiURL, NewID: secret.NewID, Now: now, Address: web.RemoteAddress,
	}
	if k.Env, err = live.EnvironmentByID(t.Context(), home); err != nil {
		t.Fatal(err)
	}
	return k
}

func policies(st store.Store) keys.Policies {
	return func(ctx context.Context, env *store.Environment) ([]keys.Policy, error) {
		stored, err := directory.StoredKeyRotationPolicies(ctx, st, env.ID)
		if err != nil {
			return nil, err
		}
		var all []keys.Policy
		for id, p := range stored {
			all = append(all, keys.Policy{ID: id, KeyLength: int(p.KeyLength), DN: p.DN, Period: p.Period(), Validity: p.Validity()})
		}
		return all, nil
	}
}

func (k *kit) ended(ctx context.Context, env *store.Environment, e directory.End) error {
	switch e.Kind {
	case store.RevokedClient:
		return k.ender.EndClient(ctx, env, e.Value)
	case store.RevokedSubject:
		return k.ender.EndPerson(ctx, env, e.Value)
	}
	return fmt.Errorf("nothing ends all of a %s", e.Kind)
}

// environment finds one of the kit's.
func (k *kit) environment(id string) *store.Environment {
	k.t.Helper()
	env, err := k.API.Live.EnvironmentByID(k.t.Context(), id)
	if err != nil {
		k.t.Fatalf("environment %s: %v", id, err)
	}
	return env
}

// mint makes an access token of env as the token endpoint does.
func (k *kit) mint(env *store.Environment, a token.Access) string {
	k.t.Helper()
	if a.Audience == nil {
		a.Audience = []string{env.APIAudience}
	}
	if a.TTL == 0 {
		a.TTL = time.Hour
	}
	a.For = k.Minter.Directory.(*testkit.Unchanging).For(k.t.Context(), env.ID, a.Client)
	m, err := k.Minter.Mint(k.t.Context(), env, a)
	if err != nil {
		k.t.Fatalf("mint: %v", err)
	}
	return m.Raw
}

// as calls as a worker of home ("foreign": of stranger), declared or created meanwhile.
func (k *kit) as(worker string) caller {
	k.t.Helper()
	k.tokens.Lock()
	defer k.tokens.Unlock()
	key := worker + k.Clock.Now().String()
	if k.tokens.of[key] == "" {
		env := k.Env
		if worker == foreign {
			env = k.environment(stranger)
		}
		k.tokens.of[key] = k.mint(env, token.Access{Client: worker})
	}
	return caller{k, "Bearer " + k.tokens.of[key]}
}

// asUser calls with a token that client got from a user of home, with scopes.
func (k *kit) asUser(client, user string, scope ...string) caller {
	k.t.Helper()
	u, err := k.API.Live.UserByID(k.t.Context(), home, user)
	if err != nil {
		k.t.Fatalf("user %s: %v", user, err)
	}
	return caller{k, "Bearer " + k.mint(k.Env, token.Access{
		Client: client, Subject: user, Session: secret.NewID(), Grant: secret.NewID(), AuthTime: k.Clock.Now(), ACR: "Single_Factor",
		AMR: []string{"pwd"}, Scope: scope, User: u,
	})}
}

// anonymous calls without a token.
func (k *kit) anonymous() caller { return caller{k, ""} }

// caller makes requests with one Authorization header.
type caller struct {
	k             *kit
	authorization string
}

// get, post, put, patch and del make requests to a path behind /v1, in which {env} is home. body is a JSON
// text, a value to be marshalled, or nil for none. header are pairs of names and values; a Content-Type replaces
// that of JSON.
func (c caller) get(path string, header ...string) *answer { return c.do("GET", path, nil, header...) }
func (c caller) post(path string, body any, header ...string) *answer {
	return c.do("POST", path, body, header...)
}
func (c caller) put(path string, body any, header ...string) *answer {
	return c.do("PUT", path, body, header...)
}
func (c caller) patch(path string, body any, header ...string) *answer {
	return c.do("PATCH", path, body, header...)
}
func (c caller) del(path string, header ...string) *answer {
	return c.do("DELETE", path, nil, header...)
}

func (c caller) do(method, path string, body any, header ...string) *answer {
	c.k.t.Helper()
	var sent io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		sent = strings.NewReader(b)
	case []byte:
		sent = bytes.NewReader(b)
	case io.Reader:
		sent = b
	default:
		text, err := json.Marshal(b)
		if err != nil {
			c.k.t.Fatalf("body: %v", err)
		}
		sent = bytes.NewReader(text)
	}
	target := "https://" + strings.TrimPrefix(apiURL, "https://") + "/v1" + strings.ReplaceAll(path, "{env}", "environments/"+home)
	r, err := http.NewRequestWithContext(c.k.t.Context(), method, target, sent)
	if err != nil {
		c.k.t.Fatalf("%s %s: %v", method, path, err)
	}
	if sent == nil {
		r.Body = http.NoBody
	}
	r.RemoteAddr = "192.0.2.1:4711"
	if c.authorization != "" {
		r.Header.Set("Authorization", c.authorization)
	}
	if method != http.MethodGet && method != http.MethodDelete {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return c.k.serve(r)
}

// serve answers a request as a server does that has the API.
func (k *kit) serve(r *http.Request) *answer {
	k.t.Helper()
	w := httptest.NewRecorder()
	rt, serve := k.API.Match(r)
	if rt == nil {
		rt = &web.Route{Name: "unknown", AnyOrigin: true, Render: web.PingOne}
		serve = func(http.ResponseWriter, *http.Request) error { return web.NotFound() }
	}
	web.Handle(&k.host, rt, w, r, serve)
	return &answer{t: k.t, what: r.Method + " " + r.URL.RequestURI(), Status: w.Code, Header: w.Result().Header, Body: w.Body.Bytes()}
}

// answer is what came back.
type answer struct {
	t      testing.TB
	what   string
	Status int
	Header http.Header
	Body   []byte
}

// is ends the test unless the answer has a status.
func (a *answer) is(status int) *answer {
	a.t.Helper()
	if a.Status != status {
		a.t.Fatalf("%s: status = %d, want %d: %s", a.what, a.Status, status, a.Body)
	}
	if len(a.Body) > 0 && status != http.StatusNoContent && !strings.HasPrefix(a.Header.Get("Content-Type"), "application/") {
		a.t.Errorf("%s: Content-Type = %q", a.what, a.Header.Get("Content-Type"))
	}
	return a
}

// refused ends the test unless the answer is an error with a status, a code, and where they are given the code
// and target of its first detail.
func (a *answer) refused(status int, code string, detail ...string) *answer {
	a.t.Helper()
	a.is(status)
	if got := a.text("code"); got != code {
		a.t.Errorf("%s: code = %q, want %q: %s", a.what, got, code, a.Body)
	}
	for i, member := range []string{"details.0.code", "details.0.target"} {
		if i < len(detail) && a.text(member) != detail[i] {
			a.t.Errorf("%s: %s = %q, want %q: %s", a.what, member, a.text(member), detail[i], a.Body)
		}
	}
	if a.text("id") == "" || a.text("id") != a.Header.Get("Correlation-Id") {
		a.t.Errorf("%s: id = %q, Correlation-Id = %q", a.what, a.text("id"), a.Header.Get("Correlation-Id"))
	}
	return a
}

// json is the body.
func (a *answer) json() map[string]any {
	a.t.Helper()
	v := map[string]any{}
	if err := json.Unmarshal(a.Body, &v); err != nil {
		a.t.Fatalf("%s: the body is not JSON: %v: %s", a.what, err, a.Body)
	}
	return v
}

// at is a value of the body by the names and indexes that lead to it: "_embedded.users.0.id"; nil where there is none.
func (a *answer) at(path string) any {
	a.t.Helper()
	var v any = a.json()
	for name := range strings.SplitSeq(path, ".") {
		switch t := v.(type) {
		case map[string]any:
			v = t[name]
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i >= len(t) {
				return nil
			}
			v = t[i]
		default:
			return nil
		}
	}
	return v
}

// text is at where that is text, else "".
func (a *answer) text(path string) string {
	a.t.Helper()
	s, _ := a.at(path).(string)
	return s
}

// has compares members of the body with a JSON object: those that it has must be the same, and those that are
// null in it must not be there.
func (a *answer) has(want string) *answer {
	a.t.Helper()
	expected := map[string]any{}
	if err := json.Unmarshal([]byte(want), &expected); err != nil {
		a.t.Fatalf("want is not JSON: %v", err)
	}
	got := a.json()
	for name, value := range expected {
		have, there := got[name]
		switch {
		case value == nil && there:
			a.t.Errorf("%s: there is a member %s: %s", a.what, name, a.Body)
		case value != nil:
			if diff := cmp.Diff(value, have); diff != "" {
				a.t.Errorf("%s: %s (-want +got):\n%s", a.what, name, diff)
			}
		}
	}
	return a
}

// page follows the next links from a path and gives all items; each page has at most limit.
func (c caller) page(path, name string, limit int) []map[string]any {
	c.k.t.Helper()
	var all []map[string]any
	for pages := 0; ; pages++ {
		if pages > 1000 {
			c.k.t.Fatalf("%s: the links do not end", path)
		}
		a := c.get(path).is(http.StatusOK)
		items, ok := a.at("_embedded." + name).([]any)
		if !ok {
			c.k.t.Fatalf("%s: no _embedded.%s: %s", path, name, a.Body)
		}
		if len(items) > limit {
			c.k.t.Fatalf("%s: a page of %d, want at most %d", path, len(items), limit)
		}
		for _, it := range items {
			all = append(all, it.(map[string]any))
		}
		next := a.text("_links.next.href")
		if next == "" {
			return all
		}
		u, err := url.Parse(next)
		if err != nil || !strings.HasPrefix(next, apiURL+"/v1/") {
			c.k.t.Fatalf("%s: next = %q", path, next)
		}
		path = strings.TrimPrefix(u.RequestURI(), "/v1")
	}
}

// assign is the body of a role assignment.
func assign(role, kind, id string) map[string]any {
	r, _ := directory.RoleByName(role)
	return map[string]any{"role": map[string]any{"id": r.ID}, "scope": map[string]any{"type": kind, "id": id}}
}

// workerBody is the body of a worker application.
func workerBody(name string, enabled bool) map[string]any {
	return map[string]any{
		"name": name, "enabled": enabled, "protocol": "OPENID_CONNECT", "type": "WORKER", "grantTypes": []string{"CLIENT_CREDENTIALS"},
		"tokenEndpointAuthMethod": "CLIENT_SECRET_BASIC",
	}
}

// worker creates a worker application without roles in home and gives its ID.
func (k *kit) worker(name string) string {
	k.t.Helper()
	return k.as(root).post("/{env}/applications", workerBody(name, true)).is(http.StatusCreated).text("id")
}
