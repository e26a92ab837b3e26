package keys

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/jose"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Config is what Rings are made of. Store, Sealer, Now and Log are required.
type Config struct {
	Store store.Keys
	// Sealer is asked on first use and again after an error. With create, the ring
	// in question is empty, so that a missing key may be made.
	Sealer func(create bool) (*secret.Sealer, error)
	Now    func() time.Time
	Log    *slog.Logger
	// Policies are the rotations that an environment has beside its own. Default: none.
	Policies Policies
	// Generate draws a key for an algorithm; bits are those of an RSA key, 0 for the
	// usual. Default: jose's, RSA with 2048 bits.
	Generate func(alg string, bits int) (*jose.SigningKey, error)
	// NewID gives a new key its ID. Default: secret.NewID.
	NewID func() string
	// Rotated is told "created", "rotated", "retired" or "error". It must not block.
	Rotated func(outcome string)
	// Changed is told of a new state of a ring that every node must know of at once,
	// because a key signs or is withdrawn that was not expected to: they call Stale.
	// Default: nothing, and others find out within their Refresh.
	Changed func(ctx context.Context, environment string, version int64) error
}

const (
	// storeTimeout bounds what is asked of the store. To draw keys takes as long as it takes: large ones
	// a minute and more.
	storeTimeout = 15 * time.Second
	// signFor is how long a ring signs without having been compared with the
	// store. It is less than lateness, so that a key that other nodes demoted is
	// published for as long as anything it signed here lives.
	signFor = 5 * time.Minute
	// missPause is how long unknown kids are not looked for after one was looked for in
	// vain, so that strangers' tokens do not have the store read.
	missPause = time.Second
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
	busy   chan struct{} // held by whoever draws or reads a key for somebody
}

// slot is one environment's place in memory.
type slot struct {
	env    atomic.Pointer[store.Environment]
	ring   atomic.Pointer[Ring]
	seen   atomic.Int64  // when ring was last compared with the store, in Unix seconds
	missed atomic.Int64  // when a kid was last looked for in vain, in Unix nanoseconds
	news   atomic.Uint64 // counts what was told to Stale
	known  atomic.Uint64 // news when the comparison that made ring began
	turns  atomic.Uint64 // counts readings and writings of the store
	mu     sync.Mutex    // held to replace ring
	turn   uint64        // of turns, in which ring was read or written; guarded by mu
}

// stale reports whether something has been told since the ring was read.
func (s *slot) stale() bool { return s.known.Load() != s.news.Load() }

// New makes Rings.
func New(c Config) *Rings {
	if c.Generate == nil {
		c.Generate = jose.GenerateSigningKey
	}
	if c.NewID == nil {
		c.NewID = secret.NewID
	}
	if c.Rotated == nil {
		c.Rotated = func(string) {}
	}
	if c.Changed == nil {
		c.Changed = func(context.Context, string, int64) error { return nil }
	}
	if c.Policies == nil {
		c.Policies = func(context.Context, *store.Environment) ([]Policy, error) { return nil, nil }
	}
	return &Rings{c: c, busy: make(chan struct{}, 1)}
}

// Watch makes env, as it is configured now, known to Refresh.
func (r *Rings) Watch(env *store.Environment) { r.slot(env).env.Store(env) }

// Forget drops what is in memory of an environment that is gone.
func (r *Rings) Forget(environment string) { r.slots.Delete(environment) }

// Stale says that an environment's ring has changed in the store: before it is used
// again it is read again. An environment that nobody has used is ignored.
func (r *Rings) Stale(environment string) {
	if s, ok := r.slots.Load(environment); ok {
		s.(*slot).news.Add(1)
	}
}

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
// first use. It waits for the store only then, and after Stale. An error means that the keys
// cannot be had now.
func (r *Rings) Ring(ctx context.Context, env *store.Environment) (*Ring, error) {
	s := r.slot(env)
	if ring := s.ring.Load(); ring != nil && !s.stale() {
		return ring, nil
	}
	return r.load(ctx, s)
}

// RingFor is Ring for whoever wants to verify what the key kid has signed. Another node may have made that key just now, so one
// that is not there is looked for in the store: but only once a second if in vain.
func (r *Rings) RingFor(ctx context.Context, env *store.Environment, kid string) (*Ring, error) {
	ring, err := r.Ring(ctx, env)
	if err != nil || kid == "" || ring.Set.HasID(kid) {
		return ring, err
	}
	s, now := r.slot(env), r.c.Now().UnixNano()
	if since := now - s.missed.Load(); since >= 0 && since < int64(missPause) {
		return ring, nil
	}
	if ring, err = r.load(ctx, s); err != nil {
		return nil, err
	}
	if !ring.Set.HasID(kid) {
		s.missed.Store(now)
	}
	return ring, nil
}

