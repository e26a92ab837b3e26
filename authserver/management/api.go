package management

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/access"
	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/identity"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/keys"
	"github.com/caddy-gatehouse/gatehouse/authserver/logout"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/session"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
	"github.com/caddy-gatehouse/gatehouse/authserver/transfer"
	"github.com/caddy-gatehouse/gatehouse/authserver/webhook"
)

// prefix is in front of every path of a route.
const prefix = "/v1"

// API is the management API. Every field but URL is required; a collection's
// file uses what it needs. Safe for concurrent use; not to be copied after first
// use.
type API struct {
	Live     *directory.Live
	Writer   *directory.Writer
	Callers  *access.Resolver
	Users    *identity.Users
	Sessions *session.Sessions
	Logout   *logout.Ender
	Revoker  *token.Revoker
	Keys     *keys.Rings
	Webhooks *webhook.Webhooks
	Transfer *transfer.Transfer
	Store    store.Store
	// URL is where clients reach /v1: "https://api.example.com"; "" is the origin of the environment's issuer.
	URL     string
	NewID   func() string
	Now     func() time.Time
	Address func(*http.Request) string

	once        sync.Once
	paths       node   // what table says, for matching
	description []byte // and for people
	turns       turns
}

// table lists every route. What is not in it does not exist.
func (a *API) table() []route {
	return slices.Concat(
		a.openAPIRoutes(),
		a.organizationRoutes(),
		a.licenseRoutes(),
		a.environmentRoutes(),
		a.roleRoutes(),
		a.roleAssignmentRoutes(),
		a.applicationRoutes(),
		a.resourceRoutes(),
		a.populationRoutes(),
		a.userRoutes(),
		a.passwordRoutes(),
		a.sessionRoutes(),
		a.consentRoutes(),
		a.subscriptionRoutes(),
		a.keyRoutes(),
		a.keyRotationPolicyRoutes(),
		a.activityRoutes(),
		a.transferRoutes(),
	)
}

// route is one method of one path.
type route struct {
	// name is a closed-set word for metrics and the operationId of the description: "application.update".
	name, method string
	// path is behind /v1, with {} around variable segments: "/environments/{environmentID}/applications/{applicationID}".
	path string
	// open routes are for everyone; without it a route without permission refuses everybody.
	open bool
	// permission that the caller must have on target before serve runs.
	permission access.Permission
	// target tells from the path what permission is wanted on; nil is for the application, population and user that the
	// path's variables applicationID, populationID and userID name. Where the path does not tell (a user's population),
	// somewhere is true: the route then asks c.require itself, and core has only asked Caller.Somewhere, or with a target
	// whether it is about the caller's own user: without one, self-service scopes do not count.
	target    func(c *call) access.Target
	somewhere bool
	serve     func(c *call) error
	// selfToo are permissions that let people in about themselves, beside permission, where target is theirs: serve asks for the right one.
	selfToo []access.Permission

	// For the description.
	summary   string
	query     []parameter
	request   map[string]any // by media type, a zero value of what the body is (nil for an empty one); nil for none
	status    int            // of success
	response  any            // a zero value of what the answer is; nil for none
	isPage    string         // name below _embedded where the answer is a collection of response
	mediaType string         // of the answer; "" is application/json
}

type parameter struct{ name, description string }

// trees are the beginnings of our paths, each whole or followed by a slash.
var trees = []string{prefix + "/environments", prefix + "/organizations", prefix + "/roles"}

// Handles reports whether a path belongs to the management API, whether or not
// there is such a route: so that nothing behind the server answers in its place.
func (a *API) Handles(path string) bool {
	if path == prefix+descriptionPath {
		return true
	}
	for _, tree := range trees {
		if rest, ok := strings.CutPrefix(path, tree); ok && (rest == "" || rest[0] == '/') {
			return true
		}
	}
	return false
}

// Match finds what answers a request, by its path, byte for byte and in its plainest spelling
// only; nil where nothing does. Of the web.Route the Methods are those of the path.
func (a *API) Match(r *http.Request) (*web.Route, web.Handler) {
	a.once.Do(a.build)
	rest, ok := strings.CutPrefix(r.URL.Path, prefix)
	if !ok || r.URL.RawPath != "" {
		return nil, nil
	}
	at, params := a.paths.find(rest)
	if at == nil {
		return nil, nil
	}
	return &at.around, func(w http.ResponseWriter, r *http.Request) error {
		return a.serve(at, params, w, r)
	}
}

// place is what answers one path.
type place struct {
	around web.Route
	routes map[string]*route // by method
}

// node is a segment of paths and what may follow it.
type node struct {
	next     map[string]*node
	variable *node // any other segment
	name     string
	place    *place
}

// cacheable is for what is the same for everybody.
const cacheable = "public, max-age=300"

