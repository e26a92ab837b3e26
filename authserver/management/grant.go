package management

import (
	"github.com/caddy-gatehouse/gatehouse/authserver/access"
	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// grantRoutes are those of what applications may ask for.
func grantRoutes() []route {
	return routesOf(collectionOf{
		kind: store.KindGrant, path: applicationPath + "/grants", id: "grantID", parent: "applicationID",
		embedded: "grants", name: "grant",
		document: func() directory.Document { return new(directory.Grant) },
		read:     access.ReadApplication, create: access.UpdateApplication, update: access.UpdateApplication, remove: access.UpdateApplication,
		target: onApplication,
		links: func(c *call, it *directory.Item) map[string]string {
			links := linkApplication(c, it)
			if grant, ok := it.Document.(*directory.Grant); ok {
				links["resource"] = "/environments/" + c.env.ID + "/resources/" + grant.Resource.ID
			}
			return links
		},
	})
}
