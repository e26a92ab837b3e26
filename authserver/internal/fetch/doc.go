// Package fetch makes every outbound request of the module: address rules,
// size and time caps, no redirects, and cached JWK Sets over it.
//
// It contacts only addresses that the configuration names, or that the metadata
// of a configured issuer names after that metadata proved to be the issuer's own
// (RFC 8414 §3.3). Which issuer a token belongs to is its callers' business.
//
// Start reading at Client, then KeySource. RFC 7517, RFC 8414, OpenID Connect
// Discovery 1.0.
package fetch
