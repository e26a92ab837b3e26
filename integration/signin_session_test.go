package integration_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// TestPrompts asks one browser's session in every way.
func TestPrompts(t *testing.T) {
	onEach(t, func(t *testing.T, store backend) {
		s := startSignIn(t, store)
		b := browse(t, s.node)
		sign := func(act func(), params ...string) signedIn {
			t.Helper()
			a := s.web.begin(s.node, params...)
			b.visit(a.address)
			act()
			b.arrive(s.web)
			return a.redeem(t, s.node)
		}
		nothing := func() {}

		early := s.web.begin(s.node, "prompt", "none")
		b.visit(early.address)
		b.arrive(s.web)
		early.refused(t, s.node, "login_required")

		first := sign(func() { b.signOn("bob", bobPassword) })
		silent := sign(nothing, "prompt", "none")
		hinted := sign(nothing, "prompt", "none", "id_token_hint", first.id)
		for name, got := range map[string]signedIn{"prompt=none": silent, "with id_token_hint": hinted} {
			if got.claims["sub"] != first.claims["sub"] || got.claims["auth_time"] != first.claims["auth_time"] {
				t.Errorf("%s: sub, auth_time = %v, %v, want %v, %v", name, got.claims["sub"], got.claims["auth_time"], first.claims["sub"], first.claims["auth_time"])
			}
		}

		time.Sleep(1100 * time.Millisecond) // auth_time counts seconds
		again := sign(func() {
			b.expect("main", "Please enter your password again")
			if got := b.value("username"); got != "bob" {
				t.Errorf("username = %q, want who is signed on", got)
			}
			if got := b.focused(); got != "password" {
				t.Errorf("focus = %q, want the password", got)
			}
			b.fill("password", bobPassword)
			b.press("submit")
		}, "prompt", "login")
		if again.claims["sub"] != first.claims["sub"] || again.claims["auth_time"].(float64) <= first.claims["auth_time"].(float64) {
			t.Errorf("prompt=login: sub, auth_time = %v, %v, want %v and later than %v", again.claims["sub"], again.claims["auth_time"], first.claims["sub"], first.claims["auth_time"])
		}

		same := sign(func() {
			b.expect("h1", "Choose an account")
			b.expect("main", "Bob Sawyer")
			b.press("submit")
		}, "prompt", "select_account")
		if same.claims["sub"] != first.claims["sub"] {
			t.Errorf("select_account, the same: sub = %v, want %v", same.claims["sub"], first.claims["sub"])
		}
		other := sign(func() {
			b.press("switch")
			b.signOn("carol", carolPassword)
		}, "prompt", "select_account")
		if other.claims["sub"] == first.claims["sub"] || other.claims["sid"] == first.claims["sid"] {
			t.Errorf("select_account, another: sub, sid = %v, %v, want others than %v, %v", other.claims["sub"], other.claims["sid"], first.claims["sub"], first.claims["sid"])
		}
		if a := s.call(t, "gate", "/", other.access); a.status != http.StatusOK {
			t.Errorf("the gate with the other's token: %d, want 200", a.status)
		}
		foreign := s.web.begin(s.node, "prompt", "none", "id_token_hint", first.id)
		b.visit(foreign.address)
		b.arrive(s.web)
		foreign.refused(t, s.node, "login_required")
	})
}

