package management_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/declared"
)

// Sentences of the error table (pingone-management.md 2.5), of which clients match some.
const (
	invalidDataText = "The request could not be completed. One or more validation errors were in the request."
	noAccessText    = "The request could not be completed. You do not have access to this resource."
	notFoundText    = "The request could not be completed. The requested resource was not found."
)

// retriedTexts are those that make clients repeat a request for minutes. Nothing that is refused for
// good may say them.
var retriedTexts = []string{
	"The actor attempting to perform the request is not authorized", "Must have role at the same or broader scope",
}

// The error table of pingone-management.md 2.5, row by row: status, code, the code and target of the first detail, and the
// texts that clients match.
func TestErrorTable(t *testing.T) {
	k, _ := mailed(t)
	c := k.as(root)
	user := k.imported("somebody", goodPassword)
	plain := k.person(`{"username":"plain","email":"plain@example.com"}`)
	locked := k.imported("locked", goodPassword)
	c.post(users+"/"+locked, nil, "Content-Type", lockType).is(200)
	key := c.post("/{env}/keys", changed(t, goodKey, `{"default":true}`)).is(201).text("id")
	inhabited := k.population(`{"name":"inhabited"}`)
	k.person(`{"username":"inhabitant","email":"i@example.com","population":{"id":"` + inhabited + `"}}`)
	shop := c.post("/{env}/applications", shopBody("Shop")).is(201).text("id")
	api, _ := k.resource(`{"name":"api"}`)
	scope := c.post("/{env}/resources/"+api+"/scopes", `{"name":"api:read"}`).is(201).text("id")
	openid := called(t, c.page("/{env}/resources", "resources", 200), "openid")["id"].(string)
	grant := map[string]any{"resource": map[string]any{"id": api}, "scopes": []any{map[string]any{"id": scope}}}
	c.post("/{env}/applications/"+shop+"/grants", grant).is(201)
	declaredRole := c.page("/{env}/applications/"+developer+"/roleAssignments", "roleAssignments", 200)[0]["id"].(string)
	secretless := c.post("/{env}/applications", with(with(shopBody("Public"), "type", "SINGLE_PAGE_APP"), "tokenEndpointAuthMethod", "NONE")).is(201).text("id")
	check := func(id, password string) *answer {
		return c.post(users+"/"+id+"/password", `{"password":"`+password+`"}`, "Content-Type", checkType)
	}

	tests := []struct {
		name           string
		do             func() *answer
		status         int
		code           string
		detail, target string // "" is for none
		message        string // begins with it; "" for any
		said           string // somewhere in the first detail's message
	}{
		// 400
		{"a body that is no JSON", func() *answer { return c.post(populations, `{`) }, 400, "INVALID_REQUEST", "", "", "", ""},
		{"a member that is missing", func() *answer { return c.post(populations, `{}`) }, 400, "INVALID_DATA", "REQUIRED_VALUE", "name", invalidDataText, ""},
		{"a member of nothing but space", func() *answer { return c.post(populations, `{"name":" "}`) }, 400, "INVALID_DATA", "EMPTY_VALUE", "name", invalidDataText, ""},
		{"a member of the wrong type", func() *answer { return c.post(populations, `{"name":1}`) }, 400, "INVALID_DATA", "INVALID_VALUE", "name", invalidDataText, ""},
		{"a member that is too long", func() *answer { return c.post(populations, `{"name":"`+strings.Repeat("x", 257)+`"}`) },
			400, "INVALID_DATA", "SIZE_LIMIT_EXCEEDED", "name", invalidDataText, ""},
		{"a number that is too large", func() *answer { return c.post("/{env}/applications", with(shopBody("New"), "parTimeout", 601)) },
			400, "INVALID_DATA", "OUT_OF_RANGE", "parTimeout", invalidDataText, ""},
		{"a name that is taken", func() *answer { return c.post("/{env}/applications", shopBody("Shop")) },
			400, "INVALID_DATA", "UNIQUENESS_VIOLATION", "name", invalidDataText, "is unique but a non-unique value is provided"},
		{"a username that is taken", func() *answer { return c.post(users, `{"username":"plain","email":"p@example.com"}`) },
			400, "INVALID_DATA", "UNIQUENESS_VIOLATION", "username", invalidDataText, ""},
		{"what configuration declares", func() *answer { return c.del("/{env}/applications/web") }, 400, "INVALID_DATA", "CONSTRAINT_VIOLATION", "id", invalidDataText, "Caddyfile:14"},
		{"a filter that is none", func() *answer { return c.get(filtered(`shoeSize eq "9"`)) }, 400, "INVALID_DATA", "INVALID_FILTER", "filter", invalidDataText, ""},
		{"a cursor that is none", func() *answer { return c.get(users + "?cursor=x") }, 400, "INVALID_DATA", "INVALID_PARAMETER", "cursor", invalidDataText, ""},
		{"a limit that is none", func() *answer { return c.get(users + "?limit=0") }, 400, "INVALID_DATA", "INVALID_PARAMETER", "limit", invalidDataText, ""},
		{"a password that is wrong", func() *answer { return check(user, "wrong") }, 400, "INVALID_DATA", "INVALID_VALUE", "password", invalidDataText, ""},
		{"a password that there is not", func() *answer { return check(plain, "wrong") }, 400, "INVALID_DATA", "NO_PASSWORD", "", invalidDataText, ""},
		{"a password of a locked account", func() *answer { return check(locked, goodPassword) }, 400, "INVALID_DATA", "ACCOUNT_NOT_USABLE", "", invalidDataText, ""},
		{"a current password that is wrong", func() *answer {
			return k.asUser("web", user, "openid", "p1:reset:userPassword").put(users+"/"+user+"/password",
				`{"currentPassword":"wrong","newPassword":"`+nextPassword+`"}`, "Content-Type", resetType)
		}, 400, "INVALID_DATA", "INVALID_VALUE", "currentPassword", invalidDataText, ""},

		// Texts that clients match
		{"wildcards", func() *answer {
			return c.post("/{env}/applications", with(shopBody("New"), "redirectUris", []string{"https://shop.example.com/*"}))
		}, 400, "INVALID_DATA", "INVALID_VALUE", "redirectUris", "Wildcards are not allowed in redirect URIs.", ""},
		{"the default population", func() *answer { return c.del(populations + "/" + directory.FirstPopulation(home)) },
			400, "INVALID_DATA", "CONSTRAINT_VIOLATION", "", invalidDataText, "must contain at least one population"},
		{"a population with users", func() *answer { return c.del(populations + "/" + inhabited) }, 400, "INVALID_DATA", "CONSTRAINT_VIOLATION", "", invalidDataText, ""},
		{"a key that signs", func() *answer { return c.del("/{env}/keys/" + key) }, 400, "INVALID_DATA", "CONSTRAINT_VIOLATION", "", "", "The Key must not be in use"},
		{"a role assignment that is read only", func() *answer { return c.del("/{env}/applications/" + developer + "/roleAssignments/" + declaredRole) },
			400, "INVALID_DATA", "CONSTRAINT_VIOLATION", "", "Role assignment " + declaredRole + " cannot be deleted as it is read only", ""},
		{"a role that is not for that scope", func() *answer {
			return c.post("/{env}/users/"+user+"/roleAssignments", assign(directory.RoleEnvironmentAdmin, "POPULATION", inhabited))
		}, 400, "INVALID_DATA", "INVALID_VALUE", "scope", "", ""},
		{"a reserved name of a mapping", func() *answer {
			return c.post("/{env}/applications/"+shop+"/attributes", `{"name":"iss","value":"x","required":false}`)
		}, 400, "INVALID_DATA", "INVALID_VALUE", "name", invalidDataText, ""},
		{"a reserved name of a resource attribute", func() *answer { return c.post("/{env}/resources/"+openid+"/attributes", `{"name":"p1.x","value":"x"}`) },
			400, "INVALID_DATA", "INVALID_VALUE", "name", invalidDataText, ""},
		{"a second grant for a resource", func() *answer { return c.post("/{env}/applications/"+shop+"/grants", grant) },
			400, "INVALID_DATA", "UNIQUENESS_VIOLATION", "", invalidDataText, ""},
		{"a scope of another resource", func() *answer {
			return c.post("/{env}/applications/"+shop+"/grants", map[string]any{"resource": map[string]any{"id": openid}, "scopes": grant["scopes"]})
		}, 400, "INVALID_DATA", "INVALID_VALUE", "", invalidDataText, ""},
		{"a grant for what there is not", func() *answer {
			return c.post("/{env}/applications/"+shop+"/grants", map[string]any{"resource": map[string]any{"id": nothing}, "scopes": grant["scopes"]})
		}, 400, "INVALID_DATA", "INVALID_VALUE", "", invalidDataText, ""},

		// 401 and 403
		{"no token", func() *answer { return k.anonymous().get("/{env}") }, 401, "ACCESS_FAILED", "INVALID_TOKEN", "", noAccessText, ""},
		{"a token that is none", func() *answer { return caller{k, "Bearer x"}.get("/{env}") }, 401, "ACCESS_FAILED", "INVALID_TOKEN", "", noAccessText, ""},
		{"another scheme", func() *answer { return caller{k, "Basic cm9vdDpyb290LXNlY3JldA=="}.get("/{env}") }, 401, "ACCESS_FAILED", "INVALID_TOKEN", "", noAccessText, ""},
		{"no role", func() *answer { return k.as(nobody).get("/{env}/applications") }, 403, "ACCESS_FAILED", "INSUFFICIENT_PERMISSIONS", "", noAccessText, ""},
		{"a role that the caller has not", func() *answer {
			return k.as(environmentAdmin).post("/{env}/users/"+user+"/roleAssignments", assign(directory.RoleIdentityDataAdmin, "ENVIRONMENT", home))
		}, 403, "ACCESS_FAILED", "INSUFFICIENT_PERMISSIONS", "", "", ""},
		{"a worker's own secret", func() *answer { return k.as(root).get("/{env}/applications/" + root + "/secret") }, 403, "ACCESS_FAILED", "INSUFFICIENT_PERMISSIONS", "", "", ""},

		// 404
		{"an object that there is not", func() *answer { return c.get(users + "/" + nothing) }, 404, "NOT_FOUND", "", "", notFoundText, ""},
		{"a deletion of what there is not", func() *answer { return c.del("/{env}/resources/" + nothing) }, 404, "NOT_FOUND", "", "", notFoundText, ""},
		{"a secret that there is not", func() *answer { return c.get("/{env}/applications/" + secretless + "/secret") }, 404, "NOT_FOUND", "", "", notFoundText, ""},
		{"an environment that there is not", func() *answer { return c.get("/environments/" + nothing) }, 404, "NOT_FOUND", "", "", notFoundText, ""},
		{"a path that there is not", func() *answer { return c.get("/{env}/groups") }, 404, "NOT_FOUND", "", "", notFoundText, ""},

		// and the others
		{"a method that there is not", func() *answer { return c.patch("/{env}/applications/"+shop, `{}`) }, 405, "INVALID_REQUEST", "", "", "", ""},
		{"a version that is not there any more", func() *answer { return c.del(populations+"/"+inhabited, "If-Match", `"7"`) }, 412, "INVALID_REQUEST", "", "", "", ""},
		{"a body that is too large", func() *answer { return c.post(populations, `{"name":"`+strings.Repeat("x", 1<<20)+`"}`) }, 413, "INVALID_REQUEST", "", "", "", ""},
		{"a media type that is not taken", func() *answer { return c.post(populations, `name=x`, "Content-Type", "text/plain") }, 415, "INVALID_REQUEST", "", "", "", ""},
		{"a password without the media type", func() *answer { return c.put(users+"/"+user+"/password", `{"value":"x"}`) }, 415, "INVALID_REQUEST", "", "", "", ""},
		{"too many recovery codes", func() *answer {
			for range 100 {
				if a := c.post(users+"/"+user+"/password", nil, "Content-Type", sendType); a.Status != 200 {
					return a
				}
			}
			return c.get("/{env}")
		}, 429, "REQUEST_LIMITED", "LIMIT_EXCEEDED", "", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := tt.do()
			if a.Status != tt.status {
				t.Fatalf("status = %d, want %d: %s", a.Status, tt.status, a.Body)
			}
			a.refused(tt.status, tt.code, tt.detail)
			if tt.target != "" && a.text("details.0.target") != tt.target {
				t.Errorf("target = %q, want %q: %s", a.text("details.0.target"), tt.target, a.Body)
			}
			if !strings.HasPrefix(a.text("message"), tt.message) || a.text("message") == "" {
				t.Errorf("message = %q, want %q", a.text("message"), tt.message)
			}
			if !strings.Contains(a.text("details.0.message"), tt.said) {
				t.Errorf("detail = %q, want %q", a.text("details.0.message"), tt.said)
			}
			if tt.detail == "" && a.at("details") != nil {
				t.Errorf("details = %v, want none", a.at("details"))
			}
			if got := a.Header.Get("Content-Type"); got != "application/json" {
				t.Errorf("Content-Type = %q", got)
			}
			for _, text := range retriedTexts {
				if strings.Contains(string(a.Body), text) {
					t.Errorf("a permanent refusal says %q", text)
				}
			}
			if got := a.Header.Get("Retry-After"); (got != "") != (tt.status == http.StatusTooManyRequests) {
				t.Errorf("Retry-After = %q", got)
			}
		})
	}
}

