// Package token makes, reads and ends what a client holds: access tokens, ID
// tokens, refresh tokens, and the codes they are bought with. It also decides
// which scopes a client gets, which claims about a person those give, and which
// are there because configuration maps them (attributes.go).
//
// An access token is a JWT (RFC 9068) whose record is in the store before anyone
// holds it. Reading one back needs the environment's keys only; whether it has
// been revoked is answered by a set in memory, which the store feeds
// (Revocations). While that feed is interrupted nothing is "not revoked".
//
// An Authorization is what a person granted to a client. A code stands for one,
// a family of refresh tokens prolongs it, and the claim grant_id of its access
// tokens names it, so that all of it can be ended at once (Revoker.EndGrant).
//
// It leaves to grant and authorize who may have a token, to session and identity
// whether the person is still there, and to endpoint who may ask. RFC 6749 §4.1.2
// and §6, RFC 7009, RFC 7519, RFC 7662, RFC 9068, RFC 9700 §4.14, OIDC Core §2 and
// §5. Start reading at Minter.Mint, then Verifier.Verify.
package token
