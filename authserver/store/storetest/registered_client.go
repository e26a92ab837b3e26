package storetest

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

var registeredClientTests = []namedTest{
	{"a client comes back as it was put, with version 1", clientRoundTrip},
	{"an ID already present is ErrExists", clientExists},
	{"lists go on behind an ID, within one environment", clientList},
	{"a replacement needs the version that is stored", clientReplace},
	{"of concurrent replacements exactly one succeeds", func(t *testing.T, s store.Store) { clientContention(t, s, s) }},
	{"a deleted client is gone", clientDelete},
	{"post-logout redirect URIs are those of enabled clients", clientPostLogout},
}

func registered(id string) store.RegisteredClient {
	return store.RegisteredClient{
		Environment: env1, ID: id,
		Client: store.Client{
			Environment: env1, ID: id, Name: "Client " + id, Type: store.WebApp, Enabled: true,
			GrantTypes: []string{"authorization_code"}, AuthMethod: "client_secret_basic",
			JWKS: []byte(`{"keys":[]}`), RedirectURIs: []string{"https://client.example.com/callback?a=b&c=<d>"},
			PostLogoutRedirectURIs: []string{"https://client.example.com/" + id},
			PKCE:                   store.PKCES256Required, RefreshTokenTTL: time.Hour, DefaultMaxAge: time.Minute, Consent: store.ConsentOnce,
			Grants: map[string][]string{"openid": {"profile", "email"}},
		},
		Sealed: []byte{0, 1, 255}, Metadata: []byte(`{"client_name":"x"}`), AccessToken: hash("rat " + id), CreatedAt: Now, Version: 1,
	}
}

func putRegistered(t *testing.T, s store.Store, clients ...store.RegisteredClient) {
	t.Helper()
	for _, c := range clients {
		if err := s.PutRegisteredClient(testContext(t), c); err != nil {
			t.Fatalf("PutRegisteredClient(%s) = %v", c.ID, err)
		}
	}
}

func clientRoundTrip(t *testing.T, s store.Store) {
	ctx := testContext(t)
	bare := store.RegisteredClient{Environment: env1, ID: "bare", Version: 1}
	for _, want := range []store.RegisteredClient{registered("a"), bare} {
		put := want
		put.Version = 5 // is not the caller's to choose
		putRegistered(t, s, put)
		got, err := s.RegisteredClientByID(ctx, env1, want.ID)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("RegisteredClientByID: %v (-want +got):\n%s", err, diff)
		}
	}
	for _, key := range [][2]string{{env2, "a"}, {env1, "b"}, {env1, "A"}, {env1, "\xff"}} {
		if _, err := s.RegisteredClientByID(ctx, key[0], key[1]); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("RegisteredClientByID(%q) = %v, want ErrNotFound", key, err)
		}
	}
}

func clientExists(t *testing.T, s store.Store) {
	ctx := testContext(t)
	putRegistered(t, s, registered("a"))
	again := registered("a")
	again.Client.PostLogoutRedirectURIs = []string{"https://attacker.example.com"}
	if err := s.PutRegisteredClient(ctx, again); !errors.Is(err, store.ErrExists) {
		t.Errorf("PutRegisteredClient again = %v, want ErrExists", err)
	}
	if got, err := s.RegisteredPostLogoutRedirectURI(ctx, env1, "https://attacker.example.com"); got || err != nil {
		t.Errorf("the refused client's address is registered: %v, %v", got, err)
	}
	again.Environment = env2
	putRegistered(t, s, again)
	for name, id := range map[string]string{"no ID": "", "NUL in the ID": "\x00", "513 bytes of ID": strings.Repeat("i", 513)} {
		bad := registered("a")
		bad.ID = id
		if err := s.PutRegisteredClient(ctx, bad); err == nil || errors.Is(err, store.ErrExists) {
			t.Errorf("PutRegisteredClient with %s = %v, want an error", name, err)
		}
	}
}

