package endpoint

import (
	"net/http"

	"github.com/caddy-gatehouse/gatehouse/authserver/flow"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/session"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Resume is where a browser goes when its flow is finished: /as/resume?flowId=…
// hands out the answer to the authorization request, once.
type Resume struct {
	Flows    *flow.Engine
	Sessions *session.Sessions
	Pages    ErrorPage
}

// Serve answers one request. What is wrong with it never travels to the client:
// only the flow knows where the answer may go.
func (e *Resume) Serve(w http.ResponseWriter, r *http.Request, env *store.Environment) error {
	if err := e.serve(w, r, env); err != nil {
		if web.WantsJSON(r) {
			return err
		}
		return onPage(e.Pages, r, env, err)
	}
	return nil
}

func (e *Resume) serve(w http.ResponseWriter, r *http.Request, env *store.Environment) error {
	// parse
	if r.Method != http.MethodGet {
		// HEAD comes with GET everywhere else; here it would use up the answer unseen.
		return &oauth.Error{
			Code: oauth.CodeInvalidRequest, Status: http.StatusMethodNotAllowed, Reason: "method",
			Description: "The request method is not allowed",
		}
	}
	form, err := web.ReadParameters(r)
	if err != nil {
		return err
	}
	id := form.Get("flowId")
	if !secret.IsID(id) {
		return web.NotFound()
	}
	b, err := e.Sessions.Read(r, env)
	if err != nil {
		return oauth.CannotTell("read session", err)
	}

	// validate
	f, err := e.Flows.Read(r.Context(), env, id, b)
	if err != nil {
		return err
	}
	allowOrigin(w, r, f.Client)
	if !f.Status.Terminal() {
		b.WriteCookies(w, env)
		w.Header().Set("Location", flow.Page(env, f))
		w.Header().Set("Referrer-Policy", "no-referrer")
		w.WriteHeader(http.StatusFound)
		return nil
	}

	// act
	response, err := e.Flows.Answer(r.Context(), env, f, b, w.Header().Get("Correlation-Id"))
	if err != nil {
		return err
	}

	// respond
	b.WriteCookies(w, env)
	if response.ReplyTo.Mode == oauth.ModePingFlow {
		web.WriteJSON(w, http.StatusOK, flowBody(env, f, response))
		return nil
	}
	response.Write(w, r)
	return nil
}
