package authserver_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/store/declared"
)

// Nobody can register a name that differs from a declared one in spelling alone:
// applications that compare names without case would take one for the other.
func TestDeclaredNamesCannotBeRegistered(t *testing.T) {
	config := declared.Config{Environments: []declared.Environment{{
		Name: "a", ID: envA, Issuer: issuerA,
		SignOn: declared.SignOn{SelfRegistration: true, Argon2Memory: 8192, Argon2Passes: 1},
		Users:  []declared.User{{Username: "Carol@Example.com", Password: "carol-demo-pass"}},
		Applications: []declared.Application{{
			ClientID: "web", Type: "web_app", Secret: "web-secret", RedirectURIs: []string{appCallback}, Allow: []string{"openid"},
		}},
	}}}
	g := newRig(t, rigOptions{config: &config})
	request := issuerA + "/authorize?client_id=web&response_type=code&scope=openid&redirect_uri=" + appCallback
	register := func(name string) answer {
		a := newAgent(t, g)
		a.open(request)
		page := a.open(a.at.String() + "&page=register")
		return a.press(page, "submit", "username", name, "email", "mallory@example.net",
			"newPassword", "a-password-of-mallory", "repeat", "a-password-of-mallory")
	}
	for _, name := range []string{"Carol@Example.com", "carol@example.com", "CAROL@EXAMPLE.COM", "\uff43arol@example.com"} {
		if got := register(name); got.status != http.StatusBadRequest || !strings.Contains(got.body, "username-error") {
			t.Errorf("register %q: %d, want 400 and the name refused", name, got.status)
		}
	}
	if got := register("carol2@example.com"); got.status != http.StatusFound {
		t.Errorf("register another name: %d, want 302 to the client:\n%s", got.status, got.body)
	}

	for _, name := range []string{"Carol@Example.com", "carol@example.com"} {
		a := newAgent(t, g)
		if got := a.press(a.open(request), "submit", "username", name, "password", "carol-demo-pass"); got.status != http.StatusFound {
			t.Errorf("sign on as %q: %d, want 302 to the client", name, got.status)
		}
	}
}
