package management

import (
	"slices"

	"github.com/caddy-gatehouse/gatehouse/authserver/access"
	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

const (
	applicationsPath = "/environments/{environmentID}/applications"
	applicationPath  = applicationsPath + "/{applicationID}"
)

// onApplication is the application of the path, on which a role may be.
func onApplication(c *call) access.Target {
	return access.Target{Application: c.param("applicationID")}
}

// applicationRoutes are those of applications themselves, of their attribute mappings,
// their grants and their secrets.
func (a *API) applicationRoutes() []route {
	applications := collectionOf{
		kind: store.KindApplication, path: applicationsPath, id: "applicationID", embedded: "applications", name: "application",
		document: func() directory.Document { return new(directory.Application) },
		read:     access.ReadApplication, create: access.CreateApplication, update: access.UpdateApplication, remove: access.DeleteApplication,
		target:       onApplication,
		links:        applicationLinks,
		beforeCreate: prepareApplication, beforeUpdate: keepCredentials,
		visible: func(c *call, it *directory.Item) bool {
			return c.who.May(access.ReadApplication, c.env, access.Target{Application: it.ID})
		},
	}
	routes := routesOf(applications)
	list := &routes[slices.IndexFunc(routes, func(rt route) bool { return rt.isPage != "" })]
	list.query = append(slices.Clone(list.query), parameter{"expand", "attributes: with the attribute mappings of each."})
	list.serve = func(c *call) error {
		if c.r.URL.Query().Get("expand") == "attributes" {
			return listWithAttributes(c, applications)
		}
		return applications.serveList(c)
	}
	return slices.Concat(
		routes,
		applicationAttributeRoutes(),
		grantRoutes(),
		secretRoutes(secretsOf{
			kind: store.KindApplication, path: applicationPath, id: "applicationID", name: "application",
			read: access.ReadAppSecret, update: access.UpdateAppSecret, target: onApplication,
			uses: func(d directory.Document) bool {
				application, ok := d.(*directory.Application)
				return ok && application.UsesSecret()
			},
		}),
	)
}

// listWithAttributes is a list of applications with the attribute mappings of each.
func listWithAttributes(c *call, o collectionOf) error {
	p, err := c.page(maxPage)
	if err != nil {
		return err
	}
	items, next, err := c.api.Live.Items(c.r.Context(), c.env, o.kind, "", p.after, p.limit)
	if err != nil {
		return err
	}
	var shown []any
	for _, it := range items {
		if !o.visible(c, it) {
			continue
		}
		attributes, err := attributesOf(c, it)
		if err != nil {
			return err
		}
		more := map[string]any{"_embedded": map[string]any{"attributes": attributes}}
		shown = append(shown, c.view(it, o.self(c, it), o.linksOf(c, it), more))
	}
	return c.collection(o.embedded, shown, next)
}

func applicationLinks(c *call, it *directory.Item) map[string]string {
	self := "/environments/" + c.env.ID + "/applications/" + it.ID
	return map[string]string{
		"attributes": self + "/attributes", "secret": self + "/secret", "grants": self + "/grants",
		"roleAssignments": self + "/roleAssignments",
	}
}

// prepareApplication takes the ID that a new application brings along, and the
// roles of the caller where it asks for them.
func prepareApplication(c *call, n *directory.New) error {
	application := n.Document.(*directory.Application)
	n.ID = string(application.ClientID)
	if application.Worker() && application.ForPeople() {
		if err := c.mayActForPeople(); err != nil {
			return err
		}
	}
	if application.AssignActorRoles == nil || !*application.AssignActorRoles || !application.Worker() {
		return nil
	}
	for _, assignment := range c.who.Assignments() {
		application.ActorRoles = append(application.ActorRoles, directory.New{Document: assignment})
	}
	return nil
}

// mayActForPeople asks for what it takes to let a worker act for people. It has the roles of each of them, who may
// not even notice: to open a link is enough for who has signed on. So that is like giving roles, and nobody gives more than they have.
func (c *call) mayActForPeople() error {
	if !c.who.ByRole(access.CreateAssignment, c.env, access.Target{}) {
		return forbiddenBecause("A worker that acts for people has their roles: that takes a role that may give roles")
	}
	return c.outranksEverybody(func(it *directory.Item, a *directory.RoleAssignment) bool { return a.Holder == directory.HolderUser })
}

// keepCredentials refuses to change how an application authenticates to callers
// who do not have the roles that it has, and how it comes to act for people to
// those who do not have theirs: they would have them by it.
func keepCredentials(c *call, old *directory.Item, replaced directory.Document) error {
	before, after := old.Document.(*directory.Application), replaced.(*directory.Application)
	if before.Worker() && after.ForPeople() && !(before.SameWays(after) && before.SameCredentials(after)) {
		if err := c.mayActForPeople(); err != nil {
			return err
		}
	}
	if before.SameCredentials(after) {
		return nil
	}
	return c.outranks(directory.HolderApplication, old.ID)
}
