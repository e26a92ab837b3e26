// Package upstream obtains the tokens that a gate sends on in place of the client's: exchanged ones (RFC 8693), the gate's own
// (client credentials, RFC 6749 §4.4), and phantom tokens, signed JWTs in place of opaque ones. They are cached for as long as
// they are good, asked for once however many requests wait, and never outlive the client's token. Where one cannot be had, the client's token goes
// nowhere: the error says so.
package upstream
