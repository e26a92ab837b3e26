package identity

import (
	"context"
	"strings"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Kept is the password that counts for a person, as a credential keeps one: its
// hash, made of a declared password that is none. "" where there is no password.
func (u *Users) Kept(ctx context.Context, env *store.Environment, user *store.User, cred store.Credential) (string, error) {
	u.ready()
	password, err := u.password(ctx, user, cred)
	if err != nil || password == "" || password == cred.Password || strings.HasPrefix(password, phcPrefix) {
		return password, err
	}
	return u.newHash(ctx, env, password)
}
