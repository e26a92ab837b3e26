package directory

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// RoleAssignment gives a role on something to a worker or a user, which is its
// Parent. It is read at each call of the management API, so that a change counts
// for the next one, and it is never changed but deleted and made anew.
//
// Whether somebody may give it is access's business.
type RoleAssignment struct {
	Role  Reference       `json:"role"`
	Scope AssignmentScope `json:"scope"`
	// Holder is what the Parent is: HolderApplication or HolderUser. IDs of applications may be anybody's
	// choice, and one that is a user's as well must not make what one of them has the other's.
	Holder string `json:"holder,omitempty"`

	parent string // as Check saw it
}

// What an assignment's Parent is.
const (
	HolderApplication = "APPLICATION"
	HolderUser        = "USER"
)

// AssignmentScope is what a role is assigned on.
type AssignmentScope struct {
	ID   string `json:"id"`
	Type string `json:"type"` // ScopeOrganization and the others
	// Environment is that of the population or application, whatever was sent; nil for other types.
	Environment *Reference `json:"environment,omitempty"`
}

// Applies reports whether a role can be assigned on a scope of this type.
func (s *AssignmentScope) Applies(r Role) bool { return slices.Contains(r.ApplicableTo, s.Type) }

var (
	_ Document = (*RoleAssignment)(nil)
	_ Keyed    = (*RoleAssignment)(nil)
)

// Kind implements Document.
func (*RoleAssignment) Kind() store.ObjectKind { return store.KindRoleAssignment }

// Label implements Document: the role's name.
func (a *RoleAssignment) Label() string { return a.RoleName() }

// RoleName is the name of the role, as Client.Roles has it; "" where there is no such role.
func (a *RoleAssignment) RoleName() string {
	role, _ := RoleByID(a.Role.ID)
	return role.Name
}

