// Package management is PingOne's management API below /v1: one file per
// collection, each with its routes, what it shows and what it takes.
//
// What every route shares is in api.go (matching, the caller, permissions),
// hal.go (links, collections, cursors) and body.go (media types, documents). The
// rules are directory's, the roles access's. Start reading at API.
package management
