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

// TestScopeRules has a row for each rule on a new scope, of each type of resource.
func TestScopeRules(t *testing.T) {
	n := newNode(t)
	custom, second := n.resource(t, `{"name":"a"}`).ID, n.resource(t, `{"name":"b"}`).ID
	openid, api := directory.OpenIDResource(demo), directory.PingOneResource(demo)
	n.under(t, custom, &directory.Scope{Name: "taken"})
	n.under(t, openid, &directory.Scope{Name: "hr"})
	value := "x"
	claim := n.under(t, openid, &directory.ResourceAttribute{Name: "team", Value: &value}).ID
	elsewhere := n.under(t, custom, &directory.ResourceAttribute{Name: "team", Value: &value}).ID
	email := n.attribute(t, openid, "email").ID
	tests := []struct {
		name, resource, body string
		want                 string // what the client is told; "" is created
	}{
		{"a name alone", custom, `{"name":"read"}`, ""},
		{"no name", custom, `{}`, "Bad Request REQUIRED_VALUE name"},
		{"two words", custom, `{"name":"read write"}`, "Bad Request INVALID_VALUE name"},
		{"a quote", custom, `{"name":"re\"ad"}`, "Bad Request INVALID_VALUE name"},
		{"a backslash", custom, `{"name":"re\\ad"}`, "Bad Request INVALID_VALUE name"},
		{"not ASCII", custom, `{"name":"lesen-für"}`, "Bad Request INVALID_VALUE name"},
		{"punctuation", custom, `{"name":"https://a.example.com/read:all.x!"}`, ""},
		{"256 characters", custom, `{"name":"` + strings.Repeat("s", 256) + `"}`, ""},
		{"257 characters", custom, `{"name":"` + strings.Repeat("s", 257) + `"}`, "Bad Request SIZE_LIMIT_EXCEEDED name"},
		{"taken", custom, `{"name":"taken"}`, "Bad Request UNIQUENESS_VIOLATION name"},
		{"taken in another resource", second, `{"name":"taken"}`, ""},
		{"a declared resource's", second, `{"name":"orders:read"}`, ""},
		{"of OpenID Connect", custom, `{"name":"email"}`, "Bad Request INVALID_VALUE name"},
		{"offline_access", custom, `{"name":"offline_access"}`, "Bad Request INVALID_VALUE name"},
		{"added to OpenID Connect", custom, `{"name":"hr"}`, "Bad Request UNIQUENESS_VIOLATION name"},
		{"of the PingOne API", custom, `{"name":"p1:read:user"}`, "Bad Request INVALID_VALUE name"},
		{"as if of the PingOne API", custom, `{"name":"p1:else"}`, "Bad Request INVALID_VALUE name"},
		{"nearly so", custom, `{"name":"p1else"}`, ""},
		{"1025 characters of description", custom, `{"name":"d","description":"` + strings.Repeat("d", 1025) + `"}`, "Bad Request SIZE_LIMIT_EXCEEDED description"},
		{"attributes of people", custom, `{"name":"e","schemaAttributes":["email"]}`, "Bad Request INVALID_VALUE schemaAttributes"},
		{"claims", custom, `{"name":"f","mappedClaims":["` + claim + `"]}`, "Bad Request INVALID_VALUE mappedClaims"},
		{"empty lists", custom, `{"name":"g","schemaAttributes":[],"mappedClaims":[]}`, ""},
		{"of no resource", "6a0c9f3a-6c1e-4c55-9a3b-2d7f8e1b4a99", `{"name":"x"}`, "Not Found"},

		{"added to OpenID Connect with claims", openid, `{"name":"org","mappedClaims":["` + claim + `","` + email + `"]}`, ""},
		{"without claims", openid, `{"name":"nothing"}`, ""},
		{"predefined", openid, `{"name":"profile"}`, "Bad Request UNIQUENESS_VIOLATION name"},
		{"in OpenID Connect as if of the PingOne API", openid, `{"name":"p1:x"}`, "Bad Request INVALID_VALUE name"},
		{"in OpenID Connect, of a custom resource", openid, `{"name":"taken"}`, "Bad Request UNIQUENESS_VIOLATION name"},
		{"in OpenID Connect, of a declared resource", openid, `{"name":"orders:read"}`, "Bad Request UNIQUENESS_VIOLATION name"},
		{"a claim of another resource", openid, `{"name":"o2","mappedClaims":["` + elsewhere + `"]}`, "Bad Request INVALID_VALUE mappedClaims"},
		{"an unknown claim", openid, `{"name":"o2","mappedClaims":["email"]}`, "Bad Request INVALID_VALUE mappedClaims"},
		{"a claim twice", openid, `{"name":"o2","mappedClaims":["` + claim + `","` + claim + `"]}`, "Bad Request INVALID_VALUE mappedClaims"},
		{"attributes of people in OpenID Connect", openid, `{"name":"o2","schemaAttributes":["email"]}`, "Bad Request INVALID_VALUE schemaAttributes"},

		{"reading some attributes", api, `{"name":"p1:read:user:hr","schemaAttributes":["username","name.given"]}`, ""},
		{"updating all attributes", api, `{"name":"p1:update:user:hr","schemaAttributes":["*"]}`, ""},
		{"two suffixes", api, `{"name":"p1:update:user:hr:more"}`, ""},
		{"no suffix", api, `{"name":"p1:update:user:"}`, "Bad Request INVALID_VALUE name"},
		{"another suffix than letters and digits", api, `{"name":"p1:read:user:h-r"}`, "Bad Request INVALID_VALUE name"},
		{"another action", api, `{"name":"p1:delete:user:hr"}`, "Bad Request INVALID_VALUE name"},
		{"another name", api, `{"name":"read"}`, "Bad Request INVALID_VALUE name"},
		{"predefined, of the PingOne API", api, `{"name":"p1:read:user"}`, "Bad Request INVALID_VALUE name"},
		{"all attributes and another one", api, `{"name":"p1:read:user:x","schemaAttributes":["*","email"]}`, "Bad Request INVALID_VALUE schemaAttributes"},
		{"an attribute twice", api, `{"name":"p1:read:user:x","schemaAttributes":["email","email"]}`, "Bad Request INVALID_VALUE schemaAttributes"},
		{"no path", api, `{"name":"p1:read:user:x","schemaAttributes":["name..given"]}`, "Bad Request INVALID_VALUE schemaAttributes"},
		{"an empty path", api, `{"name":"p1:read:user:x","schemaAttributes":[""]}`, "Bad Request INVALID_VALUE schemaAttributes"},
		{"claims in the PingOne API", api, `{"name":"p1:read:user:x","mappedClaims":["` + claim + `"]}`, "Bad Request INVALID_VALUE mappedClaims"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := document(t, new(directory.Scope), tt.body)
			it, err := n.Create(t.Context(), actor, n.env, directory.New{Parent: tt.resource, Document: d})
			if got := strings.TrimSpace(problem(err)); got != tt.want {
				t.Fatalf("answer = %q, want %q (%v)", got, tt.want, err)
			}
			if tt.want != "" {
				return
			}
			found := ok[*directory.Item](t)(n.live.Item(t.Context(), n.env, store.KindScope, tt.resource, it.ID))
			for _, got := range []string{shown(t, it), shown(t, found)} {
				if got != tt.body {
					t.Errorf("it says %s, want %s", got, tt.body)
				}
			}
		})
	}
}

