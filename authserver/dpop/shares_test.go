package dpop_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/dpop"
)

// spender spends ids that nobody has spent before, each good for ten seconds after its second.
type spender struct {
	w    *dpop.Window
	next int
}

func (s *spender) spend(key string, second int) error {
	s.next++
	at := now.Add(time.Duration(second) * time.Second)
	return s.w.Spend(context.Background(), dpop.Owner{Key: key}, id(s.next), at.Add(10*time.Second), at)
}

// fill spends ids of a key until it may have no more, and says how many it got.
func (s *spender) fill(t testing.TB, key string, second int) int {
	t.Helper()
	for n := 0; ; n++ {
		switch err := s.spend(key, second); {
		case errors.Is(err, dpop.ErrOverShare):
			return n
		case err != nil:
			t.Fatalf("id %d of %s: %v", n, key, err)
		case n > 1<<20:
			t.Fatalf("%s has no bound", key)
		}
	}
}

// TestAttack85OneKeyFillsNoWindow: who has a token and its key can use as many proofs as it can sign; others have theirs nevertheless.
func TestAttack85OneKeyFillsNoWindow(t *testing.T) {
	const limit = 1 << 18
	s := &spender{w: dpop.NewWindow(limit)}
	noisy := s.fill(t, "noisy", 0)
	if noisy < limit/19 || noisy > limit/16 {
		t.Errorf("a key alone has %d of %d, want about a seventeenth", noisy, limit)
	}
	t.Run("what it has used is used", func(t *testing.T) {
		for n := 1; n <= noisy; n += 101 {
			if err := s.w.Spend(context.Background(), dpop.Owner{Key: "noisy"}, id(n), now.Add(10*time.Second), now); !errors.Is(err, dpop.ErrReplayed) {
				t.Fatalf("id %d: %v, want ErrReplayed", n, err)
			}
		}
	})
	t.Run("what was refused is not used, nor good", func(t *testing.T) {
		refused := s.next
		for _, second := range []int{0, 5} {
			at := now.Add(time.Duration(second) * time.Second)
			if err := s.w.Spend(context.Background(), dpop.Owner{Key: "noisy"}, id(refused), now.Add(10*time.Second), at); !errors.Is(err, dpop.ErrOverShare) {
				t.Errorf("%d s later: %v, want ErrOverShare", second, err)
			}
		}
		if err := s.w.Spend(context.Background(), dpop.Owner{Key: "another"}, id(refused), now.Add(10*time.Second), now); err != nil {
			t.Errorf("for another key: %v, want nil", err)
		}
	})
	t.Run("honest keys", func(t *testing.T) {
		for n := range 20_000 {
			if err := s.spend(fmt.Sprint("honest ", n%2000), 1); err != nil {
				t.Fatalf("beside a noisy key, honest ids after %d: %v, want nil", n, err)
			}
			_ = s.spend("noisy", 1)
		}
	})
	t.Run("room again, in every part of the window", func(t *testing.T) {
		// Nothing has come by since, and the next id finds its own part alone.
		if err := s.spend("noisy", 30); err != nil {
			t.Errorf("when all have ended: %v, want nil", err)
		}
		if got := s.fill(t, "noisy", 30); got < limit/19 {
			t.Errorf("when all have ended, it has %d more, want as many as before, %d", got, noisy)
		}
	})
	t.Run("as some end", func(t *testing.T) {
		s := &spender{w: dpop.NewWindow(limit)}
		for range 1000 {
			if err := s.spend("noisy", 0); err != nil {
				t.Fatal(err)
			}
		}
		more := s.fill(t, "noisy", 5)
		if got := s.fill(t, "noisy", 10); got > more/100 { // what is left is judged by the room of one part, which differs a little
			t.Errorf("before any has ended: %d more, want none", got)
		}
		if got := s.fill(t, "noisy", 11); got < 1000-more/100 || got > 1000+more/100 {
			t.Errorf("when the first 1000 of %d have ended: %d more, want about 1000", 1000+more, got)
		}
	})
}

// TestAttack85ManyKeysFillNoWindow: there is room for others beside as many noisy keys as somebody may have tokens for.
func TestAttack85ManyKeysFillNoWindow(t *testing.T) {
	const limit = 1 << 18
	honest := func(t *testing.T, s *spender, want int) {
		t.Helper()
		for n := range want {
			if err := s.spend("honest", 0); err != nil {
				t.Fatalf("an honest key has %d, then %v, want %d", n, err, want)
			}
		}
	}
	t.Run("one after another", func(t *testing.T) {
		s := &spender{w: dpop.NewWindow(limit)}
		for k := range 40 {
			s.fill(t, fmt.Sprint("noisy ", k), 0)
		}
		honest(t, s, 500)
	})
	t.Run("at once", func(t *testing.T) {
		const noisy = 200
		s := &spender{w: dpop.NewWindow(limit)}
		got := [noisy]int{}
		for range limit / noisy {
			for k := range got {
				if s.spend(fmt.Sprint("noisy ", k), 0) == nil {
					got[k]++
				}
			}
		}
		// A fair share is limit/(16+noisy).
		for k, n := range got {
			if fair := limit / (16 + noisy); n < fair*9/10 || n > fair*11/10 {
				t.Errorf("key %d has %d, want about %d", k, n, fair)
			}
		}
		honest(t, s, limit/(16+noisy)/2)
	})
}

