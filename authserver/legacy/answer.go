package legacy

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
)

// The members that every resource of CREST has.
const (
	memberID  = "_id"
	memberRev = "_rev"
)

// crestHeaders are on every answer of CREST, errors included (section 4). Cache-Control is web.Handle's, and stricter than
// the recorded "private".
var crestHeaders = http.Header{
	"Content-Security-Policy": {"default-src 'none';frame-ancestors 'none';sandbox"},
	"Expires":                 {"0"},
}

// answer writes one CREST object (_id and _rev among its members as they are to be), with _fields and
// _prettyPrint applied, and version as Content-API-Version where it is not "".
func (c *call) answer(object map[string]any, version string) error {
	return c.write(c.selected(object), version)
}

// page is the answer to a query.
type page struct {
	result []map[string]any
	next   string // pagedResultsCookie; "" is null
	total  int    // -1: not counted
}

// answerQuery writes the envelope of a query, all six members (section 4). A total that was counted is
// told only to who asked for it.
func (c *call) answerQuery(p page, version string) error {
	body := struct {
		Result    []map[string]any `json:"result"`
		Count     int              `json:"resultCount"`
		Cookie    *string          `json:"pagedResultsCookie"`
		Policy    string           `json:"totalPagedResultsPolicy"`
		Total     int              `json:"totalPagedResults"`
		Remaining int              `json:"remainingPagedResults"`
	}{Result: make([]map[string]any, 0, len(p.result)), Count: len(p.result), Policy: "NONE", Total: -1, Remaining: -1}
	for _, object := range p.result {
		body.Result = append(body.Result, c.selected(object))
	}
	if p.next != "" {
		body.Cookie = &p.next
	}
	if p.total >= 0 && c.query.totals != "NONE" {
		body.Policy, body.Total = c.query.totals, p.total
	}
	return c.write(body, version)
}

// write encodes the body of a success and sends it.
func (c *call) write(body any, version string) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // nosniff, and no page of ours is made of it
	if c.query.pretty {
		enc.SetIndent("", "  ")
	}
	if err := enc.Encode(body); err != nil {
		return err
	}
	if version != "" {
		c.w.Header().Set("Content-API-Version", "resource="+version)
	}
	c.writeJSON(http.StatusOK, bytes.TrimSuffix(b.Bytes(), []byte("\n")))
	return nil
}

// selected is what _fields leaves of an object: the members that the pointers
// name, and always _id and _rev, where the object has them.
func (c *call) selected(object map[string]any) map[string]any {
	if len(c.query.fields) == 0 {
		return object
	}
	out := map[string]any{}
	for _, name := range []string{memberID, memberRev} {
		if v, ok := object[name]; ok {
			out[name] = v
		}
	}
	for _, field := range c.query.fields {
		pick(out, object, strings.Split(strings.TrimPrefix(field, "/"), "/"))
	}
	return out
}

// pick copies what a pointer (RFC 6901) leads to, with the objects on the way.
func pick(to, from map[string]any, path []string) {
	name := strings.ReplaceAll(strings.ReplaceAll(path[0], "~1", "/"), "~0", "~")
	v, ok := from[name]
	if !ok {
		return
	}
	if len(path) == 1 {
		to[name] = v
		return
	}
	inner, ok := v.(map[string]any)
	if !ok {
		return
	}
	into, ok := to[name].(map[string]any)
	if ok && reflect.ValueOf(into).Pointer() == reflect.ValueOf(inner).Pointer() {
		return // it is there as a whole
	}
	if !ok {
		into = map[string]any{}
		to[name] = into
	}
	pick(into, inner, path[1:])
}

// rev is a content hash for the _rev of an object that has none yet: decimal, perhaps negative, stable.
func rev(object map[string]any) string {
	sum := sha256.Sum256(mustMarshal(object)) // names in order
	return decimal(int64(int32(binary.BigEndian.Uint32(sum[:4]))))
}
