package session

import (
	"cmp"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// The defaults of an environment that says nothing.
const (
	DefaultIdle     = 30 * 24 * time.Hour
	DefaultLifetime = 180 * 24 * time.Hour
)

func idle(env *store.Environment) time.Duration {
	return cmp.Or(env.SignOn.SessionIdle, DefaultIdle)
}

// end is when a session ends that somebody signed on to at authTime, however
// much it is used.
func end(env *store.Environment, authTime time.Time) time.Time {
	return authTime.Add(cmp.Or(env.SignOn.SessionLifetime, DefaultLifetime))
}

// expiry is when a session used at now ends if it is not used again.
func expiry(env *store.Environment, authTime, now time.Time) time.Time {
	if at, last := now.Add(idle(env)), end(env, authTime); at.Before(last) {
		return at
	} else {
		return last
	}
}

// over reports whether r has ended by what the environment says today; the store
// goes by what it said then.
func (r *record) over(env *store.Environment, now time.Time) bool {
	return !now.Before(end(env, r.authTime()))
}

// step is how exactly uses are recorded: not every request writes.
func step(env *store.Environment) time.Duration {
	return min(time.Minute, idle(env)/4)
}
