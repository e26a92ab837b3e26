package authserver

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/token"
)

// scripted is a store whose feed and janitor do as they are told. Anything else
// is not called by the jobs under test.
type scripted struct {
	store.Store
	mu    sync.Mutex
	feed  []func(ctx context.Context, w store.RevocationWatcher) error
	sweep []int
	swept int
}

func (s *scripted) WatchRevocations(ctx context.Context, _ time.Time, w store.RevocationWatcher) error {
	s.mu.Lock()
	next := s.feed[0]
	if len(s.feed) > 1 {
		s.feed = s.feed[1:]
	}
	s.mu.Unlock()
	return next(ctx, w)
}

func (s *scripted) Sweep(_ context.Context, _ time.Time, limit int) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.swept++
	if len(s.sweep) == 0 {
		return 0, nil
	}
	n := min(s.sweep[0], limit)
	if s.sweep[0] -= n; s.sweep[0] == 0 {
		s.sweep = s.sweep[1:]
	}
	return n, nil
}

func (s *scripted) calls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.swept
}

// jobsOf makes a State of which only the jobs are used.
func jobsOf(t *testing.T, s store.Store) *State {
	t.Helper()
	state, err := NewState(StateConfig{Store: s, SecretsKey: func(bool) ([]byte, error) { return nil, errors.New("no key") }})
	if err != nil {
		t.Fatal(err)
	}
	return state
}

// TestFeedComesBack: a feed that breaks is begun again, and nothing is known
// while it is away for long.
func TestFeedComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("connection lost")
		s := &scripted{feed: []func(context.Context, store.RevocationWatcher) error{
			func(_ context.Context, w store.RevocationWatcher) error {
				w.Alive(true)
				time.Sleep(time.Minute)
				return broken
			},
			func(context.Context, store.RevocationWatcher) error {
				time.Sleep(20 * time.Second) // hangs while it connects
				return broken
			},
			func(ctx context.Context, w store.RevocationWatcher) error {
				w.Deliver(store.Revocation{Environment: "e", Kind: store.RevokedToken, Value: "missed", ExpiresAt: time.Now().Add(time.Hour)})
				w.Alive(true)
				<-ctx.Done()
				return ctx.Err()
			},
		}}
		set := token.NewRevocations(time.Now)
		state := &State{config: StateConfig{Store: s}, revocations: set}
		if err := (&state.config).setDefaults(); err == nil {
			t.Fatal("a State without SecretsKey is accepted")
		}
		state.config.SecretsKey = func(bool) ([]byte, error) { return nil, nil }
		if err := (&state.config).setDefaults(); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { state.feed(ctx); close(done) }()

		held := token.Holder{ID: "missed"}
		ask := func(at string, wantRevoked, wantErr bool) {
			t.Helper()
			synctest.Wait()
			if revoked, err := set.Revoked("e", held); revoked != wantRevoked || (err != nil) != wantErr {
				t.Errorf("%s: %v, %v", at, revoked, err)
			}
		}
		time.Sleep(30 * time.Second)
		ask("alive", false, false)
		time.Sleep(35 * time.Second)
		ask("down for five seconds", false, false)
		time.Sleep(10 * time.Second)
		ask("down for fifteen seconds", false, true)
		time.Sleep(15 * time.Second)
		ask("caught up", true, false)
		cancel()
		<-done
	})
}

// TestSweepGoesOnWhileThereIsMore: full batches are followed by another one,
// with pauses; then the janitor rests.
func TestSweepGoesOnWhileThereIsMore(t *testing.T) {
	s := &scripted{sweep: []int{3*sweepBatch + 7}}
	state := jobsOf(t, s)
	defer state.Close()
	start := time.Now()
	state.sweepOnce(t.Context())
	if got := s.calls(); got != 4 {
		t.Errorf("%d batches, want 4", got)
	}
	if took := time.Since(start); took < 3*sweepPause {
		t.Errorf("no pauses between batches: %v in all", took)
	}
	state.sweepOnce(t.Context())
	if got := s.calls(); got != 5 {
		t.Errorf("%d batches after one with nothing to do, want 5", got)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	s.mu.Lock()
	s.sweep = []int{10 * sweepBatch}
	s.mu.Unlock()
	state.sweepOnce(ended)
	if got := s.calls(); got != 6 {
		t.Errorf("%d batches after the end, want 6: it stops at the next pause", got)
	}
}

func TestJitter(t *testing.T) {
	for range 1000 {
		if d := jitter(time.Minute); d < 45*time.Second || d >= 75*time.Second {
			t.Fatalf("jitter = %v, want within a quarter of a minute", d)
		}
	}
}
