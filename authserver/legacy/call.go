package legacy

import (
	"net/http"
	"net/url"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// call is one request and what is known about it. It belongs to one goroutine.
type call struct {
	l  *Legacy
	w  http.ResponseWriter
	r  *http.Request
	at place

	realm *realm             // of query or path; below /frrest the top one
	lost  error              // why realm and env could not be found
	env   *store.Environment // the realm's, with the realm's issuer; nil for a top realm of administrators alone
	// values are the parameters of the query, read strictly.
	values url.Values
	query  crestQuery // the parameters of CREST; below /json and /frrest alone
	caller *signedOn  // see sso; nil before
	// application is who called, or whose token the call was about, once that is known.
	application string
}

// findPlace settles what a request is about, for prepare to judge.
func (c *call) findPlace() {
	if c.at.route == nil {
		return
	}
	if c.lost = c.readValues(); c.lost == nil {
		c.lost = c.findRealm()
	}
}

// prepare settles what every endpoint needs to know first.
func (c *call) prepare() error {
	if c.lost != nil {
		return c.lost
	}
	if c.at.dialect == dialectCREST {
		if err := c.readCREST(); err != nil {
			return err
		}
	}
	if c.at.route.tree == treeJSON {
		return c.checkCSRF()
	}
	return nil
}

// param is what the n-th {} of the route's path stands for.
func (c *call) param(n int) string { return c.at.params[n] }

// address is the client's, without port.
func (c *call) address() string { return web.Address(c.l.Address, c.r) }

// selfRegistered stands for all applications that registered themselves: whoever may do that could fill a metric with names.
const selfRegistered = "registered"

// calledBy notes the application that called, or whose token the call was about.
func (c *call) calledBy(client *store.Client) {
	c.application = client.ID
	if client.Registered {
		c.application = selfRegistered
	}
}

// calledByID is calledBy for who is known by ID, in the realm's environment.
func (c *call) calledByID(id string) {
	if client, err := c.l.Directory.ClientByID(c.r.Context(), c.env.ID, id); err == nil {
		c.calledBy(client)
	}
}

// badRequest is 400 in the dialect of the path.
func (c *call) badRequest(message string) error {
	if c.at.dialect == dialectOAuth {
		return oauth.InvalidRequest("%s", message)
	}
	return crest(http.StatusBadRequest, message)
}
