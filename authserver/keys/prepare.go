package keys

import (
	"context"
	"fmt"
	"time"

	"github.com/caddy-gatehouse/gatehouse/authserver/store"
)

// Prepared are keys that were drawn and are nowhere yet. They are for one environment and policy.
type Prepared struct{ drawn map[drawnFor]store.Key }

// Prepare draws the keys that a policy needs that is about to be stored, so that nobody waits for them, nor draws
// others, once it is: large ones take a minute.
func (r *Rings) Prepare(ctx context.Context, env *store.Environment, p Policy) (*Prepared, error) {
	if _, err := r.Ring(ctx, env); err != nil {
		return nil, err
	}
	records, _, err := r.c.Store.KeyRing(ctx, env.ID)
	if err != nil {
		return nil, fmt.Errorf("read key ring: %w", err)
	}
	sealer, err := r.open(false)
	if err != nil {
		return nil, fmt.Errorf("secrets key: %w", err)
	}
	var row []store.Key
	for _, k := range records {
		if k.Policy == p.ID && k.Slot != store.SlotPublished && k.Slot != store.SlotStored {
			row = append(row, k)
		}
	}
	now, drawn := r.c.Now().UTC().Truncate(time.Second), map[drawnFor]store.Key{}
	all := rotations(env, []Policy{p})
	err = r.alone(ctx, env, func() error {
		_, _, _, err := planRow(&all[1], row, now, r.drawing(sealer, env, now, drawn))
		return err
	})
	if err != nil {
		return nil, err
	}
	return &Prepared{drawn}, nil
}
