package legacy_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
)

// sound is what holds of every answer below /json: it is JSON of one of the usual statuses, no fault, and repeats
// no secret that was sent.
func (a *answer) sound() {
	a.t.Helper()
	if a.Status >= 500 && a.Status != http.StatusNotImplemented {
		a.t.Errorf("%s: status = %d: %s", a.what, a.Status, a.Body)
	}
	if !json.Valid(a.Body) || len(a.Body) > 64<<10 {
		a.t.Errorf("%s: body of %d bytes is not JSON", a.what, len(a.Body))
	}
	if a.Status >= 400 && a.text("message") == "" && a.text("errorMessage") == "" {
		a.t.Errorf("%s: body = %s, want an error of CREST", a.what, a.Body)
	}
}

// An SSO token that is accepted is the very text that was given out.
func FuzzSSOToken(f *testing.F) {
	k := newKit(f)
	alice, admin := k.as("alpha", "alice").Token, k.admin().Token
	for _, seed := range []string{alice, admin, alice[:43], alice + "*", "**", strings.ToLower(alice), alice[:43] + admin[43:], "shandle:x*AAJTUgAGL2FscGhh*"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r := k.in(t).request("POST", "/json/sessions?_action=getSessionInfo", nil)
		r.Header[http.CanonicalHeaderKey(cookie)] = []string{text}
		a := k.in(t).serve(r)
		a.sound()
		if a.Status == 200 && text != alice && text != admin {
			t.Errorf("%q was accepted", text)
		}
		handle := map[string]any{"sessionHandles": []string{text}}
		k.in(t).with(admin).post("/json/sessions?_action=logoutByHandle", handle).sound()
	})
}

// An authId that is accepted is the very text that was given out, and once.
func FuzzAuthID(f *testing.F) {
	k := newKit(f)
	good := k.post(authenticate, nil).text("authId")
	for _, seed := range []string{good, good + "=", strings.ToUpper(good), "..", "a.b.c", "eyJhbGciOiJub25lIn0.e30."} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		body := map[string]any{"authId": text, "callbacks": []any{
			map[string]any{"type": "NameCallback", "input": []any{map[string]any{"name": "IDToken1", "value": ""}}},
			map[string]any{"type": "PasswordCallback", "input": []any{map[string]any{"name": "IDToken2", "value": ""}}},
		}}
		a := k.in(t).post(authenticate, body)
		a.sound()
		if a.text("message") == "Login failure" && signed(t, text) != text {
			t.Errorf("%q was accepted", text)
		}
	})
}

// signed is the authId with the payload of text, as the server signs it.
func signed(t *testing.T, text string) string {
	t.Helper()
	sealer, err := secret.NewSealer(masterKey)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(text, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	again, err := jose.SignSecret(jose.HS256, sealer.Subkey("am authId v1 HS256"), "am-authid+jwt", payload)
	if err != nil {
		t.Fatal(err)
	}
	return again
}

// Whatever is posted to authenticate, nobody signs on without a password.
func FuzzCallbacks(f *testing.F) {
	k := newKit(f)
	good, err := json.Marshal(k.post(authenticate, nil).object())
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{string(good), "{}", "[]", `{"authId":"x","callbacks":[]}`, `{"callbacks":[{"type":"NameCallback"}]}`, `{"authId":null}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, path := range []string{authenticate, action("validate"), action("logoutByHandle")} {
			a := k.in(t).serve(k.in(t).request("POST", path, bytes.NewReader(body), "Content-Type", "application/json"))
			a.sound()
			if a.text("tokenId") != "" || a.cookie(cookie) != nil {
				t.Errorf("%s signs on", body)
			}
		}
	})
}

// Whatever the query says, the answer is one of CREST.
func FuzzCRESTQuery(f *testing.F) {
	k := newKit(f)
	admin := k.admin()
	for _, seed := range []string{
		"_fields=a/b,c", "_pageSize=1", "_prettyPrint=true", "_queryFilter=username+eq+%22alice%22+and+realm+eq+%22/alpha%22",
		"_queryFilter=true&_pagedResultsCookie=7", "realm=/alpha", "realm=/../", "_action=validate", "%", ";", "_sortKeys=a&_sortKeys=b",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		for _, path := range []string{"/json/serverinfo/*", "/json/sessions"} {
			r := k.in(t).request("GET", path, nil, cookie, admin.Token)
			r.URL.RawQuery = query
			r.RequestURI = r.URL.RequestURI()
			a := k.in(t).serve(r)
			a.sound()
			if strings.Contains(string(a.Body), admin.Token[:43]) {
				t.Errorf("body = %s, which has the token", a.Body)
			}
		}
	})
}

// Whatever the path is, it leads to a realm that there is, or nowhere.
func FuzzRealmPath(f *testing.F) {
	k := newKit(f)
	for _, seed := range []string{
		"/json/realms/root/realms/alpha/serverinfo/*", "/json/alpha/serverinfo/*", "/json/serverinfo/*", "/json/alpha%2f../serverinfo/%2a",
		"/json//serverinfo/*", "/json/realms/root/realms/serverinfo/*", "/frrest/oauth2/token/x", "/oauth2/alpha/tokeninfo", "/json/%00/serverinfo/*",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, path string) {
		u, err := url.Parse(host + "/am" + path)
		if err != nil || u.Host != "login.example.com" || u.Path != "/am" && !strings.HasPrefix(u.Path, "/am/") {
			return
		}
		u.RawQuery = ""
		r := k.in(t).request("GET", "/json", nil)
		r.URL, r.RequestURI = u, u.RequestURI()
		a := k.in(t).serve(r)
		if a.Status >= 500 && a.Status != http.StatusNotImplemented {
			t.Errorf("%q: status = %d: %s", path, a.Status, a.Body)
		}
		if realm := a.text("realm"); a.Status == 200 && a.text("_id") == "*" && realm != "/" && realm != "/alpha" && realm != "/bravo" {
			t.Errorf("%q: realm = %q", path, realm)
		}
	})
}
