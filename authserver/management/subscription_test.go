package management_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
)

const hook = `{"name":"Hook","enabled":true,"protocol":"HTTPS","format":"ACTIVITY","verifyTlsCertificates":true,
	"httpEndpoint":{"url":"https://hook.example.com/x?y=1","headers":{"Authorization":"Basic c2VjcmV0"}},
	"filterOptions":{"includedActionTypes":["APPLICATION.*","USER.CREATED"],"includedApplications":[],"includedTags":[],"ipAddressExposed":false}}`

func TestSubscriptions(t *testing.T) {
	k := newKit(t)
	admin := k.as(root)
	made := admin.post("/{env}/subscriptions", hook).is(http.StatusCreated)
	// What was sent comes back, but for the value of a header.
	shown := strings.Replace(hook, "Basic c2VjcmV0", "[redacted]", 1)
	made.has(shown)
	id := made.text("id")
	path := "/{env}/subscriptions/" + id
	admin.get(path).is(http.StatusOK).has(shown)
	if all := admin.page("/{env}/subscriptions", "subscriptions", 200); len(all) != 1 || all[0]["id"] != id {
		t.Errorf("list = %v, want the one", all)
	}
	least := `{"name":"Hook","enabled":false,"verifyTlsCertificates":true,"httpEndpoint":{"url":"https://hook.example.com"},"filterOptions":{"includedActionTypes":["*"]}}`
	admin.put(path, least).is(http.StatusOK).has(least).has(`{"protocol":null,"format":null}`)
	admin.put(path, strings.Replace(hook, "Basic c2VjcmV0", "[redacted]", 1)).refused(400, "INVALID_DATA", "INVALID_VALUE", "httpEndpoint.headers")
	admin.put(path, hook).is(http.StatusOK)
	admin.put(path, shown).is(http.StatusOK).has(shown) // as it was read, and so it stays
	k.as(configurationReader).get(path).is(http.StatusOK)
	admin.del(path).is(http.StatusNoContent)
	admin.get(path).refused(http.StatusNotFound, "NOT_FOUND")
	if strings.Contains(k.Log.String(), "c2VjcmV0") {
		t.Error("the log has the header's value")
	}
}

