package management_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

// called finds an item of a list by its name.
func called(t *testing.T, list []map[string]any, name string) map[string]any {
	t.Helper()
	i := slices.IndexFunc(list, func(it map[string]any) bool { return it["name"] == name })
	if i < 0 {
		t.Fatalf("there is no %q in the list", name)
	}
	return list[i]
}

// resource creates one.
func (k *kit) resource(body string) (id, path string) {
	k.t.Helper()
	id = k.as(environmentAdmin).post("/{env}/resources", body).is(201).text("id")
	return id, "/{env}/resources/" + id
}

// TestResourceAnswers: what the answers hold that clients insist on (pingone-management.md 2.2, 2.6, 5).
func TestResourceAnswers(t *testing.T) {
	k := newKit(t)
	admin := k.as(environmentAdmin)
	// What Terraform sends.
	const body = `{"accessTokenValiditySeconds":900,"applicationPermissionsSettings":{"claimEnabled":false},"audience":"https://a.example.com",` +
		`"introspectEndpointAuthMethod":"CLIENT_SECRET_POST","name":"a","type":"CUSTOM"}`
	created := admin.post("/{env}/resources", body).is(201).has(body)
	id := created.text("id")
	self := apiURL + "/v1/environments/" + home + "/resources/" + id
	path := "/{env}/resources/" + id
	read := admin.get(path).is(200).has(body).has(`{"description":null,"clientId":null,"clientSecret":null,"secret":null,"environment":{"id":"` + home + `"}}`)
	for name, want := range map[string]string{
		"self": self, "environment": apiURL + "/v1/environments/" + home, "scopes": self + "/scopes", "attributes": self + "/attributes", "secret": self + "/secret",
	} {
		if got := read.text("_links." + name + ".href"); got != want {
			t.Errorf("link %s = %q, want %q", name, got, want)
		}
	}
	for _, name := range []string{"createdAt", "updatedAt"} {
		if read.text(name) != "2026-03-01T12:00:00.000Z" {
			t.Errorf("%s = %q", name, read.text(name))
		}
	}
	k.Clock.Advance(time.Minute)
	admin = k.as(environmentAdmin)
	admin.put(path, `{"name":"a","description":"d"}`).is(200).has(`{"name":"a","description":"d","type":"CUSTOM","audience":"a","accessTokenValiditySeconds":3600,
		"introspectEndpointAuthMethod":"CLIENT_SECRET_BASIC","createdAt":"2026-03-01T12:00:00.000Z","updatedAt":"2026-03-01T12:01:00.000Z"}`)

	list := admin.page("/{env}/resources", "resources", 200)
	types := map[any]any{}
	for _, it := range list {
		types[it["name"]] = it["type"]
	}
	if diff := cmp.Diff(map[any]any{"openid": "OPENID_CONNECT", "PingOne API": "PINGONE_API", "orders": "CUSTOM", "a": "CUSTOM"}, types); diff != "" {
		t.Errorf("resources (-want +got):\n%s", diff)
	}
	for name, collection := range map[string]string{"scopes": "scopes", "attributes": "attributes"} {
		for _, r := range list {
			for _, it := range admin.page("/{env}/resources/"+r["id"].(string)+"/"+name, collection, 200) {
				if diff := cmp.Diff(map[string]any{"id": r["id"]}, it["resource"]); diff != "" {
					t.Errorf("resource of %v (-want +got):\n%s", it["name"], diff)
				}
				if it["id"] == "" || it["_links"] == nil || it["environment"] == nil {
					t.Errorf("%v is incomplete: %v", it["name"], it)
				}
			}
		}
	}
	admin.del(path).is(204)
	admin.get(path).refused(404, "NOT_FOUND")
	admin.get(path+"/scopes").refused(404, "NOT_FOUND")
	admin.get(path+"/attributes").refused(404, "NOT_FOUND")
	admin.get(path+"/secret").refused(404, "NOT_FOUND")
	admin.del(path).refused(404, "NOT_FOUND")
}

