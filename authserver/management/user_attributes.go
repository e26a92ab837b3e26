package management

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/access"
	"github.com/caddy-gatehouse/gatehouse/authserver/directory"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// visibleTo is what of a user the caller may see: all by a role, and of themself
// what the scope that lets them reads (pingone-auth.md 18.2), or else changes.
func (c *call) visibleTo(u *store.User, v map[string]any) map[string]any {
	if c.who.ByRole(access.ReadUser, c.env, userTarget(u)) {
		return v
	}
	by := access.ReadUser
	if !c.who.Self(by, c.env, userTarget(u)) {
		by = access.UpdateUser
	}
	paths, all := c.who.SelfAttributes(by)
	if all || c.who.ByRole(access.UpdateUser, c.env, userTarget(u)) {
		return v
	}
	shown := map[string]any{}
	for _, name := range []string{"_links", "id", "environment"} {
		if member, ok := v[name]; ok {
			shown[name] = member
		}
	}
	for _, path := range paths {
		outer, inner, nested := strings.Cut(path, ".")
		member, ok := v[outer]
		switch {
		case !ok || nested && slices.Contains(paths, outer):
		case !nested:
			shown[outer] = member
		default:
			of, _ := member.(map[string]any)
			part, has := of[inner]
			if !has {
				continue
			}
			if shown[outer] == nil {
				shown[outer] = map[string]any{}
			}
			shown[outer].(map[string]any)[inner] = part
		}
	}
	return shown
}

// mayChange refuses a change of attributes of the caller's own that no scope of
// theirs changes. Who may not change all of them cannot replace them all.
func (c *call) mayChange(u *store.User, b body, whole bool) error {
	paths, all := c.who.SelfAttributes(access.UpdateUser)
	if all || c.who.ByRole(access.UpdateUser, c.env, userTarget(u)) {
		return nil
	}
	if whole {
		return forbidden()
	}
	var j judgement
	for name, raw := range b {
		switch name {
		case "_links", "id", "environment", "createdAt", "updatedAt": // never changed
			continue
		}
		if slices.Contains(paths, name) {
			continue
		}
		var object body
		if json.Unmarshal(raw, &object) != nil || len(object) == 0 {
			j.add(directory.InvalidValue, name, "must not be changed with this token")
			continue
		}
		for inner := range object {
			if path := name + "." + inner; !slices.Contains(paths, path) {
				j.add(directory.InvalidValue, path, "must not be changed with this token")
			}
		}
	}
	return j.verdict()
}
