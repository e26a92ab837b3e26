package management

import (
	"encoding/json"
	"maps"
	"net/http"

	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

func (c *call) readIdentityProvider() error {
	u, err := c.user()
	if err != nil {
		return err
	}
	return c.showIdentityProvider(u)
}

// updateIdentityProvider says who vouches for a person. Whoever is of another one than PING_ONE has no password here.
func (c *call) updateIdentityProvider() error {
	return c.changePart(func(j *judgement, u *store.User, sent body) {
		if isNull(sent["type"]) {
			j.add(directory.RequiredValue, "type", "must not be empty")
			return
		}
		whole, err := json.Marshal(sent)
		if err != nil {
			panic(err) // it was read from JSON
		}
		j.provider(u, body{"identityProvider": whole})
	}, c.showIdentityProvider)
}

func (c *call) showIdentityProvider(u *store.User) error {
	v := c.partOf(u, "identityProvider")
	maps.Copy(v, providerOf(u))
	return c.reply(http.StatusOK, v)
}

func (c *call) readVerifyStatus() error {
	u, err := c.user()
	if err != nil {
		return err
	}
	return c.showVerifyStatus(u)
}

// updateVerifyStatus keeps whether a person has shown who they are. Nothing here depends on it.
func (c *call) updateVerifyStatus() error {
	return c.changePart(func(j *judgement, u *store.User, sent body) {
		if isNull(sent["verifyStatus"]) {
			j.add(directory.RequiredValue, "verifyStatus", "must not be empty")
			return
		}
		j.verifyStatus(u, sent["verifyStatus"])
	}, c.showVerifyStatus)
}

func (c *call) showVerifyStatus(u *store.User) error {
	return c.part(u, "verifyStatus", verifyStatusOf(u))
}

// changePart makes a change of the user of the path by a body that apply writes into them, and shows what became
// of it.
func (c *call) changePart(apply func(j *judgement, u *store.User, sent body), show func(*store.User) error) error {
	u, err := c.user()
	if err != nil {
		return err
	}
	var sent body
	if err := c.read(&sent); err != nil {
		return err
	}
	u, err = c.changeAs(u, directory.Precondition{}, "", func(ch *directory.UserChange) error {
		var j judgement
		apply(&j, ch.User, sent)
		return j.verdict()
	})
	if err != nil {
		return err
	}
	return show(u)
}
