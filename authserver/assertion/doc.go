// Package assertion is the word of a gate to what is behind it: a short-lived signed JWT that says whose token was verified, for which
// request. Signer makes one for the gate; Verifier judges it for an upstream in Go, which needs nothing else of this module.
//
// An assertion has iss (the gate), aud (the upstream), sub, client_id, scope and chosen claims of the token; htm and htu's path, and ath,
// the hash of the token, so that it is worth nothing for another request. docs/upstream.md has the recipe for other languages.
package assertion
