package token

import (
	"context"
	"errors"
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

const (
	// feedGrace is how long the feed may be interrupted before nothing is known
	// any more.
	feedGrace = 10 * time.Second
	// startWait bounds how long a request waits for the first catching up.
	startWait = 5 * time.Second
	// clockSlack is how long a revocation outlives the token: gates may accept a
	// token for a while after its exp.
	clockSlack = 10 * time.Minute

	shards = 64
)

// errFeed: revocations made elsewhere may be missing here.
var errFeed = errors.New("the revocation feed is interrupted")

// Revocations is the set of revocations that are still needed, of every
// environment, in memory. The store feeds it (see Watcher). It is safe for
// concurrent use, and its readers share no lock but that of one of its parts.
type Revocations struct {
	now   func() time.Time
	seed  maphash.Seed
	parts [shards]part
	epoch atomic.Uint64
	// audiences is true once any audience was revoked: most servers never do.
	audiences atomic.Bool
	// down is when the feed was interrupted, in Unix nanoseconds; 0 while it is
	// alive. It starts in the distant past: before the first catching up nothing
	// is known.
	down  atomic.Int64
	ready chan struct{} // closed after the first catching up
	once  sync.Once
}

type part struct {
	mu sync.RWMutex
	m  map[selector]span
}

// selector is what a revocation ends.
type selector struct {
	env   string
	kind  store.RevocationKind
	value string
}

type span struct{ at, until int64 } // Unix seconds

// NewRevocations makes an empty set that knows nothing until its feed has caught up.
func NewRevocations(now func() time.Time) *Revocations {
	s := &Revocations{now: now, seed: maphash.MakeSeed(), ready: make(chan struct{})}
	for i := range s.parts {
		s.parts[i].m = map[selector]span{}
	}
	s.down.Store(1)
	return s
}

// Watcher receives the store's feed.
func (s *Revocations) Watcher() store.RevocationWatcher {
	return store.RevocationWatcher{Deliver: s.Add, Alive: s.Alive}
}

// Alive tells whether the feed delivers everything.
func (s *Revocations) Alive(ok bool) {
	if ok {
		s.down.Store(0)
		s.once.Do(func() { close(s.ready) })
	} else {
		s.down.CompareAndSwap(0, s.now().UnixNano())
	}
}

// Wait waits until the feed has caught up for the first time, but not long.
func (s *Revocations) Wait(ctx context.Context) error {
	select {
	case <-s.ready:
		return nil
	default:
	}
	timer := time.NewTimer(startWait)
	defer timer.Stop()
	select {
	case <-s.ready:
		return nil
	case <-timer.C:
		return errFeed
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Add puts r into the set. To add it again changes nothing.
func (s *Revocations) Add(r store.Revocation) {
	k := selector{r.Environment, r.Kind, r.Value}
	p := s.part(r.Value)
	if r.Kind == store.RevokedAudience {
		s.audiences.Store(true) // before the entry is visible
	}
	p.mu.Lock()
	old := p.m[k]
	merged := span{max(old.at, r.At.Unix()), max(old.until, r.ExpiresAt.Unix())}
	p.m[k] = merged
	p.mu.Unlock()
	if merged != old {
		s.epoch.Add(1) // after the entry is visible: see Epoch
	}
}

// Epoch changes whenever any token may have been revoked: whoever reads it, and
// after that learns that a token is not revoked, may keep the answer for as long
// as Epoch stays the same. While the feed is interrupted for longer than its
// grace it never stays the same.
func (s *Revocations) Epoch() uint64 {
	if s.interrupted() {
		return s.epoch.Add(1)
	}
	return s.epoch.Load()
}

func (s *Revocations) interrupted() bool {
	down := s.down.Load()
	if down == 0 {
		return false
	}
	// A clock that went back gives no grace.
	d := s.now().UnixNano() - down
	return d < 0 || d > int64(feedGrace)
}

// Holder is what the set needs to know of a token.
type Holder struct {
	ID, Grant, Session, Client, Subject string
	Audience                            []string // of access tokens
	IssuedAt                            time.Time
	// Origins are the tokens that this one was exchanged for: what ends one of them, its client or its audience, ends this one.
	Origins []Origin
}

// Revoked reports whether a token of env has been revoked. An error means that
// it cannot be told.
func (s *Revocations) Revoked(env string, h Holder) (bool, error) {
	if s.interrupted() {
		return false, errFeed
	}
	if _, ok := s.find(env, store.RevokedToken, h.ID); ok {
		return true, nil
	}
	iat := h.IssuedAt.Unix()
	for _, by := range [...]struct {
		kind  store.RevocationKind
		value string
	}{{store.RevokedGrant, h.Grant}, {store.RevokedSession, h.Session}, {store.RevokedClient, h.Client}, {store.RevokedSubject, h.Subject}} {
		if at, ok := s.find(env, by.kind, by.value); ok && iat <= at.at {
			return true, nil
		}
	}
	for _, o := range h.Origins {
		if _, ok := s.find(env, store.RevokedToken, o.ID); ok {
			return true, nil
		}
		for _, by := range [...]struct {
			kind  store.RevocationKind
			value string
		}{{store.RevokedClient, o.Client}, {store.RevokedGrant, o.Grant}, {store.RevokedSession, o.Session}, {store.RevokedSubject, o.Subject}} {
			if at, ok := s.find(env, by.kind, by.value); ok && iat <= at.at {
				return true, nil
			}
		}
	}
	if !s.audiences.Load() {
		return false, nil
	}
	if s.revokedFor(env, h.Audience, iat) {
		return true, nil
	}
	// A token of an audience that was revoked has ended, and cannot be exchanged any more: what is older is what it was exchanged for.
	return slices.ContainsFunc(h.Origins, func(o Origin) bool { return s.revokedFor(env, o.Audience, iat) }), nil
}

// revokedFor reports whether one of the audiences was revoked at iat, in Unix seconds, or later.
func (s *Revocations) revokedFor(env string, audiences []string, iat int64) bool {
	return slices.ContainsFunc(audiences, func(aud string) bool {
		at, ok := s.find(env, store.RevokedAudience, aud)
		return ok && iat <= at.at
	})
}

func (s *Revocations) find(env string, kind store.RevocationKind, value string) (span, bool) {
	if value == "" {
		return span{}, false
	}
	p := s.part(value)
	p.mu.RLock()
	defer p.mu.RUnlock()
	found, ok := p.m[selector{env, kind, value}]
	return found, ok
}

func (s *Revocations) part(value string) *part {
	return &s.parts[maphash.String(s.seed, value)%shards]
}

// Prune forgets what is no longer needed at now and says how much that was.
func (s *Revocations) Prune(now time.Time) int {
	n := 0
	for i := range s.parts {
		p := &s.parts[i]
		p.mu.Lock()
		for k, v := range p.m {
			if v.until < now.Unix() {
				delete(p.m, k)
				n++
			}
		}
		p.mu.Unlock()
	}
	return n
}

// Len is the number of revocations in the set.
func (s *Revocations) Len() int {
	n := 0
	for i := range s.parts {
		p := &s.parts[i]
		p.mu.RLock()
		n += len(p.m)
		p.mu.RUnlock()
	}
	return n
}
