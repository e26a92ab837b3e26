package token

import (
	"context"
	"slices"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Narrow is a as far as the client may still have it: with the scopes of requested, or, with none, its own, and of the resources
// of these names, or, with none, those that its request named. What requested and named may be is for the caller to judge. Errors are
// those of Again.
//
// No token lives longer than a says, so that it is known for how long a grant that has ended must be remembered (Revoker.EndGrant).
func (s *Scopes) Narrow(ctx context.Context, env *store.Environment, c *store.Client, a Authorization, requested, named []string) (Authorization, error) {
	if len(requested) == 0 {
		requested = a.Scope
	}
	if len(named) == 0 {
		named = a.Named
	}
	before := a.Resources
	if before == nil && slices.Contains(a.Audience, env.APIAudience) {
		before = []string{} // it is known: none, since a custom one shares no token with this audience
	}
	granted, err := s.Again(ctx, env, c, requested, named, before)
	if err != nil {
		return a, err
	}
	a.Scope, a.Audience, a.Resources, a.TTL = granted.Scope, granted.Audience, granted.Resources, min(a.TTL, granted.TTL)
	return a, nil
}
