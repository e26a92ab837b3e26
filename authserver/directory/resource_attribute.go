package directory

import (
	"context"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Types of resource attributes: custom resources have sub, and the resource of
// OpenID Connect its standard claims, from the beginning.
const (
	AttributeCore       = "CORE"
	AttributeCustom     = "CUSTOM"
	AttributePredefined = "PREDEFINED"
)

// ResourceAttribute maps a claim: of a custom resource's access tokens, or of the
// ID tokens and UserInfo answers of the resource of OpenID Connect. Its parent is
// the resource.
type ResourceAttribute struct {
	Name string `json:"name"` // unique in the resource
	// Value is as in store.ParseSource. Of a predefined claim it may be empty: one that is empty from the beginning
	// is what the person's record says, any other is then left out.
	Value *string `json:"value"`
	// Type is CORE, CUSTOM or PREDEFINED and never changes.
	Type string `json:"type,omitempty"`
	// IDToken and UserInfo are where a claim of OpenID Connect may go, absent means that it may; not both false.
	IDToken  *bool `json:"idToken,omitzero"`
	UserInfo *bool `json:"userInfo,omitzero"`

	resource string // its parent, once it is known
	founding bool   // it is made along with its resource
}

// coreSubject is what every custom resource has from the beginning.
func coreSubject(resource string) *ResourceAttribute {
	value := userID
	return &ResourceAttribute{Name: "sub", Value: &value, Type: AttributeCore, resource: resource, founding: true}
}

// Kind implements Document.
func (*ResourceAttribute) Kind() store.ObjectKind { return store.KindResourceAttribute }

// Label is the claim.
func (d *ResourceAttribute) Label() string { return d.Name }

// Keys make the name unique in the resource.
func (d *ResourceAttribute) Keys() (unique, lookups []string) {
	return []string{"name " + d.resource + " " + d.Name}, nil
}

// Check implements Document.
func (d *ResourceAttribute) Check(ctx context.Context, c *Checking) error {
	d.resource = c.Parent
	if d.founding && c.Old == nil {
		return nil // nobody sent it, and its resource is not there yet
	}
	resource, err := c.resource(ctx, c.Parent)
	if err != nil {
		return err
	}
	var j judge
	old, _ := c.Old.(*ResourceAttribute)
	switch {
	case old != nil:
		d.Type = old.Type
	case resource.Type == ResourceTypeCustom && d.Name == "sub":
		d.Type = AttributeCore
	default:
		d.Type = AttributeCustom
	}
	d.checkName(&j, resource, old)
	d.checkValue(&j)
	switch {
	case resource.Type == ResourceTypePingOne:
		j.add(InvalidValue, "resource", "attributes are of custom resources and of the resource of OpenID Connect")
	case resource.Type == ResourceTypeCustom && d.IDToken != nil:
		j.add(InvalidValue, "idToken", "is for attributes of the resource of OpenID Connect alone")
	case resource.Type == ResourceTypeCustom && d.UserInfo != nil:
		j.add(InvalidValue, "userInfo", "is for attributes of the resource of OpenID Connect alone")
	case !d.inIDToken() && !d.inUserInfo():
		j.add(InvalidValue, "userInfo", "must not be false where idToken is")
	}
	return j.verdict()
}

func (d *ResourceAttribute) inIDToken() bool  { return d.IDToken == nil || *d.IDToken }
func (d *ResourceAttribute) inUserInfo() bool { return d.UserInfo == nil || *d.UserInfo }

func (d *ResourceAttribute) checkName(j *judge, resource *Resource, old *ResourceAttribute) {
	_, predefined := predefinedClaim(d.Name)
	switch {
	case d.Name == "":
		j.add(RequiredValue, "name", "must not be empty")
	case old != nil && d.Type != AttributeCustom:
		if d.Name != old.Name {
			j.add(InvalidValue, "name", "cannot be changed: every resource of its type has the attribute")
		}
	case d.Type == AttributeCore: // of a resource that comes from elsewhere
	case store.CheckAttribute(d.Name, false) != nil:
		j.add(InvalidValue, "name", "must be the name of a claim that is not reserved")
	case resource.Type != ResourceTypeOpenID:
	case predefined:
		j.add(UniquenessViolation, "name", "is unique but a non-unique value is provided")
	case d.Name == "address" || strings.HasPrefix(d.Name, "address."):
		j.add(InvalidValue, "name", "must not be address, which is made of its predefined members")
	}
}

// checkValue refuses what is neither ${user.…} nor text.
func (d *ResourceAttribute) checkValue(j *judge) {
	switch {
	case d.Value == nil:
		j.add(RequiredValue, "value", "must be there")
		return
	case d.Type == AttributePredefined && *d.Value == "", d.Type == AttributePredefined && *d.Value == updatedAt && d.Name == "updated_at":
		return
	case *d.Value == "":
		j.add(RequiredValue, "value", "must not be empty")
		return
	}
	if _, err := store.ParseSource(*d.Value); err != nil {
		j.add(InvalidValue, "value", "must be plain text without braces, or ${user.<attribute>}")
	}
}

// Deletable keeps what every resource has.
func (d *ResourceAttribute) Deletable(context.Context, *Checking) error {
	if d.Type != AttributeCustom {
		return Invalid(Problemf(ConstraintViolation, "type", "an attribute of the type %s cannot be deleted; it can be changed", d.Type))
	}
	return nil
}

// Leaves drops a claim from the scopes that give it.
func (d *ResourceAttribute) Leaves(ctx context.Context, c *Checking) ([]Replacement, error) {
	scopes, err := c.stored(ctx, store.KindScope, scopesOfClaim(c.ID))
	if err != nil {
		return nil, err
	}
	var left []Replacement
	for _, it := range scopes {
		if s, ok := it.Document.(*Scope); ok {
			left = append(left, Replacement{it, s.without(c.Parent, c.ID)})
		}
	}
	return left, nil
}

var (
	_ Document = (*ResourceAttribute)(nil)
	_ Keyed    = (*ResourceAttribute)(nil)
	_ Holding  = (*ResourceAttribute)(nil)
	_ Leaving  = (*ResourceAttribute)(nil)
)
