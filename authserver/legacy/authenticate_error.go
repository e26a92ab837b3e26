package legacy

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// timedOutCode is AM's number of a sign-on that took too long.
const timedOutCode = "110"

// refuse is an error of authenticate: a failed sign-on has members of its own, and the first version of the
// resource another body (3.3).
func (a *attempt) refuse(err error) error {
	var more object // behind code, reason and message
	switch {
	case errors.Is(err, errNobody):
		e := crest(http.StatusUnauthorized, "Login failure")
		e.Reason = "credentials"
		err = e
		more.set("failureUrl", "")
	case errors.Is(err, errTimedOut):
		e := crest(http.StatusUnauthorized, "Session has timed out")
		e.Reason = "auth_id"
		err = e
		more.set("detail", map[string]any{"errorCode": timedOutCode})
	}
	return &web.Presented{Err: err, Write: func(w http.ResponseWriter, e *oauth.Error, _ string) { a.present(e, more) }}
}

// present writes an error.
func (a *attempt) present(e *oauth.Error, more object) {
	message := e.Message
	if message == "" {
		message = http.StatusText(e.Status)
	}
	if e.RetryAfter > 0 {
		a.w.Header().Set("Retry-After", strconv.Itoa(e.RetryAfter))
	}
	var body object
	if a.version.major > 1 {
		body.set("code", e.Status)
		body.set("reason", http.StatusText(e.Status))
		body.set("message", message)
		body.text = append(body.text, more.text...)
	} else {
		body.set("errorMessage", message)
	}
	a.writeJSON(e.Status, body.bytes())
}

// gone is what it means that somebody cannot be found, or was disabled, between two steps.
func gone(err error) error {
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return oauth.CannotTell("find user", err)
	}
	return errNobody
}

// weakPassword reports whether a new password was refused for what it is, and not the old one for being wrong.
func weakPassword(err error) bool {
	e, ok := errors.AsType[*oauth.Error](err)
	return ok && e.Status == http.StatusBadRequest && len(e.Details) > 0 && e.Details[0].Target == "newPassword"
}
