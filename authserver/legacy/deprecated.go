package legacy

import "net/http"

// deprecation are the headers of every answer, errors included: since when the endpoint is deprecated (RFC 9745), when it
// will be gone (RFC 8594), and where to read on and what to call instead (RFC 5829 §3.4), where that is known.
// Addresses here hold tokens, so that no page may pass one on.
func (l *Legacy) deprecation(c *call) http.Header {
	h := http.Header{
		"Deprecation":     {"@" + decimal(l.Deprecated.Unix())},
		"Referrer-Policy": {"no-referrer"},
	}
	if !l.Sunset.IsZero() {
		h["Sunset"] = []string{l.Sunset.UTC().Format(http.TimeFormat)}
	}
	if l.DeprecationLink != "" {
		h["Link"] = append(h["Link"], "<"+l.DeprecationLink+`>; rel="deprecation"; type="text/html"`)
	}
	if c.at.route == nil || c.env == nil {
		return h
	}
	if name := c.at.route.successor; name != "" {
		h["Link"] = append(h["Link"], "<"+c.env.Home+"/"+name+`>; rel="successor-version"`)
	}
	return h
}
