// Package dpop judges DPoP proofs (RFC 9449): that a request was made by who has the key that its token is bound to.
// Authorization server and gate use the same rules; where they differ (ath, which URL a request was made to, what is answered)
// is theirs to say.
//
// A proof is good for one request: Verifier spends its jti in a Replays. Nonces makes the server's own nonces, which need no
// memory: any node with the same key knows them.
//
// Start reading at Verifier.Verify. RFC 9449, RFC 7638.
package dpop
