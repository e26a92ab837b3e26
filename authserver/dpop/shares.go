package dpop

import (
	"hash/maphash"
	"sync/atomic"
)

// keyShare: a key may have as many live ids as this part of the room that is left. A key alone has a seventeenth of a Window in the end, and k keys that
// all want more than they get 1/(16+k) each: so there is room left for others, and for any key as much as for each of those. Fifty keys that
// are new leave a twentieth, if they come one after another; when what they have ends, no one of them gets more than the others.
//
// clientShare: keys cost nothing, so all keys of one client together may have as many as there is room left: half of a Window for one client alone, and k
// clients that all want more than they get 1/(1+k) each.
const keyShare, clientShare = 16, 1

// shares counts the live ids of each owner, in memory that does not grow with owners. One has a counter in each of two rows, and the smaller one
// counts: it is too high only where others share both, which happens to two of them less than once in a thousand million. Safe for
// concurrent use.
type shares struct {
	seed maphash.Seed // nobody can aim at the counters of somebody else
	rows [2][1 << 16]atomic.Int32
}

// owner is where one's counters are: 16 bits for each row.
type owner uint32

// nobody is no client.
const nobody owner = 0

func (o owner) places() (first, second uint16) { return uint16(o), uint16(o >> 16) }

func newShares() *shares { return &shares{seed: maphash.MakeSeed()} }

func (s *shares) key(thumbprint string) owner { return owner(maphash.String(s.seed, thumbprint)) }

// client is nobody where it is not known.
func (s *shares) client(c Client) owner {
	if c.ID == "" {
		return nobody
	}
	return max(nobody+1, owner(maphash.Comparable(s.seed, c)))
}

// count is how many live ids one has.
func (s *shares) count(o owner) int {
	first, second := o.places()
	return int(min(s.rows[0][first].Load(), s.rows[1][second].Load()))
}

func (s *shares) add(o owner, n int32) {
	first, second := o.places()
	s.rows[0][first].Add(n)
	s.rows[1][second].Add(n)
}
