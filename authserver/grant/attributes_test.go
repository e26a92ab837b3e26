package grant_test

import (
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// TestMappedClaims: both grants give what is mapped, as the directory has it at
// that moment; what a resource requires and the person has not is judged before a
// code or refresh token is spent.
func TestMappedClaims(t *testing.T) {
	g := newRig(t)
	g.Clients["offline"].Attributes = []store.Attribute{{Claim: "department", From: store.Source{User: "department"}, IDToken: true}}
	g.Attributes = []store.ResourceAttribute{
		{Claim: "sub", From: store.Source{User: "employee"}, Required: true}, {Claim: "department", From: store.Source{User: "department"}},
	}
	person := func(employee any, department string) {
		u := testkit.Alice(g.Env.ID)
		u.Claims["employee"], u.Claims["department"] = employee, department
		g.People.Put(u)
	}
	check := func(access, id string, sub, department string) {
		t.Helper()
		c := claimsOf(t, access)
		if c.Subject != sub || text(t, c, "department") != department || text(t, c, "unmapped_sub") != testkit.Alice(g.Env.ID).ID {
			t.Errorf("access token: sub = %q, department = %q, unmapped_sub = %q", c.Subject, text(t, c, "department"), text(t, c, "unmapped_sub"))
		}
		i := claimsOf(t, id)
		if i.Subject != testkit.Alice(g.Env.ID).ID || text(t, i, "department") != department || i.Has("unmapped_sub") {
			t.Errorf("ID token: sub = %q, department = %q", i.Subject, text(t, i, "department"))
		}
	}
	code := g.Code(t, g.Authorize(t, "offline", g.SignOn(t), "openid", "offline_access", "orders:read"))
	if _, got := g.redeem(t, "offline", code); got != "invalid_request" {
		t.Errorf("code, required claim missing: %q, want invalid_request", got)
	}
	person("e-1", "sales")
	r, got := g.redeem(t, "offline", code)
	if got != "" {
		t.Fatalf("the code was spent by the refusal: %s", got)
	}
	check(r.Access.Raw, r.IDToken, "e-1", "sales")

	person(nil, "")
	refresh := r.RefreshToken
	if _, got := g.renew(t, "offline", refresh); got != "invalid_request" {
		t.Errorf("refresh token, required claim missing: %q, want invalid_request", got)
	}
	person("e-2", "support")
	if r, got = g.renew(t, "offline", refresh); got != "" {
		t.Fatalf("the refresh token was spent by the refusal: %s", got)
	}
	check(r.Access.Raw, r.IDToken, "e-2", "support")

	// Narrowed to scopes of no resource, nothing of a resource is there.
	r, got = g.renew(t, "offline", r.RefreshToken, "scope=openid")
	if got != "" {
		t.Fatal(got)
	}
	if c := claimsOf(t, r.Access.Raw); c.Has("department") || c.Subject != testkit.Alice(g.Env.ID).ID || c.Has("unmapped_sub") {
		t.Errorf("for UserInfo alone: %v, sub = %q", c.Names(), c.Subject)
	}
}
