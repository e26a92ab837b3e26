package ui

import (
	"net/http"

	"github.com/caddy-gatehouse/gatehouse/authserver/flow"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/session"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Visit is a request for a page of a flow that a test made up.
type Visit struct {
	Env    *store.Environment
	Flow   *flow.Flow
	Page   string            // "register", "forgot" or ""
	Notice string            // "sent" or "stale"
	Typed  map[string]string // with Err
	Err    *oauth.Error      // what the last step was refused with
	Does   flow.Action       // the step
}

// Show writes the page of a made-up flow, as SignOn would.
func Show(w http.ResponseWriter, r *http.Request, s Visit) {
	v := &visit{r: r, env: s.Env, browser: &session.Browser{}, flow: s.Flow, lang: languageOf(r, s.Env, s.Flow), token: "the-form-token"}
	page := v.view(s.Page)
	if s.Notice != "" {
		page.Notice = page.T("notice." + s.Notice)
	}
	status := http.StatusOK
	if s.Err != nil {
		for id, value := range s.Typed {
			page.values[id] = value
		}
		page.explain(s.Env, s.Err)
		page.chooseFocus()
		status = s.Err.Status
	}
	v.write(w, page, status)
}

// Finished writes the page of a flow that was answered already.
func Finished(w http.ResponseWriter, r *http.Request, env *store.Environment, f *flow.Flow) {
	(&visit{r: r, env: env, flow: f, lang: languageOf(r, env, f)}).finished(w)
}

// ErrorOf writes an error page with given words.
func ErrorOf(w http.ResponseWriter, r *http.Request, env *store.Environment, e *oauth.Error, id, kind string) {
	showError(w, r, env, e, id, kind)
}

// Names of things that the tests go through.
var (
	Templates = templates()
	Languages = languages()
	Language  = language
	Foreign   = foreign
)

// Palette is the style sheet of a brand colour, Contrast the ratio of two colours.
func Palette(hex string) string { return palette(hex) }

// Contrast of two colours "#rrggbb".
func Contrast(a, b string) float64 {
	x, ok1 := parseColor(a)
	y, ok2 := parseColor(b)
	if !ok1 || !ok2 {
		return 0
	}
	return contrast(x, y)
}

// StyleSheet is the common one.
var StyleSheet = styleSheet
