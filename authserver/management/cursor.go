package management

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
)

// page is one page of a collection: limit and where to begin, from the query.
type page struct {
	limit int
	after string
}

// page reads limit and cursor; most is the most a page of this collection has,
// and what it has without limit. A larger limit is most.
func (c *call) page(most int) (page, error) {
	p := page{limit: most}
	query, err := c.queryValues()
	if err != nil {
		return p, err
	}
	if text := query.Get("limit"); text != "" {
		n, err := strconv.ParseUint(text, 10, 31)
		if err != nil || n < 1 {
			return p, invalidParameter("limit", "must be a whole number from 1 on")
		}
		p.limit = min(most, int(n))
	}
	if text := query.Get("cursor"); text != "" {
		after, ok := openCursor(text, c.binding(query))
		if !ok {
			return p, foreignCursor()
		}
		p.after = after
	}
	return p, nil
}

func invalidParameter(name, text string) error {
	return directory.Invalid(directory.Problemf(directory.InvalidParameter, name, "%s", text))
}

// queryValues reads the query, in which no parameter may occur twice.
func (c *call) queryValues() (url.Values, error) {
	query, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		return nil, badRequest("The query is malformed")
	}
	for name, values := range query {
		if len(values) > 1 {
			return nil, directory.Invalid(directory.Problemf(directory.InvalidParameter, printable(name), "occurs more than once"))
		}
		if !utf8.ValidString(values[0]) || strings.ContainsRune(values[0], 0) {
			return nil, directory.Invalid(directory.Problemf(directory.InvalidParameter, printable(name), "is not text"))
		}
	}
	return query, nil
}

// printable is the name of a parameter as far as it can be shown.
func printable(name string) string {
	if len(name) > 100 || !utf8.ValidString(name) {
		return "query"
	}
	return name
}

// binding is what a cursor belongs to: the path, and what the query selects.
func (c *call) binding(query url.Values) string {
	rest := url.Values{}
	for name, values := range query {
		if name != "cursor" && name != "limit" {
			rest[name] = values
		}
	}
	return c.r.URL.Path + "?" + rest.Encode()
}

// A cursor is base64url of a sum over what it belongs to and where the page
// begins, and then that place. The sum tells cursors of other collections and
// damaged ones; it is no secret, and need not be: a place is only ever looked for
// in the collection that the caller may read anyway. Where that is not so a place is encrypted: see hidePlace.
const sumSize = 12

// maxPlace bounds a place: keys of stores are shorter.
const maxPlace = 4096

func sealCursor(after, binding string) string {
	return base64.RawURLEncoding.EncodeToString(append(cursorSum(after, binding), after...))
}

func openCursor(text, binding string) (after string, ok bool) {
	if len(text) > 2*maxPlace {
		return "", false
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) <= sumSize || len(b) > sumSize+maxPlace {
		return "", false
	}
	after = string(b[sumSize:])
	// Stores are asked for text alone.
	if !utf8.ValidString(after) || strings.ContainsRune(after, 0) {
		return "", false
	}
	return after, bytes.Equal(b[:sumSize], cursorSum(after, binding))
}

func cursorSum(after, binding string) []byte {
	sum := sha256.Sum256([]byte("gatehouse cursor v1\x00" + strconv.Itoa(len(binding)) + "\x00" + binding + after))
	return sum[:sumSize]
}

func foreignCursor() error {
	return invalidParameter("cursor", "is not one of this collection and filter")
}
