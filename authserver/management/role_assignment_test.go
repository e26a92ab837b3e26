package management_test

import (
	"maps"
	"regexp"
	"strings"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

func TestRoles(t *testing.T) {
	k := newKit(t)
	all := k.as(helpDesk).page("/roles", "roles", 200)
	if len(all) != 9 {
		t.Fatalf("%d roles, want 9", len(all))
	}
	for _, r := range all {
		if p, ok := r["permissions"].([]any); !ok || len(p) == 0 {
			t.Errorf("%v has no permissions: clients insist on them", r["name"])
		}
		k.as(helpDesk).get("/roles/" + r["id"].(string)).is(200).has(`{"environment":null}`)
	}
	if got := k.as(helpDesk).page("/roles?limit=4", "roles", 4); len(got) != 9 {
		t.Errorf("by pages of 4: %d roles, want 9", len(got))
	}
	k.as(root).get("/roles/29ddce68-cd7f-4b2a-b6fc-f7a19553b496").is(200).has(`{"name":"Environment Admin","applicableTo":["ORGANIZATION","ENVIRONMENT"]}`)
	k.as(root).get("/roles/"+nothing).refused(404, "NOT_FOUND")
	k.as(nobody).get("/roles/"+nothing).refused(403, "ACCESS_FAILED")
	k.as(nobody).get("/roles").refused(403, "ACCESS_FAILED")
}

func TestRoleAssignments(t *testing.T) {
	k := newKit(t)
	for _, holder := range []string{"/{env}/applications/" + k.worker("one"), "/{env}/users/" + alice} {
		path := holder + "/roleAssignments"
		made := k.as(root).post(path, assign(directory.RoleHelpDeskAdmin, "ENVIRONMENT", home)).is(201)
		made.has(`{"readOnly":false,"holder":null,"scope":{"type":"ENVIRONMENT","id":"` + home + `"},"environment":{"id":"` + home + `"}}`)
		one := path + "/" + made.text("id")
		k.as(root).get(one).is(200).has(string(made.Body))
		if all := k.as(root).page(path, "roleAssignments", 200); len(all) != 1 {
			t.Errorf("%d assignments, want 1", len(all))
		}
		k.as(root).put(one, assign(directory.RoleHelpDeskAdmin, "ENVIRONMENT", home)).refused(405, "INVALID_REQUEST")
		k.as(root).post(path, assign(directory.RoleHelpDeskAdmin, "ENVIRONMENT", home)).refused(400, "INVALID_DATA", "UNIQUENESS_VIOLATION")
		k.as(root).post(path, assign(directory.RoleConfigurationReadOnly, "ENVIRONMENT", sibling)).is(201)
		k.as(root).del(one, "If-Match", `"7"`).refused(412, "INVALID_REQUEST")
		k.as(root).del(one).is(204)
		k.as(root).del(one).refused(404, "NOT_FOUND")
		k.as(root).get(one).refused(404, "NOT_FOUND")
	}
}

func TestRefusedAssignments(t *testing.T) {
	k := newKit(t)
	path := "/{env}/applications/" + k.worker("one") + "/roleAssignments"
	population := k.as(root).post("/{env}/populations", `{"name":"x"}`).is(201).text("id")
	there := k.as(root).post("/environments/"+sibling+"/populations", `{"name":"x"}`).is(201).text("id")
	env, ida := directory.RoleEnvironmentAdmin, directory.RoleIdentityDataAdmin
	tests := []struct {
		name, who string
		body      any
		want      int
		detail    string
		target    string
	}{
		{"what the caller has", environmentAdmin, assign(env, "ENVIRONMENT", home), 201, "", ""},
		{"a smaller role", environmentAdmin, assign(directory.RoleConfigurationReadOnly, "ENVIRONMENT", home), 201, "", ""},
		{"in another environment", environmentAdmin, assign(env, "ENVIRONMENT", sibling), 403, "INSUFFICIENT_PERMISSIONS", ""},
		{"in an environment that there is not", environmentAdmin, assign(env, "ENVIRONMENT", nothing), 403, "INSUFFICIENT_PERMISSIONS", ""},
		{"on the organization", environmentAdmin, assign(env, "ORGANIZATION", organizationID), 403, "INSUFFICIENT_PERMISSIONS", ""},
		{"another role", environmentAdmin, assign(ida, "ENVIRONMENT", home), 403, "INSUFFICIENT_PERMISSIONS", ""},
		{"another role, on a population that there is not", environmentAdmin, assign(ida, "POPULATION", nothing), 403, "INSUFFICIENT_PERMISSIONS", ""},
		{"on a population of the caller's environment", root, assign(ida, "POPULATION", population), 201, "", ""},
		{"on a population elsewhere", root, assign(ida, "POPULATION", there), 403, "INSUFFICIENT_PERMISSIONS", ""},
		{"a role that there is not", root, map[string]any{"role": map[string]any{"id": nothing}, "scope": map[string]any{"id": home, "type": "ENVIRONMENT"}}, 400, "INVALID_VALUE", "role"},
		{"no role", root, map[string]any{"scope": map[string]any{"id": home, "type": "ENVIRONMENT"}}, 400, "REQUIRED_VALUE", "role"},
		{"no scope", root, map[string]any{"role": map[string]any{"id": "29ddce68-cd7f-4b2a-b6fc-f7a19553b496"}}, 400, "REQUIRED_VALUE", "scope"},
		{"a scope that the role is not for", root, assign(env, "POPULATION", population), 400, "INVALID_VALUE", "scope"},
		{"a type of scope that there is not", root, assign(env, "GROUP", home), 400, "INVALID_VALUE", "scope"},
		{"an environment that there is not, by who could", organizationAdmin, assign(env, "ENVIRONMENT", nothing), 400, "INVALID_VALUE", "scope"},
		{"an environment of another organization is none", organizationAdmin, assign(env, "ENVIRONMENT", stranger), 400, "INVALID_VALUE", "scope"},
		{"another organization is none", organizationAdmin, assign(env, "ORGANIZATION", stranger), 400, "INVALID_VALUE", "scope"},
		{"without the permission", developer, assign(directory.RoleApplicationDeveloper, "ENVIRONMENT", home), 403, "INSUFFICIENT_PERMISSIONS", ""},
		{"as somebody else's", root, map[string]any{
			"role": map[string]any{"id": "5c07e3d9-1b48-4f62-97ae-d03b6f8c2a17"}, "scope": map[string]any{"id": home, "type": "ENVIRONMENT"}, "holder": "USER",
		}, 201, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := k.as(tt.who).post(path, tt.body)
			if a.Status != tt.want || tt.want != 201 && (a.text("details.0.code") != tt.detail || a.text("details.0.target") != tt.target) {
				t.Errorf("%d, want %d %s %s: %s", a.Status, tt.want, tt.detail, tt.target, a.Body)
			}
			// Clients repeat these for minutes, as if they would pass.
			for _, text := range []string{"The actor attempting to perform the request is not authorized", "Must have role at the same or broader scope"} {
				if strings.Contains(string(a.Body), text) {
					t.Errorf("a permanent refusal says %q", text)
				}
			}
		})
	}
	k.as(root).post("/{env}/applications/web/roleAssignments", assign(env, "ENVIRONMENT", home)).refused(400, "INVALID_DATA", "CONSTRAINT_VIOLATION", "role")
	for _, path := range []string{"/{env}/applications/" + nothing, "/{env}/users/" + nothing} {
		k.as(root).get(path+"/roleAssignments").refused(404, "NOT_FOUND")
		k.as(root).post(path+"/roleAssignments", assign(env, "ENVIRONMENT", home)).refused(404, "NOT_FOUND")
	}
}

