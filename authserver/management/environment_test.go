package management_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/declared"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

func newEnvironment(name string) string {
	return `{"name":"` + name + `","type":"SANDBOX","region":"EU","description":"for trying","license":{"id":"` +
		directory.LicenseID(organizationID) + `"}}`
}

func TestEnvironmentLife(t *testing.T) {
	k := newKit(t)
	k.as(environmentAdmin).post("/environments", newEnvironment("x")).refused(403, "ACCESS_FAILED")
	made := k.as(root).post("/environments", newEnvironment("made")).is(201)
	id := made.text("id")
	made.has(`{"name":"made","type":"SANDBOX","region":"EU","description":"for trying","status":"ACTIVE","organization":{"id":"` +
		organizationID + `"},"environment":null}`)
	path := "/environments/" + id
	k.as(root).get(path).is(200).has(string(made.Body))

	// Its creator administers it, people included.
	k.as(root).post(path+"/populations", `{"name":"p"}`).is(201)
	k.as(root).post(path+"/users", `{"username":"u","email":"u@example.com"}`).is(201)
	k.as(organizationAdmin).get(path + "/applications").is(200)
	k.as(organizationAdmin).get(path + "/users").is(403)
	k.as(environmentAdmin).get(path).refused(403, "ACCESS_FAILED")
	k.as(foreign).get(path).refused(404, "NOT_FOUND")

	renamed := k.as(root).put(path, strings.Replace(newEnvironment("renamed"), "for trying", "other", 1), "If-Match", `"1"`).is(200)
	renamed.has(`{"name":"renamed","description":"other"}`)
	k.as(root).put(path, newEnvironment("late"), "If-Match", `"1"`).refused(412, "INVALID_REQUEST")
	k.as(root).put(path+"/type", `{"type":"PRODUCTION"}`).is(200).has(`{"type":"PRODUCTION","name":"renamed"}`)
	k.as(root).put(path+"/type", `{"type":"TOY"}`).refused(400, "INVALID_DATA", "INVALID_VALUE", "type")

	k.as(root).get(path + "/billOfMaterials").is(200).has(`{"id":null,"environment":null}`)
	if got := k.as(root).get(path + "/billOfMaterials").text("products.0.type"); got != "PING_ONE_BASE" {
		t.Errorf("product = %q, want PING_ONE_BASE", got)
	}
	k.as(root).put(path+"/billOfMaterials", `{"products":[{"type":"PING_ONE_BASE"},{"type":"PING_ONE_MFA"}],"solutionType":"CUSTOMER"}`).is(200)
	if got := k.as(root).get(path + "/billOfMaterials").text("products.1.type"); got != "PING_ONE_MFA" {
		t.Errorf("product = %q, want PING_ONE_MFA", got)
	}
	// A rename leaves what the environment is for.
	k.as(root).put(path, newEnvironment("renamed")).is(200)
	if got := k.as(root).get(path + "/billOfMaterials").text("products.1.type"); got != "PING_ONE_MFA" {
		t.Errorf("product after a rename = %q, want PING_ONE_MFA", got)
	}

	k.as(root).del(path).is(204)
	k.as(root).get(path).refused(404, "NOT_FOUND")
	k.as(root).get(path+"/users").refused(404, "NOT_FOUND")
	for _, e := range k.as(root).page("/environments", "environments", 200) {
		if e["id"] == id {
			t.Error("a deleted environment is listed")
		}
	}
}

// A user of a worker who creates an environment administers it themself.
func TestEnvironmentOfAUser(t *testing.T) {
	k := newKit(t)
	k.as(root).post("/{env}/users/"+alice+"/roleAssignments", assign(directory.RoleOrganizationAdmin, "ORGANIZATION", organizationID)).is(201)
	me := k.asUser(root, alice, "openid")
	id := me.post("/environments", newEnvironment("hers")).is(201).text("id")
	me.get("/environments/" + id + "/users").is(200)
	k.as(root).get("/environments/" + id + "/users").is(403)
}

