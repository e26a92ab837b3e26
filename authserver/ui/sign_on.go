package ui

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/flow"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/session"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// visit is one request for the page of a flow.
type visit struct {
	r       *http.Request
	env     *store.Environment
	browser *session.Browser
	flow    *flow.Flow
	lang    string
	token   string // anti-forgery value of the forms on its pages
}

// visitOf is a visit to f.
func visitOf(r *http.Request, env *store.Environment, b *session.Browser, f *flow.Flow) *visit {
	return &visit{r: r, env: env, browser: b, flow: f, lang: languageOf(r, env, f), token: b.FormToken(f.ID, stateOf(f))}
}

// SignOn serves GET and POST of /signon/?flowId=…: the page of the flow's status,
// and its forms. After a step the browser is sent to the page again, so that
// reloading and going back repeat nothing; after the last one to where the flow is answered. A
// form that was made for another state of the flow is not acted upon: the page
// says so and shows what is next.
func (p *Pages) SignOn(w http.ResponseWriter, r *http.Request, env *store.Environment) error {
	if r.Method == http.MethodPost && foreign(r, env) {
		return asPageOf(r, env, &oauth.Error{
			Code: oauth.CodeInvalidRequest, Status: http.StatusForbidden, Reason: "cross_site",
			Description: "The form was sent by another site",
		}, errorForeign)
	}
	b, err := p.Sessions.Read(r, env)
	if err != nil {
		return asPage(r, env, err)
	}
	f, err := p.read(r, env, b)
	if err != nil {
		return err
	}
	v := visitOf(r, env, b, f)
	switch {
	case f.Answered:
		b.WriteCookies(w, env)
		v.finished(w)
	case f.Status.Terminal():
		b.WriteCookies(w, env)
		seeOther(w, resume(env, f.ID))
	case r.Method == http.MethodPost:
		return p.post(w, v)
	default:
		b.WriteCookies(w, env)
		query := r.URL.Query()
		page := v.view(query.Get("page"))
		if notices[query.Get("notice")] {
			page.Notice = page.T("notice." + query.Get("notice"))
		}
		v.write(w, page, http.StatusOK)
	}
	return nil
}

// read finds the flow that the address names.
func (p *Pages) read(r *http.Request, env *store.Environment, b *session.Browser) (*flow.Flow, error) {
	id := r.URL.Query().Get("flowId")
	if id == "" {
		return nil, asPageOf(r, env, web.NotFound(), errorGone)
	}
	f, err := p.Flows.Read(r.Context(), env, id, b)
	if err != nil {
		e := oauth.From(err)
		if e.Status == http.StatusNotFound {
			return nil, asPageOf(r, env, e, errorGone)
		}
		return nil, asPage(r, env, e)
	}
	return f, nil
}

// post takes one step.
func (p *Pages) post(w http.ResponseWriter, v *visit) error {
	form, err := web.ReadForm(v.r)
	if err != nil {
		return asPage(v.r, v.env, err)
	}
	action := flow.Action(form.Get("action"))
	if !v.browser.Posted(form.Get("form"), v.flow.ID, stateOf(v.flow)) || !slices.Contains(v.flow.Actions, action) {
		return v.stale()
	}
	in, problem := v.input(action, form)
	if problem != nil {
		return v.again(action, form, problem)
	}
	after, err := p.Flows.Act(v.r.Context(), v.env, v.flow.ID, v.browser, action, in)
	v.browser.WriteCookies(w, v.env) // after an error too: the sign-on may have come before it
	if err != nil {
		return p.refused(v, action, form, oauth.From(err))
	}
	if after.Status.Terminal() {
		seeOther(w, resume(v.env, after.ID))
		return nil
	}
	next := Link(v.env, after.ID)
	if action == flow.SendRecoveryCode || action == flow.SendVerification {
		next += "&notice=sent"
	}
	seeOther(w, next)
	return nil
}

// refused shows why a step was not taken.
func (p *Pages) refused(v *visit, action flow.Action, form *web.Form, e *oauth.Error) error {
	switch {
	case e.Status == http.StatusNotFound:
		return asPageOf(v.r, v.env, e, errorGone)
	case e.Status >= http.StatusInternalServerError:
		return asPage(v.r, v.env, e)
	case e.PingOne == oauth.PingOneInvalidRequest || e.Status == http.StatusConflict:
		// Another tab was faster: what is possible is no longer what v knows.
		f, err := p.read(v.r, v.env, v.browser)
		if err != nil {
			return err
		}
		return visitOf(v.r, v.env, v.browser, f).stale()
	}
	return v.again(action, form, e)
}

// again shows the page of an action once more, with what is wrong in its place and what
// was typed, secrets excepted.
func (v *visit) again(action flow.Action, form *web.Form, e *oauth.Error) error {
	return &web.Presented{Err: e, Write: func(w http.ResponseWriter, e *oauth.Error, _ string) {
		name := ""
		switch action {
		case flow.Register:
			name = "register"
		case flow.Forgot:
			name = "forgot"
		}
		page := v.view(name)
		for _, id := range fields[page.page] {
			page.values[id] = form.Get(id)
		}
		page.explain(v.env, e)
		page.chooseFocus()
		v.browser.WriteCookies(w, v.env)
		retryAfter(w.Header(), e)
		v.write(w, page, e.Status)
	}}
}

