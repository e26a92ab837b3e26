package dpop

import (
	"context"
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
	"sync"
	"time"
)

// DefaultWindow is how many proofs a Window remembers unless told otherwise: at a minute each, those of 50,000 requests a second.
const DefaultWindow = 1 << 22

// Window is a Replays in memory, bounded in size: when it is full, nothing is accepted before something has expired. Safe for concurrent use.
//
// Of an id it keeps 64 bits and the second of its end. Ids are hashes with something secret to the client in them, so that no other proof is
// taken for a used one more than once in a million million; a used one is never taken for another.
type Window struct {
	// seeds spread the ids over shards and places in a way that nobody can aim at.
	seeds  [2]uint64
	shift  uint
	shards []shard
}

// NewWindow makes a window of at most max proofs; 0 means DefaultWindow. It takes memory as it fills, and less than 40 bytes for each.
func NewWindow(max int) *Window {
	if max <= 0 {
		max = DefaultWindow
	}
	const most, least = 6, 4096 // 64 shards, of so many proofs at least
	log := 0
	for log < most && max>>(log+1) >= least {
		log++
	}
	w := &Window{seeds: [2]uint64{rand.Uint64(), rand.Uint64()}, shift: 64 - uint(log), shards: make([]shard, 1<<log)}
	for i := range w.shards {
		w.shards[i].max = max >> log
	}
	return w
}

// Spend implements Replays. Errors are ErrReplayed and ErrFull.
func (w *Window) Spend(_ context.Context, id [32]byte, until, now time.Time) error {
	mark := binary.LittleEndian.Uint64(id[:])
	// Whole seconds, so that nothing ends early.
	return w.shards[w.place(mark)>>w.shift].spend(w, mark, until.Unix()+1, now.Unix())
}

// place spreads the marks, its first bits over shards, its last ones over their tables.
func (w *Window) place(mark uint64) uint64 {
	high, low := bits.Mul64(mark^w.seeds[0], w.seeds[1]|1)
	return high ^ low
}

// shard is a hash table with open addressing. The place of what has expired is used again, and the table is made anew
// when too few places were never used.
type shard struct {
	mu    sync.Mutex
	max   int           // live ones
	table []used        // its length is a power of two
	taken int           // places that were ever used
	live  int           // those that had not expired at swept
	count map[int64]int // of them, by their end
	swept int64         // up to here count is empty
}

// used is one id that was spent. Its end is in seconds; 0: never used.
type used struct {
	mark uint64
	end  int64
}

const smallestTable = 64

// spend judges and marks in one step.
func (s *shard) spend(w *Window, mark uint64, end, now int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweep(now)
	place, known := s.find(w, mark, now)
	switch {
	case known:
		return ErrReplayed
	case s.live >= s.max:
		return ErrFull
	case place < 0 || s.table[place].end == 0 && (s.taken+1)*4 > len(s.table)*3:
		s.rebuild(w, now)
		place, _ = s.find(w, mark, now)
	}
	if s.table[place].end == 0 {
		s.taken++
	}
	s.table[place] = used{mark, end}
	s.add(end)
	return nil
}

func (s *shard) add(end int64) {
	s.live++
	s.count[end]++
}

// find looks for a live mark, and for a place to put it otherwise: -1 where there is no table yet.
func (s *shard) find(w *Window, mark uint64, now int64) (place int, known bool) {
	if len(s.table) == 0 {
		return -1, false
	}
	place = -1
	mask := uint64(len(s.table) - 1)
	for i := w.place(mark) & mask; ; i = (i + 1) & mask { // a quarter of the places was never used
		u := &s.table[i]
		if u.end > now && u.mark == mark {
			return int(i), true
		}
		if u.end <= now && place < 0 {
			place = int(i)
		}
		if u.end == 0 {
			return place, false
		}
	}
}

// sweep counts out what has expired at now.
func (s *shard) sweep(now int64) {
	if now <= s.swept {
		s.swept = now // a clock that was set back
		return
	}
	if now-s.swept > int64(len(s.count)) {
		for end, n := range s.count {
			if end <= now {
				s.live -= n
				delete(s.count, end)
			}
		}
	} else {
		for end := s.swept + 1; end <= now; end++ {
			s.live -= s.count[end]
			delete(s.count, end)
		}
	}
	s.swept = now
}

// rebuild moves what is live into a table with room for as much again.
func (s *shard) rebuild(w *Window, now int64) {
	old := s.table
	s.taken, s.live, s.count = 0, 0, make(map[int64]int)
	for _, u := range old {
		if u.end > now {
			s.taken++
		}
	}
	size := smallestTable
	for size < 2*(s.taken+1) {
		size *= 2
	}
	s.table = make([]used, size)
	for _, u := range old {
		if u.end <= now {
			continue
		}
		i := w.place(u.mark) & uint64(size-1)
		for s.table[i].end != 0 {
			i = (i + 1) & uint64(size-1)
		}
		s.table[i] = u
		s.add(u.end)
	}
}
