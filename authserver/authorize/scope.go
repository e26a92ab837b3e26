package authorize

import (
	"context"
	"slices"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
)

// allowedScope settles the scopes, the audience and the life of access tokens, within the resources that are named.
func allowedScope(ctx context.Context, d *draft) error {
	asked, err := oauth.ParseScope(d.form.Get("scope"))
	if err != nil {
		return err
	}
	granted, err := d.Scopes.ForUserAt(ctx, d.env, d.client, asked, d.req.Named)
	if err != nil {
		return err
	}
	if err := idTokenNeeds(d.req.ResponseType, granted.Scope); err != nil {
		return err
	}
	d.req.Scope, d.req.Audience, d.req.Resources, d.req.TTL = granted.Scope, granted.Audience, granted.Resources, granted.TTL
	return nil
}

// idTokenNeeds refuses a response type with an ID token where the scope that makes one is not granted.
func idTokenNeeds(types, scope []string) error {
	if slices.Contains(types, oauth.ResponseIDToken) && !slices.Contains(scope, oauth.ScopeOpenID) {
		return oauth.InvalidScope("An ID token needs the scope openid")
	}
	return nil
}
