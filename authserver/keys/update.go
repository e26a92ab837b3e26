package keys

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/internal/secret"
	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// load updates one ring. Keys take a while to draw.
func (r *Rings) load(ctx context.Context, s *slot) (*Ring, error) {
	return r.share(ctx, s.env.Load().ID, func(ctx context.Context) (*Ring, error) { return r.apply(ctx, s, nil) })
}

// share has callers at the same time share what get does. It goes on when its first caller gives up.
func (r *Rings) share(ctx context.Context, key string, get func(context.Context) (*Ring, error)) (*Ring, error) {
	done := r.flight.DoChan(key, func() (any, error) { return get(context.WithoutCancel(ctx)) })
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

// catchUp reads one ring as somebody else has left it, without drawing anything.
func (r *Rings) catchUp(ctx context.Context, s *slot) (*Ring, error) {
	ring, err := r.catchUpOnce(ctx, s)
	// Whoever shared a reading that had begun before the news came has not got them.
	for again := 0; err == nil && s.stale() && again < attempts; again++ {
		ring, err = r.catchUpOnce(ctx, s)
	}
	return ring, err
}

func (r *Rings) catchUpOnce(ctx context.Context, s *slot) (*Ring, error) {
	env := s.env.Load()
	return r.share(ctx, "catch up "+env.ID, func(ctx context.Context) (*Ring, error) {
		ctx, cancel := context.WithTimeout(ctx, storeTimeout)
		defer cancel()
		now, news, turn := r.c.Now().UTC().Truncate(time.Second), s.news.Load(), s.turns.Add(1)
		records, version, err := r.c.Store.KeyRing(ctx, env.ID)
		if err != nil {
			return nil, fmt.Errorf("read key ring: %w", err)
		}
		if len(records) == 0 {
			return r.apply(ctx, s, nil)
		}
		sealer, err := r.open(false)
		if err != nil {
			return nil, fmt.Errorf("secrets key: %w", err)
		}
		return s.keep(env.ID, records, version, sealer, now, news, turn)
	})
}

// edit changes a planned ring. It may be called more than once.
type edit func(*editing) error

// apply is update, and counts its failures.
func (r *Rings) apply(ctx context.Context, s *slot, change edit, prepared ...*Prepared) (*Ring, error) {
	drawn := map[drawnFor]store.Key{}
	for _, p := range prepared {
		maps.Copy(drawn, p.drawn)
	}
	ring, err := r.update(ctx, s.env.Load(), s, change, drawn)
	if _, refused := errors.AsType[*refusal](err); err != nil && !refused {
		r.c.Rotated(outcomeError)
	}
	return ring, err
}

var errGone = fmt.Errorf("the environment is gone: %w", store.ErrNotFound)

// refusal is what an edit refuses: that is nothing to count.
type refusal struct{ error }

func (r *refusal) Unwrap() error { return r.error }

// update reads the ring, changes it in the store if it is due or change says so, and keeps it.
// drawn are keys that were drawn already.
func (r *Rings) update(ctx context.Context, env *store.Environment, s *slot, change edit, drawn map[drawnFor]store.Key) (*Ring, error) {
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
			e := &editing{ring: planned, version: version, now: now, sealer: sealer, all: all, own: &all[0], env: env, draw: draw}
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
