package registration

import (
	"context"
	"slices"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// scope gives what is asked for and allowed; everything allowed where nothing is asked for.
func (j *judged) scope(ctx context.Context, r *Registrar, env *store.Environment) {
	asked, err := oauth.ParseScope(j.text("scope"))
	if err != nil {
		j.fail(invalid("scope is malformed"))
		return
	}
	if asked == nil {
		asked = env.Registration.Scopes
	}
	var granted []string
	for _, s := range asked {
		if !slices.Contains(env.Registration.Scopes, s) {
			continue
		}
		resource := ""
		switch {
		case oauth.OpenIDScope(s):
			resource = store.ResourceOpenID
		case oauth.PingOneScope(s):
			resource = store.ResourcePingOne
		case r.Resource != nil:
			resource, _ = r.Resource(ctx, env, s)
		}
		if resource == "" {
			continue
		}
		if j.client.Grants == nil {
			j.client.Grants = map[string][]string{}
		}
		j.client.Grants[resource] = appendNew(j.client.Grants[resource], s)
		granted = appendNew(granted, s)
	}
	if len(granted) == 0 {
		j.fail(invalid("scope has nothing that registered clients may ask for"))
	}
	j.keep("scope", strings.Join(granted, " "))
}
