package ui

import (
	_ "embed"
	"html/template"
	"net/http"
	"net/url"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

//go:embed signed_off.js
var goOn string

// ConfirmSignOff asks whether to sign off: a form that posts the hidden fields to
// action, with the button logout-confirm. What protects the form from forgery is
// among the hidden fields and the caller's. The answer to the form must be a page
// of this origin: a redirect to another one is not followed.
func (*Pages) ConfirmSignOff(w http.ResponseWriter, r *http.Request, env *store.Environment, action string, hidden [][2]string) {
	v := newView("confirm_sign_off", env, asked(r, env))
	v.Title = v.T("sign_off.title")
	v.Target = action
	for _, h := range hidden {
		v.Hidden = append(v.Hidden, hiddenField{h[0], h[1]})
	}
	v.write(w, r, http.StatusOK, policy{posts: true})
}

// SignedOff says "You have been signed off", loads the front-channel addresses in
// iframes, and then, where next is set, goes there: by script after the frames have
// loaded (5 s at most), by a link without script. Addresses that a browser must not
// be sent to are left out (attack by javascript: in a registered address).
func (*Pages) SignedOff(w http.ResponseWriter, r *http.Request, env *store.Environment, frames []string, next string) {
	v := newView("signed_off", env, asked(r, env))
	v.Title = v.T("signed_off.title")
	p := policy{}
	for _, frame := range frames {
		if webAddress(frame) {
			v.Frames = append(v.Frames, frame)
			p.frames = append(p.frames, frame)
		}
	}
	if leavable(next) {
		// html/template knows no schemes of native applications.
		v.Next = template.URL(next)
		v.Script = template.JS(goOn)
		p.script = goOn
	}
	v.write(w, r, http.StatusOK, p)
}

// webAddress reports whether s is an absolute http or https address.
func webAddress(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && !strings.ContainsAny(s, " \t\r\n\"'<>")
}

// leavable reports whether a browser may be sent to s: an http(s) address or one
// with the scheme of a native application (RFC 8252 §7.1), never one that a
// browser runs or opens itself.
func leavable(s string) bool {
	if webAddress(s) {
		return true
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme == "" || strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c == 0x7f || c == '"' || c == '<' || c == '>' }) {
		return false
	}
	switch strings.ToLower(u.Scheme) {
	case "http", "https", "javascript", "data", "vbscript", "blob", "file", "filesystem", "about", "view-source", "ws", "wss", "ftp":
		return false
	}
	return true
}
