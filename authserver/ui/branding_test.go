package ui_test

import (
	"fmt"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/ui"
)

var variable = regexp.MustCompile(`--([a-z-]+):(#[0-9a-f]{6})`)

// variables are the colours of a style sheet, for light and dark.
func variables(css string) (light, dark map[string]string) {
	light, dark = map[string]string{}, map[string]string{}
	before, after, _ := strings.Cut(css, "@media (prefers-color-scheme:dark)")
	for _, m := range variable.FindAllStringSubmatch(before, -1) {
		light[m[1]], dark[m[1]] = m[2], m[2]
	}
	// The dark part ends with its own rule; what follows it has no colours.
	for _, m := range variable.FindAllStringSubmatch(after, -1) {
		dark[m[1]] = m[2]
	}
	return light, dark
}

// TestContrast: text has 4.5 to 1 on whatever it stands, outlines 3 to 1, with
// every brand colour, light and dark (WCAG 2.2 §1.4.3, §1.4.11).
func TestContrast(t *testing.T) {
	colors := []string{"", "#000000", "#ffffff", "#ffff00", "#00ff00", "#0000ff", "#ff0000", "#0f766e", "#777777", "#767676", "#808080", "#f59e0b", "#1F5FBF"}
	for i := 0; i < 0x1000000; i += 0x0b3d1f {
		colors = append(colors, fmt.Sprintf("#%06x", i))
	}
	pairs := []struct {
		front, back string
		ratio       float64
	}{
		{"text", "surface", 4.5}, {"text", "ground", 4.5}, {"muted", "surface", 4.5}, {"muted", "ground", 4.5},
		{"text", "danger-ground", 4.5}, {"text", "info-ground", 4.5}, {"danger", "surface", 4.5},
		{"edge", "surface", 3}, {"danger", "danger-ground", 3},
		{"on-brand", "brand", 4.5}, {"on-brand", "brand-hover", 4.5}, {"accent", "surface", 4.5}, {"accent", "ground", 4.5},
	}
	commonLight, commonDark := variables(ui.StyleSheet)
	for _, c := range colors {
		light, dark := variables(ui.Palette(c))
		for scheme, vars := range map[string][2]map[string]string{"light": {commonLight, light}, "dark": {commonDark, dark}} {
			color := func(name string) string {
				if c, ok := vars[1][name]; ok {
					return c
				}
				return vars[0][name]
			}
			for _, p := range pairs {
				if got := ui.Contrast(color(p.front), color(p.back)); got < p.ratio {
					t.Errorf("brand %q, %s: %s %s on %s %s has %.2f, want %.1f", c, scheme, p.front, color(p.front), p.back, color(p.back), got, p.ratio)
				}
			}
		}
	}
}

// TestBranding: what an environment says of itself, and what counts as left out.
func TestBranding(t *testing.T) {
	const mark = `class="brand-mark"`
	tests := []struct {
		name string
		env  *store.Environment
		has  []string
		not  []string
	}{
		{"none", nil, []string{"Gatehouse", mark + ` aria-hidden="true">G<`}, []string{"<img"}},
		{"the environment's name", &store.Environment{Name: "demo"}, []string{">demo<", ">D<"}, nil},
		{"a name of its own", &store.Environment{Name: "demo", Branding: store.Branding{Name: "Ünder"}}, []string{">Ünder<", ">Ü<"}, []string{"demo"}},
		{"no letter in it", &store.Environment{Branding: store.Branding{Name: "«»"}}, []string{">«<"}, nil},
		{"a logo", &store.Environment{Branding: store.Branding{LogoURL: "https://a.example/l.svg"}}, []string{`<img src="https://a.example/l.svg"`}, []string{mark}},
		{"a logo of the same origin", &store.Environment{Branding: store.Branding{LogoURL: "/static/l.svg"}}, []string{`<img src="/static/l.svg"`}, []string{mark}},
		{"a path that is another host", &store.Environment{Branding: store.Branding{LogoURL: "//evil.example/l.svg"}}, []string{mark}, []string{"<img"}},
		{"a path that becomes another host", &store.Environment{Branding: store.Branding{LogoURL: `/\evil.example/l.svg`}}, []string{mark}, []string{"<img"}},
		{"a data address", &store.Environment{Branding: store.Branding{LogoURL: "data:image/svg+xml,x"}}, []string{mark}, []string{"<img"}},
		{"a colour", &store.Environment{Branding: store.Branding{Color: "#F59e0B"}}, []string{"--brand:#f59e0b;--on-brand:#000000"}, nil},
		{"no colour", &store.Environment{Branding: store.Branding{Color: "orange"}}, []string{"--brand:#1f5fbf;--on-brand:#ffffff"}, []string{"orange"}},
		{"a short colour", &store.Environment{Branding: store.Branding{Color: "#fa0"}}, []string{"--brand:#1f5fbf"}, nil},
		{"not hexadecimal", &store.Environment{Branding: store.Branding{Color: "#ggg}}}"}}, []string{"--brand:#1f5fbf"}, []string{"ggg"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			(&ui.Pages{}).Error(w, httptest.NewRequest("GET", "/", nil), tt.env, oauth.InvalidRequest("x"), "id")
			for _, want := range tt.has {
				if !strings.Contains(w.Body.String(), want) {
					t.Errorf("the page lacks %q", want)
				}
			}
			body := styleElement.ReplaceAllString(w.Body.String(), "")
			for _, bad := range tt.not {
				if strings.Contains(body, bad) {
					t.Errorf("the page has %q", bad)
				}
			}
			if csp := w.Header().Get("Content-Security-Policy"); strings.Contains(body, `src="/static`) != strings.Contains(csp, "img-src 'self'") {
				t.Errorf("policy = %s", csp)
			}
		})
	}
}

// TestErrorWords: each kind of failure has its own words and keeps its status and code.
func TestErrorWords(t *testing.T) {
	tests := []struct {
		name  string
		err   *oauth.Error
		words string
		not   string
	}{
		{"the application's fault", oauth.InvalidRequest("The redirect_uri is not registered"), "The redirect_uri is not registered", ""},
		{"denied", &oauth.Error{Code: "access_denied", Status: 403}, "Access denied", ""},
		{"no such page", &oauth.Error{Code: "invalid_request", Status: 404}, "Page not found", ""},
		{"too many", &oauth.Error{Code: "temporarily_unavailable", Status: 429, RetryAfter: 7}, "Too many requests", ""},
		{"unavailable", oauth.Unavailable(3, "The store is away"), "Just a moment", ""},
		{"ours", &oauth.Error{Code: "server_error", Status: 500, Description: "inner words"}, "Something went wrong", "inner words"},
		{"ours by status", &oauth.Error{Code: "invalid_request", Status: 502}, "Something went wrong", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			(&ui.Pages{}).Error(w, httptest.NewRequest("GET", "/", nil), environment(), tt.err, "the-id")
			body := w.Body.String()
			if w.Code != tt.err.Status {
				t.Errorf("status = %d, want %d", w.Code, tt.err.Status)
			}
			for _, want := range []string{tt.words, `id="error" role="alert">Error: <code>` + tt.err.Code + `</code>`, "the-id"} {
				if !strings.Contains(body, want) {
					t.Errorf("the page lacks %q", want)
				}
			}
			if tt.not != "" && strings.Contains(body, tt.not) {
				t.Errorf("the page has %q", tt.not)
			}
			if want := tt.err.RetryAfter > 0; (w.Header().Get("Retry-After") != "") != want {
				t.Errorf("Retry-After = %q", w.Header().Get("Retry-After"))
			}
		})
	}
}
