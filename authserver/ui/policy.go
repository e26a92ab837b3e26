package ui

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// policy is what differs between the Content-Security-Policies of pages.
type policy struct {
	styles []*sheet // the style elements
	script string   // text of the script element; "" allows no script at all
	images []string // addresses of images
	frames []string // addresses of frames
	posts  bool     // the page has a form, which is posted to our own origin
	// leaves: what follows a posted form may lead away from here: to leadsTo, the redirect URI, and on.
	leaves  bool
	leadsTo string
}

// String is the header's value (CSP Level 3). Nothing is allowed that is not
// named: no script but the one whose hash is given, no style attribute, no frame
// around the page.
//
// Chromium applies form-action to every redirect that follows a POST: ours to
// the redirect URI, and then those of the application, which may be a broker that
// sends the browser on to an origin nobody here knows. So https is allowed as a
// whole, and beside it the scheme of the redirect URI where that is another one.
func (p policy) String() string {
	var b strings.Builder
	b.WriteString("default-src 'none'; style-src")
	for _, s := range p.styles {
		b.WriteString(" " + s.digest)
	}
	if p.script != "" {
		b.WriteString("; script-src " + digest(p.script))
	}
	if origins := origins(p.images); len(origins) > 0 {
		b.WriteString("; img-src " + strings.Join(origins, " "))
	}
	if origins := origins(p.frames); len(origins) > 0 {
		b.WriteString("; frame-src " + strings.Join(origins, " "))
	}
	switch scheme := schemeOf(p.leadsTo); {
	case !p.posts:
		b.WriteString("; form-action 'none'")
	case !p.leaves:
		b.WriteString("; form-action 'self'")
	case scheme == "" || scheme == "https":
		b.WriteString("; form-action 'self' https:")
	default:
		b.WriteString("; form-action 'self' https: " + scheme + ":")
	}
	b.WriteString("; base-uri 'none'; frame-ancestors 'none'")
	return b.String()
}

// digest is the source expression of an inline element's exact text.
func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// origins are the sources of addresses, each once: 'self' for a path.
func origins(addresses []string) []string {
	var all []string
	for _, a := range addresses {
		origin := "'self'"
		if !strings.HasPrefix(a, "/") {
			u, err := url.Parse(a)
			if err != nil || u.Host == "" || strings.ContainsAny(u.Host, ";, '\"") {
				continue
			}
			origin = u.Scheme + "://" + u.Host
		}
		if !slices.Contains(all, origin) {
			all = append(all, origin)
		}
	}
	return all
}

// schemeOf is the scheme of an address where a browser may be sent, or "".
func schemeOf(address string) string {
	if !leavable(address) {
		return ""
	}
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Scheme)
}

// secure sets the headers that every page has.
func secure(h http.Header, p policy) {
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", p.String())
	h.Set("Referrer-Policy", "no-referrer") // addresses here carry flow ids
	h.Set("X-Frame-Options", "DENY")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	h.Del("Pragma")
}
