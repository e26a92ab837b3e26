package integration_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"

	sdk "github.com/patrickcping/pingone-go-sdk-v2/management"
)

// TestSDKCollections creates, reads, lists, updates and deletes in every
// collection with PingOne's own client.
func TestSDKCollections(t *testing.T) {
	onEach(t, func(t *testing.T, b backend) {
		n := start(t, config{storage: b, env: sdkEnv})
		for name, run := range map[string]func(*testing.T, *manager){
			"applications": sdkApplications, "resources": sdkResources, "grants": sdkGrants, "mappings": sdkMappings,
			"populations": sdkPopulations, "users": sdkUsers, "passwords": sdkPasswords, "roles": sdkRoles,
			"keys": sdkKeys, "policies": sdkPolicies, "subscriptions": sdkSubscriptions, "environments": sdkEnvironments,
			"organizations": sdkOrganizations, "activities": sdkActivities, "sessions": sdkSessions,
		} {
			t.Run(name, func(t *testing.T) { run(t, manage(t, n)) })
		}
	})
}

func sdkApplications(t *testing.T, m *manager) {
	app := sdk.NewApplicationOIDC(true, "SDK web", sdk.ENUMAPPLICATIONPROTOCOL_OPENID_CONNECT, sdk.ENUMAPPLICATIONTYPE_WEB_APP,
		sdk.ENUMAPPLICATIONOIDCTOKENAUTHMETHOD_CLIENT_SECRET_POST)
	app.GrantTypes = []sdk.EnumApplicationOIDCGrantType{sdk.ENUMAPPLICATIONOIDCGRANTTYPE_AUTHORIZATION_CODE, sdk.ENUMAPPLICATIONOIDCGRANTTYPE_REFRESH_TOKEN}
	app.ResponseTypes = []sdk.EnumApplicationOIDCResponseType{sdk.ENUMAPPLICATIONOIDCRESPONSETYPE_CODE}
	app.RedirectUris = []string{"https://shop.example.com/cb"}
	app.Description = ptr("a shop")
	made := m.createApplication(t, app)
	id := *made.Id
	if made.RefreshTokenRollingGracePeriodDuration != nil || made.PostLogoutRedirectUris != nil || made.Tags != nil {
		t.Errorf("members that were not sent came back: %+v", made)
	}
	read := done[*sdk.ReadOneApplication200Response](t, "read")(m.ApplicationsApi.ReadOneApplication(m.ctx, mainEnv, id).Execute()).ApplicationOIDC
	if read == nil || read.Name != "SDK web" || *read.Description != "a shop" || !slices.Equal(read.RedirectUris, app.RedirectUris) {
		t.Fatalf("read %+v", read)
	}
	read.PkceEnforcement = ptr(sdk.ENUMAPPLICATIONOIDCPKCEOPTION_S256_REQUIRED)
	read.Description = nil
	updated := done[*sdk.ReadOneApplication200Response](t, "update")(m.ApplicationsApi.UpdateApplication(m.ctx, mainEnv, id).UpdateApplicationRequest(
		sdk.ApplicationOIDCAsUpdateApplicationRequest(read)).Execute()).ApplicationOIDC
	if *updated.PkceEnforcement != sdk.ENUMAPPLICATIONOIDCPKCEOPTION_S256_REQUIRED || updated.Description != nil {
		t.Errorf("updated %+v", updated)
	}
	for i := range 220 { // more than one page
		m.createApplication(t, m.service(fmt.Sprintf("SDK service %03d", i)))
	}
	all, pages := every(t, m.ApplicationsApi.ReadAllApplications(m.ctx, mainEnv).Execute(),
		func(e sdk.EntityArrayEmbedded) []sdk.ReadOneApplication200Response { return e.Applications })
	names := map[string]int{}
	for _, a := range all {
		if a.ApplicationOIDC != nil {
			names[a.ApplicationOIDC.Name]++
		}
	}
	for _, want := range []string{"SDK web", "SDK administrator", "SDK service 000", "SDK service 219"} {
		if names[want] != 1 {
			t.Errorf("%q is listed %d times", want, names[want])
		}
	}
	if pages < 2 {
		t.Errorf("%d applications came on %d page", len(all), pages)
	}
	gone(t, "application")(m.ApplicationsApi.DeleteApplication(m.ctx, mainEnv, id).Execute())
	missing[*sdk.ReadOneApplication200Response](t, "the application")(m.ApplicationsApi.ReadOneApplication(m.ctx, mainEnv, id).Execute())
}

