package directory

import (
	"context"
	"errors"
	"slices"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/pattern"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Scope is what can be granted of a resource, which is its parent.
type Scope struct {
	Name        string  `json:"name"` // unique in the resource
	Description *string `json:"description,omitempty"`
	// SchemaAttributes are what p1:read:user… and p1:update:user… read or change of a person: paths in PingOne's
	// words, or "*" alone for all, which is the default of the predefined ones. Of others it is nothing.
	SchemaAttributes []string `json:"schemaAttributes,omitzero"`
	// MappedClaims are IDs of attributes of the resource of OpenID Connect that a scope of it gives beyond those
	// that OpenID Connect says.
	MappedClaims []string `json:"mappedClaims,omitzero"`

	resource string // its parent, once it is known
}

const (
	everyAttribute      = "*"
	maxScopeName        = 256
	maxSchemaAttributes = 200
	maxMappedClaims     = 200
)

var (
	// limitedName is a scope that may be limited to some attributes, furtherName one that an environment adds.
	limitedName   = pattern.New(`^p1:(read|update):user(:[A-Za-z0-9]+)*$`)
	furtherName   = pattern.New(`^p1:(read|update):user(:[A-Za-z0-9]+)+$`)
	attributePath = pattern.New(`^[A-Za-z][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*$`)
)

func limitedScope(name string) bool { return limitedName.MatchString(name) }

// Kind implements Document.
func (*Scope) Kind() store.ObjectKind { return store.KindScope }

// Label implements Document.
func (d *Scope) Label() string { return d.Name }

// Keys make the name unique in the resource, and find scopes by their name alone
// and by the claims that they give.
func (d *Scope) Keys() (unique, lookups []string) {
	lookups = append(lookups, scopesNamed(d.Name))
	for _, id := range d.MappedClaims {
		lookups = append(lookups, scopesOfClaim(id))
	}
	return []string{"name " + d.resource + " " + d.Name}, lookups
}

func scopesNamed(name string) string { return "anywhere " + name }
func scopesOfClaim(id string) string { return "claim " + id }

// without is d, of a resource, without one of its claims.
func (d *Scope) without(resource, claim string) *Scope {
	left := *d
	left.resource = resource
	left.MappedClaims = slices.DeleteFunc(slices.Clone(d.MappedClaims), func(id string) bool { return id == claim })
	return &left
}

// Check implements Document.
func (d *Scope) Check(ctx context.Context, c *Checking) error {
	d.resource = c.Parent
	resource, err := c.resource(ctx, c.Parent)
	if err != nil {
		return err
	}
	var j judge
	if d.Description != nil {
		j.text("description", *d.Description, maxDescription)
	}
	old, _ := c.Old.(*Scope)
	switch {
	case d.Name == "":
		j.add(RequiredValue, "name", "must not be empty")
	case len(d.Name) > maxScopeName:
		j.inner(map[string]any{"maximumValue": maxScopeName}, SizeLimitExceeded, "name", "must not have more than %d characters", maxScopeName)
	case !oauth.ValidScopeToken(d.Name):
		j.add(InvalidValue, "name", "must be printable ASCII without spaces, quotes and backslashes")
	case c.Builtin || predefinedScope(resource, old):
		if old != nil && d.Name != old.Name {
			j.add(InvalidValue, "name", "cannot be changed: the scope is predefined")
		}
	default:
		d.checkName(&j, resource)
	}
	if c.Builtin && d.SchemaAttributes == nil && resource.Type == ResourceTypePingOne && limitedScope(d.Name) {
		d.SchemaAttributes = []string{everyAttribute}
	}
	d.checkSchemaAttributes(&j, resource)
	if err := d.checkClaims(ctx, c, &j, resource); err != nil {
		return err
	}
	if err := j.verdict(); err != nil {
		return err
	}
	return d.checkElsewhere(ctx, c, resource)
}

// predefinedScope reports whether a scope is one that every environment has.
func predefinedScope(resource *Resource, d *Scope) bool {
	if d == nil {
		return false
	}
	of := pingOneScopes
	switch resource.Type {
	case ResourceTypeCustom:
		return false
	case ResourceTypeOpenID:
		of = openIDScopes
	}
	return predefinedName(of, d.Name)
}

func predefinedName(of []described, name string) bool {
	return slices.ContainsFunc(of, func(s described) bool { return s.name == name })
}

// checkName keeps the names of the resources apart: by its name a scope is known
// to be one of OpenID Connect or of the PingOne API, which are never granted to a
// client for itself.
func (d *Scope) checkName(j *judge, resource *Resource) {
	switch resource.Type {
	case ResourceTypeCustom:
		if oauth.OpenIDScope(d.Name) || oauth.PingOneScope(d.Name) {
			j.add(InvalidValue, "name", "is a scope of a predefined resource")
		}
	case ResourceTypeOpenID:
		if oauth.PingOneScope(d.Name) {
			j.add(InvalidValue, "name", "is a scope of the PingOne API")
		}
	case ResourceTypePingOne:
		if !furtherName.MatchString(d.Name) {
			j.inner(map[string]any{"allowedPattern": furtherName.String()}, InvalidValue, "name",
				"must be p1:read:user:{suffix} or p1:update:user:{suffix}")
		}
	}
}

func (d *Scope) checkSchemaAttributes(j *judge, resource *Resource) {
	if len(d.SchemaAttributes) == 0 {
		return
	}
	if resource.Type != ResourceTypePingOne || !limitedScope(d.Name) {
		j.add(InvalidValue, "schemaAttributes", "is for the scopes p1:read:user and p1:update:user, and those below them, alone")
		return
	}
	if len(d.SchemaAttributes) > maxSchemaAttributes {
		j.inner(map[string]any{"maximumValue": maxSchemaAttributes}, SizeLimitExceeded, "schemaAttributes", "must not be more than %d", maxSchemaAttributes)
		return
	}
	for i, path := range d.SchemaAttributes {
		switch {
		case path == everyAttribute && len(d.SchemaAttributes) > 1:
			j.add(InvalidValue, "schemaAttributes", "must not have other attributes beside *")
			return
		case path == everyAttribute:
		case len(path) > maxName || !attributePath.MatchString(path):
			j.add(InvalidValue, "schemaAttributes", "must be paths of attributes, or * alone")
			return
		case slices.Contains(d.SchemaAttributes[:i], path):
			j.add(InvalidValue, "schemaAttributes", "must not have an attribute twice")
			return
		}
	}
}

func (d *Scope) checkClaims(ctx context.Context, c *Checking, j *judge, resource *Resource) error {
	switch {
	case len(d.MappedClaims) == 0:
		return nil
	case resource.Type != ResourceTypeOpenID:
		j.add(InvalidValue, "mappedClaims", "is for scopes of the resource of OpenID Connect alone")
		return nil
	case len(d.MappedClaims) > maxMappedClaims:
		j.inner(map[string]any{"maximumValue": maxMappedClaims}, SizeLimitExceeded, "mappedClaims", "must not be more than %d", maxMappedClaims)
		return nil
	}
	for i, id := range d.MappedClaims {
		if slices.Contains(d.MappedClaims[:i], id) {
			j.add(InvalidValue, "mappedClaims", "must not have an attribute twice")
			return nil
		}
		_, err := c.Live.Item(ctx, c.Environment, store.KindResourceAttribute, c.Parent, id)
		switch {
		case errors.Is(err, store.ErrNotFound):
			j.add(InvalidValue, "mappedClaims", "must be IDs of attributes of the resource")
			return nil
		case err != nil:
			return oauth.CannotTell("find attribute", err)
		}
	}
	return nil
}

// checkElsewhere refuses a scope of OpenID Connect that a custom resource has, and
// the other way round: a request could not say which of them it wants.
func (d *Scope) checkElsewhere(ctx context.Context, c *Checking, resource *Resource) error {
	if resource.Type == ResourceTypePingOne {
		return nil
	}
	same, err := c.Live.ItemsByKey(ctx, c.Environment, store.KindScope, scopesNamed(d.Name), maxNamesakes)
	if err != nil {
		return oauth.CannotTell("find scopes of the same name", err)
	}
	openID := OpenIDResource(c.Environment.ID)
	for _, it := range same {
		if it.ID != c.ID && (it.Parent == openID) != (c.Parent == openID) {
			return Invalid(Problemf(UniquenessViolation, "name", "is the name of a scope of another resource, of which one is OpenID Connect's"))
		}
	}
	return nil
}

// maxNamesakes bounds how many scopes of one name are looked at.
const maxNamesakes = 1000

// Ends ends the tokens for a custom resource when it loses the name of a scope:
// they may have it. Those with scopes of the others are judged by what there is when
// they are used.
func (d *Scope) Ends(ctx context.Context, c *Checking, old, replaced Document) ([]End, error) {
	was, _ := old.(*Scope)
	is, _ := replaced.(*Scope)
	if was == nil || is != nil && is.Name == was.Name {
		return nil, nil
	}
	resource, err := c.resource(ctx, c.Parent)
	switch {
	case notFound(err):
		return nil, nil // it has gone, and its tokens with it
	case err != nil || resource.Type != ResourceTypeCustom:
		return nil, err
	}
	return []End{{Kind: store.RevokedAudience, Value: resource.aud()}}, nil
}

// Deletable keeps what every environment has.
func (d *Scope) Deletable(ctx context.Context, c *Checking) error {
	resource, err := c.resource(ctx, c.Parent)
	if err != nil {
		return err
	}
	if c.Builtin || predefinedScope(resource, d) {
		return Invalid(Problemf(ConstraintViolation, "name", "the scope %s is predefined and cannot be deleted", d.Name))
	}
	return nil
}

// Takes are the grants of nothing but this scope.
func (d *Scope) Takes(ctx context.Context, c *Checking) ([]store.ObjectVersion, error) {
	var gone []store.ObjectVersion
	err := c.grantsOf(ctx, func(it *Item, left *Grant) {
		if left == nil {
			gone = append(gone, store.ObjectVersion{Kind: store.KindGrant, ID: it.ID, Version: it.Version})
		}
	})
	return gone, err
}

// Leaves are the other grants of it.
func (d *Scope) Leaves(ctx context.Context, c *Checking) ([]Replacement, error) {
	var rest []Replacement
	err := c.grantsOf(ctx, func(it *Item, left *Grant) {
		if left != nil {
			rest = append(rest, Replacement{it, left})
		}
	})
	return rest, err
}

// grantsOf visits the grants of the scope that c is about, with what is left of
// each without it.
func (c *Checking) grantsOf(ctx context.Context, visit func(it *Item, left *Grant)) error {
	grants, err := c.stored(ctx, store.KindGrant, GrantsOfScope(c.ID))
	if err != nil {
		return err
	}
	for _, it := range grants {
		if g, ok := it.Document.(*Grant); ok {
			visit(it, g.Without(c.ID))
		}
	}
	return nil
}

var (
	_ Document = (*Scope)(nil)
	_ Keyed    = (*Scope)(nil)
	_ Ending   = (*Scope)(nil)
	_ Holding  = (*Scope)(nil)
	_ Taking   = (*Scope)(nil)
	_ Leaving  = (*Scope)(nil)
)
