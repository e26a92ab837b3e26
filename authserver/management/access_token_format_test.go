package management_test

import (
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/declared"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

// accessTokenFormat is Gatehouse's own: who does not send it does not find it.
func TestApplicationAccessTokenFormat(t *testing.T) {
	k := newKit(t)
	c := k.as(developer)
	created := c.post("/{env}/applications", with(shopBody("Shop"), "accessTokenFormat", "OPAQUE")).is(201)
	created.has(`{"accessTokenFormat":"OPAQUE"}`)
	path := "/{env}/applications/" + created.text("id")
	c.get(path).is(200).has(`{"accessTokenFormat":"OPAQUE"}`)
	c.put(path, with(shopBody("Shop"), "accessTokenFormat", "JWT")).is(200).has(`{"accessTokenFormat":"JWT"}`)
	c.put(path, shopBody("Shop")).is(200).has(`{"accessTokenFormat":null}`)
	c.get(path).is(200).has(`{"accessTokenFormat":null}`)
	for _, bad := range []any{"opaque", "OPAQUE_TOKEN", ""} {
		code := "INVALID_VALUE"
		if bad == "" {
			code = "REQUIRED_VALUE"
		}
		c.put(path, with(shopBody("Shop"), "accessTokenFormat", bad)).refused(400, "INVALID_DATA", code, "accessTokenFormat")
	}
	c.put(path, with(shopBody("Shop"), "accessTokenFormat", true)).refused(400, "INVALID_DATA", "INVALID_VALUE", "accessTokenFormat")
}

func TestEnvironmentAccessTokenFormat(t *testing.T) {
	k := newKit(t, func(c *declared.Config) { c.Environments[0].AccessTokenFormat = "opaque" })
	k.as(root).get("/{env}").is(200).has(`{"accessTokenFormat":"OPAQUE"}`)

	made := k.as(root).post("/environments", newEnvironment("made")).is(201).has(`{"accessTokenFormat":null}`)
	path := "/environments/" + made.text("id")
	opaque := newEnvironment("made")
	opaque = opaque[:len(opaque)-1] + `,"accessTokenFormat":"OPAQUE"}`
	k.as(root).put(path, opaque).is(200).has(`{"accessTokenFormat":"OPAQUE"}`)
	if !k.environment(made.text("id")).OpaqueTokens {
		t.Error("the environment's tokens are JWTs, want opaque ones")
	}
	k.as(root).put(path+"/type", `{"type":"PRODUCTION"}`).is(200).has(`{"accessTokenFormat":"OPAQUE"}`)
	k.as(root).put(path+"/billOfMaterials", `{"products":[{"type":"PING_ONE_BASE"}]}`).is(200)
	k.as(root).get(path).is(200).has(`{"accessTokenFormat":"OPAQUE"}`)
	k.as(root).put(path, newEnvironment("made")).is(200).has(`{"accessTokenFormat":null}`)
	k.as(root).put(path, newEnvironment("made")[:len(newEnvironment("made"))-1]+`,"accessTokenFormat":"PHANTOM"}`).
		refused(400, "INVALID_DATA", "INVALID_VALUE", "accessTokenFormat")
}

// A change of the format is about tokens to come: those that there are work on, of
// either kind, for the API itself as well.
func TestFormatChangesTokensToCome(t *testing.T) {
	k := newKit(t)
	id := k.as(root).post("/environments", newEnvironment("made")).is(201).text("id")
	path := "/environments/" + id
	worker := k.as(root).post(path+"/applications", workerBody("w", true)).is(201).text("id")
	k.as(root).post(path+"/applications/"+worker+"/roleAssignments", assign("Environment Admin", "ENVIRONMENT", id)).is(201)
	mint := func() (caller, bool) {
		t.Helper()
		raw := k.mint(k.environment(id), token.Access{Client: worker})
		return caller{k, "Bearer " + raw}, token.IsOpaque(raw)
	}
	var all []caller
	next := func(what string, want bool) {
		t.Helper()
		c, opaque := mint()
		if opaque != want {
			t.Errorf("%s: opaque = %v, want %v", what, opaque, want)
		}
		all = append(all, c)
		for i, c := range all {
			if a := c.get(path + "/applications"); a.Status != 200 {
				t.Errorf("%s: token %d gets %d %s, want 200", what, i+1, a.Status, a.Body)
			}
		}
	}
	environment := func(format string) {
		t.Helper()
		body := newEnvironment("made")
		k.as(root).put(path, body[:len(body)-1]+`,"accessTokenFormat":"`+format+`"}`).is(200)
	}
	application := func(format any) {
		t.Helper()
		body := workerBody("w", true)
		if format != nil {
			body["accessTokenFormat"] = format
		}
		k.as(root).put(path+"/applications/"+worker, body).is(200)
	}
	next("as it was made", false)
	environment("OPAQUE")
	next("the environment's tokens are opaque", true)
	application(string(store.FormatJWT))
	next("but for the application's", false)
	environment("JWT")
	next("both say JWT", false)
	application(string(store.FormatOpaque))
	next("the application's alone are opaque", true)
	application(nil)
	next("as the environment says", false)

	k.as(root).del(path).is(204)
	for i, c := range all {
		if a := c.get(path + "/applications"); a.Status != 401 {
			t.Errorf("token %d of a deleted environment gets %d, want 401", i+1, a.Status)
		}
	}
}
