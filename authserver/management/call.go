package management

import (
	"net/http"

	"github.com/caddy-gatehouse/gatehouse/authserver/access"
	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
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
// People may do to themselves what they have been given a scope for. Of an
// application's settings keepCredentials takes care.
func (c *call) requireRank(p access.Permission, t access.Target) error {
	switch p {
	case access.ReadAppSecret, access.UpdateAppSecret:
		if t.Application != "" && c.env != nil {
			return c.outranks(directory.HolderApplication, t.Application)
		}
	case access.UpdateUser, access.SetPassword, access.ResetPassword:
		if t.User != "" && c.env != nil && !c.who.Self(p, c.env, t) {
			return c.outranks(directory.HolderUser, t.User)
		}
	}
	return nil
}

// outranks refuses whoever has less than the roles of an application or a user.
func (c *call) outranks(holder, id string) error {
	switch higher, err := c.api.Callers.Outranks(c.r.Context(), c.who, c.env, holder, id); {
	case err != nil:
		return err
	case !higher:
		return forbiddenBecause("It has roles that the caller does not have")
	}
	return nil
}

// lessThanOthers is said to who is not told whose roles are more.
const lessThanOthers = "Somebody in the environment has a role that the caller does not have"

// outranksEverybody refuses whoever has less than the roles of anyone in the environment, as far as counts says that they do.
func (c *call) outranksEverybody(counts func(*directory.Item, *directory.RoleAssignment) bool) error {
	for after := ""; ; {
		items, next, err := c.api.Live.Items(c.r.Context(), c.env, store.KindRoleAssignment, "", after, maxPage)
		if err != nil {
			return oauth.CannotTell("list role assignments", err)
		}
		for _, it := range items {
			if a, ok := it.Document.(*directory.RoleAssignment); !ok || counts(it, a) && !c.who.MayGive(a) {
				return forbiddenBecause(lessThanOthers)
			}
		}
		if after = next; next == "" {
			return nil
		}
	}
}

// Whose roles outranksEverybody looks at.
func everybody(*directory.Item, *directory.RoleAssignment) bool       { return true }
func undeclared(it *directory.Item, _ *directory.RoleAssignment) bool { return it.Declared == "" }

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