// TestResourceRefusals has a row for each kind of refusal; the rules of documents are package directory's.
func TestResourceRefusals(t *testing.T) {
	k := newKit(t)
	admin := k.as(environmentAdmin)
	_, custom := k.resource(`{"name":"a","audience":"https://a"}`)
	list := admin.page("/{env}/resources", "resources", 200)
	openid := "/{env}/resources/" + called(t, list, "openid")["id"].(string)
	attributes := admin.page(openid+"/attributes", "attributes", 200)
	email := openid + "/attributes/" + called(t, attributes, "email")["id"].(string)
	profile := openid + "/scopes/" + called(t, admin.page(openid+"/scopes", "scopes", 200), "profile")["id"].(string)
	tests := []struct {
		name, method, path, body string
		status                   int
		code, detail, target     string
	}{
		{"a name that is taken", "POST", "/{env}/resources", `{"name":"a"}`, 400, "INVALID_DATA", "UNIQUENESS_VIOLATION", "name"},
		{"no name", "POST", "/{env}/resources", `{}`, 400, "INVALID_DATA", "REQUIRED_VALUE", "name"},
		{"the wrong type of value", "POST", "/{env}/resources", `{"name":"x","accessTokenValiditySeconds":"300"}`, 400, "INVALID_DATA", "INVALID_VALUE", "accessTokenValiditySeconds"},
		{"a fraction of a second", "POST", "/{env}/resources", `{"name":"x","accessTokenValiditySeconds":300.5}`, 400, "INVALID_DATA", "INVALID_VALUE", "accessTokenValiditySeconds"},
		{"a number that is too large", "POST", "/{env}/resources", `{"name":"x","accessTokenValiditySeconds":2592001}`, 400, "INVALID_DATA", "OUT_OF_RANGE", "accessTokenValiditySeconds"},
		{"the vendor's audience", "POST", "/{env}/resources", `{"name":"x","audience":"https://api.PingOne.com"}`, 400, "INVALID_DATA", "INVALID_VALUE", "audience"},
		{"a predefined type", "POST", "/{env}/resources", `{"name":"x","type":"PINGONE_API"}`, 400, "INVALID_DATA", "INVALID_VALUE", "type"},
		{"a predefined resource", "PUT", openid, `{"name":"openid"}`, 400, "INVALID_DATA", "CONSTRAINT_VIOLATION", ""},
		{"deletion of a predefined resource", "DELETE", openid, "", 400, "INVALID_DATA", "CONSTRAINT_VIOLATION", "type"},
		{"a declared resource", "PUT", "/{env}/resources/orders", `{"name":"orders"}`, 400, "INVALID_DATA", "CONSTRAINT_VIOLATION", "id"},
		{"an unknown resource", "PUT", "/{env}/resources/" + nothing, `{"name":"x"}`, 404, "NOT_FOUND", "", ""},
		{"a scope of OpenID Connect", "POST", custom + "/scopes", `{"name":"openid"}`, 400, "INVALID_DATA", "INVALID_VALUE", "name"},
		{"a scope of an unknown resource", "POST", "/{env}/resources/" + nothing + "/scopes", `{"name":"x"}`, 404, "NOT_FOUND", "", ""},
		{"a scope of another resource", "GET", custom + strings.TrimPrefix(profile, openid), "", 404, "NOT_FOUND", "", ""},
		{"a predefined scope", "DELETE", profile, "", 400, "INVALID_DATA", "CONSTRAINT_VIOLATION", "name"},
		{"a reserved attribute", "POST", openid + "/attributes", `{"name":"p1.x","value":"x"}`, 400, "INVALID_DATA", "INVALID_VALUE", "name"},
		{"an attribute that goes nowhere", "POST", openid + "/attributes", `{"name":"x","value":"x","idToken":false,"userInfo":false}`, 400, "INVALID_DATA", "INVALID_VALUE", "userInfo"},
		{"a predefined attribute", "DELETE", email, "", 400, "INVALID_DATA", "CONSTRAINT_VIOLATION", "type"},
		{"an attribute of another resource", "GET", custom + strings.TrimPrefix(email, openid), "", 404, "NOT_FOUND", "", ""},
		{"no secret of a predefined resource", "GET", openid + "/secret", "", 404, "NOT_FOUND", "", ""},
		{"no secret for a predefined resource", "POST", openid + "/secret", "", 404, "NOT_FOUND", "", ""},
		{"another secret for a declared resource", "POST", "/{env}/resources/orders/secret", "", 400, "INVALID_DATA", "CONSTRAINT_VIOLATION", "id"},
		{"a previous secret for too short", "POST", custom + "/secret", `{"previous":{"expiresAt":"2026-03-01T12:00:59Z"}}`, 400, "INVALID_DATA", "OUT_OF_RANGE", "previous.expiresAt"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var body any
			if tt.body != "" {
				body = tt.body
			}
			detail := []string{}
			if tt.detail != "" {
				detail = append(detail, tt.detail)
			}
			if tt.target != "" {
				detail = append(detail, tt.target)
			}
			k.in(t).as(environmentAdmin).do(tt.method, tt.path, body).refused(tt.status, tt.code, detail...)
		})
	}
}

