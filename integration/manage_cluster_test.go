package integration_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// changeRows have a resource each, whose tokens a gate of its own judges.
var changeRows = []string{"disabled", "enabled", "deleted", "rotated", "ungranted", "narrowed", "renamed", "unscoped", "unresourced", "readdressed"}

// changeSites are those gates, one below the other.
func changeSites() string {
	var b strings.Builder
	b.WriteString("\nhttp://:$MADE {\n")
	for _, row := range changeRows {
		fmt.Fprintf(&b, "\tbearer_auth /%[1]s {\n\t\tissuer $ISSUER\n\t\taudience https://%[1]s.example.com\n\t\tscope %[1]s:read\n\t}\n", row)
	}
	b.WriteString("\treverse_proxy $UPSTREAM\n}\n")
	return b.String()
}

const changeEnv = sdkEnv + `
			sign_on {
				argon2 8MiB 1
			}
			application desk {
				type web_app
				secret {env.DESK_SECRET}
				grant authorization_code refresh_token
				pkce s256_required
				redirect_uri $DESK/callback
				allow openid profile email offline_access orders:read
			}
			application shop {
				type web_app
				secret {env.DESK_SECRET}
				grant authorization_code refresh_token
				pkce s256_required
				consent once
				redirect_uri $SHOP/callback
				allow openid profile email offline_access orders:read
			}`

const deskSecret = "desk-secret-8Tn4VbQz61"

// changes is what the rows of TestChangesActAtOnce are made of: changes are made at a, and
// looked for at b.
type changes struct {
	a, b       *node
	api, apiB  *console
	desk, shop *party
	lags       []time.Duration // of who is told
}

// probe is something that answers differently after a change.
type probe struct {
	what          string
	ask           func(t *testing.T) string
	before, after string // "" before: not asked
	told          bool   // by a notification: gates in process, and who signs
}

// await asks once, or who is told until they have heard, and reports any other answer.
func (p *probe) await(t *testing.T, want string, wrong func(got string)) {
	t.Helper()
	got := p.ask(t)
	for limit := time.Now().Add(2 * time.Second); p.told && got != want && time.Now().Before(limit); {
		got = p.ask(t)
	}
	if got != want {
		wrong(got)
	}
}

// TestChangesActAtOnce makes each change that the API has at one node, and looks for what it does at
// the other one with the next request; at a gate in process, and in what it signs by, within the time of a notification.
func TestChangesActAtOnce(t *testing.T) {
	x := &changes{desk: newParty(t, "desk", deskSecret, "127.0.0.1"), shop: newParty(t, "shop", deskSecret, "127.0.0.1")}
	t.Setenv("DESK_SECRET", deskSecret)
	x.a, x.b = twins(t, config{
		env: changeEnv, global: "insecure_unlimited 127.0.0.0/8", sites: changeSites(), ports: []string{"made"},
		vars: map[string]string{"DESK": x.desk.base, "SHOP": x.shop.base},
	})
	x.a.secret("the secret of desk", deskSecret)
	x.api, x.apiB = openConsole(t, x.a), openConsole(t, x.b)

	for _, row := range []struct {
		name string
		make func(t *testing.T) (change func(t *testing.T), probes []probe)
	}{
		{"application disabled", x.applicationDisabled},
		{"application enabled again", x.applicationEnabled},
		{"application deleted", x.applicationDeleted},
		{"secret rotated", x.secretRotated},
		{"grant removed", x.grantRemoved},
		{"grant narrowed", x.grantNarrowed},
		{"scope renamed", x.scopeRenamed},
		{"scope deleted", x.scopeDeleted},
		{"resource deleted", x.resourceDeleted},
		{"audience changed", x.audienceChanged},
		{"redirect URI added", x.redirectURIAdded},
		{"user disabled", x.userDisabled},
		{"user deleted", x.userDeleted},
		{"user locked", x.userLocked},
		{"password set, to be changed", x.passwordForced},
		{"session ended", x.sessionEnded},
		{"consent withdrawn", x.consentWithdrawn},
		{"key made default", x.keyMadeDefault},
		{"role assignment removed", x.roleRemoved},
		{"worker disabled", x.workerDisabled},
		{"environment created", x.environmentCreated},
		{"environment deleted", x.environmentDeleted},
	} {
		t.Run(row.name, func(t *testing.T) {
			change, probes := row.make(t)
			for _, p := range probes {
				if p.before == "" {
					continue
				}
				p.await(t, p.before, func(got string) { t.Fatalf("before, %s: %s, want %s", p.what, got, p.before) })
			}
			change(t)
			answered := time.Now()
			for _, p := range probes {
				p.await(t, p.after, func(got string) { t.Errorf("%s: %s, want %s", p.what, got, p.after) })
				if p.told {
					x.lags = append(x.lags, time.Since(answered))
				}
			}
		})
	}
	if slices.Sort(x.lags); len(x.lags) > 0 {
		t.Logf("changed at A, counts in B's process: median %v, longest %v (requests included)", x.lags[len(x.lags)/2], x.lags[len(x.lags)-1])
	}
}

