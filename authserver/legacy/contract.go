package legacy

import (
	"net/http"
)

// ---- owner: oauth2 (sections 6, 7, 8) ----

// oauthRoutes: tokeninfo, introspect, token/revoke, revoke, and the aliases.
func (l *Legacy) oauthRoutes() []route { panic("contract") }

// printable makes an error_description of text (RFC 6749 §5.2).
func printable(text string) string { panic("contract") }

// markDeprecated sets Deprecation (RFC 9745), Sunset (RFC 8594) and Link on every answer, errors included.
func (c *call) markDeprecated() { panic("contract") }

// Redact gives an address (a path with or without query, or a whole URL) of which nothing opens anything any more; hidden tells
// whether something was hidden. It errs on the side of hiding: near misses of our paths count.
func Redact(address string) (shown string, hidden bool) { panic("contract") }

var _ = http.MethodGet
