// Package resourceserver checks access tokens at an API: it takes the token out
// of a request, verifies it (JWT against cached JWK Sets, introspection, or a
// direct call where the issuer lives in this process), has possession of what the token is bound to proved, judges policies, and
// answers with the challenges of RFC 6750 and RFC 9449. It is a library of its own: it knows
// neither Caddy nor the authorization server.
//
// What is no JWT is looked up by the authorization servers in this process, and introspected elsewhere
// where none of them knows it and an issuer is configured to be asked. An encrypted JWT is opened with the keys of the issuers
// that have some (encrypted.go); only what is signed inside counts.
//
// One request goes through Authorize: credentials.go takes the token out for authorize.go; verifier.go
// finds it among the results (results.go) or sends it to jwt.go, introspection.go or
// local.go; possession.go has DPoP proof and certificate judged; policy.go and step_up.go judge the rest; refusal.go and challenge.go say no. What
// is under way is ended with its token by Watch (watch.go, watcher.go, watcher_judge.go). Where clients learn what the API needs is
// metadata.go.
//
// Results are remembered in two bounded caches of each Verifier's own, good ones apart from
// bad ones. What is remembered is what a token says. Whatever depends on the request or the route (possession, policies) is
// judged every time, so that no two routes share a verdict. A remembered result never outlives the token, the keys that
// verified it or, with a local issuer, a revocation; what other issuers revoke is noticed after
// Introspection.TTL or RecheckEvery, and a refusal is believed for RefusedTTL. Outcomes that
// say nothing about the token (503) and tokens that are not valid yet are never remembered.
//
// A check that is absent never lets pass: a token that is bound to what the route does not have proved is refused, as is one that lacks what a
// rule reads, and a condition that cannot be judged. What identifies the wrong kind of token is in claims.go.
//
// Start reading at Verifier.Authorize. RFC 6750, RFC 7519, RFC 7662, RFC 7800, RFC 8705, RFC 8725, RFC 9068, RFC 9449, RFC 9470, RFC 9701,
// RFC 9728.
package resourceserver
