package caddymodule

import (
	"fmt"
	"net/http"

	"github.com/caddy-gatehouse/gatehouse/authserver/mcp"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/resourceserver"
)

// toolDemand has the body of one request read once its token is good, and not for anybody else: as a condition, which stands before the policy
// of the scopes that it finds out.
type toolDemand struct {
	mcp    *MCP
	w      http.ResponseWriter
	scopes resourceserver.Policy
	failed error // the body is not one that can be judged, or that may be passed on
}

// Allows implements resourceserver.Condition.
func (d *toolDemand) Allows(r *http.Request, t *resourceserver.Token) (bool, error) {
	demand, err := d.read(r)
	switch {
	case err != nil:
		d.failed = err
		return false, &resourceserver.Unmet{Why: resourceserver.InvalidRequest, Cause: err}
	case demand.Forbidden:
		return false, &resourceserver.Unmet{Why: resourceserver.ToolNotAllowed, Cause: fmt.Errorf("nobody may call %q", demand.Tool)}
	}
	d.scopes.Scopes = d.mcp.asked(demand.Scopes, t.Claims.Scope)
	return true, nil
}

func (d *toolDemand) read(r *http.Request) (mcp.Demand, error) {
	demand, err := d.mcp.demand(d.w, r)
	if err == nil {
		return demand, nil
	}
	failure := *oauth.From(err)
	if failure.Reason == "" {
		failure.Reason = resourceserver.InvalidRequest.String()
	}
	return demand, &failure
}

// policies are those that a request's calls need, in the order in which they are judged.
func (d *toolDemand) policies() []*resourceserver.Policy {
	return []*resourceserver.Policy{{Allow: []resourceserver.Condition{d}, Waits: true}, &d.scopes}
}

// anonymous reports whether the calls of a request without a token take none.
func (d *toolDemand) anonymous(r *http.Request) bool {
	demand, err := d.read(r)
	if err != nil {
		d.failed = err
		return true // and refused
	}
	return !demand.Forbidden && len(demand.Scopes) == 0
}

// bodyGone reports whether a request cannot be passed on any more since its body was read: the rest of one that is too long.
func bodyGone(r *http.Request, err error) bool {
	return oauth.From(err).Status == http.StatusRequestEntityTooLarge && r.ContentLength < 0
}
