package cache

import "time"

// The inner cache could end entries itself, but then asks the system's clock at
// every Get, which takes as long as the rest of the look-up. Here Get compares
// with the caller's now, and what has ended is cleared away by sweeps that Put
// begins: while nothing is put, nothing grows.

// sweepEvery is how often, at most, ended entries are looked for.
const sweepEvery = 30 * time.Second

// sweepBatch is how many are deleted before the sweep lets other writes through.
const sweepBatch = 1000

// sweep deletes the entries that have ended at now.
func (c *Cache[V]) sweep(now time.Time) {
	s := c.begin()
	if s == nil {
		return
	}
	defer s.other.Add(1)
	inner := c.inner.Load() // Put began this: there is one
	var ended []uint64
	inner.IterValues(func(e *entry[V]) (stop bool) {
		if !e.live(now) {
			ended = append(ended, e.key)
		}
		return c.closed.Load()
	})
	for i, key := range ended {
		if c.closed.Load() {
			return
		}
		// One put again in the meantime goes too; it will be missed once.
		inner.Del(key)
		if i%sweepBatch == sweepBatch-1 {
			inner.Wait()
		}
	}
}
