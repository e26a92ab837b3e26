package endpoint

import (
	"context"
	"errors"
	"fmt"

	"github.com/caddy-gatehouse/gatehouse/authserver/grant"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// present finds the person whom a token speaks for, if they still may and the
// session that the token comes from still lives; otherwise nil. A token that
// names no session comes from none that lives.
func present(ctx context.Context, env *store.Environment, users grant.Users, sessions grant.Sessions, subject, sid string) (*store.User, error) {
	user, err := users.ByID(ctx, env, subject)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, cannotTell("find user", err)
	case user.Disabled:
		return nil, nil
	}
	s, err := sessions.ByID(ctx, env, sid)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, cannotTell("find session", err)
	case s.Subject != subject:
		return nil, nil
	}
	return user, nil
}

// cannotTell says that nothing is known now about what was presented.
func cannotTell(what string, cause error) error {
	return oauth.Unavailable(1, "The service is temporarily unavailable").WithCause(fmt.Errorf("%s: %w", what, cause))
}
