package directory

import (
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Names of the resources that every environment has.
const (
	nameOpenID  = "openid"
	namePingOne = "PingOne API"
)

// OpenIDResource and PingOneResource are the IDs of the two resources that every
// environment has, as the management API knows them.
func OpenIDResource(environment string) string {
	return BuiltinID(environment, store.KindResource, store.ResourceOpenID)
}

// PingOneResource is the ID of the resource of the PingOne API.
func PingOneResource(environment string) string {
	return BuiltinID(environment, store.KindResource, store.ResourcePingOne)
}

// GrantedResource is the key that a resource has in store.Client.Grants: its ID, or
// the reserved word for one that every environment has.
func GrantedResource(environment, id string) string {
	switch id {
	case OpenIDResource(environment):
		return store.ResourceOpenID
	case PingOneResource(environment):
		return store.ResourcePingOne
	}
	return id
}

// builtinResources are the two.
func builtinResources(env *store.Environment) []Item {
	seconds := int64(store.DefaultAccessTokenTTL.Seconds())
	audience := env.APIAudience
	return []Item{
		builtinItem(store.KindResource, OpenIDResource(env.ID), "", &Resource{
			Name: nameOpenID, Type: ResourceTypeOpenID, AccessTokenValiditySeconds: &seconds,
		}),
		builtinItem(store.KindResource, PingOneResource(env.ID), "", &Resource{
			Name: namePingOne, Type: ResourceTypePingOne, Audience: &audience, AccessTokenValiditySeconds: &seconds,
		}),
	}
}

// builtinItem is what a kind says of an object that is nowhere stored.
func builtinItem(kind store.ObjectKind, id, parent string, d Document) Item {
	return Item{Object: store.Object{Kind: kind, ID: id, Parent: parent}, Document: d}
}

// builtinScopes are the scopes of the two.
func builtinScopes(env *store.Environment) []Item {
	var all []Item
	add := func(resource, name, description string, attributes []string) {
		id := BuiltinID(env.ID, store.KindScope, resource+" "+name)
		all = append(all, builtinItem(store.KindScope, id, resource, &Scope{
			Name: name, Description: &description, SchemaAttributes: attributes, resource: resource,
		}))
	}
	for _, s := range openIDScopes {
		add(OpenIDResource(env.ID), s.name, s.description, nil)
	}
	for _, s := range pingOneScopes {
		var attributes []string
		if limitedScope(s.name) {
			attributes = []string{everyAttribute}
		}
		add(PingOneResource(env.ID), s.name, s.description, attributes)
	}
	return all
}

// builtinResourceAttributes are the claims of OpenID Connect.
func builtinResourceAttributes(env *store.Environment) []Item {
	var all []Item
	resource := OpenIDResource(env.ID)
	for _, predefined := range predefinedClaims {
		value, yes := predefined.value, true
		all = append(all, builtinItem(store.KindResourceAttribute, PredefinedClaim(env.ID, predefined.name), resource, &ResourceAttribute{
			Name: predefined.name, Value: &value, Type: AttributePredefined, IDToken: &yes, UserInfo: &yes, resource: resource,
		}))
	}
	return all
}

type described struct{ name, description string }

// openIDScopes are those of OIDC Core §5.4 and §11.
var openIDScopes = []described{
	{"openid", "Sign on with OpenID Connect"},
	{"profile", "Name, picture, language and other parts of the profile"},
	{"email", "Email address and whether it is verified"},
	{"address", "Postal address"},
	{"phone", "Phone number and whether it is verified"},
	{"offline_access", "Access when the user is not present"},
}

// pingOneScopes let people manage themselves.
var pingOneScopes = []described{
	{"p1:read:user", "Read the own profile"},
	{"p1:update:user", "Update the own profile"},
	{"p1:update:userMfaEnabled", "Turn multi-factor authentication on or off for oneself"},
	{"p1:create:device", "Create own devices"},
	{"p1:read:device", "Read own devices"},
	{"p1:update:device", "Update own devices"},
	{"p1:delete:device", "Delete own devices"},
	{"p1:read:userPassword", "Read the state of the own password"},
	{"p1:reset:userPassword", "Change the own password"},
	{"p1:validate:userPassword", "Check the own password"},
	{"p1:read:userLinkedAccounts", "Read own linked accounts"},
	{"p1:delete:userLinkedAccounts", "Delete own linked accounts"},
	{"p1:read:oauthConsents", "Read own consents"},
	{"p1:update:oauthConsents", "Update own consents"},
	{"p1:read:sessions", "See own sessions"},
	{"p1:delete:sessions", "End own sessions"},
}

// predefinedClaims are the claims of OpenID Connect, and what they are made of
// unless somebody says otherwise. "" is what the person's record says itself.
var predefinedClaims = []struct{ name, value string }{
	{"address.country", "${user.address.countryCode}"},
	{"address.formatted", ""},
	{"address.locality", "${user.address.locality}"},
	{"address.postal_code", "${user.address.postalCode}"},
	{"address.region", "${user.address.region}"},
	{"address.street_address", "${user.address.streetAddress}"},
	{"birthdate", ""},
	{"email", "${user.email}"},
	{"email_verified", ""},
	{"family_name", "${user.name.family}"},
	{"gender", ""},
	{"given_name", "${user.name.given}"},
	{"locale", "${user.locale}"},
	{"middle_name", "${user.name.middle}"},
	{"name", "${user.name.formatted}"},
	{"nickname", "${user.nickname}"},
	{"phone_number", "${user.primaryPhone}"},
	{"phone_number_verified", ""},
	{"picture", "${user.photo.href}"},
	{"preferred_username", "${user.username}"},
	{"profile", ""},
	{"updated_at", updatedAt},
	{"website", ""},
	{"zoneinfo", "${user.timezone}"},
}

// updatedAt is the one expression that is understood beyond store.ParseSource.
const updatedAt = "${#datetime.toUnixTimestamp(user.updatedAt)}"

// predefinedClaim is the value that a claim has unless somebody says otherwise.
func predefinedClaim(name string) (value string, ok bool) {
	for _, c := range predefinedClaims {
		if c.name == name {
			return c.value, true
		}
	}
	return "", false
}
