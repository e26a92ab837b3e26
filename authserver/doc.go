// Package authserver is the authorization server as a plain net/http handler:
// configuration, routes and background work over the packages below it. It
// imports nothing of Caddy.
//
// A State outlives configurations (store, key rings, revocations); a Server is
// one configuration of it. Start reading at New, then routes.go.
package authserver
