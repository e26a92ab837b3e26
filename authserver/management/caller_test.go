package management_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/declared"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

// Whatever is wrong with a token, the answer is the same 401 (RFC 6750 §3.1).
func TestBadTokens(t *testing.T) {
	k := newKit(t, func(c *declared.Config) {
		off := declared.Application{ClientID: "off", Type: "worker", Secret: "off-secret", Roles: []string{"Environment Admin"}, Disabled: true}
		c.Environments[0].Applications = append(c.Environments[0].Applications, off)
		c.Environments[0].Users[1].Disabled = true
	})
	good := k.as(root)
	good.get("/{env}").is(200)
	revoked := k.mint(k.Env, token.Access{Client: root})
	k.Clock.Advance(time.Second)
	if err := k.Store.PutRevocation(t.Context(), store.Revocation{
		Environment: home, Kind: store.RevokedClient, Value: root, At: k.Clock.Now().Add(-time.Second), ExpiresAt: k.Clock.Now().Add(time.Hour),
	}); err != nil {
		t.Fatal(err)
	}
	k.Clock.Advance(time.Second)
	expired := k.mint(k.Env, token.Access{Client: root, TTL: time.Second})
	k.Clock.Advance(time.Minute)
	good = k.as(root)
	raw := strings.TrimPrefix(good.authorization, "Bearer ")
	parts := strings.Split(raw, ".")
	other := newKit(t) // another server: other keys

	posing := *k.environment(stranger)
	posing.Issuer = k.Env.Issuer

	tests := []struct{ name, authorization string }{
		{"expired", "Bearer " + expired},
		{"revoked", "Bearer " + revoked},
		{"of another server", other.as(root).authorization},
		{"signed by another environment", "Bearer " + k.mint(&posing, token.Access{Client: root})},
		{"of another environment's client", "Bearer " + k.mint(k.environment(sibling), token.Access{Client: root})},
		{"for another audience", "Bearer " + k.mint(k.Env, token.Access{Client: root, Audience: []string{"https://orders.example.com"}})},
		{"of a client that there is not", "Bearer " + k.mint(k.Env, token.Access{Client: "gone"})},
		{"of a disabled client", "Bearer " + k.mint(k.Env, token.Access{Client: "off"})},
		{"of a disabled user", k.asUser("web", bob, "openid", "p1:read:user").authorization},
		{"of a user that there is not", "Bearer " + k.mint(k.Env, token.Access{Client: "web", Subject: nothing, Session: "s"})},
		{"of nobody in particular", "Bearer " + k.mint(k.Env, token.Access{Client: root, Session: "s"})},
		{"with another's signature", "Bearer " + parts[0] + "." + parts[1] + "." + strings.Split(expired, ".")[2]},
		{"cut", "Bearer " + raw[:len(raw)-4]},
		{"no JWT", "Bearer abc"},
		{"empty", "Bearer "},
		{"opaque", "Bearer " + secret.New().Reveal()},
		{"two tokens", "Bearer " + raw + " " + raw},
	}
	want := ""
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := caller{k, tt.authorization}.get("/{env}").refused(401, "ACCESS_FAILED", "INVALID_TOKEN")
			if got := a.text("message"); got != "The request could not be completed. You do not have access to this resource." {
				t.Errorf("message = %q", got)
			}
			challenge := a.Header.Get("WWW-Authenticate")
			if !strings.HasPrefix(challenge, `Bearer realm="management", error="invalid_token"`) {
				t.Errorf("WWW-Authenticate = %q", challenge)
			}
			body := strings.ReplaceAll(string(a.Body), a.text("id"), "") + challenge
			if want == "" {
				want = body
			} else if body != want {
				t.Errorf("the refusal tells why: %s, want %s", body, want)
			}
		})
	}
	for name, authorization := range map[string]string{"none": "", "Basic": "Basic cm9vdDp4", "DPoP": "DPoP " + raw, "no scheme": raw} {
		a := caller{k, authorization}.get("/{env}").refused(401, "ACCESS_FAILED", "INVALID_TOKEN")
		if got := a.Header.Get("WWW-Authenticate"); got != `Bearer realm="management"` {
			t.Errorf("%s: WWW-Authenticate = %q", name, got)
		}
	}
	caller{k, "bearer " + raw}.get("/{env}").is(200) // schemes are in any case (RFC 9110 §11.1)

	r, err := http.NewRequest(http.MethodGet, apiURL+"/v1/environments/"+home, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header["Authorization"] = []string{good.authorization, good.authorization}
	k.serve(r).refused(400, "INVALID_REQUEST")
	k.anonymous().get("/{env}?access_token="+raw).refused(401, "ACCESS_FAILED")
	if log := k.Log.String(); strings.Contains(log, raw) || strings.Contains(log, parts[2]) {
		t.Error("a token is in the log")
	}
}

