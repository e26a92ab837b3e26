package endpoint

import (
	"net/http"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
)

// addressOf is the client's address as the host tells it, or else that of the
// connection.
func addressOf(told func(*http.Request) string, r *http.Request) string {
	if told != nil {
		return told(r)
	}
	return web.RemoteAddress(r)
}
