package management

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/caddy-gatehouse/gatehouse/authserver/access"
	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// assigned are the role assignments of one kind of holder.
type assigned struct {
	holder string // as directory.RoleAssignment says it
	path   string // of the holder
	id     string // the variable of its ID
	name   string // of the routes
	whose  string // in words
	member string // that names the holder in what is shown
	find   func(c *call, p access.Permission, id string) error
}

// roleAssignmentRoutes are the roles of workers and of users. There is no PUT: an
// assignment is given and taken. Changes count for the holder's next call.
func (a *API) roleAssignmentRoutes() []route {
	applications := assigned{
		holder: directory.HolderApplication, path: "/environments/{environmentID}/applications/{applicationID}", id: "applicationID",
		name: "applicationRoleAssignment", whose: "an application", member: "application", find: findWorker,
	}
	users := assigned{
		holder: directory.HolderUser, path: "/environments/{environmentID}/users/{userID}", id: "userID",
		name: "userRoleAssignment", whose: "a user", member: "user", find: findHolder,
	}
	return append(applications.routes(), users.routes()...)
}

func (o assigned) routes() []route {
	path := o.path + "/roleAssignments"
	one := path + "/{roleAssignmentID}"
	// Where a user is, population-wise, no path tells.
	somewhere := o.holder == directory.HolderUser
	return []route{
		{
			name: o.name + ".list", method: http.MethodGet, path: path, permission: access.ReadAssignment, somewhere: somewhere,
			serve: o.list, summary: "Lists the roles of " + o.whose + ".", query: paging,
			status: http.StatusOK, response: new(directory.RoleAssignment), isPage: "roleAssignments",
		},
		{
			name: o.name + ".create", method: http.MethodPost, path: path, permission: access.CreateAssignment, somewhere: somewhere,
			serve: o.create, summary: "Gives a role to " + o.whose + ": one that the caller has, on the same or less.",
			request: map[string]any{typeJSON: new(directory.RoleAssignment)},
			status:  http.StatusCreated, response: new(directory.RoleAssignment),
		},
		{
			name: o.name + ".read", method: http.MethodGet, path: one, permission: access.ReadAssignment, somewhere: somewhere,
			serve: o.read, summary: "Reads a role assignment of " + o.whose + ".",
			status: http.StatusOK, response: new(directory.RoleAssignment),
		},
		{
			name: o.name + ".delete", method: http.MethodDelete, path: one, permission: access.DeleteAssignment, somewhere: somewhere,
			serve: o.remove, summary: "Takes a role from " + o.whose + ".", status: http.StatusNoContent,
		},
	}
}

// findWorker finds the application. The path has settled whether the caller may.
func findWorker(c *call, _ access.Permission, id string) error {
	_, err := c.api.Live.ClientByID(c.r.Context(), c.env.ID, id)
	return known(err, "application")
}

// findHolder finds the user, whose population says whether the caller may.
func findHolder(c *call, p access.Permission, id string) error {
	u, err := c.api.Live.UserByID(c.r.Context(), c.env.ID, id)
	if err != nil {
		return known(err, "user")
	}
	return c.require(p, access.Target{Population: directory.PopulationOf(u), User: u.ID}, true)
}

func known(err error, what string) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, store.ErrNotFound):
		return web.NotFound()
	}
	return oauth.CannotTell("find "+what, err)
}

func (o assigned) list(c *call) error {
	p, err := c.page(maxPage)
	if err != nil {
		return err
	}
	holder := c.param(o.id)
	if err := o.find(c, access.ReadAssignment, holder); err != nil {
		return err
	}
	items, next, err := c.api.Live.Items(c.r.Context(), c.env, store.KindRoleAssignment, holder, p.after, p.limit)
	if err != nil {
		return err
	}
	var shown []any
	for _, it := range items {
		if o.has(it) {
			shown = append(shown, o.view(c, it))
		}
	}
	return c.collection("roleAssignments", shown, next)
}

