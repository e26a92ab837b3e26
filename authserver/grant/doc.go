// Package grant decides what a token request gets: one file per grant_type
// behind one interface. The token endpoint has authenticated the client and
// checked that it may use the grant type before a Grant sees the request, so
// that no grant can forget to.
//
// It leaves making tokens to token, people to identity, and whether somebody is
// still signed on to session. RFC 6749 §4 and §6, OIDC Core §3.1.3 and §12. Start
// reading at Grant, then AuthorizationCode.
package grant