func sdkResources(t *testing.T, m *manager) {
	made := done[*sdk.Resource](t, "create")(m.ResourcesApi.CreateResource(m.ctx, mainEnv).Resource(
		sdk.Resource{Name: "SDK API", Audience: ptr("https://sdk.example.com"), AccessTokenValiditySeconds: ptr(int32(600))}).Execute())
	id := *made.Id
	made.AccessTokenValiditySeconds = ptr(int32(900))
	updated := done[*sdk.Resource](t, "update")(m.ResourcesApi.UpdateResource(m.ctx, mainEnv, id).Resource(*made).Execute())
	if *updated.AccessTokenValiditySeconds != 900 {
		t.Errorf("accessTokenValiditySeconds = %d", *updated.AccessTokenValiditySeconds)
	}
	all, _ := every(t, m.ResourcesApi.ReadAllResources(m.ctx, mainEnv).Execute(), func(e sdk.EntityArrayEmbedded) []sdk.EntityArrayEmbeddedResourcesInner { return e.Resources })
	types := map[sdk.EnumResourceType]int{}
	for _, r := range all {
		types[*r.Resource.Type]++
	}
	if types[sdk.ENUMRESOURCETYPE_OPENID_CONNECT] != 1 || types[sdk.ENUMRESOURCETYPE_PINGONE_API] != 1 || types[sdk.ENUMRESOURCETYPE_CUSTOM] < 3 {
		t.Errorf("resources by type: %v", types)
	}

	scope := done[*sdk.ResourceScope](t, "create scope")(m.ResourceScopesApi.CreateResourceScope(m.ctx, mainEnv, id).ResourceScope(*sdk.NewResourceScope("sdk:read")).Execute())
	scope.Description = ptr("reads")
	done[*sdk.ResourceScope](t, "update scope")(m.ResourceScopesApi.UpdateResourceScope(m.ctx, mainEnv, id, *scope.Id).ResourceScope(*scope).Execute())
	read := done[*sdk.ResourceScope](t, "read scope")(m.ResourceScopesApi.ReadOneResourceScope(m.ctx, mainEnv, id, *scope.Id).Execute())
	if *read.Description != "reads" {
		t.Errorf("scope %+v", read)
	}
	scopes, _ := every(t, m.ResourceScopesApi.ReadAllResourceScopes(m.ctx, mainEnv, id).Execute(), func(e sdk.EntityArrayEmbedded) []sdk.ResourceScope { return e.Scopes })
	if len(scopes) != 1 {
		t.Errorf("%d scopes", len(scopes))
	}

	attribute := done[*sdk.ResourceAttribute](t, "create attribute")(m.ResourceAttributesApi.CreateResourceAttribute(m.ctx, mainEnv, id).ResourceAttribute(
		*sdk.NewResourceAttribute("tenant", "acme")).Execute())
	attribute.Value = "${user.email}"
	done[*sdk.ResourceAttribute](t, "update attribute")(m.ResourceAttributesApi.UpdateResourceAttribute(m.ctx, mainEnv, id, *attribute.Id).ResourceAttribute(*attribute).Execute())
	attributes, _ := every(t, m.ResourceAttributesApi.ReadAllResourceAttributes(m.ctx, mainEnv, id).Execute(), func(e sdk.EntityArrayEmbedded) []sdk.EntityArrayEmbeddedAttributesInner { return e.Attributes })
	if len(attributes) != 2 { // and sub
		t.Errorf("%d attributes, want tenant and sub", len(attributes))
	}
	gone(t, "attribute")(m.ResourceAttributesApi.DeleteResourceAttribute(m.ctx, mainEnv, id, *attribute.Id).Execute())

	secret := done[*sdk.ResourceSecret](t, "read secret")(m.ResourceClientSecretApi.ReadResourceSecret(m.ctx, mainEnv, id).Execute())
	m.node.secret("a resource's secret", *secret.Secret)
	if len(*secret.Secret) < 64 {
		t.Errorf("a secret of %d characters", len(*secret.Secret))
	}
	gone(t, "scope")(m.ResourceScopesApi.DeleteResourceScope(m.ctx, mainEnv, id, *scope.Id).Execute())
	gone(t, "resource")(m.ResourcesApi.DeleteResource(m.ctx, mainEnv, id).Execute())
	missing[*sdk.Resource](t, "the resource")(m.ResourcesApi.ReadOneResource(m.ctx, mainEnv, id).Execute())
}