// What configuration gives is shown and cannot be taken.
func TestDeclaredAssignmentsAreReadOnly(t *testing.T) {
	k := newKit(t)
	all := k.as(root).page("/{env}/applications/"+environmentAdmin+"/roleAssignments", "roleAssignments", 200)
	if len(all) != 1 || all[0]["readOnly"] != true {
		t.Fatalf("assignments = %v, want one that is read only", all)
	}
	path := "/{env}/applications/" + environmentAdmin + "/roleAssignments/" + all[0]["id"].(string)
	k.as(root).get(path).is(200)
	a := k.as(root).del(path).refused(400, "INVALID_DATA", "CONSTRAINT_VIOLATION")
	if !regexp.MustCompile(`^Role assignment .* cannot be deleted as it is read only`).MatchString(a.text("message")) || !strings.Contains(a.text("message"), "Caddyfile:12") {
		t.Errorf("message = %q", a.text("message"))
	}
	// A declared worker may be given more.
	more := k.as(root).post("/{env}/applications/"+environmentAdmin+"/roleAssignments", assign(directory.RoleHelpDeskAdmin, "ENVIRONMENT", home)).is(201)
	k.as(environmentAdmin).get("/{env}/users").is(200)
	k.as(root).del("/{env}/applications/" + environmentAdmin + "/roleAssignments/" + more.text("id")).is(204)
	k.as(environmentAdmin).get("/{env}/users").is(403)
	// Nobody takes what they could not give.
	mine := k.as(root).page("/{env}/applications/root/roleAssignments", "roleAssignments", 200)
	for _, a := range mine {
		k.as(helpDesk).del("/{env}/applications/root/roleAssignments/" + a["id"].(string)).is(403)
	}
	other := k.as(root).post("/{env}/users/"+bob+"/roleAssignments", assign(directory.RoleIdentityDataAdmin, "ENVIRONMENT", sibling)).is(403)
	if other.text("details.0.message") == "" {
		t.Error("the refusal does not say why")
	}
}

