package access

import (
	"slices"

	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
)

// Role is a built-in role.
type Role struct {
	ID, Name, Description string
	ApplicableTo          []string // ORGANIZATION, ENVIRONMENT, POPULATION, APPLICATION
	Permissions           []Permission
}

// Roles are all of them, in a fixed order. Read only.
func Roles() []Role { return roles }

// What roles are made of.
var (
	// everybody who administers anything can find their way.
	everybody = []Permission{ReadOrganization, ReadEnvironment, ReadRoles}

	readConfiguration = []Permission{
		ReadApplication, ReadResource, ReadPopulation, ReadAssignment, ReadKey, ReadSubscription, ReadActivity,
	}
	writeApplications = []Permission{
		CreateApplication, UpdateApplication, DeleteApplication, ReadAppSecret, UpdateAppSecret,
		CreateResource, UpdateResource, DeleteResource, ReadResourceSecret, UpdateResSecret,
		CreateKey, UpdateKey, DeleteKey,
	}
	writePopulations = []Permission{CreatePopulation, UpdatePopulation, DeletePopulation}
	assign           = []Permission{ReadAssignment, CreateAssignment, DeleteAssignment}

	readPeople  = []Permission{ReadPopulation, ReadUser, ReadPassword, ReadSession, ReadConsent}
	writePeople = []Permission{
		CreateUser, UpdateUser, DeleteUser, LockUser, SetPassword, ResetPassword, ValidatePassword, DeleteSession, DeleteConsent,
	}

	environmentAdmin = slices.Concat(everybody, readConfiguration, writeApplications, writePopulations, assign, []Permission{
		UpdateEnvironment, ExportEnvironment, ImportEnvironment, UpdateSubscription,
	})
)

// roles say who may do what. Configuration and people are kept apart: who
// administers an environment does not thereby see its people, and who helps
// people does not thereby see secrets. Whoever may assign roles may give only what they have.
var roles = build([]Role{
	{
		Name: directory.RoleOrganizationAdmin, Description: "Creates and deletes environments and configures all of them.",
		Permissions: slices.Concat(environmentAdmin, []Permission{CreateEnvironment, DeleteEnvironment}),
	},
	{
		Name: directory.RoleEnvironmentAdmin, Description: "Configures an environment: everything but its people.",
		Permissions: environmentAdmin,
	},
	{
		Name: directory.RoleIdentityDataAdmin, Description: "Manages people, their passwords, sessions and consents, and populations.",
		Permissions: slices.Concat(everybody, readPeople, writePeople, writePopulations, assign, []Permission{ReadActivity}),
	},
	{
		Name: directory.RoleApplicationDeveloper, Description: "Manages applications, resources, their secrets, and keys.",
		Permissions: slices.Concat(everybody, []Permission{ReadApplication, ReadResource, ReadPopulation, ReadKey}, writeApplications),
	},
	{
		Name: directory.RoleApplicationOwner, Description: "Configures one application.",
		Permissions: slices.Concat(everybody, []Permission{ReadApplication, UpdateApplication, ReadAppSecret, UpdateAppSecret}),
	},
	{
		Name: directory.RoleHelpDeskAdmin, Description: "Helps people who cannot sign on.",
		Permissions: slices.Concat(everybody, readPeople, []Permission{LockUser, ResetPassword, DeleteSession}),
	},
	{
		Name: directory.RoleIdentityReadOnly, Description: "Sees people and populations.",
		Permissions: slices.Concat(everybody, readPeople),
	},
	{
		Name: directory.RoleConfigurationReadOnly, Description: "Sees the configuration of an environment, without secrets.",
		Permissions: slices.Concat(everybody, readConfiguration),
	},
	{
		Name: directory.RoleCustomRolesAdmin, Description: "Sees roles and who has them. There are no custom roles.",
		Permissions: slices.Concat(everybody, []Permission{ReadAssignment}),
	},
})

// build adds what package directory knows of the roles.
func build(list []Role) []Role {
	for i := range list {
		r := &list[i]
		known, ok := directory.RoleByName(r.Name)
		if !ok {
			panic("access: there is no role " + r.Name)
		}
		r.ID, r.ApplicableTo = known.ID, known.ApplicableTo
		slices.Sort(r.Permissions)
		r.Permissions = slices.Compact(r.Permissions)
	}
	return list
}

// permissions of a role; none of one that there is not.
func permissions(id string) []Permission {
	i := slices.IndexFunc(roles, func(r Role) bool { return r.ID == id })
	if i < 0 {
		return nil
	}
	return roles[i].Permissions
}
