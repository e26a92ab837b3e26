package assertion

import (
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
)

const (
	shards   = 16
	perShard = 256 // of each of two generations: 8,192 assertions in all
)

// recent remembers assertions that were made a short while ago. It is bounded: of two generations the older one is thrown away
// when the younger is full. The zero recent is empty. Safe for concurrent use.
type recent struct{ shards [shards]shard }

type shard struct {
	mu       sync.Mutex
	now, old map[[sha256.Size]byte]made
	_        [64]byte // a cache line of its own
}

// made is an assertion and for whom it was made.
type made struct {
	text        string
	claims      *jose.Claims // an introspected token may say something else by now
	from, until time.Time    // when it may be given again
}

// id tells requests apart that may not share an assertion.
func (r *Request) id() (id [sha256.Size]byte) {
	h := sha256.New()
	var size [8]byte
	for _, part := range [...]string{r.Method, r.Target, r.Token, r.TokenIssuer} {
		binary.BigEndian.PutUint64(size[:], uint64(len(part)))
		h.Write(size[:])
		h.Write([]byte(part))
	}
	h.Sum(id[:0])
	return id
}

func (c *recent) get(id [sha256.Size]byte, claims *jose.Claims, now time.Time) (string, bool) {
	s := &c.shards[id[0]%shards]
	s.mu.Lock()
	defer s.mu.Unlock()
	m, ok := s.now[id]
	if !ok {
		m, ok = s.old[id]
	}
	if !ok || m.claims != claims || now.Before(m.from) || !now.Before(m.until) {
		return "", false
	}
	return m.text, true
}

func (c *recent) put(id [sha256.Size]byte, m made) {
	s := &c.shards[id[0]%shards]
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now == nil || len(s.now) >= perShard {
		s.old, s.now = s.now, make(map[[sha256.Size]byte]made)
	}
	s.now[id] = m
}
