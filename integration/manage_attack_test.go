package integration_test

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

const (
	noID           = "0d6a5b8e-0000-4000-8000-000000000002" // of nothing
	otherAdmin     = "4e1d9a06-52b7-4f83-9c1a-8b6f0d3e7a25" // a worker with roles on the other environment alone
	otherAdminPass = "other-admin-secret-5Yt2"
	typeLock       = "application/vnd.pingidentity.account.lock+json"
	typeSet        = "application/vnd.pingidentity.password.set+json"
)

const attackOther = `
			application ` + otherAdmin + ` {
				type worker
				secret ` + otherAdminPass + `
				role "Environment Admin" "Identity Data Admin"
			}`

// estate is one object of each kind in an environment.
type estate struct {
	env, in                                     string // the environment, and the path in front of what is in it
	user, application, mapping, grant, resource string
	assignment, scope, attribute, population    string
	subscription, key, activity                 string
	session, consent                            string // once its owner has signed on
}

// build makes an estate.
func (c *console) build(t testing.TB, env string) *estate {
	t.Helper()
	e := &estate{env: env, in: "/v1/environments/" + env}
	e.resource = c.create(t, e.in+"/resources", object{"name": "estate", "audience": "https://estate.example.com"})
	e.scope = c.create(t, e.in+"/resources/"+e.resource+"/scopes", object{"name": "estate:read"})
	e.attribute = c.create(t, e.in+"/resources/"+e.resource+"/attributes", object{"name": "colour", "value": "red"})
	e.application = c.create(t, e.in+"/applications", c.with(aService("estate"), "type", "WORKER"))
	e.mapping = c.create(t, e.in+"/applications/"+e.application+"/attributes", object{"name": "colour", "value": "red", "required": false})
	e.grant = c.create(t, e.in+"/applications/"+e.application+"/grants", object{"resource": ref(e.resource), "scopes": []object{ref(e.scope)}})
	e.assignment = c.create(t, e.in+"/applications/"+e.application+"/roleAssignments", object{
		"role": ref("29ddce68-cd7f-4b2a-b6fc-f7a19553b496"), "scope": object{"id": env, "type": "ENVIRONMENT"},
	})
	e.population = c.create(t, e.in+"/populations", object{"name": "estate"})
	e.user = c.create(t, e.in+"/users", object{
		"username": "estate-owner", "email": "owner@example.com", "population": ref(e.population), "password": object{"value": estatePassword},
	}, "Content-Type", "application/vnd.pingidentity.user.import+json")
	e.subscription = c.create(t, e.in+"/subscriptions", object{
		"name": "estate", "enabled": false, "protocol": "HTTPS", "format": "ACTIVITY", "verifyTlsCertificates": true,
		"httpEndpoint":  object{"url": "https://hooks.example.com/", "headers": object{"Authorization": estateHeader}},
		"filterOptions": object{"includedActionTypes": []string{"APPLICATION.*"}},
	})
	e.key = c.create(t, e.in+"/keys", object{
		"name": "estate", "algorithm": "EC", "keyLength": 256, "signatureAlgorithm": "SHA256withECDSA", "subjectDN": "CN=estate",
		"usageType": "SIGNING", "validityPeriod": 30,
	})
	e.activity = c.list(t, e.in+"/activities?limit=1", "activities")[0]["id"].(string)
	for _, path := range []string{"/applications/" + e.application, "/resources/" + e.resource, "/subscriptions/" + e.subscription} {
		c.secretOf(t, e.in+path)
	}
	c.n.secret("the estate's password", estatePassword)
	c.n.secret("the estate's header", estateHeader)
	return e
}

const (
	estatePassword = "estate-4Mq8-password"
	estateHeader   = "Bearer estate-header-7Gh2"
)

// signOn makes the owner's session, and a consent.
func (e *estate) signOn(t testing.TB, c *console, p *party) {
	t.Helper()
	newAgent(t, c.n).signOn(p.begin(c.n).address, "estate-owner", estatePassword)
	e.session = c.list(t, e.in+"/users/"+e.user+"/sessions", "sessions")[0]["id"].(string)
	e.consent = c.list(t, e.in+"/users/"+e.user+"/oauthConsents", "oauthConsents")[0]["id"].(string)
}

