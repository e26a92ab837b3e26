package ui

import (
	"net/http"
	"net/url"
	"strings"

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

// Link is the address of the page of a flow.
func Link(env *store.Environment, flowID string) string {
	return base(env) + "/signon/?flowId=" + url.QueryEscape(flowID)
}

// resume is where a finished flow is answered.
func resume(env *store.Environment, flowID string) string {
	return env.Issuer + "/resume?flowId=" + url.QueryEscape(flowID)
}

// base is what all addresses of an environment begin with; with a custom domain
// that is the host alone.
func base(env *store.Environment) string { return strings.TrimSuffix(env.Issuer, "/as") }

// Error shows an error that must not travel to a client: an element with id
// "error" that has the word Error and the code. env is nil where none is known.
// id is the correlation id, by which an operator finds the log line.
func (*Pages) Error(w http.ResponseWriter, r *http.Request, env *store.Environment, e *oauth.Error, id string) {
	showError(w, r, env, e, id, errorKind(e))
}
