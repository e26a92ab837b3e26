package legacy_test

import (
	"net/http"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/legacy"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/declared"
)

// Attack row 134: a page that some application trusts has of the cookie what its own realm's people have given to that realm; no
// administrator's, who may do everything in every realm, and nobody's of another realm, even where the two are one
// environment or the path is everybody's. Whoever has the SSO token itself is no browser's deputy.
func TestCrossOrigin(t *testing.T) {
	const origin = "https://web.example.com" // of an application of alpha, and of bravo
	k := newKit(t, options{
		Legacy: func(c *legacy.Config) {
			c.Realms = append(c.Realms, legacy.Realm{Path: "/", Environment: alphaID})
		},
		Declared: func(c *declared.Config) {
			c.Environments[0].Issuers = append(c.Environments[0].Issuers, amURL+"/oauth2")
		},
	})
	alice, bob, admin := k.as("alpha", "alice"), k.as("bravo", "bob"), k.admin()
	token := k.personal("alpha", "alice", "web", []string{"orders:read"})
	tests := []struct {
		name         string
		who          caller
		method, path string
		status       int // from the other origin; without it 200
	}{
		{"who is signed on", alice, "POST", action("getSessionInfo"), 200},
		{"their SSO token, as the SDK asks for it", alice, "POST", "/json/realms/root/realms/alpha/authenticate", 200},
		{"their tokens", alice, "GET", "/frrest/oauth2/token?_queryId=access_token&realm=/alpha", 200},
		{"of another realm, at the top", bob, "POST", "/json/sessions?_action=getSessionInfo", 401},
		{"of a realm, at the top", alice, "POST", "/json/sessions?_action=getSessionInfo", 401},
		{"an administrator, at the top", admin, "POST", "/json/sessions?_action=getSessionInfo", 401},
		{"an administrator, in a realm", admin, "POST", action("getSessionInfo"), 401},
		{"somebody's tokens for an administrator", admin, "GET", "/frrest/oauth2/token?_queryId=userName=alice&realm=/alpha", 401},
		{"somebody's token for an administrator", admin, "GET", "/frrest/oauth2/token/" + token.Access + "?realm=/alpha", 401},
		{"applications for an administrator", admin, "GET", applicationsOf("alpha") + "?_queryFilter=true", 401},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.who.k = k.in(t)
			foreign := []string{"Origin", origin, "Accept-API-Version", "protocol=1.0"}
			tt.who.inCookie().do(tt.method, tt.path, nil, foreign...).is(tt.status)
			tt.who.inCookie().do(tt.method, tt.path, nil, "Origin", host, "Accept-API-Version", "protocol=1.0").is(200)
			tt.who.inCookie().do(tt.method, tt.path, nil, "Accept-API-Version", "protocol=1.0").is(200)
			tt.who.do(tt.method, tt.path, nil, foreign...).is(200) // in the header
		})
	}
	t.Run("an administrator's SSO token", func(t *testing.T) {
		admin := caller{k.in(t), admin.Token, admin.header}
		header := []string{"Origin", origin, "Accept-API-Version", "protocol=1.0"}
		if a := admin.inCookie().post("/json/authenticate", nil, header...).is(http.StatusOK); a.text("tokenId") != "" || a.text("authId") == "" {
			t.Errorf("body = %s, want a sign-on that begins", a.Body)
		}
		if a := admin.inCookie().post("/json/authenticate", nil, header[2:]...).is(http.StatusOK); a.text("tokenId") != admin.Token {
			t.Errorf("from no page: body = %s, want the SSO token", a.Body)
		}
	})
}

// applicationsOf is the path of alice's applications.
func applicationsOf(realm string) string {
	return "/json/realms/root/realms/" + realm + "/users/" + people[alphaID]["alice"] + "/oauth2/applications"
}