func TestSubscriptionRefusals(t *testing.T) {
	k := newKit(t)
	admin := k.as(root)
	tests := []struct{ name, from, to, code, target string }{
		{"no name", `"name":"Hook",`, "", "REQUIRED_VALUE", "name"},
		{"neither enabled nor not", `"enabled":true,`, "", "REQUIRED_VALUE", "enabled"},
		{"TCP", "HTTPS", "TCP", "INVALID_VALUE", "protocol"},
		{"Splunk", `"ACTIVITY"`, `"SPLUNK"`, "INVALID_VALUE", "format"},
		{"certificates that nobody verifies", `"verifyTlsCertificates":true`, `"verifyTlsCertificates":false`, "INVALID_VALUE", "verifyTlsCertificates"},
		{"certificates", `"verifyTlsCertificates":true,`, ``, "REQUIRED_VALUE", "verifyTlsCertificates"},
		{"client certificate", `"enabled":true,`, `"enabled":true,"tlsClientAuthKeyPair":{"id":"x"},`, "INVALID_VALUE", "tlsClientAuthKeyPair"},
		{"no endpoint", `"httpEndpoint"`, `"x"`, "REQUIRED_VALUE", "httpEndpoint"},
		{"no URL", `"https://hook.example.com/x?y=1"`, `""`, "REQUIRED_VALUE", "httpEndpoint.url"},
		{"http", "https://", "http://", "INVALID_VALUE", "httpEndpoint.url"},
		{"password in the URL", "https://", "https://a:b@", "INVALID_VALUE", "httpEndpoint.url"},
		{"no host", "https://hook.example.com/x", "https:///x", "INVALID_VALUE", "httpEndpoint.url"},
		{"Host header", `"Authorization"`, `"host"`, "INVALID_VALUE", "httpEndpoint.headers"},
		{"signature header", `"Authorization"`, `"Webhook-Signature"`, "INVALID_VALUE", "httpEndpoint.headers"},
		{"header with a space in its name", `"Authorization"`, `"X Y"`, "INVALID_VALUE", "httpEndpoint.headers"},
		{"header with a line break", `Basic c2VjcmV0`, `a\r\nHost: x`, "INVALID_VALUE", "httpEndpoint.headers"},
		{"header twice", `"Authorization":`, `"authorization":"x","Authorization":`, "INVALID_REQUEST", ""},
		{"redacted value of nothing", `Basic c2VjcmV0`, `[redacted]`, "INVALID_VALUE", "httpEndpoint.headers"},
		{"no filter", `"filterOptions"`, `"x"`, "REQUIRED_VALUE", "filterOptions"},
		{"no actions", `["APPLICATION.*","USER.CREATED"]`, `[]`, "REQUIRED_VALUE", "filterOptions.includedActionTypes"},
		{"an action that is none", `USER.CREATED`, `user created`, "INVALID_VALUE", "filterOptions.includedActionTypes"},
		{"eleven applications", `"includedApplications":[]`, `"includedApplications":[` + strings.Repeat(`{"id":"a"},`, 10) + `{"id":"a"}]`, "SIZE_LIMIT_EXCEEDED", "filterOptions.includedApplications"},
		{"an application without ID", `"includedApplications":[]`, `"includedApplications":[{}]`, "REQUIRED_VALUE", "filterOptions.includedApplications.id"},
		{"tags", `"includedTags":[]`, `"includedTags":["adminIdentityEvent"]`, "INVALID_VALUE", "filterOptions.includedTags"},
		{"addresses", `"ipAddressExposed":false`, `"ipAddressExposed":true`, "INVALID_VALUE", "filterOptions.ipAddressExposed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			body := strings.Replace(hook, tt.from, tt.to, 1)
			if body == hook {
				t.Fatalf("%s is not in the body", tt.from)
			}
			if tt.code == "INVALID_REQUEST" {
				admin.post("/{env}/subscriptions", body).refused(http.StatusBadRequest, tt.code)
				return
			}
			admin.post("/{env}/subscriptions", body).refused(http.StatusBadRequest, "INVALID_DATA", tt.code, tt.target)
		})
	}
}

// A webhook tells nobody what they may not read themselves.
func TestSubscriptionsToWhatMayNotBeRead(t *testing.T) {
	k := newKit(t)
	admin := k.as(environmentAdmin)
	of := func(actions string) string {
		return strings.Replace(hook, `"APPLICATION.*","USER.CREATED"`, actions, 1)
	}
	id := admin.post("/{env}/subscriptions", of(`"APPLICATION.*"`)).is(http.StatusCreated).text("id")
	for _, actions := range []string{`"USER.CREATED"`, `"APPLICATION.*","USER.*"`, `"*"`, `"SESSION.*"`, `"PASSWORD.RESET"`} {
		admin.post("/{env}/subscriptions", of(actions)).refused(http.StatusForbidden, "ACCESS_FAILED")
		admin.put("/{env}/subscriptions/"+id, of(actions)).refused(http.StatusForbidden, "ACCESS_FAILED")
	}
	k.as(root).put("/{env}/subscriptions/"+id, of(`"*"`)).is(http.StatusOK)
	// Nor does it go on telling, somewhere else.
	admin.put("/{env}/subscriptions/"+id, strings.Replace(of(`"*"`), "hook.example.com", "mine.example.com", 1)).refused(http.StatusForbidden, "ACCESS_FAILED")
}

