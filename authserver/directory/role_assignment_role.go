package directory

import "slices"

// Role is a built-in role as far as assignments need to know it. What it permits
// is package access's business.
type Role struct {
	ID, Name string
	// ApplicableTo are the types of scope on which it can be assigned, the broadest first.
	ApplicableTo []string
}

// Types of the scope of a role assignment.
const (
	ScopeOrganization = "ORGANIZATION"
	ScopeEnvironment  = "ENVIRONMENT"
	ScopePopulation   = "POPULATION"
	ScopeApplication  = "APPLICATION"
)

// Names of the built-in roles.
const (
	RoleOrganizationAdmin     = "Organization Admin"
	RoleEnvironmentAdmin      = "Environment Admin"
	RoleIdentityDataAdmin     = "Identity Data Admin"
	RoleApplicationDeveloper  = "Client Application Developer"
	RoleApplicationOwner      = "Application Owner"
	RoleHelpDeskAdmin         = "Help Desk Admin"
	RoleIdentityReadOnly      = "Identity Data Read Only"
	RoleConfigurationReadOnly = "Configuration Read Only"
	RoleCustomRolesAdmin      = "Custom Roles Admin"
)

// roles are the built-in ones. Their IDs are the same everywhere and for ever; those
// of Environment Admin, Identity Data Admin and Custom Roles Admin are PingOne's own.
var roles = []Role{
	{"2a1c5c2e-8f0b-4a5d-9d3e-6b7f0c4e1d21", RoleOrganizationAdmin, []string{ScopeOrganization}},
	{"29ddce68-cd7f-4b2a-b6fc-f7a19553b496", RoleEnvironmentAdmin, []string{ScopeOrganization, ScopeEnvironment}},
	{"0bd9c966-7664-4ac1-b059-0ff9293908e2", RoleIdentityDataAdmin, []string{ScopeOrganization, ScopeEnvironment, ScopePopulation}},
	{"9f6d0a14-3c57-4e88-8b1a-c2e45d7f9a30", RoleApplicationDeveloper, []string{ScopeOrganization, ScopeEnvironment}},
	{"b4e81f7a-5d26-47c9-a0f3-18d6e92b7c54", RoleApplicationOwner, []string{ScopeApplication}},
	{"5c07e3d9-1b48-4f62-97ae-d03b6f8c2a17", RoleHelpDeskAdmin, []string{ScopeOrganization, ScopeEnvironment, ScopePopulation}},
	{"e2936b50-7a4f-4d1c-8e05-94fb1c6d3a78", RoleIdentityReadOnly, []string{ScopeOrganization, ScopeEnvironment, ScopePopulation}},
	{"7d5b28f1-c60e-4937-b2d4-a81f3e0c9566", RoleConfigurationReadOnly, []string{ScopeOrganization, ScopeEnvironment}},
	{"6f770b08-793f-4393-b2aa-b1d1587a0324", RoleCustomRolesAdmin, []string{ScopeOrganization, ScopeEnvironment}},
}

// Roles are all built-in roles, in a fixed order. Read only.
func Roles() []Role { return roles }

// RoleByID finds a built-in role.
func RoleByID(id string) (Role, bool) {
	return findRole(func(r Role) bool { return r.ID == id })
}

// RoleByName finds a built-in role by its exact name.
func RoleByName(name string) (Role, bool) {
	return findRole(func(r Role) bool { return r.Name == name })
}

func findRole(is func(Role) bool) (Role, bool) {
	i := slices.IndexFunc(roles, is)
	if i < 0 {
		return Role{}, false
	}
	return roles[i], true
}
