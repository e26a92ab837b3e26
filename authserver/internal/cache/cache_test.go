package cache_test

import (
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/cache"
)

// start is any moment: the cache knows no clock but its callers'.
var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// raceDetector is set by race_test.go.
var raceDetector bool

func newCache[V any](t testing.TB, c cache.Config) *cache.Cache[V] {
	t.Helper()
	made := cache.New[V](c)
	t.Cleanup(made.Close)
	return made
}

// TestAttackNearIdenticalTokens is attack case 77: tokens that differ little
// never share an entry.
func TestAttackNearIdenticalTokens(t *testing.T) {
	long := strings.Repeat("abcdefgh", 1000)
	at := func(i int) string { return long[:i] + "X" + long[i+1:] }
	tests := []struct{ name, other string }{
		{"last byte", at(len(long) - 1)},
		{"first byte", at(0)},
		{"after byte 64", at(65)},
		{"after byte 4096", at(4097)},
		{"case", strings.ToUpper(long)},
		{"one byte more", long + "a"},
		{"one byte less", long[:len(long)-1]},
		{"trailing NUL", long + "\x00"},
		{"trailing space", long + " "},
		{"empty", ""},
	}
	for _, tt := range tests {
		t.Run("case_77/"+tt.name, func(t *testing.T) {
			c := newCache[string](t, cache.Config{})
			c.Put(long, "one", 3, start, start.Add(time.Minute))
			c.Wait()
			if got, ok := c.Get(tt.other, start); ok {
				t.Errorf("Get = %q, want nothing for another token", got)
			}
			c.Put(tt.other, "other", 5, start, start.Add(time.Minute))
			c.Wait()
			for token, want := range map[string]string{long: "one", tt.other: "other"} {
				if got, ok := c.Get(token, start); !ok || got != want {
					t.Errorf("Get = %q, %v, want %q", got, ok, want)
				}
			}
		})
	}
}

func TestEntryEndsExactly(t *testing.T) {
	end := start.Add(5 * time.Second)
	tests := []struct {
		name string
		now  time.Time
		want bool
	}{
		{"at once", start, true},
		{"a nanosecond before its end", end.Add(-time.Nanosecond), true},
		{"at its end", end, false},
		{"a nanosecond after", end.Add(time.Nanosecond), false},
		{"clock stepped forward a year", start.AddDate(1, 0, 0), false},
		{"clock stepped back an hour", start.Add(-time.Hour), true},
		{"another zone", end.Add(-time.Nanosecond).In(time.FixedZone("x", 3600)), true},
	}
	c := newCache[int](t, cache.Config{})
	c.Put("token", 1, 0, start, end)
	c.Wait()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, ok := c.Get("token", tt.now); ok != tt.want {
				t.Errorf("found = %v, want %v", ok, tt.want)
			}
		})
	}
}

// TestAttackClockSetBack is the cache's half of attack case 81. A time.Now has
// read two clocks; setting the system's clock moves one of them.
func TestAttackClockSetBack(t *testing.T) {
	t.Run("case_81", func(t *testing.T) {
		c := newCache[int](t, cache.Config{})
		now := time.Now()
		c.Put("token", 1, 0, now, now.Round(0).Add(5*time.Second)) // exp comes from the token: no monotonic reading
		c.Wait()
		tests := []struct {
			name string
			now  time.Time
			want bool
		}{
			{"4 s later", now.Add(4 * time.Second), true},
			{"6 s later", now.Add(6 * time.Second), false},
			{"4 s later by the wall clock alone", now.Round(0).Add(4 * time.Second), true},
			{"6 s later by the wall clock alone", now.Round(0).Add(6 * time.Second), false},
			{"4 s later, set back an hour", setWall(now.Add(4*time.Second), -time.Hour), true},
			{"6 s later, set back an hour", setWall(now.Add(6*time.Second), -time.Hour), false},
			{"4 s later, set forward an hour", setWall(now.Add(4*time.Second), time.Hour), false},
		}
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				if _, ok := c.Get("token", tt.now); ok != tt.want {
					t.Errorf("found = %v, want %v", ok, tt.want)
				}
			})
		}
	})
}

