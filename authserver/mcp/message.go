package mcp

import (
	"errors"
	"iter"
	"net/http"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
)

// callTool is the method that calls a tool.
const callTool = "tools/call"

// limits of a body beside its length. The names of an object are kept while it is read: those of a whole body take 2 MB at most.
var limits = jose.Limits{Depth: 64, Members: 1 << 14}

// call is what one message asks for.
type call struct {
	method string // "" for an answer
	tool   string // of tools/call
}

var (
	errMessage = refuse(http.StatusBadRequest, "The body is not a message of JSON-RPC 2.0, nor a batch of them.")
	errJSON    = refuse(http.StatusBadRequest, "The body is not well-formed JSON in which no member comes twice.")
	errMember  = refuse(http.StatusBadRequest, "Members of JSON-RPC messages are written in lower case, and in full.")
	errTool    = refuse(http.StatusBadRequest, "A call of a tool must have its name in params.")
	errHeader  = refuse(http.StatusBadRequest, "The request's headers name another method or tool than its body.")
)

// parse reads a body: a message, or a batch of at least one.
func parse(body string) ([]call, error) {
	if !strings.HasPrefix(strings.TrimLeft(body, " \t\r\n"), "[") {
		c, err := parseMessage(body)
		return []call{c}, err
	}
	var calls []call
	err := jose.JSONArray(body, limits, func(message string) error {
		c, err := parseMessage(message)
		calls = append(calls, c)
		return err
	})
	switch {
	case err != nil:
		return nil, explain(err)
	case len(calls) == 0:
		return nil, errMessage
	}
	return calls, nil
}

// explain turns what is wrong with JSON into an answer; other errors are answers.
func explain(err error) error {
	if _, ok := errors.AsType[*jose.Error](err); ok {
		return errJSON.WithCause(err)
	}
	return err
}

// members of a message (JSON-RPC 2.0 §4, §5), and of the params of tools/call the one that matters.
var (
	messageMembers = []string{"jsonrpc", "id", "method", "params", "result", "error"}
	paramsMembers  = []string{"name"}
)

// prototype is the member from which objects of JavaScript have the members that they do not have themselves, where one was copied into the other.
const prototype = "__proto__"

// read gives the members of an object. One that differs from a name that matters in nothing but case is refused, and so is a name
// with a NUL: readers that do not tell case apart (Go's encoding/json is one), or whose strings end at a NUL, would take either. So is
// prototype, from which they would take what is not there.
func read(object string, matters []string) (map[string]string, error) {
	found := make(map[string]string, len(matters))
	err := jose.JSONObject(object, limits, func(name, value string) error {
		for _, m := range matters {
			switch {
			case name == m:
				found[m] = value
			case strings.EqualFold(name, m), strings.IndexByte(name, 0) >= 0, name == prototype:
				return errMember
			}
		}
		return nil
	})
	if err != nil {
		return nil, explain(err)
	}
	return found, nil
}

// parseMessage reads a request, a notification or an answer.
func parseMessage(text string) (c call, err error) {
	m, err := read(text, messageMembers)
	if err != nil {
		return call{}, err
	}
	if version, ok := stringOf(m["jsonrpc"]); !ok || version != "2.0" || !isID(m["id"]) {
		return call{}, errMessage
	}
	_, hasResult := m["result"]
	_, hasError := m["error"]
	if _, asks := m["method"]; !asks {
		// Of an answer nothing is asked; what is neither might be taken for either.
		if hasResult == hasError {
			return call{}, errMessage
		}
		return call{}, nil
	}
	ok := false
	if c.method, ok = stringOf(m["method"]); !ok || c.method == "" || hasResult || hasError {
		return call{}, errMessage
	}
	if c.method != callTool {
		return c, nil
	}
	if params := m["params"]; params == "" || params[0] != '{' {
		return call{}, errTool
	}
	params, err := read(m["params"], paramsMembers)
	if err != nil {
		return call{}, err
	}
	if c.tool, ok = stringOf(params["name"]); !ok || c.tool == "" {
		return call{}, errTool
	}
	return c, nil
}

// stringOf is a member's value that is a string; "" is a member that is not there.
func stringOf(value string) (string, bool) {
	if value == "" {
		return "", false
	}
	return jose.JSONString(value)
}

// isID reports whether value may be an id: absent, a string, a number or null (JSON-RPC 2.0 §4).
func isID(value string) bool {
	return value == "" || strings.IndexByte(`"-0123456789n`, value[0]) >= 0
}

// agrees refuses headers that name another method or tool than the body: whoever routes by them, behind the gate, would take the
// request for another one. They are of the protocol's next version, and mirror the body.
func (c call) agrees(h http.Header) error {
	for _, named := range []struct{ header, value string }{{"Mcp-Method", c.method}, {"Mcp-Name", c.tool}} {
		values, ok := h[named.header]
		if !ok || named.header == "Mcp-Name" && c.method != callTool {
			continue
		}
		if len(values) != 1 || values[0] != named.value {
			return errHeader
		}
	}
	return nil
}

// resembles reports whether name is one of names but for case.
func resembles(name string, names iter.Seq[string]) bool {
	for n := range names {
		if strings.EqualFold(n, name) {
			return true
		}
	}
	return false
}
