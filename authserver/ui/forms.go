package ui

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/flow"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// input reads the fields of an action's form. The error is about fields that only
// a page has: a password to be typed twice, and which of two buttons was pressed.
func (v *visit) input(action flow.Action, form *web.Form) (flow.Input, *oauth.Error) {
	in := flow.Input{Locale: v.lang}
	switch action {
	case flow.CheckPassword:
		in.Username = strings.TrimSpace(form.Get("username"))
		in.Password = form.Get("password")
		return in, require(form, "username", "password")
	case flow.Forgot:
		in.Username = strings.TrimSpace(form.Get("username"))
		return in, require(form, "username")
	case flow.Register:
		in.Username = strings.TrimSpace(form.Get("username"))
		in.Email = strings.TrimSpace(form.Get("email"))
		in.Password = form.Get("newPassword")
		in.Name = map[string]any{}
		for _, part := range []string{"given", "family"} {
			if name := strings.TrimSpace(form.Get(part)); name != "" {
				in.Name[part] = name
			}
		}
		return in, require(form, "username", "email", "newPassword", "repeat")
	case flow.Verify:
		in.VerificationCode = code(form)
		return in, require(form, "code")
	case flow.Recover:
		in.RecoveryCode = code(form)
		in.NewPassword = form.Get("newPassword")
		return in, require(form, "code", "newPassword", "repeat")
	case flow.ChangePassword:
		in.CurrentPassword = form.Get("currentPassword")
		in.NewPassword = form.Get("newPassword")
		return in, require(form, "currentPassword", "newPassword", "repeat")
	case flow.Consent:
		// Neither button is no answer, not even a refusal.
		in.Accept = form.Get("accept") == "true"
		if !in.Accept && form.Get("accept") != "false" {
			return in, oauth.InvalidData(oauth.Detail{Code: "REQUIRED_VALUE", Target: "accept", Message: "Neither allowed nor denied"})
		}
	}
	return in, nil
}

// code is a code as it was meant: people copy spaces and type small letters.
func code(form *web.Form) string {
	return strings.ToUpper(strings.Join(strings.Fields(strings.ReplaceAll(form.Get("code"), "-", " ")), ""))
}

// require reports the fields that are empty, and a new password typed differently
// the second time.
func require(form *web.Form, ids ...string) *oauth.Error {
	var details []oauth.Detail
	for _, id := range ids {
		switch {
		case strings.TrimSpace(form.Get(id)) == "":
			details = append(details, oauth.Detail{Code: "REQUIRED_VALUE", Target: id, Message: "The field is empty"})
		case id == "repeat" && form.Get("newPassword") != "" && form.Get("repeat") != form.Get("newPassword"):
			details = append(details, oauth.Detail{Code: "INVALID_VALUE", Target: id, Message: "The two passwords differ"})
		}
	}
	if details == nil {
		return nil
	}
	return oauth.InvalidData(details...)
}

// targets maps the members that details are about to the fields of a page.
var targets = map[string]string{
	"username": "username", "email": "email", "given_name": "given", "family_name": "family",
	"verificationCode": "code", "recoveryCode": "code", "code": "code",
	"currentPassword": "currentPassword", "newPassword": "newPassword", "repeat": "repeat",
}

// field is the field of the page that a detail is about, or "".
func (v *view) field(target string) string {
	id := targets[target]
	if target == "password" {
		if id = "password"; v.page == "register" {
			id = "newPassword"
		}
	}
	for _, f := range fields[v.page] {
		if f == id {
			return id
		}
	}
	return ""
}

// explain puts what is wrong where it belongs: beside its field, or above the form.
func (v *view) explain(env *store.Environment, e *oauth.Error) {
	if e.Status == http.StatusTooManyRequests {
		v.Alert = v.T("alert.limited")
		if e.RetryAfter > 0 {
			v.Alert = v.T("alert.limited_for", "time", v.duration(float64(e.RetryAfter)))
		}
		return
	}
	for _, d := range e.Details {
		id := v.field(d.Target)
		switch d.Code {
		case "INVALID_CREDENTIALS":
			v.Alert = v.T("alert.credentials")
		case "PASSWORD_LOCKED_OUT":
			v.Alert = v.T("alert.locked")
			if seconds, ok := number(d.Inner["secondsUntilUnlock"]); ok && seconds > 0 {
				v.Alert = v.T("alert.locked_for", "time", v.duration(seconds))
			}
		case "UNIQUENESS_VIOLATION":
			v.blame(id, "wrong.taken")
		case "REQUIRED_VALUE":
			if d.Target == "accept" {
				v.Alert = v.T("alert.choose")
				continue
			}
			v.blame(id, "wrong.empty")
		default:
			v.invalid(env, id, d)
		}
	}
	if v.Alert == "" && len(v.wrong) == 0 {
		v.Alert = v.T("alert.failed")
	}
}

// invalid explains an INVALID_VALUE of a field.
func (v *view) invalid(env *store.Environment, id string, d oauth.Detail) {
	if id == "newPassword" {
		for _, requirement := range unsatisfied(d.Inner["unsatisfiedRequirements"]) {
			if key := "requirement." + requirement; hasMessage(key) {
				v.wrong[id] = append(v.wrong[id], v.T(key, "length", env.SignOn.PasswordMinLength))
			}
		}
		if len(v.wrong[id]) > 0 {
			return
		}
	}
	key := "wrong." + id
	if id == "username" && v.page == "sign_on" {
		key = "wrong.other" // the session belongs to somebody else
	}
	if !hasMessage(key) {
		id = ""
	}
	v.blame(id, key)
}

// blame adds a text to a field; without a field it is said above the form.
func (v *view) blame(id, key string) {
	if id == "" {
		v.Alert = v.T("alert.failed")
		return
	}
	v.wrong[id] = append(v.wrong[id], v.T(key))
}

// duration says how long, in whole minutes where that is enough.
func (v *view) duration(seconds float64) string {
	unit, n := "seconds", int(math.Ceil(seconds))
	if n > 90 {
		unit, n = "minutes", (n+59)/60
	}
	if n > 90 && unit == "minutes" {
		unit, n = "hours", (n+59)/60
	}
	if n == 1 {
		return v.T("duration." + unit + ".one")
	}
	return v.T("duration."+unit+".other", "n", n)
}

// number reads a JSON or Go number.
func number(value any) (float64, bool) {
	switch n := value.(type) {
	case float64:
		return n, true
	case int:
		return float64(n), true
	case int64:
		return float64(n), true
	}
	return 0, false
}

// unsatisfied reads a list of names, as it is made or as JSON gives it back.
func unsatisfied(value any) []string {
	switch list := value.(type) {
	case []string:
		return list
	case []any:
		var names []string
		for _, name := range list {
			names = append(names, fmt.Sprint(name))
		}
		return names
	}
	return nil
}

// retryAfter repeats what e says of when to try again.
func retryAfter(h http.Header, e *oauth.Error) {
	if e.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(e.RetryAfter))
	}
}
