package management

import (
	"net/http"

	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

func (c *call) readEnabled() error {
	u, err := c.user()
	if err != nil {
		return err
	}
	return c.part(u, "enabled", !u.Disabled)
}

// updateEnabled enables a user, or disables them: then everything that they hold ends, which is Writer's business.
func (c *call) updateEnabled() error {
	u, enabled, err := c.flag("enabled")
	if err != nil {
		return err
	}
	u, err = c.changeAs(u, directory.Precondition{}, "", func(ch *directory.UserChange) error {
		ch.User.Disabled = !enabled
		return nil
	})
	if err != nil {
		return err
	}
	return c.part(u, "enabled", !u.Disabled)
}

func (c *call) readMFAEnabled() error {
	u, err := c.user()
	if err != nil {
		return err
	}
	return c.part(u, "mfaEnabled", u.MFAEnabled)
}

// updateMFAEnabled keeps what is asked for; there is no second factor yet to want.
func (c *call) updateMFAEnabled() error {
	u, enabled, err := c.flag("mfaEnabled")
	if err != nil {
		return err
	}
	u, err = c.changeAs(u, directory.Precondition{}, "", func(ch *directory.UserChange) error {
		ch.User.MFAEnabled = enabled
		return nil
	})
	if err != nil {
		return err
	}
	return c.part(u, "mfaEnabled", u.MFAEnabled)
}

// flag reads the user of the path and a body of one member that is true or false.
func (c *call) flag(name string) (u *store.User, value bool, err error) {
	if u, err = c.user(); err != nil {
		return nil, false, err
	}
	var b body
	if err := c.read(&b); err != nil {
		return nil, false, err
	}
	var j judgement
	value, said := j.truth(b[name], name)
	if !said && j.problems == nil {
		j.add(directory.RequiredValue, name, "must be true or false")
	}
	return u, value, j.verdict()
}

// part answers with one member of a user that has a path of its own.
func (c *call) part(u *store.User, name string, value any) error {
	v := c.partOf(u, name)
	v[name] = value
	return c.reply(http.StatusOK, v)
}

// partOf is what answers about a part of a user have around it.
func (c *call) partOf(u *store.User, name string) map[string]any {
	return map[string]any{
		"_links": c.links(c.userHref(u.ID, "/", name), map[string]string{"environment": "/environments/" + c.env.ID, "user": c.userHref(u.ID)}),
	}
}
