package store

import (
	"slices"
	"strings"
)

// TrustsOrigin reports whether the client trusts scripts of an origin, as a browser
// sends it. Origins are compared byte for byte; "https://*.example.com" among CORS
// stands for every host one label below example.com.
func (c *Client) TrustsOrigin(origin string) bool {
	return slices.ContainsFunc(OriginPatterns(origin), func(p string) bool { return slices.Contains(c.CORS, p) })
}

// OriginPatterns are what a client may have among CORS to trust an origin: the
// origin, and the pattern that it fits. An origin that has a * itself, which no browser
// sends, fits nothing.
func OriginPatterns(origin string) []string {
	scheme, rest, ok := strings.Cut(origin, "://")
	if !ok || strings.Contains(origin, "*") {
		return nil
	}
	patterns := []string{origin}
	if first, below, ok := strings.Cut(rest, "."); ok && first != "" && !strings.ContainsAny(first, ":/[") && strings.Contains(below, ".") {
		patterns = append(patterns, scheme+"://*."+below)
	}
	return patterns
}
