package management

import (
	"net/http"

	"github.com/caddy-gatehouse/gatehouse/authserver/access"
	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// call is one request on its way.
type call struct {
	api    *API
	w      http.ResponseWriter
	r      *http.Request
	route  *route
	env    *store.Environment // of the path; nil where there is none
	who    *access.Caller     // nil on open routes
	params map[string]string
}

// param is a variable segment of the path; "" where the path has no such one.
func (c *call) param(name string) string { return c.params[name] }

// require checks a permission that the path alone does not settle. hidden makes the refusal a 404, as if
// what the caller may not see were not there.
func (c *call) require(p access.Permission, t access.Target, hidden bool) error {
	switch {
	case c.who.May(p, c.env, t):
		return c.requireRank(p, t)
	case hidden:
		return web.NotFound()
	}
	return forbidden()
}

// requireRank refuses to let at what somebody signs on with whoever has not every
// role that they have: with their password or secret the caller would have it too.
// People may do to themselves what they have been given a scope for.
func (c *call) requireRank(p access.Permission, t access.Target) error {
	holder, id := directory.HolderApplication, t.Application
	switch p {
	case access.UpdateApplication, access.ReadAppSecret, access.UpdateAppSecret:
	case access.UpdateUser, access.SetPassword, access.ResetPassword:
		holder, id = directory.HolderUser, t.User
		if c.who.Self(p, c.env, t) {
			return nil
		}
	default:
		return nil
	}
	if id == "" || c.env == nil {
		return nil
	}
	outranks, err := c.api.Callers.Outranks(c.r.Context(), c.who, c.env, holder, id)
	if err == nil && !outranks {
		return forbiddenBecause("It has roles that the caller does not have")
	}
	return err
}

// actor is the caller for the audit log.
func (c *call) actor() directory.Actor {
	a := directory.Actor{
		Environment: c.who.Environment.ID, Client: c.who.Client.ID, ClientName: c.who.Client.Name,
		Correlation: c.w.Header().Get("Correlation-Id"),
	}
	if c.who.User != nil {
		a.User, a.UserName = c.who.User.ID, c.who.User.Username
	}
	return a
}