// The values of headers are nobody's to learn: not by sending them elsewhere either.
func TestHeadersDoNotFollowToAnotherHost(t *testing.T) {
	k := newKit(t)
	admin := k.as(root)
	id := admin.post("/{env}/subscriptions", hook).is(http.StatusCreated).text("id")
	moved := strings.NewReplacer("Basic c2VjcmV0", "[redacted]", "hook.example.com", "evil.example.com").Replace(hook)
	admin.put("/{env}/subscriptions/"+id, moved).refused(http.StatusBadRequest, "INVALID_DATA", "INVALID_VALUE", "httpEndpoint.headers")
	same := strings.NewReplacer("Basic c2VjcmV0", "[redacted]", "/x?y=1", "/elsewhere").Replace(hook)
	admin.put("/{env}/subscriptions/"+id, same).is(http.StatusOK)
}

func TestSubscriptionSecret(t *testing.T) {
	k := newKit(t)
	admin := k.as(root)
	id := admin.post("/{env}/subscriptions", hook).is(http.StatusCreated).text("id")
	path := "/{env}/subscriptions/" + id + "/secret"
	first := admin.get(path).is(http.StatusOK)
	if s := first.text("secret"); !strings.HasPrefix(s, "whsec_") || len(s) < 40 || first.at("previous") != nil {
		t.Errorf("secret = %s", first.Body)
	}
	until := k.Clock.Now().Add(time.Hour).UTC().Format("2006-01-02T15:04:05.000Z")
	second := admin.post(path, `{"previous":{"expiresAt":"`+until+`"}}`).is(http.StatusOK)
	if second.text("previous.secret") != first.text("secret") || second.text("previous.expiresAt") != until || second.text("secret") == first.text("secret") {
		t.Errorf("rotated = %s, want the first secret as the previous one until %s", second.Body, until)
	}
	third := admin.post(path, nil).is(http.StatusOK)
	if third.at("previous") != nil || third.text("secret") == second.text("secret") {
		t.Errorf("rotated without a time = %s, want no previous one", third.Body)
	}
	admin.post(path, `{"previous":{"expiresAt":"`+until+`"}}`).is(http.StatusOK)
	admin.del(path).is(http.StatusNoContent)
	if a := admin.get(path).is(http.StatusOK); a.at("previous") != nil {
		t.Errorf("secret = %s, want no previous one", a.Body)
	}
	for _, body := range []string{`{"previous":{}}`, `{"previous":{"expiresAt":"2026-03-01T12:00:30Z"}}`, `{"previous":{"expiresAt":"2027-03-01T12:00:00Z"}}`, `{"previous":{"expiresAt":"soon"}}`} {
		admin.post(path, body).is(http.StatusBadRequest)
	}
	k.as(configurationReader).get(path).refused(http.StatusForbidden, "ACCESS_FAILED")
	for _, a := range admin.page("/{env}/activities", "activities", 500) {
		if text := strings.ToLower(stringOf(t, a)); strings.Contains(text, "whsec_") || strings.Contains(text, "c2vjcmv0") {
			t.Errorf("the audit log has a secret: %s", text)
		}
	}
	found := admin.get("/{env}/activities?filter=" + escape(`action.type eq "SUBSCRIPTION.SECRET_ROTATED"`)).is(http.StatusOK)
	if found.at("size") != 3.0 {
		t.Errorf("%v rotations in the audit log, want 3", found.at("size"))
	}
}

// Every change may be told to all subscriptions, and so there are not many.
func TestSubscriptionsAreFew(t *testing.T) {
	k := newKit(t)
	admin := k.as(root)
	path := ""
	for range directory.MaxSubscriptions {
		path = "/{env}/subscriptions/" + admin.post("/{env}/subscriptions", hook).is(http.StatusCreated).text("id")
	}
	admin.post("/{env}/subscriptions", hook).refused(400, "INVALID_DATA", "CONSTRAINT_VIOLATION")
	admin.put(path, hook).is(http.StatusOK)
	admin.del(path).is(http.StatusNoContent)
	admin.post("/{env}/subscriptions", hook).is(http.StatusCreated)
	there := "/environments/" + stranger + "/subscriptions"
	k.as(foreign).post(there, hook).is(http.StatusCreated)
}
