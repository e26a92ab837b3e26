package integration_test

import (
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// realmGate is an API over plain HTTP that takes the tokens of the realm's issuer, checked in process.
const realmGate = `
http://:$MORE {
	log
	bearer_auth {
		issuer https://127.0.0.1:$TLS/am/oauth2/realms/root/realms/alpha
		audience ` + orders + `
		scope orders:read
	}
	reverse_proxy $UPSTREAM
}
`

// TestLegacyGoOIDC has github.com/coreos/go-oidc discover a realm's issuer and sign in there: the hosted pages are the
// environment's, and all that comes of it says the realm.
func TestLegacyGoOIDC(t *testing.T) {
	onEach(t, func(t *testing.T, store backend) {
		p := startPartyWith(t, store, legacyOverTLS, realmGate)
		p.ports["gate"] = p.ports["more"]
		p.vars["ISSUER"] = "https://" + p.addr("tls") + "/am/oauth2/realms/root/realms/alpha"
		ctx := oidc.ClientContext(t.Context(), p.libraries())
		provider, err := oidc.NewProvider(ctx, p.vars["ISSUER"])
		if err != nil {
			t.Fatalf("discovery: %v", err)
		}
		for _, client := range []struct {
			id, secret string
			style      oauth2.AuthStyle
		}{
			{"party-basic", partySecret, oauth2.AuthStyleInHeader},
			{"party-public", "", oauth2.AuthStyleInParams},
		} {
			t.Run(client.id, func(t *testing.T) {
				app := &goOIDC{ctx: ctx, provider: provider, config: &oauth2.Config{
					ClientID: client.id, ClientSecret: client.secret, Endpoint: provider.Endpoint(),
					RedirectURL: p.app.base + "/callback", Scopes: []string{oidc.ScopeOpenID, "profile", "email", oidc.ScopeOfflineAccess, "orders:read"},
				}}
				app.config.Endpoint.AuthStyle = client.style
				app.journey(t, p)
				if client.id == "party-basic" {
					app.signOff(t, p)
				}
			})
		}
	})
}
