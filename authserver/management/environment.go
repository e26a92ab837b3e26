package management

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/access"
	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

const (
	environmentsPath = "/environments"
	environmentPath  = environmentsPath + "/{environmentID}"
	materialsPath    = environmentPath + "/billOfMaterials"
)

// environmentType is the body of a change of an environment's type.
type environmentType struct {
	Type string `json:"type"`
}

// environmentRoutes are the environments of the caller's organization.
func (a *API) environmentRoutes() []route {
	body := map[string]any{typeJSON: new(directory.Environment)}
	return []route{
		{
			name: "environment.list", method: http.MethodGet, path: environmentsPath, permission: access.ReadEnvironment, somewhere: true,
			serve: listEnvironments, summary: "Lists the environments that the caller may see.",
			query:  append([]parameter{{"filter", "Which are listed: name eq, sw; id eq; organization.id eq."}}, paging...),
			status: http.StatusOK, response: new(directory.Environment), isPage: "environments",
		},
		{
			name: "environment.create", method: http.MethodPost, path: environmentsPath, permission: access.CreateEnvironment,
			serve: createEnvironment, summary: "Creates an environment, of which the caller becomes Environment Admin and Identity Data Admin.",
			request: body, status: http.StatusCreated, response: new(directory.Environment),
		},
		{
			name: "environment.read", method: http.MethodGet, path: environmentPath, permission: access.ReadEnvironment,
			serve: readEnvironment, summary: "Reads an environment.", status: http.StatusOK, response: new(directory.Environment),
		},
		{
			name: "environment.update", method: http.MethodPut, path: environmentPath, permission: access.UpdateEnvironment,
			serve: updateEnvironment, summary: "Replaces what an environment says.",
			request: body, status: http.StatusOK, response: new(directory.Environment),
		},
		{
			name: "environment.delete", method: http.MethodDelete, path: environmentPath, permission: access.DeleteEnvironment,
			serve: deleteEnvironment, summary: "Deletes an environment and all that is in it.", status: http.StatusNoContent,
		},
		{
			name: "environment.updateType", method: http.MethodPut, path: environmentPath + "/type", permission: access.UpdateEnvironment,
			serve: updateEnvironmentType, summary: "Makes an environment one for production, or for trying things.",
			request: map[string]any{typeJSON: environmentType{}}, status: http.StatusOK, response: new(directory.Environment),
		},
		{
			name: "billOfMaterials.read", method: http.MethodGet, path: materialsPath, permission: access.ReadEnvironment,
			serve: readMaterials, summary: "Reads which products an environment is for.",
			status: http.StatusOK, response: new(directory.BillOfMaterials),
		},
		{
			name: "billOfMaterials.update", method: http.MethodPut, path: materialsPath, permission: access.UpdateEnvironment,
			serve: updateMaterials, summary: "Replaces which products an environment is for.",
			request: map[string]any{typeJSON: new(directory.BillOfMaterials)}, status: http.StatusOK, response: new(directory.BillOfMaterials),
		},
	}
}

// maxRounds bounds how much of the environments one request looks through for
// those that it asks for; the page that it gets may then have fewer.
const maxRounds = 20

func listEnvironments(c *call) error {
	p, err := c.page(maxPage)
	if err != nil {
		return err
	}
	eq := []string{"eq"}
	matches, err := c.plainFilter(attribute{"name", []string{"eq", "sw"}}, attribute{"id", eq}, attribute{"organization.id", eq})
	if err != nil {
		return err
	}
	var shown []any
	next := p.after
	for range maxRounds {
		var items []*directory.Item
		// No more than are missing, so that a page never ends within what was read.
		items, next, err = c.api.Live.Items(c.r.Context(), nil, store.KindEnvironment, "", next, p.limit-len(shown))
		if err != nil {
			return err
		}
		for _, it := range items {
			if c.seesEnvironment(it) && (matches == nil || matches(func(name string) string { return environmentValue(it, name) })) {
				shown = append(shown, c.environment(it))
			}
		}
		if next == "" || len(shown) >= p.limit {
			break
		}
	}
	return c.collection("environments", shown, next)
}

func environmentValue(it *directory.Item, attribute string) string {
	e := it.Document.(*directory.Environment)
	switch attribute {
	case "name":
		return e.Name
	case "id":
		return it.ID
	}
	return organizationOf(e)
}

func organizationOf(e *directory.Environment) string {
	if e.Organization == nil {
		return ""
	}
	return e.Organization.ID
}

func (c *call) seesEnvironment(it *directory.Item) bool {
	e, ok := it.Document.(*directory.Environment)
	if !ok {
		return false
	}
	return c.who.May(access.ReadEnvironment, &store.Environment{ID: it.ID, Organization: organizationOf(e)}, access.Target{})
}

// environment is what is shown of one.
func (c *call) environment(it *directory.Item) map[string]any {
	self := environmentsPath + "/" + it.ID
	links := map[string]string{
		"billOfMaterials": self + "/billOfMaterials", "applications": self + "/applications", "resources": self + "/resources",
		"populations": self + "/populations", "users": self + "/users", "keys": self + "/keys",
	}
	if e, ok := it.Document.(*directory.Environment); ok {
		organization := "/organizations/" + organizationOf(e)
		links["organization"] = organization
		if e.License != nil {
			links["license"] = organization + "/licenses/" + e.License.ID
		}
	}
	return c.view(it, self, links, nil)
}

func (c *call) showEnvironment(status int, it *directory.Item) error {
	c.showVersion(it.Version)
	return c.reply(status, c.environment(it))
}