func (a *API) build() {
	table := a.table()
	a.description = describeTable(table, a.URL)
	for _, rt := range table {
		at := &a.paths
		for segment := range strings.SplitSeq(rt.path[1:], "/") {
			at = at.below(segment)
		}
		if at.place == nil {
			at.place = &place{
				around: web.Route{Name: "management_" + collectionOfName(rt.name), AnyOrigin: true, Render: web.PingOne},
				routes: map[string]*route{},
			}
			if rt.open {
				at.place.around.CacheControl = cacheable
			}
		}
		if at.place.routes[rt.method] != nil {
			panic("management: two routes are " + rt.method + " " + rt.path)
		}
		at.place.routes[rt.method] = &rt
		at.place.around.Methods = append(at.place.around.Methods, rt.method)
		slices.Sort(at.place.around.Methods)
	}
}

// below is the node of one more segment, made where it is not there.
func (n *node) below(segment string) *node {
	if segment[0] == '{' {
		name := strings.Trim(segment, "{}")
		if n.variable == nil {
			n.variable = &node{name: name}
		}
		if n.variable.name != name {
			panic("management: one segment has the names " + n.variable.name + " and " + name)
		}
		return n.variable
	}
	if n.next[segment] == nil {
		if n.next == nil {
			n.next = map[string]*node{}
		}
		n.next[segment] = &node{}
	}
	return n.next[segment]
}

// find looks for the place of a path; a segment that some route names is never a variable.
func (n *node) find(path string) (*place, map[string]string) {
	params := map[string]string{}
	for path != "" {
		if path[0] != '/' {
			return nil, nil
		}
		var segment string
		segment, path = path[1:], ""
		if i := strings.IndexByte(segment, '/'); i >= 0 {
			segment, path = segment[:i], segment[i:]
		}
		next := n.next[segment]
		if next == nil {
			// Proxies and file servers resolve these; no object is called so.
			if n.variable == nil || segment == "" || segment == "." || segment == ".." {
				return nil, nil
			}
			next = n.variable
			params[next.name] = segment
		}
		n = next
	}
	if n.place == nil {
		return nil, nil
	}
	return n.place, params
}

// serve answers one request: who calls, about which environment, and whether
// they may. A refusal is the same whether or not there is what was asked for.
func (a *API) serve(at *place, params map[string]string, w http.ResponseWriter, r *http.Request) error {
	if r.URL.RawPath != "" {
		return web.NotFound() // a second spelling of a path that has one
	}
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	rt := at.routes[method]
	c := &call{api: a, w: w, r: r, route: rt, params: params}
	if rt.open {
		return plain(rt.serve(c))
	}

	// authenticate
	authorization, err := oneHeader(r, "Authorization")
	if err != nil {
		return err
	}
	if c.who, err = a.Callers.Caller(r.Context(), authorization); err != nil {
		return err
	}

	// authorize
	if id, ok := params["environmentID"]; ok {
		if err := c.findEnvironment(id); err != nil {
			return err
		}
	}
	if err := c.allowed(rt); err != nil {
		return err
	}

	// validate, act, respond
	if err := c.checkMediaType(rt); err != nil {
		return err
	}
	return plain(rt.serve(c))
}

// findEnvironment finds the environment of the path. One that is not of the
// caller's organization is, to them, not there; and that something is not there
// learns only who may see everything that is.
func (c *call) findEnvironment(id string) error {
	env, err := c.api.Live.EnvironmentByID(c.r.Context(), id)
	switch {
	case err == nil && env.Organization == c.who.Environment.Organization:
		c.env = env
		return nil
	case err != nil && !errors.Is(err, store.ErrNotFound):
		return oauth.CannotTell("find environment", err)
	case c.who.May(access.ReadEnvironment, nil, access.Target{}):
		return web.NotFound()
	}
	return forbidden()
}

// allowed asks for the route's permission. Who has it on a part of the environment
// alone does not see the rest, and for them what is outside is not there.
func (c *call) allowed(rt *route) error {
	if rt.permission == "" {
		return forbidden()
	}
	t := access.Target{Application: c.param("applicationID"), Population: c.param("populationID"), User: c.param("userID")}
	if rt.target != nil {
		t = rt.target(c)
	}
	somewhere := c.who.Somewhere(rt.permission, c.env)
	if !rt.somewhere {
		return c.require(rt.permission, t, t != (access.Target{}) && somewhere)
	}
	self := rt.target != nil && (c.who.Self(rt.permission, c.env, t) || slices.ContainsFunc(rt.selfToo, func(p access.Permission) bool {
		return c.who.Self(p, c.env, t)
	}))
	if !somewhere && !self {
		return forbidden()
	}
	return nil
}

// oneHeader is the value of a header that must not be there twice: two readers
// could each believe another one.
func oneHeader(r *http.Request, name string) (string, error) {
	values := r.Header.Values(name)
	if len(values) > 1 {
		return "", badRequest("The header %s occurs more than once", name)
	}
	if len(values) == 0 {
		return "", nil
	}
	return values[0], nil
}
