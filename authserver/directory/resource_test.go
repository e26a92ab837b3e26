package directory_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// ok is the value of a call that succeeds.
func ok[T any](t *testing.T) func(v T, err error) T {
	t.Helper()
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// document reads a document as a client sends it.
func document[T directory.Document](t *testing.T, d T, body string) T {
	t.Helper()
	if err := json.Unmarshal([]byte(body), d); err != nil {
		t.Fatal(err)
	}
	return d
}

func (n *node) createResource(t *testing.T, body string) (*directory.Item, error) {
	t.Helper()
	return n.Create(t.Context(), actor, n.env, directory.New{Document: document(t, new(directory.Resource), body)})
}

// shown is the JSON of an item's document.
func shown(t *testing.T, it *directory.Item) string {
	t.Helper()
	b, err := json.Marshal(it.Document)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// resource creates one that is accepted.
func (n *node) resource(t *testing.T, body string) *directory.Item {
	t.Helper()
	return ok[*directory.Item](t)(n.createResource(t, body))
}

// under creates something in a resource.
func (n *node) under(t *testing.T, resource string, d directory.Document) *directory.Item {
	t.Helper()
	return ok[*directory.Item](t)(n.Create(t.Context(), actor, n.env, directory.New{Parent: resource, Document: d}))
}

// TestResourceRules has a row for each rule on a new resource, with the nearest
// that is accepted beside it.
func TestResourceRules(t *testing.T) {
	n := newNode(t)
	n.resource(t, `{"name":"taken","audience":"https://taken.example.com"}`)
	long := strings.Repeat("ä", 256)
	tests := []struct {
		name, body string
		want       string // what the client is told; "" is created
	}{
		{"a name alone", `{"name":"one"}`, ""},
		{"no name", `{}`, "Bad Request REQUIRED_VALUE name"},
		{"null as the name", `{"name":null}`, "Bad Request REQUIRED_VALUE name"},
		{"a blank name", `{"name":"  "}`, "Bad Request EMPTY_VALUE name"},
		{"256 characters", `{"name":"` + long + `","audience":"https://long.example.com"}`, ""},
		{"257 characters", `{"name":"` + long + `x","audience":"https://longer.example.com"}`, "Bad Request SIZE_LIMIT_EXCEEDED name"},
		{"a control character", `{"name":"a\u0007b"}`, "Bad Request INVALID_VALUE name"},
		{"a slash", `{"name":"a/b"}`, ""},
		{"a name that is taken", `{"name":"taken"}`, "Bad Request UNIQUENESS_VIOLATION name"},
		{"the same in capitals is another", `{"name":"TAKEN"}`, ""},
		{"a name that is declared", `{"name":"orders","audience":"https://x.example.com"}`, "Bad Request UNIQUENESS_VIOLATION name"},
		{"the name of a predefined one", `{"name":"openid"}`, "Bad Request UNIQUENESS_VIOLATION name"},
		{"that in capitals", `{"name":"OpenID"}`, "Bad Request UNIQUENESS_VIOLATION name"},
		{"the name of the other", `{"name":"PingOne API","audience":"https://y.example.com"}`, "Bad Request UNIQUENESS_VIOLATION name"},

		{"the type said", `{"name":"two","type":"CUSTOM"}`, ""},
		{"a predefined type", `{"name":"three","type":"OPENID_CONNECT"}`, "Bad Request INVALID_VALUE type"},
		{"the other predefined type", `{"name":"three","type":"PINGONE_API"}`, "Bad Request INVALID_VALUE type"},
		{"an unknown type", `{"name":"three","type":"OTHER"}`, "Bad Request INVALID_VALUE type"},

		{"an audience that is no URL", `{"name":"four","audience":"orders api"}`, ""},
		{"an audience that is taken", `{"name":"five","audience":"https://taken.example.com"}`, "Bad Request UNIQUENESS_VIOLATION audience"},
		{"one that another has by its name", `{"name":"six","audience":"one"}`, "Bad Request UNIQUENESS_VIOLATION audience"},
		{"one that is declared", `{"name":"seven","audience":"https://orders.example.com"}`, "Bad Request UNIQUENESS_VIOLATION audience"},
		{"an empty audience", `{"name":"eight","audience":""}`, "Bad Request REQUIRED_VALUE audience"},
		{"a fragment", `{"name":"nine","audience":"https://a.example.com#x"}`, "Bad Request INVALID_VALUE audience"},
		{"the vendor's name", `{"name":"ten","audience":"https://api.pingone.example"}`, "Bad Request INVALID_VALUE audience"},
		{"the vendor's name in capitals", `{"name":"ten","audience":"https://PingOne.example"}`, "Bad Request INVALID_VALUE audience"},
		{"the vendor's other name", `{"name":"ten","audience":"urn:PINGidentity:x"}`, "Bad Request INVALID_VALUE audience"},
		{"nearly the vendor's name", `{"name":"ten","audience":"https://ping.one.example"}`, ""},
		{"the vendor's name by the name", `{"name":"our pingone proxy"}`, "Bad Request INVALID_VALUE audience"},
		{"the name of the vendor with another audience", `{"name":"our pingone proxy","audience":"https://proxy.example.com"}`, ""},
		{"512 bytes", `{"name":"eleven","audience":"` + strings.Repeat("a", 512) + `"}`, ""},
		{"513 bytes", `{"name":"twelve","audience":"` + strings.Repeat("a", 513) + `"}`, "Bad Request SIZE_LIMIT_EXCEEDED audience"},

		{"300 seconds", `{"name":"13","accessTokenValiditySeconds":300}`, ""},
		{"299 seconds", `{"name":"14","accessTokenValiditySeconds":299}`, "Bad Request OUT_OF_RANGE accessTokenValiditySeconds"},
		{"0 seconds", `{"name":"14","accessTokenValiditySeconds":0}`, "Bad Request OUT_OF_RANGE accessTokenValiditySeconds"},
		{"30 days", `{"name":"15","accessTokenValiditySeconds":2592000}`, ""},
		{"a second more", `{"name":"16","accessTokenValiditySeconds":2592001}`, "Bad Request OUT_OF_RANGE accessTokenValiditySeconds"},

		{"secret in the body", `{"name":"17","introspectEndpointAuthMethod":"CLIENT_SECRET_POST"}`, ""},
		{"no secret", `{"name":"18","introspectEndpointAuthMethod":"NONE"}`, ""},
		{"a method of applications", `{"name":"19","introspectEndpointAuthMethod":"PRIVATE_KEY_JWT"}`, "Bad Request INVALID_VALUE introspectEndpointAuthMethod"},
		{"in small letters", `{"name":"19","introspectEndpointAuthMethod":"none"}`, "Bad Request INVALID_VALUE introspectEndpointAuthMethod"},

		{"1024 characters of description", `{"name":"20","description":"` + strings.Repeat("d", 1024) + `"}`, ""},
		{"1025 characters of description", `{"name":"21","description":"` + strings.Repeat("d", 1025) + `"}`, "Bad Request SIZE_LIMIT_EXCEEDED description"},

		{"credentials brought along", `{"name":"22","clientId":"11111111-2222-4333-8444-555555555555","clientSecret":"12345678"}`, ""},
		{"an id without a secret", `{"name":"23","clientId":"31111111-2222-4333-8444-555555555555"}`, "Bad Request REQUIRED_VALUE clientSecret"},
		{"a secret without an id", `{"name":"23","clientSecret":"12345678"}`, "Bad Request REQUIRED_VALUE clientId"},
		{"a short secret", `{"name":"23","clientId":"31111111-2222-4333-8444-555555555555","clientSecret":"1234567"}`, "Bad Request OUT_OF_RANGE clientSecret"},
		{"a short id", `{"name":"23","clientId":"1234567","clientSecret":"12345678"}`, "Bad Request INVALID_VALUE clientId"},
		{"an id with a slash", `{"name":"23","clientId":"12345678/9","clientSecret":"12345678"}`, "Bad Request INVALID_VALUE clientId"},
		{"the id of an application", `{"name":"23","clientId":"demo-web","clientSecret":"12345678"}`, "Bad Request UNIQUENESS_VIOLATION clientId"},
		{
			"a secret that nothing uses", `{"name":"23","introspectEndpointAuthMethod":"NONE","clientId":"31111111-2222-4333-8444-555555555555","clientSecret":"12345678"}`,
			"Bad Request INVALID_VALUE clientSecret",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := n.createResource(t, tt.body)
			if got := problem(err); got != tt.want {
				t.Errorf("answer = %q, want %q (%v)", got, tt.want, err)
			}
		})
	}
}

// TestResourceSays: what was sent comes back, and what has a default is shown.
func TestResourceSays(t *testing.T) {
	n := newNode(t)
	tests := []struct{ name, body, want string }{
		{
			"defaults", `{"name":"a"}`,
			`{"name":"a","type":"CUSTOM","audience":"a","accessTokenValiditySeconds":3600,"introspectEndpointAuthMethod":"CLIENT_SECRET_BASIC","applicationPermissionsSettings":{"claimEnabled":false}}`,
		},
		{
			"what Terraform sends",
			`{"accessTokenValiditySeconds":900,"applicationPermissionsSettings":{"claimEnabled":true},"audience":"https://b.example.com","introspectEndpointAuthMethod":"NONE","name":"b","type":"CUSTOM","description":""}`,
			`{"name":"b","type":"CUSTOM","description":"","audience":"https://b.example.com","accessTokenValiditySeconds":900,"introspectEndpointAuthMethod":"NONE","applicationPermissionsSettings":{"claimEnabled":true}}`,
		},
		{
			"credentials are not shown", `{"name":"c","clientId":"11111111-2222-4333-8444-555555555555","clientSecret":"a-secret-of-old"}`,
			`{"name":"c","type":"CUSTOM","audience":"c","accessTokenValiditySeconds":3600,"introspectEndpointAuthMethod":"CLIENT_SECRET_BASIC","applicationPermissionsSettings":{"claimEnabled":false}}`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			created := n.resource(t, tt.body)
			found := ok[*directory.Item](t)(n.live.Item(t.Context(), n.env, store.KindResource, "", created.ID))
			for _, got := range []string{shown(t, created), shown(t, found), string(found.Data)} {
				if got != tt.want {
					t.Errorf("document = %s\nwant       %s", got, tt.want)
				}
			}
		})
	}
	imported := document(t, new(directory.Resource), `{"name":"d","clientId":"legacy-api.1","clientSecret":"a-secret-of-old"}`)
	ok[*directory.Item](t)(n.Create(t.Context(), actor, n.env, directory.New{ID: "legacy-api.1", Document: imported}))
	r := ok[*store.Resource](t)(n.live.ResourceByID(t.Context(), demo, "legacy-api.1"))
	if string(r.Secret) != "a-secret-of-old" {
		t.Errorf("the resource that was brought along has %d bytes of secret, want its own", len(r.Secret))
	}
	for _, e := range n.events(t, demo) {
		if strings.Contains(string(e.Before)+string(e.After), "a-secret-of-old") {
			t.Errorf("%s holds a secret", e.Action)
		}
	}
}