// TestSignOff asks before it signs off, tells both applications in frames, and goes on to
// where the application wants.
func TestSignOff(t *testing.T) {
	onEach(t, func(t *testing.T, store backend) {
		s := startSignIn(t, store)
		b := browse(t, s.node)
		atWeb, atShop := s.web.begin(s.node), s.shop.begin(s.node)
		b.visit(atWeb.address)
		b.signOn("bob", bobPassword)
		b.arrive(s.web)
		web := atWeb.redeem(t, s.node)
		b.visit(atShop.address)
		b.press("allow")
		b.arrive(s.shop)
		shop := atShop.redeem(t, s.node)

		// Anybody's page can send a browser here: nothing happens before the person says so.
		signOff := s.vars["ISSUER"] + "/signoff?" + url.Values{"client_id": {"web"}, "post_logout_redirect_uri": {s.web.base + "/bye"}, "state": {"a b&c"}}.Encode()
		b.visit(signOff)
		b.expect("h1", "Sign Off")
		silent := s.web.begin(s.node, "prompt", "none")
		b.visit(silent.address)
		b.arrive(s.web)
		silent.redeem(t, s.node)
		if got := len(s.web.at("/front")) + len(s.shop.at("/front")); got != 0 {
			t.Fatalf("applications were told %d times, want not yet", got)
		}

		b.visit(signOff)
		b.do(chromedp.Click(chromedp.ID("logout-confirm"))) // the next page goes on by itself
		eventually(t, step, "the browser goes on to the application", func() bool { return len(s.web.at("/bye")) == 1 })
		if got := s.web.at("/bye")[0].values; got.Get("state") != "a b&c" || len(got) != 1 {
			t.Errorf("post_logout_redirect_uri got %v, want the state alone", got)
		}
		b.arrive(s.web)
		for p, got := range map[*party]signedIn{s.web: web, s.shop: shop} {
			told := p.at("/front")
			if len(told) != 1 {
				t.Errorf("%s was told %d times, want once", p.id, len(told))
				continue
			}
			if v := told[0].values; v.Get("sid") != got.claims["sid"] || v.Get("iss") != s.vars["ISSUER"] {
				t.Errorf("%s was told %v, want iss and the sid %v of its ID token", p.id, v, got.claims["sid"])
			}
			if dest := told[0].header.Get("Sec-Fetch-Dest"); dest != "iframe" {
				t.Errorf("%s was told by %q, want an iframe", p.id, dest)
			}
			if a := s.call(t, "gate", "/", got.access); a.status != http.StatusUnauthorized {
				t.Errorf("%s's token at the gate: %d, want 401", p.id, a.status)
			}
		}
		late := s.web.begin(s.node, "prompt", "none")
		b.visit(late.address)
		b.arrive(s.web)
		late.refused(t, s.node, "login_required")
	})
}

// watch opens a page of an application with the check-session iframe in it, and gives what asks that.
func (s *signInNode) watch(t *testing.T, b *tab, p *party) (ask func(text string) string) {
	t.Helper()
	origin, err := url.Parse(s.vars["ISSUER"])
	if err != nil {
		t.Fatal(err)
	}
	p.page("/watch", fmt.Sprintf(`<iframe id="op" src="%s/checksession"></iframe><p id="state">nothing</p>
		<script>
			var origin = %q;
			function ask(text) { document.getElementById("state").textContent = "asked"; document.getElementById("op").contentWindow.postMessage(text, origin); }
			window.addEventListener("message", function (e) { if (e.origin === origin) document.getElementById("state").textContent = e.data; });
		</script>`, s.vars["ISSUER"], origin.Scheme+"://"+origin.Host))
	watch := b.another()
	watch.visit(p.base + "/watch")
	return func(text string) string {
		t.Helper()
		watch.do(func(ctx context.Context, target *chromedp.Target) (chromedp.Void, error) {
			_, err := chromedp.Evaluate[any](fmt.Sprintf("ask(%q), 0", text))(ctx, target)
			return chromedp.Void{}, err
		})
		state := "asked"
		eventually(t, step, "the frame answers", func() bool {
			state = watch.text("#state")
			return state != "asked"
		})
		return state
	}
}

