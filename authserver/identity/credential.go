package identity

import (
	"context"
	"errors"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// change applies edit to the credential of subject as it is now and stores it, again
// where somebody else was quicker. edit returns false where nothing is to be stored; an error of it ends
// everything.
func (u *Users) change(ctx context.Context, env *store.Environment, subject string, edit func(*store.Credential) (bool, error)) error {
	for range attempts {
		cred, err := u.credential(ctx, env, subject)
		if err != nil {
			return err
		}
		if write, err := edit(&cred); !write || err != nil {
			return err
		}
		if err := u.put(ctx, &cred); !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
	return oauth.Unavailable(1, "Too many changes of one account at once")
}
