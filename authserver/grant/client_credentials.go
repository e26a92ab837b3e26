package grant

import (
	"context"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

// ClientCredentials is the grant of clients that act for themselves
// (RFC 6749 §4.4); what they get is token.Scopes' decision.
//
// The token has no sid, no sub unless a resource maps one, and there is no
// refresh token.
type ClientCredentials struct {
	Scopes *token.Scopes
	Tokens *token.Minter
}

var _ Grant = (*ClientCredentials)(nil)

// Type is client_credentials.
func (g *ClientCredentials) Type() string { return oauth.GrantClientCredentials }

// Name is client_credentials.
func (g *ClientCredentials) Name() string { return oauth.GrantClientCredentials }

// Token mints the token.
func (g *ClientCredentials) Token(ctx context.Context, r Request) (*Response, error) {
	requested, err := oauth.ParseScope(r.Form.Get("scope"))
	if err != nil {
		return nil, err
	}
	resources, err := oauth.ParseResources(r.Form.All("resource"))
	if err != nil {
		return nil, err
	}
	granted, err := g.Scopes.ForClientAt(ctx, r.Environment, r.Client, requested, resources)
	if err != nil {
		return nil, err
	}
	minted, err := g.Tokens.Mint(ctx, r.Environment, token.Access{
		Client: r.Client.ID, For: r.Client, Scope: granted.Scope, Audience: granted.Audience, TTL: granted.TTL, IncludeX5T: r.Client.IncludeX5T,
		Resources: granted.Resources, KeyRotationPolicy: r.Client.KeyRotationPolicy, Bound: r.Proved,
	})
	if err != nil {
		return nil, err
	}
	return &Response{Access: minted, Scope: granted.Scope, Bound: r.Proved}, nil
}
