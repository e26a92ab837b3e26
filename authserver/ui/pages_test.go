package ui_test

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/authorize"
	"github.com/caddy-gatehouse/gatehouse/authserver/flow"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/ui"
)

var styleElement = regexp.MustCompile(`(?s)<style>(.*?)</style>`)

// TestPagesGolden holds every page, headers first, without the style sheet.
func TestPagesGolden(t *testing.T) {
	for _, s := range samples() {
		t.Run(s.name, func(t *testing.T) {
			w := s.get()
			var b strings.Builder
			fmt.Fprintln(&b, w.Code)
			for _, name := range slices.Sorted(headerNames(w.Header())) {
				if name == "Content-Length" || name == "Content-Security-Policy" {
					continue // of the style sheet's length and hash
				}
				fmt.Fprintf(&b, "%s: %s\n", name, w.Header().Get(name))
			}
			b.WriteString("\n" + styleElement.ReplaceAllString(w.Body.String(), "<style></style>"))
			testkit.Golden(t, s.name+".html", []byte(b.String()))
		})
	}
}

func headerNames(h http.Header) func(func(string) bool) {
	return func(yield func(string) bool) {
		for name := range h {
			if !yield(name) {
				return
			}
		}
	}
}

// TestPageContract: the ids and words that automation relies on
// (oidc-conformance.md §1).
func TestPageContract(t *testing.T) {
	tests := []struct {
		sample string
		status int
		want   []string
	}{
		{"sign-on", 200, []string{
			"<h1>Sign On</h1>", `<input id="username" name="username" type="text"`, `<input id="password" name="password" type="password"`,
			`<button type="submit" id="submit" class="primary">Sign On</button>`, `<button type="submit" id="cancel"`,
			`<img src="https://orders.example/logo.svg"`, `href="https://orders.example/privacy"`, `href="https://orders.example/terms"`, "Order Desk",
			`id="forgot"`, `id="register"`, `autocomplete="username"`, `autocomplete="current-password"`,
		}},
		// One form for a first sign-on and for another one (prompt=login): the name can be typed over.
		{"password-again", 200, []string{
			"Sign On", `<input id="username" name="username" type="text" autocomplete="username" maxlength="256" value="alice"`, `<input id="password"`, `id="submit"`, `id="cancel"`, `id="switch"`, "Not you?",
		}},
		{"consent", 200, []string{`id="allow" name="accept" value="true"`, `id="deny" name="accept" value="false"`, "See your e-mail address", "<code>orders:read</code>", "alice"}},
		{"select-account", 200, []string{`id="submit"`, `id="switch"`, `id="cancel"`, "alice", "Alice Example"}},
		{"register", 200, []string{`id="username"`, `id="email"`, `type="email"`, `inputmode="email"`, `id="newPassword"`, `id="repeat"`, `id="submit"`, `autocomplete="new-password"`, `autocomplete="given-name"`}},
		{"verify", 200, []string{`id="code"`, `autocomplete="one-time-code"`, `id="submit"`, `id="resend"`}},
		{"forgot", 200, []string{`id="username"`, `id="submit"`, `id="back"`}},
		{"recover", 200, []string{`id="code"`, `id="newPassword"`, `id="repeat"`, `id="submit"`, `id="resend"`, `id="back"`}},
		{"change-password-expired", 200, []string{"has expired", `id="currentPassword"`, `id="newPassword"`, `id="repeat"`, `id="submit"`}},
		{"change-password-must", 200, []string{"was temporary"}},
		{"sign-off", 200, []string{"Sign Off", `id="logout-confirm"`, `name="confirm" value="the-form-token"`, `action="/` + envID + `/as/signoff"`}},
		{"signed-off", 200, []string{"You have been signed off"}},
		{"signed-off-onward", 200, []string{
			"You have been signed off", `<iframe src="https://orders.example/frontchannel?iss=x&amp;sid=y"`,
			// A page of somebody else's must not take the place of ours: it could ask for the password.
			`sandbox="allow-same-origin allow-scripts allow-forms"`, `id="next" href="https://orders.example/bye?state=s-71"`, "location.replace", "5000",
		}},
		{"error", 400, []string{`<p id="error" role="alert">Error: <code>invalid_request</code></p>`, "0c4e7c1a-55cb-4b2f-9a3e-5c3c8a0f7d11"}},
		{"error-gone", 404, []string{`id="error"`, "Error", "invalid_request", "start again at the application"}},
		{"error-server", 500, []string{`id="error"`, "Error", "server_error"}},
		{"sign-on-wrong-password", 400, []string{`role="alert" id="alert"`, "The username or the password is not right.", `value="alice"`, `required autofocus aria-describedby="alert"`}},
		{"sign-on-locked", 400, []string{"14 minutes"}},
		{"sign-on-limited", 429, []string{"30 seconds"}},
		{"register-wrong", 400, []string{`aria-invalid="true" aria-describedby="username-error"`, `id="username-error" role="alert"`, "is taken", `aria-describedby="email-error email-hint"`, "at least 8 characters"}},
		{"sign-on-german", 200, []string{`<html lang="de">`, "Anmelden", "Benutzername"}},
	}
	all := map[string]sample{}
	for _, s := range samples() {
		all[s.name] = s
	}
	for _, tt := range tests {
		t.Run(tt.sample, func(t *testing.T) {
			w := all[tt.sample].get()
			if w.Code != tt.status {
				t.Errorf("status = %d, want %d", w.Code, tt.status)
			}
			for _, want := range tt.want {
				if !strings.Contains(w.Body.String(), want) {
					t.Errorf("the page lacks %s", want)
				}
			}
			if strings.Contains(w.Body.String(), "never-shown") {
				t.Error("the page shows a password that was typed")
			}
		})
	}
}

