package integration_test

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// mailTo is the newest message to an address, once there are more than the given number to it.
func (s *signInNode) mailTo(t testing.TB, address string, more int) string {
	t.Helper()
	var text string
	eventually(t, step, "a message to "+address, func() bool {
		texts := s.mails(t, address)
		if len(texts) > more {
			text = texts[len(texts)-1]
		}
		return text != ""
	})
	return text
}

// mails are all messages to an address, oldest first.
func (s *signInNode) mails(t testing.TB, address string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(s.box, "*.eml"))
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(files)
	var texts []string
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if head, _, _ := strings.Cut(string(b), "\r\n\r\n"); strings.Contains(head, "To: <"+address+">") {
			texts = append(texts, string(b))
		}
	}
	return texts
}

var mailedCode = regexp.MustCompile(`(?m)^    ([A-Z2-9]{8})\r?$`)

// code reads the code in a message.
func (s *signInNode) code(t testing.TB, mail string) string {
	t.Helper()
	found := mailedCode.FindStringSubmatch(mail)
	if found == nil {
		t.Fatalf("the message has no code:\n%s", mail)
	}
	s.secret("a code from a message", found[1])
	return found[1]
}

// TestWrongPassword is told from an unknown user by nothing; what was typed stays, the password excepted.
func TestWrongPassword(t *testing.T) {
	s := startSignIn(t, sqlite{})
	b := browse(t, s.node)
	a := s.web.begin(s.node)
	b.visit(a.address)
	type seen struct {
		status              int
		alert, focus, typed string
	}
	try := func(username string) seen {
		status := b.signOn(username, "not-the-password")
		if b.value("password") != "" {
			t.Error("the password came back")
		}
		if got := b.value("username"); got != username {
			t.Errorf("username = %q, want %q kept", got, username)
		}
		return seen{status, b.text("#alert[role=alert]"), b.focused(), ""}
	}
	known, unknown := try("bob"), try("nobody-of-that-name")
	if known != unknown {
		t.Errorf("a wrong password looks like %+v, an unknown user like %+v: want the same", known, unknown)
	}
	if want := (seen{http.StatusBadRequest, "The username or the password is not right.", "password", ""}); known != want {
		t.Errorf("a wrong password looks like %+v, want %+v", known, want)
	}
	if got := len(s.web.at("/callback")); got != 0 {
		t.Fatalf("the application got %d answers, want none", got)
	}
	b.signOn("bob", bobPassword)
	b.arrive(s.web)
	a.redeem(t, s.node)
}

// TestLockout guesses until the account is locked, for the right password too, and waits until it is not.
func TestLockout(t *testing.T) {
	t.Parallel() // it waits most of the time
	const lock = 5 * time.Second
	onEach(t, func(t *testing.T, store backend) {
		s := startSignIn(t, store, "sign_on {\n lockout 3 5s\n }")
		b := browse(t, s.node)
		a := s.web.begin(s.node)
		b.visit(a.address)
		var locked time.Time
		for i := range 3 {
			locked = time.Now()
			b.signOn("bob", "guess-number-"+string('1'+rune(i)))
			if got, last := b.text("#alert"), i == 2; strings.Contains(got, "locked") && !last {
				t.Fatalf("after guess %d: %q, want no lock before the third", i+1, got)
			}
		}
		b.signOn("bob", bobPassword)
		if time.Since(locked) < lock {
			b.expect("#alert", "locked")
			if got := b.value("username"); got != "bob" {
				t.Errorf("username = %q, want bob kept", got)
			}
			time.Sleep(lock - time.Since(locked)) // the guess was counted after locked
			eventually(t, step, "the lock ends", func() bool {
				if b.has("#password") {
					b.signOn("bob", bobPassword)
				}
				return b.has("#arrived")
			})
		} else {
			t.Log("the machine is too slow to see the lock")
		}
		b.arrive(s.web)
		a.redeem(t, s.node)
	})
}