// An ID token is no access token, even where its audience is one.
func TestIDTokenAtTheAPI(t *testing.T) {
	k := newKit(t, func(c *declared.Config) {
		c.Environments[0].APIAudience = "web"
	})
	client, err := k.API.Live.ClientByID(t.Context(), home, "web")
	if err != nil {
		t.Fatal(err)
	}
	user, err := k.API.Live.UserByID(t.Context(), home, alice)
	if err != nil {
		t.Fatal(err)
	}
	issuer := &token.IDTokens{Keys: k.API.Keys, Now: k.Clock.Now, Directory: k.API.Live}
	raw, err := issuer.Mint(t.Context(), k.Env, token.IDToken{
		Client: client, User: user, Scope: []string{"openid", "p1:read:user"},
		On: token.SignedOn{Subject: alice, Session: "s", AuthTime: k.Clock.Now(), ACR: "x", AMR: []string{"pwd"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	caller{k, "Bearer " + raw}.get("/{env}/users/"+alice).refused(401, "ACCESS_FAILED", "INVALID_TOKEN")
	k.asUser("web", alice, "openid", "p1:read:user").get("/{env}/users/" + alice).is(200)
}

// Roles are read at each call: what is given or taken counts for the next one.
func TestRolesCountAtOnce(t *testing.T) {
	k := newKit(t)
	id := k.worker("late")
	late := k.as(id)
	late.get("/{env}/applications").refused(403, "ACCESS_FAILED", "INSUFFICIENT_PERMISSIONS")
	path := "/{env}/applications/" + id + "/roleAssignments"
	if roles := k.client(id).Roles; len(roles) != 0 {
		t.Errorf("roles = %q, want none: then there is no token for the API", roles)
	}
	made := k.as(root).post(path, assign("Configuration Read Only", "ENVIRONMENT", home)).is(201)
	if roles := k.client(id).Roles; len(roles) != 1 || roles[0] != "Configuration Read Only" {
		t.Errorf("roles = %q, want the one that was given", roles)
	}
	late.get("/{env}/applications").is(200)
	late.get("/environments/" + sibling + "/applications").is(403)
	k.as(root).del(path + "/" + made.text("id")).is(204)
	late.get("/{env}/applications").is(403)

	// In another environment of the organization.
	k.as(root).post(path, assign("Configuration Read Only", "ENVIRONMENT", sibling)).is(201)
	late.get("/environments/" + sibling + "/applications").is(200)
	late.get("/{env}/applications").is(403)

	// A disabled application is nobody.
	k.as(root).put("/{env}/applications/"+id, workerBody("late", false)).is(200)
	late.get("/environments/" + sibling + "/applications").is(401)
}

// A user's roles count through a worker, and only through one (pingone-auth 18.5).
func TestRolesOfUsers(t *testing.T) {
	k := newKit(t)
	id := k.worker("console")
	k.as(root).post("/{env}/users/"+alice+"/roleAssignments", assign("Configuration Read Only", "ENVIRONMENT", home)).is(201)
	k.asUser(id, alice, "openid").get("/{env}/applications").is(200)
	k.asUser(id, bob, "openid").get("/{env}/applications").is(403)
	k.asUser("web", alice, "openid").get("/{env}/applications").is(403)
	// The worker's own roles do not count for a user that it acts for.
	k.asUser(root, bob, "openid").get("/{env}/applications").is(403)
}

// Self-service scopes reach the user themself alone (pingone-auth 18.2).
func TestSelfService(t *testing.T) {
	k := newKit(t)
	mine, other := "/{env}/users/"+alice, "/{env}/users/"+bob
	reads := k.asUser("web", alice, "openid", "p1:read:user")
	reads.get(mine).is(200)
	for _, path := range []string{other, "/{env}/users/" + nothing, "/{env}/users", mine + "/password", mine + "/sessions", mine + "/oauthConsents"} {
		if a := reads.get(path); a.Status != 403 {
			t.Errorf("%s: status = %d, want 403: %s", path, a.Status, a.Body)
		}
	}
	reads.put(mine, `{"username":"x","email":"x@example.com"}`).is(403)
	reads.del(mine).is(403)
	k.asUser("web", alice, "openid").get(mine).is(403)
	k.asUser("web", alice, "openid", "p1:update:user").get(mine).is(403)
	// Not in another environment, whatever the ID.
	reads.get("/environments/" + sibling + "/users/" + alice).is(403)
	// What people may not do to themselves.
	updates := k.asUser("web", alice, "openid", "p1:update:user", "p1:reset:userPassword")
	updates.put(mine+"/enabled", `{"enabled":true}`).is(403)
	updates.put(mine+"/population", `{"id":"`+nothing+`"}`).is(403)
	updates.put(mine+"/password", `{"value":"a-new-password-1"}`, "Content-Type", "application/vnd.pingidentity.password.set+json").is(403)
}

// client is an application of home as the protocols see it.
func (k *kit) client(id string) *store.Client {
	k.t.Helper()
	c, err := k.API.Live.ClientByID(k.t.Context(), home, id)
	if err != nil {
		k.t.Fatalf("client %s: %v", id, err)
	}
	return c
}

// A token that was issued through a custom domain is the environment's as well.
func TestTokenOfACustomDomain(t *testing.T) {
	k := newKit(t, func(c *declared.Config) { c.Environments[0].Domains = []string{"login.example.com"} })
	env, err := k.API.Live.EnvironmentByHost(t.Context(), "login.example.com")
	if err != nil {
		t.Fatal(err)
	}
	if env.Issuer == k.Env.Issuer {
		t.Fatal("the domain has no issuer of its own")
	}
	a := caller{k, "Bearer " + k.mint(env, token.Access{Client: root})}.get("/{env}").is(200)
	if got := a.text("_links.self.href"); got != apiURL+"/v1/environments/"+home {
		t.Errorf("self = %q", got)
	}
}

// FuzzAuthorization: whatever is presented is 401 or, twice the same header, 400; and nobody's good token but itself is good.
func FuzzAuthorization(f *testing.F) {
	k := newKit(f)
	good := k.as(root).authorization
	f.Add(good)
	f.Add("Bearer ")
	f.Add("Bearer a.b.c")
	f.Add("bearer eyJhbGciOiJub25lIn0.e30.")
	f.Add("Bearer " + strings.Repeat("a", 9000) + ".b.c")
	f.Fuzz(func(t *testing.T, authorization string) {
		k := k.in(t)
		r, err := http.NewRequest(http.MethodGet, apiURL+"/v1/environments/"+home, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header["Authorization"] = []string{authorization}
		a := k.serve(r)
		scheme, raw, _ := strings.Cut(authorization, " ")
		same := strings.EqualFold(scheme, "Bearer") && strings.TrimLeft(raw, " ") == strings.TrimPrefix(good, "Bearer ")
		if a.Status != 401 && !(a.Status == 200 && same) {
			t.Fatalf("%q: status = %d: %s", authorization, a.Status, a.Body)
		}
	})
}
