package directory

import (
	"maps"
	"slices"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// withStepUp gives a client that registered itself the scopes beyond those it registered that the environment lets such clients ask for now, so that it can
// follow a challenge of insufficient_scope (RFC 6750 §3.1; MCP, Scope Challenge Handling). What is stored, and read back (RFC 7592 §2.1), stays what it
// registered. People consent to each of the scopes before the client has it; a client that may act without them gets nothing more.
func withStepUp(env *store.Environment, c *store.Client) *store.Client {
	more := env.Registration.StepUp
	if len(more) == 0 || slices.Contains(c.GrantTypes, oauth.GrantClientCredentials) {
		return c
	}
	widened := *c
	widened.Grants = maps.Clone(c.Grants) // the client may be another request's too
	if widened.Grants == nil {
		widened.Grants = map[string][]string{}
	}
	for _, scope := range more {
		resource := env.Registration.Resources[scope]
		switch {
		case oauth.OpenIDScope(scope):
			resource = store.ResourceOpenID
		case oauth.PingOneScope(scope):
			resource = store.ResourcePingOne
		}
		if has := widened.Grants[resource]; resource != "" && !slices.Contains(has, scope) {
			widened.Grants[resource] = append(slices.Clip(has), scope)
		}
	}
	return &widened
}
