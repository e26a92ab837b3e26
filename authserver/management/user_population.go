package management

import (
	"net/http"

	"github.com/caddy-gatehouse/gatehouse/authserver/access"
	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

func (c *call) readUserPopulation() error {
	u, err := c.user()
	if err != nil {
		return err
	}
	return c.showUserPopulation(u)
}

// moveUser puts a user into another population: the caller must be able to change users in both.
func (c *call) moveUser() error {
	u, err := c.user()
	if err != nil {
		return err
	}
	var b body
	if err := c.read(&b); err != nil {
		return err
	}
	var j judgement
	id, ok := j.text(b["id"], "id", 64)
	if !ok && j.problems == nil {
		j.add(directory.RequiredValue, "id", "must not be empty")
	}
	if err := j.verdict(); err != nil {
		return err
	}
	if err := c.require(access.UpdateUser, access.Target{Population: id}, false); err != nil {
		return err
	}
	if err := c.knownPopulation(&j, id); err != nil {
		return err
	}
	if err := j.verdict(); err != nil {
		return err
	}
	u, err = c.changeAs(u, directory.Precondition{}, "", func(ch *directory.UserChange) error {
		ch.User.Population = directory.StoredPopulation(c.env.ID, id)
		return nil
	})
	if err != nil {
		return err
	}
	return c.showUserPopulation(u)
}

func (c *call) showUserPopulation(u *store.User) error {
	population := directory.PopulationOf(u)
	return c.reply(http.StatusOK, map[string]any{
		"_links": c.links(c.userHref(u.ID, "/population"), map[string]string{
			"environment": "/environments/" + c.env.ID, "user": c.userHref(u.ID),
			"population": "/environments/" + c.env.ID + "/populations/" + population,
		}),
		"id": population,
	})
}
