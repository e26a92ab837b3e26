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
	hash, proven, err := u.proveCurrent(ctx, env, user, current, next)
	if err != nil {
		return err
	}
	err = u.change(ctx, env, user.ID, func(cred *store.Credential) (bool, error) {
		if cred.Password != proven.Password || cred.Overrides != proven.Overrides {
			return false, wrongCurrent()
		}
		return true, u.replacePassword(ctx, user, cred, hash)
	})
	return err
}

// proveCurrent judges a new password and then proves the current one. It returns the hash of the new one, and
// the credential that was proven.
func (u *Users) proveCurrent(ctx context.Context, env *store.Environment, user *store.User, current, next string) (hash string, proven store.Credential, err error) {
	if err := present(targetCurrentPassword, current, targetNewPassword, next); err != nil {
		return "", proven, err
	}
	failed := unsatisfied(env, next, user.Username, email(user))
	if prepare(next) == prepare(current) {
		failed = append(failed, requireNew)
	}
	if failed != nil {
		return "", proven, refuseWeak(targetNewPassword, failed)
	}
	a := &account{user: user}
	if a.cred, err = u.credential(ctx, env, user.ID); err != nil {
		return "", proven, err
	}
	p, err := u.prove(ctx, env, a, current)
	if err != nil {
		return "", proven, err
	}
	switch p.outcome {
	case right:
	case locked:
		return "", proven, lockedOut(p.until, u.Now())
	default:
		return "", proven, wrongCurrent()
	}
	hash, err = u.newHash(ctx, env, next)
	return hash, a.cred, err
}

func wrongCurrent() error {
	return refuseValue(targetCurrentPassword, "The current password is not right")
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