// Signer gives the key that signs for env now.
func (r *Rings) Signer(ctx context.Context, env *store.Environment) (*jose.SigningKey, error) {
	return r.SignerFor(ctx, env, "")
}

// SignerFor gives the key that signs for the applications of a key rotation policy now; policy "" is
// the environment's own rotation. A policy that is gone has no signer: that is an error, and no other
// key steps in.
func (r *Rings) SignerFor(ctx context.Context, env *store.Environment, policy string) (*jose.SigningKey, error) {
	s := r.slot(env)
	ring := s.ring.Load()
	if ring == nil || s.stale() || r.c.Now().Unix()-s.seen.Load() > int64(signFor/time.Second) {
		var err error
		if ring, err = r.load(ctx, s); err != nil {
			return nil, err
		}
	}
	if key := ring.current[policy]; key != nil {
		return key, nil
	}
	ring, err := r.load(ctx, s) // another node may have made it
	if err != nil {
		return nil, err
	}
	if key := ring.current[policy]; key != nil {
		return key, nil
	}
	return nil, fmt.Errorf("the key rotation policy %s has no signing key", policy)
}

// Refresh compares every known ring with the store and rotates what is due. It
// logs failures, because it runs in the background, and returns the first one.
func (r *Rings) Refresh(ctx context.Context) error {
	var first error
	r.slots.Range(func(id, v any) bool {
		_, err := r.load(ctx, v.(*slot))
		switch {
		case err == nil || ctx.Err() != nil:
		case errors.Is(err, errGone):
			r.slots.CompareAndDelete(id, v)
		default:
			r.c.Log.LogAttrs(ctx, slog.LevelError, "signing keys cannot be refreshed",
				slog.String("environment", id.(string)), slog.String("error", err.Error()))
			first = cmp.Or(first, err)
		}
		return ctx.Err() == nil
	})
	return first
}

// Reload compares the ring of env with the store now, whoever else does so: what was stored before
// the call counts. It is for whoever has changed a policy.
func (r *Rings) Reload(ctx context.Context, env *store.Environment) (*Ring, error) {
	return r.apply(ctx, r.slot(env), nil)
}

