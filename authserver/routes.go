package authserver

import (
	"net/http"

	"github.com/caddy-gatehouse/gatehouse/authserver/clientauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/endpoint"
	"github.com/caddy-gatehouse/gatehouse/authserver/grant"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
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
func routes(c *Config) []route {
	s := c.State
	clients := &clientauth.Authenticator{Directory: c.Directory, Spent: s.config.Store, Keys: s.clientKeys, Now: s.config.Now}
	minter := &token.Minter{Keys: s.rings, Store: s.config.Store, NewID: secret.NewID, Now: s.config.Now}
	verifier := &token.Verifier{Keys: s.rings, Revocations: s.revocations, Cache: s.verified, Now: s.config.Now}
	revoker := &token.Revoker{
		Verifier: verifier, Store: s.config.Store, Set: s.revocations, Now: s.config.Now, Revoked: s.config.Observer.Revoked,
	}
	grants := []grant.Grant{
		&grant.ClientCredentials{Directory: c.Directory, Tokens: minter},
	}
	metadata := &endpoint.OpenIDConfiguration{Endpoints: map[string]string{}}
	for _, g := range grants {
		metadata.GrantTypes = append(metadata.GrantTypes, g.Type())
	}

	get, post := []string{http.MethodGet}, []string{http.MethodPost}
	table := []route{
		{web.Route{Name: "token", Methods: post, AnyOrigin: true}, "/token", SurfaceOIDC, "token_endpoint",
			(&endpoint.Token{Clients: clients, Grants: grants, Issued: s.config.Observer.TokenIssued}).Serve},
		{web.Route{Name: "introspect", Methods: post, AnyOrigin: true}, "/introspect", SurfaceOIDC, "introspection_endpoint",
			(&endpoint.Introspection{Clients: clients, Tokens: verifier}).Serve},
		{web.Route{Name: "revoke", Methods: post, AnyOrigin: true}, "/revoke", SurfaceOIDC, "revocation_endpoint",
			(&endpoint.Revocation{Clients: clients, Tokens: revoker}).Serve},
		{web.Route{Name: "jwks", Methods: get, AnyOrigin: true, CacheControl: public, Render: web.PingOne}, "/jwks", SurfaceOIDC, "jwks_uri",
			(&endpoint.JWKS{Keys: s.rings}).Serve},
		{web.Route{Name: "openid_configuration", Methods: get, AnyOrigin: true, CacheControl: public, Render: web.PingOne}, openIDConfiguration, SurfaceOIDC, "",
			metadata.Serve},
	}
	for _, rt := range table {
		if rt.metadata != "" {
			metadata.Endpoints[rt.metadata] = rt.path[1:]
		}
	}
	return table
}

// nowhere is the row of every path of ours that names nothing.
var nowhere = web.Route{Name: "unknown", AnyOrigin: true, Render: web.PingOne}
