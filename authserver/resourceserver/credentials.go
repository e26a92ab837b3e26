package resourceserver

import (
	"net/http"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/dpop"
)

// scheme is how a token was presented.
type scheme uint8

const (
	noScheme     scheme = iota // none, or one that is not ours
	schemeBearer               // RFC 6750 §2.1
	schemeDPoP                 // RFC 9449 §7.1
)

// The names of the schemes; the registered spelling.
const (
	nameBearer = "Bearer"
	nameDPoP   = "DPoP"
)

// credentials are what a request presents. Whether token has only characters that it may
// have is for wellFormed, which looks at a token that was not seen before.
type credentials struct {
	token  string
	scheme scheme
}

// Presented reports whether r presents anything that may be meant as a credential for what is behind the gate: an Authorization header of any
// scheme, even an empty one, or a DPoP header. Only a request that presents nothing is anonymous; with any of them it is one whose
// credentials are not good. Proxy-Authorization is for proxies (RFC 9110 §11.7.2) and says nothing here, and a client certificate belongs
// to the connection: browsers present one wherever they are asked.
func Presented(r *http.Request) bool {
	return len(r.Header["Authorization"]) > 0 || len(r.Header[dpop.Header]) > 0
}

// RawToken gives the token that r presents, as Authorize reads it, "" where there is not exactly one. It is a secret, and not
// verified.
func RawToken(r *http.Request) string {
	c, why := credentialsIn(r.Header)
	if why != Allowed {
		return ""
	}
	return c.token
}

// credentialsIn takes the token out of the Authorization header: the one
// place that is read, so that a token in the query or the form is as good as none.
// Why is Allowed when there is a token.
func credentialsIn(h http.Header) (c credentials, why Reason) {
	values := h["Authorization"]
	switch len(values) {
	case 0:
		return c, NoToken
	case 1:
	default:
		return c, InvalidRequest
	}
	value := values[0]
	n := 0
	switch {
	case hasScheme(value, nameBearer):
		c.scheme, n = schemeBearer, len(nameBearer)
	case hasScheme(value, nameDPoP):
		c.scheme, n = schemeDPoP, len(nameDPoP)
	case joined(value):
		return c, InvalidRequest
	default:
		return c, NoToken
	}
	if c.token = strings.TrimLeft(value[n:], " "); c.token == "" {
		return c, InvalidRequest // the scheme alone
	}
	return c, Allowed
}

// hasScheme reports whether value begins with the scheme, in any case, and a space, or is nothing else. A tab in the space's
// place makes it another scheme (RFC 9110 §11.4), as does a longer name.
func hasScheme(value, name string) bool {
	n := len(name)
	return len(value) >= n && strings.EqualFold(value[:n], name) && (len(value) == n || value[n] == ' ')
}

// joined reports whether credentials of ours follow other ones in the same
// header line, as when an intermediary joined two headers with a comma.
func joined(value string) bool {
	for {
		_, after, found := strings.Cut(value, ",")
		if !found {
			return false
		}
		value = strings.TrimLeft(after, " \t")
		for _, name := range [...]string{nameBearer, nameDPoP} {
			n := len(name)
			if len(value) > n && strings.EqualFold(value[:n], name) && (value[n] == ' ' || value[n] == '\t') {
				return true
			}
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
