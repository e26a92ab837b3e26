package identity

import (
	"context"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/notify"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// PrepareRecoveryCode draws a recovery code for a person. send brings it to them, once the edit is stored.
// 400 INVALID_REQUEST: there is nobody to send messages by; INVALID_VALUE: nowhere to send it to.
func (u *Users) PrepareRecoveryCode(ctx context.Context, env *store.Environment, user *store.User, address string) (edit Edit, send func(locale string), err error) {
	u.ready()
	switch {
	case u.Notifier == nil:
		return nil, nil, notOffered("Password recovery")
	case External(user):
		return nil, nil, refuseExternal()
	case user.Disabled || barred(user):
		return nil, nil, notUsable(0)
	case email(user) == "":
		return nil, nil, refuseValue(targetEmail, "The user has no e-mail address to send a code to")
	}
	if err := u.mailLimited(recipient(env, email(user)), address); err != nil {
		return nil, nil, err
	}
	code := u.NewCode()
	hash, err := u.codeHash(ctx, env, purposeRecovery, user.ID, email(user), code.Reveal())
	if err != nil {
		return nil, nil, err
	}
	edit = func(_ *store.User, cred *store.Credential) error {
		if cred.Locked {
			return notUsable(0)
		}
		u.setCode(cred, purposeRecovery, hash)
		return nil
	}
	send = func(locale string) { u.sendLater(env, user, notify.RecoveryCode, locale, code) }
	return edit, send, nil
}

// sendLater sends a code after the answer.
func (u *Users) sendLater(env *store.Environment, user *store.User, kind notify.Kind, locale string, code secret.Value) {
	u.background(env, kind, func(ctx context.Context) error {
		return u.send(ctx, env, user, kind, locale, code)
	})
}

// RecoverWith sets a new password with a recovery code, as Recover does for people. A wrong code is counted
// at once. The edit confirms the address that the code came to.
func (u *Users) RecoverWith(ctx context.Context, env *store.Environment, user *store.User, code, next string) (Edit, error) {
	u.ready()
	if err := present(targetRecoveryCode, code, targetNewPassword, next); err != nil {
		return nil, err
	}
	if External(user) {
		return nil, refuseExternal()
	}
	if failed := unsatisfied(env, next, user.Username, email(user)); failed != nil {
		return nil, refuseWeak(targetNewPassword, failed)
	}
	typedHash, err := u.codeHash(ctx, env, purposeRecovery, user.ID, email(user), typed(code))
	if err != nil {
		return nil, err
	}
	good := func(cred store.Credential) bool {
		return !user.Disabled && !barred(user) && !cred.Locked && pending(cred, purposeRecovery, u.Now()) && codeEqual(cred, typedHash)
	}
	right := false
	err = u.change(ctx, env, user.ID, func(cred *store.Credential) (bool, error) {
		right = good(*cred)
		if right || cred.CodePurpose != purposeRecovery {
			return false, nil
		}
		cred.CodeTries++
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	if !right {
		return nil, badCode(targetRecoveryCode)
	}
	hash, err := u.newHash(ctx, env, next)
	if err != nil {
		return nil, err
	}
	to := email(user)
	return func(user *store.User, cred *store.Credential) error {
		if !good(*cred) {
			return badCode(targetRecoveryCode)
		}
		if err := u.replacePassword(ctx, user, cred, hash); err != nil {
			return err
		}
		clearCode(cred)
		if !user.Declared && email(user) == to {
			confirmed(user)
		}
		return nil
	}, nil
}
