package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"
)

// target is something that can be driven for a short while.
type target interface {
	round(warm, window time.Duration) (slice, error)
	// pause keeps the target from using its core until the next round.
	pause()
	resume()
}

// errSpent ends a duel early: a load that sends each request once has no more of
// them. The round in which that happened does not count.
var errSpent = errors.New("no request is left")

// served is a load on a server.
type served struct {
	server *server
	load   *load
}

// target makes a load for a server: requests in turn, each of whose answers must
// have the status.
func (b *bench) target(s *server, addr string, conns, status int, requests ...[]byte) *served {
	return &served{server: s, load: &load{addr: addr, conns: conns, requests: requests, want: status, beside: b.upstream}}
}

func (s *served) round(warm, window time.Duration) (slice, error) {
	var used, waited [2]time.Duration
	t, err := s.load.send(warm, window, func(begin bool) {
		i := 1
		if begin {
			i = 0
		}
		used[i], waited[i] = cpuTime(s.server.pid()), heldUp(s.server.pid())
	})
	if err != nil {
		return slice{}, fmt.Errorf("%s: %w", s.server.name, err)
	}
	if s.load.once && s.load.left() == 0 {
		return slice{}, errSpent
	}
	return slice{answers: t.answers, window: t.window, micros: t.micros, cpu: used[1] - used[0], heldUp: waited[1] - waited[0]}, nil
}

func (s *served) runs() *server { return s.server }

func (s *served) pause()  { s.server.pause() }
func (s *served) resume() { s.server.resume() }

// duel compares two targets by interleaved rounds.
//
// Where a machine's speed wanders, as a virtual one's does, neighbouring rounds
// of 40 ms differ as much as neighbouring ones of a second: many short ones
// compare better than few long ones. But the garbage collector works in bouts
// that are longer than those rounds, and must be counted where it falls. So
// rounds are summed up in blocks, blocks are what is compared, and a server whose
// turn it is not is paused, lest it collect at the other's expense.
type duel struct {
	base, test   target
	blocks       int
	pairs        int // of rounds in a block
	warm, window time.Duration
}

// quickly has rounds for targets that answer within few milliseconds.
func quickly(base, test target, blocks int) duel {
	return duel{base: base, test: test, blocks: blocks, pairs: 10, warm: 5 * time.Millisecond, window: 40 * time.Millisecond}
}

// patiently has rounds for targets that take some ten milliseconds to answer.
func patiently(base, test target, blocks int) duel {
	return duel{base: base, test: test, blocks: blocks, pairs: 3, warm: 60 * time.Millisecond, window: 140 * time.Millisecond}
}

// lasts is how long the duel takes where nothing disturbs it.
func (d duel) lasts() time.Duration {
	return time.Duration(2*d.blocks*d.pairs) * (d.warm + d.window)
}

// calm is the largest share of its time that a server may be held up in a block
// for the block to count as undisturbed.
const calm = 0.03

// run plays the blocks. Where others use the server's core too, up to half as many
// again are played, and the least disturbed are kept.
func (d duel) run() (outcome, error) {
	d.base.pause()
	d.test.pause()
	defer d.base.resume()
	defer d.test.resume()
	var o outcome
	for played, undisturbed := 0, 0; undisturbed < d.blocks && played < d.blocks*3/2; played++ {
		base, test, err := d.block(played)
		if errors.Is(err, errSpent) && played > 0 {
			break
		}
		if err != nil {
			return o, err
		}
		o.base, o.test = append(o.base, base), append(o.test, test)
		if max(base.heldUp, test.heldUp) <= calm {
			undisturbed++
		}
	}
	return o.calmest(d.blocks), nil
}

// block plays the rounds of one block. Which side begins changes each time, so
// that a drift of the machine's speed helps neither.
func (d duel) block(n int) (base, test sample, err error) {
	var sums [2]slice
	for i := range 2 * d.pairs {
		side := (i + (i/2+n)%2) % 2 // 0 1 1 0 0 1 1 0 …
		t := [2]target{d.base, d.test}[side]
		t.resume()
		one, err := t.round(d.warm, d.window)
		t.pause()
		if err != nil {
			return base, test, err
		}
		sums[side].add(one)
	}
	return sums[0].sample(), sums[1].sample(), nil
}

// outcome holds the blocks of a duel, both sides of each.
type outcome struct {
	base, test []sample
}

// calmest keeps the n blocks in which the servers were held up least. It looks at
// nothing else: a block is never chosen for its result.
func (o outcome) calmest(n int) outcome {
	order := make([]int, len(o.base))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int {
		return cmp.Compare(max(o.base[i].heldUp, o.test[i].heldUp), max(o.base[j].heldUp, o.test[j].heldUp))
	})
	var kept outcome
	for _, i := range order[:min(n, len(order))] {
		kept.base, kept.test = append(kept.base, o.base[i]), append(kept.test, o.test[i])
	}
	return kept
}

// of gives the median of a field on both sides and the median of the blocks'
// ratios (test to base). The latter is not the quotient of the former: the sides
// of a block share the machine's mood.
func (o outcome) of(field func(sample) float64) (base, test, ratio float64) {
	var bases, tests, ratios []float64
	for i := range o.base {
		b, t := field(o.base[i]), field(o.test[i])
		bases, tests = append(bases, b), append(tests, t)
		if b > 0 {
			ratios = append(ratios, t/b)
		}
	}
	return median(bases), median(tests), median(ratios)
}

// median of no values is 0.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	mid := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[mid]
	}
	return (sorted[mid-1] + sorted[mid]) / 2
}
