package endpoint

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/authorize"
	"github.com/caddy-gatehouse/gatehouse/authserver/flow"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/session"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Authorization is the authorization endpoint (RFC 6749 §3.1, OIDC Core §3.1.2).
type Authorization struct {
	Reader   *authorize.Reader
	Sessions *session.Sessions
	Flows    *flow.Engine
	// Pages shows what must not travel to a client.
	Pages ErrorPage
}

// Serve answers one authorization request, GET or POST: with the response where
// nothing is needed of the person, otherwise with the way to the sign-on page. A
// caller with response_mode=pi.flow gets the flow itself.
func (e *Authorization) Serve(w http.ResponseWriter, r *http.Request, env *store.Environment) error {
	c := &authorization{Authorization: e, r: r, env: env, said: speaking(r, env)}
	if err := c.serve(w); err != nil {
		return &web.Presented{Err: err, Write: func(w http.ResponseWriter, shown *oauth.Error, id string) {
			c.refuse(w, err, shown, id)
		}}
	}
	return nil
}

// authorization is one request.
type authorization struct {
	*Authorization
	r       *http.Request
	env     *store.Environment
	said    *store.Environment // env at the issuer that answers
	mode    string             // as asked for, or, once that is known, as it will be
	browser *session.Browser
}

func (c *authorization) serve(w http.ResponseWriter) error {
	ctx := c.r.Context()

	// parse
	if c.r.Method == http.MethodHead {
		// It comes with GET; here it would spend what can be used once, unseen.
		return &oauth.Error{
			Code: oauth.CodeInvalidRequest, Status: http.StatusMethodNotAllowed, Reason: "method",
			Description: "The request method is not allowed",
		}
	}
	form, err := web.ReadParameters(c.r)
	if err != nil {
		return err
	}

	c.mode = form.Get("response_mode")
	if c.env.Home != "" {
		return c.away(w, form)
	}

	// validate
	req, client, err := c.Reader.Read(ctx, c.said, form)
	if err != nil {
		return err
	}
	c.mode = req.ReplyTo.Mode
	if c.said != c.env {
		req.Issuer = c.said.Issuer
	}
	if c.browser, err = c.Sessions.Read(c.r, c.env); err != nil {
		fault := oauth.TemporarilyUnavailable(err)
		return &authorize.Failure{Err: fault, ReplyTo: &req.ReplyTo, Client: client}
	}

	// act
	f, err := c.Flows.Start(ctx, c.env, req, client, c.browser)
	if err != nil {
		return err
	}
	var response *authorize.Response
	if f.Status.Terminal() {
		response, err = c.Flows.Answer(ctx, c.env, f, c.browser, w.Header().Get("Correlation-Id"))
		if err != nil {
			return &authorize.Failure{Err: oauth.From(err), ReplyTo: &req.ReplyTo, Client: client}
		}
	}

	// respond
	c.respond(w, client, f, response)
	return nil
}

// respond sends the response, or, where there is none yet, the way to the flow.
func (c *authorization) respond(w http.ResponseWriter, client *store.Client, f *flow.Flow, response *authorize.Response) {
	c.browser.WriteCookies(w, c.env)
	switch {
	case c.mode == oauth.ModePingFlow:
		allowOrigin(w, c.r, client)
		web.WriteJSON(w, http.StatusOK, flowBody(c.env, f, response))
	case response != nil:
		response.Write(w, c.r)
	default:
		w.Header().Set("Location", flow.Page(c.env, f))
		w.Header().Set("Referrer-Policy", "no-referrer")
		w.WriteHeader(seeOther(c.r))
	}
}

// seeOther is the status that sends a browser on without what it has posted.
func seeOther(r *http.Request) int {
	if r.Method == http.MethodPost {
		return http.StatusSeeOther
	}
	return http.StatusFound
}

// refuse shows an error: to the client where it may travel, to the caller of
// pi.flow and whoever wants JSON as PingOne's body, to everybody else as a page.
func (c *authorization) refuse(w http.ResponseWriter, err error, shown *oauth.Error, id string) {
	if c.browser != nil {
		c.browser.WriteCookies(w, c.env)
	}
	failure, ok := errors.AsType[*authorize.Failure](err)
	if ok && failure.ReplyTo != nil {
		if c.mode = failure.ReplyTo.Mode; c.mode != oauth.ModePingFlow {
			authorize.Refuse(c.said, *failure.ReplyTo, shown, id).Write(w, c.r)
			return
		}
	}
	if c.mode != oauth.ModePingFlow && !web.WantsJSON(c.r) {
		c.Pages.Error(w, c.r, c.env, shown, id)
		return
	}
	if ok {
		allowOrigin(w, c.r, failure.Client)
	}
	if shown.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(shown.RetryAfter))
	}
	web.WriteJSON(w, shown.Status, web.PingOne(pingOne(shown), id))
}

// pingOne is an error of the authorization endpoint in PingOne's words: the
// detail has the OAuth code in capitals.
func pingOne(e *oauth.Error) *oauth.Error {
	c := *e
	if len(c.Details) == 0 && c.Status == http.StatusBadRequest {
		c.Details = []oauth.Detail{{Code: strings.ToUpper(c.Code), Message: c.Description}}
	}
	if c.PingOne == "" && c.Status == http.StatusBadRequest {
		switch c.Code {
		case oauth.CodeLoginRequired, oauth.CodeInteractionRequired, oauth.CodeConsentRequired, oauth.CodeAccountSelection,
			oauth.CodeAccessDenied, oauth.CodeUnmetAuthentication:
			c.PingOne = oauth.PingOneRequestFailed
		default:
			c.PingOne = oauth.PingOneInvalidRequest
		}
	}
	return &c
}
