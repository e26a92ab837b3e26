package management

import (
	"net/http"
	"slices"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/access"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
)

// role is a built-in role. Clients look for it by its name, and insist on permissions.
type role struct {
	Links        map[string]link `json:"_links"`
	ID           string          `json:"id"`
	Name         string          `json:"name"`
	Description  string          `json:"description"`
	ApplicableTo []string        `json:"applicableTo"`
	Permissions  []permission    `json:"permissions"`
}

// permission is what a role permits.
type permission struct {
	ID          string `json:"id"`         // "applications:read"
	Classifier  string `json:"classifier"` // "applications"
	Description string `json:"description"`
}

// roleRoutes are the built-in roles: the same for every organization.
func (a *API) roleRoutes() []route {
	return []route{
		{
			name: "role.list", method: http.MethodGet, path: "/roles", permission: access.ReadRoles, somewhere: true,
			serve: listRoles, summary: "Lists the roles that there are.", query: paging,
			status: http.StatusOK, response: role{}, isPage: "roles",
		},
		{
			name: "role.read", method: http.MethodGet, path: "/roles/{roleID}", permission: access.ReadRoles, somewhere: true,
			serve: readRole, summary: "Reads a role.", status: http.StatusOK, response: role{},
		},
	}
}

func listRoles(c *call) error {
	return listAll(c, "roles", access.Roles(), func(r access.Role) string { return r.ID }, c.role)
}

func readRole(c *call) error {
	all := access.Roles()
	i := slices.IndexFunc(all, func(r access.Role) bool { return r.ID == c.param("roleID") })
	if i < 0 {
		return web.NotFound()
	}
	return c.reply(http.StatusOK, c.role(all[i]))
}

func (c *call) role(r access.Role) any {
	v := role{
		Links: c.links("/roles/"+r.ID, nil), ID: r.ID, Name: r.Name, Description: r.Description,
		ApplicableTo: r.ApplicableTo, Permissions: []permission{},
	}
	for _, p := range r.Permissions {
		classifier, what, _ := strings.Cut(string(p), ":")
		v.Permissions = append(v.Permissions, permission{
			ID: string(p), Classifier: classifier, Description: strings.ReplaceAll(what, ":", " ") + " " + classifier,
		})
	}
	return v
}

// listAll writes a page of a collection that is in memory as a whole. id tells its
// elements apart, and show makes of one what is shown.
func listAll[T any](c *call, name string, all []T, id func(T) string, show func(T) any) error {
	p, err := c.page(maxPage)
	if err != nil {
		return err
	}
	if p.after != "" {
		i := slices.IndexFunc(all, func(one T) bool { return id(one) == p.after })
		if i < 0 {
			return invalidParameter("cursor", "is not one of this collection and filter")
		}
		all = all[i+1:]
	}
	next := ""
	if len(all) > p.limit {
		all = all[:p.limit]
		next = id(all[p.limit-1])
	}
	items := make([]any, 0, len(all))
	for _, one := range all {
		items = append(items, show(one))
	}
	return c.collection(name, items, next)
}
