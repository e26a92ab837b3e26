package legacy_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/declared"
)

// hmacSecret is long enough for HS256.
const hmacSecret = "0123456789abcdef0123456789abcdef-signed"

// withSigner declares an application that signs what it sends.
func withSigner(compat ...string) func(*declared.Config) {
	return func(c *declared.Config) {
		for i := range c.Environments {
			e := &c.Environments[i]
			e.Compat = compat
			e.Applications = append(e.Applications, declared.Application{
				ClientID: "signer", Type: "web_app", Secret: hmacSecret, AuthMethod: "client_secret_jwt",
				Grants: []string{"authorization_code", "client_credentials"}, RedirectURIs: []string{"https://web.example.com/cb"},
				Allow: []string{"openid", "orders:read"},
			})
		}
	}
}

// signed is a JWT of that application.
func (k *kit) signed(claims map[string]any) string {
	k.t.Helper()
	now := k.Clock.Now().Unix()
	all := map[string]any{"iss": "signer", "iat": now, "exp": now + 60, "jti": secret.NewID()}
	for name, v := range claims {
		all[name] = v
	}
	b, err := json.Marshal(all)
	if err != nil {
		k.t.Fatal(err)
	}
	raw, err := jose.SignSecret(jose.HS256, []byte(hmacSecret), "JWT", b)
	if err != nil {
		k.t.Fatal(err)
	}
	return raw
}

// TestAssertionAudience: at a realm's endpoints an assertion is for the realm's issuer, or, with the environment's option,
// for the endpoint that was called, by AM's name.
func TestAssertionAudience(t *testing.T) {
	const endpoints = "assertion_audience_endpoint"
	for _, tt := range []struct {
		name, compat, endpoint, audience string
		good                             bool
	}{
		{"issuer", "", "access_token", issuer("alpha"), true},
		{"issuer, with the option", endpoints, "access_token", issuer("alpha"), true},
		{"endpoint", "", "access_token", issuer("alpha") + "/access_token", false},
		{"endpoint, with the option", endpoints, "access_token", issuer("alpha") + "/access_token", true},
		{"the name at home", endpoints, "access_token", issuer("alpha") + "/token", false},
		{"another endpoint", endpoints, "introspect", issuer("alpha") + "/token/revoke", false},
		{"introspection", endpoints, "introspect", issuer("alpha") + "/introspect", true},
		{"revocation", endpoints, "token/revoke", issuer("alpha") + "/token/revoke", true},
		{"the token endpoint anywhere", endpoints, "token/revoke", issuer("alpha") + "/access_token", true},
		{"pushed request", endpoints, "par", issuer("alpha") + "/par", true},
		{"another realm", endpoints, "access_token", issuer("bravo") + "/access_token", false},
		{"another realm's issuer", "", "access_token", issuer("bravo"), false},
		{"the environment's own issuer", "", "access_token", host + "/" + alphaID + "/as", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var compat []string
			if tt.compat != "" {
				compat = []string{tt.compat}
			}
			k := newKit(t, options{Declared: withSigner(compat...)})
			form := url.Values{
				"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
				"client_assertion":      {k.signed(map[string]any{"sub": "signer", "aud": tt.audience})},
				"grant_type":            {"client_credentials"}, "scope": {"orders:read"}, "token": {"abc"},
			}
			if tt.endpoint == "par" {
				form.Set("scope", "openid")
				form.Set("response_type", "code")
				form.Set("redirect_uri", "https://web.example.com/cb")
			}
			a := k.form(below("alpha", tt.endpoint), form)
			if !tt.good {
				a.refusedOAuth(http.StatusUnauthorized, "invalid_client")
				return
			}
			if a.Status >= 300 {
				t.Fatalf("answer = %d %s, want it accepted", a.Status, a.Body)
			}
			if called := k.Seen.Called(); called[len(called)-1][1] != "signer" {
				t.Errorf("called = %v, want signer", called)
			}
			k.form(below("alpha", tt.endpoint), form).refusedOAuth(http.StatusUnauthorized, "invalid_client") // a second time
		})
	}
}

