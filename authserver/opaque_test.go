package authserver_test

import (
	"context"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/resourceserver"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/declared"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

// opaqueConfig is declaredConfig with opaque access tokens in environment a, where
// client_secret_post alone has JWTs, and in b for one application.
func opaqueConfig(t testing.TB) *declared.Config {
	c := declaredConfig(t)
	c.Environments[0].AccessTokenFormat = "opaque"
	for i := range c.Environments[0].Applications {
		if a := &c.Environments[0].Applications[i]; a.ClientID == "client_secret_post" {
			a.AccessTokenFormat = "jwt"
		}
	}
	c.Environments[1].Applications[0].AccessTokenFormat = "opaque"
	return &c
}

// lookups is a store that counts who looks for access tokens.
type lookups struct {
	store.Store
	n   atomic.Int64
	err atomic.Pointer[error]
}

func (l *lookups) AccessTokenByID(ctx context.Context, environment, id string, expires, now time.Time) (store.AccessToken, error) {
	l.n.Add(1)
	if err := l.err.Load(); err != nil {
		return store.AccessToken{}, *err
	}
	return l.Store.AccessTokenByID(ctx, environment, id, expires, now)
}

// gateOf is a gate with this clock.
func gateOf(t testing.TB, clock *testkit.Clock, issuers ...resourceserver.Issuer) *resourceserver.Verifier {
	t.Helper()
	v, err := resourceserver.New(resourceserver.Config{Issuers: issuers, Now: clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return v
}

// why is the gate's verdict: "allowed", or the reason of a refusal.
func why(t testing.TB, v *resourceserver.Verifier, raw string) string {
	t.Helper()
	_, err := v.Verify(t.Context(), raw)
	if err == nil {
		return resourceserver.Allowed.String()
	}
	refusal, ok := errors.AsType[*resourceserver.Refusal](err)
	if !ok {
		t.Fatalf("verify: %v", err)
	}
	return refusal.Why.String()
}

func (g *rig) localIssuer(env, issuer string) resourceserver.Issuer {
	g.t.Helper()
	e, err := g.directory.EnvironmentByID(g.t.Context(), env)
	if err != nil {
		g.t.Fatal(err)
	}
	return resourceserver.Issuer{
		Issuer: issuer, Local: g.state.Local(e.At(store.Domain{Issuer: issuer})), Audience: []string{orders}, ClockSkew: -1,
	}
}

// Opaque tokens at a gate in the same process: whatever holds for JWTs holds for them.
func TestOpaqueAtTheGate(t *testing.T) {
	var log testkit.Buffer
	db := &lookups{Store: testkit.Store(t)}
	g := newRig(t, rigOptions{store: db, config: opaqueConfig(t), log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	gate := gateOf(t, g.clock, g.localIssuer(envA, issuerA))
	expect := func(t *testing.T, raw, want string) {
		t.Helper()
		for range 2 {
			if got := why(t, gate, raw); got != want {
				t.Errorf("verdict = %s, want %s", got, want)
			}
		}
	}
	raw := g.token(envA, basicClient)
	if !token.IsOpaque(raw) {
		t.Fatalf("a token of %d characters, want an opaque one", len(raw))
	}
	expect(t, raw, "allowed")
	seen, err := gate.Verify(t.Context(), raw)
	if err != nil || seen.Issuer() != issuerA || seen.Claims.ClientID != "client_secret_basic" || !seen.Expiry().Equal(noon.Add(time.Hour)) {
		t.Errorf("token = %+v, %v, want what a JWT would have said", seen, err)
	}
	var all []string
	all = append(all, raw)

	t.Run("an application's JWTs beside them", func(t *testing.T) {
		jwt := g.token(envA, post("client_secret_post", "posted-secret"))
		claimsOf(t, jwt)
		expect(t, jwt, "allowed")
	})
	t.Run("garbage does not reach the store", func(t *testing.T) {
		before := db.n.Load()
		for _, garbage := range []string{
			"x", strings.Repeat("a", 69), strings.Repeat("a", 71), strings.Repeat("a", 69) + "=", strings.Repeat(".", 70), raw[:69] + "~", raw + "A",
			strings.Repeat("a", 43), "mF_9B5f-4.1JqM",
		} {
			expect(t, garbage, "malformed")
		}
		if n := db.n.Load() - before; n != 0 {
			t.Errorf("look-ups = %d, want none", n)
		}
	})
	t.Run("a guess", func(t *testing.T) {
		for _, i := range []int{51, 10, 3} { // the secret, the jti, exp
			guess := changed(t, raw, i)
			expect(t, guess, "malformed")
			eventually(t, "the refusal is remembered", func() bool {
				before := db.n.Load()
				return why(t, gate, guess) == "malformed" && db.n.Load() == before
			})
		}
	})
	t.Run("of another environment", func(t *testing.T) {
		foreign := g.token(envB, basic("client_secret_basic", "basic-secret-b"))
		all = append(all, foreign)
		expect(t, foreign, "malformed")
		if got := why(t, gateOf(t, g.clock, g.localIssuer(envB, issuerB)), foreign); got != "allowed" {
			t.Errorf("at a gate of its own: %s, want allowed", got)
		}
	})
	t.Run("for another audience", func(t *testing.T) {
		other := g.token(envA, basic("two", "two-secret"), "scope=billing:read")
		all = append(all, other)
		expect(t, other, "wrong_audience")
	})
	t.Run("the store is away", func(t *testing.T) {
		unseen := g.token(envA, basicClient)
		all = append(all, unseen)
		db.err.Store(&store.ErrUnavailable)
		expect(t, unseen, "local_unavailable")
		expect(t, raw, "allowed") // it is known, and so is that it has not been revoked
		db.err.Store(nil)
		expect(t, unseen, "allowed")
	})
	t.Run("revoked: refused by the next request", func(t *testing.T) {
		kept := g.token(envA, basicClient)
		all = append(all, kept)
		expect(t, kept, "allowed")
		if got := g.form(envA, "revoke", basicClient, "token="+raw); got.status != 200 {
			t.Fatalf("revocation: %d %s", got.status, got.body)
		}
		expect(t, raw, "revoked")
		expect(t, kept, "allowed")
		if got := why(t, gateOf(t, g.clock, g.localIssuer(envA, issuerA)), raw); got != "revoked" {
			t.Errorf("at a gate that never saw it: %s, want revoked", got)
		}
	})
	t.Run("another node, before and after its start", func(t *testing.T) {
		young := g.token(envA, basicClient)
		all = append(all, young)
		elsewhere := newRig(t, rigOptions{store: db, config: opaqueConfig(t), idle: true})
		other := gateOf(t, g.clock, elsewhere.localIssuer(envA, issuerA))
		go func() {
			time.Sleep(20 * time.Millisecond)
			elsewhere.state.Start()
		}()
		if got := why(t, other, young); got != "allowed" { // it waits for the revocations
			t.Errorf("verdict = %s, want allowed", got)
		}
		if got := why(t, other, raw); got != "revoked" {
			t.Errorf("verdict of a revoked one = %s, want revoked", got)
		}
		g.form(envA, "revoke", basicClient, "token="+young)
		eventually(t, "the other node's gate refuses it", func() bool { return why(t, other, young) == "revoked" })
	})
	t.Run("expired", func(t *testing.T) {
		late := g.token(envA, basicClient)
		all = append(all, late)
		expect(t, late, "allowed")
		g.clock.Advance(time.Hour)
		expect(t, late, "expired")
		if got := why(t, gateOf(t, g.clock, g.localIssuer(envA, issuerA)), late); got != "expired" {
			t.Errorf("at a gate that never saw it: %s, want expired", got)
		}
	})
	for _, raw := range all {
		if strings.Contains(log.String(), raw) || strings.Contains(log.String(), raw[30:]) {
			t.Error("the log has a token")
		}
	}
}

// changed is an opaque token with one byte that is another.
func changed(t testing.TB, raw string, i int) string {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(raw)
	if err != nil {
		t.Fatal(err)
	}
	b[i]++
	return base64.RawURLEncoding.EncodeToString(b)
}

// A gate names one of an environment's issuers, and knows the tokens of that one alone.
func TestOpaqueIssuersAtTheGate(t *testing.T) {
	const realm = "https://am.example.com/am/oauth2/realms/root/realms/alpha"
	c := opaqueConfig(t)
	c.Environments[0].Issuers = []string{realm}
	c.Environments[0].Domains = []string{"login.example.com"}
	g := newRig(t, rigOptions{config: c})
	own := g.token(envA, basicClient)
	ofDomain := func() string {
		r := formRequest("https://login.example.com/as/token", basicClient, "grant_type=client_credentials")
		raw, ok := g.do(r).member("access_token").(string)
		if !ok {
			t.Fatal("no token from the domain")
		}
		return raw
	}()
	const domain = "https://login.example.com/as"
	for _, tt := range []struct {
		issuers       []string
		own, ofDomain string
	}{
		{[]string{issuerA}, "allowed", "unknown_issuer"},
		{[]string{domain}, "unknown_issuer", "allowed"},
		{[]string{realm}, "unknown_issuer", "unknown_issuer"},
		{[]string{realm, domain, issuerA}, "allowed", "allowed"},
	} {
		var list []resourceserver.Issuer
		for _, issuer := range tt.issuers {
			list = append(list, g.localIssuer(envA, issuer))
		}
		gate := gateOf(t, g.clock, list...)
		for range 2 {
			if got := why(t, gate, own); got != tt.own {
				t.Errorf("%q: own = %s, want %s", tt.issuers, got, tt.own)
			}
			if got := why(t, gate, ofDomain); got != tt.ofDomain {
				t.Errorf("%q: the domain's = %s, want %s", tt.issuers, got, tt.ofDomain)
			}
		}
	}
}

// Opaque tokens at a gate elsewhere, which asks the introspection endpoint.
func TestOpaqueElsewhere(t *testing.T) {
	g := newRig(t, rigOptions{config: opaqueConfig(t)})
	server := httptest.NewTLSServer(g.server)
	t.Cleanup(server.Close)
	asked := func(mode resourceserver.Mode, endpoint string) resourceserver.Issuer {
		is := resourceserver.Issuer{
			Issuer: issuerA, Audience: []string{orders}, Mode: mode, ClockSkew: -1,
			CA: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}),
			Introspection: resourceserver.Introspection{
				Endpoint: endpoint, ClientID: "orders", ClientSecret: "orders-secret", TTL: 10 * time.Second, OpaqueTokens: true,
			},
		}
		if mode == resourceserver.ModeBoth {
			is.RecheckEvery, is.JWKSURI = 10*time.Second, server.URL+"/"+envA+"/as/jwks"
		}
		return is
	}
	for _, mode := range []resourceserver.Mode{resourceserver.ModeIntrospect, resourceserver.ModeBoth} {
		t.Run(string(mode), func(t *testing.T) {
			gate := gateOf(t, g.clock, asked(mode, server.URL+"/"+envA+"/as/introspect"))
			expect := func(raw, want string) {
				t.Helper()
				for range 2 {
					if got := why(t, gate, raw); got != want {
						t.Errorf("verdict = %s, want %s", got, want)
					}
				}
			}
			opaque, jwt := g.token(envA, basicClient), g.token(envA, post("client_secret_post", "posted-secret"))
			expect(opaque, "allowed")
			expect(jwt, "allowed")
			seen, err := gate.Verify(t.Context(), opaque)
			if err != nil || seen.Claims.ClientID != "client_secret_basic" || !seen.Expiry().Equal(g.clock.Now().Add(time.Hour)) {
				t.Errorf("token = %+v, %v, want what the endpoint tells of it", seen, err)
			}
			expect(changed(t, opaque, 51), "inactive")
			expect(g.token(envA, basic("two", "two-secret"), "scope=billing:read"), "inactive") // this resource may not know it
			expect(g.token(envB, basic("client_secret_basic", "basic-secret-b")), "inactive")
			expect("garbage", "inactive")
			for _, raw := range []string{opaque, jwt} {
				for _, c := range []credential{basicClient, post("client_secret_post", "posted-secret")} {
					g.form(envA, "revoke", c, "token="+raw) // its own client's request ends it
				}
			}
			expect(opaque, "allowed") // for as long as the answer is believed
			g.clock.Advance(10 * time.Second)
			expect(opaque, "inactive")
			expect(jwt, "inactive")
			late := g.token(envA, basicClient)
			expect(late, "allowed")
			g.clock.Advance(time.Hour)
			if got := why(t, gate, late); got != "inactive" && got != "expired" {
				t.Errorf("an expired one: %s, want it refused", got)
			}
		})
	}
	t.Run("in process first, then elsewhere", func(t *testing.T) {
		local := g.localIssuer(envB, issuerB)
		both := gateOf(t, g.clock, asked(resourceserver.ModeIntrospect, server.URL+"/"+envA+"/as/introspect"), local)
		for _, raw := range []string{g.token(envA, basicClient), g.token(envB, basic("client_secret_basic", "basic-secret-b"))} {
			if got := why(t, both, raw); got != "allowed" {
				t.Errorf("verdict = %s, want allowed", got)
			}
		}
	})
}

// A reload that changes the format changes tokens to come. Those of either kind that there
// are work on, at the endpoints and at a gate.
func TestReloadOfFormat(t *testing.T) {
	c := declaredConfig(t)
	g := newRig(t, rigOptions{config: &c})
	gate := gateOf(t, g.clock, g.localIssuer(envA, issuerA))
	var tokens []string
	for i, step := range []struct {
		environment, application string
		opaque                   bool
	}{
		{"", "", false}, {"opaque", "", true}, {"opaque", "jwt", false}, {"jwt", "opaque", true}, {"", "opaque", true}, {"opaque", "opaque", true}, {"jwt", "", false},
	} {
		c := declaredConfig(t)
		c.Environments[0].AccessTokenFormat, c.Environments[0].Applications[0].AccessTokenFormat = step.environment, step.application
		directory, err := declared.New(c)
		if err != nil {
			t.Fatal(err)
		}
		server, err := authserver.New(t.Context(), authserver.Config{State: g.state, Directory: directory})
		if err != nil {
			t.Fatal(err)
		}
		g.server, g.directory = server, directory
		raw := g.token(envA, basicClient)
		if got := token.IsOpaque(raw); got != step.opaque {
			t.Errorf("step %d: opaque = %v, want %v", i, got, step.opaque)
		}
		tokens = append(tokens, raw)
		young := gateOf(t, g.clock, g.localIssuer(envA, issuerA))
		for j, raw := range tokens {
			if !g.active(envA, basicClient, raw) {
				t.Errorf("step %d: token %d is not active", i, j)
			}
			for _, v := range []*resourceserver.Verifier{gate, young} {
				if got := why(t, v, raw); got != "allowed" {
					t.Errorf("step %d: token %d at the gate: %s, want allowed", i, j, got)
				}
			}
		}
	}
	for j, raw := range tokens {
		if got := g.form(envA, "revoke", basicClient, "token="+raw); got.status != 200 {
			t.Errorf("revocation of token %d: %d", j, got.status)
		}
		if got := why(t, gate, raw); got != "revoked" {
			t.Errorf("token %d: %s, want revoked", j, got)
		}
	}
}

// The gate's view of an environment that the management API makes, and deletes again.
func TestOpaqueOfStoredEnvironment(t *testing.T) {
	db := &lookups{Store: testkit.Store(t)}
	config := opaqueConfig(t)
	config.Environments[0].Applications = append(config.Environments[0].Applications,
		declared.Application{ClientID: "root", Type: "worker", Secret: "root-secret", Roles: []string{"Organization Admin"}})
	g := newRig(t, rigOptions{store: db, config: config})
	bearer := "Bearer " + g.token(envA, basic("root", "root-secret"))
	if !token.IsOpaque(strings.TrimPrefix(bearer, "Bearer ")) {
		t.Error("a token for the management API is a JWT, want an opaque one")
	}
	call := func(status int, method, path, body string) answer {
		t.Helper()
		r := httptest.NewRequest(method, "https://auth.example.com/v1/environments"+path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", bearer)
		a := g.do(r)
		if a.status != status {
			t.Fatalf("%s %s: status %d, want %d: %s", method, path, a.status, status, a.body)
		}
		return a
	}
	all, err := g.directory.Environments(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	gateTo := func(id string) *resourceserver.Verifier {
		t.Helper()
		issuer := strings.Replace(issuerA, envA, id, 1)
		local, ok := g.state.StoredLocal(all, issuer)
		if !ok {
			t.Fatal("no view of a stored environment")
		}
		return gateOf(t, g.clock, resourceserver.Issuer{Issuer: issuer, Local: local, Audience: []string{orders}, ClockSkew: -1})
	}
	foreign := g.token(envA, basicClient)

	nowhere, before := gateTo(secret.NewID()), db.n.Load()
	for _, raw := range []string{foreign, "garbage"} {
		if got := why(t, nowhere, raw); got != "malformed" {
			t.Errorf("of an environment that there is not: %s, want malformed", got)
		}
	}
	if n := db.n.Load() - before; n != 0 {
		t.Errorf("look-ups = %d, want none where there is no environment", n)
	}

	const tenant = `{"name":"made","type":"SANDBOX","region":"EU","accessTokenFormat":"%s"}`
	id := text(call(201, "POST", "", fmt.Sprintf(tenant, "OPAQUE")), "id")
	resource := text(call(201, "POST", "/"+id+"/resources", `{"name":"orders","audience":"`+orders+`"}`), "id")
	scope := text(call(201, "POST", "/"+id+"/resources/"+resource+"/scopes", `{"name":"orders:read"}`), "id")
	app := text(call(201, "POST", "/"+id+"/applications", machine), "id")
	call(201, "POST", "/"+id+"/applications/"+app+"/grants", `{"resource":{"id":"`+resource+`"},"scopes":[{"id":"`+scope+`"}]}`)
	client := basic(app, text(call(200, "GET", "/"+id+"/applications/"+app+"/secret", ""), "secret"))

	gate := gateTo(id)
	expect := func(raw, want string) {
		t.Helper()
		for range 2 {
			if got := why(t, gate, raw); got != want {
				t.Errorf("verdict = %s, want %s", got, want)
			}
		}
	}
	expect(foreign, "malformed")
	opaque := g.token(id, client)
	expect(opaque, "allowed")
	call(200, "PUT", "/"+id+"/applications/"+app, strings.Replace(machine, `"enabled"`, `"accessTokenFormat":"JWT","enabled"`, 1))
	jwt := g.token(id, client)
	claimsOf(t, jwt)
	expect(jwt, "allowed")
	call(200, "PUT", "/"+id+"/applications/"+app, machine)
	ended := g.token(id, client)
	expect(ended, "allowed")
	g.form(id, "revoke", client, "token="+ended)
	expect(ended, "revoked")
	call(200, "PUT", "/"+id, fmt.Sprintf(tenant, "JWT"))
	unseen := g.token(id, client)
	claimsOf(t, unseen)
	expect(opaque, "allowed")

	call(200, "PUT", "/"+id, fmt.Sprintf(tenant, "OPAQUE"))
	never := g.token(id, client)
	call(204, "DELETE", "/"+id, "")
	for name, raw := range map[string]string{"opaque": opaque, "jwt": jwt, "never seen": never} {
		if got := why(t, gate, raw); got == "allowed" || got == "local_unavailable" {
			t.Errorf("%s, of an environment that is deleted: %s, want it refused", name, got)
		}
	}
	if got := why(t, gateTo(id), never); got != "malformed" {
		t.Errorf("at a gate that begins then: %s, want malformed", got)
	}
}
