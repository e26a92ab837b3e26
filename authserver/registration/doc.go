// Package registration lets clients register themselves (RFC 7591) and manage
// what they registered (RFC 7592).
//
// What a client says of itself is read strictly (metadata.go), judged rule by
// rule (rules.go), and turned into a store.Client; what is not understood is
// ignored and not echoed, what is understood and cannot be done is refused.
// Nothing is fetched. Its secrets are sealed at rest.
//
// It leaves the transport and rate limits to endpoint, and finding registered
// clients among the others to a store.Directory. RFC 7591, RFC 7592, OIDC Dynamic
// Client Registration. Start reading at Registrar.Register.
package registration
