// Package oauth holds what OAuth 2 itself defines: registered names, the error
// a client is allowed to see, and the pure rules on protocol values: scope,
// redirect URI, response type and mode, PKCE, prompt, max_age, claims. It does no
// I/O, reads no clock and imports nothing of this module, so every other package
// may use it.
//
// Start reading at Error. RFC 6749, RFC 6750, RFC 7009, RFC 7636, RFC 7662, RFC
// 8252, OIDC Core §3.1.2.1 and §5.5.
package oauth
