package oauth

import "strings"

// OpenIDScope reports whether s is a scope that OpenID Connect defines (Core
// §5.4, §11). Such scopes speak about a user, so a client never gets one for
// itself.
func OpenIDScope(s string) bool {
	switch s {
	case "openid", "profile", "email", "address", "phone", "offline_access":
		return true
	}
	return false
}

// PingOneScope reports whether s is a self-service scope of the PingOne API
// ("p1:read:user" and its like). They too are granted to users only.
func PingOneScope(s string) bool { return strings.HasPrefix(s, "p1:") }