func clientList(t *testing.T, s store.Store) {
	ctx := testContext(t)
	other := registered("b")
	other.Environment = env2
	putRegistered(t, s, registered("c"), registered("a"), registered("B"), registered("b"), other)
	for _, tt := range []struct {
		environment, after string
		limit              int
		want               string
	}{
		{env1, "", 10, "B a b c"},
		{env1, "", 2, "B a"},
		{env1, "a", 2, "b c"},
		{env1, "aa", 1, "b"}, // of which there is none
		{env1, "c", 10, ""},
		{env2, "", 10, "b"},
		{env1, "", 0, ""},
		{"nothing", "", 10, ""},
		{env1, "\xff", 10, ""},
	} {
		list, err := s.ListRegisteredClients(ctx, tt.environment, tt.after, tt.limit)
		var ids []string
		for _, c := range list {
			ids = append(ids, c.ID)
		}
		if got := strings.Join(ids, " "); got != tt.want || err != nil {
			t.Errorf("ListRegisteredClients(%s, %q, %d) = %q, %v, want %q", tt.environment, tt.after, tt.limit, got, err, tt.want)
		}
		for _, c := range list {
			if c.Environment != tt.environment {
				t.Errorf("%s is of %s, want %s", c.ID, c.Environment, tt.environment)
			}
		}
	}
	list, err := s.ListRegisteredClients(ctx, env1, "B", 1)
	if err != nil || len(list) != 1 {
		t.Fatalf("%d clients, %v", len(list), err)
	}
	if diff := cmp.Diff(registered("a"), list[0]); diff != "" {
		t.Errorf("a client of a list (-want +got):\n%s", diff)
	}
}

func clientReplace(t *testing.T, s store.Store) {
	ctx := testContext(t)
	putRegistered(t, s, registered("a"))
	changed := registered("a")
	changed.Client.Name, changed.Client.PostLogoutRedirectURIs = "New", nil
	changed.Sealed, changed.Metadata, changed.AccessToken, changed.CreatedAt = nil, []byte("{}"), hash("new"), Now.Add(time.Second)
	for name, change := range map[string]func(*store.RegisteredClient){
		"a version to come":   func(c *store.RegisteredClient) { c.Version = 2 },
		"no version":          func(c *store.RegisteredClient) { c.Version = 0 },
		"another environment": func(c *store.RegisteredClient) { c.Environment = env2 },
		"unknown":             func(c *store.RegisteredClient) { c.ID = "b" },
	} {
		c := changed
		change(&c)
		if err := s.ReplaceRegisteredClient(ctx, c); !errors.Is(err, store.ErrConflict) {
			t.Errorf("%s: ReplaceRegisteredClient = %v, want ErrConflict", name, err)
		}
		got, err := s.RegisteredClientByID(ctx, env1, "a")
		if diff := cmp.Diff(registered("a"), got); diff != "" || err != nil {
			t.Errorf("after %s: %v (-want +got):\n%s", name, err, diff)
		}
		if ok, err := s.RegisteredPostLogoutRedirectURI(ctx, env1, "https://client.example.com/a"); !ok || err != nil {
			t.Errorf("after %s: its address = %v, %v, want true", name, ok, err)
		}
	}
	if err := s.ReplaceRegisteredClient(ctx, changed); err != nil {
		t.Fatalf("ReplaceRegisteredClient = %v, want nil", err)
	}
	changed.Version = 2
	got, err := s.RegisteredClientByID(ctx, env1, "a")
	if diff := cmp.Diff(changed, got); diff != "" || err != nil {
		t.Errorf("after its replacement: %v (-want +got):\n%s", err, diff)
	}
}

