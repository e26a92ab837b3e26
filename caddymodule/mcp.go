package caddymodule

import (
	"fmt"
	"net/http"
	"slices"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-gatehouse/gatehouse/authserver/mcp"
)

// MCP says what scopes the tools of the Model Context Protocol take. Bodies of POST requests are read for it.
type MCP struct {
	// Scopes, all of them, by exact tool name; "*" is for every other tool. A tool that is not here is refused.
	Tools map[string][]string `json:"tools,omitempty"`
	// Scopes by other methods of JSON-RPC. A method that is not here takes none.
	Methods map[string][]string `json:"methods,omitempty"`
	// How long a body may be, in bytes, at most 64 MiB. Default: 1 MiB.
	MaxBody int64 `json:"max_body,omitempty"`

	rules mcp.Rules
	named []string // scopes of tools and methods, each once
}

// provision checks the rules.
func (m *MCP) provision() error {
	m.rules = mcp.Rules{Tools: m.Tools, Methods: m.Methods, MaxBody: m.MaxBody}
	if err := m.rules.Check(); err != nil {
		return fmt.Errorf("mcp: %w", err)
	}
	for _, scopes := range []map[string][]string{m.Tools, m.Methods} {
		for _, of := range scopes {
			m.named = append(m.named, of...)
		}
	}
	slices.Sort(m.named)
	m.named = slices.Compact(m.named)
	return nil
}

// asked are the scopes that a client is to ask for whose token has held, and not all that are needed: these, and those of other tools that it
// has. Clients ask for what a challenge names, and would have a token for one tool at a time.
func (m *MCP) asked(needed, held []string) []string {
	if !slices.ContainsFunc(needed, func(s string) bool { return !slices.Contains(held, s) }) {
		return needed // it has all
	}
	all := slices.Clone(needed)
	for _, s := range held {
		if _, named := slices.BinarySearch(m.named, s); named && !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return all
}

// demand tells what r takes beyond what the gate's requirements say. It reads r's body, and puts it back.
func (m *MCP) demand(w http.ResponseWriter, r *http.Request) (mcp.Demand, error) {
	return m.rules.Read(w, r)
}

// parseMCP reads the block. Syntax:
//
//	mcp {
//	    tool   <name> [<scope...>]     # repeatable; "*": every other tool
//	    method <name> [<scope...>]     # repeatable
//	    max_body <size>
//	}
func (b *BearerAuth) parseMCP(d *caddyfile.Dispenser) func() error {
	return func() error {
		if d.NextArg() {
			return d.Errf("mcp takes no argument, but has '%s'", d.Val())
		}
		m := new(MCP)
		b.MCP = m
		return eachSubdirective(d, "mcp", map[string]option{
			"tool":     repeated(scopesByName(d, &m.Tools)),
			"method":   repeated(scopesByName(d, &m.Methods)),
			"max_body": once(size(d, func(v int64) { m.MaxBody = v })),
		})
	}
}

// scopesByName reads a name that has not been before, and its scopes, of which there may be none.
func scopesByName(d *caddyfile.Dispenser, to *map[string][]string) func() error {
	return func() error {
		option := d.Val()
		var name string
		if err := oneString(d, &name)(); err != nil {
			return err
		}
		if _, again := (*to)[name]; again {
			return d.Errf("mcp: %s '%s' is listed twice", option, name)
		}
		if *to == nil {
			*to = make(map[string][]string)
		}
		(*to)[name] = append([]string{}, d.RemainingArgs()...)
		return nil
	}
}
