package directory_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// TestResourceAttributeRules has a row for each rule on a new attribute.
func TestResourceAttributeRules(t *testing.T) {
	n := newNode(t)
	custom, second := n.resource(t, `{"name":"a"}`).ID, n.resource(t, `{"name":"b"}`).ID
	openid := directory.OpenIDResource(demo)
	const value = `"value":"${user.email}"`
	type row struct {
		name, resource, body string
		want                 string // what the client is told; "" is created
	}
	tests := []row{
		{"a path", custom, `{"name":"mail",` + value + `}`, ""},
		{"PingOne's path", custom, `{"name":"first","value":"${user.name.given}"}`, ""},
		{"text", custom, `{"name":"kind","value":"customer of ours"}`, ""},
		{"no name", custom, `{` + value + `}`, "Bad Request REQUIRED_VALUE name"},
		{"a name that is none", custom, `{"name":"a b",` + value + `}`, "Bad Request INVALID_VALUE name"},
		{"no value", custom, `{"name":"x"}`, "Bad Request REQUIRED_VALUE value"},
		{"null as the value", custom, `{"name":"x","value":null}`, "Bad Request REQUIRED_VALUE value"},
		{"an empty value", custom, `{"name":"x","value":""}`, "Bad Request REQUIRED_VALUE value"},
		{"a blank value", custom, `{"name":"x","value":" "}`, "Bad Request INVALID_VALUE value"},
		{"another expression", custom, `{"name":"x","value":"${user.email + 'x'}"}`, "Bad Request INVALID_VALUE value"},
		{"another object", custom, `{"name":"x","value":"${application.name}"}`, "Bad Request INVALID_VALUE value"},
		{"an open brace", custom, `{"name":"x","value":"${user.email"}`, "Bad Request INVALID_VALUE value"},
		{"the time of the last change", custom, `{"name":"x","value":"${#datetime.toUnixTimestamp(user.updatedAt)}"}`, "Bad Request INVALID_VALUE value"},
		{"taken", custom, `{"name":"mail",` + value + `}`, "Bad Request UNIQUENESS_VIOLATION name"},
		{"taken in another resource", second, `{"name":"mail",` + value + `}`, ""},
		{"sub, which is there", custom, `{"name":"sub",` + value + `}`, "Bad Request UNIQUENESS_VIOLATION name"},
		{"a claim of OpenID Connect", custom, `{"name":"email",` + value + `}`, ""},
		{"for ID tokens", custom, `{"name":"x",` + value + `,"idToken":true}`, "Bad Request INVALID_VALUE idToken"},
		{"for UserInfo", custom, `{"name":"x",` + value + `,"userInfo":true}`, "Bad Request INVALID_VALUE userInfo"},
		{"of the PingOne API", directory.PingOneResource(demo), `{"name":"x",` + value + `}`, "Bad Request INVALID_VALUE resource"},
		{"of no resource", "6a0c9f3a-6c1e-4c55-9a3b-2d7f8e1b4a99", `{"name":"x",` + value + `}`, "Not Found"},

		{"of OpenID Connect", openid, `{"name":"team",` + value + `}`, ""},
		{"for both", openid, `{"name":"team2",` + value + `,"idToken":true,"userInfo":true}`, ""},
		{"for ID tokens alone", openid, `{"name":"team3",` + value + `,"idToken":true,"userInfo":false}`, ""},
		{"for UserInfo alone", openid, `{"name":"team4",` + value + `,"idToken":false}`, ""},
		{"for nothing", openid, `{"name":"x",` + value + `,"idToken":false,"userInfo":false}`, "Bad Request INVALID_VALUE userInfo"},
		{"predefined", openid, `{"name":"email",` + value + `}`, "Bad Request UNIQUENESS_VIOLATION name"},
		{"a predefined member", openid, `{"name":"address.region",` + value + `}`, "Bad Request UNIQUENESS_VIOLATION name"},
		{"the address", openid, `{"name":"address",` + value + `}`, "Bad Request INVALID_VALUE name"},
		{"another member of the address", openid, `{"name":"address.planet",` + value + `}`, "Bad Request INVALID_VALUE name"},
		{"nearly the address", openid, `{"name":"address_line",` + value + `}`, ""},
	}
	// 5.2 of pingone-management.md, and 17.3 of pingone-auth.md.
	for _, reserved := range []string{
		"acr", "amr", "aud", "auth_time", "client_id", "env", "exp", "iat", "iss", "jti", "org", "p1.rid", "p1.permissions", "scope", "sid",
	} {
		tests = append(tests,
			row{"reserved " + reserved, openid, `{"name":"` + reserved + `",` + value + `}`, "Bad Request INVALID_VALUE name"},
			row{"reserved in a custom one " + reserved, custom, `{"name":"` + reserved + `",` + value + `}`, "Bad Request INVALID_VALUE name"},
			row{"nearly " + reserved, openid, `{"name":"x` + reserved + `",` + value + `}`, ""})
	}
	tests = append(tests, row{"reserved sub", openid, `{"name":"sub",` + value + `}`, "Bad Request INVALID_VALUE name"})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := document(t, new(directory.ResourceAttribute), tt.body)
			it, err := n.Create(t.Context(), actor, n.env, directory.New{Parent: tt.resource, Document: d})
			if got := strings.TrimSpace(problem(err)); got != tt.want {
				t.Fatalf("answer = %q, want %q (%v)", got, tt.want, err)
			}
			if tt.want != "" {
				return
			}
			var sent, got map[string]any
			_ = json.Unmarshal([]byte(tt.body), &sent)
			if err := json.Unmarshal([]byte(shown(t, it)), &got); err != nil {
				t.Fatal(err)
			}
			sent["type"] = "CUSTOM"
			if diff := cmp.Diff(sent, got); diff != "" {
				t.Errorf("document (-sent +shown):\n%s", diff)
			}
		})
	}
}

