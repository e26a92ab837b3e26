package management_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

const populations = "/{env}/populations"

func (k *kit) population(body string) string {
	k.t.Helper()
	return k.as(root).post(populations, body).is(201).text("id")
}

// defaults are the IDs of the populations that say that they are the default.
func (k *kit) defaultPopulations() (ids []string) {
	k.t.Helper()
	for _, p := range k.as(root).page(populations, "populations", 200) {
		if p["default"] == true {
			ids = append(ids, p["id"].(string))
		}
	}
	return ids
}

func TestEveryMemberOfAPopulationComesBack(t *testing.T) {
	k := newKit(t)
	body := `{"name":"Staff","description":"Who works here","alternativeIdentifiers":["a","b"],"preferredLanguage":"de-CH",
		"passwordPolicy":{"id":"` + directory.PasswordPolicy(home) + `"},"theme":{"id":"0e000000-0000-4000-8000-00000000000e"}}`
	a := k.as(root).post(populations, body).is(201).has(body).has(`{"default":false,"userCount":0,"environment":{"id":"` + home + `"},"createdAt":"2026-03-01T12:00:00.000Z"}`)
	path := populations + "/" + a.text("id")
	k.as(root).get(path).is(200).has(body)
	k.as(root).put(path, `{"name":"Staff","alternativeIdentifiers":[]}`).is(200).has(`{"alternativeIdentifiers":[],"description":null,"preferredLanguage":null,"passwordPolicy":null,"default":false}`)
	if a.text("theme.id") == k.as(root).get(path).text("theme.id") {
		t.Error("a theme that was not sent again is still there")
	}
}

// Clients wait for a theme (pingone-management.md §8).
func TestPopulationHasAThemeAlways(t *testing.T) {
	k := newKit(t)
	for _, p := range []string{k.population(`{"name":"a"}`), k.population(`{"name":"b","theme":null}`), directory.FirstPopulation(home)} {
		if got := k.as(root).get(populations + "/" + p).is(200).text("theme.id"); len(got) != 36 {
			t.Errorf("theme.id = %q, want a UUID", got)
		}
	}
}

func TestPopulationRefused(t *testing.T) {
	k := newKit(t)
	k.population(`{"name":"Staff"}`)
	for name, tt := range map[string][3]string{
		"no name":                   {`{}`, "REQUIRED_VALUE", "name"},
		"name of space":             {`{"name":" "}`, "EMPTY_VALUE", "name"},
		"name of 257 characters":    {`{"name":"` + strings.Repeat("x", 257) + `"}`, "SIZE_LIMIT_EXCEEDED", "name"},
		"name that is taken":        {`{"name":"STAFF"}`, "UNIQUENESS_VIOLATION", "name"},
		"name of the first one":     {`{"name":"default"}`, "UNIQUENESS_VIOLATION", "name"},
		"name no text":              {`{"name":1}`, "INVALID_VALUE", "name"},
		"description too long":      {`{"name":"x","description":"` + strings.Repeat("x", 1025) + `"}`, "SIZE_LIMIT_EXCEEDED", "description"},
		"26 identifiers":            {`{"name":"x","alternativeIdentifiers":[` + strings.TrimSuffix(strings.Repeat(`"a",`, 26), ",") + `]}`, "SIZE_LIMIT_EXCEEDED", "alternativeIdentifiers"},
		"an identifier of nothing":  {`{"name":"x","alternativeIdentifiers":[""]}`, "INVALID_VALUE", "alternativeIdentifiers"},
		"no language":               {`{"name":"x","preferredLanguage":"not a language"}`, "INVALID_VALUE", "preferredLanguage"},
		"unknown password policy":   {`{"name":"x","passwordPolicy":{"id":"` + nothing + `"}}`, "INVALID_VALUE", "passwordPolicy.id"},
		"theme that is no UUID":     {`{"name":"x","theme":{"id":"x"}}`, "INVALID_VALUE", "theme.id"},
		"default that is no truth":  {`{"name":"x","default":"yes"}`, "INVALID_VALUE", "default"},
		"somebody else the default": {`{"name":"x","defaultPopulation":7}`, "INVALID_VALUE", "defaultPopulation"},
	} {
		t.Run(name, func(t *testing.T) {
			k.as(root).post(populations, tt[0]).refused(400, "INVALID_DATA", tt[1], tt[2])
		})
	}
	// What only the server says cannot be said by anybody.
	id := k.population(`{"name":"x","defaultPopulation":"` + nothing + `","userCount":9,"id":"` + nothing + `"}`)
	k.as(root).get(populations + "/" + id).is(200).has(`{"defaultPopulation":null,"userCount":0,"default":false}`)
}