// paths are its objects as seen below an environment.
func (e *estate) paths() []string {
	return []string{
		"/users/" + e.user, "/users/" + e.user + "/password", "/users/" + e.user + "/sessions", "/users/" + e.user + "/oauthConsents", "/users/" + e.user + "/enabled",
		"/users/" + e.user + "/roleAssignments", "/applications/" + e.application, "/applications/" + e.application + "/secret",
		"/applications/" + e.application + "/attributes", "/applications/" + e.application + "/attributes/" + e.mapping,
		"/applications/" + e.application + "/grants", "/applications/" + e.application + "/grants/" + e.grant,
		"/applications/" + e.application + "/roleAssignments", "/applications/" + e.application + "/roleAssignments/" + e.assignment,
		"/resources/" + e.resource, "/resources/" + e.resource + "/secret", "/resources/" + e.resource + "/scopes", "/resources/" + e.resource + "/scopes/" + e.scope,
		"/resources/" + e.resource + "/attributes", "/resources/" + e.resource + "/attributes/" + e.attribute,
		"/populations/" + e.population, "/subscriptions/" + e.subscription, "/subscriptions/" + e.subscription + "/secret",
		"/keys/" + e.key, "/keys/" + e.key + "/applications", "/keys/" + e.key + "/csr", "/activities/" + e.activity,
		"/sessions/" + e.session, "/users/" + e.user + "/sessions/" + e.session, "/users/" + e.user + "/oauthConsents/" + e.consent,
	}
}

// unnamed is a path with noID in the place of its IDs.
func unnamed(path string) string { return uuid.ReplaceAllString(path, noID) }

var uuid = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)

// alike is what an answer says, without the IDs that are of the answer itself.
func alike(a answer) string { return fmt.Sprint(a.status, " ", uuid.ReplaceAllString(a.body, "…")) }

// changing are requests that would change something at a path.
func changing(path string) [][3]string {
	switch {
	case strings.HasSuffix(path, "/secret"):
		return [][3]string{{"POST", "{}"}, {"DELETE", ""}}
	case strings.HasSuffix(path, "/sessions"), strings.Contains(path, "/sessions/"), strings.Contains(path, "/oauthConsents/"):
		return [][3]string{{"DELETE", ""}}
	case strings.HasSuffix(path, "/enabled"):
		return [][3]string{{"PUT", `{"enabled":false}`}}
	case strings.HasSuffix(path, "/password"):
		return [][3]string{{"PUT", `{"value":"an-intruder-9Kx1-pass"}`, typeSet}}
	case strings.HasPrefix(path, "/activities/"), strings.Count(path, "/")%2 == 1:
		return nil
	case strings.HasPrefix(path, "/users/"):
		return [][3]string{{"PUT", `{"username":"x","email":"x@example.com"}`}, {"PATCH", `{"nickname":"x"}`}, {"DELETE", ""}, {"POST", "", typeLock}}
	case strings.Contains(path, "/roleAssignments/"):
		return [][3]string{{"DELETE", ""}}
	}
	return [][3]string{{"PUT", `{"name":"x","enabled":true,"protocol":"OPENID_CONNECT","type":"SERVICE","tokenEndpointAuthMethod":"CLIENT_SECRET_BASIC","value":"x","default":true,"usageType":"SIGNING"}`}, {"DELETE", ""}}
}

// startAttack runs a node with an application that people sign on to and consent at.
func startAttack(t *testing.T, b backend) (*node, *party) {
	t.Helper()
	t.Setenv("DESK_SECRET", deskSecret)
	shop := newParty(t, "shop", deskSecret, "127.0.0.1")
	n := start(t, config{
		storage: b, vars: map[string]string{"DESK": shop.base, "SHOP": shop.base}, other: attackOther, env: changeEnv + `
			application looker {
				type worker
				secret ` + lookerSecret + `
				role "Configuration Read Only" "Identity Data Read Only"
			}`,
	})
	n.secret("the secret of shop", deskSecret)
	n.secret("the secret of looker", lookerSecret)
	n.secret("the secret of the other administrator", otherAdminPass)
	return n, shop
}

