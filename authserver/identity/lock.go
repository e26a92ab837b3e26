package identity

import (
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

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
