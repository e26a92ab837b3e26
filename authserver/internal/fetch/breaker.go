package fetch

import (
	"sync"
	"time"
)

const (
	breakAfter = 5                // failures in a row
	firstBreak = time.Second      // doubled each time,
	longBreak  = 30 * time.Second // up to this
)

// breaker keeps callers away from an endpoint that is down, so that it is not
// hammered and they need not wait. It opens after breakAfter failures in a row, or when
// the endpoint says to come back later; then one call at a time may try.
// Only failures of the endpoint as such are told to it: what a token of
// somebody's choice can provoke must not cut off the others. Safe for concurrent use.
type breaker struct {
	mu       sync.Mutex
	failures int
	until    time.Time // open before; zero when closed
	next     time.Duration
	probing  bool
}

// allow reports whether the endpoint may be called at now, or else how long to wait.
// Each allowed call must be followed by one of succeed, fail and abstain.
func (b *breaker) allow(now time.Time) (wait time.Duration, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.until.IsZero() {
		return 0, true
	}
	// The upper bound is for a clock that was set back.
	if left := b.until.Sub(now); left > 0 && left <= longBreak {
		return left, false
	}
	if b.probing {
		return firstBreak, false
	}
	b.probing = true
	return 0, true
}

func (b *breaker) succeed() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failures, b.until, b.next, b.probing = 0, time.Time{}, 0, false
}

// fail tells of a failure that ended at now; pause, where positive, is how long the endpoint asked
// to be left alone. It reports whether the breaker is open now.
func (b *breaker) fail(now time.Time, pause time.Duration) (open bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failures++
	b.probing = false
	if pause <= 0 && b.failures < breakAfter {
		return false
	}
	b.next = min(max(2*b.next, firstBreak), longBreak)
	b.until = now.Add(min(max(pause, b.next), longBreak))
	return true
}

// abstain tells of a call that said nothing about the endpoint.
func (b *breaker) abstain() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.probing = false
}
