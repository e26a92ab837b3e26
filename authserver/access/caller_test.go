package access_test

import (
	"slices"
	"testing"

	"github.com/caddy-gatehouse/gatehouse/authserver/access"
	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

const organizationID = "0c000000-0000-4000-8000-00000000000c"

var (
	homeEnv    = &store.Environment{ID: "0a000000-0000-4000-8000-00000000000a", Organization: organizationID}
	siblingEnv = &store.Environment{ID: "0b000000-0000-4000-8000-00000000000b", Organization: organizationID}
	foreignEnv = &store.Environment{ID: "0d000000-0000-4000-8000-00000000000d", Organization: "0d000000-0000-4000-8000-00000000000d"}
)

func workerClient() store.Client {
	return store.Client{Environment: homeEnv.ID, ID: "worker", Type: store.Worker, Enabled: true}
}

// assignment of a role on something: kind is a type of scope, and env that of a population or application.
func assignment(t *testing.T, role, kind, id string, env *store.Environment) *directory.RoleAssignment {
	t.Helper()
	r, ok := directory.RoleByName(role)
	if !ok {
		t.Fatalf("there is no role %s", role)
	}
	a := &directory.RoleAssignment{
		Role: directory.Reference{ID: r.ID}, Scope: directory.AssignmentScope{ID: id, Type: kind}, Holder: directory.HolderApplication,
	}
	if env != nil {
		a.Scope.Environment = &directory.Reference{ID: env.ID}
	}
	return a
}

func TestMay(t *testing.T) {
	whole := assignment(t, directory.RoleOrganizationAdmin, "ORGANIZATION", organizationID, nil)
	environment := assignment(t, directory.RoleEnvironmentAdmin, "ENVIRONMENT", homeEnv.ID, nil)
	there := assignment(t, directory.RoleEnvironmentAdmin, "ENVIRONMENT", siblingEnv.ID, nil)
	population := assignment(t, directory.RoleIdentityDataAdmin, "POPULATION", "p1", homeEnv)
	application := assignment(t, directory.RoleApplicationOwner, "APPLICATION", "a1", homeEnv)
	elsewhere := assignment(t, directory.RoleOrganizationAdmin, "ORGANIZATION", foreignEnv.Organization, nil)
	unknown := &directory.RoleAssignment{Role: directory.Reference{ID: "x"}, Scope: directory.AssignmentScope{ID: homeEnv.ID, Type: "ENVIRONMENT"}}
	odd := assignment(t, directory.RoleEnvironmentAdmin, "GROUP", homeEnv.ID, homeEnv)
	none := access.Target{}
	tests := []struct {
		name string
		has  *directory.RoleAssignment
		p    access.Permission
		env  *store.Environment
		on   access.Target
		want bool
	}{
		{"organization, in its environment", whole, access.UpdateResource, homeEnv, none, true},
		{"organization, in the other environment", whole, access.UpdateResource, siblingEnv, none, true},
		{"organization, in another organization's", whole, access.UpdateResource, foreignEnv, none, false},
		{"organization, of no environment", whole, access.CreateEnvironment, nil, none, true},
		{"organization, what the role has not", whole, access.ReadUser, homeEnv, none, false},
		{"environment", environment, access.UpdateResource, homeEnv, none, true},
		{"environment, on one application", environment, access.UpdateApplication, homeEnv, access.Target{Application: "a1"}, true},
		{"environment, in another one", environment, access.UpdateResource, siblingEnv, none, false},
		{"environment, of no environment", environment, access.ReadEnvironment, nil, none, false},
		{"another environment, there", there, access.UpdateResource, siblingEnv, none, true},
		{"another environment, at home", there, access.UpdateResource, homeEnv, none, false},
		{"population, its people", population, access.UpdateUser, homeEnv, access.Target{Population: "p1", User: "u"}, true},
		{"population, itself", population, access.UpdatePopulation, homeEnv, access.Target{Population: "p1"}, true},
		{"population, other people", population, access.UpdateUser, homeEnv, access.Target{Population: "p2", User: "u"}, false},
		{"population, people of whom it is not known", population, access.UpdateUser, homeEnv, access.Target{User: "u"}, false},
		{"population, all people", population, access.ReadUser, homeEnv, none, false},
		{"population, the same ID in another environment", population, access.UpdateUser, siblingEnv, access.Target{Population: "p1"}, false},
		{"population, its environment", population, access.ReadEnvironment, homeEnv, none, true},
		{"population, another environment", population, access.ReadEnvironment, siblingEnv, none, false},
		{"application, itself", application, access.UpdateApplication, homeEnv, access.Target{Application: "a1"}, true},
		{"application, another", application, access.UpdateApplication, homeEnv, access.Target{Application: "a2"}, false},
		{"application, all", application, access.ReadApplication, homeEnv, none, false},
		{"application, a population of its ID", application, access.ReadApplication, homeEnv, access.Target{Population: "a1"}, false},
		{"a role in another organization, here", elsewhere, access.UpdateResource, homeEnv, none, false},
		{"a role in another organization, there", elsewhere, access.UpdateResource, foreignEnv, none, false},
		{"an unknown role", unknown, access.ReadEnvironment, homeEnv, none, false},
		{"an unknown type of scope", odd, access.UpdateResource, homeEnv, none, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := access.NewCaller(homeEnv, tt.has)
			if got := c.May(tt.p, tt.env, tt.on); got != tt.want {
				t.Errorf("May(%s) = %t, want %t", tt.p, got, tt.want)
			}
		})
	}
}

