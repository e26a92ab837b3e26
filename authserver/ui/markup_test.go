package ui_test

import (
	"html"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/authorize"
	"github.com/caddy-gatehouse/gatehouse/authserver/flow"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/ui"
)

// TestMarkupIsShownAsText is attack 103: whatever is not ours is text, on every
// page and in every place, and no address runs script.
func TestMarkupIsShownAsText(t *testing.T) {
	const evil = `'"><script>alert(1)</script><img src=x onerror=alert(2)><style>*{}</style>&lt;b{{.}}`
	const link = `javascript:alert(3)//`
	env := environment()
	env.Branding = store.Branding{Name: evil, LogoURL: link, Color: "red;}</style><script>alert(4)</script>", Language: evil}
	c := &store.Client{ID: evil, Name: evil, LogoURI: "data:text/html," + evil, PolicyURI: link, TOSURI: " " + link, ClientURI: "//evil.example", InitiateLoginURI: link}
	dress := func(f *flow.Flow) *flow.Flow {
		f.Client, f.Username = c, evil
		f.ID = `x"><script>alert(5)</script>`
		f.Request = &authorize.Request{ReplyTo: authorize.ReplyTo{URI: link}, UILocales: []string{evil, "en"}}
		if f.User != nil {
			f.User = &store.User{ID: evil, Username: evil + "2", Claims: map[string]any{"name": evil}}
		}
		f.Consent = []flow.Scope{{Name: evil, Resource: "id", ResourceName: evil}, {Name: "openid"}, {Name: "constructor"}, {Name: "openid.title"}}
		return f
	}
	fault := oauth.InvalidData(
		oauth.Detail{Code: evil, Target: "username", Message: evil}, oauth.Detail{Code: "INVALID_VALUE", Target: "newPassword", Message: evil, Inner: map[string]any{"unsatisfiedRequirements": []any{evil, "length"}}},
		oauth.Detail{Code: "INVALID_VALUE", Target: evil, Message: evil})
	pages := &ui.Pages{}
	shows := map[string]func(http.ResponseWriter, *http.Request){
		"error": func(w http.ResponseWriter, r *http.Request) {
			pages.Error(w, r, env, &oauth.Error{Code: evil, Description: evil, Status: 400}, evil)
		},
		"confirm": func(w http.ResponseWriter, r *http.Request) {
			pages.ConfirmSignOff(w, r, env, link, [][2]string{{evil, evil}, {"state", evil}})
		},
		"signed off": func(w http.ResponseWriter, r *http.Request) {
			pages.SignedOff(w, r, env, []string{link, "data:text/html," + evil, "https://a.example/" + evil}, link)
		},
		"finished": func(w http.ResponseWriter, r *http.Request) {
			ui.Finished(w, r, env, dress(at(flow.Completed)))
		},
	}
	all := []flow.Action{flow.CheckPassword, flow.Forgot, flow.Register, flow.ResetSession, flow.SelectAccount, flow.SendRecoveryCode, flow.SendVerification}
	typed := map[string]string{"username": evil, "email": evil, "given": evil, "family": evil, "code": evil, "password": evil}
	for _, status := range []flow.Status{flow.UsernamePasswordRequired, flow.PasswordRequired, flow.PasswordExpired, flow.MustChangePassword,
		flow.RecoveryCodeRequired, flow.VerificationCodeRequired, flow.AccountSelectionRequired, flow.ConsentRequired} {
		for _, page := range []string{"", "register", "forgot"} {
			shows[string(status)+" "+page] = visit(ui.Visit{Env: env, Flow: dress(at(status, all...)), Page: page, Err: fault, Typed: typed})
		}
	}
	for name, show := range shows {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			r := httptest.NewRequest("GET", "/", nil)
			r.Header.Set("Accept-Language", evil)
			show(w, r)
			body := w.Body.String()
			for _, bad := range []string{"<script>alert", "<img src=x", "<style>*", "<b{{", "red;}"} {
				if strings.Contains(body, bad) {
					t.Errorf("the page contains %s", bad)
				}
			}
			for _, m := range regexp.MustCompile(`(?:href|src|action)="([^"]*)"`).FindAllStringSubmatch(body, -1) {
				address := strings.ToLower(strings.TrimSpace(m[1]))
				if strings.HasPrefix(address, "javascript:") || strings.HasPrefix(address, "data:") || strings.HasPrefix(address, "//") {
					t.Errorf("an address that runs: %s", m[0])
				}
			}
			if csp := w.Header().Get("Content-Security-Policy"); strings.Contains(csp, "javascript") || strings.Contains(csp, "data:") || strings.Contains(csp, "alert") {
				t.Errorf("policy = %s", csp)
			}
			if strings.Contains(body, "<script") {
				t.Error("the page has a script")
			}
		})
	}
}

