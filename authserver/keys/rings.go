package keys

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Config is what Rings are made of. Every field is required except Generate and
// Rotated.
type Config struct {
	Store store.Keys
	// Sealer is asked on first use and again after an error. With create, the ring
	// in question is empty, so that a missing key may be made.
	Sealer func(create bool) (*secret.Sealer, error)
	Now    func() time.Time
	Log    *slog.Logger
	// Generate draws a key for an algorithm. Default: jose's, RSA with 2048 bits.
	Generate func(alg string) (*jose.SigningKey, error)
	// Rotated is told "created", "rotated", "retired" or "error". It must not block.
	Rotated func(outcome string)
}

const (
	// loadTimeout bounds one update: reading, drawing two RSA keys, writing.
	loadTimeout = 15 * time.Second
	// signFor is how long a ring signs without having been compared with the
	// store. It is less than lateness, so that a key that other nodes demoted is
	// published for as long as anything it signed here lives.
	signFor = 5 * time.Minute
	// attempts bounds lost races against other nodes.
	attempts = 5
)

// Rings keeps the ring of each environment in memory. It is safe for concurrent
// use. Nothing is read before the first use of an environment.
type Rings struct {
	c      Config
	slots  sync.Map // environment id → *slot
	flight singleflight.Group
	mu     sync.Mutex // guards sealer
	sealer *secret.Sealer
}

// slot is one environment's place in memory.
type slot struct {
	env  atomic.Pointer[store.Environment]
	ring atomic.Pointer[Ring]
	seen atomic.Int64 // when ring was last compared with the store, in Unix seconds
}

// New makes Rings.
func New(c Config) *Rings {
	if c.Generate == nil {
		c.Generate = func(alg string) (*jose.SigningKey, error) { return jose.GenerateSigningKey(alg, 0) }
	}
	if c.Rotated == nil {
		c.Rotated = func(string) {}
	}
	return &Rings{c: c}
}

// Watch makes env, as it is configured now, known to Refresh.
func (r *Rings) Watch(env *store.Environment) { r.slot(env).env.Store(env) }

func (r *Rings) slot(env *store.Environment) *slot {
	if s, ok := r.slots.Load(env.ID); ok {
		return s.(*slot)
	}
	s := &slot{}
	s.env.Store(env)
	actual, _ := r.slots.LoadOrStore(env.ID, s)
	return actual.(*slot)
}

// Ring gives the keys of env for verification and publication, creating them on
// first use. It waits for the store only then. An error means that the keys
// cannot be had now.
func (r *Rings) Ring(ctx context.Context, env *store.Environment) (*Ring, error) {
	s := r.slot(env)
	if ring := s.ring.Load(); ring != nil {
		return ring, nil
	}
	return r.load(ctx, s)
}

// Signer gives the key that signs for env now.
func (r *Rings) Signer(ctx context.Context, env *store.Environment) (*jose.SigningKey, error) {
	s := r.slot(env)
	ring := s.ring.Load()
	if ring == nil || r.c.Now().Unix()-s.seen.Load() > int64(signFor/time.Second) {
		var err error
		if ring, err = r.load(ctx, s); err != nil {
			return nil, err
		}
	}
	return ring.current, nil
}

// Refresh compares every known ring with the store and rotates what is due. It
// logs failures, because it runs in the background, and returns the first one.
func (r *Rings) Refresh(ctx context.Context) error {
	var first error
	r.slots.Range(func(id, v any) bool {
		if _, err := r.load(ctx, v.(*slot)); err != nil && ctx.Err() == nil {
			r.c.Log.LogAttrs(ctx, slog.LevelError, "signing keys cannot be refreshed",
				slog.String("environment", id.(string)), slog.String("error", err.Error()))
			first = cmp.Or(first, err)
		}
		return ctx.Err() == nil
	})
	return first
}

// load updates one ring. Callers at the same time share one update, which goes
// on when its first caller gives up: keys take a while to draw.
func (r *Rings) load(ctx context.Context, s *slot) (*Ring, error) {
	env := s.env.Load()
	done := r.flight.DoChan(env.ID, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), loadTimeout)
		defer cancel()
		ring, err := r.update(ctx, env, s)
		if err != nil {
			r.c.Rotated(outcomeError)
		}
		return ring, err
	})
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case res := <-done:
		if res.Err != nil {
			return nil, res.Err
		}
		return res.Val.(*Ring), nil
	}
}

// update reads the ring, changes it in the store if it is due, and keeps it.
func (r *Rings) update(ctx context.Context, env *store.Environment, s *slot) (*Ring, error) {
	for range attempts {
		now := r.c.Now().UTC().Truncate(time.Second)
		records, version, err := r.c.Store.KeyRing(ctx, env.ID)
		if err != nil {
			return nil, fmt.Errorf("read key ring: %w", err)
		}
		sealer, err := r.open(len(records) == 0)
		if err != nil {
			return nil, fmt.Errorf("secrets key: %w", err)
		}
		planned, outcomes, err := plan(env, records, now, func(at store.KeySlot) (store.Key, error) {
			return r.draw(sealer, env, at, now)
		})
		if err != nil {
			return nil, err
		}
		if len(outcomes) > 0 {
			err := r.c.Store.ReplaceKeyRing(ctx, env.ID, version, planned)
			if errors.Is(err, store.ErrConflict) {
				continue // another node was quicker: do as it did
			}
			if err != nil {
				return nil, fmt.Errorf("write key ring: %w", err)
			}
			version++
			r.report(ctx, env, planned, outcomes)
		}
		ring := s.ring.Load()
		if ring == nil || ring.version != version {
			if ring, err = newRing(env.ID, planned, version, ring, sealer); err != nil {
				return nil, err
			}
			s.ring.Store(ring)
		}
		s.seen.Store(now.Unix())
		return ring, nil
	}
	return nil, fmt.Errorf("write key ring: %w", store.ErrConflict)
}

func (r *Rings) draw(sealer *secret.Sealer, env *store.Environment, at store.KeySlot, now time.Time) (store.Key, error) {
	key, err := r.c.Generate(env.SigningAlgorithm)
	if err != nil {
		return store.Key{}, fmt.Errorf("draw %s key: %w", env.SigningAlgorithm, err)
	}
	sealed, err := seal(sealer, env.ID, key)
	if err != nil {
		return store.Key{}, err
	}
	return store.Key{
		Environment: env.ID, ID: key.ID(), Algorithm: key.Algorithm(), Slot: at, Sealed: sealed, CreatedAt: now,
	}, nil
}

func (r *Rings) report(ctx context.Context, env *store.Environment, ring []store.Key, outcomes []string) {
	for _, outcome := range outcomes {
		r.c.Rotated(outcome)
		r.c.Log.LogAttrs(ctx, slog.LevelInfo, "signing keys "+outcome,
			slog.String("environment", env.ID), slog.String("current", ring[0].ID), slog.String("next", ring[1].ID),
			slog.Int("previous", len(ring)-2))
	}
}

// open gives the sealer, asking for the secrets key until it once succeeded.
func (r *Rings) open(create bool) (*secret.Sealer, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sealer == nil {
		s, err := r.c.Sealer(create)
		if err != nil {
			return nil, err
		}
		r.sealer = s
	}
	return r.sealer, nil
}