// lookerSecret is the secret of a worker that may read everything and change nothing.
const lookerSecret = "looker-secret-2Bn6"

// TestAttackManagementEnvironments is case 108 at the management API.
func TestAttackManagementEnvironments(t *testing.T) {
	onEach(t, func(t *testing.T, b backend) {
		n, shop := startAttack(t, b)
		c := openConsole(t, n)
		a := c.build(t, mainEnv)
		a.signOn(t, c, shop)
		// One of the same organization, which the same administrator may do everything in.
		second := c.create(t, "/v1/environments", anEnvironment("second"))
		in := "/v1/environments/" + second
		foreigner := &console{n, n.url("as"), n.workerToken(t, otherEnv, otherAdmin, otherAdminPass, "")}
		untouched := func() (all []string) {
			for _, path := range a.paths() {
				path = strings.TrimSuffix(path, "/csr") // a request is signed anew each time
				all = append(all, c.want(t, http.StatusOK, http.MethodGet, a.in+path, nil).body)
			}
			return all
		}
		before := untouched()

		t.Run("case_108 objects of A below B", func(t *testing.T) {
			for _, path := range a.paths() {
				for _, try := range append([][3]string{{"GET", ""}}, changing(path)...) {
					var body any
					var header []string
					if try[1] != "" {
						body = try[1]
					}
					if try[2] != "" {
						header = []string{"Content-Type", try[2]}
					}
					got, nothing := c.send(t, try[0], in+path, body, header...), c.send(t, try[0], in+unnamed(path), body, header...)
					if got.status != http.StatusNotFound || alike(got) != alike(nothing) {
						t.Errorf("%s %s: %s, want 404 as for what nobody has: %s", try[0], path, alike(got), alike(nothing))
					}
				}
			}
		})
		t.Run("case_108 naming what is in A", func(t *testing.T) {
			app := c.create(t, in+"/applications", c.with(aService("there"), "type", "WORKER"))
			for _, tt := range []struct {
				path string
				body object
			}{
				{"/applications/" + app + "/grants", object{"resource": ref(a.resource), "scopes": []object{ref(a.scope)}}},
				{"/users", object{"username": "x", "email": "x@example.com", "population": ref(a.population)}},
				{"/applications", c.with(aService("x"), "signing", object{"keyRotationPolicy": ref(a.key)})},
			} {
				got := c.send(t, http.MethodPost, in+tt.path, tt.body)
				text := uuid.ReplaceAllString(fmt.Sprint(tt.body), noID)
				if got.status/100 != 4 || got.status == http.StatusNotFound {
					t.Errorf("POST %s %s: %d %s, want a refusal", tt.path, text, got.status, got.body)
				}
				if strings.Contains(got.body, "estate") {
					t.Errorf("POST %s: the answer tells of A: %s", tt.path, got.body)
				}
			}
		})
		t.Run("case_108 a role on A from within B", func(t *testing.T) {
			// Who administers the second environment gives roles there, and on nothing else.
			const environmentAdmin, dataAdmin = "29ddce68-cd7f-4b2a-b6fc-f7a19553b496", "0bd9c966-7664-4ac1-b059-0ff9293908e2"
			app := c.create(t, in+"/applications", c.with(aService("administrator"), "type", "WORKER"))
			give := func(role, kind, id string) object {
				return object{"role": ref(role), "scope": object{"id": id, "type": kind}}
			}
			roles := in + "/applications/" + app + "/roleAssignments"
			for _, role := range []string{environmentAdmin, dataAdmin} {
				c.create(t, roles, give(role, "ENVIRONMENT", second))
			}
			theirs := &console{n, n.url("as"), n.workerToken(t, second, app, c.secretOf(t, in+"/applications/"+app), "")}
			helper := theirs.create(t, in+"/applications", c.with(aService("helper"), "type", "WORKER"))
			theirs.create(t, in+"/applications/"+helper+"/roleAssignments", give(dataAdmin, "ENVIRONMENT", second))
			for _, on := range [][2]string{{"ENVIRONMENT", mainEnv}, {"POPULATION", a.population}, {"APPLICATION", a.application}, {"ORGANIZATION", mainEnv}} {
				for _, role := range []string{environmentAdmin, dataAdmin} {
					got := theirs.send(t, http.MethodPost, in+"/applications/"+helper+"/roleAssignments", give(role, on[0], on[1]))
					nothing := theirs.send(t, http.MethodPost, in+"/applications/"+helper+"/roleAssignments", give(role, on[0], noID))
					if got.status != http.StatusForbidden && got.status != http.StatusBadRequest || alike(got) != alike(nothing) {
						t.Errorf("on %s: %s, want a refusal as for what nobody has: %s", on[0], alike(got), alike(nothing))
					}
				}
			}
		})
		t.Run("case_108 a cursor of A", func(t *testing.T) {
			for _, path := range []string{"/resources", "/activities", "/users"} {
				c.importUser(t, "second-"+path[1:], "second-3Qd7-password") // so that there are two
				page := c.want(t, http.StatusOK, http.MethodGet, a.in+path+"?limit=1", nil).object(t)
				next, _ := page["_links"].(object)["next"].(object)
				if next == nil {
					t.Fatalf("%s has one page", path)
				}
				_, query, _ := strings.Cut(next["href"].(string), "?")
				if got := c.send(t, http.MethodGet, in+path+"?"+query, nil); got.status != http.StatusBadRequest || !strings.Contains(got.body, "INVALID_PARAMETER") {
					t.Errorf("%s: %d %s, want 400 INVALID_PARAMETER", path, got.status, got.body)
				}
			}
		})
		t.Run("case_108 a worker of B with a role on B alone", func(t *testing.T) {
			for _, path := range append(a.paths(), "", "/users", "/applications", "/resources", "/keys", "/activities", "/export", "/populations", "/subscriptions") {
				got, nothing := foreigner.send(t, http.MethodGet, a.in+path, nil), foreigner.send(t, http.MethodGet, "/v1/environments/"+noID+unnamed(path), nil)
				if got.status != http.StatusForbidden || alike(got) != alike(nothing) {
					t.Errorf("GET %s: %s, want 403 as for what nobody has: %s", path, alike(got), alike(nothing))
				}
				for _, try := range changing(path) {
					if got := foreigner.send(t, try[0], a.in+path, "{}"); got.status != http.StatusForbidden {
						t.Errorf("%s %s: %d, want 403", try[0], path, got.status)
					}
				}
			}
			if got := foreigner.want(t, http.StatusOK, http.MethodGet, "/v1/environments", nil).body; !strings.Contains(got, otherEnv) || strings.Contains(got, mainEnv) {
				t.Errorf("it sees the environments %s", got)
			}
			// Nor does it get at A by a filter, or as the organization.
			filter := "/v1/environments?filter=" + url.QueryEscape(`id eq "`+mainEnv+`" or name sw "main"`)
			if got := foreigner.want(t, http.StatusOK, http.MethodGet, filter, nil).object(t)["size"]; got != 0.0 {
				t.Errorf("a filter finds %v environments", got)
			}
			if got := foreigner.send(t, http.MethodGet, "/v1/organizations/"+mainEnv, nil); got.status/100 != 4 {
				t.Errorf("the organization of A: %d", got.status)
			}
			// What it may do in its own environment it can do.
			foreigner.want(t, http.StatusOK, http.MethodGet, "/v1/environments/"+otherEnv+"/users", nil)
		})
		t.Run("case_108 the environment's ID in another spelling", func(t *testing.T) {
			bearer := "Authorization: Bearer " + c.token
			if got := n.rawGet(t, "as", a.in+"/applications", bearer); got.status != http.StatusOK {
				t.Fatalf("as it is: %d", got.status)
			}
			for _, path := range []string{
				strings.ToUpper(mainEnv), "%35" + mainEnv[1:], mainEnv + "%00", mainEnv + "%20", mainEnv + ".", "{" + mainEnv + "}", "urn:uuid:" + mainEnv,
				strings.ReplaceAll(mainEnv, "-", ""), mainEnv + ";x=1", "", ".", "..", "%2e%2e", second + "/../" + mainEnv, second + "/%2e%2e/" + mainEnv,
				second + "%2f..%2f" + mainEnv, "./" + mainEnv, "/" + mainEnv, noID, "main", "*", "null", "-1", "00000000-0000-0000-0000-000000000000",
			} {
				got := n.rawGet(t, "as", "/v1/environments/"+path+"/applications", bearer)
				if got.status/100 != 4 || strings.Contains(got.body, "_embedded") {
					t.Errorf("%q: %d %.200s, want a refusal", path, got.status, got.body)
				}
			}
		})
		for i, now := range untouched() {
			if now != before[i] {
				t.Errorf("%s was changed:\n%s\n%s", a.paths()[i], before[i], now)
			}
		}
	})
}

