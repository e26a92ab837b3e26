package management

import (
	"net/http"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/access"
	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/identity"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/keys"
	"github.com/caddy-gatehouse/gatehouse/authserver/logout"
	"github.com/caddy-gatehouse/gatehouse/authserver/session"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
	"github.com/caddy-gatehouse/gatehouse/authserver/transfer"
	"github.com/caddy-gatehouse/gatehouse/authserver/webhook"
)

// API is the management API. Every field is required; a collection's file uses what it needs.
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

	routes []route // sorted for matching, made on first use
}

// Handles reports whether a path belongs to the management API, whether or not there is such a route.
func (a *API) Handles(path string) bool { panic("contract") }

// Match finds what answers a path; nil where nothing does. Of the web.Route the Methods are those of the path.
func (a *API) Match(path string) (*web.Route, web.Handler) { panic("contract") }

// route is one method of one path.
type route struct {
	// name is a closed-set word for metrics and the operationId of the description: "application.update".
	name, method string
	// path is behind /v1, with {} around variable segments: "/environments/{environmentID}/applications/{applicationID}".
	path string
	// permission that the caller must have on target before serve runs; open routes (the description) have none.
	permission access.Permission
	// target tells from the path what permission is wanted on; nil is for the whole environment. Where the path does not tell
	// (a user's population), somewhere is true: the route then asks c.require itself, and core has only asked
	// Caller.Somewhere.
	target    func(c *call) access.Target
	somewhere bool
	serve     func(c *call) error

	// For the description.
	summary   string
	query     []parameter
	request   map[string]any // by media type, a zero value of what the body is; nil for none
	status    int            // of success
	response  any            // a zero value of what the answer is; nil for none
	isPage    string         // name below _embedded where the answer is a collection of response
	mediaType string         // "" is application/json
}

type parameter struct{ name, description string }

// call is one request on its way.
type call struct {
	api    *API
	w      http.ResponseWriter
	r      *http.Request
	env    *store.Environment // of the path; nil where there is none
	who    *access.Caller
	params map[string]string
}

// param is a variable segment of the path.
func (c *call) param(name string) string { panic("contract") }

// require checks a permission that the path alone does not settle. hidden makes the refusal a 404, as if
// what the caller may not see were not there.
func (c *call) require(p access.Permission, t access.Target, hidden bool) error { panic("contract") }

// actor is the caller for the audit log.
func (c *call) actor() directory.Actor { panic("contract") }

// precondition reads If-Match.
func (c *call) precondition() (directory.Precondition, error) { panic("contract") }

// contentType is the vendor type among the request's Content-Type lines, or the plain one, or "".
func (c *call) contentType() string { panic("contract") }

// read reads the JSON body into v: one object, at most 1 MiB, no duplicate members; unknown members are ignored. A value
// of the wrong type is INVALID_VALUE on its member.
func (c *call) read(v any) error { panic("contract") }

// href is the absolute address of a path behind /v1.
func (c *call) href(path string) string { panic("contract") }

// reply writes status and v as JSON.
func (c *call) reply(status int, v any) error { panic("contract") }

// noContent writes 204.
func (c *call) noContent() error { panic("contract") }

// item writes an object: _links, id, environment, the members of its document, more, createdAt, updatedAt,
// and its version as ETag. self is its path behind /v1; links are further ones, name to path.
func (c *call) item(status int, it *directory.Item, self string, links map[string]string, more map[string]any) error {
	panic("contract")
}

// view is what item writes, for collections.
func (c *call) view(it *directory.Item, self string, links map[string]string, more map[string]any) map[string]any {
	panic("contract")
}

// page is one page of a collection: limit and where to begin, from the query.
type page struct {
	limit int
	after string
}

// page reads limit and cursor; most is the most a page of this collection has, and what it has without limit.
func (c *call) page(most int) (page, error) { panic("contract") }

// collection writes a page; next is where the next one begins, "" for none. Items are values that marshal to
// JSON objects. The cursor in its link is good for this path and filter alone.
func (c *call) collection(name string, items []any, next string) error { panic("contract") }

// collectionOf are the routes of a collection that is like the others: GET and POST on path, GET, PUT and DELETE
// below it.
type collectionOf struct {
	kind     store.ObjectKind
	path     string // "/environments/{environmentID}/resources/{resourceID}/scopes"
	id       string // the variable of one: "scopeID"
	parent   string // the variable that is the parent's ID; "" for none
	embedded string
	name     string // "scope", for names and summaries
	document func() directory.Document

	read, create, update, remove access.Permission
	target                       func(c *call) access.Target

	links func(c *call, it *directory.Item) map[string]string
	more  func(c *call, it *directory.Item) map[string]any
	// beforeCreate may refuse or change what is created; afterCreate and the others add to what was done.
	beforeCreate func(c *call, n *directory.New) error
	afterCreate  func(c *call, it *directory.Item) error
	beforeUpdate func(c *call, old *directory.Item, new directory.Document) error
	// visible hides objects that the caller may not see from lists; nil shows all.
	visible func(c *call, it *directory.Item) bool
}

// routesOf makes the five routes.
func routesOf(o collectionOf) []route { panic("contract") }
