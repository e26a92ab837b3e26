package integration_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
)

const (
	opaqueSecret = "opaque-secret-Vt83LmRa"

	// Applications of an environment whose tokens are JWTs otherwise.
	opaqueApplications = `
			sign_on {
				argon2 8MiB 1
			}
			application opaque-worker {
				type worker
				secret ` + opaqueSecret + `
				allow orders:read orders:write
				access_token_format opaque
			}
			application opaque-web {
				type web_app
				secret ` + opaqueSecret + `
				auth_method client_secret_basic
				grant authorization_code refresh_token
				redirect_uri $OPAQUE/callback
				allow openid profile email offline_access orders:read
				access_token_format opaque
			}`

	// An environment of opaque tokens with an application that wants JWTs.
	opaqueEnvironment = `
			access_token_format opaque
			application jwt-worker {
				type worker
				secret ` + opaqueSecret + `
				allow orders:read
				access_token_format jwt
			}`

	opaqueSites = `
http://:$OTHERGATE {
	log
	bearer_auth {
		issuer $OTHER_ISSUER
		audience ` + orders + `
		scope orders:read
		forward_claim client_id X-Client-Id
	}
	reverse_proxy $UPSTREAM
}
`
)

// TestOpaqueTokens: an opaque access token is as good as a JWT wherever one is shown: at the gate in process and at the
// one that asks over HTTP, at UserInfo, introspection and revocation. It says nothing by itself.
func TestOpaqueTokens(t *testing.T) {
	onEach(t, func(t *testing.T, store backend) {
		app := newParty(t, "opaque-web", opaqueSecret, "127.0.0.1")
		n := start(t, config{
			storage: store, global: "insecure_unlimited 127.0.0.0/8", env: opaqueApplications, other: opaqueEnvironment, sites: opaqueSites,
			ports: []string{"othergate"}, vars: map[string]string{"OPAQUE": app.base},
		})
		n.secret("alice's password", alicePassword)
		machine := basic("opaque-worker", opaqueSecret)
		otherWorker := basic("worker", secrets()["OTHER_SECRET"])
		at := func(token string) []int {
			return []int{n.call(t, "gate", "/", token).status, n.call(t, "asked", "/", token).status}
		}
		isOpaque := func(t *testing.T, token string) {
			t.Helper()
			if len(token) != 70 || strings.ContainsAny(token, ".=+/") {
				t.Fatalf("an access token of %d characters with %d dots, want 70 that say nothing", len(token), strings.Count(token, "."))
			}
		}

		t.Run("application", func(t *testing.T) {
			token := n.token(t, machine, "orders:read")
			isOpaque(t, token)
			if got := at(token); !slices.Equal(got, []int{200, 200}) {
				t.Errorf("gates = %v, want 200", got)
			}
			if id := n.upstream.last().header.Get("X-Client-Id"); id != "opaque-worker" {
				t.Errorf("X-Client-Id = %q", id)
			}
			// Scopes are judged as ever, and a gate that verifies by published keys alone does not know it.
			if a := n.call(t, "gate", "/admin", token); a.status != 403 {
				t.Errorf("without the scope: %d, want 403", a.status)
			}
			if a := n.call(t, "keys", "/", token); a.status != 401 {
				t.Errorf("a gate that takes JWTs alone: %d, want 401", a.status)
			}
			m := n.introspect(t, machine, token)
			if m["active"] != true || m["client_id"] != "opaque-worker" || m["scope"] != "orders:read" || m["token_type"] != "Bearer" || m["iss"] != n.vars["ISSUER"] {
				t.Errorf("introspection = %v, want what a JWT would say", m)
			}
			if jwt := n.introspect(t, worker, n.token(t, worker, "orders:read")); len(jwt) != len(m) {
				t.Errorf("introspection has %d members, %d for a JWT", len(m), len(jwt))
			}
			n.revoke(t, machine, token)
			if a := n.call(t, "gate", "/", token); a.status != 401 || !strings.Contains(a.challenge(), "invalid_token") {
				t.Errorf("the gate after the revocation: %d %s, want 401 at once", a.status, a.challenge())
			}
			if m := n.introspect(t, machine, token); m["active"] != false || len(m) != 1 {
				t.Errorf("introspection after the revocation = %v", m)
			}
			eventually(t, 3e9, "the gate that asks refuses", func() bool { return n.call(t, "asked", "/", token).status == 401 })
		})

		t.Run("environment", func(t *testing.T) {
			token := n.tokenFrom(t, n.formAt(t, n.vars["OTHER_ISSUER"]+"/token", otherWorker, "grant_type", "client_credentials", "scope", "orders:read"))
			isOpaque(t, token)
			jwt := n.tokenFrom(t, n.formAt(t, n.vars["OTHER_ISSUER"]+"/token", basic("jwt-worker", opaqueSecret), "grant_type", "client_credentials", "scope", "orders:read"))
			if strings.Count(jwt, ".") != 2 {
				t.Error("the application that wants JWTs has no JWT")
			}
			for what, token := range map[string]string{"opaque": token, "JWT": jwt} {
				if a := n.call(t, "othergate", "/", token); a.status != 200 {
					t.Errorf("%s at its gate: %d %s, want 200", what, a.status, a.challenge())
				}
				// Another environment's token is none here.
				if got := at(token); !slices.Equal(got, []int{401, 401}) {
					t.Errorf("%s at the other environment's gates: %v, want 401", what, got)
				}
				if m := n.introspect(t, worker, token); m["active"] != false {
					t.Errorf("%s at the other environment's introspection: %v, want inactive", what, m)
				}
			}
		})

		t.Run("people", func(t *testing.T) {
			began := app.begin(n, "scope", "openid email offline_access orders:read")
			newAgent(t, n).signOnAlice(began.address)
			got := began.redeem(t, n)
			isOpaque(t, got.access)
			if a := n.do(t, userInfoRequest(n, got.access)); a.status != 200 || !strings.Contains(a.body, "alice@example.com") {
				t.Errorf("UserInfo = %d %s, want alice's address", a.status, a.body)
			}
			if a := n.call(t, "gate", "/", got.access); a.status != 200 || n.upstream.last().header.Get("X-User-Id") != got.claims["sub"] {
				t.Errorf("the gate: %d with X-User-Id %q, want 200 and the ID token's sub", a.status, n.upstream.last().header.Get("X-User-Id"))
			}
			fresh := n.tokens(t, n.form(t, "/token", basic(app.id, app.secret), "grant_type", "refresh_token", "refresh_token", got.refresh))
			isOpaque(t, fresh.access)
			if got := at(fresh.access); !slices.Equal(got, []int{200, 200}) {
				t.Errorf("gates and a token of a refresh = %v, want 200", got)
			}
			// Ending the authorization ends both.
			n.revoke(t, basic(app.id, app.secret), fresh.refresh)
			for what, token := range map[string]string{"first": got.access, "refreshed": fresh.access} {
				if a := n.call(t, "gate", "/", token); a.status != 401 {
					t.Errorf("the %s token after its end: %d, want 401", what, a.status)
				}
				if a := n.do(t, userInfoRequest(n, token)); a.status != 401 {
					t.Errorf("the %s token at UserInfo after its end: %d, want 401", what, a.status)
				}
			}
		})

		t.Run("near misses", func(t *testing.T) {
			good := n.token(t, machine, "orders:read")
			n.passes(t, func() answer { return n.call(t, "gate", "/", good) })
			bad := map[string]string{
				"another secret":     good[:len(good)-8] + "AAAAAAAA",
				"another end":        "f" + good[1:],
				"a character short":  good[:len(good)-1],
				"a character more":   good + "A",
				"upside down":        strings.ToUpper(good),
				"the refresh length": good[:43],
			}
			n.refusesTokens(t, r401, "gate", bad)
			for name, token := range bad {
				a := n.form(t, "/introspect", machine, "token", token)
				var m map[string]any
				if json.Unmarshal([]byte(a.body), &m) != nil || m["active"] != false {
					t.Errorf("introspection of %s = %s, want inactive", name, a.body)
				}
			}
			n.passes(t, func() answer { return n.call(t, "gate", "/", good) })
		})

		t.Run("restart", func(t *testing.T) {
			kept, ended := n.token(t, machine, "orders:read"), n.token(t, machine, "orders:read")
			n.revoke(t, machine, ended)
			n.kill(t)
			n.run(t)
			if a := n.call(t, "gate", "/", kept); a.status != http.StatusOK {
				t.Errorf("an opaque token after a crash: %d %s, want 200", a.status, a.challenge())
			}
			if a := n.call(t, "gate", "/", ended); a.status != http.StatusUnauthorized {
				t.Errorf("a revoked one after a crash: %d, want 401", a.status)
			}
		})

		t.Run("case_123 weak randomness", func(t *testing.T) {
			seen := map[string]bool{}
			for range 300 {
				token := n.token(t, machine, "orders:read")
				secret := token[27:] // behind end and ID
				if seen[secret] {
					t.Fatal("a secret comes twice")
				}
				seen[secret] = true
			}
			for i := range 42 {
				at := map[byte]bool{}
				for s := range seen {
					at[s[i]] = true
				}
				if len(at) < 32 {
					t.Errorf("place %d of 300 tokens has %d different characters of 64", i, len(at))
				}
			}
		})
	})
}
