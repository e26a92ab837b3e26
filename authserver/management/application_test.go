package management_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

// shopBody is what Terraform sends for a web application.
func shopBody(name string) map[string]any {
	return map[string]any{
		"additionalRefreshTokenReplayProtectionEnabled": true, "allowWildcardInRedirectUris": false, "assignActorRoles": false,
		"devicePollingInterval": 5.0, "deviceTimeout": 600.0, "enabled": true, "grantTypes": []any{"AUTHORIZATION_CODE"}, "hiddenFromAppPortal": false,
		"idpSignoff": false, "includeX5t": false, "name": name, "opSessionCheckEnabled": false, "parRequirement": "OPTIONAL", "parTimeout": 60.0,
		"pkceEnforcement": "OPTIONAL", "protocol": "OPENID_CONNECT", "redirectUris": []any{"https://shop.example.com/cb"}, "refreshTokenDuration": 2592000.0,
		"refreshTokenRollingDuration": 15552000.0, "requestScopesForMultipleResourcesEnabled": false, "requireSignedRequestObject": false,
		"responseTypes": []any{"CODE"}, "supportUnsignedRequestObject": false, "tokenEndpointAuthMethod": "CLIENT_SECRET_BASIC", "type": "WEB_APP",
	}
}

func with(body map[string]any, name string, value any) map[string]any {
	body[name] = value
	return body
}

// around are the members that the server adds to every object.
func around(body map[string]any) map[string]any {
	for _, name := range []string{"_links", "id", "environment", "createdAt", "updatedAt"} {
		delete(body, name)
	}
	return body
}

func TestApplicationLife(t *testing.T) {
	k := newKit(t)
	c := k.as(developer)
	created := c.post("/{env}/applications", shopBody("Shop")).is(http.StatusCreated)
	if diff := cmp.Diff(shopBody("Shop"), around(created.json())); diff != "" {
		t.Errorf("created (-want +got):\n%s", diff)
	}
	id := created.text("id")
	self := apiURL + "/v1/environments/" + home + "/applications/" + id
	for link, want := range map[string]string{
		"self": self, "environment": apiURL + "/v1/environments/" + home, "attributes": self + "/attributes", "secret": self + "/secret", "grants": self + "/grants",
	} {
		if got := created.text("_links." + link + ".href"); got != want {
			t.Errorf("link %s = %q, want %q", link, got, want)
		}
	}
	if got := created.Header.Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type = %q, want application/json", got)
	}
	path := "/{env}/applications/" + id
	if diff := cmp.Diff(shopBody("Shop"), around(c.get(path).is(200).json())); diff != "" {
		t.Errorf("read (-want +got):\n%s", diff)
	}
	least := map[string]any{
		"name": "Shop 2", "enabled": true, "protocol": "OPENID_CONNECT", "type": "WEB_APP", "tokenEndpointAuthMethod": "CLIENT_SECRET_POST",
	}
	c.put(path, least).is(200).has(`{"name":"Shop 2","redirectUris":null,"grantTypes":null,"tags":null,"refreshTokenType":null,
		"postLogoutRedirectUris":null,"corsSettings":null,"kerberos":null,"refreshTokenRollingGracePeriodDuration":null,"clientSecret":null}`)
	c.put(path, least, "If-Match", created.Header.Get("ETag")).refused(http.StatusPreconditionFailed, "INVALID_REQUEST")
	c.del(path).is(http.StatusNoContent)
	c.get(path).refused(404, "NOT_FOUND")
	c.put(path, least).refused(404, "NOT_FOUND")
	c.del(path).refused(404, "NOT_FOUND")
}

