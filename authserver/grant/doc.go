// Package grant decides what a token request gets: one file per grant_type
// behind one interface. The token endpoint has authenticated the client and
// checked that it may use the grant type before a Grant sees the request, so
// that no grant can forget to.
//
// It leaves making tokens to token. RFC 6749 §4. Start reading at Grant.
package grant
