package endpoint

import (
	"net/http"
	"net/url"

	"github.com/caddy-gatehouse/gatehouse/authserver/authorize"
	"github.com/caddy-gatehouse/gatehouse/authserver/flow"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
)

// away answers where there are no pages (store.Environment.Home): for a session that is
// enough, here and now. Whatever needs a page, or a session that is not known here, goes on at home, in
// the name of this issuer.
func (c *authorization) away(w http.ResponseWriter, form *web.Form) error {
	ctx := c.r.Context()
	b, err := c.Sessions.Read(c.r, c.env)
	if err != nil {
		return oauth.TemporarilyUnavailable(err)
	}
	if b.Session == nil {
		return sendHome(w, c.r, c.env, "authorize") // with nothing judged or spent
	}
	c.browser = b

	// validate
	req, parameters, client, err := c.Reader.ReadToKeep(ctx, c.env, form)
	if err != nil {
		return err
	}
	if c.mode = req.ReplyTo.Mode; c.mode == oauth.ModePingFlow {
		c.mode = ""
		return oauth.InvalidRequest("The response_mode is not supported")
	}

	// act
	f, err := c.Flows.Silent(ctx, c.env, req, client, b)
	if err != nil {
		return err
	}
	if !f.Status.Terminal() {
		return c.continueHome(w, f, parameters)
	}
	response, err := c.Flows.Answer(ctx, c.env, f, b, w.Header().Get("Correlation-Id"))
	if err != nil {
		return &authorize.Failure{Err: oauth.From(err), ReplyTo: &req.ReplyTo, Client: client}
	}

	// respond
	b.WriteCookies(w, c.env)
	response.Write(w, c.r)
	return nil
}

// continueHome sends a browser to the page that a request needs. The request was judged, and what can be
// used once was: it is kept as it counts, for the browser to name.
func (c *authorization) continueHome(w http.ResponseWriter, f *flow.Flow, p *authorize.Parameters) error {
	uri, err := c.Reader.Keep(c.r.Context(), c.env, f.Client, p)
	if err != nil {
		return &authorize.Failure{Err: oauth.From(err), ReplyTo: &f.Request.ReplyTo, Client: f.Client}
	}
	switch f.Status {
	case flow.ConsentRequired, flow.AccountSelectionRequired:
		// The page is for the person who is signed on here. Any other signs somebody on, which
		// must not take this session's secret away from who holds it.
		c.browser.HandOver(w, c.env)
	}
	goHome(w, c.env, "authorize", url.Values{"client_id": {f.Client.ID}, "request_uri": {uri}}, seeOther(c.r))
	return nil
}