func TestApplicationList(t *testing.T) {
	k := newKit(t)
	for _, name := range []string{"A", "B", "C"} {
		k.as(developer).post("/{env}/applications", shopBody(name)).is(201)
	}
	all := k.as(developer).page("/{env}/applications", "applications", 200)
	seen := map[string]bool{}
	for _, a := range all {
		seen[a["name"].(string)] = true
		if a["protocol"] == nil || a["type"] == nil {
			t.Errorf("%v lacks protocol or type, by which clients tell it from others", a)
		}
		if a["_embedded"] != nil {
			t.Errorf("%s has its attributes though nobody asked", a["name"])
		}
	}
	for _, name := range []string{"A", "B", "C", "web", root} {
		if !seen[name] {
			t.Errorf("%s is not listed", name)
		}
	}
	if got := k.as(developer).page("/{env}/applications?limit=2", "applications", 2); len(got) != len(all) {
		t.Errorf("%d in pages of two, want %d", len(got), len(all))
	}
	for _, a := range k.as(developer).page("/{env}/applications?expand=attributes&limit=5", "applications", 5) {
		attributes := a["_embedded"].(map[string]any)["attributes"].([]any)
		if len(attributes) != 1 || attributes[0].(map[string]any)["name"] != "sub" {
			t.Errorf("attributes of %s = %v, want sub", a["name"], attributes)
		}
	}
}