func sdkGrants(t *testing.T, m *manager) {
	var openid *sdk.Resource
	all, _ := every(t, m.ResourcesApi.ReadAllResources(m.ctx, mainEnv).Execute(), func(e sdk.EntityArrayEmbedded) []sdk.EntityArrayEmbeddedResourcesInner { return e.Resources })
	for _, r := range all {
		if *r.Resource.Type == sdk.ENUMRESOURCETYPE_OPENID_CONNECT {
			openid = r.Resource
		}
	}
	scopes, _ := every(t, m.ResourceScopesApi.ReadAllResourceScopes(m.ctx, mainEnv, *openid.Id).Execute(), func(e sdk.EntityArrayEmbedded) []sdk.ResourceScope { return e.Scopes })
	byName := map[string]string{}
	for _, s := range scopes {
		byName[s.Name] = *s.Id
	}
	app := sdk.NewApplicationOIDC(true, "SDK native", sdk.ENUMAPPLICATIONPROTOCOL_OPENID_CONNECT, sdk.ENUMAPPLICATIONTYPE_NATIVE_APP, sdk.ENUMAPPLICATIONOIDCTOKENAUTHMETHOD_NONE)
	app.GrantTypes = []sdk.EnumApplicationOIDCGrantType{sdk.ENUMAPPLICATIONOIDCGRANTTYPE_AUTHORIZATION_CODE}
	app.ResponseTypes = []sdk.EnumApplicationOIDCResponseType{sdk.ENUMAPPLICATIONOIDCRESPONSETYPE_CODE}
	app.RedirectUris = []string{"com.example.app://cb"}
	id := *m.createApplication(t, app).Id
	of := func(names ...string) (list []sdk.ApplicationResourceGrantScopesInner) {
		for _, name := range names {
			list = append(list, *sdk.NewApplicationResourceGrantScopesInner(byName[name]))
		}
		return list
	}
	grant := sdk.NewApplicationResourceGrant(*sdk.NewApplicationResourceGrantResource(*openid.Id), of("email", "profile"))
	made := done[*sdk.ApplicationResourceGrant](t, "create grant")(m.ApplicationResourceGrantsApi.CreateApplicationGrant(m.ctx, mainEnv, id).ApplicationResourceGrant(*grant).Execute())
	made.Scopes = of("email")
	updated := done[*sdk.ApplicationResourceGrant](t, "update grant")(m.ApplicationResourceGrantsApi.UpdateApplicationGrant(m.ctx, mainEnv, id, *made.Id).ApplicationResourceGrant(*made).Execute())
	if len(updated.Scopes) != 1 {
		t.Errorf("%d scopes", len(updated.Scopes))
	}
	grants, _ := every(t, m.ApplicationResourceGrantsApi.ReadAllApplicationGrants(m.ctx, mainEnv, id).Execute(), func(e sdk.EntityArrayEmbedded) []sdk.ApplicationResourceGrant { return e.Grants })
	if len(grants) != 1 || *grants[0].Application.Id != id {
		t.Errorf("grants %+v", grants)
	}
	_, r, err := m.ApplicationResourceGrantsApi.CreateApplicationGrant(m.ctx, mainEnv, id).ApplicationResourceGrant(*grant).Execute()
	if err == nil || r.StatusCode != http.StatusBadRequest {
		t.Errorf("a second grant for the same resource: %v", err)
	}
	gone(t, "grant")(m.ApplicationResourceGrantsApi.DeleteApplicationGrant(m.ctx, mainEnv, id, *made.Id).Execute())
	gone(t, "application")(m.ApplicationsApi.DeleteApplication(m.ctx, mainEnv, id).Execute())
}

func sdkMappings(t *testing.T, m *manager) {
	id := *m.createApplication(t, m.service("SDK mapped")).Id
	api := m.ApplicationAttributeMappingApi
	made := done[*sdk.ApplicationAttributeMapping](t, "create mapping")(api.CreateApplicationAttributeMapping(m.ctx, mainEnv, id).ApplicationAttributeMapping(
		*sdk.NewApplicationAttributeMapping("department", false, "${user.title}")).Execute())
	made.Value = "sales"
	done[*sdk.ApplicationAttributeMapping](t, "update mapping")(api.UpdateApplicationAttributeMapping(m.ctx, mainEnv, id, *made.Id).ApplicationAttributeMapping(*made).Execute())
	all, _ := every(t, api.ReadAllApplicationAttributeMappings(m.ctx, mainEnv, id).Execute(), func(e sdk.EntityArrayEmbedded) []sdk.EntityArrayEmbeddedAttributesInner { return e.Attributes })
	values := map[string]string{}
	for _, a := range all {
		values[a.ApplicationAttributeMapping.Name] = a.ApplicationAttributeMapping.Value
	}
	if values["department"] != "sales" || values["sub"] != "${user.id}" || len(values) != 2 {
		t.Errorf("mappings %v", values)
	}
	gone(t, "mapping")(api.DeleteApplicationAttributeMapping(m.ctx, mainEnv, id, *made.Id).Execute())
	gone(t, "application")(m.ApplicationsApi.DeleteApplication(m.ctx, mainEnv, id).Execute())
}