func TestFirstPopulation(t *testing.T) {
	k := newKit(t)
	first := directory.FirstPopulation(home)
	path := populations + "/" + first
	k.as(root).get(path).is(200).has(`{"id":"` + first + `","name":"Default","default":true,"userCount":2}`)
	k.as(root).put(path, `{"name":"Everybody","description":"x"}`).is(200).has(`{"name":"Everybody","description":"x","default":true}`)
	k.as(root).get(path).is(200).has(`{"name":"Everybody","default":true}`)
	k.population(`{"name":"Default"}`) // free by now
	a := k.as(root).del(path).refused(400, "INVALID_DATA", "CONSTRAINT_VIOLATION")
	if !strings.Contains(a.text("details.0.message"), "must contain at least one population") {
		t.Errorf("message = %q: clients look for a text", a.text("details.0.message"))
	}
	other := k.as(root).get("/environments/" + sibling + "/populations").is(200).text("_embedded.populations.0.id")
	if other == first || other == "" {
		t.Errorf("the other environment's first population is %q", other)
	}
	k.as(root).get(populations+"/"+other).refused(404, "NOT_FOUND")
}

// There is exactly one default, whatever is said.
func TestDefaultPopulation(t *testing.T) {
	k := newKit(t)
	first := directory.FirstPopulation(home)
	want := func(when, id string) {
		t.Helper()
		if got := k.defaultPopulations(); !slices.Equal(got, []string{id}) {
			t.Errorf("%s: defaults = %v, want %s", when, got, id)
		}
		user := k.as(root).post(users, fmt.Sprintf(`{"username":"%s","email":"u@example.com"}`, strings.ReplaceAll(when, " ", "-"))).is(201)
		if user.text("population.id") != id {
			t.Errorf("%s: a new user is in %s, want %s", when, user.text("population.id"), id)
		}
	}
	want("at first", first)
	a := k.population(`{"name":"a","default":true}`)
	want("created as default", a)
	b := k.population(`{"name":"b","default":false}`)
	want("created as none", a)
	k.as(root).put(populations+"/"+b, `{"name":"b","default":true}`).is(200).has(`{"default":true}`)
	want("made default", b)
	k.as(root).put(populations+"/"+b, `{"name":"b"}`).is(200).has(`{"default":true}`)
	want("not said", b)
	k.as(root).put(populations+"/"+b, `{"name":"b","default":false}`).refused(400, "INVALID_DATA", "CONSTRAINT_VIOLATION", "default")
	k.as(root).put(populations+"/"+a, `{"name":"a","default":false}`).is(200)
	want("refused", b)
	k.as(root).put(populations+"/"+first, `{"name":"Default"}`).is(200).has(`{"default":false}`)
	want("the first one changed", b)
	for _, user := range k.as(root).page(filtered(`population.id eq "`+b+`"`), "users", 200) {
		k.as(root).del(users + "/" + user["id"].(string)).is(204)
	}
	e := k.as(root).del(populations+"/"+b).refused(400, "INVALID_DATA", "CONSTRAINT_VIOLATION")
	if !strings.Contains(e.text("details.0.message"), "must contain at least one population") {
		t.Errorf("message = %q", e.text("details.0.message"))
	}
	k.as(root).put(populations+"/"+first, `{"name":"Default","default":true}`).is(200).has(`{"default":true}`)
	want("back to the first one", first)
	k.as(root).del(populations + "/" + b).is(204)
	want("another one deleted", first)
}

