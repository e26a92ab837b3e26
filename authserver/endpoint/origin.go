package endpoint

import (
	"net/http"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// allowOrigin opens the answer to scripts of an origin that the client trusts.
// Origins are compared as they are for preflights.
func allowOrigin(w http.ResponseWriter, r *http.Request, client *store.Client) {
	origins := r.Header.Values("Origin")
	if len(origins) == 1 && client != nil && client.TrustsOrigin(origins[0]) {
		web.AllowOrigin(w.Header(), origins[0])
	}
}
