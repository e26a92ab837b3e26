// Package mcp tells which tools of the Model Context Protocol a request would call, and which scopes that takes. It reads JSON-RPC
// bodies strictly and up to a limit, and leaves the request as it was; what could mean something else to the server behind it than it
// does here is refused, never guessed.
//
// It knows the protocol's transport over HTTP (one JSON-RPC message, or a batch of them, as the body of a POST). It judges nobody:
// whether a token has the scopes is the gate's to say.
//
// Start reading at Rules.Read. JSON-RPC 2.0, RFC 8259; Model Context Protocol, "Transports" and "Tools".
package mcp
