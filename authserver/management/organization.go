package management

import (
	"errors"
	"net/http"

	"github.com/caddy-gatehouse/gatehouse/authserver/access"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// organization is what environments belong to. There is no such object: it
// follows from the environments, and everybody has one.
type organization struct {
	Links              map[string]link `json:"_links"`
	ID                 string          `json:"id"`
	Name               string          `json:"name"`
	Type               string          `json:"type"`
	BillingConnections []string        `json:"billingConnections"` // nobody is billed
}

// organizationRoutes are the caller's organization.
func (a *API) organizationRoutes() []route {
	return []route{
		{
			name: "organization.list", method: http.MethodGet, path: "/organizations", permission: access.ReadOrganization, somewhere: true,
			serve: listOrganizations, summary: "Lists the organization of the caller.",
			query:  append([]parameter{{"filter", "Which are listed: name eq, sw; id eq."}}, paging...),
			status: http.StatusOK, response: organization{}, isPage: "organizations",
		},
		{
			name: "organization.read", method: http.MethodGet, path: "/organizations/{organizationID}",
			permission: access.ReadOrganization, somewhere: true,
			serve: readOrganization, summary: "Reads the organization of the caller.", status: http.StatusOK, response: organization{},
		},
	}
}

func listOrganizations(c *call) error {
	matches, err := c.plainFilter(attribute{"name", []string{"eq", "sw"}}, attribute{"id", []string{"eq"}})
	if err != nil {
		return err
	}
	o, err := c.organization()
	if err != nil {
		return err
	}
	all := []organization{o}
	if matches != nil && !matches(func(name string) string { return map[string]string{"name": o.Name, "id": o.ID}[name] }) {
		all = nil
	}
	return listAll(c, "organizations", all, func(o organization) string { return o.ID }, func(o organization) any { return o })
}

func readOrganization(c *call) error {
	if err := c.ownOrganization(); err != nil {
		return err
	}
	o, err := c.organization()
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, o)
}

// ownOrganization refuses the path's organization where it is not the caller's.
// Nobody sees another one, so that to everybody there is none.
func (c *call) ownOrganization() error {
	if c.param("organizationID") != c.who.Environment.Organization {
		return web.NotFound()
	}
	return nil
}

// organization is the caller's. Its name is that of the environment with its ID,
// where there is one: the environment that it was made of.
func (c *call) organization() (organization, error) {
	id := c.who.Environment.Organization
	self := "/organizations/" + id
	o := organization{
		Links: c.links(self, map[string]string{"licenses": self + "/licenses", "environments": "/environments"}),
		ID:    id, Name: id, Type: "INTERNAL", BillingConnections: []string{},
	}
	switch env, err := c.api.Live.EnvironmentByID(c.r.Context(), id); {
	case err == nil:
		o.Name = env.Name
	case !errors.Is(err, store.ErrNotFound):
		return o, oauth.CannotTell("find environment", err)
	}
	return o, nil
}
