package caddymodule

import (
	"encoding/json"
	"slices"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// cacheHandlers are the names of handlers that keep answers: http.handlers.<name>. Caddy itself has none.
var cacheHandlers = []string{"cache", "souin", "cdp_cache"}

// cacheInFront gives a server in whose routes a cache comes before a bearer_auth, "" for none. It is asked while servers are being made ready:
// of some routes there are handlers already, of others only what the configuration says.
func cacheInFront(ctx caddy.Context) string {
	for _, module := range ctx.Modules() {
		app, ok := module.(*caddyhttp.App)
		if !ok {
			continue
		}
		for name, server := range app.Servers {
			if server != nil && cacheBefore(server.Routes, false) {
				return name
			}
		}
	}
	return ""
}

// cacheBefore reports whether a gate comes after a cache. kept says that there is a cache before all of the routes.
func cacheBefore(routes caddyhttp.RouteList, kept bool) bool {
	for _, route := range routes {
		for _, h := range handlersOf(route) {
			switch {
			case slices.Contains(cacheHandlers, h.Name):
				kept = true
			case h.Name == "bearer_auth" && kept, cacheBefore(h.Routes, kept):
				return true
			}
		}
	}
	return false
}

// handlerOrder is a handler, as far as the order is concerned.
type handlerOrder struct {
	Name   string              `json:"handler"`
	Routes caddyhttp.RouteList `json:"routes"` // of a subroute
}

func handlersOf(route caddyhttp.Route) []handlerOrder {
	var all []handlerOrder
	for _, h := range route.Handlers {
		var one handlerOrder
		if module, ok := h.(caddy.Module); ok {
			one.Name = module.CaddyModule().ID.Name()
		}
		if sub, ok := h.(*caddyhttp.Subroute); ok {
			one.Routes = sub.Routes
		}
		all = append(all, one)
	}
	if len(all) > 0 {
		return all
	}
	for _, raw := range route.HandlersRaw {
		var one handlerOrder
		if err := json.Unmarshal(raw, &one); err != nil {
			continue // another handler's routes, of a form of its own
		}
		all = append(all, one)
	}
	return all
}
