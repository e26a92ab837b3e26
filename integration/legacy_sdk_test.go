package integration_test

import "testing"

// What an application written with the vendor's JavaScript SDK is, and where its page is: on another site.
const (
	sdkPage = "https://app.example.com"

	legacyParty = `
			application sdk {
				type single_page_app
				auth_method none
				grant authorization_code
				redirect_uri ` + sdkPage + `/callback
				cors_origin ` + sdkPage + `
				allow openid profile email orders:read
			}
			application sdk-redirecting {
				type single_page_app
				auth_method none
				grant authorization_code
				redirect_uri $PARTY/callback
				cors_origin $PARTY
				allow openid profile email orders:read
			}
			application sdk-consenting {
				type single_page_app
				auth_method none
				grant authorization_code
				consent always
				redirect_uri ` + sdkPage + `/callback
				cors_origin ` + sdkPage + `
				allow openid profile email orders:read
			}`

	legacyOverTLS = `
		legacy {
			url https://127.0.0.1:$TLS/am
			realm alpha main
			administrator amadmin ` + adminPassword + `
		}`

	// An API that takes the realm's tokens.
	legacyAPI = `
https://127.0.0.1:$MORE {
	tls $DIR/tls.pem $DIR/tls.key
	log
	bearer_auth {
		issuer https://127.0.0.1:$TLS/am/oauth2/realms/root/realms/alpha
		audience ` + orders + `
		scope orders:read
	}
	reverse_proxy $UPSTREAM
}
`
)

// TestForgeRockSDK signs in with npm @forgerock/javascript-sdk.
func TestForgeRockSDK(t *testing.T) {
	onEach(t, func(t *testing.T, store backend) {
		mustClients(t)
		p := startPartyWith(t, store, legacyOverTLS, legacyAPI, legacyParty)
		p.runScript(t, "forgerock-sdk.mjs", map[string]any{
			"am": "https://" + p.addr("tls") + "/am", "api": "https://" + p.addr("more") + "/", "origin": sdkPage,
			"client": "sdk", "consenting": "sdk-consenting", "redirecting": "sdk-redirecting", "redirect_uri": p.app.base + "/callback", "cookie": "iPlanetDirectoryPro", "password": alicePassword,
		})
	})
}