func sdkPopulations(t *testing.T, m *manager) {
	api := m.PopulationsApi
	made := done[*sdk.Population](t, "create")(api.CreatePopulation(m.ctx, mainEnv).Population(*sdk.NewPopulation("SDK people")).Execute())
	if made.Theme == nil || made.Theme.Id == nil || *made.Theme.Id == "" {
		t.Error("the population has no theme")
	}
	made.Description = ptr("people of the SDK")
	done[*sdk.Population](t, "update")(api.UpdatePopulation(m.ctx, mainEnv, *made.Id).Population(*made).Execute())
	found, _ := every(t, api.ReadAllPopulations(m.ctx, mainEnv).Filter(`name sw "SDK"`).Execute(), func(e sdk.EntityArrayEmbedded) []sdk.Population { return e.Populations })
	if len(found) != 1 || *found[0].Description != "people of the SDK" {
		t.Errorf("found %+v", found)
	}
	gone(t, "population")(api.DeletePopulation(m.ctx, mainEnv, *made.Id).Execute())
	missing[*sdk.Population](t, "the population")(api.ReadOnePopulation(m.ctx, mainEnv, *made.Id).Execute())
	all, _ := every(t, api.ReadAllPopulations(m.ctx, mainEnv).Execute(), func(e sdk.EntityArrayEmbedded) []sdk.Population { return e.Populations })
	if len(all) != 1 || !*all[0].Default {
		t.Fatalf("populations left: %+v", all)
	}
	r, err := api.DeletePopulation(m.ctx, mainEnv, *all[0].Id).Execute()
	if err == nil || r.StatusCode != http.StatusBadRequest {
		t.Errorf("the default population: %v", err)
	}
}

func sdkUsers(t *testing.T, m *manager) {
	population := done[*sdk.Population](t, "create population")(m.PopulationsApi.CreatePopulation(m.ctx, mainEnv).Population(*sdk.NewPopulation("crowd")).Execute())
	var first *sdk.User
	for i := range 25 {
		u := sdk.NewUser(fmt.Sprintf("crowd%02d@example.com", i), fmt.Sprintf("Crowd%02d", i))
		u.Population = sdk.NewUserPopulation(*population.Id)
		u.Name = &sdk.UserName{Given: ptr("Ann"), Family: ptr(fmt.Sprintf("Crowd %02d", i))}
		made := done[*sdk.User](t, "create user")(m.UsersApi.CreateUser(m.ctx, mainEnv).User(*u).Execute())
		if first == nil {
			first = made
		}
	}
	id := *first.Id
	of := func(e sdk.EntityArrayEmbedded) []sdk.User { return e.Users }
	for filter, want := range map[string]int{
		`username eq "crowd07"`: 1, `username sw "CROWD"`: 25, `email eq "crowd03@example.com"`: 1, `population.id eq "` + *population.Id + `"`: 25,
		`(name.given eq "Ann") AND (name.family sw "crowd 1")`: 10, `((username eq "crowd01") OR (username eq "crowd02")) AND (enabled eq true)`: 2,
		`id eq "` + id + `"`: 1, `username eq "nobody"`: 0,
	} {
		found, pages := every(t, m.UsersApi.ReadAllUsers(m.ctx, mainEnv).Filter(filter).Limit(4).Execute(), of)
		if len(found) != want {
			t.Errorf("%s finds %d users on %d pages, want %d", filter, len(found), pages, want)
		}
	}
	if _, r, err := m.UsersApi.ReadAllUsers(m.ctx, mainEnv).Filter(`shoeSize eq "9"`).ExecuteInitialPage(); err == nil || r.StatusCode != http.StatusBadRequest {
		t.Errorf("an unknown attribute: %v", err)
	}

	first.Nickname, first.Title = ptr("Annie"), ptr("Dr")
	put := done[*sdk.User](t, "put")(m.UsersApi.UpdateUserPut(m.ctx, mainEnv, id).User(*first).Execute())
	if *put.Nickname != "Annie" || *put.Title != "Dr" || put.Population.Id != *population.Id {
		t.Errorf("put %+v", put)
	}
	patch := *sdk.NewUser(first.Email, first.Username)
	patch.Nickname = ptr("Nan")
	patched := done[*sdk.User](t, "patch")(m.UsersApi.UpdateUserPatch(m.ctx, mainEnv, id).User(patch).Execute())
	if *patched.Nickname != "Nan" || *patched.Title != "Dr" {
		t.Errorf("patch %+v", patched)
	}
	enabled := done[*sdk.UserEnabled](t, "disable")(m.EnableUsersApi.UpdateUserEnabled(m.ctx, mainEnv, id).UserEnabled(sdk.UserEnabled{Enabled: ptr(false)}).Execute())
	if *enabled.Enabled {
		t.Error("still enabled")
	}
	locked := done[*sdk.User](t, "lock")(m.UserAccountsApi.UserAccount(m.ctx, mainEnv, id).ContentType(sdk.ENUMUSERACCOUNTCONTENTTYPEHEADER_LOCKJSON).Execute())
	if locked.Account.Status != sdk.ENUMUSERSTATUS_LOCKED {
		t.Errorf("locked: %+v", locked.Account)
	}
	unlocked := done[*sdk.User](t, "unlock")(m.UserAccountsApi.UserAccount(m.ctx, mainEnv, id).ContentType(sdk.ENUMUSERACCOUNTCONTENTTYPEHEADER_UNLOCKJSON).Execute())
	if unlocked.Account.Status != sdk.ENUMUSERSTATUS_OK {
		t.Errorf("unlocked: %+v", unlocked.Account)
	}
	if r, err := m.PopulationsApi.DeletePopulation(m.ctx, mainEnv, *population.Id).Execute(); err == nil || r.StatusCode != http.StatusBadRequest {
		t.Errorf("a population with users: %v", err)
	}
	users, _ := every(t, m.UsersApi.ReadAllUsers(m.ctx, mainEnv).Filter(`population.id eq "`+*population.Id+`"`).Execute(), of)
	for _, u := range users {
		gone(t, "user")(m.UsersApi.DeleteUser(m.ctx, mainEnv, *u.Id).Execute())
	}
	missing[*sdk.User](t, "the user")(m.UsersApi.ReadUser(m.ctx, mainEnv, id).Execute())
	gone(t, "population")(m.PopulationsApi.DeletePopulation(m.ctx, mainEnv, *population.Id).Execute())
}

