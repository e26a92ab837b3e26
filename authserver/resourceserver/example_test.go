package resourceserver_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/resourceserver"
)

// A plain net/http API that lets requests through only with a good token.
func ExampleVerifier_Middleware() {
	key, err := jose.GenerateSigningKey(jose.ES256, 0)
	if err != nil {
		panic(err)
	}
	verifier, err := resourceserver.New(resourceserver.Config{Issuers: []resourceserver.Issuer{{
		Issuer:   "https://auth.example.com/as",
		JWKS:     keySet(key), // leave it out, and the keys are discovered and kept fresh
		Audience: []string{"https://orders.example.com"},
	}}})
	if err != nil {
		panic(err)
	}
	defer verifier.Close()

	protect := verifier.Middleware(&resourceserver.Policy{Scopes: []string{"orders:read"}, Realm: "orders"})
	api := protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, _ := resourceserver.FromContext(r.Context())
		fmt.Fprintln(w, "orders of", token.Claims.Subject)
	}))

	request := func(authorization string) {
		r := httptest.NewRequest(http.MethodGet, "/orders", nil)
		if authorization != "" {
			r.Header.Set("Authorization", authorization)
		}
		w := httptest.NewRecorder()
		api.ServeHTTP(w, r)
		fmt.Printf("%d [%s]\n", w.Code, w.Header().Get("WWW-Authenticate"))
	}
	token, err := key.Sign("at+jwt", fmt.Appendf(nil,
		`{"iss":"https://auth.example.com/as","aud":"https://orders.example.com","sub":"alice","scope":"orders:read","exp":%d}`,
		time.Now().Add(time.Hour).Unix()))
	if err != nil {
		panic(err)
	}
	request("")
	request("Bearer " + token)
	request("Bearer " + token + "x")
	// Output:
	// 401 [Bearer realm="orders"]
	// 200 []
	// 401 [Bearer realm="orders", error="invalid_token", error_description="The access token is not valid."]
}