// One ID is not an application's and a user's; and if it were, each had its own roles alone.
func TestOneIDOfTwoHolders(t *testing.T) {
	k := newKit(t)
	k.as(root).post("/{env}/users/"+alice+"/roleAssignments", assign(directory.RoleEnvironmentAdmin, "ENVIRONMENT", home)).is(201)
	body := workerBody("twin", true)
	body["clientId"], body["clientSecret"] = alice, "a-secret-that-is-long-enough"
	k.as(developer).post("/{env}/applications", body).refused(400, "INVALID_DATA", "UNIQUENESS_VIOLATION", "clientId")

	id := k.worker("twin")
	put := func(holder string) {
		data := `{"role":{"id":"29ddce68-cd7f-4b2a-b6fc-f7a19553b496"},"scope":{"id":"` + home + `","type":"ENVIRONMENT"},"holder":"` + holder + `"}`
		err := k.Store.Apply(t.Context(), store.Write{Environment: home, Put: []store.Object{{
			Environment: home, Kind: store.KindRoleAssignment, ID: secret.NewID(), Parent: id, Data: []byte(data),
			CreatedAt: k.Clock.Now(), UpdatedAt: k.Clock.Now(),
		}}})
		if err != nil {
			t.Fatal(err)
		}
	}
	put("USER")
	put("")
	k.as(id).get("/{env}/applications").is(403)
	if all := k.as(root).page("/{env}/applications/"+id+"/roleAssignments", "roleAssignments", 200); len(all) != 0 || len(k.client(id).Roles) != 0 {
		t.Errorf("the application has the user's roles: %v, %v", all, k.client(id).Roles)
	}
	put("APPLICATION")
	k.as(id).get("/{env}/applications").is(200)
}

