package management

import (
	"errors"
	"net/http"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/access"
	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// maxPage is the most that a page of a collection has, where its file does not say another number.
const maxPage = 200

// collection writes a page; next is where the next one begins, "" for none. Items are values that marshal to
// JSON objects. The cursor in its link is good for this path and filter alone. There is no link to the page
// before: cursors lead forward.
func (c *call) collection(name string, items []any, next string) error {
	query, err := c.queryValues()
	if err != nil {
		return err
	}
	self := c.href(strings.TrimPrefix(c.r.URL.Path, prefix))
	links := map[string]link{"self": {self}}
	if len(query) > 0 {
		links["self"] = link{self + "?" + query.Encode()}
	}
	if items == nil {
		items = []any{}
	}
	answer := map[string]any{"_links": links, "_embedded": map[string]any{name: items}, "size": len(items)}
	if next == "" && query.Get("cursor") == "" {
		answer["count"] = len(items) // of several pages nobody has counted
	}
	if next != "" {
		query.Set("cursor", sealCursor(next, c.binding(query)))
		links["next"] = link{self + "?" + query.Encode()}
	}
	return c.reply(http.StatusOK, answer)
}

// collectionOf are the routes of a collection that is like the others: GET and POST on path, GET, PUT and DELETE
// below it. A permission that is "" leaves its route out.
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
	// visible hides objects that the caller may not see from lists, and from nobody else: one by itself is
	// target's business. Where it is set, the list asks Caller.Somewhere. nil shows all.
	visible func(c *call, it *directory.Item) bool
}

// routesOf makes the five routes.
func routesOf(o collectionOf) []route {
	one := o.path + "/{" + o.id + "}"
	body := map[string]any{typeJSON: o.document()}
	all := []route{
		{
			name: o.name + ".list", method: http.MethodGet, path: o.path, permission: o.read, target: o.target,
			somewhere: o.visible != nil, serve: o.serveList, summary: "Lists " + o.embedded + ".", query: paging,
			status: http.StatusOK, response: o.document(), isPage: o.embedded,
		},
		{
			name: o.name + ".create", method: http.MethodPost, path: o.path, permission: o.create, target: o.target,
			serve: o.serveCreate, summary: "Creates one of the " + o.embedded + ".", request: body,
			status: http.StatusCreated, response: o.document(),
		},
		{
			name: o.name + ".read", method: http.MethodGet, path: one, permission: o.read, target: o.target,
			serve: o.serveRead, summary: "Reads one of the " + o.embedded + ".", status: http.StatusOK, response: o.document(),
		},
		{
			name: o.name + ".update", method: http.MethodPut, path: one, permission: o.update, target: o.target,
			serve: o.serveUpdate, summary: "Replaces one of the " + o.embedded + ".", request: body,
			status: http.StatusOK, response: o.document(),
		},
		{
			name: o.name + ".delete", method: http.MethodDelete, path: one, permission: o.remove, target: o.target,
			serve: o.serveDelete, summary: "Deletes one of the " + o.embedded + ".", status: http.StatusNoContent,
		},
	}
	var offered []route
	for _, rt := range all {
		if rt.permission != "" {
			offered = append(offered, rt)
		}
	}
	return offered
}

// paging is what every collection takes.
var paging = []parameter{
	{"limit", "The most that a page has; a page may have fewer."},
	{"cursor", "Where the page begins: from a next link."},
}

// parents says of what kind the parents of a kind are.
var parents = map[store.ObjectKind]store.ObjectKind{
	store.KindApplicationAttribute: store.KindApplication,
	store.KindGrant:                store.KindApplication,
	store.KindScope:                store.KindResource,
	store.KindResourceAttribute:    store.KindResource,
}

// under is the parent's ID. Of a parent that is not there nothing is listed.
func (o *collectionOf) under(c *call) (string, error) {
	if o.parent == "" {
		return "", nil
	}
	id := c.param(o.parent)
	_, err := c.api.Live.Item(c.r.Context(), c.env, parents[o.kind], "", id)
	if errors.Is(err, store.ErrNotFound) {
		return "", web.NotFound()
	}
	return id, err
}

