package management

import (
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// link is a HAL link.
type link struct {
	Href string `json:"href"`
}

// reference names another object.
type reference struct {
	ID string `json:"id"`
}

// timestamp is how date-times are shown: RFC 3339 with milliseconds, UTC.
func timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z07:00") }

// href is the absolute address of a path behind /v1. No header is believed: the
// client sends its token wherever a link points.
func (c *call) href(path string) string {
	return c.base() + (&url.URL{Path: prefix + path}).EscapedPath()
}

// base is where clients reach the API: as configured, or where the issuer of the
// environment is, of which the path ends in /as behind the environment's ID.
func (c *call) base() string {
	if c.api.URL != "" {
		return strings.TrimSuffix(c.api.URL, "/")
	}
	env := c.env
	if env == nil {
		env = c.who.Environment
	}
	base := strings.TrimSuffix(env.Issuer, "/as")
	return strings.TrimSuffix(base, "/"+env.ID)
}

// item writes an object: _links, id, environment, the members of its document, more, createdAt, updatedAt,
// and its version as ETag. self is its path behind /v1; links are further ones, name to path.
func (c *call) item(status int, it *directory.Item, self string, links map[string]string, more map[string]any) error {
	c.showVersion(it.Version)
	return c.reply(status, c.view(it, self, links, more))
}

// showVersion sends a version as ETag, which scripts may read too; 0 is none.
func (c *call) showVersion(version int64) {
	if version > 0 {
		c.w.Header().Set("ETag", etag(version))
		c.w.Header().Set("Access-Control-Expose-Headers", "Correlation-Id, ETag")
	}
}

// etag is a version as an entity tag. It is a strong one (RFC 9110 §8.8.1): any change makes another.
func etag(version int64) string { return `"` + strconv.FormatInt(version, 10) + `"` }

// view is what item writes, for collections. A member of more replaces the document's; a nil one takes it away.
func (c *call) view(it *directory.Item, self string, links map[string]string, more map[string]any) map[string]any {
	v := members(it.Document)
	for name, value := range more {
		if value == nil {
			delete(v, name)
		} else {
			v[name] = value
		}
	}
	all := c.links(self, links)
	if c.env != nil && it.Kind != store.KindEnvironment {
		all["environment"] = link{c.href("/environments/" + c.env.ID)}
		v["environment"] = reference{c.env.ID}
	}
	v["_links"], v["id"] = all, it.ID
	if !it.CreatedAt.IsZero() {
		v["createdAt"] = timestamp(it.CreatedAt)
	}
	if !it.UpdatedAt.IsZero() {
		v["updatedAt"] = timestamp(it.UpdatedAt)
	}
	return v
}

// links are HAL links of paths behind /v1.
func (c *call) links(self string, more map[string]string) map[string]link {
	all := map[string]link{"self": {c.href(self)}}
	for name, path := range more {
		all[name] = link{c.href(path)}
	}
	return all
}

// members are those of a document's JSON.
func members(document any) map[string]any {
	v := map[string]any{}
	if document == nil {
		return v
	}
	b, err := json.Marshal(document)
	if err != nil {
		panic(err) // it was read from JSON
	}
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(b, &raw); err != nil {
		panic(err)
	}
	for name, value := range raw {
		v[name] = value
	}
	return v
}
