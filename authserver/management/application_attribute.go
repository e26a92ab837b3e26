package management

import (
	"github.com/caddy-gatehouse/gatehouse/authserver/access"
	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// applicationAttributeRoutes are those of attribute mappings.
func applicationAttributeRoutes() []route {
	return routesOf(collectionOf{
		kind: store.KindApplicationAttribute, path: applicationPath + "/attributes", id: "attributeID", parent: "applicationID",
		embedded: "attributes", name: "applicationAttribute",
		document: func() directory.Document { return new(directory.ApplicationAttribute) },
		read:     access.ReadApplication, create: access.UpdateApplication, update: access.UpdateApplication, remove: access.UpdateApplication,
		target: onApplication, links: linkApplication,
	})
}

// linkApplication leads to the application that an object belongs to.
func linkApplication(c *call, it *directory.Item) map[string]string {
	return map[string]string{"application": "/environments/" + c.env.ID + "/applications/" + it.Parent}
}

// attributesOf are the mappings of an application, for a list of applications.
func attributesOf(c *call, application *directory.Item) ([]any, error) {
	self := "/environments/" + c.env.ID + "/applications/" + application.ID + "/attributes/"
	shown := []any{}
	for after := ""; ; {
		items, next, err := c.api.Live.Items(c.r.Context(), c.env, store.KindApplicationAttribute, application.ID, after, maxPage)
		if err != nil {
			return nil, err
		}
		for _, it := range items {
			shown = append(shown, c.view(it, self+it.ID, linkApplication(c, it), nil))
		}
		if after = next; next == "" {
			return shown, nil
		}
	}
}
