package legacy

import (
	"context"
	"log/slog"
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/clientauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/endpoint"
	"github.com/caddy-gatehouse/gatehouse/authserver/identity"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/logout"
	"github.com/caddy-gatehouse/gatehouse/authserver/session"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

// Endpoint is one of the server's own endpoints.
type Endpoint func(w http.ResponseWriter, r *http.Request, env *store.Environment) error

// Parts are the rules that the endpoints here hand on to. Every field but Address and NoLimit is required.
type Parts struct {
	Directory store.Directory
	Store     store.Store
	Clients   *clientauth.Authenticator
	Tokens    *token.Verifier
	Records   *token.Records
	Refresh   *token.Refresher
	Revoker   *token.Revoker
	Users     *identity.Users
	Sessions  *session.Sessions
	Logout    *logout.Ender
	// Introspection is the server's own, for its verdicts.
	Introspection *endpoint.Introspection
	// Configuration is the metadata document's model, without Endpoints, which New sets.
	Configuration *endpoint.OpenIDConfiguration
	// Endpoints are the server's own by their names in its table: "authorize", "token", "userinfo", "jwks",
	// "register", "registered_client", "par", "signoff", "check_session".
	Endpoints map[string]Endpoint
	// Sealer gives the key that seals at rest, which keys of other uses are derived from.
	Sealer func(create bool) (*secret.Sealer, error)
	// TrustedOrigin is Directory's, of declared applications alone.
	TrustedOrigin func(ctx context.Context, environment, origin string) (bool, error)
	NewID         func() string
	Now           func() time.Time
	// Address is the client's address without port; nil is that of the connection. NoLimit exempts addresses from limits;
	// nil exempts none.
	Address func(*http.Request) string
	NoLimit func(address string) bool
	// Called is told of each request that was served: the endpoint's name, and the application that called or
	// whose token it was about, "" where there is none.
	Called func(endpoint, application string)
	// SignedOn is told the outcome of each sign-on: "ok" or an OAuth error code.
	SignedOn func(outcome string)
	Log      *slog.Logger
}

// Legacy answers every path below /am. Safe for concurrent use.
type Legacy struct {
	Config
	Parts
	realms map[string]*realm // by path in lower case
	root   *administrators   // of the top realm
	table  []route
	state
}

// New makes one of a configuration that Check has found good. It touches neither disk nor network.
func New(c Config, p Parts) *Legacy {
	l := &Legacy{Config: c, Parts: p, realms: map[string]*realm{}}
	for _, r := range c.Realms {
		l.realms[strings.ToLower(r.Path)] = &realm{Path: r.Path, environment: r.Environment, issuer: c.Issuer(r.Path)}
	}
	if l.realms["/"] == nil {
		l.realms["/"] = &realm{Path: "/"}
	}
	l.Configuration.Endpoints = metadata
	l.Configuration.PlainIntrospection = true
	l.root = l.newAdministrators()
	l.table = l.routes()
	return l
}

// Handles reports whether a path is below /am.
func (l *Legacy) Handles(path string) bool {
	rest, ok := strings.CutPrefix(path, prefix)
	return ok && (rest == "" || rest[0] == '/')
}

// Match finds what answers a request below /am: never nil, since errors have dialects here.
func (l *Legacy) Match(r *http.Request) (*web.Route, web.Handler) {
	c := &call{l: l, r: r, at: l.find(r.URL.EscapedPath())}
	c.findPlace()
	at := c.at
	around := &web.Route{
		Name: at.name(), Methods: at.methods(), Render: at.dialect.render(), RenderAll: true, ContentType: contentType, AnyOrigin: at.anyOrigin(),
		CacheControl: at.cacheControl(), AllowHeaders: allowedHeaders + ", " + l.Cookie,
		Headers: l.deprecation(c),
	}
	if at.dialect == dialectCREST {
		maps.Copy(around.Headers, crestHeaders)
	}
	around.Preflight = func(origin string) bool { return c.trusts(r.Context(), origin) }
	return around, func(w http.ResponseWriter, r *http.Request) error {
		c.w, c.r = w, r
		return c.serve()
	}
}

// serve answers one request.
func (c *call) serve() error {
	if c.at.route == nil {
		return notFound(c.at.dialect)
	}
	if err := c.prepare(); err != nil {
		return err
	}
	c.openTo(c.r.Header.Values("Origin"))
	err := c.at.route.serve(c)
	if err == nil {
		c.l.Called(c.at.route.name, c.application)
	}
	return err
}

// trusts reports whether scripts of an origin may call with credentials: an application of the realm trusts it. Where the cookie
// counts it is one of the configuration, since the SSO token is among the answers, and who manages an application by the API is
// not to have the sessions of everybody who visits its pages. The product's JavaScript SDK calls with credentials where no cookie
// is looked at, too, and then "*" opens nothing to it.
func (c *call) trusts(ctx context.Context, origin string) bool {
	if rt := c.at.route; rt == nil || !rt.cookies && !rt.anyOrigin || rt.cacheControl != "" || c.env == nil {
		return false
	}
	trusted := c.l.Directory.TrustedOrigin
	if c.at.route.cookies && !c.at.route.ownOrigins {
		trusted = c.l.TrustedOrigin
	}
	ok, err := trusted(ctx, c.env.ID, origin)
	return err == nil && ok
}

// openTo lets scripts of the origin that a request comes from read the answer, errors included, where an application of the
// realm trusts it.
func (c *call) openTo(origin []string) {
	if len(origin) == 1 && !c.at.route.ownOrigins && c.trusts(c.r.Context(), origin[0]) {
		web.AllowOrigin(c.w.Header(), origin[0])
	}
}

// allowedHeaders are those that scripts may send here, beside the usual ones.
const allowedHeaders = "Accept-API-Version, X-Requested-With, X-OpenAM-Username, X-OpenAM-Password"
