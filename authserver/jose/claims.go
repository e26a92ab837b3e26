package jose

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Claims is a JWT claims set (RFC 7519 §4), read once. It is immutable and safe
// for concurrent use.
type Claims struct {
	Issuer    string    // "" when absent
	Subject   string    // "" when absent
	Audience  []string  // nil when absent or empty; a single string becomes one element
	ID        string    // jti
	ClientID  string    // client_id (RFC 8693 §4.3)
	Scope     []string  // members of the scope string (RFC 6749 §3.3); nil when absent or not a string
	Expiry    time.Time // zero when absent
	NotBefore time.Time // zero when absent
	IssuedAt  time.Time // zero when absent

	// What the usual Audience and Scope are slices of: a part of the claims set, not
	// an object more for each.
	audience [1]string
	scope    [4]string

	text    string         // the JSON text
	members []member       // in the order sent
	index   map[string]int // by name; nil while members are few
	decoded atomic.Pointer[[]decodedMember]
}

// member is one member of a claims set: where its name and its value are in the
// text. It holds no pointer, since a cache may keep many claims sets and the
// garbage collector would follow every one.
type member struct {
	name, nameEnd   uint32 // between the quotes
	value, valueEnd uint32
	escaped         bool // the name
}

// decodedMember is a value that somebody has asked for; see Claims.Value.
type decodedMember struct {
	member int
	value  any
}

// Claims parses the payload as a JWT claims set, strictly: one JSON object,
// no repeated member at any level, bounded depth, registered claims of the
// registered types. Until Verify succeeded they are only a claim: use them to
// select the issuer, nothing else.
func (j *JWS) Claims() (*Claims, error) { return parseClaims(string(j.payload), j.lim) }

// ParseClaims reads a claims set from JSON under the same rules as JWS.Claims;
// introspection answers are read with it too. Errors are *Error.
func ParseClaims(b []byte, lim Limits) (*Claims, error) {
	lim = lim.withDefaults()
	if len(b) > lim.Size {
		return nil, refuse(ProblemOversized, "the claims are too long")
	}
	return parseClaims(string(b), lim)
}

// fewMembers is up to where looking at each name is quicker than a map.
const fewMembers = 32

func parseClaims(s string, lim Limits) (*Claims, error) {
	c := &Claims{text: s, members: make([]member, 0, 16)}
	err := scanMembers(s, lim, func(name string, at member) error {
		c.members = append(c.members, at)
		return c.registered(name, s[at.value:at.valueEnd])
	})
	if err != nil {
		return nil, err
	}
	if len(c.members) > fewMembers {
		c.index = make(map[string]int, len(c.members))
		for i := range c.members {
			c.index[c.name(i)] = i
		}
	}
	return c, nil
}

// name is the name of member i.
func (c *Claims) name(i int) string {
	m := &c.members[i]
	name := c.text[m.name:m.nameEnd]
	if m.escaped {
		name = unescape(name)
	}
	return name
}

// value is the JSON text of member i's value.
func (c *Claims) value(i int) string { return c.text[c.members[i].value:c.members[i].valueEnd] }

// registered reads one member if it is one of the claims with a field.
func (c *Claims) registered(name, text string) error {
	ok := true
	switch name {
	case "iss":
		c.Issuer, ok = textString(text)
	case "sub":
		c.Subject, ok = textString(text)
	case "jti":
		c.ID, ok = textString(text)
	case "client_id":
		c.ClientID, ok = textString(text)
	case "aud":
		c.Audience, ok = audience(text, c.audience[:0:1])
	case "exp":
		c.Expiry, ok = numericDate(text)
	case "nbf":
		c.NotBefore, ok = numericDate(text)
	case "iat":
		c.IssuedAt, ok = numericDate(text)
	case "scope":
		// A scope that is not a string grants nothing. The token is not refused
		// for it: whether any scope is needed is the policy's question.
		if scope, ok := textString(text); ok {
			c.Scope = slices.Clip(scopeMembers(scope, c.scope[:0]))
		}
	}
	if !ok {
		return malformed(name + " is not of its registered type")
	}
	return nil
}