// TestOnlyWhatIsPossible: a page offers nothing that the flow does not allow now.
func TestOnlyWhatIsPossible(t *testing.T) {
	f := at(flow.UsernamePasswordRequired, flow.CheckPassword)
	for _, page := range []string{"", "register", "forgot", "consent", "../x"} {
		w := httptest.NewRecorder()
		ui.Show(w, httptest.NewRequest("GET", "/", nil), ui.Visit{Env: environment(), Flow: f, Page: page})
		for _, id := range []string{"forgot", "register", "switch", "resend", "email", "allow"} {
			if strings.Contains(w.Body.String(), `id="`+id+`"`) {
				t.Errorf("page %q has %s", page, id)
			}
		}
		if !strings.Contains(w.Body.String(), `id="password"`) {
			t.Errorf("page %q is not the one to sign on", page)
		}
	}
}

var (
	tag     = regexp.MustCompile(`(?s)<[a-zA-Z/!](?:[^>"]|"[^"]*")*>`)
	inline  = regexp.MustCompile(`(?i)\s(style|on[a-z]+)\s*=`)
	idOf    = regexp.MustCompile(`\sid="([^"]*)"`)
	labels  = regexp.MustCompile(`<label for="([^"]*)"`)
	inputID = regexp.MustCompile(`<input id="([^"]*)"`)
)

// TestEveryPage: what holds on all of them.
func TestEveryPage(t *testing.T) {
	for _, s := range samples() {
		t.Run(s.name, func(t *testing.T) {
			w := s.get()
			body := w.Body.String()
			for name, want := range map[string]string{
				"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-store", "Referrer-Policy": "no-referrer",
				"X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff", "Content-Length": fmt.Sprint(len(body)),
			} {
				if got := w.Header().Get(name); got != want {
					t.Errorf("%s = %q, want %q", name, got, want)
				}
			}
			for _, markup := range tag.FindAllString(styleElement.ReplaceAllString(body, ""), -1) {
				if inline.MatchString(markup) {
					t.Errorf("inline style or script: %s", markup)
				}
			}
			seen := map[string]bool{}
			for _, id := range idOf.FindAllStringSubmatch(body, -1) {
				if seen[id[1]] {
					t.Errorf("the id %q occurs twice", id[1])
				}
				seen[id[1]] = true
			}
			labelled := map[string]bool{}
			for _, l := range labels.FindAllStringSubmatch(body, -1) {
				labelled[l[1]] = true
			}
			for _, i := range inputID.FindAllStringSubmatch(body, -1) {
				if !labelled[i[1]] {
					t.Errorf("the field %q has no label", i[1])
				}
			}
			for _, form := range regexp.MustCompile(`(?s)<form.*?</form>`).FindAllString(body, -1) {
				if !strings.HasPrefix(form, `<form method="post" action="`) {
					t.Errorf("a form does not post: %s", form)
				}
				if !strings.Contains(form, `value="the-form-token"`) {
					t.Errorf("a form has no token: %s", form)
				}
			}
			for _, want := range []string{`<meta name="viewport" content="width=device-width, initial-scale=1">`, "<h1>", "<main", "<title>"} {
				if !strings.Contains(body, want) {
					t.Errorf("the page lacks %s", want)
				}
			}
			if strings.Count(body, "<h1>") != 1 {
				t.Error("not one heading")
			}
			if strings.Contains(body, "ZgotmplZ") {
				t.Error("the template refused a value")
			}
			if s.name != "signed-off-onward" && strings.Contains(body, "<script") {
				t.Error("a script where none is needed")
			}
			if head := headOf(s); head.Body.Len() != 0 || head.Code != w.Code || head.Header().Get("Content-Length") != w.Header().Get("Content-Length") {
				t.Errorf("HEAD = %d with %d bytes", head.Code, head.Body.Len())
			}
		})
	}
}

