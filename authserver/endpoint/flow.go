package endpoint

import (
	"net/http"
	"path"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/authorize"
	"github.com/caddy-gatehouse/gatehouse/authserver/flow"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/session"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Flows is PingOne's flows API: /{envID}/flows/{flowID}. GET reads a flow, POST
// takes the step that the media type of its body names.
type Flows struct {
	Flows    *flow.Engine
	Sessions *session.Sessions
}

// A step's media type is its name between these two.
const (
	actionPrefix = "application/vnd.pingidentity."
	actionSuffix = "+json"
)

// actions finds a step by its media type, which is compared without case (RFC
// 9110 §8.3.1).
var actions = func() map[string]flow.Action {
	m := map[string]flow.Action{}
	for _, a := range flow.Actions() {
		m[strings.ToLower(actionPrefix+string(a)+actionSuffix)] = a
	}
	return m
}()

// Serve answers one request of a sign-on page or a pi.flow client.
func (e *Flows) Serve(w http.ResponseWriter, r *http.Request, env *store.Environment) error {
	// parse
	id := path.Base(r.URL.Path)
	if !secret.IsID(id) {
		return web.NotFound()
	}
	b, err := e.Sessions.Read(r, env)
	if err != nil {
		return oauth.CannotTell("read session", err)
	}
	if r.Method != http.MethodPost {
		return e.read(w, r, env, id, b)
	}
	do, ok := actions[web.MediaType(r)]
	if !ok {
		return &oauth.Error{
			Code: oauth.CodeInvalidRequest, Status: http.StatusUnsupportedMediaType, Reason: "content_type",
			Description: "The media type names no action of a flow",
		}
	}
	in, err := readInput(r, do)
	if err != nil {
		return err
	}

	// validate: errors too are for the eyes of the client's own scripts alone
	if r.Header.Get("Origin") != "" {
		f, err := e.Flows.Read(r.Context(), env, id, b)
		if err != nil {
			return err
		}
		allowOrigin(w, r, f.Client)
	}

	// act
	f, err := e.Flows.Act(r.Context(), env, id, b, do, in)
	b.WriteCookies(w, env) // after an error too: the sign-on may have come before it
	if err != nil {
		return err
	}
	var response *authorize.Response
	if f.Status.Terminal() && f.Request.ReplyTo.Mode == oauth.ModePingFlow {
		if response, err = e.Flows.Answer(r.Context(), env, f, b, w.Header().Get("Correlation-Id")); err != nil {
			return err
		}
	}

	// respond
	web.WriteJSON(w, http.StatusOK, flowBody(env, f, response))
	return nil
}

func (e *Flows) read(w http.ResponseWriter, r *http.Request, env *store.Environment, id string, b *session.Browser) error {
	f, err := e.Flows.Read(r.Context(), env, id, b)
	if err != nil {
		return err
	}
	allowOrigin(w, r, f.Client)
	b.WriteCookies(w, env)
	web.WriteJSON(w, http.StatusOK, flowBody(env, f, nil))
	return nil
}

// readInput reads the body of a step. A consent has to say yes or no: an empty
// body is neither.
func readInput(r *http.Request, do flow.Action) (flow.Input, error) {
	var body struct {
		flow.Input
		Accept *bool `json:"accept"`
	}
	if err := web.ReadJSON(r, &body); err != nil {
		return flow.Input{}, err
	}
	if do == flow.Consent && body.Accept == nil {
		return flow.Input{}, oauth.InvalidData(oauth.Detail{Code: "REQUIRED_VALUE", Target: "accept", Message: "The value is required"})
	}
	body.Input.Accept = body.Accept != nil && *body.Accept
	body.Input.Locale = language(r)
	return body.Input, nil
}

// language is the first language that the request asks for, "" for none.
func language(r *http.Request) string {
	first, _, _ := strings.Cut(r.Header.Get("Accept-Language"), ",")
	tag, _, _ := strings.Cut(first, ";")
	if tag = strings.TrimSpace(tag); len(tag) > 35 || tag == "*" { // RFC 5646 §4.4.1
		return ""
	}
	return tag
}
