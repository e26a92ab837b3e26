package management

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/web"
)

const (
	typeJSON = "application/json"
	// maxBody is the largest JSON body in bytes; maxDepth how deep it may be nested.
	maxBody  = 1 << 20
	maxDepth = 32
)

// contentType is the vendor type among the request's Content-Type lines, or the
// plain one, in lower case but for vendor types, which are as they were sent; ""
// where there is none that can be read. PingOne's own client sends two lines.
func (c *call) contentType() string {
	found := ""
	for _, line := range c.r.Header.Values("Content-Type") {
		for one := range strings.SplitSeq(line, ",") { // as a proxy joins lines (RFC 9110 §5.3)
			kind, _, err := mime.ParseMediaType(one)
			if err != nil {
				return ""
			}
			if found == "" || strings.HasPrefix(kind, "application/vnd.") {
				found = kind
			}
		}
	}
	return found
}

// checkMediaType refuses a body of a type that the route does not take (RFC 9110 §15.5.16).
func (c *call) checkMediaType(rt *route) error {
	if rt.request == nil {
		return nil
	}
	if c.r.Header.Get("Content-Encoding") != "" {
		return unsupportedMediaType() // nothing here decompresses
	}
	kind := c.contentType()
	if kind == "" && len(c.r.Header.Values("Content-Type")) == 0 && c.r.ContentLength == 0 {
		kind = typeJSON // nothing, of no type
	}
	for name := range rt.request {
		if strings.EqualFold(name, kind) {
			return nil
		}
	}
	return unsupportedMediaType()
}

// read reads the JSON body into v: one object, at most 1 MiB, no duplicate
// members; an empty body is {}. Unknown members are ignored. A value of the wrong
// type is INVALID_VALUE on its member.
func (c *call) read(v any) error {
	body, err := readAll(c.r.Body)
	if err != nil {
		return err
	}
	return decode(body, v)
}

func readAll(r io.Reader) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r, maxBody+1))
	switch {
	case len(body) > maxBody:
		return nil, tooLarge()
	case err != nil:
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			return nil, tooLarge()
		}
		return nil, badRequest("The body could not be read")
	}
	return body, nil
}

func decode(body []byte, v any) error {
	if body = bytes.TrimSpace(body); len(body) == 0 {
		body = []byte("{}")
	}
	switch err := web.OneObject(body, maxDepth); {
	case errors.Is(err, web.ErrNoObject):
		return malformed()
	case err != nil:
		return badRequest("The body %v", err)
	}
	err := json.Unmarshal(body, v)
	if err == nil {
		return nil
	}
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && wrong.Field != "" {
		return directory.Invalid(directory.Problemf(directory.InvalidValue, memberPath(wrong.Field), "must not be a %s", kindOf(wrong.Value)))
	}
	return malformed()
}

// memberPath is a decoder's path without the embedded structs in it, whose names
// begin like no member's.
func memberPath(path string) string {
	names := slices.DeleteFunc(strings.Split(path, "."), func(name string) bool { return name != "" && unicode.IsUpper(rune(name[0])) })
	return strings.Join(names, ".")
}

// kindOf is what a decoder calls a value, without the value itself ("number 5").
func kindOf(value string) string {
	kind, _, _ := strings.Cut(value, " ")
	return kind
}

// malformed says nothing of the body: a decoder's own words may quote it.
func malformed() error { return badRequest("The body is not the JSON object that is expected") }

// precondition reads If-Match (RFC 9110 §13.1.1): nothing or "*" for any version,
// or one entity tag as item shows it. A tag that no version has matches none.
func (c *call) precondition() (directory.Precondition, error) {
	value, err := oneHeader(c.r, "If-Match")
	if err != nil || value == "" || value == "*" {
		return directory.Precondition{}, err
	}
	if strings.Contains(value, ",") {
		return directory.Precondition{}, directory.Invalid(directory.Problemf(directory.InvalidParameter, "If-Match", "must be one entity tag"))
	}
	text, opened := strings.CutPrefix(value, `"`)
	text, closed := strings.CutSuffix(text, `"`)
	version, err := strconv.ParseInt(text, 10, 64)
	if !opened || !closed || err != nil || version < 1 || strconv.FormatInt(version, 10) != text {
		return directory.Precondition{}, directory.PreconditionFailed()
	}
	return directory.Precondition{Version: version}, nil
}

// reply writes status and v as JSON.
func (c *call) reply(status int, v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // addresses have ampersands; nobody takes this for a page
	if err := enc.Encode(v); err != nil {
		return err
	}
	web.WriteJSON(c.w, status, bytes.TrimSuffix(b.Bytes(), []byte("\n")))
	return nil
}

// noContent writes 204.
func (c *call) noContent() error {
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}
