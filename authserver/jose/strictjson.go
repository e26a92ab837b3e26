package jose

import "strings"

// One scanner reads every JSON text in this package. It is stricter than most:
// a member name repeated in any object, invalid UTF-8, a lone surrogate, text
// after the value, and too much nesting or too many members are refused, since
// each is a way to make two readers see two different things (RFC 8259 §4, §8,
// RFC 7519 §4, RFC 8725 §2.4). Names are compared after unescaping.

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
	return scanMembers(s, lim, func(name string, at member) error { return each(name, s[at.value:at.valueEnd]) })
}

// scanMembers is scanObject for who wants to know where the members are.
func scanMembers(s string, lim Limits, each func(name string, at member) error) error {
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
func (sc *jsonScanner) object(each func(name string, at member) error) error {
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
		at := member{name: uint32(sc.i + 1)}
		raw, escaped, err := sc.str()
		if err != nil {
			return err
		}
		at.nameEnd, at.escaped = uint32(sc.i-1), escaped
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
		at.value = uint32(sc.i)
		if err := sc.value(); err != nil {
			return err
		}
		at.valueEnd = uint32(sc.i)
		if each != nil {
			if err := each(name, at); err != nil {
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