func TestDeletePopulation(t *testing.T) {
	k := newKit(t)
	id := k.population(`{"name":"Staff"}`)
	worker := k.scoped(directory.RoleIdentityDataAdmin, id)
	user := k.person(`{"username":"u","email":"u@example.com","population":{"id":"` + id + `"}}`)
	k.as(root).get(populations + "/" + id).is(200).has(`{"userCount":1}`)
	k.as(root).del(populations+"/"+id).refused(400, "INVALID_DATA", "CONSTRAINT_VIOLATION")
	k.as(root).del(users + "/" + user).is(204)
	k.as(root).del(populations + "/" + id).is(204)
	k.as(root).get(populations+"/"+id).refused(404, "NOT_FOUND")
	k.as(root).del(populations+"/"+id).refused(404, "NOT_FOUND")
	if got := k.as(root).get("/{env}/applications/" + worker + "/roleAssignments").is(200).at("size"); got != 0.0 {
		t.Errorf("%v roles on what is deleted, want none", got)
	}
	k.population(`{"name":"Staff"}`)
}

func TestMoveUser(t *testing.T) {
	k := newKit(t)
	a, b := k.population(`{"name":"a"}`), k.population(`{"name":"b"}`)
	id := k.person(`{"username":"u","email":"u@example.com","population":{"id":"` + a + `"}}`)
	path := users + "/" + id + "/population"
	k.as(root).get(path).is(200).has(`{"id":"` + a + `"}`)
	for _, to := range []string{b, directory.FirstPopulation(home), b} {
		k.as(root).put(path, `{"id":"`+to+`"}`).is(200).has(`{"id":"` + to + `"}`)
		k.as(root).get(users + "/" + id).is(200).has(`{"population":{"id":"` + to + `"}}`)
		if got := named(k.as(root).page(filtered(`population.id eq "`+to+`" and username eq "u"`), "users", 200)); len(got) != 1 {
			t.Errorf("in %s: %v", to, got)
		}
	}
	k.as(root).put(path, `{"id":"`+nothing+`"}`).refused(400, "INVALID_DATA", "INVALID_VALUE", "population.id")
	k.as(root).put(path, `{}`).refused(400, "INVALID_DATA", "REQUIRED_VALUE", "id")
	k.as(root).get(path).is(200).has(`{"id":"` + b + `"}`)
}

func TestFilterPopulations(t *testing.T) {
	k := newKit(t)
	id := k.population(`{"name":"Staff"}`)
	k.population(`{"name":"Students"}`)
	for filter, want := range map[string]string{
		`name eq "staff"`: "Staff", `name sw "st"`: "Staff Students", `id eq "` + id + `"`: "Staff", `name eq "x"`: "",
		`((name eq "Staff") or (name eq "Default"))`: "Default Staff", `name sw "st" and not (id eq "` + id + `")`: "Students",
	} {
		var got []string
		for _, p := range k.as(root).page(populations+"?filter="+strings.ReplaceAll(strings.ReplaceAll(filter, " ", "+"), `"`, "%22"), "populations", 200) {
			got = append(got, p["name"].(string))
		}
		slices.Sort(got)
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v, want %s", filter, got, want)
		}
	}
	for _, filter := range []string{`description+eq+"x"`, `name+co+"x"`, `id+sw+"x"`, `name+eq+1`, `name`} {
		k.as(root).get(populations+"?filter="+strings.ReplaceAll(filter, `"`, "%22")).refused(400, "INVALID_DATA", "INVALID_FILTER", "filter")
	}
}

func TestPopulationsOfAScopedCaller(t *testing.T) {
	k := newKit(t)
	mine, theirs := k.population(`{"name":"mine"}`), k.population(`{"name":"theirs"}`)
	c := k.as(k.scoped(directory.RoleIdentityDataAdmin, mine))
	all := c.page(populations, "populations", 200)
	if len(all) != 1 || all[0]["id"] != mine {
		t.Errorf("list: %v, want mine alone", all)
	}
	c.get(populations + "/" + mine).is(200)
	for _, id := range []string{theirs, nothing, directory.FirstPopulation(home)} {
		c.get(populations+"/"+id).refused(404, "NOT_FOUND")
		c.get(populations+"/"+id+"/defaultIdentityProvider").refused(404, "NOT_FOUND")
	}
	c.post(populations, `{"name":"new"}`).refused(403, "ACCESS_FAILED")
}

