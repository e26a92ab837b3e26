package legacy_test

import (
	"net/http"
	"net/url"
	"strings"
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

// TestCrossOriginOfStored: who manages an application by the API has nobody's session by the origins that they name. Where no
// cookie counts its pages may call with credentials, as the SDK does.
func TestCrossOriginOfStored(t *testing.T) {
	const origin = "https://stored.example.com"
	k := newKit(t, options{Declared: func(c *declared.Config) {
		e := &c.Environments[0]
		e.Applications = append(e.Applications, declared.Application{
			ClientID: "manager", Type: "worker", Secret: "manager-secret", Roles: []string{"Environment Admin"},
		})
	}})
	manager := k.home("alpha", "POST", "/token", url.Values{"grant_type": {"client_credentials"}}, app("manager")...).is(http.StatusOK).text("access_token")
	body := `{"name":"Stored","enabled":true,"protocol":"OPENID_CONNECT","type":"WEB_APP","tokenEndpointAuthMethod":"CLIENT_SECRET_BASIC",` +
		`"grantTypes":["AUTHORIZATION_CODE"],"responseTypes":["CODE"],"redirectUris":["https://stored.example.com/cb"],` +
		`"corsSettings":{"behavior":"ALLOW_SPECIFIC_ORIGINS","origins":["` + origin + `"]}}`
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, host+"/v1/environments/"+alphaID+"/applications", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+manager)
	r.Header.Set("Content-Type", "application/json")
	k.serve(r).is(http.StatusCreated)

	alice := k.as("alpha", "alice")
	token := k.personal("alpha", "alice", "web", []string{"orders:read"})
	for _, tt := range []struct {
		name, origin string
		who          caller
		method, path string
		want         bool
	}{
		{"sign-on", origin, alice.inCookie(), "POST", "/json/realms/root/realms/alpha/authenticate", false},
		{"sign-on, of a declared one", "https://web.example.com", alice.inCookie(), "POST", "/json/realms/root/realms/alpha/authenticate", true},
		{"sessions", origin, alice.inCookie(), "POST", action("getSessionInfo"), false},
		{"tokens", origin, alice.inCookie(), "GET", "/frrest/oauth2/token?_queryId=access_token&realm=/alpha", false},
		{"tokeninfo", origin, caller{k, "", bearing(token.Access)}, "GET", below("alpha", "tokeninfo"), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.who.k = k.in(t)
			a := tt.who.do(tt.method, tt.path, nil, "Origin", tt.origin, "Accept-API-Version", "protocol=1.0").is(http.StatusOK)
			if got := a.Header.Get("Access-Control-Allow-Credentials") == "true"; got != tt.want {
				t.Errorf("with credentials: %v, want %v", got, tt.want)
			}
			a = tt.who.k.do("OPTIONS", tt.path, nil, "Origin", tt.origin, "Access-Control-Request-Method", tt.method)
			if got := a.Header.Get("Access-Control-Allow-Origin") != ""; got != tt.want {
				t.Errorf("preflight: %v, want %v", got, tt.want)
			}
		})
	}
}
