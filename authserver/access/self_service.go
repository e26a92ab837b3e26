package access

import (
	"slices"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Scopes that read or change a person's attributes: all, or what their environment
// limits them to. Those below them ("p1:read:user:contact") are each environment's own.
const (
	scopeReadUser   = "p1:read:user"
	scopeUpdateUser = "p1:update:user"
)

// selfService are the scopes by which people allow an application to act for
// them, and what each gives on the user alone.
var selfService = map[string]Permission{
	"p1:read:userPassword":     ReadPassword,
	"p1:reset:userPassword":    ResetPassword, // by knowing the current one
	"p1:validate:userPassword": ValidatePassword,
	"p1:read:oauthConsents":    ReadConsent,
	"p1:update:oauthConsents":  DeleteConsent,
	"p1:read:sessions":         ReadSession,
	"p1:delete:sessions":       DeleteSession,
}

// attributes are some of a person, as paths in PingOne's words.
type attributes struct {
	all   bool
	paths []string
}

// ofAttributes is what a scope reads or changes a person's attributes by; "" for other scopes.
func ofAttributes(scope string) Permission {
	switch {
	case scope == scopeReadUser, strings.HasPrefix(scope, scopeReadUser+":"):
		return ReadUser
	case scope == scopeUpdateUser, strings.HasPrefix(scope, scopeUpdateUser+":"):
		return UpdateUser
	}
	return ""
}

// allow fills in what scopes give the caller on their own user. o is what the
// environment has made of them: of a scope that it does not have any more they
// give nothing.
func (c *Caller) allow(scopes []string, o *store.OpenID) {
	for _, s := range scopes {
		if p, ok := selfService[s]; ok {
			c.self = append(c.self, p)
			continue
		}
		p := ofAttributes(s)
		if p == "" || s != scopeReadUser && s != scopeUpdateUser && !slices.Contains(o.API, s) {
			continue
		}
		paths, limited := o.Limits[s]
		if limited && len(paths) == 0 {
			continue
		}
		if c.attributes == nil {
			c.attributes = map[Permission]attributes{}
		}
		has := c.attributes[p]
		c.self, c.attributes[p] = append(c.self, p), attributes{has.all || !limited, append(has.paths, paths...)}
	}
}

// SelfAttributes are the attributes of their own that a caller reads by ReadUser,
// or changes by UpdateUser, where no role gives that; all is true where it is not
// limited.
func (c *Caller) SelfAttributes(p Permission) (paths []string, all bool) {
	has := c.attributes[p]
	return has.paths, has.all
}
