package authserver

import (
	"net/http"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/endpoint"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// route is one row of the table: everything that is decided about a path
// before its handler runs.
type route struct {
	web.Route
	path     string // behind the environment's; a last segment "*" stands for any
	surface  string
	metadata string // the endpoint's name in the metadata document; "" is not listed
	cookies  bool   // trusts the session cookie, so scripts come from trusted origins only
	serve    func(w http.ResponseWriter, r *http.Request, env *store.Environment) error
}

// The metadata and the keys are the same for everyone. Five minutes are less
// than any key's overlap, so a key is known everywhere before it signs.
const public = "public, max-age=300"

// wellKnown is in front of the issuer's path (RFC 8414 §3.1).
const wellKnown = "/.well-known/oauth-authorization-server"

// openIDConfiguration is behind the issuer's path (OIDC Discovery §4).
const openIDConfiguration = "/as/.well-known/openid-configuration"

// routes is the table. Discovery, Allow and the metrics' labels derive from it.
func routes(c *Config, p *parts) []route {
	issued := c.State.config.Observer.TokenIssued
	register := &endpoint.Registration{Registrar: p.registrar, Address: c.Address, NoLimit: c.InsecureNoLimit}
	metadata := p.metadata()

	get, post, both := []string{http.MethodGet}, []string{http.MethodPost}, []string{http.MethodGet, http.MethodPost}
	table := []route{
		// In the front channel: people, and what trusts their session's cookie.
		{
			Route: web.Route{Name: "authorize", Methods: both, Render: web.PingOne},
			path:  "/as/authorize", surface: SurfaceOIDC, metadata: "authorization_endpoint", cookies: true,
			serve: (&endpoint.Authorization{Reader: p.reader, Sessions: p.sessions, Flows: p.flows, Pages: p.pages}).Serve,
		},
		{
			Route: web.Route{Name: "resume", Methods: get, Render: web.PingOne},
			path:  "/as/resume", surface: SurfaceOIDC, cookies: true,
			serve: (&endpoint.Resume{Flows: p.flows, Sessions: p.sessions, Pages: p.pages}).Serve,
		},
		{
			Route: web.Route{Name: "flow", Methods: both, Render: web.PingOne},
			path:  "/flows" + anySegment, surface: SurfaceOIDC, cookies: true,
			serve: (&endpoint.Flows{Flows: p.flows, Sessions: p.sessions}).Serve,
		},
		{
			Route: web.Route{Name: "signon", Methods: both, Render: web.PingOne},
			path:  "/signon/", surface: SurfaceOIDC,
			serve: p.pages.SignOn,
		},
		{
			Route: web.Route{Name: "signoff", Methods: both, Render: web.PingOne},
			path:  "/as/signoff", surface: SurfaceOIDC, metadata: "end_session_endpoint", cookies: true,
			serve: (&endpoint.EndSession{Directory: p.directory, Sessions: p.sessions, Logout: p.ender, Pages: p.pages}).Serve,
		},
		{
			Route: web.Route{Name: "idp_signoff", Methods: get, Render: web.PingOne},
			path:  "/as/idpSignoff", surface: SurfaceOIDC, metadata: "ping_end_idp_session_endpoint",
			serve: (&endpoint.IDPSignoff{Sessions: p.sessions, Logout: p.ender, Pages: p.pages}).Serve,
		},
		{
			Route: web.Route{Name: "check_session", Methods: get, CacheControl: public, Render: web.PingOne},
			path:  "/as/checksession", surface: SurfaceOIDC, metadata: "check_session_iframe",
			serve: endpoint.CheckSessionIframe{}.Serve,
		},

		// In the back channel: clients, resources, and who holds a token.
		{
			Route: web.Route{Name: "par", Methods: post, AnyOrigin: true},
			path:  "/as/par", surface: SurfaceOIDC, metadata: "pushed_authorization_request_endpoint",
			serve: (&endpoint.PushedAuthorizationRequest{
				Clients: p.clients, Reader: p.reader, Address: c.Address, NoLimit: c.InsecureNoLimit, Possession: p.possession,
			}).Serve,
		},
		{
			Route: web.Route{Name: "token", Methods: post, AnyOrigin: true},
			path:  "/as/token", surface: SurfaceOIDC, metadata: "token_endpoint",
			serve: (&endpoint.Token{Clients: p.clients, Grants: p.grants, Issued: issued, Possession: p.possession}).Serve,
		},
		{
			Route: web.Route{Name: "introspect", Methods: post, AnyOrigin: true},
			path:  "/as/introspect", surface: SurfaceOIDC, metadata: "introspection_endpoint",
			serve: p.introspection.Serve,
		},
		{
			Route: web.Route{Name: "revoke", Methods: post, AnyOrigin: true},
			path:  "/as/revoke", surface: SurfaceOIDC, metadata: "revocation_endpoint",
			serve: (&endpoint.Revocation{Clients: p.clients, Tokens: p.revoker}).Serve,
		},
		{
			Route: web.Route{Name: "userinfo", Methods: both, AnyOrigin: true, Render: web.PingOne},
			path:  "/as/userinfo", surface: SurfaceOIDC, metadata: "userinfo_endpoint",
			serve: (&endpoint.UserInfo{
				Directory: p.directory, Tokens: p.verifier, IDTokens: p.idTokens, Users: p.users, Sessions: p.sessions,
				Possession: p.possession,
			}).Serve,
		},
		{
			Route: web.Route{Name: "register", Methods: post, AnyOrigin: true},
			path:  "/as/register", surface: SurfaceOIDC, metadata: "registration_endpoint",
			serve: register.Serve,
		},
		{
			Route: web.Route{Name: "registered_client", Methods: []string{http.MethodGet, http.MethodPut, http.MethodDelete}, AnyOrigin: true},
			path:  "/as/register" + anySegment, surface: SurfaceOIDC,
			serve: register.ServeClient,
		},

		// For everyone.
		{
			Route: web.Route{Name: "jwks", Methods: get, AnyOrigin: true, CacheControl: public, Render: web.PingOne},
			path:  "/as/jwks", surface: SurfaceOIDC, metadata: "jwks_uri",
			serve: (&endpoint.JWKS{Keys: c.State.rings}).Serve,
		},
		{
			Route: web.Route{Name: "openid_configuration", Methods: get, AnyOrigin: true, CacheControl: public, Render: web.PingOne},
			path:  openIDConfiguration, surface: SurfaceOIDC,
			serve: metadata.Serve,
		},
	}
	for _, rt := range table {
		if rt.metadata != "" {
			metadata.Endpoints[rt.metadata] = strings.TrimPrefix(rt.path, "/as/")
		}
	}
	return table
}

// tree is a surface with paths of its own, which name their environment themselves.
type tree struct {
	surface string
	handles func(path string) bool
	// match finds what answers a request; a nil route is nothing.
	match func(*http.Request) (*web.Route, web.Handler)
}

// trees are those surfaces. What is not in the list does not exist.
func trees(c *Config, p *parts, table []route) []tree {
	return []tree{
		{SurfaceManagement, p.api.Handles, p.api.Match},
		legacyTree(c, p, table),
	}
}

// nowhere is the row of every path of ours that names nothing.
var nowhere = web.Route{Name: "unknown", AnyOrigin: true, Render: web.PingOne}
