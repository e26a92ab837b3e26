// Package cache remembers what was found out about a bearer token, bounded in
// bytes and time. It exists so that the gate and the authorization server share
// one way of keying by the full token, and so that ristretto has one importer.
//
// It leaves to its callers whose tokens share a Cache (one per owner, never two
// policies in one) and whether a value found is still wanted: revocation after a
// Put that raced with it is theirs to notice. Start at Cache.
package cache
