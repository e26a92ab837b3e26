package main

import (
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

// drifting is a machine that halves its speed with every round.
type drifting struct {
	share float64
	speed *float64
	order *[]float64
}

func (d drifting) round(_, _ time.Duration) (sample, error) {
	*d.speed /= 2
	*d.order = append(*d.order, d.share)
	return sample{rate: d.share * *d.speed}, nil
}

func TestDuelTakesTurns(t *testing.T) {
	speed, order := 1024.0, []float64{}
	o, err := duel{base: drifting{1, &speed, &order}, test: drifting{3, &speed, &order}, pairs: 4}.run()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := order, []float64{1, 3, 3, 1, 1, 3, 3, 1}; len(got) != len(want) {
		t.Fatalf("rounds = %v, want %v", got, want)
	} else {
		for i := range want {
			if got[i] != want[i] {
				t.Fatalf("rounds = %v, want %v", got, want)
			}
		}
	}
	// Half of the pairs see the test at half speed, half see the base so: 1.5 and 6.
	if _, _, ratio := o.of(rate); ratio != 3.75 {
		t.Errorf("ratio = %v, want 3.75", ratio)
	}
}

func TestCalmestPairsAreKept(t *testing.T) {
	o := outcome{
		base: []sample{{rate: 1, heldUp: 0.5}, {rate: 2}, {rate: 3}, {rate: 4, heldUp: 0.01}},
		test: []sample{{rate: 1}, {rate: 2, heldUp: 0.02}, {rate: 3, heldUp: 0.9}, {rate: 4}},
	}
	kept := o.calmest(2)
	if len(kept.base) != 2 || kept.base[0].rate != 4 || kept.test[0].rate != 4 || kept.base[1].rate != 2 || kept.test[1].rate != 2 {
		t.Errorf("kept = %+v, want the pairs 4 and 2", kept)
	}
	if all := o.calmest(9); len(all.base) != 4 {
		t.Errorf("kept = %d of 4 pairs, want all when more are asked for", len(all.base))
	}
}
