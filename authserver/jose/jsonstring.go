package jose

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

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
