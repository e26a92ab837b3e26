package identity

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/caddy-gatehouse/gatehouse/authserver/notify"
	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Forgot sends a recovery code (8 characters, 5 minutes) to the user's e-mail address, if there is such a user; nothing
// tells whether there is: everything that depends on it happens after the answer. locale is the person's language.
// Where OffersRecovery says no it is 400 INVALID_REQUEST.
func (u *Users) Forgot(ctx context.Context, env *store.Environment, username, locale, address string) error {
	u.ready()
	if !u.OffersRecovery(env) {
		return notOffered("Password recovery")
	}
	if err := u.limited(address); err != nil {
		return err
	}
	if err := present(targetUsername, username); err != nil {
		return err
	}
	name := strangerKey(env, username)
	if err := u.mailLimited("name "+string(name[:]), address); err != nil {
		return err
	}
	u.background(env, notify.RecoveryCode, func(ctx context.Context) error {
		user, err := u.lookup(ctx, env, username)
		if err != nil || user == nil || user.Disabled || barred(user) || email(user) == "" {
			return err
		}
		if cred, err := u.credential(ctx, env, user.ID); err != nil || cred.Locked {
			return err
		}
		// Whoever may ask for messages to one person may do so under several names for them.
		if u.mailLimited(recipient(env, email(user)), address) != nil {
			return nil
		}
		code, err := u.putCode(ctx, env, user, purposeRecovery)
		if err != nil {
			return err
		}
		return u.send(ctx, env, user, notify.RecoveryCode, locale, code)
	})
	return nil
}

// Recover sets a new password with a recovery code. INVALID_VALUE on recoveryCode (after 5
// wrong ones the code is void) or newPassword; with the latter the code stays good. It unlocks the account and
// confirms the e-mail address, which the code came to.
//
// The person's sessions go on; to end them is the caller's decision.
func (u *Users) Recover(ctx context.Context, env *store.Environment, username, code, next, address string) (*store.User, error) {
	u.ready()
	if !u.OffersRecovery(env) {
		return nil, notOffered("Password recovery")
	}
	if err := u.limited(address); err != nil {
		return nil, err
	}
	if err := present(targetUsername, username, targetRecoveryCode, code, targetNewPassword, next); err != nil {
		return nil, err
	}
	if failed := unsatisfied(env, next, username); failed != nil {
		return nil, refuseWeak(targetNewPassword, failed)
	}
	a, err := u.account(ctx, env, username)
	if err != nil {
		return nil, err
	}
	good, err := u.tryCode(ctx, env, a, purposeRecovery, code, func() (func(*store.Credential) error, error) {
		// Only now: that this is somebody's address is nobody else's business.
		if failed := unsatisfied(env, next, a.user.Username, email(a.user)); failed != nil {
			return nil, refuseWeak(targetNewPassword, failed)
		}
		hash, err := u.newHash(ctx, env, next)
		return func(cred *store.Credential) error { return u.replacePassword(ctx, a.user, cred, hash) }, err
	})
	if err != nil {
		return nil, err
	}
	if !good {
		return nil, badCode(targetRecoveryCode)
	}
	return u.confirm(ctx, env, a.user)
}

// tryCode spends the pending code of a, if code is it. judge is called once, when the code is right, and
// returns what is to be done to the credential with it; where judge fails the code is not spent.
//
// Of any number of calls with one code one succeeds. Tries are judged when they are counted: what
// comes after the fifth wrong one learns nothing, right or wrong. Where there is nothing to count, the
// credential, or a decoy, is written as it is: that takes as long.
func (u *Users) tryCode(ctx context.Context, env *store.Environment, a *account, purpose, code string,
	judge func() (func(*store.Credential) error, error)) (good bool, err error) {
	address := ""
	if a.user != nil {
		address = email(a.user)
	}
	hash, err := u.codeHash(ctx, env, purpose, a.subject(), address, typed(code))
	if err != nil {
		return false, err
	}
	var apply func(*store.Credential) error
	err = u.change(ctx, env, a.subject(), func(cred *store.Credential) (bool, error) {
		good = false
		if a.user == nil || a.user.Disabled || barred(a.user) || cred.Locked || !pending(*cred, purpose, u.Now()) {
			return true, nil
		}
		if !codeEqual(*cred, hash) {
			cred.CodeTries++
			return true, nil
		}
		if apply == nil {
			var err error
			if apply, err = judge(); err != nil {
				return false, err
			}
		}
		if err := apply(cred); err != nil {
			return false, err
		}
		clearCode(cred)
		good = true
		return true, nil
	})
	return good && err == nil, err
}

// confirm marks the e-mail address of a stored user as verified and returns the user as stored then.
func (u *Users) confirm(ctx context.Context, env *store.Environment, user *store.User) (*store.User, error) {
	if user.Declared {
		return user, nil
	}
	for range attempts {
		fresh, err := u.Store.StoredUserByID(ctx, env.ID, user.ID)
		if err != nil {
			return nil, fmt.Errorf("confirm an address: %w", err)
		}
		if fresh.Verified || email(&fresh) != email(user) { // another address by now: nothing was proven about that
			return &fresh, nil
		}
		confirmed(&fresh)
		fresh.UpdatedAt = u.Now()
		switch err := u.Store.ReplaceUser(ctx, fresh); {
		case err == nil:
			fresh.Version++
			return &fresh, nil
		case !errors.Is(err, store.ErrConflict):
			return nil, fmt.Errorf("confirm an address: %w", err)
		}
	}
	return nil, oauth.Unavailable(1, "Too many changes of one account at once")
}

// confirmed writes into a stored user that the address is theirs.
func confirmed(user *store.User) {
	user.Verified = true
	user.Claims = maps.Clone(user.Claims) // the store's, perhaps
	user.Claims["email_verified"] = true
}
