package access

import (
	"slices"

	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Target is what a permission is wanted on, as far as scopes of assignments can tell things apart. Empty
// strings are none in particular: then only a role on the whole environment or organization gives it.
type Target struct {
	Application string // ID
	Population  string // ID, never "" for a user: see directory
	User        string // ID: who holds a self-service scope may do to themselves what that allows
}

// Caller is who presented a token. It is good for one call: the next one reads
// the roles again. Read only.
type Caller struct {
	Environment *store.Environment // of the token
	Client      *store.Client
	User        *store.User // nil where the client acts for itself
	grants      []grant
	self        []Permission // on the user themself
	// attributes is what of the user ReadUser and UpdateUser of self are about.
	attributes map[Permission]attributes
}

// grant is what one role assignment comes to.
type grant struct {
	assignment  *directory.RoleAssignment
	permissions []Permission
}

// in reports whether the grant is on env or on something in it. whole: on all of it.
func (g *grant) in(env *store.Environment) (whole, some bool) {
	switch s := &g.assignment.Scope; s.Type {
	case directory.ScopeOrganization:
		return s.ID == env.Organization, s.ID == env.Organization
	case directory.ScopeEnvironment:
		return s.ID == env.ID, s.ID == env.ID
	default:
		return false, s.Environment != nil && s.Environment.ID == env.ID
	}
}

// on reports whether the grant is on the target, or on all of env.
func (g *grant) on(env *store.Environment, t Target) bool {
	whole, some := g.in(env)
	if whole || !some {
		return whole
	}
	switch s := &g.assignment.Scope; s.Type {
	case directory.ScopePopulation:
		return s.ID != "" && s.ID == t.Population
	case directory.ScopeApplication:
		return s.ID != "" && s.ID == t.Application
	}
	return false
}

// May reports whether the caller has p on a target in env. env nil is for what is
// of no environment: that takes a role on the organization. No role reaches into
// another organization. An environment itself may be read by whoever has a role
// on anything in it.
func (c *Caller) May(p Permission, env *store.Environment, t Target) bool {
	return c.ByRole(p, env, t) || c.Self(p, env, t)
}

// ByRole is May without what a self-service scope gives.
func (c *Caller) ByRole(p Permission, env *store.Environment, t Target) bool {
	if env != nil && env.Organization != c.Environment.Organization {
		return false
	}
	return c.anyGrant(p, func(g *grant) bool {
		switch {
		case env == nil:
			return g.assignment.Scope.Type == directory.ScopeOrganization && g.assignment.Scope.ID == c.Environment.Organization
		case p == ReadEnvironment:
			_, some := g.in(env)
			return some
		}
		return g.on(env, t)
	})
}

// Self reports whether the caller has p on the target by a self-service scope:
// then the target is the caller's own user, and no more may be done to it than
// people may do to themselves.
func (c *Caller) Self(p Permission, env *store.Environment, t Target) bool {
	return c.User != nil && t.User == c.User.ID && env != nil && env.ID == c.Environment.ID && slices.Contains(c.self, p)
}

// Somewhere reports whether the caller has p by a role on anything of env: on the whole, or on some populations or
// applications alone. Lists are then cut to those for which May holds. env nil asks for anything anywhere.
func (c *Caller) Somewhere(p Permission, env *store.Environment) bool {
	if env != nil && env.Organization != c.Environment.Organization {
		return false
	}
	return c.anyGrant(p, func(g *grant) bool {
		if env == nil {
			return true
		}
		_, some := g.in(env)
		return some
	})
}

// Populations are the IDs of the populations that p is limited to in env; all is true where it is not limited.
func (c *Caller) Populations(p Permission, env *store.Environment) (ids []string, all bool) {
	return c.limits(p, env, directory.ScopePopulation)
}

// Applications are the IDs of the applications that p is limited to in env; all is true where it is not limited.
func (c *Caller) Applications(p Permission, env *store.Environment) (ids []string, all bool) {
	return c.limits(p, env, directory.ScopeApplication)
}

func (c *Caller) limits(p Permission, env *store.Environment, scope string) (ids []string, all bool) {
	if c.ByRole(p, env, Target{}) {
		return nil, true
	}
	c.anyGrant(p, func(g *grant) bool {
		if _, some := g.in(env); some && g.assignment.Scope.Type == scope && !slices.Contains(ids, g.assignment.Scope.ID) {
			ids = append(ids, g.assignment.Scope.ID)
		}
		return false
	})
	return ids, false
}

// MayGive reports whether the caller has all that an assignment gives, at the
// same or a broader scope: more can nobody give.
func (c *Caller) MayGive(a *directory.RoleAssignment) bool {
	wanted := permissions(a.Role.ID)
	if len(wanted) == 0 {
		return false
	}
	for _, p := range wanted {
		if !c.anyGrant(p, func(g *grant) bool { return g.includes(&a.Scope, c.Environment.Organization) }) {
			return false
		}
	}
	return true
}

// includes reports whether the grant's scope is the same or a broader one. Every
// scope that an assignment can have is in the organization.
func (g *grant) includes(s *directory.AssignmentScope, organization string) bool {
	own := &g.assignment.Scope
	switch own.Type {
	case directory.ScopeOrganization:
		return own.ID == organization
	case directory.ScopeEnvironment:
		return s.Type == directory.ScopeEnvironment && s.ID == own.ID || s.Environment != nil && s.Environment.ID == own.ID
	}
	return s.Type == own.Type && s.ID == own.ID && s.Environment != nil && own.Environment != nil && s.Environment.ID == own.Environment.ID
}

// Assignments are the roles that the caller has, to be given to an application:
// each a copy.
func (c *Caller) Assignments() []*directory.RoleAssignment {
	var all []*directory.RoleAssignment
	for i := range c.grants {
		a := c.grants[i].assignment
		all = append(all, &directory.RoleAssignment{Role: a.Role, Scope: a.Scope, Holder: directory.HolderApplication})
	}
	return all
}

func (c *Caller) anyGrant(p Permission, is func(*grant) bool) bool {
	for i := range c.grants {
		if g := &c.grants[i]; slices.Contains(g.permissions, p) && is(g) {
			return true
		}
	}
	return false
}
