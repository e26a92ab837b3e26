package legacy_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/store/declared"
)

// flow is the flow whose page the answer is.
func (a *answer) flow() string {
	a.t.Helper()
	u, err := url.Parse(a.what[len("GET "):])
	if err != nil || u.Query().Get("flowId") == "" {
		a.t.Fatalf("at %s, want a page", a.what)
	}
	return u.Query().Get("flowId")
}

// answerPage does what a hosted page of alpha asks for, and gives where the browser is sent then.
func (b *browser) answerPage(flow, kind, body string) *url.URL {
	b.k.t.Helper()
	b.do("POST", host+"/"+alphaID+"/flows/"+flow, body, "application/vnd.pingidentity."+kind+"+json").is(http.StatusOK)
	return b.do("GET", b.k.Alpha.Issuer+"/resume?flowId="+flow, "", "").is(http.StatusFound).location()
}

// TestAuthorizeLogin: prompt=login through a realm with an SSO token in the cookie. The person signs on at the hosted
// pages, and the realm answers the application. The SSO token stays what it was, unless the pages had been given its
// session before: who signs on again to a session has another secret of it afterwards, so that nobody who knew the old
// one has more by it.
func TestAuthorizeLogin(t *testing.T) {
	const password = `{"username":"alice","password":"alice-demo-pass"}`
	for _, tt := range []struct {
		name                string
		consentBefore, good bool
	}{
		{"the pages know nobody", false, true},
		{"the pages were given the session, for a consent", true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k := newKit(t, options{Declared: func(c *declared.Config) { c.Environments[0].Applications[1].SignIn.Consent = "once" }})
			k.agree("alpha", "alice", "web", "openid")
			alice, b := k.as("alpha", "alice"), k.browser()
			am, _ := url.Parse(amURL)
			b.jar.SetCookies(am, []*http.Cookie{{Name: cookie, Value: alice.Token, Path: "/", Secure: true}})
			ask := func(prompt string) *answer {
				t.Helper()
				return b.do("GET", amURL+authorizeURL("alpha", "web", "openid", "prompt", prompt), "", "").is(http.StatusOK)
			}
			if tt.consentBefore {
				b.answerPage(ask("consent").flow(), "user.consent", `{"accept":true}`)
			}
			before := k.personal("alpha", "alice", "web", everyScope, inSession(k.sid(alice)))

			to := b.answerPage(ask("login").flow(), "usernamePassword.check", password)
			if to.Query().Get("code") == "" || to.Query().Get("iss") != issuer("alpha") {
				t.Fatalf("Location = %s, want a code of the realm", to)
			}
			if got := k.valid("alpha", alice.Token); got != tt.good {
				t.Errorf("the SSO token is valid: %v, want %v", got, tt.good)
			}
			if !k.active("alpha", "web", before.Access) || !k.active("alpha", "web", before.Refresh) {
				t.Error("tokens of the session have ended")
			}
			// Whichever cookie counts, the browser is signed on.
			again := b.do("GET", amURL+authorizeURL("alpha", "web", "openid"), "", "").is(http.StatusFound).location()
			if again.Query().Get("code") == "" || again.Query().Get("iss") != issuer("alpha") {
				t.Errorf("Location = %s, want a code of the realm", again)
			}
		})
	}
}

// sid is the public ID of a caller's session.
func (k *kit) sid(c caller) string {
	k.t.Helper()
	return c.post(action("getSessionInfo"), nil).is(http.StatusOK).text("properties.AMCtxId")
}