// setWall moves t's wall clock by whole seconds and leaves its monotonic reading,
// as setting the system's clock does to time.Now; package time has no other way.
func setWall(t time.Time, by time.Duration) time.Time {
	// With a monotonic reading, the first word is a flag, 33 bits of seconds and
	// 30 bits of nanoseconds.
	wall := (*uint64)(unsafe.Pointer(&t))
	*wall += uint64(by/time.Second) << 30
	return t
}

func TestSetWall(t *testing.T) {
	now := time.Now()
	set := setWall(now, -time.Hour)
	if got := set.Round(0).Sub(now.Round(0)); got != -time.Hour {
		t.Errorf("wall clock moved by %v, want -1h", got)
	}
	if got := set.Sub(now); got != 0 {
		t.Errorf("monotonic clock moved by %v, want 0", got)
	}
}

func TestPutRefusesWhatHasEnded(t *testing.T) {
	tests := []struct {
		name string
		end  time.Time
		want bool
	}{
		{"ends later", start.Add(time.Nanosecond), true},
		{"ends now", start, false},
		{"has ended", start.Add(-time.Second), false},
		{"zero time", time.Time{}, false},
		{"year 9999", time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC), true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newCache[int](t, cache.Config{})
			c.Put("token", 1, 0, start, tt.end)
			c.Wait()
			if _, ok := c.Get("token", start); ok != tt.want {
				t.Errorf("found = %v, want %v", ok, tt.want)
			}
		})
	}
}

func TestPutReplaces(t *testing.T) {
	c := newCache[string](t, cache.Config{})
	c.Put("token", "old", 0, start, start.Add(time.Minute))
	c.Wait()
	c.Put("token", "new", 0, start, start.Add(time.Hour))
	c.Wait()
	if got, ok := c.Get("token", start.Add(30*time.Minute)); !ok || got != "new" {
		t.Errorf("Get = %q, %v, want the second value and its end", got, ok)
	}
	if got := c.Stats().Entries; got != 1 {
		t.Errorf("entries = %d, want 1", got)
	}
}

func TestDropIsCompleteWhenItReturns(t *testing.T) {
	c := newCache[int](t, cache.Config{})
	for i := range 2000 {
		token := fmt.Sprint("token ", i)
		c.Put(token, i, 0, start, start.Add(time.Minute)) // may still be queued
		c.Drop(token)
		if _, ok := c.Get(token, start); ok {
			t.Fatalf("round %d: found after Drop, want nothing", i)
		}
	}
	c.Wait()
	if got := c.Stats(); got.Entries != 0 || got.Bytes != 0 {
		t.Errorf("entries, bytes = %d, %d, want none", got.Entries, got.Bytes)
	}
	c.Drop("never seen")
}

// What has ended is cleared away by the writes that come later.
func TestEndedEntriesAreSwept(t *testing.T) {
	c := newCache[int](t, cache.Config{})
	const n = 5000
	for i := range n {
		c.Put(fmt.Sprint("short ", i), i, 0, start, start.Add(time.Minute))
	}
	c.Wait()
	later := start.Add(2 * time.Minute)
	c.Put("long", 1, 0, later, later.Add(time.Hour))
	for wait := time.Now().Add(5 * time.Second); c.Stats().Entries > 1 && time.Now().Before(wait); {
		time.Sleep(time.Millisecond)
	}
	c.Wait()
	if got := c.Stats(); got.Entries != 1 || got.Bytes > 500 || got.Evictions != 0 {
		t.Errorf("entries, bytes, evictions = %d, %d, %d, want 1 small one and none evicted", got.Entries, got.Bytes, got.Evictions)
	}
	if _, ok := c.Get("long", later); !ok {
		t.Error("the one that has not ended is not found")
	}
}

