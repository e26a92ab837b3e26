package management_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// terraform makes the calls of PingOne's Terraform provider, with the bodies that it sends, and judges the answers as it
// does: a plan behind an apply must find nothing to change. That is so when every member that was sent comes back
// as it was, and none comes that was not sent, unless every object has it.
type terraform struct {
	caller
	t         *testing.T
	resources []*provisioned // in the order in which they were created
}

// provisioned is a resource that an apply has made.
type provisioned struct {
	kind string
	path string         // where it is read
	sent map[string]any // what configuration says; nil for what has no members of its own
	read map[string]any // what came back
	// before are the paths that the provider reads ahead of it, each time.
	before []string
	// also are paths of which it reads a part, each with what must be there.
	also map[string]map[string]any
	// kept: a deletion makes no call.
	kept bool
	// secret: what is read has members of no configuration.
	secret bool
}

// shown are the members that objects of a kind have whether or not they were sent: defaults
// that the service shows, and what it adds (pingone-management.md 3 to 12). Anything else must be absent, or null.
var shown = map[string][]string{
	"application": {
		"id", "_links", "environment", "createdAt", "updatedAt", "allowWildcardInRedirectUris", "pkceEnforcement", "parRequirement",
		"parTimeout", "refreshTokenDuration", "additionalRefreshTokenReplayProtectionEnabled", "requestScopesForMultipleResourcesEnabled",
		"supportUnsignedRequestObject", "requireSignedRequestObject", "idpSignoff", "opSessionCheckEnabled", "includeX5t", "deviceTimeout",
		"devicePollingInterval", "hiddenFromAppPortal", "assignActorRoles",
	},
	"resource": {
		"id", "_links", "environment", "createdAt", "updatedAt", "audience", "accessTokenValiditySeconds", "introspectEndpointAuthMethod",
		"applicationPermissionsSettings", "type",
	},
	"scope":      {"id", "_links", "environment", "createdAt", "updatedAt", "resource"},
	"attribute":  {"id", "_links", "environment", "createdAt", "updatedAt", "resource", "type"},
	"grant":      {"id", "_links", "environment", "createdAt", "updatedAt", "application"},
	"mapping":    {"id", "_links", "environment", "createdAt", "updatedAt", "application", "mappingType", "idToken", "userInfo"},
	"population": {"id", "_links", "environment", "createdAt", "updatedAt", "theme", "default", "userCount", "passwordPolicy"},
	"user": {
		"id", "_links", "environment", "createdAt", "updatedAt", "population", "enabled", "mfaEnabled", "emailVerified", "account",
		"identityProvider", "lifecycle", "verifyStatus",
	},
	"assignment": {"id", "_links", "environment", "createdAt", "updatedAt", "readOnly", "application", "user"}, // the last two are no member that clients know
	"key": {
		"id", "_links", "environment", "createdAt", "updatedAt", "default", "issuerDN", "serialNumber", "startsAt", "expiresAt", "status",
	},
}

