package directory_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

func TestApplicationAttributes(t *testing.T) {
	k := newAppKit(t)
	web := k.application(webApp())
	openID := directory.OpenIDResource(appEnv)
	profile, custom := k.scope(openID, "profile"), k.scope("orders", "orders:read")
	tests := []struct {
		name, sent, want string // want "": accepted
	}{
		{"text", `{"name":"tier","value":"gold","required":false}`, ""},
		{"a name that is there", `{"name":"tier","value":"silver"}`, "UNIQUENESS_VIOLATION name"},
		{"of the person", `{"name":"given","value":"${user.name.given}","idToken":true,"userInfo":false}`, ""},
		{"with a scope", `{"name":"nick","value":"${user.nickname}","oidcScopes":["` + profile + `"]}`, ""},
		{"no name", `{"value":"x"}`, "REQUIRED_VALUE name"},
		{"a name with a space", `{"name":"a b","value":"x"}`, "INVALID_VALUE name"},
		{"sub", `{"name":"sub","value":"${user.id}"}`, "INVALID_VALUE name"},
		{"nothing as value", `{"name":"a"}`, "REQUIRED_VALUE value"},
		{"an expression", `{"name":"a","value":"${#string.upper(user.id)}"}`, "INVALID_VALUE value"},
		{"nowhere", `{"name":"a","value":"x","idToken":false,"userInfo":false}`, "INVALID_VALUE userInfo"},
		{"a scope of another resource", `{"name":"a","value":"x","oidcScopes":["` + custom + `"]}`, "INVALID_VALUE oidcScopes"},
		{"a scope twice", `{"name":"a","value":"x","oidcScopes":["` + profile + `","` + profile + `"]}`, "INVALID_VALUE oidcScopes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := k.create(web.ID, new(directory.ApplicationAttribute), tt.sent); appProblem(err) != tt.want {
				t.Errorf("got %q, want %q (%v)", appProblem(err), tt.want, err)
			}
		})
	}
	// PingOne's own list, and what only an application reserves.
	for _, name := range []string{"acr", "amr", "aud", "auth_time", "client_id", "env", "exp", "iat", "iss", "jti", "org", "p1.region", "scope", "sid", "at_hash", "azp", "nbf", "nonce"} {
		_, err := k.create(web.ID, new(directory.ApplicationAttribute), `{"name":"`+name+`","value":"x"}`)
		if appProblem(err) != "INVALID_VALUE name" {
			t.Errorf("%s: got %q, want INVALID_VALUE name", name, appProblem(err))
		}
	}
	want := []store.Attribute{
		{Claim: "given", From: store.Source{User: "given_name"}, IDToken: true},
		{Claim: "nick", From: store.Source{User: "nickname"}, IDToken: true, UserInfo: true, Scopes: []string{"profile"}},
		{Claim: "tier", From: store.Source{Text: "gold"}, IDToken: true, UserInfo: true},
	}
	if diff := cmp.Diff(want, k.client(web.ID).Attributes); diff != "" {
		t.Errorf("client's attributes (-want +got):\n%s", diff)
	}
}

func TestCoreMapping(t *testing.T) {
	k := newAppKit(t)
	web := k.application(webApp())
	all := k.children(store.KindApplicationAttribute, web.ID)
	if len(all) != 1 {
		t.Fatalf("%d mappings, want sub alone", len(all))
	}
	core := all[0]
	want := jsonObject{
		"name": "sub", "value": "${user.id}", "required": true, "mappingType": "CORE", "idToken": true, "userInfo": true,
		"application": jsonObject{"id": web.ID},
	}
	if diff := cmp.Diff(want, appMembers(t, core)); diff != "" {
		t.Errorf("core mapping (-want +got):\n%s", diff)
	}
	if err := k.remove(core); appProblem(err) != "CONSTRAINT_VIOLATION name" {
		t.Errorf("delete: got %q, want CONSTRAINT_VIOLATION", appProblem(err))
	}
	for _, tt := range []struct{ name, sent, want string }{
		{"as it is", `{"name":"sub","value":"${user.id}","required":true}`, ""},
		{"another name", `{"name":"subject","value":"${user.id}","required":true}`, "INVALID_VALUE name"},
		{"a text", `{"name":"sub","value":"everybody","required":true}`, "INVALID_VALUE value"},
		{"an expression", `{"name":"sub","value":"${#f(user.id)}","required":true}`, "INVALID_VALUE value"},
		{"not in ID tokens", `{"name":"sub","value":"${user.id}","idToken":false}`, "INVALID_VALUE idToken"},
		{"not in UserInfo", `{"name":"sub","value":"${user.id}","userInfo":false}`, "INVALID_VALUE idToken"},
		{"another type", `{"name":"sub","value":"${user.id}","required":true,"mappingType":"CUSTOM"}`, ""},
	} {
		it, err := k.replace(core, new(directory.ApplicationAttribute), tt.sent)
		if appProblem(err) != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, appProblem(err), tt.want)
		}
		if err == nil && appMembers(t, it)["mappingType"] != "CORE" {
			t.Errorf("%s: got %v, want CORE for ever", tt.name, appMembers(t, it))
		}
	}
	custom, err := k.create(web.ID, new(directory.ApplicationAttribute), `{"name":"tier","value":"gold","mappingType":"CORE"}`)
	if err != nil {
		t.Fatal(err)
	}
	if err := k.remove(custom); err != nil {
		t.Errorf("delete a custom one: %v", err)
	}
}

// TestMappedSub: another sub comes to the client, and ends the access tokens that tell
// the old one at UserInfo.
func TestMappedSub(t *testing.T) {
	k := newAppKit(t)
	web := k.application(webApp())
	core := k.children(store.KindApplicationAttribute, web.ID)[0]
	for _, tt := range []struct {
		value string
		want  store.Source
		ends  bool
	}{
		{"${user.id}", store.Source{}, false},
		{"${user.email}", store.Source{User: "email"}, true},
		{"${user.email}", store.Source{User: "email"}, false},
		{"${user.id}", store.Source{}, true},
	} {
		k.clock.Advance(1e9)
		before := revokedAt(t, k, web.ID)
		if _, err := k.replace(core, new(directory.ApplicationAttribute), `{"name":"sub","value":"`+tt.value+`","required":true}`); err != nil {
			t.Fatalf("%s: %v", tt.value, err)
		}
		c := k.client(web.ID)
		if c.Subject != tt.want || len(c.Attributes) != 0 {
			t.Errorf("%s: subject = %+v with %d attributes, want %+v and none", tt.value, c.Subject, len(c.Attributes), tt.want)
		}
		if got := revokedAt(t, k, web.ID) != before; got != tt.ends {
			t.Errorf("%s: ended access tokens = %v, want %v", tt.value, got, tt.ends)
		}
	}
}