// TestResourceAsTerraform goes through the calls of the provider for resources, secrets, scopes and attributes
// (pingone-management.md 5.1, 5.2, 13).
func TestResourceAsTerraform(t *testing.T) {
	k := newKit(t)
	admin := k.as(environmentAdmin)
	_, path := k.resource(`{"name":"a","audience":"https://a"}`)

	t.Run("pingone_resource_secret", func(t *testing.T) {
		admin := k.in(t).as(environmentAdmin)
		first := admin.get(path + "/secret").is(200).text("secret")
		drawn := admin.post(path+"/secret", "").is(200).text("secret")
		if read := admin.get(path + "/secret").is(200).text("secret"); read != drawn || drawn == first || len(drawn) < 64 {
			t.Error("the secret that was drawn is not the one that is read, or is the first one, or is short")
		}
		kept := admin.post(path+"/secret", `{"previous":{"expiresAt":"2026-03-01T13:00:00Z"}}`).is(200)
		if kept.text("previous.secret") != drawn || kept.text("previous.expiresAt") != "2026-03-01T13:00:00.000Z" {
			t.Errorf("previous = %v", kept.at("previous.expiresAt"))
		}
		admin.del(path + "/secret").is(204)
		admin.get(path + "/secret").is(200).has(`{"previous":null,"secret":"` + kept.text("secret") + `"}`)
	})
	t.Run("pingone_resource_scope", func(t *testing.T) {
		admin := k.in(t).as(environmentAdmin)
		id := admin.post(path+"/scopes", `{"name":"read"}`).is(201).has(`{"name":"read","description":null,"mappedClaims":null,"schemaAttributes":null}`).text("id")
		admin.put(path+"/scopes/"+id, `{"name":"look","description":"to look"}`).is(200).has(`{"name":"look","description":"to look"}`)
		admin.put(path+"/scopes/"+id, `{"name":"look"}`).is(200).has(`{"description":null}`)
		admin.get(path + "/scopes/" + id).is(200).has(`{"id":"` + id + `","name":"look"}`)
		admin.del(path + "/scopes/" + id).is(204)
		admin.get(path+"/scopes/"+id).refused(404, "NOT_FOUND")
	})
	t.Run("pingone_resource_attribute, core", func(t *testing.T) {
		admin := k.in(t).as(environmentAdmin)
		subject := called(t, admin.page(path+"/attributes", "attributes", 200), "sub")
		if subject["type"] != "CORE" || subject["value"] != "${user.id}" {
			t.Fatalf("sub = %v", subject)
		}
		for _, value := range []string{"${user.username}", "${user.id}"} {
			subject["value"] = value
			admin.put(path+"/attributes/"+subject["id"].(string), subject).is(200).has(`{"name":"sub","type":"CORE","value":"` + value + `"}`)
		}
	})
	t.Run("pingone_resource_attribute, custom", func(t *testing.T) {
		admin := k.in(t).as(environmentAdmin)
		id := admin.post(path+"/attributes", `{"name":"mail","value":"${user.email}"}`).is(201).has(`{"type":"CUSTOM","idToken":null,"userInfo":null}`).text("id")
		admin.put(path+"/attributes/"+id, `{"name":"mail","value":"x"}`).is(200).has(`{"value":"x"}`)
		admin.del(path + "/attributes/" + id).is(204)
	})
	openid := "/{env}/resources/" + called(t, admin.page("/{env}/resources", "resources", 200), "openid")["id"].(string)
	t.Run("pingone_resource_attribute, predefined", func(t *testing.T) {
		admin := k.in(t).as(environmentAdmin)
		for name, value := range map[string]string{"email": "${user.email}", "gender": "", "updated_at": "${#datetime.toUnixTimestamp(user.updatedAt)}"} {
			predefined := called(t, admin.page(openid+"/attributes", "attributes", 200), name)
			for _, value := range []string{"x", value} {
				predefined["value"] = value
				admin.put(openid+"/attributes/"+predefined["id"].(string), predefined).is(200).has(`{"type":"PREDEFINED","value":"` + value + `","idToken":true,"userInfo":true}`)
			}
		}
	})
	t.Run("pingone_resource_scope_openid", func(t *testing.T) {
		admin := k.in(t).as(environmentAdmin)
		claim := admin.post(openid+"/attributes", `{"name":"team","value":"x","idToken":true,"userInfo":true}`).is(201).text("id")
		added := admin.post(openid+"/scopes", `{"name":"hr","mappedClaims":["`+claim+`"]}`).is(201).has(`{"mappedClaims":["` + claim + `"]}`).text("id")
		profile := called(t, admin.page(openid+"/scopes", "scopes", 200), "profile")
		for _, claims := range [][]string{{claim}, {}} {
			profile["mappedClaims"] = claims
			sent, _ := json.Marshal(claims)
			admin.put(openid+"/scopes/"+profile["id"].(string), profile).is(200).has(`{"name":"profile","mappedClaims":` + string(sent) + `}`)
		}
		admin.del(openid + "/scopes/" + added).is(204)
		admin.del(openid + "/attributes/" + claim).is(204)
	})
	t.Run("pingone_resource_scope_pingone_api", func(t *testing.T) {
		admin := k.in(t).as(environmentAdmin)
		api := "/{env}/resources/" + called(t, admin.page("/{env}/resources", "resources", 200), "PingOne API")["id"].(string)
		added := admin.post(api+"/scopes", `{"name":"p1:read:user:hr","schemaAttributes":["name.given"]}`).is(201).has(`{"schemaAttributes":["name.given"]}`).text("id")
		reading := called(t, admin.page(api+"/scopes", "scopes", 200), "p1:read:user")
		if diff := cmp.Diff([]any{"*"}, reading["schemaAttributes"]); diff != "" {
			t.Errorf("schemaAttributes (-want +got):\n%s", diff)
		}
		for _, attributes := range []string{"email", "*"} {
			reading["schemaAttributes"] = []string{attributes}
			admin.put(api+"/scopes/"+reading["id"].(string), reading).is(200).has(`{"schemaAttributes":["` + attributes + `"]}`)
		}
		admin.del(api + "/scopes/" + added).is(204)
	})
	admin.del(path).is(204)
}

