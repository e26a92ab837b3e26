package oauth

import "slices"

// DefaultResponseMode is how a response type answers where the request does not
// say: in the query a code alone, in the fragment whatever has a token in it,
// and so an error in its place (OAuth 2.0 Multiple Response Types §3, §5).
func DefaultResponseMode(types []string) string {
	if TokenBearing(types) {
		return ModeFragment
	}
	return ModeQuery
}

// TokenBearing reports whether a response type hands out tokens in the front channel.
func TokenBearing(types []string) bool {
	return slices.Contains(types, ResponseToken) || slices.Contains(types, ResponseIDToken)
}

// ParseResponseMode gives the mode that a response_mode means for a response
// type; "" means the default. A token never goes into a query, where servers and
// proxies log it (RFC 9700 §4.3.2). Errors are invalid_request.
func ParseResponseMode(s string, types []string) (string, error) {
	switch s {
	case "":
		return DefaultResponseMode(types), nil
	case ModeFragment, ModeFormPost, ModePingFlow:
		return s, nil
	case ModeQuery:
		if TokenBearing(types) {
			return "", InvalidRequest("The response_mode query is not for tokens")
		}
		return s, nil
	}
	return "", InvalidRequest("The response_mode is not supported")
}
