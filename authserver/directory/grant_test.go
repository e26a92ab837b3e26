package directory_test

import (
	"encoding/json"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// grantOn is a grant of scopes of a resource.
func grantOn(resource string, scopes ...string) string {
	g := directory.Grant{Resource: directory.Reference{ID: resource}}
	for _, s := range scopes {
		g.Scopes = append(g.Scopes, directory.Reference{ID: s})
	}
	b, err := json.Marshal(g)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func TestGrantRefusals(t *testing.T) {
	k := newAppKit(t)
	orders, stock := k.custom("Orders", "read", "write"), k.custom("Stock", "read", "count")
	openID, pingOne := directory.OpenIDResource(appEnv), directory.PingOneResource(appEnv)
	read, write, count := k.scope(orders, "read"), k.scope(orders, "write"), k.scope(stock, "count")
	web := k.application(webApp())
	if _, err := k.create(web.ID, new(directory.Grant), grantOn(orders, read)); err != nil {
		t.Fatal(err)
	}
	batch := k.application(workerApp())
	person := k.application(workerApp("name", "Console", "grantTypes", texts{"AUTHORIZATION_CODE"}))
	const nobody = "00000000-0000-4000-8000-000000000000"
	tests := []struct {
		name        string
		application string
		sent, want  string // want "": accepted
	}{
		{"no resource", web.ID, grantOn("", read), "REQUIRED_VALUE resource.id"},
		{"no scopes", web.ID, grantOn(stock), "REQUIRED_VALUE scopes"},
		{"an unknown resource", web.ID, grantOn(nobody, read), "INVALID_VALUE resource.id"},
		{"an unknown scope", web.ID, grantOn(stock, nobody), "INVALID_VALUE scopes.id"},
		{"a scope without an id", web.ID, grantOn(stock, ""), "REQUIRED_VALUE scopes.id"},
		{"a scope of another resource", web.ID, grantOn(stock, write), "INVALID_VALUE scopes.id"},
		{"a scope twice", web.ID, grantOn(stock, count, count), "INVALID_VALUE scopes"},
		{"a second grant for the resource", web.ID, grantOn(orders, write), "UNIQUENESS_VIOLATION resource.id"},
		{"a scope of the name of another grant's", web.ID, grantOn(stock, k.scope(stock, "read")), "INVALID_VALUE scopes"},
		{"a scope of another name", web.ID, grantOn(stock, count), ""},
		{"OpenID Connect for a person's application", web.ID, grantOn(openID, k.scope(openID, "openid"), k.scope(openID, "profile")), ""},
		{"the PingOne API", web.ID, grantOn(pingOne, k.scope(pingOne, "p1:read:user")), ""},
		{"OpenID Connect for a worker", batch.ID, grantOn(openID, k.scope(openID, "openid")), "INVALID_VALUE scopes"},
		{"a custom resource for a worker", batch.ID, grantOn(orders, read, write), ""},
		{"OpenID Connect for a worker without client credentials", person.ID, grantOn(openID, k.scope(openID, "openid")), ""},
		{"a declared resource", batch.ID, grantOn("orders", k.scope("orders", "orders:read")), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			it, err := k.create(tt.application, new(directory.Grant), tt.sent)
			if got := appProblem(err); got != tt.want {
				t.Fatalf("got %q, want %q (%v)", got, tt.want, err)
			}
			if err == nil && appMembers(t, it)["application"].(map[string]any)["id"] != tt.application {
				t.Errorf("got %v, want the application named", appMembers(t, it))
			}
		})
	}
	want := map[string][]string{orders: {"read"}, stock: {"count"}, store.ResourceOpenID: {"openid", "profile"}, store.ResourcePingOne: {"p1:read:user"}}
	if diff := cmp.Diff(want, k.client(web.ID).Grants); diff != "" {
		t.Errorf("client's grants (-want +got):\n%s", diff)
	}
	if _, err := k.create(nobody, new(directory.Grant), grantOn(orders, read)); appProblem(err) == "" {
		t.Error("a grant of an application that is not there was made")
	}
}

func TestNarrowedGrantEndsAccessTokens(t *testing.T) {
	k := newAppKit(t)
	orders, stock := k.custom("Orders", "read", "write"), k.custom("Stock", "count")
	read, write := k.scope(orders, "read"), k.scope(orders, "write")
	web := k.application(webApp())
	it, err := k.create(web.ID, new(directory.Grant), grantOn(orders, read))
	if err != nil {
		t.Fatal(err)
	}
	replace := func(sent string) func() error {
		return func() error { _, err := k.replace(it, new(directory.Grant), sent); return err }
	}
	steps := []struct {
		name string
		do   func() error
		ends bool
	}{
		{"a scope more", replace(grantOn(orders, read, write)), false},
		{"in another order", replace(grantOn(orders, write, read)), false},
		{"a scope less", replace(grantOn(orders, write)), true},
		{"another resource", replace(grantOn(stock, k.scope(stock, "count"))), true},
		{"deleted", func() error { return k.remove(it) }, true},
	}
	for _, s := range steps {
		before := revokedAt(t, k, web.ID)
		k.clock.Advance(1e9)
		if err := s.do(); err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		if got := revokedAt(t, k, web.ID) != before; got != s.ends {
			t.Errorf("%s: ended access tokens = %v, want %v", s.name, got, s.ends)
		}
	}
	if len(k.ended) != 0 {
		t.Errorf("ended %v, want sessions and refresh tokens untouched", k.ended)
	}
}

// revokedAt is when the tokens of a client were last revoked, in Unix seconds.
func revokedAt(t *testing.T, k *appKit, client string) (at int64) {
	t.Helper()
	ctx, cancel := contextOf(t)
	defer cancel()
	_ = k.store.WatchRevocations(ctx, k.clock.Now(), store.RevocationWatcher{
		Deliver: func(r store.Revocation) {
			if r.Kind == store.RevokedClient && r.Value == client {
				at = max(at, r.At.Unix())
			}
		},
		Alive: func(bool) { cancel() },
	})
	return at
}

func TestOneGrantForAResourceHoweverManyAreMadeAtOnce(t *testing.T) {
	k := newAppKit(t)
	orders := k.custom("Orders", "read")
	web, read := k.application(webApp()), k.scope(orders, "read")
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		wg.Go(func() { _, errs[i] = k.create(web.ID, new(directory.Grant), grantOn(orders, read)) })
	}
	wg.Wait()
	made := 0
	for _, err := range errs {
		if err == nil {
			made++
		} else if got := appProblem(err); got != "UNIQUENESS_VIOLATION resource.id" {
			t.Errorf("got %q, want UNIQUENESS_VIOLATION", got)
		}
	}
	if made != 1 {
		t.Errorf("%d grants were made, want 1", made)
	}
}

func TestDeletedScopeIsGrantedNoMore(t *testing.T) {
	k := newAppKit(t)
	orders := k.custom("Orders", "read", "write")
	web := k.application(webApp())
	if _, err := k.create(web.ID, new(directory.Grant), grantOn(orders, k.scope(orders, "read"), k.scope(orders, "write"))); err != nil {
		t.Fatal(err)
	}
	for _, it := range k.children(store.KindScope, orders) {
		if it.Document.Label() == "read" {
			if err := k.remove(it); err != nil {
				t.Fatal(err)
			}
		}
	}
	if diff := cmp.Diff(map[string][]string{orders: {"write"}}, k.client(web.ID).Grants); diff != "" {
		t.Errorf("grants (-want +got):\n%s", diff)
	}
	resource, err := k.live.Item(t.Context(), k.env, store.KindResource, "", orders)
	if err != nil {
		t.Fatal(err)
	}
	if err := k.remove(resource); err != nil {
		t.Fatal(err)
	}
	if got := k.client(web.ID).Grants; len(got) != 0 {
		t.Errorf("grants = %v, want none", got)
	}
	if got := k.children(store.KindGrant, web.ID); len(got) != 0 {
		t.Errorf("%d grants are left, want none", len(got))
	}
}
