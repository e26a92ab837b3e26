package directory_test

import (
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
)

func TestAdministrator(t *testing.T) {
	for name, want := range map[string]bool{
		directory.RoleEnvironmentAdmin: true, directory.RoleIdentityDataAdmin: true, directory.RoleApplicationDeveloper: true,
		directory.RoleHelpDeskAdmin: false, directory.RoleConfigurationReadOnly: false,
	} {
		t.Run(name, func(t *testing.T) {
			k := newAppKit(t)
			role, _ := directory.RoleByName(name)
			_, err := k.writer.Create(t.Context(), directory.Actor{}, k.env, directory.New{Parent: appUser, Document: &directory.RoleAssignment{
				Role: directory.Reference{ID: role.ID}, Scope: directory.AssignmentScope{ID: appEnv, Type: directory.ScopeEnvironment},
				Holder: directory.HolderUser,
			}})
			if err != nil {
				t.Fatal(err)
			}
			if got, err := k.live.Administrator(t.Context(), appEnv, appUser); got != want || err != nil {
				t.Errorf("Administrator = %v, %v, want %v", got, err, want)
			}
			if got, err := k.live.Administrator(t.Context(), appEnv, "demo-web"); got || err != nil {
				t.Errorf("somebody else: %v, %v, want false", got, err)
			}
		})
	}
}
