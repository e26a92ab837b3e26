package jose_test

import (
	"fmt"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
)

// A token is parsed, its issuer chosen, its signature checked with that issuer's
// keys, and only then are its claims believed.
func ExampleParse() {
	key, err := jose.GenerateSigningKey(jose.ES256, 0)
	if err != nil {
		panic(err)
	}
	token, err := key.Sign("at+jwt", []byte(`{"iss":"https://as.example.com","sub":"alice","scope":"read write"}`))
	if err != nil {
		panic(err)
	}
	published, err := key.PublicJWK()
	if err != nil {
		panic(err)
	}
	keys, _, err := jose.ParseKeySet([]byte(`{"keys":[`+string(published)+`]}`), jose.KeySetLimits{})
	if err != nil {
		panic(err)
	}

	t, err := jose.Parse(token, jose.Limits{})
	if err != nil {
		panic(err)
	}
	if !t.Header.TypeIs("at+jwt") {
		panic("another kind of token")
	}
	if err := t.Verify(keys.Find(&t.Header)); err != nil {
		panic(err)
	}
	claims, err := t.Claims()
	if err != nil {
		panic(err)
	}
	fmt.Println(claims.Issuer, claims.Subject, claims.Scope)
	// Output: https://as.example.com alice [read write]
}

func ExampleParseKeySet() {
	set, skipped, err := jose.ParseKeySet([]byte(`{"keys":[
		{"kty":"OKP","crv":"Ed25519","kid":"a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
		{"kty":"oct","kid":"b","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}
	]}`), jose.KeySetLimits{})
	fmt.Println(set.Len(), skipped, err, set.HasID("a"), set.HasID("b"))
	// Output: 1 1 <nil> true false
}