// TestPredefinedScopes: which are there, and what of them can be changed.
func TestPredefinedScopes(t *testing.T) {
	n := newNode(t)
	openid, api := directory.OpenIDResource(demo), directory.PingOneResource(demo)
	names := func(resource string) []string {
		items, _, err := n.live.Items(t.Context(), n.env, store.KindScope, resource, "", 100)
		if err != nil {
			t.Fatal(err)
		}
		var list []string
		for _, it := range items {
			list = append(list, it.Document.Label())
			if !it.Builtin {
				t.Errorf("%s is not built in", it.Document.Label())
			}
		}
		slices.Sort(list)
		return list
	}
	if diff := cmp.Diff([]string{"address", "email", "offline_access", "openid", "phone", "profile"}, names(openid)); diff != "" {
		t.Errorf("scopes of OpenID Connect (-want +got):\n%s", diff)
	}
	// pingone-auth.md 18.2
	want := []string{
		"p1:create:device", "p1:delete:device", "p1:delete:sessions", "p1:delete:userLinkedAccounts", "p1:read:device", "p1:read:oauthConsents", "p1:read:sessions", "p1:read:user",
		"p1:read:userLinkedAccounts", "p1:read:userPassword", "p1:reset:userPassword", "p1:update:device", "p1:update:oauthConsents",
		"p1:update:user", "p1:update:userMfaEnabled", "p1:validate:userPassword",
	}
	if diff := cmp.Diff(want, names(api)); diff != "" {
		t.Errorf("scopes of the PingOne API (-want +got):\n%s", diff)
	}
	email := n.attribute(t, openid, "email").ID
	tests := []struct {
		name, resource, scope, to string // to "" deletes
		want                      string
	}{
		{"claims", openid, "profile", `{"name":"profile","mappedClaims":["` + email + `"]}`, ""},
		{"as Terraform takes them back", openid, "profile", `{"id":"x","name":"profile","description":"d","mappedClaims":[]}`, ""},
		{"a description", openid, "email", `{"name":"email","description":"d"}`, ""},
		{"another name", openid, "email", `{"name":"mail"}`, "Bad Request INVALID_VALUE name"},
		{"the name of another", openid, "email", `{"name":"phone"}`, "Bad Request INVALID_VALUE name"},
		{"deletion", openid, "email", "", "Bad Request CONSTRAINT_VIOLATION name"},
		{"deletion of one that was changed", openid, "profile", "", "Bad Request CONSTRAINT_VIOLATION name"},
		{"attributes", api, "p1:read:user", `{"name":"p1:read:user","schemaAttributes":["email"]}`, ""},
		{"all attributes again", api, "p1:read:user", `{"name":"p1:read:user","schemaAttributes":["*"]}`, ""},
		{"no word of attributes", api, "p1:update:user", `{"name":"p1:update:user"}`, ""},
		{"attributes of a scope that has none", api, "p1:read:device", `{"name":"p1:read:device","schemaAttributes":["email"]}`, "Bad Request INVALID_VALUE schemaAttributes"},
		{"another name in the PingOne API", api, "p1:read:user", `{"name":"p1:read:user:x"}`, "Bad Request INVALID_VALUE name"},
		{"deletion in the PingOne API", api, "p1:read:user", "", "Bad Request CONSTRAINT_VIOLATION name"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			it, err := n.scope(t, tt.resource, tt.scope), error(nil)
			if tt.to == "" {
				err = n.Delete(t.Context(), actor, n.env, store.KindScope, tt.resource, it.ID, directory.Precondition{})
			} else {
				_, err = n.tryChange(t, store.KindScope, tt.resource, it.ID, document(t, new(directory.Scope), tt.to))
			}
			if got := problem(err); got != tt.want {
				t.Errorf("answer = %q, want %q (%v)", got, tt.want, err)
			}
			if again := n.scope(t, tt.resource, tt.scope); again.ID != it.ID || !again.Builtin {
				t.Errorf("the scope is %s, built in: %t", again.ID, again.Builtin)
			}
		})
	}
	if got := n.revoked(t); len(got) > 0 {
		t.Errorf("revocations = %q, want none", got)
	}
}

