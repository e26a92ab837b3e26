// Package resourceserver checks access tokens at an API: it takes the token out
// of a request, verifies it (JWT against cached JWK Sets, introspection, or a
// direct call where the issuer lives in this process), judges a policy, and
// answers with the challenges of RFC 6750. It is a library of its own: it knows
// neither Caddy nor the authorization server.
//
// Start reading at Verifier.Verify. RFC 6750, RFC 7519, RFC 7662, RFC 8725, RFC 9068.
package resourceserver
