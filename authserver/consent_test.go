package authserver_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

// What a request asks for one by one with the claims parameter is agreed to like
// what it asks for by scope: a client that registered itself gets nothing that
// the person was not shown (OIDC Core §3.1.2.4, §5.5).
func TestClaimsNeedConsent(t *testing.T) {
	const claims = `{"userinfo":{"email":null},"id_token":{"phone_number":null,"unheard_of":null}}`
	s := newSuite(t)
	c := s.register("scope", "openid email phone profile")
	a := newAgent(t, s.rig)
	if got := a.signOn(c.request("scope", "openid", "prompt", "")); got.Get("code") == "" {
		t.Fatalf("no code: %v", got)
	}

	got := a.open(c.request("scope", "openid", "prompt", "none"))
	if !strings.Contains(got.header.Get("Location"), "code=") {
		t.Errorf("openid alone, agreed to before: %d %s, want a code", got.status, got.header.Get("Location"))
	}
	got = a.open(c.request("scope", "openid", "prompt", "none", "claims", claims))
	if !strings.Contains(got.header.Get("Location"), "error=consent_required") {
		t.Errorf("claims that nobody agreed to: %d %s, want consent_required", got.status, got.header.Get("Location"))
	}

	page := a.open(c.request("scope", "openid", "prompt", "", "claims", claims))
	if !strings.Contains(page.body, "See your e-mail address") {
		t.Errorf("the consent page does not say what is asked for:\n%s", page.body)
	}
	if strings.Contains(page.body, "phone") {
		t.Error("the consent page speaks of a phone number, which she has not")
	}
	if page.status != http.StatusOK || !slices.ContainsFunc(button.FindAllStringSubmatch(page.body, -1), func(b []string) bool { return b[1] == "allow" }) {
		t.Fatalf("status %d, want the consent page:\n%s", page.status, page.body)
	}
	back := a.press(page, "allow")
	if !strings.Contains(back.header.Get("Location"), "code=") {
		t.Fatalf("agreed: %d %s, want a code", back.status, back.header.Get("Location"))
	}
	got = a.open(c.request("scope", "openid", "prompt", "none", "claims", claims))
	if !strings.Contains(got.header.Get("Location"), "code=") {
		t.Errorf("claims that were agreed to: %d %s, want a code", got.status, got.header.Get("Location"))
	}
}
