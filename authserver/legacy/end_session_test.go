package legacy_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/store/declared"
)

// signedOff is where the kit's application wants people to go.
const signedOff = "https://web.example.com/bye"

func withSignOff(c *declared.Config) {
	for i := range c.Environments {
		for j := range c.Environments[i].Applications {
			if a := &c.Environments[i].Applications[j]; a.ClientID == "web" {
				a.PostLogoutRedirectURIs = []string{signedOff}
			}
		}
	}
}

// valid reports whether an SSO token stands for a session.
func (k *kit) valid(realm, token string) bool {
	k.t.Helper()
	a := k.post("/json/realms/root/realms/"+realm+"/sessions?_action=validate", map[string]string{"tokenId": token}, "Accept-API-Version", "resource=4.0")
	return a.is(200).member("valid") == true
}

// TestEndSession: the end-session endpoint of a realm ends the session that the SSO token stands for.
func TestEndSession(t *testing.T) {
	k := newKit(t, options{Declared: withSignOff})
	path := below("alpha", "connect/endSession")
	begin := func(k *kit) (alice caller, access, id string) {
		alice = k.as("alpha", "alice")
		tokens := k.redeem("alpha", "web", alice.code("alpha", "web", "openid"))
		return alice, tokens.text("access_token"), tokens.text("id_token")
	}
	for _, where := range []string{"cookie", "header"} {
		t.Run("with an ID token/"+where, func(t *testing.T) {
			k := k.in(t)
			alice, access, id := begin(k)
			if where == "cookie" {
				alice = alice.inCookie()
			}
			a := alice.get(path + "?" + url.Values{"id_token_hint": {id}, "post_logout_redirect_uri": {signedOff}, "state": {"s2"}}.Encode())
			a.is(http.StatusFound)
			if got := a.Header.Get("Location"); got != signedOff+"?state=s2" {
				t.Errorf("Location = %s, want %s?state=s2", got, signedOff)
			}
			if k.valid("alpha", alice.Token) || k.active("alpha", "web", access) {
				t.Error("session or token is good")
			}
			set := a.cookie(cookie)
			if (set != nil && set.MaxAge < 0) != (where == "cookie") {
				t.Errorf("Set-Cookie = %q, want the cookie taken away where it was sent", a.Header.Values("Set-Cookie"))
			}
			if a.cookie("ST") != nil {
				t.Errorf("Set-Cookie = %q, want none of the hosted pages", a.Header.Values("Set-Cookie"))
			}
			if !slices.Contains(k.Seen.Called(), [2]string{"am_end_session", "web"}) {
				t.Errorf("called = %v, want am_end_session of web", k.Seen.Called())
			}
		})
	}
	t.Run("without an ID token the person is asked", func(t *testing.T) {
		k := k.in(t)
		alice, access, _ := begin(k)
		alice = alice.inCookie()
		a := alice.get(path + "?client_id=web&post_logout_redirect_uri=" + url.QueryEscape(signedOff)).is(200)
		page := string(a.Body)
		if !strings.Contains(page, `action="`+amURL+path+`"`) {
			t.Fatalf("page = %s, want a form that posts to the realm's endpoint", page)
		}
		if !k.valid("alpha", alice.Token) {
			t.Fatal("the session ended without being asked")
		}
		_, rest, _ := strings.Cut(page, `name="confirmation" value="`)
		confirmation, _, _ := strings.Cut(rest, `"`)
		form := url.Values{"confirmation": {confirmation}, "client_id": {"web"}, "post_logout_redirect_uri": {signedOff}}
		k.as("alpha", "bob").inCookie().do("POST", path, form).is(200)
		if !k.valid("alpha", alice.Token) {
			t.Fatal("another browser's confirmation ended the session")
		}
		alice.do("POST", path, form).is(200)
		if k.valid("alpha", alice.Token) || k.active("alpha", "web", access) {
			t.Error("session or token is good after the confirmation")
		}
	})
	t.Run("somebody else's ID token", func(t *testing.T) {
		k := k.in(t)
		_, _, id := begin(k)
		bob := k.as("alpha", "bob").inCookie()
		a := bob.get(path + "?id_token_hint=" + id)
		if a.is(400); !k.valid("alpha", bob.Token) || a.cookie(cookie) != nil {
			t.Error("bob was signed off")
		}
	})
	t.Run("another realm's session", func(t *testing.T) {
		k := k.in(t)
		_, _, id := begin(k)
		other := k.as("bravo", "alice").inCookie()
		to := other.get(path + "?id_token_hint=" + id).is(http.StatusFound).location()
		if !strings.HasPrefix(to.String(), k.Alpha.Issuer+"/signoff?") || !k.valid("bravo", other.Token) {
			t.Errorf("Location = %s, want the environment's own endpoint, and the session as it was", to)
		}
	})
	t.Run("no session here goes home", func(t *testing.T) {
		to := k.in(t).get(path + "?client_id=web&state=x&realm=/alpha").is(http.StatusFound).location()
		want := url.Values{"client_id": {"web"}, "state": {"x"}, "iss": {issuer("alpha")}}
		if got := to.Scheme + "://" + to.Host + to.Path; got != k.Alpha.Issuer+"/signoff" || to.Query().Encode() != want.Encode() {
			t.Errorf("Location = %s, want the environment's own endpoint with %v", to, want)
		}
	})
	t.Run("the session that the ID token names ends too", func(t *testing.T) {
		k := k.in(t)
		one, other := k.as("alpha", "alice"), k.as("alpha", "alice")
		tokens := k.redeem("alpha", "web", other.code("alpha", "web", "openid"))
		one.get(path + "?id_token_hint=" + tokens.text("id_token")).is(200)
		if k.valid("alpha", one.Token) || k.valid("alpha", other.Token) || k.active("alpha", "web", tokens.text("access_token")) {
			t.Error("a session or the token is good")
		}
	})
}
