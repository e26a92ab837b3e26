package caddymodule

import (
	"net/http"
	"strings"
)

// oddMethod reports whether an upstream may take a method for another one than it is. Methods are told apart by case (RFC 9110 §9.1), and none that is
// registered has lower-case letters; but some frameworks (Django, Werkzeug) write all of them in upper case, so that "delete" is none that a rule about
// DELETE is for, and deletes.
func oddMethod(method string) bool {
	for i := range len(method) {
		if c := method[i]; 'a' <= c && c <= 'z' {
			return true
		}
	}
	return false
}

// errMethod refuses such a method where rules or conditions may be about methods.
var errMethod = invalidRequest("The method must be written in upper case.")

// isTrace reports whether a method is TRACE to somebody. It is answered with the request as the upstream has it (RFC 9110 §9.3.8).
func isTrace(method string) bool {
	return len(method) == len(http.MethodTrace) && strings.EqualFold(method, http.MethodTrace)
}

// adds reports whether requests have something from the gate that is for the upstream, and not for their clients: another token, an assertion, claims.
func (b *BearerAuth) adds() bool {
	return len(b.forward) > 0 || b.upstream != nil && (b.upstream.source != nil || b.upstream.signer != nil)
}

// errTrace refuses a TRACE where that is so: its client would be told.
var errTrace = invalidRequest("TRACE is not possible here.")
