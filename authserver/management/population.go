package management

import (
	"net/http"
	"slices"

	"github.com/caddy-gatehouse/gatehouse/authserver/access"
	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

const (
	populationsPath = "/environments/{environmentID}/populations"
	populationPath  = populationsPath + "/{populationID}"
	// mostCounted is up to how many users a population shows how many it has, by itself and in a list: more are not
	// counted, and nothing is shown.
	mostCounted, mostCountedInList = 10_000, 1000
)

// populationShape describes a population.
type populationShape struct {
	ID                     string     `json:"id,omitempty"`
	Environment            *reference `json:"environment,omitempty"`
	Name                   string     `json:"name"`
	Description            string     `json:"description,omitempty"`
	Default                *bool      `json:"default,omitempty"`
	AlternativeIdentifiers []string   `json:"alternativeIdentifiers,omitempty"`
	PreferredLanguage      string     `json:"preferredLanguage,omitempty"`
	PasswordPolicy         *reference `json:"passwordPolicy,omitempty"`
	Theme                  *reference `json:"theme,omitempty"`
	UserCount              *int       `json:"userCount,omitempty"`
	CreatedAt              string     `json:"createdAt,omitempty"`
	UpdatedAt              string     `json:"updatedAt,omitempty"`
}

// populationRoutes are populations and what each of them has below it.
func (a *API) populationRoutes() []route {
	body := map[string]any{typeJSON: populationShape{}}
	target := func(c *call) access.Target { return access.Target{Population: c.param("populationID")} }
	list := slices.Concat(paging, []parameter{{"filter", "A SCIM filter: name eq or sw, id eq."}})
	return []route{
		{
			name: "population.list", method: http.MethodGet, path: populationsPath, permission: access.ReadPopulation, somewhere: true,
			serve: (*call).listPopulations, summary: "Lists populations.", query: list,
			status: http.StatusOK, response: populationShape{}, isPage: "populations",
		},
		{
			name: "population.create", method: http.MethodPost, path: populationsPath, permission: access.CreatePopulation,
			serve: (*call).createPopulation, summary: "Creates a population.", request: body, status: http.StatusCreated, response: populationShape{},
		},
		{
			name: "population.read", method: http.MethodGet, path: populationPath, permission: access.ReadPopulation, target: target,
			serve: (*call).readPopulation, summary: "Reads a population.", status: http.StatusOK, response: populationShape{},
		},
		{
			name: "population.update", method: http.MethodPut, path: populationPath, permission: access.UpdatePopulation, target: target,
			serve: (*call).updatePopulation, summary: "Replaces a population.", request: body, status: http.StatusOK, response: populationShape{},
		},
		{
			name: "population.delete", method: http.MethodDelete, path: populationPath, permission: access.DeletePopulation, target: target,
			serve: (*call).deletePopulation, summary: "Deletes a population that has no users.", status: http.StatusNoContent,
		},
		{
			name: "population.defaultIdentityProvider.read", method: http.MethodGet, path: populationPath + "/defaultIdentityProvider",
			permission: access.ReadPopulation, target: target, serve: (*call).readDefaultProvider,
			summary: "Tells by whom people of a population sign on: this server.", status: http.StatusOK, response: providerShape{},
		},
		{
			name: "population.defaultIdentityProvider.update", method: http.MethodPut, path: populationPath + "/defaultIdentityProvider",
			permission: access.UpdatePopulation, target: target, serve: (*call).updateDefaultProvider,
			summary: "Takes PING_ONE alone: there is no other identity provider.", request: map[string]any{typeJSON: providerShape{}},
			status: http.StatusOK, response: providerShape{},
		},
	}
}

// populationBody is a population as somebody sends it.
type populationBody struct {
	directory.Population
	Default *bool `json:"default"`
}

func (c *call) populationHref(id string, below ...string) string {
	path := "/environments/" + c.env.ID + "/populations/" + id
	for _, b := range below {
		path += b
	}
	return path
}

// populationView is a population as answers show it. byDefault is the ID of the default one; at most so many
// users are counted.
func (c *call) populationView(it *directory.Item, byDefault string, most int) (map[string]any, error) {
	more := map[string]any{"default": it.ID == byDefault, "defaultPopulation": nil}
	n, err := c.countUsers(it.ID, most)
	if err != nil {
		return nil, err
	}
	if n < most {
		more["userCount"] = n
	}
	links := map[string]string{"defaultIdentityProvider": c.populationHref(it.ID, "/defaultIdentityProvider")}
	return c.view(it, c.populationHref(it.ID), links, more), nil
}

// countUsers counts the users of a population, declared ones too; there may be more where it is most or above.
func (c *call) countUsers(id string, most int) (int, error) {
	n, err := c.api.Store.CountUsers(c.r.Context(), c.env.ID, directory.StoredPopulation(c.env.ID, id), false, most)
	if err != nil || id != directory.FirstPopulation(c.env.ID) {
		return n, err
	}
	for _, u := range c.api.Live.Declared.DeclaredUsers() {
		if u.Environment == c.env.ID {
			n++
		}
	}
	return n, nil
}

func (c *call) showPopulation(status int, it *directory.Item) error {
	byDefault, err := c.api.Live.DefaultPopulation(c.r.Context(), c.env)
	if err != nil {
		return err
	}
	v, err := c.populationView(it, byDefault, mostCountedInList)
	if err != nil {
		return err
	}
	c.showVersion(it.Version)
	return c.reply(status, v)
}

// mostPopulations is how many populations one page looks at.
const mostPopulations = 1000

func (c *call) listPopulations() error {
	p, err := c.page(maxPage)
	if err != nil {
		return err
	}
	matches, err := c.plainFilter(attribute{"name", []string{"eq", "sw"}}, attribute{"id", []string{"eq"}})
	if err != nil {
		return err
	}
	byDefault, err := c.api.Live.DefaultPopulation(c.r.Context(), c.env)
	if err != nil {
		return err
	}
	var items []any
	after := p.after
	for looked := 0; ; {
		page, next, err := c.api.Live.Items(c.r.Context(), c.env, store.KindPopulation, "", after, p.limit-len(items))
		if err != nil {
			return err
		}
		for _, it := range page {
			looked++
			if matches != nil && !matches(populationValue(it)) ||
				!c.who.May(access.ReadPopulation, c.env, access.Target{Population: it.ID}) {
				continue
			}
			v, err := c.populationView(it, byDefault, mostCountedInList)
			if err != nil {
				return err
			}
			items = append(items, v)
		}
		if after = next; after == "" || len(items) == p.limit || looked >= mostPopulations {
			return c.collection("populations", items, after)
		}
	}
}

// populationValue gives the values that a filter compares.
func populationValue(it *directory.Item) func(attribute string) string {
	return func(attribute string) string {
		if attribute == "id" {
			return it.ID
		}
		return it.Document.Label()
	}
}

func (c *call) createPopulation() error {
	var b populationBody
	if err := c.read(&b); err != nil {
		return err
	}
	b.DefaultPopulation = ""
	ctx := c.r.Context()
	it, err := c.api.Writer.Create(ctx, c.actor(), c.env, directory.New{Document: &b.Population})
	if err != nil {
		return err
	}
	if b.Default != nil && *b.Default {
		if err := c.makeDefault(it.ID); err != nil {
			return err
		}
	}
	if err := c.ownPopulation(it.ID); err != nil {
		return err
	}
	return c.showPopulation(http.StatusCreated, it)
}

// makeDefault makes a population the environment's default. It is the first one that says so.
func (c *call) makeDefault(id string) error {
	first := directory.FirstPopulation(c.env.ID)
	if id == first {
		id = ""
	}
	_, err := c.api.Writer.Update(c.r.Context(), c.actor(), c.env, store.KindPopulation, "", first, directory.Precondition{},
		func(old *directory.Item) (directory.Document, error) {
			p := *old.Document.(*directory.Population)
			p.DefaultPopulation = id
			return &p, nil
		})
	return err
}

// ownPopulation gives whoever created a population the role to administer its people (pingone-management.md §11),
// unless they may already.
func (c *call) ownPopulation(id string) error {
	if c.who.ByRole(access.UpdateUser, c.env, access.Target{Population: id}) {
		return nil
	}
	role, known := directory.RoleByName(directory.RoleIdentityDataAdmin)
	if !known || c.who.Environment.ID != c.env.ID {
		return nil
	}
	holder, kind := c.who.Client.ID, directory.HolderApplication
	if c.who.User != nil {
		holder, kind = c.who.User.ID, directory.HolderUser
	}
	_, err := c.api.Writer.Create(c.r.Context(), c.actor(), c.env, directory.New{Parent: holder, Document: &directory.RoleAssignment{
		Role: directory.Reference{ID: role.ID}, Scope: directory.AssignmentScope{ID: id, Type: directory.ScopePopulation}, Holder: kind,
	}})
	return err
}

// population finds the population of the path.
func (c *call) population() (*directory.Item, error) {
	return c.api.Live.Item(c.r.Context(), c.env, store.KindPopulation, "", c.param("populationID"))
}

func (c *call) readPopulation() error {
	it, err := c.population()
	if err != nil {
		return err
	}
	return c.showPopulation(http.StatusOK, it)
}

// updatePopulation replaces a population. There is always one default: it stops to be it when another one becomes it.
func (c *call) updatePopulation() error {
	precondition, err := c.precondition()
	if err != nil {
		return err
	}
	var b populationBody
	if err := c.read(&b); err != nil {
		return err
	}
	id := c.param("populationID")
	byDefault, err := c.api.Live.DefaultPopulation(c.r.Context(), c.env)
	if err != nil {
		return err
	}
	if b.Default != nil && !*b.Default && id == byDefault {
		return directory.Invalid(directory.Problemf(directory.ConstraintViolation, "default",
			"The environment must have a default population: make another one the default"))
	}
	if b.Default != nil && *b.Default && id != byDefault {
		// It takes the place of another one, and everybody new comes into it.
		if err := c.require(access.UpdatePopulation, access.Target{}, false); err != nil {
			return err
		}
	}
	first := id == directory.FirstPopulation(c.env.ID)
	it, err := c.api.Writer.Update(c.r.Context(), c.actor(), c.env, store.KindPopulation, "", id, precondition,
		func(old *directory.Item) (directory.Document, error) {
			p := copied(&b.Population)
			if p.DefaultPopulation = ""; first {
				p.DefaultPopulation = old.Document.(*directory.Population).DefaultPopulation
				if b.Default != nil && *b.Default {
					p.DefaultPopulation = ""
				}
			}
			return p, nil
		})
	if err != nil {
		return err
	}
	if b.Default != nil && *b.Default && !first && id != byDefault {
		if err := c.makeDefault(id); err != nil {
			return err
		}
	}
	return c.showPopulation(http.StatusOK, it)
}

// copied is a population that may be checked, which fills in defaults.
func copied(p *directory.Population) *directory.Population {
	c := *p
	c.AlternativeIdentifiers = slices.Clone(p.AlternativeIdentifiers)
	return &c
}

func (c *call) deletePopulation() error {
	precondition, err := c.precondition()
	if err != nil {
		return err
	}
	if err := c.api.Writer.Delete(c.r.Context(), c.actor(), c.env, store.KindPopulation, "", c.param("populationID"), precondition); err != nil {
		return err
	}
	return c.noContent()
}
