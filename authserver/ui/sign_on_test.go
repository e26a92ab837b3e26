package ui_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/authorize"
	"github.com/caddy-gatehouse/gatehouse/authserver/flow"
	"github.com/caddy-gatehouse/gatehouse/authserver/flow/flowtest"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/ui"
)

// site is the pages over a whole sign-on, as a browser meets them.
type site struct {
	*flowtest.Rig
	pages *ui.Pages
	log   testkit.Buffer
}

func newSite(t *testing.T) *site {
	g := flowtest.New(t)
	return &site{Rig: g, pages: &ui.Pages{Flows: g.Engine, Sessions: g.Sessions}}
}

// send sends a request of a browser through everything that surrounds the pages.
func (s *site) send(b *flowtest.Browser, r *http.Request) *httptest.ResponseRecorder {
	s.T.Helper()
	host := &web.Host{
		Log: slog.New(slog.NewTextHandler(&s.log, nil)), NewID: func() string { return "the-correlation-id" },
		Served: func(string, string, time.Duration) {}, Now: s.Clock.Now,
	}
	w := httptest.NewRecorder()
	web.Handle(host, &web.Route{Name: "signon", Methods: []string{"GET", "POST"}}, w, b.Dress(r, s.Env),
		func(w http.ResponseWriter, r *http.Request) error { return s.pages.SignOn(w, r, s.Env) })
	b.Keep(s.Env, w.Result())
	return w
}

func (s *site) get(b *flowtest.Browser, address string) *httptest.ResponseRecorder {
	s.T.Helper()
	return s.send(b, httptest.NewRequest(http.MethodGet, address, nil))
}

// form is a form of a page.
type form struct {
	action string
	fields url.Values
}

var (
	formElement = regexp.MustCompile(`(?s)<form method="post" action="([^"]*)".*?</form>`)
	hiddenInput = regexp.MustCompile(`<input type="hidden" name="([^"]*)" (?:autocomplete="[^"]*" )?value="([^"]*)">`)
)

// formOf finds the form of an action.
func formOf(t testing.TB, page *httptest.ResponseRecorder, action flow.Action) form {
	t.Helper()
	for _, m := range formElement.FindAllStringSubmatch(page.Body.String(), -1) {
		f := form{action: strings.ReplaceAll(m[1], "&amp;", "&"), fields: url.Values{}}
		for _, h := range hiddenInput.FindAllStringSubmatch(m[0], -1) {
			f.fields.Set(h[1], h[2])
		}
		if f.fields.Get("action") == string(action) {
			return f
		}
	}
	t.Fatalf("no form for %s on\n%s", action, styleElement.ReplaceAllString(page.Body.String(), ""))
	return form{}
}