func sdkPasswords(t *testing.T, m *manager) {
	made := done[*sdk.User](t, "create user")(m.UsersApi.CreateUser(m.ctx, mainEnv).User(*sdk.NewUser("pass@example.com", "passer")).Execute())
	id := *made.Id
	put := func(kind string, body map[string]any) (*http.Response, error) {
		return m.UserPasswordsApi.EnvironmentsEnvironmentIDUsersUserIDPasswordPut(m.ctx, mainEnv, id).ContentType(kind).Body(body).Execute()
	}
	post := func(kind string, body map[string]any) (*http.Response, error) {
		return m.UserPasswordsApi.EnvironmentsEnvironmentIDUsersUserIDPasswordPost(m.ctx, mainEnv, id).ContentType(kind).Body(body).Execute()
	}
	const vendor = "application/vnd.pingidentity.password."
	if _, err := put(vendor+"set+json", map[string]any{"value": "correct-horse-battery", "forceChange": false}); err != nil {
		t.Fatalf("set: %v%s", err, said(err))
	}
	if _, err := post(vendor+"check+json", map[string]any{"password": "correct-horse-battery"}); err != nil {
		t.Errorf("check: %v%s", err, said(err))
	}
	if r, err := post(vendor+"check+json", map[string]any{"password": "wrong"}); err == nil || r.StatusCode != http.StatusBadRequest {
		t.Errorf("check of a wrong password: %v", err)
	}
	if _, err := put(vendor+"reset+json", map[string]any{"currentPassword": "correct-horse-battery", "newPassword": "staple-correct-horse"}); err != nil {
		t.Errorf("reset: %v%s", err, said(err))
	}
	if r, err := m.UserPasswordsApi.EnvironmentsEnvironmentIDUsersUserIDPasswordGet(m.ctx, mainEnv, id).Execute(); err != nil || r.StatusCode != http.StatusOK {
		t.Errorf("state: %v", err)
	}
	gone(t, "user")(m.UsersApi.DeleteUser(m.ctx, mainEnv, id).Execute())
}