// TestRequestObjectAudience: a request object at a realm is for the realm's issuer, also where the request goes on at home.
func TestRequestObjectAudience(t *testing.T) {
	k := newKit(t, options{Declared: withSigner()})
	object := func(k *kit, audience string) string {
		return k.signed(map[string]any{
			"aud": audience, "client_id": "signer", "response_type": "code", "redirect_uri": "https://web.example.com/cb", "scope": "openid", "state": "s1",
		})
	}
	alice := k.as("alpha", "alice")
	for _, tt := range []struct {
		name, audience, want string // want: the error of the answer, "" for a code
	}{
		{"the realm's issuer", issuer("alpha"), ""},
		{"another realm's", issuer("bravo"), "invalid_request_object"},
		{"the environment's own", host + "/" + alphaID + "/as", "invalid_request_object"},
	} {
		q := url.Values{"client_id": {"signer"}, "redirect_uri": {"https://web.example.com/cb"}, "response_type": {"code"}, "scope": {"openid"}}
		t.Run(tt.name, func(t *testing.T) {
			k := k.in(t)
			q.Set("request", object(k, tt.audience))
			to := caller{k, alice.Token, alice.header}.get(below("alpha", "authorize") + "?" + q.Encode()).is(http.StatusFound).location()
			if got := to.Query().Get("error"); got != tt.want || to.Query().Get("iss") != issuer("alpha") || tt.want == "" && to.Query().Get("code") == "" {
				t.Errorf("Location = %s, want error %q", to, tt.want)
			}
		})
		t.Run(tt.name+", at home", func(t *testing.T) {
			k := k.in(t)
			q.Set("request", object(k, tt.audience))
			q.Set("prompt", "none")
			to := k.browser().do("GET", amURL+below("alpha", "authorize")+"?"+q.Encode(), "", "").is(http.StatusFound).location()
			want := tt.want
			if want == "" {
				want = "login_required"
			}
			if got := to.Query().Get("error"); got != want || to.Query().Get("iss") != issuer("alpha") {
				t.Errorf("Location = %s, want error %q of the realm's issuer", to, want)
			}
		})
	}
}

// TestPushedRequest: what was pushed at a realm is used once, by whichever way the person comes.
func TestPushedRequest(t *testing.T) {
	k := newKit(t)
	push := func(k *kit, more ...string) string {
		form := url.Values{"response_type": {"code"}, "redirect_uri": {"https://web.example.com/cb"}, "scope": {"openid"}, "state": {"s1"}}
		for i := 0; i+1 < len(more); i += 2 {
			form.Set(more[i], more[i+1])
		}
		return below("alpha", "authorize") + "?client_id=web&request_uri=" +
			url.QueryEscape(k.form(below("alpha", "par"), form, app("web")...).is(http.StatusCreated).text("request_uri"))
	}
	alice := k.as("alpha", "alice")
	t.Run("signed on", func(t *testing.T) {
		k := k.in(t)
		alice, path := caller{k, alice.Token, alice.header}, push(k)
		if to := alice.get(path).is(http.StatusFound).location(); to.Query().Get("code") == "" || to.Query().Get("iss") != issuer("alpha") {
			t.Errorf("Location = %s, want a code", to)
		}
		alice.get(path).is(http.StatusBadRequest)
	})
	t.Run("not signed on", func(t *testing.T) {
		k := k.in(t)
		a := k.browser().do("GET", amURL+push(k), "", "").is(200)
		if !strings.HasPrefix(a.what, "GET /"+alphaID+"/signon/") {
			t.Errorf("at %s, want the sign-on page", a.what)
		}
	})
	t.Run("signed on, and a page is needed", func(t *testing.T) {
		k := k.in(t)
		b := k.browser()
		u, _ := url.Parse(amURL)
		b.jar.SetCookies(u, []*http.Cookie{{Name: cookie, Value: alice.Token, Path: "/"}})
		a := b.do("GET", amURL+push(k, "prompt", "consent"), "", "").is(200)
		at, err := url.Parse(strings.Fields(a.what)[1])
		if err != nil || at.Path != "/"+alphaID+"/signon/" {
			t.Fatalf("at %s, want the hosted page", a.what)
		}
		flow := b.do("GET", host+"/"+alphaID+"/flows/"+at.Query().Get("flowId"), "", "").is(200)
		if got := flow.text("status"); got != "AGREEMENT_CONSENT_REQUIRED" {
			t.Fatalf("status = %q, want AGREEMENT_CONSENT_REQUIRED: alice is signed on", got)
		}
		b.do("POST", host+"/"+alphaID+"/flows/"+at.Query().Get("flowId"), `{"accept":true}`, "application/vnd.pingidentity.user.consent+json").is(200)
		to := b.do("GET", k.Alpha.Issuer+"/resume?flowId="+at.Query().Get("flowId"), "", "").is(http.StatusFound).location()
		if to.Query().Get("code") == "" || to.Query().Get("iss") != issuer("alpha") {
			t.Errorf("Location = %s, want a code of the realm's issuer", to)
		}
		if !k.valid("alpha", alice.Token) {
			t.Error("the SSO token is not good any more")
		}
	})
	t.Run("pi.flow is of the environment's own endpoint", func(t *testing.T) {
		a := caller{k.in(t), alice.Token, alice.header}.get(authorizeURL("alpha", "web", "openid", "response_mode", "pi.flow"), "Accept", "application/json")
		a.is(http.StatusBadRequest)
	})
}

