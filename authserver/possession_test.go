package authserver_test

import (
	"crypto/sha256"
	"errors"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver"
	"github.com/caddy-gatehouse/gatehouse/authserver/dpop"
	"github.com/caddy-gatehouse/gatehouse/authserver/internal/testkit"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
	"github.com/caddy-gatehouse/gatehouse/authserver/store/postgres"
	"github.com/caddy-gatehouse/gatehouse/integration/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// onEachStore runs a test with the stores of two nodes: SQLite, which is one process's, and PostgreSQL as two processes have it.
func onEachStore(t *testing.T, test func(t *testing.T, stores [2]store.Store)) {
	t.Run("sqlite", func(t *testing.T) {
		db := testkit.Store(t)
		test(t, [2]store.Store{db, db})
	})
	t.Run("postgres", func(t *testing.T) {
		dsn := pgtest.Database(t)
		var stores [2]store.Store
		for i := range stores {
			db, err := postgres.New(postgres.Config{DSN: dsn})
			if err != nil {
				t.Fatal(err)
			}
			db.Start()
			t.Cleanup(func() { _ = db.Close() })
			stores[i] = db
		}
		test(t, stores)
	})
}

// stateOn is a node's state.
func stateOn(t testing.TB, st store.Store, clock *testkit.Clock, shared bool, key func(bool) ([]byte, error)) *authserver.State {
	t.Helper()
	if key == nil {
		key = func(bool) ([]byte, error) { return []byte("0123456789abcdef0123456789abcdef"), nil }
	}
	s, err := authserver.NewState(authserver.StateConfig{Store: st, Shared: shared, SecretsKey: key, Now: clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// TestReplays: a proof is good once: at one node, and, where they share that, at all of them.
func TestReplays(t *testing.T) {
	onEachStore(t, func(t *testing.T, stores [2]store.Store) {
		clock := testkit.NewClock(noon)
		here, there := stateOn(t, stores[0], clock, true, nil), stateOn(t, stores[1], clock, true, nil)
		id := func(name string) [32]byte { return sha256.Sum256([]byte(t.Name() + name)) }
		spend := func(s *authserver.State, shared bool, id [32]byte) error {
			return s.Replays(shared).Spend(t.Context(), dpop.Owner{Key: "a key"}, id, clock.Now().Add(time.Minute), clock.Now())
		}
		if err := spend(here, true, id("a")); err != nil {
			t.Fatalf("first use: %v", err)
		}
		for name, err := range map[string]error{
			"here again": spend(here, true, id("a")), "here, asked alone": spend(here, false, id("a")), "at another node": spend(there, true, id("a")),
		} {
			if !errors.Is(err, dpop.ErrReplayed) {
				t.Errorf("%s: %v, want ErrReplayed", name, err)
			}
		}
		if err := spend(there, true, id("b")); err != nil {
			t.Errorf("another proof: %v", err)
		}
		if err := spend(here, false, id("c")); err != nil {
			t.Errorf("at one node alone: %v", err)
		}
		if err := spend(there, false, id("c")); err != nil {
			t.Errorf("at another node alone: %v, want nil: they share nothing", err)
		}

		t.Run("of many at once one wins", func(t *testing.T) {
			var won atomic.Int64
			var all sync.WaitGroup
			proof := id("contested")
			for i := range 40 {
				all.Go(func() {
					if spend([]*authserver.State{here, there}[i%2], true, proof) == nil {
						won.Add(1)
					}
				})
			}
			all.Wait()
			if won.Load() != 1 {
				t.Errorf("%d calls won, want 1", won.Load())
			}
		})
		t.Run("until it has expired", func(t *testing.T) {
			clock.Advance(59 * time.Second)
			if err := spend(there, true, id("a")); !errors.Is(err, dpop.ErrReplayed) {
				t.Errorf("after 59 s: %v, want ErrReplayed", err)
			}
			clock.Advance(3 * time.Second)
			if err := spend(here, true, id("a")); err != nil {
				t.Errorf("after 62 s: %v, want nil", err)
			}
			n, err := stores[0].Sweep(t.Context(), clock.Now().Add(time.Hour), 100)
			if err != nil || n == 0 {
				t.Errorf("swept %d, %v, want what has expired", n, err)
			}
		})
	})
}

// TestReplaysWithoutStore: what cannot be told is refused, and said to be no fault of the client's.
func TestReplaysWithoutStore(t *testing.T) {
	broken := &faulty{Store: testkit.Store(t)}
	g := possessing(t, nil, func(o *rigOptions) { o.store, o.shared = broken, true })
	h := newHolder(t, g.clock)
	broken.fail.Store(true)
	got := g.form(envA, "token", h.as(secretOf("api"), "token"), "grant_type=client_credentials")
	if got.outcome() != "503 temporarily_unavailable" || got.header.Get("Retry-After") == "" {
		t.Errorf("store away: %s, want 503 temporarily_unavailable with Retry-After", got.outcome())
	}
	broken.fail.Store(false)
	if got := g.form(envA, "token", h.as(secretOf("api"), "token"), "grant_type=client_credentials").outcome(); got != "200" {
		t.Errorf("store back: %s, want 200", got)
	}
}

// TestNonces: all nodes with one key know each other's nonces, and nobody else's.
func TestNonces(t *testing.T) {
	clock, st := testkit.NewClock(noon), testkit.Store(t)
	key := func(text string) func(bool) ([]byte, error) {
		return func(bool) ([]byte, error) { return []byte(text), nil }
	}
	nonces := func(s *authserver.State) *dpop.Nonces {
		t.Helper()
		n, err := s.Nonces()
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	here := nonces(stateOn(t, st, clock, true, key("0123456789abcdef0123456789abcdef")))
	there := nonces(stateOn(t, st, clock, true, key("0123456789abcdef0123456789abcdef")))
	stranger := nonces(stateOn(t, st, clock, true, key("abcdef01234567890123456789abcdef")))
	nonce := here.Current(clock.Now())
	if ok, _ := there.Valid(nonce, clock.Now()); !ok {
		t.Error("another node does not know the nonce")
	}
	if ok, _ := stranger.Valid(nonce, clock.Now()); ok {
		t.Error("a node with another key takes the nonce")
	}

	missing := errors.New("not now")
	fails := true
	s := stateOn(t, st, clock, true, func(create bool) ([]byte, error) {
		if create {
			t.Error("a key is made for nonces: it would hide that the real one is lost")
		}
		if fails {
			return nil, missing
		}
		return []byte("0123456789abcdef0123456789abcdef"), nil
	})
	if _, err := s.Nonces(); !errors.Is(err, missing) {
		t.Errorf("without a key: %v, want its error", err)
	}
	if _, err := stateOn(t, st, clock, false, func(bool) ([]byte, error) { return nil, missing }).Nonces(); err != nil {
		t.Errorf("without a key, alone: %v, want nonces of its own", err)
	}
	fails = false
	if _, err := s.Nonces(); err != nil {
		t.Errorf("with the key: %v", err)
	}
}

// TestAttack85SharedReplay: a proof that was used at one node is refused by another.
func TestAttack85SharedReplay(t *testing.T) {
	onEachStore(t, func(t *testing.T, stores [2]store.Store) {
		clock := testkit.NewClock(noon)
		node := func(st store.Store) *rig {
			return possessing(t, nil, func(o *rigOptions) { o.store, o.clock, o.shared = st, clock, true })
		}
		here, there := node(stores[0]), node(stores[1])
		h := newHolder(t, clock)
		proof := h.proof(http.MethodPost, at("token"))
		if got := here.form(envA, "token", with(secretOf("api"), proof), "grant_type=client_credentials").outcome(); got != "200" {
			t.Errorf("first use: %s, want 200", got)
		}
		for name, g := range map[string]*rig{"same node": here, "other node": there} {
			if got := g.form(envA, "token", with(secretOf("api"), proof), "grant_type=client_credentials").outcome(); got != "400 invalid_dpop_proof" {
				t.Errorf("%s: %s, want 400 invalid_dpop_proof", name, got)
			}
		}
		if got := there.form(envA, "token", h.as(secretOf("api"), "token"), "grant_type=client_credentials").outcome(); got != "200" {
			t.Errorf("another proof: %s, want 200", got)
		}
	})
}
