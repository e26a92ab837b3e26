package caddymodule

import "github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

// MCP says what scopes the tools of the Model Context Protocol take. Bodies of POST requests are read for it.
type MCP struct {
	// Scopes, all of them, by exact tool name; "*" is for every other tool. A tool that is not here is refused.
	Tools map[string][]string `json:"tools,omitempty"`
	// Scopes by other methods of JSON-RPC.
	Methods map[string][]string `json:"methods,omitempty"`
	// How long a body may be, in bytes. Default: 1 MiB.
	MaxBody int64 `json:"max_body,omitempty"`
}

func (m *MCP) provision() error { return nil }

func (b *BearerAuth) parseMCP(d *caddyfile.Dispenser) func() error {
	return func() error { return d.Err("mcp: contract") }
}