// request makes the POST of a form as browsers do; pairs are fields that were filled in.
func (s *site) request(f form, pairs ...string) *http.Request {
	fields := url.Values{}
	for name, values := range f.fields {
		fields[name] = values
	}
	for i := 0; i < len(pairs); i += 2 {
		fields.Set(pairs[i], pairs[i+1])
	}
	r := httptest.NewRequest(http.MethodPost, strings.TrimSuffix(s.Env.Issuer, "/as")+"/signon/"+f.action, strings.NewReader(fields.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", "null")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return r
}

// submit posts the form of an action on a page.
func (s *site) submit(b *flowtest.Browser, page *httptest.ResponseRecorder, action flow.Action, pairs ...string) *httptest.ResponseRecorder {
	s.T.Helper()
	return s.send(b, s.request(formOf(s.T, page, action), pairs...))
}

// follow expects a redirect to the page of the flow and gets it.
func (s *site) follow(b *flowtest.Browser, w *httptest.ResponseRecorder) *httptest.ResponseRecorder {
	s.T.Helper()
	location := w.Header().Get("Location")
	if w.Code != http.StatusSeeOther || !strings.Contains(location, "/signon/?flowId=") {
		s.T.Fatalf("answer = %d to %q\n%s", w.Code, location, styleElement.ReplaceAllString(w.Body.String(), ""))
	}
	return s.get(b, location)
}

// begin starts a flow and shows its page.
func (s *site) begin(b *flowtest.Browser, client string, want flow.Status, edits ...func(*authorize.Request)) (*flow.Flow, *httptest.ResponseRecorder) {
	s.T.Helper()
	f := s.MustStart(b, s.Request(client, edits...), want)
	page := s.get(b, ui.Link(s.Env, f.ID))
	if page.Code != http.StatusOK {
		s.T.Fatalf("page = %d\n%s", page.Code, page.Body)
	}
	return f, page
}

// wantResume expects that the flow is over and going to be answered.
func (s *site) wantResume(w *httptest.ResponseRecorder, id string) {
	s.T.Helper()
	if want := s.Env.Issuer + "/resume?flowId=" + id; w.Code != http.StatusSeeOther || w.Header().Get("Location") != want {
		s.T.Errorf("answer = %d to %q, want 303 to %q\n%s", w.Code, w.Header().Get("Location"), want, styleElement.ReplaceAllString(w.Body.String(), ""))
	}
}

func (s *site) want(w *httptest.ResponseRecorder, status int, texts ...string) {
	s.T.Helper()
	if w.Code != status {
		s.T.Errorf("status = %d, want %d", w.Code, status)
	}
	for _, text := range texts {
		if !strings.Contains(w.Body.String(), text) {
			s.T.Errorf("the page lacks %q:\n%s", text, styleElement.ReplaceAllString(w.Body.String(), ""))
		}
	}
}

// mail waits for the nth message to an address, and gives its code.
func (s *site) mail(address string, n int) string {
	s.T.Helper()
	for range 500 {
		if s.Outbox.Count(address) >= n {
			return s.Outbox.Code(address)
		}
		time.Sleep(10 * time.Millisecond)
	}
	s.T.Fatalf("%d messages to %s, want %d", s.Outbox.Count(address), address, n)
	return ""
}

func asks(locales ...string) func(*authorize.Request) {
	return func(r *authorize.Request) { r.UILocales = locales }
}

func TestSignOn(t *testing.T) {
	s := newSite(t)
	b := s.Browser()
	f, page := s.begin(b, flowtest.Web, flow.UsernamePasswordRequired)
	s.want(page, 200, "Sign On", "The web")

	// A wrong password: the name stays, the password does not.
	wrong := s.submit(b, page, flow.CheckPassword, "username", "alice", "password", "not-the-password")
	s.want(wrong, 400, "The username or the password is not right.", `value="alice"`, `role="alert"`)
	if strings.Contains(wrong.Body.String(), "not-the-password") {
		t.Error("the page shows the password")
	}
	// From that very page it goes on.
	done := s.submit(b, wrong, flow.CheckPassword, "username", " alice ", "password", flowtest.AlicePassword)
	s.wantResume(done, f.ID)
	if b.Session() == nil || b.Session().Subject != flowtest.AliceID {
		t.Error("nobody is signed on")
	}
	// The back button: the page leads to the answer, too.
	s.wantResume(s.get(b, ui.Link(s.Env, f.ID)), f.ID)
	if strings.Contains(s.log.String(), "not-the-password") || strings.Contains(s.log.String(), flowtest.AlicePassword) {
		t.Error("a password is in the log")
	}
}

func TestEmptyFields(t *testing.T) {
	s := newSite(t)
	b := s.Browser()
	_, page := s.begin(b, flowtest.Web, flow.UsernamePasswordRequired)
	w := s.submit(b, page, flow.CheckPassword, "username", "", "password", "")
	s.want(w, 400, `id="username-error"`, `id="password-error"`, "Please fill this in.")
}

func TestLockedAndLimited(t *testing.T) {
	s := newSite(t)
	b := s.Browser()
	_, page := s.begin(b, flowtest.Web, flow.UsernamePasswordRequired)
	for range 5 {
		page = s.submit(b, page, flow.CheckPassword, "username", "alice", "password", "wrong")
	}
	page = s.submit(b, page, flow.CheckPassword, "username", "alice", "password", flowtest.AlicePassword)
	s.want(page, 400, "this account is locked", "15 minutes", `value="alice"`)
	s.Clock.Advance(16 * time.Minute)
	_, page = s.begin(b, flowtest.Web, flow.UsernamePasswordRequired)
	if w := s.submit(b, page, flow.CheckPassword, "username", "alice", "password", flowtest.AlicePassword); w.Code != 303 {
		t.Errorf("after the lock: %d", w.Code)
	}

	s.Limited = true
	b = s.Browser()
	b.Address = "198.51.100.77"
	_, page = s.begin(b, flowtest.Web, flow.UsernamePasswordRequired)
	for range 200 {
		page = s.submit(b, page, flow.CheckPassword, "username", "nobody"+b.Address, "password", "wrong")
		if page.Code == http.StatusTooManyRequests {
			break
		}
	}
	s.want(page, 429, "too many attempts", `id="password"`)
	if page.Header().Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
}

// TestConsent is the consent page: attack 104 is in TestForgery.
func TestConsent(t *testing.T) {
	s := newSite(t)
	b := s.Browser()
	s.SignOn(b, flowtest.Alice, flowtest.AlicePassword)

	f, page := s.begin(b, flowtest.Always, flow.ConsentRequired)
	s.want(page, 200, "The always", "See your profile", "alice")
	s.want(s.submit(b, page, flow.Consent), 400, "Please choose one of the two buttons.")
	s.want(s.submit(b, page, flow.Consent, "accept", "yes"), 400, "Please choose one of the two buttons.")
	s.wantResume(s.submit(b, page, flow.Consent, "accept", "true"), f.ID)
	if got, err := s.Read(b, f.ID); err != nil || got.Status != flow.Completed {
		t.Errorf("flow = %+v, %v", got, err)
	}

	f, page = s.begin(b, flowtest.Always, flow.ConsentRequired)
	s.wantResume(s.submit(b, page, flow.Consent, "accept", "false"), f.ID)
	if got, err := s.Read(b, f.ID); err != nil || got.Status != flow.Failed || got.Err.Code != oauth.CodeAccessDenied {
		t.Errorf("flow = %+v, %v", got, err)
	}
}

func TestCancel(t *testing.T) {
	s := newSite(t)
	b := s.Browser()
	f, page := s.begin(b, flowtest.Web, flow.UsernamePasswordRequired)
	s.wantResume(s.submit(b, page, flow.Cancel), f.ID)
}

func TestRegisterAndVerify(t *testing.T) {
	s := newSite(t)
	b := s.Browser()
	f, page := s.begin(b, flowtest.Web, flow.UsernamePasswordRequired)
	s.want(page, 200, `id="register"`)
	page = s.get(b, ui.Link(s.Env, f.ID)+"&page=register")
	s.want(page, 200, "Create an account")
	fill := func(pairs ...string) []string {
		return append([]string{"username", "carol", "email", "carol@example.com", "given", "Carol", "family", "",
			"newPassword", "a long enough phrase", "repeat", "a long enough phrase"}, pairs...)
	}
	differ := s.submit(b, page, flow.Register, fill("repeat", "another phrase")...)
	s.want(differ, 400, "Create an account", "The two passwords are not the same.", `value="carol@example.com"`, `value="Carol"`)
	if strings.Contains(differ.Body.String(), "long enough") || strings.Contains(differ.Body.String(), "another phrase") {
		t.Error("the page shows a password")
	}
	s.want(s.submit(b, page, flow.Register, fill("newPassword", "short", "repeat", "short")...), 400, `id="newPassword-error"`, "at least 8 characters")
	s.want(s.submit(b, page, flow.Register, fill("email", "carol")...), 400, "does not look like an e-mail address", `id="email-error"`)
	s.want(s.submit(b, page, flow.Register, fill("username", "alice")...), 400, "This username is taken.", `id="username-error"`)

	page = s.follow(b, s.submit(b, page, flow.Register, fill()...))
	s.want(page, 200, "Confirm your e-mail address", `id="code"`)
	s.want(s.submit(b, page, flow.Verify, "code", "AAAAAAAA"), 400, "This code is wrong or has expired.")
	s.mail("carol@example.com", 1)
	page = s.follow(b, s.submit(b, page, flow.SendVerification))
	s.want(page, 200, "We have sent a new code.")
	code := s.mail("carol@example.com", 2)
	// As people type them.
	typed := strings.ToLower(code[:4]) + " " + strings.ToLower(code[4:])
	s.wantResume(s.submit(b, page, flow.Verify, "code", typed), f.ID)
}

func TestForgotAndRecover(t *testing.T) {
	s := newSite(t)
	s.Account("dora", "the old phrase")
	b := s.Browser()
	f, page := s.begin(b, flowtest.Web, flow.UsernamePasswordRequired)
	s.want(page, 200, `id="forgot"`)
	page = s.get(b, ui.Link(s.Env, f.ID)+"&page=forgot")
	s.want(s.submit(b, page, flow.Forgot, "username", " "), 400, "Please fill this in.", "Send code")
	page = s.follow(b, s.submit(b, page, flow.Forgot, "username", "dora"))
	s.want(page, 200, "Choose a new password", `id="resend"`)
	s.mail("dora@example.com", 2) // the first was to verify the address
	s.want(s.submit(b, page, flow.Recover, "code", "AAAAAAAA", "newPassword", "the new phrase", "repeat", "the new phrase"), 400, "This code is wrong or has expired.")
	// Back to the beginning and here again.
	start := s.follow(b, s.submit(b, page, flow.ResetSession))
	s.want(start, 200, `id="password"`)
	page = s.get(b, ui.Link(s.Env, f.ID)+"&page=forgot")
	page = s.follow(b, s.submit(b, page, flow.Forgot, "username", "dora"))
	s.mail("dora@example.com", 3)
	page = s.follow(b, s.submit(b, page, flow.SendRecoveryCode))
	s.want(page, 200, "We have sent a new code.")
	code := s.mail("dora@example.com", 4)
	s.wantResume(s.submit(b, page, flow.Recover, "code", code, "newPassword", "the new phrase", "repeat", "the new phrase"), f.ID)
}

func TestChangePassword(t *testing.T) {
	s := newSite(t)
	u := s.Account("erik", "the old phrase")
	s.EditCredential(u.ID, func(c *store.Credential) { c.MustChange = true })
	b := s.Browser()
	f, page := s.begin(b, flowtest.Web, flow.UsernamePasswordRequired)
	page = s.follow(b, s.submit(b, page, flow.CheckPassword, "username", "erik", "password", "the old phrase"))
	s.want(page, 200, "Your password was temporary.", "erik")
	s.want(s.submit(b, page, flow.ChangePassword, "currentPassword", "not it at all", "newPassword", "the new phrase", "repeat", "the new phrase"),
		400, `id="currentPassword-error"`, "The current password is not right.")
	s.wantResume(s.submit(b, page, flow.ChangePassword, "currentPassword", "the old phrase", "newPassword", "the new phrase", "repeat", "the new phrase"), f.ID)
}

func TestAccountsAndPasswordAgain(t *testing.T) {
	s := newSite(t)
	b := s.Browser()
	s.SignOn(b, flowtest.Alice, flowtest.AlicePassword)
	prompt := func(p string) func(*authorize.Request) { return func(r *authorize.Request) { r.Prompt = []string{p} } }

	f, page := s.begin(b, flowtest.Web, flow.AccountSelectionRequired, prompt(oauth.PromptSelectAccount))
	s.want(page, 200, "Choose an account", "alice")
	s.wantResume(s.submit(b, page, flow.SelectAccount), f.ID)

	f, page = s.begin(b, flowtest.Web, flow.PasswordRequired, prompt(oauth.PromptLogin))
	s.want(page, 200, "enter your password again", `value="alice"`, `id="switch"`)
	s.want(s.submit(b, page, flow.CheckPassword, "username", "bob", "password", flowtest.BobPassword), 400, "Somebody else is signed on")
	s.wantResume(s.submit(b, page, flow.CheckPassword, "username", "alice", "password", flowtest.AlicePassword), f.ID)

	_, page = s.begin(b, flowtest.Web, flow.PasswordRequired, prompt(oauth.PromptLogin))
	page = s.follow(b, s.submit(b, page, flow.ResetSession))
	s.want(page, 200, `id="username"`)
	if strings.Contains(page.Body.String(), `value="alice"`) {
		t.Error("the page still names the other account")
	}
}

// TestNoSuchFlow: unknown, expired and foreign flows look alike.
func TestNoSuchFlow(t *testing.T) {
	s := newSite(t)
	b := s.Browser()
	f, page := s.begin(b, flowtest.Web, flow.UsernamePasswordRequired)
	body := func(w *httptest.ResponseRecorder) string { return w.Body.String() }
	var seen []string
	for name, w := range map[string]*httptest.ResponseRecorder{
		"no id":             s.get(b, strings.TrimSuffix(ui.Link(s.Env, ""), "?flowId=")),
		"unknown":           s.get(b, ui.Link(s.Env, "00000000-0000-4000-8000-000000000000")),
		"markup":            s.get(b, ui.Link(s.Env, `"><script>alert(1)</script>`)),
		"another browser's": s.get(s.Browser(), ui.Link(s.Env, f.ID)),
		"posted":            s.send(s.Browser(), s.request(formOf(t, page, flow.CheckPassword), "username", "alice", "password", flowtest.AlicePassword)),
		"in another's jar":  s.get(func() *flowtest.Browser { o := s.Browser(); s.SignOn(o, flowtest.Bob, flowtest.BobPassword); return o }(), ui.Link(s.Env, f.ID)),
	} {
		if w.Code != 404 || !strings.Contains(body(w), "start again at the application") || !strings.Contains(body(w), `id="error"`) {
			t.Errorf("%s = %d\n%s", name, w.Code, styleElement.ReplaceAllString(body(w), ""))
		}
		seen = append(seen, styleElement.ReplaceAllString(body(w), ""))
	}
	s.Clock.Advance(store.FlowIdle + time.Second)
	w := s.get(b, ui.Link(s.Env, f.ID))
	s.want(w, 404, "start again at the application")
	seen = append(seen, styleElement.ReplaceAllString(body(w), ""))
	if slices.Sort(seen); seen[0] != seen[len(seen)-1] {
		t.Error("the pages tell one case from another")
	}
}

// TestWishedLanguage: ui_locales of the request decides, for the messages sent too.
func TestWishedLanguage(t *testing.T) {
	s := newSite(t)
	b := s.Browser()
	_, page := s.begin(b, flowtest.Web, flow.UsernamePasswordRequired, asks("se", "de-AT"))
	s.want(page, 200, `<html lang="de">`, "Anmelden")
	s.want(s.submit(b, page, flow.CheckPassword, "username", "alice", "password", "x"), 400, "stimmt nicht")
}

// TestLoginHint: the hint is filled in and can be typed over.
func TestLoginHint(t *testing.T) {
	s := newSite(t)
	b := s.Browser()
	f, page := s.begin(b, flowtest.Web, flow.UsernamePasswordRequired, func(r *authorize.Request) { r.LoginHint = "bob" })
	s.want(page, 200, `value="bob"`)
	s.wantResume(s.submit(b, page, flow.CheckPassword, "username", "alice", "password", flowtest.AlicePassword), f.ID)
}

// TestStoreFails: a fault of ours is a page, without its cause.
func TestStoreFails(t *testing.T) {
	s := newSite(t)
	b := s.Browser()
	f, _ := s.begin(b, flowtest.Web, flow.UsernamePasswordRequired)
	r := httptest.NewRequest(http.MethodGet, ui.Link(s.Env, f.ID), nil)
	ctx, cancel := context.WithCancel(r.Context())
	cancel()
	w := s.send(b, r.WithContext(ctx))
	if w.Code < 500 || !strings.Contains(w.Body.String(), `id="error"`) || strings.Contains(w.Body.String(), "context canceled") {
		t.Errorf("answer = %d\n%s", w.Code, styleElement.ReplaceAllString(w.Body.String(), ""))
	}
	if !strings.Contains(s.log.String(), "context canceled") {
		t.Error("the log lacks the cause")
	}
}

// TestLink: the pages are beside the issuer, also at a custom domain.
func TestLink(t *testing.T) {
	for issuer, want := range map[string]string{
		"https://auth.example.com/" + envID + "/as": "https://auth.example.com/" + envID + "/signon/?flowId=a%22b",
		"https://login.example.com/as":              "https://login.example.com/signon/?flowId=a%22b",
	} {
		if got := ui.Link(&store.Environment{Issuer: issuer}, `a"b`); got != want {
			t.Errorf("link = %q, want %q", got, want)
		}
	}
}
