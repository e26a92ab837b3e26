package identity

import (
	"context"
	"fmt"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

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
	return u.stateOf(cred), nil
}

// AccountsOf is AccountOf for several people of an environment, in their order.
func (u *Users) AccountsOf(ctx context.Context, env *store.Environment, users []*store.User) ([]AccountState, error) {
	u.ready()
	ids := make([]string, len(users))
	for i, user := range users {
		ids[i] = user.ID
	}
	credentials, err := u.Store.CredentialsOf(ctx, env.ID, ids)
	if err != nil {
		return nil, fmt.Errorf("read credentials: %w", err)
	}
	states := make([]AccountState, len(users))
	for i, id := range ids {
		states[i] = u.stateOf(credentials[id])
	}
	return states, nil
}

// stateOf reads off a credential whether it is locked; one that is not stored is not.
func (u *Users) stateOf(cred store.Credential) AccountState {
	switch t := tallyOf(cred); {
	case cred.Locked:
		return AccountState{Locked: true, LockedAt: cred.LockedAt}
	case t.locked(u.Now()):
		return AccountState{Locked: true, LockedAt: cred.LockedAt, UnlockAt: t.until}
	}
	return AccountState{}
}

// MinLength is how many characters passwords of an environment have at least.
func MinLength(env *store.Environment) int { return leastOf(env) }

// MaxLength is how many bytes passwords of every environment have at most.
const MaxLength = maxPassword

// Lockout says after how many wrong passwords in a row an account is locked, 0 for never, and for how long.
func Lockout(env *store.Environment) (attempts int, duration time.Duration) {
	rules := lockoutOf(env)
	return max(0, rules.attempts), rules.duration
}