func TestRefusedEnvironments(t *testing.T) {
	k := newKit(t)
	k.as(root).post("/environments", newEnvironment("taken")).is(201)
	tests := []struct{ name, body, code, target string }{
		{"without a name", `{"type":"SANDBOX","region":"EU"}`, "REQUIRED_VALUE", "name"},
		{"without a type", `{"name":"x","region":"EU"}`, "REQUIRED_VALUE", "type"},
		{"of another type", `{"name":"x","type":"TOY","region":"EU"}`, "INVALID_VALUE", "type"},
		{"without a region", `{"name":"x","type":"SANDBOX"}`, "REQUIRED_VALUE", "region"},
		{"in another region", `{"name":"x","type":"SANDBOX","region":"MOON"}`, "INVALID_VALUE", "region"},
		{"with a name that is taken", newEnvironment("TAKEN"), "UNIQUENESS_VIOLATION", "name"},
		{"with a declared one's name", newEnvironment("home"), "UNIQUENESS_VIOLATION", "name"},
		{"with a name that is too long", newEnvironment(strings.Repeat("x", 257)), "SIZE_LIMIT_EXCEEDED", "name"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k.as(root).post("/environments", tt.body).refused(400, "INVALID_DATA", tt.code, tt.target)
		})
	}
}

// What configuration declares says where.
func TestDeclaredEnvironments(t *testing.T) {
	k := newKit(t)
	for _, a := range []*answer{
		k.as(root).put("/{env}", newEnvironment("x")), k.as(root).del("/{env}"), k.as(root).put("/{env}/type", `{"type":"SANDBOX"}`),
		k.as(root).put("/{env}/billOfMaterials", `{"products":[{"type":"PING_ONE_BASE"}]}`),
	} {
		a.refused(400, "INVALID_DATA", "CONSTRAINT_VIOLATION")
		if !strings.Contains(string(a.Body), "Caddyfile:10") {
			t.Errorf("%s does not say where: %s", a.what, a.Body)
		}
	}
	k.as(root).get("/{env}").is(200).has(`{"name":"home","region":"NA","status":"ACTIVE"}`)
}

func TestListOfEnvironments(t *testing.T) {
	k := newKit(t)
	for i := range 5 {
		k.as(root).post("/environments", newEnvironment(fmt.Sprintf("made %d", i))).is(201)
	}
	tests := []struct {
		name, who, query string
		want             int
	}{
		{"the whole organization", root, "", 7},
		{"one's own alone", environmentAdmin, "", 1},
		{"of another organization", foreign, "", 1},
		{"by name", root, `filter=name+sw+"MADE"`, 5},
		{"by exact name", root, `filter=name+eq+"home"`, 1},
		{"by ID", root, `filter=id+eq+"` + sibling + `"`, 1},
		{"by the ID of one that the caller may not see", environmentAdmin, `filter=id+eq+"` + sibling + `"`, 0},
		{"by organization", root, `filter=organization.id+eq+"` + organizationID + `"`, 7},
		{"by another organization", root, `filter=organization.id+eq+"` + stranger + `"`, 0},
		{"as the provider writes it", root, `filter=((name+eq+"home")+OR+(name+eq+"sibling"))`, 2},
		{"and", root, `filter=name+sw+"made"+and+name+eq+"made+1"`, 1},
		{"of a population of one", "limited", "", 1},
	}
	limited := k.worker("limited")
	population := k.as(root).post("/{env}/populations", `{"name":"x"}`).is(201).text("id")
	k.as(root).post("/{env}/applications/"+limited+"/roleAssignments", assign(directory.RoleHelpDeskAdmin, "POPULATION", population)).is(201)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			who := tt.who
			if who == "limited" {
				who = limited
			}
			for _, limit := range []int{1, 2, 200} {
				if got := k.as(who).page(fmt.Sprintf("/environments?limit=%d&%s", limit, tt.query), "environments", limit); len(got) != tt.want {
					t.Errorf("limit %d: %d environments, want %d: %v", limit, len(got), tt.want, got)
				}
			}
		})
	}
	for _, filter := range []string{`name+co+"x"`, `x+eq+"y"`, `name+eq`, `name+eq+5`, `(name+eq+"x"`, `name+eq+"x"+or`, `""`} {
		k.as(root).get("/environments?filter="+filter).refused(400, "INVALID_DATA", "INVALID_FILTER", "filter")
	}
	k.as(nobody).get("/environments").refused(403, "ACCESS_FAILED")
}

