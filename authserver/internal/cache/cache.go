package cache

import (
	"hash/maphash"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dgraph-io/ristretto/v2"
)

// Cache maps bearer tokens to what was found out about them. It alone imports ristretto.
//
// An entry is found by a seeded 64-bit hash of the token, and only counts when
// the whole token is equal: two tokens never share an answer. Each owner has a
// Cache, and so a seed, of its own. Safe for concurrent use.
//
// Writing is a hint. It takes effect a little later, and is lost when too much
// is written at once or when the token is not worth what it would push out; the
// next Get then misses and its caller finds out again.
type Cache[V any] struct {
	seed  maphash.Seed
	inner atomic.Pointer[ristretto.Cache[uint64, *entry[V]]] // nil until the first Put: its counters are large, and many a cache stays empty
	build sync.Mutex
	max   int64
	// entries are what the counters are for.
	entries int64

	stripes   [stripes]stripe
	evictions atomic.Uint64
	refused   atomic.Uint64

	swept atomic.Pointer[time.Time] // when the last sweep began

	closed    atomic.Bool
	closeOnce sync.Once
}

// entry is one remembered token. It is never changed.
type entry[V any] struct {
	key   uint64
	token string
	value V
	wall  time.Time // end by the wall clock
	mono  time.Time // end by the monotonic clock, where the caller's now had one
}

// live reports whether the entry has not ended, by either clock.
func (e *entry[V]) live(now time.Time) bool { return now.Before(e.wall) && now.Before(e.mono) }

// stripe counts a part of the calls, so that no counter is shared by all. A call
// is begun once and then ends as one of the others; see Close.
type stripe struct {
	begun, hits, misses, other atomic.Uint64
	_                          [128 - 4*8]byte // two cache lines: they are fetched in pairs
}

const stripes = 16

// entryOverhead is what one entry costs beside the token and the value's own
// memory, as measured: the entry itself, its places in the map and the policy,
// and what the allocator rounds up.
const entryOverhead = 320

// Config sizes a cache.
type Config struct {
	MaxBytes   int64 // cost bound; default 64 MiB
	MaxEntries int64 // expected entries, for the admission counters; default what fits into MaxBytes, at most 100000
}

func (c Config) withDefaults() Config {
	if c.MaxBytes <= 0 {
		c.MaxBytes = 64 << 20
	}
	if c.MaxEntries <= 0 {
		const usual = 1280 // bytes of an entry with its claims
		c.MaxEntries = min(max(c.MaxBytes/usual, 100), 100_000)
	}
	return c
}

// New makes a cache. Close frees it.
func New[V any](config Config) *Cache[V] {
	config = config.withDefaults()
	return &Cache[V]{seed: maphash.MakeSeed(), max: config.MaxBytes, entries: config.MaxEntries}
}

// room is the inner cache, made if this is the first use of it. The caller has begun.
func (c *Cache[V]) room() *ristretto.Cache[uint64, *entry[V]] {
	if inner := c.inner.Load(); inner != nil {
		return inner
	}
	c.build.Lock()
	defer c.build.Unlock()
	if inner := c.inner.Load(); inner != nil {
		return inner
	}
	inner, err := ristretto.NewCache(&ristretto.Config[uint64, *entry[V]]{
		NumCounters:        10 * c.entries,
		MaxCost:            c.max,
		BufferItems:        64,
		IgnoreInternalCost: true, // entryOverhead has it
		KeyToHash:          func(key uint64) (uint64, uint64) { return key, 0 },
		OnEvict:            c.evicted,
		OnReject:           c.rejected,
	})
	if err != nil {
		panic(err) // it refuses only sizes that Config's defaults exclude
	}
	c.inner.Store(inner)
	return inner
}

// evicted is told what had to go for another, and everything at the end.
func (c *Cache[V]) evicted(*ristretto.Item[*entry[V]]) {
	if !c.closed.Load() {
		c.evictions.Add(1)
	}
}

// rejected is told what did not get in, which includes a second write of a token
// that came before the first had taken effect; that one has lost nothing.
func (c *Cache[V]) rejected(item *ristretto.Item[*entry[V]]) {
	if _, there := c.inner.Load().GetTTL(item.Key); !there {
		c.refused.Add(1)
	}
}

