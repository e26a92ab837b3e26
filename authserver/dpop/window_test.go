package dpop_test

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/caddy-gatehouse/gatehouse/authserver/dpop"
)

func id(n int) (id [32]byte) {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], uint64(n))
	return sha256.Sum256(b[:])
}

// key is the thumbprint of a key that only this id is of, where no more is said.
func key(n int) string { return strconv.Itoa(n) }

// TestWindow: an id is used up until its end, and a full window accepts nothing.
func TestWindow(t *testing.T) {
	ctx := context.Background()
	w := dpop.NewWindow(2)
	second := func(n int) time.Time { return now.Add(time.Duration(n) * time.Second) }
	for _, tt := range []struct {
		name      string
		id        int
		until, at int
		want      error
	}{
		{"first", 1, 10, 0, nil},
		{"again", 1, 10, 0, dpop.ErrReplayed},
		{"again, with another end", 1, 20, 5, dpop.ErrReplayed},
		{"second", 2, 20, 5, nil},
		{"full", 3, 20, 5, dpop.ErrFull},
		{"full, and one that is known", 1, 20, 9, dpop.ErrReplayed},
		{"at its end", 1, 10, 10, dpop.ErrReplayed},
		{"room again", 3, 30, 11, nil},
		{"full again", 1, 30, 11, dpop.ErrFull},
		{"when all have ended", 1, 60, 40, nil},
		{"and another", 2, 60, 40, nil},
		{"clock set back", 1, 60, 30, dpop.ErrReplayed},
	} {
		if err := w.Spend(ctx, dpop.Owner{Key: key(tt.id)}, id(tt.id), second(tt.until), second(tt.at)); !errors.Is(err, tt.want) {
			t.Errorf("%s: Spend = %v, want %v", tt.name, err, tt.want)
		}
	}
}

// TestPropertyWindow: a window is what a map with ends is, as long as that has room.
func TestPropertyWindow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(1, 200).Draw(t, "max")
		w := dpop.NewWindow(limit)
		ends := map[int]int{}
		at := 0
		for range rapid.IntRange(1, 400).Draw(t, "steps") {
			at += rapid.SampledFrom([]int{0, 0, 0, 1, 7, 100}).Draw(t, "time")
			n, life := rapid.IntRange(0, 300).Draw(t, "id"), rapid.IntRange(1, 90).Draw(t, "life")
			live := 0
			for n, end := range ends {
				if end < at {
					delete(ends, n)
				} else {
					live++
				}
			}
			var want error
			switch _, known := ends[n]; {
			case known:
				want = dpop.ErrReplayed
			case live >= limit:
				want = dpop.ErrFull
			default:
				ends[n] = at + life
			}
			err := w.Spend(context.Background(), dpop.Owner{Key: key(n)}, id(n), now.Add(time.Duration(at+life)*time.Second), now.Add(time.Duration(at)*time.Second))
			if !errors.Is(err, want) {
				t.Fatalf("Spend(%d) at %d = %v, want %v", n, at, err, want)
			}
		}
	})
}

// TestWindowContention: of any number of calls with one id one gets nil, in a window of many shards.
func TestWindowContention(t *testing.T) {
	w := dpop.NewWindow(0)
	var passed atomic.Int64
	var all sync.WaitGroup
	const ids, callers = 500, 8
	for range callers {
		all.Go(func() {
			for n := range ids {
				if w.Spend(context.Background(), dpop.Owner{Key: key(n)}, id(n), now.Add(time.Minute), now) == nil {
					passed.Add(1)
				}
			}
		})
	}
	all.Wait()
	if passed.Load() != ids {
		t.Errorf("%d calls passed for %d ids", passed.Load(), ids)
	}
}

// TestWindowBounded: it holds what it says, takes as much memory as it says, and gives it back.
func TestWindowBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("fills a window")
	}
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	const limit = 1 << 18
	before := heap()
	w := dpop.NewWindow(limit)
	accepted, full := 0, 0
	for n := range 2 * limit {
		by := dpop.Owner{Key: key(n), Client: dpop.Client{Realm: "issuer", ID: key(n % (limit / 2))}}
		switch err := w.Spend(context.Background(), by, id(n), now.Add(time.Minute), now); {
		case err == nil:
			accepted++
		case errors.Is(err, dpop.ErrFull), errors.Is(err, dpop.ErrOverShare): // the last few places, where keys share counters
			full++
		default:
			t.Fatal(err)
		}
	}
	if accepted > limit || accepted < limit*9/10 || full != 2*limit-accepted {
		t.Errorf("%d accepted and %d not, want %d", accepted, full, limit)
	}
	const counters = 1 << 20 // however many ids there are
	if used := heap() - before; used > counters+44*limit {
		t.Errorf("%d bytes for %d ids, want a megabyte and 44 each at most", used, limit)
	}
	later := now.Add(2 * time.Minute)
	for n := range 20_000 {
		if err := w.Spend(context.Background(), dpop.Owner{Key: key(n)}, id(n), later.Add(time.Minute), later); err != nil {
			t.Fatalf("when all have ended: %v", err)
		}
	}
	runtime.KeepAlive(w)
}