// TestScopeChanges: to lose its name ends the tokens for a custom resource, and to
// be deleted takes a scope out of the grants that name it.
func TestScopeChanges(t *testing.T) {
	n := newNode(t)
	it := n.resource(t, `{"name":"a","audience":"https://a"}`)
	read, write := n.under(t, it.ID, &directory.Scope{Name: "read"}), n.under(t, it.ID, &directory.Scope{Name: "write"})
	grant := func(name string, scopes ...string) (app, id string) {
		application := ok[*directory.Item](t)(n.Create(t.Context(), actor, n.env, directory.New{Document: worker(name)}))
		g := &directory.Grant{Resource: directory.Reference{ID: it.ID}}
		for _, s := range scopes {
			g.Scopes = append(g.Scopes, directory.Reference{ID: s})
		}
		return application.ID, n.under(t, application.ID, g).ID
	}
	both, _ := grant("both", read.ID, write.ID)
	one, oneGrant := grant("one", write.ID)
	granted := func(app string) []string {
		t.Helper()
		return ok[*store.Client](t)(n.live.ClientByID(t.Context(), demo, app)).Grants[it.ID]
	}
	describe := "to read"

	n.change(t, store.KindScope, it.ID, read.ID, &directory.Scope{Name: "read", Description: &describe})
	if got := n.revoked(t); len(got) > 0 {
		t.Errorf("described: %q ended, want nothing", got)
	}
	n.change(t, store.KindScope, it.ID, read.ID, &directory.Scope{Name: "look"})
	if got := n.revoked(t); !slices.Equal(got, []string{"audience https://a"}) {
		t.Errorf("renamed: %q ended, want the audience", got)
	}
	if got := granted(both); !slices.Contains(got, "look") || slices.Contains(got, "read") {
		t.Errorf("renamed: granted are %q, want look", got)
	}

	if err := n.Delete(t.Context(), actor, n.env, store.KindScope, it.ID, write.ID, directory.Precondition{}); err != nil {
		t.Fatal(err)
	}
	if got := granted(both); !slices.Equal(got, []string{"look"}) {
		t.Errorf("deleted: granted are %q, want look", got)
	}
	if got := granted(one); len(got) > 0 {
		t.Errorf("deleted: granted are %q to the other application, want none", got)
	}
	if _, err := n.live.Item(t.Context(), n.env, store.KindGrant, one, oneGrant); err == nil {
		t.Error("a grant of nothing is left")
	}

	if err := n.Delete(t.Context(), actor, n.env, store.KindResource, "", it.ID, directory.Precondition{}); err != nil {
		t.Fatal(err)
	}
	if left, _, err := n.live.Items(t.Context(), n.env, store.KindGrant, both, "", 10); err != nil || len(left) > 0 {
		t.Errorf("the resource deleted: %d grants are left, %v", len(left), err)
	}
	if got := n.revoked(t); !slices.Contains(got, "audience https://a") {
		t.Errorf("ended = %q", got)
	}
}

