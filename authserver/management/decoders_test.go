package management_test

import (
	"slices"
	"testing"
)

// What the decoders of PingOne's SDK insist on (pingone-management.md 2.6), in every item of each list and in the item by
// itself: of what is built in, declared and stored.
func TestWhatDecodersInsistOn(t *testing.T) {
	k := newKit(t)
	c := k.as(root)
	shop := c.post("/{env}/applications", shopBody("Shop")).is(201).text("id")
	c.post("/{env}/applications/"+shop+"/attributes", `{"name":"department","value":"x","required":false}`).is(201)
	api, _ := k.resource(`{"name":"api"}`)
	scope := c.post("/{env}/resources/"+api+"/scopes", `{"name":"api:read"}`).is(201).text("id")
	c.post("/{env}/applications/"+shop+"/grants", map[string]any{"resource": map[string]any{"id": api}, "scopes": []any{map[string]any{"id": scope}}}).is(201)
	k.population(`{"name":"people"}`)
	c.post("/environments", map[string]any{
		"name": "New", "type": "SANDBOX", "region": "EU", "license": map[string]any{"id": c.get("/{env}").is(200).text("license.id")},
	}).is(201)

	text := func(path ...string) func(map[string]any) bool {
		return func(it map[string]any) bool {
			var v any = it
			for _, name := range path {
				members, _ := v.(map[string]any)
				v = members[name]
			}
			s, _ := v.(string)
			return s != ""
		}
	}
	// one of these objects tells what an item of attributes is.
	owned := func(by string) func(map[string]any) bool {
		return func(it map[string]any) bool {
			for _, name := range []string{"application", "identityProvider", "resource", "schema", "integration"} {
				if _, there := it[name].(map[string]any); there != (name == by) {
					return false
				}
			}
			return text(by, "id")(it)
		}
	}
	array := func(name string) func(map[string]any) bool {
		return func(it map[string]any) bool { _, ok := it[name].([]any); return ok }
	}

	type rule struct {
		path, embedded string
		holds          map[string]func(map[string]any) bool
	}
	rules := []rule{
		{"/{env}/applications", "applications", map[string]func(map[string]any) bool{"protocol": text("protocol"), "type": text("type")}},
		{"/{env}/resources", "resources", map[string]func(map[string]any) bool{"type": text("type")}},
		{"/roles", "roles", map[string]func(map[string]any) bool{"permissions": array("permissions"), "applicableTo": array("applicableTo")}},
		{"/{env}/populations", "populations", map[string]func(map[string]any) bool{"theme.id": text("theme", "id")}},
		{"/environments", "environments", map[string]func(map[string]any) bool{"region": text("region"), "license.id": text("license", "id")}},
	}
	for _, r := range c.page("/{env}/resources", "resources", 200) {
		path := "/{env}/resources/" + r["id"].(string)
		rules = append(rules,
			rule{path + "/attributes", "attributes", map[string]func(map[string]any) bool{"resource alone": owned("resource")}},
			rule{path + "/scopes", "scopes", map[string]func(map[string]any) bool{"resource.id": text("resource", "id")}})
	}
	for _, id := range []string{shop, "web"} {
		path := "/{env}/applications/" + id
		rules = append(rules,
			rule{path + "/attributes", "attributes", map[string]func(map[string]any) bool{"application alone": owned("application")}},
			rule{path + "/grants", "grants", map[string]func(map[string]any) bool{"application.id": text("application", "id"), "resource.id": text("resource", "id")}})
	}
	for _, r := range rules {
		items := c.page(r.path, r.embedded, 200)
		if empty := []string{"attributes", "scopes"}; len(items) == 0 && !slices.Contains(empty, r.embedded) {
			t.Errorf("%s: nothing is listed", r.path)
		}
		for _, it := range items {
			id, _ := it["id"].(string)
			single := c.get(r.path + "/" + id).is(200).json()
			for name, holds := range r.holds {
				if !holds(it) {
					t.Errorf("%s: an item has no %s: %v", r.path, name, it)
				}
				if !holds(single) {
					t.Errorf("%s/%s has no %s: %v", r.path, id, name, single)
				}
			}
		}
	}
}

// An empty collection has an empty array (pingone-management.md 2.2), under the name that goes with its path.
func TestNamesOfCollections(t *testing.T) {
	k := newKit(t)
	c := k.as(root)
	api, _ := k.resource(`{"name":"api"}`)
	shop := c.post("/{env}/applications", shopBody("Shop")).is(201).text("id")
	user := k.person(`{"username":"u","email":"u@example.com"}`)
	organization := "/organizations/" + organizationID
	for path, name := range map[string]string{
		"/{env}/applications": "applications", "/{env}/resources": "resources", "/{env}/populations": "populations", "/{env}/users": "users",
		"/{env}/keys": "keys", "/{env}/keyRotationPolicies": "keyRotationPolicies", "/{env}/resources/" + api + "/scopes": "scopes",
		"/{env}/resources/" + api + "/attributes": "attributes", "/{env}/applications/" + shop + "/attributes": "attributes",
		"/{env}/applications/" + shop + "/grants": "grants", "/{env}/applications/" + shop + "/roleAssignments": "roleAssignments",
		"/{env}/users/" + user + "/roleAssignments": "roleAssignments", "/roles": "roles", organization + "/licenses": "licenses",
		"/environments": "environments", "/organizations": "organizations",
	} {
		a := c.get(path).is(200)
		items, ok := a.at("_embedded." + name).([]any)
		if !ok || len(a.at("_embedded").(map[string]any)) != 1 {
			t.Errorf("%s: no array %s, or more: %s", path, name, a.Body)
		}
		if a.at("size") != float64(len(items)) || a.text("_links.self.href") == "" || a.at("_links.next") != nil {
			t.Errorf("%s: size %v of %d, links %v", path, a.at("size"), len(items), a.at("_links"))
		}
	}
}