func sdkRoles(t *testing.T, m *manager) {
	roles, _ := every(t, m.RolesApi.ReadAllRoles(m.ctx).Execute(), func(e sdk.EntityArrayEmbedded) []sdk.EntityArrayEmbeddedRolesInner { return e.Roles })
	byName := map[string]string{}
	for _, r := range roles {
		if r.Role != nil {
			byName[string(*r.Role.Name)] = *r.Role.Id
		}
	}
	if byName["Environment Admin"] != "29ddce68-cd7f-4b2a-b6fc-f7a19553b496" {
		t.Fatalf("roles %v", byName)
	}
	worker := sdk.NewApplicationOIDC(true, "SDK worker", sdk.ENUMAPPLICATIONPROTOCOL_OPENID_CONNECT, sdk.ENUMAPPLICATIONTYPE_WORKER, sdk.ENUMAPPLICATIONOIDCTOKENAUTHMETHOD_CLIENT_SECRET_BASIC)
	worker.GrantTypes = []sdk.EnumApplicationOIDCGrantType{sdk.ENUMAPPLICATIONOIDCGRANTTYPE_CLIENT_CREDENTIALS}
	id := *m.createApplication(t, worker).Id
	assignment := *sdk.NewRoleAssignment(*sdk.NewRoleAssignmentRole(byName["Environment Admin"]), *sdk.NewRoleAssignmentScope(mainEnv, sdk.ENUMROLEASSIGNMENTSCOPETYPE_ENVIRONMENT))
	made := done[*sdk.RoleAssignment](t, "assign")(m.ApplicationRoleAssignmentsApi.CreateApplicationRoleAssignment(m.ctx, mainEnv, id).RoleAssignment(assignment).Execute())
	secret := *done[*sdk.ApplicationSecret](t, "secret")(m.ApplicationSecretApi.ReadApplicationSecret(m.ctx, mainEnv, id).Execute()).Secret
	m.node.secret("a worker's secret", secret)
	// What was made manages, as long as it has the role.
	other := &manager{APIClient: manageAs(t, m.node, id, secret), ctx: m.ctx, node: m.node}
	done[*sdk.ReadOneApplication200Response](t, "read as the new worker")(other.ApplicationsApi.ReadOneApplication(m.ctx, mainEnv, id).Execute())
	gone(t, "assignment")(m.ApplicationRoleAssignmentsApi.DeleteApplicationRoleAssignment(m.ctx, mainEnv, id, *made.Id).Execute())
	if _, r, err := other.ApplicationsApi.ReadOneApplication(m.ctx, mainEnv, id).Execute(); err == nil || r.StatusCode != http.StatusForbidden {
		t.Errorf("without the role: %v, want 403", err)
	}

	user := done[*sdk.User](t, "create user")(m.UsersApi.CreateUser(m.ctx, mainEnv).User(*sdk.NewUser("boss@example.com", "boss")).Execute())
	forUser := done[*sdk.RoleAssignment](t, "assign to a user")(m.UserRoleAssignmentsApi.CreateUserRoleAssignment(m.ctx, mainEnv, *user.Id).RoleAssignment(assignment).Execute())
	all, _ := every(t, m.UserRoleAssignmentsApi.ReadUserRoleAssignments(m.ctx, mainEnv, *user.Id).Execute(), func(e sdk.EntityArrayEmbedded) []sdk.RoleAssignment { return e.RoleAssignments })
	if len(all) != 1 || *all[0].Id != *forUser.Id {
		t.Errorf("assignments of the user: %+v", all)
	}
	gone(t, "assignment of a user")(m.UserRoleAssignmentsApi.DeleteUserRoleAssignment(m.ctx, mainEnv, *user.Id, *forUser.Id).Execute())
	gone(t, "user")(m.UsersApi.DeleteUser(m.ctx, mainEnv, *user.Id).Execute())
	gone(t, "worker")(m.ApplicationsApi.DeleteApplication(m.ctx, mainEnv, id).Execute())
}

func sdkKeys(t *testing.T, m *manager) {
	api := m.CertificateManagementApi
	made := done[*sdk.Certificate](t, "create key")(api.CreateKey(m.ctx, mainEnv).ContentType("application/json").Certificate(*sdk.NewCertificate(
		sdk.ENUMCERTIFICATEKEYALGORITHM_RSA, 2048, "SDK key", sdk.ENUMCERTIFICATEKEYSIGNAGUREALGORITHM_SHA256WITH_RSA,
		"CN=SDK,OU=Tests,O=Gatehouse,C=DE", sdk.ENUMCERTIFICATEKEYUSAGETYPE_SIGNING, 365)).Execute())
	id := *made.Id
	read, ok := done[any](t, "read key")(api.GetKey(m.ctx, mainEnv, id).Execute()).(*sdk.Certificate)
	if !ok || read.Name != "SDK key" || read.SerialNumber == nil {
		t.Errorf("key %+v", read)
	}
	all := done[*sdk.EntityArray](t, "list keys")(api.GetKeys(m.ctx, mainEnv).Execute())
	if !slices.ContainsFunc(all.Embedded.Keys, func(k sdk.Certificate) bool { return *k.Id == id }) || len(all.Embedded.Keys) < 3 {
		t.Errorf("%d keys are listed", len(all.Embedded.Keys))
	}
	updated := done[*sdk.Certificate](t, "make it the default")(api.UpdateKey(m.ctx, mainEnv, id).CertificateKeyUpdate(
		*sdk.NewCertificateKeyUpdate(true, sdk.ENUMCERTIFICATEKEYUSAGETYPE_SIGNING)).Execute())
	if !*updated.Default {
		t.Error("the key is not the default")
	}
	// A worker's token signed by it is good here.
	done[any](t, "call with a token of the new key")((&manager{APIClient: manageAs(t, m.node, sdkAdmin, sdkAdminSecret), ctx: m.ctx}).CertificateManagementApi.GetKey(m.ctx, mainEnv, id).Execute())
	if r, err := api.DeleteKey(m.ctx, mainEnv, id).Execute(); err == nil || r.StatusCode != http.StatusBadRequest {
		t.Errorf("delete of the default key: %v", err)
	}
}