// has reports whether an assignment is of this kind of holder, and not of the
// other kind under the same ID.
func (o assigned) has(it *directory.Item) bool {
	a, ok := it.Document.(*directory.RoleAssignment)
	return ok && a.Holder == o.holder
}

func (o assigned) self(c *call, it *directory.Item) string {
	return c.expand(o.path) + "/roleAssignments/" + it.ID
}

func (o assigned) view(c *call, it *directory.Item) map[string]any {
	links := map[string]string{o.member: c.expand(o.path)}
	if a, ok := it.Document.(*directory.RoleAssignment); ok {
		links["role"] = "/roles/" + a.Role.ID
	}
	return c.view(it, o.self(c, it), links, map[string]any{
		"readOnly": it.Declared != "", o.member: reference{it.Parent}, "holder": nil,
	})
}

// item finds the assignment of the path.
func (o assigned) item(c *call, p access.Permission) (*directory.Item, error) {
	holder := c.param(o.id)
	if err := o.find(c, p, holder); err != nil {
		return nil, err
	}
	it, err := c.api.Live.Item(c.r.Context(), c.env, store.KindRoleAssignment, holder, c.param("roleAssignmentID"))
	if err == nil && !o.has(it) {
		err = store.ErrNotFound
	}
	return it, err
}

func (o assigned) read(c *call) error {
	it, err := o.item(c, access.ReadAssignment)
	if err != nil {
		return err
	}
	return o.show(c, http.StatusOK, it)
}

func (o assigned) show(c *call, status int, it *directory.Item) error {
	c.showVersion(it.Version)
	return c.reply(status, o.view(c, it))
}

func (o assigned) create(c *call) error {
	holder := c.param(o.id)
	if err := o.find(c, access.CreateAssignment, holder); err != nil {
		return err
	}
	a := new(directory.RoleAssignment)
	if err := c.read(a); err != nil {
		return err
	}
	a.Holder = o.holder
	if err := c.mayGive(a, holder); err != nil {
		return err
	}
	it, err := c.api.Writer.Create(c.r.Context(), c.actor(), c.env, directory.New{Parent: holder, Document: a})
	if err != nil {
		return err
	}
	return o.show(c, http.StatusCreated, it)
}

// mayGive refuses what the caller does not have. Whether what a role is to be on
// is there at all learns only who could give it.
func (c *call) mayGive(a *directory.RoleAssignment, holder string) error {
	judged := a.Check(c.r.Context(), &directory.Checking{
		Environment: c.env, Live: c.api.Live, Parent: holder, Now: c.api.Now(),
	})
	if role, ok := directory.RoleByID(a.Role.ID); ok && a.Scope.ID != "" && a.Scope.Applies(role) && !c.who.MayGive(a) {
		return cannotGive()
	}
	return judged
}

// cannotGive does not begin like PingOne's text, which clients take for something that passes.
func cannotGive() error {
	return forbiddenBecause("The caller does not have this role on this scope or a broader one, and can neither give nor take it")
}

func (o assigned) remove(c *call) error {
	precondition, err := c.precondition()
	if err != nil {
		return err
	}
	it, err := o.item(c, access.DeleteAssignment)
	if err != nil {
		return err
	}
	a, ok := it.Document.(*directory.RoleAssignment)
	if !ok {
		return fmt.Errorf("the role assignment %s is a %T", it.ID, it.Document)
	}
	switch {
	case !c.who.MayGive(a):
		return cannotGive()
	case it.Declared != "":
		return readOnlyAssignment(it)
	}
	err = c.api.Writer.Delete(c.r.Context(), c.actor(), c.env, store.KindRoleAssignment, it.Parent, it.ID, precondition)
	if err != nil {
		return err
	}
	return c.noContent()
}

// readOnlyAssignment is 400 in words that clients know, and says where it can be changed.
func readOnlyAssignment(it *directory.Item) error {
	text := fmt.Sprintf("Role assignment %s cannot be deleted as it is read only: it is declared at %s", it.ID, it.Declared)
	e := *oauth.From(directory.Invalid(directory.Problemf(directory.ConstraintViolation, "id", "%s", text)))
	e.Message = text
	return &e
}