// TestResourceComesTo is what the protocols see of a resource, from its creation on.
func TestResourceComesTo(t *testing.T) {
	n := newNode(t)
	it := n.resource(t, `{"name":"invoices","audience":"https://invoices.example.com","accessTokenValiditySeconds":600}`)
	read := func() *store.Resource {
		t.Helper()
		return ok[*store.Resource](t)(n.live.ResourceByID(t.Context(), demo, it.ID))
	}
	r := read()
	if len(r.Secret) < 64 || strings.Trim(string(r.Secret), "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~") != "" {
		t.Errorf("the secret has %d characters, want 64 or more of PingOne's alphabet", len(r.Secret))
	}
	first := r.Secret
	want := &store.Resource{
		Environment: demo, ID: it.ID, Name: "invoices", Audience: "https://invoices.example.com", AccessTokenTTL: 10 * time.Minute,
		Secret: first, IntrospectionAuth: "client_secret_basic",
	}
	if diff := cmp.Diff(want, r); diff != "" {
		t.Errorf("new resource (-want +got):\n%s", diff)
	}

	n.under(t, it.ID, &directory.Scope{Name: "invoices:read"})
	value, subject := "${user.email}", "${user.username}"
	n.under(t, it.ID, &directory.ResourceAttribute{Name: "mail", Value: &value})
	n.change(t, store.KindResourceAttribute, it.ID, n.attribute(t, it.ID, "sub").ID, &directory.ResourceAttribute{Name: "sub", Value: &subject})
	want.Scopes = []string{"invoices:read"}
	want.Attributes = []store.ResourceAttribute{{Claim: "sub", From: store.Source{User: "username"}}, {Claim: "mail", From: store.Source{User: "email"}}}
	r = read()
	if len(r.Attributes) == 2 && r.Attributes[0].Claim == "mail" {
		r.Attributes[0], r.Attributes[1] = r.Attributes[1], r.Attributes[0] // they are by ID
	}
	if diff := cmp.Diff(want, r); diff != "" {
		t.Errorf("with scopes and attributes (-want +got):\n%s", diff)
	}

	n.change(t, store.KindSecret, it.ID, it.ID, func(old directory.Document) directory.Document {
		keep := n.clock.Now().Add(time.Hour)
		rotated := ok[*directory.Secret](t)(old.(*directory.Secret).Rotated(n.clock.Now(), &keep))
		return rotated
	})
	r = read()
	if string(r.Secret) == string(first) || len(r.PreviousSecrets) != 1 || string(r.PreviousSecrets[0].Value) != string(first) ||
		!r.PreviousSecrets[0].Expires.Equal(n.clock.Now().Add(time.Hour)) {
		t.Errorf("after a rotation: previous secrets = %d, want the first one for an hour", len(r.PreviousSecrets))
	}

	n.change(t, store.KindResource, "", it.ID, document(t, new(directory.Resource), `{"name":"invoices","introspectEndpointAuthMethod":"NONE"}`))
	if r = read(); r.Secret != nil || r.PreviousSecrets != nil || r.IntrospectionAuth != "none" {
		t.Errorf("without authentication: %d bytes of secret, %q", len(r.Secret), r.IntrospectionAuth)
	}
}

