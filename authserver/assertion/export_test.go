package assertion

import "time"

// MostRemembered bounds what a Signer remembers.
const MostRemembered = 2 * shards * perShard

// Remembered is how many assertions s remembers.
func (s *Signer) Remembered() (n int) {
	for i := range s.recent.shards {
		n += len(s.recent.shards[i].now) + len(s.recent.shards[i].old)
	}
	return n
}

// Remember has s remember an assertion for r, as if it had made one.
func (s *Signer) Remember(r Request, now time.Time) {
	s.recent.put(r.id(), made{text: "made", from: now, until: now.Add(time.Second)})
}