func (o collectionOf) serveList(c *call) error {
	p, err := c.page(maxPage)
	if err != nil {
		return err
	}
	parent, err := o.under(c)
	if err != nil {
		return err
	}
	items, next, err := c.api.Live.Items(c.r.Context(), c.env, o.kind, parent, p.after, p.limit)
	if err != nil {
		return err
	}
	var shown []any
	for _, it := range items {
		if o.visible == nil || o.visible(c, it) {
			shown = append(shown, c.view(it, o.self(c, it), o.linksOf(c, it), o.moreOf(c, it)))
		}
	}
	return c.collection(o.embedded, shown, next)
}

func (o collectionOf) serveCreate(c *call) error {
	parent, err := o.under(c)
	if err != nil {
		return err
	}
	n := directory.New{Parent: parent, Document: o.document()}
	if err := c.read(n.Document); err != nil {
		return err
	}
	if o.beforeCreate != nil {
		if err := o.beforeCreate(c, &n); err != nil {
			return err
		}
	}
	it, err := c.api.Writer.Create(c.r.Context(), c.actor(), c.env, n)
	if err != nil {
		return err
	}
	if o.afterCreate != nil {
		if err := o.afterCreate(c, it); err != nil {
			return err
		}
	}
	return o.show(c, http.StatusCreated, it)
}

func (o collectionOf) serveRead(c *call) error {
	it, err := c.api.Live.Item(c.r.Context(), c.env, o.kind, c.param(o.parent), c.param(o.id))
	if err != nil {
		return err
	}
	return o.show(c, http.StatusOK, it)
}

func (o collectionOf) serveUpdate(c *call) error {
	precondition, err := c.precondition()
	if err != nil {
		return err
	}
	body, err := readAll(c.r.Body)
	if err != nil {
		return err
	}
	edit := func(old *directory.Item) (directory.Document, error) {
		// Anew each time: a document that was judged has its defaults filled in.
		document := o.document()
		if err := decode(body, document); err != nil {
			return nil, err
		}
		if o.beforeUpdate != nil {
			if err := o.beforeUpdate(c, old, document); err != nil {
				return nil, err
			}
		}
		return document, nil
	}
	it, err := c.api.Writer.Update(c.r.Context(), c.actor(), c.env, o.kind, c.param(o.parent), c.param(o.id), precondition, edit)
	if err != nil {
		return err
	}
	return o.show(c, http.StatusOK, it)
}

func (o collectionOf) serveDelete(c *call) error {
	precondition, err := c.precondition()
	if err != nil {
		return err
	}
	if err := c.api.Writer.Delete(c.r.Context(), c.actor(), c.env, o.kind, c.param(o.parent), c.param(o.id), precondition); err != nil {
		return err
	}
	return c.noContent()
}

func (o *collectionOf) show(c *call, status int, it *directory.Item) error {
	return c.item(status, it, o.self(c, it), o.linksOf(c, it), o.moreOf(c, it))
}

// self is the path of an object behind /v1.
func (o *collectionOf) self(c *call, it *directory.Item) string {
	return c.expand(o.path) + "/" + it.ID
}

// expand fills the call's variable segments into a route's path.
func (c *call) expand(path string) string {
	segments := strings.Split(path, "/")
	for i, s := range segments {
		if s != "" && s[0] == '{' {
			segments[i] = c.params[strings.Trim(s, "{}")]
		}
	}
	return strings.Join(segments, "/")
}

func (o *collectionOf) linksOf(c *call, it *directory.Item) map[string]string {
	if o.links == nil {
		return nil
	}
	return o.links(c, it)
}

func (o *collectionOf) moreOf(c *call, it *directory.Item) map[string]any {
	if o.more == nil {
		return nil
	}
	return o.more(c, it)
}