// TestPredefinedAttributes: what every resource has, with the values of 5.2, and what of it can be changed.
func TestPredefinedAttributes(t *testing.T) {
	n := newNode(t)
	custom, openid := n.resource(t, `{"name":"a"}`).ID, directory.OpenIDResource(demo)
	want := map[string]string{
		"address.country": "${user.address.countryCode}", "address.formatted": "", "address.locality": "${user.address.locality}",
		"address.postal_code": "${user.address.postalCode}", "address.region": "${user.address.region}",
		"address.street_address": "${user.address.streetAddress}", "birthdate": "", "email": "${user.email}", "email_verified": "",
		"family_name": "${user.name.family}", "gender": "", "given_name": "${user.name.given}", "locale": "${user.locale}",
		"middle_name": "${user.name.middle}", "name": "${user.name.formatted}", "nickname": "${user.nickname}",
		"phone_number": "${user.primaryPhone}", "phone_number_verified": "", "picture": "${user.photo.href}",
		"preferred_username": "${user.username}", "profile": "", "updated_at": "${#datetime.toUnixTimestamp(user.updatedAt)}",
		"website": "", "zoneinfo": "${user.timezone}",
	}
	items, _, err := n.live.Items(t.Context(), n.env, store.KindResourceAttribute, openid, "", 100)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, it := range items {
		d := it.Document.(*directory.ResourceAttribute)
		if got[d.Name] = *d.Value; d.Type != "PREDEFINED" || !it.Builtin {
			t.Errorf("%s has the type %s, built in: %t", d.Name, d.Type, it.Builtin)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("attributes of OpenID Connect (-want +got):\n%s", diff)
	}
	for name, value := range want { // Terraform puts each default back
		if _, err := n.tryChange(t, store.KindResourceAttribute, openid, n.attribute(t, openid, name).ID, &directory.ResourceAttribute{Name: name, Value: &value}); err != nil {
			t.Errorf("its own value put into %s: %v", name, err)
		}
	}
	if diff := cmp.Diff(&store.OpenID{}, ok[*store.OpenID](t)(n.live.OpenID(t.Context(), demo))); diff != "" {
		t.Errorf("with the default values this is the standard (-want +got):\n%s", diff)
	}
	if got := shown(t, n.attribute(t, custom, "sub")); got != `{"name":"sub","value":"${user.id}","type":"CORE"}` {
		t.Errorf("sub of a custom resource = %s", got)
	}

	tests := []struct {
		name, resource, attribute, to string // to "" deletes
		want                          string
	}{
		{"another value", openid, "email", `{"name":"email","value":"${user.work_mail}"}`, ""},
		{"no value", openid, "nickname", `{"name":"nickname","value":""}`, ""},
		{"the value left out", openid, "nickname", `{"name":"nickname"}`, "Bad Request REQUIRED_VALUE value"},
		{"another expression", openid, "nickname", `{"name":"nickname","value":"${#datetime.toUnixTimestamp(user.updatedAt)}"}`, "Bad Request INVALID_VALUE value"},
		{"not in ID tokens", openid, "name", `{"name":"name","value":"x","idToken":false,"type":"CUSTOM"}`, ""},
		{"nowhere", openid, "name", `{"name":"name","value":"x","idToken":false,"userInfo":false}`, "Bad Request INVALID_VALUE userInfo"},
		{"another name", openid, "name", `{"name":"full_name","value":"x"}`, "Bad Request INVALID_VALUE name"},
		{"deletion", openid, "name", "", "Bad Request CONSTRAINT_VIOLATION type"},
		{"another subject", custom, "sub", `{"name":"sub","value":"${user.username}"}`, ""},
		{"no subject", custom, "sub", `{"name":"sub","value":""}`, "Bad Request REQUIRED_VALUE value"},
		{"the subject under another name", custom, "sub", `{"name":"subject","value":"x"}`, "Bad Request INVALID_VALUE name"},
		{"deletion of the subject", custom, "sub", "", "Bad Request CONSTRAINT_VIOLATION type"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			it, err := n.attribute(t, tt.resource, tt.attribute), error(nil)
			if tt.to == "" {
				err = n.Delete(t.Context(), actor, n.env, store.KindResourceAttribute, tt.resource, it.ID, directory.Precondition{})
			} else {
				_, err = n.tryChange(t, store.KindResourceAttribute, tt.resource, it.ID, document(t, new(directory.ResourceAttribute), tt.to))
			}
			if got := problem(err); got != tt.want {
				t.Errorf("answer = %q, want %q (%v)", got, tt.want, err)
			}
			before := it.Document.(*directory.ResourceAttribute).Type
			if after := n.attribute(t, tt.resource, tt.attribute).Document.(*directory.ResourceAttribute).Type; after != before {
				t.Errorf("type = %s, want %s for good", after, before)
			}
		})
	}
}

