package ui

import (
	"net/http"
	"strconv"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// The kinds of error pages: each has a title and a text of its own.
const (
	errorRequest     = "request"     // what the application sent is wrong
	errorDenied      = "denied"      // somebody may not
	errorMissing     = "missing"     // an address that names nothing
	errorGone        = "gone"        // a flow that is unknown, expired or another browser's
	errorForeign     = "foreign"     // a form from another site
	errorLimited     = "limited"     // too many requests
	errorUnavailable = "unavailable" // try again in a moment
	errorServer      = "server"      // our fault
)

// errorKind chooses the words for e. What the application did wrong is the
// ordinary case: the others speak to the person.
func errorKind(e *oauth.Error) string {
	switch {
	case e.Status == http.StatusTooManyRequests:
		return errorLimited
	case e.Status == http.StatusServiceUnavailable || e.Code == oauth.CodeTemporarilyUnavailable:
		return errorUnavailable
	case e.Status >= http.StatusInternalServerError || e.Code == oauth.CodeServerError:
		return errorServer
	case e.Status == http.StatusNotFound:
		return errorMissing
	case e.Status == http.StatusForbidden || e.Code == oauth.CodeAccessDenied:
		return errorDenied
	}
	return errorRequest
}

// showError writes an error page of a kind with the status of e.
func showError(w http.ResponseWriter, r *http.Request, env *store.Environment, e *oauth.Error, id, kind string) {
	v := newView("error", env, asked(r, env))
	v.Title = v.T("error." + kind + ".title")
	v.Text = v.T("error." + kind + ".text")
	v.Code = e.Code
	if e.Code != oauth.CodeServerError { // then the description says nothing
		v.Detail = e.Description
	}
	v.Correlation = id
	if e.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(e.RetryAfter))
	}
	v.write(w, r, e.Status, policy{})
}

// asPage makes err an error that shows itself as a page.
func asPage(r *http.Request, env *store.Environment, err error) error {
	return &web.Presented{Err: err, Write: func(w http.ResponseWriter, e *oauth.Error, id string) {
		showError(w, r, env, e, id, errorKind(e))
	}}
}

// asPageOf is asPage with words that were chosen already.
func asPageOf(r *http.Request, env *store.Environment, err error, kind string) error {
	return &web.Presented{Err: err, Write: func(w http.ResponseWriter, e *oauth.Error, id string) {
		showError(w, r, env, e, id, kind)
	}}
}
