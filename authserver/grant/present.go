package grant

import (
	"context"
	"errors"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Present finds the person whom a code or token speaks for, if they still may and
// the session that it comes from still lives. Otherwise the user is nil, and absent says why, for the
// log. What names no session comes from none that lives. An error means that it
// cannot be told now.
func Present(ctx context.Context, env *store.Environment, users Users, sessions Sessions, subject, sid string) (user *store.User, absent string, err error) {
	user, err = users.ByID(ctx, env, subject)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, "the user is gone", nil
	case err != nil:
		return nil, "", oauth.CannotTell("find user", err)
	case user.Disabled:
		return nil, "the user is disabled", nil
	}
	s, err := sessions.ByID(ctx, env, sid)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, "the session has ended", nil
	case err != nil:
		return nil, "", oauth.CannotTell("find session", err)
	case s.Subject != subject:
		return nil, "the session is another person's", nil
	}
	return user, "", nil
}
