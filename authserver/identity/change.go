package identity

import (
	"context"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// ChangePassword sets a new password after the current one was proven.
// INVALID_VALUE on currentPassword or newPassword (with unsatisfiedRequirements); a wrong current
// password counts as a wrong password at sign-on does.
//
// The person's other sessions go on; to end them is the caller's decision.
func (u *Users) ChangePassword(ctx context.Context, env *store.Environment, user *store.User, current, next, address string) error {
	u.ready()
	if err := u.limited(address); err != nil {
		u.Checked("limited")
		return err
	}
	if err := present(targetCurrentPassword, current, targetNewPassword, next); err != nil {
		return err
	}
	failed := unsatisfied(env, next, user.Username, email(user))
	if prepare(next) == prepare(current) {
		failed = append(failed, requireNew)
	}
	if failed != nil {
		return refuseWeak(targetNewPassword, failed)
	}
	a := &account{user: user}
	var err error
	if a.cred, err = u.credential(ctx, env, user.ID); err != nil {
		return err
	}
	p, err := u.prove(ctx, env, a, current)
	if err != nil {
		return err
	}
	switch p.outcome {
	case right:
	case locked:
		return lockedOut(p.until, u.Now())
	default:
		return refuseValue(targetCurrentPassword, "The current password is not right")
	}
	hash, err := u.newHash(ctx, env, next)
	if err != nil {
		return err
	}
	proven := a.cred
	_, err = u.change(ctx, env, user.ID, func(cred *store.Credential) (bool, error) {
		if cred.Password != proven.Password || cred.Overrides != proven.Overrides {
			return false, refuseValue(targetCurrentPassword, "The current password is not right")
		}
		return true, u.replacePassword(ctx, user, cred, hash)
	})
	return err
}

// replacePassword writes a password that a person has just chosen into cred: a lock, failures and a
// recovery that somebody began are of the past.
func (u *Users) replacePassword(ctx context.Context, user *store.User, cred *store.Credential, hash string) error {
	if err := u.setPassword(ctx, user, cred, hash); err != nil {
		return err
	}
	cred.MustChange = false
	cred.ChangedAt = u.Now()
	tally{}.into(cred)
	if cred.CodePurpose == purposeRecovery {
		clearCode(cred)
	}
	return nil
}
