package web

import (
	"net/http"
	"strings"
)

// AllowOrigin lets scripts of this one origin read the answer to a request with
// cookies. The caller has found the origin among those that the client trusts.
func AllowOrigin(h http.Header, origin string) {
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Allow-Credentials", "true")
	h.Set("Access-Control-Expose-Headers", exposedHeaders)
	h.Add("Vary", "Origin")
}

// WantsJSON reports whether the request prefers JSON to a page: its Accept names
// JSON and not HTML.
func WantsJSON(r *http.Request) bool {
	accept := strings.ToLower(strings.Join(r.Header.Values("Accept"), ","))
	return strings.Contains(accept, "json") && !strings.Contains(accept, "text/html")
}
