package mcp

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
)

// Rules say what scopes tools and methods take. The zero Rules allow no tool. Safe for concurrent use, as long as nobody changes them.
type Rules struct {
	// Tools are scopes (all of them) by exact tool name; "*" is for every other tool. A tool that is not here is forbidden.
	Tools map[string][]string
	// Methods are scopes by JSON-RPC method, for others than tools/call. A method that is not here takes none.
	Methods map[string][]string
	// MaxBody is how long a body may be, in bytes, at most LargestBody. Default: DefaultBody.
	MaxBody int64
}

// DefaultBody is how long a body may be unless rules say otherwise, LargestBody how long it may be at all, in bytes: one is
// kept in memory for as long as its request waits for the server behind.
const (
	DefaultBody = 1 << 20
	LargestBody = 64 << 20
)

// otherTools is the name that stands for every tool that has no rule of its own.
const otherTools = "*"

// Check refuses rules that make no sense (a scope that is none, an empty name).
func (r *Rules) Check() error {
	if r.MaxBody < 0 || r.MaxBody > LargestBody {
		return fmt.Errorf("max_body: must be at most %d bytes", LargestBody)
	}
	if _, ok := r.Methods[callTool]; ok {
		return fmt.Errorf("method: %s has its scopes by tool", callTool)
	}
	for _, kind := range []struct {
		name   string
		scopes map[string][]string
	}{{"tool", r.Tools}, {"method", r.Methods}} {
		for _, name := range slices.Sorted(maps.Keys(kind.scopes)) {
			if !plain(name) {
				return fmt.Errorf("%s: %q is no name: 1 to %d visible characters of ASCII", kind.name, name, longestName)
			}
			for _, scope := range kind.scopes[name] {
				if !oauth.ValidScopeToken(scope) {
					return fmt.Errorf("%s %s: %q is not a scope (RFC 6749 §3.3)", kind.name, name, scope)
				}
			}
		}
	}
	return nil
}

// Demand is what a request takes.
type Demand struct {
	Scopes []string // all of them, sorted, each once
	// Forbidden: a tool or method is named that nobody may call.
	Forbidden bool
	// Tool is, for the log, the tool or method that is forbidden, or else the first that takes scopes.
	Tool string
}

// add puts one call to the demand.
func (d *Demand) add(name string, scopes []string, allowed bool) {
	switch {
	case !allowed && !d.Forbidden:
		d.Forbidden, d.Tool = true, shortened(name)
	case len(scopes) > 0 && d.Tool == "":
		d.Tool = name
	}
	for _, scope := range scopes {
		if i, found := slices.BinarySearch(d.Scopes, scope); !found {
			d.Scopes = slices.Insert(d.Scopes, i, scope)
		}
	}
}

// shortened is a name that anybody may have made up, for a log.
func shortened(name string) string {
	if len(name) > longestName {
		return strings.ToValidUTF8(name[:longestName], "") + "…"
	}
	return name
}

// longestName is how long the name of a tool or method is, in bytes: twice what the protocol asks of tools.
const longestName = 256

// plain reports whether name is one that every reader takes for the same: not empty, not long, of visible ASCII characters.
func plain(name string) bool {
	if name == "" || len(name) > longestName {
		return false
	}
	for i := range len(name) {
		if name[i] <= ' ' || name[i] > '~' {
			return false
		}
	}
	return true
}

// tool gives what calling a tool takes; allowed is false where nobody may. Names are compared byte for byte. One that differs from a
// tool's with a rule in nothing but case is not among the other tools either: the server might take it for that one.
func (r *Rules) tool(name string) (scopes []string, allowed bool) {
	if name == otherTools {
		return nil, false
	}
	if scopes, ok := r.Tools[name]; ok {
		return scopes, true
	}
	scopes, ok := r.Tools[otherTools]
	if !ok || !plain(name) || resembles(name, maps.Keys(r.Tools)) {
		return nil, false
	}
	return scopes, true
}

// method is tool for a method other than tools/call.
func (r *Rules) method(name string) (scopes []string, allowed bool) {
	if scopes, ok := r.Methods[name]; ok {
		return scopes, true
	}
	if !plain(name) || strings.EqualFold(name, callTool) || resembles(name, maps.Keys(r.Methods)) {
		return nil, false
	}
	return nil, true
}

// Read tells what r takes, and puts its body back as it was. A batch takes what all of its calls take together, so that it is refused as a
// whole. A request without a body takes nothing, unless it is a POST, which must have one.
//
// Errors are *oauth.Error with 400 (not JSON-RPC, a member twice, a change of protocol), 413 (too long) or 415 (not application/json,
// encoded). w is told to close the connection of a body that is too long.
func (r *Rules) Read(w http.ResponseWriter, req *http.Request) (Demand, error) {
	if err := refuseTunnel(req); err != nil {
		return Demand{}, err
	}
	if req.Method != http.MethodPost && !hasBody(req) {
		return Demand{}, nil
	}
	limit := r.MaxBody
	if limit == 0 {
		limit = DefaultBody
	}
	if req.Method != http.MethodPost && req.ProtoMajor == 3 && req.ContentLength < 0 {
		// HTTP/3 does not tell of a body that there is none before it is read.
		body, err := readBody(w, req, limit)
		if err != nil || body == "" {
			return Demand{}, err
		}
	}
	if err := checkType(req.Header); err != nil {
		return Demand{}, err
	}
	body, err := readBody(w, req, limit)
	if err != nil {
		return Demand{}, err
	}
	calls, err := parse(body)
	if err != nil {
		return Demand{}, err
	}
	return r.demand(calls, req.Header)
}

// demand sums up calls.
func (r *Rules) demand(calls []call, h http.Header) (d Demand, err error) {
	for _, c := range calls {
		if err := c.agrees(h); err != nil {
			return Demand{}, err
		}
		switch c.method {
		case "": // an answer to a question of the server's
		case callTool:
			scopes, allowed := r.tool(c.tool)
			d.add(c.tool, scopes, allowed)
		default:
			scopes, allowed := r.method(c.method)
			d.add(c.method, scopes, allowed)
		}
	}
	return d, nil
}
