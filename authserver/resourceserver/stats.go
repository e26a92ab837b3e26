package resourceserver

import (
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/cache"
)

// Stats describes caches and key sets.
type Stats struct {
	Good, Bad CacheStats
	Keys      []KeyStats // per configured issuer; Known false where no keys are fetched or none were yet
}

// CacheStats describes one result cache since the verifier was made.
type CacheStats struct {
	Entries, Bytes          int64
	Hits, Misses, Evictions uint64
}

// KeyStats describes one issuer's fetched keys.
type KeyStats struct {
	Known bool
	Age   time.Duration // since the last good fetch
}

// Stats is read at each scrape.
func (v *Verifier) Stats() Stats {
	s := Stats{Good: cacheStats(v.good.Stats()), Bad: cacheStats(v.bad.Stats()), Keys: make([]KeyStats, len(v.issuers))}
	for i, is := range v.issuers {
		if is.source == nil {
			continue
		}
		s.Keys[i].Age, s.Keys[i].Known = is.source.Age()
	}
	return s
}

func cacheStats(s cache.Stats) CacheStats {
	return CacheStats{Entries: s.Entries, Bytes: s.Bytes, Hits: s.Hits, Misses: s.Misses, Evictions: s.Evictions}
}
