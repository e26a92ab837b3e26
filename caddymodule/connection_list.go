package caddymodule

import (
	"net/http"
	"net/textproto"
	"strings"
)

// hidesHeader reports whether a request calls one of its own headers the connection's (RFC 9110 §7.6.1) that is not. The next proxy removes it, which
// is behind the gate: the upstream would see a request without a header that rules and conditions have seen.
func hidesHeader(h http.Header) bool {
	for _, line := range h["Connection"] {
		if line == "keep-alive" || line == "close" { // what nearly all have
			continue
		}
		for option := range strings.SplitSeq(line, ",") {
			name := textproto.CanonicalMIMEHeaderKey(strings.Trim(option, " \t"))
			if h[name] != nil && !ofConnections[name] {
				return true
			}
		}
	}
	return false
}

// ofConnections are headers that a proxy removes, or writes anew, whether Connection has them or not.
var ofConnections = map[string]bool{
	"Connection": true, "Http2-Settings": true, "Keep-Alive": true, "Proxy-Connection": true, "Te": true, "Trailer": true, "Transfer-Encoding": true, "Upgrade": true,
}

// errHidden refuses such a request where anything depends on headers.
var errHidden = invalidRequest("Connection must not have the name of a header that is for the server.")
