package identity

import (
	"cmp"
	"container/list"
	"crypto/sha256"
	"sync"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// The defaults of the lockout.
const (
	DefaultLockoutAttempts = 5
	DefaultLockoutDuration = 15 * time.Minute
)

// lockout is what an environment does against guessing.
type lockout struct {
	attempts int // negative: never
	duration time.Duration
}

func lockoutOf(env *store.Environment) lockout {
	return lockout{
		cmp.Or(env.SignOn.LockoutAttempts, DefaultLockoutAttempts),
		cmp.Or(env.SignOn.LockoutDuration, DefaultLockoutDuration),
	}
}

// tally is how often a password was wrong in a row, of an account or of a name
// that nobody has.
type tally struct {
	failures    int
	last, until time.Time // of the last failure; of the lock
}

func (t tally) locked(now time.Time) bool { return now.Before(t.until) }

// fail counts a wrong password at now. A pause as long as a lock is a fresh start, the lock itself
// included: nobody guesses faster by pausing than by being locked.
func (t tally) fail(rules lockout, now time.Time) tally {
	if now.Sub(t.last) >= rules.duration {
		t = tally{}
	}
	t.failures++
	t.last = now
	if rules.attempts >= 0 && t.failures >= rules.attempts {
		t.until = now.Add(rules.duration)
	}
	return t
}

func tallyOf(c store.Credential) tally { return tally{c.Failures, c.LastFailure, c.LockedUntil} }

func (t tally) into(c *store.Credential) {
	c.Failures, c.LastFailure, c.LockedUntil = t.failures, t.last, t.until
}

// maxStrangers is how many names that nobody has are remembered: some 4 MB.
const maxStrangers = 20_000

// strangers counts wrong passwords of names that nobody has, as credentials do for
// those that somebody has. The one that was guessed least recently goes first.
type strangers struct {
	mu    sync.Mutex
	byKey map[[sha256.Size]byte]*list.Element // of *stranger
	order list.List
}

type stranger struct {
	key   [sha256.Size]byte
	tally tally
}

func strangerKey(env *store.Environment, username string) [sha256.Size]byte {
	return sha256.Sum256([]byte(env.ID + "\x00" + Fold(username)))
}

// tally is what is known of a name.
func (s *strangers) tally(key [sha256.Size]byte) tally {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e, ok := s.byKey[key]; ok {
		return e.Value.(*stranger).tally
	}
	return tally{}
}

// fail counts a wrong password, unless the name is locked already: then it returns
// the lock as it is.
func (s *strangers) fail(key [sha256.Size]byte, rules lockout, now time.Time) (t tally, counted bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.byKey[key]
	if !ok {
		if s.byKey == nil {
			s.byKey = map[[sha256.Size]byte]*list.Element{}
		}
		for len(s.byKey) >= maxStrangers {
			delete(s.byKey, s.order.Remove(s.order.Back()).(*stranger).key)
		}
		e = s.order.PushFront(&stranger{key: key})
		s.byKey[key] = e
	}
	s.order.MoveToFront(e)
	one := e.Value.(*stranger)
	if one.tally.locked(now) {
		return one.tally, false
	}
	one.tally = one.tally.fail(rules, now)
	return one.tally, true
}