// made is an API and an application that may use it, both made at A.
type made struct {
	resource, scope, application, grant, secret, token string
}

// machine makes them, with a token that B has issued.
func (x *changes) machine(t *testing.T, row string) *made {
	t.Helper()
	m := &made{}
	m.resource = x.api.create(t, "/resources", object{"name": row, "audience": "https://" + row + ".example.com"})
	m.scope = x.api.create(t, "/resources/"+m.resource+"/scopes", object{"name": row + ":read"})
	m.application = x.api.create(t, "/applications", aService(row))
	m.grant = x.api.grant(t, m.application, m.resource, m.scope)
	m.secret = x.api.secretOf(t, "/applications/"+m.application)
	m.token = x.b.workerToken(t, mainEnv, m.application, m.secret, row+":read")
	return m
}

// gates are what A and B make of the token: A in the process where the change is made.
func (x *changes) gates(row string, m *made) []probe {
	at := func(n *node) func(t *testing.T) string {
		return func(t *testing.T) string { return fmt.Sprint(n.call(t, "made", "/"+row, m.token).status) }
	}
	return []probe{{"B's gate", at(x.b), "200", "401", true}, {"A's gate", at(x.a), "200", "401", false}}
}

// asked is what B's token endpoint answers to the application.
func (x *changes) asked(m *made, scope, before, after string) probe {
	return probe{"B's token endpoint", func(t *testing.T) string { return x.tokenAt(t, m.application, m.secret, scope) }, before, after, false}
}

func (x *changes) tokenAt(t *testing.T, id, secret, scope string) string {
	t.Helper()
	a := x.b.tryWorker(t, mainEnv, id, secret, scope)
	if a.status == http.StatusOK {
		x.b.tokenFrom(t, a)
		return "200"
	}
	return fmt.Sprint(a.status, " ", a.oauthError())
}

// introspected is what B says of the token.
func (x *changes) introspected(m *made) probe {
	return probe{"B's introspection", func(t *testing.T) string {
		return fmt.Sprint(x.b.introspect(t, basic(m.application, m.secret), m.token)["active"])
	}, "true", "false", false}
}

func (x *changes) put(path string, body any) func(*testing.T) {
	return func(t *testing.T) { t.Helper(); x.api.want(t, http.StatusOK, http.MethodPut, path, body) }
}

func (x *changes) remove(path string) func(*testing.T) {
	return func(t *testing.T) { t.Helper(); x.api.want(t, http.StatusNoContent, http.MethodDelete, path, nil) }
}

func (x *changes) applicationDisabled(t *testing.T) (func(*testing.T), []probe) {
	m := x.machine(t, "disabled")
	return x.put("/applications/"+m.application, x.api.with(aService("disabled"), "enabled", false)),
		slices.Concat(x.gates("disabled", m), []probe{x.asked(m, "disabled:read", "200", "401 invalid_client")})
}