// TestResourceConcurrency: If-Match counts for what belongs to a resource too.
func TestResourceConcurrency(t *testing.T) {
	k := newKit(t)
	admin := k.as(environmentAdmin)
	_, path := k.resource(`{"name":"a"}`)
	scope := path + "/scopes/" + admin.post(path+"/scopes", `{"name":"s"}`).is(201).text("id")
	for _, at := range []struct{ path, body string }{{path, `{"name":"a"}`}, {scope, `{"name":"s"}`}} {
		tag := admin.get(at.path).is(200).Header.Get("ETag")
		admin.put(at.path, at.body, "If-Match", tag).is(200)
		admin.put(at.path, at.body, "If-Match", tag).is(412)
		admin.put(at.path, at.body).is(200)
	}
}

// TestResourceEndsTokens: what a change of a resource does to tokens that are for it, those of people and those of
// clients themselves, at once and to no others.
func TestResourceEndsTokens(t *testing.T) {
	tests := []struct {
		name string
		act  func(admin caller, resource, scope string)
		want bool // they are good afterwards
	}{
		{"nothing", func(caller, string, string) {}, true},
		{"another name", func(a caller, r, _ string) { a.put(r, `{"name":"b","audience":"https://a"}`).is(200) }, true},
		{"a description of the scope", func(a caller, _, s string) { a.put(s, `{"name":"read","description":"d"}`).is(200) }, true},
		{"another scope", func(a caller, r, _ string) { a.post(r+"/scopes", `{"name":"write"}`).is(201) }, true},
		{"an attribute", func(a caller, r, _ string) { a.post(r+"/attributes", `{"name":"x","value":"x"}`).is(201) }, true},
		{"another audience", func(a caller, r, _ string) { a.put(r, `{"name":"a","audience":"https://b"}`).is(200) }, false},
		{"the scope renamed", func(a caller, _, s string) { a.put(s, `{"name":"look"}`).is(200) }, false},
		{"the scope deleted", func(a caller, _, s string) { a.del(s).is(204) }, false},
		{"the resource deleted", func(a caller, r, _ string) { a.del(r).is(204) }, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := newKit(t)
			_, path := k.resource(`{"name":"a","audience":"https://a"}`)
			scope := path + "/scopes/" + k.as(environmentAdmin).post(path+"/scopes", `{"name":"read"}`).is(201).text("id")
			machine := k.mint(k.Env, token.Access{Client: "web", Scope: []string{"read"}, Audience: []string{"https://a"}})
			person := k.mint(k.Env, token.Access{Client: "web", Subject: alice, Session: "s", Scope: []string{"read"}, Audience: []string{"https://x", "https://a"}})
			unrelated := k.mint(k.Env, token.Access{Client: "web", Scope: []string{"orders:read"}, Audience: []string{"https://orders.example.com"}})
			works := func(raw string) bool {
				_, err := k.API.Callers.Tokens.Verify(t.Context(), k.Env, raw)
				return err == nil
			}
			if !works(machine) || !works(person) || !works(unrelated) {
				t.Fatal("a new token does not work")
			}
			admin := k.as(environmentAdmin)
			tt.act(admin, path, scope)
			if got := works(machine); got != tt.want {
				t.Errorf("a client's own token works: %t, want %t", got, tt.want)
			}
			if got := works(person); got != tt.want {
				t.Errorf("a person's token works: %t, want %t", got, tt.want)
			}
			if !works(unrelated) {
				t.Error("a token for another resource has ended")
			}
			admin.get("/{env}/resources").is(200) // the caller's has not
			k.Clock.Advance(time.Second)
			if later := k.mint(k.Env, token.Access{Client: "web", Scope: []string{"read"}, Audience: []string{"https://a"}}); !works(later) {
				t.Error("a later token does not work")
			}
		})
	}
}

