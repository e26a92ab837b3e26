package jose

import (
	"strings"
	"sync/atomic"
	"unicode/utf16"
	"unicode/utf8"
)

// One scanner reads every JSON text in this package. It is stricter than most:
// a member name repeated in any object, invalid UTF-8, a lone surrogate, text
// after the value, and too much nesting or too many members are refused, since
// each is a way to make two readers see two different things (RFC 8259 §4, §8,
// RFC 7519 §4, RFC 8725 §2.4). Names are compared after unescaping.

// member is one member of the outermost object.
type member struct {
	name  string
	text  string              // its value's JSON text
	value atomic.Pointer[any] // decoded on first use; see Claims.Value
}

// jsonScanner walks one JSON text once.
type jsonScanner struct {
	s       string
	i       int
	depth   int // levels that may still be opened
	members int // members and elements that may still follow
}

// scanObject checks that s is one JSON object within the limits and calls each
// with the outermost members in order.
func scanObject(s string, lim Limits, each func(name, text string) error) error {
	sc := jsonScanner{s: s, depth: lim.Depth, members: lim.Members}
	sc.space()
	if sc.i == len(s) || s[sc.i] != '{' {
		return malformed("not a JSON object")
	}
	if err := sc.object(each); err != nil {
		return err
	}
	sc.space()
	if sc.i != len(s) {
		return malformed("text after the JSON object")
	}
	return nil
}

func (sc *jsonScanner) space() {
	for sc.i < len(sc.s) {
		switch sc.s[sc.i] {
		case ' ', '\t', '\n', '\r':
			sc.i++
		default:
			return
		}
	}
}

// value skips one value of any kind.
func (sc *jsonScanner) value() error {
	if sc.i == len(sc.s) {
		return malformed("JSON ends early")
	}
	switch c := sc.s[sc.i]; {
	case c == '"':
		_, _, err := sc.str()
		return err
	case c == '{':
		return sc.object(nil)
	case c == '[':
		return sc.array()
	case c == '-' || '0' <= c && c <= '9':
		return sc.number()
	case c == 't':
		return sc.literal("true")
	case c == 'f':
		return sc.literal("false")
	case c == 'n':
		return sc.literal("null")
	}
	return malformed("not JSON")
}

func (sc *jsonScanner) literal(want string) error {
	if !strings.HasPrefix(sc.s[sc.i:], want) {
		return malformed("not JSON")
	}
	sc.i += len(want)
	return nil
}

// open enters an object or array; close leaves it.
func (sc *jsonScanner) open() error {
	if sc.depth == 0 {
		return malformed("JSON is nested too deeply")
	}
	sc.depth--
	sc.i++
	return nil
}

func (sc *jsonScanner) close() {
	sc.depth++
	sc.i++
}

func (sc *jsonScanner) count() error {
	if sc.members == 0 {
		return malformed("JSON has too many members")
	}
	sc.members--
	return nil
}

// object reads one object, its '{' being next. each may be nil.
func (sc *jsonScanner) object(each func(name, text string) error) error {
	if err := sc.open(); err != nil {
		return err
	}
	sc.space()
	if sc.i < len(sc.s) && sc.s[sc.i] == '}' {
		sc.close()
		return nil
	}
	var seen nameSet
	for {
		if err := sc.count(); err != nil {
			return err
		}
		if sc.i == len(sc.s) || sc.s[sc.i] != '"' {
			return malformed("a JSON member has no name")
		}
		raw, escaped, err := sc.str()
		if err != nil {
			return err
		}
		name := raw
		if escaped {
			name = unescape(raw)
		}
		if !seen.add(name) {
			return malformed("a JSON member is repeated")
		}
		sc.space()
		if sc.i == len(sc.s) || sc.s[sc.i] != ':' {
			return malformed("a JSON member has no value")
		}
		sc.i++
		sc.space()
		start := sc.i
		if err := sc.value(); err != nil {
			return err
		}
		if each != nil {
			if err := each(name, sc.s[start:sc.i]); err != nil {
				return err
			}
		}
		more, err := sc.next('}')
		if err != nil {
			return err
		}
		if !more {
			return nil
		}
	}
}

func (sc *jsonScanner) array() error { return sc.elements(nil) }

// elements reads one array, its '[' being next. each may be nil.
func (sc *jsonScanner) elements(each func(text string) error) error {
	if err := sc.open(); err != nil {
		return err
	}
	sc.space()
	if sc.i < len(sc.s) && sc.s[sc.i] == ']' {
		sc.close()
		return nil
	}
	for {
		if err := sc.count(); err != nil {
			return err
		}
		start := sc.i
		if err := sc.value(); err != nil {
			return err
		}
		if each != nil {
			if err := each(sc.s[start:sc.i]); err != nil {
				return err
			}
		}
		more, err := sc.next(']')
		if err != nil {
			return err
		}
		if !more {
			return nil
		}
	}
}

