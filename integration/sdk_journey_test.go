package integration_test

import (
	"net/http"
	"testing"
	"time"

	sdk "github.com/patrickcping/pingone-go-sdk-v2/management"
)

// TestSDKJourney makes a resource, a scope and an application with PingOne's own
// client, gets a token with what it made, and passes the gate with it until the
// application is disabled.
func TestSDKJourney(t *testing.T) {
	onEach(t, func(t *testing.T, b backend) {
		n := start(t, config{storage: b, env: sdkEnv, ports: []string{"made"}, sites: `
http://127.0.0.1:$MADE {
	bearer_auth {
		issuer $ISSUER
		audience https://made.example.com
		scope made:read
	}
	reverse_proxy $UPSTREAM
}
`})
		m := manage(t, n)
		resource := done[*sdk.Resource](t, "create resource")(m.ResourcesApi.CreateResource(m.ctx, mainEnv).Resource(
			sdk.Resource{Name: "made", Audience: ptr("https://made.example.com")}).Execute())
		scope := done[*sdk.ResourceScope](t, "create scope")(m.ResourceScopesApi.CreateResourceScope(m.ctx, mainEnv, *resource.Id).ResourceScope(
			*sdk.NewResourceScope("made:read")).Execute())
		app := m.createApplication(t, m.service("made by the SDK"))
		id := *app.Id
		done[*sdk.ApplicationResourceGrant](t, "create grant")(m.ApplicationResourceGrantsApi.CreateApplicationGrant(m.ctx, mainEnv, id).ApplicationResourceGrant(
			*sdk.NewApplicationResourceGrant(*sdk.NewApplicationResourceGrantResource(*resource.Id),
				[]sdk.ApplicationResourceGrantScopesInner{*sdk.NewApplicationResourceGrantScopesInner(*scope.Id)})).Execute())
		secret := *done[*sdk.ApplicationSecret](t, "read secret")(m.ApplicationSecretApi.ReadApplicationSecret(m.ctx, mainEnv, id).Execute()).Secret
		n.secret("the secret of an application made by the SDK", secret)

		token := n.workerToken(t, mainEnv, id, secret, "made:read")
		pass := func() int { return n.call(t, "made", "/", token).status }
		if got := pass(); got != http.StatusOK {
			t.Fatalf("the gate answers %d to a token of the new application", got)
		}

		app.Enabled = false
		updated := done[*sdk.ReadOneApplication200Response](t, "disable")(m.ApplicationsApi.UpdateApplication(m.ctx, mainEnv, id).UpdateApplicationRequest(
			sdk.ApplicationOIDCAsUpdateApplicationRequest(app)).Execute())
		if updated.ApplicationOIDC.Enabled {
			t.Error("the answer says that the application is enabled")
		}
		if got := pass(); got != http.StatusUnauthorized {
			t.Errorf("the gate answers %d after the application was disabled, want 401 at once", got)
		}
		if a := n.tryWorker(t, mainEnv, id, secret, "made:read"); a.status != http.StatusUnauthorized {
			t.Errorf("the disabled application gets %d at the token endpoint, want 401", a.status)
		}

		// Enabled again it gets new tokens, and a rotated secret ends the old one at once.
		app.Enabled = true
		done[*sdk.ReadOneApplication200Response](t, "enable")(m.ApplicationsApi.UpdateApplication(m.ctx, mainEnv, id).UpdateApplicationRequest(
			sdk.ApplicationOIDCAsUpdateApplicationRequest(app)).Execute())
		rotated := *done[*sdk.ApplicationSecret](t, "rotate secret")(m.ApplicationSecretApi.UpdateApplicationSecret(m.ctx, mainEnv, id).ApplicationSecret(
			sdk.ApplicationSecret{Previous: &sdk.ApplicationSecretPrevious{ExpiresAt: time.Now().Add(time.Hour)}}).Execute()).Secret
		n.secret("the rotated secret", rotated)
		n.workerToken(t, mainEnv, id, rotated, "made:read")
		n.workerToken(t, mainEnv, id, secret, "made:read") // still good for an hour
		gone(t, "previous secret")(m.ApplicationSecretApi.DeletePreviousApplicationSecret(m.ctx, mainEnv, id).Execute())
		if a := n.tryWorker(t, mainEnv, id, secret, "made:read"); a.status != http.StatusUnauthorized {
			t.Errorf("the dropped secret gets %d, want 401", a.status)
		}

		token = n.workerToken(t, mainEnv, id, rotated, "made:read")
		gone(t, "scope")(m.ResourceScopesApi.DeleteResourceScope(m.ctx, mainEnv, *resource.Id, *scope.Id).Execute())
		if got := pass(); got != http.StatusUnauthorized {
			t.Errorf("the gate answers %d after the scope was deleted, want 401", got)
		}
		gone(t, "application")(m.ApplicationsApi.DeleteApplication(m.ctx, mainEnv, id).Execute())
		gone(t, "resource")(m.ResourcesApi.DeleteResource(m.ctx, mainEnv, *resource.Id).Execute())
		missing[*sdk.ReadOneApplication200Response](t, "the application")(m.ApplicationsApi.ReadOneApplication(m.ctx, mainEnv, id).Execute())
	})
}

