package assertion_test

import (
	"fmt"
	"log"
	"net/http"

	"github.com/caddy-gatehouse/gatehouse/authserver/assertion"
)

// An upstream lets through what came through the gate, and knows who asks.
func Example() {
	gate, err := assertion.NewVerifier(assertion.Config{
		Issuer:   "https://orders.example.com",
		Audience: "orders",
		JWKSURI:  "https://orders.example.com/.well-known/gatehouse/jwks.json",
	})
	if err != nil {
		log.Fatal(err)
	}
	defer gate.Close()

	orders := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, _ := assertion.FromContext(r.Context())
		fmt.Fprintf(w, "orders of %s (of %s)\n", who.Subject, who.TokenIssuer)
	})
	server := &http.Server{Addr: "127.0.0.1:9000", Handler: gate.Middleware(orders)}
	fmt.Println(server.Addr)
	// Output: 127.0.0.1:9000
}
