package integration_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// TestSignIn is signing in with a browser at an application that is already allowed
// everything, and what it gets is good for.
func TestSignIn(t *testing.T) {
	onEach(t, func(t *testing.T, store backend) {
		s := startSignIn(t, store)
		b := browse(t, s.node)
		a := s.web.begin(s.node, "scope", "openid profile email offline_access orders:read")
		if status := b.visit(a.address); status != http.StatusOK {
			t.Errorf("the sign-on page has status %d, want 200", status)
		}
		b.expect("h1", "Sign On")
		b.expect("main", "Orders on the web")
		if got := b.focused(); got != "username" {
			t.Errorf("focus = %q, want the username, which is empty", got)
		}
		b.signOn("bob", bobPassword)
		b.arrive(s.web)

		got := a.redeem(t, s.node)
		if fmt.Sprint(got.claims["aud"]) != "web" && fmt.Sprint(got.claims["aud"]) != "[web]" || got.claims["sub"] == nil || got.claims["sid"] == nil || got.claims["auth_time"] == nil {
			t.Errorf("claims of the ID token = %v, want aud, sub, sid and auth_time", got.claims)
		}
		if a := s.call(t, "gate", "/", got.access); a.status != http.StatusOK {
			t.Errorf("the gate: %d %s, want 200", a.status, a.challenge())
		}
		if id := s.upstream.last().header.Get("X-User-Id"); id != got.claims["sub"] {
			t.Errorf("X-User-Id = %q, want the ID token's sub %v", id, got.claims["sub"])
		}
		info := s.do(t, userInfoRequest(s.node, got.access))
		if info.status != http.StatusOK || !strings.Contains(info.body, "bob@example.com") || !strings.Contains(info.body, "Bob Sawyer") {
			t.Errorf("UserInfo = %d %s, want Bob's name and address", info.status, info.body)
		}

		// The same browser at another application: no password, but consent, which says who is asked.
		other := s.shop.begin(s.node)
		b.visit(other.address)
		b.expect("h1", "Allow access?")
		b.expect("main", "Bob Sawyer")
		b.press("allow")
		b.arrive(s.shop)
		if same := other.redeem(t, s.node); same.claims["sub"] != got.claims["sub"] || same.claims["sid"] != got.claims["sid"] || same.claims["auth_time"] != got.claims["auth_time"] {
			t.Errorf("the other application's sub, sid, auth_time = %v, %v, %v, want those of the first %v", same.claims["sub"], same.claims["sid"], same.claims["auth_time"], got.claims)
		}

		// New tokens for the refresh token, and sign-off: everything ends at once.
		fresh := s.tokens(t, s.form(t, "/token", basic("web", s.web.secret), "grant_type", "refresh_token", "refresh_token", got.refresh))
		if a := s.call(t, "gate", "/", fresh.access); a.status != http.StatusOK {
			t.Errorf("the gate with the new token: %d, want 200", a.status)
		}
		b.visit(s.vars["ISSUER"] + "/signoff?id_token_hint=" + got.id)
		b.expect("h1", "You have been signed off")
		for name, token := range map[string]string{"first": got.access, "new": fresh.access} {
			if a := s.call(t, "gate", "/", token); a.status != http.StatusUnauthorized || !strings.Contains(a.challenge(), "invalid_token") {
				t.Errorf("the %s token after sign-off: %d, %q, want 401 invalid_token", name, a.status, a.challenge())
			}
		}
		if a := s.form(t, "/token", basic("web", s.web.secret), "grant_type", "refresh_token", "refresh_token", fresh.refresh); a.oauthError() != "invalid_grant" {
			t.Errorf("refreshing after sign-off = %d %s, want invalid_grant", a.status, a.body)
		}
		b.visit(s.web.begin(s.node).address)
		b.see("password")

		// checkSilence looks for all secrets when the node has ended; here, that these are known.
		s.mu.Lock()
		defer s.mu.Unlock()
		known := map[string]bool{}
		for _, what := range s.secrets {
			known[what] = true
		}
		for _, what := range []string{"a form's token", "a session cookie", "a code", "an access token", "a refresh token", "an ID token"} {
			if !known[what] {
				t.Errorf("nobody took note of %s", what)
			}
		}
	})
}