// TestOpenID is what changed scopes and attributes come to.
func TestOpenID(t *testing.T) {
	n := newNode(t)
	openid, api := directory.OpenIDResource(demo), directory.PingOneResource(demo)
	read := func() *store.OpenID {
		t.Helper()
		return ok[*store.OpenID](t)(n.live.OpenID(t.Context(), demo))
	}
	text := func(s string) *string { return &s }
	no := false

	team := n.under(t, openid, &directory.ResourceAttribute{Name: "team", Value: text("${user.team}"), UserInfo: &no}).ID
	n.under(t, openid, &directory.Scope{Name: "hr", MappedClaims: []string{team, directory.PredefinedClaim(demo, "address.country")}})
	n.under(t, openid, &directory.Scope{Name: "empty"})
	n.under(t, api, &directory.Scope{Name: "p1:read:user:hr"})
	n.change(t, store.KindScope, openid, n.scope(t, openid, "phone").ID, &directory.Scope{Name: "phone", MappedClaims: []string{team}})
	n.change(t, store.KindScope, api, n.scope(t, api, "p1:read:user").ID, &directory.Scope{Name: "p1:read:user", SchemaAttributes: []string{"email"}})
	for name, d := range map[string]*directory.ResourceAttribute{
		"email":           {Value: text("${user.work_mail}")},
		"nickname":        {Value: text("")},
		"gender":          {Value: text("${user.gender}")},
		"locale":          {Value: text("${user.locale}"), IDToken: &no},
		"address.country": {Value: text("CH")},
	} {
		d.Name = name
		n.change(t, store.KindResourceAttribute, openid, n.attribute(t, openid, name).ID, d)
	}
	want := &store.OpenID{
		Scopes: map[string][]string{
			"hr": {"team", "address.country"}, "empty": nil, "phone": {"phone_number", "phone_number_verified", "team"},
		},
		Claims: map[string]store.OpenIDClaim{
			"team":     {From: store.Source{User: "team"}, IDToken: true},
			"email":    {From: store.Source{User: "work_mail"}, IDToken: true, UserInfo: true},
			"nickname": {IDToken: true, UserInfo: true},
			"gender":   {From: store.Source{User: "gender"}, IDToken: true, UserInfo: true},
			"locale":   {From: store.Source{User: "locale"}, UserInfo: true}, "address.country": {From: store.Source{Text: "CH"}, IDToken: true, UserInfo: true},
		},
		API:    []string{"p1:read:user:hr"},
		Limits: map[string][]string{"p1:read:user": {"email"}, "p1:read:user:hr": nil},
	}
	if diff := cmp.Diff(want, read()); diff != "" {
		t.Errorf("what was changed (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(&store.OpenID{}, ok[*store.OpenID](t)(n.live.OpenID(t.Context(), other))); diff != "" {
		t.Errorf("another environment (-want +got):\n%s", diff)
	}

	if err := n.Delete(t.Context(), actor, n.env, store.KindResourceAttribute, openid, team, directory.Precondition{}); err != nil {
		t.Fatal(err)
	}
	delete(want.Claims, "team")
	want.Scopes["hr"] = []string{"address.country"}
	delete(want.Scopes, "phone")
	if diff := cmp.Diff(want, read()); diff != "" {
		t.Errorf("after a claim was deleted (-want +got):\n%s", diff)
	}
	if hr := n.scope(t, openid, "hr").Document.(*directory.Scope); slices.Contains(hr.MappedClaims, team) {
		t.Errorf("the scope still names the claim: %q", hr.MappedClaims)
	}
}

// FuzzResourceAttribute: whatever is accepted comes to something, and says the same when it is read again.
func FuzzResourceAttribute(f *testing.F) {
	f.Add(`{"name":"a","value":"x"}`)
	f.Add(`{"name":"a","value":"${user.a.b}","idToken":null,"userInfo":false}`)
	f.Add(`{"name":"\u0000","value":"\ud800"}`)
	k := newAppKit(f)
	custom := k.custom("fuzzed")
	f.Fuzz(func(t *testing.T, body string) {
		d := new(directory.ResourceAttribute)
		if json.Unmarshal([]byte(body), d) != nil {
			t.Skip()
		}
		for _, parent := range []string{directory.OpenIDResource(k.env.ID), custom} {
			c := &directory.Checking{Environment: k.env, Live: k.live, ID: "x", Parent: parent}
			if d.Check(t.Context(), c) != nil {
				continue
			}
			if _, err := store.ParseSource(*d.Value); err != nil {
				t.Errorf("accepted: %v", err)
			}
			if err := store.CheckAttribute(d.Name, parent == custom); err != nil {
				t.Errorf("accepted: %v", err)
			}
			once, err := json.Marshal(d)
			if err != nil {
				t.Fatal(err)
			}
			again := new(directory.ResourceAttribute)
			if err := json.Unmarshal(once, again); err != nil {
				t.Fatal(err)
			}
			if err := again.Check(t.Context(), c); err != nil {
				t.Errorf("accepted, and refused when it came back: %v", err)
			}
		}
	})
}