// change replaces a document: by a Document, or by what a function makes of the old one.
func (n *node) change(t *testing.T, kind store.ObjectKind, parent, id string, to any) *directory.Item {
	t.Helper()
	it, err := n.tryChange(t, kind, parent, id, to)
	if err != nil {
		t.Fatal(err)
	}
	return it
}

func (n *node) tryChange(t *testing.T, kind store.ObjectKind, parent, id string, to any) (*directory.Item, error) {
	t.Helper()
	return n.Update(t.Context(), actor, n.env, kind, parent, id, directory.Precondition{}, func(old *directory.Item) (directory.Document, error) {
		if f, ok := to.(func(directory.Document) directory.Document); ok {
			return f(old.Document), nil
		}
		return to.(directory.Document), nil
	})
}

// named finds what a resource has under a name.
func (n *node) named(t *testing.T, kind store.ObjectKind, resource, name string) *directory.Item {
	t.Helper()
	items, _, err := n.live.Items(t.Context(), n.env, kind, resource, "", 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, it := range items {
		if it.Document.Label() == name {
			return it
		}
	}
	t.Fatalf("%s has no %s %q", resource, kind, name)
	return nil
}

func (n *node) attribute(t *testing.T, resource, name string) *directory.Item {
	t.Helper()
	return n.named(t, store.KindResourceAttribute, resource, name)
}

func (n *node) scope(t *testing.T, resource, name string) *directory.Item {
	t.Helper()
	return n.named(t, store.KindScope, resource, name)
}

// TestPredefinedResources: every environment has two, which clients find by type
// and name and which stay as they are.
func TestPredefinedResources(t *testing.T) {
	n := newNode(t)
	items, next, err := n.live.Items(t.Context(), n.env, store.KindResource, "", "", 100)
	if err != nil || next != "" {
		t.Fatal(err, next)
	}
	got := map[string]string{}
	for _, it := range items {
		got[it.Document.Label()] = it.Document.(*directory.Resource).Type
	}
	if diff := cmp.Diff(map[string]string{"openid": "OPENID_CONNECT", "PingOne API": "PINGONE_API", "orders": "CUSTOM"}, got); diff != "" {
		t.Errorf("resources (-want +got):\n%s", diff)
	}
	for _, tt := range []struct{ name, id, want string }{
		{"openid", directory.OpenIDResource(demo), "openid"},
		{"the PingOne API", directory.PingOneResource(demo), "pingone"},
		{"a custom one", "orders", "orders"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := directory.GrantedResource(demo, tt.id); got != tt.want {
				t.Errorf("key of grants = %q, want %q", got, tt.want)
			}
			_, err := n.tryChange(t, store.KindResource, "", tt.id, document(t, new(directory.Resource), `{"name":"x"}`))
			if err == nil {
				t.Error("it can be changed")
			}
			if err := n.Delete(t.Context(), actor, n.env, store.KindResource, "", tt.id, directory.Precondition{}); err == nil {
				t.Error("it can be deleted")
			}
			if _, err := n.live.ResourceByID(t.Context(), demo, tt.id); tt.id != "orders" && !errors.Is(err, store.ErrNotFound) {
				t.Errorf("for the protocols: %v, want not found", err)
			}
		})
	}
	api := ok[*directory.Item](t)(n.live.Item(t.Context(), n.env, store.KindResource, "", directory.PingOneResource(demo)))
	if aud := api.Document.(*directory.Resource).Audience; aud == nil || *aud != n.env.APIAudience {
		t.Errorf("audience of the PingOne API = %v, want %s", aud, n.env.APIAudience)
	}
	if directory.OpenIDResource(demo) == directory.OpenIDResource(other) {
		t.Error("two environments share one ID")
	}
}

