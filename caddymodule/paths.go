package caddymodule

import (
	"fmt"
	"net/url"
	"strings"
	"unicode/utf8"
)

// The values of BearerAuth.Paths.
const (
	pathsStrict = "strict"
	pathsAny    = "any"
)

// provisionPaths decides whether ambiguous paths are refused: where what is required depends on the path, and wherever it was asked for.
func (b *BearerAuth) provisionPaths() error {
	b.judged = len(b.rules) > 0 || len(b.Allow) > 0
	depends := b.judged || b.MCP != nil
	switch b.Paths {
	case "":
		b.strictPaths = depends
	case pathsStrict:
		b.strictPaths = true
	case pathsAny:
		if depends {
			b.log.Warn("ambiguous paths are let through: what rules and conditions see may be another path than the upstream makes of it (paths any)")
		}
	default:
		return fmt.Errorf("paths: '%s' is neither %s nor %s", b.Paths, pathsStrict, pathsAny)
	}
	return nil
}

// ambiguous reports whether an upstream may take u's path for another one than it says here. A plain path begins with a slash, has no empty, "." or
// ".." segment, no backslash, no parameters (RFC 3986 §3.3), no control characters, is UTF-8, and has nothing percent-encoded that may stand as it
// is, that separates, that ends a path (? and #), or that would be encoded once more.
func ambiguous(u *url.URL) bool {
	path := u.Path
	if path == "" || path[0] != '/' {
		return true
	}
	ascii := true
	for i := 0; i < len(path); i++ {
		switch c := path[i]; {
		case c < ' ', c == 0x7f, c == '\\', c == ';', c == '?', c == '#':
			return true
		case c == '%':
			if i+2 < len(path) && isHex(path[i+1]) && isHex(path[i+2]) || wideEscape(path[i+1:]) {
				return true
			}
		case c == '/':
			if strayDots(path[i+1:]) {
				return true
			}
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	if !ascii && !utf8.ValidString(path) {
		return true
	}
	return u.RawPath != "" && encodedOddly(u.RawPath)
}

// wideEscape reports whether rest, which follows a percent sign, makes an escape of it as IIS and JavaScript's unescape know it: %u002e.
func wideEscape(rest string) bool {
	return len(rest) >= 5 && rest[0]|0x20 == 'u' && isHex(rest[1]) && isHex(rest[2]) && isHex(rest[3]) && isHex(rest[4])
}

// strayDots reports whether rest, which follows a slash, begins with an empty segment that is not the end of the path, or one of dots.
func strayDots(rest string) bool {
	if rest == "" || rest[0] != '/' && rest[0] != '.' {
		return false
	}
	segment, _, _ := strings.Cut(rest, "/")
	return segment == "" || segment == "." || segment == ".."
}

// encodedOddly reports whether a path as it is sent has something percent-encoded that may stand as it is, or that separates.
func encodedOddly(raw string) bool {
	for i := 0; i+2 < len(raw); i++ {
		if raw[i] != '%' || !isHex(raw[i+1]) || !isHex(raw[i+2]) {
			continue
		}
		switch c := unhex(raw[i+1])<<4 | unhex(raw[i+2]); {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-._~/\\", c) >= 0:
			return true
		}
	}
	return false
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c&^0x20 - 'A' + 10
}
