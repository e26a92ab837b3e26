package grant

import (
	"context"
	"errors"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
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

// Clients finds the applications that tokens were issued to (store.Directory).
type Clients interface {
	ClientByID(ctx context.Context, environment, id string) (*store.Client, error)
}

// Behind finds whom an access token was issued to and whom it speaks for. One of them gone or disabled, or signed off, ends
// what the token was good for: then the client is nil, and absent says why, for the log. The user is nil where the token
// is nobody's, too. An error means that it cannot be told now.
func Behind(ctx context.Context, env *store.Environment, clients Clients, users Users, sessions Sessions, t *token.Active) (client *store.Client, user *store.User, absent string, err error) {
	subject, sid := "", ""
	if t.Personal {
		subject, sid = t.Person.Subject, t.Person.Session
	}
	return behind(ctx, env, clients, users, sessions, t.Client, t.Personal, subject, sid)
}

func behind(ctx context.Context, env *store.Environment, clients Clients, users Users, sessions Sessions, id string, personal bool, subject, sid string) (client *store.Client, user *store.User, absent string, err error) {
	client, err = clients.ClientByID(ctx, env.ID, id)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, nil, "the client is gone", nil
	case err != nil:
		return nil, nil, "", oauth.CannotTell("find client", err)
	case !client.Enabled:
		return nil, nil, "the client is disabled", nil
	case !personal:
		return client, nil, "", nil
	}
	if user, absent, err = Present(ctx, env, users, sessions, subject, sid); user == nil {
		return nil, nil, absent, err
	}
	return client, user, "", nil
}