// clientContention replaces one client by others with other addresses: those of
// the winner count, and only those.
func clientContention(t *testing.T, a, b store.Store) {
	ctx := testContext(t)
	putRegistered(t, a, registered("a"))
	for version := int64(1); version <= 3; version++ {
		uri := func(i int) string { return fmt.Sprintf("https://client.example.com/%d/%d", version, i) }
		errs := race(50, func(i int) error {
			c := registered("a")
			c.Version, c.Client.PostLogoutRedirectURIs = version, []string{uri(i), "https://client.example.com/always"}
			return either(a, b, i).ReplaceRegisteredClient(ctx, c)
		})
		winner := oneWinner(t, "ReplaceRegisteredClient", errs, store.ErrConflict)
		for i := range errs {
			if got, err := b.RegisteredPostLogoutRedirectURI(ctx, env1, uri(i)); got != (i == winner) || err != nil {
				t.Errorf("address of caller %d = %v, %v, want %v", i, got, err, i == winner)
			}
		}
		if got, err := b.RegisteredPostLogoutRedirectURI(ctx, env1, "https://client.example.com/always"); !got || err != nil {
			t.Errorf("the address that all have = %v, %v, want true", got, err)
		}
	}
}

func clientDelete(t *testing.T, s store.Store) {
	ctx := testContext(t)
	elsewhere := registered("a")
	elsewhere.Environment = env2
	putRegistered(t, s, registered("a"), elsewhere)
	for _, want := range []error{nil, store.ErrNotFound} {
		if err := s.DeleteRegisteredClient(ctx, env1, "a"); !errors.Is(err, want) {
			t.Errorf("DeleteRegisteredClient = %v, want %v", err, want)
		}
	}
	if err := s.DeleteRegisteredClient(ctx, env1, "\xff"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("DeleteRegisteredClient of what cannot be = %v, want ErrNotFound", err)
	}
	if _, err := s.RegisteredClientByID(ctx, env1, "a"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("RegisteredClientByID = %v, want ErrNotFound", err)
	}
	if err := s.ReplaceRegisteredClient(ctx, registered("a")); !errors.Is(err, store.ErrConflict) {
		t.Errorf("ReplaceRegisteredClient of what is gone = %v, want ErrConflict", err)
	}
	for environment, want := range map[string]bool{env1: false, env2: true} {
		if got, err := s.RegisteredPostLogoutRedirectURI(ctx, environment, "https://client.example.com/a"); got != want || err != nil {
			t.Errorf("its address in %s = %v, %v, want %v", environment, got, err, want)
		}
	}
	// One that takes its ID does not inherit its addresses.
	again := registered("a")
	again.Client.PostLogoutRedirectURIs = nil
	putRegistered(t, s, again)
	if got, err := s.RegisteredPostLogoutRedirectURI(ctx, env1, "https://client.example.com/a"); got || err != nil {
		t.Errorf("the former client's address = %v, %v, want false", got, err)
	}
}

func clientPostLogout(t *testing.T, s store.Store) {
	ctx := testContext(t)
	a, b, disabled := registered("a"), registered("b"), registered("disabled")
	long := "https://client.example.com/" + strings.Repeat("x", 5000)
	shared := "https://client.example.com/shared?a=1&b=\"2\""
	a.Client.PostLogoutRedirectURIs = []string{shared, long, shared}
	b.Client.PostLogoutRedirectURIs = []string{shared}
	b.Client.Enabled, disabled.Client.Enabled = false, false
	putRegistered(t, s, a, b, disabled)
	check := func(uris map[string]bool) {
		t.Helper()
		for uri, want := range uris {
			if got, err := s.RegisteredPostLogoutRedirectURI(ctx, env1, uri); got != want || err != nil {
				t.Errorf("RegisteredPostLogoutRedirectURI(%.60s) = %v, %v, want %v", uri, got, err, want)
			}
		}
	}
	check(map[string]bool{
		shared: true, long: true, long + "x": false, strings.ToUpper(shared): false, "": false, "\xff": false,
		"https://client.example.com/a": false, "https://client.example.com/disabled": false,
	})
	if got, err := s.RegisteredPostLogoutRedirectURI(ctx, env2, shared); got || err != nil {
		t.Errorf("in another environment = %v, %v, want false", got, err)
	}
	a.Client.Enabled, disabled.Client.Enabled = false, true
	for _, c := range []store.RegisteredClient{a, disabled} {
		if err := s.ReplaceRegisteredClient(ctx, c); err != nil {
			t.Fatal(err)
		}
	}
	check(map[string]bool{shared: false, long: false, "https://client.example.com/disabled": true})
}
