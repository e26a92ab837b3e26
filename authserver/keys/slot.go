package keys

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// slot is one environment's place in memory.
type slot struct {
	env    atomic.Pointer[store.Environment]
	ring   atomic.Pointer[Ring]
	seen   atomic.Int64  // when ring was last compared with the store, in Unix seconds
	missed atomic.Int64  // when a kid was last looked for in vain, in Unix nanoseconds
	news   atomic.Uint64 // counts what was told to Stale
	known  atomic.Uint64 // news when the comparison that made ring began
	edits  sync.Mutex    // held by whoever edits the ring, so that this process is no race of its own
	turns  atomic.Uint64 // counts readings and writings of the store
	mu     sync.Mutex    // held to replace ring
	turn   uint64        // of turns, in which ring was read or written; guarded by mu
}

// stale reports whether something has been told since the ring was read.
func (s *slot) stale() bool { return s.known.Load() != s.news.Load() }

// keep puts a ring in memory that was compared with the store at now, unless one is there that was read or
// written later: turn says when. A version would not tell: an environment that was deleted and made again begins at the first.
func (s *slot) keep(env string, records []store.Key, version int64, sealer *secret.Sealer, now time.Time, news, turn uint64) (*Ring, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ring := s.ring.Load()
	if ring != nil && s.turn > turn {
		return ring, nil
	}
	s.turn = turn
	if ring == nil || ring.version != version {
		var err error
		if ring, err = newRing(env, records, version, ring, sealer); err != nil {
			return nil, err
		}
		s.ring.Store(ring)
	}
	s.seen.Store(max(s.seen.Load(), now.Unix()))
	// Not the most that any comparison knew: this one may have begun before the news, and end after one that had it.
	s.known.Store(news)
	return ring, nil
}
