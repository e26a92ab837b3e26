package limit_test

import (
	"fmt"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/limit"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
)

func clock() *testkit.Clock { return testkit.NewClock(time.Unix(1_800_000_000, 0)) }

// allowed counts how many of n events at once are allowed.
func allowed(l *limit.Limiter, key string, n int) (count int) {
	for range n {
		if ok, _ := l.Allow(key); ok {
			count++
		}
	}
	return count
}

func TestBurstAndRate(t *testing.T) {
	now := clock()
	l := &limit.Limiter{Rate: 0.5, Burst: 3, Now: now.Now}
	if got := allowed(l, "a", 10); got != 3 {
		t.Errorf("a new key: %d of 10 allowed, want the burst, 3", got)
	}
	if ok, after := l.Allow("a"); ok || after != 2*time.Second {
		t.Errorf("after the burst: %v, %v, want a refusal for 2s", ok, after)
	}
	if got := allowed(l, "b", 10); got != 3 {
		t.Errorf("another key: %d of 10 allowed, want its own burst, 3", got)
	}
	now.Advance(time.Second)
	if ok, after := l.Allow("a"); ok || after != time.Second {
		t.Errorf("a second later: %v, %v, want a refusal for 1s more: those refused cost nothing", ok, after)
	}
	now.Advance(time.Second)
	if got := allowed(l, "a", 10); got != 1 {
		t.Errorf("two seconds later: %d of 10 allowed, want 1", got)
	}
	now.Advance(time.Hour)
	if got := allowed(l, "a", 10); got != 3 {
		t.Errorf("an hour later: %d of 10 allowed, want no more than the burst, 3", got)
	}
}

func TestZeroValueLimits(t *testing.T) {
	now := clock()
	l := &limit.Limiter{Now: now.Now}
	if got := allowed(l, "a", 100); got != limit.DefaultBurst {
		t.Errorf("%d of 100 allowed, want %d", got, limit.DefaultBurst)
	}
	now.Advance(5 * time.Second)
	if got := allowed(l, "a", 100); got != 5 {
		t.Errorf("5 s later: %d of 100 allowed, want 5", got)
	}
}

func TestNegativeRateNeverRefills(t *testing.T) {
	now := clock()
	l := &limit.Limiter{Rate: -1, Burst: 2, Now: now.Now}
	allowed(l, "a", 2)
	now.Advance(1000 * time.Hour)
	if ok, after := l.Allow("a"); ok || after <= 0 {
		t.Errorf("after the burst: %v, %v, want a refusal", ok, after)
	}
}

func TestClockSetBackGivesNothing(t *testing.T) {
	now := clock()
	l := &limit.Limiter{Rate: 1, Burst: 1, Now: now.Now}
	allowed(l, "a", 1)
	now.Advance(-time.Hour)
	if got := allowed(l, "a", 10); got != 0 {
		t.Errorf("%d of 10 allowed after the clock was set back, want 0", got)
	}
}

func TestMemoryIsBounded(t *testing.T) {
	now := clock()
	l := &limit.Limiter{Rate: 1, Burst: 1, Keys: 100, Now: now.Now}
	allowed(l, "first", 1)
	for i := range 99 {
		allowed(l, fmt.Sprint(i), 1)
	}
	if got := allowed(l, "first", 1); got != 0 {
		t.Error("the first of 100 keys is forgotten, want it remembered")
	}
	allowed(l, "one too many", 1)
	if got := allowed(l, "first", 1); got != 0 {
		t.Error("the key used last is forgotten, want the one that was quiet the longest")
	}
	if got := allowed(l, "0", 1); got != 1 {
		t.Error("the key that was quiet the longest is remembered, want at most 100 keys")
	}
}

func TestLongKeysAreToldApart(t *testing.T) {
	now := clock()
	l := &limit.Limiter{Rate: 1, Burst: 1, Now: now.Now}
	long := strings.Repeat("x", 10_000)
	if got := allowed(l, long+"a", 2); got != 1 {
		t.Errorf("%d of 2 allowed, want 1", got)
	}
	if got := allowed(l, long+"b", 1); got != 1 {
		t.Error("a key that differs in its last byte is refused, want a bucket of its own")
	}
}

func TestConcurrentUse(t *testing.T) {
	now := clock()
	l := &limit.Limiter{Rate: 1, Burst: 50, Keys: 10, Now: now.Now}
	var count atomic.Int64
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() { count.Add(int64(allowed(l, "a", 10))) })
	}
	wg.Wait()
	if got := count.Load(); got != 50 {
		t.Errorf("%d of 200 allowed, want exactly the burst, 50", got)
	}
}

func TestTinyRateDoesNotOverflow(t *testing.T) {
	now := clock()
	l := &limit.Limiter{Rate: math.SmallestNonzeroFloat64, Burst: 1, Now: now.Now}
	allowed(l, "a", 1)
	if ok, after := l.Allow("a"); ok || after <= 0 || after > 24*time.Hour {
		t.Errorf("got %v, %v, want a refusal for at most a day", ok, after)
	}
}

func TestAddress(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"IPv4 is a key of its own", "192.0.2.7", "192.0.2.7"},
		{"IPv6 counts by its network", "2001:db8:1:2:aaaa::1", "2001:db8:1:2::/64"},
		{"another address of that network", "2001:db8:1:2:bbbb::9", "2001:db8:1:2::/64"},
		{"another network", "2001:db8:1:3::1", "2001:db8:1:3::/64"},
		{"IPv4 in IPv6 is IPv4", "::ffff:192.0.2.7", "192.0.2.7"},
		{"the zone is the host's own business", "fe80::1%eth0", "fe80::/64"},
		{"not an address", "pipe", "pipe"},
		{"nothing", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := limit.Address(tt.in); got != tt.want {
				t.Errorf("Address(%q) = %q, want %q", tt.in, got, tt.want)
			}
		})
	}
}
