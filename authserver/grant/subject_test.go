package grant_test

import (
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// TestMappedSubjectStays: what comes of one sign-on has one sub (OIDC Core §12.2).
// When the client would know the person by another one, there are no more tokens.
func TestMappedSubjectStays(t *testing.T) {
	g := newRig(t)
	client := *g.Clients["web"]
	client.Subject = store.Source{User: "username"}
	g.Clients["web"] = &client
	a := g.Authorize(t, "web", g.SignOn(t), "openid")
	if _, refused := g.redeem(t, "web", g.Code(t, a)); refused != "invalid_grant" {
		t.Errorf("a code from before the mapping: %q, want invalid_grant", refused)
	}
	a = g.Authorize(t, "web", g.SignOn(t), "openid")
	user, err := g.People.ByID(t.Context(), g.Env, a.On.Subject)
	if err != nil {
		t.Fatal(err)
	}
	a.MappedSubject = user.Username
	first, refused := g.redeem(t, "web", g.Code(t, a))
	if refused != "" {
		t.Fatalf("redeem: %s", refused)
	}
	if got := claimsOf(t, first.IDToken).Subject; got != user.Username {
		t.Errorf("sub = %q, want %q", got, user.Username)
	}
	second, refused := g.renew(t, "web", first.RefreshToken)
	if refused != "" || claimsOf(t, second.IDToken).Subject != user.Username {
		t.Fatalf("renew: %q, want the same sub", refused)
	}
	renamed := *user
	renamed.Username = "somebody-else"
	g.People.Put(&renamed)
	if _, refused := g.renew(t, "web", second.RefreshToken); refused != "invalid_grant" {
		t.Errorf("by another name: %q, want invalid_grant", refused)
	}
	g.People.Put(user)
	if _, refused := g.renew(t, "web", second.RefreshToken); refused != "" {
		t.Errorf("by the old name again: %q, want tokens", refused)
	}
}
