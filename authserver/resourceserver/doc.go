// Package resourceserver checks access tokens at an API: it takes the token out
// of a request, verifies it (JWT against cached JWK Sets, introspection, or a
// direct call where the issuer lives in this process), judges a policy, and
// answers with the challenges of RFC 6750. It is a library of its own: it knows
// neither Caddy nor the authorization server.
//
// What is no JWT is looked up by the authorization servers in this process, and introspected elsewhere
// where none of them knows it and an issuer is configured to be asked.
//
// One request goes through Authorize: bearer.go takes the token out; verifier.go
// finds it among the results (results.go) or sends it to jwt.go, introspection.go or
// local.go; policy.go judges it; refusal.go says no.
//
// Results are remembered in two bounded caches of each Verifier's own, good ones apart from
// bad ones. A remembered result never outlives the token, the keys that
// verified it or, with a local issuer, a revocation; what other issuers revoke is noticed after
// Introspection.TTL or RecheckEvery, and a refusal is believed for RefusedTTL. Outcomes that
// say nothing about the token (503) and tokens that are not valid yet are never remembered.
//
// What identifies the wrong kind of token is in claims.go. A token that is bound to a key
// (cnf) is refused: proof of possession is not checked here yet, and without it the
// binding would be worth nothing.
//
// Start reading at Verifier.Authorize. RFC 6750, RFC 7519, RFC 7662, RFC 8725, RFC 9068.
package resourceserver