// Nobody gets at the secret or password of whoever has more roles.
func TestRank(t *testing.T) {
	k := newKit(t)
	higher := k.worker("higher")
	assignments := "/{env}/applications/" + higher + "/roleAssignments"
	k.as(developer).get("/{env}/applications/" + higher + "/secret").is(200)
	given := k.as(root).post(assignments, assign(directory.RoleEnvironmentAdmin, "ENVIRONMENT", home)).is(201)
	k.as(developer).get("/{env}/applications/" + higher).is(200)
	k.as(developer).get("/{env}/applications/"+higher+"/secret").refused(403, "ACCESS_FAILED")
	k.as(developer).post("/{env}/applications/"+higher+"/secret", `{}`).refused(403, "ACCESS_FAILED")
	k.as(developer).put("/{env}/applications/"+higher, workerBody("renamed", true)).is(200)
	keys := workerBody("renamed", true)
	keys["tokenEndpointAuthMethod"], keys["jwksUrl"] = "PRIVATE_KEY_JWT", "https://evil.example/jwks"
	k.as(developer).put("/{env}/applications/"+higher, keys).refused(403, "ACCESS_FAILED")
	k.as(environmentAdmin).get("/{env}/applications/" + higher + "/secret").is(200)
	k.as(root).del(assignments + "/" + given.text("id")).is(204)
	k.as(developer).get("/{env}/applications/" + higher + "/secret").is(200)
	k.as(developer).get("/{env}/applications/root/secret").refused(403, "ACCESS_FAILED")

	user := k.as(root).post("/{env}/users", `{"username":"carol","email":"carol@example.com"}`).is(201).text("id")
	set := func(who string) *answer {
		return k.as(who).put("/{env}/users/"+user+"/password", `{"value":"a-long-passphrase-1"}`, "Content-Type", "application/vnd.pingidentity.password.set+json")
	}
	set(identityAdmin).is(200)
	k.as(root).post("/{env}/users/"+user+"/roleAssignments", assign(directory.RoleEnvironmentAdmin, "ENVIRONMENT", home)).is(201)
	set(identityAdmin).refused(403, "ACCESS_FAILED")
	k.as(identityAdmin).put("/{env}/users/"+user, `{"username":"carol","email":"mallory@example.com"}`).refused(403, "ACCESS_FAILED")
	k.as(helpDesk).put("/{env}/users/"+user+"/password", `{"newPassword":"a-long-passphrase-2"}`, "Content-Type", "application/vnd.pingidentity.password.reset+json").
		refused(403, "ACCESS_FAILED")
	set(root).is(200)
}

// A worker that acts for people has their roles: who makes one, or turns it to another address, needs them all.
func TestRankOfWhoWorkersActFor(t *testing.T) {
	k := newKit(t)
	console := workerBody("console", true)
	console["grantTypes"], console["redirectUris"] = []string{"AUTHORIZATION_CODE"}, []string{"https://console.example.com/cb"}
	but := func(body map[string]any, name string, value any) map[string]any {
		return with(maps.Clone(body), name, value)
	}
	create := func(who, name string) *answer {
		return k.as(who).post("/{env}/applications", but(console, "name", name))
	}
	create(developer, "theirs").refused(403, "ACCESS_FAILED", "INSUFFICIENT_PERMISSIONS")
	k.as(developer).post("/{env}/applications", with(workerBody("robot", true), "assignActorRoles", true)).is(201)
	k.as(developer).post("/{env}/applications", but(but(console, "name", "shop"), "type", "WEB_APP")).is(201)
	path := "/{env}/applications/" + create(environmentAdmin, "console").is(201).text("id")

	k.as(developer).put(path, but(console, "description", "x")).is(200)
	for member, value := range map[string]any{
		"redirectUris": []string{"https://console.example.com/cb", "https://evil.example/cb"},
		"grantTypes":   []string{"AUTHORIZATION_CODE", "DEVICE_CODE"}, "tokenEndpointAuthMethod": "CLIENT_SECRET_POST",
	} {
		k.as(developer).put(path, but(console, member, value)).refused(403, "ACCESS_FAILED", "INSUFFICIENT_PERMISSIONS")
		k.as(environmentAdmin).put(path, but(console, member, value)).is(200)
		k.as(environmentAdmin).put(path, console).is(200)
	}
	robot := "/{env}/applications/" + k.worker("other")
	k.as(developer).put(robot, but(console, "name", "other")).refused(403, "ACCESS_FAILED", "INSUFFICIENT_PERMISSIONS")
	k.as(developer).put(path, workerBody("console", true)).is(200) // it may be made one that does not
	k.as(environmentAdmin).put(path, console).is(200)

	// Somebody has more than Environment Admin.
	k.as(root).post("/{env}/users/"+alice+"/roleAssignments", assign(directory.RoleOrganizationAdmin, "ORGANIZATION", organizationID)).is(201)
	create(environmentAdmin, "another").refused(403, "ACCESS_FAILED", "INSUFFICIENT_PERMISSIONS")
	k.as(environmentAdmin).put(path, but(console, "redirectUris", []string{"https://evil.example/cb"})).refused(403, "ACCESS_FAILED")
	create(root, "another").is(201)
}