// TestAttackFlood is attack case 83: however many tokens come, the cache keeps
// its bound, and an entry in use outlives the flood.
func TestAttackFlood(t *testing.T) {
	t.Run("case_83", func(t *testing.T) {
		const maxBytes, flood = 1 << 20, 1_000_000
		n := flood
		if testing.Short() || raceDetector {
			n = 30_000
		}
		c := newCache[int](t, cache.Config{MaxBytes: maxBytes})
		hot := make([]string, 50)
		for i := range hot {
			hot[i] = fmt.Sprintf("hot token %d", i)
			c.Put(hot[i], i, 0, start, start.Add(time.Hour))
		}
		c.Wait()
		for range 300 {
			for _, token := range hot {
				c.Get(token, start)
			}
		}
		filler := strings.Repeat("x", 200)
		var most int64
		asked, found := 0, 0
		for i := range n {
			token := fmt.Sprint(i, filler)
			if _, ok := c.Get(token, start); ok {
				t.Fatalf("token %d found before it was put", i)
			}
			c.Put(token, i, 0, start, start.Add(time.Hour))
			if i%10 == 0 { // one request in ten is for a token in use
				asked++
				if _, ok := c.Get(hot[i/10%len(hot)], start); ok {
					found++
				} else {
					c.Put(hot[i/10%len(hot)], 0, 0, start, start.Add(time.Hour))
				}
			}
			if i%64 == 0 {
				c.Wait() // a flood over a network is no faster than this
			}
			if i%10_000 == 0 {
				most = max(most, c.Stats().Bytes)
			}
		}
		c.Wait()
		got := c.Stats()
		if most > maxBytes || got.Bytes > maxBytes || got.Bytes == 0 {
			t.Errorf("bytes = %d, %d at most, want at most %d", got.Bytes, most, maxBytes)
		}
		if limit := int64(maxBytes / 400); got.Entries > limit {
			t.Errorf("entries = %d, want at most %d", got.Entries, limit)
		}
		if got.Evictions+got.Refused < uint64(n)/2 {
			t.Errorf("evictions + refused = %d + %d, want most of %d", got.Evictions, got.Refused, n)
		}
		// Under the race detector sync.Pool loses what is put into it, and with
		// it the counts by which the cache knows what is in use.
		if found < asked*9/10 && !raceDetector {
			t.Errorf("%d of %d look-ups of tokens in use were hits, want most", found, asked)
		}
	})
}

func TestPutRefusesWhatIsLargerThanTheCache(t *testing.T) {
	c := newCache[int](t, cache.Config{MaxBytes: 10_000})
	c.Put("large", 1, 20_000, start, start.Add(time.Hour))
	c.Put("small", 2, 2_000, start, start.Add(time.Hour))
	c.Wait()
	if _, ok := c.Get("large", start); ok {
		t.Error("found the large one, want it refused")
	}
	if _, ok := c.Get("small", start); !ok {
		t.Error("the small one is not found, want it kept")
	}
	if got := c.Stats(); got.Refused != 1 || got.Entries != 1 {
		t.Errorf("refused, entries = %d, %d, want 1, 1", got.Refused, got.Entries)
	}
}

func TestStats(t *testing.T) {
	c := newCache[int](t, cache.Config{})
	c.Put("token", 1, 1000, start, start.Add(time.Hour))
	c.Wait()
	for range 3 {
		c.Get("token", start)
	}
	c.Get("token", start.Add(2*time.Hour)) // over
	c.Get("unknown", start)
	got := c.Stats()
	if got.Hits != 3 || got.Misses != 2 || got.Entries != 1 || got.Evictions != 0 || got.Refused != 0 {
		t.Errorf("stats = %+v, want 3 hits, 2 misses, 1 entry", got)
	}
	if got.Bytes < 1005 || got.Bytes > 2000 {
		t.Errorf("bytes = %d, want the value's 1000, the token and some overhead", got.Bytes)
	}
}

// Whatever happens at once, a token gets its own value or none.
func TestConcurrentUseAndClose(t *testing.T) {
	for round := range 4 {
		c := newCache[int](t, cache.Config{MaxBytes: 64 << 10})
		var wg sync.WaitGroup
		for g := range 8 {
			wg.Go(func() {
				for i := range 3000 {
					k := (i*7 + g) % 300
					token := fmt.Sprint("token ", k)
					switch {
					case i%50 == 49:
						c.Drop(token)
					case i%400 == 399:
						c.Stats()
					case i%3 == 0:
						c.Put(token, k, 100, start, start.Add(time.Hour))
					default:
						if got, ok := c.Get(token, start); ok && got != k {
							t.Errorf("token %d got the value %d", k, got)
						}
					}
				}
			})
		}
		if round > 0 { // the first round runs to its end
			time.Sleep(time.Duration(round) * time.Millisecond)
			c.Close()
		}
		wg.Wait()
	}
}