// TestForgottenPassword gets a code by mail and chooses a new password with it.
func TestForgottenPassword(t *testing.T) {
	onEach(t, func(t *testing.T, store backend) {
		const renewed = "walks-with-others-8Zq"
		s := startSignIn(t, store, "sign_on {\n password_recovery\n }")
		s.secret("the new password", renewed)
		b := browse(t, s.node)
		a := s.web.begin(s.node)
		b.visit(a.address)

		// Nobody of that name: the page is the same, and no message leaves.
		b.press("forgot")
		b.expect("h1", "Forgot your password?")
		b.fill("username", "nobody-of-that-name")
		b.press("submit")
		b.expect("h1", "Choose a new password")
		unknown := b.text("main")
		b.press("back")
		b.see("password")

		b.press("forgot")
		b.fill("username", "bob")
		b.press("submit")
		b.expect("h1", "Choose a new password")
		if got := b.text("main"); got != unknown {
			t.Errorf("the page for somebody says %q, for nobody %q: want the same", got, unknown)
		}
		mail := s.mailTo(t, "bob@example.com", 0)
		if !strings.Contains(mail, "Subject: ") || !strings.Contains(mail, "recovery code") {
			t.Errorf("the message is %q, want one about a recovery code", mail)
		}
		code := s.code(t, mail)

		wrong := "AAAA2222"
		if code == wrong {
			wrong = "BBBB3333"
		}
		b.fill("code", wrong)
		b.fill("newPassword", renewed)
		b.fill("repeat", renewed)
		b.press("submit")
		b.expect("#code-error", "wrong or has expired")
		if got := b.focused(); got != "code" {
			t.Errorf("focus = %q, want the code", got)
		}

		b.fill("code", strings.ToLower(code[:4])+" "+code[4:]) // as people type
		b.fill("newPassword", renewed)
		b.fill("repeat", "something-else")
		b.press("submit")
		b.expect("#repeat-error", "not the same")

		b.fill("code", code)
		b.fill("newPassword", renewed)
		b.fill("repeat", renewed)
		b.press("submit")
		b.arrive(s.web)
		a.redeem(t, s.node)

		b = browse(t, s.node)
		again := s.web.begin(s.node)
		b.visit(again.address)
		b.signOn("bob", bobPassword)
		b.expect("#alert", "not right")
		b.signOn("bob", renewed)
		b.arrive(s.web)
		again.redeem(t, s.node)
		if got := len(s.mails(t, "bob@example.com")); got != 1 {
			t.Errorf("bob got %d messages, want 1", got)
		}
	})
}

// TestRegistration makes an account, whose address is confirmed by a code.
func TestRegistration(t *testing.T) {
	onEach(t, func(t *testing.T, store backend) {
		const password = "dances-at-dawn-5Kx"
		s := startSignIn(t, store, "sign_on {\n self_registration\n }")
		s.secret("the password", password)
		b := browse(t, s.node)
		a := s.web.begin(s.node)
		b.visit(a.address)
		b.press("register")
		b.expect("h1", "Create an account")

		// A name that somebody has.
		b.fill("username", "alice")
		b.fill("email", "dora@example.com")
		b.fill("given", "Dora")
		b.fill("family", "Maar")
		b.fill("newPassword", password)
		b.fill("repeat", password)
		b.press("submit")
		b.expect("#username-error", "taken")
		for id, want := range map[string]string{"username": "alice", "email": "dora@example.com", "given": "Dora", "family": "Maar", "newPassword": "", "repeat": ""} {
			if got := b.value(id); got != want {
				t.Errorf("%s = %q after an error, want %q", id, got, want)
			}
		}
		b.fill("username", "dora")
		b.fill("newPassword", password)
		b.fill("repeat", password)
		b.press("submit")
		b.expect("h1", "Confirm your e-mail address")
		first := s.code(t, s.mailTo(t, "dora@example.com", 0))

		b.press("resend")
		b.expect("[role=status]", "new code")
		second := s.code(t, s.mailTo(t, "dora@example.com", 1))
		b.fill("code", first)
		b.press("submit")
		b.expect("#code-error", "wrong or has expired")
		b.fill("code", second)
		b.press("submit")
		b.arrive(s.web)
		got := a.redeem(t, s.node)
		info := s.do(t, userInfoRequest(s.node, got.access))
		for _, want := range []string{`"email":"dora@example.com"`, `"email_verified":true`, `"given_name":"Dora"`} {
			if !strings.Contains(strings.ReplaceAll(info.body, " ", ""), want) {
				t.Errorf("UserInfo = %s, want %s in it", info.body, want)
			}
		}

		b = browse(t, s.node)
		again := s.web.begin(s.node)
		b.visit(again.address)
		b.signOn("dora", password)
		b.arrive(s.web)
		if same := again.redeem(t, s.node); same.claims["sub"] != got.claims["sub"] {
			t.Errorf("sub = %v, want %v as at first", same.claims["sub"], got.claims["sub"])
		}
	})
}
