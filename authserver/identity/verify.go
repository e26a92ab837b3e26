package identity

import (
	"context"

	"github.com/caddy-gatehouse/gatehouse/authserver/notify"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// SendVerification sends the code again (a new one; the earlier one is void). Whoever has nothing to
// confirm, or nowhere to send it to, gets 400 INVALID_REQUEST.
func (u *Users) SendVerification(ctx context.Context, env *store.Environment, user *store.User, locale, address string) error {
	u.ready()
	if !u.unverified(user) {
		return notOffered("Verification")
	}
	if err := u.limited(address); err != nil {
		return err
	}
	if err := u.mailLimited(recipient(env, email(user)), address); err != nil {
		return err
	}
	code, err := u.putCode(ctx, env, user, purposeVerification)
	if err != nil {
		return err
	}
	u.background(env, notify.VerificationCode, func(ctx context.Context) error {
		return u.send(ctx, env, user, notify.VerificationCode, locale, code)
	})
	return nil
}

// Verify confirms the address with the code. INVALID_VALUE on verificationCode; after 5 wrong ones the code
// is void. It returns the user as stored then.
func (u *Users) Verify(ctx context.Context, env *store.Environment, user *store.User, code, address string) (*store.User, error) {
	u.ready()
	if !u.unverified(user) {
		return nil, notOffered("Verification")
	}
	if err := u.limited(address); err != nil {
		return nil, err
	}
	if err := present(targetVerificationCode, code); err != nil {
		return nil, err
	}
	good, err := u.tryCode(ctx, env, &account{user: user}, purposeVerification, code, func() (func(*store.Credential) error, error) {
		return func(*store.Credential) error { return nil }, nil
	})
	if err != nil {
		return nil, err
	}
	if !good {
		return nil, badCode(targetVerificationCode)
	}
	return u.confirm(ctx, env, user)
}