func TestLimitedCallers(t *testing.T) {
	c := access.NewCaller(homeEnv,
		assignment(t, directory.RoleIdentityDataAdmin, "POPULATION", "p1", homeEnv),
		assignment(t, directory.RoleIdentityReadOnly, "POPULATION", "p2", homeEnv),
		assignment(t, directory.RoleIdentityReadOnly, "POPULATION", "p1", homeEnv),
		assignment(t, directory.RoleIdentityReadOnly, "POPULATION", "p3", siblingEnv),
		assignment(t, directory.RoleApplicationOwner, "APPLICATION", "a1", homeEnv),
	)
	if ids, all := c.Populations(access.ReadUser, homeEnv); all || !slices.Equal(ids, []string{"p1", "p2"}) {
		t.Errorf("Populations(ReadUser) = %v, %t; want p1, p2", ids, all)
	}
	if ids, all := c.Populations(access.UpdateUser, homeEnv); all || !slices.Equal(ids, []string{"p1"}) {
		t.Errorf("Populations(UpdateUser) = %v, %t; want p1", ids, all)
	}
	if ids, all := c.Populations(access.UpdateResource, homeEnv); all || ids != nil {
		t.Errorf("Populations(UpdateResource) = %v, %t; want none", ids, all)
	}
	if ids, all := c.Applications(access.UpdateApplication, homeEnv); all || !slices.Equal(ids, []string{"a1"}) {
		t.Errorf("Applications(UpdateApplication) = %v, %t; want a1", ids, all)
	}
	if c.Somewhere(access.UpdateUser, siblingEnv) || !c.Somewhere(access.ReadUser, siblingEnv) || c.Somewhere(access.ReadUser, foreignEnv) {
		t.Error("Somewhere is not by environment")
	}
	all := access.NewCaller(homeEnv, assignment(t, directory.RoleIdentityDataAdmin, "ENVIRONMENT", homeEnv.ID, nil))
	if ids, whole := all.Populations(access.ReadUser, homeEnv); !whole || ids != nil {
		t.Errorf("Populations of who has the environment = %v, %t; want all", ids, whole)
	}
}

// Nobody gives what they have not, at the same or a broader scope.
func TestMayGive(t *testing.T) {
	org := func(role string) *directory.RoleAssignment {
		return assignment(t, role, "ORGANIZATION", organizationID, nil)
	}
	env := func(role string, e *store.Environment) *directory.RoleAssignment {
		return assignment(t, role, "ENVIRONMENT", e.ID, nil)
	}
	population := func(role, id string, e *store.Environment) *directory.RoleAssignment {
		return assignment(t, role, "POPULATION", id, e)
	}
	const ida, envAdmin = directory.RoleIdentityDataAdmin, directory.RoleEnvironmentAdmin
	tests := []struct {
		name  string
		has   []*directory.RoleAssignment
		gives *directory.RoleAssignment
		want  bool
	}{
		{"the same", []*directory.RoleAssignment{env(ida, homeEnv)}, env(ida, homeEnv), true},
		{"on less", []*directory.RoleAssignment{env(ida, homeEnv)}, population(ida, "p1", homeEnv), true},
		{"on more", []*directory.RoleAssignment{env(ida, homeEnv)}, org(ida), false},
		{"elsewhere", []*directory.RoleAssignment{env(ida, homeEnv)}, env(ida, siblingEnv), false},
		{"a part of elsewhere", []*directory.RoleAssignment{env(ida, homeEnv)}, population(ida, "p1", siblingEnv), false},
		{"of the organization, anywhere in it", []*directory.RoleAssignment{org(ida)}, population(ida, "p1", siblingEnv), true},
		{"a smaller role", []*directory.RoleAssignment{env(ida, homeEnv)}, env(directory.RoleIdentityReadOnly, homeEnv), true},
		{"a smaller role under another name", []*directory.RoleAssignment{env(envAdmin, homeEnv)}, env(directory.RoleConfigurationReadOnly, homeEnv), true},
		{"another role", []*directory.RoleAssignment{env(envAdmin, homeEnv)}, env(ida, homeEnv), false},
		{"a larger role", []*directory.RoleAssignment{env(directory.RoleHelpDeskAdmin, homeEnv)}, env(ida, homeEnv), false},
		{"the organization's administrator", []*directory.RoleAssignment{org(envAdmin)}, org(directory.RoleOrganizationAdmin), false},
		{"of two roles together", []*directory.RoleAssignment{env(ida, homeEnv), env(envAdmin, homeEnv)}, env(directory.RoleHelpDeskAdmin, homeEnv), true},
		{"one's own population", []*directory.RoleAssignment{population(ida, "p1", homeEnv)}, population(ida, "p1", homeEnv), true},
		{"another population", []*directory.RoleAssignment{population(ida, "p1", homeEnv)}, population(ida, "p2", homeEnv), false},
		{"the environment of one's population", []*directory.RoleAssignment{population(ida, "p1", homeEnv)}, env(ida, homeEnv), false},
		{"who has nothing", nil, env(ida, homeEnv), false},
		{"a role that there is not", []*directory.RoleAssignment{org(directory.RoleOrganizationAdmin)}, &directory.RoleAssignment{
			Role: directory.Reference{ID: "x"}, Scope: directory.AssignmentScope{ID: homeEnv.ID, Type: "ENVIRONMENT"},
		}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := access.NewCaller(homeEnv, tt.has...).MayGive(tt.gives); got != tt.want {
				t.Errorf("MayGive = %t, want %t", got, tt.want)
			}
		})
	}
}