// TestRegistrationBelowRealm: a client that registers itself at a realm is told the realm's addresses.
func TestRegistrationBelowRealm(t *testing.T) {
	k := newKit(t, options{Declared: func(c *declared.Config) {
		c.Environments[0].Registration = declared.Registration{Mode: "open", Scopes: []string{"openid"}}
	}})
	a := k.post(below("alpha", "register"), map[string]any{"redirect_uris": []string{"https://new.example.com/cb"}, "scope": "openid"}).is(http.StatusCreated)
	id, address := a.text("client_id"), a.text("registration_client_uri")
	if address != issuer("alpha")+"/register/"+id {
		t.Fatalf("registration_client_uri = %q", address)
	}
	path := strings.TrimPrefix(address, amURL)
	k.get(path).refusedOAuth(http.StatusUnauthorized, "invalid_token")
	k.get(path, bearing(a.text("registration_access_token"))...).is(200)
	// Whoever may register clients could fill the metric with them: they are one.
	if !slices.Contains(k.Seen.Called(), [2]string{"am_registered_client", "registered"}) {
		t.Errorf("called = %v, want am_registered_client of one that is registered", k.Seen.Called())
	}
	k.get(strings.TrimSuffix(path, id)+"x%2F"+id, bearing(a.text("registration_access_token"))...)
	for _, call := range k.Seen.Called() {
		if call[1] != "" && call[1] != "registered" {
			t.Errorf("called = %v, want no application by name", call)
		}
	}
	k.do("DELETE", path, nil, bearing(a.text("registration_access_token"))...).is(http.StatusNoContent)
	k.post(below("bravo", "register"), map[string]any{"redirect_uris": []string{"https://new.example.com/cb"}}).refusedOAuth(http.StatusNotFound, "not_found")
}

// TestCalledIsVerified: no application is counted because somebody says that they are it.
func TestCalledIsVerified(t *testing.T) {
	k := newKit(t)
	k.form(below("alpha", "access_token"), url.Values{"grant_type": {"client_credentials"}}, basic("worker", "wrong")...).is(401)
	k.form(below("alpha", "access_token"), url.Values{"grant_type": {"client_credentials"}, "client_id": {"web"}}, app("worker")...).is(401)
	k.get(below("alpha", "userinfo"), bearing("abc")...).is(401)
	k.get(below("alpha", "tokeninfo"), bearing("abc")...).is(401)
	k.form(below("alpha", "token/revoke"), url.Values{"token": {"abc"}, "client_id": {"web"}}).is(401)
	k.get(below("alpha", "connect/jwk_uri") + "?client_id=web").is(200)
	k.get(authorizeURL("alpha", "web", "openid")).is(302)
	for _, call := range k.Seen.Called() {
		if call[1] != "" {
			t.Errorf("called = %v, want no application", call)
		}
	}
}
