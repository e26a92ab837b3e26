package declared

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
)

// derivedID is a UUID of the free form (RFC 9562 §5.8) that depends on nothing
// but the environment and the name.
func derivedID(env, name string) string {
	h := sha256.Sum256([]byte("gatehouse user\x00" + env + "\x00" + name))
	h[6] = h[6]&0x0f | 0x80
	h[8] = h[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", h[:4], h[4:6], h[6:8], h[8:10], h[10:16])
}

func printable(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < 0x20 || s[i] > 0x7e {
			return false
		}
	}
	return s != ""
}

// checkIssuer wants an issuer that everyone writes in one way, which ends in suffix.
func checkIssuer(raw, suffix string) error {
	if raw == "" {
		return errors.New("is missing")
	}
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "" || u.Opaque != "":
		return fmt.Errorf("%q is not an absolute URL", raw)
	case u.User != nil:
		return fmt.Errorf("%q has user information", raw)
	case strings.ContainsAny(raw, "?#"):
		return fmt.Errorf("%q has a query or a fragment", raw)
	case strings.HasSuffix(raw, "/"):
		return fmt.Errorf("%q ends in a slash", raw)
	case !strings.HasSuffix(raw, suffix):
		return fmt.Errorf("%q does not end in %s", raw, suffix)
	case u.String() != raw:
		// Compared byte for byte by everyone: only the canonical spelling will do.
		return fmt.Errorf("%q is not written canonically; write %q", raw, u.String())
	case u.Scheme == "https":
		return nil
	case u.Scheme == "http" && loopback(u.Hostname()):
		return nil
	}
	return fmt.Errorf("%q is neither https nor http on a loopback host", raw)
}

// checkRedirectURI refuses what no redirect may ever go to (RFC 6749 §3.1.2,
// RFC 8252 §7): anything relative, with a fragment, or run by the browser itself.
func checkRedirectURI(raw string) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Scheme == "" || !printable(raw) || strings.Contains(raw, " "):
		return fmt.Errorf("%q is not an absolute URI", raw)
	case strings.Contains(raw, "#"):
		return fmt.Errorf("%q has a fragment", raw)
	}
	switch u.Scheme {
	case "https":
		if u.Host != "" && u.User == nil {
			return nil
		}
	case "http":
		if u.User == nil && loopback(u.Hostname()) {
			return nil
		}
		return fmt.Errorf("%q: http is for loopback hosts only", raw)
	case "javascript", "data", "vbscript", "file", "blob", "about":
	default:
		return nil // a private-use scheme of a native application (RFC 8252 §7.1)
	}
	return fmt.Errorf("%q is not a place to redirect to", raw)
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}
