package resourceserver

import (
	"net/http"
	"strings"
)

// tokenFrom takes the token out of the Authorization header (RFC 6750 §2.1): the one
// place that is read, so that a token in the query or the form is as good as none.
// Why is Allowed when there is a token. Its characters are looked at by
// wellFormed, and only when it was not seen before.
func tokenFrom(h http.Header) (token string, why Reason) {
	values := h["Authorization"]
	switch len(values) {
	case 0:
		return "", NoToken
	case 1:
	default:
		return "", InvalidRequest
	}
	const scheme = "Bearer"
	value := values[0]
	if len(value) < len(scheme) || !strings.EqualFold(value[:len(scheme)], scheme) {
		if joinedBearer(value) {
			return "", InvalidRequest
		}
		return "", NoToken
	}
	rest := value[len(scheme):]
	token = strings.TrimLeft(rest, " ")
	switch {
	case token == "":
		return "", InvalidRequest // the scheme alone
	case len(token) == len(rest):
		// Another scheme that begins alike, or a tab: not this scheme (RFC 9110 §11.4).
		if joinedBearer(value) {
			return "", InvalidRequest
		}
		return "", NoToken
	}
	return token, Allowed
}

// joinedBearer reports whether bearer credentials follow other ones in the same
// header line, as when an intermediary joined two headers with a comma.
func joinedBearer(value string) bool {
	for {
		_, after, found := strings.Cut(value, ",")
		if !found {
			return false
		}
		value = strings.TrimLeft(after, " \t")
		if len(value) > 6 && strings.EqualFold(value[:6], "Bearer") && (value[6] == ' ' || value[6] == '\t') {
			return true
		}
	}
}

// wellFormed reports whether s is a b64token (RFC 6750 §2.1).
func wellFormed(s string) bool {
	body := strings.TrimRight(s, "=")
	if body == "" {
		return false
	}
	for i := 0; i < len(body); i++ {
		if !b64tokenChar[body[i]] {
			return false
		}
	}
	return true
}

var b64tokenChar = func() (t [256]bool) {
	for _, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/" {
		t[c] = true
	}
	return t
}()

// malformedReason sorts what is not a b64token. JSON is a serialisation of a JWS that
// is no access token (RFC 7515 §7.2); anything else is a malformed request.
func malformedReason(s string) Reason {
	if s != "" && s[0] == '{' {
		return Malformed
	}
	return InvalidRequest
}