// RoleNames are what Client.Roles of a worker with these assignments has; those of a user do not count.
func RoleNames(assignments []*Item) []string {
	var names []string
	for _, it := range assignments {
		a, ok := it.Document.(*RoleAssignment)
		if !ok || a.Holder != HolderApplication {
			continue
		}
		if name := a.RoleName(); name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// Keys implements Keyed: nobody has one role on one thing twice.
func (a *RoleAssignment) Keys() (unique, lookups []string) {
	if a.parent != "" {
		unique = []string{strings.Join([]string{"role", a.Role.ID, a.Scope.Type, a.Scope.ID, a.Holder, a.parent}, " ")}
	}
	return unique, []string{"scope " + a.Scope.ID}
}

// Check implements Document.
func (a *RoleAssignment) Check(ctx context.Context, c *Checking) error {
	a.parent = c.Parent
	var j judge
	role, known := RoleByID(a.Role.ID)
	switch {
	case a.Role.ID == "":
		j.add(RequiredValue, "role", "must name a role by its id")
	case !known:
		j.add(InvalidValue, "role", "must be one of the roles that there are")
	}
	switch {
	case a.Scope.ID == "":
		j.add(RequiredValue, "scope", "must say what the role is on by its id and type")
	case known && !a.Scope.Applies(role):
		j.inner(map[string]any{"allowedValues": role.ApplicableTo}, InvalidValue, "scope", "must be one of the types that the role is for")
	}
	if err := j.verdict(); err != nil {
		return err
	}
	found, err := a.findScope(ctx, c)
	if err != nil {
		return err
	}
	if !found {
		j.add(InvalidValue, "scope", "must be something of the organization")
	}
	if err := a.checkHolder(ctx, c, &j); err != nil {
		return err
	}
	return j.verdict()
}

// checkHolder wants a worker or a user. A worker that is not there is about to be
// created along with the assignment; whether a parent exists is the Writer's question.
func (a *RoleAssignment) checkHolder(ctx context.Context, c *Checking, j *judge) error {
	switch a.Holder {
	case HolderApplication:
		switch client, err := c.Live.ClientByID(ctx, c.Environment.ID, c.Parent); {
		case err == nil && client.Type != store.Worker:
			j.add(ConstraintViolation, "role", "cannot be assigned to an application that is no worker")
		case err != nil && !errors.Is(err, store.ErrNotFound):
			return oauth.CannotTell("find application", err)
		}
	case HolderUser:
		switch _, err := c.Live.UserByID(ctx, c.Environment.ID, c.Parent); {
		case errors.Is(err, store.ErrNotFound):
			return NotFound()
		case err != nil:
			return oauth.CannotTell("find user", err)
		}
	default:
		j.oneOf("holder", a.Holder, HolderApplication, HolderUser)
	}
	return nil
}

// findScope looks for what the assignment is on, in every environment of the
// organization.
func (a *RoleAssignment) findScope(ctx context.Context, c *Checking) (bool, error) {
	organization := c.Environment.Organization
	a.Scope.Environment = nil
	kind := store.KindPopulation
	switch a.Scope.Type {
	case ScopeOrganization:
		return a.Scope.ID == organization, nil
	case ScopeEnvironment:
		switch env, err := c.Live.EnvironmentByID(ctx, a.Scope.ID); {
		case errors.Is(err, store.ErrNotFound):
			return false, nil
		case err != nil:
			return false, oauth.CannotTell("find environment", err)
		default:
			return env.Organization == organization, nil
		}
	case ScopeApplication:
		kind = store.KindApplication
	}
	all, err := c.Live.Environments(ctx)
	if err != nil {
		return false, oauth.CannotTell("list environments", err)
	}
	// That of the assignment first: application IDs may be anybody's choice.
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(x, y *store.Environment) int {
		switch c.Environment.ID {
		case x.ID:
			return -1
		case y.ID:
			return 1
		}
		return 0
	})
	for _, env := range all {
		if env.Organization != organization {
			continue
		}
		switch _, err := c.Live.Item(ctx, env, kind, "", a.Scope.ID); {
		case err == nil:
			a.Scope.Environment = &Reference{ID: env.ID}
			return true, nil
		case !errors.Is(err, store.ErrNotFound):
			return false, oauth.CannotTell("find what a role is on", err)
		}
	}
	return false, nil
}

// DeclaredAssignments are the assignments that configuration gives to a worker: a
// name that is no role's gives nothing. Organization Admin is on the
// organization, every other role on the worker's environment.
func DeclaredAssignments(env *store.Environment, client *store.Client) []*RoleAssignment {
	if client.Type != store.Worker {
		return nil
	}
	var all []*RoleAssignment
	for _, name := range client.Roles {
		role, known := RoleByName(name)
		if !known {
			continue
		}
		a := &RoleAssignment{
			Role: Reference{role.ID}, Scope: AssignmentScope{ID: env.ID, Type: ScopeEnvironment},
			Holder: HolderApplication, parent: client.ID,
		}
		switch {
		case name == RoleOrganizationAdmin:
			a.Scope = AssignmentScope{ID: env.Organization, Type: ScopeOrganization}
		case !slices.Contains(role.ApplicableTo, ScopeEnvironment):
			continue
		}
		all = append(all, a)
	}
	return all
}

// declaredAssignments are those of every worker of an environment.
func declaredAssignments(l *Live, env *store.Environment) []Item {
	var all []Item
	for _, client := range l.Declared.DeclaredClients() {
		if client.Environment != env.ID {
			continue
		}
		for _, a := range DeclaredAssignments(env, client) {
			it := Item{Document: a, Declared: l.Declared.DeclaredAt(env.ID, store.KindApplication, client.ID)}
			it.ID = BuiltinID(env.ID, store.KindRoleAssignment, client.ID+"\x00"+a.RoleName())
			it.Parent = client.ID
			all = append(all, it)
		}
	}
	return all
}
