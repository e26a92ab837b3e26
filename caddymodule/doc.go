// Package caddymodule puts Gatehouse into Caddy: the gatehouse app (storage,
// keys, environments), the authorization_server handler, the bearer_auth
// handler, and their Caddyfile forms. It translates configuration and requests;
// what is allowed is decided in authserver and authserver/resourceserver.
//
// What must survive a reload (store, key rings, revocations, token caches) lives
// in usage pools (pool.go), keyed by all that makes two of them differ; two
// configurations are alive during a reload and share them.
//
// Start reading at BearerAuth.ServeHTTP for a request, at App for configuration.
// The Caddyfile grammar is in the README.
package caddymodule
