package grant_test

import "testing"

// TestAdmission: who is not admitted to an application any more gets no tokens of it
// any more.
func TestAdmission(t *testing.T) {
	g := newRig(t)
	client := *g.Clients["web"]
	client.AdministratorsOnly = true
	g.Clients["web"] = &client
	session := g.SignOn(t)
	g.Administrators = map[string]bool{session.Subject: true}
	first := g.signIn(t, "web", "openid", "offline_access")
	second, refused := g.renew(t, "web", first.RefreshToken)
	if refused != "" {
		t.Fatalf("an administrator: %q, want tokens", refused)
	}
	g.Administrators = nil
	if _, got := g.renew(t, "web", second.RefreshToken); got != "invalid_grant" {
		t.Errorf("not any more: %q, want invalid_grant", got)
	}
	g.Administrators = map[string]bool{session.Subject: true}
	if _, got := g.renew(t, "web", second.RefreshToken); got != "" {
		t.Errorf("again: %q, want tokens: nothing was spent", got)
	}
}