// TestSharesContention: whatever happens at the same time, a key gets back all that it used.
func TestSharesContention(t *testing.T) {
	const limit = 1 << 15
	w := dpop.NewWindow(limit)
	spend := func(key string, n, second int) error {
		at := now.Add(time.Duration(second) * time.Second)
		return w.Spend(context.Background(), dpop.Owner{Key: key}, id(n), at.Add(2*time.Second), at)
	}
	var all sync.WaitGroup
	for worker := range 8 {
		all.Go(func() {
			for n := range 10_000 {
				_ = spend(fmt.Sprint("key ", n%3), n*8+worker, n/500)
			}
		})
	}
	all.Wait()
	got := 0
	for n := range limit {
		if spend("key 0", 1_000_000+n, 1000) != nil {
			break
		}
		got++
	}
	if got < limit/19 {
		t.Errorf("when all have ended, a key has %d of %d, want about a seventeenth", got, limit)
	}
}

// TestAttack85ClientFillsNoWindow: keys cost nothing, so who makes one for each proof is known by the client whose requests they are.
func TestAttack85ClientFillsNoWindow(t *testing.T) {
	const limit = 1 << 16
	type try struct {
		*spender
		second int
	}
	spend := func(s try, realm, client, key string) error {
		s.next++
		at := now.Add(time.Duration(s.second) * time.Second)
		by := dpop.Owner{Key: key, Client: dpop.Client{Realm: realm, ID: client}}
		return s.w.Spend(context.Background(), by, id(s.next), at.Add(10*time.Second), at)
	}
	// fresh spends with a new key each time until the client may have no more, in whatever part of the window.
	fresh := func(t *testing.T, s try, client string) (got int) {
		t.Helper()
		for refused := 0; refused < 3000; {
			switch err := spend(s, "issuer", client, fmt.Sprint("key ", s.next)); {
			case err == nil:
				got, refused = got+1, 0
			case errors.Is(err, dpop.ErrOverShare):
				refused++
			default:
				t.Fatalf("after %d: %v", got, err)
			}
		}
		return got
	}
	about := func(t *testing.T, who string, got, want int) {
		t.Helper()
		if got < want*3/4 || got > want*5/4 { // parts of the window differ a little
			t.Errorf("%s has %d of %d, want about %d", who, got, limit, want)
		}
	}
	t.Run("alone", func(t *testing.T) {
		s := try{&spender{w: dpop.NewWindow(limit)}, 0}
		about(t, "a client alone", fresh(t, s, "noisy"), limit/2)
		for _, tt := range []struct {
			name, realm, client, key string
			want                     error
		}{
			{"a key that it never used", "issuer", "noisy", "new", dpop.ErrOverShare},
			{"another client", "issuer", "other", "a", nil},
			{"the same client id elsewhere", "another issuer", "noisy", "b", nil},
			{"a client that is not known", "issuer", "", "c", nil},
			{"another client, with a key that the noisy one has used", "issuer", "other", "key 1", nil},
		} {
			if err := spend(s, tt.realm, tt.client, tt.key); !errors.Is(err, tt.want) {
				t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
			}
		}
		s.second = 30
		about(t, "when all have ended, the client", fresh(t, s, "noisy"), limit/2)
	})
	t.Run("its keys have their shares as well", func(t *testing.T) {
		s := try{&spender{w: dpop.NewWindow(limit)}, 0}
		got := 0
		for spend(s, "issuer", "client", "one") == nil {
			got++
		}
		about(t, "one key", got, limit/17)
	})
	t.Run("one after another", func(t *testing.T) {
		s := try{&spender{w: dpop.NewWindow(limit)}, 0}
		left := limit
		for n := range 4 {
			client := fmt.Sprint("client ", n)
			got := fresh(t, s, client)
			about(t, client, got, left/2)
			left -= got
		}
		about(t, "an honest client", fresh(t, s, "honest"), left/2)
	})
	t.Run("at once", func(t *testing.T) {
		s := try{&spender{w: dpop.NewWindow(limit)}, 0}
		const clients = 7
		var got [clients]int
		for n := range limit {
			if spend(s, "issuer", fmt.Sprint("client ", n%clients), fmt.Sprint("key ", n)) == nil {
				got[n%clients]++
			}
		}
		for n, got := range got {
			about(t, fmt.Sprint("client ", n), got, limit/(1+clients))
		}
	})
}
