package legacy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
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
		c.calledBy(caller.Client)
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
			switch {
			case err != nil && oauth.From(err).Status != http.StatusServiceUnavailable, err == nil && env == nil:
				continue // its environment is gone, or it never had one
			case err != nil:
				return nil, err
			}
			if body, err := c.seenIn(ctx, r, env, caller, true, raw); body != nil || err != nil {
				return body, err
			}
		}
	}
	return []byte(`{"active":false}`), nil
}

// sight says whose tokens an application may see. A scope counts that it was granted and whose resource still has it. Of every
// realm it counts for applications of the configuration alone: who manages one environment, and makes resources, applications and
// grants in it, has no say in another. Theirs see the tokens of the realm.
func (c *call) sight(ctx context.Context, client *store.Client) (all, everywhere bool, err error) {
	if client == nil || client.AuthMethod == oauth.AuthNone { // anybody can say that they are a public client
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
	return all || everywhere, everywhere && client.Declared, nil
}

// seenIn is the answer about a token of one realm; nil where the caller may know nothing.
func (c *call) seenIn(ctx context.Context, r *realm, env *store.Environment, caller clientauth.Caller, all bool, raw string) ([]byte, error) {
	verdict, err := c.l.Introspection.Judge(ctx, env, caller, all, raw)
	if err != nil {
		return nil, err
	}
	switch {
	case verdict.Access != nil && !c.l.elsewhere(r, verdict.Access.Issuer):
		return c.accessAnswer(r, env, verdict)
	case verdict.Refresh != nil && !c.l.elsewhere(r, verdict.Refresh.Authorization.In(env).Issuer):
		return c.refreshAnswer(r, env, verdict)
	}
	return nil, nil
}

// accessAnswer is AM's answer about an access token.
func (c *call) accessAnswer(r *realm, env *store.Environment, v endpoint.Verdict) ([]byte, error) {
	about := subject{user: v.Access.Client, handle: handleOf(v.Access)}
	if v.Access.Person != nil && !v.Outside {
		about.user, about.grant = v.Access.Person.Subject, v.Access.Person.Grant
	}
	o, said, err := c.answerAbout(r, env, v, about)
	if err != nil {
		return nil, err
	}
	o.set("expires_in", secondsUntil(v.Access.ExpiresAt, c.l.Now()))
	// act, may_act and cnf, what resources map, and the rest of what a JWT says; grant_id is there as AM calls it.
	for _, name := range slices.Sorted(maps.Keys(said)) {
		if name != "grant_id" {
			o.set(name, said[name])
		}
	}
	return o.bytes(), nil
}

// handleOf names the record of an access token.
func handleOf(t *token.Active) string {
	return (&token.Record{AccessToken: store.AccessToken{ID: t.ID(), ExpiresAt: t.ExpiresAt}}).Handle()
}

// refreshAnswer is AM's answer about a refresh token.
func (c *call) refreshAnswer(r *realm, env *store.Environment, v endpoint.Verdict) ([]byte, error) {
	a := &v.Refresh.Authorization
	o, _, err := c.answerAbout(r, env, v, subject{a.On.Subject, a.Grant, a.Grant})
	if err != nil {
		return nil, err
	}
	o.set("expires_in", secondsUntil(v.Refresh.ExpiresAt, c.l.Now()))
	return o.bytes(), nil
}

// subject is who a token speaks for, the person or the client itself, and where it comes from.
type subject struct{ user, grant, handle string }

// answerAbout has the members that answers about both kinds of tokens have. said is what the server's own endpoint says.
func (c *call) answerAbout(r *realm, env *store.Environment, v endpoint.Verdict, about subject) (o *object, said map[string]json.RawMessage, err error) {
	if err := json.Unmarshal(v.JSON(env), &said); err != nil {
		return nil, nil, fmt.Errorf("read the answer of introspection: %w", err)
	}
	o = &object{}
	o.set("active", true)
	o.copy("scope", said)
	o.set("scope", "")
	o.set("realm", r.Path)
	o.copy("client_id", said)
	if !v.Outside { // whom an encrypted token speaks for is nothing that its client reads in it
		o.set("user_id", about.user)
		o.set("username", about.user)
	}
	o.copy("token_type", said)
	o.copy("exp", said)
	if !v.Outside {
		o.copy("sub", said) // as the resource maps it
		o.set("sub", about.user)
		o.set("subname", about.user)
	}
	o.copy("iss", said)
	o.set("auth_level", 0)
	if about.grant != "" {
		o.set("authGrantId", about.grant)
	}
	o.set("auditTrackingId", about.handle)
	return o, said, nil
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
