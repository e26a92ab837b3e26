package caddymodule

import (
	"net/http"

	"golang.org/x/net/http/httpguts"

	"github.com/caddy-gatehouse/gatehouse/authserver/resourceserver"
)

// isPreflight reports whether r is what a browser asks before a cross-origin
// request (Fetch standard, CORS-preflight fetch). It carries no credentials and
// no body, and is answered from headers alone; anything that merely looks like
// one is authenticated.
func isPreflight(r *http.Request) bool {
	method := r.Header["Access-Control-Request-Method"]
	return len(method) == 1 && httpguts.ValidHeaderFieldName(method[0]) &&
		len(r.Header["Origin"]) == 1 && r.Header["Origin"][0] != "" &&
		// HTTP/3 does not tell of a body that there is none before it is read: pass sees to it.
		(r.ContentLength == 0 || r.ContentLength < 0 && r.ProtoMajor == 3) && len(r.TransferEncoding) == 0 && r.Header["Upgrade"] == nil
}

// exceedsPreflight reports whether headers announce what no preflight request has, a body or another protocol, in a request that is known by
// its headers alone, those of its connection included. Where other proxies leave these out, as HTTP/2 may, it cannot be told.
func exceedsPreflight(h http.Header) bool {
	for _, length := range h["Content-Length"] {
		if length != "0" {
			return true
		}
	}
	return h["Transfer-Encoding"] != nil || h["Upgrade"] != nil
}

// stripPreflight removes what could make more of a preflight request than it is:
// credentials, and the headers by which some frameworks take a request for one
// with another method, in every spelling that they may take for them.
func stripPreflight(h http.Header) {
	dropToken(h)
	overrides.Strip(&http.Request{Header: h})
}

// overrides are headers that name another method.
var overrides = resourceserver.NewHeaderStripper("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override")
