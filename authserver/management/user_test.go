package management_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// full is a user with every member that a client may send.
const full = `{
	"username":"Maria.Ångström","email":"Maria@Example.com",
	"name":{"given":"Maria","family":"Ångström","middle":"K.","formatted":"Dr. Maria K. Ångström","honorificPrefix":"Dr.","honorificSuffix":"MBA"},
	"address":{"streetAddress":"1 Main St","locality":"Basel","region":"BS","postalCode":"4051","countryCode":"CH"},
	"externalId":"x-1","locale":"de-CH","mobilePhone":"+41791234567","nickname":"Mia","photo":{"href":"https://example.com/m.png"},
	"preferredLanguage":"de","primaryPhone":"+41611234567","timezone":"Europe/Zurich","title":"CTO","type":"employee","accountId":"acc-7",
	"verifyStatus":"ENABLED","costCenter":"cc-9","shoeSize":38,"vip":true,"prefs":{"colour":"red"},"tags":["a","b"]
}`

func TestEveryMemberOfAUserComesBack(t *testing.T) {
	k := newKit(t)
	created := k.as(root).post(users, full).is(201).has(full)
	id := created.text("id")
	created.has(`{"enabled":true,"mfaEnabled":false,"emailVerified":false,"account":{"canAuthenticate":true,"status":"OK"},
		"identityProvider":{"type":"PING_ONE"},"lifecycle":{"status":"ACCOUNT_OK"},"environment":{"id":"` + home + `"},
		"createdAt":"2026-03-01T12:00:00.000Z","updatedAt":"2026-03-01T12:00:00.000Z",
		"population":{"id":"` + directory.FirstPopulation(home) + `"},"password":null,"lastSignOn":null,"memberOfGroupIDs":null}`)
	if got := created.text("_links.self.href"); got != apiURL+"/v1/environments/"+home+"/users/"+id {
		t.Errorf("self = %s", got)
	}
	read := k.as(root).get(users + "/" + id).is(200).has(full)
	if read.Header.Get("ETag") != `"1"` {
		t.Errorf("ETag = %q, want the version", read.Header.Get("ETag"))
	}
	// Under the names of OpenID Connect, for tokens.
	u, err := k.Store.StoredUserByID(t.Context(), home, id)
	if err != nil {
		t.Fatal(err)
	}
	for claim, want := range map[string]any{
		"given_name": "Maria", "family_name": "Ångström", "middle_name": "K.", "name": "Dr. Maria K. Ångström", "phone_number": "+41611234567",
		"picture": "https://example.com/m.png", "zoneinfo": "Europe/Zurich", "nickname": "Mia", "externalId": "x-1", "email": "Maria@Example.com",
		"address": map[string]any{"street_address": "1 Main St", "locality": "Basel", "region": "BS", "postal_code": "4051", "country": "CH"},
	} {
		if !reflect.DeepEqual(u.Claims[claim], want) {
			t.Errorf("claim %s = %v, want %v", claim, u.Claims[claim], want)
		}
	}
	if u.Username != "maria.ångström" {
		t.Errorf("username = %q, want it folded", u.Username)
	}
	if got := k.actions(id); !slices.Equal(got, []string{"USER.CREATED"}) {
		t.Errorf("audit log: %v", got)
	}
}

func TestWhatWasNotSentIsNotThere(t *testing.T) {
	k := newKit(t)
	for _, body := range []string{
		`{"username":"a","email":"a@example.com"}`,
		`{"username":"b","email":"b@example.com","name":null,"nickname":null,"address":{},"population":null,"costCenter":null,"verifyStatus":null,"lifecycle":null,"account":null}`,
	} {
		k.as(root).post(users, body).is(201).has(`{"name":null,"nickname":null,"address":null,"photo":null,"externalId":null,"costCenter":null,
			"locale":null,"verifyStatus":"NOT_INITIATED","lifecycle":{"status":"ACCOUNT_OK"}}`)
	}
}