// TestDeclaredResource: configuration's resources are shown with all that belongs
// to them, and nothing of it changes from elsewhere.
func TestDeclaredResource(t *testing.T) {
	n := newNode(t)
	it := ok[*directory.Item](t)(n.live.Item(t.Context(), n.env, store.KindResource, "", "orders"))
	if it.Declared != "Caddyfile:5" {
		t.Errorf("declared = %q", it.Declared)
	}
	scope, subject := n.scope(t, "orders", "orders:read"), n.attribute(t, "orders", "sub")
	if scope.ID != directory.DeclaredScope(demo, "orders", "orders:read") {
		t.Errorf("scope has the ID %s", scope.ID)
	}
	value := "x"
	tests := []struct {
		name string
		act  func() error
	}{
		{"change the resource", func() error {
			_, err := n.tryChange(t, store.KindResource, "", "orders", document(t, new(directory.Resource), `{"name":"x"}`))
			return err
		}},
		{"delete the resource", func() error {
			return n.Delete(t.Context(), actor, n.env, store.KindResource, "", "orders", directory.Precondition{})
		}},
		{"add a scope", func() error {
			_, err := n.Create(t.Context(), actor, n.env, directory.New{Parent: "orders", Document: &directory.Scope{Name: "x"}})
			return err
		}},
		{"rename a scope", func() error {
			_, err := n.tryChange(t, store.KindScope, "orders", scope.ID, &directory.Scope{Name: "x"})
			return err
		}},
		{"delete a scope", func() error {
			return n.Delete(t.Context(), actor, n.env, store.KindScope, "orders", scope.ID, directory.Precondition{})
		}},
		{"add an attribute", func() error {
			_, err := n.Create(t.Context(), actor, n.env, directory.New{Parent: "orders", Document: &directory.ResourceAttribute{Name: "x", Value: &value}})
			return err
		}},
		{"change an attribute", func() error {
			_, err := n.tryChange(t, store.KindResourceAttribute, "orders", subject.ID, &directory.ResourceAttribute{Name: "sub", Value: &value})
			return err
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.act()
			if got := problem(err); got != "Bad Request CONSTRAINT_VIOLATION id" {
				t.Errorf("answer = %q", got)
			}
			if e, is := errors.AsType[*oauth.Error](err); is && !strings.Contains(e.Details[0].Message, "Caddyfile:5") {
				t.Errorf("message = %q, want where it is declared", e.Details[0].Message)
			}
		})
	}
}

