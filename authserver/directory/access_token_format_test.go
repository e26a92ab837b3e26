package directory_test

import (
	"encoding/json"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/declared"
)

// What an application's document says of its access tokens is what its client has,
// and nothing where it says nothing.
func TestApplicationAccessTokenFormat(t *testing.T) {
	k := newAppKit(t, func(e *declared.Environment) { e.AccessTokenFormat = "opaque" })
	it := k.application(webApp())
	for _, tt := range []struct {
		body string
		want store.AccessTokenFormat
	}{
		{webApp("accessTokenFormat", "OPAQUE"), store.FormatOpaque},
		{webApp("accessTokenFormat", "JWT"), store.FormatJWT},
		{webApp("accessTokenFormat", nil), store.FormatDefault},
		{webApp("accessTokenFormat", "OPAQUE"), store.FormatOpaque},
		{webApp(), store.FormatDefault}, // what is put replaces all
	} {
		now, err := k.replace(it, new(directory.Application), tt.body)
		if err != nil {
			t.Fatal(err)
		}
		if got := k.client(it.ID).AccessTokenFormat; got != tt.want {
			t.Errorf("%s: format = %q, want %q", tt.body, got, tt.want)
		}
		shown, there := appMembers(t, now)["accessTokenFormat"]
		if there != (tt.want != store.FormatDefault) || there && shown != string(tt.want) {
			t.Errorf("%s: shown = %v, want %q", tt.body, shown, tt.want)
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.ended) != 0 {
		t.Errorf("ended = %v, want nothing: it is about tokens to come", k.ended)
	}
}

func TestDeclaredAccessTokenFormat(t *testing.T) {
	for _, tt := range []struct {
		environment, application string
		shownOf, shownIn         any
	}{
		{"", "", nil, nil},
		{"jwt", "", nil, nil},
		{"opaque", "", "OPAQUE", nil},
		{"opaque", "jwt", "OPAQUE", "JWT"},
		{"", "opaque", nil, "OPAQUE"},
	} {
		k := newAppKit(t, func(e *declared.Environment) {
			e.AccessTokenFormat, e.Applications[0].AccessTokenFormat = tt.environment, tt.application
		})
		env, err := k.live.Item(t.Context(), nil, store.KindEnvironment, "", appEnv)
		if err != nil {
			t.Fatal(err)
		}
		app, err := k.live.Item(t.Context(), k.env, store.KindApplication, "", "demo-web")
		if err != nil {
			t.Fatal(err)
		}
		for what, got := range map[string]struct{ got, want any }{
			"environment": {appMembers(t, env)["accessTokenFormat"], tt.shownOf}, "application": {appMembers(t, app)["accessTokenFormat"], tt.shownIn},
		} {
			if got.got != got.want {
				t.Errorf("%q, %q: %s shows %v, want %v", tt.environment, tt.application, what, got.got, got.want)
			}
		}
	}
}

// A stored environment's tokens are as its document says, from the next request on.
func TestStoredEnvironmentAccessTokenFormat(t *testing.T) {
	n := newNode(t)
	opaque := "OPAQUE"
	d := tenant("Shop")
	d.AccessTokenFormat = &opaque
	it := n.create(t, "", d)
	read := func() bool {
		t.Helper()
		e, err := n.live.EnvironmentByID(t.Context(), it.ID)
		if err != nil {
			t.Fatal(err)
		}
		outlives, err := directory.StoredEnvironment(t.Context(), n.live.Store, it.ID)
		if err != nil || outlives.OpaqueTokens != e.OpaqueTokens {
			t.Fatalf("stored environment = %+v, %v, want it like the live one", outlives, err)
		}
		return e.OpaqueTokens
	}
	if !read() {
		t.Error("tokens are JWTs, want opaque ones")
	}
	e, err := n.live.EnvironmentByID(t.Context(), it.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		body string
		want bool
	}{
		{`{"name":"Shop","type":"SANDBOX","region":"EU"}`, false},
		{`{"name":"Shop","type":"SANDBOX","region":"EU","accessTokenFormat":"OPAQUE"}`, true},
		{`{"name":"Shop","type":"SANDBOX","region":"EU","accessTokenFormat":"JWT"}`, false},
	} {
		_, err := n.Update(t.Context(), actor, e, store.KindEnvironment, "", it.ID, directory.Precondition{},
			func(*directory.Item) (directory.Document, error) {
				d := new(directory.Environment)
				return d, json.Unmarshal([]byte(tt.body), d)
			})
		if err != nil {
			t.Fatal(err)
		}
		if got := read(); got != tt.want {
			t.Errorf("%s: opaque = %v, want %v", tt.body, got, tt.want)
		}
	}
}