// generic is a body as JSON has it.
func generic(t testing.TB, body any) map[string]any {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	v := map[string]any{}
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// inconsistent names the first member of sent that is not so in got; "" for none.
func inconsistent(sent, got any, at string) string {
	members, ok := sent.(map[string]any)
	if !ok {
		if !reflect.DeepEqual(sent, got) {
			return at
		}
		return ""
	}
	there, ok := got.(map[string]any)
	if !ok {
		return at
	}
	for name, value := range members {
		if value == nil && there[name] == nil {
			continue
		}
		if wrong := inconsistent(value, there[name], at+"."+name); wrong != "" {
			return wrong
		}
	}
	return ""
}

// judge reports what the provider calls an inconsistent result.
func (f *terraform) judge(r *provisioned, a *answer) {
	f.t.Helper()
	got := a.json()
	if wrong := inconsistent(generic(f.t, r.sent), got, r.kind); wrong != "" {
		f.t.Errorf("%s: %s did not come back as it was sent:\nsent %v\ngot  %s", a.what, wrong, r.sent, a.Body)
	}
	for name, value := range got {
		if _, sent := r.sent[name]; !sent && value != nil && !slices.Contains(shown[r.kind], name) {
			f.t.Errorf("%s: %s = %v, which was not sent", a.what, name, value)
		}
	}
}

// create posts what configuration says to a collection, and reads it as the next plan does.
func (f *terraform) create(kind, collection string, body map[string]any, before ...string) *provisioned {
	f.t.Helper()
	r := &provisioned{kind: kind, sent: body, before: before}
	for _, path := range before {
		f.get(path).is(http.StatusOK)
	}
	made := f.post(collection, body).is(http.StatusCreated)
	f.judge(r, made)
	r.path = collection + "/" + made.text("id")
	f.resources = append(f.resources, r)
	f.refresh(r)
	if diff := inconsistent(made.json(), r.read, kind); diff != "" {
		f.t.Errorf("%s: %s is read otherwise than it was answered", made.what, diff)
	}
	return r
}

// refresh reads a resource as a plan does.
func (f *terraform) refresh(r *provisioned) {
	f.t.Helper()
	for _, path := range r.before {
		f.get(path).is(http.StatusOK)
	}
	a := f.get(r.path).is(http.StatusOK)
	if !r.secret {
		f.judge(r, a)
	}
	for path, want := range r.also {
		part := f.get(path).is(http.StatusOK)
		if wrong := inconsistent(want, part.json(), path); wrong != "" {
			f.t.Errorf("%s: %s is not as it was set: %s", part.what, wrong, part.Body)
		}
	}
	r.read = a.json()
}

// plan reads everything: nothing may have changed.
func (f *terraform) plan() {
	f.t.Helper()
	for _, r := range f.resources {
		was := r.read
		f.refresh(r)
		delete(was, "userCount") // of which no configuration says anything
		delete(r.read, "userCount")
		if !reflect.DeepEqual(was, r.read) {
			f.t.Errorf("%s %s: a plan finds a difference:\n%v\n%v", r.kind, r.path, was, r.read)
		}
	}
}

// update puts what configuration says by now.
func (f *terraform) update(r *provisioned, body, answered map[string]any) {
	f.t.Helper()
	for _, path := range r.before {
		f.get(path).is(http.StatusOK)
	}
	r.sent = body
	a := f.put(r.path, body).is(http.StatusOK)
	if answered != nil {
		r.sent = answered
	}
	f.judge(r, a)
	f.refresh(r)
}

// destroy deletes everything, what came last first.
func (f *terraform) destroy() {
	f.t.Helper()
	for _, r := range slices.Backward(f.resources) {
		if r.kept {
			continue
		}
		if r.kind == "population" {
			filter := url.Values{"filter": {`population.id eq "` + r.read["id"].(string) + `"`}}.Encode()
			if left := f.page("/{env}/users?"+filter, "users", 200); len(left) > 0 {
				f.t.Errorf("%d users are left in a population", len(left))
			}
		}
		a := f.del(r.path).is(http.StatusNoContent)
		if len(a.Body) > 0 {
			f.t.Errorf("%s: an answer of %d bytes", a.what, len(a.Body))
		}
		f.get(r.path).refused(http.StatusNotFound, "NOT_FOUND")
		f.del(r.path).refused(http.StatusNotFound, "NOT_FOUND") // which the provider takes for done
	}
	f.resources = nil
}

// secretOf is pingone_application_secret, and pingone_resource_secret: rotated as it is created, and never deleted.
func (f *terraform) secretOf(r *provisioned) {
	f.t.Helper()
	s := &provisioned{kind: "secret", path: r.path + "/secret", kept: true, secret: true}
	rotated := f.do("POST", s.path, nil).is(http.StatusOK) // an empty body, with Content-Type: application/json
	f.refresh(s)
	if len(rotated.text("secret")) < 64 || rotated.text("secret") != s.read["secret"] {
		f.t.Errorf("%s: a secret of %d characters, and it is read as another one: %t",
			rotated.what, len(rotated.text("secret")), rotated.text("secret") != s.read["secret"])
	}
	f.resources = append(f.resources, s)
}

// resourceOf finds a resource as the provider does: in the list, by its type.
func (f *terraform) resourceOf(kind string) string {
	f.t.Helper()
	for _, r := range f.page("/{env}/resources", "resources", 200) {
		if r["type"] == kind {
			return r["id"].(string)
		}
	}
	f.t.Fatalf("no resource is %s", kind)
	return ""
}

// inList finds an object by its name in a list.
func (f *terraform) inList(path, embedded, name string) map[string]any {
	f.t.Helper()
	for _, it := range f.page(path, embedded, 200) {
		if it["name"] == name {
			return it
		}
	}
	f.t.Fatalf("%s: no %s is listed", path, name)
	return nil
}

// applicationBody is what the provider always sends for an application, and what configuration adds.
func applicationBody(name, kind, method string, grants []string, more map[string]any) map[string]any {
	body := shopBody(name)
	delete(body, "redirectUris")
	delete(body, "responseTypes")
	body["type"], body["tokenEndpointAuthMethod"], body["grantTypes"] = kind, method, grants
	maps.Copy(body, more)
	return body
}

const terraformKeys = `{"keys":[{"kty":"EC","crv":"P-256","kid":"k1","use":"sig","alg":"ES256",` +
	`"x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}`

// terraformApplications are applications of every type that can be made, with each member at least once.
func terraformApplications(key, policy string) map[string]map[string]any {
	code, client := []string{"AUTHORIZATION_CODE"}, []string{"CLIENT_CREDENTIALS"}
	return map[string]map[string]any{
		"least": applicationBody("TF least", "SERVICE", "CLIENT_SECRET_BASIC", client, nil),
		"web": applicationBody("TF web", "WEB_APP", "CLIENT_SECRET_BASIC", []string{"AUTHORIZATION_CODE", "IMPLICIT", "REFRESH_TOKEN"}, map[string]any{
			"responseTypes": []string{"CODE", "TOKEN", "ID_TOKEN"}, "description": "a shop",
			"redirectUris":           []string{"https://b.example.com/cb", "https://a.example.com/cb?x=1", "http://localhost:8080/cb", "http://127.0.0.1/cb"},
			"postLogoutRedirectUris": []string{"https://shop.example.com/bye", "com.example.shop://bye"},
			"pkceEnforcement":        "S256_REQUIRED", "parRequirement": "REQUIRED", "parTimeout": 600, "homePageUrl": "https://shop.example.com",
			"initiateLoginUri": "https://shop.example.com/login", "targetLinkUri": "https://shop.example.com/start", "loginPageUrl": "http://localhost/sign-on",
			"icon":                map[string]any{"id": nothing, "href": "https://shop.example.com/icon.png"},
			"corsSettings":        map[string]any{"behavior": "ALLOW_SPECIFIC_ORIGINS", "origins": []string{"https://shop.example.com", "http://localhost:3000", "https://*.example.com"}},
			"hiddenFromAppPortal": true, "idpSignoff": true, "includeX5t": true, "opSessionCheckEnabled": true,
			"refreshTokenDuration": 3600, "refreshTokenRollingDuration": 7200, "refreshTokenRollingGracePeriodDuration": 30,
			"additionalRefreshTokenReplayProtectionEnabled": false, "requestScopesForMultipleResourcesEnabled": true,
			"signing": map[string]any{"keyRotationPolicy": map[string]any{"id": policy}},
		}),
		"wildcards": applicationBody("TF wildcards", "WEB_APP", "CLIENT_SECRET_POST", code, map[string]any{
			"responseTypes": []string{"CODE"}, "redirectUris": []string{"https://shop.example.com/ret*/done"}, "allowWildcardInRedirectUris": true,
		}),
		"key method": applicationBody("TF private key", "WEB_APP", "PRIVATE_KEY_JWT", code, map[string]any{
			"responseTypes": []string{"CODE"}, "redirectUris": []string{"https://shop.example.com/cb"}, "jwks": terraformKeys, "requireSignedRequestObject": true,
		}),
		"key set by URL": applicationBody("TF key set", "SERVICE", "PRIVATE_KEY_JWT", client, map[string]any{
			"jwksUrl": "https://shop.example.com/jwks.json",
		}),
		"secret JWT": applicationBody("TF secret JWT", "WEB_APP", "CLIENT_SECRET_JWT", code, map[string]any{
			"responseTypes": []string{"CODE"}, "redirectUris": []string{"https://shop.example.com/cb"}, "supportUnsignedRequestObject": true,
			"kerberos": map[string]any{"key": map[string]any{"id": key}},
		}),
		"native": applicationBody("TF native", "NATIVE_APP", "NONE", []string{"AUTHORIZATION_CODE", "REFRESH_TOKEN"}, map[string]any{
			"responseTypes": []string{"CODE"}, "redirectUris": []string{"com.example.app://cb"}, "pkceEnforcement": "S256_REQUIRED",
			"mobile": map[string]any{
				"bundleId": "com.example.app", "packageName": "com.example.app", "huaweiAppId": "1", "universalAppLink": "https://app.example.com",
				"integrityDetection": map[string]any{"mode": "DISABLED"}, "passcodeRefreshDuration": map[string]any{"duration": 30, "timeUnit": "SECONDS"},
			},
		}),
		"single page": applicationBody("TF single page", "SINGLE_PAGE_APP", "NONE", code, map[string]any{
			"responseTypes": []string{"CODE"}, "redirectUris": []string{"https://spa.example.com"}, "corsSettings": map[string]any{"behavior": "ALLOW_NO_ORIGINS"},
		}),
		"device": applicationBody("TF device", "CUSTOM_APP", "NONE", []string{"DEVICE_CODE", "REFRESH_TOKEN"}, map[string]any{
			"devicePathId": "tv-1", "deviceCustomVerificationUri": "https://tv.example.com/go", "deviceTimeout": 3600, "devicePollingInterval": 1,
		}),
		"worker": applicationBody("TF worker", "WORKER", "CLIENT_SECRET_POST", client, map[string]any{
			"tags": []string{"PING_FED_CONNECTION_INTEGRATION"}, "accessControl": map[string]any{"role": map[string]any{"type": "ADMIN_USERS_ONLY"}},
		}),
	}
}

// The thirteen resources of the call matrix (pingone-management.md 13), through create, plan, update, plan and
// destroy.
func TestTerraform(t *testing.T) {
	k := newKit(t)
	f := &terraform{k.as(root), t, nil}

	// pingone_key
	key := f.create("key", "/{env}/keys", map[string]any{
		"name": "TF key", "algorithm": "EC", "keyLength": 256, "signatureAlgorithm": "SHA256withECDSA", "usageType": "SIGNING", "validityPeriod": 365,
		"subjectDN": "CN=TF, OU=Shop, O=Example, L=Vienna, ST=Vienna, C=AT", "default": false,
	})
	if serial := f.get(key.path).Body; !strings.Contains(string(serial), `"serialNumber":`) || strings.Contains(string(serial), `"serialNumber":"`) {
		t.Errorf("serialNumber is no number: %s", serial)
	}
	policy := f.post("/{env}/keyRotationPolicies", map[string]any{
		"name": "TF policy", "algorithm": "RSA", "dn": "CN=TF", "keyLength": 2048, "signatureAlgorithm": "SHA256withRSA", "usageType": "SIGNING",
	}).is(http.StatusCreated).text("id")

	// pingone_resource, its secret, scopes and attributes
	audience := "https://tf.example.com"
	resourceBody := map[string]any{
		"accessTokenValiditySeconds": 900, "applicationPermissionsSettings": map[string]any{"claimEnabled": true}, "audience": audience,
		"introspectEndpointAuthMethod": "CLIENT_SECRET_POST", "name": "TF API", "type": "CUSTOM", "description": "an API",
	}
	resource := f.create("resource", "/{env}/resources", resourceBody)
	least := f.create("resource", "/{env}/resources", map[string]any{
		"accessTokenValiditySeconds": 3600, "applicationPermissionsSettings": map[string]any{"claimEnabled": false}, "audience": "tf-least",
		"introspectEndpointAuthMethod": "CLIENT_SECRET_BASIC", "name": "TF least", "type": "CUSTOM",
	})
	f.secretOf(resource)
	read := f.create("scope", resource.path+"/scopes", map[string]any{"name": "tf:read", "description": "reads"}, resource.path)
	write := f.create("scope", resource.path+"/scopes", map[string]any{"name": "tf:write"}, resource.path)
	f.create("scope", least.path+"/scopes", map[string]any{"name": "least"}, least.path)
	attribute := f.create("attribute", resource.path+"/attributes", map[string]any{"name": "tenant", "value": "${user.email}"}, resource.path)
	// A core one is found in the list, and the whole of it is put.
	core := f.inList(resource.path+"/attributes", "attributes", "sub")
	if core["type"] != "CORE" || core["value"] != "${user.id}" {
		t.Errorf("sub of a new resource: %v", core)
	}
	coreBody := map[string]any{"name": "sub", "type": "CORE", "value": "${user.username}"}
	f.put(resource.path+"/attributes/"+core["id"].(string), coreBody).is(http.StatusOK).has(`{"value":"${user.username}","type":"CORE"}`)

	// pingone_resource_scope_openid and pingone_resource_attribute on the resource openid
	openid := f.resourceOf("OPENID_CONNECT")
	openidPath := "/{env}/resources/" + openid
	f.inList("/{env}/resources", "resources", "openid")
	profile := f.inList(openidPath+"/scopes", "scopes", "profile")["id"].(string)
	f.get(openidPath + "/scopes/" + profile).is(http.StatusOK)
	f.put(openidPath+"/scopes/"+profile, map[string]any{"name": "profile", "mappedClaims": []string{}}).is(http.StatusOK)
	shoe := f.create("attribute", openidPath+"/attributes", map[string]any{"name": "shoe", "value": "${user.title}", "idToken": true, "userInfo": true}, openidPath)
	email := f.inList(openidPath+"/attributes", "attributes", "email")
	if email["type"] != "PREDEFINED" || email["value"] != "${user.email}" {
		t.Errorf("email: %v", email)
	}
	emailBody := map[string]any{"name": "email", "value": "${user.externalId}", "idToken": true, "userInfo": true, "type": "PREDEFINED"}
	f.put(openidPath+"/attributes/"+email["id"].(string), emailBody).is(http.StatusOK).has(`{"value":"${user.externalId}","idToken":true,"type":"PREDEFINED"}`)
	f.create("scope", openidPath+"/scopes", map[string]any{"name": "shoes", "mappedClaims": []string{shoe.read["id"].(string)}}, openidPath)

	// pingone_application
	applications := map[string]*provisioned{}
	for name, body := range terraformApplications(key.read["id"].(string), policy) {
		applications[name] = f.create("application", "/{env}/applications", body)
		if a := applications[name].read; a["protocol"] != "OPENID_CONNECT" || a["clientSecret"] != nil || a["secret"] != nil {
			t.Errorf("%s: %v", name, a)
		}
	}
	web, worker := applications["web"], applications["worker"]
	f.secretOf(web)

	// pingone_application_resource_grant
	scopes := func(ids ...string) (all []map[string]any) {
		for _, id := range ids {
			all = append(all, map[string]any{"id": id})
		}
		return all
	}
	idOf := func(r *provisioned) string { return r.read["id"].(string) }
	grantBody := map[string]any{"resource": map[string]any{"id": idOf(resource)}, "scopes": scopes(idOf(write), idOf(read))}
	grant := f.create("grant", web.path+"/grants", grantBody, resource.path, resource.path+"/scopes", web.path)
	grant.before = []string{resource.path}
	if got := grant.read["application"]; !reflect.DeepEqual(got, map[string]any{"id": idOf(web)}) {
		t.Errorf("application of a grant = %v", got)
	}
	f.create("grant", web.path+"/grants", map[string]any{"resource": map[string]any{"id": openid}, "scopes": scopes(profile)},
		"/{env}/resources", openidPath+"/scopes", web.path)

	// pingone_application_attribute_mapping
	mapping := f.create("mapping", web.path+"/attributes", map[string]any{
		"idToken": true, "userInfo": true, "name": "department", "required": false, "value": "${user.title}",
	}, web.path)
	sub := f.inList(web.path+"/attributes", "attributes", "sub")
	if sub["mappingType"] != "CORE" || sub["value"] != "${user.id}" {
		t.Errorf("sub of a new application: %v", sub)
	}
	subBody := map[string]any{"idToken": true, "userInfo": true, "name": "sub", "required": true, "value": "${user.username}"}
	f.put(web.path+"/attributes/"+sub["id"].(string), subBody).is(http.StatusOK).has(`{"value":"${user.username}","required":true,"mappingType":"CORE"}`)

	// pingone_population
	population := f.create("population", "/{env}/populations", map[string]any{"name": "TF people"})
	theme, _ := population.read["theme"].(map[string]any)
	if theme["id"] == nil || theme["id"] == "" {
		t.Fatalf("theme = %v, for which the provider waits, and then fails", theme)
	}

	// pingone_user
	user := f.user(map[string]any{
		"account": map[string]any{"canAuthenticate": true, "status": "OK"}, "email": "tf@example.com",
		"lifecycle": map[string]any{"status": "ACCOUNT_OK"}, "password": map[string]any{"value": "a-good-initial-password-4711", "forceChange": true},
		"population": map[string]any{"id": idOf(population)}, "username": "tf", "verifyStatus": "NOT_INITIATED",
		"name": map[string]any{"given": "Tea", "family": "Form"}, "address": map[string]any{"countryCode": "AT"}, "nickname": "t",
	}, true, true, false)
	locked := f.user(map[string]any{
		"account": map[string]any{"canAuthenticate": true, "status": "LOCKED"}, "email": "tf-locked@example.com",
		"lifecycle":  map[string]any{"status": "VERIFICATION_REQUIRED", "suppressVerificationCode": true},
		"population": map[string]any{"id": idOf(population)}, "username": "tf-locked", "verifyStatus": "DISABLED",
	}, false, false, true)

	// pingone_application_role_assignment, pingone_user_role_assignment
	assignment := func(role, kind, id string) map[string]any {
		for _, r := range f.page("/roles", "roles", 200) {
			if r["name"] == role {
				return map[string]any{"role": map[string]any{"id": r["id"]}, "scope": map[string]any{"id": id, "type": kind}}
			}
		}
		t.Fatalf("there is no role %s", role)
		return nil
	}
	f.create("assignment", worker.path+"/roleAssignments", assignment("Client Application Developer", "ENVIRONMENT", home), worker.path)
	f.create("assignment", worker.path+"/roleAssignments", assignment("Identity Data Admin", "POPULATION", idOf(population)), worker.path)
	f.create("assignment", user.path+"/roleAssignments", assignment("Environment Admin", "ENVIRONMENT", home))

	f.plan()

	// update
	f.update(key, map[string]any{"default": false, "usageType": "SIGNING"}, maps.Clone(key.sent))
	delete(resourceBody, "description")
	resourceBody["name"] = "TF API, renamed"
	f.update(resource, resourceBody, nil)
	f.update(read, map[string]any{"name": "tf:read:all"}, nil)
	f.update(attribute, map[string]any{"name": "tenant", "value": "acme"}, nil)
	f.update(grant, map[string]any{"resource": map[string]any{"id": idOf(resource)}, "scopes": scopes(idOf(read))}, nil)
	f.update(mapping, map[string]any{"idToken": false, "userInfo": true, "name": "department", "required": true, "value": "sales"}, nil)
	f.update(web, applicationBody("TF web, renamed", "WEB_APP", "CLIENT_SECRET_BASIC", []string{"AUTHORIZATION_CODE"}, map[string]any{
		"responseTypes": []string{"CODE"}, "redirectUris": []string{"https://b.example.com/cb"},
		"signing": map[string]any{"keyRotationPolicy": map[string]any{"id": policy}},
	}), nil)
	f.update(population, map[string]any{"name": "TF people, renamed", "preferredLanguage": "de", "description": "people", "theme": theme}, nil)
	f.updateUser(user, map[string]any{"nickname": nil}, true)
	f.updateUser(locked, map[string]any{}, false)
	f.secretOf(web) // a regeneration
	f.resources = slices.DeleteFunc(f.resources, func(r *provisioned) bool { return r.secret })
	f.plan()

	// destroy; what is core or predefined gets its default back
	f.put(web.path+"/attributes/"+sub["id"].(string), with(subBody, "value", "${user.id}")).is(http.StatusOK)
	f.put(resource.path+"/attributes/"+core["id"].(string), with(coreBody, "value", "${user.id}")).is(http.StatusOK)
	f.put(openidPath+"/attributes/"+email["id"].(string), with(emailBody, "value", "${user.email}")).is(http.StatusOK)
	f.destroyPolicy(policy)
}

// destroyPolicy destroys everything but the policy first: it is in use until then.
func (f *terraform) destroyPolicy(policy string) {
	f.t.Helper()
	f.del("/{env}/keyRotationPolicies/" + policy).is(http.StatusBadRequest)
	f.destroy()
	f.del("/{env}/keyRotationPolicies/" + policy).is(http.StatusNoContent)
}

// user is pingone_user: an import, its flags, a lock where configuration says so, and what comes of it.
func (f *terraform) user(body map[string]any, enabled, mfa, lock bool) *provisioned {
	f.t.Helper()
	made := f.post("/{env}/users", body, "Content-Type", importType).is(http.StatusCreated)
	r := &provisioned{kind: "user", path: "/{env}/users/" + made.text("id"), sent: maps.Clone(body)}
	delete(r.sent, "password")
	f.flags(r, enabled, mfa)
	if lock {
		f.account(r, lockType)
	}
	f.resources = append(f.resources, r)
	f.refresh(r)
	if r.read["enabled"] != enabled || r.read["mfaEnabled"] != mfa || r.read["identityProvider"].(map[string]any)["type"] != "PING_ONE" {
		f.t.Errorf("user: %v", r.read)
	}
	return r
}

func (f *terraform) flags(r *provisioned, enabled, mfa bool) {
	f.t.Helper()
	f.put(r.path+"/enabled", map[string]any{"enabled": enabled}).is(http.StatusOK)
	f.put(r.path+"/mfaEnabled", map[string]any{"mfaEnabled": mfa}).is(http.StatusOK)
	r.also = map[string]map[string]any{r.path + "/enabled": {"enabled": enabled}}
}

// account locks or unlocks, with two Content-Type lines (pingone-management.md 2.1).
func (f *terraform) account(r *provisioned, kind string) {
	f.t.Helper()
	req := httptest.NewRequest(http.MethodPost, "/v1"+strings.ReplaceAll(r.path, "{env}", "environments/"+home), nil)
	req.Header["Content-Type"] = []string{"application/json", kind}
	req.Header.Set("Authorization", f.authorization)
	a := f.k.serve(req).is(http.StatusOK)
	want := map[string]string{lockType: "LOCKED", unlockType: "OK"}[kind]
	if got := a.text("account.status"); got != want {
		f.t.Errorf("%s with %s: account.status = %q, want %q", a.what, kind, got, want)
	}
}

// updateUser is an update: the population, the user, the flags and the lock, each by its own call.
func (f *terraform) updateUser(r *provisioned, change map[string]any, lock bool) {
	f.t.Helper()
	f.put(r.path+"/population", r.sent["population"]).is(http.StatusOK)
	body := maps.Clone(r.sent)
	for name, value := range change {
		body[name] = value
	}
	status := map[bool]string{true: "LOCKED", false: "OK"}[lock]
	body["account"] = map[string]any{"canAuthenticate": true, "status": status}
	f.put(r.path, body).is(http.StatusOK)
	f.flags(r, true, false)
	f.account(r, map[bool]string{true: lockType, false: unlockType}[lock])
	r.sent = body
	f.refresh(r)
}