func TestDefaultIdentityProvider(t *testing.T) {
	k := newKit(t)
	path := populations + "/" + k.population(`{"name":"a"}`) + "/defaultIdentityProvider"
	got := k.as(root).get(path).is(200).has(`{"type":"PING_ONE"}`)
	k.as(root).put(path, `{"type":"PING_ONE"}`).is(200).has(`{"type":"PING_ONE"}`)
	k.as(root).put(path, `{"type":"PING_ONE","id":"`+got.text("id")+`"}`).is(200).has(`{"type":"PING_ONE","id":"` + got.text("id") + `"}`)
	k.as(root).put(path, `{"type":"GOOGLE"}`).refused(400, "INVALID_DATA", "INVALID_VALUE", "type")
	k.as(root).put(path, `{"id":"`+nothing+`","type":"PING_ONE"}`).refused(400, "INVALID_DATA", "INVALID_VALUE", "id")
	k.as(root).put(path, `{}`).refused(400, "INVALID_DATA", "REQUIRED_VALUE", "type")
	k.as(root).get(populations+"/"+nothing+"/defaultIdentityProvider").refused(404, "NOT_FOUND")
}

// Many populations that become the default at once: one is it then.
func TestParallelDefaults(t *testing.T) {
	k := newKit(t)
	var ids []string
	for i := range 6 {
		ids = append(ids, k.population(fmt.Sprintf(`{"name":"p%d"}`, i)))
	}
	c, done := k.as(root), make(chan int)
	for i, id := range ids {
		go func() { done <- c.put(populations+"/"+id, fmt.Sprintf(`{"name":"p%d","default":true}`, i)).Status }()
	}
	for range ids {
		if status := <-done; status != 200 {
			t.Errorf("status = %d", status)
		}
	}
	if got := k.defaultPopulations(); len(got) != 1 || !slices.Contains(ids, got[0]) {
		t.Errorf("defaults = %v, want one of %v", got, ids)
	}
}

// Whoever creates a population and could not change its people gets the role to (pingone-management.md §11).
func TestCreatorGetsARoleOnThePopulation(t *testing.T) {
	k := newKit(t)
	id := k.as(environmentAdmin).post(populations, `{"name":"new"}`).is(201).text("id")
	user := k.person(`{"username":"u","email":"u@example.com","population":{"id":"` + id + `"}}`)
	roles, err := k.API.Live.ItemsByKey(t.Context(), k.Env, store.KindRoleAssignment, "scope "+id, 10)
	if err != nil || len(roles) > 1 {
		t.Fatalf("roles on it: %v, %v", roles, err)
	}
	k.as(environmentAdmin).get(users + "/" + user).is(200)
	k.as(environmentAdmin).patch(users+"/"+user, `{"nickname":"x"}`).is(200)
	outside := k.person(`{"username":"v","email":"v@example.com"}`)
	if a := k.as(environmentAdmin).patch(users+"/"+outside, `{"nickname":"x"}`); a.Status == 200 {
		t.Errorf("somebody elsewhere: status = %d, want it refused", a.Status)
	}
}

// Whoever administers one population does not have everybody come into it.
func TestDefaultPopulationIsTheEnvironments(t *testing.T) {
	k := newKit(t)
	const populations = "/{env}/populations"
	mine := k.as(root).post(populations, `{"name":"Mine"}`).is(201).text("id")
	limited := k.as(k.scoped(directory.RoleIdentityDataAdmin, mine))
	path := populations + "/" + mine
	limited.put(path, `{"name":"Mine","description":"x"}`).is(200)
	limited.put(path, `{"name":"Mine","default":true}`).refused(403, "ACCESS_FAILED", "INSUFFICIENT_PERMISSIONS")
	k.as(root).get(path).is(200).has(`{"default":false,"description":"x"}`)
	k.as(identityAdmin).put(path, `{"name":"Mine","default":true}`).is(200).has(`{"default":true}`)
	limited.put(path, `{"name":"Mine","default":true}`).is(200)
}