// applicationEnabled: what it held before it was disabled stays ended, and new tokens are good at once.
func (x *changes) applicationEnabled(t *testing.T) (func(*testing.T), []probe) {
	m := x.machine(t, "enabled")
	path := "/applications/" + m.application
	x.put(path, x.api.with(aService("enabled"), "enabled", false))(t)
	old := x.gates("enabled", m)
	old[0].before, old[1].before = "401", "401"
	return x.put(path, aService("enabled")), slices.Concat(old, []probe{{"a new token at B's gate", func(t *testing.T) string {
		a := x.b.tryWorker(t, mainEnv, m.application, m.secret, "enabled:read")
		if a.status != http.StatusOK {
			return a.oauthError()
		}
		return fmt.Sprint(x.b.call(t, "made", "/enabled", x.b.tokenFrom(t, a)).status)
	}, "invalid_client", "200", false},
	})
}

func (x *changes) applicationDeleted(t *testing.T) (func(*testing.T), []probe) {
	m := x.machine(t, "deleted")
	return x.remove("/applications/" + m.application), slices.Concat(x.gates("deleted", m), []probe{x.asked(m, "deleted:read", "200", "401 invalid_client"),
		{"B's API", func(t *testing.T) string {
			return fmt.Sprint(x.apiB.send(t, http.MethodGet, "/applications/"+m.application, nil).status)
		}, "200", "404", false},
		{"its grants", func(t *testing.T) string {
			return fmt.Sprint(x.apiB.send(t, http.MethodGet, "/applications/"+m.application+"/grants", nil).status)
		}, "200", "404", false},
	})
}

func (x *changes) secretRotated(t *testing.T) (func(*testing.T), []probe) {
	m := x.machine(t, "rotated")
	fresh := ""
	rotate := func(t *testing.T) {
		fresh, _ = x.api.want(t, http.StatusOK, http.MethodPost, "/applications/"+m.application+"/secret", object{}).object(t)["secret"].(string)
		x.a.secret("a rotated secret", fresh)
	}
	return rotate, []probe{
		x.asked(m, "rotated:read", "200", "401 invalid_client"),
		{"the new secret at B", func(t *testing.T) string { return x.tokenAt(t, m.application, fresh, "rotated:read") }, "", "200", false},
		// A token that the old secret bought is the application's all the same.
		{"B's gate", func(t *testing.T) string { return fmt.Sprint(x.b.call(t, "made", "/rotated", m.token).status) }, "200", "200", false},
	}
}

func (x *changes) grantRemoved(t *testing.T) (func(*testing.T), []probe) {
	m := x.machine(t, "ungranted")
	return x.remove("/applications/" + m.application + "/grants/" + m.grant),
		slices.Concat(x.gates("ungranted", m), []probe{x.asked(m, "ungranted:read", "200", "400 invalid_scope")})
}

func (x *changes) grantNarrowed(t *testing.T) (func(*testing.T), []probe) {
	m := x.machine(t, "narrowed")
	more := x.api.create(t, "/resources/"+m.resource+"/scopes", object{"name": "narrowed:write"})
	grant := func(scopes ...object) object { return object{"resource": ref(m.resource), "scopes": scopes} }
	path := "/applications/" + m.application + "/grants/" + m.grant
	x.put(path, grant(ref(m.scope), ref(more)))(t)
	return x.put(path, grant(ref(more))), slices.Concat(x.gates("narrowed", m), []probe{x.asked(m, "narrowed:read", "200", "400 invalid_scope"), x.asked(m, "narrowed:write", "200", "200")})
}

func (x *changes) scopeRenamed(t *testing.T) (func(*testing.T), []probe) {
	m := x.machine(t, "renamed")
	return x.put("/resources/"+m.resource+"/scopes/"+m.scope, object{"name": "renamed:look"}), slices.Concat(x.gates("renamed", m), []probe{x.asked(m, "renamed:read", "200", "400 invalid_scope"), x.asked(m, "renamed:look", "400 invalid_scope", "200")})
}

func (x *changes) scopeDeleted(t *testing.T) (func(*testing.T), []probe) {
	m := x.machine(t, "unscoped")
	return x.remove("/resources/" + m.resource + "/scopes/" + m.scope),
		slices.Concat(x.gates("unscoped", m), []probe{x.asked(m, "unscoped:read", "200", "400 invalid_scope")})
}

