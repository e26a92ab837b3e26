package keys

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
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
	work   work
}

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
	return &Rings{c: c, work: newWork()}
}

// Watch makes env, as it is configured now, known to Refresh.
func (r *Rings) Watch(env *store.Environment) { r.slot(env).env.Store(env) }

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
	if ring := s.ring.Load(); ring != nil {
		if !s.stale() {
			return ring, nil
		}
		return r.catchUp(ctx, s)
	}
	return r.load(ctx, s)
}

// Loaded is the ring that Ring gives without waiting; nil where it would have to.
func (r *Rings) Loaded(env *store.Environment) *Ring {
	if s := r.slot(env); !s.stale() {
		return s.ring.Load()
	}
	return nil
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
	if ring, err = r.catchUp(ctx, s); err != nil {
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
	ring, err := s.ring.Load(), error(nil)
	switch {
	case ring == nil || r.c.Now().Unix()-s.seen.Load() > int64(signFor/time.Second):
		ring, err = r.load(ctx, s)
	case s.stale():
		ring, err = r.catchUp(ctx, s)
	}
	if err != nil {
		return nil, err
	}
	if key := ring.current[policy]; key != nil {
		return key, nil
	}
	if ring, err = r.load(ctx, s); err != nil { // another node may have made it, or nobody yet
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
// the call counts. It is for whoever has changed a policy; prepared are the keys that were drawn for it, see Prepare.
func (r *Rings) Reload(ctx context.Context, env *store.Environment, prepared ...*Prepared) (*Ring, error) {
	return r.apply(ctx, r.slot(env), nil, prepared...)
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
