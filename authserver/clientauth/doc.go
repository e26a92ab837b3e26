// Package clientauth finds out who calls the token, introspection and revocation
// endpoints: an application, or at the introspection endpoint a resource.
//
// There is one file per token_endpoint_auth_method. A client has exactly one
// method and no other one is tried. Whatever is wrong (the client is unknown or
// disabled, the method is not its own, the secret or the signature does not fit)
// the answer is the same, and so, as far as we can, is the work that was done
// for it; the log has the reason.
//
// It leaves what the caller may do to the endpoints. RFC 6749 §2.3, RFC 7521,
// RFC 7523. Start reading at Authenticator.
package clientauth