// FuzzResourceBody: whatever is sent, the answer is one of the API's, and what was accepted comes back.
func FuzzResourceBody(f *testing.F) {
	for _, seed := range []string{`{"name":"a"}`, `{"name":"a","audience":"\ud800"}`, `{"name":"a","accessTokenValiditySeconds":1e99}`, `[]`, `{"name":{}}`, `{"name":"a","name":"b"}`} {
		f.Add("", seed)
		f.Add("/scopes", seed)
		f.Add("/attributes", strings.TrimSuffix(seed, "}")+`,"value":"${user.email}"}`)
	}
	whole := newKit(f)
	_, path := whole.resource(`{"name":"fuzzed","audience":"https://fuzzed.example.com"}`)
	f.Fuzz(func(t *testing.T, below, body string) {
		target := "/{env}/resources"
		switch below {
		case "/scopes", "/attributes":
			target = path + below
		case "":
		default:
			t.Skip()
		}
		admin := whole.in(t).as(environmentAdmin)
		a := admin.post(target, body)
		if a.Status == 201 {
			admin.get(target + "/" + a.text("id")).is(200)
			admin.del(target + "/" + a.text("id")).is(204)
			return
		}
		if a.Status != 400 && a.Status != 413 && a.Status != 415 {
			t.Errorf("status = %d: %s", a.Status, a.Body)
		}
		if a.text("id") == "" || a.text("code") == "" {
			t.Errorf("body = %s", a.Body)
		}
	})
}