func sdkPolicies(t *testing.T, m *manager) {
	api := m.KeyRotationPoliciesApi
	made := done[*sdk.KeyRotationPolicy](t, "create policy")(api.CreateKeyRotationPolicy(m.ctx, mainEnv).KeyRotationPolicy(*sdk.NewKeyRotationPolicy(
		sdk.ENUMKEYROTATIONPOLICYALGORITHM_RSA, "CN=SDK policy,O=Gatehouse,C=DE", 2048, "SDK policy",
		sdk.ENUMKEYROTATIONPOLICYSIGALGORITHM_SHA256WITH_RSA, sdk.ENUMKEYROTATIONPOLICYUSAGETYPE_SIGNING)).Execute())
	if made.CurrentKeyId == nil || made.NextKeyId == nil {
		t.Errorf("the policy has no keys: %+v", made)
	}
	made.Name = "SDK policy, renamed"
	done[*sdk.KeyRotationPolicy](t, "update policy")(api.UpdateKeyRotationPolicy(m.ctx, mainEnv, *made.Id).KeyRotationPolicy(*made).Execute())
	read := done[*sdk.KeyRotationPolicy](t, "read policy")(api.GetKeyRotationPolicy(m.ctx, mainEnv, *made.Id).Execute())
	if read.Name != "SDK policy, renamed" {
		t.Errorf("policy %+v", read)
	}
	app := m.service("SDK policy user")
	app.Signing = &sdk.ApplicationOIDCAllOfSigning{KeyRotationPolicy: *sdk.NewApplicationOIDCAllOfSigningKeyRotationPolicy(*made.Id)}
	id := *m.createApplication(t, app).Id
	if r, err := api.DeleteKeyRotationPolicy(m.ctx, mainEnv, *made.Id).Execute(); err == nil || r.StatusCode != http.StatusBadRequest {
		t.Errorf("delete of a policy in use: %v", err)
	}
	gone(t, "application")(m.ApplicationsApi.DeleteApplication(m.ctx, mainEnv, id).Execute())
	gone(t, "policy")(api.DeleteKeyRotationPolicy(m.ctx, mainEnv, *made.Id).Execute())
	missing[*sdk.KeyRotationPolicy](t, "the policy")(api.GetKeyRotationPolicy(m.ctx, mainEnv, *made.Id).Execute())
}

func sdkSubscriptions(t *testing.T, m *manager) {
	api := m.SubscriptionsWebhooksApi
	s := sdk.NewSubscription(false, *sdk.NewSubscriptionFilterOptions([]string{"APPLICATION.UPDATED"}), "SDK webhook", true)
	s.Protocol, s.Format = ptr(sdk.ENUMSUBSCRIPTIONPROTOCOL_HTTPS), ptr(sdk.ENUMSUBSCRIPTIONFORMAT_ACTIVITY)
	s.HttpEndpoint = sdk.NewSubscriptionHttpEndpoint("https://hooks.example.com/gatehouse")
	made := done[*sdk.Subscription](t, "create subscription")(api.CreateSubscription(m.ctx, mainEnv).Subscription(*s).Execute())
	made.Name = "SDK webhook, renamed"
	done[*sdk.Subscription](t, "update subscription")(api.UpdateSubscription(m.ctx, mainEnv, *made.Id).Subscription(*made).Execute())
	all, _ := every(t, api.ReadAllSubscriptions(m.ctx, mainEnv).Execute(), func(e sdk.EntityArrayEmbedded) []sdk.Subscription { return e.Subscriptions })
	if len(all) != 1 || all[0].Name != "SDK webhook, renamed" {
		t.Errorf("subscriptions %+v", all)
	}
	gone(t, "subscription")(api.DeleteSubscription(m.ctx, mainEnv, *made.Id).Execute())
	missing[*sdk.Subscription](t, "the subscription")(api.ReadOneSubscription(m.ctx, mainEnv, *made.Id).Execute())
}