func TestUserRefused(t *testing.T) {
	k := newKit(t, quick)
	with := func(members string) string { return `{"username":"u","email":"u@example.com",` + members + `}` }
	other := k.as(root).post("/environments/"+sibling+"/populations", `{"name":"theirs"}`).is(201).text("id")
	tests := []struct{ name, body, code, target string }{
		{"no username", `{"email":"u@example.com"}`, "REQUIRED_VALUE", "username"},
		{"username null", `{"username":null,"email":"u@example.com"}`, "REQUIRED_VALUE", "username"},
		{"username empty", `{"username":" ","email":"u@example.com"}`, "REQUIRED_VALUE", "username"},
		{"username of 129 characters", `{"username":"` + strings.Repeat("ü", 129) + `","email":"u@example.com"}`, "SIZE_LIMIT_EXCEEDED", "username"},
		{"username with a line break", `{"username":"a\nb","email":"u@example.com"}`, "INVALID_VALUE", "username"},
		{"username with a zero-width space", `{"username":"a\u200bb","email":"u@example.com"}`, "INVALID_VALUE", "username"},
		{"username with space around", `{"username":" a","email":"u@example.com"}`, "INVALID_VALUE", "username"},
		{"username a number", `{"username":7,"email":"u@example.com"}`, "INVALID_VALUE", "username"},
		{"no email", `{"username":"u"}`, "REQUIRED_VALUE", "email"},
		{"email empty", `{"username":"u","email":""}`, "REQUIRED_VALUE", "email"},
		{"email without a domain", `{"username":"u","email":"u"}`, "INVALID_VALUE", "email"},
		{"email with a header", `{"username":"u","email":"u@example.com\nBcc: x@example.com"}`, "INVALID_VALUE", "email"},
		{"email twice", `{"username":"u","email":"u@example.com,v@example.com"}`, "INVALID_VALUE", "email"},
		{"name no object", with(`"name":"Maria"`), "INVALID_VALUE", "name"},
		{"given name no text", with(`"name":{"given":1}`), "INVALID_VALUE", "name.given"},
		{"given name of 257 characters", with(`"name":{"given":"` + strings.Repeat("x", 257) + `"}`), "SIZE_LIMIT_EXCEEDED", "name.given"},
		{"external ID of 1025 characters", with(`"externalId":"` + strings.Repeat("x", 1025) + `"`), "SIZE_LIMIT_EXCEEDED", "externalId"},
		{"mobile phone of 33 characters", with(`"mobilePhone":"` + strings.Repeat("1", 33) + `"`), "SIZE_LIMIT_EXCEEDED", "mobilePhone"},
		{"primary phone of 33 characters", with(`"primaryPhone":"` + strings.Repeat("1", 33) + `"`), "SIZE_LIMIT_EXCEEDED", "primaryPhone"},
		{"nickname with a control character", with(`"nickname":"a\u0007"`), "INVALID_VALUE", "nickname"},
		{"enabled no boolean", with(`"enabled":"yes"`), "INVALID_VALUE", "enabled"},
		{"unknown verification status", with(`"verifyStatus":"MAYBE"`), "INVALID_VALUE", "verifyStatus"},
		{"unknown lifecycle", with(`"lifecycle":{"status":"NEW"}`), "INVALID_VALUE", "lifecycle.status"},
		{"unknown account status", with(`"account":{"canAuthenticate":true,"status":"GONE"}`), "INVALID_VALUE", "account.status"},
		{"lock that has ended", with(`"account":{"canAuthenticate":true,"status":"LOCKED","unlockAt":"2020-01-01T00:00:00Z"}`), "INVALID_VALUE", "account.unlockAt"},
		{"unknown identity provider", with(`"identityProvider":{"type":"MYSPACE"}`), "INVALID_VALUE", "identityProvider.type"},
		{"population unknown", with(`"population":{"id":"` + nothing + `"}`), "INVALID_VALUE", "population.id"},
		{"population of another environment", with(`"population":{"id":"` + other + `"}`), "INVALID_VALUE", "population.id"},
		{"population without an ID", with(`"population":{}`), "REQUIRED_VALUE", "population.id"},
		{"password without the import type", with(`"password":{"value":"` + goodPassword + `"}`), "INVALID_VALUE", "password"},
		{"custom attribute called like a claim", with(`"given_name":"Maria"`), "INVALID_VALUE", "given_name"},
		{"custom attribute called like a claim of tokens", with(`"client_id":"x"`), "INVALID_VALUE", "client_id"},
		{"custom attribute called like the spelling of the name", with(`"preferred_username":"root"`), "INVALID_VALUE", "preferred_username"},
		{"custom attribute called like a member in another case", with(`"Enabled":true`), "INVALID_VALUE", "Enabled"},
		{"custom attribute with a dot", with(`"a.b":"x"`), "INVALID_VALUE", ""},
		{"custom attributes of more than 64 KiB", with(`"a":"` + strings.Repeat("x", 64<<10) + `"`), "SIZE_LIMIT_EXCEEDED", ""},
		{"username of a declared user", `{"username":"ALICE","email":"u@example.com"}`, "UNIQUENESS_VIOLATION", "username"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k.as(root).post(users, tt.body).refused(400, "INVALID_DATA", tt.code, tt.target)
		})
	}
	t.Run("several at once", func(t *testing.T) {
		a := k.as(root).post(users, `{"username":"","nickname":1,"enabled":2}`).refused(400, "INVALID_DATA")
		if n := len(a.at("details").([]any)); n != 4 {
			t.Errorf("%d details, want username, email, nickname and enabled: %s", n, a.Body)
		}
	})
	if got := k.as(root).page(users, "users", 200); len(got) != 2 {
		t.Errorf("%d users, want none but the declared", len(got))
	}
	for name, body := range map[string]string{
		"username of 128 characters": `{"username":"` + strings.Repeat("ü", 128) + `","email":"u@example.com"}`,
		"username with a space":      `{"username":"a b","email":"u@example.com"}`,
		"external ID of 1024":        `{"username":"c","email":"u@example.com","externalId":"` + strings.Repeat("x", 1024) + `"}`,
		"phones of 32":               `{"username":"d","email":"u@example.com","primaryPhone":"` + strings.Repeat("1", 32) + `","mobilePhone":"` + strings.Repeat("1", 32) + `"}`,
	} {
		t.Run(name, func(t *testing.T) { k.as(root).post(users, body).is(201).has(body) })
	}
}

func TestUsernames(t *testing.T) {
	k := newKit(t, quick)
	id := k.as(root).post(users, `{"username":"Renée","email":"r@example.com","password":{"value":"`+goodPassword+`"}}`, "Content-Type", importType).is(201).text("id")
	for _, taken := range []string{"Renée", "RENÉE", "rene\u0301e", "ｒenée"} {
		k.as(root).post(users, map[string]any{"username": taken, "email": "s@example.com"}).refused(400, "INVALID_DATA", "UNIQUENESS_VIOLATION", "username")
	}
	for _, typed := range []string{"Renée", "renée", "RENÉE "} {
		if code, _ := k.signOn(typed, goodPassword); code != "" {
			t.Errorf("sign-on as %q: %s, want it accepted", typed, code)
		}
	}
	second := k.person(`{"username":"second","email":"s@example.com"}`)
	k.as(root).put(users+"/"+second, `{"username":"RENÉE","email":"s@example.com"}`).refused(400, "INVALID_DATA", "UNIQUENESS_VIOLATION", "username")
	k.as(root).patch(users+"/"+second, `{"username":"Alice"}`).refused(400, "INVALID_DATA", "UNIQUENESS_VIOLATION", "username")
	// One's own in another spelling is no conflict.
	k.as(root).put(users+"/"+id, `{"username":"RENÉE","email":"r@example.com"}`).is(200).has(`{"username":"RENÉE"}`)
	k.as(root).patch(users+"/"+id, `{"username":"renée"}`).is(200).has(`{"username":"renée"}`)
	// Freed names can be given again.
	k.as(root).patch(users+"/"+id, `{"username":"other"}`).is(200)
	k.as(root).post(users, `{"username":"Renée","email":"t@example.com"}`).is(201)
}

