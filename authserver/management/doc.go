// Package management is PingOne's management API below /v1: one file per
// collection, each with its routes, what it shows and what it takes.
//
// What every route shares is in api.go (matching, the environment, permissions),
// call.go (the caller), body.go (media types, strict JSON, preconditions), hal.go
// (links, objects), cursor.go and collection.go (pages). openapi.go describes all
// of it from the same table. The rules are directory's, the roles access's.
//
// Who changes what: an object is shown with its version as ETag (RFC 9110 §8.8.3).
// A PUT, PATCH or DELETE with If-Match changes that version or nothing, and is 412
// where it is not the version any more. Without If-Match the last write counts,
// whole: a PUT replaces what others have written meanwhile, and a PATCH changes
// the members that it names in what is there by then. No write is ever half done.
//
// Who learns what: without the permission everything is the same 403, whether it
// is there or not. Who has it on some populations or applications alone gets 404
// for all others, and pages without them. Another organization's environments are
// to nobody there.
//
// Start reading at API.
package management