func (x *changes) resourceDeleted(t *testing.T) (func(*testing.T), []probe) {
	m := x.machine(t, "unresourced")
	return x.remove("/resources/" + m.resource),
		slices.Concat(x.gates("unresourced", m), []probe{x.asked(m, "unresourced:read", "200", "400 invalid_scope")})
}

func (x *changes) audienceChanged(t *testing.T) (func(*testing.T), []probe) {
	m := x.machine(t, "readdressed")
	return x.put("/resources/"+m.resource, object{"name": "readdressed", "audience": "https://elsewhere.example.com"}), slices.Concat(x.gates("readdressed", m), []probe{x.introspected(m),
		{"the audience of B's new token", func(t *testing.T) string {
			return fmt.Sprint(claims(t, x.b.workerToken(t, mainEnv, m.application, m.secret, "readdressed:read"))["aud"])
		}, "[https://readdressed.example.com]", "[https://elsewhere.example.com]", false},
	})
}

// redirectURIAdded: an address that was not registered is never redirected to, from then on it is.
func (x *changes) redirectURIAdded(t *testing.T) (func(*testing.T), []probe) {
	body := object{
		"name": "redirected", "enabled": true, "protocol": "OPENID_CONNECT", "type": "WEB_APP", "tokenEndpointAuthMethod": "CLIENT_SECRET_BASIC",
		"grantTypes": []string{"AUTHORIZATION_CODE"}, "responseTypes": []string{"CODE"}, "redirectUris": []string{"https://old.example.com/cb"},
	}
	id := x.api.create(t, "/applications", body)
	for _, r := range x.api.list(t, "/resources", "resources") {
		if resource := r["id"].(string); r["type"] == "OPENID_CONNECT" {
			x.api.grant(t, id, resource, x.api.scope(t, resource, "openid"))
		}
	}
	p := &party{id: id, base: x.desk.base}
	return x.put("/applications/"+id, x.api.with(body, "redirectUris", []string{"https://old.example.com/cb", x.desk.base + "/callback"})),
		[]probe{{"authorize at B", func(t *testing.T) string {
			at := newAgent(t, x.b)
			if at.visit(p.begin(x.b, "scope", "openid").address); at.has("username") {
				return "the sign-on page"
			}
			return fmt.Sprint(at.status)
		}, "400", "the sign-on page", false}}
}

// person is somebody who has signed on at A.
type person struct {
	id, name, password string
	browser            *agent // at B, with the cookies that A gave
	got                signedIn
	p                  *party
}

func (x *changes) person(t *testing.T, name string, p *party) *person {
	t.Helper()
	u := &person{name: name, password: name + "-5vRq-walks-far", p: p}
	u.id = x.api.importUser(t, name, u.password)
	at := newAgent(t, x.a)
	begun := p.begin(x.a, "scope", "openid profile offline_access orders:read")
	at.signOn(begun.address, name, u.password)
	u.got = begun.redeem(t, x.a)
	u.browser = newAgent(t, x.b)
	u.browser.client.Jar = at.client.Jar
	return u
}

// cookie is what B answers to an application that wants no page to be shown.
func (x *changes) cookie(u *person, after string) probe {
	return probe{"the cookie at B", func(t *testing.T) string {
		u.browser.t = t
		u.browser.visit(u.p.begin(x.b, "scope", "openid", "prompt", "none").address)
		if e := u.browser.at.Query().Get("error"); e != "" {
			return e
		}
		if u.browser.at.Query().Get("code") != "" {
			return "code"
		}
		return fmt.Sprint(u.browser.status)
	}, "code", after, false}
}

func (x *changes) access(u *person) probe {
	return probe{"the access token at B's gate", func(t *testing.T) string { return fmt.Sprint(x.b.call(t, "gate", "/", u.got.access).status) }, "200", "401", true}
}

func (x *changes) userInfo(u *person) probe {
	return probe{"the access token at B's UserInfo", func(t *testing.T) string { return fmt.Sprint(x.b.do(t, userInfoRequest(x.b, u.got.access)).status) }, "200", "401", false}
}