// environmentItem is the environment of the path.
func (c *call) environmentItem() (*directory.Item, error) {
	return c.api.Live.Item(c.r.Context(), nil, store.KindEnvironment, "", c.env.ID)
}

func readEnvironment(c *call) error {
	it, err := c.environmentItem()
	if err != nil {
		return err
	}
	return c.showEnvironment(http.StatusOK, it)
}

func createEnvironment(c *call) error {
	e := new(directory.Environment)
	if err := c.read(e); err != nil {
		return err
	}
	it, err := c.api.Writer.Create(c.r.Context(), c.actor(), c.who.Environment, directory.New{Document: e})
	if err != nil {
		return err
	}
	if err := c.assignCreator(it); err != nil {
		// Without its administrator nobody could manage people there: rather there is no such environment.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(c.r.Context()), undoTimeout)
		defer cancel()
		if undo := c.api.Writer.Delete(ctx, c.actor(), c.who.Environment, store.KindEnvironment, "", it.ID, directory.Precondition{}); undo != nil {
			err = fmt.Errorf("%w (and the environment stays: %w)", err, undo)
		}
		return err
	}
	return c.showEnvironment(http.StatusCreated, it)
}

const undoTimeout = 10 * time.Second

// assignCreator makes who creates an environment its administrator.
func (c *call) assignCreator(it *directory.Item) error {
	parent, holder := c.who.Client.ID, directory.HolderApplication
	if c.who.User != nil {
		parent, holder = c.who.User.ID, directory.HolderUser
	}
	for _, name := range []string{directory.RoleEnvironmentAdmin, directory.RoleIdentityDataAdmin} {
		role, ok := directory.RoleByName(name)
		if !ok {
			return fmt.Errorf("there is no role %s", name)
		}
		_, err := c.api.Writer.Create(c.r.Context(), c.actor(), c.who.Environment, directory.New{
			Parent: parent,
			Document: &directory.RoleAssignment{
				Role: directory.Reference{ID: role.ID}, Holder: holder,
				Scope: directory.AssignmentScope{ID: it.ID, Type: directory.ScopeEnvironment},
			},
		})
		if err != nil {
			return fmt.Errorf("assign %s: %w", name, err)
		}
	}
	return nil
}

// changeEnvironment replaces what the environment of the path says.
func (c *call) changeEnvironment(edit func(old *directory.Environment) (*directory.Environment, error)) (*directory.Item, error) {
	precondition, err := c.precondition()
	if err != nil {
		return nil, err
	}
	return c.api.Writer.Update(c.r.Context(), c.actor(), c.env, store.KindEnvironment, "", c.env.ID, precondition,
		func(old *directory.Item) (directory.Document, error) {
			e, ok := old.Document.(*directory.Environment)
			if !ok {
				return nil, fmt.Errorf("the environment %s is a %T", old.ID, old.Document)
			}
			return edit(e)
		})
}

func updateEnvironment(c *call) error {
	body, err := readAll(c.r.Body)
	if err != nil {
		return err
	}
	it, err := c.changeEnvironment(func(old *directory.Environment) (*directory.Environment, error) {
		e := new(directory.Environment)
		if err := decode(body, e); err != nil {
			return nil, err
		}
		if e.BillOfMaterials == nil {
			e.BillOfMaterials = old.BillOfMaterials // it has a path of its own
		}
		return e, nil
	})
	if err != nil {
		return err
	}
	return c.showEnvironment(http.StatusOK, it)
}

func updateEnvironmentType(c *call) error {
	var body environmentType
	if err := c.read(&body); err != nil {
		return err
	}
	it, err := c.changeEnvironment(func(e *directory.Environment) (*directory.Environment, error) {
		e.Type = body.Type
		return e, nil
	})
	if err != nil {
		return err
	}
	return c.showEnvironment(http.StatusOK, it)
}

func deleteEnvironment(c *call) error {
	precondition, err := c.precondition()
	if err != nil {
		return err
	}
	if err := c.api.Writer.Delete(c.r.Context(), c.actor(), c.env, store.KindEnvironment, "", c.env.ID, precondition); err != nil {
		return err
	}
	return c.noContent()
}

func readMaterials(c *call) error {
	it, err := c.environmentItem()
	if err != nil {
		return err
	}
	return c.showMaterials(it)
}

func updateMaterials(c *call) error {
	var body directory.BillOfMaterials
	if err := c.read(&body); err != nil {
		return err
	}
	it, err := c.changeEnvironment(func(e *directory.Environment) (*directory.Environment, error) {
		e.BillOfMaterials = &body
		return e, nil
	})
	if err != nil {
		return err
	}
	return c.showMaterials(it)
}

// showMaterials writes what an environment is for: this one product, unless it says otherwise.
func (c *call) showMaterials(it *directory.Item) error {
	e, ok := it.Document.(*directory.Environment)
	if !ok {
		return fmt.Errorf("the environment %s is a %T", it.ID, it.Document)
	}
	materials := e.BillOfMaterials
	if materials == nil {
		id := directory.BuiltinID(it.ID, "product", "base")
		materials = &directory.BillOfMaterials{Products: []directory.Product{{ID: &id, Type: "PING_ONE_BASE"}}}
	}
	v := members(materials)
	v["_links"] = c.links(environmentsPath+"/"+it.ID+"/billOfMaterials", map[string]string{"environment": environmentsPath + "/" + it.ID})
	if !it.UpdatedAt.IsZero() {
		v["createdAt"], v["updatedAt"] = timestamp(it.CreatedAt), timestamp(it.UpdatedAt)
	}
	c.showVersion(it.Version)
	return c.reply(http.StatusOK, v)
}