// TestSessionFrame is an application that watches the session through the check-session iframe.
func TestSessionFrame(t *testing.T) {
	s := startSignIn(t, sqlite{})
	b := browse(t, s.node)
	a := s.web.begin(s.node)
	b.visit(a.address)
	b.signOn("bob", bobPassword)
	b.arrive(s.web)
	got := a.redeem(t, s.node)
	if got.sessionState == "" {
		t.Fatal("the answer has no session_state")
	}

	ask := s.watch(t, b, s.web)
	if state := ask("web " + got.sessionState); state != "unchanged" {
		t.Errorf("while signed on: %q, want unchanged", state)
	}
	if state := ask("shop " + got.sessionState); state != "changed" {
		t.Errorf("another client's question: %q, want changed", state)
	}
	if state := ask("nonsense"); state != "error" {
		t.Errorf("nonsense: %q, want error", state)
	}
	b.visit(s.vars["ISSUER"] + "/signoff?id_token_hint=" + got.id)
	b.expect("h1", "You have been signed off")
	if state := ask("web " + got.sessionState); state != "changed" {
		t.Errorf("after sign-off: %q, want changed", state)
	}
}

// TestOtherSitesForms has other origins' pages post our forms, with everything in them that
// makes them good: on another site, and on another port of our own.
func TestOtherSitesForms(t *testing.T) {
	s := startSignIn(t, sqlite{})
	b := browse(t, s.node)
	hidden := func() (address, token string) {
		return b.at().String(), b.attribute("input[name=form]", "value")
	}
	forge := func(address string, fields ...string) {
		t.Helper()
		var form strings.Builder
		fmt.Fprintf(&form, `<form method="post" action="%s">`, strings.ReplaceAll(address, "&", "&amp;"))
		for i := 0; i+1 < len(fields); i += 2 {
			fmt.Fprintf(&form, `<input name="%s" value="%s">`, fields[i], fields[i+1])
		}
		form.WriteString(`<button id="forge">You have won</button></form>`)
		for _, p := range []*party{s.shop, s.web} {
			p.page("/trap", form.String())
			trap := b.another()
			trap.visit(p.base + "/trap")
			if status := trap.press("forge"); status != http.StatusForbidden {
				t.Errorf("the form from %s: status %d, want 403", p.base, status)
			}
			trap.expect("h1", "Not from this site")
		}
	}

	a := s.shop.begin(s.node)
	b.visit(a.address)
	address, token := hidden()
	forge(address, "form", token, "action", "usernamePassword.check", "username", "carol", "password", carolPassword)
	b.signOn("bob", bobPassword) // in the first tab everything is as it was
	b.expect("h1", "Allow access?")
	b.expect("main", "Bob Sawyer")

	address, token = hidden()
	forge(address, "form", token, "action", "user.consent", "accept", "true")
	if got := len(s.shop.at("/callback")); got != 0 {
		t.Errorf("the application got %d answers, want none", got)
	}
	b.press("allow")
	b.arrive(s.shop)
	a.redeem(t, s.node)
}

// TestStaleForms has two tabs on the same page of one sign-in: what one does, the other cannot do again.
func TestStaleForms(t *testing.T) {
	s := startSignIn(t, sqlite{})
	left := browse(t, s.node)
	right := left.another()
	a := s.shop.begin(s.node)
	left.visit(a.address)
	right.visit(left.at().String())
	right.see("password")

	left.signOn("bob", bobPassword)
	left.expect("h1", "Allow access?")
	right.signOn("carol", carolPassword) // not this flow's any more
	right.expect("h1", "Allow access?")
	right.expect("main", "Bob Sawyer")
	right.expect("[role=status]", "out of date")

	left.press("allow")
	left.arrive(s.shop)
	right.press("deny")
	right.expect("h1", "This sign-on is complete")
	if got := a.redeem(t, s.node); got.claims["sub"] == nil {
		t.Error("no sub")
	}
	if got := len(s.shop.at("/callback")); got != 1 {
		t.Errorf("the application got %d answers, want 1", got)
	}
}

