package management_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestSelfServiceAttributes: an environment limits what people read and change of
// themselves by a scope (pingone-auth.md 18.2), and adds scopes for some of it.
func TestSelfServiceAttributes(t *testing.T) {
	k := newKit(t)
	admin := k.as(environmentAdmin)
	user := k.as(identityAdmin).post("/{env}/users", `{"username":"carol","email":"carol@example.com","name":{"given":"Carol","family":"Clay"},"nickname":"Caz"}`).is(201).text("id")
	me := "/{env}/users/" + user
	api := "/{env}/resources/" + called(t, admin.page("/{env}/resources", "resources", 200), "PingOne API")["id"].(string)
	limit := func(name, attributes string) {
		t.Helper()
		id := called(t, admin.page(api+"/scopes", "scopes", 200), name)["id"].(string)
		admin.put(api+"/scopes/"+id, `{"name":"`+name+`","schemaAttributes":`+attributes+`}`).is(200)
	}
	added := admin.post(api+"/scopes", `{"name":"p1:read:user:contact","schemaAttributes":["email","name.given"]}`).is(201).text("id")
	admin.post(api+"/scopes", `{"name":"p1:update:user:nick","schemaAttributes":["nickname","name.family"]}`).is(201)
	admin.post(api+"/scopes", `{"name":"p1:read:user:nothing"}`).is(201)
	reads := func(scope ...string) []string {
		t.Helper()
		body := k.asUser("web", user, scope...).get(me).is(200).json()
		if name, ok := body["name"].(map[string]any); ok {
			for inner := range name {
				body["name."+inner] = true
			}
			delete(body, "name")
		}
		for _, always := range []string{"_links", "id", "environment"} {
			if body[always] == nil {
				t.Errorf("%s is missing", always)
			}
			delete(body, always)
		}
		return slices.Sorted(maps.Keys(body))
	}

	if got := reads("p1:read:user"); !slices.Contains(got, "username") || !slices.Contains(got, "name.family") {
		t.Errorf("without a limit: %q", got)
	}
	if diff := cmp.Diff([]string{"email", "name.given"}, reads("p1:read:user:contact")); diff != "" {
		t.Errorf("an added scope (-want +got):\n%s", diff)
	}
	k.asUser("web", user, "p1:read:user:nothing").get(me).refused(403, "ACCESS_FAILED")
	k.asUser("web", user, "p1:read:user:unknown").get(me).refused(403, "ACCESS_FAILED")
	limit("p1:read:user", `["nickname"]`)
	if diff := cmp.Diff([]string{"nickname"}, reads("p1:read:user")); diff != "" {
		t.Errorf("a limit (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"email", "name.given", "nickname"}, reads("p1:read:user", "p1:read:user:contact")); diff != "" {
		t.Errorf("both (-want +got):\n%s", diff)
	}
	limit("p1:read:user", `["*"]`)
	if got := reads("p1:read:user"); !slices.Contains(got, "username") {
		t.Errorf("the limit taken back: %q", got)
	}

	changes := []struct {
		name, method, body string
		scope              []string
		status             int
	}{
		{"no limit", "PATCH", `{"title":"Dr"}`, []string{"p1:update:user"}, 200},
		{"what it may", "PATCH", `{"id":"x","nickname":"Cazza","name":{"family":"Cole"}}`, []string{"p1:update:user:nick"}, 200},
		{"what it may, and more", "PATCH", `{"nickname":"Cee","title":"Sir"}`, []string{"p1:update:user:nick"}, 400},
		{"another member of what it may", "PATCH", `{"name":{"family":"Cole","given":"C"}}`, []string{"p1:update:user:nick"}, 400},
		{"to take a whole away of which it may a part", "PATCH", `{"name":null}`, []string{"p1:update:user:nick"}, 400},
		{"the address", "PATCH", `{"email":"mallory@example.com"}`, []string{"p1:update:user:nick", "p1:read:user:contact"}, 400},
		{"everything", "PUT", `{"username":"carol","email":"carol@example.com","nickname":"C"}`, []string{"p1:update:user:nick"}, 403},
		{"everything, without a limit", "PUT", `{"username":"carol","email":"carol@example.com","nickname":"C"}`, []string{"p1:update:user"}, 200},
		{"by reading", "PATCH", `{"nickname":"C"}`, []string{"p1:read:user"}, 403},
	}
	for _, tt := range changes {
		t.Run(tt.name, func(t *testing.T) {
			k.in(t).asUser("web", user, tt.scope...).do(tt.method, me, tt.body).is(tt.status)
		})
	}
	body := k.asUser("web", user, "p1:update:user:nick").patch(me, `{"nickname":"Cat"}`).is(200).has(`{"nickname":"Cat","email":null,"username":null}`).json()
	if body["id"] != user {
		t.Errorf("id = %v", body["id"])
	}
	admin.del(api + "/scopes/" + added).is(204)
	k.asUser("web", user, "p1:read:user:contact").get(me).refused(403, "ACCESS_FAILED")
}

// What is decided about people they do not decide themselves, whatever they may change of their own.
func TestSelfServiceDecidesNothing(t *testing.T) {
	k := newKit(t)
	user := k.person(`{"username":"carol","email":"carol@example.com","emailVerified":true,"verifyStatus":"DISABLED"}`)
	me := users + "/" + user
	self := k.asUser("web", user, "p1:read:user", "p1:update:user")
	const claims = `"enabled":false,"mfaEnabled":true,"verifyStatus":"ENABLED","account":{"canAuthenticate":false,"status":"LOCKED"},
		"lifecycle":{"status":"VERIFICATION_REQUIRED"},"identityProvider":{"type":"GOOGLE"}`
	const decided = `{"nickname":"Cat","enabled":true,"mfaEnabled":false,"verifyStatus":"DISABLED","emailVerified":true,
		"account":{"canAuthenticate":true,"status":"OK"},"lifecycle":{"status":"ACCOUNT_OK"},"identityProvider":{"type":"PING_ONE"}}`
	self.put(me, `{"username":"carol","email":"carol@example.com","nickname":"Cat",`+claims+`}`).is(200).has(decided)
	patched := self.patch(me, `{"nickname":"Cat","enabled":false,"mfaEnabled":true,"verifyStatus":"ENABLED","lifecycle":{"status":"VERIFICATION_REQUIRED"},
		"identityProvider":{"type":"GOOGLE"}}`)
	if patched.Status == 200 {
		patched.has(decided)
	}
	self.patch(me, `{"email":"mallory@example.com"}`).is(200).has(`{"emailVerified":false}`)
	self.patch(me, `{"emailVerified":true}`)
	k.as(root).get(me).is(200).has(`{"emailVerified":false,"verifyStatus":"DISABLED","enabled":true}`)
	k.as(root).put(me, `{"username":"carol","email":"mallory@example.com","verifyStatus":"ENABLED"}`).is(200).has(`{"verifyStatus":"ENABLED"}`)
}