// TestSDKToken is how PingOne's clients get their token: with HTTP Basic, and where that is refused once more with
// the secret in the body. No scope is asked for, and nothing but the token is looked at.
func TestSDKToken(t *testing.T) {
	n := start(t, config{env: sdkEnv})
	m := manage(t, n)
	for _, method := range []sdk.EnumApplicationOIDCTokenAuthMethod{
		sdk.ENUMAPPLICATIONOIDCTOKENAUTHMETHOD_CLIENT_SECRET_BASIC, sdk.ENUMAPPLICATIONOIDCTOKENAUTHMETHOD_CLIENT_SECRET_POST,
	} {
		t.Run(string(method), func(t *testing.T) {
			worker := m.service("worker with " + string(method))
			worker.Type, worker.TokenEndpointAuthMethod, worker.AssignActorRoles = sdk.ENUMAPPLICATIONTYPE_WORKER, method, ptr(true)
			id := *m.createApplication(t, worker).Id
			secret := *done[*sdk.ApplicationSecret](t, "read secret")(m.ApplicationSecretApi.ReadApplicationSecret(m.ctx, mainEnv, id).Execute()).Secret
			n.secret("a worker's secret", secret)
			endpoint := n.url("as") + "/" + mainEnv + "/as/token"
			a := n.formAt(t, endpoint, func(r *http.Request) { r.SetBasicAuth(id, secret) }, "grant_type", "client_credentials")
			if posted := method == sdk.ENUMAPPLICATIONOIDCTOKENAUTHMETHOD_CLIENT_SECRET_POST; posted {
				if a.status != http.StatusUnauthorized {
					t.Fatalf("with Basic: %d, want 401", a.status)
				}
				a = n.formAt(t, endpoint, nil, "grant_type", "client_credentials", "client_id", id, "client_secret", secret)
			}
			token := n.tokenFrom(t, a)
			if got := n.call(t, "as", "/v1/environments/"+mainEnv, token).status; got != http.StatusOK {
				t.Errorf("the API answers %d to the token", got)
			}
		})
	}
}

// service is a machine that authenticates with a secret.
func (m *manager) service(name string) *sdk.ApplicationOIDC {
	app := sdk.NewApplicationOIDC(true, name, sdk.ENUMAPPLICATIONPROTOCOL_OPENID_CONNECT, sdk.ENUMAPPLICATIONTYPE_SERVICE,
		sdk.ENUMAPPLICATIONOIDCTOKENAUTHMETHOD_CLIENT_SECRET_BASIC)
	app.GrantTypes = []sdk.EnumApplicationOIDCGrantType{sdk.ENUMAPPLICATIONOIDCGRANTTYPE_CLIENT_CREDENTIALS}
	return app
}

func (m *manager) createApplication(t testing.TB, app *sdk.ApplicationOIDC) *sdk.ApplicationOIDC {
	t.Helper()
	made := done[*sdk.CreateApplication201Response](t, "create application")(m.ApplicationsApi.CreateApplication(m.ctx, mainEnv).CreateApplicationRequest(
		sdk.ApplicationOIDCAsCreateApplicationRequest(app)).Execute())
	if made.ApplicationOIDC == nil || made.ApplicationOIDC.Id == nil {
		t.Fatalf("the answer is no OIDC application: %+v", made)
	}
	return made.ApplicationOIDC
}

