package oauth

import (
	"slices"
	"strings"
)

// ValidScopeToken reports whether s is one scope-token (RFC 6749 §3.3).
func ValidScopeToken(s string) bool {
	if s == "" {
		return false
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < 0x21 || c > 0x7e || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// ParseScope splits a scope parameter into its members, in order and without
// repetitions. Only single spaces separate (RFC 6749 §3.3): a tab, a comma or a
// no-break space makes its neighbours one, usually unknown or malformed, member.
// The empty string is no scope at all. A malformed one is invalid_scope.
func ParseScope(s string) ([]string, error) {
	if s == "" {
		return nil, nil
	}
	parts := strings.Split(s, " ")
	out := parts[:0]
	for _, p := range parts {
		if !ValidScopeToken(p) {
			return nil, InvalidScope("The scope parameter is malformed")
		}
		if !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out, nil
}
