package mcp

import "net/http"

// Rules say what scopes tools and methods take. The zero Rules allow no tool.
type Rules struct {
	// Tools are scopes (all of them) by exact tool name; "*" is for every other tool.
	Tools map[string][]string
	// Methods are scopes by JSON-RPC method, for others than tools/call.
	Methods map[string][]string
	// MaxBody is how long a body may be, in bytes. Default: 1 MiB.
	MaxBody int64
}

// Check refuses rules that make no sense (a scope that is none, an empty name).
func (r *Rules) Check() error { panic("contract") }

// Demand is what a request takes.
type Demand struct {
	Scopes []string // all of them, sorted
	// Forbidden: a tool or method is named that nobody may call. Tool is the first such, or that of Scopes, for the log.
	Forbidden bool
	Tool      string
}

// Read tells what r takes, and puts its body back as it was. A batch takes what all of its calls take together, so that it is refused as a whole.
// Errors are *oauth.Error with 400 (not JSON-RPC, twice the same member), 413 (too long) or 415 (not application/json, encoded).
func (r *Rules) Read(w http.ResponseWriter, req *http.Request) (Demand, error) { panic("contract") }