// next reads a comma and the space around it, or the closing bracket.
func (sc *jsonScanner) next(end byte) (more bool, err error) {
	sc.space()
	if sc.i == len(sc.s) {
		return false, malformed("JSON ends early")
	}
	switch sc.s[sc.i] {
	case ',':
		sc.i++
		sc.space()
		return true, nil
	case end:
		sc.close()
		return false, nil
	}
	return false, malformed("not JSON")
}

// number skips a number in JSON's grammar (RFC 8259 §6).
func (sc *jsonScanner) number() error {
	if sc.s[sc.i] == '-' {
		sc.i++
	}
	switch {
	case sc.i < len(sc.s) && sc.s[sc.i] == '0':
		sc.i++
	case !sc.digits():
		return malformed("not a JSON number")
	}
	if sc.i < len(sc.s) && sc.s[sc.i] == '.' {
		sc.i++
		if !sc.digits() {
			return malformed("not a JSON number")
		}
	}
	if sc.i < len(sc.s) && (sc.s[sc.i] == 'e' || sc.s[sc.i] == 'E') {
		sc.i++
		if sc.i < len(sc.s) && (sc.s[sc.i] == '+' || sc.s[sc.i] == '-') {
			sc.i++
		}
		if !sc.digits() {
			return malformed("not a JSON number")
		}
	}
	return nil
}

func (sc *jsonScanner) digits() bool {
	start := sc.i
	for sc.i < len(sc.s) && '0' <= sc.s[sc.i] && sc.s[sc.i] <= '9' {
		sc.i++
	}
	return sc.i > start
}

// str reads a string, its opening quote being next, and returns what is between
// the quotes, valid but still escaped.
func (sc *jsonScanner) str() (raw string, escaped bool, err error) {
	s, i := sc.s, sc.i+1
	start := i
	for i < len(s) {
		switch c := s[i]; {
		case c == '"':
			sc.i = i + 1
			return s[start:i], escaped, nil
		case c == '\\':
			n := escapeLen(s[i:])
			if n == 0 {
				return "", false, malformed("a JSON string has a bad escape")
			}
			escaped = true
			i += n
		case c < 0x20:
			return "", false, malformed("a JSON string has a control character")
		case c < utf8.RuneSelf:
			i++
		default:
			_, n := utf8.DecodeRuneInString(s[i:])
			if n == 1 {
				return "", false, malformed("JSON is not UTF-8")
			}
			i += n
		}
	}
	return "", false, malformed("JSON ends early")
}

// escapeLen is the length of the escape at the front of s, a surrogate pair
// counting as one; 0 where it is not a good one.
func escapeLen(s string) int {
	if len(s) < 2 {
		return 0
	}
	switch s[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		r, ok := hex4(s)
		if !ok {
			return 0
		}
		if !utf16.IsSurrogate(r) {
			return 6
		}
		low, ok := hex4(s[6:])
		if !ok || utf16.DecodeRune(r, low) == utf8.RuneError {
			return 0
		}
		return 12
	}
	return 0
}

// hex4 reads \uXXXX.
func hex4(s string) (rune, bool) {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range []byte(s[2:6]) {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// unescape decodes the inside of a string that str accepted.
func unescape(raw string) string {
	var b strings.Builder
	b.Grow(len(raw))
	for {
		i := strings.IndexByte(raw, '\\')
		if i < 0 {
			b.WriteString(raw)
			return b.String()
		}
		b.WriteString(raw[:i])
		raw = raw[i:]
		n := escapeLen(raw)
		switch raw[1] {
		case 'b':
			b.WriteByte('\b')
		case 'f':
			b.WriteByte('\f')
		case 'n':
			b.WriteByte('\n')
		case 'r':
			b.WriteByte('\r')
		case 't':
			b.WriteByte('\t')
		case 'u':
			r, _ := hex4(raw)
			if n == 12 {
				low, _ := hex4(raw[6:])
				r = utf16.DecodeRune(r, low)
			}
			b.WriteRune(r)
		default:
			b.WriteByte(raw[1])
		}
		raw = raw[n:]
	}
}

// textString decodes a scanned value that is a string; ok is false for any
// other kind.
func textString(text string) (s string, ok bool) {
	if text[0] != '"' {
		return "", false
	}
	s = text[1 : len(text)-1]
	if strings.IndexByte(s, '\\') >= 0 {
		s = unescape(s)
	}
	return s, true
}

// nameSet finds a repeated name: by looking, while they are few, which is the
// rule; by a map when somebody sends many.
type nameSet struct {
	few  [24]string
	n    int
	many map[string]struct{}
}

// add reports false when name is already there.
func (ns *nameSet) add(name string) bool {
	if ns.many == nil {
		for _, have := range ns.few[:ns.n] {
			if have == name {
				return false
			}
		}
		if ns.n < len(ns.few) {
			ns.few[ns.n] = name
			ns.n++
			return true
		}
		ns.many = make(map[string]struct{}, 2*len(ns.few))
		for _, have := range ns.few {
			ns.many[have] = struct{}{}
		}
	}
	if _, have := ns.many[name]; have {
		return false
	}
	ns.many[name] = struct{}{}
	return true
}