func userInfoRequest(n *node, token string) *http.Request {
	req, err := http.NewRequest(http.MethodGet, n.vars["ISSUER"]+"/userinfo", nil)
	if err != nil {
		panic(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	return req
}

// TestConsent is an application that asks every time.
func TestConsent(t *testing.T) {
	onEach(t, func(t *testing.T, store backend) {
		s := startSignIn(t, store)
		b := browse(t, s.node)

		denied := s.shop.begin(s.node)
		b.visit(denied.address)
		b.signOn("bob", bobPassword)
		for _, want := range []string{"The shop", "See your profile", "See your e-mail address", "orders:read", "Bob Sawyer"} {
			b.expect("main", want)
		}
		b.press("deny")
		b.arrive(s.shop)
		denied.refused(t, s.node, "access_denied")

		allowed := s.shop.begin(s.node)
		b.visit(allowed.address) // signed on by now: consent alone
		b.press("allow")
		b.arrive(s.shop)
		if got := allowed.redeem(t, s.node); claims(t, got.access)["scope"] != "openid profile email orders:read" {
			t.Errorf("scope = %v, want what was allowed", claims(t, got.access)["scope"])
		}

		// The application cannot get past the question silently.
		silent := s.shop.begin(s.node, "prompt", "none")
		b.visit(silent.address)
		b.arrive(s.shop)
		silent.refused(t, s.node, "consent_required")
	})
}

// TestCancel gives up before signing on.
func TestCancel(t *testing.T) {
	s := startSignIn(t, sqlite{})
	b := browse(t, s.node)
	a := s.web.begin(s.node)
	b.visit(a.address)
	b.press("cancel")
	b.arrive(s.web)
	a.refused(t, s.node, "access_denied")
}

// TestFormPost is an application on another site that wants the answer posted.
func TestFormPost(t *testing.T) {
	s := startSignIn(t, sqlite{})
	b := browse(t, s.node)
	a := s.shop.begin(s.node, "response_mode", "form_post")
	b.visit(a.address)
	b.signOn("carol", carolPassword)
	b.press("allow")
	b.arrive(s.shop) // the page's script has posted its form
	got := a.answer(t, s.node)
	if got.method != http.MethodPost {
		t.Errorf("the answer came with %s, want POST", got.method)
	}
	a.redeem(t, s.node)

	// An error is posted too.
	refused := s.shop.begin(s.node, "response_mode", "form_post", "prompt", "none")
	b.visit(refused.address)
	b.arrive(s.shop)
	refused.refused(t, s.node, "consent_required")
}

// TestTwoTabs begins two sign-ins in one browser before either is finished, at two
// applications, and finishes both; the second needs no password of its own.
func TestTwoTabs(t *testing.T) {
	onEach(t, func(t *testing.T, store backend) {
		s := startSignIn(t, store)
		left := browse(t, s.node)
		right := left.another()
		first, second := s.web.begin(s.node), s.shop.begin(s.node)
		left.visit(first.address)
		left.see("username")
		right.visit(second.address)
		right.see("username")

		left.signOn("bob", bobPassword)
		left.arrive(s.web)
		one := first.redeem(t, s.node)

		// The form was made for a browser where nobody was signed on: it is shown again, as it is now.
		right.signOn("bob", bobPassword)
		right.expect("[role=status]", "out of date")
		right.signOn("bob", bobPassword)
		right.expect("h1", "Allow access?")
		right.press("allow")
		right.arrive(s.shop)
		two := second.redeem(t, s.node)
		if one.claims["sub"] != two.claims["sub"] {
			t.Errorf("sub = %v and %v, want one person", one.claims["sub"], two.claims["sub"])
		}
		for _, token := range []string{one.access, two.access} {
			if a := s.call(t, "gate", "/", token); a.status != http.StatusOK {
				t.Errorf("the gate: %d %s, want 200 for both tabs' tokens", a.status, a.challenge())
			}
		}
	})
}

// TestBackButton goes back to pages that were sent already: nothing happens twice, and the
// person is told, or led on.
func TestBackButton(t *testing.T) {
	s := startSignIn(t, sqlite{})
	b := browse(t, s.node)
	a := s.shop.begin(s.node)
	b.visit(a.address)
	b.signOn("bob", bobPassword)
	b.expect("h1", "Allow access?")

	// Back to the sign-on page, and on from there.
	b.back()
	if b.has("#password") {
		b.fill("username", "bob")
		b.fill("password", bobPassword)
		b.press("submit")
	}
	b.expect("h1", "Allow access?")
	b.press("allow")
	b.arrive(s.shop)
	a.redeem(t, s.node)

	// Back to the consent page of a sign-in that is over.
	b.back()
	if b.has("#allow") {
		b.press("allow")
	}
	b.expect("h1", "This sign-on is complete")
	if got := len(s.shop.at("/callback")); got != 1 {
		t.Errorf("the application was given %d answers, want 1", got)
	}
	b.visit(b.at().String()) // and loading it again changes nothing
	b.expect("h1", "This sign-on is complete")
}

// TestKeyboard signs in and consents without a mouse: fields and buttons come in the order in which they are
// read, and Enter sends.
func TestKeyboard(t *testing.T) {
	s := startSignIn(t, sqlite{})
	b := browse(t, s.node)
	a := s.shop.begin(s.node)
	b.visit(a.address)
	b.see("password")
	tab := func(want string) {
		t.Helper()
		b.do(chromedp.KeyEvent(kb.Tab))
		if got := b.focused(); got != want {
			t.Errorf("the tab key leads to %q, want %q", got, want)
		}
	}
	enter := func() {
		t.Helper()
		ctx, cancel := context.WithTimeout(b.ctx, step)
		defer cancel()
		if _, err := chromedp.RunResponse(ctx, chromedp.KeyEvent(kb.Enter)); err != nil {
			b.fatalf("the enter key: %v", err)
		}
	}
	b.do(chromedp.KeyEvent("bob"))
	tab("password")
	b.do(chromedp.KeyEvent(bobPassword))
	tab("submit")
	enter()
	b.expect("h1", "Allow access?")
	tab("deny")
	tab("allow")
	enter()
	b.arrive(s.shop)
	a.redeem(t, s.node)
}

// TestGerman is the pages for who asks for German.
func TestGerman(t *testing.T) {
	s := startSignIn(t, sqlite{})
	b := browse(t, s.node).speaking("de-AT,de;q=0.9,en;q=0.5")
	a := s.shop.begin(s.node)
	b.visit(a.address)
	if got := b.attribute("html", "lang"); got != "de" {
		t.Errorf("lang = %q, want de", got)
	}
	b.expect("h1", "Anmelden")
	b.signOn("bob", "wrong-password-1")
	b.expect("#alert", "Passwort")
	b.signOn("bob", bobPassword)
	b.expect("h1", "Zugriff")
	b.press("allow")
	b.arrive(s.shop)
	a.redeem(t, s.node)
	b.visit(s.vars["ISSUER"] + "/signoff")
	b.press("logout-confirm")
	b.expect("h1", "abgemeldet")
}
