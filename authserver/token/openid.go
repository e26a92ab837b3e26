package token

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// OpenIDs says what the scopes and claims of OpenID Connect are in an environment
// (a store.Directory).
type OpenIDs interface {
	OpenID(ctx context.Context, environment string) (*store.OpenID, error)
}

// openID asks for it.
func openID(ctx context.Context, d OpenIDs, env *store.Environment) (*store.OpenID, error) {
	o, err := d.OpenID(ctx, env.ID)
	if err != nil {
		return nil, unavailable(fmt.Errorf("find the resource of OpenID Connect: %w", err))
	}
	return o, nil
}

// gives reports whether one of the scopes gives a claim.
func gives(o *store.OpenID, scope []string, name string) bool {
	if std, ok := standardClaims[name]; ok && slices.Contains(scope, std.scope) {
		return true
	}
	if len(o.Scopes) == 0 {
		return false
	}
	return slices.ContainsFunc(scope, func(s string) bool { return slices.Contains(o.Scopes[s], name) })
}

// mapped reports whether the environment says which scopes give a claim.
func mapped(o *store.OpenID, name string) bool {
	for _, claims := range o.Scopes {
		if slices.Contains(claims, name) {
			return true
		}
	}
	return false
}

// addFurther adds what scopes give beyond the standard claims: those that only the
// environment has, and single members of the address.
func addFurther(o *store.OpenID, user *store.User, scope []string, to destination, out map[string]any) {
	var members []string
	for _, s := range scope {
		for _, name := range o.Scopes[s] {
			if member, ok := strings.CutPrefix(name, addressPrefix); ok {
				members = append(members, member)
				continue
			}
			if v, ok := told(o, user, name, to); ok {
				out[name] = v
			}
		}
	}
	if len(members) > 0 && !gives(o, scope, scopeAddress) {
		if v, ok := toldAddress(o, user, to, members); ok {
			out[scopeAddress] = v
		}
	}
}

// addKeptFromUserInfo adds what of the claims of the granted scopes is in an ID token
// although UserInfo can be asked, which tells what scopes give (OIDC Core §5.4): claims
// that the environment has added for ID tokens, as PingOne understands that, and
// standard ones that it keeps out of UserInfo.
func addKeptFromUserInfo(o *store.OpenID, user *store.User, scope []string, out map[string]any) {
	for name, c := range o.Claims {
		if _, std := standardClaims[name]; std && c.UserInfo || memberOfAddress(name) || !gives(o, scope, name) {
			continue
		}
		if v, ok := told(o, user, name, toIDToken); ok {
			out[name] = v
		}
	}
}

const addressPrefix = scopeAddress + "."

func memberOfAddress(name string) bool { return strings.HasPrefix(name, addressPrefix) }

// told is what may be sent of one claim in an environment: claim, unless the
// environment takes it from elsewhere or sends it elsewhere.
func told(o *store.OpenID, user *store.User, name string, to destination) (any, bool) {
	if len(o.Claims) == 0 {
		return claim(user, name)
	}
	switch name {
	case scopeAddress:
		return toldAddress(o, user, to, addressMembers[:])
	case "email_verified":
		return toldVerified(o, user, name, "email", to)
	case "phone_number_verified":
		return toldVerified(o, user, name, "phone_number", to)
	}
	return toldAlone(o, user, name, to)
}

// toldAlone is told of a claim that depends on no other.
func toldAlone(o *store.OpenID, user *store.User, name string, to destination) (any, bool) {
	c, changed := o.Claims[name]
	switch {
	case !changed:
		return claim(user, name)
	case !to.allows(c) || store.ReservedAttribute(name) || memberOfAddress(name) || c.From == store.Source{}:
		return nil, false
	}
	std, known := standardClaims[name]
	switch {
	case known && asRecorded(c, name):
		return claim(user, name)
	case known:
		v, ok := value(c.From, user)
		if !ok {
			return nil, false
		}
		return std.value(v)
	}
	return value(c.From, user)
}

// asRecorded reports whether a claim comes from where OpenID Connect takes it.
func asRecorded(c store.OpenIDClaim, name string) bool { return c.From == store.Source{User: name} }

// toldVerified is whether the address or number in another claim is verified. What
// the record says of that is about the one in the record: of one that comes from
// elsewhere nobody has verified anything, unless the environment says so itself.
func toldVerified(o *store.OpenID, user *store.User, name, of string, to destination) (any, bool) {
	if c, changed := o.Claims[name]; changed && !asRecorded(c, name) {
		if !to.allows(c) {
			return nil, false
		}
		v, ok := value(c.From, user)
		if text, isText := v.(string); isText && c.From.User == "" {
			v, ok = text == "true", text == "true" || text == "false"
		}
		if !ok {
			return nil, false
		}
		return truth(v)
	}
	v, ok := toldAlone(o, user, name, to)
	c, changed := o.Claims[of]
	if !changed || asRecorded(c, of) {
		return v, ok
	}
	if c, limited := o.Claims[name]; limited && !to.allows(c) {
		return nil, false
	}
	sent, has := toldAlone(o, user, of, toAny)
	recorded, _ := claim(user, of)
	switch {
	case !has:
		return nil, false
	case sent != recorded:
		return false, true
	}
	return v, ok
}

// toldAddress is the address claim with these members, each from where the
// environment takes it.
func toldAddress(o *store.OpenID, user *store.User, to destination, members []string) (any, bool) {
	recorded, _ := claim(user, scopeAddress)
	from, _ := recorded.(map[string]any)
	out := map[string]any{}
	for _, member := range members {
		name := addressPrefix + member
		c, changed := o.Claims[name]
		v, ok := from[member]
		switch {
		case changed && !to.allows(c):
			continue
		case changed && !asRecorded(c, name):
			if v, ok = value(c.From, user); ok {
				v, ok = line(v)
			}
		}
		if ok {
			out[member] = v
		}
	}
	return out, len(out) > 0
}

// partOfAddress is what a client may have of the address by scopes that give
// members of it alone.
func partOfAddress(o *store.OpenID, client *store.Client, name string, v any) map[string]any {
	whole, ok := v.(map[string]any)
	if name != scopeAddress || !ok {
		return nil
	}
	part := map[string]any{}
	for _, scope := range client.Grants[store.ResourceOpenID] {
		for _, claim := range o.Scopes[scope] {
			if member, of := strings.CutPrefix(claim, addressPrefix); of && whole[member] != nil {
				part[member] = whole[member]
			}
		}
	}
	return part
}