func headOf(s sample) *httptest.ResponseRecorder {
	r := s.request()
	r.Method = http.MethodHead
	w := httptest.NewRecorder()
	s.show(w, r)
	return w
}

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// TestContentSecurityPolicy: the exact policy of each kind of page. The hashes are those of
// what the page really contains.
func TestContentSecurityPolicy(t *testing.T) {
	pages := &ui.Pages{}
	redirect := func(uri string) func(http.ResponseWriter, *http.Request) {
		f := signOnFlow()
		f.Request = &authorize.Request{ReplyTo: authorize.ReplyTo{URI: uri}}
		return of(f)
	}
	const images = "; img-src https://northwind.example https://orders.example"
	plain := func(f func(http.ResponseWriter, *http.Request, *store.Environment)) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, r *http.Request) { f(w, r, nil) }
	}
	tests := []struct {
		name string
		show func(http.ResponseWriter, *http.Request)
		want string // STYLE and SCRIPT stand for the hashes
	}{
		{"flow, https", redirect("https://orders.example/callback"), "STYLE" + images + "; form-action 'self' https:"},
		{"flow, loopback", redirect("http://127.0.0.1:4711/cb"), "STYLE" + images + "; form-action 'self' https: http:"},
		{"flow, native application", redirect("com.example.app:/cb"), "STYLE" + images + "; form-action 'self' https: com.example.app:"},
		{"flow without a redirect URI", redirect(""), "STYLE" + images + "; form-action 'self' https:"},
		{"a redirect URI that nobody may be sent to", redirect("javascript:alert(1)"), "STYLE" + images + "; form-action 'self' https:"},
		{"a redirect URI that would add a directive", redirect("x; script-src *:/cb"), "STYLE" + images + "; form-action 'self' https:"},
		{"error without environment", plain(func(w http.ResponseWriter, r *http.Request, env *store.Environment) {
			pages.Error(w, r, env, oauth.InvalidRequest("x"), "id")
		}), "STYLE; form-action 'none'"},
		{"confirmation", plain(func(w http.ResponseWriter, r *http.Request, env *store.Environment) {
			pages.ConfirmSignOff(w, r, env, "/as/signoff", nil)
		}), "STYLE; form-action 'self'"},
		{"signed off", plain(func(w http.ResponseWriter, r *http.Request, env *store.Environment) {
			pages.SignedOff(w, r, env, nil, "")
		}), "STYLE; form-action 'none'"},
		{"signed off with frames and onward", plain(func(w http.ResponseWriter, r *http.Request, env *store.Environment) {
			pages.SignedOff(w, r, env, []string{"https://a.example/x?sid=1", "https://a.example/y", "http://localhost:8083/z", "javascript:alert(1)"}, "https://a.example/bye")
		}), "STYLE; script-src SCRIPT; frame-src https://a.example http://localhost:8083; form-action 'none'"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			tt.show(w, httptest.NewRequest("GET", "/", nil))
			var styles []string
			for _, m := range styleElement.FindAllStringSubmatch(w.Body.String(), -1) {
				styles = append(styles, hash(m[1]))
			}
			script := ""
			if m := regexp.MustCompile(`(?s)<script>(.*?)</script>`).FindStringSubmatch(w.Body.String()); m != nil {
				script = hash(m[1])
			}
			want := "default-src 'none'; style-src " + strings.NewReplacer("STYLE", strings.Join(styles, " "), "SCRIPT", script).Replace(tt.want) +
				"; base-uri 'none'; frame-ancestors 'none'"
			if got := w.Header().Get("Content-Security-Policy"); got != want {
				t.Errorf("policy =\n%s, want\n%s", got, want)
			}
		})
	}
}
