package token

import (
	"slices"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// named keeps what the client may have of the resources that a request names (RFC 8707 §2); without any, all of it. A resource is
// named by its audience, byte for byte; APIAudience names UserInfo and the PingOne API, whose scopes are meant where api is true.
//
// A resource that the client has no scope of is invalid_target like one that there is not: a client
// does not find out what others may have. The two that every environment has share no token with a custom one.
func named(env *store.Environment, granted []onResource, resources []string) (custom []onResource, api bool, err error) {
	if len(resources) == 0 {
		return granted, true, nil
	}
	for _, name := range resources {
		found := false
		for _, at := range granted {
			if at.resource.Audience == name {
				custom, found = append(custom, at), true
			}
		}
		switch {
		case found:
		case name == env.APIAudience:
			api = true
		default:
			return nil, false, oauth.InvalidTarget("The resource is unknown, or not for this client")
		}
	}
	if api && len(custom) > 0 {
		return nil, false, manyResources()
	}
	slices.SortFunc(custom, byID)
	return custom, api, nil
}

// allOf are the scopes of all resources, in their order.
func allOf(resources []onResource) []string {
	var scopes []string
	for _, at := range resources {
		scopes = appendNew(scopes, at.scopes...)
	}
	return scopes
}
