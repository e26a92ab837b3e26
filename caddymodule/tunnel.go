package caddymodule

import (
	"net/http"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/caddyserver/caddy/v2"
)

// isExtendedConnect reports whether r begins a WebSocket over HTTP/2 or HTTP/3 (RFC 8441, RFC 9220). What the upstream gets from reverse_proxy is the
// handshake of HTTP/1.1: a GET, which it may answer like any other.
func isExtendedConnect(r *http.Request) bool {
	return r.Method == http.MethodConnect &&
		(r.ProtoMajor == 2 && len(r.Header[":protocol"]) > 0 && r.Header[":protocol"][0] == "websocket" || r.ProtoMajor == 3 && r.Proto == "websocket")
}

// isTunnel reports whether r is a CONNECT for something else than a WebSocket.
func isTunnel(r *http.Request) bool {
	return r.Method == http.MethodConnect && !isExtendedConnect(r)
}

// passedMethod is the method that the upstream gets.
func passedMethod(r *http.Request) string {
	if isExtendedConnect(r) {
		return http.MethodGet
	}
	return r.Method
}

// asHandshake gives r as the upstream gets it, for what is judged by method or headers: rules about GET, or about Upgrade, would not be about it
// otherwise. Proofs are for GET too, since it is not the client's to know which version of HTTP its WebSockets begin in. done must be called when
// all is judged.
func asHandshake(r *http.Request) (_ *http.Request, done func()) {
	// Matchers may read placeholders, which know the request as it came.
	text := map[string]string{"http.request.method": http.MethodGet, "http.request.header.Upgrade": "websocket", "http.request.header.Connection": "Upgrade"}
	done = func() {}
	if repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer); ok {
		for name, value := range text {
			repl.Set(name, value)
		}
		done = func() {
			for name := range text {
				repl.Delete(name)
			}
		}
	}
	r = r.WithContext(r.Context())
	r.Method, r.Header = http.MethodGet, r.Header.Clone()
	delete(r.Header, ":protocol")
	r.Header["Upgrade"], r.Header["Connection"] = []string{"websocket"}, []string{"Upgrade"}
	return r, done
}

// plainUpgrade writes what h asks to upgrade to as the upstream gets it from reverse_proxy: in lower case, and not at all where Connection does not have the
// option, without which there is no upgrade (RFC 9110 §7.8). Matchers and conditions tell case apart.
func plainUpgrade(h http.Header) {
	if !httpguts.HeaderValuesContainsToken(h["Connection"], "Upgrade") {
		delete(h, "Upgrade")
		return
	}
	h["Upgrade"], h["Connection"] = []string{strings.ToLower(h.Get("Upgrade"))}, []string{"Upgrade"}
}

// errH2C refuses the upgrade to cleartext HTTP/2: what follows the handshake
// would reach the upstream as a tunnel in which nothing is checked any more
// (RFC 9113 §3.1 has withdrawn the mechanism).
var errH2C = invalidRequest("Upgrading to h2c is not possible here.")

// errTunnel refuses a CONNECT for anything but a WebSocket: it has no path to judge it by, and an upstream that agrees would carry to
// wherever the client likes what nobody sees (RFC 9110 §9.3.6).
var errTunnel = invalidRequest("There are no tunnels here.")

// wantsH2C reports whether h asks for an upgrade to cleartext HTTP/2, alone or
// among other protocols.
func wantsH2C(h http.Header) bool {
	return httpguts.HeaderValuesContainsToken(h["Upgrade"], "h2c")
}
