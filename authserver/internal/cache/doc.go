// Package cache remembers what was found out about a bearer token, bounded in
// bytes and time. It exists so that the gate and the authorization server share
// one way of keying by the full token, and so that ristretto has one importer.
package cache