// failing is a store of which the credentials cannot be read.
type failing struct {
	store.Store
	err error
}

func (f *failing) CredentialOf(ctx context.Context, environment, subject string) (store.Credential, error) {
	if f.err != nil {
		return store.Credential{}, f.err
	}
	return f.Store.CredentialOf(ctx, environment, subject)
}

// What the server cannot tell now is 503 REQUEST_FAILED, and what nobody has thought of is 500 UNEXPECTED_ERROR:
// clients repeat both, by their status. Neither says why.
func TestErrorsOfTheServer(t *testing.T) {
	d, err := declared.New(declaration())
	if err != nil {
		t.Fatal(err)
	}
	f := &failing{Store: testkit.Store(t)}
	k := assembleKit(t, d, f, testkit.NewClock(noon))
	user := k.person(`{"username":"u","email":"u@example.com"}`)
	c := k.as(root)
	tests := []struct {
		name       string
		err        error
		status     int
		code       string
		retryAfter string
	}{
		{"the store does not answer", fmt.Errorf("zebra: %w", store.ErrUnavailable), 503, "REQUEST_FAILED", "1"},
		{"the store does not answer in time", fmt.Errorf("zebra: %w", context.DeadlineExceeded), 503, "REQUEST_FAILED", "1"},
		{"the store has a fault", errors.New("zebra on disk 7"), 500, "UNEXPECTED_ERROR", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f.err = tt.err
			defer func() { f.err = nil }()
			a := c.get(users+"/"+user).refused(tt.status, tt.code)
			if got := a.Header.Get("Retry-After"); got != tt.retryAfter {
				t.Errorf("Retry-After = %q, want %q", got, tt.retryAfter)
			}
			if strings.Contains(string(a.Body), "zebra") || a.at("details") != nil {
				t.Errorf("the answer says why: %s", a.Body)
			}
			if !strings.Contains(k.Log.String(), a.text("id")) {
				t.Errorf("the log does not say what became of %s", a.text("id"))
			}
		})
	}
	c.get(users + "/" + user).is(200)
}