func TestReplaceUser(t *testing.T) {
	k := newKit(t)
	id := k.person(full)
	k.as(root).put(users+"/"+id+"/mfaEnabled", `{"mfaEnabled":true}`).is(200)
	a := k.as(root).put(users+"/"+id, `{"username":"maria","email":"Maria@Example.com","name":{"given":"M"},"vip":false,
		"enabled":false,"mfaEnabled":false,"emailVerified":true,"password":{"value":"ignored"},"id":"`+nothing+`","environment":{"id":"x"},
		"population":{"id":"`+nothing+`"},"_links":{},"createdAt":"2000-01-01T00:00:00Z","lastSignOn":{"at":"2000-01-01T00:00:00Z"},"memberOfGroupIDs":["x"]}`).is(200)
	a.has(`{"id":"` + id + `","name":{"given":"M"},"vip":false,"enabled":true,"mfaEnabled":true,"emailVerified":false,"createdAt":"2026-03-01T12:00:00.000Z",
		"population":{"id":"` + directory.FirstPopulation(home) + `"},
		"address":null,"photo":null,"nickname":null,"costCenter":null,"prefs":null,"externalId":null,"lastSignOn":null,"verifyStatus":"NOT_INITIATED"}`)
	k.as(root).put(users+"/"+id, `{"username":"maria"}`).refused(400, "INVALID_DATA", "REQUIRED_VALUE", "email")
	k.as(root).put(users+"/"+nothing, `{"username":"maria","email":"m@example.com"}`).refused(404, "NOT_FOUND")
	if code, _ := k.signOn("maria", "ignored"); code == "" {
		t.Error("a password in a plain PUT was taken")
	}
}

