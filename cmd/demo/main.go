// Command demo is the web application that `make run` serves: it signs people
// in at a Gatehouse environment (authorization code with PKCE), shows what it
// learned about them, calls the protected API, refreshes its tokens and signs
// off. It is an ordinary client, built on ordinary libraries.
package main

import (
	"cmp"
	"context"
	"errors"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	app := newApp(config{
		Listen:       cmp.Or(os.Getenv("DEMO_LISTEN"), "localhost:8083"),
		Issuer:       cmp.Or(os.Getenv("DEMO_ISSUER"), "http://localhost:8080/5f0c9f3a-6c1e-4c55-9a3b-2d7f8e1b4a60/as"),
		ClientID:     cmp.Or(os.Getenv("DEMO_CLIENT_ID"), "demo-web"),
		ClientSecret: cmp.Or(os.Getenv("DEMO_CLIENT_SECRET"), "demo-web-secret"),
		API:          cmp.Or(os.Getenv("DEMO_API"), "http://localhost:8081/"),
	})
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	server := &http.Server{
		Handler:           app.routes(),
		ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute,
	}
	listener, err := net.Listen("tcp", app.config.Listen)
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		<-ctx.Done()
		_ = server.Close()
	}()
	log.Printf("demo web application: %s", app.config.base())
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		log.Fatal(err)
	}
}
