// Package token mints access tokens, reads them back, and revokes them.
//
// An access token is a JWT (RFC 9068) whose record is in the store before anyone
// holds it. Reading one back needs the environment's keys only; whether it has
// been revoked is answered by a set in memory, which the store feeds
// (Revocations). While that feed is interrupted nothing is "not revoked".
//
// It leaves to grant who may have which scopes, and to endpoint who may ask.
// RFC 7009, RFC 7519, RFC 7662, RFC 9068. Start reading at Minter.Mint, then
// Verifier.Verify.
package token