// TestResourceChanges: which changes of a resource end the tokens for it.
func TestResourceChanges(t *testing.T) {
	tests := []struct {
		name, to string // "" deletes
		want     []string
	}{
		{"another name", `{"name":"b","audience":"https://a"}`, nil},
		{"another life", `{"name":"a","audience":"https://a","accessTokenValiditySeconds":300}`, nil},
		{"another audience", `{"name":"a","audience":"https://b"}`, []string{"audience https://a"}},
		{"the audience left out", `{"name":"a"}`, []string{"audience https://a"}},
		{"deleted", "", []string{"audience https://a"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n := newNode(t)
			it := n.resource(t, `{"name":"a","audience":"https://a"}`)
			n.under(t, it.ID, &directory.Scope{Name: "s"})
			if tt.to == "" {
				if err := n.Delete(t.Context(), actor, n.env, store.KindResource, "", it.ID, directory.Precondition{}); err != nil {
					t.Fatal(err)
				}
				if _, err := n.live.ResourceByID(t.Context(), demo, it.ID); !errors.Is(err, store.ErrNotFound) {
					t.Errorf("deleted resource: %v", err)
				}
				children, err := n.store.ChildrenOf(t.Context(), demo, it.ID, 10)
				if err != nil || len(children) > 0 {
					t.Errorf("left behind: %d, %v", len(children), err)
				}
			} else {
				n.change(t, store.KindResource, "", it.ID, document(t, new(directory.Resource), tt.to))
			}
			if diff := cmp.Diff(tt.want, n.revoked(t)); diff != "" {
				t.Errorf("revocations (-want +got):\n%s", diff)
			}
		})
	}
	t.Run("the type never changes", func(t *testing.T) {
		n := newNode(t)
		it := n.resource(t, `{"name":"a"}`)
		_, err := n.tryChange(t, store.KindResource, "", it.ID, document(t, new(directory.Resource), `{"name":"a","type":"PINGONE_API"}`))
		if got := problem(err); got != "Bad Request INVALID_VALUE type" {
			t.Errorf("answer = %q", got)
		}
	})
}

