package oauth

import (
	"net/http"
	"slices"
	"strings"
)

// ParseResponseType splits a response_type into its parts, sorted: "code",
// "id_token" and "token" in every combination and order (OAuth 2.0 Multiple
// Response Types §3, §5). None at all is invalid_request, anything else
// unsupported_response_type.
func ParseResponseType(s string) ([]string, error) {
	if s == "" {
		return nil, InvalidRequest("The parameter response_type is missing")
	}
	parts := strings.Split(s, " ")
	slices.Sort(parts)
	for i, p := range parts {
		known := p == ResponseCode || p == ResponseToken || p == ResponseIDToken
		if !known || i > 0 && parts[i-1] == p {
			return nil, UnsupportedResponseType("The response_type is not supported")
		}
	}
	return parts, nil
}

// UnsupportedResponseType reports a response_type that this server does not offer.
func UnsupportedResponseType(format string, args ...any) *Error {
	return newError(http.StatusBadRequest, CodeUnsupportedResponseType, format, args)
}
