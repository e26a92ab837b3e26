package resourceserver

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
)

// ClaimRule demands that the named claim (dots reach into objects when no claim has the whole name)
// equals one of Values, or, when it is an array of strings, contains one. Numbers and booleans compare by
// their JSON text only with values written the same; an absent claim never matches.
type ClaimRule struct {
	Name   string
	Values []string
}

// Matches reports whether t has the claim with one of the values.
func (c *ClaimRule) Matches(t *Token) bool { return c.matches(t.Claims) }

func (c *ClaimRule) matches(claims *jose.Claims) bool {
	v, ok := lookUp(claims, c.Name)
	if !ok {
		return false
	}
	switch v := v.(type) {
	case string:
		return slices.Contains(c.Values, v)
	case json.Number:
		return slices.Contains(c.Values, v.String())
	case bool:
		text := "false"
		if v {
			text = "true"
		}
		return slices.Contains(c.Values, text)
	case []any:
		return c.inList(v)
	}
	return false // null, object
}

// inList: an array that holds anything but strings is not the array that the
// rule is about.
func (c *ClaimRule) inList(list []any) bool {
	found := false
	for _, e := range list {
		s, ok := e.(string)
		if !ok {
			return false
		}
		found = found || slices.Contains(c.Values, s)
	}
	return found
}

// lookUp finds a claim by its whole name, which may have dots (https://example.com/roles), or else by
// a path through objects (realm_access.roles).
func lookUp(claims *jose.Claims, name string) (any, bool) {
	if v, ok := claims.Value(name); ok {
		return v, true
	}
	first, rest, dotted := strings.Cut(name, ".")
	if !dotted {
		return nil, false
	}
	v, ok := claims.Value(first)
	for ok && dotted {
		object, isObject := v.(map[string]any)
		if !isObject {
			return nil, false
		}
		first, rest, dotted = strings.Cut(rest, ".")
		v, ok = object[first]
	}
	return v, ok
}
