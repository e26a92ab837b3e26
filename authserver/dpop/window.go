package dpop

import (
	"context"
	"encoding/binary"
	"errors"
	"math/bits"
	"math/rand/v2"
	"sync"
	"time"
)

// DefaultWindow is how many proofs a Window remembers unless told otherwise: at a minute each, those of 50,000 requests a second.
const DefaultWindow = 1 << 22

// Window is a Replays in memory, bounded in size: when it is full, nothing is accepted before something has expired. No key can fill it, nor
// all keys of one client: how many ids of either it takes is a share of the room that is left (see keyShare), of which each has at least one. With the
// default size, and proofs that are good for a minute, a key alone has 3,000 a second, a client alone 27,000. Safe for concurrent use.
//
// Of an id it keeps 64 bits and the second of its end. Ids are hashes with something secret to the client in them, so that no other proof is
// taken for a used one more than once in a million million; a used one is never taken for another.
type Window struct {
	// seeds spread the ids over shards and places in a way that nobody can aim at.
	seeds  [2]uint64
	shift  uint
	shards []shard
	// keys and clients count what is live of each.
	keys, clients *shares

	whole sync.Mutex
	swept int64 // when all shards were; guarded by whole
}

// NewWindow makes a window of at most max proofs; 0 means DefaultWindow. It takes a megabyte, and more as it fills:
// less than 50 bytes for each.
func NewWindow(max int) *Window {
	if max <= 0 {
		max = DefaultWindow
	}
	const most, least = 6, 4096 // 64 shards, of so many proofs at least
	log := 0
	for log < most && max>>(log+1) >= least {
		log++
	}
	w := &Window{seeds: [2]uint64{rand.Uint64(), rand.Uint64()}, shift: 64 - uint(log), shards: make([]shard, 1<<log), keys: newShares(), clients: newShares()}
	for i := range w.shards {
		w.shards[i].max, w.shards[i].ends = max>>log, map[int64][]owners{}
	}
	return w
}

// Spend implements Replays. Errors are ErrReplayed, ErrFull and ErrOverShare.
func (w *Window) Spend(_ context.Context, by Owner, id [32]byte, until, now time.Time) error {
	mark, of := binary.LittleEndian.Uint64(id[:]), w.owners(by)
	s := &w.shards[w.place(mark)>>w.shift]
	// Whole seconds, so that nothing ends early.
	at := now.Unix()
	end := max(until.Unix(), at) + 1
	err := s.spend(w, mark, of, end, at)
	if errors.Is(err, ErrOverShare) {
		w.sweep(at)
		err = s.spend(w, mark, of, end, at)
	}
	return err
}

// owners are whose an id is.
type owners struct{ key, client owner }

func (w *Window) owners(by Owner) owners {
	return owners{w.keys.key(by.Key), w.clients.client(by.Client)}
}

// add counts n ids in.
func (w *Window) add(of owners, n int32) {
	w.keys.add(of.key, n)
	if of.client != nobody {
		w.clients.add(of.client, n)
	}
}

// sweep counts out what has expired in all shards, where nothing may have come by since: before somebody is told to have too many.
// Once a second is enough.
func (w *Window) sweep(now int64) {
	w.whole.Lock()
	defer w.whole.Unlock()
	if now == w.swept {
		return
	}
	for i := range w.shards {
		s := &w.shards[i]
		s.mu.Lock()
		s.sweep(w, now)
		s.mu.Unlock()
	}
	w.swept = now
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
	max   int                // live ones
	table []used             // its length is a power of two
	taken int                // places that were ever used
	live  int                // those that had not expired at swept
	ends  map[int64][]owners // whose they are, by their end
	swept int64              // up to here ends is empty
}

// used is one id that was spent. Its end is in seconds; 0: never used.
type used struct {
	mark uint64
	end  int64
}

const smallestTable = 64

// spend judges and marks in one step.
func (s *shard) spend(w *Window, mark uint64, of owners, end, now int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweep(w, now)
	place, known := s.find(w, mark, now)
	switch {
	case known:
		return ErrReplayed
	case s.live >= s.max:
		return ErrFull
	case w.keys.count(of.key) >= s.share(w, keyShare):
		return errKeyShare
	case of.client != nobody && w.clients.count(of.client) >= s.share(w, clientShare):
		return errClientShare
	case place < 0 || s.table[place].end == 0 && (s.taken+1)*4 > len(s.table)*3:
		s.rebuild(w, now)
		place, _ = s.find(w, mark, now)
	}
	if s.table[place].end == 0 {
		s.taken++
	}
	s.table[place] = used{mark, end}
	s.live++
	s.ends[end] = append(s.ends[end], of)
	w.add(of, 1)
	return nil
}

// share is how many live ids somebody may have now who may have this part of the room: ids are spread evenly, so that in one shard tells that in all. At
// least one.
func (s *shard) share(w *Window, part int) int { return max(1, (s.max-s.live)*len(w.shards)/part) }

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

// sweep counts out what has expired at now. The places stay as they are until they are used again.
func (s *shard) sweep(w *Window, now int64) {
	if now <= s.swept {
		s.swept = now // a clock that was set back
		return
	}
	if now-s.swept > int64(len(s.ends)) {
		for end := range s.ends {
			if end <= now {
				s.forget(w, end)
			}
		}
	} else {
		for end := s.swept + 1; end <= now; end++ {
			s.forget(w, end)
		}
	}
	s.swept = now
}

// forget counts out what ends then.
func (s *shard) forget(w *Window, end int64) {
	for _, of := range s.ends[end] {
		w.add(of, -1)
	}
	s.live -= len(s.ends[end])
	delete(s.ends, end)
}

// rebuild moves what is live into a table with room for as much again.
func (s *shard) rebuild(w *Window, now int64) {
	old := s.table
	s.taken = 0
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
	}
}
