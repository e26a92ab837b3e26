// Package mcp tells which tools of the Model Context Protocol a request would call, and which scopes that takes, without changing the request. It reads
// JSON-RPC bodies strictly and up to a limit; what it cannot read for certain, it does not let through.
package mcp
