package identity

import (
	"context"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/oauth"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// AccountNotUsable and NoPassword are PingOne's details about accounts.
const (
	AccountNotUsable = "ACCOUNT_NOT_USABLE"
	NoPassword       = "NO_PASSWORD"
)

const (
	targetValue = "value"
	targetUser  = "user"
)

// Edit changes an account as it is stored by then: all that takes long, and all
// that can be refused beforehand, is done. It may be called more than once. Of a
// declared user it leaves the user alone. The caller stores what it made of both,
// in one transaction with whatever else belongs to the change.
type Edit func(user *store.User, cred *store.Credential) error

// NewPassword is a password that an administrator sets.
type NewPassword struct {
	// Value is the password itself, or the hash of one (see Encoded), which is not judged.
	Value string
	// ForceChange: it has to be changed at the next sign-on. BypassPolicy: it need not meet the requirements.
	ForceChange, BypassPolicy bool
	// Target is the member that it came in; "" is "value".
	Target string
}

// SetPassword sets a password without knowing the one before. REQUIRED_VALUE or
// INVALID_VALUE (with unsatisfiedRequirements) on p.Target.
func (u *Users) SetPassword(ctx context.Context, env *store.Environment, user *store.User, p NewPassword) (Edit, error) {
	u.ready()
	if p.Target == "" {
		p.Target = targetValue
	}
	if err := present(p.Target, p.Value); err != nil {
		return nil, err
	}
	if External(user) {
		return nil, refuseExternal()
	}
	var hash string
	var err error
	switch {
	case Encoded(p.Value):
		if hash, err = keepEncoded(p.Value); err != nil {
			return nil, refuseValue(p.Target, "The encoded password cannot be used: "+err.Error())
		}
	default:
		failed := unsatisfied(env, p.Value, user.Username, email(user))
		if p.BypassPolicy && usable(p.Value) {
			failed = nil
		}
		if failed != nil {
			return nil, refuseWeak(p.Target, failed)
		}
		if hash, err = u.newHash(ctx, env, p.Value); err != nil {
			return nil, err
		}
	}
	return func(user *store.User, cred *store.Credential) error {
		if err := u.replacePassword(ctx, user, cred, hash); err != nil {
			return err
		}
		cred.MustChange = p.ForceChange
		return nil
	}, nil
}

// Change sets a new password after the current one was proven, as ChangePassword, whoever asks from
// wherever: a wrong one is counted at once.
func (u *Users) Change(ctx context.Context, env *store.Environment, user *store.User, current, next string) (Edit, error) {
	u.ready()
	if External(user) {
		return nil, refuseExternal()
	}
	hash, proven, err := u.proveCurrent(ctx, env, user, current, next)
	if err != nil {
		return nil, err
	}
	return func(user *store.User, cred *store.Credential) error {
		if cred.Password != proven.Password || cred.Overrides != proven.Overrides {
			return wrongCurrent()
		}
		return u.replacePassword(ctx, user, cred, hash)
	}, nil
}

// VerifyPassword tells an administrator whether a password is somebody's: nil where it is, and the account could be signed
// on to but for what has to be done first. Otherwise 400 INVALID_DATA: INVALID_VALUE on password with
// failuresRemaining where wrong ones lock, NO_PASSWORD, or ACCOUNT_NOT_USABLE, with secondsUntilUnlock where it is
// locked for a time. A wrong one counts as it does at sign-on.
func (u *Users) VerifyPassword(ctx context.Context, env *store.Environment, user *store.User, password string) error {
	u.ready()
	if err := present(targetPassword, password); err != nil {
		return err
	}
	a := &account{user: user}
	var err error
	if a.cred, err = u.credential(ctx, env, user.ID); err != nil {
		return err
	}
	kept, err := u.password(ctx, user, a.cred)
	switch {
	case err != nil:
		return err
	case user.Disabled || barred(user) || a.cred.Locked:
		return notUsable(0)
	case kept == "":
		return noPassword()
	}
	p, err := u.prove(ctx, env, a, password)
	if err != nil {
		return err
	}
	switch p.outcome {
	case right:
		return nil
	case locked:
		return notUsable(p.until.Sub(u.Now()))
	case disabled:
		return notUsable(0)
	}
	d := invalid(targetPassword, "The password is not right")
	if rules := lockoutOf(env); rules.attempts >= 0 {
		left := max(0, rules.attempts-a.cred.Failures)
		d.Inner = map[string]any{"failuresRemaining": left}
		if t := tallyOf(a.cred); t.locked(u.Now()) {
			d.Inner["secondsUntilUnlock"] = seconds(t.until.Sub(u.Now()))
		}
	}
	return refuse("The password is not right", "invalid_value", d)
}

// ForceChange makes the person choose a new password at the next sign-on. NO_PASSWORD: there is none to
// change.
func (u *Users) ForceChange(ctx context.Context) Edit {
	u.ready()
	return func(user *store.User, cred *store.Credential) error {
		kept, err := u.password(ctx, user, *cred)
		switch {
		case err != nil:
			return err
		case External(user):
			return refuseExternal()
		case kept == "":
			return noPassword()
		}
		cred.MustChange = true
		return nil
	}
}

func refuseExternal() error {
	return refuse("The password is not kept here", "external", oauth.Detail{
		Code: InvalidValue, Target: "identityProvider", Message: "Another identity provider than PING_ONE knows the user's password",
	})
}

func noPassword() error {
	return refuse("The user has no password", "no_password", oauth.Detail{Code: NoPassword, Message: "The user has no password"})
}

// notUsable says that nobody can sign on to an account; until is how long, 0 until somebody changes it.
func notUsable(until time.Duration) error {
	d := oauth.Detail{Code: AccountNotUsable, Target: targetUser, Message: "The account is locked, disabled or may not sign on"}
	if until > 0 {
		d.Inner = map[string]any{"secondsUntilUnlock": seconds(until)}
	}
	return refuse("The account cannot be used", "not_usable", d)
}
