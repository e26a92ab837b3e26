package oauth

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

const (
	// MaxResources is how many resources one request may name.
	MaxResources = 10
	// MaxResource is the longest resource indicator, in bytes.
	MaxResource = 2048
)

// InvalidTarget reports a resource or audience that is malformed, unknown, or not for the client (RFC 8707 §2, RFC 8693 §2.2.2).
func InvalidTarget(format string, args ...any) *Error {
	return newError(http.StatusBadRequest, CodeInvalidTarget, format, args)
}

// ParseResources reads the values of the parameter resource: absolute URIs without a fragment (RFC 8707 §2), in order and without
// repetitions. They are told apart byte for byte, and so are "https://a.example" and "https://a.example/". None is nil.
func ParseResources(values []string) ([]string, error) {
	var out []string
	for _, v := range values {
		if !absoluteURI(v) {
			return nil, InvalidTarget("A resource must be an absolute URI without a fragment")
		}
		if !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	if len(out) > MaxResources {
		return nil, InvalidTarget("Too many resources are named")
	}
	return out, nil
}

// absoluteURI reports whether s is one (RFC 3986 §4.3): no fragment, no reference, and nothing that a URI has to escape.
func absoluteURI(s string) bool {
	if len(s) > MaxResource {
		return false
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; c <= ' ' || c > '~' || strings.IndexByte("#\"<>\\^`{|}", c) >= 0 {
			return false
		}
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme == "" {
		return false
	}
	if u.Scheme == "https" || u.Scheme == "http" {
		return u.Hostname() != "" && u.User == nil
	}
	return u.Host != "" || u.Opaque != "" || u.Path != ""
}
