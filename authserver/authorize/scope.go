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
	if slices.Contains(d.req.ResponseType, oauth.ResponseIDToken) && !slices.Contains(granted.Scope, oauth.ScopeOpenID) {
		return oauth.InvalidScope("An ID token needs the scope openid")
	}
	d.req.Scope, d.req.Audience, d.req.Resources, d.req.TTL = granted.Scope, granted.Audience, granted.Resources, granted.TTL
	return nil
}
