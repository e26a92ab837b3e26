package management

import (
	"net/http"

	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/identity"
)

type providerShape struct {
	ID   string `json:"id,omitempty"`
	Type string `json:"type"`
}

// showDefaultProvider answers with the one identity provider that there is: this server.
func (c *call) showDefaultProvider(it *directory.Item) error {
	v := map[string]any{
		"_links": c.links(c.populationHref(it.ID, "/defaultIdentityProvider"), map[string]string{
			"environment": "/environments/" + c.env.ID, "population": c.populationHref(it.ID),
		}),
		"id": c.builtinProvider(), "type": identity.ProviderPingOne,
	}
	return c.reply(http.StatusOK, v)
}

func (c *call) builtinProvider() string {
	return directory.BuiltinID(c.env.ID, "identity_provider", identity.ProviderPingOne)
}

func (c *call) readDefaultProvider() error {
	it, err := c.population()
	if err != nil {
		return err
	}
	return c.showDefaultProvider(it)
}

func (c *call) updateDefaultProvider() error {
	it, err := c.population()
	if err != nil {
		return err
	}
	var b body
	if err := c.read(&b); err != nil {
		return err
	}
	var j judgement
	if kind, ok := j.text(b["type"], "type", 64); ok && kind != identity.ProviderPingOne {
		j.oneOf("type", []string{identity.ProviderPingOne})
	} else if !ok && j.problems == nil && isNull(b["id"]) {
		j.add(directory.RequiredValue, "type", "must be %s", identity.ProviderPingOne)
	}
	if id, ok := j.text(b["id"], "id", 64); ok && id != c.builtinProvider() {
		j.add(directory.InvalidValue, "id", "must be an identity provider of the environment")
	}
	if err := j.verdict(); err != nil {
		return err
	}
	return c.showDefaultProvider(it)
}
