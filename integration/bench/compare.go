package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"
)

// sample is what one round of one target gave.
type sample struct {
	rate      float64 // per second
	p99       float64 // milliseconds
	cpuMicros float64 // processor time of the server per answer; 0 where it cannot be read
	heldUp    float64 // share of the time in which the server could have run and did not: others had its core
}

// target is something that can be driven for a short while.
type target interface {
	round(warm, window time.Duration) (sample, error)
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

func (s *served) round(warm, window time.Duration) (sample, error) {
	var used, waited [2]time.Duration
	var known [2]bool
	t, err := s.load.send(warm, window, func(begin bool) {
		i := 1
		if begin {
			i = 0
		}
		used[i], known[i] = cpuTime(s.server.pid())
		waited[i] = heldUp(s.server.pid())
	})
	if err != nil {
		return sample{}, fmt.Errorf("%s: %w", s.server.name, err)
	}
	if s.load.once && s.load.left() == 0 {
		return sample{}, errSpent
	}
	if t.answers == 0 {
		return sample{heldUp: 1}, nil // others had the core all the time
	}
	out := sample{rate: t.rate(), p99: t.percentile(0.99), heldUp: float64(waited[1]-waited[0]) / float64(t.window)}
	if known[0] && known[1] {
		out.cpuMicros = float64((used[1] - used[0]).Microseconds()) / float64(t.answers)
	}
	return out, nil
}

// duel compares two targets by interleaved rounds.
type duel struct {
	base, test   target
	pairs        int
	warm, window time.Duration
}

// outcome holds the rounds of a duel, pair by pair.
type outcome struct {
	base, test []sample
}

// calm is the largest share of its time that a server may be held up in a round
// for the round to count as undisturbed.
const calm = 0.03

// run plays the pairs; which side begins changes each time, so that a drift of
// the machine's speed helps neither. Where others use the server's core too, up
// to half as many pairs again are played, and the least disturbed are kept.
func (d duel) run() (outcome, error) {
	var o outcome
	for played, undisturbed := 0, 0; undisturbed < d.pairs && played < d.pairs*3/2; played++ {
		base, test, err := d.pair(played%2 == 1)
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
	return o.calmest(d.pairs), nil
}

// pair plays one round of each side.
func (d duel) pair(testFirst bool) (base, test sample, err error) {
	if testFirst {
		if test, err = d.test.round(d.warm, d.window); err == nil {
			base, err = d.base.round(d.warm, d.window)
		}
		return base, test, err
	}
	if base, err = d.base.round(d.warm, d.window); err == nil {
		test, err = d.test.round(d.warm, d.window)
	}
	return base, test, err
}

// calmest keeps the n pairs in which the servers were held up least. It looks at
// nothing else: a pair is never chosen for its result.
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

// Fields of a sample.
func rate(s sample) float64      { return s.rate }
func p99(s sample) float64       { return s.p99 }
func cpuMicros(s sample) float64 { return s.cpuMicros }
func held(s sample) float64      { return s.heldUp }

// of gives the median of a field on both sides and the median of the pairs' ratios
// (test to base). The latter is not the quotient of the former: a pair shares
// the machine's mood.
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
