package directory

import (
	"context"
	"errors"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Administrator reports whether a user holds one of the roles that PingOne means by
// ADMIN_USERS_ONLY, on whatever it is.
func (l *Live) Administrator(ctx context.Context, environment, user string) (bool, error) {
	env, _, err := l.at(ctx, environment)
	if err != nil {
		return false, err
	}
	for after := ""; ; {
		items, next, err := l.Items(ctx, env, store.KindRoleAssignment, user, after, pageOfSiblings)
		switch {
		case errors.Is(err, store.ErrNotFound):
			return false, nil
		case err != nil:
			return false, oauth.CannotTell("list role assignments", err)
		}
		for _, it := range items {
			a, ok := it.Document.(*RoleAssignment)
			if !ok || a.Holder != HolderUser {
				continue
			}
			switch a.RoleName() {
			case RoleOrganizationAdmin, RoleEnvironmentAdmin, RoleIdentityDataAdmin, RoleApplicationDeveloper:
				return true, nil
			}
		}
		if after = next; next == "" {
			return false, nil
		}
	}
}
