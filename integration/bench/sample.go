package main

import (
	"slices"
	"time"
)

// slice is what one round of one target gave.
type slice struct {
	answers int
	window  time.Duration
	micros  []uint32      // latencies in microseconds
	cpu     time.Duration // processor time of the server; 0 where it cannot be read
	heldUp  time.Duration // that the server could have run and did not: others had its core
}

func (s *slice) add(more slice) {
	s.answers += more.answers
	s.window += more.window
	s.micros = append(s.micros, more.micros...)
	s.cpu += more.cpu
	s.heldUp += more.heldUp
}

// sample is what the rounds of a block gave one side, summed up.
type sample struct {
	rate      float64 // per second
	p99       float64 // milliseconds
	cpuMicros float64 // processor time of the server per answer
	heldUp    float64 // share of the time
}

func (s slice) sample() sample {
	if s.answers == 0 || s.window == 0 {
		return sample{heldUp: 1} // others had the core all the time
	}
	slices.Sort(s.micros)
	return sample{
		rate:      float64(s.answers) / s.window.Seconds(),
		p99:       percentile(s.micros, 0.99),
		cpuMicros: float64(s.cpu.Microseconds()) / float64(s.answers),
		heldUp:    s.heldUp.Seconds() / s.window.Seconds(),
	}
}

// percentile gives the latency in milliseconds below which share of the sorted ones are.
func percentile(micros []uint32, share float64) float64 {
	if len(micros) == 0 {
		return 0
	}
	return float64(micros[min(int(float64(len(micros))*share), len(micros)-1)]) / 1000
}

// Fields of a sample.
func rate(s sample) float64      { return s.rate }
func p99(s sample) float64       { return s.p99 }
func cpuMicros(s sample) float64 { return s.cpuMicros }
func held(s sample) float64      { return s.heldUp }
