package caddymodule

import (
	"net/http"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// Authorizer has the gate answer other proxies.
type Authorizer struct {
	// How they ask: "forward" (Caddy's forward_auth, Traefik's ForwardAuth, nginx's auth_request: headers say what is asked about) or
	// "envoy" (ext_authz over gRPC).
	Protocol string `json:"protocol,omitempty"`
	// Headers that name the request's method, path with query, host and scheme; believed of Caddy's trusted_proxies alone. Default: X-Forwarded-Method,
	// X-Forwarded-Uri, X-Forwarded-Host, X-Forwarded-Proto.
	MethodHeader string `json:"method_header,omitempty"`
	URIHeader    string `json:"uri_header,omitempty"`
	HostHeader   string `json:"host_header,omitempty"`
	ProtoHeader  string `json:"proto_header,omitempty"`
}

func (a *Authorizer) provision(b *BearerAuth) error { return nil }

// serve answers one question with what b decides about the request that is asked about.
func (a *Authorizer) serve(b *BearerAuth, w http.ResponseWriter, r *http.Request) error { return nil }

func (b *BearerAuth) parseAuthorizer(d *caddyfile.Dispenser) func() error {
	return func() error { return d.Err("authorizer: contract") }
}