// TestAnEmptyCacheAnswers: before the first Put there is nothing to ask, and everything may be asked.
func TestAnEmptyCacheAnswers(t *testing.T) {
	c := newCache[int](t, cache.Config{})
	if _, ok := c.Get("token", start); ok {
		t.Error("found in an empty cache")
	}
	c.Drop("token")
	c.Wait()
	if got := c.Stats(); got != (cache.Stats{Misses: 1}) {
		t.Errorf("stats = %+v, want one miss", got)
	}
	var wait sync.WaitGroup
	for i := range 8 { // the first ones at the same time
		wait.Go(func() { c.Put(strconv.Itoa(i), i, 0, start, start.Add(time.Hour)) })
	}
	wait.Wait()
	c.Wait()
	for i := range 8 {
		if got, ok := c.Get(strconv.Itoa(i), start); !ok || got != i {
			t.Errorf("Get(%d) = %d, %v", i, got, ok)
		}
	}
}

func TestCloseEndsGoroutinesAndForgets(t *testing.T) {
	before := runtime.NumGoroutine()
	for range 10 {
		c := cache.New[int](cache.Config{MaxBytes: 1 << 20})
		c.Put("token", 1, 0, start, start.Add(time.Hour))
		c.Close()
		c.Close()
		if _, ok := c.Get("token", start); ok {
			t.Fatal("found after Close, want nothing")
		}
		c.Put("token", 1, 0, start, start.Add(time.Hour))
		c.Drop("token")
		c.Wait()
		if got := c.Stats(); got.Entries != 0 || got.Bytes != 0 {
			t.Fatalf("stats after Close = %+v, want nothing kept", got)
		}
	}
	for wait := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before && time.Now().Before(wait); {
		time.Sleep(time.Millisecond)
	}
	if got := runtime.NumGoroutine(); got > before {
		t.Errorf("%d goroutines, want the %d of before", got, before)
	}
}

func TestGetAllocatesNothing(t *testing.T) {
	c := newCache[*int](t, cache.Config{})
	token := strings.Repeat("t", 900)
	c.Put(token, new(int), 0, start, start.Add(time.Hour))
	c.Wait()
	for range 1000 { // the inner cache's buffers
		c.Get(token, start)
	}
	if got := testing.AllocsPerRun(1000, func() { c.Get(token, start) }); got > 0 {
		t.Errorf("%v allocations a Get, want none", got)
	}
}

func BenchmarkGet(b *testing.B) {
	for _, size := range []int{40, 900, 4096} {
		b.Run(fmt.Sprintf("one token of %d bytes", size), func(b *testing.B) {
			c := newCache[*int](b, cache.Config{})
			token := strings.Repeat("t", size)
			now := time.Now()
			c.Put(token, new(int), 0, now, now.Add(time.Hour))
			c.Wait()
			b.ReportAllocs()
			for b.Loop() {
				if _, ok := c.Get(token, now); !ok {
					b.Fatal("not found")
				}
			}
		})
	}
	for _, n := range []int{1, 10_000} {
		b.Run(fmt.Sprintf("parallel, %d tokens of 900 bytes", n), func(b *testing.B) {
			c := newCache[*int](b, cache.Config{})
			now := time.Now()
			tokens := make([]string, n)
			for i := range tokens {
				tokens[i] = fmt.Sprintf("%0900d", i)
				c.Put(tokens[i], new(int), 0, now, now.Add(time.Hour))
			}
			c.Wait()
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for i := 0; pb.Next(); i++ {
					c.Get(tokens[i%n], now)
				}
			})
		})
	}
	b.Run("miss, 900 bytes", func(b *testing.B) {
		c := newCache[*int](b, cache.Config{})
		token := strings.Repeat("t", 900)
		now := time.Now()
		b.ReportAllocs()
		for b.Loop() {
			c.Get(token, now)
		}
	})
}

func BenchmarkPut(b *testing.B) {
	c := newCache[*int](b, cache.Config{})
	now := time.Now()
	tokens := make([]string, 100_000)
	for i := range tokens {
		tokens[i] = fmt.Sprintf("%0900d", i)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		c.Put(tokens[i%len(tokens)], nil, 100, now, now.Add(time.Hour))
		i++
	}
}