// TestWithoutJavaScript signs in, consents, posts the answer and signs off where no script runs.
func TestWithoutJavaScript(t *testing.T) {
	onEach(t, func(t *testing.T, store backend) {
		s := startSignIn(t, store)
		b := browse(t, s.node).withoutScripts()
		a := s.shop.begin(s.node, "response_mode", "form_post")
		b.visit(a.address)
		b.signOn("bob", "not-the-password")
		b.expect("#alert", "not right")
		b.signOn("bob", bobPassword)
		b.expect("h1", "Allow access?")
		b.press("allow")
		b.expect("h1", "Going back to the application")
		b.press("continue")
		b.arrive(s.shop)
		got := a.redeem(t, s.node)

		b.visit(s.vars["ISSUER"] + "/signoff?" + url.Values{"client_id": {"shop"}, "post_logout_redirect_uri": {s.shop.base + "/bye"}}.Encode())
		b.press("logout-confirm")
		b.expect("h1", "You have been signed off")
		eventually(t, step, "the frame tells the application", func() bool { return len(s.shop.at("/front")) == 1 })
		b.press("next")
		b.arrive(s.shop)
		if got := len(s.shop.at("/bye")); got != 1 {
			t.Errorf("the link led to the application %d times, want once", got)
		}
		if a := s.call(t, "gate", "/", got.access); a.status != http.StatusUnauthorized {
			t.Errorf("the token at the gate: %d, want 401", a.status)
		}
	})
}

// TestSecureSignIn is an issuer over TLS, whose cookies go along from other sites too: requests
// that are posted from there find the session, and so does the frame.
func TestSecureSignIn(t *testing.T) {
	s := startSecureSignIn(t, sqlite{})
	b := browse(t, s.node)
	a := s.shop.begin(s.node, "response_mode", "form_post")
	b.visit(a.address)
	b.signOn("bob", bobPassword)
	b.press("allow")
	b.arrive(s.shop)
	got := a.redeem(t, s.node)

	secrets := 0
	for _, line := range b.all.set() {
		attributes := strings.Split(line, "; ")
		name, _, _ := strings.Cut(line, "=")
		want := []string{"Path=/" + mainEnv, "Secure", "SameSite=None"}
		if name == "ST" {
			secrets++
			want = append(want, "HttpOnly")
		}
		for _, attribute := range want {
			if !slices.Contains(attributes, attribute) {
				t.Errorf("the cookie %s has %q, want %s among them", name, attributes[1:], attribute)
			}
		}
	}
	if secrets < 2 {
		t.Errorf("ST was set %d times, want before sign-on and, another, after", secrets)
	}

	// A page of another site posts an authorization request.
	posted := s.web.begin(s.node, "prompt", "none")
	u, err := url.Parse(posted.address)
	if err != nil {
		t.Fatal(err)
	}
	var form strings.Builder
	fmt.Fprintf(&form, `<form method="post" action="%s/authorize">`, s.vars["ISSUER"])
	for name, values := range u.Query() {
		fmt.Fprintf(&form, `<input type="hidden" name="%s" value="%s">`, name, values[0])
	}
	s.shop.page("/post", form.String()+`<button id="post">Go</button></form>`)
	b.visit(s.shop.base + "/post")
	b.press("post")
	b.arrive(s.web)
	if same := posted.redeem(t, s.node); same.claims["sid"] != got.claims["sid"] {
		t.Errorf("sid of the posted request = %v, want %v", same.claims["sid"], got.claims["sid"])
	}

	ask := s.watch(t, b, s.shop)
	if state := ask("shop " + got.sessionState); state != "unchanged" {
		t.Errorf("while signed on: %q, want unchanged", state)
	}
	b.visit(s.vars["ISSUER"] + "/signoff?id_token_hint=" + got.id)
	b.expect("h1", "You have been signed off")
	eventually(t, step, "both applications are told", func() bool { return len(s.shop.at("/front")) == 1 && len(s.web.at("/front")) == 1 })
	if state := ask("shop " + got.sessionState); state != "changed" {
		t.Errorf("after sign-off: %q, want changed", state)
	}
}