// load updates one ring. Callers at the same time share one update, which goes
// on when its first caller gives up: keys take a while to draw.
func (r *Rings) load(ctx context.Context, s *slot) (*Ring, error) {
	done := r.flight.DoChan(s.env.Load().ID, func() (any, error) {
		return r.apply(context.WithoutCancel(ctx), s, nil)
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

// edit changes a planned ring. It may be called more than once.
type edit func(*editing) error

// apply is update, and counts its failures.
func (r *Rings) apply(ctx context.Context, s *slot, change edit) (*Ring, error) {
	ring, err := r.update(ctx, s.env.Load(), s, change)
	if _, refused := errors.AsType[*refusal](err); err != nil && !refused {
		r.c.Rotated(outcomeError)
	}
	return ring, err
}

var errGone = errors.New("the environment is gone")

// refusal is what an edit refuses: that is nothing to count.
type refusal struct{ error }

func (r *refusal) Unwrap() error { return r.error }

// update reads the ring, changes it in the store if it is due or change says so, and keeps it.
func (r *Rings) update(ctx context.Context, env *store.Environment, s *slot, change edit) (*Ring, error) {
	drawn := map[drawnFor]store.Key{}
	for range attempts {
		now, news, turn := r.c.Now().UTC().Truncate(time.Second), s.news.Load(), s.turns.Add(1)
		records, version, policies, err := r.read(ctx, env)
		if err != nil {
			return nil, err
		}
		sealer, err := r.open(len(records) == 0)
		if err != nil {
			return nil, fmt.Errorf("secrets key: %w", err)
		}
		all, draw := rotations(env, policies), r.drawing(sealer, env, now, drawn)
		planned, outcomes, err := plan(all, records, now, draw)
		if err != nil {
			return nil, err
		}
		if change != nil {
			e := &editing{ring: planned, version: version, now: now, sealer: sealer, own: &all[0], env: env, draw: draw}
			if err := change(e); err != nil {
				return nil, &refusal{err}
			}
			planned = e.ring
		}
		if len(outcomes) > 0 || change != nil {
			err := r.write(ctx, env, version, planned)
			if errors.Is(err, store.ErrConflict) {
				continue // another node was quicker: do as it did
			}
			if err != nil {
				return nil, err
			}
			version, turn = version+1, s.turns.Add(1)
			r.report(ctx, env, planned, outcomes)
		}
		ring, err := s.keep(env.ID, planned, version, sealer, now, news, turn)
		if err != nil {
			return nil, err
		}
		if change != nil || surprising(records, planned) {
			if err := r.c.Changed(ctx, env.ID, version); err != nil {
				return nil, fmt.Errorf("tell other nodes of the key ring: %w", err)
			}
		}
		return ring, nil
	}
	return nil, fmt.Errorf("write key ring: %w", store.ErrConflict)
}

// read reads a ring, and then the policies.
func (r *Rings) read(ctx context.Context, env *store.Environment) ([]store.Key, int64, []Policy, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	records, version, err := r.c.Store.KeyRing(ctx, env.ID)
	if err != nil {
		return nil, 0, nil, fmt.Errorf("read key ring: %w", err)
	}
	policies, err := r.c.Policies(ctx, env) // after the ring: see Policies
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, 0, nil, fmt.Errorf("environment %s: %w", env.ID, errGone)
	case err != nil:
		return nil, 0, nil, fmt.Errorf("read key rotation policies: %w", err)
	}
	return records, version, policies, nil
}

func (r *Rings) write(ctx context.Context, env *store.Environment, version int64, ring []store.Key) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	if err := r.c.Store.ReplaceKeyRing(ctx, env.ID, version, ring); err != nil {
		return fmt.Errorf("write key ring: %w", err)
	}
	return nil
}

// keep puts a ring in memory that was compared with the store at now, unless one is there that was read or
// written later: turn says when. A version would not tell: an environment that was deleted and made again begins at the first.
func (s *slot) keep(env string, records []store.Key, version int64, sealer *secret.Sealer, now time.Time, news, turn uint64) (*Ring, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ring := s.ring.Load()
	if ring != nil && s.turn > turn {
		return ring, nil
	}
	s.turn = turn
	if ring == nil || ring.version != version {
		var err error
		if ring, err = newRing(env, records, version, ring, sealer); err != nil {
			return nil, err
		}
		s.ring.Store(ring)
	}
	s.seen.Store(max(s.seen.Load(), now.Unix()))
	s.known.Store(max(s.known.Load(), news))
	return ring, nil
}

// surprising reports whether verifiers that know the old ring do not know a key that signs in the new one:
// the first of a policy. The first ring of an environment surprises nobody.
func surprising(old, planned []store.Key) bool {
	return len(old) > 0 && slices.ContainsFunc(planned, func(k store.Key) bool {
		return k.Slot == store.SlotCurrent && !slices.ContainsFunc(old, func(o store.Key) bool { return o.ID == k.ID })
	})
}

// drawnFor is what a key was drawn for: one that lost a race is good for the next attempt.
type drawnFor struct {
	rotation rotation
	at       store.KeySlot
}

// drawing draws keys for an environment at now.
func (r *Rings) drawing(sealer *secret.Sealer, env *store.Environment, now time.Time, drawn map[drawnFor]store.Key) draw {
	return func(rot *rotation, at store.KeySlot, signsFrom time.Time) (store.Key, error) {
		what := drawnFor{*rot, at}
		if k, ok := drawn[what]; ok {
			k.SignsFrom = signsFrom
			return k, nil
		}
		key, err := r.c.Generate(rot.algorithm, rot.length)
		if err == nil {
			key, err = key.Named(r.c.NewID())
		}
		if err != nil {
			return store.Key{}, fmt.Errorf("draw %s key: %w", rot.algorithm, err)
		}
		k := store.Key{
			Environment: env.ID, ID: key.ID(), Algorithm: key.Algorithm(), Slot: at, CreatedAt: now, SignsFrom: signsFrom, Policy: rot.policy,
		}
		if k.Sealed, err = seal(sealer, env.ID, key); err != nil {
			return store.Key{}, err
		}
		if rot.policy != "" {
			if k.Data, err = rot.describe(key, now, signsFrom); err != nil {
				return store.Key{}, err
			}
		}
		drawn[what] = k
		return k, nil
	}
}

func (r *Rings) report(ctx context.Context, env *store.Environment, ring []store.Key, outcomes []string) {
	for _, outcome := range outcomes {
		r.c.Rotated(outcome)
		r.c.Log.LogAttrs(ctx, slog.LevelInfo, "signing keys "+outcome,
			slog.String("environment", env.ID), slog.Int("keys", len(ring)))
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
