// Package mtls is what client certificates prove (RFC 8705): who a client is, and that a token is in the hands of whom it was
// given to. It reads a certificate from the TLS state, or from what a trusted proxy says of it, and compares; whom to trust is the host's
// to say. Start reading at Parse and Subject.Matches.
//
// RFC 8705, RFC 9440.
package mtls
