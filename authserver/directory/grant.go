package directory

import (
	"context"
	"errors"
	"slices"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Grant lets an application ask for some scopes of one resource. Its parent is
// the application.
type Grant struct {
	Resource Reference   `json:"resource"`
	Scopes   []Reference `json:"scopes"`
	// Application is the parent.
	Application Reference `json:"application"`
}

// GrantsOfResource and GrantsOfScope are the keys by which grants are found.
func GrantsOfResource(resource string) string { return "resource " + resource }

// GrantsOfScope is the key of grants that have a scope.
func GrantsOfScope(scope string) string { return "scope " + scope }

// Without is g without one scope; nil where nothing is left of it.
func (g *Grant) Without(scope string) *Grant {
	left := slices.DeleteFunc(slices.Clone(g.Scopes), func(r Reference) bool { return r.ID == scope })
	if len(left) == 0 {
		return nil
	}
	return &Grant{Resource: g.Resource, Scopes: left, Application: g.Application}
}

// Kind is store.KindGrant.
func (*Grant) Kind() store.ObjectKind { return store.KindGrant }

// Label is nothing: a grant has no name.
func (*Grant) Label() string { return "" }

// maxGrantScopes keeps the keys of one grant within what a store takes.
const maxGrantScopes = 500

// Keys find the grants of a resource and of a scope, and make sure that an
// application has but one for a resource.
func (g *Grant) Keys() (unique, lookups []string) {
	unique = []string{"resource.id " + g.Application.ID + " " + g.Resource.ID}
	lookups = []string{GrantsOfResource(g.Resource.ID)}
	for _, s := range g.Scopes {
		lookups = append(lookups, GrantsOfScope(s.ID))
	}
	return unique, lookups
}

// Check refuses what is not a grant of scopes that there are, and of each
// name once.
func (g *Grant) Check(ctx context.Context, c *Checking) error {
	application, err := c.application(ctx)
	if err != nil {
		return err
	}
	g.Application.ID = c.Parent
	var j judge
	if g.Resource.ID == "" {
		j.add(RequiredValue, "resource.id", "must not be empty")
	}
	switch {
	case len(g.Scopes) == 0:
		j.add(RequiredValue, "scopes", "must not be empty")
	case len(g.Scopes) > maxGrantScopes:
		j.inner(map[string]any{"maximumValue": maxGrantScopes}, SizeLimitExceeded, "scopes", "must not be more than %d", maxGrantScopes)
	}
	if err := j.verdict(); err != nil {
		return err
	}
	resource, err := c.Live.Item(ctx, c.Environment, store.KindResource, "", g.Resource.ID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		j.add(InvalidValue, "resource.id", "is not the ID of a resource")
		return j.verdict()
	case err != nil:
		return oauth.CannotTell("find resource", err)
	}
	names, err := g.scopeNames(ctx, c, &j)
	if err != nil {
		return err
	}
	if application.Worker() && application.grants(grantClientCredentials) && resource.ID == OpenIDResource(c.Environment.ID) {
		// They speak about a person, and there is none (PingOne refuses it too).
		j.add(InvalidValue, "scopes", "must not be scopes of OpenID Connect: the application is a worker with %s", grantClientCredentials)
	}
	if err := g.checkOthers(ctx, c, names, &j); err != nil {
		return err
	}
	return j.verdict()
}

// scopeNames are the names of the scopes, as far as there are such.
func (g *Grant) scopeNames(ctx context.Context, c *Checking, j *judge) ([]string, error) {
	var names []string
	seen := map[string]bool{}
	for _, s := range g.Scopes {
		if s.ID == "" {
			j.add(RequiredValue, "scopes.id", "must not be empty")
			continue
		}
		if seen[s.ID] {
			j.add(InvalidValue, "scopes", "must not have a scope twice")
			continue
		}
		seen[s.ID] = true
		it, err := c.Live.Item(ctx, c.Environment, store.KindScope, g.Resource.ID, s.ID)
		switch {
		case errors.Is(err, store.ErrNotFound):
			j.add(InvalidValue, "scopes.id", "is not the ID of a scope of the resource")
		case err != nil:
			return nil, oauth.CannotTell("find scope", err)
		default:
			names = append(names, it.Document.Label())
		}
	}
	return names, nil
}

// checkOthers compares with the application's other grants.
func (g *Grant) checkOthers(ctx context.Context, c *Checking, names []string, j *judge) error {
	return c.siblings(ctx, store.KindGrant, func(it *Item) error {
		other, ok := it.Document.(*Grant)
		if !ok || it.ID == c.ID {
			return nil
		}
		if other.Resource.ID == g.Resource.ID {
			j.add(UniquenessViolation, "resource.id", "is unique in the application but a non-unique value is provided")
			return nil
		}
		for _, s := range other.Scopes {
			scope, err := c.Live.Item(ctx, c.Environment, store.KindScope, other.Resource.ID, s.ID)
			switch {
			case errors.Is(err, store.ErrNotFound):
				continue // it was deleted
			case err != nil:
				return oauth.CannotTell("find scope", err)
			}
			if name := scope.Document.Label(); slices.Contains(names, name) {
				j.add(InvalidValue, "scopes", "must not have the name of a scope that another grant of the application has: %s", name)
			}
		}
		return nil
	})
}

// Ends ends the application's access tokens when it loses a scope. A refresh
// token gives what is granted when it is used.
func (*Grant) Ends(_ context.Context, c *Checking, old, new Document) ([]End, error) {
	before, _ := old.(*Grant)
	after, _ := new.(*Grant)
	if before == nil {
		return nil, nil
	}
	lost := after == nil || before.Resource != after.Resource || slices.ContainsFunc(before.Scopes, func(s Reference) bool {
		return !slices.Contains(after.Scopes, s)
	})
	if !lost {
		return nil, nil
	}
	return []End{{Kind: store.RevokedClient, Value: c.Parent}}, nil
}
