// Package ui is the hosted pages: signing on, registering, recovering and
// changing a password, consent, signing off, and errors. Plain HTML forms that
// need no script; a strict Content-Security-Policy; in the person's language and
// the environment's colours.
//
// It leaves every decision to flow and logout. Start reading at Pages.SignOn.
package ui

import (
	"net/http"

	"github.com/caddy-gatehouse/gatehouse/authserver/flow"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/session"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Pages serves the hosted pages. Safe for concurrent use.
type Pages struct {
	Flows    *flow.Engine
	Sessions *session.Sessions
}

// SignOn serves GET and POST of /signon/?flowId=…: the page of the flow's status, and its forms.
func (p *Pages) SignOn(w http.ResponseWriter, r *http.Request, env *store.Environment) error {
	panic("contract")
}

// Error shows an error that must not travel to a client: an element with id
// "error" that has the word Error and the code. env is nil where none is known.
func (p *Pages) Error(w http.ResponseWriter, r *http.Request, env *store.Environment, e *oauth.Error, id string) {
	panic("contract")
}

// ConfirmSignOff asks whether to sign off: a form that posts the hidden fields to
// action, with the button logout-confirm.
func (p *Pages) ConfirmSignOff(w http.ResponseWriter, r *http.Request, env *store.Environment, action string, hidden [][2]string) {
	panic("contract")
}

// SignedOff says "You have been signed off", loads the front-channel addresses in
// iframes, and then, where next is set, goes there: by script after the frames have loaded (5 s at most), by a link without script.
func (p *Pages) SignedOff(w http.ResponseWriter, r *http.Request, env *store.Environment, frames []string, next string) {
	panic("contract")
}

// Link is the address of the page of a flow.
func Link(env *store.Environment, flowID string) string { panic("contract") }