// revoked are the revocations that are stored, as "<kind> <value>".
func (n *node) revoked(t *testing.T) []string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var list []string
	_ = n.store.WatchRevocations(ctx, n.clock.Now(), store.RevocationWatcher{
		Deliver: func(r store.Revocation) { list = append(list, string(r.Kind)+" "+r.Value) },
		Alive:   func(bool) { cancel() },
	})
	return list
}

// FuzzResource: whatever is accepted says the same when it is read again.
func FuzzResource(f *testing.F) {
	f.Add(`{"name":"a"}`)
	f.Add(`{"name":"a","audience":null,"accessTokenValiditySeconds":1e3}`)
	f.Add(`{"name":"\u0000","type":"CUSTOM","description":""}`)
	f.Fuzz(func(t *testing.T, body string) {
		d := new(directory.Resource)
		if json.Unmarshal([]byte(body), d) != nil {
			t.Skip()
		}
		env := &store.Environment{ID: demo, APIAudience: "https://api.pingone.com"}
		if d.Check(t.Context(), &directory.Checking{Environment: env, Old: &directory.Resource{Type: "CUSTOM"}}) != nil {
			return
		}
		once, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		again := new(directory.Resource)
		if err := json.Unmarshal(once, again); err != nil {
			t.Fatal(err)
		}
		if err := again.Check(t.Context(), &directory.Checking{Environment: env, Old: d}); err != nil {
			t.Errorf("accepted, and refused when it came back: %v", err)
		}
		if twice, _ := json.Marshal(again); string(twice) != string(once) {
			t.Errorf("%s became %s", once, twice)
		}
	})
}
