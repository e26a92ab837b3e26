package oauth

import (
	"errors"
	"net/netip"
	"net/url"
	"strings"
)

// MaxRedirectURI is the longest redirect URI, in bytes.
const MaxRedirectURI = 2048

// CheckRedirectURI reports why no redirect may ever go to uri (RFC 6749 §3.1.2,
// RFC 8252 §7), or nil: it is absolute, printable ASCII, without a fragment and
// user information, and either https, http on a loopback host, or a scheme that
// a native application may have. The error is for people and repeats nothing.
func CheckRedirectURI(uri string) error {
	if uri == "" || len(uri) > MaxRedirectURI {
		return errors.New("it is empty or too long")
	}
	for i := 0; i < len(uri); i++ {
		// A browser drops tabs and line ends, and takes a backslash for a slash.
		if c := uri[i]; c <= ' ' || c > '~' || strings.IndexByte(`\"<>^{|}`+"`", c) >= 0 {
			return errors.New("it has characters that are not those of a URI")
		}
	}
	u, err := url.Parse(uri)
	switch {
	case err != nil || u.Scheme == "":
		return errors.New("it is not an absolute URI")
	case strings.Contains(uri, "#"):
		return errors.New("it has a fragment")
	case u.User != nil:
		return errors.New("it has user information")
	case !strings.HasPrefix(uri, u.Scheme+":"):
		// net/url has folded it. Comparing goes byte for byte, so there is one spelling.
		return errors.New("its scheme is not in lower case")
	}
	switch u.Scheme {
	case "https":
		if u.Hostname() == "" {
			return errors.New("it has no host")
		}
	case "http":
		if _, _, ok := loopback(uri); !ok && !loopbackIP(u.Hostname()) {
			return errors.New("http is for loopback hosts only")
		}
	case "javascript", "vbscript", "data", "file", "blob", "about", "filesystem", "view-source", "ws", "wss", "ftp":
		return errors.New("its scheme is not one to redirect to")
	}
	return nil
}

func loopbackIP(host string) bool {
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// RedirectRules is how freely redirect URIs are compared. The zero value is the
// strictest: only the port of a loopback address may differ.
type RedirectRules struct {
	// Wildcard lets one "*" of the registered URI, behind the authority, stand for
	// one or more letters, digits, "-", "_" or "~".
	Wildcard bool
	// Localhost lets the port differ for the name localhost too. A name is what
	// the resolver makes of it (RFC 8252 §8.3).
	Localhost bool
}

// MatchRedirectURI reports whether an authorization request may name uri where
// registered is registered: they are equal byte for byte, or differ in nothing
// but what the rules allow (RFC 6749 §3.1.2.3, RFC 8252 §7.3, RFC 9700 §4.1.3).
func MatchRedirectURI(registered, uri string, rules RedirectRules) bool {
	if CheckRedirectURI(uri) != nil {
		return false
	}
	pattern := rules.Wildcard && strings.Contains(registered, "*")
	switch {
	case pattern:
		return matchWildcard(registered, uri)
	case registered == uri:
		return true
	}
	base, tail, ok := loopback(registered)
	if !ok || !rules.Localhost && strings.HasSuffix(base, "localhost") {
		return false
	}
	base2, tail2, ok := loopback(uri)
	return ok && base == base2 && tail == tail2
}

// loopback takes a URI of a loopback host apart: scheme and host, and what comes
// behind the port. It goes by the text, not by what the text means, so that
// nothing that merely resembles a loopback host is one.
func loopback(uri string) (base, tail string, ok bool) {
	for _, host := range []string{"http://127.0.0.1", "http://[::1]", "http://localhost", "https://127.0.0.1", "https://[::1]", "https://localhost"} {
		rest, found := strings.CutPrefix(uri, host)
		if !found {
			continue
		}
		if port, found := strings.CutPrefix(rest, ":"); found {
			n := 0
			for n < len(port) && '0' <= port[n] && port[n] <= '9' {
				n++
			}
			if !validPort(port[:n]) {
				return "", "", false
			}
			rest = port[n:]
		}
		if rest != "" && rest[0] != '/' && rest[0] != '?' {
			return "", "", false
		}
		return host, rest, true
	}
	return "", "", false
}

// validPort reports whether s is a port from 1 to 65535 in its one spelling.
func validPort(s string) bool {
	if s == "" || len(s) > 5 || s[0] == '0' {
		return false
	}
	return len(s) < 5 || s <= "65535"
}

// matchWildcard compares with a pattern. The "*" stands for a part of one path
// segment or of one query value; the characters it may stand for cannot end
// either, nor build a dot segment, an escape or a parameter of their own.
func matchWildcard(pattern, uri string) bool {
	before, after, _ := strings.Cut(pattern, "*")
	if strings.Contains(after, "*") || !behindAuthority(before) {
		return false
	}
	if len(uri) <= len(before)+len(after) || !strings.HasPrefix(uri, before) || !strings.HasSuffix(uri, after) {
		return false
	}
	for _, c := range []byte(uri[len(before) : len(uri)-len(after)]) {
		if !alphanumeric(c) && c != '-' && c != '_' && c != '~' {
			return false
		}
	}
	// An escape must not be half registered and half sent: "%2*" and "%*".
	return !strings.HasSuffix(before, "%") && (len(before) < 2 || before[len(before)-2] != '%')
}

// behindAuthority reports whether what follows start is in the path or the
// query of an https or loopback URI.
func behindAuthority(start string) bool {
	rest, ok := strings.CutPrefix(start, "https://")
	if !ok {
		if rest, ok = strings.CutPrefix(start, "http://"); !ok {
			return false
		}
	}
	i := strings.IndexAny(rest, "/?")
	return i > 0
}

// RedirectOrigin is the origin of a redirect URI as a browser writes it:
// "https://host", with the port where it is not the scheme's own. It is "" for
// URIs that have none.
func RedirectOrigin(uri string) string {
	u, err := url.Parse(uri)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return ""
	}
	host := strings.ToLower(u.Host)
	if port := u.Port(); port == "443" && u.Scheme == "https" || port == "80" && u.Scheme == "http" || port == "" {
		host = strings.TrimSuffix(host, ":"+port)
	}
	return u.Scheme + "://" + host
}