// TestAttackManagement is case 119: the administration's interface.
func TestAttackManagement(t *testing.T) {
	onEach(t, func(t *testing.T, b backend) {
		n, desk := startAttack(t, b)
		c := openConsole(t, n)
		e := c.build(t, mainEnv)
		e.signOn(t, c, desk)
		looker := &console{n, n.url("as"), n.workerToken(t, mainEnv, "looker", lookerSecret, "")}
		nobody := &console{n, n.url("as"), ""}

		t.Run("case_119 what a page can send", func(t *testing.T) {
			// An administrator is signed on in the browser.
			c.create(t, "/users/"+e.user+"/roleAssignments", object{
				"role": ref("29ddce68-cd7f-4b2a-b6fc-f7a19553b496"), "scope": object{"id": mainEnv, "type": "ENVIRONMENT"},
			})
			at := newAgent(t, n)
			at.signOn(desk.begin(n).address, "estate-owner", estatePassword)
			cookies := at.client.Jar.Cookies(at.at)
			if issuer, err := url.Parse(n.vars["ISSUER"] + "/"); err == nil {
				cookies = at.client.Jar.Cookies(issuer)
			}
			if len(cookies) == 0 {
				t.Fatal("the browser has no cookies")
			}
			for name, header := range map[string][]string{
				"nothing":              nil,
				"another origin":       {"Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "cors"},
				"a form":               {"Origin", "https://evil.example", "Sec-Fetch-Mode", "navigate", "Content-Type", "application/x-www-form-urlencoded"},
				"text/plain":           {"Origin", "https://evil.example", "Sec-Fetch-Mode", "no-cors", "Content-Type", "text/plain"},
				"its own origin":       {"Origin", n.url("as"), "Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "cors"},
				"the client's secret":  {"Authorization", "Basic MGI3ZDNjNTItOWMxZi00ZjVlLThhNDQtNmExYzJlOWQ3ZjEwOnNkay1hZG1pbi1zZWNyZXQtM0pwWDd2UW0="},
				"an ID in the header":  {"X-User-Id", e.user, "X-Forwarded-User", "estate-owner"},
				"a method in a header": {"X-HTTP-Method-Override", "GET"},
			} {
				for _, path := range []string{"/applications", "/applications?access_token=" + c.token, "/users?token=" + c.token} {
					req := nobody.request(http.MethodPost, path, `{"name":"x","access_token":"`+c.token+`"}`, header...)
					for _, k := range cookies {
						req.AddCookie(k)
					}
					if got := n.do(t, req); got.status != http.StatusUnauthorized || !strings.HasPrefix(got.challenge(), "Bearer") {
						t.Errorf("%s: %d %s, want 401 and a Bearer challenge", name, got.status, got.challenge())
					}
					req = nobody.request(http.MethodGet, path, nil, header...)
					for _, k := range cookies {
						req.AddCookie(k)
					}
					if got := n.do(t, req); got.status != http.StatusUnauthorized {
						t.Errorf("%s, GET: %d, want 401", name, got.status)
					}
				}
			}
			pre := n.do(t, nobody.request(http.MethodOptions, "/applications", nil, "Origin", "https://evil.example", "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization"))
			if pre.header.Get("Access-Control-Allow-Credentials") != "" || strings.Contains(pre.header.Get("Access-Control-Allow-Origin"), "evil") {
				t.Errorf("preflight: %v, want no credentials and no origin by name", pre.header)
			}
			// With a token a page is as good as anybody.
			c.want(t, http.StatusOK, http.MethodGet, "/applications", nil, "Origin", "https://console.example", "Sec-Fetch-Mode", "cors")
		})

		t.Run("case_119 tokens that are none of the API's", func(t *testing.T) {
			at := newAgent(t, n)
			begun := desk.begin(n)
			at.signOn(begun.address, "estate-owner", estatePassword)
			signed := begun.redeem(t, n)
			for name, token := range map[string]string{
				"for another API": n.token(t, worker), "an ID token": signed.id, "of a person, for another API": signed.access,
				"damaged": c.token[:len(c.token)-4] + "AAAA", "none": "none", "two": c.token + " " + c.token, "unsigned": unsignedToken(t, c.token),
			} {
				if got := (&console{n, c.origin, token}).send(t, http.MethodGet, "/applications", nil); got.status != http.StatusUnauthorized {
					t.Errorf("%s: %d, want 401", name, got.status)
				}
			}
			if got := n.rawGet(t, "as", e.in+"/applications", "Authorization: Bearer "+c.token, "Authorization: Bearer "+looker.token); got.status/100 != 4 {
				t.Errorf("two tokens: %d, want a refusal", got.status)
			}
		})

		t.Run("case_119 paths that look like it", func(t *testing.T) {
			bearer := "Authorization: Bearer " + c.token
			for _, path := range []string{
				"/v1x/environments", "//v1/environments", "/v1//environments", "/v1/./environments", "/v1/../v1/environments", "/v1/../admin", "/x/../v1/environments",
				"/V1/environments", "/v1/Environments", "/v1/environments/", "/v1/environments;x=1", "/v1/environments%2f", "/v1%2fenvironments", "/%76%31/environments",
				"/v1/environments%00", "/v1/environments/" + mainEnv + "/applications/", "/v1/environments/" + mainEnv + "//applications",
				"/v1/environments/" + mainEnv + "/Applications", "/v1/environments/" + mainEnv + "/%61pplications", "/v1/environments/" + mainEnv + "/applications%3flimit=1",
				"/v1/environments/" + mainEnv + "/applications/../users", "/v1/environments/" + mainEnv + "/applications/%2e%2e/users",
				"/v1/environments/" + mainEnv + "/applications/..%2fusers", "/v1/environments/" + mainEnv + "\\applications", "/v2/environments", "/api/v1/environments",
				"/" + mainEnv + "/as/v1/environments", "/v1/environments/" + mainEnv + "/as/token",
			} {
				got := n.rawGet(t, "as", path, bearer)
				// What is not the server's Caddy answers in its place: with nothing here.
				if elsewhere := got.status == http.StatusOK && got.body == ""; !elsewhere && got.status != http.StatusNotFound && got.status != http.StatusBadRequest {
					t.Errorf("%s: %d %.200s, want 404", path, got.status, got.body)
				}
			}
			if got := n.rawGet(t, "as", "http://127.0.0.1/v1/environments", bearer); got.status != http.StatusOK {
				t.Errorf("in absolute form: %d, want 200", got.status) // RFC 9112 §3.2.2
			}
		})

		t.Run("case_119 indexes", func(t *testing.T) {
			for _, id := range []string{"0", "1", "-1", "*", "%25", "null", "undefined", "true", "[]", "%7B%7D", "%24where", "'", "1%20OR%201=1", e.application + "'", e.application + "%00", strings.ToUpper(e.application), "%20" + e.application, strings.Repeat("a", 3000)} {
				for _, path := range []string{"/applications/", "/users/", "/resources/", "/keys/", "/activities/", "/subscriptions/", "/populations/", "/sessions/", "/users/" + e.user + "/sessions/"} {
					if got := n.rawGet(t, "as", e.in+path+id, "Authorization: Bearer "+c.token); got.status != http.StatusNotFound {
						t.Errorf("%s%.60s: %d %.200s, want 404", path, id, got.status, got.body)
					}
				}
			}
			for query, want := range map[string]int{
				"limit=1": 200, "limit=99999": 200, "limit=0": 400, "limit=-1": 400, "limit=1e3": 400, "limit=99999999999999999999": 400, "limit=0x10": 400, "limit=1&limit=2": 400,
				"limit=%00": 400, "cursor[0]=x": 200, "limit[$gt]=1": 200, "cursor=%FF": 400, "limit=1;2": 400,
			} {
				for _, path := range []string{"/users", "/applications", "/activities"} {
					if got := n.rawGet(t, "as", e.in+path+"?"+query, "Authorization: Bearer "+c.token); got.status != want {
						t.Errorf("%s?%s: %d %.200s, want %d", path, query, got.status, got.body, want)
					}
				}
			}
		})

		t.Run("case_119 forged cursors", func(t *testing.T) {
			page := c.want(t, http.StatusOK, http.MethodGet, "/users?limit=1", nil).object(t)
			next, err := url.Parse(page["_links"].(object)["next"].(object)["href"].(string))
			if err != nil {
				t.Fatal(err)
			}
			good := next.Query().Get("cursor")
			c.want(t, http.StatusOK, http.MethodGet, "/users?limit=1&cursor="+good, nil)
			forged := []string{"x", good[1:], good[:len(good)-1], good + "A", good + "=", strings.ToUpper(good), "../" + good, good + good, "MTIzNDU2Nzg5MDEyJyBPUiAxPTE", strings.Repeat("A", 100_000)}
			for i := 0; i < len(good); i += 3 {
				replaced := byte('A')
				if good[i] == 'A' {
					replaced = 'B'
				}
				forged = append(forged, good[:i]+string(replaced)+good[i+1:])
			}
			for _, cursor := range forged {
				if got := c.send(t, http.MethodGet, "/users?limit=1&cursor="+url.QueryEscape(cursor), nil); got.status/100 != 4 {
					t.Errorf("%.60s: %d %.200s, want a refusal", cursor, got.status, got.body)
				}
			}
			for _, path := range []string{"/applications?cursor=", "/users?filter=username+sw+%22a%22&cursor=", "/activities?cursor=", "/users/" + e.user + "/sessions?cursor="} {
				if got := c.send(t, http.MethodGet, path+good, nil); got.status != http.StatusBadRequest {
					t.Errorf("the users' at %s: %d, want 400", path, got.status)
				}
			}
		})

		t.Run("case_119 filters and orders", func(t *testing.T) {
			for filter, want := range map[string]any{
				`username eq "estate-owner"`: 1.0, `username sw "%"`: 0.0, `username sw "_"`: 0.0, `username co "\\"`: 0.0,
				`username eq "x' OR '1'='1"`: 0.0, `username eq "'; DROP TABLE users; --"`: 0.0, `username eq "x\" or \"1\" eq \"1"`: 0.0,
				`username eq "estate-owner' --"`: 0.0, `username sw "estate-owner\u0000"`: "any",
				`username eq "x"; DROP TABLE users`: nil, `username eq 'estate-owner'`: nil, `1 eq 1`: nil, `username eq username`: nil, `username`: nil, `(`: nil,
				`username gt "a"`: nil, `username like "%"`: nil, `username eq {"$ne":null}`: nil,
				`password eq "x"`: nil, `password.value sw "$argon2"`: nil, `credential pr`: nil, `account.password co "a"`: nil, `environment.id eq "` + otherEnv + `"`: nil,
				strings.Repeat("(", 5000) + `username eq "a"` + strings.Repeat(")", 5000):     nil,
				strings.Repeat(`username eq "a" or `, 5000) + `username eq "a"`:               nil,
				strings.Repeat(`(username eq "a" or username eq "b") and `, 30) + `id eq "c"`: nil,
			} {
				got := c.send(t, http.MethodGet, "/users?filter="+url.QueryEscape(filter), nil)
				switch {
				case want == nil && got.status/100 != 4, want != nil && want != "any" && got.status != http.StatusOK, got.status >= 500:
					t.Errorf("%.80s: %d %.200s", filter, got.status, got.body)
				case want == nil || want == "any":
				case got.object(t)["size"] != want:
					t.Errorf("%.80s finds %v, want %v", filter, got.object(t)["size"], want)
				}
			}
			for _, path := range []string{"/users?order=password", "/users?sort=password%20desc", "/applications?order=(select%201)", "/activities?orderBy=1"} {
				if got := c.send(t, http.MethodGet, path, nil); got.status >= 500 || strings.Contains(got.body, "argon2") {
					t.Errorf("%s: %d", path, got.status)
				}
			}
		})

		t.Run("case_119 reading secrets back", func(t *testing.T) {
			n.mu.Lock()
			known := map[string]string{}
			for text, what := range n.secrets {
				known[text] = what
			}
			n.mu.Unlock()
			silent := func(path string, got answer) {
				t.Helper()
				for text, what := range known {
					if strings.Contains(got.body, text) {
						t.Errorf("GET %s shows %s", path, what)
					}
				}
				for _, hint := range []string{"argon2", "whsec_", "PRIVATE KEY", `"clientSecret"`, `"d":`} {
					if strings.Contains(got.body, hint) {
						t.Errorf("GET %s has %s in it: %.300s", path, hint, got.body)
					}
				}
			}
			lists := []string{
				"", "/applications", "/applications?expand=attributes", "/resources", "/users", "/users?expand=password", "/populations", "/subscriptions", "/keys",
				"/keyRotationPolicies", "/activities", "/activities?limit=500", "/export", "/export?declared=true", "/billOfMaterials", "/passwordPolicies",
			}
			for _, path := range append(e.paths(), lists...) {
				secret := strings.HasSuffix(path, "/secret")
				got := c.want(t, http.StatusOK, http.MethodGet, path, nil)
				if !secret {
					silent(path, got)
				} else if cache := got.header.Get("Cache-Control"); !strings.Contains(cache, "no-store") {
					t.Errorf("GET %s: Cache-Control = %q, want no-store", path, cache)
				}
				// Who may only look gets at no secret at all.
				switch got := looker.send(t, http.MethodGet, path, nil); {
				case secret && got.status != http.StatusForbidden:
					t.Errorf("GET %s by who may only look: %d, want 403", path, got.status)
				case !secret && got.status != http.StatusOK && !strings.HasPrefix(path, "/export") && !strings.HasSuffix(path, "/csr"):
					t.Errorf("GET %s by who may only look: %d %s, want 200", path, got.status, got.body)
				}
			}
			// What is written once is not shown by the answer to it either.
			made := c.want(t, http.StatusCreated, http.MethodPost, "/applications", c.with(aService("secretive"), "clientSecret", "secretive-7Rt5-secret"))
			n.secret("a secret that was brought along", "secretive-7Rt5-secret")
			if strings.Contains(made.body, "secretive-7Rt5-secret") {
				t.Error("a new application's secret is in the answer")
			}
			// A worker does not read its own, which would outlive its token.
			if got := c.send(t, http.MethodGet, "/applications/"+sdkAdmin+"/secret", nil); got.status != http.StatusForbidden {
				t.Errorf("one's own secret: %d, want 403", got.status)
			}
		})
	})
}

// unsignedToken is a token of the algorithm none.
func unsignedToken(t testing.TB, token string) string {
	t.Helper()
	return b64(mustJSON(t, object{"alg": "none", "typ": "at+jwt"})) + "." + strings.Split(token, ".")[1] + "."
}