// stale answers a form that does not belong to the flow's state: one of the back
// button, of another tab, sent twice, or forged. Nothing of it is used.
func (v *visit) stale() error {
	if v.flow.Status.Terminal() {
		return &web.Presented{Err: errStale, Write: func(w http.ResponseWriter, _ *oauth.Error, _ string) {
			v.browser.WriteCookies(w, v.env)
			if v.flow.Answered {
				v.finished(w)
				return
			}
			seeOther(w, resume(v.env, v.flow.ID))
		}}
	}
	return &web.Presented{Err: errStale, Write: func(w http.ResponseWriter, e *oauth.Error, _ string) {
		page := v.view("")
		page.Notice = page.T("notice.stale")
		v.browser.WriteCookies(w, v.env)
		v.write(w, page, e.Status)
	}}
}

var errStale = &oauth.Error{
	Code: oauth.CodeInvalidRequest, Status: http.StatusConflict, Reason: "stale_form",
	Description: "The form does not belong to the state of the flow",
}

// finished shows that there is nothing left to do here: the answer was given already.
func (v *visit) finished(w http.ResponseWriter) {
	page := newView("finished", v.env, v.lang)
	page.Client = viewClient(v.flow.Client)
	page.Title = page.T("finished.title")
	page.write(w, v.r, http.StatusOK, policy{})
}

// write sends a page of the flow.
func (v *visit) write(w http.ResponseWriter, page *view, status int) {
	p := policy{posts: true, leaves: true}
	if v.flow.Request != nil {
		p.leadsTo = v.flow.Request.ReplyTo.URI
	}
	page.write(w, v.r, status, p)
}

// view is the page of the flow's status; name asks for one of the two pages that a
// person chooses: "register" or "forgot". Where that is not possible now, it is ignored.
func (v *visit) view(name string) *view {
	f := v.flow
	page := newView(pageOf(f, name), v.env, v.lang)
	page.actions = f.Actions
	page.Client = viewClient(f.Client)
	page.Person = viewPerson(f.User)
	page.Query = "?flowId=" + url.QueryEscape(f.ID)
	page.Token = v.token
	page.Title = page.T(page.page + ".title")
	page.values["username"] = f.Username
	switch f.Status {
	case flow.UsernamePasswordRequired, flow.PasswordRequired:
		if f.Status == flow.PasswordRequired && page.page == "sign_on" {
			page.Text = page.T("sign_on.again")
		}
		if page.values["username"] == "" && f.User != nil {
			page.values["username"] = f.User.Username
		}
	case flow.PasswordExpired:
		page.Text = page.T("change_password.expired")
	case flow.MustChangePassword:
		page.Text = page.T("change_password.must")
	case flow.ConsentRequired:
		page.Scopes = page.scopes(f.Consent)
	}
	page.chooseFocus()
	return page
}

// pageOf chooses the template.
func pageOf(f *flow.Flow, name string) string {
	switch {
	case name == "register" && slices.Contains(f.Actions, flow.Register):
		return "register"
	case name == "forgot" && slices.Contains(f.Actions, flow.Forgot):
		return "forgot"
	}
	switch f.Status {
	case flow.PasswordExpired, flow.MustChangePassword:
		return "change_password"
	case flow.RecoveryCodeRequired:
		return "recover"
	case flow.VerificationCodeRequired:
		return "verify"
	case flow.AccountSelectionRequired:
		return "account"
	case flow.ConsentRequired:
		return "consent"
	}
	return "sign_on"
}

// stateOf is what a form belongs to, beside the browser and the flow: the state
// that the page shows, the person and the scopes. Once any of them has moved on, the form is worth
// nothing: nobody agrees to scopes that they were not shown.
func stateOf(f *flow.Flow) string {
	parts := []string{string(f.Status), ""}
	if f.User != nil {
		parts[1] = f.User.ID
	}
	for _, scope := range f.Consent {
		parts = append(parts, scope.Name+"\n"+scope.Resource)
	}
	return strings.Join(parts, " ")
}

// languageOf is language with the application's wish, where it is known.
func languageOf(r *http.Request, env *store.Environment, f *flow.Flow) string {
	if f.Request == nil {
		return asked(r, env)
	}
	return language(r, env, f.Request.UILocales)
}

// notices are the words that an address may bring along.
var notices = map[string]bool{"sent": true}

// seeOther sends the browser on with GET (RFC 9110 §15.4.4).
func seeOther(w http.ResponseWriter, location string) {
	h := w.Header()
	h.Set("Location", location)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusSeeOther)
}

// foreign reports whether a POST comes from a page of another site. Browsers say
// so in Sec-Fetch-Site and Origin; who says neither, or says null, as browsers do
// on pages with our own Referrer-Policy, is judged by the form's token alone.
func foreign(r *http.Request, env *store.Environment) bool {
	if len(r.Header["Sec-Fetch-Site"]) > 0 {
		if site := r.Header.Get("Sec-Fetch-Site"); site != "same-origin" && site != "none" {
			return true
		}
	}
	if len(r.Header["Origin"]) == 0 || r.Header.Get("Origin") == "null" {
		return false
	}
	u, err := url.Parse(env.Issuer)
	return err != nil || !strings.EqualFold(r.Header.Get("Origin"), u.Scheme+"://"+u.Host)
}
