package cache

import "time"

// Cache maps bearer tokens to what was found out about them. It alone imports ristretto.
//
// An entry is found by a seeded 64-bit hash of the token and the owner's
// identity, and only counts when the whole token is equal: two tokens never share
// an answer. Safe for concurrent use.
type Cache[V any] struct{}

// Config sizes a cache.
type Config struct {
	MaxBytes   int64 // cost bound; default 64 MiB
	MaxEntries int64 // expected entries, for the admission counters; default 100000
}

// Stats is a snapshot since the cache was made.
type Stats struct {
	Entries, Bytes                   int64
	Hits, Misses, Evictions, Refused uint64 // Refused: not admitted
}

// New makes a cache. Close frees it.
func New[V any](c Config) (*Cache[V], error) { panic("todo") }

// Get finds the value of token, if it is cached and now is before its end.
// It takes no lock shared by all requests and does not allocate.
func (c *Cache[V]) Get(token string, now time.Time) (v V, ok bool) { panic("todo") }

// Put remembers v until end. size is the value's own memory in bytes; the token's is added.
func (c *Cache[V]) Put(token string, v V, size int, now, end time.Time) { panic("todo") }

// Drop forgets one token.
func (c *Cache[V]) Drop(token string) { panic("todo") }

// Stats reports sizes and counts.
func (c *Cache[V]) Stats() Stats { panic("todo") }

// Close stops the cache's goroutines.
func (c *Cache[V]) Close() { panic("todo") }
