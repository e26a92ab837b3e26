package dpop

import "strings"

// sameURL compares htu, as a proof has it, with the URL of a request: without query and fragment, after normalisation of
// syntax and scheme (RFC 9449 §4.3, RFC 3986 §6.2.2, §6.2.3).
func sameURL(htu, request string) bool {
	if htu == request && htu != "" {
		return true
	}
	a, ok := normalURL(htu)
	if !ok {
		return false
	}
	b, ok := normalURL(request)
	return ok && a == b
}

// normalURL writes an absolute http or https URL in its one form. What has user information, or is no such URL, has none.
func normalURL(s string) (string, bool) {
	if i := strings.IndexAny(s, "?#"); i >= 0 {
		s = s[:i]
	}
	scheme, rest, ok := strings.Cut(s, "://")
	scheme = strings.ToLower(scheme)
	if !ok || scheme != "http" && scheme != "https" {
		return "", false
	}
	authority, path := rest, "/"
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		authority, path = rest[:i], rest[i:]
	}
	authority, ok = normalAuthority(scheme, authority)
	if !ok {
		return "", false
	}
	if path, ok = normalEscapes(path); !ok {
		return "", false
	}
	return scheme + "://" + authority + withoutDots(path), true
}

// normalAuthority lowers the host and leaves out the port of the scheme.
func normalAuthority(scheme, authority string) (string, bool) {
	host, port := authority, ""
	if i := strings.LastIndexByte(authority, ':'); i > strings.LastIndexByte(authority, ']') {
		host, port = authority[:i], authority[i+1:]
	}
	if host == "" || strings.ContainsAny(host, "@%\\ ") || strings.Trim(port, "0123456789") != "" {
		return "", false
	}
	host = strings.ToLower(host)
	if port == "" || scheme == "http" && port == "80" || scheme == "https" && port == "443" {
		return host, true
	}
	return host + ":" + port, true
}

// normalEscapes decodes what needs no escape and writes the others in upper case (RFC 3986 §6.2.2.1, §6.2.2.2).
func normalEscapes(path string) (string, bool) {
	plain := true
	for i := range len(path) {
		c := path[i]
		if c <= ' ' || c >= 0x7f || c == '\\' {
			return "", false
		}
		plain = plain && c != '%'
	}
	if plain {
		return path, true
	}
	const digits = "0123456789ABCDEF"
	b := make([]byte, 0, len(path))
	for i := 0; i < len(path); i++ {
		if path[i] != '%' {
			b = append(b, path[i])
			continue
		}
		if i+2 >= len(path) {
			return "", false
		}
		high, low := strings.IndexByte(digits, upper(path[i+1])), strings.IndexByte(digits, upper(path[i+2]))
		if high < 0 || low < 0 {
			return "", false
		}
		if c := byte(high<<4 | low); unreserved(c) {
			b = append(b, c)
		} else {
			b = append(b, '%', digits[high], digits[low])
		}
		i += 2
	}
	return string(b), true
}

func upper(c byte) byte {
	if 'a' <= c && c <= 'f' {
		return c - 'a' + 'A'
	}
	return c
}

func unreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0
}

// withoutDots removes dot segments (RFC 3986 §5.2.4). path begins with a slash.
func withoutDots(path string) string {
	if !strings.Contains(path, "/.") {
		return path
	}
	var kept []string
	segments := strings.Split(path[1:], "/")
	for i, s := range segments {
		last := i == len(segments)-1
		switch s {
		case ".", "..":
			if s == ".." && len(kept) > 0 {
				kept = kept[:len(kept)-1]
			}
			if last {
				kept = append(kept, "")
			}
		default:
			kept = append(kept, s)
		}
	}
	return "/" + strings.Join(kept, "/")
}