func TestPatchUser(t *testing.T) {
	k := newKit(t)
	id := k.person(full)
	tests := []struct{ name, patch, want string }{
		{"one member", `{"nickname":"M"}`, `{"nickname":"M","title":"CTO","shoeSize":38}`},
		{"a member of an object", `{"name":{"given":"Marie"}}`,
			`{"name":{"given":"Marie","family":"Ångström","middle":"K.","formatted":"Dr. Maria K. Ångström","honorificPrefix":"Dr.","honorificSuffix":"MBA"}}`},
		{"null takes away", `{"nickname":null,"costCenter":null,"address":{"region":null}}`,
			`{"nickname":null,"costCenter":null,"address":{"streetAddress":"1 Main St","locality":"Basel","postalCode":"4051","countryCode":"CH"}}`},
		{"a whole object", `{"address":null}`, `{"address":null,"timezone":"Europe/Zurich"}`},
		{"what PUT leaves alone", `{"enabled":false,"mfaEnabled":true,"emailVerified":true}`, `{"enabled":false,"mfaEnabled":true,"emailVerified":true}`},
		{"another address is not verified", `{"email":"other@example.com"}`, `{"email":"other@example.com","emailVerified":false}`},
		{"unless that is said", `{"email":"third@example.com","emailVerified":true}`, `{"email":"third@example.com","emailVerified":true}`},
		{"the same address stays verified", `{"email":"third@example.com"}`, `{"emailVerified":true}`},
		{"nothing", `{}`, `{"title":"CTO","username":"Maria.Ångström"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k.as(root).patch(users+"/"+id, tt.patch).is(200).has(tt.want)
			k.as(root).get(users + "/" + id).is(200).has(tt.want)
		})
	}
	for name, patch := range map[string][2]string{
		"username null":      {`{"username":null}`, "username"},
		"email null":         {`{"email":null}`, "email"},
		"email bad":          {`{"email":"x"}`, "email"},
		"population unknown": {`{"population":{"id":"` + nothing + `"}}`, "population.id"},
	} {
		t.Run(name, func(t *testing.T) {
			k.as(root).patch(users+"/"+id, patch[0]).is(400)
			if got := k.as(root).patch(users+"/"+id, patch[0]).text("details.0.target"); got != patch[1] {
				t.Errorf("target = %q, want %q", got, patch[1])
			}
		})
	}
}

func TestUserPreconditions(t *testing.T) {
	k := newKit(t)
	id := k.person(`{"username":"u","email":"u@example.com"}`)
	path := users + "/" + id
	k.as(root).patch(path, `{"nickname":"1"}`, "If-Match", `"1"`).is(200)
	k.as(root).patch(path, `{"nickname":"2"}`, "If-Match", `"1"`).is(412)
	k.as(root).put(path, `{"username":"u","email":"u@example.com"}`, "If-Match", `"1"`).is(412)
	k.as(root).del(path, "If-Match", `"1"`).is(412)
	k.as(root).del(path, "If-Match", `"2"`).is(204)
}

// A confirmed address that is replaced is not confirmed; whether the person has to confirm it before they sign
// on is what the lifecycle says.
func TestEmailAndLifecycle(t *testing.T) {
	k, mail := mailed(t)
	create := func(username, members string) string {
		return k.as(root).post(users, `{"username":"`+username+`","email":"`+username+`@example.com","password":{"value":"`+goodPassword+`"}`+members+`}`, "Content-Type", importType).is(201).text("id")
	}
	plain := create("plain", "")
	if _, standing := k.signOn("plain", goodPassword); standing != "" {
		t.Errorf("ACCOUNT_OK: standing = %q, want good", standing)
	}
	k.as(root).patch(users+"/"+plain, `{"email":"new@example.com"}`).is(200).has(`{"emailVerified":false,"lifecycle":{"status":"ACCOUNT_OK"}}`)
	if _, standing := k.signOn("plain", goodPassword); standing != "" {
		t.Errorf("ACCOUNT_OK, new address: standing = %q, want good", standing)
	}
	if mail.count() != 0 {
		t.Errorf("%d messages, want none", mail.count())
	}
	pending := create("pending", `,"lifecycle":{"status":"VERIFICATION_REQUIRED"},"emailVerified":true`)
	k.as(root).get(users + "/" + pending).is(200).has(`{"emailVerified":false,"lifecycle":{"status":"VERIFICATION_REQUIRED"}}`)
	if _, standing := k.signOn("pending", goodPassword); standing != "VERIFICATION_CODE_REQUIRED" {
		t.Errorf("VERIFICATION_REQUIRED: standing = %q", standing)
	}
	code := mail.last(t, 1)
	if code.To != "pending@example.com" || code.Kind != "verification_code" {
		t.Errorf("message %s to %s", code.Kind, code.To)
	}
	u, err := k.API.Users.ByID(t.Context(), k.Env, pending)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.API.Users.Verify(t.Context(), k.Env, u, code.Code, "192.0.2.1"); err != nil {
		t.Fatal(err)
	}
	k.as(root).get(users + "/" + pending).is(200).has(`{"emailVerified":true,"lifecycle":{"status":"ACCOUNT_OK"}}`)
	create("quiet", `,"lifecycle":{"status":"VERIFICATION_REQUIRED","suppressVerificationCode":true}`)
	k.as(root).get(users + `?filter=username+eq+"quiet"`).is(200)
	if mail.count() != 1 {
		t.Errorf("%d messages, want the suppressed one not to be sent", mail.count())
	}
	k.as(root).patch(users+"/"+plain, `{"lifecycle":{"status":"VERIFICATION_REQUIRED"}}`).is(200).has(`{"lifecycle":{"status":"VERIFICATION_REQUIRED"}}`)
	if _, standing := k.signOn("plain", goodPassword); standing != "VERIFICATION_CODE_REQUIRED" {
		t.Errorf("asked for later: standing = %q", standing)
	}
}

// What ends with a person, on every way to that.
func TestEndingOfPeople(t *testing.T) {
	tests := []struct {
		name string
		act  func(c caller, path string)
		ends bool
	}{
		{"enabled false", func(c caller, path string) {
			c.put(path+"/enabled", `{"enabled":false}`).is(200).has(`{"enabled":false}`)
		}, true},
		{"patched to be disabled", func(c caller, path string) { c.patch(path, `{"enabled":false}`).is(200) }, true},
		{"deleted", func(c caller, path string) { c.del(path).is(204) }, true},
		{"locked", func(c caller, path string) { c.post(path, nil, "Content-Type", lockType).is(200) }, false},
		{"enabled true", func(c caller, path string) { c.put(path+"/enabled", `{"enabled":true}`).is(200) }, false},
		{"patched otherwise", func(c caller, path string) { c.patch(path, `{"nickname":"x"}`).is(200) }, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := newKit(t)
			id, bystander := k.person(`{"username":"u","email":"u@example.com"}`), k.person(`{"username":"v","email":"v@example.com"}`)
			theirs, others := k.hold(id, "web"), k.hold(bystander, "web")
			theirs.want("before", true, true, true)
			tt.act(k.as(root), users+"/"+id)
			theirs.want("afterwards", !tt.ends, !tt.ends, !tt.ends)
			others.want("somebody else", true, true, true)
		})
	}
}

func TestDeletedUser(t *testing.T) {
	k := newKit(t, quick)
	id := k.imported("gone", goodPassword)
	k.as(root).del(users + "/" + id).is(204)
	k.as(root).get(users+"/"+id).refused(404, "NOT_FOUND")
	k.as(root).del(users+"/"+id).refused(404, "NOT_FOUND")
	if code, _ := k.signOn("gone", goodPassword); code != "INVALID_CREDENTIALS" {
		t.Errorf("sign-on: %q", code)
	}
	// Whoever has the name next has nothing of theirs.
	next := k.person(`{"username":"gone","email":"n@example.com"}`)
	k.as(root).get(users + "/" + next + "/password").is(200).has(`{"status":"NO_PASSWORD"}`)
	if got := k.actions(id); !slices.Equal(got, []string{"USER.CREATED", "USER.DELETED"}) {
		t.Errorf("audit log: %v", got)
	}
}

const (
	lockType   = "application/vnd.pingidentity.account.lock+json"
	unlockType = "application/vnd.pingidentity.account.unlock+json"
)

func TestLock(t *testing.T) {
	k := newKit(t, quick)
	id := k.imported("u", goodPassword)
	path := users + "/" + id
	wrong, _ := k.signOn("u", "wrong-password")
	k.as(root).post(path, nil, "Content-Type", lockType).is(200).has(`{"id":"` + id + `","account":{"canAuthenticate":true,"status":"LOCKED","lockedAt":"2026-03-01T12:00:00.000Z"}}`)
	for _, password := range []string{goodPassword, "wrong-password"} {
		if code, _ := k.signOn("u", password); code != wrong {
			t.Errorf("locked, %s: %q, want the same as for a wrong password: %q", password, code, wrong)
		}
	}
	k.as(root).get(path + "/password").is(200).has(`{"status":"OK","secondsUntilUnlock":null}`)
	k.as(root).post(path, nil, "Content-Type", unlockType).is(200).has(`{"account":{"canAuthenticate":true,"status":"OK"}}`)
	if code, _ := k.signOn("u", goodPassword); code != "" {
		t.Errorf("unlocked: %q", code)
	}
	if got := k.actions(id); !slices.Equal(got, []string{"USER.CREATED", "USER.LOCKED", "USER.UNLOCKED"}) {
		t.Errorf("audit log: %v", got)
	}
	k.as(root).post(path, "{}").refused(415, "INVALID_REQUEST")
	k.as(root).post(path, nil, "Content-Type", "application/vnd.pingidentity.account.x+json").refused(415, "INVALID_REQUEST")
	k.as(root).post(users+"/"+nothing, nil, "Content-Type", lockType).refused(404, "NOT_FOUND")
}

// PingOne's client sends two Content-Type lines (pingone-management.md §2.1).
func TestLockWithTwoContentTypes(t *testing.T) {
	k := newKit(t)
	id := k.person(`{"username":"u","email":"u@example.com"}`)
	for _, tt := range []struct {
		kinds  []string
		status string
	}{
		{[]string{"application/json", lockType}, "LOCKED"},
		{[]string{unlockType, "application/json"}, "OK"},
		{[]string{"application/json", lockType}, "LOCKED"},
		{[]string{"application/json", unlockType}, "OK"},
	} {
		r := httptest.NewRequest(http.MethodPost, "/v1/environments/"+home+"/users/"+id, strings.NewReader(""))
		r.Header["Content-Type"] = tt.kinds
		r.Header.Set("Authorization", k.as(root).authorization)
		if got := k.serve(r).is(200).text("account.status"); got != tt.status {
			t.Errorf("%v: status = %q, want %q", tt.kinds, got, tt.status)
		}
	}
}

func TestImportedAccount(t *testing.T) {
	k := newKit(t, quick)
	post := func(username, account string) *answer {
		return k.as(root).post(users, `{"username":"`+username+`","email":"u@example.com","password":{"value":"`+goodPassword+`"},"account":`+account+`}`, "Content-Type", importType)
	}
	post("ok", `{"canAuthenticate":true,"status":"OK"}`).is(201).has(`{"account":{"canAuthenticate":true,"status":"OK"}}`)
	post("locked", `{"canAuthenticate":true,"status":"LOCKED"}`).is(201).has(`{"account":{"canAuthenticate":true,"status":"LOCKED","lockedAt":"2026-03-01T12:00:00.000Z"}}`)
	post("until", `{"canAuthenticate":true,"status":"LOCKED","unlockAt":"2026-03-01T12:10:00Z"}`).is(201).has(
		`{"account":{"canAuthenticate":true,"status":"LOCKED","lockedAt":"2026-03-01T12:00:00.000Z","unlockAt":"2026-03-01T12:10:00.000Z","secondsUntilUnlock":600}}`)
	barred := post("barred", `{"canAuthenticate":false,"status":"OK"}`).is(201).has(`{"account":{"canAuthenticate":false,"status":"OK"}}`).text("id")
	for username, want := range map[string]string{"ok": "", "locked": "INVALID_CREDENTIALS", "until": "PASSWORD_LOCKED_OUT", "barred": "INVALID_CREDENTIALS"} {
		if code, _ := k.signOn(username, goodPassword); code != want {
			t.Errorf("%s: %q, want %q", username, code, want)
		}
	}
	k.as(root).patch(users+"/"+barred, `{"account":{"canAuthenticate":true}}`).is(200).has(`{"account":{"canAuthenticate":true,"status":"OK"}}`)
	if code, _ := k.signOn("barred", goodPassword); code != "" {
		t.Errorf("let in again: %q", code)
	}
	k.as(root).patch(users+"/"+barred, `{"account":{"status":"LOCKED"}}`).is(200).has(`{"account":{"canAuthenticate":true,"status":"LOCKED","lockedAt":"2026-03-01T12:00:00.000Z"}}`)
	for _, account := range []string{``, `,"account":{"canAuthenticate":true,"status":"OK"}`} { // PUT leaves the lock alone
		k.as(root).put(users+"/"+barred, `{"username":"barred","email":"u@example.com"`+account+`}`).is(200).
			has(`{"account":{"canAuthenticate":true,"status":"LOCKED","lockedAt":"2026-03-01T12:00:00.000Z"}}`)
	}
	k.as(root).post(users, `{"username":"x","email":"x@example.com","password":{"value":"`+goodPassword+`","external":{"gateway":{"id":"x"}}}}`, "Content-Type", importType).
		refused(400, "INVALID_DATA", "INVALID_VALUE", "password.external")
	k.as(root).post(users, `{"username":"x","email":"x@example.com","password":{}}`, "Content-Type", importType).refused(400, "INVALID_DATA", "REQUIRED_VALUE", "password.value")
}

// People whom another identity provider vouches for have no password here.
func TestExternalIdentityProvider(t *testing.T) {
	k := newKit(t, quick)
	id := k.imported("u", goodPassword)
	provider := `{"id":"0e000000-0000-4000-8000-00000000000e","type":"GOOGLE"}`
	k.as(root).patch(users+"/"+id, `{"identityProvider":`+provider+`}`).is(200).has(`{"identityProvider":` + provider + `}`)
	k.as(root).get(users + "/" + id + "/password").is(200).has(`{"status":"EXTERNAL"}`)
	if code, _ := k.signOn("u", goodPassword); code != "INVALID_CREDENTIALS" {
		t.Errorf("sign-on: %q, want it refused", code)
	}
	for kind, body := range map[string]string{
		setType: `{"value":"` + goodPassword + `"}`, resetType: `{"newPassword":"` + goodPassword + `"}`,
	} {
		k.as(root).put(users+"/"+id+"/password", body, "Content-Type", kind).refused(400, "INVALID_DATA", "INVALID_VALUE", "identityProvider")
	}
	k.as(root).patch(users+"/"+id, `{"identityProvider":{"type":"PING_ONE"}}`).is(200).has(`{"identityProvider":{"type":"PING_ONE"}}`)
	if code, _ := k.signOn("u", goodPassword); code != "" {
		t.Errorf("sign-on afterwards: %q", code)
	}
}

// What configuration declares is shown and says where it is declared; what is kept apart from that can be
// changed.
func TestDeclaredUsers(t *testing.T) {
	k := newKit(t, quick)
	path := users + "/" + alice
	k.as(root).get(path).is(200).has(`{"username":"alice","email":"alice@example.com","emailVerified":true,"createdAt":null}`)
	for name, try := range map[string]func() *answer{
		"PUT": func() *answer {
			return k.as(root).put(path, `{"username":"alice","email":"alice@example.com","nickname":"A"}`)
		},
		"PATCH":      func() *answer { return k.as(root).patch(path, `{"nickname":"A"}`) },
		"enabled":    func() *answer { return k.as(root).put(path+"/enabled", `{"enabled":false}`) },
		"mfaEnabled": func() *answer { return k.as(root).put(path+"/mfaEnabled", `{"mfaEnabled":true}`) },
		"population": func() *answer {
			id := k.as(root).post("/{env}/populations", `{"name":"`+secret.NewID()+`"}`).is(201).text("id")
			return k.as(root).put(path+"/population", `{"id":"`+id+`"}`)
		},
		"DELETE": func() *answer { return k.as(root).del(path) },
	} {
		t.Run(name, func(t *testing.T) {
			a := try().refused(400, "INVALID_DATA", "CONSTRAINT_VIOLATION")
			if !strings.Contains(a.text("details.0.message"), "Caddyfile:18") {
				t.Errorf("message = %q, want it to say where", a.text("details.0.message"))
			}
		})
	}
	t.Run("locked", func(t *testing.T) {
		k.as(root).post(path, nil, "Content-Type", lockType).is(200)
		if code, _ := k.signOn("alice", "alice-demo-pass"); code != "INVALID_CREDENTIALS" {
			t.Errorf("sign-on: %q", code)
		}
		k.as(root).post(path, nil, "Content-Type", unlockType).is(200)
		if code, _ := k.signOn("alice", "alice-demo-pass"); code != "" {
			t.Errorf("sign-on: %q", code)
		}
	})
	t.Run("password", func(t *testing.T) {
		k.as(root).put(path+"/password", `{"value":"`+goodPassword+`"}`, "Content-Type", setType).is(200).has(`{"status":"OK"}`)
		if code, _ := k.signOn("alice", "alice-demo-pass"); code != "INVALID_CREDENTIALS" {
			t.Errorf("the declared one: %q", code)
		}
		if code, _ := k.signOn("alice", goodPassword); code != "" {
			t.Errorf("the new one: %q", code)
		}
	})
}

func TestIncludeShowsNoGroups(t *testing.T) {
	k := newKit(t)
	k.as(root).get(users + "/" + alice + "?include=memberOfGroupIDs,memberOfGroupNames").is(200).has(`{"memberOfGroupIDs":[],"memberOfGroupNames":[]}`)
	k.as(root).get(users + "/" + alice + "?include=memberOfGroupIDs").is(200).has(`{"memberOfGroupIDs":[],"memberOfGroupNames":null}`)
	k.as(root).get(users+"/"+alice+"?include=everything").refused(400, "INVALID_DATA", "INVALID_PARAMETER", "include")
}

func TestLastSignOn(t *testing.T) {
	k := newKit(t)
	id := k.person(`{"username":"u","email":"u@example.com"}`)
	k.hold(id, "web")
	k.as(root).get(users + "/" + id).is(200).has(`{"lastSignOn":{"at":"2026-03-01T12:00:00.000Z","remoteIp":"192.0.2.7"}}`)
}

// The paths of identityProvider and verifyStatus, which the SDK has.
func TestPartsOfUsers(t *testing.T) {
	k := newKit(t)
	id := k.imported("u", goodPassword)
	path := users + "/" + id
	for name, tt := range map[string]struct {
		first  string
		bodies []string // each comes back, here and in the user
		wrong  map[string][2]string
	}{
		"identityProvider": {
			`{"type":"PING_ONE"}`,
			[]string{`{"type":"GOOGLE","id":"` + nothing + `"}`, `{"type":"SAML"}`, `{"type":"PING_ONE"}`},
			map[string][2]string{
				`{}`:                                   {"REQUIRED_VALUE", "type"},
				`{"type":null}`:                        {"REQUIRED_VALUE", "type"},
				`{"type":"MYSPACE"}`:                   {"INVALID_VALUE", "identityProvider.type"},
				`{"type":"GOOGLE","id":"x"}`:           {"INVALID_VALUE", "identityProvider.id"},
				`{"type":["GOOGLE"]}`:                  {"INVALID_VALUE", "identityProvider.type"},
				`{"identityProvider":{"type":"SAML"}}`: {"REQUIRED_VALUE", "type"},
			},
		},
		"verifyStatus": {
			`{"verifyStatus":"NOT_INITIATED"}`,
			[]string{`{"verifyStatus":"ENABLED"}`, `{"verifyStatus":"DISABLED"}`, `{"verifyStatus":"NOT_INITIATED"}`},
			map[string][2]string{
				`{}`:                       {"REQUIRED_VALUE", "verifyStatus"},
				`{"verifyStatus":"MAYBE"}`: {"INVALID_VALUE", "verifyStatus"},
				`{"verifyStatus":true}`:    {"INVALID_VALUE", "verifyStatus"},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := k.in(t)
			k.as(root).get(path + "/" + name).is(200).has(tt.first)
			for _, body := range tt.bodies {
				k.as(root).put(path+"/"+name, body).is(200).has(body)
				k.as(root).get(path + "/" + name).is(200).has(body)
				whole := body
				if name == "identityProvider" {
					whole = `{"identityProvider":` + body + `}`
				}
				k.as(root).get(path).is(200).has(whole)
			}
			for body, want := range tt.wrong {
				k.as(root).put(path+"/"+name, body).refused(400, "INVALID_DATA", want[0], want[1])
			}
			k.as(root).get(path + "/" + name).is(200).has(tt.first)
			k.as(root).get(users+"/"+nothing+"/"+name).refused(404, "NOT_FOUND")
			k.as(root).put(users+"/"+alice+"/"+name, tt.bodies[0]).refused(400, "INVALID_DATA", "CONSTRAINT_VIOLATION")
			k.asUser("web", id, "openid", "p1:read:user", "p1:update:user").put(path+"/"+name, tt.first).refused(403, "ACCESS_FAILED")
		})
	}
}

func TestFlagsOfUsers(t *testing.T) {
	k := newKit(t)
	id := k.person(`{"username":"u","email":"u@example.com"}`)
	for _, name := range []string{"enabled", "mfaEnabled"} {
		path := users + "/" + id + "/" + name
		for _, value := range []string{"true", "false", "true"} {
			body := `{"` + name + `":` + value + `}`
			k.as(root).put(path, body).is(200).has(body)
			k.as(root).get(path).is(200).has(body)
			k.as(root).get(users + "/" + id).is(200).has(body)
		}
		k.as(root).put(path, `{}`).refused(400, "INVALID_DATA", "REQUIRED_VALUE", name)
		k.as(root).put(path, `{"`+name+`":"true"}`).refused(400, "INVALID_DATA", "INVALID_VALUE", name)
		k.as(root).get(users+"/"+nothing+"/"+name).refused(404, "NOT_FOUND")
	}
	k.as(root).get(users + "/" + id + "/devices").is(200).has(`{"_embedded":{"devices":[]},"size":0}`)
	k.as(root).get(users+"/"+nothing+"/devices").refused(404, "NOT_FOUND")
}

// Whoever has a role on one population sees and changes its people alone: others are not there.
func TestUsersOfAScopedCaller(t *testing.T) {
	k := newKit(t, quick)
	mine := k.as(root).post("/{env}/populations", `{"name":"mine"}`).is(201).text("id")
	theirs := k.as(root).post("/{env}/populations", `{"name":"theirs"}`).is(201).text("id")
	in := func(username, population string) string {
		return k.person(`{"username":"` + username + `","email":"` + username + `@example.com","population":{"id":"` + population + `"}}`)
	}
	inside, outside := in("inside", mine), in("outside", theirs)
	c := k.as(k.scoped(directory.RoleIdentityDataAdmin, mine))

	for path, want := range map[string]int{
		"": 1, `?filter=username+sw+"o"`: 0, `?filter=username+sw+"i"`: 1, `?filter=population.id+eq+"` + theirs + `"`: 0,
		`?filter=id+eq+"` + outside + `"`: 0, `?filter=id+eq+"` + inside + `"`: 1, `?filter=not+(enabled+eq+false)`: 1,
	} {
		if got := c.page(users+path, "users", 200); len(got) != want {
			t.Errorf("%s: %d users, want %d", path, len(got), want)
		}
	}
	for _, id := range []string{outside, alice, nothing} {
		path := users + "/" + id
		for _, a := range []*answer{
			c.get(path), c.patch(path, `{"nickname":"x"}`), c.put(path, `{"username":"x","email":"x@example.com"}`), c.del(path),
			c.post(path, nil, "Content-Type", lockType), c.get(path + "/enabled"), c.put(path+"/enabled", `{"enabled":false}`),
			c.get(path + "/population"), c.put(path+"/population", `{"id":"`+mine+`"}`), c.get(path + "/password"),
			c.put(path+"/password", `{"value":"`+goodPassword+`"}`, "Content-Type", setType), c.get(path + "/sessions"), c.get(path + "/oauthConsents"),
			c.get(path + "/devices"), c.del(path + "/sessions"),
		} {
			if a.Status != 404 {
				t.Errorf("%s: status = %d, want 404", a.what, a.Status)
			}
		}
	}
	c.get(users + "/" + inside).is(200)
	c.patch(users+"/"+inside, `{"nickname":"x"}`).is(200)
	c.post(users, `{"username":"new","email":"n@example.com","population":{"id":"`+mine+`"}}`).is(201)
	for name, population := range map[string]string{
		"another one": `,"population":{"id":"` + theirs + `"}`, "one that is not there": `,"population":{"id":"` + nothing + `"}`, "the default": "",
	} {
		if a := c.post(users, `{"username":"new2","email":"n@example.com"`+population+`}`); a.Status != 403 {
			t.Errorf("created in %s: status = %d, want 403", name, a.Status)
		}
	}
	for _, a := range []*answer{
		c.put(users+"/"+inside+"/population", `{"id":"`+theirs+`"}`), c.put(users+"/"+inside+"/population", `{"id":"`+nothing+`"}`),
		c.patch(users+"/"+inside, `{"population":{"id":"`+theirs+`"}}`), c.patch(users+"/"+inside, `{"population":{"id":"`+nothing+`"}}`),
	} {
		if a.Status != 403 {
			t.Errorf("%s: status = %d, want 403: moved out of sight", a.what, a.Status)
		}
	}
	// Moved away by somebody else.
	k.as(root).put(users+"/"+inside+"/population", `{"id":"`+theirs+`"}`).is(200).has(`{"id":"` + theirs + `"}`)
	c.get(users + "/" + inside).is(404)
	k.as(root).patch(users+"/"+inside, `{"population":{"id":"`+mine+`"}}`).is(200).has(`{"population":{"id":"` + mine + `"}}`)
	c.get(users + "/" + inside).is(200)
}

// People may do to themselves what a scope of theirs gives, and nothing to others (pingone-auth.md §18.2).
func TestPeopleAboutThemselves(t *testing.T) {
	k := newKit(t, quick)
	id := k.person(`{"username":"u","email":"u@example.com"}`)
	other := k.person(`{"username":"v","email":"v@example.com"}`)
	read, write := k.asUser("web", id, "openid", "p1:read:user"), k.asUser("web", id, "openid", "p1:update:user")
	path := users + "/" + id
	read.get(path).is(200)
	write.patch(path, `{"nickname":"me"}`).is(200).has(`{"nickname":"me"}`)
	write.put(path, `{"username":"u","email":"u@example.com","title":"x"}`).is(200).has(`{"title":"x"}`)
	for name, a := range map[string]*answer{
		"change with the scope to read":   read.patch(path, `{"nickname":"me"}`),
		"read with the scope to change":   write.get(path),
		"somebody else":                   read.get(users + "/" + other),
		"nobody":                          read.get(users + "/" + nothing),
		"everybody":                       read.get(users),
		"disable":                         write.put(path+"/enabled", `{"enabled":false}`),
		"second factor":                   write.put(path+"/mfaEnabled", `{"mfaEnabled":true}`),
		"move":                            write.put(path+"/population", `{"id":"`+directory.FirstPopulation(home)+`"}`),
		"lock":                            write.post(path, nil, "Content-Type", lockType),
		"delete":                          write.del(path),
		"password":                        write.put(path+"/password", `{"value":"`+goodPassword+`"}`, "Content-Type", setType),
		"lock by a change of the account": write.patch(path, `{"account":{"status":"LOCKED"}}`),
	} {
		if a.Status != 403 {
			t.Errorf("%s: status = %d, want 403: %s", name, a.Status, a.Body)
		}
	}
	// Members that are not theirs to say are as if they had not been sent.
	write.patch(path, `{"enabled":false,"mfaEnabled":true,"emailVerified":true,"account":{"canAuthenticate":false},"identityProvider":{"type":"GOOGLE"},
		"population":{"id":"`+nothing+`"},"lifecycle":{"status":"VERIFICATION_REQUIRED"}}`).is(200).
		has(`{"enabled":true,"mfaEnabled":false,"emailVerified":false,"account":{"canAuthenticate":true,"status":"OK"},"identityProvider":{"type":"PING_ONE"},"lifecycle":{"status":"ACCOUNT_OK"}}`)
}

// No secret of a person is in any answer, event or line of the log.
func TestPasswordsAreNowhere(t *testing.T) {
	k := newKit(t, quick)
	const marker = "sesame-opensesame-77"
	id := k.imported("u", marker)
	var all strings.Builder
	for _, path := range []string{"", "/password", "/enabled"} {
		all.Write(k.as(root).get(users + "/" + id + path).is(200).Body)
	}
	all.Write(k.as(root).get(users).is(200).Body)
	all.Write(k.as(root).put(users+"/"+id+"/password", `{"currentPassword":"`+marker+`-x","newPassword":"`+marker+`-y"}`, "Content-Type", resetType).is(400).Body)
	all.Write(k.as(root).post(users+"/"+id+"/password", `{"password":"`+marker+`-x"}`, "Content-Type", checkType).is(400).Body)
	all.Write(k.as(root).post(users, `{"username":"w","email":"w","password":{"value":"{`+marker+`}x"}}`, "Content-Type", importType).is(400).Body)
	events, err := k.Store.ListEvents(t.Context(), store.EventFilter{Environment: home}, "", 100, k.Clock.Now())
	if err != nil || len(events) == 0 {
		t.Fatalf("events: %v, %v", events, err)
	}
	fmt.Fprintf(&all, "%s", events)
	all.WriteString(k.Log.String())
	for _, secret := range []string{marker, "$argon2id$"} {
		if strings.Contains(all.String(), secret) {
			t.Errorf("%q is shown", secret)
		}
	}
}

// FuzzUser: whatever is sent, an answer comes that is no fault of the server; and what is accepted is
// shown as it was sent.
func FuzzUser(f *testing.F) {
	f.Add(full)
	f.Add(`{"username":"a","email":"a@example.com","name":{"given":null}}`)
	f.Add(`{"username":"a","email":"a@example.com","account":{"status":"LOCKED","unlockAt":"x"},"population":{"id":1}}`)
	f.Add(`{"username":"\u0000","email":[],"x":{"y":{"z":[1,2,{"a":null}]}}}`)
	f.Add(`[]`)
	home := newKit(f, quick)
	f.Fuzz(func(t *testing.T, body string) {
		k := home.in(t)
		a := k.as(root).post(users, body)
		if a.Status >= 500 {
			t.Fatalf("status = %d: %s", a.Status, a.Body)
		}
		if a.Status != 201 {
			return
		}
		path := users + "/" + a.text("id")
		if b := k.as(root).get(path).is(200); b.text("username") != a.text("username") {
			t.Fatalf("username = %q, then %q", a.text("username"), b.text("username"))
		}
		if p := k.as(root).patch(path, body); p.Status != 200 {
			t.Fatalf("the same as a PATCH: status = %d: %s", p.Status, p.Body)
		}
		k.as(root).del(path).is(204)
	})
}
