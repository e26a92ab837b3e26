package keys_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/keys"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

var env = &store.Environment{ID: "e", SigningAlgorithm: "ES256", KeyRotation: 90 * 24 * time.Hour, KeyOverlap: 24 * time.Hour}

func newRings(t *testing.T, s store.Keys, clock *testkit.Clock, master string, drawn *atomic.Int32) *keys.Rings {
	t.Helper()
	return keys.New(keys.Config{
		Store: s, Now: clock.Now, Log: slog.New(slog.DiscardHandler),
		Sealer: func(bool) (*secret.Sealer, error) { return secret.NewSealer([]byte(master)) },
		Generate: func(alg string, bits int) (*jose.SigningKey, error) {
			if drawn != nil {
				drawn.Add(1)
			}
			return jose.GenerateSigningKey(alg, bits)
		},
	})
}

const master = "0123456789abcdef0123456789abcdef"

func TestFirstUseIsSharedByAllCallers(t *testing.T) {
	clock := testkit.NewClock(time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC))
	var drawn atomic.Int32
	r := newRings(t, testkit.Store(t), clock, master, &drawn)
	var wg sync.WaitGroup
	rings := make([]*keys.Ring, 20)
	for i := range rings {
		wg.Go(func() {
			var err error
			if rings[i], err = r.Ring(t.Context(), env); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, ring := range rings {
		if ring != rings[0] {
			t.Fatal("callers got different rings")
		}
	}
	if got := drawn.Load(); got != 2 {
		t.Errorf("%d keys were drawn, want CURRENT and NEXT", got)
	}
}

func TestRefreshSeesOtherNodesRotations(t *testing.T) {
	clock, db := testkit.NewClock(time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)), testkit.Store(t)
	here, elsewhere := newRings(t, db, clock, master, nil), newRings(t, db, clock, master, nil)
	before, err := here.Ring(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	if err := here.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if again, _ := here.Ring(t.Context(), env); again != before {
		t.Error("a refresh without news made a new ring")
	}
	clock.Advance(env.KeyRotation)
	if _, err := elsewhere.Ring(t.Context(), env); err != nil { // rotates
		t.Fatal(err)
	}
	if err := here.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	mine, _ := here.Signer(t.Context(), env)
	theirs, _ := elsewhere.Signer(t.Context(), env)
	if mine.ID() != theirs.ID() {
		t.Errorf("nodes sign with %s and %s", mine.ID(), theirs.ID())
	}
	if after, _ := here.Ring(t.Context(), env); after.Set.Len() != 3 {
		t.Errorf("%d keys are published, want 3", after.Set.Len())
	}
}

// TestSignerIsNotStale: a node that has not heard from the store for long does
// not sign with a key that others may have demoted.
func TestSignerIsNotStale(t *testing.T) {
	clock := testkit.NewClock(time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC))
	s := &failing{Keys: testkit.Store(t)}
	r := newRings(t, s, clock, master, nil)
	if _, err := r.Signer(t.Context(), env); err != nil {
		t.Fatal(err)
	}
	s.fail.Store(true)
	clock.Advance(5 * time.Minute)
	if _, err := r.Signer(t.Context(), env); err != nil {
		t.Errorf("five minutes after the store was read: %v", err)
	}
	clock.Advance(time.Second)
	if _, err := r.Signer(t.Context(), env); err == nil {
		t.Error("later it still signs")
	}
	if _, err := r.Ring(t.Context(), env); err != nil {
		t.Errorf("verification stopped too: %v", err)
	}
	s.fail.Store(false)
	if _, err := r.Signer(t.Context(), env); err != nil {
		t.Errorf("with the store back: %v", err)
	}
}

type failing struct {
	store.Keys
	fail atomic.Bool
}

func (f *failing) KeyRing(ctx context.Context, env string) ([]store.Key, int64, error) {
	if f.fail.Load() {
		return nil, 0, store.ErrUnavailable
	}
	return f.Keys.KeyRing(ctx, env)
}

func TestAnotherSecretsKeyOpensNothing(t *testing.T) {
	clock, db := testkit.NewClock(time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)), testkit.Store(t)
	if _, err := newRings(t, db, clock, master, nil).Ring(t.Context(), env); err != nil {
		t.Fatal(err)
	}
	if _, err := newRings(t, db, clock, "another-key-of-thirty-two-bytes!", nil).Ring(t.Context(), env); !errors.Is(err, secret.ErrUnsealed) {
		t.Errorf("error = %v, want one that says the keys cannot be opened", err)
	}
	// A row that was moved to another environment does not open either.
	ring, _, err := db.KeyRing(t.Context(), env.ID)
	if err != nil {
		t.Fatal(err)
	}
	for i := range ring {
		ring[i].Environment = "f"
	}
	if err := db.ReplaceKeyRing(t.Context(), "f", 0, ring); err != nil {
		t.Fatal(err)
	}
	moved := *env
	moved.ID = "f"
	if _, err := newRings(t, db, clock, master, nil).Ring(t.Context(), &moved); !errors.Is(err, secret.ErrUnsealed) {
		t.Errorf("moved keys: error = %v, want one that says they cannot be opened", err)
	}
}

// TestNewsAfterAWriteThatIsAnsweredLate: what another node has stored behind a write of this one is not forgotten,
// although that write is answered only after the news of it came, and was read.
func TestNewsAfterAWriteThatIsAnsweredLate(t *testing.T) {
	clock, db := testkit.NewClock(time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)), testkit.Store(t)
	late := &answeredLate{Keys: db}
	here, elsewhere := newRings(t, late, clock, master, nil), newRings(t, db, clock, master, nil)
	for _, r := range []*keys.Rings{here, elsewhere} {
		if _, err := r.Ring(t.Context(), env); err != nil {
			t.Fatal(err)
		}
	}
	var theirs string
	late.after = func() {
		made, _, err := elsewhere.Create(t.Context(), env, draft("Theirs"), silent)
		if err != nil {
			t.Error(err)
			return
		}
		theirs = made.ID
		here.Stale(env.ID)
		if ring, err := here.Ring(t.Context(), env); err != nil || !ring.Set.HasID(theirs) {
			t.Errorf("the news was read without the other node's key: %v", err)
		}
	}
	if _, _, err := here.Create(t.Context(), env, draft("Ours"), silent); err != nil {
		t.Fatal(err)
	}
	if ring, err := here.Ring(t.Context(), env); err != nil || !ring.Set.HasID(theirs) {
		t.Errorf("the other node's key is forgotten (%v)", err)
	}
}

// answeredLate does something between a write of a key ring and its answer, once.
type answeredLate struct {
	store.Keys
	after func()
}

func (a *answeredLate) ReplaceKeyRing(ctx context.Context, env string, version int64, ring []store.Key) error {
	err := a.Keys.ReplaceKeyRing(ctx, env, version, ring)
	if after := a.after; after != nil {
		a.after = nil
		after()
	}
	return err
}
