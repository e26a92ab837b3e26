package token_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/declared"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

const (
	env     = "0a000000-0000-4000-8000-00000000000a"
	api     = "https://api.pingone.com"
	orders  = "https://orders.example.com"
	billing = "https://billing.example.com"
)

// TestScopes is the table of PingOne's rules on resources and their mixing, for
// people and for machines side by side.
func TestScopes(t *testing.T) {
	allow := []string{
		"openid", "profile", "offline_access", "p1:read:user",
		"orders:read", "orders:write", "billing:read", "orders/shared", "billing/shared",
	}
	directory, err := declared.New(declared.Config{Environments: []declared.Environment{{
		Name: "a", ID: env, Issuer: "https://auth.example.com/" + env + "/as",
		Resources: []declared.Resource{
			{Name: "orders", Audience: orders, Scopes: []string{"orders:read", "orders:write", "shared"}, AccessTokenTTL: declared.Duration(30 * time.Minute)},
			{Name: "billing", Audience: billing, Scopes: []string{"billing:read", "billing:write", "shared"}, AccessTokenTTL: declared.Duration(10 * time.Minute)},
		},
		Applications: []declared.Application{
			{ClientID: "one", Type: "web_app", Secret: "one-secret", RedirectURIs: []string{"https://a.example.com/"}, Allow: allow},
			{ClientID: "many", Type: "web_app", Secret: "many-secret", RedirectURIs: []string{"https://a.example.com/"}, Allow: allow, MultipleResources: true},
			{ClientID: "poor", Type: "web_app", Secret: "poor-secret", RedirectURIs: []string{"https://a.example.com/"}, Allow: []string{"openid"}},
		},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	const (
		nothing  = "At least one scope must be granted"
		multiple = "May not request scopes for multiple resources"
	)
	type granted struct {
		scope    string // or the detail of an invalid_scope
		audience []string
		ttl      time.Duration
	}
	refused := func(detail string) granted { return granted{scope: detail} }
	tests := []struct {
		name, client, scope string
		user, machine       granted
	}{
		{"openid alone", "one", "openid", granted{"openid", []string{api}, time.Hour}, refused(nothing)},
		{"none named", "poor", "", refused(nothing), refused(nothing)},
		{"unknown", "one", "x", refused(nothing), refused(nothing)},
		{"not granted", "poor", "orders:read", refused(nothing), refused(nothing)},
		{"in another case", "one", "OpenID", refused(nothing), refused(nothing)},
		{"granted and not: the rest is dropped", "poor", "orders:read openid profile", granted{"openid", []string{api}, time.Hour}, refused(nothing)},
		{"a scope of a resource of which others are granted", "one", "openid billing:write", granted{"openid", []string{api}, time.Hour}, refused(nothing)},
		{
			"OpenID Connect and one resource, in the order asked", "one", "orders:write openid orders:read",
			granted{"orders:write openid orders:read", []string{orders}, 30 * time.Minute},
			granted{"orders:write orders:read", []string{orders}, 30 * time.Minute},
		},
		{
			"one resource alone", "one", "orders:read",
			granted{"orders:read", []string{orders}, 30 * time.Minute}, granted{"orders:read", []string{orders}, 30 * time.Minute},
		},
		{"OpenID Connect and the PingOne API", "one", "openid p1:read:user", granted{"openid p1:read:user", []string{api}, time.Hour}, refused(nothing)},
		{
			"the PingOne API and a resource", "one", "p1:read:user orders:read",
			refused(multiple), granted{"orders:read", []string{orders}, 30 * time.Minute},
		},
		{
			"the PingOne API and a resource, several allowed", "many", "p1:read:user orders:read",
			refused(multiple), granted{"orders:read", []string{orders}, 30 * time.Minute},
		},
		{"two resources", "one", "orders:read billing:read", refused(multiple), refused(multiple)},
		{
			"two resources, allowed: the shorter life", "many", "openid orders:read billing:read",
			granted{"openid orders:read billing:read", []string{billing, orders}, 10 * time.Minute},
			granted{"orders:read billing:read", []string{billing, orders}, 10 * time.Minute},
		},
		{"a name that two resources have", "one", "shared", refused(multiple), refused(multiple)},
		{
			"a name that two resources have, allowed", "many", "shared",
			granted{"shared", []string{billing, orders}, 10 * time.Minute}, granted{"shared", []string{billing, orders}, 10 * time.Minute},
		},
		{"offline_access alone", "one", "offline_access", granted{"offline_access", []string{api}, time.Hour}, refused(nothing)},
	}
	scopes := &token.Scopes{Directory: directory}
	e, err := directory.EnvironmentByID(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		c, err := directory.ClientByID(t.Context(), env, tt.client)
		if err != nil {
			t.Fatal(err)
		}
		for who, decide := range map[string]func(c *store.Client, names []string) (token.Granted, error){
			"user": func(c *store.Client, names []string) (token.Granted, error) {
				return scopes.ForUser(t.Context(), e, c, names)
			},
			"machine": func(c *store.Client, names []string) (token.Granted, error) {
				return scopes.ForClient(t.Context(), e, c, names)
			},
		} {
			want := tt.user
			if who == "machine" {
				want = tt.machine
			}
			t.Run(tt.name+"/"+who, func(t *testing.T) {
				g, err := decide(c, strings.Fields(tt.scope))
				got := granted{strings.Join(g.Scope, " "), g.Audience, g.TTL}
				if err != nil {
					if e := oauth.From(err); e.Code != oauth.CodeInvalidScope {
						t.Fatalf("error = %v", err)
					}
					got.scope = oauth.From(err).Description
				}
				if diff := cmp.Diff(want, got, cmp.AllowUnexported(granted{})); diff != "" {
					t.Errorf("granted (-want +got):\n%s", diff)
				}
			})
		}
	}
}
