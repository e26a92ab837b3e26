package identity

import (
	"context"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/notify"
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

// Verify tells an administrator whether a password is somebody's: nil where it is, and the account could be signed
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

// UnlockPassword takes back the lock that wrong passwords led to. An administrator's lock stays.
func (u *Users) UnlockPassword() Edit {
	return func(_ *store.User, cred *store.Credential) error {
		tally{}.into(cred)
		if !cred.Locked {
			cred.LockedAt = time.Time{}
		}
		return nil
	}
}

// Lock keeps the person from signing on until Unlock, or, where it is not zero, until a time. Whoever tries
// learns no more than that name or password is not right, as for a name that nobody has. Sessions go on.
func (u *Users) Lock(until time.Time) Edit {
	u.ready()
	return func(_ *store.User, cred *store.Credential) error {
		now := u.Now()
		if !until.IsZero() {
			if !until.After(now) {
				return refuseValue("account.unlockAt", "The time has passed")
			}
			cred.LockedUntil, cred.LockedAt = until, now
			cred.LastFailure = now // a tally older than a lock is forgotten
			return nil
		}
		if !cred.Locked {
			cred.Locked, cred.LockedAt = true, now
		}
		return nil
	}
}

// Unlock takes back either lock.
func (u *Users) Unlock() Edit {
	return func(_ *store.User, cred *store.Credential) error {
		tally{}.into(cred)
		cred.Locked, cred.LockedAt = false, time.Time{}
		return nil
	}
}

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
	_, err = u.change(ctx, env, user.ID, func(cred *store.Credential) (bool, error) {
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

// PasswordState is what is known of a password.
type PasswordState struct {
	Status    string // OK, NO_PASSWORD, PASSWORD_EXPIRED, PASSWORD_LOCKED_OUT, MUST_CHANGE_PASSWORD or EXTERNAL
	ChangedAt time.Time
	Unlock    time.Duration // until the lock ends that wrong passwords led to; 0 for none
}

// StateOf says how a person's password stands.
func (u *Users) StateOf(ctx context.Context, env *store.Environment, user *store.User) (PasswordState, error) {
	u.ready()
	cred, err := u.credential(ctx, env, user.ID)
	if err != nil {
		return PasswordState{}, err
	}
	kept, err := u.password(ctx, user, cred)
	if err != nil {
		return PasswordState{}, err
	}
	s := PasswordState{Status: "OK", ChangedAt: cred.ChangedAt}
	now := u.Now()
	if t := tallyOf(cred); t.locked(now) {
		s.Unlock = t.until.Sub(now)
	}
	switch {
	case External(user):
		s.Status = "EXTERNAL"
	case kept == "":
		s.Status = "NO_PASSWORD"
	case s.Unlock > 0:
		s.Status = PasswordLockedOut
	case cred.MustChange:
		s.Status = string(StandingMustChange)
	case expired(env, cred, now):
		s.Status = string(StandingExpired)
	}
	return s, nil
}

// AccountState is whether somebody may sign on.
type AccountState struct {
	Locked   bool
	LockedAt time.Time // zero where it is not known
	// UnlockAt is when a lock ends by itself; zero for an administrator's.
	UnlockAt time.Time
}

// AccountOf says whether an account is locked.
func (u *Users) AccountOf(ctx context.Context, env *store.Environment, user *store.User) (AccountState, error) {
	u.ready()
	cred, err := u.credential(ctx, env, user.ID)
	if err != nil {
		return AccountState{}, err
	}
	switch t := tallyOf(cred); {
	case cred.Locked:
		return AccountState{Locked: true, LockedAt: cred.LockedAt}, nil
	case t.locked(u.Now()):
		return AccountState{Locked: true, LockedAt: cred.LockedAt, UnlockAt: t.until}, nil
	}
	return AccountState{}, nil
}

// MinLength is how many characters passwords of an environment have at least; MaxLength is the most, in
// bytes.
func MinLength(env *store.Environment) int { return leastOf(env) }

// MaxLength: see MinLength.
const MaxLength = maxPassword

// Lockout says after how many wrong passwords in a row an account is locked, 0 for never, and for how long.
func Lockout(env *store.Environment) (attempts int, duration time.Duration) {
	rules := lockoutOf(env)
	return max(0, rules.attempts), rules.duration
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