// refresh asks B for new tokens. They replace the person's.
func (x *changes) refresh(u *person) probe {
	return probe{"the refresh token at B", func(t *testing.T) string {
		a := x.b.form(t, "/token", basic(u.p.id, u.p.secret), "grant_type", "refresh_token", "refresh_token", u.got.refresh)
		if a.status != http.StatusOK {
			return a.oauthError()
		}
		u.got = x.b.tokens(t, a)
		return "200"
	}, "200", "invalid_grant", false}
}

// password is the page that B shows after a password.
func (x *changes) password(u *person, before, after string) probe {
	return probe{"the password at B", func(t *testing.T) string {
		at := newAgent(t, x.b)
		at.visit(u.p.begin(x.b, "scope", "openid", "prompt", "login").address)
		at.press("submit", "username", u.name, "password", u.password)
		switch {
		case at.has("currentPassword"):
			return "change it"
		case at.has("alert"):
			return "refused"
		case at.at.Query().Get("code") != "":
			return "code"
		}
		return at.text()
	}, before, after, false}
}

func (x *changes) ended(u *person) []probe {
	return []probe{x.refresh(u), x.access(u), x.userInfo(u), x.cookie(u, "login_required")}
}

func (x *changes) userDisabled(t *testing.T) (func(*testing.T), []probe) {
	u := x.person(t, "dora", x.desk)
	return x.put("/users/"+u.id+"/enabled", object{"enabled": false}), append(x.ended(u), x.password(u, "code", "refused"))
}

func (x *changes) userDeleted(t *testing.T) (func(*testing.T), []probe) {
	u := x.person(t, "dick", x.desk)
	return x.remove("/users/" + u.id), append(x.ended(u), x.password(u, "code", "refused"))
}

// userLocked: a lock is against guessing; who is signed on stays so.
func (x *changes) userLocked(t *testing.T) (func(*testing.T), []probe) {
	u := x.person(t, "lola", x.desk)
	lock := func(t *testing.T) {
		x.api.want(t, http.StatusOK, http.MethodPost, "/users/"+u.id, nil, "Content-Type", "application/vnd.pingidentity.account.lock+json")
	}
	return lock, []probe{x.password(u, "code", "refused")}
}

func (x *changes) passwordForced(t *testing.T) (func(*testing.T), []probe) {
	u := x.person(t, "fred", x.desk)
	old := *u
	set := func(t *testing.T) {
		u.password = "fred-8Hw2-another-one"
		x.a.secret("fred's new password", u.password)
		x.api.want(t, http.StatusOK, http.MethodPut, "/users/"+u.id+"/password", object{"value": u.password, "forceChange": true},
			"Content-Type", "application/vnd.pingidentity.password.set+json")
	}
	wrong := x.password(&old, "code", "refused")
	wrong.what = "the old password at B"
	return set, []probe{wrong, x.password(u, "code", "change it")}
}

func (x *changes) sessionEnded(t *testing.T) (func(*testing.T), []probe) {
	u := x.person(t, "sue", x.desk)
	sessions := x.apiB.list(t, "/users/"+u.id+"/sessions", "sessions")
	if len(sessions) != 1 {
		t.Fatalf("B lists %d sessions, want 1", len(sessions))
	}
	return x.remove("/users/" + u.id + "/sessions/" + sessions[0]["id"].(string)), x.ended(u)
}

func (x *changes) consentWithdrawn(t *testing.T) (func(*testing.T), []probe) {
	u := x.person(t, "conny", x.shop)
	consents := x.apiB.list(t, "/users/"+u.id+"/oauthConsents", "oauthConsents")
	if len(consents) != 1 {
		t.Fatalf("B lists %d consents, want 1", len(consents))
	}
	return x.remove("/users/" + u.id + "/oauthConsents/" + consents[0]["id"].(string)),
		[]probe{x.refresh(u), x.access(u), x.userInfo(u), x.cookie(u, "consent_required")}
}

