package main

import (
	"fmt"
	"slices"
	"time"
)

// sample is what one round of one target gave.
type sample struct {
	rate      float64 // per second
	p99       float64 // milliseconds
	cpuMicros float64 // processor time of the server per answer; 0 where it cannot be read
}

// target is something that can be driven for a short while.
type target interface {
	round(warm, window time.Duration) (sample, error)
}

// served is a load on a server.
type served struct {
	server *server
	load   *load
}

func (s *served) round(warm, window time.Duration) (sample, error) {
	var used [2]time.Duration
	var known [2]bool
	t, err := s.load.send(warm, window, func(begin bool) {
		i := 1
		if begin {
			i = 0
		}
		used[i], known[i] = cpuTime(s.server.pid())
	})
	if err != nil {
		return sample{}, fmt.Errorf("%s: %w", s.server.name, err)
	}
	if t.answers == 0 {
		return sample{}, fmt.Errorf("%s: no answer in %v", s.server.name, window)
	}
	out := sample{rate: t.rate(), p99: t.percentile(0.99)}
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

// run plays the pairs; which side begins changes each time, so that a drift of
// the machine's speed helps neither.
func (d duel) run() (outcome, error) {
	var o outcome
	for i := range d.pairs {
		first, second := d.base, d.test
		if i%2 == 1 {
			first, second = second, first
		}
		a, err := first.round(d.warm, d.window)
		if err != nil {
			return o, err
		}
		b, err := second.round(d.warm, d.window)
		if err != nil {
			return o, err
		}
		if i%2 == 1 {
			a, b = b, a
		}
		o.base, o.test = append(o.base, a), append(o.test, b)
	}
	return o, nil
}

// Fields of a sample.
func rate(s sample) float64      { return s.rate }
func p99(s sample) float64       { return s.p99 }
func cpuMicros(s sample) float64 { return s.cpuMicros }

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
