package directory

import (
	"context"
	"fmt"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// resource is what a custom resource with its scopes, attributes and secret comes
// to. What no longer can be said is an error: a resource with less than it should
// have would let through what it is to refuse.
func (d *Resource) resource(_ context.Context, w *whole) (*store.Resource, error) {
	if d.Type != ResourceTypeCustom {
		return nil, store.ErrNotFound
	}
	r := &store.Resource{
		Environment: w.env.ID, ID: w.item.ID, Name: d.Name, Audience: d.aud(), AccessTokenTTL: store.DefaultAccessTokenTTL,
		IntrospectionAuth: authMethods.oauth(d.IntrospectEndpointAuthMethod),
	}
	if r.IntrospectionAuth == "" {
		return nil, fmt.Errorf("resource %s: introspectEndpointAuthMethod is %q", r.ID, d.IntrospectEndpointAuthMethod)
	}
	if d.AccessTokenValiditySeconds != nil {
		r.AccessTokenTTL = time.Duration(*d.AccessTokenValiditySeconds) * time.Second
	}
	for _, it := range w.children {
		switch child := it.Document.(type) {
		case *Scope:
			r.Scopes = append(r.Scopes, child.Name)
		case *ResourceAttribute:
			a, err := child.attribute()
			if err != nil {
				return nil, fmt.Errorf("resource %s: %w", r.ID, err)
			}
			if a != subjectAttribute { // that is what sub is without any
				r.Attributes = append(r.Attributes, a)
			}
		case *Secret:
			if d.UsesSecret() {
				secrets := child.clientSecrets()
				r.Secret, r.PreviousSecrets = secrets[0].Value, append(r.PreviousSecrets, secrets[1:]...)
			}
		}
	}
	return r, nil
}

var subjectAttribute = store.ResourceAttribute{Claim: "sub", From: store.SourceUserID}

// attribute is what an attribute of a custom resource comes to.
func (d *ResourceAttribute) attribute() (store.ResourceAttribute, error) {
	a := store.ResourceAttribute{Claim: d.Name}
	err := store.CheckAttribute(d.Name, true)
	if err == nil && d.Value != nil {
		a.From, err = store.ParseSource(*d.Value)
	}
	return a, err
}

// declaredResources are the documents of what configuration declares.
func declaredResources(l *Live, env *store.Environment) []Item {
	return ofDeclared(l, env, func(r *store.Resource, where string) []Item {
		seconds := int64(r.AccessTokenTTL / time.Second)
		return []Item{{
			Object: store.Object{ID: r.ID}, Declared: where, Document: &Resource{
				Name: r.Name, Type: ResourceTypeCustom, Audience: &r.Audience, AccessTokenValiditySeconds: &seconds,
				IntrospectEndpointAuthMethod:   authMethods.pingOne(r.IntrospectionAuth),
				ApplicationPermissionsSettings: &ApplicationPermissionsSettings{},
			},
		}}
	})
}

// declaredScopes are those of declared resources.
func declaredScopes(l *Live, env *store.Environment) []Item {
	return ofDeclared(l, env, func(r *store.Resource, where string) []Item {
		var all []Item
		for _, name := range r.Scopes {
			all = append(all, Item{
				Object:   store.Object{ID: DeclaredScope(env.ID, r.ID, name), Parent: r.ID},
				Declared: where, Document: &Scope{Name: name, resource: r.ID},
			})
		}
		return all
	})
}

// DeclaredScope is the ID of a scope of a declared resource, which has none of its own.
func DeclaredScope(environment, resource, name string) string {
	return BuiltinID(environment, store.KindScope, resource+" "+name)
}

// declaredResourceAttributes are those of declared resources, with the sub that
// every resource has.
func declaredResourceAttributes(l *Live, env *store.Environment) []Item {
	return ofDeclared(l, env, func(r *store.Resource, where string) []Item {
		all, subject := []Item{}, coreSubject(r.ID)
		for _, a := range r.Attributes {
			value := sourceText(a.From)
			if a.Claim == "sub" {
				subject.Value = &value
				continue
			}
			all = append(all, declaredAttribute(env, where, &ResourceAttribute{Name: a.Claim, Value: &value, Type: AttributeCustom, resource: r.ID}))
		}
		return append(all, declaredAttribute(env, where, subject))
	})
}

func declaredAttribute(env *store.Environment, where string, d *ResourceAttribute) Item {
	id := BuiltinID(env.ID, store.KindResourceAttribute, d.resource+" "+d.Name)
	return Item{Object: store.Object{ID: id, Parent: d.resource}, Declared: where, Document: d}
}

// sourceText writes a source as store.ParseSource reads it.
func sourceText(s store.Source) string {
	if s.User == "" {
		return s.Text
	}
	return "${user." + s.User + "}"
}

// ofDeclared gathers what the declared resources of an environment come to.
func ofDeclared(l *Live, env *store.Environment, items func(r *store.Resource, where string) []Item) []Item {
	var all []Item
	for _, r := range l.Declared.DeclaredResources() {
		if r.Environment == env.ID {
			all = append(all, items(r, l.Declared.DeclaredAt(env.ID, store.KindResource, r.ID))...)
		}
	}
	return all
}