// FuzzScope: whatever is accepted says the same when it is read again.
func FuzzScope(f *testing.F) {
	f.Add(`{"name":"a"}`)
	f.Add(`{"name":"p1:read:user:x","schemaAttributes":["*"],"mappedClaims":[]}`)
	f.Add(`{"name":"\u0000","description":"\ud800"}`)
	k := newAppKit(f)
	f.Fuzz(func(t *testing.T, body string) {
		d := new(directory.Scope)
		if json.Unmarshal([]byte(body), d) != nil {
			t.Skip()
		}
		for _, parent := range []string{directory.OpenIDResource(k.env.ID), directory.PingOneResource(k.env.ID)} {
			c := &directory.Checking{Environment: k.env, Live: k.live, ID: "x", Parent: parent}
			if d.Check(t.Context(), c) != nil {
				continue
			}
			once, err := json.Marshal(d)
			if err != nil {
				t.Fatal(err)
			}
			again := new(directory.Scope)
			if err := json.Unmarshal(once, again); err != nil {
				t.Fatal(err)
			}
			if err := again.Check(t.Context(), c); err != nil {
				t.Errorf("accepted, and refused when it came back: %v", err)
			}
			if twice, _ := json.Marshal(again); string(twice) != string(once) {
				t.Errorf("%s became %s", once, twice)
			}
		}
	})
}
