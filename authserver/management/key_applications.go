package management

import (
	"github.com/caddy-gatehouse/gatehouse/authserver/access"
	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/keys"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// listKeyApplications lists whom a key signs for: the CURRENT key of a policy for the applications that
// name it, that of the environment for those that name none; and the applications that name the key
// itself. A page may have fewer than it could.
func listKeyApplications(c *call) error {
	p, err := c.page(maxPage)
	if err != nil {
		return err
	}
	key, _, err := c.api.Keys.Find(c.r.Context(), c.env, c.param("keyID"))
	if err != nil {
		return keysUnavailable(err)
	}
	items, next, err := c.api.Live.Items(c.r.Context(), c.env, store.KindApplication, "", p.after, p.limit)
	if err != nil {
		return oauth.CannotTell("list applications", err)
	}
	var shown []any
	for _, it := range items {
		application, ok := it.Document.(*directory.Application)
		if ok && c.uses(application, key) && c.who.May(access.ReadApplication, c.env, access.Target{Application: it.ID}) {
			shown = append(shown, c.view(it, "/environments/"+c.env.ID+"/applications/"+it.ID, applicationLinks(c, it), nil))
		}
	}
	return c.collection("applications", shown, next)
}

// uses reports whether an application has anything signed with a key, or names it.
func (c *call) uses(a *directory.Application, key *keys.Info) bool {
	if a.Kerberos != nil && a.Kerberos.Key != nil && a.Kerberos.Key.ID == key.ID {
		return true
	}
	policy := ""
	if a.Signing != nil && a.Signing.KeyRotationPolicy != nil {
		policy = directory.SigningPolicy(c.env.ID, a.Signing.KeyRotationPolicy.ID)
	}
	return key.Slot == store.SlotCurrent && key.Policy == policy
}