// TestSDKEnvironmentAtTheGate: a gate in the same process knows the environments that
// the API makes, also when it was configured before: revocations count with the next request,
// and nothing of a deleted environment passes.
func TestSDKEnvironmentAtTheGate(t *testing.T) {
	onEach(t, func(t *testing.T, b backend) {
		c := config{storage: b, env: sdkEnv, ports: []string{"made"}}
		n := start(t, c)
		m := manage(t, n)
		main := done[*sdk.Environment](t, "read")(m.EnvironmentsApi.ReadOneEnvironment(m.ctx, mainEnv).Execute())
		env := *done[*sdk.Environment](t, "create environment")(m.EnvironmentsApi.CreateEnvironmentActiveLicense(m.ctx).Environment(
			*sdk.NewEnvironment(main.License, "made", sdk.EnvironmentRegion{EnumRegionCode: ptr(sdk.ENUMREGIONCODE_EU)}, sdk.ENUMENVIRONMENTTYPE_SANDBOX)).Execute()).Id
		resource := done[*sdk.Resource](t, "create resource")(m.ResourcesApi.CreateResource(m.ctx, env).Resource(
			sdk.Resource{Name: "made", Audience: ptr("https://made.example.com")}).Execute())
		scope := done[*sdk.ResourceScope](t, "create scope")(m.ResourceScopesApi.CreateResourceScope(m.ctx, env, *resource.Id).ResourceScope(
			*sdk.NewResourceScope("made:read")).Execute())
		app := done[*sdk.CreateApplication201Response](t, "create application")(m.ApplicationsApi.CreateApplication(m.ctx, env).CreateApplicationRequest(
			sdk.ApplicationOIDCAsCreateApplicationRequest(m.service("made"))).Execute()).ApplicationOIDC
		done[*sdk.ApplicationResourceGrant](t, "create grant")(m.ApplicationResourceGrantsApi.CreateApplicationGrant(m.ctx, env, *app.Id).ApplicationResourceGrant(
			*sdk.NewApplicationResourceGrant(*sdk.NewApplicationResourceGrantResource(*resource.Id),
				[]sdk.ApplicationResourceGrantScopesInner{*sdk.NewApplicationResourceGrantScopesInner(*scope.Id)})).Execute())
		secret := *done[*sdk.ApplicationSecret](t, "read secret")(m.ApplicationSecretApi.ReadApplicationSecret(m.ctx, env, *app.Id).Execute()).Secret
		n.secret("the secret of an application made by the SDK", secret)

		// Two gates of one kind, the second for an environment that there is not.
		const gate = `
http://127.0.0.1:$MADE {
	bearer_auth {
		issuer http://127.0.0.1:$AS/$ENVIRONMENT/as
		issuer http://127.0.0.1:$AS/00000000-0000-4000-8000-000000000000/as
		audience https://made.example.com
	}
	reverse_proxy $UPSTREAM
}
`
		n.vars["ENVIRONMENT"] = env
		c.sites = gate
		n.write(t, c)
		n.reload(t)
		token, victim := n.workerToken(t, env, *app.Id, secret, "made:read"), n.workerToken(t, env, *app.Id, secret, "made:read")
		for what, bearer := range map[string]string{"a token": token, "another": victim} {
			if a := n.call(t, "made", "/", bearer); a.status != http.StatusOK {
				t.Fatalf("%s of the new environment: %d %s", what, a.status, a.challenge())
			}
		}
		if got := n.formAt(t, n.url("as")+"/"+env+"/as/revoke", func(r *http.Request) { r.SetBasicAuth(*app.Id, secret) }, "token", victim); got.status != http.StatusOK {
			t.Fatalf("revoke: %d %s", got.status, got.body)
		}
		if a := n.call(t, "made", "/", victim); a.status != http.StatusUnauthorized {
			t.Errorf("the revoked token: %d, want 401 at once", a.status)
		}
		if a := n.call(t, "made", "/", n.token(t, worker)); a.status != http.StatusUnauthorized {
			t.Errorf("a token of another environment: %d, want 401", a.status)
		}
		gone(t, "environment")(m.EnvironmentsApi.DeleteEnvironment(m.ctx, env).Execute())
		if a := n.call(t, "made", "/", token); a.status != http.StatusUnauthorized {
			t.Errorf("a token of the deleted environment: %d %s, want 401", a.status, a.challenge())
		}
	})
}