// TestOnward: where a browser is sent after signing off.
func TestOnward(t *testing.T) {
	tests := []struct {
		next string
		want bool
	}{
		{"https://app.example.com/bye", true},
		{"http://localhost:8083/bye", true},
		{"com.example.app:/bye", true},
		{"com.example.app://bye?state=1", true},
		{"", false},
		{"/bye", false},
		{"//evil.example/bye", false},
		{`/\evil.example`, false},
		{"https:evil.example", false},
		{"javascript:alert(1)", false},
		{"JavaScript:alert(1)", false},
		{"java\tscript:alert(1)", false},
		{" javascript:alert(1)", false},
		{"data:text/html,x", false},
		{"vbscript:x", false},
		{"file:///etc/passwd", false},
		{"blob:https://app.example.com/1", false},
		{"view-source:https://app.example.com/", false},
	}
	for _, tt := range tests {
		t.Run(tt.next, func(t *testing.T) {
			w := httptest.NewRecorder()
			(&ui.Pages{}).SignedOff(w, httptest.NewRequest("GET", "/", nil), nil, nil, tt.next)
			body := w.Body.String()
			if got := strings.Contains(body, `id="next"`) && strings.Contains(body, "location.replace"); got != tt.want {
				t.Errorf("goes on = %v, want %v", got, tt.want)
			}
			if tt.want && !strings.Contains(body, `href="`+tt.next+`"`) {
				t.Error("the link leads elsewhere")
			}
		})
	}
}

// FuzzAddresses: whatever a redirect URI, a frame or a way on is, the policy has the
// same directives, and the page sends nobody to an address that runs.
func FuzzAddresses(f *testing.F) {
	for _, seed := range []string{"https://a.example/x", "com.example.app:/cb", "javascript:alert(1)", "x; script-src *", "https://a.example;x/", "http://[::1]:8080/", "https://é.example/ü", "https://a.example/\"><b>"} {
		f.Add(seed)
	}
	directives := regexp.MustCompile(`^default-src 'none'; style-src 'sha256-[^';]*' 'sha256-[^';]*'(; script-src 'sha256-[^';]*')?(; img-src [^; ]+( [^; ]+)*)?(; frame-src [^; ]+)?; form-action 'none'; base-uri 'none'; frame-ancestors 'none'$`)
	flows := regexp.MustCompile(`; form-action 'self' https:( [a-z][a-z0-9+.-]*:)?; base-uri 'none'; frame-ancestors 'none'$`)
	link := regexp.MustCompile(`id="next" href="([^"]*)"`)
	f.Fuzz(func(t *testing.T, address string) {
		w := httptest.NewRecorder()
		env := &store.Environment{Branding: store.Branding{LogoURL: address}}
		(&ui.Pages{}).SignedOff(w, httptest.NewRequest("GET", "/", nil), env, []string{address}, address)
		if csp := w.Header().Get("Content-Security-Policy"); !directives.MatchString(csp) {
			t.Errorf("policy = %s", csp)
		}
		if m := link.FindStringSubmatch(w.Body.String()); m != nil {
			// As browsers read it: without tabs and line breaks, and what is at the edges.
			read := strings.ToLower(strings.TrimLeft(strings.NewReplacer("\t", "", "\n", "", "\r", "").Replace(html.UnescapeString(m[1])), " \x00\x01\x02\x1f"))
			for _, bad := range []string{"javascript:", "data:", "vbscript:", "file:", "blob:", "//", "/"} {
				if strings.HasPrefix(read, bad) {
					t.Errorf("the page leads to %q", m[1])
				}
			}
		}
		w = httptest.NewRecorder()
		flow := signOnFlow()
		flow.Request = &authorize.Request{ReplyTo: authorize.ReplyTo{URI: address}}
		ui.Show(w, httptest.NewRequest("GET", "/", nil), ui.Visit{Env: environment(), Flow: flow})
		if csp := w.Header().Get("Content-Security-Policy"); !flows.MatchString(csp) {
			t.Errorf("policy = %s", csp)
		}
	})
}