func (x *changes) keyMadeDefault(t *testing.T) (func(*testing.T), []probe) {
	key := object{
		"name": "by hand", "algorithm": "RSA", "keyLength": 2048, "signatureAlgorithm": "SHA256withRSA", "subjectDN": "CN=by hand",
		"usageType": "SIGNING", "validityPeriod": 365,
	}
	id := x.api.create(t, "/keys", key)
	before := part(t, x.a.token(t, worker), 0)["kid"]
	signs := func(n *node) func(t *testing.T) string {
		return func(t *testing.T) string {
			token := n.token(t, worker)
			kid := part(t, token, 0)["kid"]
			if got := x.b.call(t, "gate", "/", token).status; got != http.StatusOK {
				return fmt.Sprint("the gate says ", got)
			}
			if !slices.Contains(keyIDs(t, x.b), fmt.Sprint(kid)) {
				return "a key that B does not publish"
			}
			if kid == before {
				return "the old key"
			}
			return "the new key"
		}
	}
	return x.put("/keys/"+id, object{"default": true, "usageType": "SIGNING"}), []probe{
		{"A's token", signs(x.a), "the old key", "the new key", false},
		{"B's token", signs(x.b), "the old key", "the new key", true},
	}
}

// aWorker makes a worker that administers the environment, and gives its calls at B.
func (x *changes) aWorker(t *testing.T, name string) (id, assignment string, body object, atB *console) {
	t.Helper()
	body = x.api.with(aService(name), "type", "WORKER")
	id = x.api.create(t, "/applications", body)
	assignment = x.api.create(t, "/applications/"+id+"/roleAssignments", object{
		"role": ref("29ddce68-cd7f-4b2a-b6fc-f7a19553b496"), "scope": object{"id": mainEnv, "type": "ENVIRONMENT"},
	})
	secret := x.api.secretOf(t, "/applications/"+id)
	return id, assignment, body, &console{x.b, x.apiB.origin, x.b.workerToken(t, mainEnv, id, secret, "")}
}

func reads(c *console, before, after string) probe {
	return probe{"the worker at B", func(t *testing.T) string { return fmt.Sprint(c.send(t, http.MethodGet, "/applications", nil).status) }, before, after, false}
}

func (x *changes) roleRemoved(t *testing.T) (func(*testing.T), []probe) {
	id, assignment, _, atB := x.aWorker(t, "dismissed")
	return x.remove("/applications/" + id + "/roleAssignments/" + assignment), []probe{reads(atB, "200", "403")}
}

func (x *changes) workerDisabled(t *testing.T) (func(*testing.T), []probe) {
	id, _, body, atB := x.aWorker(t, "suspended")
	return x.put("/applications/"+id, x.api.with(body, "enabled", false)), []probe{reads(atB, "200", "401")}
}

func anEnvironment(name string) object {
	return object{"name": name, "type": "SANDBOX", "region": "EU"}
}

// served is what B answers at an environment's protocol paths and at its API.
func (x *changes) served(id *string, before, after string) []probe {
	return []probe{
		{"B's metadata", func(t *testing.T) string {
			return fmt.Sprint(x.b.visit(t, x.b.url("as")+"/"+*id+"/as/.well-known/openid-configuration").status)
		}, before, after, false},
		{"B's API", func(t *testing.T) string {
			return fmt.Sprint(x.apiB.send(t, http.MethodGet, "/v1/environments/"+*id, nil).status)
		}, before, after, false},
	}
}

func (x *changes) environmentCreated(t *testing.T) (func(*testing.T), []probe) {
	id := "0d6a5b8e-0000-4000-8000-000000000000"
	return func(t *testing.T) { id = x.api.create(t, "/v1/environments", anEnvironment("another")) }, x.served(&id, "404", "200")
}

func (x *changes) environmentDeleted(t *testing.T) (func(*testing.T), []probe) {
	id := x.api.create(t, "/v1/environments", anEnvironment("passing"))
	return func(t *testing.T) {
		x.api.want(t, http.StatusNoContent, http.MethodDelete, "/v1/environments/"+id, nil)
	}, x.served(&id, "200", "404")
}
