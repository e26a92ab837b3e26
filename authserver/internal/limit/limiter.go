package limit

import (
	"container/list"
	"crypto/sha256"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// The defaults of a Limiter.
const (
	DefaultRate  = 1.0
	DefaultBurst = 20
	DefaultKeys  = 50_000
)

// longKey is the length in bytes from which a key is replaced by its hash, so
// that memory is bounded in bytes and not in keys alone.
const longKey = 64

// Limiter allows each key Burst events at once and Rate a second in the long
// run. Its fields are set before first use and not changed. Safe for concurrent
// use; the zero value has the defaults.
type Limiter struct {
	// Rate is in events a second. Default 1; negative: none after the burst.
	Rate float64
	// Burst is how many events a key has saved up when it is new. Default 20.
	Burst int
	// Keys is how many keys are remembered. Beyond that, the one that was quiet the longest
	// is forgotten, and has its whole burst again. Default 50,000: some 15 MB.
	Keys int
	// Now is the clock. Default time.Now.
	Now func() time.Time

	mu    sync.Mutex
	byKey map[string]*list.Element // of *bucket
	order list.List                // the one that was quiet the longest is at the back
}

type bucket struct {
	key   string
	limit *rate.Limiter
}

// Allow counts an event of key, if there may be one now. Otherwise nothing is counted, and
// retryAfter is when there may be: more than zero, rounded up to whole seconds.
func (l *Limiter) Allow(key string) (ok bool, retryAfter time.Duration) {
	if len(key) > longKey {
		sum := sha256.Sum256([]byte(key))
		key = string(sum[:])
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	b, now := l.bucket(key), l.now()
	r := b.limit.ReserveN(now, 1)
	if !r.OK() { // the rate is none and the burst is used up
		return false, never
	}
	wait := r.DelayFrom(now)
	if wait == 0 {
		return true, 0
	}
	r.CancelAt(now)
	if wait > never {
		return false, never
	}
	return false, (wait + time.Second - 1).Truncate(time.Second)
}

// never is the longest time that a caller is told to wait.
const never = 24 * time.Hour

func (l *Limiter) now() time.Time {
	if l.Now == nil {
		return time.Now()
	}
	return l.Now()
}

// bucket finds or makes the bucket of key and makes it the last used one. The caller holds mu.
func (l *Limiter) bucket(key string) *bucket {
	if e, ok := l.byKey[key]; ok {
		l.order.MoveToFront(e)
		return e.Value.(*bucket)
	}
	if l.byKey == nil {
		l.byKey = map[string]*list.Element{}
	}
	keys := l.Keys
	if keys <= 0 {
		keys = DefaultKeys
	}
	for len(l.byKey) >= keys {
		oldest := l.order.Back()
		delete(l.byKey, l.order.Remove(oldest).(*bucket).key)
	}
	events, burst := rate.Limit(l.Rate), l.Burst
	switch {
	case events == 0:
		events = DefaultRate
	case events < 0:
		events = 0
	}
	if burst <= 0 {
		burst = DefaultBurst
	}
	b := &bucket{key: strings.Clone(key), limit: rate.NewLimiter(events, burst)} // it may be a piece of a request
	l.byKey[b.key] = l.order.PushFront(b)
	return b
}
