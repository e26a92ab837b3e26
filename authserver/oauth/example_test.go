package oauth_test

import (
	"fmt"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
)

func ExampleVerifyPKCE() {
	// What the authorization request brought, kept with the code.
	method, err := oauth.CheckCodeChallenge("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "S256")
	fmt.Println(method, err)
	// What the token request brings.
	fmt.Println(oauth.VerifyPKCE(method, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"))
	// Output:
	// S256 <nil>
	// <nil>
}

func ExampleMatchRedirectURI() {
	strict := oauth.RedirectRules{}
	fmt.Println(oauth.MatchRedirectURI("https://app.example.com/cb", "https://app.example.com/cb/", strict))
	// A native application listens where there is room (RFC 8252 §7.3).
	fmt.Println(oauth.MatchRedirectURI("http://127.0.0.1/cb", "http://127.0.0.1:51004/cb", strict))
	// Output:
	// false
	// true
}
