package main

import (
	"fmt"
	"math"
	"testing"
	"time"
)

func TestMedian(t *testing.T) {
	tests := []struct {
		name   string
		values []float64
		want   float64
	}{
		{"nothing", nil, 0},
		{"one", []float64{7}, 7},
		{"odd", []float64{9, 1, 5}, 5},
		{"even", []float64{4, 1, 3, 2}, 2.5},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := median(tt.values); got != tt.want {
				t.Errorf("median = %v, want %v", got, tt.want)
			}
		})
	}
}

// drifting is a target on a machine that gets slower with every round.
type drifting struct {
	name    string
	answers int
	machine *machine
}

type machine struct {
	rounds string
	speed  float64
	awake  map[string]bool
}

func (d drifting) round(_, _ time.Duration) (slice, error) {
	m := d.machine
	for other := range m.awake {
		if other != d.name {
			return slice{}, fmt.Errorf("%s runs while it is the turn of %s", other, d.name)
		}
	}
	m.rounds += d.name
	m.speed *= 0.99
	return slice{answers: int(float64(d.answers) * m.speed), window: time.Second}, nil
}

func (d drifting) pause()  { delete(d.machine.awake, d.name) }
func (d drifting) resume() { d.machine.awake[d.name] = true }

func TestDuelTakesTurns(t *testing.T) {
	m := &machine{speed: 1, awake: map[string]bool{"a": true, "b": true}}
	d := duel{base: drifting{"a", 1_000_000, m}, test: drifting{"b", 3_000_000, m}, blocks: 2, pairs: 2}
	o, err := d.run()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := m.rounds, "abba"+"baab"; got != want {
		t.Errorf("rounds = %s, want %s", got, want)
	}
	if _, _, ratio := o.of(rate); math.Abs(ratio-3) > 0.001 {
		t.Errorf("ratio = %v, want 3: the drift is the same for both", ratio)
	}
	if len(m.awake) != 2 {
		t.Errorf("awake afterwards = %v, want both", m.awake)
	}
}

func TestSliceSumsUp(t *testing.T) {
	var s slice
	s.add(slice{answers: 100, window: time.Second, cpu: time.Millisecond, micros: []uint32{9000, 1000}})
	s.add(slice{answers: 300, window: time.Second, cpu: 3 * time.Millisecond, micros: []uint32{2000}, heldUp: time.Second})
	want := sample{rate: 200, p99: 9, cpuMicros: 10, heldUp: 0.5}
	if got := s.sample(); got != want {
		t.Errorf("sample = %+v, want %+v", got, want)
	}
	if got := (slice{window: time.Second}).sample(); got.heldUp != 1 {
		t.Errorf("held up = %v where nothing was answered, want 1", got.heldUp)
	}
}

func TestCalmestBlocksAreKept(t *testing.T) {
	o := outcome{
		base: []sample{{rate: 1, heldUp: 0.5}, {rate: 2}, {rate: 3}, {rate: 4, heldUp: 0.01}},
		test: []sample{{rate: 1}, {rate: 2, heldUp: 0.02}, {rate: 3, heldUp: 0.9}, {rate: 4}},
	}
	kept := o.calmest(2)
	if len(kept.base) != 2 || kept.base[0].rate != 4 || kept.test[0].rate != 4 || kept.base[1].rate != 2 || kept.test[1].rate != 2 {
		t.Errorf("kept = %+v, want the blocks 4 and 2", kept)
	}
	if all := o.calmest(9); len(all.base) != 4 {
		t.Errorf("kept = %d of 4 blocks, want all when more are asked for", len(all.base))
	}
}
