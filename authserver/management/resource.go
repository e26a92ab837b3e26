package management

import (
	"slices"

	"github.com/caddy-gatehouse/gatehouse/authserver/access"
	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

const (
	resourcesPath = "/environments/{environmentID}/resources"
	resourcePath  = resourcesPath + "/{resourceID}"
)

// resourceRoutes are resources with their scopes, attributes and secrets. Whoever
// may change a resource may change what belongs to it, but for its secret.
func (a *API) resourceRoutes() []route {
	own := collectionOf{
		kind: store.KindResource, path: resourcesPath, id: "resourceID", embedded: "resources", name: "resource",
		document: func() directory.Document { return new(directory.Resource) },
		read:     access.ReadResource, create: access.CreateResource, update: access.UpdateResource, remove: access.DeleteResource,
		links: resourceLinks, beforeCreate: bringCredentials,
	}
	scopes := collectionOf{
		kind: store.KindScope, path: resourcePath + "/scopes", id: "scopeID", parent: "resourceID", embedded: "scopes", name: "scope",
		document: func() directory.Document { return new(directory.Scope) },
		read:     access.ReadResource, create: access.UpdateResource, update: access.UpdateResource, remove: access.UpdateResource,
		links: linkResource, more: nameResource,
	}
	attributes := collectionOf{
		kind: store.KindResourceAttribute, path: resourcePath + "/attributes", id: "attributeID", parent: "resourceID",
		embedded: "attributes", name: "resourceAttribute",
		document: func() directory.Document { return new(directory.ResourceAttribute) },
		read:     access.ReadResource, create: access.UpdateResource, update: access.UpdateResource, remove: access.UpdateResource,
		links: linkResource, more: nameResource,
	}
	secrets := secretsOf{
		kind: store.KindResource, path: resourcePath, id: "resourceID", name: "resource",
		read: access.ReadResourceSecret, update: access.UpdateResSecret,
		uses: func(d directory.Document) bool {
			resource, ok := d.(*directory.Resource)
			return ok && resource.UsesSecret()
		},
	}
	return slices.Concat(routesOf(own), routesOf(scopes), routesOf(attributes), secretRoutes(secrets))
}

// resourceLinks are where what belongs to a resource is. Only custom ones have a secret.
func resourceLinks(c *call, it *directory.Item) map[string]string {
	self := "/environments/" + c.env.ID + "/resources/" + it.ID
	links := map[string]string{"scopes": self + "/scopes", "attributes": self + "/attributes"}
	if d, ok := it.Document.(*directory.Resource); ok && d.Type == directory.ResourceTypeCustom {
		links["secret"] = self + "/secret"
	}
	return links
}

func linkResource(c *call, it *directory.Item) map[string]string {
	return map[string]string{"resource": "/environments/" + c.env.ID + "/resources/" + it.Parent}
}

// nameResource is the member by which clients tell attributes of resources from
// those of others.
func nameResource(_ *call, it *directory.Item) map[string]any {
	return map[string]any{"resource": reference{it.Parent}}
}

// bringCredentials gives a new resource the ID that it brings along from
// elsewhere: its client_id at the introspection endpoint.
func bringCredentials(_ *call, n *directory.New) error {
	if d, ok := n.Document.(*directory.Resource); ok {
		n.ID = string(d.ClientID)
	}
	return nil
}