func sdkEnvironments(t *testing.T, m *manager) {
	api := m.EnvironmentsApi
	all, _ := every(t, api.ReadAllEnvironments(m.ctx).Execute(), func(e sdk.EntityArrayEmbedded) []sdk.Environment { return e.Environments })
	if !slices.ContainsFunc(all, func(e sdk.Environment) bool { return *e.Id == mainEnv }) {
		t.Fatalf("environments %+v", all)
	}
	main := done[*sdk.Environment](t, "read")(api.ReadOneEnvironment(m.ctx, mainEnv).Execute())
	made := done[*sdk.Environment](t, "create")(api.CreateEnvironmentActiveLicense(m.ctx).Environment(
		*sdk.NewEnvironment(main.License, "SDK environment", sdk.EnvironmentRegion{EnumRegionCode: ptr(sdk.ENUMREGIONCODE_EU)}, sdk.ENUMENVIRONMENTTYPE_SANDBOX)).Execute())
	id := *made.Id
	made.Name = "SDK environment, renamed"
	done[*sdk.Environment](t, "rename")(api.UpdateEnvironment(m.ctx, id).Environment(*made).Execute())
	read := done[*sdk.Environment](t, "read the new one")(api.ReadOneEnvironment(m.ctx, id).Execute())
	if read.Name != "SDK environment, renamed" {
		t.Errorf("environment %+v", read)
	}
	done[*sdk.BillOfMaterials](t, "bill of materials")(m.BillOfMaterialsBOMApi.ReadOneBillOfMaterials(m.ctx, id).Execute())
	// It is an authorization server of its own.
	metadata := m.node.url("as") + "/" + id + "/as/.well-known/openid-configuration"
	if a := m.node.visit(t, metadata); a.status != http.StatusOK {
		t.Errorf("metadata of the new environment: %d", a.status)
	}
	done[*sdk.Population](t, "create in it")(m.PopulationsApi.CreatePopulation(m.ctx, id).Population(*sdk.NewPopulation("settlers")).Execute())
	gone(t, "environment")(api.DeleteEnvironment(m.ctx, id).Execute())
	missing[*sdk.Environment](t, "the environment")(api.ReadOneEnvironment(m.ctx, id).Execute())
	if a := m.node.visit(t, metadata); a.status != http.StatusNotFound {
		t.Errorf("metadata of the deleted environment: %d, want 404", a.status)
	}
}

func sdkOrganizations(t *testing.T, m *manager) {
	all, _ := every(t, m.OrganizationsApi.ReadAllOrganizations(m.ctx).Execute(), func(e sdk.EntityArrayEmbedded) []sdk.Organization { return e.Organizations })
	if len(all) == 0 {
		t.Fatal("no organization")
	}
	done[*sdk.Organization](t, "read")(m.OrganizationsApi.ReadOneOrganization(m.ctx, *all[0].Id).Execute())
	licenses, _ := every(t, m.LicensesApi.ReadAllLicenses(m.ctx, *all[0].Id).Execute(), func(e sdk.EntityArrayEmbedded) []sdk.License { return e.Licenses })
	if len(licenses) == 0 {
		t.Fatal("no licence")
	}
	done[*sdk.License](t, "read licence")(m.LicensesApi.ReadOneLicense(m.ctx, *all[0].Id, *licenses[0].Id).Execute())
}

func sdkActivities(t *testing.T, m *manager) {
	made := m.createApplication(t, m.service("SDK audited"))
	r, err := m.AuditActivitiesApi.EnvironmentsEnvironmentIDActivitiesGet(m.ctx, mainEnv).Filter(`resources.id eq "` + *made.Id + `"`).Execute()
	if err != nil || r.StatusCode != http.StatusOK {
		t.Errorf("activities: %v%s", err, said(err))
	}
	gone(t, "application")(m.ApplicationsApi.DeleteApplication(m.ctx, mainEnv, *made.Id).Execute())
}

func sdkSessions(t *testing.T, m *manager) {
	found, _ := every(t, m.UsersApi.ReadAllUsers(m.ctx, mainEnv).Filter(`username eq "alice"`).Execute(), func(e sdk.EntityArrayEmbedded) []sdk.User { return e.Users })
	if len(found) != 1 {
		t.Fatalf("alice is found %d times", len(found))
	}
	r, err := m.SessionsApi.EnvironmentsEnvironmentIDUsersUserIDSessionsGet(m.ctx, mainEnv, *found[0].Id).Execute()
	if err != nil || r.StatusCode != http.StatusOK {
		t.Errorf("sessions: %v%s", err, said(err))
	}
}
