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
