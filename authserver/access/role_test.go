package access_test

import (
	"slices"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/access"
	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
)

// The IDs that clients know are PingOne's, and none ever changes.
func TestRoleIDs(t *testing.T) {
	want := map[string]string{
		"Organization Admin":           "2a1c5c2e-8f0b-4a5d-9d3e-6b7f0c4e1d21",
		"Environment Admin":            "29ddce68-cd7f-4b2a-b6fc-f7a19553b496",
		"Identity Data Admin":          "0bd9c966-7664-4ac1-b059-0ff9293908e2",
		"Client Application Developer": "9f6d0a14-3c57-4e88-8b1a-c2e45d7f9a30",
		"Application Owner":            "b4e81f7a-5d26-47c9-a0f3-18d6e92b7c54",
		"Help Desk Admin":              "5c07e3d9-1b48-4f62-97ae-d03b6f8c2a17",
		"Identity Data Read Only":      "e2936b50-7a4f-4d1c-8e05-94fb1c6d3a78",
		"Configuration Read Only":      "7d5b28f1-c60e-4937-b2d4-a81f3e0c9566",
		"Custom Roles Admin":           "6f770b08-793f-4393-b2aa-b1d1587a0324",
	}
	for _, r := range access.Roles() {
		if r.ID != want[r.Name] {
			t.Errorf("%s has the id %s, want %s", r.Name, r.ID, want[r.Name])
		}
		delete(want, r.Name)
		if !secret.IsID(r.ID) || r.Description == "" || len(r.ApplicableTo) == 0 || len(r.Permissions) == 0 {
			t.Errorf("%s is not complete: %+v", r.Name, r)
		}
		if len(slices.Compact(slices.Clone(r.Permissions))) != len(r.Permissions) {
			t.Errorf("%s has a permission twice", r.Name)
		}
	}
	if len(want) > 0 {
		t.Errorf("missing: %v", want)
	}
}

func permissionsOf(t *testing.T, name string) []access.Permission {
	t.Helper()
	for _, r := range access.Roles() {
		if r.Name == name {
			return r.Permissions
		}
	}
	t.Fatalf("there is no role %s", name)
	return nil
}

// Configuration, people and secrets are kept apart, and read-only roles change nothing.
func TestSeparationOfRoles(t *testing.T) {
	people := []access.Permission{
		access.ReadUser, access.CreateUser, access.UpdateUser, access.DeleteUser, access.LockUser, access.ReadPassword, access.SetPassword,
		access.ResetPassword, access.ValidatePassword, access.ReadSession, access.DeleteSession, access.ReadConsent, access.DeleteConsent,
	}
	secrets := []access.Permission{access.ReadAppSecret, access.UpdateAppSecret, access.ReadResourceSecret, access.UpdateResSecret}
	tests := []struct {
		role      string
		forbidden []access.Permission
	}{
		{directory.RoleOrganizationAdmin, people},
		{directory.RoleEnvironmentAdmin, append([]access.Permission{access.CreateEnvironment, access.DeleteEnvironment}, people...)},
		{directory.RoleApplicationDeveloper, append([]access.Permission{access.CreateAssignment, access.UpdateEnvironment, access.ExportEnvironment}, people...)},
		{directory.RoleApplicationOwner, append([]access.Permission{access.CreateApplication, access.DeleteApplication, access.UpdateResource}, people...)},
		{directory.RoleIdentityDataAdmin, append([]access.Permission{access.UpdateApplication, access.UpdateResource, access.UpdateKey, access.ImportEnvironment}, secrets...)},
		{directory.RoleHelpDeskAdmin, append([]access.Permission{access.UpdateUser, access.CreateUser, access.DeleteUser, access.SetPassword, access.CreateAssignment}, secrets...)},
		{directory.RoleConfigurationReadOnly, append(slices.Clone(people), secrets...)},
		{directory.RoleIdentityReadOnly, secrets},
	}
	for _, tt := range tests {
		has := permissionsOf(t, tt.role)
		for _, p := range tt.forbidden {
			if slices.Contains(has, p) {
				t.Errorf("%s has %s", tt.role, p)
			}
		}
	}
	for _, name := range []string{directory.RoleIdentityReadOnly, directory.RoleConfigurationReadOnly, directory.RoleCustomRolesAdmin} {
		for _, p := range permissionsOf(t, name) {
			switch p {
			case access.ReadOrganization, access.ReadEnvironment, access.ReadRoles, access.ReadApplication, access.ReadResource,
				access.ReadPopulation, access.ReadAssignment, access.ReadKey, access.ReadSubscription, access.ReadActivity,
				access.ReadUser, access.ReadPassword, access.ReadSession, access.ReadConsent:
			default:
				t.Errorf("%s has %s, which is more than to read", name, p)
			}
		}
	}
}

func TestDeclaredAssignments(t *testing.T) {
	env := homeEnv
	worker := func(roles ...string) []*directory.RoleAssignment {
		c := workerClient()
		c.Roles = roles
		return directory.DeclaredAssignments(env, &c)
	}
	if got := worker(directory.RoleOrganizationAdmin); len(got) != 1 || got[0].Scope.Type != "ORGANIZATION" || got[0].Scope.ID != env.Organization {
		t.Errorf("Organization Admin = %+v, want on the organization", got)
	}
	if got := worker(directory.RoleHelpDeskAdmin); len(got) != 1 || got[0].Scope.Type != "ENVIRONMENT" || got[0].Scope.ID != env.ID {
		t.Errorf("Help Desk Admin = %+v, want on the environment", got)
	}
	for _, name := range []string{"environment admin", "Root", "", directory.RoleApplicationOwner} {
		if got := worker(name); len(got) != 0 {
			t.Errorf("%q gives %+v, want nothing", name, got)
		}
	}
	web := workerClient()
	web.Type, web.Roles = "WEB_APP", []string{directory.RoleEnvironmentAdmin}
	if got := directory.DeclaredAssignments(env, &web); len(got) != 0 {
		t.Errorf("an application that is no worker has %+v", got)
	}
}
