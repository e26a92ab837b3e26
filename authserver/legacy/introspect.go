package legacy

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/clientauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/endpoint"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

// The scopes that let an application see tokens that are not its own: those of the realm, and those of every realm.
const (
	scopeAllTokens = "am-introspect-all-tokens"
	scopeAnyRealm  = "am-introspect-all-tokens-any-realm"
)

// introspect is AM's introspection endpoint (section 7): the verdict is the one of the server's own, the members are AM's.
// An ID token is nothing that AM introspects.
func (c *call) introspect() error {
	// parse
	form, err := web.ReadForm(c.r)
	if err != nil {
		return err
	}

	// authenticate the application or the resource
	caller, err := c.l.Clients.ClientOrResource(c.r, form, c.env, "introspect")
	if err != nil {
		return c.inAM(err)
	}
	if caller.Client != nil {
		c.application = caller.Client.ID
	}

	// validate
	raw := form.Get("token")
	if raw == "" {
		return missing("token")
	}

	// act
	body, err := c.seen(c.r.Context(), caller, raw)
	if err != nil {
		return err
	}

	// respond
	c.writeJSON(http.StatusOK, body)
	return nil
}

// missing is AM's word for a parameter that is not there.
func missing(name string) error { return oauth.InvalidRequest("Missing parameter: %s", name) }

// seen is the answer about a token, in the first realm where the caller may know of it.
func (c *call) seen(ctx context.Context, caller clientauth.Caller, raw string) ([]byte, error) {
	all, everywhere, err := c.sight(ctx, caller.Client)
	if err != nil {
		return nil, err
	}
	body, err := c.seenIn(ctx, c.realm, c.env, caller, all, raw)
	if body != nil || err != nil {
		return body, err
	}
	if everywhere {
		for _, r := range c.l.inOrder() {
			if r == c.realm {
				continue
			}
			env, err := c.environment(r)
			if err != nil {
				return nil, err
			}
			if env == nil {
				continue
			}
			if body, err := c.seenIn(ctx, r, env, caller, true, raw); body != nil || err != nil {
				return body, err
			}
		}
	}
	return []byte(`{"active":false}`), nil
}

// sight says whose tokens an application may see. A scope counts that it was granted and whose resource still has it.
func (c *call) sight(ctx context.Context, client *store.Client) (all, everywhere bool, err error) {
	if client == nil {
		return false, false, nil
	}
	for id, granted := range client.Grants {
		if !slices.Contains(granted, scopeAllTokens) && !slices.Contains(granted, scopeAnyRealm) {
			continue
		}
		resource, err := c.l.Directory.ResourceByID(ctx, c.env.ID, id)
		switch {
		case errors.Is(err, store.ErrNotFound):
			continue
		case err != nil:
			return false, false, oauth.CannotTell("find resource", err)
		}
		has := func(scope string) bool {
			return slices.Contains(granted, scope) && slices.Contains(resource.Scopes, scope)
		}
		all, everywhere = all || has(scopeAllTokens), everywhere || has(scopeAnyRealm)
	}
	return all || everywhere, everywhere, nil
}

// seenIn is the answer about a token of one realm; nil where the caller may know nothing.
func (c *call) seenIn(ctx context.Context, r *realm, env *store.Environment, caller clientauth.Caller, all bool, raw string) ([]byte, error) {
	verdict, err := c.l.Introspection.Judge(ctx, env, caller, all, raw)
	if err != nil {
		return nil, err
	}
	switch at := (&call{l: c.l, realm: r}); {
	case verdict.Access != nil && !at.elsewhere(verdict.Access.Issuer):
		return c.accessAnswer(r, env, verdict)
	case verdict.Refresh != nil && !at.elsewhere(verdict.Refresh.Authorization.In(env).Issuer):
		return c.refreshAnswer(r, env, verdict)
	}
	return nil, nil
}

// accessAnswer is AM's answer about an access token.
func (c *call) accessAnswer(r *realm, env *store.Environment, v endpoint.Verdict) ([]byte, error) {
	user, grantID := v.Access.Client, ""
	if v.Access.Person != nil {
		user, grantID = v.Access.Person.Subject, v.Access.Person.Grant
	}
	handle := (&token.Record{AccessToken: store.AccessToken{ID: v.Access.ID(), ExpiresAt: v.Access.ExpiresAt}}).Handle()
	o, said, err := c.answerTo(r, env, v, user, grantID, handle)
	if err != nil {
		return nil, err
	}
	o.set("expires_in", secondsUntil(v.Access.ExpiresAt, c.l.Now()))
	// What a resource maps, act, may_act and cnf, and the rest of what a JWT says; grant_id is there as AM calls it.
	for _, name := range said.names {
		if name != "grant_id" {
			o.set(name, said.members[name])
		}
	}
	return o.bytes(), nil
}

// refreshAnswer is AM's answer about a refresh token.
func (c *call) refreshAnswer(r *realm, env *store.Environment, v endpoint.Verdict) ([]byte, error) {
	a := &v.Refresh.Authorization
	o, _, err := c.answerTo(r, env, v, a.On.Subject, a.Grant, a.Grant)
	if err != nil {
		return nil, err
	}
	o.set("expires_in", secondsUntil(v.Refresh.ExpiresAt, c.l.Now()))
	return o.bytes(), nil
}

// members are those of a JSON object, and their order.
type members struct {
	names   []string
	members map[string]json.RawMessage
}

// answerTo are the members that both kinds have.
func (c *call) answerTo(r *realm, env *store.Environment, v endpoint.Verdict, user, grantID, handle string) (*object, *members, error) {
	said, err := readMembers(v.JSON(env))
	if err != nil {
		return nil, nil, err
	}
	o := &object{}
	o.set("active", true)
	o.set("scope", "")
	if scope, ok := said.members["scope"]; ok {
		*o = object{}
		o.set("active", true)
		o.set("scope", scope)
	}
	o.set("realm", r.Path)
	o.set("client_id", said.members["client_id"])
	o.set("user_id", user)
	o.set("username", user)
	o.set("token_type", said.members["token_type"])
	o.set("exp", said.members["exp"])
	if sub, ok := said.members["sub"]; ok {
		o.set("sub", sub)
	}
	o.set("sub", user)
	o.set("subname", user)
	o.set("iss", said.members["iss"])
	o.set("auth_level", 0)
	if grantID != "" {
		o.set("authGrantId", grantID)
	}
	o.set("auditTrackingId", handle)
	return o, said, nil
}

// readMembers takes a JSON object apart.
func readMembers(text []byte) (*members, error) {
	m := &members{members: map[string]json.RawMessage{}}
	if err := json.Unmarshal(text, &m.members); err != nil {
		return nil, err
	}
	for name := range m.members {
		m.names = append(m.names, name)
	}
	slices.Sort(m.names)
	return m, nil
}

// inOrder are the realms, by path.
func (l *Legacy) inOrder() []*realm {
	all := make([]*realm, 0, len(l.realms))
	for _, r := range l.realms {
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b *realm) int { return strings.Compare(a.Path, b.Path) })
	return all
}