func TestOrganizationAndLicence(t *testing.T) {
	k := newKit(t)
	if all := k.as(helpDesk).page("/organizations?limit=5", "organizations", 5); len(all) != 1 || all[0]["id"] != organizationID {
		t.Errorf("organizations = %v", all)
	}
	path := "/organizations/" + organizationID
	k.as(helpDesk).get(path).is(200).has(`{"id":"` + organizationID + `","environment":null}`)
	k.as(helpDesk).get("/organizations/"+stranger).refused(404, "NOT_FOUND")
	k.as(foreign).get("/organizations/" + stranger).is(200).has(`{"name":"stranger"}`)
	k.as(nobody).get(path).refused(403, "ACCESS_FAILED")

	licence := directory.LicenseID(organizationID)
	a := k.as(helpDesk).get(path + "/licenses/" + licence).is(200)
	a.has(`{"id":"` + licence + `","status":"ACTIVE","assignedEnvironmentsCount":2,"organization":{"id":"` + organizationID + `"}}`)
	for _, group := range []string{"environments", "users", "mfa", "authorize", "credentials", "gateways", "intelligence", "orchestrate", "fraud", "verify", "advancedServices"} {
		if _, ok := a.at(group).(map[string]any); !ok {
			t.Errorf("there is no %s", group)
		}
	}
	k.as(helpDesk).get(path+"/licenses/"+nothing).refused(404, "NOT_FOUND")
	k.as(helpDesk).get("/organizations/"+stranger+"/licenses").refused(404, "NOT_FOUND")
	for filter, want := range map[string]int{
		`status+eq+"ACTIVE"`: 1, `(status+eq+"active")+and+(beginsAt+lt+"2026-01-01T00:00:00.000Z")`: 1, `status+eq+"EXPIRED"`: 0,
		`beginsAt+lt+"2019-01-01T00:00:00.000Z"`: 0,
	} {
		if got := k.as(helpDesk).page(path+"/licenses?filter="+filter, "licenses", 200); len(got) != want {
			t.Errorf("%s: %d licences, want %d", filter, len(got), want)
		}
	}
	if got := k.as(root).get("/{env}").text("license.id"); got != licence {
		t.Errorf("the environment's licence = %q, want %q", got, licence)
	}
}

// A new environment issues tokens of its own, which reach nothing but it.
func TestTokensOfANewEnvironment(t *testing.T) {
	k := newKit(t)
	id := k.as(root).post("/environments", newEnvironment("made")).is(201).text("id")
	path := "/environments/" + id
	worker := k.as(root).post(path+"/applications", workerBody("w", true)).is(201).text("id")
	k.as(root).post(path+"/applications/"+worker+"/roleAssignments", assign(directory.RoleEnvironmentAdmin, "ENVIRONMENT", id)).is(201)
	own := caller{k, "Bearer " + k.mint(k.environment(id), token.Access{Client: worker})}
	own.get(path + "/applications").is(200)
	own.get("/{env}/applications").refused(403, "ACCESS_FAILED")
	k.as(root).del(path).is(204)
	own.get(path+"/applications").refused(401, "ACCESS_FAILED", "INVALID_TOKEN")
}

// An organization has so many environments, and another one as many.
func TestEnvironmentsAreBounded(t *testing.T) {
	k := newKit(t, func(c *declared.Config) {
		for i := range directory.MaxEnvironments - 3 { // beside home and sibling
			id := fmt.Sprintf("0f000000-0000-4000-8000-%012d", i)
			c.Environments = append(c.Environments, declared.Environment{
				Name: id, ID: id, Issuer: "https://auth.example.com/" + id + "/as", Organization: organizationID, APIAudience: apiAudience,
			})
		}
	})
	k.as(root).post("/environments", newEnvironment("last")).is(201)
	k.as(root).post("/environments", newEnvironment("one more")).refused(400, "INVALID_DATA", "CONSTRAINT_VIOLATION")
	k.as(foreign).post("/environments", newEnvironment("theirs")).is(201)
}