// Clients that registered themselves (RFC 7591) are seen by who administers, and can be deleted.
func TestRegisteredApplications(t *testing.T) {
	k := newKit(t)
	k.API.Live.Open = func(c store.RegisteredClient) (*store.Client, error) { return &c.Client, nil } // it has no secrets
	const id = "0198f000-0000-7000-8000-000000000001"
	err := k.Store.PutRegisteredClient(t.Context(), store.RegisteredClient{
		Environment: home, ID: id, CreatedAt: k.Clock.Now(), Metadata: []byte("{}"),
		Client: store.Client{
			Environment: home, ID: id, Name: "Stranger", Type: store.WebApp, Enabled: true, AuthMethod: "none",
			GrantTypes: []string{"authorization_code"}, RedirectURIs: []string{"https://stranger.example.com/cb"},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	c := k.as(developer)
	path := "/{env}/applications/" + id
	c.get(path).is(200).has(`{"name":"Stranger","protocol":"OPENID_CONNECT","type":"WEB_APP","redirectUris":["https://stranger.example.com/cb"]}`)
	all := c.page("/{env}/applications?limit=3", "applications", 3)
	if last := all[len(all)-1]; last["id"] != id || last["name"] != "Stranger" || last["protocol"] == nil {
		t.Errorf("the last application is %v, want the registered client", last)
	}
	c.put(path, shopBody("Friend")).refused(400, "INVALID_DATA", "CONSTRAINT_VIOLATION", "id")
	c.get(path+"/secret").refused(404, "NOT_FOUND")
	c.del(path).is(204)
	c.get(path).refused(404, "NOT_FOUND")
	if got := c.page("/{env}/applications", "applications", 200); len(got) != len(all)-1 {
		t.Errorf("%d applications are left of %d", len(got), len(all))
	}
}

func TestApplicationErrors(t *testing.T) {
	k := newKit(t)
	c := k.as(developer)
	c.post("/{env}/applications", with(shopBody("Shop"), "redirectUris", []string{"https://shop.example.com/*"})).refused(400, "INVALID_DATA", "INVALID_VALUE", "redirectUris")
	a := c.post("/{env}/applications", with(shopBody("Shop"), "redirectUris", []string{"https://shop.example.com/*"}))
	if !strings.HasPrefix(a.text("message"), "Wildcards are not allowed in redirect URIs.") {
		t.Errorf("message = %q, want what clients look for", a.text("message"))
	}
	c.post("/{env}/applications", with(shopBody("Shop"), "parTimeout", 601)).refused(400, "INVALID_DATA", "OUT_OF_RANGE", "parTimeout").has(
		`{"details":[{"code":"OUT_OF_RANGE","target":"parTimeout","message":"must be from 1 to 600","innerError":{"rangeMinimumValue":1,"rangeMaximumValue":600}}]}`)
	c.post("/{env}/applications", with(shopBody("Shop"), "parTimeout", "60")).refused(400, "INVALID_DATA", "INVALID_VALUE", "parTimeout")
	c.post("/{env}/applications", with(shopBody("Shop"), "grantTypes", "CODE")).refused(400, "INVALID_DATA", "INVALID_VALUE", "grantTypes")
	c.post("/{env}/applications", with(shopBody("Shop"), "refreshTokenDuration", 1e30)).refused(400, "INVALID_DATA", "INVALID_VALUE", "refreshTokenDuration")
	c.post("/{env}/applications", `[]`).refused(400, "INVALID_REQUEST")
	c.put("/{env}/applications/web", shopBody("web")).refused(400, "INVALID_DATA", "CONSTRAINT_VIOLATION")
	if got := c.put("/{env}/applications/web", shopBody("web")).text("details.0.message"); !strings.Contains(got, "Caddyfile:14") {
		t.Errorf("message = %q, want where it is declared", got)
	}
	c.del("/{env}/applications/web").refused(400, "INVALID_DATA", "CONSTRAINT_VIOLATION")
	for _, path := range []string{"/attributes", "/grants"} {
		c.post("/{env}/applications/web"+path, map[string]any{"name": "x", "value": "y"}).is(400)
		c.get("/{env}/applications/web" + path).is(200)
		c.get("/{env}/applications/"+nothing+path).refused(404, "NOT_FOUND")
		c.post("/{env}/applications/"+nothing+path, map[string]any{"name": "x", "value": "y"}).refused(404, "NOT_FOUND")
	}
}

// What a worker gets along: the roles of who creates it, and no more.
func TestAssignActorRoles(t *testing.T) {
	k := newKit(t)
	roles := func(id string) []string {
		var names []string
		for _, a := range k.as(root).page("/{env}/applications/"+id+"/roleAssignments", "roleAssignments", 200) {
			role, _ := directory.RoleByID(a["role"].(map[string]any)["id"].(string))
			names = append(names, role.Name)
		}
		return names
	}
	for _, tt := range []struct {
		name  string
		yes   any
		roles []string
	}{
		{"with", true, []string{directory.RoleApplicationDeveloper}},
		{"without", false, nil},
		{"not said", nil, nil},
	} {
		a := k.as(developer).post("/{env}/applications", with(workerBody("Worker "+tt.name, true), "assignActorRoles", tt.yes)).is(201)
		if got := a.at("assignActorRoles"); got != tt.yes {
			t.Errorf("%s: assignActorRoles = %v, want it as it was sent", tt.name, got)
		}
		if diff := cmp.Diff(tt.roles, roles(a.text("id"))); diff != "" {
			t.Errorf("%s: roles (-want +got):\n%s", tt.name, diff)
		}
	}
	a := k.as(developer).post("/{env}/applications", with(workerBody("Another", true), "assignActorRoles", true)).is(201)
	k.as(a.text("id")).get("/{env}/applications").is(200)
	k.as(developer).put("/{env}/applications/"+a.text("id"), with(workerBody("Another", false), "assignActorRoles", true)).is(200)
	k.as(a.text("id")).get("/{env}/applications").is(401) // disabled
}

func TestApplicationSecret(t *testing.T) {
	k := newKit(t)
	c := k.as(developer)
	id := c.post("/{env}/applications", shopBody("Shop")).is(201).text("id")
	path := "/{env}/applications/" + id + "/secret"
	first := c.get(path).is(200)
	secret := first.text("secret")
	if len(secret) < 64 || first.at("previous") != nil {
		t.Fatalf("got %s, want 64 characters and no previous secret", first.Body)
	}
	self := apiURL + "/v1/environments/" + home + "/applications/" + id
	if first.text("_links.self.href") != self+"/secret" || first.text("_links.application.href") != self || first.text("environment.id") != home {
		t.Errorf("got %s, want its links and environment", first.Body)
	}
	if got := first.Header.Get("Cache-Control"); !strings.Contains(got, "no-store") {
		t.Errorf("Cache-Control = %q, want no-store", got)
	}

	second := c.post(path, nil).is(200)
	if second.text("secret") == secret || second.at("previous") != nil {
		t.Errorf("got %s, want another one and the first gone", second.Body)
	}
	until := noon.Add(time.Hour)
	third := c.post(path, map[string]any{"previous": map[string]any{"expiresAt": until}}).is(200)
	if third.text("previous.secret") != second.text("secret") || third.text("previous.expiresAt") != "2026-03-01T13:00:00.000Z" || third.at("previous.lastUsed") != nil {
		t.Errorf("got %s, want the second one for an hour, never used", third.Body)
	}
	k.Clock.Advance(time.Minute)
	if err := k.Store.TouchObject(t.Context(), home, "secret", id, k.Clock.Now()); err != nil {
		t.Fatal(err)
	}
	c = k.as(developer)
	if got := c.get(path).text("previous.lastUsed"); got != "2026-03-01T12:01:00.000Z" {
		t.Errorf("lastUsed = %q", got)
	}
	k.Clock.Advance(time.Second)
	if a := c.post(path, map[string]any{"previous": map[string]any{"expiresAt": until}}).is(200); a.at("previous.lastUsed") != nil {
		t.Errorf("got %s, want the use of another secret not shown", a.Body)
	}
	c.del(path).is(http.StatusNoContent)
	if a := c.get(path).is(200); a.at("previous") != nil {
		t.Errorf("got %s, want no previous secret", a.Body)
	}
	c.del(path).is(http.StatusNoContent)

	for name, body := range map[string]string{
		"no end": `{"previous":{}}`, "no date": `{"previous":{"expiresAt":"soon"}}`, "too early": `{"previous":{"expiresAt":"2026-03-01T12:02:00Z"}}`,
		"too late": `{"previous":{"expiresAt":"2026-04-01T12:02:00Z"}}`, "a number": `{"previous":{"expiresAt":1}}`,
	} {
		if a := c.post(path, body); a.Status != 400 {
			t.Errorf("%s: status = %d, want 400: %s", name, a.Status, a.Body)
		}
	}
	if strings.Contains(k.Log.String(), secret) {
		t.Error("a secret is in the log")
	}
}

// TestLostSecret: whose secret is gone, as when the key that sealed it was lost, gets another one.
func TestLostSecret(t *testing.T) {
	k := newKit(t)
	c := k.as(developer)
	id := c.post("/{env}/applications", shopBody("Shop")).is(201).text("id")
	path := "/{env}/applications/" + id + "/secret"
	lost := c.get(path).is(200).text("secret")
	gone := []store.ObjectVersion{{Kind: store.KindSecret, ID: id, Version: 1}}
	if err := k.Store.Apply(t.Context(), store.Write{Environment: home, Delete: gone}); err != nil {
		t.Fatal(err)
	}
	c.get(path).is(404)
	c.post(path, nil, "If-Match", `"1"`).is(404)
	if fresh := c.post(path, nil).is(200).text("secret"); fresh == lost || c.get(path).is(200).text("secret") != fresh {
		t.Errorf("the secret is %q, want another one than %q, and that one shown", fresh, lost)
	}
	c.post("/{env}/applications/0c000000-0000-4000-8000-00000000000c/secret", nil).is(404)
}

func TestNoSecretToSee(t *testing.T) {
	k := newKit(t)
	c := k.as(root)
	spa := with(with(shopBody("SPA"), "type", "SINGLE_PAGE_APP"), "tokenEndpointAuthMethod", "NONE")
	public := c.post("/{env}/applications", spa).is(201).text("id")
	keyed := with(with(shopBody("Keyed"), "tokenEndpointAuthMethod", "PRIVATE_KEY_JWT"), "jwksUrl", "https://shop.example.com/jwks")
	private := c.post("/{env}/applications", keyed).is(201).text("id")
	for _, id := range []string{public, private, nothing} {
		path := "/{env}/applications/" + id + "/secret"
		c.get(path).refused(404, "NOT_FOUND")
		c.post(path, nil).refused(404, "NOT_FOUND")
		c.del(path).refused(404, "NOT_FOUND")
	}
	// Declared ones are to be seen, and changed where they are declared.
	if got := c.get("/{env}/applications/web/secret").is(200).text("secret"); got != "web-secret" {
		t.Errorf("secret = %q, want the declared one", got)
	}
	c.post("/{env}/applications/web/secret", nil).refused(400, "INVALID_DATA", "CONSTRAINT_VIOLATION")
	// Not in lists, nor in the applications themselves.
	for _, a := range c.page("/{env}/applications", "applications", 200) {
		for name := range a {
			if strings.Contains(strings.ToLower(name), "secret") {
				t.Errorf("application %s shows %s", a["name"], name)
			}
		}
	}
}

// By another's secret one has their roles: nobody gets at that of who has more
// than they have, and no worker at its own, which would outlive its token.
func TestSecretOfWhoHasMoreRoles(t *testing.T) {
	k := newKit(t)
	admin := k.worker("Admin")
	k.as(root).post("/{env}/applications/"+admin+"/roleAssignments", assign(directory.RoleEnvironmentAdmin, "ENVIRONMENT", home)).is(201)
	path := "/{env}/applications/" + admin
	for _, who := range []string{developer, configurationReader, helpDesk, nobody, admin} {
		k.as(who).get(path+"/secret").refused(403, "ACCESS_FAILED", "INSUFFICIENT_PERMISSIONS")
		k.as(who).post(path+"/secret", nil).refused(403, "ACCESS_FAILED", "INSUFFICIENT_PERMISSIONS")
		k.as(who).del(path+"/secret").refused(403, "ACCESS_FAILED", "INSUFFICIENT_PERMISSIONS")
	}
	k.as(developer).get("/{env}/applications/"+root+"/secret").refused(403, "ACCESS_FAILED")
	k.as(environmentAdmin).get(path + "/secret").is(200)
	k.as(root).get(path + "/secret").is(200)

	keyed := with(with(workerBody("Admin", true), "tokenEndpointAuthMethod", "PRIVATE_KEY_JWT"), "jwksUrl", "https://shop.example.com/jwks")
	k.as(developer).put(path, keyed).refused(403, "ACCESS_FAILED")
	k.as(developer).put(path, with(workerBody("Admin", true), "tokenEndpointAuthMethod", "CLIENT_SECRET_POST")).refused(403, "ACCESS_FAILED")
	k.as(developer).put(path, with(workerBody("Admin", true), "description", "x")).is(200)
	k.as(environmentAdmin).put(path, keyed).is(200)
	plain := k.worker("Plain")
	k.as(developer).get("/{env}/applications/" + plain + "/secret").is(200)
}

func TestGrants(t *testing.T) {
	k := newKit(t)
	c := k.as(developer)
	id := c.post("/{env}/applications", shopBody("Shop")).is(201).text("id")
	scopes := map[string]string{}
	for _, s := range c.page("/{env}/resources/orders/scopes", "scopes", 200) {
		scopes[s["name"].(string)] = s["id"].(string)
	}
	ref := func(id string) map[string]any { return map[string]any{"id": id} }
	body := func(names ...string) map[string]any {
		list := []map[string]any{}
		for _, n := range names {
			list = append(list, ref(scopes[n]))
		}
		return map[string]any{"resource": ref("orders"), "scopes": list}
	}
	path := "/{env}/applications/" + id + "/grants"
	a := c.post(path, body("orders:read", "orders:write")).is(201)
	if a.text("application.id") != id || a.text("resource.id") != "orders" || len(a.at("scopes").([]any)) != 2 {
		t.Errorf("got %s, want the application, the resource and the scopes", a.Body)
	}
	if got := a.text("_links.resource.href"); got != apiURL+"/v1/environments/"+home+"/resources/orders" {
		t.Errorf("link to the resource = %q", got)
	}
	c.post(path, body("orders:read")).refused(400, "INVALID_DATA", "UNIQUENESS_VIOLATION")
	raw := k.mint(k.Env, token.Access{Client: id, Audience: []string{"https://orders.example.com"}, Scope: []string{"orders:read", "orders:write"}})
	active := func() bool {
		_, err := k.API.Callers.Tokens.Verify(t.Context(), k.Env, raw)
		return err == nil
	}
	if !active() {
		t.Fatal("the token is not good from the beginning")
	}
	k.Clock.Advance(time.Second)
	c = k.as(developer)
	c.put(path+"/"+a.text("id"), body("orders:read")).is(200)
	if active() {
		t.Error("a token with more than what is granted now is still good")
	}
	if got := c.page(path, "grants", 200); len(got) != 1 || got[0]["application"].(map[string]any)["id"] != id {
		t.Errorf("got %v, want the one grant with its application", got)
	}
	c.del(path + "/" + a.text("id")).is(204)
	c.get(path+"/"+a.text("id")).refused(404, "NOT_FOUND")
	// A grant is found below its own application alone.
	b := c.post(path, body("orders:read")).is(201).text("id")
	other := c.post("/{env}/applications", shopBody("Other")).is(201).text("id")
	c.get("/{env}/applications/"+other+"/grants/"+b).refused(404, "NOT_FOUND")
	c.del("/{env}/applications/"+other+"/grants/"+b).refused(404, "NOT_FOUND")
}

func TestAttributeMappings(t *testing.T) {
	k := newKit(t)
	c := k.as(developer)
	id := c.post("/{env}/applications", shopBody("Shop")).is(201).text("id")
	path := "/{env}/applications/" + id + "/attributes"
	list := c.page(path, "attributes", 200)
	if len(list) != 1 || list[0]["name"] != "sub" || list[0]["mappingType"] != "CORE" || list[0]["value"] != "${user.id}" {
		t.Fatalf("got %v, want the core mapping of sub", list)
	}
	core := path + "/" + list[0]["id"].(string)
	a := c.post(path, map[string]any{"idToken": true, "userInfo": true, "name": "tier", "required": false, "value": "gold"}).is(201)
	a.has(`{"idToken":true,"userInfo":true,"name":"tier","required":false,"value":"gold","mappingType":"CUSTOM","oidcScopes":null,"nameFormat":null}`)
	if a.text("application.id") != id {
		t.Errorf("got %s, want the application named", a.Body)
	}
	for _, kind := range []string{"identityProvider", "resource", "schema", "integration"} {
		if a.at(kind) != nil {
			t.Errorf("got %s: by it clients take it for another kind of attribute", kind)
		}
	}
	c.post(path, map[string]any{"name": "acr", "value": "x"}).refused(400, "INVALID_DATA", "INVALID_VALUE", "name")
	c.put(core, map[string]any{"name": "sub", "value": "${user.id}", "required": true}).is(200)
	c.del(core).refused(400, "INVALID_DATA", "CONSTRAINT_VIOLATION")
	c.put(path+"/"+a.text("id"), map[string]any{"name": "tier", "value": "${user.nickname}", "required": false}).is(200).has(`{"value":"${user.nickname}"}`)
	c.del(path + "/" + a.text("id")).is(204)
}

// A role on one application shows that one, and hides the others.
func TestRoleOnOneApplication(t *testing.T) {
	k := newKit(t)
	mine := k.as(root).post("/{env}/applications", shopBody("Mine")).is(201).text("id")
	theirs := k.as(root).post("/{env}/applications", shopBody("Theirs")).is(201).text("id")
	owner := k.worker("Owner")
	k.as(root).post("/{env}/applications/"+owner+"/roleAssignments", assign(directory.RoleApplicationOwner, "APPLICATION", mine)).is(201)
	c := k.as(owner)
	if got := c.page("/{env}/applications", "applications", 200); len(got) != 1 || got[0]["id"] != mine {
		t.Errorf("got %v, want the one application", got)
	}
	c.get("/{env}/applications/" + mine).is(200)
	c.get("/{env}/applications/" + mine + "/secret").is(200)
	c.get("/{env}/applications/" + mine + "/attributes").is(200)
	c.put("/{env}/applications/"+mine, shopBody("Mine 2")).is(200)
	for _, id := range []string{theirs, nothing, "web"} {
		c.get("/{env}/applications/"+id).refused(404, "NOT_FOUND")
		c.put("/{env}/applications/"+id, shopBody("X")).refused(404, "NOT_FOUND")
		c.get("/{env}/applications/"+id+"/secret").refused(404, "NOT_FOUND")
		c.get("/{env}/applications/"+id+"/grants").refused(404, "NOT_FOUND")
	}
	c.post("/{env}/applications", shopBody("New")).refused(403, "ACCESS_FAILED")
	c.del("/{env}/applications/"+mine).refused(403, "ACCESS_FAILED")
}

func TestImportedCredentials(t *testing.T) {
	k := newKit(t)
	body := with(with(workerBody("Imported", true), "clientId", "from-elsewhere.1"), "clientSecret", "their-old-secret")
	a := k.as(developer).post("/{env}/applications", body).is(201)
	if a.text("id") != "from-elsewhere.1" || a.at("clientSecret") != nil {
		t.Errorf("got %s, want the imported ID and no secret", a.Body)
	}
	k.as(developer).get("/{env}/applications/from-elsewhere.1/secret").is(200).has(`{"secret":"their-old-secret"}`)
	k.as("from-elsewhere.1").get("/{env}/applications").refused(403, "ACCESS_FAILED") // known, without roles
	for _, id := range []string{alice, "orders-12", "web-1234"} {
		body := with(workerBody("Imported "+id, true), "clientId", id)
		want := 201
		if id == alice {
			want = 400
		}
		k.as(developer).post("/{env}/applications", body).is(want)
	}
	k.as(developer).post("/{env}/applications", with(workerBody("Again", true), "clientId", "from-elsewhere.1")).refused(400, "INVALID_DATA", "UNIQUENESS_VIOLATION")
	k.as(developer).post("/{env}/applications", with(workerBody("Slash", true), "clientId", "../../../etc")).refused(400, "INVALID_DATA", "INVALID_VALUE", "clientId")
}

func FuzzApplicationBody(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"name":"a","protocol":"OPENID_CONNECT","type":"WORKER","tokenEndpointAuthMethod":"CLIENT_SECRET_BASIC"}`,
		`{"mobile":{"integrityDetection":{"googlePlay":null}}}`, `{"name":null}`, `{"redirectUris":[null]}`, `{"signing":{"keyRotationPolicy":{}}}`, `[`, `{"a":`,
		`{"clientId":"00000000","name":"x","enabled":true,"protocol":"OPENID_CONNECT","type":"WEB_APP","tokenEndpointAuthMethod":"NONE"}`,
	} {
		f.Add(seed)
	}
	outer := newKit(f)
	f.Fuzz(func(t *testing.T, body string) {
		k := outer.in(t)
		for _, a := range []*answer{k.as(root).post("/{env}/applications", body), k.as(root).put("/{env}/applications/web", body)} {
			if a.Status >= 500 || a.Status < 200 {
				t.Errorf("%s: %d %s", body, a.Status, a.Body)
			}
			if a.Status == http.StatusCreated {
				k.as(root).del("/{env}/applications/" + a.text("id")).is(http.StatusNoContent)
			}
		}
	})
}
