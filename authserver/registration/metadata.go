package registration

import (
	"encoding/json"
	"net/http"
	"strconv"
	"unicode"
	"unicode/utf8"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
)

const (
	// MaxMetadata is the largest metadata document, in bytes.
	MaxMetadata = 64 << 10
	maxDepth    = 8 // jwks → keys → key → x5c is four
	maxMembers  = 1000

	maxList = 50   // elements of one array
	maxText = 2048 // bytes of one string
	maxName = 256  // of client_name
)

// metadata reads the members of a client's document. The first thing that is
// wrong is kept in err, and nothing is read any more.
type metadata struct {
	doc  *jose.Claims
	echo map[string]any // what is registered, as it is read back
	err  error
}

// read parses a document strictly: one JSON object, no member twice at any level,
// bounded in every way.
func read(text []byte) (*metadata, error) {
	if len(text) > MaxMetadata {
		e := invalid("The metadata is too large")
		e.Status = http.StatusRequestEntityTooLarge
		return nil, e
	}
	doc, err := jose.ParseClaims(text, jose.Limits{Size: MaxMetadata, Depth: maxDepth, Members: maxMembers})
	if err != nil {
		return nil, invalid("The metadata is not a JSON object that can be read").WithCause(err)
	}
	return &metadata{doc: doc, echo: map[string]any{}}, nil
}

// invalid is invalid_client_metadata (RFC 7591 §3.2.2).
func invalid(format string, args ...any) *oauth.Error {
	e := oauth.InvalidRequest(format, args...)
	e.Code = oauth.CodeInvalidClientMetadata
	return e
}

// invalidRedirect is invalid_redirect_uri.
func invalidRedirect(format string, args ...any) *oauth.Error {
	e := oauth.InvalidRequest(format, args...)
	e.Code = oauth.CodeInvalidRedirectURI
	return e
}

func (m *metadata) fail(err *oauth.Error) {
	if m.err == nil {
		m.err = err
	}
}

// value gives a member. null is as good as none (RFC 7592 §2.2).
func (m *metadata) value(name string) (any, bool) {
	if m.err != nil {
		return nil, false
	}
	v, ok := m.doc.Value(name)
	return v, ok && v != nil
}

// text reads a string, "" where there is none.
func (m *metadata) text(name string) string {
	v, ok := m.value(name)
	if !ok {
		return ""
	}
	s, ok := v.(string)
	if !ok || len(s) > maxText || !shown(s) {
		m.fail(invalid("%s is not a string of printable characters, or too long", name))
		return ""
	}
	return s
}

// shown reports whether s is nothing but characters that a page can show as what
// they are: no controls, and none that turn the direction of what follows.
func shown(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	for _, c := range s {
		if unicode.IsControl(c) || unicode.Is(unicode.Bidi_Control, c) {
			return false
		}
	}
	return true
}

// oneOf reads a string that has to be one of some; the first is the default.
func (m *metadata) oneOf(name string, values ...string) string {
	s := m.text(name)
	if s == "" {
		return values[0]
	}
	for _, v := range values {
		if v == s {
			return s
		}
	}
	m.fail(invalid("%s has a value that is not supported", name))
	return ""
}

// texts reads an array of strings. given is false where there is none.
func (m *metadata) texts(name string) (list []string, given bool) {
	v, ok := m.value(name)
	if !ok {
		return nil, false
	}
	array, ok := v.([]any)
	if !ok || len(array) > maxList {
		m.fail(invalid("%s is not an array, or has too many elements", name))
		return nil, false
	}
	for _, e := range array {
		s, ok := e.(string)
		if !ok || s == "" || len(s) > maxText || !shown(s) {
			m.fail(invalid("%s has an element that is not a string of printable characters, or too long", name))
			return nil, false
		}
		list = append(list, s)
	}
	return list, true
}

// flag reads a boolean.
func (m *metadata) flag(name string) (value, given bool) {
	v, ok := m.value(name)
	if !ok {
		return false, false
	}
	value, ok = v.(bool)
	if !ok {
		m.fail(invalid("%s is not a boolean", name))
		return false, false
	}
	return value, true
}

// seconds reads a number of seconds from 1 to maxSeconds; 0 where there is none.
func (m *metadata) seconds(name string) int64 {
	v, ok := m.value(name)
	if !ok {
		return 0
	}
	const maxSeconds = 1 << 31
	number, _ := v.(json.Number)
	n, err := strconv.ParseInt(number.String(), 10, 64)
	if err != nil || n < 1 || n > maxSeconds {
		m.fail(invalid("%s is not a whole number of seconds above zero", name))
		return 0
	}
	return n
}

// keep has a member echoed, unless it is empty.
func (m *metadata) keep(name string, value any) {
	switch v := value.(type) {
	case string:
		if v == "" {
			return
		}
	case []string:
		if len(v) == 0 {
			return
		}
	}
	m.echo[name] = value
}
