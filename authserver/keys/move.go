package keys

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Moving is a key on its way to another server. Private is its private half in the clear: whoever
// has it seals it, or clears it.
type Moving struct {
	store.Key // without Sealed
	Private   []byte
}

// Take gives copies of all keys of env, as they are stored now. One that was never
// used is not made for it.
func (r *Rings) Take(ctx context.Context, env *store.Environment) ([]Moving, error) {
	records, _, err := r.c.Store.KeyRing(ctx, env.ID)
	if err != nil {
		return nil, fmt.Errorf("read key ring: %w", err)
	}
	if len(records) == 0 {
		return nil, nil
	}
	sealer, err := r.open(false)
	if err != nil {
		return nil, fmt.Errorf("secrets key: %w", err)
	}
	all := make([]Moving, 0, len(records))
	for _, k := range records {
		private, err := sealer.Open(k.Sealed, additional(env.ID, k.ID))
		if err != nil {
			return nil, fmt.Errorf("open key %s of environment %s: %w", k.ID, env.ID, err)
		}
		k.Sealed = nil
		all = append(all, Moving{k, private})
	}
	return all, nil
}

// errNothing: there is nothing to change.
var errNothing = errors.New("keys: nothing changes")

// Adopt takes keys of another server into the ring of env: those that sign there sign here from now on, and those that
// signed here are published for as long as what they signed may be good. Where the ring has a rotation's current key
// already, in whatever place, or that key has had its time, the rotation is left as it is: it has gone on since. It says
// which keys are new.
func (r *Rings) Adopt(ctx context.Context, env *store.Environment, moving []Moving) (adopted []string, err error) {
	_, err = r.apply(ctx, r.slot(env), func(e *editing) error {
		adopted = nil
		return e.adopt(slices.Clone(moving), &adopted)
	})
	if errors.Is(err, errNothing) {
		return nil, nil
	}
	return adopted, err
}

func (e *editing) adopt(moving []Moving, adopted *[]string) error {
	var first, behind []store.Key
	taken := map[string]bool{} // policies whose current key comes from elsewhere
	for i := range moving {
		m := &moving[i]
		if m.Slot == store.SlotCurrent && e.find(m.ID) == nil && e.inTime(m) {
			taken[m.Policy] = true
		}
	}
	for i := range moving {
		m := &moving[i]
		if m.Slot == store.SlotCurrent && !taken[m.Policy] {
			m.Slot, m.ExpiresAt = store.SlotPrevious, m.SignsFrom.Add(e.own.period+retention)
		}
		rotating := m.Slot == store.SlotCurrent || m.Slot == store.SlotNext
		if e.find(m.ID) != nil || rotating && !taken[m.Policy] || m.Slot == store.SlotPrevious && !m.ExpiresAt.After(e.now) {
			continue
		}
		k, err := e.sealed(m)
		if err != nil {
			return err
		}
		*adopted = append(*adopted, k.ID)
		if rotating {
			first = append(first, k)
		} else {
			behind = append(behind, k)
		}
	}
	if len(*adopted) == 0 {
		return errNothing
	}
	var here []store.Key
	for _, k := range e.ring {
		switch {
		case !taken[k.Policy] || k.Slot != store.SlotCurrent && k.Slot != store.SlotNext:
			here = append(here, k)
		case k.Slot == store.SlotCurrent:
			behind = append(behind, demoted(k, e.now))
		default: // it has signed nothing
			if d, err := describe(&k); err == nil && d.byHand() {
				k.Slot, k.SignsFrom = store.SlotPublished, time.Time{}
				behind = append(behind, k)
			}
		}
	}
	e.ring = slices.Concat(first, here, behind)
	return nil
}

// inTime reports whether a key that signs elsewhere has not had its time by now: an old file does not bring an
// old key back. One of a policy that is not here has none.
func (e *editing) inTime(m *Moving) bool {
	i := slices.IndexFunc(e.all, func(r rotation) bool { return r.policy == m.Policy })
	return i >= 0 && e.now.Before(e.all[i].end(&m.Key))
}

// sealed is a key as it is kept here. One that cannot be read would take the whole ring with it.
func (e *editing) sealed(m *Moving) (store.Key, error) {
	k := m.Key
	k.Environment = e.env.ID
	var err error
	if k.Sealed, err = e.sealer.Seal(m.Private, additional(e.env.ID, k.ID)); err != nil {
		return k, fmt.Errorf("seal key %s: %w", k.ID, err)
	}
	if k.Slot != store.SlotStored {
		if _, err := open(e.sealer, e.env.ID, &k); err != nil {
			return k, err
		}
	}
	_, err = describe(&k)
	return k, err
}
