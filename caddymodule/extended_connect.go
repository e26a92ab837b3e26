package caddymodule

import (
	"net/http"

	"github.com/caddyserver/caddy/v2"
)

// isExtendedConnect reports whether r begins a WebSocket over HTTP/2 or HTTP/3 (RFC 8441, RFC 9220). What the upstream gets from reverse_proxy is the
// handshake of HTTP/1.1: a GET, which it may answer like any other.
func isExtendedConnect(r *http.Request) bool {
	return r.Method == http.MethodConnect &&
		(r.ProtoMajor == 2 && len(r.Header[":protocol"]) > 0 && r.Header[":protocol"][0] == "websocket" || r.ProtoMajor == 3 && r.Proto == "websocket")
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