// audience reads aud: a string or an array of them (RFC 7519 §4.1.3). An empty
// string names nobody and is refused. The result is appended to list.
func audience(text string, list []string) ([]string, bool) {
	if s, ok := textString(text); ok {
		return append(list, s), s != ""
	}
	if text[0] != '[' {
		return nil, false
	}
	good := true
	_ = rescan(text).elements(func(text string) error { // cannot fail: it was scanned before
		s, ok := textString(text)
		good = good && ok && s != ""
		list = append(list, s)
		return nil
	})
	if len(list) == 0 {
		return nil, good
	}
	return list, good
}

// maxTime is where four-digit years end: 10000-01-01T00:00:00Z.
const maxTime = 253402300800

// numericDate reads a NumericDate (RFC 7519 §2): a JSON number of seconds, a
// fraction allowed, after the epoch and before the year 10000. Anything else
// is refused rather than clipped, so that no sum of it can overflow.
func numericDate(text string) (time.Time, bool) {
	if c := text[0]; c != '-' && (c < '0' || c > '9') {
		return time.Time{}, false
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return time.Unix(n, 0).UTC(), 0 < n && n < maxTime
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || !(0 < f && f < maxTime) {
		return time.Time{}, false
	}
	sec, frac := math.Modf(f)
	return time.Unix(int64(sec), int64(frac*1e9)).UTC(), true
}

// scopeMembers splits at single spaces and nothing else (RFC 6749 §3.3): a tab
// or a comma is part of a member, which then equals no scope. The result is
// appended to list, unless there is nothing in it.
func scopeMembers(s string, list []string) []string {
	if s == "" {
		return nil
	}
	list = slices.Grow(list, 1+strings.Count(s, " "))
	for m := range strings.SplitSeq(s, " ") {
		if m != "" {
			list = append(list, m)
		}
	}
	return list
}

// find gives the member of exactly this name.
func (c *Claims) find(name string) (i int, ok bool) {
	if c.index != nil {
		i, ok = c.index[name]
		return i, ok
	}
	for i := range c.members {
		if c.name(i) == name {
			return i, true
		}
	}
	return 0, false
}

// Has reports whether the member is present, null included.
func (c *Claims) Has(name string) bool {
	_, ok := c.find(name)
	return ok
}

// Raw gives the JSON text of one member, by its exact name, as sent. The slice
// is the caller's.
func (c *Claims) Raw(name string) (json.RawMessage, bool) {
	i, ok := c.find(name)
	if !ok {
		return nil, false
	}
	return json.RawMessage(c.value(i)), true
}

// Text gives one member that is a string. ok is false for any other kind, and
// for an absent one. It allocates nothing unless the string has escapes.
func (c *Claims) Text(name string) (text string, ok bool) {
	i, ok := c.find(name)
	if !ok {
		return "", false
	}
	return textString(c.value(i))
}

// Value gives one member decoded (string, json.Number, bool, []any, map[string]any, nil).
// The result is shared: callers must not change it. It is decoded on first use.
func (c *Claims) Value(name string) (any, bool) {
	i, ok := c.find(name)
	if !ok {
		return nil, false
	}
	for {
		known := c.decoded.Load()
		var list []decodedMember
		if known != nil {
			list = *known
		}
		for _, d := range list {
			if d.member == i {
				return d.value, true
			}
		}
		// Two that come first both decode; one result is kept.
		longer := append(slices.Clip(list), decodedMember{i, decodeValue(c.value(i))})
		if c.decoded.CompareAndSwap(known, &longer) {
			return longer[len(list)].value, true
		}
	}
}

// Names lists the members in the order sent.
func (c *Claims) Names() []string {
	names := make([]string, len(c.members))
	for i := range c.members {
		names[i] = c.name(i)
	}
	return names
}

// Size estimates the memory that c keeps alive, in bytes, for the cost bound
// of a cache. Values decoded later are counted in advance.
func (c *Claims) Size() int {
	const perClaims, perMember, perString = 400, 20, 16
	n := perClaims + 2*len(c.text) + perMember*cap(c.members) + perString*(cap(c.Audience)+cap(c.Scope))
	if c.index != nil {
		n += 48 * len(c.members)
	}
	return n
}
