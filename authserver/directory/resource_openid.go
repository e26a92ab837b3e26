package directory

import (
	"context"
	"fmt"
	"slices"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// standardScopes are the claims that the scopes of OpenID Connect give by
// themselves (OIDC Core §5.4).
var standardScopes = map[string][]string{
	"openid": nil,
	"profile": {
		"name", "family_name", "given_name", "middle_name", "nickname", "preferred_username", "profile", "picture",
		"website", "gender", "birthdate", "zoneinfo", "locale", "updated_at",
	},
	"email":          {"email", "email_verified"},
	"address":        {"address"},
	"phone":          {"phone_number", "phone_number_verified"},
	"offline_access": nil,
}

// openIDOf is an openIDFunc. What is built in and was not changed is the standard,
// so that what is stored says everything.
func openIDOf(ctx context.Context, l *Live, env *store.Environment) (*store.OpenID, error) {
	var all []*Item
	for _, parent := range [...]string{OpenIDResource(env.ID), PingOneResource(env.ID)} {
		children, err := l.children(ctx, env.ID, parent)
		if err != nil {
			return nil, err
		}
		all = append(all, children...)
	}
	return openID(env.ID, all)
}

// openID is what stored scopes and attributes of these resources come to. What
// agrees with the standard is left out, so that an environment that changed
// nothing has the zero value.
func openID(environment string, children []*Item) (*store.OpenID, error) {
	o := &store.OpenID{}
	names := map[string]string{} // claims by the ID of their attribute
	for _, it := range children {
		d, ok := it.Document.(*ResourceAttribute)
		if !ok || it.Parent != OpenIDResource(environment) {
			continue
		}
		names[it.ID] = d.Name
		claim, changed, err := d.claim()
		if err != nil {
			return nil, fmt.Errorf("claim %s: %w", d.Name, err)
		}
		if changed {
			if o.Claims == nil {
				o.Claims = map[string]store.OpenIDClaim{}
			}
			o.Claims[d.Name] = claim
		}
	}
	for _, it := range children {
		d, ok := it.Document.(*Scope)
		switch {
		case !ok:
		case it.Parent == PingOneResource(environment):
			if !predefinedName(pingOneScopes, d.Name) {
				o.API = append(o.API, d.Name)
			}
			if limitedScope(d.Name) && !slices.Contains(d.SchemaAttributes, everyAttribute) {
				if o.Limits == nil {
					o.Limits = map[string][]string{}
				}
				o.Limits[d.Name] = d.SchemaAttributes
			}
		case len(d.MappedClaims) > 0 || !predefinedName(openIDScopes, d.Name):
			if o.Scopes == nil {
				o.Scopes = map[string][]string{}
			}
			o.Scopes[d.Name] = d.gives(environment, names)
		}
	}
	slices.Sort(o.API)
	return o, nil
}

// gives are the claims of a scope: those of the standard, and those mapped to it.
// An attribute that is gone gives nothing.
func (d *Scope) gives(environment string, names map[string]string) []string {
	claims := slices.Clone(standardScopes[d.Name])
	for _, id := range d.MappedClaims {
		name, ok := names[id]
		if !ok {
			name, ok = predefinedByID(environment, id)
		}
		if ok && !slices.Contains(claims, name) {
			claims = append(claims, name)
		}
	}
	return claims
}

// predefinedByID is the claim of an attribute that nobody has changed.
func predefinedByID(environment, id string) (name string, ok bool) {
	for _, c := range predefinedClaims {
		if PredefinedClaim(environment, c.name) == id {
			return c.name, true
		}
	}
	return "", false
}

// PredefinedClaim is the ID of the attribute of a claim that OpenID Connect defines.
func PredefinedClaim(environment, name string) string {
	return BuiltinID(environment, store.KindResourceAttribute, OpenIDResource(environment)+" "+name)
}

// claim is where a claim comes from; changed is false where that is what OpenID Connect
// says.
func (d *ResourceAttribute) claim() (c store.OpenIDClaim, changed bool, err error) {
	c = store.OpenIDClaim{IDToken: d.inIDToken(), UserInfo: d.inUserInfo()}
	value := ""
	if d.Value != nil {
		value = *d.Value
	}
	standard, predefined := predefinedClaim(d.Name)
	switch {
	case predefined && value == standard:
		c.From = store.Source{User: d.Name}
		return c, !c.IDToken || !c.UserInfo, nil
	case predefined && value == "":
		return c, true, nil
	}
	if !predefined {
		if err := store.CheckAttribute(d.Name, false); err != nil {
			return c, true, err
		}
	}
	c.From, err = store.ParseSource(value)
	return c, true, err
}