// begin counts a call in, unless the cache is closed. The caller adds one to one
// of the stripe's other counters when it has left the inner cache.
func (c *Cache[V]) begin() *stripe {
	if c.closed.Load() {
		return nil
	}
	s := &c.stripes[rand.Uint32()%stripes]
	s.begun.Add(1)
	if c.closed.Load() { // Close may have looked before begun moved
		s.other.Add(1)
		return nil
	}
	return s
}

// Get finds the value of token, if it is cached and now is before its end.
// It takes no lock shared by all requests and does not allocate.
//
// An entry ends when its end is reached on the wall clock or when as much time
// has passed as there was at Put, whichever is first: setting the clock back
// lengthens no life.
func (c *Cache[V]) Get(token string, now time.Time) (v V, ok bool) {
	s := c.begin()
	if s == nil {
		return v, false
	}
	var e *entry[V]
	if inner := c.inner.Load(); inner != nil {
		e, ok = inner.Get(maphash.String(c.seed, token))
	}
	if !ok || e.token != token || !e.live(now) {
		s.misses.Add(1)
		return v, false
	}
	s.hits.Add(1)
	return e.value, true
}

// Put remembers v until end. size is the value's own memory in bytes; the token's is added.
// Nothing is remembered when now is not before end, or when the whole is larger than the cache.
func (c *Cache[V]) Put(token string, v V, size int, now, end time.Time) {
	stay := end.Sub(now)
	if stay <= 0 {
		return
	}
	s := c.begin()
	if s == nil {
		return
	}
	defer s.other.Add(1)
	cost := int64(len(token)) + int64(max(size, 0)) + entryOverhead
	if cost > c.max {
		c.refused.Add(1)
		return
	}
	e := &entry[V]{
		key:   maphash.String(c.seed, token),
		token: strings.Clone(token), // it may be a piece of something larger
		value: v,
		wall:  end.Round(0),
		mono:  now.Add(stay),
	}
	if !c.room().Set(e.key, e, cost) {
		c.refused.Add(1)
	}
	if last := c.swept.Load(); last == nil || now.Sub(*last).Abs() >= sweepEvery {
		if c.swept.CompareAndSwap(last, &now) && last != nil {
			go c.sweep(now)
		}
	}
}

// Drop forgets one token. When it returns, nothing that was Put before it began
// will be found again. It waits for writes that are under way, so it is for
// revocation, not for every request.
func (c *Cache[V]) Drop(token string) {
	s := c.begin()
	if s == nil {
		return
	}
	defer s.other.Add(1)
	if inner := c.inner.Load(); inner != nil {
		inner.Del(maphash.String(c.seed, token))
		inner.Wait() // a write still queued would otherwise show up after Del
	}
}

// Wait returns when everything Put before has taken effect; tests need it.
func (c *Cache[V]) Wait() {
	s := c.begin()
	if s == nil {
		return
	}
	defer s.other.Add(1)
	if inner := c.inner.Load(); inner != nil {
		inner.Wait()
	}
}

// Stats is a snapshot since the cache was made.
type Stats struct {
	Entries, Bytes                   int64
	Hits, Misses, Evictions, Refused uint64 // Refused: not admitted
}

// Stats reports sizes and counts. It walks the entries: it is for scrapes.
func (c *Cache[V]) Stats() Stats {
	st := Stats{Evictions: c.evictions.Load(), Refused: c.refused.Load()}
	for i := range c.stripes {
		st.Hits += c.stripes[i].hits.Load()
		st.Misses += c.stripes[i].misses.Load()
	}
	s := c.begin()
	if s == nil {
		return st
	}
	defer s.other.Add(1)
	inner := c.inner.Load()
	if inner == nil {
		return st
	}
	st.Bytes = c.max - inner.RemainingCost()
	inner.IterValues(func(*entry[V]) bool {
		st.Entries++
		return false
	})
	return st
}

// Close stops the cache's goroutines and forgets everything. Calls that come
// later, or at the same time, find nothing and do nothing.
func (c *Cache[V]) Close() {
	c.closeOnce.Do(func() {
		c.closed.Store(true)
		// The inner cache must not be closed under a call that is inside it.
		for i := range c.stripes {
			for s := &c.stripes[i]; s.busy(); {
				time.Sleep(50 * time.Microsecond)
			}
		}
		if inner := c.inner.Load(); inner != nil {
			inner.Close()
		}
	})
}

// busy reports whether a call is under way. What has ended is read first: if
// that equals what has begun by then, none was in between.
func (s *stripe) busy() bool {
	ended := s.hits.Load() + s.misses.Load() + s.other.Load()
	return s.begun.Load() != ended
}
